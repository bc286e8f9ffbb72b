"""What the rules for one file say: on real broken files, rule by rule, and whether the printed commands mend them."""

from __future__ import annotations

import csv
import shlex
import subprocess
from pathlib import Path

import pytest
from clip_tools import ffmpeg, patch_matrix

from evalkit.challenges.model import SubmissionRules, load_challenge
from evalkit.media.facts import AudioFacts, Edit, MediaFacts, Mp4Facts, TrackFacts, VideoFacts
from evalkit.media.inspect import inspect_media
from evalkit.validators.findings import verdict_of
from evalkit.validators.media_rules import file_findings, file_rules, rule_registry

RULES = load_challenge("talking-head").submission
# What each of the files in nasty/ must be told, beside its verdict.
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
    "vp9_opus": ["encoding.codec"],
    "webm_renamed": ["encoding.container"],
    "zero_bytes": ["encoding.not-media"],
}


# --- real broken files ------------------------------------------------------------------------------------------------


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
    [finding] = file_findings(inspect_media(shared / f"data/nasty/{name}.mp4").facts, RULES)
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
    assert [finding.rule for finding in file_findings(seen, RULES)] == ["encoding.codec"]


# --- rule by rule -----------------------------------------------------------------------------------------------------

VIDEO = VideoFacts(
    codec="h264", profile="High", pixel_format="yuv420p", width=256, height=256, sample_aspect_ratio="1:1", rotation=0,
    interlaced_frames=0, header_frames=125, packets=125, frames=125, decode_errors=0, corrupt_frames=0,
    first_error=None, fps=25.0, start_seconds=0.0, duration_seconds=5.0, irregular_share=0.0, backward_steps=0,
    size_changes=0, duplicate_share=0.0, longest_still_seconds=0.0, black_share=0.0, stopped_early=False,
)  # fmt: skip
AUDIO = AudioFacts(
    codec="aac", sample_rate=16_000, channels=1, start_seconds=0.0, duration_seconds=5.0, rms_dbfs=-20.0, peak=0.5,
    decode_errors=0,
)  # fmt: skip
GOOD = MediaFacts(
    size_bytes=100_000, container="mov,mp4,m4a,3gp,3g2,mj2", brand="isom", video_streams=1, audio_streams=1,
    other_streams=(), video=VIDEO, audio=AUDIO, open_error=None,
    mp4=Mp4Facts(tracks=(TrackFacts(kind="video"), TrackFacts(kind="audio")), fragmented=False, claimed_seconds=None),
)  # fmt: skip
STRICT = RULES.model_copy(
    update={
        "video": RULES.video.model_copy(
            update={"min_width": 128, "min_height": 128, "match_reference_seconds": 0.5, "min_seconds": 1.0}
        )
    }
)


TRACK = TrackFacts(
    id=0, kind="video", shown_size=(256.0, 256.0), entries=("avc1",),
    edits=(Edit(seconds=5.0, start_seconds=0.08, rate=1),),
    time_scale=12800, claimed_seconds=5.0, media_seconds=5.0, samples=125, timed_samples=125, chunk_samples=125,
    largest_sample=9000, sample_seconds=5.0, first_offset_seconds=0.08,
)  # fmt: skip
SOUND = TRACK.model_copy(
    update={"kind": "audio", "shown_size": (0.0, 0.0), "entries": ("mp4a",), "edits": (), "first_offset_seconds": None}
)
DATA = SOUND.model_copy(update={"kind": "other", "entries": ("tmcd",), "id": 3})


def edit(seconds: float, start: float | None, rate: float = 1) -> Edit:
    return Edit(seconds=seconds, start_seconds=start, rate=rate)


def index(video=None, audio=None, other=None, **movie) -> MediaFacts:
    """Return the good file with an index in which some facts of a track are changed."""
    whole = {"fragmented": False, "claimed_seconds": 5.0, **movie}
    changed = ((TRACK, video), (SOUND, audio), (DATA, other))
    tracks = tuple(base.model_copy(update=change or {}) for base, change in changed)
    return facts(mp4=Mp4Facts(tracks=tracks, **whole))


def facts(video=None, audio=None, **whole) -> MediaFacts:
    """Return the good file with some facts changed; ``video=False`` takes the stream out."""
    streams = {}
    for name, base, change in (("video", VIDEO, video), ("audio", AUDIO, audio)):
        if change is False:
            streams |= {name: None, f"{name}_streams": 0}
        else:
            streams[name] = base.model_copy(update=change or {})
    return GOOD.model_copy(update={**streams, **whole})


