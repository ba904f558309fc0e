"""How each deployment is asked, by what is known of it and of its answers."""

import json
from typing import Any

import pytest

from fakes.clock import Clock
from fakes.plans import deployment, step
from holdfast.model import Capability, StepReason
from holdfast_executor.chat import Chat
from holdfast_executor.dialects.registry import DIALECTS
from holdfast_executor.structured.checker import Checker
from holdfast_executor.structured.form import Form, Forms
from holdfast_executor.structured.track_record import TrackRecord
from holdfast_executor.structured.wish import wish_of

OBJECT = {"type": "json_object"}
XML = {"type": "xml", "xml": {"root": "a"}}
NAMED = {"name": "n", "schema": {"type": "object"}}
SCHEMA = {"type": "json_schema", "json_schema": NAMED}
BY_WAY = {"type": "json_schema", "json_schema": {**NAMED, "via": "xml"}}
TOLD = frozenset({Capability.TOOLS})


def form(wanted: Any = SCHEMA, record: TrackRecord | None = None, **more: Any) -> Form:
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "response_format": wanted,
        **more,
    }
    found = Forms(Checker(), record or TrackRecord()).of(
        Chat.parse(json.dumps(body).encode())
    )
    assert found is not None
    return found


def test_a_chat_that_asks_for_nothing_has_no_form() -> None:
    """And costs nothing more."""
    for wanted in (
        b"",
        b',"response_format":null',
        b',"response_format":{"type":"text"}',
    ):
        assert wish_of(Chat.parse(b'{"model":"m","messages":[]%b}' % wanted)) is None


@pytest.mark.parametrize("wanted", [OBJECT, SCHEMA])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_callers_own_chat_is_sent_where_the_dialect_has_a_way(
    dialect: str, wanted: Any
) -> None:
    """The very same bytes, for the sake of prompt caches."""
    asked = form(wanted)

    assert asked.chat_for(deployment(dialect=dialect)) is asked.chat


@pytest.mark.parametrize(
    ("dialect", "capabilities", "in_words"),
    [
        ("openai-chat", frozenset(), False),
        ("openai-chat", frozenset({Capability.JSON_SCHEMA}), False),
        ("openai-chat", TOLD, True),
        ("openai-responses", TOLD, True),
        ("anthropic-messages", TOLD, False),
        ("gemini", TOLD, False),
    ],
)
def test_words_are_for_who_says_that_it_takes_no_schema(
    dialect: str, capabilities: frozenset[Capability], in_words: bool
) -> None:
    """One that says nothing is asked natively; the other dialects choose themselves."""
    asked = form()
    chat = asked.chat_for(deployment(dialect=dialect, capabilities=capabilities))

    assert ("response_format" not in chat.fields) is in_words


@pytest.mark.parametrize("wanted", [XML, BY_WAY])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_xml_is_asked_for_in_words_of_everybody(dialect: str, wanted: Any) -> None:
    """None has a field for it."""
    chat = form(wanted).chat_for(deployment(dialect=dialect))

    assert "response_format" not in chat.fields
    assert json.loads(bytes(chat.fields["messages"]))[0]["role"] == "system"


def test_what_is_the_gateways_own_goes_no_further() -> None:
    """A strict provider refuses a field that it does not know."""
    named = {**NAMED, "via": "json", "strict": True}
    wanted = {"type": "json_schema", "json_schema": named}
    asked = form(wanted, stream_validation="end", stream=True)

    sent = json.loads(asked.chat_for(deployment()).body)

    assert sent["response_format"]["json_schema"] == {**NAMED, "strict": True}
    assert "stream_validation" not in sent
    assert sent["stream"] is True


def test_who_mostly_fails_is_put_last_of_its_own_model() -> None:
    """Then who has to be asked in words; alias members keep their order."""
    record = TrackRecord()
    asked = form(record=record)
    steps = [
        step("a/m-eu", response_model="first"),
        step("b/m-eu", response_model="first"),
        step(deployment("c/m-eu", capabilities=TOLD), response_model="first"),
        step("d/m-eu", response_model="second"),
    ]
    for _ in range(3):
        record.learn("a/m-eu", asked.wish.digest, fits=False)

    ids = [each.deployment.id for each in asked.arranged(steps)]

    assert ids == ["b/m-eu", "c/m-eu", "a/m-eu", "d/m-eu"]


@pytest.mark.parametrize(
    "reason", [StepReason.PINNED, StepReason.STICKY, StepReason.PROBE]
)
def test_who_stands_first_for_a_reason_stays(reason: StepReason) -> None:
    """A pin, a warm cache and a probe count for more."""
    record = TrackRecord()
    asked = form(record=record)
    for _ in range(3):
        record.learn("a/m-eu", asked.wish.digest, fits=False)

    steps = [step("a/m-eu", reason=reason), step("b/m-eu")]

    assert asked.arranged(steps) == steps


class TestTrackRecord:
    """What is remembered of answers, and for how long."""

    def record(self) -> tuple[TrackRecord, Clock]:
        clock = Clock()
        return TrackRecord(clock.now), clock

    def test_one_bad_answer_is_bad_luck(self) -> None:
        """Two in a row are not."""
        record, _ = self.record()
        record.learn("a", b"1", fits=False)
        assert not record.mostly_fails("a", b"1")

        record.learn("a", b"1", fits=False)

        assert record.mostly_fails("a", b"1")
        assert not record.mostly_fails("a", b"2")
        assert not record.mostly_fails("b", b"1")

    def test_good_answers_make_up_for_bad_ones(self) -> None:
        """Half of them is not most."""
        record, _ = self.record()
        for fits in (False, False, False, True, True, True):
            record.learn("a", b"1", fits=fits)

        assert not record.mostly_fails("a", b"1")

    def test_it_is_forgotten_by_and_by(self) -> None:
        """Within minutes a deployment gets another chance."""
        record, clock = self.record()
        for _ in range(3):
            record.learn("a", b"1", fits=False)

        clock.advance(300)
        assert record.mostly_fails("a", b"1")
        clock.advance(600)

        assert not record.mostly_fails("a", b"1")

    def test_who_refused_to_be_asked_natively_is_asked_again_later(self) -> None:
        """Providers learn."""
        record, clock = self.record()
        record.refuse("a", b"1")
        assert record.refuses("a", b"1")

        clock.advance(601)

        assert not record.refuses("a", b"1")
        assert not record.mostly_fails("a", b"1")

    def test_no_more_is_kept_than_there_is_room_for(self) -> None:
        """Whoever was not asked for longest goes."""
        record, _ = self.record()
        for number in range(10_002):
            for _ in range(2):
                record.learn("a", str(number).encode(), fits=False)

        assert not record.mostly_fails("a", b"0")
        assert record.mostly_fails("a", b"10001")
