"""What a narrower scope says otherwise of the defaults of a wider one.

An organization over the file, a project over its organization, and an alias over
whichever project names it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from msgspec import Struct

from holdfast.control.resources import Hedging, Overrides
from holdfast.model import Hedge, Limits
from holdfast.settings import Defaults

_ATTEMPT_SPANS = {
    "connect_timeout_s": "connect_timeout",
    "first_token_timeout_s": "first_token_timeout",
    "idle_timeout_s": "idle_timeout",
}
_REQUEST_SPANS = {
    "request_timeout_s": "request_timeout",
    "retry_after_cap_s": "retry_after_cap",
}
_COUNTS = ("retries_per_deployment", "max_attempts", "parse_retries")
_UNLIMITED = ("session_ttl_s", "derived_sessions")
"""The fields of `Defaults` that are not among its limits."""


def overridden(base: Defaults, given: Overrides | None) -> Defaults:
    """Let what a narrower scope says hold over what a wider one does."""
    if given is None:
        return base
    limits = _same(given, _COUNTS) | _spans(given, _REQUEST_SPANS)
    if given.attempt is not None:
        limits |= _spans(given.attempt, _ATTEMPT_SPANS)
    if given.on_content_filter is not None:
        falls_back = given.on_content_filter == "fallback"
        limits["fall_back_on_content_filter"] = falls_back
    if given.midstream is not None:
        limits["rescue_streams"] = given.midstream == "rescue"
    if given.hedge is not None:
        limits["hedge"] = _hedge(base.limits.hedge, given.hedge)
    wider: Limits = base.limits
    return replace(base, limits=replace(wider, **limits), **_same(given, _UNLIMITED))


def _hedge(wider: Hedge | None, given: Hedging) -> Hedge | None:
    """Merge what is said of hedges; a share of nothing is none at all."""
    told = _spans(given, {"after_s": "after"}) | _same(given, ("max_share",))
    hedge = replace(wider or Hedge(), **told)
    return hedge if hedge.max_share else None


def _same(given: Struct, names: Iterable[str]) -> dict[str, Any]:
    told = {name: getattr(given, name) for name in names}
    return {name: value for name, value in told.items() if value is not None}


def _spans(given: Struct, names: Mapping[str, str]) -> dict[str, Any]:
    """Read spans of time that are told in seconds, under the names of `Limits`."""
    told = _same(given, names)
    return {names[name]: timedelta(seconds=value) for name, value in told.items()}
