"""`holdfast demo`: what its actions print."""

import argparse
import json
import sys
from collections.abc import Callable

from holdfast_cli.demo.control import (
    DemoControl,
    DemoError,
    FaultOptions,
    status_table,
)


def fail(options: argparse.Namespace) -> int:
    """Make a provider or a deployment fail."""
    wanted = FaultOptions(
        times=options.times,
        share=options.share,
        retry_after=options.retry_after,
        after=options.after,
        seconds=options.seconds,
    )
    return _said(
        lambda: DemoControl(options.state_dir).fail(
            options.target, options.fault, wanted
        )
    )


def recover(options: argparse.Namespace) -> int:
    """Make it well again."""
    return _said(lambda: DemoControl(options.state_dir).recover(options.target))


def status(options: argparse.Namespace) -> int:
    """Show who fails, and who served what."""

    def show() -> str:
        rows = DemoControl(options.state_dir).status()
        return json.dumps(rows, indent=2) if options.json else status_table(rows)

    return _said(show)


def _said(act: Callable[[], str]) -> int:
    try:
        print(act())
    except DemoError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0
