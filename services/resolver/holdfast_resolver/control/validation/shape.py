"""What each field of a resource may hold: what it may in the configuration file."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from holdfast.config_file.amounts import integer
from holdfast.config_file.kinds import Prose
from holdfast.config_file.plain import faults
from holdfast.config_file.schema.defaults import DEFAULTS
from holdfast.config_file.schema.guardrails import GUARDRAIL
from holdfast.config_file.schema.names import ID
from holdfast.config_file.schema.organizations import MOST_A_MINUTE
from holdfast.config_file.schema.own_models import ALIAS, CUSTOM_MODEL, EXTRA
from holdfast.config_file.schema.rules import BUDGET, POLICY, RETENTION
from holdfast.config_file.structure import Field, Section
from holdfast.control.resources import Any as AnyResource
from holdfast.errors import RequestMalformedError

MOST_MEMBERS = 32
"""Targets of an alias: a plan has as many steps at most."""

_MOST_BYTES = 64 << 10
"""Of a resource, as it is kept: the largest there are reasons for, guardrails with
dozens of patterns, have a tenth of that."""

_NAME = Field("name", Prose(255), "For people.")
_DEFAULTS = Field("defaults", DEFAULTS, "What holds for it.")

_SECTIONS: Mapping[str, Section] = {
    "organization": Section(
        "organization",
        "",
        (Field("organization", ID, "Its id.", None), _NAME, _DEFAULTS),
    ),
    "project": Section(
        "project",
        "",
        (
            Field("id", ID, "Its id.", None),
            _NAME,
            _DEFAULTS,
            Field("retention", RETENTION, "What is kept."),
        ),
    ),
    "key": Section(
        "key",
        "",
        (
            Field("project", ID, "Whose it is.", None),
            Field("id", ID, "Its id.", None),
            _NAME,
            Field("requests_per_minute", integer(1, MOST_A_MINUTE), "Calls."),
            Field("tokens_per_minute", integer(1, MOST_A_MINUTE), "Tokens."),
        ),
    ),
    "policy": POLICY,
    "budget": BUDGET,
    "alias": ALIAS,
    "custom_model": CUSTOM_MODEL,
    "guardrail": GUARDRAIL,
}
"""The fields that are bounded, by kind. Others have types that bound them."""

_KNOWN_EXTRA = frozenset(field.name for field in EXTRA.fields)


def check_shape(kind: str, resource: AnyResource) -> None:
    """Check each field by itself.

    Raises:
        RequestMalformedError: One is wrong; it says which, and what to do.
    """
    section = _SECTIONS[kind]
    bounded = {field.name for field in section.fields}
    content = {
        name: _known_only(name, value)
        for name, value in msgspec.to_builtins(resource).items()
        if name in bounded
    }
    for fault in faults(section, content):
        raise malformed(fault.field, f"{fault.problem}; {fault.remedy}")
    _check_size(kind, resource)
    if kind == "alias" and len(content["fallback_models"]) > MOST_MEMBERS:
        raise malformed(
            "fallback_models",
            f"names {len(content['fallback_models'])} targets; "
            f"name {MOST_MEMBERS} at most",
        )


def malformed(field: str, problem: str) -> RequestMalformedError:
    """Say what is wrong with a field."""
    return RequestMalformedError(f"`{field}` {problem}.", field=field)


def _known_only(name: str, value: Any) -> Any:
    """Return what is bounded of a field: of `extra` more may be kept than is read."""
    if name != "extra":
        return value
    return {each: value[each] for each in _KNOWN_EXTRA & value.keys()}


def _check_size(kind: str, resource: AnyResource) -> None:
    try:
        size = len(msgspec.json.encode(resource))
    except RecursionError:
        raise malformed("extra", "is nested too deeply; nest it less") from None
    if size > _MOST_BYTES:
        raise malformed(
            kind, f"has {size} bytes as it would be kept; {_MOST_BYTES} are the most"
        )


def words(found: Iterable[str]) -> str:
    """List names for people, the first few of them."""
    listed = sorted(found)
    shown = ", ".join(listed[:_MOST_WORDS])
    more = len(listed) - _MOST_WORDS
    return f"{shown} and {more} more" if more > 0 else shown


_MOST_WORDS = 10
