"""Tables for people to read in a terminal."""

from collections.abc import Sequence


def table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out rows in columns as wide as their widest cell."""
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