CASES = {  # rule: facts that break this rule and no other, and facts on the good side of its edge
    "encoding.not-media": (
        [facts(False, False, container=None, brand=None, open_error="a JPEG image")],
        [GOOD],
    ),
    "encoding.container": (
        [facts(container="matroska,webm", brand=None), facts(brand="qt  "), facts(False, container="wav", brand=None)],
        [facts(brand="mp42"), facts(brand=None)],
    ),
    "encoding.no-video": (
        [facts(False), facts(False, False, other_streams=("data",)), facts(False, cover_pictures=1)], [GOOD]
    ),
    "encoding.several-video-streams": ([facts(video_streams=2)], [GOOD]),
    "encoding.codec": (
        [
            facts({"codec": "hevc"}),
            facts({"codec": "hevc", "pixel_format": "yuv420p10le"}),
            facts({"codec": "hevc", "packets": 60, "frames": 59, "decode_errors": 3, "duration_seconds": 2.3}),
            facts({"codec": "vp9"}, {"codec": "opus"}),
            facts({"codec": "unknown", "frames": 0, "decode_errors": 1, "fps": None}, {"decode_errors": 2}),
        ],
        [GOOD],
    ),
    "encoding.pixel-format": (
        [facts({"pixel_format": "yuv444p"}), facts({"pixel_format": None}),
         facts({"pixel_formats": ("yuv420p", "yuv444p")}), facts({"pixel_formats": ("yuv420p10le", "yuv420p")})],
        [facts({"pixel_format": "yuvj420p"}), facts({"pixel_formats": ("yuvj420p", "yuv420p")})],
    ),
    "encoding.interlaced": ([facts({"interlaced_frames": 3})], [GOOD]),
    "encoding.rotation": (
        [facts({"rotation": 90}), facts({"rotation": -180}), facts({"mirrored": True}),
         index({"matrix": (2.0, 0.0, 0.0, 2.0)}), index({"matrix": (0.0, 0.0, 0.0, 0.0)}),
         index({"matrix": (1.0, 0.02, 0.0, 1.0)}), index(matrix=(0.0, 1.0, -1.0, 0.0)),
         index({"matrix": (-1.0, 0.0, 0.0, -1.0)}, matrix=(-1.0, 0.0, 0.0, -1.0))],
        [facts({"rotation": 360}), index({"matrix": (1.0, 0.005, 0.0, 1.0)})],
    ),
    "encoding.aspect-ratio": ([facts({"sample_aspect_ratio": "4:3"})], [facts({"sample_aspect_ratio": "0:1"})]),
    "encoding.frame-rate": (
        [facts({"fps": 19.9}), facts({"fps": 60.1})],
        [facts({"fps": 20.0}), facts({"fps": 60.0}), facts({"fps": 19.995}), facts({"fps": 59.94006})],
    ),
    "encoding.variable-frame-rate": (
        [facts({"irregular_share": 0.06}), facts({"irregular_share": 0.5, "fps": 12.0})],
        [GOOD],
    ),
    "encoding.resolution": (
        [facts({"width": 64}), facts({"height": 64}), facts({"width": 4098}), facts({"height": 5000}),
         facts({"width": 9000, "frames": 0, "decode_errors": 1, "fps": None, "duration_seconds": 0.0})],
        [facts({"width": 128, "height": 4096})],
    ),
    "encoding.audio-missing": ([facts(None, False)], [GOOD]),
    "encoding.several-audio-streams": ([facts(audio_streams=2)], [GOOD]),
    "encoding.audio-codec": (
        [facts(None, {"codec": "opus"}), facts(None, {"codec": "unknown", "decode_errors": 1, "duration_seconds": 0})],
        [facts(None, {"codec": "mp3"})],
    ),
    "encoding.audio-sample-rate": ([facts(None, {"sample_rate": 8000})], [facts(None, {"sample_rate": 48_000})]),
    "encoding.audio-start": (
        [facts(None, {"start_seconds": 0.11}), facts({"start_seconds": 0.4}, {"duration_seconds": 5.4})],
        [facts(None, {"start_seconds": 0.1}), facts({"start_seconds": 3.0}, {"start_seconds": 3.05})],
    ),
    "content.truncated": (
        [facts({"packets": 60, "frames": 60, "duration_seconds": 2.4}),
         facts({"packets": 60, "frames": 59, "decode_errors": 1, "duration_seconds": 2.3, "irregular_share": 0.04,
                "corrupt_frames": 1, "size_changes": 1, "backward_steps": 1}, {"decode_errors": 1}),
         facts({"packets": 0, "frames": 0, "fps": None, "duration_seconds": 0.0}, {"duration_seconds": 0.0})],
        [facts({"header_frames": 0}), facts({"packets": 124})],
    ),
    "content.decode-errors": (
        [facts({"decode_errors": 1}), facts({"corrupt_frames": 1}),
         facts({"decode_errors": 9, "frames": 1, "fps": None, "duration_seconds": 0.0, "irregular_share": 0.9}),
         facts({"decode_errors": 2, "size_changes": 1, "backward_steps": 4}, {"decode_errors": 3}),
         facts({"corrupt_frames": 2, "size_changes": 1, "irregular_share": 0.02}, {"decode_errors": 3})],
        [GOOD],
    ),
    "content.endless": (
        [facts({"stopped_early": True, "frames": 100, "packets": 100, "duration_seconds": 4.0}),
         facts({"stopped_early": True, "irregular_share": 0.02, "duration_seconds": 9000.0, "size_changes": 1})],
        [GOOD],
    ),
    "content.too-few-frames": (
        [facts({"frames": 1, "packets": 1, "header_frames": 1, "fps": None, "duration_seconds": 0.0})],
        [facts({"frames": 2, "packets": 2, "header_frames": 2})],
    ),
    "content.duration": (
        [facts({"duration_seconds": 0.9}), facts({"duration_seconds": 600.5}, {"duration_seconds": 600.5})],
        [facts({"duration_seconds": 600.0}, {"duration_seconds": 600.0}), facts({"duration_seconds": 1.0})],
    ),
    "content.speech-length": (
        [facts({"duration_seconds": 4.4}), facts({"duration_seconds": 5.6}, {"duration_seconds": 5.6})],
        [facts({"duration_seconds": 4.6}), facts({"duration_seconds": 5.4}, {"duration_seconds": 5.4})],
    ),
    "content.size-change": ([facts({"size_changes": 1})], [GOOD]),
    "content.timestamps": (
        [facts({"backward_steps": 1}), facts({"backward_steps": 5, "irregular_share": 0.1, "duration_seconds": -3.0})],
        [GOOD],
    ),
    "content.irregular-frames": ([facts({"irregular_share": 0.01}), facts({"irregular_share": 0.05})], [GOOD]),
    "content.frozen": ([facts({"duplicate_share": 0.95}), facts({"duplicate_share": 1.0})], [GOOD]),
    "content.duplicate-frames": (
        [facts({"duplicate_share": 0.5}), facts({"duplicate_share": 0.94})],
        [facts({"duplicate_share": 0.49})],
    ),
    "content.black": ([facts({"black_share": 0.5})], [facts({"black_share": 0.49})]),
    "content.audio-silent": (
        [facts(None, {"rms_dbfs": None}), facts(None, {"rms_dbfs": -60.1})],
        [facts(None, {"rms_dbfs": -60.0})],
    ),
    "content.audio-damaged": ([facts(None, {"decode_errors": 1})], [GOOD]),
    "content.audio-empty": (
        [facts(None, {"duration_seconds": 0.0, "rms_dbfs": None})],
        [GOOD],
    ),
    "content.audio-cut": (
        [facts(None, {"missing_packets": 2}), facts(None, {"missing_packets": 90, "duration_seconds": 1.0})],
        [facts(None, {"missing_packets": 1})],
    ),
    "content.audio-change": ([facts(None, {"format_changes": 1})], [GOOD]),
    "encoding.index": (
        [index({"repeated_boxes": ("elst",)}), index(None, {"missing_boxes": ("stts",)}),
         index({"id": 7}), index({"kind": "other"}),
         index({"samples": 123}), index({"timed_samples": 200}), index({"chunk_samples": 124}),
         index(None, {"samples": 90}), index(None, None, {"largest_sample": 100_001}), index({"time_scale": 0}),
         index({"truncated_tables": ("stts of 9",)}), index(None, None, {"truncated_tables": ("stco of 9",)}),
         index({"time_scale": 1 << 31}), index({"shown_size": (256.0, 65534.0), "clean_aperture": (256.0, 256.0)}),
         index(misplaced=("mdat",)), facts(mp4=None)],
        [index(), index({"timed_samples": 126}), index({"largest_sample": 100_000}), index(None, None, {"samples": 3})],
    ),
    "encoding.complaints": (
        [facts(decoder_messages=("h264: Overread VUI by 8 bits",), decoder_message_count=1)],
        [GOOD],
    ),
    "encoding.encrypted": (
        [index({"encrypted": True, "entries": ("encv",)}), index(None, {"encrypted": True, "entries": ("enca",)}),
         index({"encrypted": True}).model_copy(update={"video": VIDEO.model_copy(update={"decode_errors": 9})})],
        [index(None, None, {"encrypted": True})],
    ),
    "encoding.external-data": (
        [index({"external": ("url http://a/b",)}), index(None, {"external": ("alis",)}),
         index({"external": ("alis",)}).model_copy(
             update={"video": VIDEO.model_copy(update={"packets": 0, "frames": 0, "pixel_format": None})})],
        [index(None, None, {"external": ("alis",)})],
    ),
    "encoding.track-disabled": (
        [index({"enabled": False}), index(None, {"enabled": False})], [index(None, None, {"enabled": False})]
    ),
    "encoding.edit-list": (
        [index({"edits": edits}) for edits in (
            (edit(2, 0), edit(2, 2)), (edit(1, 0), edit(1, None)), (edit(1, None), edit(1, None), edit(5, 0)),
            (edit(5, None),), (edit(5, 0, 0.5),), (edit(5, 0, 0),), (edit(5, -0.1),), (edit(5, 5.09),))]
        + [index(None, {"edits": (edit(5, 0, 2),)})],
        [index({"edits": edits}) for edits in (
            (), (edit(5, 0.08),), (edit(0.2, None), edit(5, 0.08)), (edit(0, 0.08),))],
    ),
    "encoding.hidden-frames": (
        [index({"edits": (edit(4.8, 0.28),)}), index({"edits": (edit(4.85, 0.08),)}),
         index({"edits": (edit(1.0, None), edit(4.8, 0.28))})],
        [index({"edits": (edit(5.0, 0.17),)}), index({"edits": (edit(4.91, 0.08),)}),
         index({"edits": (edit(9, 0.08),)})],
    ),
    "encoding.claimed-length": (
        [index(claimed_seconds=36000.0), index({"claimed_seconds": 5.51}), index({"media_seconds": 3600.0}),
         index(claimed_seconds=4.4), index({"sample_seconds": 3600.0, "edits": ()}),
         index({"claimed_seconds": 0.0}, claimed_seconds=99.0, fragmented=True)],
        [index(claimed_seconds=5.49), index({"claimed_seconds": 4.6}), index({"media_seconds": None}),
         index(claimed_seconds=0.0), index(claimed_seconds=1.0, fragmented=True)],
    ),
    "encoding.crop": (
        [index({"clean_aperture": (128.0, 256.0)}), index({"clean_aperture": (256.0, 254.0)})],
        [index({"clean_aperture": (256.0, 256.0)}), index({"clean_aperture": (255.5, 256.0)})],
    ),
    "encoding.display-size": (
        [index({"shown_size": (512.0, 256.0)}), index({"shown_size": (256.0, 240.0)})],
        [index({"shown_size": (512.0, 512.0)}), index({"shown_size": (0.0, 0.0)}),
         index({"shown_size": (256.0, 255.0)})],
    ),
    "encoding.hdr": (
        [facts({"transfer": "smpte2084", "primaries": "bt2020"}), facts({"transfer": "arib-std-b67"})],
        [facts({"transfer": "bt709"}), facts({"transfer": "srgb"})],
    ),
    "encoding.primaries": (
        [facts({"primaries": "bt2020"}), facts({"primaries": "smpte432", "transfer": "bt709"})],
        [facts({"primaries": "bt709"}), facts({"primaries": "smpte170m"})],
    ),
    "encoding.profile": (
        [facts({"profile": "High 4:4:4 Predictive"}), facts({"profile": "Extended"})],
        [facts({"profile": name}) for name in ("Main", "Constrained Baseline", None)],
    ),
    "encoding.negative-start": (
        [facts({"start_seconds": -0.03}, {"start_seconds": -0.03}),
         facts({"start_seconds": -9.0}, {"start_seconds": -9.0})],
        [facts({"start_seconds": -0.019})],
    ),
    "encoding.late-start": (
        [facts({"start_seconds": 0.51}, {"start_seconds": 0.51})],
        [facts({"start_seconds": 0.5}, {"start_seconds": 0.5})],
    ),
    "encoding.other-streams": (
        [facts(other_streams=("data", "subtitle")), facts(cover_pictures=1), facts(other_streams=("data",) * 60)],
        [GOOD],
    ),
    "encoding.audio-channels": (
        [facts(None, {"channels": 3}), facts(None, {"channels": 8})], [facts(None, {"channels": 2})]
    ),
    "content.audio-timestamps": (
        [facts(None, {"time_error_seconds": 0.4, "time_jumps": 1}), facts(None, {"time_error_seconds": -0.06})],
        [facts(None, {"time_error_seconds": 0.05})],
    ),
    "content.audio-short": (
        [facts(None, {"duration_seconds": 4.4})],
        [facts(None, {"duration_seconds": 4.6}), facts(None, {"duration_seconds": 4.4, "end_seconds": 4.8}),
         facts(None, {"duration_seconds": 60.0})],
    ),
}  # fmt: skip


