"""What becomes of a streamed answer's events on their way through the guardrails."""

import msgspec
import pytest

from fakes.guardrails import guardrail
from holdfast.events import data_of, event
from holdfast_executor.guardrails.passage import Passage
from holdfast_executor.guardrails.search import Found, Watch

CARD = "4111 1111 1111 1111"
REDACTING = (guardrail("redact", "credit_card"),)
FLAGGING = (guardrail("flag", "credit_card"),)


def chunk(delta: dict | None = None, end: str | None = None, index: int = 0) -> bytes:
    """Write an event of a chat's stream."""
    choice = {"index": index, "delta": delta or {}, "finish_reason": end}
    return event(msgspec.json.encode({"id": "c", "choices": [choice]}))


def passed(*events: bytes, guardrails=REDACTING) -> list[bytes]:
    """Return what goes on after each event, and at the end."""
    passage = Passage(Watch(guardrails), Found())
    return [*map(passage.take, events), passage.finish()]


def deltas(events: list[bytes]) -> list[dict]:
    """Return what each event adds, with the reason for the end where it has one."""
    read = [msgspec.json.decode(data) for data in data_of(b"".join(events))]
    return [
        choice["delta"] | ({"end": choice["finish_reason"]} if ended else {})
        for one in read
        for choice in one["choices"]
        for ended in [choice["finish_reason"]]
    ]


def joined(events: list[bytes], name: str = "content") -> str:
    return "".join(delta.get(name, "") for delta in deltas(events))


def test_events_in_which_nothing_is_held_go_on_in_their_own_bytes():
    """Role, words, the end, usage: spaces and unknown members too."""
    events = [
        event(b'{ "id":"c","choices":[{"index":0,"delta":{"role":"assistant"}}]}'),
        event(b'{"id":"c","choices":[{"index":0,"delta":{"content":"Hi "},"x":1.0}]}'),
        event(b'{"id":"c","choices":[{"delta":{},"finish_reason":"stop"}]}'),
        event(b'{"id":"c","choices":[],"usage":{"total_tokens":1}}'),
    ]

    assert passed(*events) == [*events, b""]


def test_a_match_across_events_is_redacted_before_any_of_it_leaves():
    """Digit by digit, and what stands around it stays."""
    events = [chunk({"content": each}) for each in f"No. {CARD} is it"]

    out = passed(*events, chunk(end="stop"))

    assert joined(out) == "No. *** is it"
    assert b"4" not in b"".join(out)


def test_what_is_held_goes_out_before_the_end():
    """In an event of its own: a client may stop at the reason for the end."""
    out = passed(chunk({"content": "It is 4111"}), chunk(end="stop"))

    assert deltas(out) == [{"content": "It is "}, {"content": "4111"}, {"end": "stop"}]


def test_words_that_come_with_the_end_are_whole():
    """Nothing is left over, and nothing out of order."""
    out = passed(chunk({"content": "It is 41"}), chunk({"content": "11"}, end="stop"))

    assert deltas(out) == [{"content": "It is "}, {"content": "4111", "end": "stop"}]


def test_a_stream_that_ends_without_saying_so_ends_with_what_was_held():
    """The last words are not lost."""
    out = passed(chunk({"content": "It is 4111"}))

    assert joined(out) == "It is 4111"


def test_thoughts_that_are_held_go_out_before_the_answer_begins():
    """Each kind of text ends where another begins."""
    out = passed(
        chunk({"reasoning_content": "maybe 4"}),
        chunk({"content": "It is 5"}),
        chunk(end="stop"),
    )

    assert deltas(out) == [
        {"reasoning_content": "maybe "},
        {"reasoning_content": "4"},
        {"content": "It is "},
        {"content": "5"},
        {"end": "stop"},
    ]


def test_an_event_that_says_nothing_ends_nothing():
    """A comment between two halves of a number."""
    out = passed(
        chunk({"content": CARD[:7]}),
        chunk({"content": ""}),
        chunk({}),
        chunk({"content": CARD[7:]}),
        chunk(end="stop"),
    )

    assert joined(out) == "***"


@pytest.mark.parametrize(
    "name", ["content", "reasoning", "reasoning_content", "refusal"]
)
def test_every_kind_of_text_is_looked_into(name):
    """Answers, thoughts and refusals."""
    events = [chunk({name: each}) for each in (CARD[:9], CARD[9:], " done")]

    assert joined(passed(*events, chunk(end="stop")), name) == "*** done"


