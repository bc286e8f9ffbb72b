"""What all submissions of a run share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from evalkit.challenges.model import Challenge
from evalkit.scoring.engine import LocalEngine
from evalkit.scoring.plan import RunPlan
from evalkit.scoring.run import RunOptions
from evalkit.testsets.model import TestSet


@dataclass(frozen=True)
class Settings:
    """By what submissions are scored, and where the results go.

    Args:
        challenge, testset, plan: by which, on what, and how they are scored.
        out: folder of the results.
        options: of each run: cache, reference pack, whether to compute again what is cached and finished.
        engine: what `options` has for a submission that is alone: the number of workers and the limits.
        retry: score again those of which something has no number.
        chosen: whether the caller named the metrics.
    """

    challenge: Challenge
    testset: TestSet
    plan: RunPlan
    out: Path
    options: RunOptions
    engine: LocalEngine
    retry: bool = False
    chosen: bool = False
