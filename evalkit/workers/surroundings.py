"""What all processes that evalkit starts have in common: their environment, and how they end."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path

_WHEN_PARENT_ENDS = 1  # PR_SET_PDEATHSIG


def environment() -> dict[str, str]:
    """One thread per library and process: results must not depend on the number of cores."""
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
    paths = [path or str(Path.cwd()) for path in sys.path]
    return {**os.environ, **single, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}


def wake_with_parent() -> None:
    """Let the kernel wake this process, should it be stopped, when its parent is gone: then it sees that and leaves.

    The kernel does so too when the thread ends that started the process, which may be long before the parent. So it
    sends SIGCONT, which does nothing to a process that runs, and not SIGKILL, which would also leave files behind.
    Elsewhere than on Linux nothing happens, and a process that is stopped outlives its parent.
    """
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_WHEN_PARENT_ENDS, ctypes.c_ulong(signal.SIGCONT))


def kill(process: subprocess.Popen[bytes]) -> None:
    """End the process and whatever it started, unless its number may already belong to another."""
    if process.returncode is not None:
        return
    with contextlib.suppress(OSError):  # it ended by itself in between
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(OSError):  # as above
        process.kill()
