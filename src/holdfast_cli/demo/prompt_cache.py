"""A provider's prompt cache, simulated, so that one sees what a warm one saves."""

import hashlib
from collections.abc import Callable, Hashable, Sequence

LIFE_SECONDS = 300.0
"""How long a prefix is kept after its last use: what Anthropic and OpenAI promise."""

_PREFIXES_KEPT = 4096
"""Per deployment; the oldest make room. A demo's conversations are far fewer."""


class PromptCache:
    """Which prefixes of a prompt each deployment has lately seen.

    Unlike a real one it has no smallest prefix, so that a short conversation
    in a demo shows an effect.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen: dict[Hashable, dict[bytes, float]] = {}

    def read(self, deployment: Hashable, pieces: Sequence[bytes]) -> int:
        """Return how many of the first pieces are cached, and cache them all.

        Args:
            deployment: Whose cache it is.
            pieces: The prompt in order: tools and system prompt, each message.
        """
        now = self._clock()
        seen = self._seen.setdefault(deployment, {})
        digest = hashlib.sha256()
        cached = 0
        for position, piece in enumerate(pieces, start=1):
            digest.update(len(piece).to_bytes(8, "big"))
            digest.update(piece)
            prefix = digest.digest()
            # The last piece is what is asked anew; a real cache reads it too
            # when the very same request comes again.
            if seen.pop(prefix, 0.0) > now:
                cached = position
            seen[prefix] = now + LIFE_SECONDS
        while len(seen) > _PREFIXES_KEPT:
            del seen[next(iter(seen))]
        return cached
