"""THEval's metrics: hand arithmetic, its scripts' points, imported files that lie, mouths that move more and less."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evalkit.metrics.base import FeatureData, VideoInputs, VideoValue, metric_registry
from evalkit.metrics.features.base import FeatureUnavailableError
from evalkit.metrics.theval import facemesh
from evalkit.metrics.theval.arithmetic import (
    brow_distances,
    head_motion,
    lip_dynamics,
    lip_gaps,
    lip_openings,
    mean_step,
    opening_against_volume,
    runs_of,
    spread_around_mean,
)
from evalkit.metrics.theval.points68 import SpeechRule, speech_frames, volume_at_frames
from evalkit.metrics.theval.silent_lips import silent_frames
from evalkit.metrics.theval.sound import root_mean_squares

METRICS = metric_registry()
Points = np.ndarray[Any, Any]


def test_lip_dynamics_by_hand() -> None:
    points = np.array([[[0, 0], [4, 0], [2, height]] for height in (1, 2, 3)], np.float64)
    assert lip_dynamics(points) == pytest.approx(0.373855178164, rel=1e-9)
    sides = np.sqrt(4 + np.array([1, 4, 9.0]))  # twice; the base stays
    assert lip_dynamics(points) == pytest.approx(2 * sides.std() / 3)
    assert lip_dynamics(points + np.arange(3)[:, None, None]) == pytest.approx(2 * sides.std() / 3)


def test_silent_lip_stability_by_hand() -> None:
    gaps = np.array([0.1, 0.1, 0.12, 0.3, 0.1])
    assert spread_around_mean(gaps) == pytest.approx(0.044, rel=1e-9)
    assert np.median(np.abs(gaps - np.median(gaps))) == pytest.approx(0.0)  # the usual deviation is another number


def test_lip_sync_by_hand() -> None:
    found = opening_against_volume(np.array([0.1, 0.3, 0.2, 0.5]), np.array([0.01, 0.02, 0.05, 0.05]))
    assert found == pytest.approx(0.250000008, abs=1e-9)
    same = np.array([0.1, 0.4, 0.2])
    assert opening_against_volume(same, 7 * same + 3) == pytest.approx(0.0, abs=1e-6)
    assert opening_against_volume(np.ones(4), np.ones(4)) == 0.0  # a mouth that stays as it is


def test_eyebrow_dynamics_by_hand() -> None:
    sides = np.array([[0.30, 0.31, 0.29, 0.33], [0.30, 0.30, 0.31, 0.30]]).T
    assert mean_step(sides) == pytest.approx(0.015, rel=1e-9)
    points = np.array([[[0, 3], [0, 0], [10, 4], [10, 0]]], np.float64)  # brow, eye, brow, eye
    assert brow_distances(points, ([0], [2]), ([1], [3])) == pytest.approx(np.array([[0.3, 0.4]]))
    assert np.isnan(brow_distances(np.zeros((1, 4, 2)), ([0], [2]), ([1], [3]))).all()


def test_head_motion_by_hand() -> None:
    angles = np.array([[0.0, 0, 0], [3, 0, 0], [0, 0, 0], [3, 0, 0]])  # std 1.5; steps 3, -3, 3: variance 8
    still = np.zeros((4, 2))
    assert head_motion(angles, still) == pytest.approx(np.sqrt((1.5 / 3) * (8 / 3)))
    moving = np.array([[0.0, 0], [2, 0], [0, 0], [2, 0]])
    assert head_motion(angles, moving) == pytest.approx(np.sqrt((1.5 / 3) * (8 / 3) + 0.5))
    assert head_motion(angles[:1], still[:1]) == 0.0


def test_gaps_and_openings_by_hand() -> None:
    points = np.array([[[0, 0], [8, 6], [3, 2], [3, 7]]], np.float64)  # eyes 10 apart, 8 of them horizontally
    assert lip_gaps(points, [2], [3], (0, 1)) == pytest.approx([0.5])
    assert lip_openings(points, [2], [3], ([0], [1])) == pytest.approx([5 / 8])
    assert np.isnan(lip_gaps(points, [2], [3], (0, 0))).all()
    assert np.isnan(lip_openings(points, [2], [3], ([0], [0]))).all()


def test_runs() -> None:
    mask = np.array([1, 1, 0, 1, 1, 1, 0, 1], bool)
    assert runs_of(mask, 3).tolist() == [False, False, False, True, True, True, False, False]
    assert runs_of(mask, 1).tolist() == mask.tolist()
    assert not runs_of(np.zeros(4, bool), 1).any()


def test_silent_frames_as_the_script_rounds_them() -> None:
    # Speech from 0.44 to 0.81 s is 0.4 to 0.8 s there: frames 10 to 20 of 25 a second.
    silent = silent_frames([(0.44 * 16000, 0.81 * 16000)], 25.0, 30, 0.3)
    assert np.flatnonzero(~silent[:21]).tolist() == list(range(10, 21))
    assert silent[21:].all()  # nine frames, 0.36 s
    assert not silent_frames([(0.44 * 16000, 0.81 * 16000)], 25.0, 28, 0.3)[21:].any()  # seven are too few


def test_the_sets_of_points() -> None:
    assert len(set(facemesh.LIPS)) == 40
    assert {*facemesh.UPPER_LIP, *facemesh.LOWER_LIP} <= set(facemesh.LIPS)
    assert [len(set(part)) for part in (*facemesh.BROWS, *facemesh.EYES)] == [10, 10, 16, 16]
    assert not set(facemesh.EYES[0]) & set(facemesh.EYES[1])
    assert set(facemesh.EYE_CORNERS) <= {*facemesh.EYES[0], *facemesh.EYES[1]}


def test_level_of_a_sound() -> None:
    samples = np.zeros(4000, np.int16)
    samples[1200:2000] = 16384  # the window around 0.1 s
    assert root_mean_squares(samples, 800) == pytest.approx([0, 0, 0.5, 0, 0, 0])
    tone = (16384 * np.sin(2 * np.pi * 400 * np.arange(16000) / 16000)).astype(np.int16)
    assert root_mean_squares(tone, 800)[1:-1] == pytest.approx(0.5 / np.sqrt(2), abs=1e-3)


def test_speech_and_volume_at_frames() -> None:
    level = {"rms": np.array([0.0, 0.2, 0.4, 0.0, 0.0])}
    assert volume_at_frames(level, 4) == pytest.approx([0, 0.16, 0.32, 0.24])
    assert speech_frames(level, 5, SpeechRule()).tolist() == [False, True, True, True, False]  # 0, .04, .08, .12, .16 s
    assert not speech_frames({"rms": np.full(5, 1e-5)}, 5, SpeechRule()).any()


def face(count: int = 75, jaw: float = 6.0, seed: int = 0) -> Points:
    """Return 68 points of a face whose lower lip goes up and down by ``jaw`` pixels: (T, 68, 2)."""
    points = np.random.default_rng(seed).uniform(60, 190, (68, 2))
    points[36:42], points[42:48] = [90, 100], [150, 100]
    points[36, 0], points[45, 0] = 80, 160
    points[17:22], points[22:27] = [90, 85], [150, 85]
    points[48:68] = [120, 150]
    track = np.tile(points, (count, 1, 1))
    track[:, 55:60, 1] += jaw * np.sin(np.arange(count) / 3)[:, None] ** 2
    track[:, 65:68, 1] += jaw * np.sin(np.arange(count) / 3)[:, None] ** 2
    return track


def outcome(name: str, **features: dict[str, Any]) -> VideoValue:
    return METRICS[name].score_video(VideoInputs("s", {key: FeatureData(value) for key, value in features.items()}))


def landmarks(points: Points, size: tuple[int, int] = (256, 256)) -> dict[str, Any]:
    there = np.isfinite(points).all(axis=(1, 2))
    return {
        "frame_index": np.arange(len(points)),
        "points": points.astype(np.float32),
        "faces": there.astype(np.int16),
        "frame_size": np.array(size),
    }


LOUD = {"rms": np.where(np.arange(61) % 20 < 10, 0.2, 1e-5)}  # half a second of speech, half a second of silence
P68 = {
    "theval.lip_dynamics.p68": {},
    "theval.eyebrow_dynamics.p68": {},
    "theval.head_motion.p68": {},
    "theval.silent_lip_stability.p68": {"speech_level": LOUD},
    "theval.lip_sync.p68": {"speech_level": LOUD},
}


@pytest.mark.parametrize("name", P68)
def test_frames_without_a_face_are_left_out_and_too_many_are_no_value(name: str) -> None:
    whole = outcome(name, landmarks68_video=landmarks(face()), **P68[name])
    assert whole.value is not None
    few = face()
    few[10:15] = np.nan
    part = outcome(name, landmarks68_video=landmarks(few), **P68[name])
    assert part.value is not None
    assert [event.kind for event in part.events] == ["frames_without_landmarks"]
    many = face()
    many[:20] = np.nan
    assert outcome(name, landmarks68_video=landmarks(many), **P68[name]).reason == "landmarks_missing"
    many[:] = np.nan  # the scripts say 0 here, which would enter the mean
    assert outcome(name, landmarks68_video=landmarks(many), **P68[name]).reason == "landmarks_missing"


def test_a_mouth_that_moves_more_is_livelier_and_one_that_rests_is_stable() -> None:
    def value(name: str, points: Points) -> float:
        found = outcome(name, landmarks68_video=landmarks(points), **P68[name]).value
        assert found is not None
        return found

    lively = [value("theval.lip_dynamics.p68", face(jaw=jaw)) for jaw in (0.0, 3.0, 6.0)]
    assert lively[0] == 0.0
    assert lively[2] == pytest.approx(2 * lively[1], rel=0.2)
    silent = [value("theval.silent_lip_stability.p68", face(jaw=jaw)) for jaw in (0.0, 3.0, 6.0)]
    assert silent[0] == 0.0 < silent[1] < silent[2]
    with_sound = face(jaw=0.0)
    loud = speech_frames(LOUD, 75, SpeechRule())
    volume = volume_at_frames(LOUD, 75)
    with_sound[:, 65:68, 1] += 40 * volume[:, None]
    assert value("theval.lip_sync.p68", with_sound) == pytest.approx(0.0, abs=1e-4)
    assert loud.any()
    assert value("theval.lip_sync.p68", face(jaw=6.0)) > 0.2


def test_the_frame_is_squashed_to_256() -> None:
    square = outcome("theval.lip_dynamics.p68", landmarks68_video=landmarks(face())).value
    double = outcome("theval.lip_dynamics.p68", landmarks68_video=landmarks(2 * face(), (512, 512))).value
    assert double == pytest.approx(square, rel=1e-5)


def test_speech_that_never_pauses_is_not_what_the_metric_is_about() -> None:
    always = {"rms": np.full(61, 0.2)}
    never = {"rms": np.full(61, 1e-6)}
    found = landmarks(face())
    pause = outcome("theval.silent_lip_stability.p68", landmarks68_video=found, speech_level=always)
    assert (pause.reason, [event.kind for event in pause.events]) == ("not_applicable:no_silence", ["no_silence"])
    silence = outcome("theval.lip_sync.p68", landmarks68_video=found, speech_level=never)
    assert silence.reason == "not_applicable:no_speech"


def mesh(count: int = 40, seed: int = 0) -> Points:
    draw = np.random.RandomState(seed)
    return (0.5 + 0.1 * draw.rand(478, 2) + 0.01 * draw.randn(count, 478, 2)).astype(np.float32)


FACTS = {"fps": np.asarray(25.0), "width": np.asarray(320), "height": np.asarray(240)}


def test_imported_points() -> None:
    points = mesh()
    lips = points.astype(np.float64)[:, facemesh.LIPS] * 256
    by_hand = np.mean(
        [np.linalg.norm(lips[:, a] - lips[:, b], axis=1).std() for a, b in itertools.combinations(range(40), 2)]
    )
    assert outcome("theval.lip_dynamics", facemesh={"points": points}).value == pytest.approx(by_hand)
    brows = outcome("theval.eyebrow_dynamics", facemesh={"points": points}, facts=FACTS)
    assert brows.value is not None
    assert brows.value > 0
    gap = points.copy()
    gap[5] = np.nan  # bridged: the step from frame 4 to 6 counts
    bridged = outcome("theval.eyebrow_dynamics", facemesh={"points": gap}, facts=FACTS)
    without = outcome("theval.eyebrow_dynamics", facemesh={"points": np.delete(points, 5, axis=0)}, facts=FACTS)
    assert bridged.value == without.value
    nobody = {"points": np.full((4, 478, 2), np.nan, np.float32)}
    for name in ("theval.lip_dynamics", "theval.eyebrow_dynamics"):
        zero = outcome(name, facemesh=nobody, facts=FACTS)
        assert (zero.value, [event.kind for event in zero.events]) == (0.0, ["no_face"])  # as the scripts


def test_silence_needs_the_network() -> None:
    voice = {
        "generated": np.concatenate([np.ones(20), np.zeros(30)]).astype(np.float32),
        "reference": np.empty(0, np.float32),
        "samples": np.array([50 * 512, 0]),
        "by_network": np.array(True),
    }
    name = "theval.silent_lip_stability"
    found = outcome(name, facemesh={"points": mesh()}, voice_activity=voice, facts=FACTS)
    # Speech until 0.67 s (padded by 0.03), so to 0.7 s: frames 0 to 17 of 25 a second.
    gaps = lip_gaps(mesh().astype(np.float64)[18:] * 256, facemesh.UPPER_LIP, facemesh.LOWER_LIP, facemesh.EYE_CORNERS)
    assert found.value == pytest.approx(np.median(np.abs(gaps - gaps.mean())))
    loudness = outcome(
        name, facemesh={"points": mesh()}, voice_activity={**voice, "by_network": np.array(False)}, facts=FACTS
    )
    assert loudness.reason == "no_voice_network"


def test_imported_files_are_read(tmp_path: Path) -> None:
    for array in (mesh(), mesh().astype(np.float64), np.pad(mesh(), ((0, 0), (0, 0), (0, 1))), mesh()[:, :468]):
        np.save(tmp_path / "s.npy", array)
        assert facemesh.read_points(tmp_path / "s.npy") == pytest.approx(array[:, :, :2].astype(np.float32))


def broken_files() -> dict[str, Any]:
    far, partly = mesh(), mesh()
    far[0, 0, 0], partly[0, 0] = 300, np.nan
    return {
        "pickle": np.array([{"a": 1}], dtype=object),
        "fortran": np.asfortranarray(mesh()),
        "integers": (mesh() * 100).astype(np.int32),
        "big endian": mesh().astype(">f4"),
        "two dimensions": mesh()[0],
        "other points": mesh()[:, :68],
        "pixels": far,
        "infinite": np.full((2, 478, 2), np.inf, np.float32),
        "some points": partly,
        "no frames": mesh()[:0],
    }


@pytest.mark.parametrize("kind", broken_files())
def test_files_that_are_not_points_cost_their_video_in_a_sentence(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "s.npy"
    np.save(file, broken_files()[kind], allow_pickle=True)
    with pytest.raises(FeatureUnavailableError) as caught:
        facemesh.read_points(file)
    assert caught.value.reason == "import_unusable"


@pytest.mark.parametrize("change", ["huge", "short", "long", "text", "empty"])
def test_files_that_lie_about_their_size(tmp_path: Path, change: str) -> None:
    file = tmp_path / "s.npy"
    np.save(file, mesh())
    content = file.read_bytes()
    if change == "huge":
        head = content[:128].replace(b"(40, 478, 2), }", b"(999999, 478, 2), }")
        content = head[:128].rstrip(b"\n")[:127] + b"\n" + content[128:]
    elif change == "short":
        content = content[:-4]
    elif change == "long":
        content += b"\0" * 4
    elif change == "text":
        content = b"points: 1, 2, 3\n"
    else:
        content = b""
    file.write_bytes(content)
    with pytest.raises(FeatureUnavailableError) as caught:
        facemesh.read_points(file)
    assert caught.value.reason == "import_unusable"
