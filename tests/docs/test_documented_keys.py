"""What documents say may stand in the configuration file may stand there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from holdfast.config_file import reference
from holdfast.config_file.kinds import Kind
from holdfast.config_file.structure import ListOf, MapOf, Section

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "SECURITY.md"]
SECTIONS = reference.sections()
SECRETS = ({"env"}, {"file"})
"""What may stand in place of a secret."""


def _section_of(kind: Kind) -> Section | None:
    found = kind if isinstance(kind, Section) else getattr(kind, "section", None)
    return found if isinstance(found, Section) else None


def _misplaced(value: Any, kind: Kind) -> Iterator[str]:
    """Yield the keys of a value that its kind does not have."""
    if isinstance(kind, ListOf):
        for each in value if isinstance(value, list) else ():
            yield from _misplaced(each, kind.kind)
    elif isinstance(kind, MapOf):
        for each in value.values() if isinstance(value, dict) else ():
            yield from _misplaced(each, kind.kind)
    elif (section := _section_of(kind)) and isinstance(value, dict):
        if value.keys() in SECRETS:
            return
        fields = {field.name: field for field in section.fields}
        for name, below in value.items():
            if name in fields:
                yield from _misplaced(below, fields[name].kind)
            else:
                yield f"{section.title}: {name}"


def _examples() -> Iterator[tuple[str, str]]:
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL):
            yield document.name, block


@pytest.mark.parametrize(("document", "example"), list(_examples()))
def test_an_example_has_only_fields_that_there_are(document: str, example: str) -> None:
    """Each in a section that has it; an example begins in whichever it likes."""
    value = yaml.safe_load(example)

    misplaced = [list(_misplaced(value, section)) for section in SECTIONS]
    assert [] in misplaced, (document, min(misplaced, key=len))


BY_NAME = {
    field.name: section
    for each in SECTIONS
    for field in each.fields
    if (section := _section_of(field.kind)) is not None
}
"""Sections that stand in a field, by its name."""


def _paths() -> Iterator[tuple[str, str]]:
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for path in re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)\b", text):
            if path.partition(".")[0] in BY_NAME and not path.endswith(".db"):
                yield document.name, path


@pytest.mark.parametrize(("document", "path"), sorted(set(_paths())))
def test_a_field_within_a_section_is_one_of_it(document: str, path: str) -> None:
    """Every step of the path is there."""
    first, *rest = path.split(".")

    section: Section | None = BY_NAME[first]
    for name in rest:
        assert section is not None, (document, path)
        fields = {field.name: field for field in section.fields}
        assert name in fields, (document, path)
        section = _section_of(fields[name].kind)


def test_fields_within_sections_are_found() -> None:
    """So that the tests above look at something."""
    assert len(list(_examples())) > 5
    assert ("surfaces.md", "retention.content_days") in set(_paths())
