"""What Gemini is sent of a caller's request, field by field."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.gemini_chats import (
    API,
    FLASH,
    FLASH_ON_VERTEX,
    HELLO,
    PRO_3,
    VERTEX,
    WEATHER,
    call,
    calling,
    config,
    encoded,
    named,
    result,
)
from holdfast.errors import RequestMalformedError
from holdfast.model import Deployment
from holdfast_executor.chat import Chat
from holdfast_executor.dialects import CapabilityMissingError
from holdfast_executor.dialects.gemini_generate import Gemini
from holdfast_executor.dialects.gemini_request import LEFT_OUT, TRANSLATED

PERSON = {
    "type": "object",
    "properties": {"age": {"type": "integer", "minimum": 0}},
    "required": ["age"],
    "additionalProperties": False,
}
AS_PERSON = {
    "type": "json_schema",
    "json_schema": {"name": "person", "strict": True, "schema": PERSON},
}


@pytest.mark.parametrize(
    ("model", "stream", "path"),
    [
        ("gemini-2.5-flash", False, "/models/gemini-2.5-flash:generateContent"),
        (
            "gemini-2.5-flash",
            True,
            "/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
        ),
        ("tunedModels/mine-1", False, "/tunedModels/mine-1:generateContent"),
        ("gemini@001", False, "/models/gemini@001:generateContent"),
        ("a b?", False, "/models/a%20b%3F:generateContent"),
    ],
)
@pytest.mark.parametrize("base_uri", [API, VERTEX])
def test_the_path_names_the_model_and_the_method(
    model: str, stream: bool, path: str, base_uri: str
) -> None:
    """The same on the Gemini API and on Vertex, whose addresses differ before it."""
    body = json.dumps({"model": "m", "messages": HELLO, "stream": stream}).encode()

    sent = Gemini().encode(Chat.parse(body), named(model, base_uri))

    assert sent.path == path
    assert "model" not in json.loads(sent.body)
    assert "stream" not in json.loads(sent.body)


def test_a_request_is_sent_as_the_caller_wrote_it() -> None:
    """Nothing is added that the caller did not ask for."""
    assert encoded() == {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({"temperature": 0.7}, {"temperature": 0.7}),
        ({"temperature": 3}, {"temperature": 2}),
        ({"top_p": 0.9}, {"topP": 0.9}),
        ({"top_k": 40}, {"topK": 40}),
        ({"max_tokens": 5}, {"maxOutputTokens": 5}),
        ({"max_tokens": 5, "max_completion_tokens": 9}, {"maxOutputTokens": 9}),
        ({"stop": "x"}, {"stopSequences": ["x"]}),
        ({"stop": ["x", "", "\n"]}, {"stopSequences": ["x", "\n"]}),
        ({"stop": None}, {}),
        ({"n": 1}, {}),
        ({"n": 3}, {"candidateCount": 3}),
        ({"seed": 7}, {"seed": 7}),
        ({"seed": 2**31 + 7}, {"seed": 7}),
        ({"seed": -1}, {"seed": 2**31 - 1}),
        ({"modalities": ["text"]}, {}),
    ],
)
def test_how_an_answer_is_generated(fields: Any, sent: Any) -> None:
    """OpenAI's fields have Google's names, and values that Google takes."""
    assert config(**fields) == sent


def test_an_answer_is_no_longer_than_the_model_can_write() -> None:
    """A caller's limit for another model is no cause to refuse."""
    small = Deployment("g", "m", "g", "m", "gemini", API, max_output_tokens=100)

    assert config(small, max_tokens=500) == {"maxOutputTokens": 100}
    assert config(small) == {}


@pytest.mark.parametrize(
    ("deployment", "sent"),
    [
        (named("gemini-2.0-flash"), True),
        (FLASH_ON_VERTEX, True),
        (FLASH, False),
        (PRO_3, False),
        (named("gemini-3-pro-preview", VERTEX), False),
    ],
)
def test_penalties_go_to_those_that_take_them(
    deployment: Deployment, sent: bool
) -> None:
    """The others answer "Penalty is not enabled", and a penalty is a nuance."""
    found = config(deployment, presence_penalty=0.5, frequency_penalty=-1)

    expected = {"presencePenalty": 0.5, "frequencyPenalty": -1} if sent else {}
    assert found == expected


