"""Tables as OpenFace 2.2's FeatureExtraction writes them: names with a leading space, more columns than are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.action_units.table import UNITS

HEAD = ("frame", "face_id", "timestamp", "confidence", "success", "gaze_0_x", "pose_Rx")


def table(intensity: NDArray[np.float64], success: NDArray[np.bool_] | None = None) -> str:
    """Return the table of T frames with the intensities (T, 17) of `UNITS`."""
    there = np.ones(len(intensity), bool) if success is None else success
    presence = [f"{unit}_c" for unit in (*UNITS, "AU28")]
    lines = [", ".join((*HEAD, *(f"{unit}_r" for unit in UNITS), *presence))]
    for row, (values, found) in enumerate(zip(intensity, there, strict=True)):
        start = [str(row + 1), "0", f"{row / 25:.3f}", "0.98" if found else "0.0", str(int(found)), "0.1", "-0.2"]
        cells = (*start, *(repr(float(value)) for value in values), *("0.00" for _ in presence))
        lines.append(",".join(cell if cell == "nan" else f" {cell}" for cell in cells).strip())  # as pandas reads NaN
    return "\n".join(lines) + "\n"


def write_table(path: Path, intensity: NDArray[np.float64], success: NDArray[np.bool_] | None = None) -> Path:
    """Write it; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(table(intensity, success), encoding="utf-8")
    return path


def check_values() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the intensities of the check values (docs/definitions/action-units.md): reference and video, (50, 17)."""
    r = np.random.RandomState(0)
    reference = np.clip(5 * r.rand(50, 17), 0, 5)
    return reference, np.clip(reference + 0.3 * r.randn(50, 17), 0, 5)
