"""The commands that findings print solve what they report."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from builders.media_facts import RULES
from clip_tools import ffmpeg, patch_matrix

from evalkit.challenges.submission_rules import SubmissionRules
from evalkit.media.facts import MediaFacts
from evalkit.media.inspect import inspect_media
from evalkit.validators.registry import file_findings

FIXED = {
    "webm_renamed": "encoding.container",
    "h265_hvc1": "encoding.codec",
    "mpeg4part2": "encoding.codec",
    "vp9_opus": "encoding.codec",
    "h264_10bit": "encoding.pixel-format",
    "odd_511": "encoding.pixel-format",
    "rotated90_metadata": "encoding.rotation",
    "vfr_drop": "encoding.variable-frame-rate",
    "sar_4_3": "encoding.aspect-ratio",
    "audio_early_400ms_startpts": "encoding.audio-start",
    "two_audio_tracks": "encoding.several-audio-streams",
}


def run_fix(path: Path, folder: Path, rule: str, rules: SubmissionRules = RULES) -> MediaFacts:
    """Run the printed command in ``folder`` through the shell, as a reader would, and return the new file's facts."""
    found = {finding.rule: finding for finding in file_findings(inspect_media(path).facts, rules, str(path))}
    command = found[rule].fix.replace("ffmpeg ", "ffmpeg -v error ", 1)
    done = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return inspect_media(folder / "fixed" / path.with_suffix(".mp4").name).facts


@pytest.mark.ffmpeg
@pytest.mark.shared
@pytest.mark.parametrize("name", FIXED)
def test_printed_command_fixes_the_file(shared, tmp_path, name):
    path = shared / f"data/nasty/{name}.mp4"
    before, after = inspect_media(path).facts, run_fix(path, tmp_path, FIXED[name])
    assert file_findings(after, RULES) == []
    assert after.audio_streams == 1
    # Nothing was lost: the audio is as long, and the video ends at the same time.
    assert after.audio.duration_seconds == pytest.approx(before.audio.duration_seconds, abs=0.1)
    end = before.video.start_seconds + before.video.duration_seconds
    assert after.video.start_seconds + after.video.duration_seconds == pytest.approx(end, abs=0.1)


@pytest.mark.ffmpeg
@pytest.mark.parametrize(
    ("source", "rule"),
    [
        (["-f", "lavfi", "-i", "testsrc=s=64x64:r=25:d=2", "-vf", "interlace,setfield=tff", "-flags", "+ilme+ildct"],
         "encoding.interlaced"),
        (["-f", "lavfi", "-i", "testsrc=s=64x64:r=12:d=2"], "encoding.frame-rate"),
        (["-f", "lavfi", "-i", "testsrc=s=63x65:r=25:d=2", "-pix_fmt", "yuv444p", "-vf", "setsar=4/3"],
         "encoding.pixel-format"),
        (["-f", "lavfi", "-i", "testsrc=s=64x64:r=25:d=2", "-map", "0:v", "-map", "0:v", "-map", "1:a"],
         "encoding.several-video-streams"),
    ],
)  # fmt: skip
def test_printed_command_fixes_made_files(tmp_path, source, rule):
    made = tmp_path / "made file's.mp4"
    words = ["-f", "lavfi", "-i", "sine=440:d=2:sample_rate=16000"]
    pixel = [] if "-pix_fmt" in source else ["-pix_fmt", "yuv420p"]
    ffmpeg(*source[:4], *words, *source[4:], *pixel, "-c:v", "libx264", "-c:a", "aac", made)
    assert rule not in {finding.rule for finding in file_findings(run_fix(made, tmp_path, rule), RULES)}


@pytest.mark.ffmpeg
def test_printed_command_fixes_an_audio_codec_late_audio_and_a_mirror(tmp_path):
    video = ["-f", "lavfi", "-i", "testsrc=s=64x64:r=25:d=2"]
    sound = ["-f", "lavfi", "-i", "sine=440:d=2:sample_rate=48000"]
    good = ["-pix_fmt", "yuv420p", "-c:v", "libx264"]
    ffmpeg(*video, *sound, *good, "-c:a", "ac3", tmp_path / "ac3.mp4")
    assert file_findings(run_fix(tmp_path / "ac3.mp4", tmp_path, "encoding.audio-codec"), RULES) == []
    ffmpeg(*video, "-itsoffset", "0.4", *sound, *good, "-c:a", "aac", tmp_path / "late.mp4")
    assert file_findings(run_fix(tmp_path / "late.mp4", tmp_path, "encoding.audio-start"), RULES) == []
    ffmpeg(*video, *sound, *good, "-c:a", "aac", tmp_path / "upright.mp4")
    patch_matrix(tmp_path / "upright.mp4", tmp_path / "mirror.mp4", (1, 0, 0, -1))
    after = run_fix(tmp_path / "mirror.mp4", tmp_path, "encoding.rotation")
    assert (after.video.rotation, after.video.mirrored) == (0, False)
