"""Only a plan the resolver made, just now and unchanged, is a plan."""

import base64
import dataclasses

import pytest

from fakes.clock import Clock
from fakes.plans import plan, step
from holdfast.api.routing.v1 import plan_pb2
from holdfast.errors import PlanRefusedError
from holdfast.model import Limits
from holdfast.signing import (
    PLAN_LIFE_S,
    PlanKey,
    PlanKeys,
    SignedPlan,
    new_key,
    parse_keys,
)

OLD = PlanKey("old", b"o" * 32)
NEW = PlanKey("new", b"n" * 32)


def keys(*given: PlanKey, clock: Clock | None = None) -> PlanKeys:
    return PlanKeys(given or [OLD], now=(clock or Clock()).now)


def test_a_signed_plan_is_read_back():
    """Everything in it, and when it expires."""
    clock = Clock()

    made = plan(step(), limits=Limits(max_attempts=3))
    written = keys(clock=clock).sign(made).wire
    read = keys(clock=clock).verify(SignedPlan(written))

    assert dataclasses.replace(read, steps=tuple(read.steps)) == made
    assert plan_pb2.Plan.FromString(written.plan).expire_time.seconds == (
        int(clock.now()) + PLAN_LIFE_S
    )


def test_no_byte_of_a_plan_can_be_changed():
    """Each of them counts, and so does one more."""
    wire = keys().sign(plan()).wire
    written = wire.plan
    altered = [
        written[:at] + bytes([written[at] ^ 1]) + written[at + 1 :]
        for at in range(len(written))
    ]

    for other in (*altered, written + b"\0", b""):
        wire.plan = other
        with pytest.raises(PlanRefusedError, match="signature is wrong"):
            keys().verify(SignedPlan(wire))


@pytest.mark.parametrize("signature", [b"", b"x", b"x" * 32])
def test_a_signature_cannot_be_made_up(signature):
    """Of whichever length."""
    wire = keys().sign(plan()).wire
    wire.signature = signature

    with pytest.raises(PlanRefusedError):
        keys().verify(SignedPlan(wire))


def test_a_plan_of_an_unknown_key_is_refused_by_name():
    """The remedy is to give both services the same keys."""
    with pytest.raises(PlanRefusedError, match="'new'") as raised:
        keys(OLD).verify(keys(NEW).sign(plan()))

    assert raised.value.metadata == {"key_id": "new"}


def test_a_key_id_does_not_make_a_key():
    """Another secret under the same name signs nothing."""
    impostor = PlanKey("old", b"x" * 32)

    with pytest.raises(PlanRefusedError):
        keys(OLD).verify(keys(impostor).sign(plan()))


def test_keys_rotate_without_a_refusal():
    """The new key is first known, then used, and then the old one forgotten."""
    signed = [
        keys(OLD).sign(plan()),
        keys(OLD, NEW).sign(plan()),
        keys(NEW, OLD).sign(plan()),
    ]

    assert [each.wire.key_id for each in signed] == ["old", "old", "new"]
    for each in signed:
        keys(NEW, OLD).verify(each)
    with pytest.raises(PlanRefusedError):
        keys(NEW).verify(signed[0])


@pytest.mark.parametrize("is_written", [False, True])
def test_a_plan_expires(is_written):
    """It is good for its life and not a second longer, here or elsewhere."""
    clock = Clock()
    own = keys(clock=clock)
    signed = SignedPlan(own.sign(plan()).wire) if is_written else own.sign(plan())

    clock.advance(PLAN_LIFE_S)
    own.verify(signed)
    clock.advance(1)

    with pytest.raises(PlanRefusedError, match="expired"):
        own.verify(signed)


def test_a_plan_is_not_written_where_it_was_made():
    """Its maker knows it again, and takes it as it is."""
    own, made = keys(), plan()

    assert own.verify(own.sign(made)) is made


def test_a_secret_is_never_shown():
    """Not where a key is printed either."""
    assert "nnnn" not in repr(NEW)


def test_a_new_key_is_one_that_can_be_read():
    """And no two are alike."""
    (one,), (other,) = parse_keys(new_key()), parse_keys(new_key())

    assert len(one.secret) == 32
    assert one != other


def test_keys_are_written_with_commas_or_spaces_between():
    """A file may have one on each line."""
    first, second = new_key(), new_key()

    assert parse_keys(f"{first},{second}") == parse_keys(f" {first}\n{second}\n")
    assert parse_keys("") == []


SECRET = base64.b64encode(b"s" * 16).decode()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("k:%%%", "'k' is no base64"),
        (f":{SECRET}", "id:base64"),
        ("k", "id:base64"),
        ("k:" + base64.b64encode(b"s" * 15).decode(), "at least 16 bytes"),
        (f"k:{SECRET} k:{SECRET}", "'k' is given twice"),
    ],
)
def test_what_is_no_key_is_refused(text, words):
    """The message says what a key looks like, and not what was written."""
    with pytest.raises(ValueError, match=words) as raised:
        parse_keys(text)

    assert SECRET not in str(raised.value)


def test_there_is_no_signing_without_a_key():
    """It is a fault of the configuration, told at the start."""
    with pytest.raises(ValueError, match="at least one"):
        PlanKeys([])
