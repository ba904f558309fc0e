"""What can be done with resources from the command line."""

import argparse
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from holdfast_cli.administration import calling, fields, printing
from holdfast_cli.administration.calling import Gateway, RefusedError
from holdfast_cli.administration.kinds import Resource

_ROWS = 10_000
"""The largest page that the gateway gives: a list is whole."""


def _list(gateway: Gateway, resource: Resource, options: argparse.Namespace) -> str:
    rows = [
        row
        for path in _collections(gateway, resource, options)
        for row in gateway.call("GET", path, limit=_ROWS)["data"]
    ]
    if options.json:
        return printing.as_json(rows)
    return printing.rows_of(resource.kind.name, rows)


def _collections(
    gateway: Gateway, resource: Resource, options: argparse.Namespace
) -> Iterator[str]:
    """Yield where they are: keys are with each project, or the one that is named."""
    path = resource.kind.collection
    if "{project}" not in path:
        yield path
        return
    projects = [vars(options)["name:project"]]
    if not projects[0]:
        found = gateway.call("GET", "/v2/projects", limit=_ROWS)
        projects = [row["id"] for row in found["data"]]
    for project in projects:
        yield path.replace("{project}", urllib.parse.quote(project, safe=""))


def _get(gateway: Gateway, resource: Resource, options: argparse.Namespace) -> str:
    return _shown(gateway.call("GET", _by_name(resource, options)), options)


def _create(gateway: Gateway, resource: Resource, options: argparse.Namespace) -> str:
    names = _names(resource, options)
    path = resource.kind.collection
    for field, value in names.items():
        path = path.replace(f"{{{field}}}", urllib.parse.quote(value, safe=""))
    body = {**_document(resource, options), **names}
    return _shown(gateway.call("POST", path, body), options)


def _update(gateway: Gateway, resource: Resource, options: argparse.Namespace) -> str:
    body = _document(resource, options)
    return _shown(gateway.call("PATCH", _at(gateway, resource, options), body), options)


def _set(gateway: Gateway, resource: Resource, options: argparse.Namespace) -> str:
    path = _at(gateway, resource, options)
    body = _document(resource, options)
    try:
        changed = gateway.call("PATCH", path, body)
    except RefusedError as refusal:
        if refusal.code != "not_found":
            raise
        changed = gateway.call("PUT", path, body)
    return _shown(changed, options)


def _delete(gateway: Gateway, resource: Resource, options: argparse.Namespace) -> str:
    gateway.call("DELETE", _at(gateway, resource, options))
    return printing.as_json(None) if options.json else "It is deleted."


def _rotate(gateway: Gateway, resource: Resource, options: argparse.Namespace) -> str:
    path = f"{_at(gateway, resource, options)}/rotate"
    return _shown(gateway.call("POST", path, {"overlap_s": options.overlap_s}), options)


def _disable(gateway: Gateway, resource: Resource, options: argparse.Namespace) -> str:
    path = _at(gateway, resource, options)
    return _shown(gateway.call("PATCH", path, {"disabled": True}), options)


def _enable(gateway: Gateway, resource: Resource, options: argparse.Namespace) -> str:
    path = _at(gateway, resource, options)
    return _shown(gateway.call("PATCH", path, {"disabled": False}), options)


def _names(resource: Resource, options: argparse.Namespace) -> dict[str, str]:
    return {field: vars(options)[f"name:{field}"] for field in resource.asks.values()}


def _by_name(resource: Resource, options: argparse.Namespace) -> str:
    """Return where one is shown, by what people call it."""
    names = _names(resource, options)
    given = {field for field, value in names.items() if value}
    place = next(p for p in resource.kind.places if set(p.fields) == given)
    return place.of(names)


def _at(gateway: Gateway, resource: Resource, options: argparse.Namespace) -> str:
    """Return where one is edited."""
    path = _by_name(resource, options)
    if not any(place.by_name for place in resource.kind.places):
        return path
    return resource.kind.places[0].of(gateway.call("GET", path))


def _document(resource: Resource, options: argparse.Namespace) -> dict[str, Any]:
    document = fields.document_of(options, resource.fields)
    if file := getattr(options, "api_key_file", None):
        document["api_key"] = calling.read(file)
    return document


def _shown(document: Any, options: argparse.Namespace) -> str:
    return printing.as_json(document) if options.json else printing.one_of(document)


@dataclass(frozen=True, slots=True)
class Action:
    """What can be done with resources.

    Attributes:
        names: Whether it is told `one`, `some` (which may be left out) or neither.
        takes_fields: Whether it has the options for fields.
    """

    run: Callable[[Gateway, Resource, argparse.Namespace], str]
    help: str
    names: str = "one"
    takes_fields: bool = False


ACTIONS: Mapping[str, Action] = {
    "list": Action(_list, "list them", names="some"),
    "get": Action(_get, "show one"),
    "create": Action(_create, "make one", takes_fields=True),
    "update": Action(_update, "change fields of one", takes_fields=True),
    "set": Action(_set, "change fields of one, or make it", takes_fields=True),
    "rotate": Action(_rotate, "give one another secret"),
    "disable": Action(_disable, "let it open nothing"),
    "enable": Action(_enable, "let it open again what it opened"),
    "delete": Action(_delete, "delete one"),
}
