"""SyncNet, S3FD, tracks, crops and MFCC against syncnet-python's own classes: same checkpoints, same frames.

The checkpoints are random, of the published shapes. What is compared is in each test, with the largest difference seen.
"""

import json
import subprocess
import wave
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from sync_networks import random_s3fd, random_syncnet

from evalkit.media.audio import read_audio
from evalkit.media.decode import iter_frames
from evalkit.metrics.faces.scrfd import Scrfd
from evalkit.metrics.features.audio import to_int16
from evalkit.metrics.sync import s3fd_boxes, scene_cuts
from evalkit.metrics.sync import tracks as sync_tracks
from evalkit.metrics.sync.arithmetic import Sync, sync_core
from evalkit.metrics.sync.distances import window_count
from evalkit.metrics.sync.mfcc import mfcc
from evalkit.metrics.sync.s3fd import S3fd
from evalkit.metrics.sync.syncnet import SyncNet

pytestmark = [pytest.mark.shared, pytest.mark.oracles]

ORACLE = Path(__file__).parent.parent / "oracles" / "sync_reference.py"
SOUNDS = {"example": "syncnet/example.avi", "c01": "clips/c01.mp4", "c11": "clips/c11.mpg", "s01": None}
IMAGES = {
    **{f"c{number:02d}": f"clips/c{number:02d}.mp4" for number in (1, 2, 4, 6, 7)},
    "c10": "clips/c10.mpg",
    "example": "syncnet/example.avi",
}
TRACKED = {"c01": 75, "c07": 75, "c06": 60}

ANY_SIZE = sync_tracks.TrackOptions(smallest_face=0)


@dataclass
class Comparison:
    """Both sides' inputs, and the oracle's arrays."""

    syncnet: Path
    s3fd: Path
    sounds: dict[str, NDArray[np.int16]] = field(default_factory=dict)
    crops: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    images: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    planted: dict[str, dict[str, NDArray]] = field(default_factory=dict)
    boxes: dict[str, list[NDArray[np.float64]]] = field(default_factory=dict)
    frames: dict[str, list[NDArray[np.uint8]]] = field(default_factory=dict)
    theirs: dict[str, NDArray] = field(default_factory=dict)


def sounds(shared: Path) -> Iterator[tuple[str, NDArray[np.int16]]]:
    for name, relative in SOUNDS.items():
        path = shared / "data" / (relative or "talking-heads/testset/audio/s01.wav")
        yield name, to_int16(read_audio(path, 16000))
    yield "silence", np.zeros(8000, np.int16)
    yield "short", np.arange(-200, 101, dtype=np.int16)
    yield "loud", np.random.default_rng(0).integers(-32768, 32768, 16123).astype(np.int16)


