"""The feature ``syncnet_replicate``: the script's command lines, its numbers, and an ffmpeg program that misbehaves."""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clip_tools import ffmpeg
from numpy.typing import NDArray
from sync_networks import (
    BOX,
    PlantedDetector,
    PlantedSyncNet,
    beeps,
    planted_s3fd,
    random_syncnet,
    write_video,
    write_wav,
)

from evalkit.errors import MachineError, StorageError
from evalkit.media.inspect import inspect_media
from evalkit.metrics.base import FeatureData, VideoInputs, metric_registry
from evalkit.metrics.features import ffmpeg_program
from evalkit.metrics.features.base import FeatureUnavailableError, Item, WeightFile
from evalkit.metrics.features.ffmpeg_program import Ffmpeg, find_ffmpeg
from evalkit.metrics.sync.features import SyncExtractor
from evalkit.metrics.sync.replicate import ReplicateExtractor, ReplicateSession
from evalkit.scoring.cache import feature_key

BY_ID = metric_registry()
ORACLE = Path(__file__).parent.parent / "oracles" / "sync_reference.py"
FRAMES = 70
# The script's own lines (bytedance/LatentSync, eval/), less the program's name and '-y -nostdin -loglevel error'.
LINES = [
    "-i VIDEO -qscale:v 2 -async 1 -r 25 video.mp4",
    "-i video.mp4 -qscale:v 2 -f image2 frames/%06d.jpg",
    "-i video.mp4 -ac 1 -vn -acodec pcm_s16le -ar 16000 audio.wav",
    "-i audio.wav -ss 0.000 -to SECONDS audio.wav",
    "-i t.mp4 -i audio.wav -c:v copy -c:a aac crop.mp4",
    "-i crop.mp4 -f image2 frames/%06d.jpg",
    "-i crop.mp4 -async 1 -ac 1 -vn -acodec pcm_s16le -ar 16000 crop.wav",
]


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Whatever happens in a test, the folder for temporary files is empty afterwards."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


class Keeper(Ffmpeg):
    """The real program; keeps the words of every call and a copy of the files that SyncNet sees."""

    def __new__(cls, *_: object) -> "Keeper":
        return object.__new__(cls)

    def keep_in(self, folder: Path) -> "Keeper":
        object.__setattr__(self, "kept", folder)
        object.__setattr__(self, "calls", [])
        return self

    def run(self, folder: Path, inputs: Any, words: Any, output: str, seconds: float = 60) -> None:
        super().run(folder, inputs, words, output, seconds)
        given = " ".join(f"-i {Path(file).name}" for file in inputs)
        self.calls.append(f"{given} {' '.join(words)} {output}")
        if output == "crop.wav":
            shutil.copytree(folder / "frames", self.kept / folder.name)
            shutil.copy(folder / output, self.kept / folder.name / "audio.wav")


def run(session: ReplicateSession, video: Path) -> dict[str, NDArray]:
    inspect_media(video, [session])
    return session.finish()


def value(name: str, made: dict[str, NDArray]) -> float:
    metric = BY_ID[name]
    outcome = metric.score_video(VideoInputs("s", {metric.record.features[0]: FeatureData(made)}))
    assert outcome.value is not None, outcome
    return outcome.value


