"""In which order to try what is allowed. Pure but for the turns it counts."""

import hashlib
import itertools
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from holdfast.model import Deployment, PlanStep, StepReason
from holdfast_resolver.expansion import Member
from holdfast_resolver.health.standing import Standing

Stand = Callable[[Deployment], Standing]
"""How a deployment stands now."""

_MOST_POOLS = 10_000
"""Pools whose turns are counted. A pool forgotten starts its turns anew."""


def by_hash(key: str, deployments: Sequence[Deployment]) -> list[Deployment]:
    """Order by weighted rendezvous hash of a session and each deployment.

    Every replica finds the same order without asking another, and a deployment
    that comes or goes moves only the sessions it wins or had.
    """

    def score(deployment: Deployment) -> float:
        digest = hashlib.blake2b(
            deployment.id.encode(), key=key.encode()[:64], digest_size=8
        ).digest()
        uniform = (int.from_bytes(digest, "little") + 1) / 2**64
        return -math.log(uniform) / deployment.weight

    return sorted(deployments, key=score)


def welcomes(deployment: Deployment, standing: Standing, session: str) -> bool:
    """Tell whether a new session may go to a healthy deployment first.

    One that came back takes its share of them. Which ones is up to the session,
    so that all replicas send the turns of one to the same place.
    """
    if standing.share >= 1.0:
        return True
    digest = hashlib.blake2b(
        deployment.id.encode(), key=session.encode()[:64], person=b"ramp", digest_size=8
    ).digest()
    return int.from_bytes(digest, "little") < standing.share * 2**64


@dataclass(slots=True)
class _Pool:
    """The state of smooth weighted turns: who is most due comes first."""

    due: dict[str, float] = field(default_factory=dict)


class Turns:
    """Cold starts, spread over each pool by weight, without bursts."""

    def __init__(self) -> None:
        self._pools: OrderedDict[str, _Pool] = OrderedDict()

    def order(
        self, name: str, deployments: Sequence[Deployment], *, advance: bool = True
    ) -> list[Deployment]:
        """Order a pool by who is most due, and count the turn of the first.

        Args:
            name: The pool's; turns of one pool are apart from another's.
            deployments: What takes turns now.
            advance: Whether the turn counts. Not, to look ahead.
        """
        pool = self._pools.setdefault(name, _Pool())
        self._pools.move_to_end(name)
        if len(self._pools) > _MOST_POOLS:
            self._pools.popitem(last=False)
        due = {d.id: pool.due.get(d.id, 0.0) + d.weight for d in deployments}
        ordered = sorted(deployments, key=lambda d: -due[d.id])
        if advance and ordered:
            due[ordered[0].id] -= sum(d.weight for d in deployments)
            # Who is not among them now keeps what it was due.
            pool.due.update(due)
        return ordered


class Ramps:
    """Cold starts without a session, for those that take a part of theirs."""

    def __init__(self) -> None:
        self._owed: dict[str, float] = {}

    def admits(self, deployment: Deployment, standing: Standing) -> bool:
        """Tell whether it is there for this cold start, and count it.

        Of ten, one with a share of 0.3 is there for three, evenly apart.
        """
        owed = self._owed.get(deployment.id, 0.0) + standing.share
        self._owed[deployment.id] = owed % 1.0
        return owed >= 1.0


class Spread:
    """Keeps new sessions even where the hash alone would leave them uneven.

    A hash spreads sessions within a few per cent of even only in the thousands.
    Where a deployment has had more than its share, the session goes to the next
    in its own order. Few sessions are never diverted: for them replicas that
    cannot ask one another should agree by hash alone.
    """

    SLACK = 1.03
    """What a deployment may have above its share."""

    FEWEST = 100
    """New sessions of a pool before any is diverted."""

    _MEMORY = 10_000
    """New sessions of a pool after which older ones count half."""

    def __init__(self) -> None:
        self._pools: OrderedDict[tuple[str, frozenset[str]], dict[str, float]] = (
            OrderedDict()
        )

    def choose(self, name: str, ordered: Sequence[Deployment]) -> Deployment:
        """Choose where a new session goes, and count it.

        Shares count only among those that were there together: who comes back
        from a cooldown would else be sent every session until it caught up.
        """
        pool = (name, frozenset(d.id for d in ordered))
        counts = self._pools.setdefault(pool, {})
        self._pools.move_to_end(pool)
        if len(self._pools) > _MOST_POOLS:
            self._pools.popitem(last=False)
        total = sum(counts.values())
        weights = sum(d.weight for d in ordered)
        chosen = ordered[0]
        if total >= self.FEWEST:
            chosen = next(
                (
                    d
                    for d in ordered
                    if counts.get(d.id, 0.0) < total * d.weight / weights * self.SLACK
                ),
                chosen,
            )
        counts[chosen.id] = counts.get(chosen.id, 0.0) + 1
        if total > self._MEMORY:
            for deployment_id in counts:
                counts[deployment_id] /= 2
        return chosen


def steps(  # noqa: PLR0913 - each is one fact about the order
    member: Member,
    ordered: Sequence[Deployment],
    reason: StepReason,
    *,
    bound: Deployment | None,
    chosen: Deployment | None,
    stand: Stand,
) -> list[PlanStep]:
    """Write a pool's steps: the session's own first, those left aside last.

    Args:
        member: Whose pool it is.
        ordered: All that is allowed of it, by hash or by turn.
        reason: Why they stand in that order.
        bound: The session's deployment, where it has one.
        chosen: Where a new session goes, where that is not the first.
        stand: Says how each stands.
    """
    first = bound or chosen
    arranged = [d for d in ordered if d == first] + [d for d in ordered if d != first]
    healthy: list[PlanStep] = []
    sparing: list[PlanStep] = []
    aside: list[PlanStep] = []
    for deployment in arranged:
        standing = stand(deployment)
        if standing.left is not None:
            why, to = StepReason.LAST_RESORT, aside
        else:
            why = StepReason.STICKY if deployment == bound else reason
            is_full = standing.share >= 1.0 or deployment == first
            to = healthy if is_full else sparing
        to.append(PlanStep(deployment, why, member.response_model, standing.left))
    aside.sort(key=lambda step: step.cooldown or timedelta())
    return providers_apart(healthy) + providers_apart(sparing) + aside


def providers_apart(ordered: Sequence[PlanStep]) -> list[PlanStep]:
    """Put deployments of one provider apart, as far as there are others.

    What fails often fails for a whole provider: a plan that tried one's
    regions in a row would use up its attempts where nothing answers. The first
    step stays first, and each provider's own stay in their order.
    """
    if len(ordered) < 3:
        return list(ordered)
    first, *rest = ordered
    by_provider: dict[str, list[PlanStep]] = {}
    for step in rest:
        by_provider.setdefault(step.deployment.provider_id, []).append(step)
    own = by_provider.pop(first.deployment.provider_id, [])
    rounds = itertools.zip_longest(*by_provider.values(), own)
    return [first, *(step for each in rounds for step in each if step is not None)]
