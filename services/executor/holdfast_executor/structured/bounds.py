"""How long it may take, at worst, to check an answer against a JSON schema.

References multiply: a few lines of schema can ask for more work than there is time,
and a recursive one for more with each level of the answer. What is surely cheap is
checked in place, on the event loop; everything else in a process of its own, which can
be ended. So an estimate that is far too high costs a little time and nothing else.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from holdfast_executor.structured.pattern_states import states_of

_IN_PLACE = frozenset({"allOf", "anyOf", "oneOf", "not", "if", "then", "else"})
_BELOW = frozenset(
    {
        "additionalItems",
        "additionalProperties",
        "contains",
        "items",
        "prefixItems",
        "propertyNames",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
"""Keywords whose schemas are for what a value holds, by whatever name."""

_ASKING = frozenset({"unevaluatedItems", "unevaluatedProperties"})
"""Those of them that depend on what all the others say."""

_BY_NAME = frozenset(
    {"dependencies", "dependentSchemas", "patternProperties", "properties"}
)
_UNTOLD = frozenset(
    {"$anchor", "$dynamicAnchor", "$dynamicRef", "$id", "$recursiveRef", "id"}
)
"""Keywords by which a reference may lead elsewhere than it says."""

_SILENT = frozenset(
    {
        "$comment",
        "$defs",
        "default",
        "definitions",
        "description",
        "examples",
        "title",
    }
)

_POINTER = re.compile(r"#(?:/|$)")

_MOST_WORK = 2_000_000
"""Steps in place, of some 10 ns each: 20 ms, which other requests may wait."""

_MOST_TELLING = 10_000
"""Steps after which what is wrong is still told in place. Telling takes 5 µs for each
thing that is wrong, and 30 µs for each way in which alternatives fail."""

_MOST_QUOTED = 2_000_000
"""Characters that telling may quote: whatever is wrong with a value, all of it is
written into the message, at 10 ns a character."""

_MOST_UNEVALUATED = 100_000
"""Steps of a schema that asks what others have left unevaluated. It is compiled with
all that they refer to in place, once for each way to it: 10 ms."""

_MOST_COUNTED = 10**12
"""Steps: more are not told apart, since numbers without end take long themselves."""

_FORMAT_STATES = 5
"""Of a format: the slowest, names of hosts in any script, takes 45 ns a character."""

_OF_TEXTS: Mapping[str, Callable[[Any], int]] = {
    "format": lambda _: _FORMAT_STATES,
    "pattern": lambda pattern: states_of(str(pattern)),
}
"""Keywords that read a text from end to end, and in how many states."""

_MOST_FRAMES = 10_000
"""Nested calls while checking: some 300 bytes each, of a stack of 8 MiB."""

_MOST_STATES = 20_000
"""Of all patterns of a schema together. Compiling takes under 1 µs for each."""

_MOST_LOOKED_AT = 50_000
"""Parts of a schema that are looked at to find its bounds, over all depths of an
answer: 50 ms, once a schema."""

Node = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Level:
    """What one value at one depth of an answer costs at most.

    Attributes:
        steps: Schemas that are asked of it.
        states: Of patterns, which a text may be in at each of its characters.
    """

    steps: int
    states: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """What checks against one schema cost at most.

    Attributes:
        levels: By depth, from the whole answer on. The last one holds for all
            that is deeper.
        chain: The most schemas that are asked one within the other of one value.
        is_known: Whether anything is known. False for a schema that is checked
            apart in any case.
    """

    levels: tuple[_Level, ...] = (_Level(0, 0),)
    chain: int = 0
    is_known: bool = True

    def allow(self, text: str, deepest: int) -> bool:
        """Tell whether an answer is surely checked soon."""
        if not self.is_known or self.chain * deepest > _MOST_FRAMES:
            return False
        states = max(level.states for level in self._of(deepest))
        return self._steps(text, deepest) + len(text) * states <= _MOST_WORK

    def allow_telling(self, text: str, deepest: int) -> bool:
        """Tell whether it is surely told soon what is wrong with such an answer."""
        steps = max(level.steps for level in self._of(deepest))
        # A value is quoted for itself and for each that holds it.
        if len(text) * deepest * steps > _MOST_QUOTED:
            return False
        return self._steps(text, deepest) <= _MOST_TELLING

    def _steps(self, text: str, deepest: int) -> int:
        # Each value but the whole answer follows a comma or an opening bracket.
        values = 1 + text.count(",") + text.count("{") + text.count("[")
        return values * max(level.steps for level in self._of(deepest))

    def _of(self, deepest: int) -> tuple[_Level, ...]:
        # A number or a text is one level below what holds it.
        return self.levels[: deepest + 1]


UNKNOWN = Bounds(is_known=False)


def bounds_of(schema: Any, most_depth: int) -> Bounds:
    """Find out what checks against a schema cost at most.

    Args:
        schema: A JSON schema.
        most_depth: Of the answers that are checked at all.
    """
    try:
        return _Graph(schema).bounds(most_depth)
    except (_UntoldError, RecursionError):
        return UNKNOWN


class _UntoldError(Exception):
    """A schema says something whose cost is not known."""


class _Graph:
    """A schema's parts, and which of them are asked of a value because of which."""

    def __init__(self, schema: Any) -> None:
        self._root = schema
        self._numbers: dict[int, int] = {}
        self._nodes: list[Node] = []
        self._beside: list[list[int]] = []
        self._below: list[list[tuple[str | None, int]]] = []
        self._weights: list[tuple[int, int]] = []
        self._unevaluated: set[int] = set()
        self._states = 0
        self._start = self._number(schema)
        for _ in range(_MOST_LOOKED_AT):
            if len(self._beside) == len(self._nodes):
                break
            self._read(len(self._beside))
        self._looks_left = _MOST_LOOKED_AT

    def bounds(self, most_depth: int) -> Bounds:
        if self._states > _MOST_STATES or len(self._beside) < len(self._nodes):
            return UNKNOWN
        order = self._in_order()
        ranks = {node: rank for rank, node in enumerate(order)}
        steps = [0] * len(self._nodes)
        states = [0] * len(self._nodes)
        chains = [0] * len(self._nodes)
        for node in reversed(order):
            beside = self._beside[node]
            own_steps, own_states = self._weights[node]
            steps[node] = own_steps + sum(steps[each] for each in beside)
            if node in self._unevaluated:
                # Each of them is asked once more, and again by those that do so too.
                steps[node] **= 2
                if steps[node] > _MOST_UNEVALUATED:
                    return UNKNOWN
            steps[node] = min(steps[node], _MOST_COUNTED)
            states[node] = own_states + sum(states[each] for each in beside)
            chains[node] = 1 + max((chains[each] for each in beside), default=0)
        levels = [_Level(steps[self._start], states[self._start])]
        asked = {self._start: 1}
        while len(levels) <= most_depth:
            by_name = self._step(asked, ranks)
            level = _Level(
                *(
                    max(
                        sum(many * cost[node] for node, many in each.items())
                        for each in by_name
                    )
                    for cost in (steps, states)
                )
            )
            following = _most(by_name)
            if following == asked or not following:
                levels.append(level)
                break
            asked = following
            levels.append(level)
            if level.steps > _MOST_WORK:
                break
        return Bounds(tuple(levels), max(chains))

    def _step(
        self, asked: dict[int, int], ranks: dict[int, int]
    ) -> list[dict[int, int]]:
        """Say what is asked of a value within, for each name that it may have.

        Raises:
            _UntoldError: It takes too long to say.
        """
        whole = dict(asked)
        for node in sorted(self._reached(asked), key=ranks.__getitem__):
            for each in self._beside[node]:
                whole[each] = whole.get(each, 0) + whole[node]
        self._looks_left -= len(whole)
        if self._looks_left < 0:
            raise _UntoldError
        unnamed: dict[int, int] = {}
        named: dict[str, dict[int, int]] = {}
        for node, many in whole.items():
            for name, below in self._below[node]:
                into = unnamed if name is None else named.setdefault(name, {})
                into[below] = into.get(below, 0) + many
        if not named:
            return [unnamed]
        return [
            {
                node: unnamed.get(node, 0) + each.get(node, 0)
                for node in unnamed.keys() | each.keys()
            }
            for each in named.values()
        ]

    def _reached(self, asked: Iterable[int]) -> set[int]:
        """Say what is asked of a value because some parts are."""
        reached = set(asked)
        waiting = list(reached)
        while waiting:
            fresh = set(self._beside[waiting.pop()]) - reached
            reached |= fresh
            waiting += fresh
        return reached

    def _in_order(self) -> list[int]:
        """Put each part before those that are asked of the same value because of it.

        Raises:
            _UntoldError: One is asked because of itself.
        """
        incoming = [0] * len(self._nodes)
        for beside in self._beside:
            for each in beside:
                incoming[each] += 1
        ready = [node for node, many in enumerate(incoming) if not many]
        order = []
        while ready:
            node = ready.pop()
            order.append(node)
            for each in self._beside[node]:
                incoming[each] -= 1
                if not incoming[each]:
                    ready.append(each)
        if len(order) < len(self._nodes):
            raise _UntoldError
        return order

    def _number(self, schema: Any) -> int:
        node = schema if isinstance(schema, dict) else {}
        if (number := self._numbers.get(id(node))) is None:
            number = self._numbers[id(node)] = len(self._nodes)
            self._nodes.append(node)
        return number

    def _read(self, number: int) -> None:  # noqa: C901 - a kind of keyword each
        node = self._nodes[number]
        if number and _UNTOLD & node.keys():
            raise _UntoldError
        beside: list[int] = []
        below: list[tuple[str | None, int]] = []
        literals = 1
        patterns = 0
        for keyword, value in node.items():
            if keyword == "$ref":
                beside.append(self._number(self._referred(value)))
            elif keyword in _IN_PLACE:
                beside += map(self._number, _schemas(value))
            elif keyword in _BELOW:
                if keyword in _ASKING:
                    self._unevaluated.add(number)
                below += [(None, self._number(each)) for each in _schemas(value)]
            elif keyword in _BY_NAME and isinstance(value, dict):
                numbers = [self._number(each) for each in value.values()]
                if keyword == "properties":
                    below += zip(value, numbers, strict=True)
                elif keyword == "patternProperties":
                    below += [(None, number) for number in numbers]
                    patterns += sum(map(states_of, value))
                else:
                    beside += numbers
            elif keyword in _OF_TEXTS:
                patterns += _OF_TEXTS[keyword](value)
            elif keyword not in _SILENT:
                literals += _size(value)
        self._beside.append(beside)
        self._below.append(below)
        self._weights.append((literals, patterns))
        self._states += patterns

    def _referred(self, reference: Any) -> Any:
        if not isinstance(reference, str) or not _POINTER.match(reference):
            raise _UntoldError
        found = self._root
        for part in reference[1:].split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and name.isdecimal() and int(name) < len(found):
                found = found[int(name)]
            elif isinstance(found, dict) and name in found:
                found = found[name]
            else:
                raise _UntoldError
        return found


def _most(by_name: list[dict[int, int]]) -> dict[int, int]:
    most: dict[int, int] = {}
    for each in by_name:
        for node, many in each.items():
            most[node] = max(most.get(node, 0), many)
    return most


def _schemas(value: Any) -> Iterator[Any]:
    yield from value if isinstance(value, list) else (value,)


def _size(value: Any) -> int:
    """Count the values that a keyword's literal consists of."""
    count = 0
    waiting = [value]
    while waiting:
        each = waiting.pop()
        count += 1
        if isinstance(each, dict):
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
    return count
