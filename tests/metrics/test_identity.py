"""Identity metrics on planted faces: vectors whose cosines are known, so that every value is done by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from evalkit.metrics.base import FeatureData, Metric, VideoInputs, VideoValue, metric_registry
from evalkit.metrics.faces.features import FacesSession, FacesView
from evalkit.metrics.faces.policy import Detection
from evalkit.metrics.features.face import Face
from evalkit.metrics.identity.face_frames import face_events
from evalkit.metrics.identity.similarity import METRICS, NETWORKS, cosine

BY_ID = {metric.record.id: metric for metric in METRICS}
STRICT, CONSISID = "identity.strict.arc", "identity.consisid.arc"
IDS = sorted(BY_ID)
SMALL, LARGE = (100, 100, 140, 140), (90, 90, 180, 180)
RIGHT, RIGHT_LARGE = (200, 20, 240, 60), (190, 10, 255, 90)


def at(value: float, length: float = 1.0) -> np.ndarray:
    """Return a vector whose cosine to the reference (1, 0, 0) is ``value``."""
    return np.array([value, math.sqrt(1 - value * value), 0.0], np.float32) * length


REFERENCE = {"embedding": at(1.0)[None], "found": np.array([True]), "attempt": np.zeros(1, np.int8)}


class Planted:
    """A detection policy that finds what a test wrote down: for each frame boxes with embeddings."""

    def __init__(self, frames: Sequence[Sequence[tuple[tuple[int, ...], np.ndarray]]], attempts=None) -> None:
        self.frames = frames
        self.attempts = attempts or ["as_is" if faces else None for faces in frames]
        self.at = 0

    def detect(self, rgb: np.ndarray) -> Detection:
        number = int(rgb[0, 0, 0])
        faces = [
            Face(np.array(box, np.float32), 0.9 - 0.01 * place, np.zeros((5, 2), np.float32))
            for place, (box, _) in enumerate(self.frames[number])
        ]
        return Detection(tuple(faces), self.attempts[number])


def features(frames, attempts=None, reference=REFERENCE, size=(256, 256)) -> dict[str, dict[str, np.ndarray]]:
    """Return the arrays that the extractors make of the planted faces of a video with ``len(frames)`` frames."""
    session = FacesSession(Planted(frames, attempts))
    times = np.arange(len(frames)) / 25
    for index in np.flatnonzero(session.plan(times)):
        picture = np.full((size[1], size[0], 3), index, np.uint8)
        session.frame(int(index), times[index], picture)
    faces = session.finish()
    looked_at = [frames[index] for index in faces["frame_index"]]
    vectors = [vector for found in looked_at for _, vector in found]
    embedding = np.array(vectors, np.float32).reshape(-1, 3)
    usable = np.flatnonzero(np.isfinite(embedding).all(axis=1) & (np.abs(embedding).sum(axis=1) > 0))
    vectors_of_faces = {"embedding": embedding[usable], "face": usable}
    planted: dict[str, dict[str, np.ndarray]] = {"faces": faces}
    for network in NETWORKS:
        planted |= {network.feature: vectors_of_faces, f"{network.feature}_reference": reference}
    return planted


def score(name: str, *planted, **options) -> VideoValue:
    arrays = features(*planted, **options)
    return BY_ID[name].score_video(VideoInputs("s", {part: FeatureData(a) for part, a in arrays.items()}))


def value(name: str, *planted, **options) -> float | None:
    return score(name, *planted, **options).value


def alone(*cosines: float | None, box=SMALL):
    """Return frames with one face (or none) of the given cosine each."""
    return [[] if c is None else [(box, at(c))] for c in cosines]


def repeated(*cosines: float | None):
    """Return 16 frames in which each of four cosines stands four times."""
    return alone(*(c for c in cosines for _ in range(16 // len(cosines))))


def test_the_published_vector():
    # docs/definitions/identity.md#check-values: .8, missing, .6, -.1. ConsisID skips the missing:
    # (.8 + .6 + 0) / 3; strict doesn't: 1.4 / 4.
    frames = repeated(0.8, None, 0.6, -0.1)
    assert value(CONSISID, frames) == pytest.approx(0.466667, abs=5e-7)
    assert value(STRICT, frames) == pytest.approx(0.35, abs=1e-7)
    assert value(f"{STRICT}.detection", frames) == 0.75
    assert value(f"{STRICT}.worst", frames) == 0.0
    # Sorted 0 x8, .6 x4, .8 x4: 5 % of 15 intervals is .75, still between zeros.
    assert value(f"{STRICT}.p05", frames) == 0.0


def test_p05_between_two_values():
    frames = alone(0.5, *[0.9] * 15)
    # Sorted .5 .9 ...: 5 % of 15 intervals is .75 of the first: .5 + .75 * .4 = .8.
    assert value(f"{STRICT}.p05", frames) == pytest.approx(0.8, abs=1e-6)
    assert value(f"{STRICT}.worst", frames) == pytest.approx(0.5, abs=1e-6)


def test_drift_of_a_straight_line():
    cosines = [0.95 - 0.05 * k for k in range(16)]  # .95 down to .2
    assert value(f"{STRICT}.drift", alone(*cosines)) == pytest.approx(0.75, abs=1e-6)
    assert value(f"{STRICT}.drift", alone(*cosines[::-1])) == pytest.approx(-0.75, abs=1e-6)
    assert value(f"{STRICT}.drift", alone(*[0.7] * 16)) == pytest.approx(0.0, abs=1e-9)


def test_the_length_of_an_embedding_does_not_matter():
    frames = [[(SMALL, at(0.6, length=10.0 ** (k % 5 - 2)))] for k in range(16)]
    for name in (STRICT, CONSISID):
        assert value(name, frames) == pytest.approx(0.6, abs=1e-6)


def test_several_reference_images():
    # Normalised: (1,0,0) and (0,1,0), whatever their lengths; their mean has 45 degrees. The face at 45 degrees is at
    # cosine 1, the one at 0 degrees at cos 45. ConsisID takes the first image alone.
    two = {
        "embedding": np.array([[5, 0, 0], [0, 0.1, 0]], np.float32),
        "found": np.array([True, True]),
        "attempt": np.zeros(2, np.int8),
    }
    diagonal = alone(*[math.sqrt(0.5)] * 16)
    assert value(STRICT, diagonal, reference=two) == pytest.approx(1.0, abs=1e-6)
    assert value(CONSISID, diagonal, reference=two) == pytest.approx(math.sqrt(0.5), abs=1e-6)
    assert value(STRICT, alone(*[1.0] * 16), reference=two) == pytest.approx(math.sqrt(0.5), abs=1e-6)


def test_a_reference_image_without_a_face_is_left_out():
    one_of_two = {
        "embedding": np.array([[0, 0, 0], [1, 0, 0]], np.float32),
        "found": np.array([False, True]),
        "attempt": np.array([-1, 0], np.int8),
    }
    frames = alone(*[0.5] * 16)
    assert value(STRICT, frames, reference=one_of_two) == pytest.approx(0.5, abs=1e-6)
    outcome = score(CONSISID, frames, reference=one_of_two)
    assert (outcome.value, outcome.reason) == (None, "reference_no_face")


@pytest.mark.parametrize("attempt", [0, 1, 2, 3])
def test_consisid_knows_the_first_detector_only(attempt):
    names = ("as_is", "margin", "second", "second_margin")
    reference = {**REFERENCE, "attempt": np.array([attempt], np.int8)}
    frames = alone(*[0.5] * 16)
    assert value(STRICT, frames, reference=reference) == pytest.approx(0.5, abs=1e-6)
    assert (value(CONSISID, frames, reference=reference) is None) == (attempt >= 2)
    # In the video: half of the frames are found by this attempt.
    mixed = alone(*[0.4, 0.8] * 8)
    attempts = ["as_is", names[attempt]] * 8
    assert value(STRICT, mixed, attempts) == pytest.approx(0.6, abs=1e-6)
    assert value(CONSISID, mixed, attempts) == pytest.approx(0.4 if attempt >= 2 else 0.6, abs=1e-6)
    events = [event.kind for event in score(STRICT, mixed, attempts).events]
    assert events == (["face_found_on_retry"] if attempt else [])


def test_a_stranger_who_is_larger_in_some_frames_is_not_the_subject():
    # The subject (.9) is in all 16 frames; a stranger (.1) with a larger face stands beside in the last four.
    frames = [[(SMALL, at(0.9)), *([(RIGHT_LARGE, at(0.1))] if number >= 12 else [])] for number in range(16)]
    assert value(STRICT, frames) == pytest.approx(0.9, abs=1e-6)
    # The largest face: twelve times .9, four times .1.
    assert value(CONSISID, frames) == pytest.approx((12 * 0.9 + 4 * 0.1) / 16, abs=1e-6)
    assert [event.kind for event in score(STRICT, frames).events] == ["several_faces"]


def test_the_order_of_detections_does_not_matter():
    frames = [[(SMALL, at(0.9)), (RIGHT_LARGE, at(0.1))][:: 1 if number % 2 else -1] for number in range(16)]
    orderly = [[(RIGHT_LARGE, at(0.1)), (SMALL, at(0.9))] for _ in range(16)]
    for name in IDS:
        assert value(name, frames) == value(name, orderly)


def test_of_two_in_every_frame_the_larger_is_the_subject():
    frames = [[(LARGE, at(0.3)), (RIGHT, at(0.9))] for _ in range(16)]
    assert value(STRICT, frames) == pytest.approx(0.3, abs=1e-6)


def test_the_longest_track_is_the_subject_even_if_it_is_small():
    # The small one is there in 10 frames, the large one in 6: strict counts 6 frames without the subject as 0.
    frames = [[(SMALL, at(0.9))] if number < 10 else [(RIGHT_LARGE, at(0.8))] for number in range(16)]
    assert value(STRICT, frames) == pytest.approx(0.9 * 10 / 16, abs=1e-6)
    assert value(f"{STRICT}.detection", frames) == pytest.approx(10 / 16)
    assert value(CONSISID, frames) == pytest.approx((10 * 0.9 + 6 * 0.8) / 16, abs=1e-6)


def test_somebody_in_passing_is_no_event():
    frames = [[(SMALL, at(0.9)), *([(RIGHT, at(0.1))] if number == 3 else [])] for number in range(16)]
    assert score(STRICT, frames).events == ()
    # From a fifth of the frames on it is one: 4 of 16, and 3 are not.
    for count, kinds in ((3, []), (4, ["several_faces"])):
        frames = [[(SMALL, at(0.9)), *([(RIGHT, at(0.1))] if number < count else [])] for number in range(16)]
        assert [event.kind for event in score(STRICT, frames).events] == kinds


@pytest.mark.parametrize("name", IDS)
def test_no_face_at_all_is_zero_with_an_event(name):
    outcome = score(name, alone(*[None] * 16))
    assert outcome.value == 0.0
    assert [event.kind for event in outcome.events] == ["no_face"]
    assert "16 frames" in outcome.events[0].detail


@pytest.mark.parametrize("name", IDS)
def test_no_face_in_the_reference_is_a_reason(name):
    metric = BY_ID[name]
    arrays = features(alone(*[0.9] * 16))
    inputs = {part: FeatureData(content) for part, content in arrays.items()}
    inputs[metric.record.features[2]] = FeatureData(None, "reference_no_face", "no reference image shows a face")
    outcome = metric.score_video(VideoInputs("s", inputs))
    assert (outcome.value, outcome.reason) == (None, "reference_no_face")
    nobody = {"embedding": np.zeros((2, 3), np.float32), "found": np.zeros(2, bool), "attempt": np.full(2, -1, np.int8)}
    outcome = score(name, alone(*[0.9] * 16), reference=nobody)
    assert (outcome.value, outcome.reason) == (None, "reference_no_face")


@pytest.mark.parametrize("name", IDS)
def test_a_video_without_a_frame_is_unscored(name):
    outcome = score(name, [])
    assert (outcome.value, outcome.reason) == (None, "no_frame")


def test_a_short_video_repeats_its_frames():
    # linspace(0, 2, 16) cut to integers: frame 0 eight times (0 .. .93), frame 1 seven times, frame 2 once.
    assert np.linspace(0, 2, 16).astype(int).tolist() == [0] * 8 + [1] * 7 + [2]
    frames = alone(0.8, None, 0.4)
    assert value(STRICT, frames) == pytest.approx((8 * 0.8 + 7 * 0 + 0.4) / 16, abs=1e-6)
    assert value(CONSISID, frames) == pytest.approx((8 * 0.8 + 0.4) / 9, abs=1e-6)
    assert value(f"{STRICT}.detection", frames) == pytest.approx(9 / 16)
    single = alone(0.7)
    assert value(STRICT, single) == pytest.approx(0.7, abs=1e-6)
    assert value(f"{STRICT}.drift", single) == pytest.approx(0.0, abs=1e-9)


def test_of_a_long_video_sixteen_frames_count():
    # 31 frames: linspace(0, 30, 16) are the even ones.
    assert value(STRICT, alone(*[0.9, None] * 15, 0.9)) == pytest.approx(0.9, abs=1e-6)


def test_a_face_that_could_not_be_cropped_counts_as_missing():
    frames = alone(*[0.8] * 16)
    frames[3] = [(SMALL, np.zeros(3, np.float32))]  # no embedding is made of it
    assert value(STRICT, frames) == pytest.approx(0.8 * 15 / 16, abs=1e-6)
    assert value(CONSISID, frames) == pytest.approx(0.8, abs=1e-6)


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("fault", ["nan embedding", "zero embedding", "opposite references"])
def test_vectors_without_a_direction_are_a_reason(name, fault):
    arrays = features(alone(*[0.9] * 16))
    if fault == "opposite references":
        arrays[BY_ID[name].record.features[2]] = {
            "embedding": np.array([[1, 0, 0], [-2, 0, 0]], np.float32),
            "found": np.array([True, True]),
            "attempt": np.zeros(2, np.int8),
        }
        reason = "reference_embedding_unusable"
    else:
        arrays[BY_ID[name].record.features[1]]["embedding"][2] = math.nan if fault == "nan embedding" else 0
        reason = "embedding_not_finite"
    metric: Metric = BY_ID[name]
    outcome = metric.score_video(VideoInputs("s", {part: FeatureData(content) for part, content in arrays.items()}))
    if fault == "opposite references" and name.startswith("identity.consisid"):
        assert outcome.value == pytest.approx(0.9, abs=1e-6)  # it looks at the first image only
    else:
        assert (outcome.value, outcome.reason) == (None, reason)


def test_cosine():
    # (3,4).(4,3) / 25 = 24/25
    assert cosine(np.array([3, 4], np.float32), np.array([4, 3], np.float32)) == pytest.approx(0.96, rel=1e-12)
    assert cosine(np.array([1, 0]), np.array([-7, 0])) == -1.0
    for bad in ([0, 0], [math.nan, 1], [math.inf, 1]):
        assert math.isnan(cosine(np.array(bad), np.array([1, 1])))


def test_a_view_of_cached_faces_says_what_the_session_said():
    frames = [[(SMALL, at(0.9)), (RIGHT, at(0.1))][: number % 3] for number in range(40)]
    session = FacesSession(Planted(frames))
    times = np.arange(40) / 25
    for index in np.flatnonzero(session.plan(times)):
        session.frame(int(index), times[index], np.full((256, 256, 3), index, np.uint8))
    view = FacesView(session.finish())
    np.testing.assert_array_equal(view.sampled(), session.sampled())
    for index in session.sampled():
        live, cached = session.detection(index), view.detection(index)
        assert (live.attempt, live.margin, len(live.faces)) == (cached.attempt, cached.margin, len(cached.faces))
        for one, other in zip(live.faces, cached.faces, strict=True):
            np.testing.assert_array_equal(one.box, other.box)
            np.testing.assert_array_equal(one.keypoints, other.keypoints)
            assert np.float32(one.score) == np.float32(other.score)


def test_events_of_a_subject_alone():
    assert face_events(features(alone(*[0.9] * 16))["faces"]) == ()


def test_each_network_reads_its_own_features():
    """The same planted faces under one network's features, others under the other's."""
    frames = alone(*[0.8] * 16)
    arrays = features(frames)
    other = features(alone(*[0.3] * 16))
    mixed = {name: FeatureData((other if name.startswith("curricularface") else arrays)[name]) for name in arrays}
    values = {name: metric.score_video(VideoInputs("s", mixed)).value for name, metric in BY_ID.items()}
    for kind in ("strict", "consisid"):
        assert values[f"identity.{kind}.arc"] == pytest.approx(0.8, abs=1e-6)
        assert values[f"identity.{kind}.cur"] == pytest.approx(0.3, abs=1e-6)
    assert values["identity.strict.cur.worst"] == pytest.approx(0.3, abs=1e-6)


def test_both_networks_have_the_same_arithmetic():
    """One record per network and number, alike but for the network; the faces found need one number only."""
    frames = repeated(0.8, None, 0.6, -0.1)
    ids = {name.replace(".cur", ".arc"): name for name in IDS if ".cur" in name}
    assert set(ids) == {name for name in IDS if ".arc" in name} - {f"{STRICT}.detection"}
    for name, other in ids.items():
        assert score(name, frames) == score(other, frames)
        one, two = BY_ID[name].record, BY_ID[other].record
        assert (one.range, one.higher_is_better, one.role, one.unit) == (
            two.range,
            two.higher_is_better,
            two.role,
            two.unit,
        )


def test_all_are_registered():
    assert set(IDS) <= set(metric_registry())
