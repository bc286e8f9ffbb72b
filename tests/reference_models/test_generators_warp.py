"""``warp``: the mouth follows the sound to the frame, on puppets and on real faces, and nothing else breaks."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from evalkit import api
from evalkit.media.audio import read_audio
from evalkit.media.decode import iter_frames
from evalkit.media.stills import read_still
from evalkit.metrics.faces.yunet import YuNet
from evalkit.reference_models.generation.requests import RequestBuilder
from evalkit.reference_models.generation.submission import make_submission
from evalkit.reference_models.generators.base import GeneratedClip, GenerationError, GenerationRequest, RgbImage
from evalkit.reference_models.generators.warp.face_parts import (
    CascadeFinder,
    FaceParts,
    face_finders,
    find_face,
    is_plausible_face,
)
from evalkit.reference_models.generators.warp.generator import WarpedFace
from evalkit.reference_models.generators.warp.head_motion import blinks, sway
from evalkit.reference_models.generators.warp.mouth_shape import measure_mouth
from evalkit.reference_models.generators.warp.mouth_warp import MouthWarp
from evalkit.reference_models.generators.warp.speech import RATE, mouth_motion
from evalkit.testsets.loading import load_testset
from evalkit.testsets.model import TestSet

FPS = 25


def request(testset: TestSet, index: int, seed: int = 0) -> GenerationRequest:
    return RequestBuilder(testset, None, seed).request(index, Path("unused.mp4"))


def vowel(seconds: float, pitch: float = 120.0, formants: tuple[float, ...] = (700.0, 1200.0)) -> NDArray[np.float64]:
    time = np.arange(round(seconds * RATE)) / RATE
    wave = np.zeros_like(time)
    for harmonic in range(1, 60):
        frequency = pitch * harmonic
        strength = sum(1 / (1 + ((frequency - formant) / 120) ** 2) for formant in formants)
        wave += strength * np.sin(2 * np.pi * frequency * time)
    return 0.3 * wave / np.abs(wave).max()


def best_lag(moves: NDArray[np.float64], sound: NDArray[np.float64], reach: int = 6) -> int:
    """Return by how many frames ``moves`` comes after ``sound``, by correlation."""
    lags = range(-reach, reach + 1)
    inner = slice(reach, len(sound) - reach)
    scores = [float(np.corrcoef(np.roll(moves, -lag)[inner], sound[inner])[0, 1]) for lag in lags]
    return lags[int(np.argmax(scores))]


# Speech to lips


def test_silence_shuts_the_mouth() -> None:
    assert not mouth_motion(None, 10, FPS).opening.any()
    assert not mouth_motion(np.zeros(RATE, np.float32), 25, FPS).opening.any()
    assert not mouth_motion(
        (1e-4 * np.random.default_rng(0).normal(size=RATE)).astype(np.float32), 25, FPS
    ).opening.any()
    assert mouth_motion(np.zeros(0, np.float32), 0, FPS).opening.shape == (0,)


@pytest.mark.parametrize("start", range(10, 16))
def test_a_vowel_opens_the_mouth_in_its_own_frames(start: int) -> None:
    sound = np.zeros(RATE * 2)
    sound[start * 640 : (start + 6) * 640] = vowel(6 / FPS)
    opening = mouth_motion(sound.astype(np.float32), 50, FPS).opening
    assert opening[start + 1 : start + 5].min() > 0.8
    assert opening[: start - 1].max() < 0.05
    assert opening[start + 7 :].max() < 0.05
    middle = float((opening * np.arange(50)).sum() / opening.sum())
    assert middle == pytest.approx(start + 2.5, abs=0.15)  # symmetric: neither early nor late


def test_a_short_dip_between_vowels_shuts_it() -> None:
    sound = vowel(1.2)
    sound[9600 - 640 : 9600 + 640] *= 0.15  # 16 dB less for 80 ms, as a voiced bilabial has
    opening = mouth_motion(sound.astype(np.float32), 30, FPS).opening
    assert opening[[14, 15]].max() < 0.25
    assert opening[[8, 20]].min() > 0.8


def test_hissing_opens_it_little() -> None:
    noise = np.diff(np.random.default_rng(0).normal(0, 0.6, RATE + 2), n=2)
    both = np.concatenate([vowel(1.0), noise])
    opening = mouth_motion(both.astype(np.float32), 50, FPS).opening
    assert opening[30:48].max() < 0.25 < opening[3:22].min()


def test_u_is_rounded_and_i_is_spread() -> None:
    u, i = (
        mouth_motion(vowel(1.0, formants=formants).astype(np.float32), 25, FPS).width[5:20].mean()
        for formants in ((320.0, 800.0), (320.0, 2300.0))
    )
    assert u < -0.3
    assert i > 0.3


def test_opening_follows_the_loudness_of_real_puppets_speech(puppets: TestSet) -> None:
    for sample in puppets:
        sound = read_audio(puppets.path(sample.audio or ""), RATE)
        energy = np.sqrt((sound[: 30 * 640].reshape(30, 640) ** 2).mean(axis=1))
        assert best_lag(mouth_motion(sound, 30, FPS).opening, energy, 3) == 0


# Pictures


@pytest.fixture(scope="module")
def portrait(puppets: TestSet) -> tuple[RgbImage, FaceParts]:
    picture = read_still(puppets.path(puppets.samples[4].reference_images[0]))
    return picture, find_face(picture, [CascadeFinder()])


def gap_seen(picture: RgbImage, parts: FaceParts) -> float:
    return measure_mouth(picture, parts).gap


def test_the_mouth_opens_as_far_as_asked_and_the_rest_stays(portrait: tuple[RgbImage, FaceParts]) -> None:
    picture, parts = portrait
    mouth = measure_mouth(picture, parts)
    warp = MouthWarp(picture, mouth)
    assert mouth.gap < 0.06 * mouth.width
    seen = [gap_seen(warp.with_opening(opening, 0), parts) for opening in (0.0, 0.5, 1.0)]
    wanted = [warp.gap(opening) for opening in (0.0, 0.5, 1.0)]
    assert np.allclose(seen, wanted, atol=0.12 * mouth.width)
    assert seen[0] < seen[1] < seen[2]
    assert seen[2] > 0.2 * mouth.width
    changed = np.abs(warp.with_opening(1, 0).astype(int) - picture).sum(axis=2) > 12
    rows, columns = np.nonzero(changed)
    x, y = mouth.axes.to_local(columns.astype(float), rows.astype(float))
    assert np.abs(x).max() < 1.85 * mouth.width
    assert -0.6 * mouth.width < y.min()
    assert y.max() < 2.1 * mouth.width
    unmoved = warp.with_opening(0, 0).astype(int) - picture
    assert np.abs(unmoved).mean() < 1


def test_the_mouth_gets_narrower_and_wider(portrait: tuple[RgbImage, FaceParts]) -> None:
    picture, parts = portrait
    mouth = measure_mouth(picture, parts)
    warp = MouthWarp(picture, mouth)

    def dark_width(frame: RgbImage) -> int:
        dark = np.linalg.norm(frame - mouth.inside, axis=2) < 40
        x, y = mouth.axes.to_local(*np.meshgrid(np.arange(256.0), np.arange(256.0)))
        near = (np.abs(x) < 0.8 * mouth.width) & (np.abs(y) < 0.4 * mouth.width)
        return int((dark & near).any(axis=0).sum())

    rounded, usual, spread = (dark_width(warp.with_opening(0.8, width)) for width in (-1.0, 0.0, 1.0))
    assert rounded < usual <= spread


def lower_lip_motion(frames: list[RgbImage], parts: FaceParts) -> NDArray[np.float64]:
    """Return how unlike the first frame the mouth is in each frame."""
    mouth = measure_mouth(frames[0], parts)
    x, y = (int(value) for value in mouth.axes.centre)
    r = int(0.45 * mouth.width)
    parts_of = np.array([frame[y - r : y + r, x - r : x + r].astype(float) for frame in frames])
    return np.asarray(np.abs(parts_of - parts_of[0]).mean(axis=(1, 2, 3)))


def test_frames_follow_a_planted_sound_to_the_frame(puppets: TestSet, tmp_path: Path) -> None:
    """Bursts of a vowel at known frames: the picture changes in those frames and in no other."""
    from evalkit.reference_models.puppet.sound_file import write_wav

    loud = np.zeros(50)
    loud[[8, 9, 10, 20, 21, 22, 23, 35, 36]] = 1
    sound = np.concatenate([value * vowel(1 / FPS) for value in loud]).astype(np.float32)
    write_wav(tmp_path / "v.wav", sound)
    image = puppets.path(puppets.samples[4].reference_images[0])
    (tmp_path / "p.png").write_bytes(image.read_bytes())
    line = {"id": "a", "reference_images": ["p.png"], "audio": "v.wav"}
    (tmp_path / "samples.jsonl").write_text(json.dumps(line))
    clip = WarpedFace({"sway": 0, "blinks": 0}).generate(request(load_testset(tmp_path), 0))
    frames = list(clip.frames)
    assert len(frames) == 50
    motion = lower_lip_motion(frames, find_face(frames[0], [CascadeFinder()]))
    assert best_lag(motion, loud) == 0
    assert motion[loud == 1].min() > 3 * motion[[4, 5, 14, 15, 28, 29, 42, 43]].max() + 1


def test_a_clip_is_the_same_for_the_same_seed(puppets: TestSet) -> None:
    def frames(seed: int) -> bytes:
        clip = WarpedFace().generate(request(puppets, 4, seed))
        assert isinstance(clip, GeneratedClip)
        return b"".join(frame.tobytes() for frame in clip.frames)

    assert frames(0) == frames(0)
    assert frames(0) != frames(1)


def test_motion_starts_at_rest_and_stays_small() -> None:
    rng = np.random.default_rng(3)
    motion = sway(rng, 500, FPS, np.zeros(500))
    assert np.abs(motion[0]).max() == 0
    assert 0.01 < np.abs(motion).max() < 0.15
    assert np.abs(np.diff(motion, axis=0)).max() < 0.03
    shut = blinks(np.random.default_rng(3), 500, FPS)
    starts = np.flatnonzero((shut[1:] > 0.5) & (shut[:-1] <= 0.5))
    assert 4 <= len(starts) <= 10  # in 20 s
    assert shut.max() > 0.95
    assert (shut > 0).mean() < 0.25
    assert blinks(np.random.default_rng(3), 0, FPS).shape == (0,)


def test_a_wall_has_no_face() -> None:
    with pytest.raises(GenerationError, match="tried: cascade"):
        find_face(np.full((128, 128, 3), 120, np.uint8), [CascadeFinder()])


def test_points_that_make_no_face_are_refused() -> None:
    def parts(eyes: list[list[float]], mouth: list[list[float]]) -> FaceParts:
        return FaceParts(np.array(eyes), np.array(mouth), "x", exact=True)

    assert is_plausible_face(parts([[0, 0], [40, 0]], [[5, 45], [35, 45]]))
    assert not is_plausible_face(parts([[0, 0], [40, 0]], [[5, -45], [35, -45]]))
    assert not is_plausible_face(parts([[40, 0], [0, 0]], [[5, 45], [35, 45]]))
    assert not is_plausible_face(parts([[0, 0], [4, 0]], [[0, 4], [4, 4]]))


# Real faces


@pytest.mark.shared
def test_the_wheels_own_cascade_finds_the_mouths_of_real_faces(shared: Path, weights: Path) -> None:
    detector, cascade = face_finders("published")[0], CascadeFinder()
    away = []
    for path in sorted((shared / "data/talking-heads/testset/images").glob("*.png")):
        picture = read_still(path)
        seen, guessed = detector.find(picture), cascade.find(picture)
        assert seen is not None
        assert guessed is not None
        centres = [measure_mouth(picture, parts).axes.centre for parts in (seen, guessed)]
        away.append(float(np.linalg.norm(centres[0] - centres[1])) / seen.eye_distance)
    assert np.median(away) < 0.08
    assert max(away) < 0.3


@pytest.mark.shared
def test_real_portraits_keep_their_face_and_their_identity(
    shared: Path, weights: Path, backbones: Path, tmp_path: Path
) -> None:
    whole = load_testset(shared / "data/talking-heads/testset")
    few = TestSet(whole.root, whole.samples[:4])
    made = make_submission("warp", few, tmp_path / "w.zip", workers=2)
    assert not made.failures
    detector = YuNet(weights / "yunet_n_640_640.onnx")
    import zipfile

    found = total = 0
    with zipfile.ZipFile(made.path) as archive:
        for name in archive.namelist():
            if name.endswith(".mp4"):
                frames = list(iter_frames(Path(archive.extract(name, tmp_path))))
                assert len({cv2.resize(frame, (32, 32)).tobytes() for frame in frames}) > 100
                found += sum(bool(detector.detect(frame)) for frame in frames[::3])
                total += len(frames[::3])
    assert found >= 0.99 * total
    card = api.score(
        made.path, "talking-head", few.root, out=tmp_path / "s", metrics=["identity"], backbones=str(backbones), limit=4
    )
    value = card.metrics["identity.strict.arc"].value
    assert value is not None
    assert 0.6 < value < 0.9999
