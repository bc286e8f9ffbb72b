"""Rules about the content of a file: complete, undamaged, of the right length, neither frozen, black nor silent."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from evalkit.media.facts import CANCELLED, AudioFacts, VideoFacts
from evalkit.text import count
from evalkit.validators.edits import unusual_edits
from evalkit.validators.encoding import IRREGULAR_SHARE, frame_rate, resolution
from evalkit.validators.file import (
    File,
    audio_end_seconds,
    audio_track,
    is_damaged,
    is_error,
    is_locked,
    is_readable,
    is_truncated,
    of_allowed_codec,
    of_audio,
    of_decoded,
)
from evalkit.validators.findings import Rule, Violation

FROZEN_SHARE = 0.95
DUPLICATE_SHARE = 0.5
BLACK_SHARE = 0.5
SILENCE_DBFS = -60.0
SHORTER_THAN_SPEECH = 0.5
AUDIO_TIME_SECONDS = 0.05
SURPLUS_SECONDS = 60.0  # of sound after the last frame; a mistake of muxing adds less
_ANEW = "Generate the video again in the expected length; no command can correct this."
_Checks = tuple[tuple[str, Callable[[VideoFacts, File], Iterable[Violation]]], ...]
TAIL_SHARE = 0.25  # of the speech's length: generators make whole blocks of frames


def _is_too_large(video: VideoFacts, file: File) -> bool:
    """Return whether nothing was decoded because the frames are larger than the challenge allows."""
    rules = file.rules.video
    return not video.frames and (video.width > (rules.max_width or 1e9) or video.height > (rules.max_height or 1e9))


def _truncated(video: VideoFacts, file: File) -> Iterable[Violation]:
    if is_truncated(video):
        yield Violation(
            "The file ends earlier than its header states.",
            found=count(video.packets, "frame"),
            expected=count(video.header_frames, "frame"),
            fix="Copy or encode the file again; a part of it is lost.",
        )


def _decode_errors(video: VideoFacts, file: File) -> Iterable[Violation]:
    if is_truncated(video) or _is_too_large(video, file) or not (video.decode_errors or video.corrupt_frames):
        return
    yield Violation(
        "The video data is damaged.",
        found=f"{count(video.decode_errors, 'packet')} refused, {count(video.corrupt_frames, 'frame')} damaged"
        + (f" ({video.first_error})" if video.first_error else ""),
        expected="a stream that decodes to its end",
        fix="Encode the video again; 'ffmpeg -v error -i {path} -f null -' must print nothing.",
    )


def _endless(file: File) -> Iterable[Violation]:
    """Find videos that were not read to their end and that no other rule refuses for what ended the reading."""
    video = file.facts.video
    if video is None or not (video.stopped_early or (video.undecoded_frames and not _is_reported(video, file))):
        return
    decoded = video.frames - video.undecoded_frames
    yield Violation(
        "The video is so much longer or larger than allowed that it was not read to its end.",
        found=f"more than {video.frames} frames of {video.width}x{video.height} pixels, {decoded} of them decoded",
        expected="no more and no larger frames than the challenge allows",
        fix="Make it as long and as large as the challenge asks.",
    )


def _is_reported(video: VideoFacts, file: File) -> bool:
    """Return whether a rule of severity error reports what ended the decoding."""
    if is_locked(file) or not is_readable(file):
        return False
    checks = {"size": _SIZES, "length": _LENGTHS, "count": (*_LENGTHS, ("encoding.frame-rate", frame_rate))}
    return any(is_error(file.rules, rule) and any(check(video, file)) for rule, check in checks[video.proof or "count"])


def _audio_endless(audio: AudioFacts, file: File) -> Iterable[Violation]:
    more, surplus = "more than " if audio.stopped_early else "", _audio_surplus(audio, file)
    if audio.stopped_early or surplus > SURPLUS_SECONDS:
        yield Violation(
            "The audio is far longer than the video.",
            found=f"{more}{surplus:.0f} s after the video's end"
            if surplus > 0
            else f"{more}{audio.duration_seconds:.0f} s",
            expected="audio as long as the video",
            fix=None if surplus > 0 else "Cut the audio to the length of the video.",
            steps=("cut-audio",) if surplus > 0 else (),
        )


def _audio_surplus(audio: AudioFacts, file: File) -> float:
    """Return how many seconds of audio follow the end of the video; 0 where a fault of the video explains it."""
    video = file.facts.video
    if video is None or is_damaged(video) or audio.decode_errors or _is_too_short(video, file):
        return 0.0
    return audio_end_seconds(audio) - video.start_seconds - video.duration_seconds


def _is_too_short(video: VideoFacts, file: File) -> bool:
    """Return whether frames are missing, so that another rule reports the video's length."""
    rules, expected = file.rules.video, file.expected
    least = rules.min_seconds or 0.0
    if expected is not None and rules.match_reference_seconds is not None:
        least = max(least, expected.seconds - rules.match_reference_seconds)
    return video.frames < rules.min_frames or video.duration_seconds < least


