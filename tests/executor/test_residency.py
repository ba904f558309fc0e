"""What callers and operators see of a provider that worked elsewhere."""

import json

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from fakes.plans import deployment
from fakes.scene import Scene, messages, scene
from fakes.scripted_provider import Reply, completion, failing, streamed
from holdfast import convert
from holdfast.model import Usage
from holdfast_executor.chat import AnswerContext
from holdfast_executor.dialects import Decoded
from holdfast_executor.dialects.anthropic_messages import AnthropicMessages
from holdfast_executor.metrics import shown
from holdfast_executor.residency import Evidence, observed_elsewhere


@pytest.mark.parametrize(
    ("promised", "said", "found"),
    [
        ("eu", "West Europe", ""),
        ("eu", "Sweden Central", ""),
        ("eu", "East US 2", "us"),
        ("eu", "UK South", "elsewhere"),
        ("eu", "switzerlandnorth", "elsewhere"),
        ("us", "East US", ""),
        ("us", "Japan East", "apac"),
        ("apac", "Southeast Asia", ""),
        ("eu", "Atlantis North", ""),
        ("eu", "", ""),
        ("global", "East US", ""),
        ("", "East US", ""),
    ],
)
def test_azures_region_is_held_to_the_promise(
    promised: str, said: str, found: str
) -> None:
    """Of a region that nobody here knows nothing is said."""
    place = deployment("azure/m", geography=promised)

    assert observed_elsewhere(Evidence(place, azure_region=said)) == found


@pytest.mark.parametrize(
    ("promised", "said", "found"),
    [
        ("us", "us", ""),
        ("us", "global", "global"),
        ("eu", "us", "us"),
        ("eu", "not_available", ""),
        ("global", "us", ""),
    ],
)
def test_anthropics_geography_is_held_to_the_promise(
    promised: str, said: str, found: str
) -> None:
    """Everywhere is no place that was promised."""
    place = deployment("anthropic/m", geography=promised)
    usage = Usage(1, 1, inference_geo=said)

    assert observed_elsewhere(Evidence(place, usage=usage)) == found


def from_azure(reply: Reply, region: str) -> Reply:
    """Have a reply come from one of Azure's regions."""
    first, *rest = reply.pieces
    head = f"HTTP/1.1 200 X\r\nx-ms-region: {region}\r\n".encode()
    return Reply([head + first.partition(b"\r\n")[2], *rest])


def strays(s: Scene) -> list[str]:
    return [attempt.observed_geography for attempt in s.told]


async def test_the_attempt_says_where_it_was_worked_on() -> None:
    """Whole or streamed; and the answer is the caller's all the same."""
    elsewhere = from_azure(completion(), "East US")
    async with scene(elsewhere) as s:
        answer = await s.execute()
    async with scene(from_azure(streamed("Hi"), "East US")) as t:
        await messages(t.stream())

    assert json.loads(answer.body)["choices"]
    assert strays(s) == strays(t) == ["us"]
    assert convert.attempt_from_wire(convert.attempt_to_wire(s.told[0])) == s.told[0]


async def test_a_promise_that_is_kept_is_not_worth_a_word() -> None:
    """Nor is one nobody says anything of, nor a failure to connect."""
    kept = from_azure(completion(), "Sweden Central")
    async with scene(kept) as s, scene(completion()) as t, scene(Reply(), kept) as u:
        await s.execute()
        await t.execute()
        await u.execute()

    assert strays(s) + strays(t) + strays(u) == [""] * 4


async def test_a_refusal_from_elsewhere_counts_as_well() -> None:
    """The prompt was there."""
    refusal = from_azure(failing(503), "East US")
    refused = Reply([refusal.pieces[0].replace(b" 200 ", b" 503 ")])
    async with scene(refused, completion()) as s:
        await s.execute()

    assert strays(s) == ["us", ""]


async def test_operators_are_told() -> None:
    """An error in the log, which holds no prompt, and a count by deployment."""
    registry = CollectorRegistry()
    async with scene(from_azure(completion(), "East US")) as s:
        with capture_logs() as logged, shown(s.lessons, registry):
            await s.execute()
            count = registry.get_sample_value(
                "holdfast_executor_residency_contradictions_total",
                {"deployment": "a/m-eu"},
            )

    [alarm] = [line for line in logged if line["event"] == "residency_contradicted"]
    assert alarm["log_level"] == "error"
    assert alarm["deployment_id"] == "a/m-eu"
    assert alarm["observed_geography"] == "us"
    assert count == 1


CONTEXT = AnswerContext("m", "a", 1)
USAGE = {"input_tokens": 1, "output_tokens": 1, "inference_geo": "us"}


def test_anthropics_word_is_read_of_an_answer() -> None:
    """From the usage, whole or streamed."""
    body = {"content": [{"type": "text", "text": "Hi"}], "usage": USAGE}
    begins = {"type": "message_start", "message": {"usage": USAGE}}
    whole = AnthropicMessages().decode(json.dumps(body).encode(), CONTEXT)
    stream = AnthropicMessages().decode_stream(CONTEXT)
    stream.feed(f"data: {json.dumps(begins)}\n\n".encode())

    assert isinstance(whole, Decoded)
    assert whole.usage is not None
    assert stream.usage is not None
    assert whole.usage.inference_geo == stream.usage.inference_geo == "us"
