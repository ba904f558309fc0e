"""What a provider's format has no counterpart for is said on the attempt."""

import json
from dataclasses import replace

import pytest

from fakes.plans import deployment
from fakes.scene import BODY, scene
from fakes.scripted_provider import completion
from holdfast.convert import attempt_from_wire, attempt_to_wire
from holdfast.errors import AllAttemptsFailedError
from holdfast.model import Attempt, Outcome
from holdfast_executor.chat import Chat
from holdfast_executor.dialects.registry import DIALECTS
from holdfast_executor.dialects.signatures import unsent

ASKED = {
    "model": "m",
    "messages": [{"role": "user", "content": "Hi"}],
    "temperature": 0.5,
    "logit_bias": {"1": 2},
    "user": None,
    "verbosity": "low",
    "stream_options": None,
}


@pytest.mark.parametrize(
    "dialect", ["anthropic-messages", "anthropic-vertex", "bedrock-converse"]
)
def test_fields_without_a_counterpart_are_named(dialect: str) -> None:
    """What is null asks for nothing, and what is translated is not lost."""
    place = replace(deployment(), dialect=dialect, provider_model="claude-sonnet-4-5")

    encoded = DIALECTS[dialect].encode(Chat.parse(json.dumps(ASKED).encode()), place)

    assert encoded.left_out == ("logit_bias", "verbosity")


def test_nothing_is_left_out_of_openais_own_format() -> None:
    """It is passed on as it came."""
    chat = Chat.parse(json.dumps(ASKED).encode())

    encoded = DIALECTS["openai-chat"].encode(chat, deployment())

    assert encoded.left_out == ()


async def test_an_attempt_says_what_was_not_sent() -> None:
    """Whoever traces it sees why an answer is as it is."""
    body = BODY[:-1] + b',"seed":1,"max_tokens":5}'
    async with scene(completion("Hello")) as s:
        place = replace(
            s.steps[0].deployment,
            dialect="anthropic-messages",
            base_uri=s.steps[0].deployment.base_uri.removesuffix("/v1"),
        )
        s.steps[0] = replace(s.steps[0], deployment=place)
        # The provider answers in OpenAI's format, which is no answer here: what was
        # not sent is said of failed attempts too.
        with pytest.raises(AllAttemptsFailedError):
            await s.execute(body)

    assert s.told[0].left_out == ("seed",)


@pytest.mark.parametrize(
    ("dialect", "model", "expected"),
    [
        ("anthropic-messages", "claude-sonnet-4-5", ()),
        ("openai-chat", "gpt-4o", ("signature",)),
        ("gemini", "gemini-2.5-pro", ("signature",)),
    ],
)
def test_a_signature_that_only_its_issuer_can_read_is_named(
    dialect: str, model: str, expected: tuple[str, ...]
) -> None:
    """Thoughts of Claude's go back to Claude, and to nobody else."""
    thought = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
    block = {**thought, "issuer": "anthropic"}
    said = {"role": "assistant", "content": "Hi", "thinking_blocks": [block]}
    asked = {"model": "m", "messages": [*ASKED["messages"], said, *ASKED["messages"]]}
    place = replace(deployment(), dialect=dialect, model_id=model, provider_model=model)
    chat = Chat.parse(json.dumps(asked).encode())

    encoded = DIALECTS[dialect].encode(chat, place)

    assert unsent(chat, encoded.body) == expected


def test_it_survives_the_way_to_another_process() -> None:
    """In the same order."""
    attempt = Attempt(1, "a/m", Outcome.SUCCEEDED, left_out=("seed", "logit_bias"))

    assert attempt_from_wire(attempt_to_wire(attempt)).left_out == attempt.left_out
