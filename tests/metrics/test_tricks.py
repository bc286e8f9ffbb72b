"""Repetitions, inserted pictures, mixed sound and faces that are one image: on arrays made for it, and real clips."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from gaming_clips import AAC, fingerprint, refilmed, resounded

from evalkit.metrics.features.base import FeatureUnavailableError
from evalkit.metrics.features.face import Face
from evalkit.metrics.gaming import face_stillness, repetition
from evalkit.metrics.gaming.audio_match import AudioMatch, match_audio
from evalkit.metrics.gaming.audio_residual import left_over
from evalkit.metrics.gaming.face_motion import FaceStillnessSession
from evalkit.metrics.gaming.repetition import NOTHING, PART_REPEATED, REPEATED
from evalkit.validators.tricks import FACE_BENT, FACE_REST, LEFT_OVER, LIVELY, RESTING, RESTING_SHARE

# repetition


def walk(seed: int, count: int) -> np.ndarray:
    """Return distances-ready pictures (count, 64, 64): a soft blob on a path without repetition."""
    rng = np.random.default_rng(seed)
    places = 32 + np.cumsum(rng.normal(0, 2.5, (count, 2)), axis=0)
    places = 12 + np.abs((places - 12) % 80 - 40)  # reflected at the border
    y, x = np.mgrid[:64, :64]
    return np.float32([100 + 80 * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 60) for cx, cy in places])


def test_distances_by_hand():
    pictures = np.stack([np.full((64, 64), value, np.float32) for value in (10, 13, 20)])
    assert repetition.distances(pictures) == pytest.approx(np.array([[0, 9, 100], [9, 0, 49], [100, 49, 0]]))


def test_a_loop_by_hand():
    """Positions on a line that come again after 10: all pairs at that lag are equal."""
    once = np.array([0, 9, 3, 20, 14, 31, 5, 17, 26, 40], float)
    line = np.concatenate([once, once, once[:5]])
    apart = np.square(line[:, None] - line[None])
    assert repetition.find_loop(apart) == repetition.Repetition(0.0, 1.0)
    # Images that come again between two others: 0 between 3 and -1, 10 between 13 and 9, three quarters of the way.
    line = np.array([0, 10, 3, -1, 13, 9], float)
    apart = np.square(line[:, None] - line[None])
    found = repetition._repetition(apart, np.array([0, 1]), np.array([2, 4]), 1.0, 0.1)
    assert (found.ratio, found.seconds) == (pytest.approx(0), pytest.approx(1.075))
    apart = np.square(once[:, None] - once[None])
    assert repetition.find_loop(apart).ratio == NOTHING  # too short to say
    assert repetition.find_loop(np.zeros((50, 50))).ratio == NOTHING  # a still says nothing
    assert repetition.find_reversal(np.zeros((50, 50))).ratio == NOTHING


def test_a_second_that_comes_again_by_hand():
    rng = np.random.default_rng(4)
    line = np.cumsum(rng.normal(0, 9, 45))
    line[30:40] = line[12:22]
    found = repetition.find_part(np.square(line[:, None] - line[None]))
    assert (found.ratio, found.seconds) == (pytest.approx(0, abs=1e-9), pytest.approx(1.8))
    # The same, half way between two images; what comes before and after goes on otherwise.
    line[30:40] = (line[12:22] + line[13:23]) / 2
    line[40:] += 500
    apart = np.square(line[:, None] - line[None])
    found = repetition.find_part(apart)
    brute = []
    for lag in range(10, 35):
        for start in range(45 - lag - 10):
            ours, theirs = np.arange(start, start + 10), np.arange(start, start + 10) + lag
            one = repetition._repetition(apart, ours, theirs, lag / 10, 0.1)
            brute.append((one.ratio, one.seconds))
    assert (found.ratio, found.seconds) == pytest.approx(min(brute))
    assert repetition.find_part(np.zeros((50, 50))).ratio == NOTHING  # a still says nothing
    assert repetition.find_part(apart[:20, :20]).ratio == repetition.find_part(np.zeros((0, 0))).ratio == NOTHING


def test_a_second_of_pictures_that_comes_again():
    once = walk(1, 60)
    again = np.concatenate([once[:30], once[20:50]])
    noisy = again + np.random.default_rng(2).normal(0, 2, again.shape).astype(np.float32)
    found = repetition.find_part(repetition.distances(noisy))
    assert found.ratio < PART_REPEATED / 2 and found.seconds == pytest.approx(1.0, abs=0.05)
    assert repetition.find_loop(repetition.distances(noisy)).ratio > REPEATED
    assert repetition.find_part(repetition.distances(once)).ratio > 2 * PART_REPEATED


def test_a_reversal_by_hand():
    once = np.cumsum([3.0, 4, -2, 6, 7, -5, 9, 2, 8, -3, 5, 11, 4, 7])
    apart = np.square((line := np.concatenate([once, once[::-1]]))[:, None] - line[None])
    found = repetition.find_reversal(apart)
    assert (found.ratio, found.seconds) == (0.0, 1.35)  # between images 13 and 14
    odd = np.concatenate([once, once[-2::-1]])
    found = repetition.find_reversal(np.square(odd[:, None] - odd[None]))
    assert (found.ratio, found.seconds) == (0.0, 1.3)  # image 13


def test_loops_of_pictures():
    once = walk(1, 60)
    loop, back = np.concatenate([once[:20]] * 3), np.concatenate([once[:30], once[29::-1]])
    for pictures in (loop, back):
        noisy = pictures + np.random.default_rng(2).normal(0, 4, pictures.shape).astype(np.float32)
        apart = repetition.distances(noisy)
        found = repetition.find_loop(apart) if pictures is loop else repetition.find_reversal(apart)
        assert found.ratio < REPEATED / 2
        assert found.seconds == pytest.approx(2.0 if pictures is loop else 2.95, abs=0.05)
    apart = repetition.distances(once)
    assert repetition.find_loop(apart).ratio > 2 * REPEATED and repetition.find_reversal(apart).ratio > 2 * REPEATED


def test_inserted_pictures_by_hand():
    line = np.array([0, 1, 30, 2, 3, 4, 60, 5, 6, 7], float)
    assert repetition.inserted_images(np.square(line[:, None] - line[None])) == 2
    steps = np.array([0, 30, 60, 30, 0], float)  # there and back again is no picture put in
    assert repetition.inserted_images(np.square(steps[:, None] - steps[None])) == 1
    assert repetition.inserted_images(np.zeros((1, 1))) == repetition.inserted_images(np.zeros((2, 2))) == 0


# sound


def voice(seed: int, seconds: float = 5) -> np.ndarray:
    """Return noise of a spectrum and loudness of its own, as int16."""
    rng = np.random.default_rng(seed)
    count = int(16000 * seconds)
    loud = np.repeat(rng.uniform(0.05, 1, int(seconds * 8) + 1), 2000)[:count]
    wave = np.convolve(rng.normal(0, 1, count), rng.normal(0, 1, 12), "same") * np.convolve(
        loud, np.ones(400) / 400, "same"
    )
    return np.int16(6000 * wave / np.abs(wave).max())


def test_filters_leave_nothing_and_other_sound_its_share():
    official, other = voice(1), voice(2)
    filtered = np.convolve(official.astype(float), [0.3, 0.9, -0.2, 0.1], "same")
    late = np.concatenate([np.zeros(1600), filtered])[: len(official)]
    for own in (official, np.int16(0.4 * filtered), np.int16(late)):
        assert left_over(own, official, match_audio(own, official)) < 0.02
    share = float(np.square(other.astype(float)).sum() / np.square(official.astype(float)).sum())
    band = []
    for gain in (0.3, 0.6):
        own = np.int16(official + gain * other)
        band.append(left_over(own, official, AudioMatch("compared", 0.9, 0.0, 1.0)))
    # r = g^2 s / (1 + g^2 s) with the share s of the powers within the band, so that two gains agree on s
    shares = [value / (1 - value) / gain**2 for value, gain in zip(band, (0.3, 0.6), strict=True)]
    assert shares[0] == pytest.approx(shares[1], rel=0.1) and 0.2 * share < shares[0] < 5 * share


def test_where_nothing_can_be_left():
    official = voice(3)
    for match in (AudioMatch("silent"), AudioMatch("compared", 0.39, 0.0, 0.0)):
        assert math.isnan(left_over(official, official, match))
    short = official[:9000]
    assert math.isnan(left_over(short, official, AudioMatch("compared", 1.0, 0.0, 1.0)))
    hum = np.int16(9000 * np.sin(2 * np.pi * 90 * np.arange(len(official)) / 16000))
    assert math.isnan(left_over(hum, hum, AudioMatch("compared", 1.0, 0.0, 1.0)))
    silence = np.zeros_like(official)
    assert math.isnan(left_over(silence, official, AudioMatch("compared", 1.0, 0.0, 1.0)))
    assert math.isnan(left_over(official, official, AudioMatch("compared", 1.0, 90.0, 1.0)))


# faces

EYES, MOUTH = np.array([48.0, 36.0]), np.array([48.0, 68.0])
PARTS = face_stillness.regions(EYES, MOUTH)


def photo(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 128 + 120 * cv2.GaussianBlur(rng.normal(0, 1, (96, 96)).astype(np.float32), (0, 0), 2.5) * 2


def with_mouth(image: np.ndarray, opening: float) -> np.ndarray:
    shown = image.copy()
    cv2.ellipse(shown, (48, 70), (12, max(1, round(opening))), 0, 0, 360, 20.0, -1)
    return shown


def bent(image: np.ndarray, amount: float, phase: float) -> np.ndarray:
    y, x = np.mgrid[:96, :96].astype(np.float32)
    to_x = x + amount * np.sin(2 * np.pi * (y / 60 + phase)).astype(np.float32)
    return cv2.remap(image, to_x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def blinking(image: np.ndarray, closed: bool) -> np.ndarray:
    shown = image.copy()
    for x in (36, 60):
        cv2.ellipse(shown, (x, 36), (7, 4), 0, 0, 360, 160.0 if closed else 40.0, -1)
    return shown


def test_regions_by_hand():
    assert PARTS.upper[36, 48] and PARTS.steady[36, 48] and not PARTS.upper[68, 48]
    assert PARTS.face[68, 48] and not PARTS.steady[68, 48] and not PARTS.face[0, 0] and PARTS.steady[0, 0]
    assert PARTS.upper[51, 48] and not PARTS.upper[53, 48]  # half way


def test_what_is_not_explained_by_hand():
    """Stripes of one point are far from slow: a block of 8 by 8 that is grey leaves the stripes' whole amplitude."""
    stripes = np.tile(np.float32([100, 140]), (96, 48))
    shown = stripes.copy()
    assert face_stillness.unexplained(stripes, shown, np.ones((96, 96), bool)) == pytest.approx(0, abs=1e-3)
    assert face_stillness.unexplained(stripes, 0.5 * stripes + 30, np.ones((96, 96), bool)) < 0.5
    lit = stripes + np.linspace(0, 6, 96, dtype=np.float32)
    assert face_stillness.unexplained(stripes, lit, np.ones((96, 96), bool)) < 5
    shown[40:60, 40:60] = 120
    # the amplitude is the standard deviation; the gain that fits the rest best is near 1
    found = face_stillness.unexplained(stripes, shown, np.ones((96, 96), bool))
    assert found == pytest.approx(50, rel=0.06)
    little = np.zeros((96, 96), bool)
    little[:10, :10] = True
    assert face_stillness.unexplained(stripes, shown, little) == face_stillness.UNEXPLAINED


