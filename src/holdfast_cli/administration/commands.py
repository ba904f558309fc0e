"""The commands, one for each kind of resource, and their options."""

import argparse
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from holdfast_cli.administration import calling, fields
from holdfast_cli.administration.actions import ACTIONS, Action
from holdfast_cli.administration.calling import Gateway, RefusedError
from holdfast_cli.administration.kinds import RESOURCES, Resource

_Commands = Any
"""What `add_subparsers` returns; argparse keeps its name private."""


def _add(commands: _Commands, resource: Resource) -> None:
    command = commands.add_parser(resource.command, help=resource.help)
    actions = command.add_subparsers(required=True, metavar="ACTION")
    for name in ("list", "get", *resource.actions, "delete"):
        action = ACTIONS[name]
        parser = actions.add_parser(name, help=action.help)
        if action.names:
            _add_names(parser, resource, needed=action.names == "one")
        if action.takes_fields:
            fields.add_options(parser, resource.fields)
            if "api_key" in resource.kind.written_only:
                parser.add_argument("--api-key-file", type=Path, metavar="FILE")
        if action.takes_fields and name != "create":
            parser.add_argument(
                "--unset",
                action="append",
                metavar="FIELD",
                help="take it back to what it is without being given",
            )
        if name == "rotate":
            parser.add_argument(
                "--overlap-s",
                type=float,
                default=0,
                metavar="SECONDS",
                help="for how long the secret before stays good (%(default)s)",
            )
        calling.add_options(parser)
        parser.set_defaults(run=_running(action, resource))


def _add_names(
    parser: argparse.ArgumentParser, resource: Resource, *, needed: bool
) -> None:
    for name, field in resource.asks.items():
        if resource.scope:
            parser.add_argument(f"--{name.lower()}", dest=f"name:{field}", default="")
        elif needed:
            parser.add_argument(f"name:{field}", metavar=name)
        elif resource.kind.collection.count("{"):
            parser.add_argument(f"name:{field}", metavar=name, nargs="?", default="")
            return


def _running(action: Action, resource: Resource) -> Callable[[argparse.Namespace], int]:
    def run(options: argparse.Namespace) -> int:
        return printed(lambda: action.run(Gateway.of(options), resource, options))

    return run


def printed(act: Callable[[], str]) -> int:
    """Print what an action says; return 0, or 1 if it was refused."""
    try:
        print(act())
    except RefusedError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


COMMANDS: Mapping[str, Callable[[_Commands], None]] = {
    resource.command: partial(_add, resource=resource) for resource in RESOURCES
}
"""By their names."""
