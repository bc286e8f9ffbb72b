"""Divide a stated amount of memory over the parent of a run and its workers.

None of it changes a number: with less memory fewer videos are read at once, and frames that lip sync needs a second
time are decoded again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from evalkit.errors import UsageError
from evalkit.text import escape_for_display
from evalkit.workers.devices.channel import WINDOW_BYTES

MIB = 1 << 20
PARENT = 512 * MIB  # of a run with ten thousand videos (docs/throughput.md)
WORKER = 128 * MIB  # interpreter and libraries
WITH_NETWORKS = 384 * MIB  # with PyTorch or ONNX Runtime, without the weights
COPIES_OF_WEIGHTS = 2  # those that were read, and those that were prepared for running
BATCHES = 2  # of the largest size: the one in a worker's window, and the device process's copy
LEAST_JOB = 1536 * MIB  # for one video: address space; clips of 4K were scored within it (docs/throughput.md)
MOST_JOB = 4096 * MIB  # as without a budget
FRAMES_SHARE = 8  # of a job's memory, a part of this many may be frames that wait for their face tracks
MOST_FRAMES = 384 * MIB  # as without a budget: 78 s at 256x256, 2.6 s at 1920x1080 (25 frames/s)

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"\s*([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([KMGT]?)(?:iB|B)?\s*", re.IGNORECASE)


@dataclass(frozen=True)
class MemoryPlan:
    """How a budget is divided.

    Args:
        total: bytes, the budget.
        workers: number of worker processes.
        worker_bytes: what one of them holds when it is ready.
        job_bytes: what it may take for a video beyond that.
        frame_bytes: frames that lip sync keeps in memory until the tracks of faces are known.
        devices: number of device processes.
        device_bytes: what one of them holds on the machine, when it is ready.
    """

    total: int
    workers: int
    worker_bytes: int
    job_bytes: int
    frame_bytes: int
    devices: int = 0
    device_bytes: int = 0

    def text(self) -> str:
        """Return one line for the user."""
        return (
            f"memory {size_text(self.total)}: {size_text(PARENT)} for evalkit itself, "
            + (f"{self.devices} x {size_text(self.device_bytes)} for GPUs' processes, " if self.devices else "")
            + f"{self.workers} worker{'s' if self.workers > 1 else ''} of up to "
            f"{size_text(self.worker_bytes + self.job_bytes)} (frames kept: {size_text(self.frame_bytes)})"
        )


def parse_memory(given: str | int) -> int:
    """Return bytes: of a number, or of text such as ``8G``, ``800M``, ``1.5 GiB``; units are powers of 1024.

    Raises:
        UsageError: not a size, or not above 0.
    """
    size = size_in_bytes(given)
    if size is None or size <= 0:
        raise UsageError(
            "The memory is not a size.",
            found=escape_for_display(str(given), limit=40),
            expected="bytes, or a number with K, M, G or T, such as 8G",
        )
    return size


def size_in_bytes(given: str | int) -> int | None:
    """Return bytes: of a number, or of text such as ``8G``, ``800M``, ``1.5 GiB``; ``None`` for what is no size."""
    found = _SIZE.fullmatch(given) if isinstance(given, str) else None
    size = int(float(found[1]) * _UNITS[found[2].upper()]) if found else given
    return None if isinstance(size, bool) or not isinstance(size, int) or size < 0 else size


def divide_memory(total: int, asked: int | None, cores: int, weight_bytes: int, devices: int = 0) -> MemoryPlan:
    """Divide a budget: as many workers as fit, at most one for each core, and equal shares of what is left.

    Args:
        total: bytes.
        asked: number of workers that the user wants; ``None`` to choose it.
        cores: processor cores.
        weight_bytes: size of the files of networks that a worker loads; 0 without networks.
        devices: how many device processes load them in place of the workers (design/025); 0 for none.

    Raises:
        UsageError: too little for the workers asked for, or for one.
    """
    ready = WITH_NETWORKS + COPIES_OF_WEIGHTS * weight_bytes if weight_bytes else WORKER
    devices, device = (devices, ready) if weight_bytes else (0, 0)
    if devices:
        ready = WITH_NETWORKS + BATCHES * WINDOW_BYTES
    fixed = PARENT + devices * device
    least = ready + LEAST_JOB
    workers = asked or max(1, min(cores, (total - fixed) // least))
    needed = fixed + workers * least
    if total < needed:
        fewer = asked is not None and asked > 1
        parts = f"{size_text(PARENT)} for evalkit itself and {size_text(least)} a worker"
        if devices:
            parts = f"{size_text(device)} for each of {devices} GPUs' processes, {parts}"
        raise UsageError(
            f"The memory is too little for {workers} worker{'s' if workers > 1 else ''}.",
            found=size_text(total),
            expected=f"at least {size_text(needed)}: {parts}",
            fix=f"Give more with --memory{', or ask for fewer --workers' if fewer else ''}.",
        )
    job = min(MOST_JOB, (total - fixed) // workers - ready)
    return MemoryPlan(total, workers, ready, job, min(MOST_FRAMES, job // FRAMES_SHARE), devices, device)


def size_text(size: int) -> str:
    """Return a size in bytes (below 10 MiB), MiB or GiB; rounded up, so that it is enough when given back."""
    if size < 10 * MIB:
        return f"{size:,} bytes"
    if size < 1 << 30:
        return f"{-(-size // MIB)} MiB"
    return f"{-(-size * 100 // (1 << 30)) / 100:g} GiB"