@pytest.mark.parametrize(
    ("frames", "still", "mouth_only"),
    [
        ([photo() + 6 * np.sin(at + np.linspace(0, 3, 96, dtype=np.float32)) for at in range(12)], True, True),
        ([bent(photo(), 2.0, at / 7) for at in range(12)], True, False),
        ([with_mouth(photo(), 1 + at % 5 * 2) for at in range(12)], False, True),
        ([blinking(with_mouth(photo(), 1 + at % 5 * 2), at % 3 == 0) for at in range(12)], False, False),
        ([photo(at) for at in range(12)], False, False),
    ],
    ids=["light", "waves", "mouth", "alive", "others"],
)
def test_faces(frames, still, mouth_only):
    rest, left = face_stillness.face_stillness([np.float32(one) for one in frames], PARTS)
    assert (left < FACE_BENT, rest < FACE_REST) == (still, mouth_only), (rest, left)


def test_faces_that_say_nothing():
    assert face_stillness.face_stillness([photo()] * 5, PARTS) == (100, 100)
    black = [np.zeros((96, 96), np.float32)] * 12
    assert all(math.isfinite(value) for value in face_stillness.face_stillness(black, PARTS))


def swaying(image: np.ndarray, right: float) -> np.ndarray:
    return cv2.warpAffine(image, np.float64([[1, 0, right], [0, 1, 0]]), (96, 96), borderMode=cv2.BORDER_REFLECT_101)


