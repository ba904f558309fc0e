"""`holdfast usage`: requests, tokens and money over time, by anything."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from holdfast_cli.administration import calling
from holdfast_cli.administration.calling import Gateway
from holdfast_cli.administration.commands import printed
from holdfast_cli.administration.printing import as_json
from holdfast_cli.moments import HELP, absolute, short
from holdfast_cli.tables import table

_PATH = "/v2/analytics/usage"

_SPANS = ("minute", "hour", "day", "month", "year")

_FIGURES: Mapping[str, str] = {
    "count": "requests",
    "failures": "failed",
    "fallbacks": "fell back",
    "input_tokens": "tokens in",
    "cached_tokens": "cached",
    "output_tokens": "tokens out",
    "cost": "USD",
    "saving": "saved USD",
}
"""What is shown, and what it is called there."""

_MONEY = ("cost", "saving")


def add(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser(
        "usage",
        help="what was used and spent, by model, deployment, project, key or tag",
        description="Adds up the present month, unless --from says otherwise.",
    )
    command.add_argument(
        "--by",
        default="model",
        metavar="A,B",
        help="model, requested_model, deployment, provider, geography, project, key, "
        "surface, organization, or a tag's name (%(default)s)",
    )
    command.add_argument("--per", choices=_SPANS, help="a row for each of these")
    command.add_argument("--from", dest="start", metavar="TIME", help=HELP)
    command.add_argument("--to", dest="end", metavar="TIME", help="likewise")
    command.add_argument("--project", metavar="ID")
    command.add_argument("--session", metavar="ID")
    calling.add_options(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print what is asked for; return 0, or 1 if that was refused."""
    return printed(lambda: _written(Gateway.of(options), options))


def _written(gateway: Gateway, options: argparse.Namespace) -> str:
    groups = [name.strip() for name in options.by.split(",") if name.strip()]
    query = {
        "granularity": options.per or "all",
        "group_by": groups,
        "fields": [name for name in _FIGURES if name not in {"count", "cost"}],
        "project": options.project,
        "session": options.session,
        "from_date": absolute(options.start) if options.start else None,
        "to_date": absolute(options.end) if options.end else None,
    }
    asked = {name: value for name, value in query.items() if value}
    rows: list[dict[str, Any]] = gateway.call("GET", _PATH, **asked)
    if options.json:
        return as_json(rows)
    if not rows:
        return "Nothing was used."
    time: Sequence[str] = ("from",) if options.per else ()
    heading = (*time, *groups, *_FIGURES.values())
    return table(heading, [_cells(row, groups, options.per) for row in rows])


def _cells(
    row: Mapping[str, Any], groups: Sequence[str], per: str | None
) -> tuple[str, ...]:
    begins = (_DATES[per](short(row["time_bucket"])),) if per else ()
    return (
        *begins,
        *(row[name] or "-" for name in groups),
        *(row[name] if name in _MONEY else f"{row[name]:,}" for name in _FIGURES),
    )


_DATES: Mapping[str, Callable[[str], str]] = {
    "minute": lambda moment: moment[:16],
    "hour": lambda moment: moment[:16],
    "day": lambda moment: moment[:10],
    "month": lambda moment: moment[:7],
    "year": lambda moment: moment[:4],
}
"""How much of a moment says which span of time it begins."""
