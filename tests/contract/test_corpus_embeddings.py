"""Embeddings on Bedrock against recorded traffic of the real service.

The recordings are no part of the project: `HOLDFAST_CORPUS` names the folder
that holds them and their loader, else `shared/corpus` beside the project.
"""

import importlib.util
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from openai.types import CreateEmbeddingResponse

from fakes.embedding_requests import asking_for, place
from holdfast.model import Usage
from holdfast_executor.dialects.bedrock_embeddings import BedrockEmbeddings
from holdfast_executor.dialects.embedding import Vectors
from holdfast_executor.vectors import answer_body, misfit

CORPUS = Path(
    os.environ.get("HOLDFAST_CORPUS")
    or Path(__file__).resolve().parents[3] / "shared" / "corpus"
)
pytestmark = pytest.mark.skipif(
    not (CORPUS / "load.py").exists(), reason=f"no recordings in {CORPUS}"
)


@pytest.fixture(scope="module")
def rows() -> list[tuple[dict[str, Any], bytes]]:
    """Give every recorded call of a model that embeds, and its answer."""
    spec = importlib.util.spec_from_file_location("load", CORPUS / "load.py")
    load = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(load)
    return [
        (row, load.body(row))
        for row in load.recordings()
        if row["provider"] == "bedrock:invoke" and "embed" in row["upath"]
    ]


def asked(said: dict[str, Any]) -> Any:
    """Say as an OpenAI client what a recorded request says."""
    nova = said.get("singleEmbeddingParams", {})
    given = said.get("texts") or said.get("inputText") or nova["text"]["value"]
    dimensions = said.get("output_dimension") or nova.get("embeddingDimension")
    purpose = said.get("input_type") or ("search_query" if nova else None)
    wish = {"dimensions": dimensions, "input_type": purpose}
    return asking_for(given, **{name: value for name, value in wish.items() if value})


def test_we_ask_as_they_did(rows: list[tuple[dict[str, Any], bytes]]) -> None:
    """The live service has taken each of these requests."""
    assert len(rows) >= 3
    for row, _ in rows:
        model = unquote(row["upath"].split("/")[2])
        deployment = place("bedrock-titan", provider_model=model)

        (call,) = BedrockEmbeddings().calls(asked(row["request"]), deployment)

        assert call.encoded.path == row["upath"]
        assert json.loads(call.encoded.body) == row["request"]


def test_every_answer_becomes_one_of_openais(
    rows: list[tuple[dict[str, Any], bytes]],
) -> None:
    """With the tokens that the service has counted."""
    for row, body in rows:
        request = asked(row["request"])

        found = BedrockEmbeddings().decode(body, row["resp_headers"])

        assert isinstance(found, Vectors)
        assert misfit(request, found, 1) is None
        counted = int(row["resp_headers"]["x-amzn-bedrock-input-token-count"])
        assert found.input_tokens == counted
        written = answer_body(
            request, found.written, model="m", usage=Usage(counted), cost_usd_nanos=None
        )
        CreateEmbeddingResponse.model_validate_json(written, strict=True)
