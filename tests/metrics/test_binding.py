"""The binding score: the matrix by hand, who is judged, separate voices, who is whose."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from plausible_binding import binding

from evalkit.metrics.base import FeatureData, VideoInputs, VideoValue, metric_registry
from evalkit.metrics.binding import matrix
from evalkit.metrics.binding.attaching import Person, Piece, attach, split_by_identity
from evalkit.metrics.binding.mouths import mouth_opening
from evalkit.metrics.binding.scores import CHOICE, OVERLAP, binding_scores
from evalkit.metrics.binding.streams import activity, correlation, read_streams, silenced
from evalkit.metrics.features.base import FeatureUnavailableError, Voice
from evalkit.metrics.sync.arithmetic import sync_core
from evalkit.metrics.sync.distances import shift_distances
from evalkit.metrics.sync.tracks import FaceTrack

BY_ID = metric_registry()
EXAMPLE = np.array([[6.1, 1.2, 0.9], [1.5, 5.0, 1.1], [2.2, 4.8, 4.6]])
ALL = np.ones(3, bool)
RATE = 16000


def mean(values: list[float]) -> float:
    return float(np.mean(values))


# The matrix


def test_the_example_by_hand() -> None:
    assert mean(matrix.right_persons(EXAMPLE, ALL)) == pytest.approx(2 / 3)
    assert mean(matrix.right_streams(EXAMPLE, ALL)) == 1
    assert mean(matrix.right_pairs(EXAMPLE, ALL)) == 1
    assert mean(matrix.margins(EXAMPLE, ALL)) == pytest.approx(2.733333, abs=1e-6)
    assert min(matrix.margins(EXAMPLE, ALL)) == pytest.approx(-0.2)
    assert matrix.above_chance(2 / 3, 3) == pytest.approx(0.5)
    assert mean(matrix.own_confidences(EXAMPLE, ALL)) == pytest.approx((6.1 + 5 + 4.6) / 3)


def test_equal_columns_are_chance() -> None:
    """What one mix for everybody would give."""
    same = np.tile([[3.0], [2.0], [5.0]], (1, 3))
    assert matrix.right_persons(same, ALL) == pytest.approx([1 / 3] * 3)
    assert matrix.right_pairs(same, ALL) == pytest.approx([1 / 3] * 3)
    assert matrix.right_streams(same, ALL) == [0, 0, 1]  # the liveliest lips take every voice
    assert matrix.above_chance(1 / 3, 3) == pytest.approx(0)


def test_a_swap_is_wrong_everywhere() -> None:
    swapped = np.array([[0.4, 6.0], [5.5, 0.3]])
    both = np.ones(2, bool)
    assert matrix.right_persons(swapped, both) == matrix.right_streams(swapped, both) == [0, 0]
    assert matrix.right_pairs(swapped, both) == [0, 0]
    assert matrix.above_chance(0.0, 2) == -1


def test_the_assignment_may_be_right_where_a_row_is_not() -> None:
    """Against scipy's solver, over random matrices without ties."""
    from scipy.optimize import linear_sum_assignment

    rng = np.random.default_rng(0)
    for persons in (2, 3, 5):
        for _ in range(20):
            values = rng.normal(size=(persons, persons))
            _, columns = linear_sum_assignment(values, maximize=True)
            expected = (columns == np.arange(persons)).astype(float)
            assert matrix.right_pairs(values, np.ones(persons, bool)) == expected.tolist()


def test_a_person_without_a_row_is_left_out() -> None:
    gone = EXAMPLE.copy()
    gone[1] = np.nan
    assert matrix.right_persons(gone, ALL) == [1, 0]
    assert matrix.right_streams(gone, ALL) == [1, 1]
    assert matrix.right_pairs(gone, ALL) == [1, 0]  # 6.1 + 4.8 is more than 6.1 + 4.6
    alone = np.full((2, 2), np.nan)
    alone[0] = [3, 1]
    assert matrix.right_persons(alone, np.ones(2, bool)) == [1]
    assert matrix.right_streams(alone, np.ones(2, bool)) == []


def test_who_does_not_speak_is_compared_and_not_judged() -> None:
    assert matrix.right_persons(EXAMPLE, np.array([True, True, False])) == [1, 1]
    assert matrix.right_streams(EXAMPLE, np.array([False, True, False])) == [1]


# From arrays to the matrix


