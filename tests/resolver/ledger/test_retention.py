"""What was said is deleted once its project keeps it no longer, and is then gone."""

from pathlib import Path

import pytest

from fakes.ledger import SHOP, principal, told
from fakes.ledger_rows import rows
from holdfast.api.ledger.v1 import ledger_service_pb2 as pb
from holdfast.model import Caller
from holdfast_resolver.ledger.retention import Retention

_SECRET = b"a prompt that nobody is to find " * 20


@pytest.fixture
def retention(store, clock, kept):
    return Retention(store, lambda: kept, clock.now_ms)


@pytest.fixture
def kept():
    """Say for how many days each project keeps what was said."""
    return {("acme", "web"): 3, ("acme", "shop"): 30}


async def test_what_has_expired_is_deleted_and_the_rest_stays(
    journal, store, clock, retention
):
    """Each project's own days count; metadata stays."""
    told(clock, content=(b"q", b"a"), content_days=3).tell(journal)
    told(clock, content=(b"q", b"a"), content_days=30, caller=SHOP).tell(journal)
    clock.advance(2 * 86_400)
    told(clock, content=(b"q", b"a"), content_days=3).tell(journal)
    await journal.flush()

    early = await retention.look()
    clock.advance(86_400)
    due = await retention.look()

    assert (early, due) == (0, 1)
    assert await rows(store, "ledger_contents") == 2
    assert await rows(store, "ledger_requests") == 3


async def test_a_project_that_keeps_less_from_now_on_has_the_rest_deleted(
    journal, store, clock, retention, kept
):
    """Also what was to be kept for longer when it was written."""
    told(clock, content=(b"q", b"a"), content_days=30, caller=SHOP).tell(journal)
    await journal.flush()
    clock.advance(86_400)

    before = await retention.look()
    kept["acme", "shop"] = 0
    after = await retention.look()

    assert (before, after) == (0, 1)
    assert await rows(store, "ledger_contents") == 0


async def test_many_are_deleted_in_pieces(journal, store, clock, retention):
    """All that is due is gone after one look."""
    for _ in range(2_500):
        told(clock, content=(b"q", b"a"), content_days=1).tell(journal)
    await journal.flush()
    clock.advance(86_400)

    assert await retention.look() == 2_500


async def test_one_replica_looks_at_a_time(journal, store, clock, retention):
    """While another does, this one leaves it alone."""
    told(clock, content=(b"q", b"a"), content_days=1).tell(journal)
    await journal.flush()
    clock.advance(86_400)

    async with store.alone():
        assert await retention.look() == 0

    assert await retention.look() == 1


@pytest.mark.parametrize("uri", ["sqlite"], indirect=True)
async def test_nothing_of_what_was_deleted_is_in_the_files(
    journal, store, clock, retention, uri
):
    """Neither in the database's own file nor in its log."""
    for _ in range(20):
        told(clock, content=(_SECRET, _SECRET), content_days=1).tell(journal)
    await journal.flush()
    assert _SECRET in everything(uri)
    clock.advance(86_400)

    await retention.look()

    assert b"that nobody is to find" not in everything(uri)


@pytest.mark.parametrize("uri", ["sqlite"], indirect=True)
async def test_nothing_of_a_trace_that_was_deleted_is_in_the_files(
    journal, ledger, clock, uri
):
    """Content and metadata alike."""
    gone = told(clock, content=(_SECRET, b""), content_days=1, model="unheard-of-model")
    gone.tell(journal)
    await journal.flush()
    assert b"unheard-of-model" in everything(uri)

    await ledger.delete_trace(
        pb.DeleteTraceRequest(
            principal=principal(Caller("acme", "web", "boss")),
            trace_id=gone.plan.trace_id,
        )
    )

    assert b"that nobody is to find" not in everything(uri)
    assert b"unheard-of-model" not in everything(uri)


def everything(uri: str) -> bytes:
    path = Path(uri.removeprefix("sqlite:///"))
    return b"".join(each.read_bytes() for each in path.parent.glob(f"{path.name}*"))
