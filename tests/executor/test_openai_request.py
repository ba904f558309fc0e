"""What an OpenAI-compatible provider is sent: the caller's request, as it came."""

import dataclasses
import json
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.model import Deployment
from holdfast_executor.chat import Chat
from holdfast_executor.dialects import CapabilityMissingError
from holdfast_executor.dialects.openai_chat import OpenAIChat

DIALECT = OpenAIChat()
DEPLOYMENT = Deployment(
    id="lab/m",
    model_id="m",
    provider_id="lab",
    provider_model="up/stream-1",
    dialect="openai-chat",
    base_uri="http://127.0.0.1/v1",
)


def encoded(body: bytes) -> bytes:
    return DIALECT.encode(Chat.parse(body), DEPLOYMENT).body


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        pytest.param(
            b'{"model":"m","messages":[]}',
            b'{"model":"up/stream-1","messages":[]}',
            id="the-model",
        ),
        pytest.param(
            b' {"temperature" : 1.0,\r\n "model"\t: "m" , "big": 1e400 } \n',
            b' {"temperature" : 1.0,\r\n "model"\t: "up/stream-1" , "big": 1e400 } \n',
            id="whitespace-and-numbers-stay",
        ),
        pytest.param(
            b'{"tools":[{"model":"m"}],"text":"\\"model\\":\\"m\\"","model":"m"}',
            b'{"tools":[{"model":"m"}],"text":"\\"model\\":\\"m\\"","model":"up/stream-1"}',
            id="a-model-further-in-stays",
        ),
        pytest.param(
            b'{"mod\\u0065l":"m","caf\\u00e9":"\\/"}',
            b'{"mod\\u0065l":"up/stream-1","caf\\u00e9":"\\/"}',
            id="an-escaped-key",
        ),
        pytest.param(
            b'{"model":"a","x":1,"model":"b"}',
            b'{"model":"up/stream-1","x":1}',
            id="a-key-twice-is-sent-once",
        ),
        pytest.param(
            b'{"model":"m","x":1,"model":"m"}',
            b'{"model":"up/stream-1","x":1}',
            id="a-key-twice-with-the-same-value",
        ),
        pytest.param(
            b'{"model":"m","stream":true}',
            b'{"model":"up/stream-1","stream":true,'
            b'"stream_options":{"include_usage":true}}',
            id="a-stream-reports-its-usage",
        ),
        pytest.param(
            b'{"stream": true, "stream_options": {"x": 1.0}, "model": "m"\n}',
            b'{"stream": true, "stream_options": {"x":1.0,"include_usage":true}, '
            b'"model": "up/stream-1"\n}',
            id="other-stream-options-stay",
        ),
        pytest.param(
            b'{"model":"m","stream":true,"stream_options":{"include_usage":false}}',
            b'{"model":"up/stream-1","stream":true,'
            b'"stream_options":{"include_usage":true}}',
            id="usage-refused",
        ),
        pytest.param(
            b'{"model":"m","stream":true,"stream_options":null}',
            b'{"model":"up/stream-1","stream":true,'
            b'"stream_options":{"include_usage":true}}',
            id="no-stream-options",
        ),
        pytest.param(
            b'{"model":"m","stream":true,"stream_options":{"include_usage": true}}',
            b'{"model":"up/stream-1","stream":true,'
            b'"stream_options":{"include_usage": true}}',
            id="usage-asked-for",
        ),
        pytest.param(
            b'{"model":"m","stream":false,"stream_options":{}}',
            b'{"model":"up/stream-1","stream":false,"stream_options":{}}',
            id="no-stream",
        ),
    ],
)
def test_a_request_is_sent_byte_for_byte_but_for_two_values(
    body: bytes, sent: bytes
) -> None:
    """Only the model changes, and that a stream reports its usage."""
    assert encoded(body) == sent


def test_a_request_goes_to_chat_completions_as_json() -> None:
    """The path is appended to the deployment's base."""
    request = DIALECT.encode(Chat.parse(b'{"model":"m"}'), DEPLOYMENT)

    assert request.path == "/chat/completions"
    assert request.headers == (("content-type", "application/json"),)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(['"model": "m"', "model", '{"model":1}', "\\", "}"]),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["model", "stream_options", "x"]), inner)
    ),
    max_leaves=10,
)
KEYS = st.sampled_from(["messages", "tools", "temperature", 'a"b', "é"]) | st.text(
    string.ascii_letters
).filter(lambda key: key not in {"model", "stream", "stream_options"})


