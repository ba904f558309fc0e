"""docs/soak.md: what a soak came to."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.results import Machine
from bench.soak.watching import STEEP_MB, WARM_SHARE, Held, Sample, slope_mb, warm
from bench.tables import table


@dataclass(frozen=True, slots=True)
class Soaked:
    """One soak.

    Attributes:
        seconds: How long it was asked for.
        held: What each service held before and after, by its own count.
        ended: How many calls of a kind ended so, by kind and end.
    """

    machine: Machine
    seconds: float
    samples: Sequence[Sample]
    held: Mapping[str, Held]
    ended: Mapping[str, Counter[str]]

    @property
    def slopes(self) -> dict[str, float]:
        """How steeply each service grows once warm, in MiB per 100,000 requests."""
        samples = warm(self.samples)
        return {name: slope_mb(samples, name) for name in self.held}


def report(soaked: Soaked) -> str:
    """Write the document."""
    machine, last = soaked.machine, soaked.samples[-1]
    place = (
        f"Measured {machine.date} UTC with `python -m bench.soak --seconds "
        f"{soaked.seconds:g}` on {machine.processor}, "
        f"{machine.cores} cores shared with other work, Python {machine.python}: "
        f"{last.requests:,} requests in {last.seconds:,.0f} s."
    )
    meaning = (
        f"Warm is from {100 * WARM_SHARE:g} % of the requests on. A service may grow "
        f"by {STEEP_MB:g} MB per 100,000 requests; a leak of a hundred bytes a request "
        "would be 9.5. etcd is not held to that: it keeps ten to twenty minutes of "
        "history and up to 100,000 entries of its log (`--snapshot-count`), which a "
        "soak does not fill."
    )
    held = "Before the first call, and eight seconds after the last."
    parts = [
        _INTRODUCTION.strip(),
        place,
        "## Memory",
        _memory(soaked),
        meaning,
        "## What is held",
        held,
        _held(soaked),
        "## How calls ended",
        _ends(soaked.ended),
    ]
    return "\n\n".join(parts) + "\n"


def _memory(soaked: Soaked) -> str:
    samples = soaked.samples
    first, begun, last = samples[0], warm(samples)[0], samples[-1]
    rows = [
        [
            name,
            *(f"{each.rss_mb[name]:.0f}" for each in (first, begun, last)),
            f"{slope_mb(warm(samples), name):.1f}",
        ]
        for name in first.rss_mb
    ]
    head = ["process", "MB at the start", "warm", "at the end"]
    return table([*head, "MB more per 100,000 requests, once warm"], rows)


def _held(soaked: Soaked) -> str:
    first, last = soaked.samples[0], soaked.samples[-1]
    rows = [
        [
            name,
            *(
                f"{before:,} / {after:,}"
                for before, after in (
                    held.tasks,
                    (first.files[name], last.files[name]),
                    held.objects,
                )
            ),
        ]
        for name, held in soaked.held.items()
    ]
    objects = "objects that the collector looks through"
    return table(["process", "tasks", "descriptors", objects], rows)


def _ends(ended: Mapping[str, Counter[str]]) -> str:
    ends = sorted({end for counts in ended.values() for end in counts})
    rows = [
        [kind, *(f"{counts[end]:,}" if counts[end] else "-" for end in ends)]
        for kind, counts in sorted(ended.items())
    ]
    return table(["call", *ends], rows)


_INTRODUCTION = """# Soak

Written by `make soak`; do not edit. Edge, resolver and executor are processes of their
own, with etcd and a ledger in SQLite. The provider fails one request in ten (429, 500,
a reset, an answer cut short, an error or no JSON within a stream, an answer without
content), and says words where JSON was asked for every second time. Callers use Chat
Completions, Messages and Responses, whole and streamed, and some leave in the middle;
an administrator edits all the while. The project has a guardrail and a budget, and
keeps content.
"""