def _too_few_frames(video: VideoFacts, file: File) -> Iterable[Violation]:
    if video.frames < file.rules.video.min_frames and not is_damaged(video):
        yield Violation(
            "There are too few frames.",
            found=str(video.frames),
            expected=f"at least {file.rules.video.min_frames}",
            fix=_ANEW,
        )


def _duration(video: VideoFacts, file: File) -> Iterable[Violation]:
    low, high = file.rules.video.min_seconds, file.rules.video.max_seconds
    if is_damaged(video) or video.backward_steps or video.frames < file.rules.video.min_frames:
        return
    found = f"{video.duration_seconds:.2f} s"
    if low is not None and video.duration_seconds < low:
        yield Violation("The video is too short.", found=found, expected=f"at least {low:g} s", fix=_ANEW)
    if high is not None and video.duration_seconds > high:
        yield Violation("The video is too long.", found=found, expected=f"at most {high:g} s", fix=_ANEW)


def _length(video: VideoFacts, file: File) -> Iterable[Violation]:
    limit = file.rules.video.match_reference_seconds
    if limit is None or file.expected is None or is_damaged(video) or video.backward_steps:
        return
    if video.frames < file.rules.video.min_frames:
        return
    difference = video.duration_seconds - file.expected.seconds
    if abs(difference) > limit:
        tail = _has_a_tail(video, file.expected.seconds, limit, file.facts.audio)
        yield Violation(
            f"The length of the video differs from that of the {file.expected.source}.",
            found=f"{video.duration_seconds:.2f} s",
            expected=f"{file.expected.seconds:.2f} s, at most {limit:g} s more or less",
            fix=None if tail else _ANEW,
            steps=("cut",) if tail else (),
        )


def _has_a_tail(video: VideoFacts, seconds: float, limit: float, audio: AudioFacts | None) -> bool:
    """Return whether only some frames after the end of the speech are too many.

    The file's audio must end where the speech ends: a video that is slower than the speech has no such tail.
    """
    too_long = limit < video.duration_seconds - seconds <= max(limit, TAIL_SHARE * seconds)
    return too_long and audio is not None and abs(audio_end_seconds(audio) - seconds) <= limit


def _reference_size(video: VideoFacts, file: File) -> Iterable[Violation]:
    size, rules = file.expected.size if file.expected is not None else None, file.rules.video
    if size is None or is_damaged(video) or video.size_changes:
        return
    width, height = found = (video.height, video.width) if video.rotation % 180 else (video.width, video.height)
    limit = rules.max_reference_scale
    # 4:2:0 has no odd sizes: next to an odd reference, the even sizes above and below are right.
    if rules.match_reference_size and any(abs(side - own) > own % 2 for side, own in zip(found, size, strict=True)):
        yield Violation(
            "The frames have another size than those of the reference video.",
            found=f"{width}x{height} pixels",
            expected="{}x{} pixels".format(*size),
            steps=("size",),
        )
    elif limit is not None and any(side > own * limit + own % 2 for side, own in zip(found, size, strict=True)):
        yield Violation(
            "The frames are larger than those of the reference video, with which they are compared at its size.",
            found=f"{width}x{height} pixels",
            expected="{}x{} pixels".format(*size) + (f", at most {limit:g} times as wide and high" * (limit > 1)),
            steps=("size",),
        )


def _size_changes(video: VideoFacts, file: File) -> Iterable[Violation]:
    if video.size_changes and not is_damaged(video):
        yield Violation(
            "The frame size changes within the video.",
            found=count(video.size_changes, "change"),
            expected="one size",
        )


def _backward(video: VideoFacts, file: File) -> Iterable[Violation]:
    if video.backward_steps and not is_damaged(video):
        yield Violation(
            "Time stamps do not increase.",
            found=f"{count(video.backward_steps, 'frame is', 'frames are')} not later than the frame before",
            expected="increasing time stamps",
            steps=("rate",),
        )


def _gap(video: VideoFacts, file: File) -> Iterable[Violation]:
    few = 0 < video.irregular_share <= IRREGULAR_SHARE
    if few and not is_damaged(video) and not video.backward_steps:
        yield Violation(
            "A few frame intervals differ from the usual one.",
            found=f"{video.irregular_share:.1%} of the intervals",
            expected="one interval between all frames",
        )


