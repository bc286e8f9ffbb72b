"""Ratings that several tests look at."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray


@pytest.fixture(scope="session")
def sample() -> NDArray[np.float64]:
    """Return a made-up panel on a five-point scale, (79 items, 26 raters), one score missing, four raters careless."""
    rng = np.random.default_rng(79)
    truth = rng.uniform(1.5, 5, 79)
    spread = np.concatenate([[1.8, 1.8, 1.6, 1.5], rng.uniform(0.4, 0.8, 22)])
    scores = np.clip(np.rint(truth[:, None] + rng.normal(0, 0.3, 26) + spread * rng.normal(size=(79, 26))), 1, 5)
    scores[40, 7] = np.nan
    return scores
