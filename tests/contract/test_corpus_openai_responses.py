"""The dialect `openai-responses` against recorded traffic, and OpenAI's own types.

The recordings are no part of the project: `HOLDFAST_CORPUS` names the folder
that holds them and their loader, else `shared/corpus` beside the project.
"""

import functools
import importlib.util
import json
import os
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from openai.types.responses import ResponseInputItemParam, ToolParam
from openai.types.responses.response_create_params import ToolChoice
from openai.types.responses.response_text_config_param import ResponseTextConfigParam
from openai.types.shared_params.reasoning import Reasoning
from pydantic import TypeAdapter

from fakes.every_dialect import deployment_of
from holdfast.errors import RequestMalformedError
from holdfast.model import Outcome
from holdfast_executor.chat import AnswerContext, Chat
from holdfast_executor.dialects import CapabilityMissingError
from holdfast_executor.dialects.openai_responses import OpenAIResponses

CORPUS = Path(
    os.environ.get("HOLDFAST_CORPUS")
    or Path(__file__).resolve().parents[3] / "shared" / "corpus"
)
pytestmark = pytest.mark.skipif(
    not (CORPUS / "load.py").exists(), reason=f"no recordings in {CORPUS}"
)

DIALECT = OpenAIResponses()
PLACE = deployment_of("openai-responses")
ITEMS = TypeAdapter(list[ResponseInputItemParam])
TOOLS = TypeAdapter(list[ToolParam])
FIELDS = {
    "tool_choice": TypeAdapter(ToolChoice),
    "reasoning": TypeAdapter(Reasoning),
    "text": TypeAdapter(ResponseTextConfigParam),
}


@functools.cache
def loader() -> ModuleType:
    spec = importlib.util.spec_from_file_location("corpus_load", CORPUS / "load.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def chats() -> list[dict[str, Any]]:
    """Return the chats that clients have sent to OpenAI and whoever is like it."""
    return [
        row["request"]
        for row in loader().recordings()
        if isinstance(row["request"], dict) and "messages" in row["request"]
        if row["provider"].startswith("openai:")
    ]


def test_any_recorded_chat_is_a_request_in_openais_own_types() -> None:
    """But for those that Responses has no words for, which say so."""
    came_to: Counter[str] = Counter()
    for asked in chats():
        chat = Chat.parse(json.dumps(asked).encode())
        try:
            sent = json.loads(DIALECT.encode(chat, PLACE).body)
        except CapabilityMissingError as error:
            came_to[error.param.partition("[")[0]] += 1
            continue
        except RequestMalformedError:
            came_to["malformed"] += 1
            continue
        ITEMS.validate_python(sent["input"])
        TOOLS.validate_python(sent.get("tools", []))
        for name, shape in FIELDS.items():
            if name in sent:
                shape.validate_python(sent[name])
        came_to["sent"] += 1

    assert came_to["sent"] > 0.8 * came_to.total()


def odd(name: str) -> bytes:
    """Read a stream of the odd ones, its chunks made into events."""
    raw = (CORPUS / "odd-streams" / name).read_bytes()
    if not name.endswith(".chunks.txt"):
        return raw
    return b"".join(b"data: " + line + b"\n\n" for line in raw.splitlines() if line)


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("openai-responses-midstream-rate_limit.sse", Outcome.TOO_LONG),
        ("openai-responses-midstream-insufficient_quota.chunks.txt", Outcome.UNUSABLE),
    ],
)
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_a_response_that_fails_once_it_is_created_has_said_nothing(
    name: str, outcome: Outcome, size: int
) -> None:
    """Another deployment can be asked, and nobody sees."""
    context = AnswerContext("m", "chatcmpl-held", 1, deployment=PLACE)
    decoder = DIALECT.decode_stream(context)
    raw = odd(name)

    blocks = (raw[at : at + size] for at in range(0, len(raw), size))
    written = b"".join(map(decoder.feed, blocks)) + decoder.finish()

    assert written == b""
    assert not decoder.has_content
    assert not decoder.is_complete
    assert decoder.failure is not None
    assert decoder.failure.outcome is outcome
