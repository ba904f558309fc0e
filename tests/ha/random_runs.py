"""Random runs: a lab, callers of every kind, and things that happen at random moments.

python -m tests.ha --random --seed 7 --minutes 2
"""

import asyncio
import random
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ha.books import Books, ledgers, read
from ha.certificates import ServiceCertificates
from ha.clocks import Clock
from ha.course import Course, Past
from ha.database import lacks_postgres
from ha.happenings import PLACES, Happening, Kind, drawn
from ha.hosts import small_disk
from ha.inquest import inquest
from ha.lab import Lab, Setting
from ha.load import EVERY_SURFACE, Way
from ha.misfortunes import CLOCK, DATABASE_KINDS, KINDS
from ha.pressure import Pressure
from ha.reckoning import Reckoning, reckoned
from ha.stage import Stage

_QUIET_S = 5.0
"""Before the first thing happens and after the last, in seconds."""

_METERED, _SCARCE = "hf-metered", "hf-scarce"
_SCARCE_USD = "0.5"
"""What the scarce project may spend: thirty answers."""

_SCARCE_MOST = 500_000_000 + 100_000_000
"""What it may have spent, in billionths of a dollar: less than one reservation more, of
a hundred tokens."""

_LOOKED_INTO = 12
"""Calls of which all is said: where more fail, they fail of the same."""

_STILL_S, _SETTLED_S = 2, 20
"""Books that stay as they are for so long are at rest, in seconds: resolvers tell each
other and the ledger several times a second. So often it is looked."""

_WAYS = (
    *EVERY_SURFACE,
    Way("chat", is_streamed=True, share=2, manner="slow"),
    Way("messages", is_streamed=True, manner="leaves"),
    Way("chat", is_streamed=True, share=2, manner="leaves"),
    Way("chat", is_streamed=False, manner="leaves"),
    Way("chat", is_streamed=False, share=2, key=_METERED),
    Way("responses", is_streamed=True, share=2, key=_METERED),
    Way(
        "chat",
        is_streamed=False,
        share=2,
        key=_SCARCE,
        refusals=("budget_exhausted", "budget_unknown"),
    ),
)

_PROJECTS = (
    {
        "id": "metered",
        "budget": {"monthly_usd": "100000"},
        "keys": [{"id": "metered-1", "key": _METERED}],
    },
    {
        "id": "scarce",
        "budget": {"monthly_usd": _SCARCE_USD, "when_unreachable": "deny"},
        "keys": [{"id": "scarce-1", "key": _SCARCE}],
    },
)

_LIMITS = {"first_token_timeout_s": 8, "idle_timeout_s": 8}
"""Shorter than they are by default, so that more happens in a run."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is to be.

    Attributes:
        seed: What happens, and how the lab is set up, follows from it.
    """

    seed: int
    minutes: float

    @property
    def has_database(self) -> bool:
        """Whether all resolvers have one ledger, in PostgreSQL: every other time."""
        return self.seed % 2 == 0 and not lacks_postgres()

    @property
    def kinds(self) -> list[Kind[Stage]]:
        """What can happen."""
        kinds = list(KINDS)
        if self.has_database:
            kinds = [k for k in kinds if k.name != "ledger's disk full"]
            kinds += DATABASE_KINDS
        return [kind for kind in kinds if not kind.lacks()]

    @property
    def happenings(self) -> tuple[Happening[Stage], ...]:
        """What happens."""
        return drawn(self.seed, self.kinds, self.minutes * 60)


@dataclass(frozen=True, slots=True)
class Run:
    """What came of one.

    Attributes:
        past: What happened.
        pressure: How busy the machine was.
    """

    plan: Plan
    reckoning: Reckoning
    past: tuple[Past, ...]
    books: Books
    pressure: Pressure
    took_s: float

    @property
    def off(self) -> int:
        """By how much the counter says more than the ledgers, in 1e-9 USD."""
        counted, noted = self.books.counted, self.books.noted
        return counted.get("metered", 0) - noted.get("metered", 0)

    @property
    def complaints(self) -> list[str]:
        """What is not as it should be, in words."""
        cost, off = self.reckoning.cost, abs(self.off)
        spent = self.books.noted.get("scarce", 0)
        found = {
            f"{cost.failed} calls failed": cost.failed,
            f"{cost.needless} calls were answered twice needlessly": cost.needless,
            f"{self.reckoning.moved} sessions moved needlessly": self.reckoning.moved,
            f"{len(self.reckoning.missing)} calls are in no ledger": (
                self.reckoning.missing
            ),
            f"counter and ledger differ by {off / 1e9:.4f} USD": (
                off > self.reckoning.uncertain
            ),
            f"{spent / 1e9:.2f} USD of {_SCARCE_USD} are spent": spent >= _SCARCE_MOST,
        }
        return [words for words, is_so in found.items() if is_so]


