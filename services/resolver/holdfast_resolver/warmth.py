"""Where a session's prompt is in a provider's cache, and what that is worth.

Learnt from what providers say was read from and written to their caches. A binding
that no cache answers for is worth nothing, and after an outage a session returns to
where it came from only if that is cheaper over the turns it may be expected to have.

This is one replica's own knowledge: a replica that has not seen a session's turns
leaves the session where it is bound.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from holdfast.model import Attempt, Deployment, Pricing, Usage

DEFAULT_LIFE = timedelta(minutes=5)
"""How long a cached prompt lives after its last use where nothing else is said:
what Anthropic and Bedrock promise, and the least that OpenAI does."""

_MOST_SESSIONS = 20_000
"""Sessions whose caches are remembered, at some 400 bytes each; the ones used
longest ago are forgotten first."""

_LEAST_PREFIX_TOKENS = 1_024
"""Below this hardly any provider caches, so nothing read proves nothing."""

_COLD_TURNS = 2
"""Turns in a row that a warm cache should have answered and did not: one may be an
eviction, two are a provider that has stopped caching."""

_SMOOTHING = 0.3
"""The weight of the last gap between turns against those before it."""

_MARGIN = 0.02
"""What a return must save, as a share of what staying costs: below that the figures
are guesses, and a session that keeps moving is never warm."""

_MOST_EXPECTED_TURNS = 64
"""Of a session's future: beyond it a return has paid for itself or never will."""


@dataclass(slots=True)
class _Cache:
    """What a deployment's cache holds of a session.

    Attributes:
        tokens: Of the prompt, at the last turn it served.
        used_ms: When that turn was begun.
        life_ms: How long it is kept after its last use.
        cold_turns: In a row.
        proven: Whether the cache has ever answered for this session.
    """

    tokens: int
    used_ms: int
    life_ms: int
    cold_turns: int = 0
    proven: bool = False

    def alive_tokens(self, now_ms: int) -> int:
        if self.cold_turns >= _COLD_TURNS or now_ms - self.used_ms >= self.life_ms:
            return 0
        return self.tokens


@dataclass(slots=True)
class _Session:
    """What is known of one session.

    Attributes:
        prefix: Input tokens of the next turn that an ideal cache would hold.
        growth: By how much that grows each turn, in tokens.
        gap_ms: Between two turns, smoothed. Zero before the second.
        life_ms: How long its prompt is to be cached, if it says so; else zero.
    """

    turns: int = 0
    life_ms: int = 0
    prefix: int = 0
    growth: int = 0
    gap_ms: float = 0.0
    last_ms: int = 0
    caches: dict[str, _Cache] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outlook:
    """How a session may be expected to go on.

    Attributes:
        prefix: Tokens of the next turn's input that an earlier turn has sent.
        growth: New tokens in each turn.
        turns: How many more there will be.
        gap_ms: Between two of them.
    """

    prefix: int
    growth: int
    turns: int
    gap_ms: float


def input_cost(
    pricing: Pricing, alive_tokens: int, life_ms: int, outlook: Outlook
) -> int:
    """Price the input of a session's next turns at one deployment.

    The first reads what is alive and writes the rest; each later one reads what
    the one before it left, unless the gap between them is longer than that lives.

    Args:
        pricing: The deployment's.
        alive_tokens: What its cache holds of the session now.
        life_ms: How long it keeps that.
        outlook: The turns.

    Returns:
        Thousandths of a nanodollar: tokens times price.
    """
    cost = 0
    alive = alive_tokens
    for turn in range(outlook.turns):
        whole = outlook.prefix + (turn + 1) * outlook.growth
        read = min(alive, whole)
        cost += read * pricing.cache_read + (whole - read) * pricing.cache_creation
        alive = whole if outlook.gap_ms < life_ms else 0
    return cost