def planted(seed: int, frame: tuple[int, int], strong: float) -> dict[str, NDArray]:
    """Raw outputs with many overlapping strong boxes, some beyond the frame."""
    random = np.random.default_rng(seed)
    width, height = round(frame[0] / 4), round(frame[1] / 4)
    maps = [(-(-height // step), -(-width // step)) for step in (4, 8, 16, 32, 64, 128)]
    count = sum(rows * columns for rows, columns in maps)
    scores = np.where(random.random(count) < strong, random.uniform(0.85, 1, count), random.uniform(0, 0.5, count))
    return {
        "offsets": random.normal(0, 2, (count, 4)).astype(np.float32),
        "scores": scores.astype(np.float32),
        "maps": np.array(maps),
        "input": np.array([width, height]),
        "frame": np.array(frame),
    }


def write_pictures(folder: Path, pictures: list[NDArray[np.uint8]]) -> None:
    """Write RGB pictures without loss, under the names that the oracle looks for."""
    folder.mkdir()
    for number, rgb in enumerate(pictures, start=1):
        _, data = cv2.imencode(".png", rgb[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
        (folder / f"{number:06d}.jpg").write_bytes(data.tobytes())


@pytest.fixture(scope="module")
def comparison(shared: Path, oracle_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    folder = tmp_path_factory.mktemp("sync")
    made = Comparison(random_syncnet(folder / "syncnet.pth"), random_s3fd(folder / "s3fd.pth"))
    data = shared / "data"
    made.sounds = dict(sounds(shared))
    for name, samples in made.sounds.items():
        np.save(folder / f"{name}.npy", samples)
    example = list(islice(iter_frames(data / "syncnet/example.avi"), 42))
    for name, first, samples in (
        ("head", 0, made.sounds["example"][: 42 * 640]),
        ("less_sound", 7, made.sounds["example"][4480 : 4480 + 21 * 640 + 300]),
    ):
        made.crops[name] = np.stack(example[first:])
        write_pictures(folder / name, example[first:])
        with wave.open(str(folder / name / "audio.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16000)
            file.writeframes(samples.tobytes())
        made.sounds[name] = samples
    for name, relative in IMAGES.items():
        made.images[name] = next(iter_frames(data / relative))
    made.images["odd"] = made.images["c07"][:251, 3:370]
    for name, rgb in made.images.items():
        cv2.imwrite(str(folder / f"{name}.png"), rgb[:, :, ::-1])
    for seed, (frame, strong) in enumerate([((256, 256), 0.1), ((640, 360), 0.02), ((512, 384), 0.9), ((256, 256), 0)]):
        made.planted[f"planted{seed}"] = planted(seed, frame, strong)
        np.savez(folder / f"planted{seed}.npz", **made.planted[f"planted{seed}"])
    detector = Scrfd(shared / "weights/scrfd_500m_kps.onnx", (320, 320))
    crops = {}
    for name, count in TRACKED.items():
        pictures = list(islice(iter_frames(data / f"clips/{name}.mp4"), count))
        made.frames[name] = pictures
        write_pictures(folder / f"frames_{name}", pictures)
        factor = pictures[0].shape[1] // 256
        size = (round(pictures[0].shape[1] / factor), round(pictures[0].shape[0] / factor))
        write_pictures(folder / f"small_{name}", [cv2.resize(rgb, size) for rgb in pictures[:20]])
        found = detector.detect_many(pictures)
        made.boxes[name] = [np.array([face.box for face in faces], np.float64).reshape(-1, 4) for faces in found]
        (track,) = sync_tracks.track_faces(made.boxes[name], after_miss="stop", options=ANY_SIZE)
        crops[name] = {"frames": f"frames_{name}", "track": [track.first, track.boxes.tolist()]}
    random = np.random.default_rng(11)
    for name in ("crowd", "sparse"):
        made.boxes[name] = wandering(random, 0.05 if name == "crowd" else 0.3)
    job = {
        "mfcc": [*SOUNDS, "silence", "short", "loud"],
        "syncnet": {"weights": str(made.syncnet), "clips": list(made.crops)},
        "s3fd": {"weights": str(made.s3fd), "images": list(made.images)},
        "planted": list(made.planted),
        "tracks": {name: [boxes.tolist() for boxes in found] for name, found in made.boxes.items()},
        "crops": crops,
        "cuts": [f"small_{name}" for name in TRACKED],
    }
    (folder / "job.json").write_text(json.dumps(job))
    command = [str(oracle_python), str(ORACLE), str(folder / "job.json"), str(folder), str(folder / "result.npz")]
    subprocess.run(command, check=True, timeout=500, stdout=subprocess.DEVNULL)
    with np.load(folder / "result.npz") as result:
        made.theirs = dict(result)
    return made


def wandering(random: np.random.Generator, missing: float) -> list[NDArray[np.float64]]:
    """Three faces that walk about for 160 frames, in changing order, each missing now and then."""
    places = np.array([[0.0, 0.0], [200.0, 30.0], [420.0, 60.0]])
    frames = []
    for _ in range(160):
        places = places + random.normal(0, 9, places.shape)
        order = random.permutation(3)
        shown = places[order[random.random(3) > missing]]
        frames.append(np.hstack([shown, shown + 130 + random.normal(0, 2, (len(shown), 1))]).reshape(-1, 4))
    return frames


def test_mfcc(comparison: Comparison) -> None:
    """Measured: equal to the last bit."""
    for name in (*SOUNDS, "silence", "short", "loud"):
        np.testing.assert_allclose(
            mfcc(comparison.sounds[name]), comparison.theirs[f"mfcc/{name}"], rtol=0, atol=1e-10, err_msg=name
        )


def test_syncnet(comparison: Comparison) -> None:
    """Measured: lips 1.6e-6 and sound 2.0e-6 of values up to 3, confidence 1.9e-6, distance 2.1e-6."""
    network = SyncNet(comparison.syncnet)
    for name, crops in comparison.crops.items():
        samples = comparison.sounds[name]
        windows = window_count(len(crops), len(samples))
        lips = network.lips(np.ascontiguousarray(crops[: windows + 4, :, :, ::-1]))
        sound = network.audio(mfcc(samples), windows)
        theirs = {kind: comparison.theirs[f"syncnet/{name}/{kind}"] for kind in ("lips", "sound", "numbers")}
        assert windows == {"head": 37, "less_sound": 16}[name]
        assert lips.shape == sound.shape == theirs["lips"].shape == theirs["sound"].shape
        assert min(np.abs(theirs["lips"]).max(), np.abs(theirs["sound"]).max()) > 0.3, "nothing is compared"
        np.testing.assert_allclose(lips, theirs["lips"], rtol=0, atol=1e-5)
        np.testing.assert_allclose(sound, theirs["sound"], rtol=0, atol=1e-5)
        sync = sync_core(lips, sound)
        assert isinstance(sync, Sync)
        offset, confidence, distance = theirs["numbers"]
        assert sync.offset == offset
        assert abs(offset) < 15, "the padding is nearest, and says little"
        assert sync.confidence == pytest.approx(confidence, abs=1e-5)
        assert sync.distance == pytest.approx(distance, abs=1e-5)


def test_batch_size_does_not_matter(comparison: Comparison) -> None:
    network = SyncNet(comparison.syncnet)
    crops = comparison.crops["head"][:, :, :, ::-1]
    every = network.lips(np.ascontiguousarray(crops))
    for start, stop in ((0, 5), (3, 12), (10, 31)):
        alone = network.lips(np.ascontiguousarray(crops[start:stop]))
        np.testing.assert_allclose(alone, every[start : stop - 4], rtol=0, atol=1e-5)
    rows = mfcc(comparison.sounds["example"])
    np.testing.assert_allclose(network.audio(rows, 7), network.audio(rows, 70)[:7], rtol=0, atol=1e-5)
    assert network.lips(crops[:4]).shape == network.audio(rows, 0).shape == (0, 1024)


def test_s3fd_network(comparison: Comparison) -> None:
    """Box offsets and face probabilities of every anchor. Measured: 1.0e-6 (of up to 0.56) and 7.8e-6."""
    detector = S3fd(comparison.s3fd)
    for name, rgb in comparison.images.items():
        offsets, scores, _ = detector.raw(detector.small(rgb)[None])
        theirs = comparison.theirs[f"s3fd/{name}/offsets"]
        np.testing.assert_allclose(offsets[0], theirs, rtol=0, atol=1e-4 * np.abs(theirs).max(), err_msg=name)
        np.testing.assert_allclose(scores[0], comparison.theirs[f"s3fd/{name}/scores"], rtol=0, atol=1e-4, err_msg=name)


def test_s3fd_faces(comparison: Comparison) -> None:
    """Boxes within 0.5 px, in batches. Measured: 6e-5 px.

    A random network is sure of many boxes that overlap each other, and of two that are equally good to six digits
    either may remove the other: one box in fifty may have no partner. From the same raw outputs all boxes are the same.
    """
    detector = S3fd(comparison.s3fd)
    found = lonely = 0
    for name, rgb in comparison.images.items():
        size = (rgb.shape[1], rgb.shape[0])
        theirs = comparison.theirs[f"s3fd/{name}/faces"]
        small = detector.small(rgb)
        batch = detector.detect([small, small, small], [size] * 3)
        assert all(len(faces) == len(batch[0]) for faces in batch)
        far = np.abs(batch[1][:, None] - theirs[None]).max(axis=2) > 0.5
        found += len(theirs)
        lonely += int(far.all(axis=0).sum() + far.all(axis=1).sum())
        _, _, maps = detector.raw(small[None])
        raw = (comparison.theirs[f"s3fd/{name}/{kind}"] for kind in ("offsets", "scores"))
        chosen = s3fd_boxes.faces(*raw, maps, (small.shape[1], small.shape[0]), size)
        assert chosen.shape == theirs.shape, name
        np.testing.assert_allclose(chosen, theirs, rtol=0, atol=1e-3, err_msg=name)
    assert found >= 50, "too few boxes were compared for the test to mean anything"
    assert lonely <= found / 50


def test_s3fd_boxes_behind_planted_outputs(comparison: Comparison) -> None:
    """Thousands of strong boxes, and none. Measured: 6e-5 px."""
    counts = []
    for name, raw in comparison.planted.items():
        maps = [(int(rows), int(columns)) for rows, columns in raw["maps"]]
        size = (int(raw["frame"][0]), int(raw["frame"][1]))
        faces = s3fd_boxes.faces(
            raw["offsets"], raw["scores"], maps, (int(raw["input"][0]), int(raw["input"][1])), size
        )
        theirs = comparison.theirs[f"planted/{name}/faces"]
        counts.append(len(theirs))
        assert faces.shape == theirs.shape, name
        np.testing.assert_allclose(faces, theirs, rtol=1e-5, atol=1e-4, err_msg=name)
    assert counts[3] == 0
    assert min(counts[:3]) > 5


def test_tracks(comparison: Comparison) -> None:
    """With the reference's rule for a face that overlaps too little; on real boxes, and on three that walk about."""
    lengths = {}
    for name, boxes in comparison.boxes.items():
        tracks = sync_tracks.track_faces(boxes, after_miss="stop")
        lengths[name] = [len(track.boxes) for track in tracks]
        for index, track in enumerate(tracks):
            frame = comparison.theirs[f"tracks/{name}/{index}/frame"]
            assert (track.first, track.last) == (frame[0], frame[-1]), name
            np.testing.assert_allclose(track.boxes, comparison.theirs[f"tracks/{name}/{index}/bbox"], atol=1e-9)
        assert f"tracks/{name}/{len(tracks)}/frame" not in comparison.theirs, name
    assert all(lengths[name] for name in (*TRACKED, "crowd", "sparse"))


def test_crops(comparison: Comparison) -> None:
    """Equal to the last bit."""
    for name, pictures in comparison.frames.items():
        (track,) = sync_tracks.track_faces(comparison.boxes[name], after_miss="stop", options=ANY_SIZE)
        places = sync_tracks.smooth(track.boxes)
        theirs = comparison.theirs[f"crops/{name}"]
        assert len(theirs) == len(places)
        for index, (x, y, half) in enumerate(places):
            ours = sync_tracks.crop(pictures[track.first + index][:, :, ::-1].copy(), x, y, half)
            np.testing.assert_array_equal(ours, theirs[index], err_msg=f"{name} {index}")


def test_content_scores(comparison: Comparison) -> None:
    """The oracle is given the pictures at the size that PySceneDetect's manager makes them."""
    for name, pictures in comparison.frames.items():
        score = scene_cuts.ContentScore()
        ours = [score(rgb) for rgb in pictures[:20]]
        theirs = comparison.theirs[f"cuts/small_{name}"]
        assert theirs.max() > 0.5
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)