def cases(side: int) -> list:
    """Return the parameters of all bad (0) or all good (1) facts."""
    return [pytest.param(rule, seen, id=f"{rule}-{n}") for rule in CASES for n, seen in enumerate(CASES[rule][side])]


def speech_of(rule: str) -> float | None:
    return 5.0 if rule == "content.speech-length" else None


def broken(rule: str, seen: MediaFacts, rules: SubmissionRules = STRICT):
    return file_findings(seen, rules, "a.mp4", speech_of(rule))


def test_every_rule_for_files_has_a_case():
    assert set(CASES) == {rule.id for rule in file_rules()}


def test_good_file_has_no_finding():
    assert file_findings(GOOD, STRICT, "a.mp4", speech_seconds=5.0) == []


@pytest.mark.parametrize(("rule", "seen"), cases(0))
def test_fault_breaks_exactly_its_rule(rule, seen):
    findings = broken(rule, seen)
    assert {finding.rule for finding in findings} == {rule}
    for finding in findings:
        assert finding.severity == next(known.severity for known in file_rules() if known.id == rule)
        assert finding.message.endswith(".") and finding.found and finding.expected
        assert finding.path == "a.mp4"
        assert "{path}" not in (finding.fix or "")


@pytest.mark.parametrize(("rule", "seen"), cases(1))
def test_good_side_of_the_edge_is_no_fault(rule, seen):
    assert rule not in {finding.rule for finding in broken(rule, seen)}
    assert verdict_of(broken(rule, seen)) == "ok"


