"""Identity similarity of one video from the cosines of its sampled frames (docs/definitions/identity.md).

A list of cosines has one entry per sampled frame, in time order: the cosine between the reference's and the frame's
face embedding, or ``None`` where no face was found. "Strict" values count a missing face as 0 and a negative cosine as
0, so that hiding the face never pays. Every function raises ValueError for an empty list (a video without sampled
frames is unscored, which the caller must handle) and for a cosine that is not finite or not in -1..1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Cosines = Sequence[float | None]
_ROUNDING = 1e-6


def strict_values(cosines: Cosines) -> NDArray[np.float64]:
    """``max(0, cosine)`` per sampled frame and 0 where the face is missing: float64 (n,) in 0..1."""
    if not cosines:
        raise ValueError("identity needs at least one sampled frame")
    for value in cosines:
        if value is not None and not (math.isfinite(value) and abs(value) <= 1 + _ROUNDING):
            raise ValueError(f"a cosine is in -1..1, not {value}")
    return np.array([0.0 if value is None else min(1.0, max(0.0, float(value))) for value in cosines])


def strict_mean(cosines: Cosines) -> float:
    """Mean over *all* sampled frames, 0..1, higher is better: docs/definitions/identity.md#strict."""
    return float(strict_values(cosines).mean())


def consisid_mean(cosines: Cosines) -> float:
    """Mean over the frames with a face, 0..1, higher is better: the rule of ConsisID.

    See docs/definitions/identity.md#consisid.

    0.0 when no frame has a face, as in the reference implementation. A video that shows a good face once and hides it
    otherwise scores high: display it, rank on :func:`strict_mean`.
    """
    values = strict_values(cosines)
    found = np.array([value is not None for value in cosines])
    return float(values[found].mean()) if found.any() else 0.0


def mean_found(cosines: Cosines) -> float | None:
    """Mean of the cosines of the frames with a face, -1..1, nothing clamped; ``None`` when no frame has one."""
    strict_values(cosines)
    found = [value for value in cosines if value is not None]
    return float(np.mean(found)) if found else None


def mean_missing_zero(cosines: Cosines) -> float:
    """Mean of the cosines of all sampled frames, -1..1, 0 where the face is missing; nothing clamped."""
    strict_values(cosines)
    return float(np.mean([0.0 if value is None else value for value in cosines]))


def worst(cosines: Cosines) -> float:
    """Smallest strict value, 0..1; 0.0 as soon as one frame lacks the face."""
    return float(strict_values(cosines).min())


def percentile_5(cosines: Cosines) -> float:
    """5th percentile of the strict values (linear interpolation), 0..1: a minimum that one bad frame can't decide."""
    return float(np.percentile(strict_values(cosines), 5, method="linear"))


def drift(cosines: Cosines) -> float | None:
    """How much identity is lost from the first to the last sampled frame, in cosine units; lower is better.

    The least-squares line through the strict values over evenly spaced times, its value at the start minus its value
    at the end. 0 for constant identity, positive where identity fades, negative where it improves; within -1.5..1.5
    (a step in the middle is the steepest case). ``None`` for a single frame, which has no direction.
    """
    values = strict_values(cosines)
    if len(values) < 2:
        return None
    time = np.linspace(-0.5, 0.5, len(values))
    return float(-(time @ (values - values.mean())) / (time @ time))


def detection_rate(cosines: Cosines) -> float:
    """Fraction of sampled frames with a face, 0..1: the coverage of the identity values."""
    strict_values(cosines)
    return sum(value is not None for value in cosines) / len(cosines)


def reference_embedding(embeddings: ArrayLike) -> NDArray[np.float64]:
    """One embedding for several reference images of a person: mean of the normalised ones, normalised.

    Args:
        embeddings: (K, D), K >= 1, of any length but zero.

    Returns:
        float64 (D,) of length 1. For K = 1 it has the direction of the only one.

    Raises:
        ValueError: another shape, an embedding that is zero or not finite, or embeddings that cancel out.
    """
    array = np.asarray(embeddings, dtype=np.float64)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"reference embeddings are (K, D) with K >= 1, not {array.shape}")
    lengths = np.linalg.norm(array, axis=1, keepdims=True)
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise ValueError("a reference embedding is zero or not finite")
    mean = (array / lengths).mean(axis=0)
    length = float(np.linalg.norm(mean))
    if length <= _ROUNDING:
        raise ValueError("the reference embeddings point in opposite directions and cancel out")
    return np.asarray(mean / length)
