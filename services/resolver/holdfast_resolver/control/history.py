"""Generations: what edits did, what differs between two, and the way back.

The log has what every edit changed, so that walking it backwards from what is
now leads to what was. What is withheld is in no log: going back never makes a
secret good again that is not good now.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import msgspec

from holdfast.control.administration import Change, Generation
from holdfast.control.resources import KINDS, ApiKey, CustomModel
from holdfast.control.resources import Any as AnyResource
from holdfast.errors import GenerationGoneError, RequestMalformedError
from holdfast_resolver.control.records import (
    NOTHING,
    Kept,
    Logged,
    LoggedChange,
    Path,
    to_json,
    without_secrets,
)
from holdfast_resolver.control.state import State

KEPT_GENERATIONS = 100
"""How many edits can be looked at and undone. An edit changes one resource as a
rule, and etcd takes 128 operations a transaction (--max-txn-ops): all that is kept
can be undone at once."""

_MOST_LOG_BYTES = 256 << 10
"""Of one edit's states: a hundred of them are 25 MB in each replica at the worst."""


def changes_of(
    changes: Mapping[Path, AnyResource | None], state: State
) -> tuple[tuple[LoggedChange, ...], bool]:
    """Write down what an edit does, and say whether its states were too much.

    Args:
        changes: What becomes of resources; None for what is deleted.
        state: What is there before.
    """
    written = tuple(
        LoggedChange(
            path.kind,
            path.organization,
            path.names,
            NOTHING if (kept := state.get(path)) is None else _written(kept.resource),
            NOTHING if after is None else _written(after),
        )
        for path, after in changes.items()
    )
    size = sum(len(bytes(each.before)) + len(bytes(each.after)) for each in written)
    if size <= _MOST_LOG_BYTES:
        return written, False
    bare = (
        msgspec.structs.replace(each, before=NOTHING, after=NOTHING) for each in written
    )
    return tuple(bare), True


def generation_of(entry: Logged, organization: str) -> Generation | None:
    """Return what an organization may know of an edit, None if it was not its own."""
    changes = [
        Change(each.kind, each.path.text, _read(each, "before"), _read(each, "after"))
        for each in entry.changes
        if each.organization == organization
    ]
    if not changes:
        return None
    return Generation(entry.number, entry.at, entry.actor, entry.action, changes)


@dataclass(slots=True)
class _Span:
    """What a resource was at one generation and at a later one."""

    before: AnyResource | None
    after: AnyResource | None


def compare(
    state: State, first: int, second: int, organization: str
) -> tuple[Change, ...]:
    """Say what differs between two generations, from the first to the second.

    Raises:
        GenerationGoneError: One is older than what is kept, or not there yet.
    """
    spans = _spans(state, min(first, second), max(first, second), organization)
    if first > second:
        spans = {path: _Span(span.after, span.before) for path, span in spans.items()}
    return tuple(
        Change(path.kind, path.text, span.before, span.after)
        for path, span in sorted(spans.items())
        if span.before != span.after
    )


def way_back(
    state: State, to: int, organization: str
) -> Mapping[Path, AnyResource | None]:
    """Say what has to change for an organization to be as it was.

    Raises:
        GenerationGoneError: It is older than what is kept, or not there yet.
        RequestMalformedError: The organization itself was not there then.
    """
    changes: dict[Path, AnyResource | None] = {}
    for path, span in _spans(state, to, state.generation, organization).items():
        kept = state.get(path)
        wanted = _restored(span.before, kept)
        if path.kind == "organization" and wanted is None:
            raise RequestMalformedError(
                f"Organization {organization!r} was not there at generation {to}; "
                "delete it instead.",
                field="to",
            )
        if wanted != (None if kept is None else kept.resource):
            changes[path] = wanted
    return changes


def _spans(
    state: State, first: int, second: int, organization: str
) -> dict[Path, _Span]:
    spans: dict[Path, _Span] = {}
    for entry in _between(state, first, second):
        for each in entry.changes:
            if each.organization != organization:
                continue
            if entry.cut:
                raise _gone(state, first, entry.number)
            after = _read(each, "after")
            if each.path in spans:
                spans[each.path].after = after
            else:
                spans[each.path] = _Span(_read(each, "before"), after)
    return spans


def _between(state: State, first: int, second: int) -> Iterator[Logged]:
    """Walk the edits after one generation, up to another."""
    oldest = min(state.log, default=state.generation + 1) - 1
    for wanted in (first, second):
        if not oldest <= wanted <= state.generation:
            raise _gone(state, wanted, oldest)
    for number in range(first + 1, second + 1):
        if (entry := state.log.get(number)) is None:
            raise _gone(state, first, number)
        yield entry


def _gone(state: State, wanted: int, oldest: int) -> GenerationGoneError:
    return GenerationGoneError(
        f"Generation {wanted} cannot be looked at: what is kept goes from {oldest} "
        f"to {state.generation}.",
        generation=str(wanted),
        oldest=str(oldest),
        newest=str(state.generation),
    )


def _restored(then: AnyResource | None, kept: Kept | None) -> AnyResource | None:
    """Return a resource as it was, with what is withheld as it is now."""
    now = None if kept is None else kept.resource
    if isinstance(then, ApiKey):
        before = now if isinstance(now, ApiKey) else None
        ends = [end for end in (then.expires_at, before and before.expires_at) if end]
        return msgspec.structs.replace(
            then,
            secrets=before.secrets if before else (),
            # What was shut since stays shut: it may have been shut for a reason.
            disabled=then.disabled or (before is not None and before.disabled),
            expires_at=min(ends, default=None),
        )
    if isinstance(then, CustomModel):
        sealed = now.sealed_credential if isinstance(now, CustomModel) else ""
        return msgspec.structs.replace(then, sealed_credential=sealed)
    return then


def _written(resource: AnyResource) -> msgspec.Raw:
    return to_json(without_secrets(resource))


def _read(change: LoggedChange, which: str) -> AnyResource | None:
    written: msgspec.Raw = getattr(change, which)
    if bytes(written) == bytes(NOTHING):
        return None
    try:
        return cast(
            "AnyResource", msgspec.json.decode(written, type=KINDS[change.kind])
        )
    except (msgspec.MsgspecError, KeyError):
        return None
