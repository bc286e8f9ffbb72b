"""From the scores of a video's frames to one score of the video."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from evalkit.errors import InputError
from evalkit.statistics.rule_names import FrameRule

EDGE = 1e-7  # the nearest that the mean of logits lets a probability come to 0 and 1, whose logits are infinite


def video_score(frames: ArrayLike, rule: FrameRule = "mean") -> float:
    """Return one score of a video.

    Args:
        frames: (k,) scores of its frames, k at least 1; from 0 to 1 for ``mean-logit``.
        rule: ``mean`` of the scores (as DeepfakeBench), ``median``, ``max``, or ``mean-logit``: the probability whose
            logit is the mean of the frames' logits.

    Raises:
        InputError: for no frames, and for scores that are no probabilities where the rule needs them.
    """
    scores = np.asarray(frames, dtype=np.float64)
    if not len(scores):
        raise InputError("A video without a score of a frame has no score.")
    if rule == "mean-logit":
        if not ((scores >= 0) & (scores <= 1)).all():
            raise InputError("The mean of logits needs probabilities from 0 to 1.")
        inside = np.clip(scores, EDGE, 1.0 - EDGE)
        return float(1.0 / (1.0 + np.exp(-np.log(inside / (1.0 - inside)).mean())))
    if rule == "median":
        return float(np.median(scores))
    return float(scores.max() if rule == "max" else scores.mean())