def test_probabilities_are_asked_of_those_that_report_them() -> None:
    """On Vertex; elsewhere the answer says null."""
    fields = {"logprobs": True, "top_logprobs": 30}

    sent = {"responseLogprobs": True, "logprobs": 20}
    assert config(FLASH_ON_VERTEX, **fields) == sent
    assert config(FLASH, **fields) == {}
    assert config(FLASH_ON_VERTEX, logprobs=True) == {"responseLogprobs": True}


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 9},
        {"stop": list("abcdef")},
        {"modalities": ["text", "audio"]},
        {"web_search_options": {}},
        {"cached_content": "cachedContents/1"},
        {"extra_body": {"google": {"cached_content": "cachedContents/1"}}},
        {"tools": [{"type": "custom", "custom": {"name": "a"}}]},
        {"tools": [{"type": "function", "function": {"name": "1st"}}]},
    ],
)
def test_what_gemini_cannot_do_is_for_another_deployment(fields: Any) -> None:
    """It is no fault of the caller's."""
    with pytest.raises(CapabilityMissingError) as raised:
        encoded(**fields)

    assert raised.value.param.split("[")[0].split(".")[0] in {
        *fields,
        "cached_content",
    }


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "robot"}]}, "messages[0].role"),
        ({"temperature": "hot"}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"stop": [1]}, "stop[0]"),
        ({"n": 0}, "n"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"safety_settings": [1]}, "safety_settings[0]"),
        ({"thinking_config": 7}, "thinking_config"),
        ({"google": []}, "google"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
    ],
)
def test_what_cannot_be_understood_names_the_field(fields: Any, field: str) -> None:
    """As the caller wrote it."""
    with pytest.raises(RequestMalformedError) as raised:
        encoded(**fields)

    assert raised.value.metadata["field"] == field


def test_a_schema_binds_the_answer() -> None:
    """As `responseJsonSchema`, which every model in service takes."""
    sent = config(response_format=AS_PERSON)

    assert sent == {
        "responseMimeType": "application/json",
        "responseJsonSchema": PERSON,
    }


@pytest.mark.parametrize(
    "wanted",
    [
        {"type": "json_object"},
        {"type": "json_schema", "json_schema": {"name": "a"}},
    ],
)
def test_json_without_a_schema_binds_the_answer(wanted: Any) -> None:
    """To be JSON of any kind."""
    assert config(response_format=wanted) == {"responseMimeType": "application/json"}


def test_text_is_what_an_answer_is_anyway() -> None:
    """Nothing is sent for it."""
    assert config(response_format={"type": "text"}) == {}


def test_beside_tools_an_older_model_is_told_the_schema_in_words() -> None:
    """It refuses to be bound to JSON where there are functions."""
    sent = encoded(
        response_format=AS_PERSON,
        tools=[WEATHER],
        messages=[{"role": "system", "content": "Be brief."}, *HELLO],
    )

    first, told = sent["systemInstruction"]["parts"]
    assert first == {"text": "Be brief."}
    assert json.dumps(PERSON, separators=(",", ":")) in told["text"]
    assert "generationConfig" not in sent


def test_beside_tools_an_older_model_is_asked_for_json_in_words() -> None:
    """Where there is no schema, too."""
    sent = encoded(response_format={"type": "json_object"}, tools=[WEATHER])

    assert "JSON object" in sent["systemInstruction"]["parts"][0]["text"]


def test_beside_tools_the_third_generation_is_bound() -> None:
    """It takes both."""
    sent = config(PRO_3, response_format=AS_PERSON, tools=[WEATHER])

    assert sent["responseJsonSchema"] == PERSON


SETTINGS = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]


@pytest.mark.parametrize(
    "fields",
    [
        {"safety_settings": SETTINGS},
        {"safetySettings": SETTINGS},
        {"google": {"safety_settings": SETTINGS}},
        {"extra_body": {"google": {"safety_settings": SETTINGS}}},
    ],
)
def test_safety_settings_are_googles_own(fields: Any) -> None:
    """They are sent as they are, wherever a caller of Google's puts them."""
    assert encoded(**fields)["safetySettings"] == SETTINGS


def test_every_field_of_openai_has_a_rule() -> None:
    """It is translated, or left out for a reason that is written down."""
    assert not TRANSLATED & LEFT_OUT.keys()
    sent = encoded(**{field: {"a": 1} for field in LEFT_OUT}, unheard_of=1)
    assert sent == encoded()


