"""``evalkit crosscheck``: four ways to the same number, and every way to have none."""

import json
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result
from clip_tools import ffmpeg
from numpy.typing import NDArray
from sync_networks import manifest, planted_s3fd, random_syncnet, write_video

from evalkit.cli import cli
from evalkit.crosscheck import compare as module
from evalkit.crosscheck.compare import CrosscheckRow, find_oracles
from evalkit.media.audio import read_audio
from evalkit.media.decode import iter_frames
from evalkit.metrics.features.audio import to_int16
from evalkit.metrics.features.base import Item
from evalkit.metrics.sync.arithmetic import Sync, sync_core
from evalkit.metrics.sync.distances import window_count
from evalkit.metrics.sync.features import SyncSession
from evalkit.metrics.sync.mfcc import mfcc
from evalkit.metrics.sync.s3fd import S3fd
from evalkit.metrics.sync.syncnet import SyncNet
from evalkit.metrics.sync.track_scores import TrackChoice, best_confidence, best_distance, track_syncs

SCRIPT = Path(module.__file__).with_name("syncnet_python.py")
WAYS = ["sync.latentsync", "sync.mocha", "sync.replicate", "syncnet-python"]
NUMBERS = ("confidence", "distance", "offset")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints that find one face, and their manifest."""
    made = tmp_path_factory.mktemp("weights")
    planted_s3fd(made / "sfd_face.pth")
    random_syncnet(made / "syncnet_v2.model")
    manifest(made)
    return made


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Run the command with the planted weights."""
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(folder))

    def command(*words: object) -> Result:
        return CliRunner().invoke(cli, ["crosscheck", *map(str, words), "-b", str(folder / "backbones.yaml")])

    return command


