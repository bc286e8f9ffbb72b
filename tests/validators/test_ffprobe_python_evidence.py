"""Why codecs are not read with ffprobe-python: a stream's name can rewrite what it reports.

See docs/dependencies.md#not-used.

The package reads ffprobe's plain text line by line, and ffprobe prints a stream's handler name as it stands in the
file. A name with a line break in it therefore adds lines of its own, and the last ``codec_name`` wins.
"""

from __future__ import annotations

import json
import subprocess

import pytest
from clip_tools import ffmpeg, numbered, tone, write_wav

from evalkit.challenges.model import load_challenge
from evalkit.media.encode import write_video
from evalkit.media.inspect import inspect_media
from evalkit.validators.registry import file_findings

pytestmark = [pytest.mark.oracles, pytest.mark.ffmpeg]

ASK = """
import json, sys, warnings
warnings.simplefilter("ignore")
from ffprobe import FFProbe
print(json.dumps([[s.codec(), s.codec_type] for s in FFProbe(sys.argv[1]).streams]))
"""
RULES = load_challenge("talking-head").submission


def streams_of(python, path) -> list[list[str]]:
    """Return (codec, kind) of each stream as ffprobe-python sees it."""
    done = subprocess.run([str(python), "-c", ASK, str(path)], capture_output=True, check=True, text=True)
    return json.loads(done.stdout)


@pytest.fixture
def mpeg4(tmp_path):
    """Return a function that writes an MPEG-4 part 2 video whose stream has the given name."""
    write_video(tmp_path / "h264.mp4", numbered(25), 25, preset="ultrafast")
    write_wav(tmp_path / "a.wav", tone(440, 1.0, 16_000), 16_000)

    def make(name: str):
        path = tmp_path / "mpeg4.mp4"
        ffmpeg(
            "-i", tmp_path / "h264.mp4", "-i", tmp_path / "a.wav", "-c:v", "mpeg4", "-c:a", "aac",
            "-metadata:s:v:0", f"handler_name={name}", path,
        )  # fmt: skip
        return path

    return make


def test_honest_file_is_seen_alike(mpeg4, oracle_python):
    path = mpeg4("VideoHandler")
    assert streams_of(oracle_python, path) == [["mpeg4", "video"], ["aac", "audio"]]
    assert [finding.rule for finding in file_findings(inspect_media(path).facts, RULES)] == ["encoding.codec"]


def test_crafted_name_deceives_ffprobe_python_but_not_evalkit(mpeg4, oracle_python):
    path = mpeg4("VideoHandler\ncodec_name=h264")
    assert streams_of(oracle_python, path)[0] == ["h264", "video"]
    inspection = inspect_media(path)
    assert inspection.facts.video.codec == "mpeg4"
    [finding] = file_findings(inspection.facts, RULES, "sample.mp4")
    assert (finding.rule, finding.severity, finding.found) == ("encoding.codec", "error", "mpeg4")


def test_damaged_file_is_no_streams_to_ffprobe_python_and_an_error_to_evalkit(tmp_path, oracle_python):
    write_video(tmp_path / "whole.mp4", numbered(25), 25, preset="ultrafast")
    data, path = (tmp_path / "whole.mp4").read_bytes(), tmp_path / "cut.mp4"
    path.write_bytes(data[: data.find(b"moov") - 4] + data[data.find(b"mdat") - 4 :])
    assert streams_of(oracle_python, path) == []
    [finding] = file_findings(inspect_media(path).facts, RULES, "cut.mp4")
    assert (finding.rule, finding.severity) == ("encoding.not-media", "error")
    assert "without its index" in finding.found
