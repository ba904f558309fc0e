"""Which conversation a response that is kept belongs to."""

from typing import Any

import httpx

from fakes.administration import MemoryAdministration
from fakes.ledgers import LedgerThatAnswers
from fakes.memory_responses import MemoryResponses
from fakes.services import KEY, MODEL, AnsweringExecutor, ResolverOfOneKey
from holdfast_edge.app import create_app

SYSTEM = {"role": "system", "content": "Be brief."}


async def _ready() -> bool:
    return True


async def _sessions(*asked: dict[str, Any], **headers: str) -> list[str]:
    """Ask one after another, and say which session each was of.

    `previous_response_id: True` means the response before.
    """
    resolver = ResolverOfOneKey()
    app = create_app(
        resolver,
        AnsweringExecutor(),
        MemoryAdministration(),
        LedgerThatAnswers(),
        ready=_ready,
        responses=MemoryResponses(),
    )
    before = ""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://edge",
        headers={"x-api-key": KEY, **headers},
    ) as client:
        for each in asked:
            body = {"model": MODEL, **each}
            if body.get("previous_response_id"):
                body["previous_response_id"] = before
            answered = await client.post("/v1/responses", json=body)
            assert answered.status_code == 200, answered.text
            before = answered.json()["id"]
    return [request.session_id for request in resolver.asked]


async def test_going_on_from_a_response_stays_in_its_session() -> None:
    """Whatever the conversation began with, and however long it gets."""
    goes_on = {"input": "And?", "previous_response_id": True}

    sessions = await _sessions({"input": "Hi"}, goes_on, goes_on)

    assert sessions[0]
    assert len(set(sessions)) == 1


async def test_a_client_that_sends_all_items_stays_in_its_session() -> None:
    """It is derived from how the conversation began, though each answer is kept."""
    began = [SYSTEM, {"role": "user", "content": "Hi"}]
    later = [
        *began,
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "And?"},
    ]

    sessions = await _sessions({"input": began}, {"input": later})

    assert sessions[0]
    assert len(set(sessions)) == 1


async def test_a_session_that_the_caller_names_is_the_session() -> None:
    """A header says it for responses that are kept, too."""
    sessions = await _sessions(
        {"input": "Hi"},
        {"input": "And?", "previous_response_id": True},
        **{"x-holdfast-session": "s-1"},
    )

    assert sessions == ["s-1", "s-1"]
