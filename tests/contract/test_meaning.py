"""A conversation says the same in every wire format."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.chat_requests import WEATHER
from fakes.every_dialect import MODELS, deployment_of
from fakes.normal_forms import meaning_of
from holdfast.model import DIALECTS as NAMES
from holdfast_executor.chat import Chat
from holdfast_executor.dialects.registry import DIALECTS
from holdfast_executor.media import Fetched, Media

ADDRESSED = "https://images.example/shown"
DATA = "iVBORw0KGgo="
FETCHED = Media({ADDRESSED: Fetched("image/png", DATA)})

WORDS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12
).filter(str.strip)
NAME = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_-]{0,11}", fullmatch=True)
# Ids as each provider mints them, and as none does.
ID = st.one_of(
    st.from_regex(
        r"(call_|toolu_|tooluse_|chatcmpl-tool-)[a-zA-Z0-9]{3}", fullmatch=True
    ),
    st.from_regex(r"[a-zA-Z0-9]{9}", fullmatch=True),
    st.from_regex(r"functions\.f:[0-9]", fullmatch=True),
    WORDS,
)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | WORDS,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2)
    ),
    max_leaves=4,
)
OBJECT = st.dictionaries(WORDS, VALUE, max_size=3)
TEXT = st.builds(lambda text: {"type": "text", "text": text}, WORDS)
IMAGE = st.sampled_from(
    [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DATA}"}},
        {"type": "image_url", "image_url": {"url": ADDRESSED}},
    ]
)
RESULT = WORDS | OBJECT.filter(lambda o: o.keys() != {"output"}).map(json.dumps)


@st.composite
def conversations(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Write a conversation as OpenAI's clients do; it is the model's turn next."""
    messages: list[dict[str, Any]] = []
    ids = draw(st.lists(ID, min_size=6, max_size=6, unique=True))
    for _ in range(draw(st.integers(1, 3))):
        if draw(st.booleans()):
            role = draw(st.sampled_from(["system", "developer"]))
            messages.append({"role": role, "content": draw(WORDS)})
        parts = draw(st.lists(TEXT | IMAGE, min_size=1, max_size=3))
        messages.append({"role": "user", "content": draw(WORDS | st.just(parts))})
        calls = [
            {
                "id": ids.pop(),
                "type": "function",
                "function": {
                    "name": draw(NAME),
                    "arguments": json.dumps(draw(OBJECT)),
                },
            }
            for _ in range(draw(st.integers(0, 2)))
        ]
        words = draw(WORDS if not calls else st.none() | WORDS)
        called = {"tool_calls": calls} if calls else {}
        messages.append({"role": "assistant", "content": words, **called})
        messages += [
            {"role": "tool", "tool_call_id": call["id"], "content": draw(RESULT)}
            for call in draw(st.permutations(calls))
        ]
    if messages[-1]["role"] == "assistant":
        messages.append({"role": "user", "content": draw(WORDS)})
    return messages


def test_every_dialect_has_a_reader() -> None:
    """Who adds a dialect says what its requests mean."""
    assert set(MODELS) == NAMES


@pytest.mark.parametrize("dialect", MODELS)
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(messages=conversations())
def test_a_conversation_keeps_its_meaning(
    dialect: str, messages: list[dict[str, Any]]
) -> None:
    """Roles, texts, calls and results, images and their order, for every model."""
    asked = {"model": "m", "messages": messages, "tools": tools_of(messages)}
    chat = replace(Chat.parse(json.dumps(asked).encode()), media=FETCHED)
    whole = json.dumps(asked).replace(ADDRESSED, f"data:image/png;base64,{DATA}")

    encoded = DIALECTS[dialect].encode(chat, deployment_of(dialect))

    sent = json.loads(
        encoded.body.replace(ADDRESSED.encode(), f"base64,{DATA}".encode())
    )
    written = meaning_of("openai-chat", json.loads(whole))
    assert meaning_of(dialect, with_content(sent)) == written


def tools_of(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Declare what is called, and one tool that is not."""
    names = {
        call["function"]["name"]: {"name": call["function"]["name"]}
        for message in messages
        for call in message.get("tool_calls", ())
    }
    functions = [WEATHER["function"], *names.values()]
    return [{"type": "function", "function": function} for function in functions]


def with_content(body: dict[str, Any]) -> dict[str, Any]:
    """Put content in the place of its address, where the provider fetches it."""
    for message in body.get("messages", ()):
        for block in message["content"] if isinstance(message["content"], list) else ():
            source = block.get("source") or {}
            if source.get("type") == "url":
                block["source"] = {"type": "base64", "data": DATA}
    return body