def planted(item: Item, program: Ffmpeg | None = None) -> ReplicateSession:
    found = program or find_ffmpeg()
    assert found is not None
    return ReplicateSession(PlantedDetector(BOX), PlantedSyncNet(), found, item)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Grey frames and their own beeps in one file, without loss."""
    folder = tmp_path_factory.mktemp("replicate")
    return muxed(folder / "clip.mkv", 0)


def muxed(path: Path, late: int) -> Path:
    """Write the planted video with its sound ``late`` frames late."""
    picture = write_video(path.with_suffix(".mp4"), list(range(FRAMES)))
    sound = beeps(FRAMES + 20)
    moved = np.concatenate([np.zeros(640 * late, np.int16), sound]) if late > 0 else sound[-640 * late :]
    wav = write_wav(path.with_suffix(".wav"), moved[: FRAMES * 640])
    ffmpeg("-i", picture, "-i", wav, "-map", "0:v", "-map", "1:a", "-c", "copy", path)
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, WeightFile]:
    folder = tmp_path_factory.mktemp("planted")
    files = {
        "sync_detector": planted_s3fd(folder / "sfd_face.pth"),
        "syncnet": random_syncnet(folder / "syncnet_v2.model"),
    }
    return {role: WeightFile(role, path, f"{len(role):064}") for role, path in files.items()}


@pytest.mark.ffmpeg
@pytest.mark.parametrize("late", [0, 4, -6])
def test_planted_sound_through_all_files(tmp_path: Path, late: int) -> None:
    video = muxed(tmp_path / "v.mkv", late)
    session = planted(Item("s", video))
    made = run(session, video)
    assert session.decodes == 1
    assert made["faces"].tolist() == [1] * FRAMES
    assert made["own"].shape == (FRAMES - 5, 31)
    assert np.isfinite(made["own"]).all()
    assert value("sync.replicate.offset", made) == -late
    assert value("sync.replicate.conf", made) > 3


@pytest.mark.ffmpeg
@pytest.mark.shared
@pytest.mark.oracles
def test_command_lines_and_numbers(
    shared: Path, oracle_python: Path, weights: dict[str, WeightFile], tmp_path: Path
) -> None:
    """The script's lines in its order; then syncnet-python's evaluation of the very files. Measured: 3e-6.

    The same clip in memory differs by what the files cost. Measured: confidence 0.01, distance 0.05 of 10.
    """
    video = tmp_path / "clip.mp4"
    source = shared / "data/talking-heads/testset/videos/s01.mp4"
    ffmpeg("-i", source, "-t", "2.4", "-r", "25", "-c:v", "libx264", "-qp", "10", "-c:a", "aac", video)
    found = find_ffmpeg()
    assert found is not None
    keeper = Keeper(found.path, found.version, found.build).keep_in(tmp_path)
    extractor = ReplicateExtractor(weights)
    session = ReplicateSession(extractor._detector, extractor._network, keeper, Item("s", video))
    made = run(session, video)
    assert made.keys() == extractor.record.arrays.keys()
    frames = len(made["faces"])
    (first, last) = (int(made["track_first"][0]), int(made["track_last"][0]))
    assert (first, last) == (0, frames - 1)
    expected = [line.replace("VIDEO", "clip.mp4").replace("SECONDS", f"{frames / 25:.3f}") for line in LINES]
    assert keeper.calls == expected
    job = {
        "mfcc": [],
        "syncnet": {"weights": str(weights["syncnet"].path), "clips": ["00000"]},
        "s3fd": {"weights": str(weights["sync_detector"].path), "images": []},
        "planted": [],
        "tracks": {},
        "crops": {},
        "cuts": [],
    }
    (tmp_path / "job.json").write_text(json.dumps(job))
    words = [str(oracle_python), str(ORACLE), str(tmp_path / "job.json"), str(tmp_path), str(tmp_path / "result.npz")]
    subprocess.run(words, check=True, timeout=300, stdout=subprocess.DEVNULL)
    with np.load(tmp_path / "result.npz") as result:
        offset, confidence, distance = result["syncnet/00000/numbers"]
    assert value("sync.replicate.offset", made) == offset
    assert value("sync.replicate.conf", made) == pytest.approx(confidence, abs=1e-4)
    assert value("sync.replicate.dist", made) == pytest.approx(distance, abs=1e-4)
    memory = SyncExtractor(weights).open(Item("s", video), {})
    inspect_media(video, [memory])
    inside = memory.finish()
    assert value("sync.own.conf", inside) == pytest.approx(confidence, abs=0.2)
    assert value("sync.own.dist", inside) == pytest.approx(distance, abs=0.3)
    assert value("sync.own.dist", inside) != pytest.approx(distance, abs=1e-4), "nothing went through files"


@pytest.mark.ffmpeg
def test_no_sound_and_no_track(tmp_path: Path, clip: Path) -> None:
    silent = write_video(tmp_path / "silent.mp4", list(range(FRAMES)))
    with pytest.raises(FeatureUnavailableError, match="no_own_audio"):
        run(planted(Item("s", silent)), silent)
    found = find_ffmpeg()
    session = ReplicateSession(PlantedDetector(None), PlantedSyncNet(), found, Item("s", clip))  # type: ignore[arg-type]
    made = run(session, clip)
    assert (made["own"].shape, made["window_track"].shape) == ((0, 31), (0,))
    outcome = BY_ID["sync.replicate.dist"].score_video(VideoInputs("s", {"syncnet_replicate": FeatureData(made)}))
    assert outcome.reason == "no_track:few_faces"


@pytest.mark.ffmpeg
@pytest.mark.parametrize(
    "text", ["#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n", "ffconcat version 1.0\nfile a.mkv\n", ""]
)
def test_lists_of_other_files_are_not_followed(tmp_path: Path, clip: Path, text: str) -> None:
    """The second one names a good video that lies beside it, which ffmpeg would read."""
    shutil.copy(clip, tmp_path / "a.mkv")
    video = tmp_path / "video"
    video.write_text(text)
    with pytest.raises(FeatureUnavailableError, match="ffmpeg_failed"):
        planted(Item("s", video)).finish()


def test_very_long_videos_are_left_to_others(tmp_path: Path) -> None:
    session = planted(Item("s", tmp_path / "v.mp4"), Ffmpeg("none", "0", "0"))
    assert not session.plan(np.arange(0, 601, 0.5)).any()
    with pytest.raises(FeatureUnavailableError, match="too_long"):
        session.finish()


def program(folder: Path, body: str) -> Ffmpeg:
    path = folder / "ffmpeg"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return Ffmpeg(str(path), "9", "9")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("echo \"Unrecognized option 'async'.\" >&2; exit 1", "ffmpeg_too_new"),
        ("echo broken >&2; exit 69", "ffmpeg_failed"),
        ("exit 1", "ffmpeg_failed"),
        ("exit 0", "no_frame"),
    ],
)
def test_an_ffmpeg_that_gives_up(tmp_path: Path, body: str, reason: str) -> None:
    with pytest.raises(FeatureUnavailableError) as caught:
        planted(Item("s", tmp_path / "v.mp4"), program(tmp_path, body)).finish()
    assert caught.value.reason == reason
    assert "temporary" not in caught.value.detail


def test_an_ffmpeg_that_is_the_machines_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk, a program that hangs or is gone says nothing of the video: not a reason that is kept."""
    item = Item("s", tmp_path / "v.mp4")
    with pytest.raises(StorageError):
        planted(
            item, program(tmp_path, "echo 'av_interleaved_write_frame(): No space left on device' >&2; exit 1")
        ).finish()
    with pytest.raises(MachineError, match="can't be started"):
        planted(item, Ffmpeg(str(tmp_path / "gone"), "9", "9")).finish()
    hanging = program(tmp_path, "exec sleep 30")
    monkeypatch.setattr(Ffmpeg.run, "__defaults__", (0.2,))
    with pytest.raises(MachineError, match="too long"):
        planted(item, hanging).finish()


