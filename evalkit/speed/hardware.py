"""What determines speed on this machine, without the machine's name."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

from evalkit.speed.model import UNKNOWN_GPU, UNKNOWN_PROCESSOR

_GPUS = Path("/proc/driver/nvidia/gpus")
_SECONDS = 10.0  # for nvidia-smi to answer


def machine() -> dict[str, Any]:
    """Return processor, cores, memory and GPU (``None`` without one), system and Python."""
    return {
        "processor": _processor(),
        "cores": _cores(),
        "memory_bytes": _memory(),
        "gpu": _gpu(),
        "system": platform.system(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    named = (line.split(":", 1)[1].strip() for line in _lines(Path("/proc/cpuinfo")) if _names(line, "model name"))
    return next(named, platform.processor() or UNKNOWN_PROCESSOR)


def _cores() -> int | None:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _memory() -> int | None:
    for line in _lines(Path("/proc/meminfo")):
        words = line.split()
        if words and words[0] == "MemTotal:" and len(words) > 1 and words[1].isdecimal():
            return 1024 * int(words[1])
    return None


def _gpu() -> str | None:
    """Return the first GPU's name, and how many there are when there are more."""
    found = sorted(_GPUS.glob("*/information")) if _GPUS.is_dir() else []
    names = [
        line.split(":", 1)[1].strip() for file in found for line in _lines(file) if _names(line, "Model")
    ] or _asked_driver()
    if not names:
        return None
    return names[0] if len(names) == 1 else f"{len(names)} x {names[0]}"


def _asked_driver() -> list[str]:
    """Return the names of GPUs by nvidia-smi. Where it is installed and gives none, nobody knows what GPU there is."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    words = [program, "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=_SECONDS, check=False)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return [UNKNOWN_GPU]
    names = [line.strip() for line in done.stdout.splitlines() if line.strip()] if done.returncode == 0 else []
    return names or [UNKNOWN_GPU]


def _names(line: str, what: str) -> bool:
    return line.startswith(what) and ":" in line


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
