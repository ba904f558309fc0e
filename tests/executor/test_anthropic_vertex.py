"""What Vertex AI is sent for Claude, where it differs from Anthropic."""

import json
from typing import Any

from fakes.anthropic_chats import HELLO
from fakes.anthropic_chats import encoded as at_anthropic
from holdfast.model import Deployment
from holdfast_executor.chat import Chat, Encoded
from holdfast_executor.dialects.anthropic_vertex import AnthropicVertex

SONNET = Deployment(
    id="gcp/claude-sonnet-4-5-eu",
    model_id="claude-sonnet-4-5",
    provider_id="gcp",
    provider_model="claude-sonnet-4-5@20250929",
    dialect="anthropic-vertex",
    base_uri="https://aiplatform.eu.rep.googleapis.com/v1/projects/p/locations/eu"
    "/publishers/anthropic",
    auth="google",
    max_output_tokens=64_000,
)


def sent(**fields: Any) -> Encoded:
    body = json.dumps({"model": "m", "messages": HELLO, **fields}).encode()
    return AnthropicVertex().encode(Chat.parse(body), SONNET)


def test_the_model_is_in_the_path_and_the_version_in_the_body() -> None:
    """All else is as Anthropic has it."""
    encoded = sent(temperature=0.5)

    expected = at_anthropic(temperature=0.5)
    del expected["model"]
    assert encoded.path == "/models/claude-sonnet-4-5@20250929:rawPredict"
    assert json.loads(encoded.body) == {
        "anthropic_version": "vertex-2023-10-16",
        **expected,
    }
    assert "anthropic-version" not in dict(encoded.headers)


def test_a_stream_has_a_method_of_its_own() -> None:
    """And the body says so too, as Google's documentation has it."""
    encoded = sent(stream=True)

    assert encoded.path == "/models/claude-sonnet-4-5@20250929:streamRawPredict"
    assert json.loads(encoded.body)["stream"] is True


def test_betas_are_a_header() -> None:
    """As they are at Anthropic."""
    encoded = sent(betas=["context-1m-2025-08-07"])

    assert dict(encoded.headers)["anthropic-beta"] == "context-1m-2025-08-07"


def test_anthropics_tiers_are_not_googles() -> None:
    """Vertex would refuse the field."""
    assert "service_tier" not in json.loads(sent(service_tier="auto").body)
