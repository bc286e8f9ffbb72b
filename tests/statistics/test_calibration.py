"""Probabilities of being fake: hand arithmetic and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from evalkit.errors import InputError
from evalkit.statistics.calibration import Forecasts
from evalkit.statistics.frame_rules import video_score

LABELS = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
SCORES = np.array([0.05, 0.10, 0.20, 0.40, 0.70, 0.30, 0.40, 0.80, 0.90, 0.95])


def test_ten_videos():
    forecasts = Forecasts(LABELS, SCORES)
    assert forecasts.brier()[0] == pytest.approx(0.1605, abs=1e-12)
    assert forecasts.calibration_error()[0] == pytest.approx(0.23, abs=1e-12)
    assert np.mean((SCORES >= 0.5) == LABELS) == 0.7


def test_against_scikit_learn_and_a_plain_loop():
    rng = np.random.default_rng(3)
    for _ in range(20):
        labels, probabilities = rng.integers(0, 2, 100), np.round(rng.uniform(size=100), 2)
        forecasts = Forecasts(labels, probabilities)
        assert forecasts.brier()[0] == pytest.approx(brier_score_loss(labels, probabilities), abs=1e-12)
        error = 0.0
        for at in range(15):
            inside = (probabilities >= at / 15) & (probabilities < (at + 1) / 15 if at < 14 else probabilities <= 1)
            if inside.any():
                error += inside.mean() * abs(labels[inside].mean() - probabilities[inside].mean())
        assert forecasts.calibration_error()[0] == pytest.approx(error, abs=1e-12)


def test_weights_are_repetitions():
    rng = np.random.default_rng(4)
    labels, probabilities = rng.integers(0, 2, 50), rng.uniform(size=50)
    weights = rng.integers(0, 4, (2, 50))
    forecasts = Forecasts(labels, probabilities)
    for at, row in enumerate(weights):
        single = Forecasts(np.repeat(labels, row), np.repeat(probabilities, row))
        assert forecasts.brier(weights)[at] == pytest.approx(single.brier()[0], abs=1e-12)
        assert forecasts.calibration_error(weights)[at] == pytest.approx(single.calibration_error()[0], abs=1e-12)
    assert np.isnan(forecasts.brier(np.zeros((1, 50)))[0])


def test_reliability_has_the_bins_with_videos():
    found = Forecasts([0, 1, 1, 1], [0.01, 0.03, 0.97, 1.0]).reliability()
    assert list(found.counts) == [2, 2]
    assert list(found.probability) == pytest.approx([0.02, 0.985])
    assert list(found.share) == [0.5, 1.0]


@pytest.mark.parametrize("probabilities", [[0.1, 1.1], [-0.1, 0.5], [np.nan, 0.5], [0.5]])
def test_what_is_no_probability_is_refused(probabilities: list[float]):
    with pytest.raises(InputError):
        Forecasts([0, 1], probabilities)


def test_rules_from_frames_to_a_video():
    frames = [0.2, 0.9, 0.8]
    assert video_score(frames) == pytest.approx(0.633333, abs=1e-6)
    assert video_score(frames, "median") == 0.8
    assert video_score(frames, "max") == 0.9
    assert video_score(frames, "mean-logit") == pytest.approx(0.675334, abs=1e-6)
    assert video_score([0.0, 1.0], "mean-logit") == pytest.approx(0.5)


def test_no_frame_and_no_probability_are_refused():
    with pytest.raises(InputError):
        video_score([])
    with pytest.raises(InputError):
        video_score([1.2, 0.3], "mean-logit")
