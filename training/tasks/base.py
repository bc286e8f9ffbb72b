"""A training task: trains one network on arrays of the dataset and returns it with its figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import nn

Figures = Mapping[str, float]


@dataclass(frozen=True)
class TrainingOptions:
    """How to train one network.

    Args:
        dataset: folder that `training.dataset.make_dataset` wrote.
        seed: of the initial weights and of every batch.
        effort: share of the usual number of steps; small for tests.
    """

    dataset: Path
    seed: int
    effort: float = 1.0

    def steps(self, usual: int) -> int:
        """Return the number of training steps."""
        return max(2, round(usual * self.effort))


TrainingTask = Callable[[TrainingOptions], tuple[nn.Module, Figures]]