def clip(offset: float = 4.0, persons: int = 2) -> dict[str, np.ndarray]:
    """Two persons, 60 frames each in turn, then 60 together; everybody's lips fit their own voice by ``offset``."""
    turn, frames = 60, 60 * (persons + 1)
    active = np.zeros((persons, frames), bool)
    for person in range(persons):
        active[person, turn * person : turn * (person + 1)] = True
    active[:, -turn:] = True
    at = np.array([(person, frame) for person in range(persons) for frame in range(frames - 5)])
    distance = np.full((len(at), persons, 31), 10.0, np.float32)
    distance[np.arange(len(at)), at[:, 0], 15] = 10 - offset
    return {
        **binding(np.random.default_rng(0)),
        "name": np.array([f"p{person}" for person in range(persons)]),
        "active": active,
        "box": np.ones((persons, frames, 4), np.float32),
        "window_person": at[:, 0],
        "window_frame": at[:, 1],
        "distance": distance,
        "ood_score": np.zeros(len(at), np.float32),
    }


def score(name: str, arrays: dict[str, np.ndarray], **more: dict[str, np.ndarray]) -> VideoValue:
    features = {"binding": FeatureData(arrays), **{key: FeatureData(one) for key, one in more.items()}}
    return BY_ID[name].score_video(VideoInputs("s", features))


def without(arrays: dict[str, np.ndarray], person: int) -> dict[str, np.ndarray]:
    kept = arrays["window_person"] != person
    box = arrays["box"].copy()
    box[person] = 0
    windows = {name: arrays[name][kept] for name in ("window_person", "window_frame", "distance", "ood_score")}
    return {**arrays, **windows, "box": box}


def test_the_confidence_is_median_less_minimum_of_the_mean_over_the_frames_that_count() -> None:
    arrays = clip()
    # Person 0 is only right in their own turn: half of the frames with one voice.
    rows = (arrays["window_person"] == 0) & (arrays["window_frame"] >= 60)
    arrays["distance"][rows, 0, 15] = 10
    scores = binding_scores(arrays, CHOICE)
    # 56 windows lie inside each turn; a window across the change of turns counts too, one voice speaks in it
    inside = 116
    assert scores.matrix[0, 0] == pytest.approx(4 * 60 / inside, rel=1e-6)
    assert scores.matrix[1].tolist() == pytest.approx([0, 4])
    assert binding_scores(arrays, OVERLAP).matrix[1].tolist() == pytest.approx([0, 4])
    assert binding_scores(arrays, OVERLAP).matrix[0].tolist() == pytest.approx([0, 0])


def test_one_turn_of_the_whole_clip_is_the_core_of_lip_sync() -> None:
    """With everything counted, an element is the confidence that `sync_core` gives of the same embeddings."""
    rng = np.random.default_rng(1)
    lips, audio = rng.normal(size=(2, 60, 8))
    arrays = clip()
    arrays["active"] = np.zeros((2, 65), bool)
    arrays["active"][0] = True
    arrays["window_person"], arrays["window_frame"] = np.zeros(60, int), np.arange(60)
    arrays["distance"] = np.stack([shift_distances(lips, audio), shift_distances(lips, lips)], axis=1)
    arrays["ood_score"] = np.zeros(60)
    found = binding_scores(arrays, CHOICE).matrix
    expected = sync_core(lips, audio)
    assert expected != "too_short"
    assert found[0, 0] == pytest.approx(expected.confidence)
    assert found[0, 1] > 1
    assert np.isnan(found[1]).all()


def test_right_and_missing_persons() -> None:
    arrays = clip()
    assert score("bind.acc_person", arrays).value == score("bind.nacc", arrays).value == 1
    assert score("bind.margin", arrays).value == score("bind.worst", arrays).value == pytest.approx(4)
    gone = without(arrays, 1)
    found = score("bind.acc_person", gone)
    assert found.value == 1
    assert [event.kind for event in found.events] == ["person_without_row"]
    assert "'p1': no face was followed" in found.events[0].detail
    assert score("bind.acc_person.strict", gone).value == 0.5
    assert score("bind.nacc.strict", gone).value == 0
    assert score("bind.acc_stream", gone).reason == "single_row"
    assert score("bind.acc_stream.strict", gone).value == score("bind.acc_assign.strict", gone).value == 0
    nobody = without(gone, 0)
    assert score("bind.acc_person", nobody).reason == "no_row"
    assert score("bind.acc_person.strict", nobody).value == 0


def test_a_video_that_ends_early_does_not_escape() -> None:
    """Who speaks is a fact of the voices: a short video lacks rows, and the strict numbers say so."""
    arrays = clip()
    kept = arrays["window_frame"] < 40
    short = {**arrays, "box": arrays["box"][:, :45]}
    short |= {name: arrays[name][kept] for name in ("window_person", "window_frame", "distance", "ood_score")}
    found = score("bind.acc_person", short)
    assert found.reason == "no_row"
    assert "44 frames of the 120 that count, 50 are needed" in found.events[0].detail
    assert score("bind.acc_person.strict", short).value == 0


