"""The fields of the configuration file as Markdown, for `docs/configuration.md`."""

from collections.abc import Iterator

from holdfast.config_file.kinds import Kind
from holdfast.config_file.schema import ROOT
from holdfast.config_file.structure import ListOf, MapOf, Section

BEGIN = "<!-- fields: written by scripts/generate_docs.py -->"
END = "<!-- end of fields -->"


def refreshed(document: str) -> str:
    """Return a document with the tables between its marks written anew.

    Raises:
        ValueError: It has no such marks.
    """
    head, _, rest = document.partition(BEGIN)
    _, mark, tail = rest.partition(END)
    if not mark:
        msg = f"there is no {BEGIN} ... {END}"
        raise ValueError(msg)
    return f"{head}{BEGIN}\n\n{tables()}\n{END}{tail}"


def tables() -> str:
    """Write a heading and a table for each section of the schema."""
    return "\n".join(_table(section) for section in sections())


def sections() -> tuple[Section, ...]:
    """Return every section once, each before those below it."""
    return tuple({section.title: section for section in _walk(ROOT)}.values())


def _walk(section: Section) -> Iterator[Section]:
    yield section
    for field in section.fields:
        if (below := _below(field.kind)) is not None:
            yield from _walk(below)


def _below(kind: Kind) -> Section | None:
    while isinstance(kind, ListOf | MapOf):
        kind = kind.kind
    section = kind if isinstance(kind, Section) else getattr(kind, "section", None)
    return section if isinstance(section, Section) else None


def _table(section: Section) -> str:
    rows = "\n".join(
        f"| `{field.name}` | {field.kind.words} "
        f"| {'**required**' if field.default is None else field.default} "
        f"| {field.doc} |"
        for field in section.fields
    )
    title = section.title if section is ROOT else f"`{section.title}`"
    return (
        f"### {title}\n\n{section.doc}\n\n"
        f"| field | type | default | meaning |\n|---|---|---|---|\n{rows}\n"
    )
