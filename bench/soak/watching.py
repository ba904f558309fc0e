"""What is looked at while the soak goes on, and what it says of growth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.processes import resident_mb
from bench.services import Services

ETCD = "etcd"

WARM_SHARE = 0.4
"""Of the requests: caches, pools and the allocator have their size by then."""

STEEP_MB = 10.0
"""Of one service per 100,000 requests: a leak of a hundred bytes a request is 9.5."""


@dataclass(frozen=True, slots=True)
class Sample:
    """How things stood at one moment.

    Attributes:
        requests: So far.
        rss_mb: Of each process, by service, in MiB.
        files: Descriptors open, likewise.
    """

    seconds: float
    requests: int
    rss_mb: Mapping[str, float]
    files: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Held:
    """What a service held, by its own count, before the load and after it."""

    tasks: tuple[int, int]
    objects: tuple[int, int]


def sample(services: Services, seconds: float, requests: int) -> Sample:
    """Look at every process."""
    rss = {name: each.rss_mb for name, each in services.by_name.items()}
    rss[ETCD] = resident_mb(services.etcd.process.pid)
    files = {name: each.files for name, each in services.by_name.items()}
    return Sample(seconds, requests, rss, files)


def warm(samples: Sequence[Sample]) -> Sequence[Sample]:
    """Return the samples from when everything had its size."""
    least = samples[-1].requests * WARM_SHARE
    return [each for each in samples if each.requests >= least]


def slope_mb(samples: Sequence[Sample], name: str) -> float:
    """Return how steeply a process grows, by least squares, in MiB per 100,000."""
    points = [(each.requests, each.rss_mb[name]) for each in samples]
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    together = sum((x - mean_x) * (y - mean_y) for x, y in points)
    return together / spread * 100_000 if spread else 0.0
