"""Child processes that do not outlive the process that started them."""

import os
import sys
from collections.abc import Sequence

# Run between us and the child, which it becomes: asks the kernel for SIGTERM when
# the thread that started it ends. Not in a preexec_fn, because that would run
# Python in a fork of a process with gRPC's threads.
_TETHER = """
import ctypes, os, signal, sys
parent, *command = sys.argv[1:]
PR_SET_PDEATHSIG = 1
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
if os.getppid() != int(parent):
    sys.exit("whoever started this process is gone")
os.execv(command[0], command)
"""


def tethered(command: Sequence[str]) -> list[str]:
    """Return the command that runs another one and ends it with this process.

    Even a kill that this process cannot see ends the child, on Linux. The thread
    that starts the child must live as long as the process.
    """
    return [sys.executable, "-I", "-S", "-c", _TETHER, str(os.getpid()), *command]
