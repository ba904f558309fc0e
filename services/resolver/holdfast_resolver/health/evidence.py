"""Whether a failure to reach a deployment says anything of the deployment. Pure.

An executor whose own network is gone fails to reach all of them alike. Its word counts
where it is the only one there is, where other providers answered it all the while, or
where another one fails there too and nobody is served.
"""

from collections.abc import Collection
from dataclasses import dataclass

from holdfast.standpoint import Standpoint

NEAR_MS = 30_000
"""How far apart two failures at one deployment still confirm each other: as long as
a first token may take by default, so that a silence and a refused connection of the
same outage do."""


@dataclass(frozen=True, slots=True)
class Miss:
    """A call that did not get through. Unix milliseconds, by the resolver's clock.

    Attributes:
        began_ms: When it was sent.
        ended_ms: When it was given up.
    """

    began_ms: int
    ended_ms: int


@dataclass(frozen=True, slots=True)
class Word:
    """What another standpoint has last seen of the same deployment. Likewise.

    Attributes:
        missed: Its last call that did not get through. None: there was none.
        served_ms: When the last call was sent that was served. Zero: none was.
    """

    missed: Miss | None = None
    served_ms: int = 0


def counts(
    miss: Miss, standpoint: Standpoint, ahead_ms: int, others: Collection[Word]
) -> bool:
    """Tell whether a failure is held against the deployment.

    Args:
        miss: The call that failed.
        standpoint: From where it was made, as known by now.
        ahead_ms: By how much its clock is ahead of the resolver's.
        others: What every other standpoint has seen there. None: there are no others.
    """
    if not others:
        return True
    if standpoint.was_in_touch(miss.began_ms + ahead_ms, miss.ended_ms + ahead_ms):
        return True
    is_served = any(word.served_ms >= miss.began_ms for word in others)
    return not is_served and any(_agrees(word, miss) for word in others)


def _agrees(word: Word, miss: Miss) -> bool:
    """Tell whether another standpoint has met the same, and nothing better since."""
    if word.missed is None or word.served_ms >= word.missed.began_ms:
        return False
    return abs(word.missed.ended_ms - miss.ended_ms) <= NEAR_MS
