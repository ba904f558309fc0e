"""The document of guardrails says what there is to look for."""

import re
from pathlib import Path

from holdfast.guardrails.presets import PRESETS
from holdfast_executor.guardrails.search import LONGEST_MATCH, WINDOW

DOCUMENT = (Path(__file__).parents[2] / "docs" / "guardrails.md").read_text("utf-8")


def test_every_preset_has_its_row():
    """And no other is named."""
    table = DOCUMENT.partition("## Presets")[2].partition("\n## ")[0]

    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == [*PRESETS]


def test_the_bounds_are_those_that_hold():
    """What is held back of a stream, and how long a match may be."""
    assert f"at most {WINDOW} bytes" in DOCUMENT
    assert f"{LONGEST_MATCH:,} bytes long at most" in DOCUMENT
