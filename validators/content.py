"""Does a file hold what its header promises, and does anything happen in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from evalkit.media.facts import AudioFacts, VideoFacts
from evalkit.validators.encoding import IRREGULAR_SHARE, File, container_fits, of_audio
from evalkit.validators.findings import Rule, Violation

FROZEN_SHARE = 0.95
DUPLICATE_SHARE = 0.5
BLACK_SHARE = 0.5
SILENCE_DBFS = -60.0
SHORTER_THAN_SPEECH = 0.5


def _of_allowed_codec(
    check: Callable[[VideoFacts, File], Iterable[Violation]],
) -> Callable[[File], Iterable[Violation]]:
    """Skip the check where another fault already explains what it would see."""

    def checked(file: File) -> Iterable[Violation]:
        video = file.facts.video
        if video is None or not container_fits(file) or video.codec not in file.rules.video.codecs:
            return ()
        return check(video, file)

    return checked


def _is_truncated(video: VideoFacts) -> bool:
    """One packet of slack: the last one may be an end marker that the index counts."""
    return video.missing_packets > 1 and not video.stopped_early


def _is_damaged(video: VideoFacts) -> bool:
    """Return whether a fault is reported that explains odd times, lengths and sizes."""
    return bool(_is_truncated(video) or video.decode_errors or video.corrupt_frames or video.stopped_early)


def _is_too_large(video: VideoFacts, file: File) -> bool:
    """Return whether nothing was decoded of pictures that the challenge does not allow anyway."""
    rules = file.rules.video
    return not video.frames and (video.width > (rules.max_width or 1e9) or video.height > (rules.max_height or 1e9))


def _truncated(video: VideoFacts, file: File) -> Iterable[Violation]:
    del file
    if _is_truncated(video):
        yield Violation(
            "The file ends before its header says.",
            found=f"{video.packets} frames",
            expected=f"{video.header_frames} frames",
            fix="Copy or encode the file again; a part of it is lost.",
        )


def _decode_errors(video: VideoFacts, file: File) -> Iterable[Violation]:
    if _is_truncated(video) or _is_too_large(video, file) or not (video.decode_errors or video.corrupt_frames):
        return
    yield Violation(
        "The decoder meets damaged data.",
        found=f"{video.decode_errors} packets refused, {video.corrupt_frames} frames damaged"
        + (f" ({video.first_error})" if video.first_error else ""),
        expected="a stream that decodes to its end",
        fix="Encode the video again; 'ffmpeg -v error -i {path} -f null -' must print nothing.",
    )


def _endless(video: VideoFacts, file: File) -> Iterable[Violation]:
    del file
    if video.stopped_early:
        yield Violation(
            "The video is too long to be read to its end.",
            found=f"more than {video.frames} frames",
            expected=f"at most {video.frames} frames",
        )


def _too_few_frames(video: VideoFacts, file: File) -> Iterable[Violation]:
    if video.frames < file.rules.video.min_frames and not _is_damaged(video):
        yield Violation(
            "There are too few frames.", found=str(video.frames), expected=f"at least {file.rules.video.min_frames}"
        )


def _duration(video: VideoFacts, file: File) -> Iterable[Violation]:
    low, high = file.rules.video.min_seconds, file.rules.video.max_seconds
    if _is_damaged(video) or video.backward_steps or video.frames < file.rules.video.min_frames:
        return
    found = f"{video.duration_seconds:.2f} s"
    if low is not None and video.duration_seconds < low:
        yield Violation("The video is too short.", found=found, expected=f"at least {low:g} s")
    if high is not None and video.duration_seconds > high:
        yield Violation("The video is too long.", found=found, expected=f"at most {high:g} s")


def _speech_length(video: VideoFacts, file: File) -> Iterable[Violation]:
    limit = file.rules.video.match_reference_seconds
    if limit is None or file.speech_seconds is None or _is_damaged(video) or video.backward_steps:
        return
    if video.frames < file.rules.video.min_frames:
        return
    difference = video.duration_seconds - file.speech_seconds
    if abs(difference) > limit:
        yield Violation(
            "The video is not as long as the speech it was made for.",
            found=f"{video.duration_seconds:.2f} s",
            expected=f"{file.speech_seconds:.2f} s, at most {limit:g} s more or less",
        )


def _size_changes(video: VideoFacts, file: File) -> Iterable[Violation]:
    del file
    if video.size_changes and not _is_damaged(video):
        yield Violation("The pictures change their size.", found=f"{video.size_changes} times", expected="one size")


def _backward(video: VideoFacts, file: File) -> Iterable[Violation]:
    del file
    if video.backward_steps and not _is_damaged(video):
        yield Violation(
            "Time stamps do not increase.",
            found=f"{video.backward_steps} frames are not later than the one before",
            expected="increasing time stamps",
            fix="ffmpeg -i {path} -fps_mode cfr -c:v libx264 -pix_fmt yuv420p -c:a copy fixed.mp4",
        )


def _gap(video: VideoFacts, file: File) -> Iterable[Violation]:
    del file
    few = 0 < video.irregular_share <= IRREGULAR_SHARE
    if few and not _is_damaged(video) and not video.backward_steps:
        yield Violation(
            "A few frame intervals differ from the usual one.",
            found=f"{video.irregular_share:.1%} of the intervals",
            expected="one interval between all frames",
        )


def _frozen(video: VideoFacts, file: File) -> Iterable[Violation]:
    del file
    if video.frames > 1 and video.duplicate_share >= FROZEN_SHARE:
        yield Violation(
            "The video is frozen.",
            found=f"{video.duplicate_share:.0%} of the frames equal the one before",
            expected=f"less than {FROZEN_SHARE:.0%}",
        )


def _duplicates(video: VideoFacts, file: File) -> Iterable[Violation]:
    del file
    if video.frames > 1 and DUPLICATE_SHARE <= video.duplicate_share < FROZEN_SHARE:
        yield Violation(
            "Most frames repeat the one before; the true frame rate is lower than the file's.",
            found=f"{video.duplicate_share:.0%} of the frames equal the one before",
            expected=f"less than {DUPLICATE_SHARE:.0%}",
        )


def _black(video: VideoFacts, file: File) -> Iterable[Violation]:
    del file
    if video.black_share >= BLACK_SHARE:
        yield Violation("Most frames are black.", found=f"{video.black_share:.0%}", expected=f"below {BLACK_SHARE:.0%}")


def _silent(audio: AudioFacts, file: File) -> Iterable[Violation]:
    del file
    if audio.duration_seconds > 0 and (audio.rms_dbfs is None or audio.rms_dbfs < SILENCE_DBFS):
        level = "digital silence" if audio.rms_dbfs is None else f"{audio.rms_dbfs:.0f} dBFS"
        yield Violation("The audio is silent.", found=level, expected=f"above {SILENCE_DBFS:.0f} dBFS")


def _audio_damaged(audio: AudioFacts, file: File) -> Iterable[Violation]:
    video = file.facts.video
    explained = video is not None and (_is_damaged(video) or video.codec not in file.rules.video.codecs)
    if audio.decode_errors and not explained and audio.codec in file.rules.audio.codecs:
        yield Violation(
            "The audio decoder meets damaged data.",
            found=f"{audio.decode_errors} packets refused",
            expected="a stream that decodes to its end",
            fix="ffmpeg -i {path} -c:v copy -c:a aac fixed.mp4",
        )


def _audio_short(audio: AudioFacts, file: File) -> Iterable[Violation]:
    limit, video = file.rules.audio.max_length_difference, file.facts.video
    if limit is None or video is None or _is_damaged(video) or audio.decode_errors:
        return
    video_end = video.start_seconds + video.duration_seconds
    audio_end = audio.start_seconds + audio.duration_seconds
    if video_end - audio_end > limit:
        yield Violation(
            "The audio ends well before the video.",
            found=f"audio ends at {audio_end:.2f} s, video at {video_end:.2f} s",
            expected=f"at most {limit:g} s apart",
        )


RULES: tuple[Rule[File], ...] = (
    Rule("content.truncated", "file", "error", "shorter than its header says", _of_allowed_codec(_truncated)),
    Rule("content.decode-errors", "file", "error", "damaged video data", _of_allowed_codec(_decode_errors)),
    Rule("content.endless", "file", "error", "too many frames", _of_allowed_codec(_endless)),
    Rule("content.too-few-frames", "file", "error", "too few frames", _of_allowed_codec(_too_few_frames)),
    Rule("content.duration", "file", "error", "too short or too long", _of_allowed_codec(_duration)),
    Rule("content.speech-length", "file", "error", "not as long as the speech", _of_allowed_codec(_speech_length)),
    Rule("content.size-change", "file", "error", "pictures change size", _of_allowed_codec(_size_changes)),
    Rule("content.timestamps", "file", "error", "time stamps go backward", _of_allowed_codec(_backward)),
    Rule("content.irregular-frames", "file", "info", "a few irregular intervals", _of_allowed_codec(_gap)),
    Rule("content.frozen", "file", "warning", "frozen video", _of_allowed_codec(_frozen)),
    Rule("content.duplicate-frames", "file", "warning", "most frames repeated", _of_allowed_codec(_duplicates)),
    Rule("content.black", "file", "warning", "black video", _of_allowed_codec(_black)),
    Rule("content.audio-silent", "file", "warning", "silent audio", of_audio(_silent)),
    Rule("content.audio-damaged", "file", "error", "damaged audio data", of_audio(_audio_damaged)),
    Rule("content.audio-short", "file", "warning", "audio shorter than video", of_audio(_audio_short)),
)