async def carry_out_at_random(plan: Plan, folder: Path) -> Run:
    """Carry a run out."""
    with ExitStack() as stack:
        clocks = {name: Clock(folder / f"clock-{name}") for name in PLACES}
        setting = _setting(plan, folder, stack, clocks)
        async with Lab(folder, setting) as lab:
            course = Course(Stage(lab, clocks), plan.happenings)
            began = time.monotonic()
            with Pressure.measured() as pressure:
                async with lab.called():
                    await asyncio.sleep(_QUIET_S)
                    await course.run()
                    await lab.etcd.whole()
                    await asyncio.sleep(_QUIET_S)
            took_s = time.monotonic() - began
            books = await _settled(lab)
            for file in ledgers(lab):
                # The disk that it is on goes with the lab.
                shutil.copy(file, folder)
            hosts = {place.host.address: place.host.name for place in lab.places}
            past = tuple(course.past)
            reckoning = reckoned(lab.seen(), past, hosts, books, _METERED)
            return Run(plan, reckoning, past, books, pressure, took_s)


def told(run: Run, folder: Path) -> Iterator[str]:
    """Say in lines what came of a run, and all there is to say of what went wrong."""
    came = run.reckoning.cost
    words = [
        f"seed {run.plan.seed}: {came.made} calls in {run.took_s:.0f} s",
        f"{came.failed} failed",
        f"{came.held} held by a dead edge",
        f"{run.reckoning.exhausted} failed by every provider",
        f"slowest {came.slowest_s:.1f} s",
        f"{came.moved} of {came.sessions} sessions moved",
        f"{came.twice} answered twice",
        f"{run.reckoning.excused} unwritten",
        f"{len(run.past)} happenings",
        run.pressure.words(),
    ]
    yield ", ".join(words)
    for complaint in run.complaints:
        yield f"  {complaint}"
    lost, needless = {*run.reckoning.missing}, {*run.reckoning.needless}
    looked_into = [
        note
        for note in run.reckoning.notes
        if note.error or note.trace in lost or note.call in needless
    ]
    for note in looked_into[:_LOOKED_INTO]:
        yield from inquest(note, run.past, run.pressure, folder)


def _setting(
    plan: Plan, folder: Path, stack: ExitStack, clocks: dict[str, Clock]
) -> Setting:
    """Set the lab up, by chance where more than one way is ours."""
    chance = random.Random(-plan.seed)
    is_secured = any(
        happening.aim.subject == "certificates" for happening in plan.happenings
    )
    # Each member of etcd takes two logs of 64 MB at once, before it has data.
    disks = [
        stack.enter_context(small_disk(folder / f"disk-{name}", 200))
        for name in (*PLACES, "three")
    ]
    ledgers = {
        name: stack.enter_context(small_disk(folder / f"ledgers-{name}", 64))
        for name in PLACES
    }
    is_settable = any(each.kind.name == CLOCK for each in plan.happenings)

    def variables(service: str, host: str) -> Mapping[str, str]:
        # Under libfaketime timed waits do not end, so that threads that write a
        # ledger hold everything up: a resolver's clock is right.
        return clocks[host].variables() if is_settable and service != "resolver" else {}

    return Setting(
        ways=_WAYS,
        projects=_PROJECTS,
        limits=_LIMITS,
        capabilities=("json_schema", "assistant_prefix"),
        token_s=chance.choice((0.02, 0.04, 0.08)),
        is_named=True,
        certificates=ServiceCertificates(folder / "pki") if is_secured else None,
        disks=tuple(disk / "etcd" for disk in disks),
        ledgers=ledgers,
        has_database=plan.has_database,
        variables=variables,
    )


async def _settled(lab: Lab) -> Books:
    """Read the books once nothing changes there any more."""
    before = await read(lab)
    for _ in range(_SETTLED_S):
        await asyncio.sleep(_STILL_S)
        now = await read(lab)
        if now == before:
            break
        before = now
    return before