def test_rules_that_are_switched_off_in_the_challenge_check_nothing():
    video = RULES.video.model_copy(
        update={"min_fps": None, "max_fps": None, "constant_frame_rate": False, "max_seconds": None,
                "max_width": None, "max_height": None}
    )  # fmt: skip
    audio = RULES.audio.model_copy(
        update={"required": False, "min_sample_rate": None, "max_start_difference": None, "max_length_difference": None}
    )
    lenient = RULES.model_copy(update={"video": video, "audio": audio})
    seen = facts(
        {"fps": 7.0, "irregular_share": 0.4, "duration_seconds": 9000.0, "width": 9000, "height": 9000},
        {"sample_rate": 8000, "start_seconds": 2.0},
    )
    assert file_findings(seen, lenient) == []
    assert file_findings(facts(None, False), lenient) == []


@pytest.mark.parametrize("severity", ["error", "warning", "info"])
def test_challenge_replaces_the_severity(severity):
    rules = RULES.model_copy(update={"severities": {"encoding.codec": severity, "content.black": "off"}})
    seen = facts({"codec": "hevc", "black_share": 0.9})
    [finding] = file_findings(seen, rules)
    assert (finding.rule, finding.severity) == ("encoding.codec", severity)
    assert verdict_of([finding]) == {"error": "error", "warning": "warning", "info": "ok"}[severity]


