"""A resource's fields as options: `--fallback-models a,b`, `--providers-deny openai`.

Texts, numbers and choices are given as they are, lists of texts with commas, anything
else as JSON. A field within a field is named by both.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from holdfast_cli.administration.calling import RefusedError


@dataclass(frozen=True, slots=True)
class Field:
    """A field, or one within another.

    Attributes:
        path: Its name, or their names from the outside in.
        type: What it may be, but for null.
    """

    path: tuple[str, ...]
    type: inspect.Type

    @property
    def flag(self) -> str:
        """What it is called on the command line."""
        return "--" + "-".join(self.path).replace("_", "-")

    @property
    def dest(self) -> str:
        """What it is called among the parsed options."""
        return "field:" + ".".join(self.path)


def fields_of(struct: type[msgspec.Struct], without: Sequence[str]) -> list[Field]:
    """Return the fields of a resource that have options.

    Args:
        struct: The resource's.
        without: Those of its own that have none.
    """
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)  # noqa: S101 - what it is made of
    return [field for field in _leaves(info, ()) if field.path[0] not in without]


def add_options(command: argparse.ArgumentParser, fields: Sequence[Field]) -> None:
    """Add an option for each field."""
    group = command.add_argument_group("fields")
    for field in fields:
        _add(group, field)
    group.add_argument(
        "--file", type=Path, metavar="FILE", help="JSON to begin with; - for the input"
    )


def document_of(options: argparse.Namespace, fields: Sequence[Field]) -> dict[str, Any]:
    """Return what the options say, as a document.

    Raises:
        RefusedError: One of them is no JSON.
    """
    document = _file(options.file) if options.file else {}
    for field in fields:
        given = getattr(options, field.dest)
        if given is None:
            continue
        within = document
        for name in field.path[:-1]:
            within = within.setdefault(name, {})
        within[field.path[-1]] = given
    for name in getattr(options, "unset", None) or ():
        document[name.replace("-", "_")] = None
    return document


def _leaves(info: inspect.StructType, above: tuple[str, ...]) -> Iterator[Field]:
    for field in info.fields:
        path = (*above, field.encode_name)
        type_ = _given(field.type)
        if isinstance(type_, inspect.StructType):
            yield from _leaves(type_, path)
        else:
            yield Field(path, type_)


def _given(type_: inspect.Type) -> inspect.Type:
    """Return what a field may be beside null."""
    if not isinstance(type_, inspect.UnionType):
        return type_
    return next(t for t in type_.types if not isinstance(t, inspect.NoneType))


def _add(group: Any, field: Field) -> None:
    match field.type:
        case inspect.BoolType():
            group.add_argument(
                field.flag, dest=field.dest, action=argparse.BooleanOptionalAction
            )
        case inspect.LiteralType(values=values):
            group.add_argument(field.flag, dest=field.dest, choices=values)
        case inspect.IntType():
            group.add_argument(field.flag, dest=field.dest, type=int, metavar="NUMBER")
        case inspect.FloatType():
            group.add_argument(
                field.flag, dest=field.dest, type=float, metavar="NUMBER"
            )
        case inspect.VarTupleType(item_type=inspect.StrType() | inspect.LiteralType()):
            group.add_argument(
                field.flag, dest=field.dest, type=_listed, metavar="A,B,..."
            )
        case inspect.VarTupleType() | inspect.DictType() | inspect.CustomType():
            group.add_argument(field.flag, dest=field.dest, type=_json, metavar="JSON")
        case _:
            group.add_argument(field.flag, dest=field.dest, metavar="TEXT")


def _listed(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no JSON") from None


def _file(file: Path) -> dict[str, Any]:
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
        document = json.loads(text)
    except (OSError, ValueError) as error:
        raise RefusedError(f"cannot read {file}: {error}") from None
    if not isinstance(document, dict):
        raise RefusedError(f"{file} holds no JSON object")
    return document
