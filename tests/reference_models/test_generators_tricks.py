"""Tricks: each does what it says, nothing at its smallest size, and the same on every run."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from evalkit.errors import MediaError, UsageError
from evalkit.media.audio import read_audio
from evalkit.media.decode import iter_frames
from evalkit.reference_models.generation.requests import RequestBuilder
from evalkit.reference_models.generators import confined_video
from evalkit.reference_models.generators.base import (
    GeneratedClip,
    GenerationError,
    GenerationRequest,
    RgbImage,
    find_generator,
    generator_registry,
)
from evalkit.reference_models.generators.tricks.timing import there_and_back
from evalkit.testsets.model import TestSet

# trick -> the option whose value leaves the base as it is; of tricks with a still, the still
NOTHING: dict[str, dict[str, Any]] = {
    "noisy-still": {"sigma": 0},
    "drifting-still": {"share": 0},
    "zooming-still": {"share": 0},
    "lit-still": {"levels": 0},
    "waving-still": {"percent": 0},
    "mouth-box": {"size": 0},
    "mouth-only": {"size": 0},
    "pasted-corner": {"share": 0},
    "pasted-frames": {"every": 0},
    "encoded-copy": {"crf": 0},
    "cropped-copy": {"share": 0},
    "moved-copy": {"share": 0},
    "turned-copy": {"degrees": 0},
    "wobbling-copy": {"degrees": 0},
    "other-hue": {"degrees": 0},
    "other-brightness": {"levels": 0},
    "other-contrast": {"factor": 1},
    "negative": {"amount": 0},
    "low-inverted": {"amount": 0},
    "other-speed": {"factor": 1},
    "late-copy": {"seconds": 0},
    "looped": {"seconds": 0},
    "boomerang": {"seconds": 0},
    "repeated-part": {"seconds": 0},
    "played-backwards": {"share": 0},
    "repeated-frames": {"times": 1},
    "other-speech": {"people": 0},
    "shifted-speech": {"seconds": 0},
    "mixed-speech": {"decibels": -100},
    "louder-speech": {"decibels": 0},
}
TRICKS = (*NOTHING, "flipped-copy")
SOUND = {"other-speech", "shifted-speech", "mixed-speech", "louder-speech"}
STILLS = {name for name in NOTHING if name.endswith("-still")} | {"mouth-box", "mouth-only"}


def request(testset: TestSet, index: int = 0, seed: int = 0) -> GenerationRequest:
    return RequestBuilder(testset, None, seed).request(index, Path("unused.mp4"))


def clip_of(name: str, asked: GenerationRequest, **options: Any) -> GeneratedClip:
    made = find_generator(name)({"base": "truth", **options}, "bundled").generate(asked)
    assert isinstance(made, GeneratedClip)
    return made


def frames_of(name: str, asked: GenerationRequest, **options: Any) -> list[RgbImage]:
    return list(clip_of(name, asked, **options).frames)


def same(left: list[RgbImage], right: list[RgbImage]) -> bool:
    return len(left) == len(right) and all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


@pytest.fixture(scope="module")
def truth(puppets: TestSet) -> list[RgbImage]:
    return list(iter_frames(puppets.path(puppets.samples[0].reference_video or "")))


@pytest.fixture(scope="module")
def speech(puppets: TestSet) -> np.ndarray:
    return read_audio(puppets.path(puppets.samples[0].audio or ""), 16_000)


def test_every_trick_is_listed_as_a_control_and_tested() -> None:
    package = "evalkit.reference_models.generators.tricks."
    found = {name: kind for name, kind in generator_registry().items() if kind.__module__.startswith(package)}
    assert set(found) == {*TRICKS, "resubmitted"}
    assert all(kind.record.control for kind in found.values())


@pytest.mark.parametrize("name", NOTHING)
def test_at_its_smallest_a_trick_is_its_base(
    puppets: TestSet, truth: list[RgbImage], speech: np.ndarray, name: str
) -> None:
    clip = clip_of(name, request(puppets), **NOTHING[name])
    assert same(list(clip.frames), [truth[0]] * 30 if name in STILLS else truth)
    assert clip.audio is not None
    assert np.array_equal(clip.audio, speech)


@pytest.mark.parametrize("name", TRICKS)
def test_by_default_a_trick_changes_something_and_keeps_length_and_size(
    puppets: TestSet, truth: list[RgbImage], speech: np.ndarray, name: str
) -> None:
    clip = clip_of(name, request(puppets))
    frames = list(clip.frames)
    assert clip.audio is not None
    assert same(frames, truth) == (name in SOUND)
    assert np.array_equal(clip.audio, speech) == (name not in SOUND)
    assert (len(frames), frames[0].shape, len(clip.audio)) == (30, truth[0].shape, len(speech))
    assert not same(frames, [frames[0]] * 30)
    again = clip_of(name, request(puppets))
    assert same(list(again.frames), frames)
    assert again.audio is not None
    assert np.array_equal(again.audio, clip.audio)


def test_noise_has_its_sigma_and_another_seed_other_noise(puppets: TestSet, truth: list[RgbImage]) -> None:
    noisy = frames_of("noisy-still", request(puppets), sigma=5)
    middle = (truth[0] > 30) & (truth[0] < 225)
    noise = np.stack(noisy)[:, middle].astype(float) - truth[0][middle]
    assert noise.std() == pytest.approx(np.hypot(5, 12**-0.5), rel=0.02)
    assert not same(noisy, frames_of("noisy-still", request(puppets, seed=1), sigma=5))


def test_a_still_slides_and_grows_as_far_as_it_says(puppets: TestSet, truth: list[RgbImage]) -> None:
    slid = frames_of("drifting-still", request(puppets), share=30 / 256)  # a pixel from frame to frame
    assert np.array_equal(slid[10][:, 10:], truth[0][:, :-10])
    grown = frames_of("zooming-still", request(puppets), share=1.0)[15]  # half of it
    small = cv2.resize(truth[0], None, fx=1.5, fy=1.5)[64:-64, 64:-64]
    assert np.abs(grown.astype(float) - small).mean() < 2


def test_light_and_waves_are_as_strong_as_they_say(puppets: TestSet, truth: list[RgbImage]) -> None:
    lit = np.stack(frames_of("lit-still", request(puppets), levels=6)).astype(float) - truth[0]
    assert 5 <= np.abs(lit).max() <= 6
    assert np.abs(lit.mean(axis=(0, 1, 3))).max() > 0.5  # it moves: no point has the same light all the time
    waving = frames_of("waving-still", request(puppets), percent=2)[0]
    rows = 2 / 100 * 256 * np.sin(2 * np.pi * 3 * np.arange(256) / 256)
    row = int(np.argmin(np.abs(rows - 3.0)))
    shift = round(rows[row])
    assert np.abs(waving[row, 20:-20].astype(float) - np.roll(truth[0][row], -shift, axis=0)[20:-20]).mean() < 2


def test_the_box_opens_with_the_speech_and_the_rest_stays(puppets: TestSet, truth: list[RgbImage]) -> None:
    frames = np.stack(frames_of("mouth-box", request(puppets)))
    boxes = np.all(frames == (70, 25, 30), axis=3)
    assert np.array_equal(frames[~boxes], np.broadcast_to(truth[0], frames.shape)[~boxes])
    sizes = boxes.sum(axis=(1, 2))
    assert sizes.max() > 3 * max(1, sizes.min())
    assert boxes.any(axis=0)[:110].sum() == 0  # below the eyes


def test_only_the_mouth_moves(puppets: TestSet, truth: list[RgbImage]) -> None:
    frames = np.stack(frames_of("mouth-only", request(puppets))).astype(int)
    moving = np.abs(frames - frames[0]).max(axis=(0, 3)) > 2
    assert 0 < moving.mean() < 0.1
    assert not moving[:110].any()
    rows, columns = (round(float(part.mean())) for part in np.nonzero(moving))
    assert all(np.abs(frames[i][rows, columns] - truth[i][rows, columns]).max() <= 1 for i in range(30))


def test_the_image_is_in_the_corner_or_now_and_then(puppets: TestSet, truth: list[RgbImage]) -> None:
    corner = frames_of("pasted-corner", request(puppets), share=0.25)[7]
    still = clip_of_still(puppets)
    assert np.array_equal(corner[192:, 192:], cv2.resize(still, (64, 64), interpolation=cv2.INTER_AREA))
    corner[192:, 192:] = truth[7][192:, 192:]
    assert np.array_equal(corner, truth[7])
    shown = frames_of("pasted-frames", request(puppets), every=7)
    assert [np.array_equal(frame, still) for frame in shown] == [index % 7 == 0 for index in range(30)]


def clip_of_still(testset: TestSet) -> RgbImage:
    made = find_generator("still")().generate(request(testset))
    assert isinstance(made, GeneratedClip)
    return next(iter(made.frames))


def test_geometry(puppets: TestSet, truth: list[RgbImage]) -> None:
    asked = request(puppets)
    for axis, flipped in {"left-right": (1, -1), "top-bottom": (-1, 1), "both": (-1, -1)}.items():
        assert np.array_equal(frames_of("flipped-copy", asked, axis=axis)[3], truth[3][:: flipped[0], :: flipped[1]])
    cropped = frames_of("cropped-copy", asked, share=0.5)[3]
    assert np.abs(cropped.astype(float) - cv2.resize(truth[3][64:-64, 64:-64], (256, 256))).mean() < 3
    moved = frames_of("moved-copy", asked, share=10 / 256)[3]
    assert np.array_equal(moved[10:, 10:], truth[3][:-10, :-10])
    assert np.array_equal(frames_of("turned-copy", asked, degrees=90)[3], np.rot90(truth[3]))
    wobbling = frames_of("wobbling-copy", asked, degrees=3, seconds=0.8)
    assert np.array_equal(wobbling[5], frames_of("turned-copy", asked, degrees=3)[5])  # a quarter of the period
    assert np.array_equal(wobbling[20], truth[20])


def test_encoding_once_more_loses_more_at_higher_factors(puppets: TestSet, truth: list[RgbImage]) -> None:
    def loss(crf: int) -> float:
        return float(
            np.abs(np.stack(frames_of("encoded-copy", request(puppets), crf=crf)).astype(float) - truth).mean()
        )

    assert 0 < loss(20) < loss(45) < 15


def test_colours(puppets: TestSet, truth: list[RgbImage]) -> None:
    asked, frame = request(puppets), truth[3].astype(float)

    def changed(name: str, **options: float) -> np.ndarray:
        return frames_of(name, asked, **options)[3].astype(float)

    assert np.array_equal(changed("other-brightness", levels=-20), np.maximum(frame - 20, 0))
    stretched = np.clip(np.rint((frame - 127.5) * 1.5 + 127.5), 0, 255)
    assert np.array_equal(changed("other-contrast", factor=1.5), stretched)
    assert np.array_equal(changed("negative"), 255 - frame)
    assert np.abs(changed("negative", amount=0.5) - 127.5).max() <= 0.5
    red = changed("other-hue", degrees=120)[..., 1] - frame[..., 0]  # red becomes green
    assert np.abs(red).mean() < 3
    low, mirrored = (cv2.GaussianBlur(one, (0, 0), 60).mean(axis=2) for one in (frame, changed("low-inverted")))
    assert np.corrcoef(low.ravel(), mirrored.ravel())[0, 1] < -0.9


@pytest.mark.parametrize(
    ("name", "options", "order"),
    [
        ("other-speed", {"factor": 2}, [min(2 * i, 58 - 2 * i) for i in range(30)]),
        ("other-speed", {"factor": 0.5}, [round(i / 2) for i in range(30)]),
        ("late-copy", {"seconds": 0.2}, [max(0, i - 5) for i in range(30)]),
        ("late-copy", {"seconds": -0.2}, [min(29, i + 5) for i in range(30)]),
        ("late-copy", {"seconds": 60}, [0] * 30),
        ("looped", {"seconds": 0.4}, [i % 10 for i in range(30)]),
        ("boomerang", {"seconds": 0.2}, [(0, 1, 2, 3, 4, 3, 2, 1)[i % 8] for i in range(30)]),
        ("repeated-part", {"seconds": 0.2}, [*range(15), *range(10, 25)]),
        ("repeated-part", {"seconds": 9}, [*range(15), *range(15)]),
        ("played-backwards", {"share": 1}, [29 - i for i in range(30)]),
        ("played-backwards", {"share": 0.5}, [*range(14, -1, -1), *range(15, 30)]),
        ("repeated-frames", {"times": 4}, [i // 4 * 4 for i in range(30)]),
        ("looped", {"seconds": 0.01}, [0] * 30),
    ],
)
def test_orders(puppets: TestSet, truth: list[RgbImage], name: str, options: dict[str, Any], order: list[int]) -> None:
    assert same(frames_of(name, request(puppets), **options), [truth[index] for index in order])


def test_a_clip_of_one_frame_is_played_there_and_back() -> None:
    assert there_and_back(np.arange(4), 1).tolist() == [0, 0, 0, 0]
    assert there_and_back(np.arange(5), 2).tolist() == [0, 1, 0, 1, 0]


def test_sounds(puppets: TestSet, speech: np.ndarray) -> None:
    asked = request(puppets)

    def heard(name: str, **options: Any) -> np.ndarray:
        sound = clip_of(name, asked, **options).audio
        assert sound is not None
        return sound

    other = np.resize(read_audio(puppets.path(puppets.samples[2].audio or ""), 16_000), len(speech))
    assert np.array_equal(heard("other-speech"), other)
    assert np.array_equal(heard("shifted-speech", seconds=0.1)[1600:], speech[:-1600])
    assert not heard("shifted-speech", seconds=0.1)[:1600].any()
    assert np.array_equal(heard("shifted-speech", seconds=-0.1)[:-1600], speech[1600:])
    assert not heard("shifted-speech", seconds=60).any()
    assert np.allclose(heard("louder-speech", decibels=-20), speech / 10)
    assert np.abs(heard("louder-speech", decibels=60)).max() == 1
    mixed = heard("mixed-speech", decibels=-6)
    own, added = np.linalg.lstsq(np.stack([speech, other], axis=1), mixed, rcond=None)[0]
    assert np.allclose(own * speech + added * other, mixed, atol=1e-5)
    level = np.sqrt(np.mean((added * other) ** 2) / np.mean((own * speech) ** 2))
    assert 20 * np.log10(level) == pytest.approx(-6, abs=0.01)


def test_another_teams_videos_are_a_base(puppets: TestSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "team.zip"
    sources = [puppets.path(sample.reference_video or "") for sample in puppets.samples]
    with zipfile.ZipFile(archive, "w") as made:
        made.write(sources[3], f"{puppets.samples[0].id}.mp4")  # not its own video, so that it is told apart
        made.writestr(f"{puppets.samples[1].id}.mp4", b"no video")
    theirs = list(iter_frames(sources[3]))
    asked = request(puppets)
    assert same(frames_of("flipped-copy", asked, base="submission", videos=str(archive)), [f[:, ::-1] for f in theirs])
    again = find_generator("resubmitted")({"videos": str(archive)}).generate(asked)
    assert isinstance(again, GeneratedClip)
    assert same(list(again.frames), theirs)
    with pytest.raises(GenerationError, match="no single video"):
        frames_of("negative", request(puppets, index=2), base="submission", videos=str(archive))
    assert archive in find_generator("negative")({"base": "submission", "videos": str(archive)}).code_files()
    with pytest.raises(UsageError, match="not named"):
        find_generator("negative")({"base": "submission"})
    # What a confined worker says of the video is all that is known of it.
    monkeypatch.setattr(confined_video, "HANDLER", "sandbox_handlers:refusals")
    with pytest.raises(MediaError, match="false answer"):
        frames_of("negative", asked, base="submission", videos=str(archive))
