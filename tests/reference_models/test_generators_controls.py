"""Controls: each does what it says to the frames, nothing at 0, and nothing else."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from evalkit.errors import MediaError, UsageError
from evalkit.media.audio import read_audio
from evalkit.media.decode import iter_frames
from evalkit.media.encode import write_video
from evalkit.reference_models.generation.requests import RequestBuilder
from evalkit.reference_models.generators.base import (
    GeneratedClip,
    GenerationError,
    GenerationRequest,
    RgbImage,
    VideoTarget,
    find_generator,
)
from evalkit.reference_models.generators.controls import shift_frames
from evalkit.reference_models.generators.inputs import open_reference, read_speech
from evalkit.testsets.model import Sample, TestSet

CONTROLS = ("late", "swap", "blur", "frozen", "jitter", "mute", "shuffle", "reversed", "shifted")
ZERO = {
    "late": {"frames": 0},
    "swap": {"people": 0},
    "blur": {"sigma": 0},
    "frozen": {"share": 0},
    "jitter": {"sigma": 0},
    "mute": {"amount": 0},
    "shuffle": {"share": 0},
    "reversed": {"share": 0},
    "shifted": {"seconds": 0},
}


def request(testset: TestSet, index: int = 0, seed: int = 0) -> GenerationRequest:
    return RequestBuilder(testset, None, seed).request(index, Path("unused.mp4"))


def clip_of(name: str, asked: GenerationRequest, **options: Any) -> GeneratedClip:
    made = find_generator(name)(options).generate(asked)
    assert isinstance(made, GeneratedClip)
    return made


def frames_of(name: str, asked: GenerationRequest, **options: Any) -> list[RgbImage]:
    return list(clip_of(name, asked, **options).frames)


def same(left: list[RgbImage], right: list[RgbImage]) -> bool:
    return len(left) == len(right) and all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


@pytest.fixture(scope="module")
def truth(puppets: TestSet) -> list[RgbImage]:
    return list(iter_frames(puppets.path(puppets.samples[0].reference_video or "")))


def numbered(count: int) -> list[RgbImage]:
    return [np.full((2, 2, 3), number, dtype=np.uint8) for number in range(count)]


@pytest.mark.parametrize("steps", [-40, -7, -3, -1, 0, 1, 2, 6, 9, 10, 40])
@pytest.mark.parametrize("count", [1, 2, 10])
def test_shifting_clamps_at_both_ends(steps: int, count: int) -> None:
    out = [int(frame[0, 0, 0]) for frame in shift_frames(iter(numbered(count)), steps)]
    assert out == [min(max(i + steps, 0), count - 1) for i in range(count)]


def test_truth_is_the_reference_video_with_the_speech(puppets: TestSet, truth: list[RgbImage]) -> None:
    clip = clip_of("truth", request(puppets))
    assert same(list(clip.frames), truth)
    assert (clip.fps, clip.count) == (25, 30)
    speech = read_audio(puppets.path(puppets.samples[0].audio or ""), 16_000)
    assert clip.audio is not None
    assert np.array_equal(clip.audio, speech)


@pytest.mark.parametrize("name", CONTROLS)
def test_at_zero_a_control_is_the_truth(puppets: TestSet, truth: list[RgbImage], name: str) -> None:
    clip = clip_of(name, request(puppets), **ZERO[name])
    assert same(list(clip.frames), truth)
    assert clip.audio is not None
    assert np.abs(clip.audio).max() > 0.05


@pytest.mark.parametrize("name", CONTROLS)
def test_by_default_a_control_has_its_fault_and_its_length(puppets: TestSet, truth: list[RgbImage], name: str) -> None:
    clip = clip_of(name, request(puppets))
    frames = list(clip.frames)
    assert len(frames) == 30
    assert same(frames, truth) == (name == "mute")
    assert clip.audio is not None
    assert (np.abs(clip.audio).max() == 0) == (name == "mute")


@pytest.mark.parametrize("late", [-4, 6])
def test_late_moves_the_pictures_and_leaves_the_speech(puppets: TestSet, truth: list[RgbImage], late: int) -> None:
    clip = clip_of("late", request(puppets), frames=late)
    frames = list(clip.frames)
    # The sound is late: at frame i the lips already do what is heard `late` frames later.
    assert all(np.array_equal(frames[i], truth[min(max(i + late, 0), 29)]) for i in range(30))
    own = clip_of("truth", request(puppets)).audio
    assert own is not None
    assert clip.audio is not None
    assert np.array_equal(clip.audio, own)


def test_late_counts_in_25ths_of_a_second(tmp_path: Path) -> None:
    pictures = [np.full((32, 32, 3), 8 * number, dtype=np.uint8) for number in range(30)]
    write_video(tmp_path / "v.mp4", pictures, 50, crf=1)
    testset = TestSet(tmp_path, (Sample(id="a", reference_video="v.mp4"),))
    truth = frames_of("truth", request(testset))
    late = frames_of("late", request(testset), frames=5)
    assert all(np.array_equal(late[i], truth[min(i + 10, 29)]) for i in range(30))


def test_blur_is_gaussian(puppets: TestSet, truth: list[RgbImage]) -> None:
    blurred = frames_of("blur", request(puppets), sigma=3)
    wanted = gaussian_filter(truth[5].astype(float), (3, 3, 0), mode="mirror", truncate=3)
    assert np.abs(blurred[5].astype(float) - wanted).mean() < 0.5
    assert np.abs(blurred[5].astype(float) - truth[5]).mean() > 1.0


def test_frozen_holds_the_end(puppets: TestSet, truth: list[RgbImage]) -> None:
    assert same(frames_of("frozen", request(puppets)), [truth[0]] * 30)
    half = frames_of("frozen", request(puppets), share=0.5)
    assert same(half, truth[:15] + [truth[15]] * 15)


def test_jitter_moves_frames_as_far_as_it_says(puppets: TestSet, truth: list[RgbImage]) -> None:
    moved = frames_of("jitter", request(puppets), sigma=3)
    window = cv2.createHanningWindow((256, 256), cv2.CV_64F)
    shifts = np.array(
        [
            cv2.phaseCorrelate(*(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY).astype(np.float64) for f in pair), window)[0]
            for pair in zip(truth, moved, strict=True)
        ]
    )
    assert 2 < shifts.std() < 4
    assert np.abs(shifts.mean(axis=0)).max() < 2
    assert same(moved, frames_of("jitter", request(puppets), sigma=3))
    assert not same(moved, frames_of("jitter", request(puppets, seed=1), sigma=3))


def test_shuffle_keeps_every_frame(puppets: TestSet, truth: list[RgbImage]) -> None:
    mixed = frames_of("shuffle", request(puppets))
    assert sorted(frame.tobytes() for frame in mixed) == sorted(frame.tobytes() for frame in truth)
    stayed = sum(np.array_equal(a, b) for a, b in zip(mixed, truth, strict=True))
    assert stayed < 8
    some = frames_of("shuffle", request(puppets), share=0.3)
    moved = sum(not np.array_equal(a, b) for a, b in zip(some, truth, strict=True))
    assert 1 <= moved <= 9
    assert same(mixed, frames_of("shuffle", request(puppets)))


def test_reversed_plays_the_end_backwards(puppets: TestSet, truth: list[RgbImage]) -> None:
    assert same(frames_of("reversed", request(puppets)), truth[::-1])
    assert same(frames_of("reversed", request(puppets), share=0.4), truth[:18] + truth[18:][::-1])


@pytest.mark.parametrize(("seconds", "steps"), [(0.4, 10), (-0.2, -5), (1.2, 0), (1.4, 5)])
def test_shifted_goes_round(puppets: TestSet, truth: list[RgbImage], seconds: float, steps: int) -> None:
    """1.2 s is the whole clip."""
    clip = clip_of("shifted", request(puppets), seconds=seconds)
    frames = list(clip.frames)
    assert all(np.array_equal(frames[i], truth[(i - steps) % 30]) for i in range(30))
    own = clip_of("truth", request(puppets)).audio
    assert own is not None
    assert clip.audio is not None
    assert np.array_equal(clip.audio, own)


def test_mute_can_drop_the_track(puppets: TestSet) -> None:
    assert clip_of("mute", request(puppets), track="none").audio is None
    quiet, loud = (clip_of("mute", request(puppets), amount=amount).audio for amount in (0.5, 0))
    assert quiet is not None
    assert loud is not None
    assert np.allclose(quiet, loud / 2, atol=1e-6)


def test_swap_shows_the_next_other_person_with_the_own_speech(puppets: TestSet) -> None:
    assert [sample.id for sample in puppets][:3] == ["p001t0", "p001t1", "p002t0"]
    clip = clip_of("swap", request(puppets))
    other = list(iter_frames(puppets.path(puppets.samples[2].reference_video or "")))  # not p001's second take
    assert same(list(clip.frames), other)
    own = clip_of("truth", request(puppets)).audio
    assert own is not None
    assert clip.audio is not None
    assert np.array_equal(clip.audio, own)
    third = list(iter_frames(puppets.path(puppets.samples[4].reference_video or "")))
    assert same(frames_of("swap", request(puppets), people=2), third)
    last = list(iter_frames(puppets.path(puppets.samples[0].reference_video or "")))
    assert same(frames_of("swap", request(puppets, index=4)), last)  # the list goes round


def test_swap_runs_forth_and_back_where_the_other_video_is_shorter(tmp_path: Path) -> None:
    for name, count in (("a", 12), ("b", 5)):
        write_video(tmp_path / f"{name}.mp4", [np.full((32, 32, 3), 20 * n, np.uint8) for n in range(count)], 25, crf=1)
    testset = TestSet(tmp_path, tuple(Sample(id=n, reference_video=f"{n}.mp4", identity=n) for n in "ab"))
    levels = [round(float(frame.mean()) / 20) for frame in frames_of("swap", request(testset))]
    assert levels == [0, 1, 2, 3, 4, 3, 2, 1, 0, 1, 2, 3]


def test_swap_of_one_person_is_told(puppets: TestSet) -> None:
    alone = puppets.limited(2)
    with pytest.raises(GenerationError, match="one person only"):
        frames_of("swap", request(alone))


def test_a_control_of_another_base(puppets: TestSet) -> None:
    still = frames_of("still", request(puppets))
    blurred = frames_of("blur", request(puppets), base="still", sigma=2)
    assert np.array_equal(blurred[3], cv2.GaussianBlur(still[3], (0, 0), 2))
    swapped = frames_of("swap", request(puppets), base="still")
    assert np.array_equal(swapped[0], frames_of("still", request(puppets, index=2))[0])
    assert find_generator("late")({"base": "warp"}).needs == {"reference_images"}
    assert find_generator("late")().needs == {"reference_video"}


def test_a_video_of_another_rate_is_read_at_an_allowed_one(tmp_path: Path) -> None:
    write_video(tmp_path / "v.mp4", [np.full((32, 32, 3), 10 * n, np.uint8) for n in range(20)], 10, crf=1)
    own = open_reference(tmp_path / "v.mp4")
    assert (own.fps, own.order.tolist()) == (10, list(range(20)))
    faster = open_reference(tmp_path / "v.mp4", min_fps=20, max_fps=60)
    assert (faster.fps, len(faster.order)) == (20, 40)
    levels = [round(float(frame.mean()) / 10) for frame in faster.frames()]
    assert levels[:2] == [0, 0]
    assert levels[-1] == 19
    assert np.diff(levels).max() == 1


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("late", {"frames": 51}, "whole number from -50 to 50"),
        ("late", {"frames": "1.5"}, "whole number"),
        ("late", {"frame": 1}, "Did you mean 'frames'"),
        ("blur", {"sigma": "nan"}, "from 0 to 50"),
        ("blur", {"sigma": True}, "from 0 to 50"),
        ("mute", {"track": "loud"}, "silent or none"),
        ("still", {"sigma": 1}, "no options"),
    ],
)
def test_wrong_options_are_told(name: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        find_generator(name)(options)


def test_an_unknown_generator_is_told() -> None:
    with pytest.raises(UsageError, match="Did you mean 'still'"):
        find_generator("stil")


def test_a_silent_reference_video_gives_silence_and_a_damaged_one_an_error(tmp_path: Path) -> None:
    silent, damaged = tmp_path / "silent.mp4", tmp_path / "damaged.mp4"
    write_video(silent, [np.full((32, 32, 3), 20 * n, np.uint8) for n in range(5)], 25, crf=20)
    damaged.write_bytes(b"no video")
    target = VideoTarget(Fraction(25), 0.2, 5, 32, 32, audio_required=True)
    asked = GenerationRequest("s", 0, target, tmp_path / "out.mp4", reference_video=silent)
    assert read_speech(asked, 0.2).tolist() == [0.0] * 3200
    with pytest.raises(MediaError):
        read_speech(GenerationRequest("s", 0, target, tmp_path / "out.mp4", reference_video=damaged), 0.2)
