"""`holdfast history`: what administrators did, what differs, and going back."""

import argparse
from typing import Any

from holdfast_cli.administration import calling, printing
from holdfast_cli.administration.calling import Gateway
from holdfast_cli.administration.commands import printed


def add(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser(
        "history", help="what administrators did, and going back"
    )
    actions = command.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list the last edits, newest first")
    listing.add_argument("--limit", type=int, default=20, metavar="NUMBER")
    listing.set_defaults(run=lambda options: printed(lambda: _list(options)))
    comparing = actions.add_parser("compare", help="say what differs between two")
    comparing.add_argument("first", type=int, metavar="GENERATION")
    comparing.add_argument("second", type=int, metavar="GENERATION")
    comparing.set_defaults(run=lambda options: printed(lambda: _compare(options)))
    rolling = actions.add_parser("rollback", help="make everything what it was")
    rolling.add_argument("to", type=int, metavar="GENERATION")
    rolling.set_defaults(run=lambda options: printed(lambda: _roll_back(options)))
    for action in (listing, comparing, rolling):
        calling.add_options(action)


def _list(options: argparse.Namespace) -> str:
    found = Gateway.of(options).call("GET", "/v2/generations", limit=options.limit)
    rows = found["data"]
    return printing.as_json(rows) if options.json else printing.edits(rows)


def _compare(options: argparse.Namespace) -> str:
    path = f"/v2/generations/{options.first}/compare/{options.second}"
    found = Gateway.of(options).call("GET", path)
    if options.json:
        return printing.as_json(found)
    return printing.differences(found["changes"])


def _roll_back(options: argparse.Namespace) -> str:
    path = f"/v2/generations/{options.to}/rollback"
    made = Gateway.of(options).call("POST", path)
    return printing.as_json(made) if options.json else printing.edits([made])