def test_a_voice_that_never_speaks_is_not_asked_about() -> None:
    arrays = clip()
    arrays["active"][1] = False
    found = score("bind.acc_person.strict", arrays)
    assert found.value == 1
    assert [event.kind for event in found.events] == ["person_not_asked"]
    assert score("bind.acc_person.overlap", arrays).reason == "not_applicable:no_overlap"
    arrays["active"][0] = False
    assert score("bind.acc_person", arrays).reason == "not_applicable:no_turns"


def test_faces_that_the_network_does_not_know_have_no_number() -> None:
    arrays = clip()
    arrays["ood_score"] = np.full(len(arrays["ood_score"]), 1.5, np.float32)
    for name in ("bind.acc_person", "bind.acc_person.strict"):
        found = score(name, arrays)
        assert found.reason == "outside_bundled_domain"
        assert "published weights" in found.events[0].detail


def test_a_distance_that_is_not_finite_has_no_number() -> None:
    arrays = clip()
    arrays["distance"][3] = np.inf
    assert score("bind.acc_person", arrays).reason == "distance_not_finite"


def test_idle_motion_by_hand() -> None:
    """Openings swing by 0.1 in speech and 0.02 at rest; the second person never rests."""
    arrays = clip()
    swing = np.where(np.arange(180) % 2, 1.0, -1.0)
    opening = np.array([0.3 + swing * np.where(arrays["active"][0], 0.1, 0.02), 0.3 + 0.1 * swing])
    found = score("bind.idle_motion", arrays, binding_mouths={"opening": opening.astype(np.float32)})
    assert found.value == pytest.approx((0.2 + 1) / 2, rel=1e-5)
    opening[1] = 0.3
    found = score("bind.idle_motion", arrays, binding_mouths={"opening": opening.astype(np.float32)})
    assert found.value == pytest.approx(0.2, rel=1e-5)
    assert "'p1': the mouth doesn't move" in found.events[0].detail
    opening[:] = np.nan
    assert score("bind.idle_motion", arrays, binding_mouths={"opening": opening}).reason == "no_mouth"


def test_the_opening_is_the_height_of_the_inner_lips_by_the_distance_of_the_eyes() -> None:
    points = np.zeros((68, 2), np.float32)
    points[36:42, 0], points[42:48, 0] = 10, 60
    for upper, lower, height in ((61, 67, 4), (62, 66, 8), (63, 65, 3)):
        points[lower, 1] = points[upper, 1] + height
    assert mouth_opening(points) == pytest.approx(5 / 50)
    assert np.isnan(mouth_opening(np.full((68, 2), np.nan, np.float32)))


# Voices


def wav(path: Path, samples: np.ndarray, rate: int = RATE) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def voices(folder: Path, *streams: np.ndarray, rate: int = RATE) -> list[Voice]:
    return [Voice(f"p{k}", wav(folder / f"{k}.wav", one, rate)) for k, one in enumerate(streams)]


def noise(seed: int, seconds: float = 2.0, rate: int = RATE) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * rate))


def refused(given: list[Voice]) -> FeatureUnavailableError:
    with pytest.raises(FeatureUnavailableError) as caught:
        read_streams(given)
    assert caught.value.detail.count(". ") == 0, "one sentence"
    return caught.value


def test_separate_voices_are_read_at_16_khz(tmp_path: Path) -> None:
    streams = read_streams(voices(tmp_path, noise(0, rate=48000), noise(1, rate=48000), rate=48000))
    assert [len(one) for one in streams] == [2 * RATE] * 2


@pytest.mark.parametrize("delay", [0, 300])
def test_one_mix_for_everybody_is_refused(tmp_path: Path, delay: int) -> None:
    mix = noise(0) + noise(1)
    other = 0.3 * np.roll(mix, delay) + 0.01 * noise(2)
    error = refused(voices(tmp_path, mix, other))
    assert error.reason == "streams_not_separate"
    assert "voice alone, not the mix of all" in error.detail


def test_voices_of_unequal_length_are_refused(tmp_path: Path) -> None:
    error = refused(voices(tmp_path, noise(0), noise(1, 1.5)))
    assert error.reason == "streams_of_unequal_length"
    assert "'p0' 2.00 s, 'p1' 1.50 s" in error.detail


def test_a_voice_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    given = voices(tmp_path, noise(0), noise(1))
    given[1].audio.write_bytes(b"RIFF" + bytes(40))
    error = refused(given)
    assert error.reason == "stream_unreadable"
    assert "'p1'" in error.detail


def test_correlation_against_numpy() -> None:
    one, two = (noise(seed, 0.2) * 32768 for seed in (0, 1))
    a, b = one.astype(np.int16), two.astype(np.int16)
    full = np.correlate(a.astype(float), b.astype(float), "full")
    middle = len(b) - 1
    near = np.abs(full[middle - 50 : middle + 51]).max()
    expected = near / np.sqrt(float(np.sum(a.astype(float) ** 2)) * float(np.sum(b.astype(float) ** 2)))
    assert correlation(a, b, 50) == pytest.approx(expected)
    assert correlation(a, np.zeros_like(a), 50) == 0


