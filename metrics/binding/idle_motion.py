"""Whether a mouth rests while only others speak."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.base import Event, VideoValue, definition_beside, metric, unscored


@dataclass(frozen=True)
class IdleMotion:
    """Constants.

    Args:
        frames: at 25/s that are needed of each kind: the person speaks, only others do.
        still: spread of the opening, in distances of the eyes, below which a mouth doesn't speak at all.
    """

    frames: int = 25
    still: float = 0.005


@metric(
    id="bind.idle_motion",
    title="Idle mouth motion",
    features=("binding", "binding_mouths"),
    higher_is_better=False,
    range=(0.0, None),
    people_only=True,
    ignores_own_audio=True,
    citation="this project",
    missing_policy="persons without landmarks are left out; unscored without any",
    blind_to="Which voice a mouth follows while its person speaks: see bind.acc_person.",
    definition=definition_beside(__file__, "binding.md"),
    options=IdleMotion(),
)
def idle_motion(
    binding: Mapping[str, NDArray[Any]], mouths: Mapping[str, NDArray[Any]], options: IdleMotion
) -> VideoValue:
    """Spread of a mouth's opening while only others speak, by that while its person speaks; 1: it never rests."""
    shared = min(binding["active"].shape[1], mouths["opening"].shape[1])
    active, opening = binding["active"][:, :shared], mouths["opening"][:, :shared].astype(np.float64)
    found, missing = [], []
    for i, name in enumerate(binding["name"]):
        known = np.isfinite(opening[i])
        speaks = known & active[i]
        rests = known & ~active[i] & np.delete(active, i, axis=0).any(axis=0)
        if min(speaks.sum(), rests.sum()) < options.frames:
            missing.append(
                f"'{name}': mouth seen in {speaks.sum()} frames of speech and {rests.sum()} of others' speech"
            )
            continue
        spread = float(np.std(opening[i][speaks]))
        if spread < options.still:
            missing.append(f"'{name}': the mouth doesn't move while they speak")
            continue
        found.append(float(np.std(opening[i][rests])) / spread)
    events = (Event("person_without_mouth", "; ".join(missing)),) if missing else ()
    if not found:
        return VideoValue(None, "no_mouth", events) if events else unscored("no_mouth")
    return VideoValue(fmean(found), events=events)


METRICS = (idle_motion,)
