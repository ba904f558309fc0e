"""What each command is about: a kind of resource, and how people name one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from holdfast.control.resources import WITHHELD
from holdfast_cli.administration import fields
from holdfast_edge.administration.kinds import KINDS, Kind


@dataclass(frozen=True, slots=True)
class Resource:
    """What one command is about.

    Attributes:
        command: What it is called.
        asks: What tells one from others, on the command line: the name of each
            argument, and the field that it is.
        scope: Whether that is given by options, of which each may be left out.
        actions: What can be done, beside listing, showing and deleting.
    """

    kind: Kind
    command: str
    asks: Mapping[str, str]
    help: str
    scope: bool = False
    actions: Sequence[str] = ("create", "update")

    @property
    def fields(self) -> list[fields.Field]:
        """Its fields that have options."""
        without = {
            *self.kind.identity,
            *self.kind.read_only,
            *WITHHELD.get(self.kind.name, ()),
            *self.asks.values(),
            "organization",
        }
        return fields.fields_of(self.kind.struct, sorted(without))


_BY_NAME = {kind.name: kind for kind in KINDS}

RESOURCES = (
    Resource(
        _BY_NAME["key"],
        "keys",
        {"PROJECT": "project", "KEY": "id"},
        "API keys of a project",
        actions=("create", "update", "rotate", "disable", "enable"),
    ),
    Resource(
        _BY_NAME["alias"],
        "aliases",
        {"NAME": "name"},
        "ordered lists of models under one name",
    ),
    Resource(
        _BY_NAME["custom_model"],
        "custom-models",
        {"NAME": "name"},
        "an organization's own endpoints",
    ),
    Resource(
        _BY_NAME["organization"], "organizations", {"ID": "organization"}, "tenants"
    ),
    Resource(
        _BY_NAME["project"], "projects", {"ID": "id"}, "projects of an organization"
    ),
    Resource(
        _BY_NAME["policy"],
        "policies",
        {"PROJECT": "project", "KEY": "key"},
        "what an organization, a project or a key may use",
        scope=True,
        actions=("set",),
    ),
    Resource(
        _BY_NAME["budget"],
        "budgets",
        {"PROJECT": "project", "KEY": "key"},
        "what an organization, a project or a key may spend",
        scope=True,
        actions=("set",),
    ),
    Resource(
        _BY_NAME["guardrail"],
        "guardrails",
        {"NAME": "name"},
        "what must not get in or out",
    ),
)
