"""A gateway that does without a cloud does without its library."""

import os
import subprocess
import sys

import pytest

CLOUDS = ("botocore", "google.auth", "msal", "requests", "urllib3", "cryptography")

NOTHING_USED = """
import holdfast_cli.main, holdfast_cli.up
import holdfast_edge.server, holdfast_executor.server, holdfast_resolver.server
"""

ONE_KEY_USED = (
    NOTHING_USED
    + """
import asyncio
from fakes.identities import holding, shown

async def main():
    async with holding({"key": "k"}) as authentication:
        await shown(authentication, "x-api-key")

asyncio.run(main())
"""
)

SIGNED = """
import asyncio
from fakes.identities import holding, shown

async def main():
    parts = {"access_key_id": "a", "secret_access_key": "b"}
    async with holding(parts) as authentication:
        await shown(authentication, "sigv4")

asyncio.run(main())
"""


def imported_by(program: str) -> set[str]:
    ending = f"\nimport sys\nprint(*(set({CLOUDS!r}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program + ending],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("program", [NOTHING_USED, ONE_KEY_USED])
def test_no_clouds_library_is_imported_before_it_is_needed(program: str):
    """Nor what they bring along."""
    assert imported_by(program) == set()


def test_signing_for_one_cloud_imports_no_other():
    """AWS's keys need neither Google's library nor Microsoft's."""
    assert imported_by(SIGNED) & {"botocore", "google.auth", "msal"} == {"botocore"}
