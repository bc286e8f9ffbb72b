"""Names of rules that challenge files use; without the arithmetic, so that reading a challenge loads no arrays."""

from __future__ import annotations

from typing import Literal

FrameRule = Literal["mean", "median", "max", "mean-logit"]  # from the scores of frames to that of the video
