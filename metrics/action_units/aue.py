"""How far the action units of the face lie from those of the reference video (AUE)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.action_units.table import LOWER, UNITS, UPPER
from evalkit.metrics.base import Event, VideoValue, definition_beside, metric, unscored
from evalkit.metrics.quality.paired_pixels import LEAST_SHARE

Arrays = Mapping[str, NDArray[Any]]
MOST_WITHOUT_FACE = 0.05


@dataclass(frozen=True)
class UnitOptions:
    """Which action units are summed, and the share of frames without a face above which a video has no value."""

    units: tuple[str, ...]
    most_without_face: float = MOST_WITHOUT_FACE
    least_share: float = LEAST_SHARE


def unit_error(ours: NDArray[np.float64], theirs: NDArray[np.float64], units: tuple[str, ...]) -> float:
    """Return the sum over ``units`` of the mean over frames of the squared difference of their intensities.

    Args:
        ours: (T, 17) in the order of `UNITS`; NaN where there is no number, and then not part of the unit's mean.
        theirs: (T, 17).
        units: to be summed.

    Returns:
        0 or more; NaN where a unit has no number in common.
    """
    columns = _places(units)
    squares = np.square(ours[:, columns] - theirs[:, columns])
    there = np.isfinite(squares)
    with np.errstate(invalid="ignore"):
        means = np.where(there, squares, 0.0).sum(axis=0) / there.sum(axis=0)
    return float(means.sum())


@metric(
    id="aue.lower",
    title="AUE, lower face",
    summary="Squared difference of the lower face's action units (OpenFace 2.2) from the reference's, summed.",
    higher_is_better=False,
    range=(0.0, None),
    features=("openface", "openface_reference"),
    blind_to="Everything but the intensity of 17 action units, as OpenFace sees them.",
    citation="As auerror.py of TalkingGaussian (Li et al., ECCV 2024), also used for SyncTalk; OpenFace 2.2.0",
    people_only=True,
    missing_policy="unscored without imported tables (--features openface=DIR), without a reference video, and with "
    "more than 5 % of frames without a face on a side",
    definition=definition_beside(__file__, "aue.md"),
    notes="Rests on tables that the organizer made with OpenFace and imported. Other versions of OpenFace, its "
    "multi-face program, LibreFace and py-feat give other numbers.",
    options=UnitOptions(LOWER),
)
def action_unit_error(ours: Arrays, theirs: Arrays, options: UnitOptions) -> VideoValue | float:
    """Compare row by row, up to the shorter table's end."""
    for side, table in (("video", ours), ("reference", theirs)):
        lost = float(1.0 - table["success"].mean()) if len(table["success"]) else 1.0
        if lost > options.most_without_face:
            return unscored("no_face", f"OpenFace tracked no face in {lost:.0%} of the frames of the {side}")
    frames, whole = min(len(ours["intensity"]), len(theirs["intensity"])), len(theirs["intensity"])
    compared = f"{frames} of {whole} frames of the reference are compared ({frames / whole:.0%})"
    if frames < options.least_share * whole:
        return unscored("too_little_compared", f"{compared}; at least {options.least_share:.0%} must be")
    value = unit_error(ours["intensity"][:frames], theirs["intensity"][:frames], options.units)
    if not np.isfinite(value):
        return unscored("not_finite", "an action unit has no number in common with the reference")
    events = [
        Event("numbers_missing", f"{missing} of {used.size} intensities of the {side} are no numbers and left out")
        for side, table in (("video", ours), ("reference", theirs))
        if (missing := int(np.isnan(used := table["intensity"][:frames, _places(options.units)]).sum()))
    ]
    if frames < whole - 1:
        events.append(Event("shorter_than_reference", compared))
    return VideoValue(value, events=tuple(events))


def _places(units: tuple[str, ...]) -> list[int]:
    return [UNITS.index(unit) for unit in units]


METRICS = (
    action_unit_error,
    action_unit_error.variant(
        id="aue.upper",
        title="AUE, upper face",
        summary="Squared difference of the upper face's action units (OpenFace 2.2) from the reference's, summed.",
        options=UnitOptions(UPPER),
    ),
    action_unit_error.variant(
        id="aue.total",
        title="AUE",
        summary="Squared difference of 17 action units (OpenFace 2.2) from the reference's, summed.",
        options=UnitOptions(UNITS),
    ),
)
