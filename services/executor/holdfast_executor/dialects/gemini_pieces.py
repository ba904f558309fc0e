"""The arguments of a call that Vertex AI streams in pieces, put together.

Each piece names its place by a path (RFC 9535) and holds a value, or a part of
a string that the next piece for that place goes on with.
"""

import itertools
import re
from collections.abc import Mapping
from typing import Any

_STEP = re.compile(
    r"\.(?P<name>[^.\[\]]+)|\[(?P<index>\d{1,6})\]"
    r"|\[(?P<quote>['\"])(?P<quoted>(?:\\.|(?!(?P=quote)).)*)(?P=quote)\]"
)
_ESCAPED = re.compile(r"\\(.)")
_VALUES = ("stringValue", "numberValue", "boolValue")


class PieceMisplacedError(ValueError):
    """A piece is for a place that there cannot be."""


class Pieces:
    """The arguments of one call.

    Attributes:
        arguments: What they are so far.
    """

    def __init__(self) -> None:
        self.arguments: dict[str, Any] = {}
        self._unfinished = ""

    def add(self, piece: Mapping[str, Any]) -> None:
        """Take one of `partialArgs`.

        Raises:
            PieceMisplacedError: Its path leads nowhere.
        """
        path = str(piece.get("jsonPath"))
        steps = _steps(path)
        value: Any = next((piece[name] for name in _VALUES if name in piece), None)
        holder: Any = self.arguments
        for step, following in itertools.pairwise(steps):
            holder = _enter(holder, step, [] if isinstance(following, int) else {})
        last = steps[-1]
        if path == self._unfinished and isinstance(value, str):
            value = str(_enter(holder, last, "")) + value
        _put(holder, last, value)
        self._unfinished = path if piece.get("willContinue") else ""


def _steps(path: str) -> list[str | int]:
    steps: list[str | int] = []
    at = 1
    while path.startswith("$") and (found := _STEP.match(path, at)):
        if found["index"] is not None:
            steps.append(int(found["index"]))
        elif found["name"] is not None:
            steps.append(found["name"])
        else:
            steps.append(_ESCAPED.sub(r"\1", found["quoted"]))
        at = found.end()
    if not steps or at != len(path):
        raise PieceMisplacedError(path)
    return steps


def _enter(holder: Any, step: str | int, default: Any) -> Any:
    """Return what is at a step, put there first if nothing is."""
    if isinstance(step, int):
        if not isinstance(holder, list) or step > len(holder):
            raise PieceMisplacedError(str(step))
        if step == len(holder):
            holder.append(default)
        return holder[step]
    if not isinstance(holder, dict):
        raise PieceMisplacedError(step)
    return holder.setdefault(step, default)


def _put(holder: Any, step: str | int, value: Any) -> None:
    _enter(holder, step, value)
    holder[step] = value
