"""From what is declared to who may do what: the file and the API in one directory.

An edit makes anew what it touches of the organization that it is of. What all of them
share, the catalog above all, stays as it is.
"""

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from holdfast.control import resources
from holdfast.model import Caller, Catalog, ScopedPolicy
from holdfast.overrides import overridden
from holdfast.settings import Credential, Settings
from holdfast_resolver.control.declared import Declared
from holdfast_resolver.control.records import Kept, Path
from holdfast_resolver.control.state import State
from holdfast_resolver.directory import Directory, Entrance, Names
from holdfast_resolver.organization import Key, Organization, OwnModel, Scope
from holdfast_resolver.parts import KINDS, MADE, Ground, Parts, nothing_allowed
from holdfast_resolver.resident import Resident, is_here

_log = structlog.get_logger("holdfast.control")

_SHADOWED = "the configuration file declares the same; the API's is not used"


def build(
    settings: Settings, catalog: Catalog, environment: Mapping[str, str]
) -> Directory:
    """Make a directory of a configuration file alone; see `ground`."""
    return Tenants(ground(settings, catalog, environment)).directory


def ground(
    settings: Settings,
    catalog: Catalog,
    environment: Mapping[str, str],
    *,
    is_held: Callable[[Credential], bool] = is_here,
) -> Ground:
    """Read what a configuration file gives.

    Args:
        settings: The file.
        catalog: The shipped catalog; empty if the settings leave it out.
        environment: For placeholders in the catalog's endpoints.
        is_held: Says whether a credential of the file is where it is needed.
    """
    return Ground(settings, Resident(settings, catalog, environment, is_held))


class Tenants:
    """Keeps the directory as the configuration file and the API have it.

    Attributes:
        directory: The present one.
        declared: What the file declares.
        shadowed: What the API made and the file has declared since: it counts for
            nothing as long as the file does.
    """

    def __init__(
        self,
        ground: Ground,
        state: State | None = None,
        is_whole: Callable[[], bool] = lambda: True,
    ) -> None:
        """Make the first directory.

        Args:
            ground: What the configuration file gives.
            state: What the API made. None: it makes nothing.
            is_whole: Says whether that has been read at all.
        """
        self._ground = ground
        self._state = state or State()
        self._is_whole = is_whole
        self._listeners: list[Callable[[Directory], None]] = []
        self._in_file = {each.id: each for each in ground.settings.organizations}
        self._organizations: dict[str, Organization] = {}
        self._parts: dict[str, Parts] = {}
        self._made: dict[tuple[str, str], dict[tuple[str, ...], _Made]] = {}
        self._shadowed: set[Path] = set()
        self._unusable: set[Path] = set()
        self.declared = Declared(ground.settings)
        self.directory = self._anew()

    @property
    def shadowed(self) -> frozenset[Path]:
        """What the API made and the file has declared since."""
        return frozenset(
            path for path in self._shadowed if self._state.get(path) is not None
        )

    def listen(self, on_directory: Callable[[Directory], None]) -> None:
        """Have each directory told that takes the place of another."""
        self._listeners.append(on_directory)

    def organization(self, organization: str) -> Organization | None:
        """Return an organization, None if there is none."""
        return self._organizations.get(organization)

    @property
    def organizations(self) -> Collection[Organization]:
        """Every organization there is."""
        return self._organizations.values()

    def previewed(self, kind: str, resource: resources.Any) -> Organization | None:
        """Return an organization as an edit would leave it. Nothing is changed."""
        parts = self._parts.get(resource.organization)
        if parts is None or kind not in MADE:
            return self.organization(resource.organization)
        means, value = MADE[kind](resource, self._ground)
        edited = {**parts, kind: {**parts[kind], means: value}}
        return self._organization(resource.organization, edited)

    @property
    def resident(self) -> Resident:
        """The models that every organization sees."""
        return self._ground.resident

    def made_by(self, organization: str) -> list[str]:
        """Return the organizations that another one has made."""
        return [
            each.id
            for each in self._organizations.values()
            if each.parent == organization
        ]

    def take(self, changed: Sequence[Path]) -> None:
        """Make the directory anew after resources have changed."""
        kinds: dict[str, set[str]] = {}
        for path in changed:
            kinds.setdefault(path.organization, set()).add(path.kind)
        entrances = self.directory.entrances
        for organization, touched in kinds.items():
            before = self._parts.get(organization, {}).get("key", {})
            self._rebuild(organization, touched)
            after = self._parts.get(organization, {}).get("key", {})
            if before is not after:
                entrances = _reopened(entrances, organization, before, after)
        self._tell(self._directory(entrances))

    def replace_ground(self, ground: Ground) -> None:
        """Make the directory anew after secrets have changed.

        Args:
            ground: Made of the same settings and catalog.
        """
        self._ground = ground
        self._made.clear()
        self._tell(self._anew())

    def _anew(self) -> Directory:
        entrances: dict[bytes, Entrance] = {}
        self._parts.clear()
        for organization in {*self._in_file, *self._state.organizations()}:
            self._rebuild(organization, {"organization", *KINDS})
            keys = self._parts.get(organization, {}).get("key", {})
            _open(entrances, organization, keys)
        return self._directory(entrances | dict(self._ground.entrances))

    def _tell(self, directory: Directory) -> None:
        self.directory = directory
        for tell in self._listeners:
            tell(directory)

    def _directory(self, entrances: Mapping[bytes, Entrance]) -> Directory:
        resident = self._ground.resident
        return Directory(
            dict(self._organizations),
            entrances,
            f"{self._state.generation}-{resident.revision}",
            resident.credential_names,
            self._is_whole,
        )

    def _rebuild(self, organization: str, touched: set[str]) -> None:
        """Make anew what has changed of an organization."""
        before = self._parts.get(organization, {})
        # A guardrail that cannot be read stands among the policies.
        touched = {*touched, "policy"} if "guardrail" in touched else touched
        parts = {
            kind: self._part(organization, kind)
            if kind in touched or kind not in before
            else before[kind]
            for kind in KINDS
        }
        made = self._organization(organization, parts)
        if made is None:
            self._parts.pop(organization, None)
            self._organizations.pop(organization, None)
        else:
            self._parts[organization] = parts
            self._organizations[organization] = made

    def _part(self, organization: str, kind: str) -> dict[Any, Any]:
        """Return all of a kind that counts, by what means it to callers."""
        before = self._made.get((organization, kind), {})
        made: dict[tuple[str, ...], _Made] = {}
        parts: dict[Any, Any] = {}
        for names, kept in self._state.of(kind, organization).items():
            one = before.get(names)
            if one is None or one.kept is not kept:
                one = self._make(kind, kept)
            made[names] = one
            if one.counts:
                parts[one.means] = one.value
        self._made[organization, kind] = made
        parts |= self._ground.parts.get(organization, {}).get(kind, {})
        # Over the file's own: to allow nothing is narrower than whatever it says.
        return parts | self._forbidding(organization) if kind == "policy" else parts

    def _forbidding(self, organization: str) -> dict[Scope, ScopedPolicy]:
        """Return what stands in for rules that are not understood."""
        unknown = (
            *self._state.unreadable(organization),
            *(path for path in self._unusable if path.organization == organization),
        )
        rules = (
            nothing_allowed(path)
            for path in unknown
            if path not in self.declared.resources
        )
        return dict(rule for rule in rules if rule is not None)

    def _make(self, kind: str, kept: Kept) -> "_Made":
        """Say what a resource comes to, and where it comes to nothing."""
        path = kept.path
        self._unusable.discard(path)
        if self.declared.has(kind, kept.resource):
            if path not in self._shadowed:
                self._shadowed.add(path)
                _log.error(
                    "resource_shadowed", kind=kind, name=path.text, why=_SHADOWED
                )
            return _Made(kept, counts=False)
        self._shadowed.discard(path)
        try:
            return _Made(kept, *MADE[kind](kept.resource, self._ground))
        except (ValueError, TypeError, LookupError, ArithmeticError) as error:
            # A replica of another version found nothing wrong with it.
            self._unusable.add(path)
            why = type(error).__name__
            _log.error("resource_unusable", kind=kind, name=path.text, why=why)
            return _Made(kept, counts=False)

    def _organization(self, organization: str, parts: Parts) -> Organization | None:
        in_file = self._in_file.get(organization)
        kept = self._state.get(Path("organization", organization))
        if in_file is not None:
            if kept is not None and kept.path not in self._shadowed:
                self._make("organization", kept)
            defaults, parent = in_file.defaults, ""
            aliases_by_admins = in_file.aliases_by_admins
        elif kept is not None and isinstance(kept.resource, resources.Organization):
            base, made = self._ground.settings.defaults, kept.resource
            defaults, parent = overridden(base, made.defaults), made.parent
            aliases_by_admins = made.aliases_by == "admin_key"
        else:
            return None
        return Organization(
            id=organization,
            names=_names(self._ground.resident, parts),
            defaults=defaults,
            aliases_by_admins=aliases_by_admins,
            parent=parent,
            projects=parts["project"],
            keys=parts["key"],
            policies=parts["policy"],
            budgets=parts["budget"],
            guardrails=parts["guardrail"],
        )


