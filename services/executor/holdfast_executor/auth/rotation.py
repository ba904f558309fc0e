"""Whose turn it is among several credentials of one provider.

A session keeps to one, since a provider's prompt cache is often an account's.
What one credential was refused for says nothing of the others: it alone rests,
for the deployment that refused it.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence

from holdfast.model import Attempt, Outcome

ABOUT_THE_CREDENTIAL = frozenset({Outcome.RATE_LIMITED, Outcome.UNUSABLE})
"""What another credential of the same deployment may well do better."""

_RATE_LIMITED_S = 5.0
"""After a 429 that does not say how long: providers count by the minute."""

_UNUSABLE_S = 60.0
"""Keys and quotas are mended by people."""


class Rotation:
    """Turns, and who sits out, by deployment and credential."""

    def __init__(self, now: Callable[[], float]) -> None:
        """Begin with all in the game.

        Args:
            now: The time, in Unix seconds.
        """
        self._now = now
        self._turns: defaultdict[str, int] = defaultdict(int)
        self._until: dict[tuple[str, str], float] = {}

    def order(
        self, deployment_id: str, names: Sequence[str], session_key: str
    ) -> list[str]:
        """Return all names, the one to use first: who rests comes last.

        Args:
            deployment_id: What is to be called.
            names: The credentials.
            session_key: Whose request it is. Empty: anybody's.
        """
        if session_key:
            ordered = sorted(names, key=lambda name: _weight(session_key, name))
        else:
            turn = self._turns[deployment_id] % len(names)
            self._turns[deployment_id] += 1
            ordered = [*names[turn:], *names[:turn]]
        now = self._now()
        return sorted(
            ordered, key=lambda name: max(now, self._until_of(deployment_id, name))
        )

    def learn(self, attempt: Attempt, longest_s: float) -> None:
        """Learn from how an attempt ended.

        Args:
            attempt: It names its credential.
            longest_s: The longest wish to be left alone that is believed.
        """
        place = attempt.deployment_id, attempt.credential
        if attempt.outcome is Outcome.SUCCEEDED:
            self._until.pop(place, None)
        elif attempt.outcome in ABOUT_THE_CREDENTIAL:
            rest = (
                _UNUSABLE_S if attempt.outcome is Outcome.UNUSABLE else _RATE_LIMITED_S
            )
            if attempt.retry_after is not None:
                rest = min(attempt.retry_after.total_seconds(), longest_s)
            self._until[place] = self._now() + rest

    def _until_of(self, deployment_id: str, name: str) -> float:
        return self._until.get((deployment_id, name), 0.0)


def _weight(session_key: str, name: str) -> bytes:
    """Rank a credential for a session, the same in every process."""
    return hashlib.blake2b(f"{session_key}\0{name}".encode(), digest_size=8).digest()
