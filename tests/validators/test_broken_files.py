"""The findings of real broken files."""

from __future__ import annotations

import csv

import pytest
from builders.media_facts import RULES
from clip_tools import ffmpeg

from evalkit.media.inspect import inspect_media
from evalkit.validators.findings import verdict_of
from evalkit.validators.registry import file_findings

# What each of the files in nasty/ breaks, beside the verdict.
NASTY = {
    "audio_8k_mono": ["encoding.audio-sample-rate"],
    "audio_early_400ms_startpts": ["encoding.audio-start"],
    "audio_late_280ms_baked": [],
    "audio_only": ["encoding.no-video"],
    "audio_shorter_than_video": ["content.audio-short"],
    "av1_aac": ["encoding.codec"],
    "corrupt_mdat_bits": ["content.decode-errors"],
    "fps60_dup": ["content.duplicate-frames"],
    "fragmented": [],
    "frozen_frame_with_speech": ["content.frozen"],
    "h264_10bit": ["encoding.pixel-format"],
    "h265_hvc1": ["encoding.codec"],
    "jpeg_renamed": ["encoding.container"],
    "mp3_audio": [],
    "mpeg4part2": ["encoding.codec"],
    "no_audio": ["encoding.audio-missing"],
    "no_face_visible": [],
    "odd_511": ["encoding.pixel-format"],
    "one_frame": ["content.too-few-frames", "encoding.audio-missing"],  # two faults: it has no sound either
    "random_bytes": ["encoding.not-media"],
    "rotated90_metadata": ["encoding.rotation"],
    "sar_4_3": ["encoding.aspect-ratio"],
    "silent_audio": ["content.audio-silent"],
    "swapped_audio": ["content.irregular-frames"],
    "truncated_moov_ok": ["content.truncated"],
    "truncated_no_moov": ["encoding.not-media"],
    "two_audio_tracks": ["encoding.several-audio-streams"],
    "vfr_drop": ["encoding.variable-frame-rate"],
    "vp9_opus": ["encoding.audio-codec", "encoding.codec"],
    "webm_renamed": ["encoding.audio-codec", "encoding.codec", "encoding.container"],
    "zero_bytes": ["encoding.not-media"],
}


@pytest.mark.shared
def test_table_of_broken_files_is_complete(shared):
    with (shared / "data/nasty/expected.csv").open() as table:
        assert {row["file"].removesuffix(".mp4") for row in csv.DictReader(table)} == set(NASTY)


@pytest.mark.shared
@pytest.mark.parametrize("name", NASTY)
def test_broken_file_has_the_expected_verdict_and_no_second_finding(shared, name):
    with (shared / "data/nasty/expected.csv").open() as table:
        expected = {row["file"]: row["verdict"] for row in csv.DictReader(table)}
    findings = file_findings(inspect_media(shared / f"data/nasty/{name}.mp4").facts, RULES, f"{name}.mp4")
    assert sorted(finding.rule for finding in findings) == NASTY[name]
    assert verdict_of(findings) == expected[f"{name}.mp4"]
    for finding in findings:
        assert finding.found and finding.expected and finding.path == f"{name}.mp4"
        assert str(shared) not in str(finding.to_json())


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("jpeg_renamed", "a JPEG image"),
        ("webm_renamed", "a WebM or Matroska file"),
        ("truncated_no_moov", "an MP4 without its index (moov): it was cut off while being written or copied"),
        ("random_bytes", "data of no known kind (it starts with the bytes e9 b2 99 1d)"),
        ("zero_bytes", "an empty file"),
    ],
)
def test_what_is_not_an_mp4_is_named(shared, name, words):
    finding = file_findings(inspect_media(shared / f"data/nasty/{name}.mp4").facts, RULES)[0]
    assert finding.found == words
    assert finding.expected == "MP4"


@pytest.mark.ffmpeg
@pytest.mark.shared
@pytest.mark.parametrize("name", ["h265_hvc1", "mpeg4part2", "av1_aac", "vp9_opus"])
def test_truncated_file_of_another_codec_is_told_about_the_codec_only(shared, tmp_path, name):
    # The index has to come first, so that a part of the file can be opened.
    ffmpeg("-i", shared / f"data/nasty/{name}.mp4", "-c", "copy", "-movflags", "+faststart", tmp_path / "all.mp4")
    data = (tmp_path / "all.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) * 2 // 3])
    seen = inspect_media(tmp_path / "cut.mp4").facts
    assert seen.video.missing_packets > 1
    found = {finding.rule for finding in file_findings(seen, RULES)}
    assert found - {"encoding.audio-codec"} == {"encoding.codec"}
