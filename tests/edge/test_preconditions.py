"""Acting only on what one has seen: ETag, If-Match and If-None-Match."""

import pytest

from fakes.administration import ADMIN_KEY
from fakes.services import AnsweringExecutor

from .conftest import Edge, Serve

AT = "/v2/policies/organization"

pytestmark = pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE"])


@pytest.fixture
async def edge(serve: Serve) -> Edge:
    """Give an edge with a policy, and a client with an admin key."""
    edge = await serve(AnsweringExecutor())
    edge.http.headers["authorization"] = f"Bearer {ADMIN_KEY}"
    await edge.http.put(AT, json={"geographies": ["eu"]})
    return edge


async def edited(edge: Edge, method: str, if_match: str) -> tuple[int, str]:
    """Edit the policy if it is at a state; return the status and the error's code."""
    body = {} if method == "DELETE" else {"json": {"geographies": ["us"]}}
    response = await edge.http.request(
        method, AT, headers={"if-match": if_match}, **body
    )
    code = "" if response.is_success else response.json()["error"]["code"]
    return response.status_code, code


async def etag(edge: Edge) -> str:
    return (await edge.http.get(AT)).headers["etag"]


@pytest.mark.parametrize("written", ["{}", '"x", {}', '{} , "y"', "*", 'W/"w", {}'])
async def test_edits_what_the_caller_has_seen(
    edge: Edge, method: str, written: str
) -> None:
    """One of the etags is that which it is at, or any will do."""
    if_match = written.format(await etag(edge))

    status, _ = await edited(edge, method, if_match)

    assert status == (204 if method == "DELETE" else 200)


@pytest.mark.parametrize("written", ['"x"', '"x", "y"', "W/{}", 'W/"x"', "x"])
async def test_refuses_what_somebody_has_changed_since(
    edge: Edge, method: str, written: str
) -> None:
    """A weak etag names no one state, and so none that can be edited."""
    before = await etag(edge)

    refused = await edited(edge, method, written.format(before))

    assert refused == (412, "edit_conflict")
    assert await etag(edge) == before


async def test_an_edit_makes_another_state(edge: Edge, method: str) -> None:
    """Whoever was second has to look again."""
    seen = await etag(edge)
    await edge.http.patch(AT, json={"geographies": ["apac"]})

    refused = await edited(edge, method, seen)

    assert refused == (412, "edit_conflict")


@pytest.mark.parametrize("written", ['"', '""', ",", 'a"b'])
async def test_wants_etags(edge: Edge, method: str, written: str) -> None:
    """What is none is refused by the header's name."""
    assert await edited(edge, method, written) == (400, "invalid_request")


async def test_is_not_sent_again_what_the_caller_has(edge: Edge, method: str) -> None:
    """304 without a body, until it is edited."""
    seen = await etag(edge)

    same = [
        await edge.http.get(AT, headers={"if-none-match": written})
        for written in (seen, f'"x", {seen}', f"W/{seen}", "*")
    ]
    await edited(edge, method, seen)
    other = await edge.http.get(AT, headers={"if-none-match": seen})

    for response in same:
        assert (response.status_code, response.content) == (304, b"")
        assert response.headers["etag"] == seen
        assert "transfer-encoding" not in response.headers
    assert other.status_code == (404 if method == "DELETE" else 200)
