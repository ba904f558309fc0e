"""Configuration files for tests: whole ones, parts, and tables of wrong ones."""

from pathlib import Path

import pytest

from holdfast import config_file
from holdfast.config_file import ConfigurationError, Fault, Loaded

FILE = Path("gateway.yaml")
FOLDER = Path(__file__).parent / "holdfast" / "configurations"
EVERYTHING = (FOLDER / "everything.yaml").read_text(encoding="utf-8")
"""A file with every field."""

ENVIRONMENT = {
    "ANTHROPIC_API_KEY": "sk-ant",
    "AWS_ACCESS_KEY_ID": "AKIA",
    "AWS_SECRET_ACCESS_KEY": "aws-secret",
    "TUNED_KEY": "tuned",
    "HOLDFAST_KEY": "hf-web-1",
}
"""What that file takes from the environment."""


def parse(text: str, **known) -> Loaded:
    return config_file.parse(text, FILE, **{"environ": ENVIRONMENT, **known})


def faults(text: str, **known) -> tuple[Fault, ...]:
    with pytest.raises(ConfigurationError) as raised:
        parse(text, **known)
    return raised.value.faults


def organization(*lines: str) -> str:
    """An organization with these lines below it; the first is line 3."""
    return "\n".join(["organizations:", "  - id: acme", *(f"    {s}" for s in lines)])


def deployment(*lines: str) -> str:
    """A model `m` with a deployment with these lines; the first is line 5."""
    return "\n".join(
        [
            "models:",
            "  - name: m",
            "    deployments:",
            "      - provider: lab-a",
            *(f"        {line}" for line in lines),
        ]
    )


def cases(name: str) -> dict[str, tuple[str, int, str, str]]:
    """Read a table: the file, the line, the field and the words, by name."""
    table = (FOLDER / name).read_text(encoding="utf-8")
    found = {}
    for block in table.split("\n=== ")[1:]:
        title, rest = block.split("\n", 1)
        text, expected = rest.split("\n>>> ")
        line, field, words = expected.strip().split(": ", 2)
        found[title] = (text, int(line), field, words)
    return found
