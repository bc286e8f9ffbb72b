"""Frames that equal the one before: networks don't run again, and every number stays."""

from collections.abc import Callable, Iterator
from pathlib import Path

import inception_checkpoint
import numpy as np
import pytest
from numpy.typing import NDArray
from sync_networks import PlantedSyncNet, beeps, random_s3fd, write_wav

from evalkit.media.encode import write_video
from evalkit.media.inspect import inspect_media
from evalkit.media.sampling import AtRate
from evalkit.metrics.embeddings.frames import FrameSession
from evalkit.metrics.faces.features import FacesSession
from evalkit.metrics.faces.policy import FacePolicy
from evalkit.metrics.features.base import Item, Session
from evalkit.metrics.features.face import Face
from evalkit.metrics.features.repeats import Repeats
from evalkit.metrics.networks.fid_inception import FidInception
from evalkit.metrics.sync.features import SyncSession
from evalkit.metrics.sync.s3fd import S3fd

PATTERN = [0, 0, 1, 1, 1, 2, 0, 0, 3]  # 5 runs of equal frames; the second picture 0 is not next to the first


def pictures(seed: int = 0) -> list[NDArray[np.uint8]]:
    """Four pictures of soft spots, which a lossless H.264 keeps different."""
    rng = np.random.default_rng(seed)
    return [np.kron(rng.integers(0, 256, (6, 6, 3)), np.ones((32, 32, 1))).astype(np.uint8) for _ in range(4)]


def encode(path: Path, numbers: list[int]) -> Path:
    shown = pictures()
    write_video(path, (shown[number] for number in numbers), 25.0, crf=0, preset="ultrafast")
    return path


@pytest.fixture
def without_repeats(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it to switch the comparison off."""
    return lambda: monkeypatch.setattr(Repeats, "again", lambda self, picture: False)


def read(session: Session, video: Path) -> dict[str, NDArray]:
    assert inspect_media(video, [session]).complete
    return session.finish()


class CountedInception(FidInception):
    """Counts the frames that the network sees."""

    seen = 0

    def embed(self, frames):
        self.seen += len(frames)
        return super().embed(frames)


class CountedS3fd(S3fd):
    """Counts the frames that the network sees."""

    seen = 0

    def raw(self, smalls):
        self.seen += len(smalls)
        return super().raw(smalls)


@pytest.fixture(scope="module")
def inception(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("repeats") / "inception.pth"
    return inception_checkpoint.write_checkpoint(path, inception_checkpoint.random_inception())


def test_vectors_of_repeated_frames_are_those_of_the_video_without_repeats(inception: Path, tmp_path: Path) -> None:
    network = CountedInception(inception)
    made = read(FrameSession(network, AtRate(25.0)), encode(tmp_path / "repeated.mp4", PATTERN))
    assert network.seen == 5
    assert made["row"].tolist() == list(range(9))
    once = read(FrameSession(network, AtRate(25.0)), encode(tmp_path / "once.mp4", [0, 1, 2, 0, 3]))
    assert network.seen == 10
    np.testing.assert_array_equal(made["activation"], once["activation"][[0, 0, 1, 1, 1, 2, 3, 3, 4]])
    assert len(np.unique(made["activation"], axis=0)) == 4


def test_a_still_runs_the_network_once(inception: Path, tmp_path: Path) -> None:
    network = CountedInception(inception)
    made = read(FrameSession(network, AtRate(25.0)), encode(tmp_path / "still.mp4", [2] * 20))
    assert network.seen == 1
    assert made["activation"].shape == (20, 2048)
    assert (made["activation"] == made["activation"][0]).all()


def test_faces_of_lip_sync_are_those_of_every_frame(tmp_path: Path, without_repeats: Callable[[], None]) -> None:
    video = encode(tmp_path / "clip.mp4", PATTERN * 8)
    speech = write_wav(tmp_path / "speech.wav", beeps(90))
    item, weights = Item("s", video, audio=speech), random_s3fd(tmp_path / "s3fd.pth")

    def run() -> tuple[int, dict[str, NDArray]]:
        detector = CountedS3fd(weights)
        made = read(SyncSession(detector, PlantedSyncNet(), item), video)  # type: ignore[arg-type]
        return detector.seen, made

    fewer, found = run()
    without_repeats()
    every, expected = run()
    assert (fewer, every) == (5 * 8, 9 * 8)
    assert found["faces"].sum() > 0
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        # Other frames share a batch, which may change the last digits of a box.
        np.testing.assert_allclose(found[name], array, rtol=1e-5, err_msg=name)


class CountedDetector:
    """Finds faces whose place follows from the picture, and counts its calls.

    The last one has no area, so that no two frames have it in one track.
    """

    calls = 0

    def detect(self, rgb: NDArray[np.uint8]) -> list[Face]:
        self.calls += 1
        x = float(rgb[0, 0].sum()) / 10
        box = np.array([x, 20, x + 90, 120], dtype=np.float32)
        boxes = (box, box + 3, np.array([x, 20, x, 20], dtype=np.float32))
        return [Face(one, 0.9 - 0.1 * at, np.zeros((5, 2), np.float32)) for at, one in enumerate(boxes)]


def test_faces_are_found_once_in_equal_frames(tmp_path: Path, without_repeats: Callable[[], None]) -> None:
    """Several faces a frame, so that faces of two frames must not be taken for one another."""
    video = encode(tmp_path / "clip.mp4", PATTERN)

    def run() -> tuple[int, dict[str, NDArray]]:
        detector = CountedDetector()
        made = read(FacesSession(FacePolicy(detector)), video)
        return detector.calls, made

    fewer, found = run()
    without_repeats()
    every, expected = run()
    assert (fewer, every) == (5, 9)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def shown(*pictures: NDArray) -> Iterator[bool]:
    repeats = Repeats()
    return (repeats.again(picture) for picture in pictures)


def test_what_is_only_alike_is_not_equal() -> None:
    one = np.zeros((2, 3, 3), np.uint8)
    other = one.copy()
    other[1, 2, 2] = 1
    assert list(shown(one, one.copy(), other, one)) == [False, True, False, False]
    assert list(shown(one, one.reshape(3, 2, 3), one.astype(np.float32))) == [False, False, False]


def test_a_picture_that_is_overwritten_is_compared_as_it_was() -> None:
    repeats, picture = Repeats(), np.zeros((2, 2, 3), np.uint8)
    repeats.again(picture)
    picture += 1
    assert not repeats.again(picture)
