"""ConsisID's "FID" of faces on planted activations, each value by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from evalkit.metrics.base import FeatureData, VideoInputs, VideoValue, metric_registry
from evalkit.metrics.identity.face_distance import METRICS, squared_distances

BY_ID = {metric.record.id: metric for metric in METRICS}
CONSISID, STRICT = BY_ID["facefid.consisid"], BY_ID["facefid.strict"]
both = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.record.id)
SMALL, LARGE = (10, 10, 40, 40), (60, 60, 160, 160)
Faces = Sequence[tuple[int, tuple[int, ...], tuple[float, float]]]  # track, box, activation


def features(
    frames: Sequence[Faces],
    *,
    attempts: Sequence[int] | None = None,
    subject: int = 0,
    references=((0.0, 0.0),),
    **more,
) -> dict[str, dict[str, np.ndarray]]:
    """Return arrays with the given faces in each frame; every face is embedded."""
    rows = [(number, *one) for number, found in enumerate(frames) for one in found]
    reference = {
        "embedding": np.array(references, np.float32),
        "found": np.ones(len(references), bool),
        "attempt": np.zeros(len(references), np.int8),
    }
    faces = {
        "sampled": np.arange(len(frames)),
        "frame_index": np.arange(len(frames)),
        "attempt": np.array(attempts or [0 if found else -1 for found in frames], np.int8),
        "face_frame": np.array([row[0] for row in rows], np.int64),
        "track": np.array([row[1] for row in rows], np.int64),
        "box": np.array([row[2] for row in rows], np.float32).reshape(-1, 4),
        "subject": np.array(subject if rows else -1),
    }
    embedded = {
        "embedding": np.array([row[3] for row in rows], np.float32).reshape(-1, 2),
        "face": np.arange(len(rows)),
    }
    made = dict(zip(METRICS[0].record.features, (faces, embedded, reference), strict=True))
    for name, changes in more.items():
        made[name] = {**made[name], **changes}
    return made


def score(metric, *args, **options) -> VideoValue:
    arrays = features(*args, **options)
    return metric.score_video(VideoInputs("s", {name: FeatureData(content) for name, content in arrays.items()}))


def alone(*activations: tuple[float, float] | None) -> list[Faces]:
    return [[(0, SMALL, one)] if one else [] for one in activations]


def kinds(outcome: VideoValue) -> list[str]:
    return [event.kind for event in outcome.events]


def test_a_squared_distance():
    # (3, 4) - (0, 1): 9 + 9 = 18
    assert squared_distances([np.array([3, 4], np.float32)], np.array([0, 1])) == [18.0]
    # float32 knows seven digits: a mean of references 1e-9 away would be no distance away.
    assert squared_distances([np.array([1], np.float32)], np.array([1 + 1e-9])) == pytest.approx(
        [1e-18], rel=1e-6, abs=0
    )


@both
def test_the_mean_over_the_frames_with_a_face(metric):
    # Squared lengths 25, 1, and a frame without a face: 26 / 2 = 13.
    outcome = score(metric, alone((3, 4), None, (0, 1)))
    assert outcome.value == 13.0
    assert kinds(outcome) == ["frames_without_a_face"]
    assert outcome.events[-1].detail == "1 of 3 are left out"
    assert score(metric, alone((3, 4), (0, 1))).events == ()


@both
def test_the_reference_itself_is_best(metric):
    assert score(metric, alone((7, 7), (7, 7)), references=((7, 7),)).value == 0.0


def test_no_face_is_zero_for_the_script_and_no_value_for_us():
    """The script's 0.0 would be the best value."""
    parity = score(CONSISID, alone(None, None, None))
    assert (parity.value, kinds(parity)) == (0.0, ["no_face"])
    assert "published script gives 0, its best value" in parity.events[0].detail
    strict = score(STRICT, alone(None, None, None))
    assert (strict.value, strict.reason) == (None, "no_face")


def test_the_script_does_not_know_the_second_detector():
    frames, attempts = alone((3, 4), (0, 1)), [2, 3]
    parity = score(CONSISID, frames, attempts=attempts)
    assert parity.value == 0.0
    assert kinds(parity) == ["no_face", "face_found_on_retry"]
    assert score(STRICT, frames, attempts=attempts).value == 13.0
    # One frame by the first detector, with its margin: that one counts.
    assert score(CONSISID, frames, attempts=[2, 1]).value == 1.0


def test_the_largest_face_or_the_subject():
    # The subject (track 0, small) at distance 1 in both frames; a larger stranger at distance 100 in the second.
    frames = [[(0, SMALL, (1, 0))], [(0, SMALL, (1, 0)), (1, LARGE, (10, 0))]]
    assert score(CONSISID, frames).value == (1 + 100) / 2
    assert score(STRICT, frames).value == 1.0


def test_several_reference_images():
    # Mean of (2, 0) and (4, 0) is (3, 0): distance of (0, 0) is 9. The script knows the first: 4.
    frames, references = alone((0, 0)), ((2, 0), (4, 0))
    assert score(STRICT, frames, references=references).value == 9.0
    assert score(CONSISID, frames, references=references).value == 4.0
    only_second = {"found": np.array([False, True]), "attempt": np.array([-1, 0], np.int8)}
    options = {"references": references, "face_inception_reference": only_second}
    assert score(STRICT, frames, **options).value == 16.0
    assert score(CONSISID, frames, **options).reason == "reference_no_face"
    by_the_second = {"attempt": np.array([2, 0], np.int8)}
    outcome = score(CONSISID, frames, references=references, face_inception_reference=by_the_second)
    assert (outcome.value, outcome.reason) == (None, "reference_no_face")


def test_a_frame_shown_twice_counts_twice():
    frames = alone((3, 4), (0, 1))
    # Sampled rows 0, 0, 1: (25 + 25 + 1) / 3
    assert score(CONSISID, frames, faces={"sampled": np.array([0, 0, 1])}).value == 17.0


@both
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_activations_that_are_no_numbers_are_a_reason(metric, bad):
    assert score(metric, alone((bad, 0), (0, 1))).reason == "activation_not_finite"
    assert score(metric, alone((1, 0)), references=((0, bad),)).reason == "activation_not_finite"


@both
def test_no_frame_and_no_reference_are_reasons(metric):
    assert score(metric, []).reason == "no_frame"
    assert score(metric, alone((1, 0)), face_inception_reference={"found": np.array([False])}).reason == (
        "reference_no_face"
    )


def test_records():
    """Never called FID alone, and lower is better."""
    assert set(BY_ID) <= set(metric_registry())
    for metric in METRICS:
        assert metric.record.higher_is_better is False
        assert metric.record.range == (0.0, None)
        assert metric.record.title.split()[0] == "Face"
        assert "no FID" in metric.record.notes or "No FID" in metric.record.notes
        assert metric.record.role == "secondary"
