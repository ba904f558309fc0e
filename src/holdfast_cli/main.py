"""Entry point of `holdfast`: which commands there are, and their options."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from holdfast.catalog import every_name, load_shipped
from holdfast_cli import check, etcd_upkeep, explain, models, traces, up, usage
from holdfast_cli.administration import history
from holdfast_cli.administration.commands import COMMANDS as ADMINISTRATION
from holdfast_cli.demo import command as demo
from holdfast_cli.demo.demonstration import STATE_DIR
from holdfast_cli.demo.faults import FAULTS


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; exits 2 if it was asked wrongly, 1 if it failed."""
    options = _parser().parse_args(arguments)
    status = options.run(options)
    sys.exit(status)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="holdfast",
        description="Name the model, not the deployment: a high-availability "
        "gateway for model inference.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in COMMANDS.values():
        add(commands)
    return parser


_Commands = Any
"""What `add_subparsers` returns; argparse keeps its name private."""


def _add_up(commands: _Commands) -> None:
    command = commands.add_parser(
        "up",
        help="run the whole gateway on this machine",
        description="Runs etcd (unless the file names one), resolver, executor and "
        "edge. Without --config: the demo, with simulated providers.",
    )
    command.add_argument("--config", type=Path, metavar="FILE")
    command.add_argument(
        "--separate",
        action="store_true",
        help="three processes over gRPC, in place of one",
    )
    command.set_defaults(
        run=lambda options: up.run(options.config, separate=options.separate)
    )


def _add_check(commands: _Commands) -> None:
    command = commands.add_parser("check", help="validate a configuration file")
    command.add_argument("file", type=Path, metavar="FILE")
    command.set_defaults(run=lambda options: _check(options.file))


def _add_explain(commands: _Commands) -> None:
    command = commands.add_parser(
        "explain",
        help="show the plan for a model: every candidate, placed or excluded",
    )
    command.add_argument("model", metavar="MODEL")
    command.add_argument("--config", type=Path, metavar="FILE")
    command.add_argument("--project", metavar="ID", help="ORGANIZATION/PROJECT or ID")
    command.add_argument("--session", metavar="ID", default="")
    command.add_argument("--json", action="store_true")
    command.set_defaults(
        run=lambda options: explain.run(
            options.model,
            config=options.config,
            project=options.project,
            session=options.session,
            as_json=options.json,
        )
    )


def _add_models(commands: _Commands) -> None:
    command = commands.add_parser(
        "models", help="list what a project may call, and what it may not and why"
    )
    command.add_argument("--config", type=Path, metavar="FILE")
    command.add_argument("--project", metavar="ID", help="ORGANIZATION/PROJECT or ID")
    command.add_argument(
        "--all", action="store_true", help="deployments that it may not call, too"
    )
    command.add_argument("--json", action="store_true")
    command.set_defaults(
        run=lambda options: models.run(
            config=options.config,
            project=options.project,
            everything=options.all,
            as_json=options.json,
        )
    )


def _check(file: Path) -> int:
    catalog = load_shipped()
    return check.run(
        file, known_providers=catalog.providers, known_models=every_name(catalog)
    )


def _add_demo(commands: _Commands) -> None:
    command = commands.add_parser(
        "demo", help="make the demo's simulated providers fail, and recover"
    )
    command.add_argument(
        "--state-dir", type=Path, default=STATE_DIR, help="of the demo that runs"
    )
    actions = command.add_subparsers(required=True, metavar="ACTION")
    fail = actions.add_parser("fail", help="make a provider or a deployment fail")
    fail.add_argument("target", metavar="PROVIDER", help="or a deployment's id")
    fail.add_argument("fault", metavar="FAULT", help=f"one of {', '.join(FAULTS)}")
    fail.add_argument("--times", type=int, help="for so many requests only")
    fail.add_argument("--share", type=float, help="of the requests, e.g. 0.5")
    fail.add_argument("--retry-after", help="what the error's retry-after says")
    fail.add_argument("--after", type=int, help="events of content before it fails")
    fail.add_argument("--seconds", type=float, help="how late a slow answer begins")
    fail.set_defaults(run=demo.fail)
    recover = actions.add_parser("recover", help="make it well again")
    recover.add_argument("target", metavar="PROVIDER", nargs="?", help="all, if none")
    recover.set_defaults(run=demo.recover)
    status = actions.add_parser("status", help="who fails, and who served what")
    status.add_argument("--json", action="store_true")
    status.set_defaults(run=demo.status)


COMMANDS: dict[str, Callable[[_Commands], None]] = {
    "up": _add_up,
    "check": _add_check,
    "explain": _add_explain,
    "models": _add_models,
    "traces": traces.add,
    "usage": usage.add,
    **ADMINISTRATION,
    "history": history.add,
    "demo": _add_demo,
    "etcd": etcd_upkeep.add,
}
"""Every command, by its name."""