def tones(*levels: np.ndarray) -> list[np.ndarray]:
    """Return streams whose frames have the given levels (M,) of full scale."""
    return [(np.repeat(level, 640) * np.tile([1, -1], 320 * len(level)) * 32767).astype(np.int16) for level in levels]


def test_activity_bridges_pauses_and_drops_clicks() -> None:
    level = np.zeros(100)
    level[10:30] = level[35:50] = 0.1  # a pause of 5 frames
    level[60:75] = 0.1  # after a pause of 10
    level[90] = 0.1  # a click
    speaks = activity(tones(level, np.zeros(100)))
    assert np.flatnonzero(speaks[0]).tolist() == [*range(10, 50), *range(60, 75)]
    assert not speaks[1].any()
    assert activity([np.zeros(100, np.int16)] * 2).shape == (2, 0)


def test_what_a_microphone_picks_up_of_another_person_is_not_speech() -> None:
    """A turn each and then both; 15 dB below it the other is heard, in both streams."""
    own = np.zeros((2, 120))
    own[0, :40] = own[1, 40:80] = own[:, 80:] = 0.1
    heard = own + own[::-1] * 10 ** (-15 / 20)
    speaks = activity(tones(*heard))
    np.testing.assert_array_equal(speaks, own > 0)
    (first, _) = tones(*heard)
    quiet = silenced(first, speaks[0])
    assert not quiet[40 * 640 : 80 * 640].any()
    np.testing.assert_array_equal(quiet[: 40 * 640], first[: 40 * 640])


# Who is whose


def unit(angle: float) -> np.ndarray:
    return np.array([np.cos(angle), np.sin(angle)])


def piece(x: float, first: int = 0, last: int = 99, angle: float | None = None, every: int = 10) -> Piece:
    boxes = np.tile([x, 50.0, x + 100, 150.0], (last - first + 1, 1))
    looks = {} if angle is None else {frame: unit(angle) for frame in range(first, last + 1, every)}
    return Piece(0, FaceTrack(first, boxes, len(boxes)), looks)


LEFT, RIGHT = np.array([0.0, 0, 300, 300]), np.array([300.0, 0, 600, 300])
SIZE = (600, 300)


def test_identity_decides_and_place_where_faces_are_unknown() -> None:
    crossed = [piece(400, angle=0.0), piece(100, angle=1.5)]
    assert attach(crossed, [Person(unit(0.0)), Person(unit(1.5))], SIZE) == [0, 1]
    assert attach(crossed, [Person(box=LEFT), Person(box=RIGHT)], SIZE) == [1, 0]


def test_the_best_pairs_together_not_the_best_for_the_first() -> None:
    """Both tracks are most like person 0, the second a little more; person 1 is like the second only."""
    tracks = [piece(0, angle=0.5), piece(0, angle=0.4)]
    assert attach(tracks, [Person(unit(0.0)), Person(unit(-0.9))], SIZE) == [0, 1]


def test_a_stranger_is_nobody() -> None:
    tracks = [piece(0, angle=0.0), piece(250, angle=np.pi)]
    assert attach(tracks, [Person(unit(0.0)), Person(unit(1.0))], SIZE) == [0, -1]


def test_later_tracks_go_to_whom_they_belong() -> None:
    """After a cut persons have changed places; a third track goes on where one was lost."""
    tracks = [piece(100, 0, 40, 0.0), piece(400, 0, 40, 1.5), piece(400, 50, 99, 0.0), piece(100, 50, 99, 1.5)]
    assert attach(tracks, [Person(unit(0.0), LEFT), Person(unit(1.5), RIGHT)], SIZE) == [0, 1, 0, 1]
    again = [piece(100, 0, 40), piece(400, 0, 99), piece(105, 50, 99)]
    assert attach(again, [Person(box=LEFT), Person(box=RIGHT)], SIZE) == [0, 1, 0]


def test_a_track_is_cut_where_its_face_changes() -> None:
    one = piece(100, angle=0.0)
    looks = {frame: unit(0.0 if frame < 50 else 1.5) for frame in range(0, 100, 10)}
    looks[20] = unit(1.5)  # one wrong look is no change
    persons = [Person(unit(0.0)), Person(unit(1.5))]
    parts = split_by_identity(Piece(0, one.face, looks), persons)
    assert [(part.face.first, part.face.last) for part in parts] == [(0, 45), (46, 99)]
    assert len(parts[0].face.boxes) == 46
    assert attach(parts, persons, SIZE) == [0, 1]
    assert len(split_by_identity(Piece(0, one.face, looks), [Person(unit(0.0)), Person()])) == 1
