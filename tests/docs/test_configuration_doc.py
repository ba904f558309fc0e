"""The document of the configuration file says what the file may hold."""

from pathlib import Path

import pytest

from holdfast.config_file import reference

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"
FIELDS = [
    (section.title, field.name)
    for section in reference.sections()
    for field in section.fields
]


def chapter(title: str) -> str:
    """Return what stands below a heading, up to the next."""
    text = DOCUMENT.read_text(encoding="utf-8")
    for part in text.split("\n### ")[1:]:
        heading, _, below = part.partition("\n")
        if heading.strip("`") == title:
            return below
    return ""


@pytest.mark.parametrize(("title", "name"), FIELDS)
def test_every_field_is_in_its_section(title, name):
    """With its type, default and meaning."""
    rows = [line for line in chapter(title).splitlines() if line.startswith("| `")]

    (row,) = [row for row in rows if row.startswith(f"| `{name}` |")]
    assert all(cell.strip() for cell in row.strip("|").split("|"))
    assert row.count("|") == 5


def test_the_tables_are_what_the_schema_says():
    """If not: python scripts/generate_docs.py."""
    text = DOCUMENT.read_text(encoding="utf-8")

    assert reference.refreshed(text) == text


def test_a_document_without_marks_is_not_written_over():
    """The place of the tables is the document's to say."""
    with pytest.raises(ValueError, match="there is no <!-- fields"):
        reference.refreshed("# Nothing\n")