@given(
    fields=st.dictionaries(KEYS, VALUES),
    stream=st.none() | st.booleans(),
    options=st.none() | st.fixed_dictionaries({}, optional={"x": VALUES}),
    order=st.randoms(use_true_random=False),
    indent=st.sampled_from([None, 0, 2]),
    ascii_only=st.booleans(),
)
def test_any_request_means_the_same_but_for_two_values(
    fields: dict[str, Any],
    stream: bool | None,
    options: dict[str, Any] | None,
    order: Any,
    indent: int | None,
    ascii_only: bool,
) -> None:
    """Taken out of both, the rest is identical to the byte."""
    items = [*fields.items(), ("model", "m"), ("stream", stream)]
    if options is not None:
        items.append(("stream_options", options))
    order.shuffle(items)
    request = dict(items)
    body = json.dumps(request, indent=indent, ensure_ascii=ascii_only).encode()

    sent = encoded(body)

    expected = {**request, "model": "up/stream-1"}
    if stream:
        expected["stream_options"] = {**(options or {}), "include_usage": True}
    assert json.loads(sent) == expected
    assert list(json.loads(sent)) == list(expected)
    if not stream:
        assert _without_model(sent, "up/stream-1") & _without_model(body, "m")


def _without_model(body: bytes, model: str) -> set[bytes]:
    """Every way to take one mention of the model out of a body."""
    mention = json.dumps(model).encode()
    places = [
        at for at in range(len(body)) if body.startswith(b'"model": ' + mention, at)
    ]
    assert places
    cut = len(b'"model": ')
    return {body[: at + cut] + body[at + cut + len(mention) :] for at in places}


def test_one_chat_is_encoded_afresh_for_each_deployment() -> None:
    """A fallback starts from the caller's bytes, not from the last attempt's."""
    body = b'{"model":"m","stream":true,"messages":[]}'
    chat = Chat.parse(body)

    first = DIALECT.encode(chat, DEPLOYMENT)
    again = DIALECT.encode(chat, DEPLOYMENT)

    assert first == again
    assert chat.body == body


def speaking(*members: dict[str, Any]) -> bytes:
    messages = [
        {"role": "user", "content": "Hi"},
        *({"role": "assistant", "content": "Yes.", **each} for each in members),
    ]
    return json.dumps({"model": "m", "messages": messages}).encode()


def history(body: bytes, model: str) -> list[dict[str, Any]]:
    """Return what is sent of the assistant's messages, without what all have."""
    place = dataclasses.replace(DEPLOYMENT, model_id=model)
    sent = json.loads(DIALECT.encode(Chat.parse(body), place).body)["messages"]
    usual = {"role", "content"}
    return [{k: v for k, v in each.items() if k not in usual} for each in sent[1:]]


def signed_call(**google: str) -> dict[str, Any]:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}
    return {"tool_calls": [{**call, "extra_content": {"google": google}}]}


THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
MARKED = {**THOUGHT, "issuer": "anthropic"}
REASONED = {"reasoning_content": "Hm.", "thinking_blocks": [MARKED]}
SIGNED = signed_call(thought_signature="s", issuer="gemini-3-pro")
UNMARKED = signed_call(thought_signature="s")
BARE = {
    "tool_calls": [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}
    ]
}


@pytest.mark.parametrize(
    ("said", "model", "sent"),
    [
        pytest.param(REASONED, "gpt-5", {}, id="claudes-thinking-to-gpt"),
        pytest.param(REASONED, "claude-sonnet-4-5", {}, id="from-claudes-own-api"),
        pytest.param(
            {"thinking_blocks": [THOUGHT]},
            "claude-sonnet-4-5",
            {"thinking_blocks": [THOUGHT]},
            id="from-a-provider-like-this-one",
        ),
        pytest.param({"thinking_blocks": [THOUGHT]}, "gpt-5", {}, id="and-to-gpt"),
        pytest.param(SIGNED, "gpt-5", BARE, id="geminis-signature-to-gpt"),
        pytest.param(SIGNED, "gemini-2.5-pro", BARE, id="to-another-gemini"),
        pytest.param(SIGNED, "gemini-3-pro", UNMARKED, id="to-the-same-gemini"),
        pytest.param(UNMARKED, "gemini-3-pro", UNMARKED, id="as-google-wrote-it"),
        pytest.param(UNMARKED, "gpt-5", BARE, id="as-google-wrote-it-to-gpt"),
        pytest.param(
            {"extra_content": {"google": {"thought_signature": "s"}, "x": 1}},
            "gpt-5",
            {"extra_content": {"x": 1}},
            id="beside-somebody-elses",
        ),
        pytest.param(
            {"extra_content": {"openai": {"items": []}}},
            "gpt-5",
            {},
            id="items-of-responses",
        ),
        pytest.param(
            {
                "extra_content": {
                    "openai": {"items": []},
                    "google": {"thought_signature": "s", "issuer": "gemini-3-pro"},
                }
            },
            "gemini-3-pro",
            {"extra_content": {"google": {"thought_signature": "s"}}},
            id="items-of-responses-beside-ones-own",
        ),
        pytest.param(
            {"reasoning_content": "Hm."},
            "deepseek-v3",
            {"reasoning_content": "Hm."},
            id="thinking-that-nobody-signed",
        ),
    ],
)
def test_what_only_another_can_read_is_left_out(
    said: dict[str, Any], model: str, sent: dict[str, Any]
) -> None:
    """A strict provider refuses fields that it does not know."""
    assert history(speaking(said), model) == [sent]


