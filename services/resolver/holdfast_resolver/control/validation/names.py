"""Names of aliases and custom models: each means one thing to an organization."""

from holdfast.control.resources import Alias, CustomModel
from holdfast.errors import (
    AliasNestedError,
    AliasTargetUnknownError,
    ResourceExistsError,
    ResourceInUseError,
)
from holdfast_resolver.control.validation.shape import words
from holdfast_resolver.control.validation.world import World
from holdfast_resolver.directory import Names
from holdfast_resolver.expansion import is_known, nearest


def check_free(kind: str, resource: Alias | CustomModel, world: World) -> None:
    """Check that a name means nothing else yet.

    Raises:
        ResourceExistsError: It does.
    """
    if world.organization is None or world.was(resource, "name"):
        return
    name, names = resource.name, world.organization.names
    taken = None
    if world.declared.has(kind, resource):
        taken = "in the configuration file"
    elif name in names.aliases:
        taken = "an alias"
    elif name in names.custom_models:
        taken = "a custom model"
    elif name in names.deployments:
        taken = "a deployment"
    elif name in names.models:
        taken = "a model of the catalog"
    if taken is not None:
        raise ResourceExistsError(
            f"The name {name!r} is taken: it is {taken}. Choose another.",
            kind=kind,
            name=name,
        )


def check_targets(_: str, alias: Alias, world: World) -> None:
    """Check that everything an alias names exists, and is no alias.

    Raises:
        AliasNestedError: A target is an alias.
        AliasTargetUnknownError: A target is nothing; it says what is near.
    """
    if world.organization is None or world.was(alias, "fallback_models"):
        return
    names = world.organization.names
    for place, target in enumerate(alias.fallback_models):
        field = f"fallback_models[{place}]"
        if target in names.aliases or target == alias.name:
            raise AliasNestedError(
                f"`{field}`: {target!r} is an alias, and an alias holds no aliases. "
                "Name its targets instead.",
                field=field,
                target=target,
            )
        if not is_known(target, names):
            raise AliasTargetUnknownError(
                f"`{field}`: there is no model, custom model or deployment named "
                f"{target!r}.{nearest(target, _without_aliases(names))}",
                field=field,
                target=target,
            )


def check_unused(kind: str, resource: Alias | CustomModel, world: World) -> None:
    """Check that nothing refers to a name that is given up.

    Raises:
        ResourceInUseError: Something does; it says what.
    """
    if world.organization is None:
        return
    name = resource.name
    users = [
        f"guardrail {guardrail.name}"
        for guardrail in world.organization.guardrails.values()
        if guardrail.judge is not None and guardrail.judge.model == name
    ]
    if kind == "custom_model":
        users += [
            f"alias {alias.name}"
            for alias in world.organization.names.aliases.values()
            if name in alias.fallback_models
        ]
    if users:
        raise ResourceInUseError(
            f"{name!r} is used by {words(users)}. Change or delete that first.",
            kind=kind,
            name=name,
        )


def _without_aliases(names: Names) -> Names:
    return Names(
        {}, names.deployments, names.custom_models, names.models, names.objections
    )
