"""What a session's warm cache is worth, and whether returning to it pays."""

import itertools
import random
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from holdfast.model import Attempt, Deployment, Outcome, Pricing, Usage
from holdfast_resolver.warmth import Warmth

_MINUTE_MS = 60_000


def attempt(deployment_id: str, input_tokens: int, cached: int = 0) -> Attempt:
    """Return an attempt that succeeded."""
    usage = Usage(input_tokens, 100, cached, input_tokens - cached)
    return Attempt(1, deployment_id, Outcome.SUCCEEDED, usage=usage)


@dataclass(slots=True)
class Time:
    """A clock that is set."""

    ms: int = 1_700_000_000_000

    def __call__(self) -> int:
        return self.ms


def priced(id_: str, factor: float = 1.0) -> Deployment:
    """Return a deployment that charges so many times Claude Sonnet's price."""
    prices = (3_000_000, 15_000_000, 300_000, 3_750_000)
    pricing = Pricing(*(round(price * factor) for price in prices))
    provider = id_.partition("/")[0]
    uri = "http://127.0.0.1:1/v1"
    return Deployment(id_, "m", provider, "m", "openai-chat", uri, pricing=pricing)


def test_a_cache_that_stops_answering_is_worth_nothing_after_two_turns() -> None:
    """One turn may be an eviction; two are a provider that no longer caches."""
    warmth = Warmth(Time())

    for cached in (0, 9_000, 0):
        warmth.learn("s", attempt("a/m", 10_000, cached))
    after_one = warmth.is_worthless("s", "a/m")
    warmth.learn("s", attempt("a/m", 10_000))

    assert not after_one
    assert warmth.is_worthless("s", "a/m")


def test_a_cache_kept_for_an_hour_is_not_given_up_between_turns_far_apart() -> None:
    """Eight minutes between turns are more than the usual five."""
    time = Time()
    warmth = Warmth(time)

    warmth.expect("s", timedelta(hours=1))
    for cached in (0, 9_000, 9_000, 9_000):
        warmth.learn("s", attempt("a/m", 10_000, cached))
        time.ms += 8 * _MINUTE_MS

    assert not warmth.is_worthless("s", "a/m")


def test_turns_further_apart_than_the_cache_lives_prove_nothing() -> None:
    """No cache could have answered them."""
    time = Time()
    warmth = Warmth(time)

    warmth.learn("s", attempt("a/m", 10_000, 9_000))
    for _ in range(5):
        time.ms += 8 * _MINUTE_MS
        warmth.learn("s", attempt("a/m", 10_000))

    assert not warmth.is_worthless("s", "a/m")


@pytest.mark.parametrize("tokens", [200, 1_000])
def test_prompts_too_short_to_be_cached_prove_nothing(tokens: int) -> None:
    """Providers cache from 1,024 tokens on."""
    warmth = Warmth(Time())

    warmth.learn("s", attempt("a/m", 10_000, 9_000))
    for _ in range(5):
        warmth.learn("s", attempt("a/m", tokens))

    assert not warmth.is_worthless("s", "a/m")


def test_a_provider_that_never_reports_a_cache_keeps_its_sessions() -> None:
    """It may cache without saying so."""
    warmth = Warmth(Time())

    for _ in range(5):
        warmth.learn("s", attempt("a/m", 10_000))

    assert not warmth.is_worthless("s", "a/m")


def test_a_session_stays_where_it_went_if_both_cost_the_same() -> None:
    """What was said meanwhile is in the new cache and not in the old one."""
    time = Time()
    warmth = Warmth(time)
    old, new = priced("a/m"), priced("b/m")
    for _ in range(5):
        warmth.learn("s", attempt("a/m", 20_000, 19_000))
        time.ms += 1_000

    warmth.learn("s", attempt("b/m", 21_000))

    assert warmth.cheaper("s", new, [old]) is new


def test_a_session_returns_where_that_saves_more_than_it_costs() -> None:
    """The old cache is still there, and its provider costs a third."""
    time = Time()
    warmth = Warmth(time)
    old, new = priced("a/m"), priced("b/m", 3)
    for _ in range(5):
        warmth.learn("s", attempt("a/m", 20_000, 19_000))
        time.ms += 1_000

    warmth.learn("s", attempt("b/m", 21_000))

    assert warmth.cheaper("s", new, [old]) is old


def test_a_session_nobody_has_seen_stays_where_it_is_bound() -> None:
    """Another replica may know better."""
    old, new = priced("a/m"), priced("b/m", 3)

    assert Warmth(Time()).cheaper("s", new, [old]) is new


def test_no_more_sessions_are_remembered_than_there_is_room_for() -> None:
    """The ones used longest ago are forgotten."""
    warmth = Warmth(Time())

    for number in range(20_100):
        warmth.learn(f"s{number}", attempt("a/m", 10_000))

    assert len(warmth) == 20_000


# What follows simulates sessions whose first deployment is away for a while.

_A, _B = "a/m", "b/m"
_PRICE_FACTORS = (0.5, 0.8, 1.0, 1.0, 1.0, 1.25, 2.0)
"""What the second deployment charges in terms of the first: mostly the same."""


