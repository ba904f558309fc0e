"""Which parts of a body are texts, and that all others keep their bytes."""

import msgspec
import pytest

from fakes.guardrails import guardrail
from holdfast_executor.guardrails.search import Found, Watch
from holdfast_executor.guardrails.texts import rewritten

WATCH = Watch((guardrail("redact", "credit_card", "email"),))


def redacted(body: bytes) -> bytes:
    return rewritten(body, WATCH.reader(Found()))


def in_message(content: str) -> bytes:
    return b'{"messages":[{"role":"user","content":%b}]}' % content.encode()


@pytest.mark.parametrize(
    "body",
    [
        b'{"messages":[{"role":"user","content":"@"}]}',
        b'{"messages":[{"role":"user","content":[{"type":"text","text":"@"}]}]}',
        b'{"messages":[{"role":"system","content":"@"}]}',
        b'{"messages":[{"role":"tool","tool_call_id":"c","content":"@"}]}',
        b'{"messages":[{"role":"user","name":"@","content":""}]}',
        b'{"messages":[{"role":"assistant","reasoning_content":"@"}]}',
        b'{"messages":[{"role":"assistant","refusal":"@"}]}',
        b'{"messages":[{"content":[{"type":"tool_use","input":{"id":"@"}}]}]}',
        b'{"messages":[{"content":[{"text":"x","type":"text"},"@"]}]}',
        b'{"messages":[{"content":[{"type":"image_url","image_url":{"url":"@"}}]}]}',
        b'{"system":"@"}',
        b'{"input":"@"}',
        b'{"input":["a","@"]}',
        b'{"tools":[{"type":"function","function":{"description":"@"}}]}',
        b'{"tools":[{"function":{"parameters":{"properties":{"type":{"enum":["@"]}}}}}]}',
        b'{"prediction":{"type":"content","content":"@"}}',
        b'{"response_format":{"json_schema":{"schema":{"description":"@"}}}}',
        b'{"user":"@"}',
        b'{"metadata":{"type":"@"}}',
        b'{"metadata":{"@":"x"}}',
        b'{"stop":["@"]}',
        b'{"something_new":{"of":["a",{"vendor":"@"}]}}',
        b'{"choices":[{"message":{"content":"@"},"finish_reason":"stop"}]}',
    ],
)
def test_every_text_that_a_provider_gets_is_looked_into(body):
    """Messages, tools, options, and what nobody here has heard of."""
    given = body.replace(b"@", b"a@b.com")

    assert redacted(given) == body.replace(b"@", b"***")


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"@"}',
        b'{"messages":[{"role":"@","content":"x"}]}',
        b'{"messages":[{"tool_calls":[{"id":"@","type":"@","function":{"name":"@"}}]}]}',
        b'{"messages":[{"role":"tool","tool_call_id":"@","content":""}]}',
        b'{"messages":[{"content":[{"type":"thinking","signature":"@"}]}]}',
        b'{"tool_choice":{"type":"function","function":{"name":"@"}}}',
        b'{"tool_choice":"@","service_tier":"@","reasoning_effort":"@"}',
        b'{"choices":[{"finish_reason":"@","logprobs":{"content":[{"token":"@"}]}}]}',
        b'{"id":"@","object":"@","system_fingerprint":"@"}',
    ],
)
def test_words_of_the_api_are_none(body):
    """Names that others refer to, kinds, seals: changed, they would mean nothing."""
    given = body.replace(b"@", b"a@b.com")

    assert redacted(given) == given


def test_a_sentence_is_a_text_whatever_it_is_called():
    """What has no name of its own here may take one that an API has."""
    body = b'{"documents":[{"detail":"write to a@b.com","status":"to:\\na@b.com"}]}'

    assert b"a@b.com" not in redacted(body)


@pytest.mark.parametrize("number", [4111111111111111, "4111111111111111"])
def test_numbers_are_looked_into_where_a_model_or_a_tool_wrote_them(number):
    """In a tool call's arguments, in a tool's answer; and what comes of it is JSON."""
    arguments = msgspec.json.encode({"card": number, "count": 3}).decode()
    call = {"function": {"name": "pay", "arguments": arguments}}
    body = msgspec.json.encode({"seed": 4111111111111111, "messages": [call]})

    read = msgspec.json.decode(redacted(body))

    assert read["seed"] == 4111111111111111
    left = msgspec.json.decode(read["messages"][0]["function"]["arguments"])
    assert left == {"card": "***", "count": 3}


