"""Onsets of speech, beats of the head, and how they meet: check values, other code, faults of a known size."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage, signal
from scipy.spatial.transform import Rotation

from evalkit.metrics.base import FeatureData, VideoInputs, VideoValue, metric_registry
from evalkit.metrics.features.base import FeatureUnavailableError, Item, feature_registry
from evalkit.metrics.landmarks.beats import BeatOptions, beat_alignment, filled, motion_beats
from evalkit.metrics.landmarks.onsets import OnsetOptions, onset_strength, pick_onsets
from evalkit.metrics.landmarks.pose import FACE_MODEL, PARTS, camera_matrix

RATE = 16000
OPTIONS = OnsetOptions()
WIDTH, HEIGHT = 320, 240

Numbers = NDArray[np.float64]
Samples = NDArray[np.int16]


def syllables(seed: int) -> tuple[Samples, list[float]]:
    """Three seconds of noise with tones that begin at known times and fade, and these times."""
    draw = np.random.RandomState(seed)
    starts = np.cumsum(draw.uniform(0.2, 0.5, 7))
    at = np.arange(3 * RATE) / RATE
    sound = 0.0005 * draw.randn(len(at))
    for start in starts:
        since = np.clip(at - start, 0, None)
        harmonics = sum(np.sin(2 * np.pi * draw.uniform(150, 4000) * at) for _ in range(8))
        sound += (at >= start) * np.exp(-since / 0.08) * harmonics * draw.uniform(0.01, 0.1)
    return np.rint(np.clip(sound, -1, 1) * 32767).astype(np.int16), starts[starts < 2.9].tolist()


# --- onsets -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_planted_onsets_are_found_and_no_others(seed):
    samples, starts = syllables(seed)
    found = pick_onsets(onset_strength(samples, OPTIONS), OPTIONS) / 100
    assert len(found) == len(starts)
    # The window of 32 ms sees a tone up to 16 ms before its middle reaches it.
    assert np.abs(found - starts).max() <= 0.02


LIBROSA_ONSETS = [26, 72, 98, 146, 180, 219, 262]
LIBROSA_STRENGTHS = [
    30.208345918684795,
    9.139580668168774,
    14.816778644920342,
    35.34962807597542,
    6.888674183564307,
    30.260606296510396,
    16.66166110034997,
]


def test_onsets_are_librosas():
    """librosa 0.11.0 on the same samples.

    ``onset_strength`` of ``power_to_db`` (top_db 80) of 40 mel bands (htk, no norm) of ``stft`` (n_fft 512, hop 160),
    not centred, its first three set to 0, and ``onset_detect`` of that with its own constants.
    """
    samples, _ = syllables(5)
    strength = onset_strength(samples, OPTIONS)
    assert pick_onsets(strength, OPTIONS).tolist() == LIBROSA_ONSETS
    assert strength[LIBROSA_ONSETS] == pytest.approx(LIBROSA_STRENGTHS, rel=1e-9)


def test_strength_is_that_of_scipys_spectrum():
    samples, _ = syllables(4)
    _, _, spectrum = signal.stft(samples / 32768, nperseg=512, noverlap=352, boundary="zeros", padded=False)
    power = np.abs(spectrum * signal.get_window("hann", 512).sum()) ** 2
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 42) / 2595) - 1)
    bins = np.linspace(0, 8000, 257)
    bands = np.array([np.interp(bins, edges[k : k + 3], [0, 1, 0]) for k in range(40)]) @ power
    level = 10 * np.log10(np.maximum(bands, 1e-10))
    level = np.maximum(level, level.max() - 80)
    found = onset_strength(samples, OPTIONS)
    assert len(found) == 301
    expected = np.maximum(np.diff(level), 0).mean(axis=0)
    assert found[3:] == pytest.approx(expected[2:], rel=1e-9, abs=1e-9)
    assert expected[:2].max() > 1, "windows that see the audio begin"
    assert found[:3].tolist() == [0, 0, 0]


def test_picking_by_hand():
    strength = np.zeros(60)
    strength[20] = 1.0
    strength[22] = 0.9  # too near to the one before
    strength[30:34] = [0.5, 0.6, 0.7, 0.6]  # picked at once, while it still rises; the rest is too near
    strength[50] = 0.07  # less than 0.07 above the mean around it
    assert pick_onsets(strength, OPTIONS).tolist() == [20, 30]
    strength[50] = 0.08
    assert pick_onsets(strength, OPTIONS).tolist() == [20, 30, 50]
    assert pick_onsets(7 * strength + 3, OPTIONS).tolist() == [20, 30, 50]


@pytest.mark.parametrize("samples", [np.zeros(RATE, np.int16), np.zeros(0, np.int16)])
def test_silence_has_no_onset(samples):
    assert len(pick_onsets(onset_strength(samples, OPTIONS), OPTIONS)) == 0


def test_the_feature_hears_the_test_sets_audio(tmp_path):
    samples, starts = syllables(1)
    with wave.open(str(tmp_path / "speech.wav"), "wb") as file:
        file.setparams((1, 2, RATE, len(samples), "NONE", ""))
        file.writeframes(samples.tobytes())
    extractor = feature_registry()["speech_onsets"]({})
    session = extractor.open(Item("s", Path(), audio=tmp_path / "speech.wav"), {})
    assert not session.plan(np.arange(5) / 25).any()
    assert session.finish()["onsets"] == pytest.approx(starts, abs=0.02)
    with pytest.raises(FeatureUnavailableError, match="no_official_audio"):
        extractor.open(Item("s", Path()), {})


# --- beats ------------------------------------------------------------------------------------------------------------


def test_alignment_has_the_check_values_of_bailando_and_of_aist():
    motion, audio = np.array([2.0, 27, 48, 90, 110]), np.array([0.0, 25, 50, 75])
    assert beat_alignment(audio, motion, 3.0) == pytest.approx(0.600553984, abs=1e-9)
    assert beat_alignment(motion, audio, 3.0) == pytest.approx(0.480443187, abs=1e-9)
    # Distances 2, 2, 2, 15.
    assert beat_alignment(audio, motion, 3.0) == pytest.approx((3 * np.exp(-4 / 18) + np.exp(-225 / 18)) / 4)
    assert beat_alignment(audio, motion[:0], 3.0) == 0.0
    with pytest.raises(ValueError, match="takes one"):
        beat_alignment(audio[:0], motion, 3.0)


def test_the_gaussians_are_those_of_dance_in_seconds():
    assert BeatOptions().tolerance == 1.25
    assert BeatOptions().smoothing == pytest.approx(2.0833333333)


def test_beats_are_the_minima_that_scipy_finds():
    angles = np.cumsum(np.random.RandomState(1).randn(200, 3), axis=0)
    speed = np.sqrt(np.sum((angles[1:] - angles[:-1]) ** 2, axis=1))
    minima = signal.argrelextrema(ndimage.gaussian_filter(speed, 2.0), np.less)[0]
    assert len(minima) > 10
    assert motion_beats(angles, 2.0).tolist() == (minima + 0.5).tolist()


def test_missing_angles_lie_on_a_line():
    angles = np.array([[np.nan] * 3, [0, 0, 8], [np.nan] * 3, [4, 2, 0], [np.nan] * 3])
    assert filled(angles).tolist() == [[0, 0, 8], [0, 0, 8], [2, 1, 4], [4, 2, 0], [4, 2, 0]]


# --- the metric -------------------------------------------------------------------------------------------------------


def nodding(beats: NDArray[np.int64], count: int) -> NDArray[np.float32]:
    """A head that turns back between frames b and b + 1: (T, 68, 2) pixels."""
    phase = np.interp(np.arange(count - 1), [beats[0] - 10, *beats, beats[-1] + 10], np.arange(len(beats) + 2))
    speed = 1.5 * np.sin(np.pi * phase)
    pitch = np.concatenate([[0.0], np.cumsum(speed)])
    turns = Rotation.from_euler("x", pitch[:, None], degrees=True).as_matrix()
    inside = np.einsum("tij,pj->tpi", turns, FACE_MODEL) + np.array([0, 0, 1500.0])
    image = inside @ camera_matrix(WIDTH, HEIGHT).T
    points = np.zeros((count, 68, 2), np.float32)
    points[:, PARTS] = image[..., :2] / image[..., 2:]
    return points


def outcome(points: NDArray[np.float32], onsets: Numbers) -> VideoValue:
    landmarks = {
        "frame_index": np.arange(len(points)),
        "points": points,
        "faces": np.ones(len(points), np.int16),
        "frame_size": np.array([WIDTH, HEIGHT]),
    }
    features = {"landmarks68_video": FeatureData(landmarks), "speech_onsets": FeatureData({"onsets": onsets})}
    return metric_registry()["motion.bas"].score_video(VideoInputs("s", features))


def beats_of(seed: int) -> NDArray[np.int64]:
    return 10 + np.cumsum(np.random.default_rng(seed).integers(9, 15, 8))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_speech_that_is_late_scores_less_the_later_it_is(seed):
    beats = beats_of(seed)
    found = []
    for frames in (0, 1, 2, 3, 4):
        value = outcome(nodding(beats, 130), (beats + 0.5 + frames) / 25).value
        assert value is not None
        found.append(value)
    assert found == pytest.approx([np.exp(-(frames**2) / 3.125) for frames in range(5)], abs=0.02)


def test_a_still_head_scores_nothing():
    found = outcome(np.repeat(nodding(beats_of(1), 130)[:1], 130, axis=0), np.array([1.0, 2.0]))
    assert found.value == 0.0
    assert [event.kind for event in found.events] == ["no_motion_beat"]


def test_onsets_after_the_video_do_not_count():
    beats = beats_of(2)
    points, onsets = nodding(beats, 130), (beats + 0.5) / 25
    straight = outcome(points, onsets)
    assert outcome(points, np.append(onsets, [5.17, 9.0])) == straight
    after = outcome(points, np.append(onsets, 5.16))
    assert after.value is not None
    assert straight.value is not None
    assert after.value < straight.value


def test_what_has_no_score():
    points, onsets = nodding(beats_of(3), 130), np.array([1.0, 2.0])
    assert outcome(points, onsets[:0]).reason == "no_onset"
    assert outcome(points, onsets + 50).reason == "no_onset"
    assert outcome(points[:24], onsets / 5).reason == "too_few_frames"
    points[:30] = np.nan
    assert outcome(points, onsets).reason == "landmarks_missing"
    points[:30] = points[30]
    points[:20] = np.nan
    found = outcome(points, onsets)
    assert found.value is not None
    assert [event.detail for event in found.events] == ["20 of 130 frames have no landmarks"]
