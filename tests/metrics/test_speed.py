"""The metrics of speed, by hand."""

from __future__ import annotations

import pytest

from evalkit.metrics.base import FeatureData, VideoInputs, metric_registry
from evalkit.speed.model import SampleSpeed


def value(name: str, one: SampleSpeed, frames: int, clip: float, rate: float = 25.0) -> float | str | None:
    data = FeatureData(one.arrays(rate, frames, clip))
    found = metric_registry()[name].score_video(VideoInputs("s1", {"speed": data}))
    return found.value if found.value is not None else found.reason


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("speed.fps", 12.5),  # 100 frames / 8 s
        ("speed.rtf", 2.0),  # 8 s / 4 s
        ("speed.ttff", 0.5),
        ("speed.e2e", 2.5),  # 10 s / 4 s
        ("speed.peak_mem", 1.5),  # GiB
    ],
)
def test_values_by_hand(name: str, expected: float) -> None:
    one = SampleSpeed("s1", 8.0, first_frame=0.5, end_to_end=10.0, peak_bytes=3 * 2**29)
    assert value(name, one, 100, 4.0) == expected


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("speed.ttff", "first_frame_not_measured"),
        ("speed.e2e", "end_to_end_not_measured"),
        ("speed.peak_mem", "memory_not_measured"),
    ],
)
def test_what_was_not_measured_is_no_number(name: str, reason: str) -> None:
    assert value(name, SampleSpeed("s1", 8.0), 100, 4.0) == reason


def test_a_doubled_frame_rate_makes_nobody_faster() -> None:
    one = SampleSpeed("s1", 8.0)
    assert value("speed.fps", one, 200, 4.0) == value("speed.fps", one, 100, 4.0) == 12.5
    assert value("speed.fps", one, 200, 4.0, rate=50.0) == 25.0
    assert value("speed.rtf", one, 200, 4.0) == 2.0


def test_half_the_frame_rate_is_half_the_speed() -> None:
    assert value("speed.fps", SampleSpeed("s1", 8.0), 50, 4.0) == 6.25


def test_a_submissions_number_is_the_median() -> None:
    assert {metric_registry()[f"speed.{name}"].record.aggregate for name in ("fps", "rtf", "ttff")} == {"median"}
