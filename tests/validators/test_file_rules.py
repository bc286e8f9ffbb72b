"""The rules for one file, rule by rule: facts that break it, and facts just on the good side."""

from __future__ import annotations

import shlex
from typing import get_args

import pytest
from builders.media_facts import GOOD, RULES, STRICT, VIDEO, edit, facts, index

from evalkit.challenges.submission_rules import SubmissionRules
from evalkit.media.facts import MediaFacts
from evalkit.validators.file import ExpectedLength
from evalkit.validators.findings import Scope, verdict_of
from evalkit.validators.registry import file_findings, rule_registry, rules_for

SPEECH = ExpectedLength(5.0, "speech", (256, 256))
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
            facts({"codec": "vp9"}),
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
        [facts({"duration_seconds": 600.0}, {"duration_seconds": 600.0}),
         facts({"duration_seconds": 1.0}, {"duration_seconds": 1.0})],
    ),
    "content.length": (
        [facts({"duration_seconds": 4.4}), facts({"duration_seconds": 5.6}, {"duration_seconds": 5.6})],
        [facts({"duration_seconds": 4.6}), facts({"duration_seconds": 5.4}, {"duration_seconds": 5.4})],
    ),
    "content.reference-size": (
        [facts({"width": 128, "height": 128}), facts({"width": 512, "height": 512}), facts({"height": 254})],
        [GOOD],
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
    "content.audio-cancels": (
        [facts(None, {"channels": 2, "mix_energy": 0.0}), facts(None, {"channels": 2, "mix_energy": 0.49})],
        [facts(None, {"channels": 2, "mix_energy": 0.5}), facts(None, {"channels": 2, "mix_energy": 2.0})],
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
    "content.audio-endless": (
        [facts(None, {"stopped_early": True, "duration_seconds": 64.0}), facts(None, {"duration_seconds": 65.1}),
         facts(None, {"duration_seconds": 5.0, "end_seconds": 90.0})],
        [GOOD],
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
        [facts(None, {"duration_seconds": 4.6}), facts(None, {"duration_seconds": 4.4, "end_seconds": 4.8})],
    ),
    "content.audio-long": (
        [facts(None, {"duration_seconds": 5.51}), facts(None, {"duration_seconds": 65.0}),
         facts(None, {"duration_seconds": 5.0, "end_seconds": 5.6}),
         facts({"start_seconds": 0.04}, {"start_seconds": 0.1, "duration_seconds": 5.46})],
        [facts(None, {"duration_seconds": 5.49}), facts(None, {"start_seconds": -0.021, "duration_seconds": 5.064})],
    ),
}  # fmt: skip


def cases(side: int) -> list:
    """Return the parameters of all bad (0) or all good (1) facts."""
    return [pytest.param(rule, seen, id=f"{rule}-{n}") for rule in CASES for n, seen in enumerate(CASES[rule][side])]


def expected_of(rule: str) -> ExpectedLength | None:
    return SPEECH if rule in {"content.length", "content.reference-size"} else None


def broken(rule: str, seen: MediaFacts, rules: SubmissionRules = STRICT):
    return file_findings(seen, rules, "a.mp4", expected_of(rule))


def test_every_rule_for_files_has_a_case():
    assert set(CASES) == {rule.id for rule in rules_for("file")}


def test_good_file_has_no_finding():
    assert file_findings(GOOD, STRICT, "a.mp4", SPEECH) == []


@pytest.mark.parametrize(("rule", "seen"), cases(0))
def test_fault_breaks_exactly_its_rule(rule, seen):
    findings = broken(rule, seen)
    assert {finding.rule for finding in findings} == {rule}
    for finding in findings:
        assert finding.severity == next(known.severity for known in rules_for("file") if known.id == rule)
        assert finding.message.endswith(".") and finding.found and finding.expected
        assert finding.path == "a.mp4"
        assert "{path}" not in (finding.fix or "")


@pytest.mark.parametrize(("rule", "seen"), cases(1))
def test_good_side_of_the_edge_is_no_fault(rule, seen):
    assert rule not in {finding.rule for finding in broken(rule, seen)}
    assert verdict_of(broken(rule, seen)) == "ok"


def sized_by(reference: tuple[int, int], width: int, height: int, **video) -> list:
    rules = RULES.model_copy(update={"video": RULES.video.model_copy(update=video)})
    expected = ExpectedLength(5.0, "speech", reference)
    return file_findings(facts({"width": width, "height": height}), rules, "a.mp4", expected)


@pytest.mark.parametrize(
    ("size", "reference", "fits"),
    [
        ((256, 256), (256, 256), True),
        ((128, 128), (256, 256), True),  # smaller gains nothing
        ((280, 280), (256, 256), True),  # a tenth larger
        ((282, 256), (256, 256), False),
        ((512, 512), (256, 256), False),
        ((512, 512), (1920, 1080), True),
        ((512, 512), (480, 640), True),
        ((512, 512), (511, 511), True),
    ],
)
def test_frames_are_not_much_larger_than_the_reference(size, reference, fits):
    found = sized_by(reference, *size)
    assert [one.rule for one in found] == ([] if fits else ["content.reference-size"])
    assert fits or "{}x{}".format(*reference) in found[0].expected


def test_odd_reference_is_matched_by_the_even_sizes_next_to_it():
    """H.264 in 4:2:0 has no odd sizes, so that exactly this size can't be asked for."""
    for size in ((510, 512), (512, 510), (511, 511)):
        assert not sized_by((511, 511), *size, match_reference_size=True)
    assert sized_by((511, 511), 508, 512, match_reference_size=True)
    assert sized_by((512, 512), 510, 512, match_reference_size=True)


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


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        (
            facts({"codec": "hevc", "duration_seconds": 3.0}, {"codec": "ac3"}),
            ["encoding.codec", "encoding.audio-codec", "content.length"],
        ),
        (
            facts({"codec": "mpeg2video", "duration_seconds": 3.0}, {"codec": "mp2"}, container="mpeg", brand=None),
            ["encoding.container", "encoding.codec", "encoding.audio-codec", "content.length"],
        ),
        (
            facts({"codec": "vp9", "frames": 500, "fps": 100.0}, False, container="matroska,webm", brand=None),
            ["encoding.container", "encoding.codec", "encoding.frame-rate", "encoding.audio-missing"],
        ),
        (
            facts({"codec": "hevc", "transfer": "smpte2084", "size_changes": 2, "backward_steps": 1}),
            ["encoding.codec", "encoding.hdr", "content.size-change", "content.timestamps"],
        ),
        (
            facts({"codec": "prores", "duplicate_share": 0.99}, {"duration_seconds": 5.7}, brand="qt  "),
            ["encoding.container", "encoding.codec", "content.frozen", "content.audio-long"],
        ),
    ],
)
def test_all_faults_are_found_at_once_whatever_the_container_and_codec(seen, wanted):
    found = {finding.rule for finding in file_findings(seen, STRICT, "a.mp4", SPEECH)}
    assert found - {"encoding.display-size"} == set(wanted)