def test_the_files_it_reads_and_writes_are_named_in_full(tmp_path: Path) -> None:
    """No shell, no protocol but files, no question on standard input; names that look like options stay names."""
    program(tmp_path, f'for word in "$@"; do echo "$word" >>{tmp_path}/words; done; exit 1')
    video = tmp_path / "-i; touch pwned"
    with pytest.raises(FeatureUnavailableError):
        planted(Item("s", video), Ffmpeg(str(tmp_path / "ffmpeg"), "9", "9")).finish()
    words = (tmp_path / "words").read_text().splitlines()
    assert words[:6] == ["-y", "-nostdin", "-loglevel", "error", "-protocol_whitelist", "file"]
    assert words[6] == "-format_whitelist"
    assert not {"hls", "concat"} & set(words[7].split(","))
    assert words[8:10] == ["-i", f"file:{video}"]
    assert words[-1] == "file:video.mp4"


def test_without_the_program(weights: dict[str, WeightFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_ffmpeg() is None
    extractor = ReplicateExtractor(weights)
    assert extractor.record.options.ffmpeg is None
    with pytest.raises(FeatureUnavailableError, match="no_ffmpeg"):
        extractor.open(Item("s", tmp_path / "v.mp4"), {})


def test_the_programs_version_is_in_the_cache_key(
    weights: dict[str, WeightFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    keys = {feature_key(ReplicateExtractor(weights).record, weights, {}, {})}
    for text in ("ffmpeg version 5.1 Copyright", "ffmpeg version 5.1 Copyright --enable-libx264", "ffmpeg version 6"):
        (tmp_path / "ffmpeg").write_text(f"#!/bin/sh\necho '{text}'\n")
        (tmp_path / "ffmpeg").chmod(0o755)
        ffmpeg_program._described.cache_clear()
        record = ReplicateExtractor(weights).record
        assert record.options.ffmpeg["version"] == text.split()[2]
        keys.add(feature_key(record, weights, {}, {}))
    assert len(keys) == 4
    (tmp_path / "ffmpeg").write_text("#!/bin/sh\necho something else\n")
    ffmpeg_program._described.cache_clear()
    assert find_ffmpeg() is None
    assert ReplicateExtractor.record.options.ffmpeg is None