def test_the_other_messages_keep_their_bytes() -> None:
    """So that what is cached of them stays so."""
    first = b'{ "role":"user", "content" : "thinking_blocks \\u00e9" }'
    last = b'{"role":"assistant","thinking_blocks":[],"content":"Yes."}'
    body = b'{"model":"m","messages":[' + first + b" , " + last + b'],"x":1.0}'

    sent = encoded(body)

    answered = b'{"role":"assistant","content":"Yes."}'
    assert sent == (
        b'{"model":"up/stream-1","messages":[' + first + b"," + answered + b'],"x":1.0}'
    )


@pytest.mark.parametrize(
    "messages",
    [b'"thinking_blocks"', b'["thinking_blocks"]', b'[{"thinking_blocks":7}]'],
)
def test_a_history_that_is_none_goes_through(messages: bytes) -> None:
    """What is wrong with it is the provider's to say."""
    body = b'{"model":"up/stream-1","messages":' + messages + b"}"

    assert encoded(body) == body


def test_what_only_responses_can_say_is_left_out() -> None:
    """What came over that API is asked for all the same."""
    own = {"include": ["x"], "max_tool_calls": 3, "truncation": "auto"}
    asked = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **own}
    asked |= {"reasoning": {"summary": "auto"}, "reasoning_effort": "low"}
    chat = Chat.parse(json.dumps(asked).encode(), translated=True)

    sent = json.loads(OpenAIChat().encode(chat, DEPLOYMENT).body)

    assert sent.keys() == {"model", "messages", "reasoning_effort"}


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
FILE = {"type": "file", "file": {"filename": "a", "file_data": "data:x/y;base64,aGk="}}
OK = {"type": "text", "text": "ok"}


def said(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def result(call: str, content: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call, "content": content}


def translated(**asked: Any) -> dict[str, Any]:
    body = json.dumps({"model": "m", "messages": [], **asked}).encode()
    chat = Chat.parse(body, translated=True)
    sent: dict[str, Any] = json.loads(OpenAIChat().encode(chat, DEPLOYMENT).body)
    return sent


@pytest.mark.parametrize(
    ("messages", "sent"),
    [
        (
            [result("a", [OK, IMAGE]), result("b", "bad"), result("c", [FILE])],
            [
                result("a", [OK]),
                result("b", "bad"),
                result("c", "It is shown below."),
                {
                    "role": "user",
                    "content": [
                        said("What call a gave:"),
                        IMAGE,
                        said("What call c gave:"),
                        FILE,
                    ],
                },
            ],
        ),
        (
            [result("a", [IMAGE]), {"role": "user", "content": [OK]}],
            [
                result("a", "It is shown below."),
                {"role": "user", "content": [said("What call a gave:"), IMAGE, OK]},
            ],
        ),
        (
            [result("a", [IMAGE]), {"role": "user", "content": "So?"}],
            [
                result("a", "It is shown below."),
                {"role": "user", "content": [said("What call a gave:"), IMAGE]},
                {"role": "user", "content": "So?"},
            ],
        ),
        ([result("a", [OK, OK])], [result("a", [OK, OK])]),
    ],
    ids=["several", "before-parts", "before-text", "text"],
)
def test_what_tools_show_is_shown_by_the_user(messages: Any, sent: Any) -> None:
    """A result is text in OpenAI's format, and an image in it is refused."""
    assert translated(messages=messages)["messages"] == sent


def test_a_tool_that_another_provider_runs_is_asked_of_the_next() -> None:
    """It may be one that has it."""
    tools = [{"type": "web_search_20250305", "name": "web_search"}]

    with pytest.raises(CapabilityMissingError) as raised:
        translated(tools=tools)

    assert raised.value.param == "tools[0].type"
