"""Tables for people to read in a terminal."""

from collections.abc import Sequence


def table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out rows in columns as wide as their widest cell."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [
        max(len(row[column]) for row in (heading, *rows))
        for column in range(len(heading))
    ]
    return "\n".join(
        "  ".join(
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in (heading, *rows)
    )


def printable(text: str) -> str:
    """Show what a terminal would act upon, in place of having it act."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else f"\\x{ord(each):02x}" for each in text
    )