def test_how_far_a_face_moves():
    steps = 0.3 * np.sin(np.arange(16))
    still, lively = face_stillness.movement([swaying(photo(), step) for step in steps], PARTS)
    # Everything moves by as much. What a block shows of it depends on the direction of its edges.
    assert 0.5 * steps.std() < still < steps.std() < lively < 1.5 * steps.std()
    assert face_stillness.movement([photo()] * 16, PARTS) == pytest.approx((0, 0), abs=1e-4)
    assert face_stillness.movement([np.full((96, 96), 90, np.float32)] * 16, PARTS) == (-1.0, -1.0)


@pytest.mark.parametrize(("sway", "pasted"), [(0.0, True), (0.5, False)])
def test_a_mouth_on_a_face_that_is_still(sway, pasted):
    noise = np.random.default_rng(3).normal(0, 0.1, (16, 96, 96))
    frames = [
        np.float32(with_mouth(swaying(photo(), sway * np.sin(at)), 1 + at % 5 * 2) + noise[at]) for at in range(16)
    ]
    still, lively = face_stillness.movement(frames, PARTS)
    assert lively > LIVELY and (still < RESTING) == (still < RESTING_SHARE * lively) == pasted


class Seen:
    """What a detector found: the same face in every frame, or none."""

    def __init__(self, face: Face | None) -> None:
        self._face = face

    def detection(self, index: int) -> SimpleNamespace:
        return SimpleNamespace(faces=() if self._face is None else (self._face,))