def test_texts_within_lists_keep_their_place():
    """Details of reasoning: what kind they are of goes with what was held."""
    details = [
        {"index": 0, "type": "reasoning.text", "text": "4111 "},
        {"index": 0, "type": "reasoning.text", "text": "1111"},
    ]
    out = passed(
        *(chunk({"reasoning_details": [each]}) for each in details),
        chunk({"content": "Hi."}),
    )

    assert deltas(out)[0] == {
        "reasoning_details": [
            {"index": 0, "type": "reasoning.text", "text": "4111 1111"}
        ]
    }
    assert joined(out) == "Hi."


def call(arguments: str, index: int = 0, **head) -> dict:
    """Write a piece of a tool call."""
    function = {"arguments": arguments} | ({"name": head["name"]} if head else {})
    return {"tool_calls": [{"index": index, "function": function, **head}]}


def test_arguments_of_a_call_are_held_until_they_are_whole():
    """So that a number that is redacted leaves JSON behind."""
    out = passed(
        chunk(call("", id="c1", type="function", name="pay")),
        chunk(call('{"card": 4111')),
        chunk(call("111111111111}")),
        chunk(end="tool_calls"),
    )

    first, second, last = deltas(out)
    assert first == call("", id="c1", type="function", name="pay")
    assert second == call('{"card": "***"}')
    assert last == {"end": "tool_calls"}


def test_arguments_of_a_call_go_out_before_the_next_call_begins():
    """Clients may close one when another opens."""
    out = passed(
        chunk(call("", id="c1", type="function", name="f")),
        chunk(call("{}")),
        chunk(call("", 1, id="c2", type="function", name="g")),
        chunk(call("[]", 1)),
        chunk(end="tool_calls"),
    )

    assert [each.get("tool_calls", [{}])[0].get("index") for each in deltas(out)] == [
        *(0, 0, 1, 1),
        None,
    ]
    assert deltas(out)[1] == call("{}")


def test_each_choice_has_its_own_texts():
    """Halves of a number in two answers make no number."""
    out = passed(
        chunk({"content": CARD[:9]}, index=0),
        chunk({"content": CARD[9:]}, index=1),
        chunk(end="stop", index=0),
        chunk(end="stop", index=1),
    )

    assert sorted(each.get("content", "") for each in deltas(out)) == [
        *("", ""),
        CARD[9:],
        CARD[:9],
    ]


def test_what_says_the_text_again_is_left_out():
    """Tokens with their likelihood would tell what is redacted."""
    choice = {
        "index": 0,
        "delta": {"content": "Hi "},
        "logprobs": {"content": [{"token": "Hi "}]},
    }
    said = event(msgspec.json.encode({"choices": [choice]}))

    (out, _) = passed(said)
    (flagged, _) = passed(said, guardrails=FLAGGING)

    assert msgspec.json.decode(data_of(out)[0])["choices"][0]["logprobs"] is None
    assert flagged == said


def test_a_guardrail_that_only_flags_holds_nothing():
    """Its events go on as they come, and what they hold is counted."""
    found = Found()
    passage = Passage(Watch(FLAGGING), found)
    events = [chunk({"content": each}) for each in f"No. {CARD} is it"]

    out = [*map(passage.take, [*events, chunk(end="stop")]), passage.finish()]

    assert out == [*events, chunk(end="stop"), b""]
    assert found.counts == {(0, "credit_card"): 1}


def test_sound_is_not_looked_into():
    """Its transcript is."""
    audio = {"audio": {"id": "a", "data": "NDExMQ==", "transcript": f"{CARD}, ok"}}

    (out, *_) = deltas(passed(chunk(audio), chunk(end="stop")))

    assert out == {"audio": {"id": "a", "data": "NDExMQ==", "transcript": "***, ok"}}


def test_what_comes_in_one_piece_goes_on_in_one_piece():
    """Items that a provider wants back, and where words come from."""
    item = {"index": 0, "type": "web_search_call", "query": f"Whose is {CARD}"}
    kept = {"extra_content": {"openai": {"items": [item]}}}
    cited = {"annotations": [{"index": 0, "title": "It is 4111"}]}

    out = passed(chunk(kept), chunk(cited), chunk({"content": "Hi"}), chunk(end="stop"))

    redacted = {**item, "query": "Whose is ***"}
    assert deltas(out)[:2] == [
        {"extra_content": {"openai": {"items": [redacted]}}},
        cited,
    ]