_SIZES: _Checks = (("encoding.resolution", resolution), ("content.reference-size", _reference_size))
_LENGTHS: _Checks = (("content.duration", _duration), ("content.length", _length))


def _frozen(video: VideoFacts, file: File) -> Iterable[Violation]:
    if video.frames > 1 and video.duplicate_share >= FROZEN_SHARE:
        yield Violation(
            "The video is frozen.",
            found=f"{video.duplicate_share:.0%} of the frames equal the one before",
            expected=f"less than {FROZEN_SHARE:.0%}",
        )


def _duplicates(video: VideoFacts, file: File) -> Iterable[Violation]:
    if video.frames > 1 and DUPLICATE_SHARE <= video.duplicate_share < FROZEN_SHARE:
        yield Violation(
            "Most frames repeat the one before; the true frame rate is lower than the file's.",
            found=f"{video.duplicate_share:.0%} of the frames equal the one before",
            expected=f"less than {DUPLICATE_SHARE:.0%}",
        )


def _black(video: VideoFacts, file: File) -> Iterable[Violation]:
    if video.black_share >= BLACK_SHARE:
        yield Violation("Most frames are black.", found=f"{video.black_share:.0%}", expected=f"below {BLACK_SHARE:.0%}")


def _silent(audio: AudioFacts, file: File) -> Iterable[Violation]:
    if audio.duration_seconds > 0 and (audio.rms_dbfs is None or audio.rms_dbfs < SILENCE_DBFS):
        level = "digital silence" if audio.rms_dbfs is None else f"{audio.rms_dbfs:.0f} dBFS"
        video = file.facts.video
        # Lip sync is scored with the test set's speech, so that putting it in changes what people hear and no number.
        meant = video is not None and not is_damaged(video) and _fits_the_speech(video, file)
        yield Violation(
            "The audio is silent.",
            found=level,
            expected=f"above {SILENCE_DBFS:.0f} dBFS",
            steps=("speech",) if meant else (),
        )


def _cancels(audio: AudioFacts, file: File) -> Iterable[Violation]:
    if audio.mix_energy is not None and audio.mix_energy < CANCELLED and not list(_silent(audio, file)):
        yield Violation(
            "The channels of the audio cancel each other; scores average them, so most of the speech is lost.",
            found=f"the average has {audio.mix_energy:.1%} of the energy of independent channels",
            expected=f"at least {CANCELLED:.0%}",
            steps=("one-channel",),
        )


def _audio_damaged(audio: AudioFacts, file: File) -> Iterable[Violation]:
    video = file.facts.video
    explained = video is not None and (is_damaged(video) or video.codec not in file.rules.video.codecs)
    if audio.decode_errors and not explained and audio.codec in file.rules.audio.codecs:
        yield Violation(
            "The audio data is damaged.",
            found=f"{count(audio.decode_errors, 'packet')} refused",
            expected="a stream that decodes to its end",
            steps=("audio",),
        )


def _audio_empty(audio: AudioFacts, file: File) -> Iterable[Violation]:
    video = file.facts.video
    explained = audio.decode_errors or (video is not None and is_damaged(video))
    if not audio.duration_seconds and not explained:
        yield Violation(
            "The audio stream is empty.",
            found="no samples",
            expected="audio as long as the video",
            fix="Cut the audio to the length of the video.",
            steps=("speech",),
        )


def _audio_cut(audio: AudioFacts, file: File) -> Iterable[Violation]:
    video = file.facts.video
    explained = audio.decode_errors or (video is not None and is_damaged(video))
    if audio.missing_packets > 1 and audio.duration_seconds and not explained:
        yield Violation(
            "A part of the audio that the index lists is missing from the file.",
            found=f"{audio.missing_packets} packets missing",
            expected="every packet that the index lists",
            fix="Copy or encode the file again; a part of it is lost.",
        )


def _audio_change(audio: AudioFacts, file: File) -> Iterable[Violation]:
    if audio.format_changes and audio.codec in file.rules.audio.codecs:
        yield Violation(
            "The sample rate or the number of channels changes within the audio.",
            found=count(audio.format_changes, "change"),
            expected="one sample rate and one number of channels",
            steps=("mono",),
        )


def _audio_timestamps(audio: AudioFacts, file: File) -> Iterable[Violation]:
    """Players follow the time stamps; the scores use the samples without gaps."""
    video, track = file.facts.video, audio_track(file)
    explained = audio.decode_errors or audio.missing_packets > 1 or audio.format_changes
    explained = explained or (video is not None and is_damaged(video))
    explained = explained or (track is not None and unusual_edits(track) is not None)
    if abs(audio.time_error_seconds) > AUDIO_TIME_SECONDS and not explained:
        late = "late" if audio.time_error_seconds > 0 else "early"
        yield Violation(
            "The audio's time stamps have gaps or overlaps; players present it at other times than it is scored at.",
            found=f"up to {abs(audio.time_error_seconds):.2f} s {late}, after {count(audio.time_jumps, 'jump')}",
            expected=f"consecutive samples, at most {AUDIO_TIME_SECONDS:g} s off",
            steps=("align-audio",),
        )


