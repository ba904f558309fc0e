"""Everything that administrators have made, as of one generation, in memory.

Reading it is reading dictionaries. It changes only as a whole: all that one edit
did is applied at once, between two tasks of the event loop.
"""

from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import unquote

from holdfast.control.resources import KINDS
from holdfast_resolver.control.records import (
    GENERATION,
    LOG,
    RESOURCES,
    Entry,
    Kept,
    Logged,
    Path,
    Unreadable,
)

Names = tuple[str, ...]


class State:
    """What is kept.

    Attributes:
        generation: The number of the last edit. 0: there was none.
        log: The last edits, by number.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.generation = 0
        self.log: dict[int, Logged] = {}
        self._kept: dict[tuple[str, str], dict[Names, Kept]] = {}
        self._unreadable: dict[str, set[Path]] = {}

    def of(self, kind: str, organization: str) -> Mapping[Names, Kept]:
        """Return an organization's resources of a kind, by their names."""
        return self._kept.get((kind, organization), {})

    def get(self, path: Path) -> Kept | None:
        """Return a resource, None if there is none."""
        return self.of(path.kind, path.organization).get(path.names)

    def is_taken(self, path: Path) -> bool:
        """Tell whether something is kept there, understood or not."""
        return self.get(path) is not None or path in self.unreadable(path.organization)

    def organizations(self) -> Iterator[str]:
        """Return every organization that has anything, each once."""
        return iter({organization for _, organization in self._kept})

    def everything(self, organization: str) -> Iterator[Kept]:
        """Return all that an organization has."""
        for kind in KINDS:
            yield from self.of(kind, organization).values()

    def unreadable(self, organization: str) -> frozenset[Path]:
        """Return what an organization has that this version does not understand."""
        return frozenset(self._unreadable.get(organization, ()))

    def apply(self, changes: Mapping[str, Entry | None]) -> list[Path]:
        """Take over what became of entries, and return which resources changed.

        Args:
            changes: By key below the prefix; None for what is gone.
        """
        changed: list[Path] = []
        for key, entry in changes.items():
            if key.startswith(RESOURCES):
                changed += self._apply_resource(key, entry)
            elif key.startswith(LOG):
                self._apply_log(key, entry)
            elif key == GENERATION:
                self.generation = entry if isinstance(entry, int) else 0
        return changed

    def _apply_resource(self, key: str, entry: Entry | None) -> Iterable[Path]:
        path = _path(key)
        if path is None:
            return ()
        place = (path.kind, path.organization)
        self._unreadable.get(path.organization, set()).discard(path)
        if isinstance(entry, Kept) and entry.path == path:
            self._kept.setdefault(place, {})[path.names] = entry
            return (path,)
        self._kept.get(place, {}).pop(path.names, None)
        if not self._kept.get(place):
            self._kept.pop(place, None)
        if entry is not None:
            self._unreadable.setdefault(path.organization, set()).add(path)
        return (path,)

    def _apply_log(self, key: str, entry: Entry | None) -> None:
        try:
            number = int(key.removeprefix(LOG))
        except ValueError:
            return
        if isinstance(entry, Logged):
            self.log[number] = entry
        elif entry is None or isinstance(entry, Unreadable):
            self.log.pop(number, None)


def _path(key: str) -> Path | None:
    kind, _, rest = key.removeprefix(RESOURCES).partition("/")
    organization, *names = (unquote(part) for part in rest.split("/"))
    if kind not in KINDS or not organization:
        return None
    return Path(kind, organization, tuple(names))
