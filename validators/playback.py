"""Rules about what players may present differently from what is scored: colour, profile, start, channels, streams."""

from __future__ import annotations

from collections.abc import Iterable

from evalkit.media.facts import HDR_TRANSFERS as HDR
from evalkit.media.facts import AudioFacts, VideoFacts
from evalkit.validators.file import COMMON_PRIMARIES, File, container_fits, of_allowed_codec, of_audio, of_decoded
from evalkit.validators.findings import Rule, Violation

# What browsers and phones decode.
PLAYED_PROFILES = {"Baseline", "Constrained Baseline", "Main", "High", "Progressive High", "Constrained High"}
STEREO = 2
LATE_SECONDS = 0.5


def _hdr(video: VideoFacts, file: File) -> Iterable[Violation]:
    seen = dict.fromkeys([*([video.transfer] if video.transfer else []), *video.transfers])
    high = next((name for name in seen if name in HDR), None)
    if high is not None:
        part = " in a part of the frames" if len(seen) > 1 else ""
        yield Violation(
            "The video has high dynamic range; programs without support for it show grey frames, and these are scored.",
            found=f"{HDR[high]} ({high}){part}",
            expected="standard dynamic range (bt709)",
            fix="Make the video again with one dynamic range." if part else None,
            steps=() if part else ("tone-map",),
        )


def _primaries(video: VideoFacts, file: File) -> Iterable[Violation]:
    seen = dict.fromkeys([*([video.primaries] if video.primaries else []), *video.all_primaries])
    unusual = next((name for name in seen if name not in COMMON_PRIMARIES), None)
    if unusual is not None and not HDR.keys() & {video.transfer, *video.transfers}:
        part = " in a part of the frames" if len(seen) > 1 else ""
        yield Violation(
            "The colour primaries are unusual; the frames are scored as if they were bt709.",
            found=unusual + part,
            expected="bt709",
            fix="Make the video again with one set of primaries." if part else None,
            steps=() if part else ("primaries",),
        )


def _profile(video: VideoFacts, file: File) -> Iterable[Violation]:
    usual = video.codec != "h264" or video.profile is None or video.profile in PLAYED_PROFILES
    if not usual and video.pixel_format in file.rules.video.pixel_formats:
        yield Violation(
            "Many browsers and phones can't play this H.264 profile; raters may see nothing.",
            found=str(video.profile),
            expected="Baseline, Main or High",
            steps=("video",),
        )


def _negative_start(video: VideoFacts, file: File) -> Iterable[Violation]:
    step = 1 / video.fps if video.fps else 0.04
    if video.frames and video.start_seconds < -step / 2:
        yield Violation(
            "The video starts before time zero; programs drop or shift these frames.",
            found=f"the first frame at {video.start_seconds:.3f} s",
            expected="0 s",
            steps=("start",),
        )


def _late_start(video: VideoFacts, file: File) -> Iterable[Violation]:
    if video.frames and video.start_seconds > LATE_SECONDS:
        yield Violation(
            "No frame is shown at the start; scores are computed from the first frame on.",
            found=f"the first frame at {video.start_seconds:.2f} s",
            expected=f"at most {LATE_SECONDS:g} s",
        )


def _other_streams(file: File) -> Iterable[Violation]:
    facts = file.facts
    covers = ("cover image",) * facts.cover_pictures
    if (facts.other_streams or covers) and container_fits(file) and facts.video is not None:
        streams = [str(name) for name in (*facts.other_streams, *covers)]
        yield Violation(
            "There are streams besides video and audio; they are ignored.",
            found=", ".join(streams[:5]) + (f" and {len(streams) - 5} more" if len(streams) > 5 else ""),
            expected="one video and one audio stream",
            steps=("rewrite",),
        )


def _channels(audio: AudioFacts, file: File) -> Iterable[Violation]:
    if audio.channels > STEREO and audio.codec in file.rules.audio.codecs:
        yield Violation(
            "The audio has more than two channels; the scores average them all, and players mix them differently.",
            found=f"{audio.channels} channels",
            expected="mono or stereo",
            steps=("mono",),
        )


PLAYBACK_RULES: tuple[Rule[File], ...] = (
    Rule("encoding.hdr", "file", "error", "high dynamic range", of_decoded(_hdr)),
    Rule("encoding.primaries", "file", "warning", "unusual colours", of_decoded(_primaries)),
    Rule("encoding.profile", "file", "warning", "profile that browsers can't play", of_allowed_codec(_profile)),
    Rule("encoding.negative-start", "file", "error", "starts before time zero", of_allowed_codec(_negative_start)),
    Rule("encoding.late-start", "file", "info", "video starts late", of_allowed_codec(_late_start)),
    Rule("encoding.other-streams", "file", "info", "further streams", _other_streams),
    Rule("encoding.audio-channels", "file", "warning", "more than two channels", of_audio(_channels)),
)