def test_all_functions_are_in_one_tool() -> None:
    """Gemini refuses several tools of functions."""
    other = {"type": "function", "function": {"name": "other", "description": "Else."}}

    sent = encoded(tools=[WEATHER, other], functions=[{"name": "third"}])

    assert sent["tools"] == [
        {
            "functionDeclarations": [
                {"name": "weather", "parametersJsonSchema": {"type": "object"}},
                {"name": "other", "description": "Else."},
                {"name": "third"},
            ]
        }
    ]
    assert "toolConfig" not in sent


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", {"mode": "AUTO"}),
        ("required", {"mode": "ANY"}),
        ("none", {"mode": "NONE"}),
        (
            {"type": "function", "function": {"name": "weather"}},
            {"mode": "ANY", "allowedFunctionNames": ["weather"]},
        ),
    ],
)
def test_tool_choice(choice: object, sent: object) -> None:
    """Each of OpenAI's words has one of Google's; a name is the only one allowed."""
    found = encoded(tools=[WEATHER], tool_choice=choice)

    assert found["toolConfig"] == {"functionCallingConfig": sent}


def test_allowed_tools_are_the_only_ones_sent() -> None:
    """Gemini's list of names holds only where a call is forced."""
    other = {"type": "function", "function": {"name": "other"}}
    allowed = {
        "type": "allowed_tools",
        "allowed_tools": {"mode": "auto", "tools": [other]},
    }

    sent = encoded(tools=[WEATHER, other], tool_choice=allowed)

    assert sent["tools"] == [{"functionDeclarations": [{"name": "other"}]}]


def test_without_tools_there_is_no_choice_of_them() -> None:
    """Gemini refuses one."""
    assert encoded(tool_choice="auto", tools=[]) == encoded()


def test_an_attempt_changes_nothing_for_the_next() -> None:
    """Each begins with the caller's own words."""
    messages = [
        *HELLO,
        calling(call("a"), content="Well"),
        result("a"),
    ]
    fields = {"messages": messages, "tools": [WEATHER], "response_format": AS_PERSON}
    chat = Chat.parse(json.dumps(fields).encode())
    before = json.dumps(chat.parsed)

    first = Gemini().encode(chat, PRO_3)
    again = Gemini().encode(chat, PRO_3)

    assert first == again
    assert json.dumps(chat.parsed) == before


KEYS = (
    *("type", "text", "role", "content", "name", "function", "id", "mode", "url"),
    *("tool_calls", "tool_choice", "image_url", "file", "file_data", "arguments"),
    *("schema", "json_schema", "properties", "$ref", "allOf", "enum", "required"),
    *("items", "thinking_config", "google", "extra_content", "thought_signature"),
    *("input_audio", "data", "format"),
)
WORDS = (
    *("text", "image_url", "file", "user", "assistant", "tool", "system", "function"),
    *("allowed_tools", "json_schema", "enabled", "object", "string", "#/$defs/a"),
    *("data:image/png;base64,A", "gs://a", "https://a/b.pdf", "input_audio", "wav"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats(0, 2) | st.text("a. "),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(KEYS), inner | st.sampled_from(WORDS), max_size=4
        )
    ),
    max_leaves=8,
)
ROLES = ("user", "assistant", "tool", "function", "system")
MESSAGES = st.builds(
    lambda message, role: {**message, "role": role},
    st.dictionaries(st.sampled_from(KEYS), JSON | st.sampled_from(WORDS), max_size=5),
    st.sampled_from(ROLES),
)


@pytest.mark.parametrize("deployment", [FLASH_ON_VERTEX, PRO_3], ids=lambda d: d.id)
@settings(deadline=None, max_examples=150, derandomize=True, database=None)
@given(
    st.dictionaries(st.sampled_from(sorted(TRANSLATED - {"model", "stream"})), JSON),
    st.lists(MESSAGES | JSON, max_size=3),
)
def test_whatever_a_caller_writes_is_sent_or_refused(
    deployment: Deployment, fields: dict[str, Any], messages: list[Any]
) -> None:
    """No request makes the gateway stumble."""
    body = json.dumps({"messages": messages, **fields}).encode()

    with contextlib.suppress(RequestMalformedError, CapabilityMissingError):
        Gemini().encode(Chat(body), deployment)


@pytest.mark.parametrize("bad", [rb'"\ud83d"', b'"\xff"', b"[" * 5000 + b"]" * 5000])
def test_text_that_cannot_be_read_is_the_callers_mistake(bad: bytes) -> None:
    """Half a character, bytes that are no UTF-8, nesting without end."""
    chat = Chat(b'{"messages":[{"role":"user","content":' + bad + b"}]}")

    with pytest.raises(RequestMalformedError):
        Gemini().encode(chat, FLASH)