def test_two_faults_are_two_findings():
    findings = file_findings(facts({"rotation": 90, "fps": 12.0}), RULES)
    assert [finding.rule for finding in findings] == ["encoding.rotation", "encoding.frame-rate"]


def test_rules_are_registered_once_with_a_scope_and_a_title():
    for key, rule in rule_registry().items():
        assert key == rule.id and rule.title and rule.scope in {"archive", "set", "file", "gaming", "board"}
        assert key.split(".")[0] in {"archive", "layout", "encoding", "content", "gaming"}


def test_path_in_the_command_is_quoted():
    [finding] = file_findings(facts({"codec": "hevc"}), RULES, "it's; rm -rf $HOME.mp4")
    assert shlex.split(finding.fix)[:3] == ["ffmpeg", "-i", "it's; rm -rf $HOME.mp4"]


# --- the commands -----------------------------------------------------------------------------------------------------

MENDED = {
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


def mend(path: Path, folder: Path, rule: str, rules: SubmissionRules = RULES) -> MediaFacts:
    """Run the printed command in ``folder`` through the shell, as a reader would, and return the new file's facts."""
    found = {finding.rule: finding for finding in file_findings(inspect_media(path).facts, rules, str(path))}
    command = found[rule].fix.replace("ffmpeg ", "ffmpeg -nostdin -v error -y ", 1)
    done = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return inspect_media(folder / "fixed.mp4").facts


@pytest.mark.ffmpeg
@pytest.mark.shared
@pytest.mark.parametrize("name", MENDED)
def test_printed_command_mends_the_file(shared, tmp_path, name):
    path = shared / f"data/nasty/{name}.mp4"
    before, after = inspect_media(path).facts, mend(path, tmp_path, MENDED[name])
    assert file_findings(after, RULES) == []
    assert after.audio_streams == 1
    # Nothing was lost on the way: the sound is as long, and the pictures last to the same moment.
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
def test_printed_command_mends_made_files(tmp_path, source, rule):
    made = tmp_path / "made file's.mp4"
    words = ["-f", "lavfi", "-i", "sine=440:d=2:sample_rate=16000"]
    pixel = [] if "-pix_fmt" in source else ["-pix_fmt", "yuv420p"]
    ffmpeg(*source[:4], *words, *source[4:], *pixel, "-c:v", "libx264", "-c:a", "aac", made)
    assert rule not in {finding.rule for finding in file_findings(mend(made, tmp_path, rule), RULES)}


@pytest.mark.ffmpeg
def test_printed_command_mends_an_audio_codec_late_audio_and_a_mirror(tmp_path):
    video = ["-f", "lavfi", "-i", "testsrc=s=64x64:r=25:d=2"]
    sound = ["-f", "lavfi", "-i", "sine=440:d=2:sample_rate=48000"]
    good = ["-pix_fmt", "yuv420p", "-c:v", "libx264"]
    ffmpeg(*video, *sound, *good, "-c:a", "ac3", tmp_path / "ac3.mp4")
    assert file_findings(mend(tmp_path / "ac3.mp4", tmp_path, "encoding.audio-codec"), RULES) == []
    ffmpeg(*video, "-itsoffset", "0.4", *sound, *good, "-c:a", "aac", tmp_path / "late.mp4")
    assert file_findings(mend(tmp_path / "late.mp4", tmp_path, "encoding.audio-start"), RULES) == []
    ffmpeg(*video, *sound, *good, "-c:a", "aac", tmp_path / "upright.mp4")
    patch_matrix(tmp_path / "upright.mp4", tmp_path / "mirror.mp4", (1, 0, 0, -1))
    after = mend(tmp_path / "mirror.mp4", tmp_path, "encoding.rotation")
    assert (after.video.rotation, after.video.mirrored) == (0, False)


@pytest.mark.parametrize(
    "seen",
    [
        facts({"decode_errors": 1}),
        facts({"codec": "hevc"}),
        facts(None, {"decode_errors": 1}),
        facts(brand="qt  "),
        facts(False),
        index({"id": 7}),
    ],
)
def test_complaints_are_not_told_beside_what_explains_them(seen):
    noisy = seen.model_copy(update={"decoder_messages": ("h264: oh", "aac: ah"), "decoder_message_count": 9})
    assert {finding.rule for finding in file_findings(noisy, RULES)} == {
        finding.rule for finding in file_findings(seen, RULES)
    }


def test_complaints_are_counted():
    [finding] = file_findings(facts(decoder_messages=("h264: oh", "aac: ah"), decoder_message_count=9), RULES)
    assert (finding.severity, finding.found) == ("warning", "h264: oh; aac: ah; and 7 more")
