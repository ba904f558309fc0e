"""How often each deployment has given answers that fit, schema by schema.

A deployment that mostly does not is tried after the others of its pool, for a while.
What it refuses to be asked natively, it is asked in words.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

_HALF_LIFE_S = 600.0
"""After so long an answer counts for half: models and their servers change within
days, and what was put last on a few answers gets another chance within minutes."""

_LEAST_ANSWERS = 2.0
"""Before a deployment is said to fail mostly: fewer may be bad luck. The attempts of
one request, at the default of two corrections, are three."""

_MOST = 10_000
"""Pairs of a deployment and a schema, of some 300 bytes. Who comes after them takes the
place of whoever was not asked for longest."""


@dataclass(slots=True)
class _Answers:
    """What is remembered of one deployment and one schema."""

    fitting: float = 0.0
    unfit: float = 0.0
    since: float = 0.0
    refused_since: float | None = None


@dataclass(slots=True)
class FormCounts:
    """What became of answers that were to have a form, for metrics."""

    fitting: int = 0
    unfit: int = 0


class TrackRecord:
    """What answers have taught."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing known.

        Args:
            clock: The time in seconds, from whenever.
        """
        self._clock = clock
        self._answers: OrderedDict[tuple[str, bytes], _Answers] = OrderedDict()
        self.counts = FormCounts()

    def learn(self, deployment_id: str, digest: bytes, *, fits: bool) -> None:
        """Note an answer.

        Args:
            deployment_id: Who gave it.
            digest: What it was asked to fit.
            fits: Whether it does.
        """
        answers = self._noted(deployment_id, digest)
        if fits:
            answers.fitting += 1
            self.counts.fitting += 1
        else:
            answers.unfit += 1
            self.counts.unfit += 1

    def mostly_fails(self, deployment_id: str, digest: bytes) -> bool:
        """Tell whether most answers of late did not fit."""
        answers = self._answers.get((deployment_id, digest))
        if answers is None:
            return False
        weight = self._weight(answers)
        told = (answers.fitting + answers.unfit) * weight
        return told >= _LEAST_ANSWERS and answers.unfit > answers.fitting

    def refuse(self, deployment_id: str, digest: bytes) -> None:
        """Note that a deployment cannot be asked for this natively."""
        self._noted(deployment_id, digest).refused_since = self._clock()

    def refuses(self, deployment_id: str, digest: bytes) -> bool:
        """Tell whether a deployment could not be asked for this natively of late."""
        answers = self._answers.get((deployment_id, digest))
        if answers is None or answers.refused_since is None:
            return False
        return self._clock() - answers.refused_since <= _HALF_LIFE_S

    def _noted(self, deployment_id: str, digest: bytes) -> _Answers:
        key = (deployment_id, digest)
        answers = self._answers.setdefault(key, _Answers(since=self._clock()))
        self._answers.move_to_end(key)
        if len(self._answers) > _MOST:
            self._answers.popitem(last=False)
        weight = self._weight(answers)
        answers.fitting *= weight
        answers.unfit *= weight
        answers.since = self._clock()
        return answers

    def _weight(self, answers: _Answers) -> float:
        return float(0.5 ** ((self._clock() - answers.since) / _HALF_LIFE_S))
