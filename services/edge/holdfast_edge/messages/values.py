"""Values of a Messages request, each checked and named where it is wrong."""

from typing import Any

from holdfast_edge.decoding import malformed


def blocks_of(content: object, at: str) -> list[tuple[int, dict[str, Any]]]:
    """Return blocks with their places.

    Raises:
        RequestMalformedError: It is something else.
    """
    if isinstance(content, list) and all(isinstance(each, dict) for each in content):
        return list(enumerate(content))
    raise malformed(at, "must be text or an array of objects")


def mark_of(block: dict[str, Any]) -> dict[str, Any]:
    """Return where the prompt cache is to end, if a block says that it does."""
    mark = block.get("cache_control")
    return {"cache_control": mark} if isinstance(mark, dict) else {}


def text_of(value: object, at: str) -> str:
    """Return a text.

    Raises:
        RequestMalformedError: It is something else.
    """
    if isinstance(value, str) and value:
        return value
    raise malformed(at, "must be text" if value is not None else "is missing")


def flag_of(value: object, at: str) -> bool:
    """Return what is true or false; false if it is not there.

    Raises:
        RequestMalformedError: It is something else.
    """
    if value is None or isinstance(value, bool):
        return bool(value)
    raise malformed(at, "must be true or false")


def count_of(value: object, at: str) -> int:
    """Return a number of something.

    Raises:
        RequestMalformedError: It is something else.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise malformed(at, "must be a positive whole number")
