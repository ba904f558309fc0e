"""The document of the HTTP API names what is served."""

import re
from pathlib import Path

import pytest

from holdfast_cli.administration.commands import COMMANDS
from holdfast_edge.openapi import document

TEXT = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", document()["paths"])
def test_names_every_path(path: str) -> None:
    """As it is described."""
    assert re.search(rf"{re.escape(path)}(?![\w/{{-])", TEXT)


@pytest.mark.parametrize("command", [*COMMANDS, "history"])
def test_shows_every_command(command: str) -> None:
    """With something to do."""
    assert f"\nholdfast {command} " in TEXT
