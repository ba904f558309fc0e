"""The document of errors says what a caller sees."""

from pathlib import Path

import pytest

from holdfast.errors import BY_REASON
from holdfast_edge.errors import NOT_SERVED_STATUSES, RESPONSES

DOCUMENT = Path(__file__).parents[2] / "docs" / "errors.md"


def rows(heading: str) -> dict[str, list[str]]:
    """Return the table below a heading: the cells of each row, by its reason."""
    text = DOCUMENT.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2]
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.partition("\n## ")[0].splitlines()
        if line.startswith("| ")
    ]
    return {cells[2].strip("`"): cells for cells in lines[1:]}


SEEN = rows("What a caller can see")
RESERVED = rows("Reserved")


def test_lists_what_a_caller_can_see() -> None:
    """Each failure that can be raised has its row, and no other has."""
    assert SEEN.keys() == BY_REASON.keys()


def test_lists_what_is_reserved() -> None:
    """Each reason of the contract that nothing raises has its row."""
    assert RESERVED.keys() == RESPONSES.keys() - BY_REASON.keys()


@pytest.mark.parametrize("reason", RESPONSES)
def test_says_what_the_edge_says(reason: str) -> None:
    """Status, code and whether to retry are those that are sent."""
    status, code, _, cause, remedy, retry = {**SEEN, **RESERVED}[reason]
    response = RESPONSES[reason]

    assert status.split()[0].strip(",") == str(response.status)
    assert code == f"`{response.code}`"
    assert retry == response.retry.value
    assert cause
    assert remedy


def test_lists_every_status_of_what_is_not_served() -> None:
    """One reason has a status for each of the things that may not be served."""
    status = SEEN["NOT_SERVED"][0]

    assert all(str(each) in status for each in (*NOT_SERVED_STATUSES.values(), 415))
