"""The commands that findings print solve what they report in clips that are hard to read."""

from __future__ import annotations

import subprocess

import pytest
from builders.media_facts import RULES

from evalkit.media.inspect import inspect_media
from evalkit.validators.findings import verdict_of
from evalkit.validators.registry import file_findings

pytestmark = pytest.mark.ffmpeg


# --- the commands -----------------------------------------------------------------------------------------------------

MENDED = {
    "edit-hole": "encoding.edit-list",
    "edit-repeat": "encoding.edit-list",
    "edit-rate-half": "encoding.edit-list",
    "edit-cut-between-keyframes": "encoding.hidden-frames",
    "stream-copy-cut": "encoding.hidden-frames",
    "negative-times": "encoding.negative-start",
    "video-switched-off": "encoding.track-disabled",
    "subtitles": "encoding.other-streams",
    "timecode-track": "encoding.other-streams",
    "cover-and-video": "encoding.other-streams",
    "cover-before-video": "encoding.other-streams",
    "chapters-and-cover": "encoding.other-streams",
    "audio-gap": "content.audio-timestamps",
    "index-twice": "encoding.index",
    "hdr-pq-lone-tag": "encoding.hdr",
    "wide-gamut-lone-tag": "encoding.primaries",
    "film-primaries": "encoding.primaries",
    "wide-pixels-after-square": "encoding.aspect-ratio",
    "two-videos": "encoding.several-video-streams",
    "format-change-from-444": "encoding.pixel-format",
    "hdr-pq-8-bit": "encoding.hdr",
    "hdr-hlg-8-bit": "encoding.hdr",
    "wide-gamut-8-bit": "encoding.primaries",
    "lossless": "encoding.profile",
    "rotated-90": "encoding.rotation",
    "cropped-by-container": "encoding.crop",
    "stretched-by-track-header": "encoding.display-size",
    "ten-hours-mvhd": "encoding.claimed-length",
    "ten-hours-tkhd": "encoding.claimed-length",
    "ten-hours-mdhd": "encoding.claimed-length",
    "edit-list-twice": "encoding.index",
    "audio-8-channels": "encoding.audio-channels",
    "audio-rate-change": "content.audio-change",
}


@pytest.mark.parametrize("name", MENDED)
def test_printed_command_mends_it(clips, tmp_path, name):
    path = clips(name)
    found = {finding.rule: finding for finding in file_findings(inspect_media(path).facts, RULES, str(path))}
    command = found[MENDED[name]].fix.replace("ffmpeg ", "ffmpeg -v error ", 1)
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    after = inspect_media(tmp_path / "fixed" / path.with_suffix(".mp4").name).facts
    assert MENDED[name] not in {finding.rule for finding in file_findings(after, RULES)}
    assert verdict_of(file_findings(after, RULES)) != "error"
    assert after.video.frames >= 25