@dataclass(frozen=True, slots=True)
class _Made:
    """What a resource came to, kept until the resource is another.

    Attributes:
        means: What means it to callers.
        counts: Whether it comes to anything at all.
    """

    kept: Kept
    means: Hashable = None
    value: Any = None
    counts: bool = True


def _names(resident: Resident, parts: Parts) -> Names:
    own: Mapping[str, OwnModel] = parts["custom_model"]
    objections = {
        name: each.objection for name, each in own.items() if each.objection is not None
    }
    return Names(
        aliases=parts["alias"],
        deployments=resident.deployments,
        custom_models={name: each.model for name, each in own.items()},
        models=resident.models,
        # Thousands of the catalog's: copied only for an organization with its own.
        objections=resident.objections | objections
        if objections
        else resident.objections,
    )


def _reopened(
    entrances: Mapping[bytes, Entrance],
    organization: str,
    before: Mapping[Scope, Key],
    after: Mapping[Scope, Key],
) -> Mapping[bytes, Entrance]:
    """Close what keys let in before, and open what they let in now."""
    copy = dict(entrances)
    for scope, key in before.items():
        if after.get(scope) is not key:
            for digest, _ in key.secrets:
                copy.pop(digest, None)
    fresh = {scope: key for scope, key in after.items() if before.get(scope) is not key}
    _open(copy, organization, fresh)
    return copy


def _open(
    entrances: dict[bytes, Entrance], organization: str, keys: Mapping[Scope, Key]
) -> None:
    for scope, key in keys.items():
        caller = Caller(organization, *scope)
        for digest, closes_at in key.secrets:
            entrances.setdefault(digest, Entrance(caller, closes_at, key.disabled))
