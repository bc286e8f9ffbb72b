"""Cosines of CLIP's vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
Cosines = NDArray[np.float64]
UNUSABLE = "embedding_unusable"


def unit_rows(embedding: NDArray[Any]) -> NDArray[np.float64] | None:
    """Return the rows (N, D) as float64 of length 1, or ``None`` when one is zero or not finite."""
    rows = np.asarray(embedding, dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or (lengths == 0).any():
        return None
    units: NDArray[np.float64] = rows / lengths
    return units
