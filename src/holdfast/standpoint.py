"""From where an executor sees the providers, and whether it reaches any of them.

Who can reach nobody has lost its own network, and says nothing of anybody else's.
"""

from dataclasses import dataclass, replace

SILENCE_MS = 2_000
"""Between two answers of any providers, the longest after which an executor still
counts as in touch with them. No failure to connect takes less time than this but
those that a host refuses itself, and a busy executor is answered far more often."""

OUT_OF_TOUCH = "out_of_touch"
"""In the metadata of the error of an executor that reaches no provider, where it was
allowed to say so: another one may be asked, and the request has not ended."""


@dataclass(frozen=True, slots=True)
class Standpoint:
    """One host's network, as an executor there tells of it. Unix milliseconds.

    All moments are by the executor's own clock.

    Attributes:
        name: The same for all executors that share the network, and for no others.
            Opaque; empty if it was not told.
        now_ms: When this was told. Zero: it was not.
        since_ms: Since when providers have answered without a longer silence.
        answered_ms: When one answered last. Zero: none ever did.
    """

    name: str = ""
    now_ms: int = 0
    since_ms: int = 0
    answered_ms: int = 0

    def was_in_touch(self, began_ms: int, ended_ms: int) -> bool:
        """Tell whether providers answered all the while between two moments."""
        return self.since_ms <= began_ms and ended_ms <= self.answered_ms

    def joined(self, other: "Standpoint") -> "Standpoint":
        """Join what two tell of one network: two executors, or one at two moments."""
        older, newer = sorted((self, other), key=lambda each: each.answered_ms)
        now_ms = max(self.now_ms, other.now_ms)
        if newer.since_ms - older.answered_ms > SILENCE_MS or not older.answered_ms:
            return replace(newer, now_ms=now_ms)
        since_ms = min(older.since_ms, newer.since_ms)
        return replace(newer, now_ms=now_ms, since_ms=since_ms)


NOWHERE = Standpoint()
"""Of whoever does not say where it is."""
