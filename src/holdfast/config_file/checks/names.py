"""Names: each for one thing, and each that is referred to for something."""

import difflib
from collections.abc import Iterable

from holdfast.config_file.build import deployment_id
from holdfast.config_file.faults import echo
from holdfast.config_file.known import Known
from holdfast.config_file.values import Record, Value, column


def unique(root: Record) -> None:
    """Report a name that is there twice where it must be there once."""
    organizations = root.sections("organizations")
    _once("organization", column("id", organizations))
    _once("key", column("id", root.sections("organizations", "projects", "keys")))
    _once("model", column("name", root.sections("models")))
    _once("deployment", deployment_ids(root))
    for organization in organizations:
        _once("project", column("id", organization.sections("projects")))
        _once("guardrail", column("name", organization.sections("guardrails")))
        # One namespace: an alias would hide the custom model of its name.
        _once("alias or custom model", own_names(organization))


def apart(root: Record, known: Known) -> None:
    """Report a name for two kinds of thing: one of them could not be called."""
    models = _lines(column("name", root.sections("models")))
    deployments = deployment_ids(root)
    for value in deployments:
        if (line := models.get(value.content)) is not None:
            value.fault(
                f"{echo(value.content)} is the name of the model on line {line}",
                "give the deployment an id of its own, e.g. PROVIDER/MODEL",
            )
    taken = _lines(deployments) | models
    shipped = shipped_models(root, known) or ()
    for organization in root.sections("organizations"):
        for value in own_names(organization):
            if (line := taken.get(value.content)) is not None:
                value.fault(
                    f"{echo(value.content)} is the model or deployment on line {line}",
                    "give it a name of its own",
                )
            elif value.content in shipped:
                value.fault(
                    f"{echo(value.content)} is a name of the shipped catalog",
                    "give it a name of its own",
                )


def alias_members(root: Record, known: Known) -> None:
    """Report an alias in an alias, and members that are nothing at all."""
    shipped = shipped_models(root, known)
    declared = {
        *_lines(column("name", root.sections("models"))),
        *_lines(deployment_ids(root)),
        *(shipped or ()),
    }
    for organization in root.sections("organizations"):
        aliases = _lines(column("name", organization.sections("aliases")))
        custom = _lines(column("name", organization.sections("custom_models")))
        names = declared | set(custom)
        for alias in organization.sections("aliases"):
            for member in alias.items("fallback_models"):
                if member.content in aliases:
                    member.fault(
                        f"{echo(member.content)} is an alias",
                        "name what it stands for: an alias holds no aliases",
                    )
                elif shipped is not None and member.content not in names:
                    member.fault(
                        f"{echo(member.content)} is no known model",
                        near(member.content, names, "declare it under models"),
                    )


def own_names(organization: Record) -> tuple[Value, ...]:
    """Return the names that an organization makes up."""
    return (
        *column("name", organization.sections("aliases")),
        *column("name", organization.sections("custom_models")),
    )


def deployment_ids(root: Record) -> tuple[Value, ...]:
    """Return the id of each declared deployment, its default where none is given."""
    found: list[Value] = []
    for model in root.sections("models"):
        for entry in model.sections("deployments"):
            pin = deployment_id(model.get("name", ""), entry)
            if pin is not None and "name" in model.values:
                line = (entry.at("id") or entry).line
                found.append(Value(pin, line, entry.place.of("id")))
    return tuple(found)


def shipped_models(root: Record, known: Known) -> frozenset[str] | None:
    """Return the names of the catalog that is in use, None if they are not known."""
    if root.get("catalog") == "none":
        return frozenset()
    return None if known.models is None else frozenset(known.models)


def near(name: str, names: Iterable[str], otherwise: str) -> str:
    """Suggest the name that was meant, if one is like it."""
    close = difflib.get_close_matches(name, list(names), n=1)
    return f"did you mean {close[0]}?" if close else otherwise


def _lines(values: Iterable[Value]) -> dict[str, int]:
    return {value.content: value.line for value in values}


def _once(what: str, values: Iterable[Value]) -> None:
    lines: dict[str, int] = {}
    for value in values:
        if (first := lines.get(value.content)) is None:
            lines[value.content] = value.line
        else:
            value.fault(
                f"{what} {echo(value.content)} is already on line {first}",
                "give one of the two another name",
            )