def test_all_but_what_is_redacted_keeps_its_bytes():
    """Spaces, the order of names, how a number or a letter is written."""
    body = (
        b'{ "b":1.0, "a" : 1e3,\n"messages":[{"content":"a@b.com", "x":"caf\\u00e9"},'
        b'\t{"content":"\\/ ok"}] }'
    )

    assert redacted(body) == body.replace(b"a@b.com", b"***")


def test_a_body_in_which_nothing_is_found_is_the_very_same():
    """Not a copy: nothing has to be parsed again."""
    body = in_message('"nothing to see"')

    assert redacted(body) is body


@pytest.mark.parametrize(
    "written",
    [
        r'"a\u0040b.com"',
        r'"\u0061@b.com"',
        r'"see:\na@b.com"',
        r'"\"a@b.com\""',
        r'"\ud83d a@b.com"',
        r'"\ud83d\ude00 a@b.com"',
    ],
)
def test_escapes_hide_nothing(written):
    """A text is looked into as it reads, not as it is written."""
    left = redacted(in_message(written))

    assert b"b.com" not in left
    assert "***" in msgspec.json.decode(left)["messages"][0]["content"]


def test_a_name_that_stands_twice_hides_nothing():
    """A provider may take either."""
    body = b'{"messages":[{"content":"a@b.com","content":"x"}],"user":"a@b.com"}'

    assert b"a@b.com" not in redacted(body)


def test_json_in_a_text_stays_json():
    """Quoted, and quoted once more; a tool's answer may quote another's."""
    inner = msgspec.json.encode({"mail": "a@b.com", "card": 4111111111111111})
    outer = msgspec.json.encode({"answer": inner.decode(), "deep": ["a\n@b.com", 1]})
    body = msgspec.json.encode({"messages": [{"content": outer.decode()}]})

    content = msgspec.json.decode(redacted(body))["messages"][0]["content"]

    read = msgspec.json.decode(content)
    assert read["deep"] == ["a\n@b.com", 1]
    assert msgspec.json.decode(read["answer"]) == {"mail": "***", "card": "***"}


def test_what_only_looks_like_json_is_a_text():
    """Brackets around a sentence."""
    assert redacted(in_message('"[write to a@b.com]"')) == in_message(
        '"[write to ***]"'
    )


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,{}"}},
        {"type": "input_audio", "input_audio": {"data": "{}", "format": "wav"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,{}"}},
        {"type": "image", "source": {"type": "base64", "data": "{}"}},
    ],
)
def test_files_are_not_looked_into(part):
    """They are not in words; what looks like a card in one would spoil it."""
    spoilt = "AAAA+4111111111111111/" * 8 + "=="
    body = msgspec.json.encode({"messages": [{"content": [part]}]})
    body = body.replace(b"{}", spoilt.encode())

    assert redacted(body) == body


def test_a_text_in_a_files_place_is_a_text():
    """Documents may be given in words."""
    source = {"type": "text", "media_type": "text/plain", "data": "write to a@b.com"}
    body = msgspec.json.encode({"messages": [{"content": [{"source": source}]}]})

    assert b"a@b.com" not in redacted(body)


@pytest.mark.parametrize(
    "body", [b"", b"nonsense", b'{"a":"\\x"}', b']}{"a":"b', b"\xff"]
)
def test_what_is_no_json_is_left_to_who_parses_it(body):
    """It is neither changed nor an error here."""
    assert redacted(body) == body


def test_tokens_of_embeddings_are_numbers():
    """They are no words, and are sent as they are."""
    body = b'{"input":[4111111111111111,2]}'

    assert redacted(body) == body


def test_a_table_of_matches_is_redacted_in_bounded_time():
    """Past twenty thousand matches the rest of a text counts as one."""
    body = in_message('"' + "a@b.com " * 30_000 + '"')
    found = Found()

    left = rewritten(body, WATCH.reader(found))

    assert b"@" not in left
    assert left.count(b"***") < 20_000


def test_a_pattern_that_reads_on_and_on_is_no_trap():
    """Each match makes it read ahead; only so far."""
    watch = Watch((guardrail("redact", patterns=("(?s)a(.*b)?",)),))
    body = in_message('"' + "a" * 1_000_000 + '"')

    left = rewritten(body, watch.reader(Found()))

    assert b"a" not in msgspec.json.decode(left)["messages"][0]["content"].encode()
