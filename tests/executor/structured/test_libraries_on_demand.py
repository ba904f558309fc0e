"""A gateway of which nobody asks for a form does without the libraries for it."""

import os
import subprocess
import sys

import pytest

LIBRARIES = ("jsonschema_rs", "lxml")

STARTED = """
import holdfast_cli.main, holdfast_cli.up
import holdfast_edge.server, holdfast_executor.server, holdfast_resolver.server
"""

CHECKED = """
import asyncio, json
from holdfast_executor.chat import Chat
from holdfast_executor.structured.checker import Checker
from holdfast_executor.structured.wish import wish_of

async def main(wanted):
    body = {"model": "m", "messages": [], "response_format": wanted}
    wish = wish_of(Chat.parse(json.dumps(body).encode()))
    checker = Checker()
    await checker.prepare(wish)
    print(await checker.check(wish, "{}"), end=" ")

asyncio.run(main(%r))
"""

OBJECT = {"type": "json_object"}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}


def loaded_by(program: str) -> set[str]:
    ending = f"\nimport sys\nprint(*(set({LIBRARIES!r}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program + ending],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split()) - {"{}"}


@pytest.mark.parametrize(
    ("program", "loaded"),
    [
        (STARTED, set()),
        (CHECKED % OBJECT, set()),
        (CHECKED % SCHEMA, {"jsonschema_rs"}),
    ],
    ids=["started", "object", "schema"],
)
def test_a_library_is_loaded_by_who_needs_it(program: str, loaded: set[str]) -> None:
    """At start nobody does."""
    assert loaded_by(program) == loaded