class Warmth:
    """The caches that sessions have, as far as providers have shown them."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        """Begin with nothing known.

        Args:
            now_ms: The time, in Unix milliseconds.
        """
        self._now_ms = now_ms
        self._sessions: OrderedDict[str, _Session] = OrderedDict()

    def __len__(self) -> int:
        """Return how many sessions are remembered."""
        return len(self._sessions)

    def expect(self, key: str, life: timedelta) -> None:
        """Be told how long a session wants its prompt cached."""
        self._session(key).life_ms = life // timedelta(milliseconds=1)

    def life(self, key: str) -> timedelta:
        """Say how long a session's prompt is cached after its last use."""
        session = self._sessions.get(key)
        if session is None or not session.life_ms:
            return DEFAULT_LIFE
        return timedelta(milliseconds=session.life_ms)

    def learn(self, key: str, attempt: Attempt) -> None:
        """Take what a turn's usage shows.

        Args:
            key: The binding's.
            attempt: One that succeeded; without usage it shows nothing.
        """
        usage = attempt.usage
        if usage is None or not usage.input_tokens:
            return
        session = self._session(key)
        now_ms = self._now_ms()
        life_ms = session.life_ms or DEFAULT_LIFE // timedelta(milliseconds=1)
        cache = session.caches.get(attempt.deployment_id)
        if cache is None:
            cache = _Cache(0, now_ms, life_ms)
            session.caches[attempt.deployment_id] = cache
        _note_evidence(cache, usage, now_ms)
        cache.tokens = usage.input_tokens
        cache.used_ms = now_ms
        cache.life_ms = life_ms
        _note_pace(session, usage, now_ms)

    def _session(self, key: str) -> _Session:
        session = self._sessions.setdefault(key, _Session())
        self._sessions.move_to_end(key)
        if len(self._sessions) > _MOST_SESSIONS:
            self._sessions.popitem(last=False)
        return session

    def knows(self, key: str) -> bool:
        """Tell whether anything is known of a session."""
        return key in self._sessions

    def is_worthless(self, key: str, deployment_id: str) -> bool:
        """Tell whether a cache that once answered has stopped to."""
        session = self._sessions.get(key)
        cache = session.caches.get(deployment_id) if session else None
        return cache is not None and cache.cold_turns >= _COLD_TURNS

    def cheaper(
        self,
        key: str,
        bound: Deployment,
        others: Sequence[Deployment],
        *,
        decides: bool = True,
    ) -> Deployment:
        """Say where a session's next turns cost least: where it is bound, or back.

        Asked on the first turn that has the choice, and decided for good then: a
        session that came to regret it would have paid for both.

        Args:
            key: The binding's.
            bound: Where it is bound, and could stay.
            others: What else may serve it now. Only where it has been before is
                considered: anywhere else it would have to begin anew.
            decides: Whether the answer is acted upon. Not, to explain.
        """
        session = self._sessions.get(key)
        if session is None or len(session.caches) < 2 or bound.pricing is None:
            return bound
        now_ms = self._now_ms()
        outlook = Outlook(
            session.prefix,
            session.growth,
            min(max(1, session.turns), _MOST_EXPECTED_TURNS),
            session.gap_ms,
        )
        best = bound
        least = _cost(session, bound, outlook, now_ms) * (1 - _MARGIN)
        for other in others:
            if other.pricing is None or other.id not in session.caches:
                continue
            cost = _cost(session, other, outlook, now_ms)
            if cost < least:
                best, least = other, cost
        if decides and best is bound:
            for other in others:
                session.caches.pop(other.id, None)
        return best


def _cost(
    session: _Session, deployment: Deployment, outlook: Outlook, now_ms: int
) -> float:
    cache = session.caches.get(deployment.id)
    if deployment.pricing is None:
        return 0
    if cache is None:
        life_ms = DEFAULT_LIFE // timedelta(milliseconds=1)
        return input_cost(deployment.pricing, 0, life_ms, outlook)
    alive = cache.alive_tokens(now_ms)
    return input_cost(deployment.pricing, alive, cache.life_ms, outlook)


def _note_evidence(cache: _Cache, usage: Usage, now_ms: int) -> None:
    """Count a turn as warm, as cold, or as one that proves nothing."""
    if usage.cache_read_input_tokens:
        cache.proven = True
        cache.cold_turns = 0
    elif (
        cache.proven
        and min(cache.tokens, usage.input_tokens) >= _LEAST_PREFIX_TOKENS
        and now_ms - cache.used_ms < cache.life_ms
    ):
        cache.cold_turns += 1


def _note_pace(session: _Session, usage: Usage, now_ms: int) -> None:
    """Take how fast a session grows and how often it has a turn."""
    if session.turns:
        gap_ms = max(0, now_ms - session.last_ms)
        share = _SMOOTHING if session.turns > 1 else 1.0
        session.gap_ms += share * (gap_ms - session.gap_ms)
        session.growth = max(0, usage.input_tokens - session.prefix)
    else:
        # The answer is part of the next turn's prompt; what is asked then is not
        # known yet.
        session.growth = usage.output_tokens
    session.prefix = usage.input_tokens
    session.last_ms = now_ms
    session.turns += 1
