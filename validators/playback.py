"""What is scored one way and may be seen or heard another way: colour, profiles, times, channels, further streams."""

from __future__ import annotations

from collections.abc import Iterable

from evalkit.media.facts import AudioFacts, VideoFacts
from evalkit.validators.file import File, container_fits, of_allowed_codec, of_audio, transcode
from evalkit.validators.findings import Rule, Violation

# Transfer functions of high dynamic range: without tone mapping the pictures look grey.
HDR = {"smpte2084": "PQ", "arib-std-b67": "HLG"}
# Primaries that screens and programs take for their own; SD and HD differ by less than the eye sees on a face.
COMMON_PRIMARIES = {"bt709", "bt470bg", "smpte170m", "bt470m", "smpte240m"}
# What browsers and phones decode.
PLAYED_PROFILES = {"Baseline", "Constrained Baseline", "Main", "High", "Progressive High", "Constrained High"}
STEREO = 2
LATE_SECONDS = 0.5
_TONE_MAP = (
    "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=hable,zscale=t=bt709:m=bt709:r=tv,format=yuv420p"
)


def _hdr(video: VideoFacts, file: File) -> Iterable[Violation]:
    del file
    if video.transfer in HDR:
        yield Violation(
            "The colours are those of high dynamic range; programs without it show and score them grey.",
            found=f"{HDR[video.transfer]} ({video.transfer})",
            expected="standard dynamic range (bt709)",
            fix=f"ffmpeg -i {{path}} -vf '{_TONE_MAP}' -c:v libx264 -crf 18 -c:a copy fixed.mp4",
        )


def _primaries(video: VideoFacts, file: File) -> Iterable[Violation]:
    del file
    if video.primaries is not None and video.primaries not in COMMON_PRIMARIES and video.transfer not in HDR:
        yield Violation(
            "The colours have unusual primaries; they are scored as if they were a screen's.",
            found=video.primaries,
            expected="bt709",
            fix="ffmpeg -i {path} -vf 'zscale=p=bt709:t=bt709:m=bt709:r=tv,format=yuv420p' -c:v libx264 -crf 18"
            " -c:a copy fixed.mp4",
        )


def _profile(video: VideoFacts, file: File) -> Iterable[Violation]:
    usual = video.codec != "h264" or video.profile is None or video.profile in PLAYED_PROFILES
    if not usual and video.pixel_format in file.rules.video.pixel_formats:
        yield Violation(
            "Many browsers and phones can't play this profile; raters may see nothing.",
            found=str(video.profile),
            expected="Baseline, Main or High",
            fix=transcode(video),
        )


def _negative_start(video: VideoFacts, file: File) -> Iterable[Violation]:
    del file
    step = 1 / video.fps if video.fps else 0.04
    if video.frames and video.start_seconds < -step / 2:
        yield Violation(
            "The video starts before time zero; programs drop or move what lies there.",
            found=f"the first frame at {video.start_seconds:.3f} s",
            expected="0 s",
            fix="ffmpeg -i {path} -avoid_negative_ts make_zero -c:v libx264 -pix_fmt yuv420p -crf 18"
            " -c:a aac fixed.mp4",
        )


def _late_start(video: VideoFacts, file: File) -> Iterable[Violation]:
    del file
    if video.frames and video.start_seconds > LATE_SECONDS:
        yield Violation(
            "Nothing is shown at the start; scores count from the first frame.",
            found=f"the first frame at {video.start_seconds:.2f} s",
            expected=f"at most {LATE_SECONDS:g} s",
        )


def _other_streams(file: File) -> Iterable[Violation]:
    facts = file.facts
    covers = ("cover picture",) * facts.cover_pictures
    if (facts.other_streams or covers) and container_fits(file) and facts.video is not None:
        streams = [str(name) for name in (*facts.other_streams, *covers)]
        yield Violation(
            "There are streams beside pictures and sound; they are not looked at.",
            found=", ".join(streams[:5]) + (f" and {len(streams) - 5} more" if len(streams) > 5 else ""),
            expected="one video and one audio stream",
            fix="ffmpeg -i {path} -map 0:v:0 -map '0:a:0?' -c copy -write_tmcd 0 fixed.mp4",
        )


def _channels(audio: AudioFacts, file: File) -> Iterable[Violation]:
    if audio.channels > STEREO and audio.codec in file.rules.audio.codecs:
        yield Violation(
            "The sound has more than two channels; all count alike in the scores, and players mix them otherwise.",
            found=f"{audio.channels} channels",
            expected="mono or stereo",
            fix="ffmpeg -i {path} -c:v copy -c:a aac -ac 1 fixed.mp4",
        )


RULES: tuple[Rule[File], ...] = (
    Rule("encoding.hdr", "file", "error", "high dynamic range", of_allowed_codec(_hdr)),
    Rule("encoding.primaries", "file", "warning", "unusual colours", of_allowed_codec(_primaries)),
    Rule("encoding.profile", "file", "warning", "profile that browsers can't play", of_allowed_codec(_profile)),
    Rule("encoding.negative-start", "file", "error", "starts before time zero", of_allowed_codec(_negative_start)),
    Rule("encoding.late-start", "file", "info", "pictures start late", of_allowed_codec(_late_start)),
    Rule("encoding.other-streams", "file", "info", "further streams", _other_streams),
    Rule("encoding.audio-channels", "file", "warning", "more than two channels", of_audio(_channels)),
)
