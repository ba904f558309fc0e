"""What exists is documented."""

import re
from pathlib import Path

import pytest

from holdfast.environment import VARIABLES
from holdfast.model import DIALECTS
from holdfast_cli.demo.faults import FAULTS
from holdfast_cli.main import COMMANDS
from holdfast_executor.dialects import registry

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", sorted(VARIABLES))
def test_every_environment_variable_is_documented(name: str) -> None:
    """A variable that a process reads has its row in docs/configuration.md."""
    document = (ROOT / "docs" / "configuration.md").read_text()

    assert f"| `{name}` |" in document


def test_every_documented_environment_variable_exists() -> None:
    """No row of docs/configuration.md names a variable that nothing reads."""
    document = (ROOT / "docs" / "configuration.md").read_text()

    named = re.findall(r"^\| `(HOLDFAST_\w+)` \|", document, re.MULTILINE)

    assert set(named) == set(VARIABLES)


def test_every_make_target_is_documented() -> None:
    """A target of the Makefile is in CONTRIBUTING.md."""
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    document = (ROOT / "CONTRIBUTING.md").read_text()

    assert [t for t in targets if f"`make {t}`" not in document] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented(command: str) -> None:
    """A command of `holdfast` is in the README."""
    assert f"holdfast {command}" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_of_the_demo_is_documented(fault: str) -> None:
    """What simulated providers can be told to do is in docs/demo.md."""
    document = (ROOT / "docs" / "demo.md").read_text()

    rows = re.findall(r"^\| (`.*?) \|", document, re.MULTILINE)

    assert sum(f"`{fault}`" in row.split(", ") for row in rows) == 1


def test_every_dialect_a_plan_may_name_is_spoken() -> None:
    """The resolver lets through what the executor has a module for, and no more."""
    assert set(registry.DIALECTS) == DIALECTS


def test_decision_records_are_numbered_in_a_row() -> None:
    """Each record has the number after the one before it."""
    names = sorted(p.name for p in (ROOT / "docs" / "decisions").glob("*.md"))

    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))


@pytest.mark.parametrize(
    "document", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"]
)
def test_links_lead_somewhere(document: str) -> None:
    """A link to a file of the project leads to one that exists."""
    links = re.findall(r"\]\((?!http)([^)#]+)\)", (ROOT / document).read_text())

    assert [link for link in links if not (ROOT / link).exists()] == []


def test_what_meets_a_threat_exists() -> None:
    """Code and tests that SECURITY.md names are there."""
    document = (ROOT / "SECURITY.md").read_text()

    named = re.findall(r"`([\w.-]+(?:/[\w.-]+)+)`", document)

    assert len(named) > 50
    assert [name for name in named if not (ROOT / name).exists()] == []
