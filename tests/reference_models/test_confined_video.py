"""A video of another team is decoded by a confined worker, whose answers are not believed blindly."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evalkit.errors import MediaError
from evalkit.media import container
from evalkit.media.decode import iter_frames
from evalkit.media.encode import write_video
from evalkit.media.inspect import scan_times
from evalkit.reference_models.generators import confined_video
from evalkit.reference_models.generators.confined_video import PART_FRAMES, ConfinedVideo
from evalkit.workers.messages import BadAnswerError


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of more frames than one answer has."""
    path = tmp_path_factory.mktemp("theirs") / "theirs.mp4"
    noise = np.random.default_rng(0).integers(0, 256, (2 * PART_FRAMES + 5, 32, 48, 3), np.uint8)
    write_video(path, iter(noise), 25)
    return path


def test_frames_and_times_are_those_of_the_file(video: Path) -> None:
    read, wanted = list(ConfinedVideo(video).frames()), list(iter_frames(video))
    assert len(read) == len(wanted) == 2 * PART_FRAMES + 5
    assert all(np.array_equal(one, other) for one, other in zip(read, wanted, strict=True))
    assert np.array_equal(ConfinedVideo(video).times(), scan_times(video))


def test_this_process_does_not_open_it(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(*given: Any, **named: Any) -> Any:
        raise AssertionError("opened in this process")

    monkeypatch.setattr(container.av, "open", opened)
    with pytest.raises(AssertionError, match="in this process"):
        scan_times(video)
    assert len(ConfinedVideo(video).times()) == 2 * PART_FRAMES + 5
    assert next(ConfinedVideo(video).frames()).shape == (32, 48, 3)


def test_a_damaged_video_is_a_clear_error_without_its_path(video: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"no video")
    with pytest.raises(MediaError, match="can't be read") as error:
        ConfinedVideo(broken).times()
    assert str(tmp_path) not in str(error.value)
    whole = video.read_bytes()
    broken.write_bytes(whole[:2000] + bytes(len(whole) - 2000))
    with pytest.raises(MediaError, match="can't be read"):
        list(ConfinedVideo(broken).frames())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the filter is of Linux; CI runs there")
def test_the_worker_is_confined(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confined_video, "HANDLER", "sandbox_handlers:refusals")
    assert ConfinedVideo(video).times().tolist() == [1, 1, 1]


@pytest.mark.parametrize("answer", [None, np.array([0.0, np.nan]), np.array([], np.float64), np.array(["0"]), [0.0]])
def test_false_times_are_refused(answer: Any) -> None:
    with pytest.raises(BadAnswerError):
        confined_video._times(answer)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {"frames": []},
        [np.zeros((4, 4), np.uint8)],
        [np.zeros((4, 4, 3), np.float64)],
        [np.zeros((0, 4, 3), np.uint8)],
        [np.zeros((4, 4, 3), np.uint8)] * (PART_FRAMES + 1),
        ["frame"],
    ],
)
def test_false_frames_are_refused(answer: Any) -> None:
    with pytest.raises(BadAnswerError):
        confined_video._frames(answer)


def test_an_answer_of_the_other_kind_is_no_answer(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confined_video, "HANDLER", "sandbox_handlers:refusals")
    with pytest.raises(MediaError, match="false answer"):
        list(ConfinedVideo(video).frames())
