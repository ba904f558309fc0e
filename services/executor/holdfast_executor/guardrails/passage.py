"""The events of a streamed answer, each text of it held back where it must be.

Each text of each choice has a window of its own. What is held goes out in an event of
its own once something else begins, or the choice ends; an event in which nothing is
held or changed goes on in the bytes it came in.
"""

from typing import Any

import msgspec

from holdfast.events import data_of, event
from holdfast_executor.guardrails.search import Found, Watch
from holdfast_executor.guardrails.texts import Path, leaves, place_of
from holdfast_executor.guardrails.window import Whole, Window

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode

_WHOLE = frozenset({"arguments", "input"})
"""Members that are of use only whole: what a tool is called with."""

_AT_ONCE = frozenset({"annotations", "extra_content"})
"""Members of a delta whose texts come in one piece, and of which half is of no use."""

_ABOUT = frozenset({"index", "type"})
"""Members that say what something is, and nothing more."""

_CONTENT: Path = ("content",)

Said = dict[tuple[int, Path], list[str]]
"""The texts of an answer, by choice and by where they stand in its deltas."""


class _Choice:
    """One of the `n` answers: its texts under way, and what their holders are."""

    __slots__ = ("texts", "types")

    def __init__(self) -> None:
        self.texts: dict[Path, Window | Whole] = {}
        self.types: dict[Path, str] = {}


class Passage:
    """Passes a stream's events on, less what is held back.

    Attributes:
        has_said: Whether any text has gone on.
        said: The texts that have, where somebody is to judge them.
    """

    def __init__(
        self, watch: Watch, found: Found, *, before: str = "", is_judged: bool = False
    ) -> None:
        """Begin with nothing held.

        Args:
            watch: What is looked for.
            found: Where it is counted.
            before: The text of the answer that the caller has already.
            is_judged: Whether texts are kept for a judge.
        """
        self.has_said = False
        self.said: Said = {}
        self._watch = watch
        self._found = found
        self._before = before
        self._is_judged = is_judged
        self._choices: dict[int, _Choice] = {}
        self._last: dict[str, Any] = {}
        self._note(0, _CONTENT, before)

    def take(self, events: bytes) -> bytes:
        """Take whole events; return those that can go on."""
        return b"".join([self._passed(data) for data in data_of(events)])

    def finish(self) -> bytes:
        """Take the end of the answer; return what was held."""
        rest = [
            self._flushed(index, state, [*state.texts])
            for index, state in self._choices.items()
        ]
        return b"".join(rest) if self._watch.changes else b""

    def _passed(self, data: bytes) -> bytes:
        self._last = chunk = _decode(data)
        before: list[bytes] = []
        kept = []
        is_changed = False
        for choice in chunk.get("choices") or ():
            index = choice.get("index", 0)
            delta = choice.get("delta") or {}
            state = self._choices.setdefault(index, _Choice())
            ends = bool(choice.get("finish_reason"))
            before.append(self._flushed(index, state, _left(state, delta, ends=ends)))
            is_changed |= self._rewrite(index, state, delta, ends=ends)
            if choice.get("logprobs") and self._watch.changes:
                # They say the text again.
                choice["logprobs"] = None
                is_changed = True
            if ends or _says_something(delta):
                kept.append(choice)
        flushed = b"".join(before)
        if not self._watch.changes or not (is_changed or flushed):
            return event(data)
        if not kept:
            return flushed
        return flushed + event(_encode({**chunk, "choices": kept}))

    def _rewrite(
        self, index: int, state: _Choice, delta: dict[str, Any], *, ends: bool
    ) -> bool:
        """Let the texts of a delta through their windows; say whether any changed."""
        is_changed = False
        for holder, key, path in leaves(delta):
            window = state.texts.get(path)
            if window is None:
                window = state.texts[path] = self._window(index, path)
            if isinstance(holder, dict) and isinstance(holder.get("type"), str):
                state.types[path[:-1]] = holder["type"]
            text = holder[key]
            passed = window.feed(text)
            if ends or path[0] in _AT_ONCE:
                passed += state.texts.pop(path).finish()
            holder[key] = passed
            is_changed |= passed != text
            self._note(index, path, passed)
        return is_changed

    def _window(self, index: int, path: Path) -> Window | Whole:
        if path[-1] in _WHOLE:
            return Whole(self._watch, self._found)
        is_answer = (index, path) == (0, _CONTENT)
        return Window(self._watch, self._found, self._before if is_answer else "")

    def _note(self, index: int, path: Path, text: str) -> None:
        if not text:
            return
        self.has_said = True
        if self._is_judged:
            self.said.setdefault((index, path), []).append(text)

    def _flushed(self, index: int, state: _Choice, paths: list[Path]) -> bytes:
        """End some texts of a choice, and write the event that holds what was held."""
        delta: dict[str, Any] = {}
        for path in paths:
            if rest := state.texts.pop(path).finish():
                self._note(index, path, rest)
                _put(delta, path, rest, state.types)
        if not delta:
            return b""
        choice = {
            "index": index,
            "delta": delta,
            "logprobs": None,
            "finish_reason": None,
        }
        return event(_encode({**self._last, "choices": [choice]}))


def _left(state: _Choice, delta: dict[str, Any], *, ends: bool) -> list[Path]:
    """Say which texts of a choice end where a delta goes on with others, or ends it."""
    if not state.texts:
        return []
    branches = {
        (name, place_of(item, at))
        for name, value in delta.items()
        if isinstance(value, list)
        for at, item in enumerate(value)
    } | {(name,) for name, value in delta.items() if value and name != "role"}
    if not branches and not ends:
        return []
    return [path for path in state.texts if _branch(path) not in branches]


def _branch(path: Path) -> Path:
    """Return what of a delta a text belongs to: a member, or an item of a list."""
    is_item = len(path) > 1 and isinstance(path[1], int)
    return path[:2] if is_item else path[:1]


def _says_something(value: Any) -> bool:
    if isinstance(value, dict):
        return any(
            name not in _ABOUT and _says_something(each) for name, each in value.items()
        )
    if isinstance(value, list):
        return any(map(_says_something, value))
    return bool(value)


def _put(delta: dict[str, Any], path: Path, text: str, types: dict[Path, str]) -> None:
    """Write a text into a delta at its path, with what its place needs around it."""
    holder: Any = delta
    for at, step in enumerate(path[:-1]):
        if isinstance(step, str):
            is_list = isinstance(path[at + 1], int)
            holder = holder.setdefault(step, [] if is_list else {})
            continue
        item = next((each for each in holder if each.get("index") == step), None)
        if item is None:
            item = {"index": step}
            if kind := types.get(path[: at + 1]):
                item["type"] = kind
            holder.append(item)
        holder = item
    if isinstance(holder, list):
        holder.append(text)
    else:
        holder[path[-1]] = text
