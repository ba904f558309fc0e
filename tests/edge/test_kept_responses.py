"""What can be asked of responses beside making them: their items, tokens, an end."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from fakes.administration import MemoryAdministration
from fakes.ledgers import LedgerThatAnswers
from fakes.memory_responses import MemoryResponses
from fakes.services import KEY, MODEL, AnsweringExecutor, ResolverOfOneKey
from holdfast.model import Capability
from holdfast_edge.app import OPENAI_BASES, create_app

CALL = {"type": "function_call", "call_id": "c1", "name": "w", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "Sunny"}
ASKED = [{"role": "user", "content": "Weather?"}, CALL, RESULT]


async def _ready() -> bool:
    return True


@pytest.fixture
def resolver() -> ResolverOfOneKey:
    """Give a resolver that knows what it was asked."""
    return ResolverOfOneKey()


@pytest.fixture
async def client(resolver: ResolverOfOneKey) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of an edge that keeps responses."""
    app = create_app(
        resolver,
        AnsweringExecutor(),
        MemoryAdministration(),
        LedgerThatAnswers(),
        ready=_ready,
        responses=MemoryResponses(),
    )
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://edge",
        headers={"x-api-key": KEY},
    ) as made:
        yield made


async def _made(client: httpx.AsyncClient, asked: Any, **more: Any) -> dict[str, Any]:
    body = {"model": MODEL, "input": asked, **more}
    answered = await client.post("/v1/responses", json=body)
    assert answered.status_code == 200, answered.text
    made: dict[str, Any] = answered.json()
    return made


async def _items(
    client: httpx.AsyncClient, response_id: str, **query: Any
) -> dict[str, Any]:
    path = f"/v1/responses/{response_id}/input_items"
    answered = await client.get(path, params=query)
    assert answered.status_code == 200, answered.text
    listed: dict[str, Any] = answered.json()
    return listed


async def test_the_items_of_a_response_are_listed_the_last_one_first(
    client: httpx.AsyncClient,
) -> None:
    """In full and with an id each, however short they were sent."""
    made = await _made(client, ASKED)

    listed = await _items(client, made["id"])

    result, call, message = listed["data"]
    assert message["content"] == [{"type": "input_text", "text": "Weather?"}]
    assert call == CALL | {"id": call["id"], "status": "completed"}
    assert result == RESULT | {"id": result["id"], "status": "completed"}
    assert len({item["id"] for item in listed["data"]}) == 3
    assert (listed["object"], listed["has_more"]) == ("list", False)
    assert (listed["first_id"], listed["last_id"]) == (result["id"], message["id"])


async def test_an_item_keeps_the_id_that_it_came_with(
    client: httpx.AsyncClient,
) -> None:
    """Clients find theirs again."""
    made = await _made(client, [{"id": "msg_7", "role": "user", "content": "Hi"}])

    listed = await _items(client, made["id"])

    assert listed["first_id"] == "msg_7"


async def test_what_a_response_goes_on_from_is_part_of_what_it_was_made_of(
    client: httpx.AsyncClient,
) -> None:
    """The conversation is had from its last response, without that one's answer."""
    first = await _made(client, "Hi")
    second = await _made(client, "And?", previous_response_id=first["id"])

    listed = await _items(client, second["id"], order="asc")

    asked, answered, then = listed["data"]
    assert asked["content"] == [{"type": "input_text", "text": "Hi"}]
    assert answered == first["output"][0]
    assert then["content"] == [{"type": "input_text", "text": "And?"}]


async def test_the_list_is_paged_through(client: httpx.AsyncClient) -> None:
    """Either way, no item is missed and none comes twice."""
    made = await _made(client, [{"role": "user", "content": str(n)} for n in range(25)])
    whole = await _items(client, made["id"], limit=100, order="asc")
    first = await _items(client, made["id"])

    rest = await _items(client, made["id"], after=first["last_id"])

    ids = [item["id"] for item in (*first["data"], *rest["data"])]
    assert len(first["data"]) == 20
    assert first["has_more"]
    assert not rest["has_more"]
    assert ids == [item["id"] for item in reversed(whole["data"])]


async def test_the_page_after_the_last_item_is_empty(client: httpx.AsyncClient) -> None:
    """A client that goes on comes to an end."""
    made = await _made(client, "Hi")
    whole = await _items(client, made["id"])

    after = await _items(client, made["id"], after=whole["last_id"])

    assert after == {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }


