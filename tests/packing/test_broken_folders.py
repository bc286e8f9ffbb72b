"""Twelve folders that break a rule each, made from real clips: `pack` makes a valid submission of every one.

`evalkit validate` says so, and ffprobe, which shares no code with it.
"""

from __future__ import annotations

import json
import shutil
import zipfile

import pytest
from clip_tools import ffmpeg, ffprobe, patch_matrix

import evalkit

pytestmark = [pytest.mark.shared, pytest.mark.ffmpeg]
SAMPLES = ("s01",)  # 256 x 256 pixels, 30 frames/s, 5 s
SPEECH = "audio replaced by the sample's speech"
COPY = ("-c", "copy")
SILENCE = ("-f", "lavfi", "-i", "anullsrc=r=44100:cl=mono", "-map", "0:v", "-map", "1:a", "-c:v", "copy", "-shortest")


def rotated(clip, path):
    ffmpeg("-i", clip, *COPY, path)
    patch_matrix(path, path, (0, 1, -1, 0))


def made(*words):
    return lambda clip, path: ffmpeg("-i", clip, *words, path)


FOLDERS = {  # name -> where the file lies, what makes it, the rule that is broken, what is done
    "hevc": ("{}.mp4", made("-c:v", "libx265", "-c:a", "copy"), "encoding.codec", "video encoded"),
    "variable rate": (
        "{}.mp4",
        made("-vf", "select='not(mod(n,7))+mod(n,3)'", "-fps_mode", "vfr", "-c:a", "copy"),
        "encoding.variable-frame-rate",
        "frame rate made constant and allowed",
    ),
    "no audio": (
        "{}.mp4",
        made("-an", "-c:v", "copy"),
        "encoding.audio-missing",
        "audio replaced by the sample's speech",
    ),
    "4:4:4": ("{}.mp4", made("-pix_fmt", "yuv444p", "-c:a", "copy"), "encoding.pixel-format", "video encoded"),
    "rotated": ("{}.mp4", rotated, "encoding.rotation", "video encoded"),
    "wrong names": ("{}_result.mp4", made(*COPY), None, None),
    "nested": ("out/run 7/{}.mp4", made(*COPY), None, None),
    "mov": ("{}.mov", made(*COPY), "encoding.container", "streams copied to a new file"),
    "10 bit": ("{}.mp4", made("-pix_fmt", "yuv420p10le", "-c:a", "copy"), "encoding.pixel-format", "video encoded"),
    "odd size": (
        "{}.mp4",
        made("-vf", "crop=253:251", "-pix_fmt", "yuv444p", "-c:a", "copy"),
        "encoding.pixel-format",
        "video encoded",
    ),
    "slow rate": (
        "{}.mp4",
        made("-r", "12", "-c:a", "copy"),
        "encoding.frame-rate",
        "frame rate made constant and allowed",
    ),
    "silent": ("{}.mp4", made(*SILENCE), "content.audio-silent", SPEECH),
}
RATES = {"slow rate": "24/1"}  # twelve frames/s, each shown twice
SECONDS = {"slow rate": 62 / 12}  # ffmpeg makes 62 frames of the 150
KEPT = {"no audio", "wrong names", "nested", "mov", "silent"}  # frames that need not be encoded again
SIZES = {"odd size": ("252", "250")}  # the last column and row cut off: 4:2:0 needs even sizes


@pytest.fixture(scope="module")
def testset(shared, tmp_path_factory):
    source = shared / "data" / "talking-heads" / "testset"
    folder = tmp_path_factory.mktemp("testset")
    rows = [json.loads(line) for line in (source / "samples.jsonl").read_text().splitlines()]
    rows = [row for row in rows if row["id"] in SAMPLES]
    for row in rows:
        for name in (*row["reference_images"], row["audio"], row["reference_video"]):
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copy(source / name, folder / name)
    (folder / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.mark.parametrize("kind", FOLDERS)
def test_a_broken_folder_becomes_a_valid_submission(kind, testset, tmp_path):
    name, make, rule, step = FOLDERS[kind]
    for sample in SAMPLES:
        path = tmp_path / "results" / name.format(sample)
        path.parent.mkdir(parents=True, exist_ok=True)
        make(testset / "videos" / f"{sample}.mp4", path)
    before = {path: path.read_bytes() for path in (tmp_path / "results").rglob("*.m*")}
    out = tmp_path / "team.zip"
    report = evalkit.pack(tmp_path / "results", "talking-head", testset, out, workers=1)

    assert report.valid
    assert report.written
    for file in report.files:
        assert file.source == name.format(file.sample)
        assert file.outcome == ("renamed" if step is None else "repaired")
        assert [one.rule for one in file.reasons] == ([] if rule is None else [rule])
        assert (step in file.steps) if step else not file.steps
    assert before == {path: path.read_bytes() for path in (tmp_path / "results").rglob("*.m*")}

    again = evalkit.validate(out, "talking-head", testset, workers=1)
    assert again.ok
    assert not again.findings
    left = {one.rule for one in again.all_findings()}
    assert left == ({"content.duplicate-frames"} if kind == "slow rate" else set())
    with zipfile.ZipFile(out) as archive:
        assert archive.namelist() == [f"{sample}.mp4" for sample in SAMPLES]
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        archive.extractall(tmp_path / "new")
    for sample in SAMPLES:
        new, real = tmp_path / "new" / f"{sample}.mp4", testset / "videos" / f"{sample}.mp4"
        as_ffprobe_sees_it(new, kind)
        frames = [ffmpeg("-i", path, "-map", "0:v", "-f", "md5", "-") for path in (real, new)]
        assert (frames[0] == frames[1]) == (kind in KEPT)


def as_ffprobe_sees_it(path, kind):
    fields = "codec_name,pix_fmt,width,height,r_frame_rate,avg_frame_rate,nb_frames,duration:side_data=rotation"
    lines = ffprobe("-select_streams", "v", "-show_entries", f"stream={fields}", "-of", "default=nw=1", path)
    told = dict(line.split("=", 1) for line in lines)
    assert "rotation" not in told
    assert (told["codec_name"], told["pix_fmt"]) == ("h264", "yuv420p")
    assert told["r_frame_rate"] == told["avg_frame_rate"] == RATES.get(kind, "30/1")
    assert (told["width"], told["height"]) == SIZES.get(kind, ("256", "256"))
    assert float(told["duration"]) == pytest.approx(SECONDS.get(kind, 5), abs=0.04)
    assert ffprobe("-show_entries", "format=format_name", "-of", "csv=p=0", path) == ['"mov,mp4,m4a,3gp,3g2,mj2"']
    sound = ffprobe("-select_streams", "a", "-show_entries", "stream=codec_name", "-of", "csv=p=0", path)
    assert sound == ["aac"]
    loudest = ffmpeg("-i", path, "-map", "0:a", "-f", "s16le", "-")
    assert any(loudest), "the speech is silent"
