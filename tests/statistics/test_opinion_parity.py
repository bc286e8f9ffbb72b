"""The same numbers from sureal and krippendorff, on two made-up panels.

The example that sureal publishes is not evalkit's to ship. With ``EVALKIT_SUREAL_EXAMPLE`` naming the file
``resource/dataset/NFLX_dataset_public_raw_last4outliers.py`` of https://github.com/Netflix/sureal, all of this runs on
it as well.
"""

from __future__ import annotations

import os
import runpy
import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from evalkit.statistics.agreement import krippendorff_alpha
from evalkit.statistics.mos import mean_scores, remove_bias, standardise
from evalkit.statistics.opinion_table import OpinionTable, from_matrix
from evalkit.statistics.screening import bt500, rejected_raters
from evalkit.statistics.subject_model import projected_scores

pytestmark = pytest.mark.oracles
ORACLE = Path(__file__).parent.parent / "oracles" / "opinion_reference.py"
SCALES = ("nominal", "ordinal", "interval", "ratio")
TOLERANCE = 1e-6
EXAMPLE = os.environ.get("EVALKIT_SUREAL_EXAMPLE")


class Comparison(NamedTuple):
    table: OpinionTable
    codings: np.ndarray
    theirs: dict[str, np.ndarray]


def made_up():
    """Return scores with gaps, in which contents blur a little: (48 items, 14 raters), and the items' contents."""
    rng = np.random.default_rng(12)
    contents = np.arange(48) % 4
    blur = np.array([0.1, 0.2, 0.3, 0.4])[contents]
    noise = np.linspace(0.7, 1.3, 14)
    scores = rng.uniform(1, 5, 48)[:, None] + rng.normal(0, 0.5, 14)
    scores = scores + rng.normal(size=(48, 14)) * np.sqrt(noise**2 + blur[:, None] ** 2)
    scores[rng.random(scores.shape) < 0.1] = np.nan
    return scores, contents


def codings():
    """Return (6 tables, 5 raters, 30 units) of scores from 1 to 5, with more and more gaps."""
    rng = np.random.default_rng(21)
    tables = np.clip(rng.integers(1, 6, (6, 1, 30)) + rng.integers(-1, 2, (6, 5, 30)), 1, 5).astype(float)
    tables[rng.random(tables.shape) < np.linspace(0, 0.6, 6)[:, None, None]] = np.nan
    return tables


def published():
    """Return the scores of sureal's example, (79 items, 26 raters), and the items' contents."""
    items = runpy.run_path(str(EXAMPLE))["dis_videos"]
    _, contents = np.unique([item["content_id"] for item in items], return_inverse=True)
    return np.array([item["os"] for item in items], float), contents


@pytest.fixture(scope="module", params=["panel", "made-up", *(["published"] if EXAMPLE else [])])
def comparison(request, sample, oracle_python, tmp_path_factory) -> Comparison:
    panels = {"panel": lambda: (sample, np.arange(79) % 9), "made-up": made_up, "published": published}
    scores, contents = panels[request.param]()
    folder = tmp_path_factory.mktemp("opinion")
    np.savez(folder / "job.npz", scores=scores, contents=contents, codings=codings())
    command = [str(oracle_python), str(ORACLE), str(folder / "job.npz"), str(folder / "result.npz")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Comparison(from_matrix(scores), codings(), dict(np.load(folder / "result.npz")))


def close(ours, theirs) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE)


def test_plain_scores_and_errors(comparison) -> None:
    for name, table in (
        ("mos", comparison.table),
        ("zscore", standardise(comparison.table)[0]),
        ("unbiased", remove_bias(comparison.table)[0]),
    ):
        found = mean_scores(table)
        close(found.score, comparison.theirs[f"{name}_score"])
        close(found.error, comparison.theirs[f"{name}_error"])
    close(remove_bias(comparison.table)[1], comparison.theirs["unbiased_bias"])


@pytest.mark.parametrize("name", ["bt500", "p913"])
def test_rejection(comparison, name) -> None:
    table = comparison.table if name == "bt500" else remove_bias(comparison.table)[0]
    verdicts = bt500(table, share_of="all")
    rejected = rejected_raters(verdicts)
    assert rejected == np.flatnonzero(comparison.theirs[f"{name}_rejected"]).tolist()
    close([verdict.statistic for verdict in verdicts], comparison.theirs[f"{name}_share"])
    imbalance = [verdict.figures.get("imbalance", np.nan) for verdict in verdicts]
    close(imbalance, comparison.theirs[f"{name}_imbalance"])
    found = mean_scores(table.without(rejected))
    close(found.score, comparison.theirs[f"{name}_score"])
    close(found.error, comparison.theirs[f"{name}_error"])


def test_model_of_raters(comparison) -> None:
    found, theirs = projected_scores(comparison.table), comparison.theirs
    for field in ("score", "error", "bias", "bias_error", "inconsistency"):
        close(getattr(found, field), theirs[f"projected_{field}"])
    below, above = theirs["projected_inconsistency_ci95"]
    close(found.inconsistency - found.inconsistency_low, below)
    close(found.inconsistency_high - found.inconsistency, above)
    assert found.rounds == theirs["projected_rounds"]


def test_krippendorff(comparison) -> None:
    for coding, theirs in zip(comparison.codings, comparison.theirs["alpha"], strict=True):
        ours = [krippendorff_alpha(from_matrix(coding.T), scale).value for scale in SCALES]
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)
