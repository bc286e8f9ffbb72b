"""What all processes that evalkit starts have in common: their environment, and how they are ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path


def environment() -> dict[str, str]:
    """One thread per library and process: results must not depend on the number of cores."""
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
    paths = [path or str(Path.cwd()) for path in sys.path]
    return {**os.environ, **single, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}


def kill(process: subprocess.Popen[bytes]) -> None:
    """End the process and whatever it started, unless its number may already belong to another."""
    if process.returncode is not None:
        return
    with contextlib.suppress(OSError):  # it ended by itself in between
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(OSError):  # as above
        process.kill()
