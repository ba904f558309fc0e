"""`holdfast traces`: what became of requests, one by one or as they end."""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from holdfast_cli.administration import calling
from holdfast_cli.administration.calling import Gateway, RefusedError
from holdfast_cli.administration.printing import as_json
from holdfast_cli.moments import HELP, absolute, short
from holdfast_cli.tables import printable, table
from holdfast_cli.waterfall import waterfall

_PATH = "/v2/traces"

_FILTERS: Mapping[str, str] = {
    "model": "that answered, or was asked for",
    "deployment": "that served",
    "provider": "that served",
    "outcome": "of one of the attempts, e.g. rate-limited",
    "error": "that the caller got, e.g. all_attempts_failed",
    "session": "by its own name, or as a trace has it",
    "key": "by its id",
    "project": "by its id",
}

_COLUMNS = ("at", "trace", "status", "model", "served by", "tries", "ms", "tokens")
_WIDTHS = (19, 32, 6, 24, 34, 5, 7, 9)
"""Of what is followed, where no row knows how wide the next one is."""

_POLL_S = 1.0
"""As long as it takes until every replica has told of what has ended."""

_PAGE = 100
_MOST_PAGES = 20
"""Looked through at a time: two thousand requests a second can be followed."""

_SEEN = 10_000
"""Requests that are known to have been shown: those that a few pages can hold."""


def add(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser(
        "traces",
        help="what became of requests: who served, what failed, what it cost",
        description="Lists requests that have ended, newest first. With a trace's id: "
        "that one, with every attempt.",
    )
    command.add_argument("trace_id", metavar="TRACE", nargs="?")
    for name, text in _FILTERS.items():
        command.add_argument(f"--{name}", metavar=name.upper(), help=text)
    command.add_argument(
        "--tag", action="append", metavar="NAME:VALUE", help="that it has"
    )
    command.add_argument("--status", choices=("ok", "error"))
    command.add_argument(
        "--fallback", action="store_true", help="tried at several deployments"
    )
    command.add_argument("--from", dest="start", metavar="TIME", help=HELP)
    command.add_argument("--to", dest="end", metavar="TIME", help="likewise")
    command.add_argument("--limit", type=int, default=20, metavar="ROWS")
    command.add_argument(
        "-f", "--follow", action="store_true", help="go on as requests end"
    )
    calling.add_options(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print what is asked for; return 0, or 1 if that was refused."""
    try:
        gateway = Gateway.of(options)
        if options.trace_id:
            _show(gateway, options)
        elif options.follow:
            _follow(gateway, options)
        else:
            _list(gateway, options)
    except RefusedError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def _show(gateway: Gateway, options: argparse.Namespace) -> None:
    trace = gateway.call("GET", f"{_PATH}/{options.trace_id}")
    print(as_json(trace) if options.json else waterfall(trace))


def _list(gateway: Gateway, options: argparse.Namespace) -> None:
    rows: list[dict[str, Any]] = []
    for page in _pages(gateway, options, min(options.limit, _PAGE)):
        rows += page
        if len(rows) >= options.limit:
            break
    rows = rows[: options.limit]
    if options.json:
        print(as_json(rows))
    elif rows:
        print(table((*_COLUMNS, "USD"), [_cells(row) for row in rows]))
    else:
        print("There are none.")


def _follow(gateway: Gateway, options: argparse.Namespace) -> None:
    """Print requests as they end, the last ones first of all."""
    seen: dict[str, None] = {}
    if not options.json:
        print(_fixed((*_COLUMNS, "USD")))
    while True:
        fresh: list[dict[str, Any]] = []
        for page in _pages(gateway, options, _PAGE if seen else options.limit):
            unseen = [row for row in page if row["request_id"] not in seen]
            fresh += unseen
            if not seen or len(unseen) < len(page):
                break
        for row in reversed(fresh):
            seen[row["request_id"]] = None
            line = json.dumps(row) if options.json else _fixed(_cells(row))
            print(line, flush=True)
        while len(seen) > _SEEN:
            del seen[next(iter(seen))]
        # So that nothing is taken for the beginning again where nothing has ended.
        seen.setdefault("")
        time.sleep(_POLL_S)


def _pages(
    gateway: Gateway, options: argparse.Namespace, rows: int
) -> Iterator[list[dict[str, Any]]]:
    query: dict[str, Any] = {name: getattr(options, name) for name in _FILTERS}
    query |= {"status": options.status, "tag": options.tag, "limit": rows}
    query |= {"fallback": "true" if options.fallback else None}
    for name, moment in (("from_date", options.start), ("to_date", options.end)):
        query[name] = absolute(moment) if moment else None
    asked = {name: value for name, value in query.items() if value}
    for _ in range(_MOST_PAGES):
        page = gateway.call("GET", _PATH, **asked)
        yield page["data"]
        if page["meta"]["next_cursor"] is None:
            return
        asked["cursor"] = page["meta"]["next_cursor"]


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        short(row["start_time"]),
        row["id"],
        row["status"],
        row["name"],
        row["deployment"] or row["error"] or "-",
        f"{row['attempts']}{'*' if row['fallback'] else ''}",
        f"{row['duration_ms']:,}",
        f"{row['total_tokens']:,}",
        row["cost"],
    )


def _fixed(cells: Sequence[str]) -> str:
    widths = (*_WIDTHS, 0)
    return "  ".join(
        printable(cell).ljust(width) for cell, width in zip(cells, widths, strict=True)
    ).rstrip()
