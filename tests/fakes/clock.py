"""A clock that goes only when it is told to."""


class Clock:
    """Stands still between two calls of `advance`."""

    def __init__(self, at_ms: int = 1_700_000_000_000) -> None:
        self._at_ms = at_ms

    def now_ms(self) -> int:
        """Return Unix milliseconds."""
        return self._at_ms

    def now(self) -> float:
        """Return Unix seconds."""
        return self._at_ms / 1_000

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._at_ms += round(seconds * 1_000)
