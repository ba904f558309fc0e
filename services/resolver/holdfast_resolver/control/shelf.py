"""Everything there is to look at: what the file declares beside what the API made."""

from collections.abc import Sequence

from holdfast.control.administration import Stored
from holdfast.control.resources import Any as AnyResource
from holdfast.control.resources import Guardrail
from holdfast_resolver.control.declared import ETAG, NAMED, Declared
from holdfast_resolver.control.records import Kept, Path, path_of, without_secrets
from holdfast_resolver.control.state import State


class Shelf:
    """Finds resources, and shows them as administrators see them."""

    def __init__(self, declared: Declared, state: State) -> None:
        """Look at what the file declares, and at what the API made."""
        self._declared = declared
        self._state = state

    def find(
        self, kind: str, organization: str, names: Sequence[str]
    ) -> AnyResource | Kept | None:
        """Find a resource: the file's as it is declared, the API's as it is kept.

        Aliases and custom models are found by id, and by name where no id is so.
        """
        path = Path(kind, organization, tuple(names))
        found = self._declared.resources.get(path) or self._state.get(path)
        if found is not None or kind not in NAMED or len(names) != 1:
            return found
        (name,) = names
        for declared in self._declared.of(kind, organization):
            if getattr(declared, "name", "") == name:
                return declared
        for kept in self._state.of(kind, organization).values():
            if getattr(kept.resource, "name", "") == name:
                return kept
        return None

    def all(self, kind: str, organization: str, project: str = "") -> list[Stored]:
        """Return all of a kind, in order of what they are called.

        Args:
            kind: Which.
            organization: Whose.
            project: Only what holds in this one. Empty: all.
        """
        found = [
            self.of_file(kind, each) for each in self._declared.of(kind, organization)
        ]
        found += map(self.of_api, self._state.of(kind, organization).values())
        return sorted(
            (each for each in found if _is_in(each.resource, project)), key=_order
        )

    @staticmethod
    def of_file(kind: str, resource: AnyResource) -> Stored:
        """Show what the file declares."""
        return Stored(kind, resource, "file", ETAG)

    def of_api(self, kept: Kept, secret: str = "") -> Stored:
        """Show what the API made."""
        return Stored(
            kept.kind,
            without_secrets(kept.resource),
            "api",
            kept.etag,
            kept.generation,
            kept.created_at,
            kept.updated_at,
            secret,
            shadowed=self._declared.has(kept.kind, kept.resource),
        )


def _is_in(resource: AnyResource, project: str) -> bool:
    if not project:
        return True
    if isinstance(resource, Guardrail):
        return not resource.projects or project in resource.projects
    return getattr(resource, "project", project) == project


def _order(stored: Stored) -> tuple[str, ...]:
    if stored.kind in NAMED:
        return (getattr(stored.resource, "name", ""),)
    return path_of(stored.kind, stored.resource).names
