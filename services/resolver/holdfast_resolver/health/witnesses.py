"""Hears executors out: which there are, and whose failures to believe by now."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from holdfast.model import Attempt, Deployment
from holdfast.standpoint import Standpoint
from holdfast_resolver.health.evidence import NEAR_MS, Miss, Word, counts

_THERE_MS = 300_000
"""How long an executor that providers have answered counts as one of several, though
nothing is heard of it: hosts that are cut off are back by then, and until then a
resolver that is cut off with one of them does not take that one for the last."""

_MOST_DOUBTED = 200
"""Failures of one deployment that wait to be believed: a batch of reports."""


@dataclass(slots=True)
class Doubt:
    """A failure that is not believed yet, with all there is to learn from it.

    Attributes:
        miss: When it was, by this replica's clock.
        standpoint: The name of whose it is.
        heard_ms: When it was told.
        is_past: Whether the deployment has since served a call that was sent later.
    """

    attempt: Attempt
    pool: Sequence[Deployment]
    cap: timedelta
    miss: Miss
    standpoint: str
    heard_ms: int
    is_past: bool = False


@dataclass(slots=True)
class _Witness:
    """One standpoint, as told last, and what was seen from there.

    Attributes:
        ahead_ms: By how much its clock is ahead.
        words: By the name of a deployment's health.
    """

    told: Standpoint
    ahead_ms: int
    words: dict[str, Word] = field(default_factory=dict)

    def reached_ms(self) -> int:
        """Say when a provider answered last, by this replica's clock."""
        return self.told.answered_ms - self.ahead_ms if self.told.answered_ms else 0


class Witnesses:
    """The standpoints that one replica has heard of, and the failures it doubts."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        """Begin with nobody heard.

        Args:
            now_ms: The time, in Unix milliseconds.
        """
        self._now_ms = now_ms
        self._witnesses: dict[str, _Witness] = {}
        self._doubts: dict[str, list[Doubt]] = {}

    @property
    def doubted(self) -> int:
        """How many failures wait to be believed."""
        return sum(map(len, self._doubts.values()))

    def hear(self, standpoint: Standpoint) -> list[tuple[str, Doubt]]:
        """Take what an executor tells of itself; return what is believed for it.

        Each with the name of the deployment's health, in the order they were told.
        """
        self._note(standpoint)
        return self._believed(list(self._doubts)) if self._doubts else []

    def served(
        self, key: str, attempt: Attempt, standpoint: Standpoint
    ) -> list[tuple[str, Doubt]]:
        """Note that a deployment has served a call; return what is believed now."""
        witness = self._witnesses.get(standpoint.name) or self._note(standpoint)
        if len(self._witnesses) == 1:
            return []
        began_ms = attempt.start_time_ms - witness.ahead_ms
        word = witness.words.get(key)
        if word is None or word.served_ms < began_ms:
            missed = None if word is None else word.missed
            witness.words[key] = Word(missed, began_ms)
        if key not in self._doubts:
            return []
        for doubt in self._doubts[key]:
            doubt.is_past |= began_ms >= doubt.heard_ms
        return self._believed([key])

    def missed(
        self,
        key: str,
        attempt: Attempt,
        standpoint: Standpoint,
        pool: Sequence[Deployment],
        cap: timedelta,
    ) -> list[tuple[str, Doubt]]:
        """Note that a call did not get through; return what is believed now."""
        witness = self._witnesses.get(standpoint.name) or self._note(standpoint)
        began_ms = attempt.start_time_ms - witness.ahead_ms
        miss = Miss(began_ms, began_ms + attempt.duration // timedelta(milliseconds=1))
        word = witness.words.get(key, Word())
        if word.missed is None or word.missed.began_ms <= began_ms:
            witness.words[key] = Word(miss, word.served_ms)
        doubts = self._doubts.setdefault(key, [])
        if len(doubts) == _MOST_DOUBTED:
            del doubts[0]
        name = standpoint.name
        doubts.append(Doubt(attempt, pool, cap, miss, name, self._now_ms()))
        return self._believed([key])

    def _note(self, told: Standpoint) -> _Witness:
        """Know a standpoint as it is told now."""
        witness = self._witnesses.get(told.name)
        if witness is None:
            self._forget()
            witness = self._witnesses[told.name] = _Witness(told, self._ahead_ms(told))
        else:
            witness.ahead_ms = self._ahead_ms(told)
            witness.told = witness.told.joined(told)
        return witness

    def _ahead_ms(self, told: Standpoint) -> int:
        return told.now_ms - self._now_ms() if told.now_ms else 0

    def _believed(self, keys: Sequence[str]) -> list[tuple[str, Doubt]]:
        """Take out what is believed by now, and what nobody will bear out any more."""
        believed: list[tuple[str, Doubt]] = []
        oldest_ms = self._now_ms() - NEAR_MS
        for key in keys:
            kept: list[Doubt] = []
            for doubt in self._doubts[key]:
                if self._is_believed(key, doubt):
                    believed.append((key, doubt))
                elif doubt.heard_ms > oldest_ms:
                    kept.append(doubt)
            if kept:
                self._doubts[key] = kept
            else:
                del self._doubts[key]
        return believed

    def _is_believed(self, key: str, doubt: Doubt) -> bool:
        there_ms = self._now_ms() - _THERE_MS
        others = [
            witness.words.get(key, _NOTHING)
            for name, witness in self._witnesses.items()
            if name != doubt.standpoint and witness.reached_ms() >= there_ms
        ]
        witness = self._witnesses[doubt.standpoint]
        return counts(doubt.miss, witness.told, witness.ahead_ms, others)

    def _forget(self) -> None:
        """Let go of who has not been heard of for long, and is doubted in nothing."""
        doubted = {each.standpoint for all_ in self._doubts.values() for each in all_}
        there_ms = self._now_ms() - _THERE_MS
        self._witnesses = {
            name: witness
            for name, witness in self._witnesses.items()
            if name in doubted or witness.told.now_ms - witness.ahead_ms >= there_ms
        }


_NOTHING = Word()