@pytest.mark.parametrize("change", [{"duration_seconds": 3.0}, {"duration_seconds": 0.08, "frames": 2}])
def test_a_wrong_length_is_told_to_be_made_again_and_its_sound_is_not_cut(change):
    [finding] = file_findings(facts(change), STRICT.model_copy(update={"severities": {"content.duration": "off"}}),
                              "a.mp4", SPEECH)  # fmt: skip
    assert finding.rule == "content.length"
    assert finding.fix == "Generate the video again in the expected length; no command can correct this."
    assert finding.steps == ()


def test_audio_that_ends_early_is_replaced_by_the_speech_where_the_video_fits_it():
    short = facts(None, {"duration_seconds": 3.0})
    [finding] = file_findings(short, STRICT, "a.mp4", SPEECH)
    assert (finding.rule, finding.steps) == ("content.audio-short", ("speech",))
    assert "-i a.mp4 -i SPEECH.wav -map 0:V:0 -map 1:a:0" in finding.fix
    for expected in (None, ExpectedLength(5.0, "reference video")):
        [finding] = file_findings(short, STRICT, "a.mp4", expected)
        assert finding.fix == "Add the whole audio to the video again; the rest of it is not in this file."


def test_two_faults_are_two_findings():
    findings = file_findings(facts({"rotation": 90, "fps": 12.0}), RULES)
    assert [finding.rule for finding in findings] == ["encoding.rotation", "encoding.frame-rate"]


def test_rules_are_registered_once_with_a_scope_and_a_title():
    for key, rule in rule_registry().items():
        assert key == rule.id and rule.title and rule.scope in get_args(Scope)
        assert key.split(".")[0] in {
            "archive",
            "layout",
            "encoding",
            "content",
            "sound",
            "motion",
            "gaming",
            "testset",
            "scores",
            "truth",
        }


def test_path_in_the_command_is_quoted():
    [finding] = file_findings(facts({"codec": "hevc"}), RULES, "it's; rm -rf $HOME.mp4")
    words = shlex.split(finding.fix)
    assert words[:8] == ["mkdir", "-p", "fixed", "&&", "ffmpeg", "-nostdin", "-y", "-i"]
    assert (words[8], words[-1]) == ("it's; rm -rf $HOME.mp4", "fixed/it's; rm -rf $HOME.mp4")


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
def test_decoder_messages_are_not_reported_beside_their_cause(seen):
    noisy = seen.model_copy(update={"decoder_messages": ("h264: oh", "aac: ah"), "decoder_message_count": 9})
    assert {finding.rule for finding in file_findings(noisy, RULES)} == {
        finding.rule for finding in file_findings(seen, RULES)
    }


def test_decoder_messages_are_counted():
    [finding] = file_findings(facts(decoder_messages=("h264: oh", "aac: ah"), decoder_message_count=9), RULES)
    assert (finding.severity, finding.found) == ("warning", "h264: oh; aac: ah; and 7 more")
