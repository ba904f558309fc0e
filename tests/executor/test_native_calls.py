"""A deployment that speaks Responses beside chats is asked in the API of the caller."""

import json
from dataclasses import replace
from typing import Any

import pytest

from fakes.plans import signed
from fakes.scene import BODY, Scene, scene
from fakes.scripted_provider import completion, failing, whole
from holdfast.api.executor.v1 import executor_service_pb2 as pb
from holdfast.errors import ProviderRejectedRequestError
from holdfast.model import Capability, Outcome
from holdfast.ports import ExecuteRequest, ExecuteResponse
from holdfast_executor.dialects.openai_responses_items import issuer_of

BOTH = frozenset({Capability.RESPONSES, Capability.REASONING})
SAID = {"type": "output_text", "text": "Hello", "annotations": []}
RESPONSE = whole(
    200,
    {
        "id": "resp_1",
        "status": "completed",
        "output": [{"type": "message", "role": "assistant", "content": [SAID]}],
    },
)
UNREADABLE = failing(400, "invalid_encrypted_content")


async def respond(s: Scene, body: bytes = BODY) -> ExecuteResponse:
    """Execute a request that came over Responses."""
    surface = pb.SURFACE_OPENAI_RESPONSES
    return await s.executor.execute(ExecuteRequest(signed(*s.steps), body, surface))


def thinking(s: Scene) -> bytes:
    """Write a conversation with thoughts that the first deployment has encrypted."""
    issuer = issuer_of(s.steps[0].deployment)
    thought = {"type": "reasoning", "id": "rs_1", "summary": []}
    sealed = {**thought, "encrypted_content": "g", "issuer": issuer}
    extra = {"openai": {"items": [sealed]}}
    hi = {"role": "user", "content": "Hi"}
    said = {"role": "assistant", "content": "Hello", "extra_content": extra}
    return json.dumps({"model": "m", "messages": [hi, said, hi]}).encode()


def inputs(s: Scene) -> list[list[str]]:
    """Return the types of the items that the first provider was sent, each time."""
    bodies: list[Any] = [json.loads(each.body) for each in s.providers[0].taken]
    return [[item.get("type", "message") for item in body["input"]] for body in bodies]


async def test_what_is_asked_over_responses_is_asked_over_it() -> None:
    """By the same deployment that is otherwise asked for chats."""
    async with scene(RESPONSE, capabilities=BOTH) as s:
        answer = await respond(s)

    assert json.loads(answer.body)["choices"][0]["message"]["content"] == "Hello"
    assert s.providers[0].taken[0].path == "/v1/responses"


async def test_others_are_asked_for_a_chat() -> None:
    """Whatever the API of the caller, and after a failure of one that is native."""
    async with scene(failing(503), completion("Hi"), capabilities=BOTH) as s:
        plain = replace(s.steps[1].deployment, capabilities=frozenset())
        s.steps[1] = replace(s.steps[1], deployment=plain)
        answer = await respond(s)

    assert json.loads(answer.body)["choices"][0]["message"]["content"] == "Hi"
    assert s.providers[1].taken[0].path == "/v1/chat/completions"


async def test_thoughts_that_cannot_be_read_any_more_are_left_behind() -> None:
    """A conversation outlasts the account that it began with."""
    async with scene([UNREADABLE, RESPONSE], capabilities=BOTH) as s:
        answer = await respond(s, thinking(s))

    assert json.loads(answer.body)["choices"][0]["message"]["content"] == "Hello"
    assert inputs(s) == [
        ["message", "reasoning", "message", "message"],
        ["message", "message", "message"],
    ]
    assert [outcome for _, outcome in s.outcomes] == [
        Outcome.CAPABILITY_MISSING,
        Outcome.SUCCEEDED,
    ]


async def test_a_provider_that_cannot_read_anything_is_left() -> None:
    """It is asked again once."""
    async with scene(UNREADABLE, capabilities=BOTH) as s:
        with pytest.raises(ProviderRejectedRequestError):
            await respond(s, thinking(s))

    assert len(s.providers[0].taken) == 2
