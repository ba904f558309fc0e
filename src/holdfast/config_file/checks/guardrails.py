"""Guardrails: each can be used, and means what there is."""

import re

from holdfast.config_file.checks.names import (
    deployment_ids,
    near,
    own_names,
    shipped_models,
)
from holdfast.config_file.faults import echo
from holdfast.config_file.guardrails import guardrail
from holdfast.config_file.known import Known
from holdfast.config_file.values import Record, Value, column
from holdfast.guardrails import guardrail_fault

_REMEDIES = {
    "judge": "write action: flag or block, or leave the judge out",
    "patterns": "make several guardrails of it",
    "presets": "write what to look for",
    "regex": "correct the pattern",
}
"""What to do, by the last word of the field at fault."""

_STEP = re.compile(r"([a-z_]+)(?:\[(\d+)\])?")


def usable(root: Record) -> None:
    """Report what no executor could enforce."""
    for entry in root.sections("organizations", "guardrails"):
        if entry.place.is_at_fault:
            continue
        if (fault := guardrail_fault(guardrail(entry))) is None:
            continue
        field, problem = fault
        value = _value(entry, field)
        remedy = _REMEDIES.get(field.rpartition(".")[2], "correct it")
        if value is not None:
            value.fault(problem, remedy)
        else:
            entry.place.of(field).fault(entry.line, problem, remedy)


def meant(root: Record, known: Known) -> None:
    """Warn of judges and projects that nobody knows: they may be made later."""
    shipped = shipped_models(root, known)
    declared = {
        *(value.content for value in column("name", root.sections("models"))),
        *(value.content for value in deployment_ids(root)),
        *(shipped or ()),
    }
    for organization in root.sections("organizations"):
        projects = organization.sections("projects")
        ids = {value.content for value in column("id", projects)}
        models = {*declared, *(value.content for value in own_names(organization))}
        for entry in organization.sections("guardrails"):
            for project in entry.items("projects"):
                if project.content not in ids:
                    project.warn(
                        f"{echo(project.content)} is no project of this file",
                        near(project.content, ids, "make it, or nothing is guarded"),
                    )
            model = entry.section("judge").at("model")
            if model and shipped is not None and model.content not in models:
                model.warn(
                    f"{echo(model.content)} is no known model",
                    near(model.content, models, "declare it under models"),
                )


def _value(entry: Record, field: str) -> Value | None:
    """Find a field by its path, e.g. `patterns[0].regex`; None if it is not there."""
    holder, value = entry, None
    for name, index in _STEP.findall(field):
        value = holder.items(name)[int(index)] if index else holder.at(name)
        if value is None:
            return None
        if isinstance(value.content, Record):
            holder = value.content
    return value