@pytest.fixture(scope="module")
def clip(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2.2 s of one person and 2.2 s of another: a cut, and a track in each scene."""
    made = tmp_path_factory.mktemp("clip") / "two.mp4"
    sources = [shared / f"data/talking-heads/testset/videos/{name}.mp4" for name in ("s01", "s02")]
    inputs = [word for source in sources for word in ("-t", "2.2", "-i", source)]
    joined = "[0:v]fps=25[a];[1:v]fps=25[b];[a][0:a][b][1:a]concat=n=2:v=1:a=1[v][s]"
    sound = ("-c:a", "aac", "-ar", "44100")
    ffmpeg(
        *inputs, "-filter_complex", joined, "-map", "[v]", "-map", "[s]", "-c:v", "libx264", "-qp", "8", *sound, made
    )
    return made


@pytest.mark.shared
@pytest.mark.oracles
@pytest.mark.ffmpeg
def test_four_ways_side_by_side(run, clip: Path, oracle_python: Path) -> None:
    """Measured: in memory against its files at most 0.05 in confidence and distance, with random weights."""
    result = run(clip, "--oracles", oracle_python, "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert (document["schema"], document["ok"], document["backbones"]) == (1, True, "planted")
    rows = {row["id"]: row for row in document["rows"]}
    assert list(rows) == WAYS
    assert {row["audio"] for row in rows.values()} == {"own"}
    assert [len(row["tracks"]) for row in rows.values()] == [2, 2, 2, 2]
    for ours, other in (("sync.latentsync", "sync.replicate"), ("sync.mocha", "syncnet-python")):
        assert rows[ours]["beside"] == other
        for name in NUMBERS:
            assert rows[ours]["difference"][name] == pytest.approx(rows[ours][name] - rows[other][name])
        assert abs(rows[ours]["difference"]["confidence"]) < 0.3
        assert abs(rows[ours]["difference"]["distance"]) < 0.3
    mocha = rows["sync.mocha"]
    assert mocha["confidence"] == max(track["confidence"] for track in mocha["tracks"])
    assert mocha["distance"] == min(track["distance"] for track in mocha["tracks"])
    assert rows["syncnet-python"]["versions"]["syncnet-python"] == "0.2.3"
    assert "crosscheck: 3/3" in result.stderr


def fed(session: SyncSession, pictures: list[NDArray[np.uint8]]) -> dict[str, NDArray]:
    """Give the session pictures at 25 a second, as a decoding pass would."""
    times = np.arange(len(pictures)) / 25
    for index in np.flatnonzero(session.plan(times)):
        session.frame(int(index), float(times[index]), pictures[index])
    return session.finish()


@pytest.mark.shared
@pytest.mark.oracles
@pytest.mark.ffmpeg
def test_mocha_on_the_frames_of_syncnet_python(clip: Path, folder: Path, oracle_python: Path, tmp_path: Path) -> None:
    """`SyncNetPipeline.inference` with the same checkpoints, on a clip with a cut and on the package's own files.

    Its crops through our SyncNet: offsets equal, confidence and distance within 1e-4. Its re-timed video and speech
    through our session: tracks of the same length; numbers differ by its JPEG frames and XVID crops. Measured: 9e-7;
    confidence 0.01, distance 0.06 of 11.
    """
    wav = tmp_path / "speech.wav"
    ffmpeg("-i", clip, "-ac", "1", "-ar", "16000", wav)
    work = tmp_path / "work"
    job = {
        "video": str(clip),
        "audio": str(wav),
        "detector": str(folder / "sfd_face.pth"),
        "network": str(folder / "syncnet_v2.model"),
        "folder": str(work),
    }
    (tmp_path / "job.json").write_text(json.dumps(job))
    words = [str(oracle_python), "-I", str(SCRIPT), str(tmp_path / "job.json"), str(tmp_path / "result.json")]
    subprocess.run(words, check=True, timeout=500, capture_output=True)
    theirs = json.loads((tmp_path / "result.json").read_text())
    network = SyncNet(folder / "syncnet_v2.model")
    syncs = []
    lengths = []
    for track in sorted((work / "cropped").glob("crop_*")):
        crops = np.stack([cv2.imread(str(path)) for path in sorted(track.glob("*.jpg"))])
        sound = to_int16(read_audio(track / "audio.wav", 16000))
        count = window_count(len(crops), len(sound))
        syncs.append(sync_core(network.lips(crops[: count + 4]), network.audio(mfcc(sound), count)))
        video = work / "cropped" / f"{track.name.removeprefix('crop_')}.avi"
        lengths.append(sum(1 for _ in iter_frames(video)))
    assert all(isinstance(sync, Sync) for sync in syncs)
    assert [sync.offset for sync in syncs] == theirs["offsets"]
    np.testing.assert_allclose([sync.confidence for sync in syncs], theirs["confidences"], rtol=0, atol=1e-4)
    np.testing.assert_allclose([sync.distance for sync in syncs], theirs["distances"], rtol=0, atol=1e-4)
    assert best_confidence(syncs) == pytest.approx(theirs["confidence"], abs=1e-4)
    assert best_distance(syncs) == pytest.approx(theirs["distance"], abs=1e-4)
    # Its AVI has a frame less than the JPEG files that ffmpeg makes of it; its cuts are those of the AVI.
    pictures = list(iter_frames(work / "video.avi"))
    session = SyncSession(S3fd(folder / "sfd_face.pth"), network, Item("s", clip, audio=work / "speech.wav"))
    made = fed(session, pictures)
    mocha = made["track_mocha"]
    assert (made["track_last"] - made["track_first"] + 1)[mocha].tolist() == lengths
    assert len(lengths) == 2
    ours = track_syncs(made, TrackChoice(tracks="mocha"))
    assert best_confidence(ours) == pytest.approx(theirs["confidence"], abs=0.3)
    assert best_distance(ours) == pytest.approx(theirs["distance"], abs=0.3)


@pytest.mark.ffmpeg
def test_without_the_reference_package(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other rows are there, the missing one says how to get it, and the exit code is 3."""
    monkeypatch.setenv("EVALKIT_ORACLES", str(tmp_path / "nowhere"))
    video = write_video(tmp_path / "v.mp4", list(range(60)), size=256)
    result = run(video, "--json")
    assert result.exit_code == 3, result.output
    rows = json.loads(result.stdout)["rows"]
    assert [row["reason"] for row in rows] == ["no_own_audio", "no_own_audio", "no_own_audio", "no_oracles"]
    assert "make oracles" in rows[3]["detail"]
    shown = run(video, "-q")
    assert (shown.exit_code, shown.stderr) == (3, "")
    assert "make oracles" in shown.stdout
    assert all(way in shown.stdout for way in WAYS)


def test_without_ffmpeg(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "python").write_text("")
    video = write_video(tmp_path / "v.mp4", list(range(60)), size=256)
    rows = json.loads(run(video, "--oracles", tmp_path / "python", "--json").stdout)["rows"]
    assert [row["reason"] for row in rows] == ["no_own_audio", "no_own_audio", "no_ffmpeg", "no_ffmpeg"]


@pytest.mark.ffmpeg
def test_a_reference_that_fails(run, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'ModuleNotFoundError: no syncnet_python' >&2\nexit 1\n")
    python.chmod(0o755)
    video = write_video(tmp_path / "v.mp4", list(range(60)), size=256)
    row = json.loads(run(video, "--oracles", python, "--json").stdout)["rows"][3]
    assert (row["reason"], row["detail"]) == ("reference_failed", "ModuleNotFoundError: no syncnet_python")


STATE_DICT = """Traceback (most recent call last):
  File "x.py", line 3, in <module>
RuntimeError: Error(s) in loading state_dict for S3FD:
\tMissing key(s) in state_dict: "vgg.0.weight", "vgg.0.bias".
\tUnexpected key(s) in state_dict: "coarse.0.conv.bias", "coarse.0.conv.weight".
"""


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (STATE_DICT, "RuntimeError: Error(s) in loading state_dict for S3FD:"),
        ("warning\nno module here\n", "no module here"),
        ("torch.cuda.OutOfMemoryError: no memory\n  more\n", "torch.cuda.OutOfMemoryError: no memory"),
        ("ValueError: " + "x" * 5000, "ValueError: " + "x" * 288),
        ("", ""),
    ],
)
def test_of_what_a_program_wrote_the_errors_sentence_is_shown(said: str, sentence: str) -> None:
    assert module.last_error(said) == sentence


