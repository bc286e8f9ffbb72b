"""The parts of a face's motion in a conversation: what was submitted, what the speaker did, what the partner did.

The order of the parts is not the same everywhere: a submitted array (frames, 56) is expression, jaw, head rotation; in
the test set's files ``pose`` (frames, 6) is head rotation, then jaw. Here they get their names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.features.base import FeatureOptions, FeatureUnavailableError, Item, described
from evalkit.metrics.features.coefficients import one_array, read_motion
from evalkit.metrics.features.declare import file_feature

Parts = dict[str, NDArray[np.float64]]
ARRAYS = {
    "exp": "(T, 50) float64: expression",
    "jaw": "(T, 3) float64: jaw, axis-angle in radians",
    "pose": "(T, 3) float64: head rotation, axis-angle in radians",
}


@dataclass(frozen=True)
class SubmittedOptions(FeatureOptions):
    """Options of ``dual_motion``: where the parts are in a submitted array."""

    array: str = described("motion")
    columns: tuple[tuple[str, int, int], ...] = (("exp", 0, 50), ("jaw", 50, 53), ("pose", 53, 56))


@dataclass(frozen=True)
class TruthOptions(FeatureOptions):
    """Options of ``dual_motion_reference`` and ``dual_motion_partner``: where the parts are in a file."""

    columns: tuple[tuple[str, str, int, int], ...] = (
        ("exp", "exp", 0, 50),
        ("jaw", "pose", 3, 6),
        ("pose", "pose", 0, 3),
    )


@file_feature(
    name="dual_motion",
    version=1,
    title="expression, jaw and head rotation as submitted",
    inputs=frozenset({"video"}),
    reads=frozenset({"motion"}),
    options=SubmittedOptions(),
    arrays=ARRAYS,
)
def submitted(item: Item, options: SubmittedOptions) -> Mapping[str, NDArray[np.float64]]:
    """Divide the columns of the submitted array."""
    whole = one_array(read_motion(item.video), options.array)
    width = max(end for *_, end in options.columns)
    return {name: _columns(whole, begin, end, width, "motion") for name, begin, end in options.columns}


@file_feature(
    name="dual_motion_reference",
    version=1,
    title="expression, jaw and head rotation of the speaker, by the test set",
    inputs=frozenset({"motion"}),
    options=TruthOptions(),
    arrays=ARRAYS,
)
def truth(item: Item, options: TruthOptions) -> Mapping[str, NDArray[np.float64]]:
    """Read the sample's own motion."""
    return _of_testset(item.motion, "reference_motion", options)


@file_feature(
    name="dual_motion_partner",
    version=1,
    title="expression, jaw and head rotation of the person who is spoken to, by the test set",
    inputs=frozenset({"partner_motion"}),
    options=TruthOptions(),
    arrays=ARRAYS,
)
def partner(item: Item, options: TruthOptions) -> Mapping[str, NDArray[np.float64]]:
    """Read the partner's motion."""
    return _of_testset(item.partner_motion, "partner_motion", options)


def _of_testset(path: Path | None, what: str, options: TruthOptions) -> Parts:
    arrays = read_motion(path, what)
    widths = {array: max(end for _, other, _, end in options.columns if other == array) for array in ("exp", "pose")}
    parts = {}
    for name, array, begin, end in options.columns:
        if array not in arrays:
            raise FeatureUnavailableError(
                f"{what}_lacks_array", f"there is no array '{array}', but {', '.join(arrays) or 'none'}"
            )
        parts[name] = _columns(arrays[array], begin, end, widths[array], what)
    if len({len(part) for part in parts.values()}) > 1:
        raise FeatureUnavailableError(f"{what}_unusable", "expression and pose have different numbers of frames")
    return parts


def _columns(whole: NDArray[Any], begin: int, end: int, width: int, what: str) -> NDArray[np.float64]:
    """Return columns of an array (T, width), which must be finite."""
    if whole.ndim != 2 or whole.shape[1] != width or not len(whole):
        found = " x ".join(map(str, whole.shape)) or "one number"
        raise FeatureUnavailableError(f"{what}_unusable", f"an array of {found}; frames x {width} are needed")
    part = np.ascontiguousarray(whole[:, begin:end], dtype=np.float64)
    if not np.isfinite(part).all():
        raise FeatureUnavailableError(f"{what}_not_finite", "a coefficient is NaN or infinite")
    return part


FEATURES = (submitted, truth, partner)
