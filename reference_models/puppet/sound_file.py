"""Writing a voice to a file."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evalkit.files import atomic_write
from evalkit.reference_models.puppet.voice import RATE


def write_wav(path: Path, samples: NDArray[np.float32], rate: int = RATE) -> None:
    """Write mono 16-bit audio of (N,) float32 in -1..1.

    Raises:
        StorageError: the file can't be written.
    """
    with atomic_write(path) as stream, wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1) * 32767).round().astype("<i2").tobytes())
