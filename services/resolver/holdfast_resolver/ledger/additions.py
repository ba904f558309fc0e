"""What requests and attempts add to the sums of their hour: pure."""

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any

from holdfast_resolver.ledger.layout import (
    ATTEMPT_FIGURES,
    ATTEMPTS,
    DIMENSIONS,
    FIGURES,
    REQUEST_FIGURES,
    REQUESTS,
    Layout,
    Row,
)

HOUR_MS = 3_600_000

NAMELESS = ("MODEL_NOT_FOUND", "REQUEST_MALFORMED", "RUNTIME_KEY_REQUIRED")
"""Why a request got no plan before anybody knew whether the model it named is one: what
callers make up is nothing that sums are told apart by."""

_Key = tuple[Any, ...]


def _places(layout: Layout, *names: str) -> Callable[[Row], _Key]:
    at = [column.name for column in layout.columns]
    return itemgetter(*(at.index(name) for name in names))


_HOUR = DIMENSIONS.index("hour")
_MODEL = DIMENSIONS.index("model_id")


def _dimensions(layout: Layout) -> Callable[[Row], _Key]:
    names = ["start_ms" if name == "hour" else name for name in DIMENSIONS]
    return _places(layout, *names)


_of_request = _dimensions(REQUESTS)
_of_attempt = _dimensions(ATTEMPTS)
_ended = _places(REQUESTS, "requested_model", "error_reason", "fell_back")
_outcome = _places(ATTEMPTS, "outcome", *ATTEMPT_FIGURES[2:])

_FIRST_OF_ATTEMPTS = len(REQUEST_FIGURES)
_FIRST_TOKENS = _FIRST_OF_ATTEMPTS + 2


def additions(requests: Iterable[Row], attempts: Iterable[Row]) -> list[Row]:
    """Add up rows by the hour, in the order of their keys."""
    sums: dict[_Key, list[int]] = {}
    for row in requests:
        asked, reason, fell_back = _ended(row)
        named = _of_request(row)
        if not named[_MODEL] and reason not in NAMELESS:
            named = (*named[:_MODEL], asked, *named[_MODEL + 1 :])
        figures = _figures(sums, named)
        figures[0] += 1
        figures[1] += bool(reason)
        figures[2] += fell_back
    for row in attempts:
        outcome, *used = _outcome(row)
        figures = _figures(sums, _of_attempt(row))
        figures[_FIRST_OF_ATTEMPTS] += 1
        figures[_FIRST_OF_ATTEMPTS + 1] += outcome != "succeeded"
        for at, amount in enumerate(used, start=_FIRST_TOKENS):
            figures[at] += amount
    # Two replicas that add to the same sums meet them in the same order: neither
    # waits for what the other one waits for.
    return [(*key, *sums[key]) for key in sorted(sums)]


def _figures(sums: dict[_Key, list[int]], named: _Key) -> list[int]:
    key = (*named[:_HOUR], named[_HOUR] // HOUR_MS, *named[_HOUR + 1 :])
    found = sums.get(key)
    if found is None:
        found = sums[key] = [0] * len(FIGURES)
    return found