@dataclass(slots=True)
class Provider:
    """A provider's cache of one session, as it is and not as it is thought to be."""

    pricing: Pricing
    life_ms: int
    tokens: int = 0
    used_ms: int = 0

    def serve(self, now_ms: int, whole: int) -> tuple[int, int]:
        """Serve a turn; return what it cost, and how many tokens were cached."""
        alive = self.tokens if now_ms - self.used_ms < self.life_ms else 0
        read = min(alive, whole)
        self.tokens, self.used_ms = whole, now_ms
        price = self.pricing
        return read * price.cache_read + (whole - read) * price.cache_creation, read


@dataclass(frozen=True, slots=True)
class Session:
    """One session, drawn: when it has its turns, how long they are, and the outage."""

    turns_ms: tuple[int, ...]
    sizes: tuple[int, ...]
    life_ms: int
    factor: float
    away_from_ms: int
    away_until_ms: int
    start_ms: int = field(default=1_700_000_000_000)

    def is_away(self, at_ms: int) -> bool:
        """Tell whether the first deployment is away."""
        return self.away_from_ms <= at_ms < self.away_until_ms

    def providers(self) -> dict[str, Provider]:
        """Return both, with nothing in their caches."""
        ids = {_A: priced(_A), _B: priced(_B, self.factor)}
        return {
            id_: Provider(each.pricing, self.life_ms)
            for id_, each in ids.items()
            if each.pricing is not None
        }


def drawn(chance: random.Random, life_ms: int, away_ms: int, prefix: int) -> Session:
    """Draw a session of a few to a few dozen turns, broken by an outage."""
    count = min(80, 4 + int(chance.expovariate(1 / 16)))
    pace_ms = chance.choice((5_000, 20_000, 60_000, 180_000))
    at, size = 0, prefix
    moments, sizes = [], []
    for _ in range(count):
        moments.append(at)
        sizes.append(size)
        at += round(chance.uniform(0.5, 1.5) * pace_ms)
        size += chance.randrange(100, 1_500)
    begins = moments[chance.randrange(1, count)]
    return Session(
        tuple(moments),
        tuple(sizes),
        life_ms,
        chance.choice(_PRICE_FACTORS),
        begins,
        begins + away_ms,
    )


def cost_of_staying(session: Session, *, returns: bool) -> int:
    """Price a session that never returns after an outage, or always at once."""
    providers, at, cost = session.providers(), _A, 0
    for moment, size in zip(session.turns_ms, session.sizes, strict=True):
        if session.is_away(moment):
            at = _B
        elif returns:
            at = _A
        cost += providers[at].serve(moment, size)[0]
    return cost


def cost_of_ours(session: Session) -> tuple[int, int]:
    """Price a session that goes by what is learnt; count how often it moved."""
    time = Time(session.start_ms)
    warmth = Warmth(time)
    warmth.expect("s", timedelta(milliseconds=session.life_ms))
    deployments = {_A: priced(_A), _B: priced(_B, session.factor)}
    providers, at, cost, moves = session.providers(), _A, 0, 0
    for moment, size in zip(session.turns_ms, session.sizes, strict=True):
        time.ms = session.start_ms + moment
        goes = _B
        if not session.is_away(moment):
            bound = deployments[at]
            others = [each for each in deployments.values() if each is not bound]
            goes = warmth.cheaper("s", bound, others).id
        moves += goes != at
        at = goes
        paid, read = providers[at].serve(moment, size)
        cost += paid
        usage = Usage(size, 100, read, size - read)
        warmth.learn("s", Attempt(1, at, Outcome.SUCCEEDED, usage=usage))
    return cost, moves


def cost_of_the_oracle(session: Session) -> int:
    """Price the best way there is for a session that is bound where it is.

    It knows the rest of the session and when the outage ends, and chooses when to
    return, if at all.
    """
    after = [m for m in session.turns_ms if m >= session.away_until_ms]
    choices = [*after, session.turns_ms[-1] + 1]
    costs = []
    for returns_ms in choices:
        providers, at, cost = session.providers(), _A, 0
        for moment, size in zip(session.turns_ms, session.sizes, strict=True):
            if session.is_away(moment):
                at = _B
            elif moment >= returns_ms:
                at = _A
            cost += providers[at].serve(moment, size)[0]
        costs.append(cost)
    return min(costs)


def test_sessions_under_outages_cost_what_an_oracle_would_pay() -> None:
    """Within two per cent in all, never more than the dearer of the simple rules,
    and without moving to and fro."""
    chance = random.Random(20_261_122)
    lives = (5 * _MINUTE_MS, 60 * _MINUTE_MS)
    outages = (5_000, 30_000, 120_000, 600_000, 1_800_000)
    prefixes = (1_000, 5_000, 20_000, 100_000)
    grid = list(itertools.product(lives, outages, prefixes))
    sessions = [drawn(chance, *grid[n % len(grid)]) for n in range(1_000)]

    ours = [cost_of_ours(session) for session in sessions]
    stays = [cost_of_staying(session, returns=False) for session in sessions]
    returns = [cost_of_staying(session, returns=True) for session in sessions]
    oracle = [cost_of_the_oracle(session) for session in sessions]

    total = sum(cost for cost, _ in ours)
    assert total <= 1.02 * sum(oracle)
    assert total <= min(sum(stays), sum(returns))
    for (cost, moves), stay, back in zip(ours, stays, returns, strict=True):
        assert cost <= max(stay, back)
        assert moves <= 2
