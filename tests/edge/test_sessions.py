"""Which conversation a chat belongs to."""

import json
from typing import Any

import pytest

from holdfast_edge.chat_request import parse_chat
from holdfast_edge.headers import Head
from holdfast_edge.sessions import Session, session_of

SYSTEM = {"role": "system", "content": "Be brief."}
TOOLS = [{"type": "function", "function": {"name": "f"}}]
OPENING = {"role": "user", "content": "What is a session?"}
REPLY = {"role": "assistant", "content": "A conversation."}
NEXT = {"role": "user", "content": "And a binding?"}


def session(
    *messages: dict[str, Any],
    path: str = "",
    headers: dict[str, str] | None = None,
    key: bytes = b"k" * 32,
    **body: Any,
) -> Session:
    chat = parse_chat(
        json.dumps({"model": "m", "messages": messages or [OPENING], **body}).encode()
    )
    raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    head = Head.read(raw, lambda: "t")
    return session_of(chat, head, in_path=path, api_key_digest=key)


NAMED_ALL_OVER = {
    "session_id": "e",
    "x-session-affinity": "d",
    "x-opper-trace-id": "c",
    "x-session-id": "b",
    "x-holdfast-session": "a",
}


def test_takes_the_most_particular_name() -> None:
    """Path, then headers in their order, then the body's cache key."""
    headers = dict(NAMED_ALL_OVER)
    found = [session(path="p", headers=headers, prompt_cache_key="f").id]
    while headers:
        found.append(session(headers=headers, prompt_cache_key="f").id)
        headers.popitem()
    found.append(session(prompt_cache_key="f").id)

    assert found == ["p", "a", "b", "c", "d", "e", "f"]


def test_a_blank_name_is_none() -> None:
    """A header or field without content names no session."""
    blank = session(headers={"x-holdfast-session": " "}, prompt_cache_key=" ")

    assert blank == Session()


def test_knows_a_session_with_its_prefix_and_without() -> None:
    """Clients send `sess_` before the same id in one place and not in another."""
    assert session(path="sess_1f0e") == session(headers={"x-opper-trace-id": "1f0e"})


@pytest.mark.parametrize("name", ["s" * 257, "ß" * 129])
def test_bounds_a_long_name(name: str) -> None:
    """A name of more than 256 bytes is hashed, and still tells sessions apart."""
    long, other = session(prompt_cache_key=name), session(prompt_cache_key=name + "x")

    assert len(long.id) == 64
    assert long.id != other.id


def test_keeps_a_name_of_256_bytes() -> None:
    """The longest name stays as it is."""
    assert session(prompt_cache_key="s" * 256).id == "s" * 256


def test_derives_one_session_for_all_turns() -> None:
    """The turns of a conversation open alike, and so belong together."""
    first = session(SYSTEM, OPENING)
    second = session(SYSTEM, OPENING, REPLY, NEXT)

    assert first == second
    assert first.derived


@pytest.mark.parametrize(
    "other",
    [
        session({**SYSTEM, "content": "Be long."}, OPENING),
        session(SYSTEM, NEXT),
        session(SYSTEM, OPENING, tools=TOOLS),
        session(OPENING, REPLY, NEXT),
        session(SYSTEM, OPENING, key=b"o" * 32),
        session({**SYSTEM, "role": "developer"}, OPENING),
    ],
)
def test_derives_another_session_for_another_opening(other: Session) -> None:
    """Another prompt, other tools, another question or key: another session."""
    assert other.derived
    assert other.id != session(SYSTEM, OPENING).id


def test_knows_an_opening_whose_cache_marker_moved_on() -> None:
    """Clients mark the latest message only, and wrap its text to do so."""
    text = {"type": "text", "text": OPENING["content"]}
    marked = {**text, "cache_control": {"type": "ephemeral"}}

    assert (
        session(SYSTEM, OPENING)
        == session(SYSTEM, {**OPENING, "content": [text]})
        == session(SYSTEM, {**OPENING, "content": [marked]})
    )


def test_tells_openings_with_other_images_apart() -> None:
    """Parts that are no text count as well."""

    def about(url: str) -> Session:
        image = {"type": "image_url", "image_url": {"url": url}}
        return session(SYSTEM, {"role": "user", "content": [image, "odd", 7]})

    assert about("a") == about("a")
    assert about("a") != about("b")


@pytest.mark.parametrize("changed", ["x" + "a" * 40_000, "a" * 40_000 + "x"])
def test_tells_long_openings_apart(changed: str) -> None:
    """A long prompt that begins, ends or is cut otherwise is another one."""
    derived = {
        session({**SYSTEM, "content": content}, OPENING).id
        for content in ("a" * 40_001, "a" * 40_002, changed)
    }

    assert len(derived) == 3


def test_tells_parts_of_unknown_kinds_apart() -> None:
    """What reads alike when it is run together is not alike."""

    def saying(part: dict[str, int]) -> Session:
        return session(SYSTEM, {"role": "user", "content": [part]})

    assert saying({"a": 12}) != saying({"a1": 2})


def test_derives_none_where_nothing_is_worth_keeping_warm() -> None:
    """A single turn without system prompt or tools has no session."""
    assert session(OPENING) == Session()


@pytest.mark.parametrize(
    ("messages", "body"),
    [([OPENING], {"tools": TOOLS}), ([SYSTEM], {}), ([OPENING, REPLY], {})],
)
def test_derives_one_where_something_is(
    messages: list[dict[str, Any]], body: dict[str, Any]
) -> None:
    """Tools, a system prompt or an earlier turn are worth keeping warm."""
    assert session(*messages, **body).derived