def test_the_package_is_not_started_with_networks_that_it_can_not_load(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'never' >&2\nexit 1\n")
    python.chmod(0o755)
    video = write_video(tmp_path / "v.mp4", list(range(30)), size=64)
    result = CliRunner().invoke(cli, ["crosscheck", str(video), "-b", "bundled", "--oracles", str(python), "--json"])
    assert result.exit_code == 3
    row = json.loads(result.stdout)["rows"][3]
    assert row["reason"] == "other_networks"
    assert "evalkit weights pull sync_detector syncnet" in row["detail"]
    assert "state_dict" not in row["detail"]


def test_errors(run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def code(*words: object) -> tuple[int, str]:
        error = run(*words).exception
        return getattr(error, "exit_code", -1), str(error)

    video = write_video(tmp_path / "v.mp4", list(range(10)), size=64)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    assert code(tmp_path / "none.mp4")[0] == 1
    assert code(broken)[0] == 1
    assert code(video, "--audio", broken)[0] == 1
    assert code(video, "--audio", tmp_path / "none.wav")[0] == 1
    assert code(video, "--oracles", tmp_path / "none")[0] == 1
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(tmp_path))
    number, text = code(video)
    assert number == 4
    assert "sfd_face.pth" in text
    assert folder.is_dir()


def test_where_the_oracles_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text("")
    assert find_oracles(tmp_path) == find_oracles(python) == python
    monkeypatch.setenv("EVALKIT_ORACLES", str(tmp_path))
    assert find_oracles() == python
    monkeypatch.setenv("EVALKIT_ORACLES", str(tmp_path / "none"))
    assert find_oracles() is None


def test_difference_is_ours_less_theirs() -> None:
    ours = CrosscheckRow("a", "own", 5.0, 8.0, 1.0)
    theirs = CrosscheckRow("b", "own", 4.0, 8.5, 3.0)
    assert module._with_difference(ours, theirs).difference == {"confidence": 1.0, "distance": -0.5, "offset": -2.0}
    missing = module._with_difference(ours, CrosscheckRow("b", "own", reason="no_track"))
    assert (missing.beside, missing.difference) == ("b", None)
