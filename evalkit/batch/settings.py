"""What all submissions of a run share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from evalkit.batch.entries import Entry
from evalkit.challenges.model import Challenge
from evalkit.scoring.engine import LocalEngine
from evalkit.scoring.imports import Imports, open_imports
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
        features: source -> folder with a folder of imported files for each submission (`evalkit.scoring.imports`).
    """

    challenge: Challenge
    testset: TestSet
    plan: RunPlan
    out: Path
    options: RunOptions
    engine: LocalEngine
    retry: bool = False
    chosen: bool = False
    features: Mapping[str, Path] = field(default_factory=dict)

    def imports_of(self, entry: Entry, submission: Path) -> Imports:
        """Return the imported files of one submission, which lie under the name that the folder of its results has.

        Raises:
            UsageError: there are none, or they aren't as they must be.
        """
        folders = {source: folder / entry.folder for source, folder in self.features.items()}
        return open_imports(folders, self.testset, self.plan, submission) if folders else Imports()
