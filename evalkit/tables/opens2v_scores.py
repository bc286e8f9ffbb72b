"""OpenS2V-Eval's NexusScore and motion smoothness from what its networks said, and a subject score without their traps.

Yuan et al., OpenS2V-Nexus, arXiv 2505.20292: eval/get_nexusscore.py and eval/get_motion_smoothness.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

LEAST_CONFIDENCE: Final = 0.6  # of the detector, above which a box counts
LEAST_TEXT: Final = 0.30  # similarity of the box to the subject's name, above which it counts
JUMP: Final = 0.025  # of Q-Align's value from one frame to the next, above which both frames count as bad


@dataclass(frozen=True)
class Detection:
    """A box that YOLO-World found for a reference image in a frame.

    Args:
        frame: from 0.
        reference: number of the reference image, from 0.
        confidence: of the detector, 0..1.
        text: GME similarity of the box to the subject's name.
        image: GME similarity of the box to the reference image.
    """

    frame: int
    reference: int
    confidence: float
    text: float
    image: float

    @property
    def counts(self) -> bool:
        """Whether the scripts keep it."""
        return self.confidence > LEAST_CONFIDENCE and self.text > LEAST_TEXT and self.image != 0


def nexus_parity(found: Sequence[Detection], version: Literal["1.1", "1.0"] = "1.1") -> float:
    """Return NexusScore as the scripts compute it: the mean of the boxes that count, by the frames with any box.

    A mean that is divided by a number of frames falls with every further frame in which the subject is seen: one seen
    in a single frame scores highest. 0 where no box counts.

    Args:
        found: all boxes of the video.
        version: 1.0 divides by the frames with a box, counted for each reference image.
    """
    kept = [one.image for one in found if one.counts]
    if not kept:
        return 0.0
    with_box = {one.frame if version == "1.1" else (one.frame, one.reference) for one in found}
    return float(np.mean(kept)) / len(with_box)


def nexus(found: Sequence[Detection], frames: int, references: int) -> float:
    """Return how well the subjects are kept: the mean over frames and references of the best box that counts.

    A frame without the subject counts as 0, so being seen more often is never worse. evalkit's own.

    Args:
        found: all boxes of the video.
        frames: that were looked at, at least 1.
        references: reference images, at least 1.
    """
    best: dict[tuple[int, int], float] = {}
    for one in found:
        if one.counts:
            key = (one.frame, one.reference)
            best[key] = max(best.get(key, 0.0), one.image)
    return sum(best.values()) / (frames * references)


def smoothness(values: Sequence[float]) -> float | None:
    """Return 1 less the share of frames beside a jump of Q-Align's value; ``None`` without a frame.

    Args:
        values: Q-Align's video quality of the three frames around each frame, 0..1.
    """
    if not values:
        return None
    jumps = np.flatnonzero(np.abs(np.diff(values)) > JUMP)
    return 1.0 - len(np.union1d(jumps, jumps + 1)) / len(values)
