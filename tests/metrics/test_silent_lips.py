"""leak.silent_mad: by hand, and only in the setup that was driven by silence."""

from __future__ import annotations

import numpy as np
import pytest

from evalkit.metrics.base import FeatureData, VideoInputs, metric_registry

METRIC = metric_registry()["leak.silent_mad"]


def landmarks(gaps: list[float], missing: int = 0) -> FeatureData:
    """Frames of 256 x 256 whose eye corners are 100 apart, and whose lips are open by ``100 * gap``."""
    points = np.zeros((len(gaps) + missing, 68, 2))
    points[:, 45, 0] = 100.0
    for row, gap in enumerate(gaps):
        points[row, [67, 66, 65], 1] = 100.0 * gap
    points[len(gaps) :] = np.nan
    return FeatureData({"points": points, "frame_size": np.array([256, 256])})


def outcome(data: FeatureData):
    return METRIC.score_video(VideoInputs("s", {"landmarks68_video": data}))


def test_by_hand() -> None:
    # Mean 0.144; distances 0.044 0.044 0.024 0.156 0.044: the median is 0.044, the usual MAD would be 0.
    assert outcome(landmarks([0.1, 0.1, 0.12, 0.3, 0.1])).value == pytest.approx(0.044, abs=1e-12)
    assert outcome(landmarks([0.2] * 10)).value == pytest.approx(0.0, abs=1e-12)


def test_frames_without_a_face() -> None:
    found = outcome(landmarks([0.1, 0.1, 0.12, 0.3, 0.1] * 2, missing=1))
    assert found.value == pytest.approx(0.044, abs=1e-12)
    assert [event.kind for event in found.events] == ["frames_without_landmarks"]
    assert outcome(landmarks([0.1, 0.2], missing=2)).reason == "landmarks_missing"


def test_it_is_about_silence_only() -> None:
    assert METRIC.record.setups == ("silent",)
    assert METRIC.record.higher_is_better is False
