"""Pictures in place of a video: one finding, with the command that makes a video of them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from builders.layouts import IDS, challenge, judge, one, samples_of
from builders.media_facts import RULES
from clip_tools import ffmpeg

from evalkit.media.inspect import inspect_media
from evalkit.validators.registry import file_findings


def numbered(folder: str, number: int, width: int = 4, suffix: str = "png", first: int = 1) -> list[str]:
    return [f"{folder}{i:0{width}}.{suffix}" for i in range(first, first + number)]


@pytest.mark.parametrize(
    ("paths", "found", "command"),
    [
        (numbered("s01/", 50), "50 PNG pictures, such as s01/0001.png", "-i s01/%04d.png"),
        (numbered("out/frame_", 9, 1, "jpg", 0), "9 JPG pictures, such as out/frame_0.jpg",
         "-i out/frame_%d.jpg"),
        (numbered("s01/", 12, 1, "PNG"), "12 PNG pictures, such as s01/1.PNG", "-i s01/%d.PNG"),
        (numbered("s 01/5%", 4, 3, "jpeg", 7), "4 JPG pictures, such as s 01/5%007.jpeg",
         "-start_number 7 -i 's 01/5%%%03d.jpeg'"),
        (numbered("s01/", 3) + numbered("s02/", 4), "7 PNG pictures in 2 sequences, such as s01/0001.png",
         "-i s01/%04d.png"),
    ],
)  # fmt: skip
def test_pictures_are_one_finding_with_the_command_that_makes_a_video_of_them(
    paths: list[str], found: str, command: str
) -> None:
    """Alone, and beside the other samples' videos."""
    for videos in ([], [f"{name}.mp4" for name in IDS[2:]]):
        layout, findings = judge([*paths, *videos], challenge("{id}.mp4"), samples_of(*IDS))
        named = [one for one in findings if one.rule in {"layout.no-match", "layout.extra"}]
        (finding,) = named
        assert finding.found == found
        assert f"ffmpeg -nostdin -framerate 25 {command} -i SPEECH.wav " in finding.fix
        assert finding.fix.endswith("-shortest s01.mp4" if paths[0].startswith("s01") else "-shortest SAMPLE.mp4")
        assert layout.near == {}


def test_pictures_named_for_samples_are_no_frames() -> None:
    layout, _ = judge([f"{name}.png" for name in IDS], challenge("{id}.mp4"), samples_of(*IDS))
    assert layout.frames == ()
    assert layout.near == {name: f"{name}.png" for name in IDS}
    layout, _ = judge(numbered("", 40), challenge("{index}.mp4"), samples_of(*IDS))
    assert (layout.near, len(layout.frames)) == ({}, 1)


@pytest.mark.ffmpeg
def test_the_command_makes_a_video_of_the_pictures(tmp_path: Path) -> None:
    (tmp_path / "s01").mkdir()
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x64:r=25:d=2", "-start_number", "7", tmp_path / "s01" / "a %03d.png")
    ffmpeg("-f", "lavfi", "-i", "sine=440:d=2:sample_rate=16000", tmp_path / "SPEECH.wav")
    paths = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png"))
    _, findings = judge(paths, challenge("{id}.mp4"), samples_of("s01"))
    command = one(findings, "no-match").fix.partition(": ")[2].replace("ffmpeg ", "ffmpeg -v error ", 1)
    subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True)
    facts = inspect_media(tmp_path / "s01.mp4").facts
    assert (facts.video.frames, file_findings(facts, RULES)) == (50, [])
