"""Which link of a target calls which of the workers that share its address.

The kernel gives each connection to whichever worker it likes. So a link that
learns of several makes further links, each of which connects anew until it has
met a worker that no other link of the target calls.
"""

from collections.abc import Callable, Mapping

from holdfast.environment import Worker

METADATA_KEY = "holdfast-worker"
"""In the stream's initial metadata: whose it is, as `2/4`."""


def told(worker: Worker) -> tuple[tuple[str, str], ...]:
    """Return the metadata that says which worker a stream has met."""
    return ((METADATA_KEY, f"{worker.number}/{worker.of}"),)


def met(metadata: Mapping[str, object]) -> Worker:
    """Read what `told` wrote; one that says nothing is alone."""
    number, _, of = str(metadata.get(METADATA_KEY, "1/1")).partition("/")
    return Worker(int(number), int(of))


class Workers:
    """The workers of one target, and who calls each of them."""

    def __init__(self, make_link: Callable[[], None]) -> None:
        """Know of one worker, and of the one link that will call it.

        Args:
            make_link: Makes a further link of the same target.
        """
        self._make_link = make_link
        self._links = 1
        self._count = 1
        self._callers: dict[int, object] = {}

    def take(self, link: object, worker: Worker) -> bool:
        """Have a link call the worker it has met; tell whether it may."""
        self._count = worker.of
        if self._callers.setdefault(worker.number, link) is not link:
            return False
        while self._links < worker.of:
            self._links += 1
            self._make_link()
        return True

    def leave(self, link: object) -> None:
        """Take note that a link calls its worker no longer."""
        for number, caller in [*self._callers.items()]:
            if caller is link:
                del self._callers[number]

    def are_all_called(self) -> bool:
        """Tell whether there is none for a further link."""
        return len(self._callers) >= self._count
