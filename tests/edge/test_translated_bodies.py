"""Whatever a Messages or Responses request holds: it is a chat, or names a fault."""

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes.anthropic_chats import SONNET
from holdfast.errors import JsonInvalidError, RequestMalformedError
from holdfast_edge.chat_request import parse_chat
from holdfast_edge.messages.request import chat_of as chat_of_messages
from holdfast_edge.requirements import requirements
from holdfast_edge.responses.request import chat_of as chat_of_items
from holdfast_edge.responses.request import read
from holdfast_executor.chat import Chat
from holdfast_executor.dialects import CapabilityMissingError
from holdfast_executor.dialects.registry import DIALECTS

IMAGE = {"type": "base64", "media_type": "image/png", "data": "aGk="}

MESSAGES: dict[str, Any] = {
    "model": "m",
    "max_tokens": 4000,
    "system": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "b"},
                {"type": "image", "source": IMAGE},
                {
                    "type": "document",
                    "title": "c.pdf",
                    "source": {**IMAGE, "media_type": "application/pdf"},
                },
                {
                    "type": "search_result",
                    "title": "d",
                    "source": "e",
                    "content": [{"type": "text", "text": "f"}],
                },
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "g", "signature": "aGk="},
                {"type": "redacted_thinking", "data": "holdfast:eyJ0IjogMX0="},
                {"type": "tool_use", "id": "t", "name": "w", "input": {"h": 1}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "t",
                    "is_error": True,
                    "content": [{"type": "text", "text": "i"}],
                }
            ],
        },
    ],
    "tools": [{"name": "w", "description": "j", "input_schema": {"type": "object"}}],
    "tool_choice": {"type": "tool", "name": "w", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 2000},
    "stop_sequences": ["k"],
    "metadata": {"user_id": "l"},
    "output_config": {
        "effort": "low",
        "format": {"type": "json_schema", "schema": {"type": "object"}},
    },
    "top_k": 5,
    "stream": True,
}

RESPONSES: dict[str, Any] = {
    "model": "m",
    "instructions": "a",
    "input": [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "b"},
                {"type": "input_image", "image_url": "data:image/png;base64,aGk="},
                {
                    "type": "input_file",
                    "filename": "c.pdf",
                    "file_data": "data:application/pdf;base64,aGk=",
                },
            ],
        },
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [],
            "encrypted_content": "holdfast:eyJjYWxscyI6IHsidCI6IHsiZyI6IDF9fX0=",
        },
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "d", "annotations": []}],
        },
        {
            "type": "function_call",
            "call_id": "t",
            "name": "w",
            "arguments": '{"e": 1}',
        },
        {"type": "function_call_output", "call_id": "t", "output": "f"},
    ],
    "tools": [
        {
            "type": "function",
            "name": "w",
            "strict": True,
            "parameters": {"type": "object"},
        }
    ],
    "tool_choice": {"type": "function", "name": "w"},
    "reasoning": {"effort": "low"},
    "text": {
        "verbosity": "low",
        "format": {"type": "json_schema", "name": "x", "schema": {"type": "object"}},
    },
    "max_output_tokens": 77,
    "stream": True,
}

READERS: dict[str, tuple[dict[str, Any], Callable[[bytes], bytes]]] = {
    "messages": (MESSAGES, chat_of_messages),
    "responses": (RESPONSES, lambda body: chat_of_items(read(body))),
}

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "x", "holdfast:e30=", "text", "user", "data:,x"]),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "text", "content", "source", "id", "url"]),
            below,
            max_size=3,
        )
    ),
    max_leaves=6,
)


@st.composite
def spoilt(draw: st.DrawFn, good: dict[str, Any]) -> Any:
    """Make a body of which a value or two, at any depth, are something else or gone."""
    body = json.loads(json.dumps(good))
    for _ in range(draw(st.integers(1, 2))):
        at: Any = body
        while True:
            places = sorted(at) if isinstance(at, dict) else range(len(at))
            if not places:
                break
            place = draw(st.sampled_from(list(places)))
            if isinstance(at[place], (dict, list)) and draw(st.integers(0, 3)):
                at = at[place]
                continue
            if draw(st.booleans()):
                at[place] = draw(VALUES)
            else:
                del at[place]
            break
    return body


@pytest.mark.parametrize("surface", READERS)
@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_body_is_a_chat_or_a_fault_of_the_callers(
    surface: str, data: st.DataObject
) -> None:
    """Nothing that a caller writes is a fault of the gateway's, in any dialect."""
    good, translate = READERS[surface]
    body = json.dumps(data.draw(spoilt(good))).encode()

    try:
        chat = translate(body)
        requirements(parse_chat(chat), chat)
    except (RequestMalformedError, JsonInvalidError):
        return
    for dialect in DIALECTS.values():
        with contextlib.suppress(CapabilityMissingError, RequestMalformedError):
            dialect.encode(Chat.parse(chat, translated=True), SONNET)
