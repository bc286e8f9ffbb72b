"""How far SyncNet's lips lie from its audio at each shift, from which every later step can be computed.

See docs/definitions/lip-sync.md#syncnet.

Everything that confidence, distance and offset need is 31 distances a window and the length of the lip vector, 128
bytes where the embeddings themselves take 8 kB.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.features.audio import RATE

# Frames per second of everything that SyncNet sees. It was trained at 25: another rate needs another network, and
# changes lengths that are counted in frames (`tracks.TrackOptions`, `SHIFTS`).
FRAME_RATE = 25
SHIFTS = 15  # frames to either side
CURVE = 2 * SHIFTS + 1
FRAMES_PER_WINDOW = 5
SAMPLES_PER_FRAME = RATE // FRAME_RATE
ROWS_PER_WINDOW = 4  # of MFCC, one every 10 ms, from one window to the next
_ROWS = 1024  # windows compared at once: 8 MB of float64
EPSILON = 1e-6  # PyTorch's pairwise_distance adds it to every component of the difference


def window_count(frames: int, samples: int) -> int:
    """Return the number of windows of ``frames`` at 25/s and ``samples`` at 16 kHz; never negative.

    The last window that would fit is left out, as the reference does.
    """
    return max(0, min(frames, samples // SAMPLES_PER_FRAME) - FRAMES_PER_WINDOW)


def shift_distances(lips: NDArray[Any], audio: NDArray[Any], shifts: int = SHIFTS) -> NDArray[np.float32]:
    """Return ``D[i, k] = || lips[i] - padded[i + k] + 1e-6 ||``, where ``padded`` is audio between zero vectors.

    Column ``k`` compares with the audio of ``k - shifts`` windows later.

    Args:
        lips, audio: (n, d) embeddings of the same windows.
        shifts: zero vectors before and after ``audio``.

    Returns:
        (n, 2 shifts + 1) float32.

    Raises:
        ValueError: when the two differ in shape.
    """
    if lips.shape != audio.shape or lips.ndim != 2:
        raise ValueError(f"lips and audio have one shape (n, d), found {lips.shape} and {audio.shape}")
    return padded_distances(lips, np.pad(audio.astype(np.float32), ((shifts, shifts), (0, 0))))


def padded_distances(lips: NDArray[Any], padded: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``D[i, k] = || lips[i] - padded[i + k] + 1e-6 ||``: (n, m - n + 1) float32, a block of rows at a time.

    Args:
        lips: (n, d).
        padded: (m, d), m >= n.
    """
    count, columns = len(lips), len(padded) - len(lips) + 1
    found = np.empty((count, columns), dtype=np.float32)
    for start in range(0, count, _ROWS):
        near = lips[start : start + _ROWS].astype(np.float32) + np.float32(EPSILON)
        for k in range(columns):
            found[start : start + _ROWS, k] = _norms(near - padded[start + k : start + k + len(near)])
    return found


def silent_distances(lips: NDArray[Any]) -> NDArray[np.float32]:
    """Return the distance of each lip vector (n, d) to the zero vector, as `shift_distances` has it: (n,) float32."""
    blocks = (lips[start : start + _ROWS] for start in range(0, len(lips), _ROWS))
    return np.concatenate(
        [np.empty(0, np.float32), *(_norms(block.astype(np.float32) + np.float32(EPSILON)) for block in blocks)]
    )


def _norms(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.sqrt(np.square(rows, dtype=np.float64).sum(axis=1)), dtype=np.float32)