def _audio_short(audio: AudioFacts, file: File) -> Iterable[Violation]:
    limit, video = file.rules.audio.max_length_difference, file.facts.video
    if limit is None or video is None or is_damaged(video) or audio.decode_errors:
        return
    if not audio.duration_seconds or audio.missing_packets > 1:
        return
    video_end = video.start_seconds + video.duration_seconds
    audio_end = audio_end_seconds(audio)
    if video_end - audio_end > limit:
        whole = _fits_the_speech(video, file)
        yield Violation(
            "The audio ends well before the video.",
            found=f"audio ends at {audio_end:.2f} s, video at {video_end:.2f} s",
            expected=f"at most {limit:g} s apart",
            fix=None if whole else "Add the whole audio to the video again; the rest of it is not in this file.",
            steps=("speech",) if whole else (),
        )


def _fits_the_speech(video: VideoFacts, file: File) -> bool:
    """Return whether the video is as long as the sample's speech, so that this is what belongs to it."""
    limit, expected = file.rules.video.match_reference_seconds, file.expected
    if limit is None or expected is None or expected.source != "speech":
        return False
    return abs(video.duration_seconds - expected.seconds) <= limit


def _audio_long(audio: AudioFacts, file: File) -> Iterable[Violation]:
    """Scores use the audio beside the frames only; players show the last frame until the audio ends."""
    limit, video = file.rules.audio.max_length_difference, file.facts.video
    surplus = _audio_surplus(audio, file)
    if limit is not None and video is not None and limit < surplus <= SURPLUS_SECONDS and not audio.stopped_early:
        video_end = video.start_seconds + video.duration_seconds
        yield Violation(
            "The audio goes on after the video's end.",
            found=f"audio ends at {video_end + surplus:.2f} s, video at {video_end:.2f} s",
            expected=f"at most {limit:g} s apart",
            steps=("cut-audio",),
        )


RULES: tuple[Rule[File], ...] = (
    Rule("content.truncated", "file", "error", "shorter than its header states", of_allowed_codec(_truncated)),
    Rule("content.decode-errors", "file", "error", "damaged video data", of_allowed_codec(_decode_errors)),
    Rule("content.endless", "file", "error", "too many frames", _endless),
    Rule("content.too-few-frames", "file", "error", "too few frames", of_decoded(_too_few_frames)),
    Rule("content.duration", "file", "error", "too short or too long", of_decoded(_duration)),
    Rule("content.length", "file", "error", "length differs from speech or reference", of_decoded(_length)),
    Rule("content.reference-size", "file", "error", "size differs from reference", of_decoded(_reference_size)),
    Rule("content.size-change", "file", "error", "frame size changes", of_decoded(_size_changes)),
    Rule("content.timestamps", "file", "error", "time stamps go backward", of_decoded(_backward)),
    Rule("content.irregular-frames", "file", "info", "a few irregular intervals", of_decoded(_gap)),
    Rule("content.frozen", "file", "warning", "frozen video", of_decoded(_frozen)),
    Rule("content.duplicate-frames", "file", "warning", "most frames repeated", of_decoded(_duplicates)),
    Rule("content.black", "file", "warning", "black video", of_decoded(_black)),
    Rule("content.audio-silent", "file", "warning", "silent audio", of_audio(_silent)),
    Rule("content.audio-cancels", "file", "warning", "channels that cancel each other", of_audio(_cancels)),
    Rule("content.audio-damaged", "file", "error", "damaged audio data", of_audio(_audio_damaged)),
    Rule("content.audio-empty", "file", "error", "empty audio stream", of_audio(_audio_empty)),
    Rule("content.audio-cut", "file", "error", "audio missing from the file", of_audio(_audio_cut)),
    Rule("content.audio-endless", "file", "error", "too much audio", of_audio(_audio_endless)),
    Rule("content.audio-change", "file", "error", "sample rate or channels change", of_audio(_audio_change)),
    Rule("content.audio-timestamps", "file", "warning", "gaps in the audio's time stamps", of_audio(_audio_timestamps)),
    Rule("content.audio-short", "file", "warning", "audio shorter than video", of_audio(_audio_short)),
    Rule("content.audio-long", "file", "warning", "audio longer than video", of_audio(_audio_long)),
)
