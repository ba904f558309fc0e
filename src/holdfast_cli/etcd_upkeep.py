"""`holdfast etcd`: copies of a cluster's etcd, and room in its files.

Kubernetes runs both now and then, with the variables that a resolver has.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from holdfast import logs
from holdfast.certificates import CertificateError
from holdfast.environment import EnvironmentVariableError, read
from holdfast.process import USAGE_STATUS
from holdfast.settings import EtcdSettings
from holdfast_resolver.etcd_upkeep import Upkeep, UpkeepError

_KEPT = 48
"""Two days of copies made every hour: a fault of a Friday night is found on Sunday."""

_FAILED = 1

Work = Callable[[Upkeep], Awaitable[list[str]]]
"""What is done, and what there is to say of it."""


def add(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser(
        "etcd",
        help="copy a cluster's etcd, or make room in its files",
        description="Finds etcd by the HOLDFAST_ETCD_* variables; of "
        "HOLDFAST_ETCD_ENDPOINTS each has to be a member of its own.",
    )
    actions = command.add_subparsers(required=True, metavar="ACTION")
    copying = actions.add_parser(
        "back-up", help="write a copy to restore it from, and drop the oldest ones"
    )
    copying.add_argument("--to", type=Path, required=True, metavar="FOLDER")
    copying.add_argument(
        "--keep",
        type=int,
        default=_KEPT,
        metavar="NUMBER",
        help="of copies (%(default)s)",
    )
    copying.set_defaults(run=_backing_up)
    room = actions.add_parser(
        "defragment",
        help="have members whose files are mostly empty write them anew, one at a time",
    )
    room.set_defaults(run=lambda _: _run(_defragmented))


def _backing_up(options: argparse.Namespace) -> int:
    if options.keep < 1:
        sys.stderr.write("holdfast etcd back-up: --keep is not 1 or more\n")
        return USAGE_STATUS

    async def backed_up(upkeep: Upkeep) -> list[str]:
        copy = await upkeep.back_up(options.to, keep=options.keep)
        gone = f", {len(copy.dropped)} older ones deleted" if copy.dropped else ""
        return [f"{copy.path}: {copy.size} bytes{gone}"]

    return _run(backed_up)


async def _defragmented(upkeep: Upkeep) -> list[str]:
    freed = await upkeep.defragment()
    lines = [f"{endpoint}: {size} bytes freed" for endpoint, size in freed.items()]
    return lines or ["nothing to do: no member's file is mostly empty"]


def _run(work: Work) -> int:
    """Do it, say what was done, and return the exit status."""
    try:
        lines = asyncio.run(_done(_etcd(), work))
    except (EnvironmentVariableError, CertificateError) as error:
        sys.stderr.write(f"holdfast etcd: {error}\n")
        return USAGE_STATUS
    except (UpkeepError, OSError) as error:
        sys.stderr.write(f"holdfast etcd: {error}\n")
        return _FAILED
    for line in lines:
        print(line)
    return 0


def _etcd() -> EtcdSettings:
    environment = read(os.environ)
    logs.configure(environment.log_level)
    if not environment.etcd_endpoints:
        raise EnvironmentVariableError(
            "HOLDFAST_ETCD_ENDPOINTS is not set; name every member of etcd"
        )
    return environment.etcd(EtcdSettings())


async def _done(etcd: EtcdSettings, work: Work) -> list[str]:
    async with Upkeep.of(etcd) as upkeep:
        return await work(upkeep)
