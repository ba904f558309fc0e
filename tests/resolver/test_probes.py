"""Who of the fleet tries a deployment whose rest is over."""

import itertools
from datetime import timedelta

import pytest

from fakes.clock import Clock
from holdfast_resolver.probes import LIFE, Probes
from holdfast_resolver.stores import MemoryProbeStore

REST = "a/m-eu@0badcafe@1700000000000"


class CountedProbes(MemoryProbeStore):
    """Counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    async def claim(self, rest: str, life: timedelta) -> bool | None:
        self.asked += 1
        return await super().claim(rest, life)


class AbsentProbes:
    """Is away."""

    async def claim(self, rest: str, life: timedelta) -> bool | None:
        return None


def replica(store=None, clock=None, jitter=0.0) -> Probes:
    return Probes(
        store or MemoryProbeStore(), (clock or Clock()).now_ms, lambda: jitter
    )


async def test_one_request_of_one_replica_may_try():
    """Of eight replicas with three requests each."""
    store = MemoryProbeStore()
    fleet = [replica(store) for _ in range(8)]

    granted = [await probes.claim(REST) for probes in fleet * 3]

    assert granted.count(True) == 1
    assert sum(probes.counts.granted for probes in fleet) == 1
    assert sum(probes.counts.left_to_others for probes in fleet) == 7


async def test_the_store_is_asked_once_a_rest():
    """However many requests could try: the others go on at once."""
    store = CountedProbes()
    probes = replica(store)
    for _ in range(100):
        await probes.claim(REST)

    assert store.asked == 1


async def test_another_rest_is_another_chance():
    """Each is followed up."""
    probes = replica()

    assert [await probes.claim(name) for name in ("a@1", "a@2", "b@1")] == [True] * 3


async def test_a_rest_is_asked_for_again_once_a_claim_has_run_out():
    """Whoever was to try has not been heard of."""
    store, clock = CountedProbes(), Clock()
    probes = replica(store, clock)
    await probes.claim(REST)
    clock.advance(LIFE.total_seconds())
    await probes.claim(REST)

    assert store.asked == 2


async def test_alone_each_replica_tries_at_a_moment_of_its_own():
    """And each of them once, while the store is away."""
    clock = Clock()
    fleet = [replica(AbsentProbes(), clock, jitter) for jitter in (0.0, 0.5, 1.0)]
    tried = []
    for _ in range(30):
        tried.append(sum([await probes.claim(REST) for probes in fleet]))
        clock.advance(0.1)

    moments = [n for n, many in enumerate(tried) if many]
    assert tried == [1 if n in moments else 0 for n in range(30)]
    assert len(moments) == 3
    assert all(b - a >= 5 for a, b in itertools.pairwise(moments))


@pytest.mark.parametrize("many", [5_000])
async def test_rests_of_long_ago_are_forgotten(many):
    """Memory stays as it is, however many rests there were."""
    clock = Clock()
    probes = replica(AbsentProbes(), clock)
    for n in range(many):
        await probes.claim(f"a@{n}")
        clock.advance(1)

    assert probes.remembered <= 1_000
