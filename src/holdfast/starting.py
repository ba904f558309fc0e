"""Heeding SIGTERM while a process still loads, which takes it a second.

A container's first process is not ended by a signal that it does not handle: one
that came before the event loop's own handlers would be lost, and the process would
serve on until it is killed.
"""

import signal
import sys
from types import FrameType


def leave_when_told() -> None:
    """End the process at SIGTERM, until somebody else handles it."""
    signal.signal(signal.SIGTERM, _leave)


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)