async def test_an_item_can_be_named_by_the_id_in_the_list(
    client: httpx.AsyncClient,
) -> None:
    """Also one that was sent without an id."""
    made = await _made(client, ASKED)
    listed = await _items(client, made["id"], order="asc")
    names = [{"type": "item_reference", "id": each["id"]} for each in listed["data"]]
    again = await _made(client, names)

    relisted = await _items(client, again["id"], order="asc")

    assert relisted["data"] == listed["data"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"order": "up"}, "order"),
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"limit": "٣"}, "limit"),
        ({"limit": "9" * 5000}, "limit"),
        ({"after": "msg_none"}, "after"),
    ],
)
async def test_a_wrong_page_is_refused(
    client: httpx.AsyncClient, query: dict[str, str], field: str
) -> None:
    """With the name of what is wrong."""
    made = await _made(client, "Hi")

    refused = await client.get(f"/v1/responses/{made['id']}/input_items", params=query)

    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == field


async def test_what_else_is_to_be_shown_may_be_said(client: httpx.AsyncClient) -> None:
    """As the client writes it: what there is is shown in any case."""
    made = await _made(client, "Hi")

    listed = await _items(
        client, made["id"], **{"include[]": "reasoning.encrypted_content"}
    )

    assert len(listed["data"]) == 1


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "input_items"), ("POST", "cancel")]
)
async def test_of_a_response_that_is_not_kept_nothing_is_said(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    """It is not found."""
    refused = await client.request(method, f"/v1/responses/resp_none/{path}")

    assert refused.status_code == 404
    assert refused.json()["error"]["code"] == "not_found"


async def test_a_response_that_is_whole_cannot_be_cancelled(
    client: httpx.AsyncClient,
) -> None:
    """The error says that it was not made in the background, and how to stop one."""
    made = await _made(client, "Hi")

    refused = await client.post(f"/v1/responses/{made['id']}/cancel")

    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (400, "invalid_request")
    assert "background" in error["message"]


async def test_tokens_are_estimated(client: httpx.AsyncClient) -> None:
    """By all that the model would read, what is gone on from and tools included."""
    first = await _made(client, "One two three four five six seven eight nine ten")
    goes_on = {"previous_response_id": first["id"]}
    tools = [{"type": "function", "name": "weather", "description": "w" * 400}]
    counted = []
    for more in ({}, goes_on, goes_on | {"tools": tools}):
        answered = await client.post(
            "/v1/responses/input_tokens",
            json={"model": MODEL, "input": "Hello", **more},
        )
        assert answered.json()["object"] == "response.input_tokens"
        counted.append(answered.json()["input_tokens"])

    assert 0 < counted[0] < counted[1] < counted[2] - 90


async def test_tokens_are_counted_for_who_could_answer(
    client: httpx.AsyncClient, resolver: ResolverOfOneKey
) -> None:
    """A tool that only some have is looked for, and nothing is bound by asking."""
    asked = {"model": MODEL, "input": "Hi", "tools": [{"type": "web_search"}]}

    answered = await client.post("/v1/responses/input_tokens", json=asked)

    (wanted,) = resolver.asked
    assert answered.status_code == 200
    assert Capability.RESPONSES in wanted.requirements.capabilities
    assert wanted.validate_only


@pytest.mark.parametrize(
    ("asked", "status", "field"),
    [
        ({"input": "Hi"}, 400, "model"),
        ({"model": MODEL}, 400, "input"),
        ({"model": "no-such-model", "input": "Hi"}, 404, "model"),
        (
            {"model": MODEL, "input": "Hi", "previous_response_id": "resp_none"},
            400,
            "previous_response_id",
        ),
    ],
)
async def test_what_could_not_be_answered_is_not_counted(
    client: httpx.AsyncClient, asked: dict[str, Any], status: int, field: str
) -> None:
    """The error is that of the request itself."""
    refused = await client.post("/v1/responses/input_tokens", json=asked)

    assert refused.status_code == status
    assert refused.json()["error"]["param"] == field


@pytest.mark.parametrize("base", OPENAI_BASES)
async def test_they_are_served_under_every_name_of_the_api(
    client: httpx.AsyncClient, base: str
) -> None:
    """With a session in the path, too."""
    at = base.replace("{session}", "s-1") + "/responses"
    made = await _made(client, "Hi")
    asked = {"model": MODEL, "input": "Hi"}

    statuses = [
        (await client.get(f"{at}/{made['id']}/input_items")).status_code,
        (await client.post(f"{at}/{made['id']}/cancel")).status_code,
        (await client.post(f"{at}/input_tokens", json=asked)).status_code,
        (await client.post(f"{at}/compact", json=asked)).status_code,
    ]

    assert statuses == [200, 400, 200, 200]


@pytest.mark.parametrize("key", ["", "hf-nobody"])
@pytest.mark.parametrize("path", ["input_tokens", "compact"])
async def test_whoever_may_not_call_a_model_learns_nothing(
    client: httpx.AsyncClient, key: str, path: str
) -> None:
    """A key is asked for as everywhere."""
    client.headers["x-api-key"] = key

    refused = await client.post(
        f"/v1/responses/{path}", json={"model": MODEL, "input": "Hi"}
    )

    assert refused.status_code == 401
