"""Ending with the process that started us, also where that is killed."""

import ctypes
import os
import signal
import sys

PARENT = "DRAAS_PARENT"  # set by `draas up` for its agent
_PR_SET_PDEATHSIG = 1


def end_with_parent(environ: "os._Environ[str]" = os.environ) -> bool:
    """Have SIGTERM sent to this process when the parent named in DRAAS_PARENT dies, and say whether there is one.

    Source: prctl(2). Linux only.
    """
    parent = environ.pop(PARENT, "")
    if not parent.isdigit() or sys.platform != "linux":
        return False
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != int(parent):  # it died before we asked
        raise SystemExit(0)
    return True
