"""What is known of a call that failed: what went on, and what services noted of it."""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from ha.course import Past, during
from ha.load import Note
from ha.pressure import Pressure

_BEFORE_S = 10.0
"""What went on that long before a call may still be why it failed, in seconds."""

_LINES = 5
"""Last lines of each service's log in the call's time."""


def inquest(
    note: Note, past: Iterable[Past], pressure: Pressure, folder: Path
) -> Iterator[str]:
    """Give lines that say all there is to say of a call.

    Args:
        note: The call's.
        past: What happened.
        pressure: How busy the machine was.
        folder: Where the logs are.
    """
    begin_s, end_s = note.at_s - _BEFORE_S, note.ended_s
    way = f"{note.way.surface}{' streamed' if note.is_streamed else ''}"
    yield f"call {note.call} ({way}{' ' + note.way.manner if note.way.manner else ''})"
    yield f"  trace {note.trace}, session {note.session or 'none'}, {note.edge}"
    yield f"  {_clock(note.at_s)} for {note.took_s:.2f} s: {note.error or 'answered'}"
    for loss in note.losses:
        yield f"  lost: {loss.what} at {loss.edge}, {'told' if loss.told else 'untold'}"
    yield f"  the machine was {pressure.words(note.at_s, end_s)}"
    for each in during(past, begin_s, end_s):
        ended = "goes on" if each.ended_s is None else f"to {_clock(each.ended_s)}"
        yield f"  {_clock(each.began_s)} {ended}: {each.happening}"
    for log in sorted(folder.glob("*.log")):
        for line in _lines(log, note, begin_s):
            yield f"  {log.stem}: {line[:400]}"


def _lines(log: Path, note: Note, begin_s: float) -> list[str]:
    """Return the lines that name the call's trace; else the last ones of its time."""
    lines = log.read_text(errors="replace").splitlines()
    if named := [line for line in lines if note.trace in line]:
        return named
    return [line for line in lines if begin_s <= _time_of(line) <= note.ended_s][
        -_LINES:
    ]


def _time_of(line: str) -> float:
    try:
        said = json.loads(line)
        return datetime.fromisoformat(said.get("timestamp") or said["ts"]).timestamp()
    except (ValueError, KeyError, TypeError, AttributeError):
        return 0.0


def _clock(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%H:%M:%S.%f")[:-3]
