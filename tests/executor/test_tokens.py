"""Tokens are exchanged once for many requests, and renewed behind them."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from fakes.clock import Clock
from fakes.patience import until
from holdfast_executor.auth.proof import NoProofError, Parts, Token, always
from holdfast_executor.auth.tokens import TokenKeeper

LIFE_S = 3600.0
PARTS: Parts = {"key": "a"}


class Issuer:
    """Hands out numbered tokens, or fails while it is told to.

    Attributes:
        exchanged: The credentials that it was given, in order.
        gate: Closed, it lets exchanges begin and none end.
    """

    def __init__(
        self, clock: Clock, *, is_fixed: bool = False, life_s: float = LIFE_S
    ) -> None:
        self.exchanged: list[Parts] = []
        self.failure: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self._clock = clock
        self._is_fixed = is_fixed
        self._life_s = life_s

    def fetch(self, parts: Parts) -> Token:
        self.exchanged.append(parts)
        assert self.gate.wait(10)
        if self.failure is not None:
            raise self.failure
        name = f"{parts['key']}{len(self.exchanged)}"
        expires = self._clock.now() + self._life_s
        return Token(always(("token", name)), expires, self._is_fixed)


@contextlib.contextmanager
def keeping(**how) -> Iterator[tuple[TokenKeeper, Issuer, Clock]]:
    clock = Clock()
    issuer = Issuer(clock, **how)
    with ThreadPoolExecutor(4) as threads:
        yield TokenKeeper("a/one", issuer.fetch, threads, clock.now), issuer, clock
        issuer.gate.set()


def name(token: Token) -> str:
    ((_, shown),) = token.prove(None, "", None)
    return shown


async def test_a_hundred_requests_at_once_exchange_one_token():
    """And all of them get it."""
    with keeping() as (keeper, issuer, _):
        issuer.gate.clear()
        waiting = [asyncio.create_task(keeper.token(PARTS)) for _ in range(100)]
        await until(lambda: issuer.exchanged)
        issuer.gate.set()
        tokens = await asyncio.gather(*waiting)

    assert {name(token) for token in tokens} == {"a1"}
    assert len(issuer.exchanged) == 1


async def test_who_goes_away_while_waiting_takes_the_token_from_nobody():
    """The exchange goes on for the others."""
    with keeping() as (keeper, issuer, _):
        issuer.gate.clear()
        leaving, staying = (asyncio.create_task(keeper.token(PARTS)) for _ in "ab")
        await until(lambda: issuer.exchanged)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        issuer.gate.set()

        assert name(await staying) == "a1"
    assert len(issuer.exchanged) == 1


async def test_a_token_is_renewed_ahead_of_its_end_and_nobody_waits():
    """Requests get the old one while the new one is on its way."""
    with keeping() as (keeper, issuer, clock):
        await keeper.token(PARTS)
        clock.advance(LIFE_S - 200)
        issuer.gate.clear()

        during = [await keeper.token(PARTS) for _ in range(5)]
        await until(lambda: len(issuer.exchanged) == 2)
        issuer.gate.set()
        await until(lambda: name(keeper.ready(PARTS)) == "a2")

    assert {name(token) for token in during} == {"a1"}
    assert len(issuer.exchanged) == 2


async def test_only_a_token_in_use_is_renewed_without_being_asked_for():
    """Nobody pays for what nobody uses."""
    with keeping() as (keeper, issuer, clock):
        await keeper.token(PARTS)
        clock.advance(LIFE_S - 100)
        keeper.renew_if_due(PARTS)
        await until(lambda: keeper._fetching is None)
        clock.advance(LIFE_S - 100)
        keeper.renew_if_due(PARTS)
        await asyncio.sleep(0)

        assert keeper._fetching is None
    assert len(issuer.exchanged) == 2


async def test_a_failed_renewal_keeps_the_old_token_while_it_is_valid():
    """And does not ask again for each request."""
    with keeping() as (keeper, issuer, clock):
        await keeper.token(PARTS)
        issuer.failure = NoProofError("down")
        clock.advance(LIFE_S - 200)
        await keeper.token(PARTS)
        await until(lambda: keeper._failures == 1)

        held = [name(await keeper.token(PARTS)) for _ in range(20)]

    assert set(held) == {"a1"}
    assert len(issuer.exchanged) == 2


async def test_an_expired_token_is_not_used_however_its_renewal_goes():
    """Requests fail with the reason, at once until it is worth another try."""
    with keeping() as (keeper, issuer, clock):
        await keeper.token(PARTS)
        issuer.failure = NoProofError("down")
        clock.advance(LIFE_S)
        for _ in range(20):
            with pytest.raises(NoProofError, match="down"):
                await keeper.token(PARTS)
        asked_meanwhile = len(issuer.exchanged) - 1
        issuer.failure = None
        clock.advance(2)

        assert name(await keeper.token(PARTS)) == "a3"
    assert asked_meanwhile == 1


async def test_what_a_library_says_of_a_failure_is_not_told():
    """It may quote the secret; its kind is enough."""
    with keeping() as (keeper, issuer, _):
        issuer.failure = RuntimeError("s3cret")
        with pytest.raises(NoProofError) as raised:
            await keeper.token(PARTS)

    assert raised.value.message == "no token: RuntimeError"


async def test_a_token_that_has_expired_when_it_comes_is_none():
    """A clock or an issuer is wrong, and no provider would take it."""
    with keeping(life_s=5) as (keeper, _, _), pytest.raises(NoProofError):
        await keeper.token(PARTS)


async def test_a_refused_token_is_exchanged_once():
    """What is refused again is not the token's fault."""
    with keeping() as (keeper, issuer, clock):
        first = await keeper.token(PARTS)
        told_first = keeper.refused(first)
        clock.advance(60)
        second = await keeper.token(PARTS)
        told_second = keeper.refused(second)
        third = await keeper.token(PARTS)
        told_late = keeper.refused(first)

    assert [name(each) for each in (first, second, third)] == ["a1", "a2", "a2"]
    assert (told_first, told_second, told_late) == (True, False, True)
    assert len(issuer.exchanged) == 2


async def test_a_refused_token_serves_on_if_there_is_no_other():
    """A refusal may have been one model's, and the issuer is away."""
    with keeping() as (keeper, issuer, clock):
        token = await keeper.token(PARTS)
        clock.advance(60)
        keeper.refused(token)
        issuer.failure = NoProofError("down")

        assert await keeper.token(PARTS) is token


async def test_a_changed_credential_is_exchanged_behind():
    """The token of the old one is good until it expires."""
    changed: Parts = {"key": "b"}
    with keeping() as (keeper, issuer, clock):
        await keeper.token(PARTS)
        clock.advance(60)
        during = await keeper.token(changed)
        await until(lambda: name(keeper.ready(changed)) == "b2")

    assert name(during) == "a1"
    assert issuer.exchanged == [PARTS, changed]


async def test_a_changed_credential_that_is_used_itself_is_used_at_once():
    """The old one may be gone already."""
    changed: Parts = {"key": "b"}
    with keeping(is_fixed=True) as (keeper, _, _):
        await keeper.token(PARTS)

        assert name(await keeper.token(changed)) == "b2"