def face_at(x: float, y: float, side: float) -> Face:
    points = np.float32([[0.3, 0.4], [0.7, 0.4], [0.5, 0.55], [0.35, 0.75], [0.65, 0.75]]) * side + np.float32([x, y])
    return Face(np.float32([x, y, x + side, y + side]), 0.9, points)


def session(face: Face | None, frames: list[np.ndarray]) -> dict[str, float]:
    one = FaceStillnessSession(Seen(face))
    wanted = one.plan(np.arange(len(frames)) / 25)
    for at, rgb in enumerate(frames):
        if wanted[at]:
            one.frame(at, at / 25, rgb)
    return {name: float(value) for name, value in one.finish().items() if value.ndim == 0}


@pytest.mark.parametrize(
    ("face", "count", "reason"),
    [(None, 20, "no_face"), (face_at(20, 20, 100), 1, "no_face"), (face_at(20, 20, 30), 20, "small_face")],
)
def test_sessions_without_an_answer(face, count, reason):
    with pytest.raises(FeatureUnavailableError) as told:
        session(face, [np.zeros((160, 160, 3), np.uint8)] * count)
    assert told.value.reason == reason


@pytest.mark.parametrize("face", [face_at(-50, -40, 120), face_at(1e6, 1e6, 100), face_at(0, 0, 1e5)])
def test_faces_anywhere_are_no_error(face):
    rng = np.random.default_rng(0)
    found = session(face, [rng.integers(0, 255, (160, 120, 3), np.uint8) for _ in range(20)])
    assert all(0 <= found[name] <= 100 for name in ("rest", "bent"))


def test_frames_of_several_sizes():
    with pytest.raises(FeatureUnavailableError):
        session(face_at(20, 20, 90), [np.zeros((160 + at % 2, 160, 3), np.uint8) for at in range(20)])


# real clips


@pytest.mark.shared
@pytest.mark.ffmpeg
def test_loops_and_sounds_of_a_real_clip(shared, tmp_path):
    """The limits hold on files that were encoded, and the clip itself is on the other side of each."""
    folder = shared / "data/talking-heads/testset"
    real, official, other = folder / "videos/s03.mp4", folder / "audio/s03.wav", folder / "audio/s08.wav"
    honest = fingerprint(real, official)
    assert float(honest["loop"][0]) > REPEATED and float(honest["reversal"][0]) > REPEATED
    assert int(honest["inserted"]) < repetition.INSERTED and float(honest["sound_left"]) < LEFT_OVER / 2
    looped = fingerprint(refilmed(real, tmp_path / "loop.mp4", "loop=loop=3:size=43,setpts=N/30/TB,trim=end=5"))
    assert float(looped["loop"][0]) < REPEATED
    back = "split[a][b];[b]reverse[c];[a]trim=end=2.4[d];[c]trim=start=2.6,setpts=PTS-STARTPTS[e];[d][e]concat"
    backwards = fingerprint(refilmed(real, tmp_path / "back.mp4", back))
    assert float(backwards["reversal"][0]) < REPEATED
    mixed = tmp_path / "mixed.mp4"
    words = ("-filter_complex", "[0:a][1:a]amix=inputs=2:weights=1 0.7:duration=first", *AAC)
    _mix(real, other, mixed, words)
    assert float(fingerprint(mixed, official)["sound_left"]) > LEFT_OVER
    small = resounded(real, tmp_path / "small.mp4", *AAC, "-b:a", "48k")
    assert float(fingerprint(small, official)["sound_left"]) < LEFT_OVER / 2


def _mix(real: Path, other: Path, target: Path, words: tuple[object, ...]) -> None:
    from clip_tools import ffmpeg

    ffmpeg("-i", real, "-i", other, *words, "-map", "0:v", "-c:v", "copy", target)
