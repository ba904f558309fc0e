"""Scopes: what a resource is of has to be there, and stays as long as it is needed."""

from collections.abc import Iterable

from holdfast.control.resources import Any as AnyResource
from holdfast.control.resources import (
    ApiKey,
    Budget,
    Guardrail,
    Organization,
    Policy,
    Project,
)
from holdfast.errors import ResourceInUseError
from holdfast_resolver.control.records import Path, path_of
from holdfast_resolver.control.state import State
from holdfast_resolver.control.validation.shape import malformed, words
from holdfast_resolver.control.validation.world import World


def check_scope(_: str, resource: ApiKey | Policy | Budget, world: World) -> None:
    """Check that the project and the key that a resource is of are there.

    Raises:
        RequestMalformedError: One is not.
    """
    if world.organization is None:
        return
    project, key = resource.project, getattr(resource, "key", "")
    if key and not project:
        raise malformed("project", "is missing: say which project the key is of")
    if project and project not in world.organization.projects:
        raise malformed(
            "project",
            f"names no project of organization {resource.organization}: make it first",
        )
    if key and (project, key) not in world.organization.keys:
        raise malformed("key", f"names no key of project {project}: make it first")


def check_empty(kind: str, resource: Organization | Project, world: World) -> None:
    """Check that nothing is left in an organization or a project.

    Raises:
        ResourceInUseError: Something is; it says what.
    """
    project = resource.id if isinstance(resource, Project) else None
    own = path_of(kind, resource)
    users = [
        f"{path.kind} {path.text}"
        for path in _inside(world.state, resource.organization, project)
        if path != own
    ]
    if users:
        raise ResourceInUseError(
            f"There is still something in it: {words(users)}. Delete that first.",
            kind=kind,
            name=own.text,
        )


def that_goes_with(resource: AnyResource, state: State) -> Iterable[Path]:
    """Return what is deleted along with a resource: a key's own policy and budget."""
    if isinstance(resource, ApiKey):
        for kind in ("policy", "budget"):
            path = Path(kind, resource.organization, (resource.project, resource.id))
            if state.get(path) is not None:
                yield path


def _inside(state: State, organization: str, project: str | None) -> Iterable[Path]:
    for kept in state.everything(organization):
        resource = kept.resource
        holds_there = isinstance(resource, Guardrail) and project in resource.projects
        if (
            project is None
            or getattr(resource, "project", "") == project
            or holds_there
        ):
            yield kept.path
    if project is None:
        yield from state.unreadable(organization)
