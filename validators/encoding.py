"""Rules about the format that a challenge asks for: container, codec, frame size and rate, audio stream."""

from __future__ import annotations

from collections.abc import Iterable

from evalkit.media.facts import UPRIGHT, AudioFacts, VideoFacts
from evalkit.media.file_kind import container_title
from evalkit.text import count
from evalkit.validators.file import File, container_fits, is_readable, of_audio, of_video, video_track
from evalkit.validators.findings import Rule, Violation
from evalkit.validators.playback import PLAYBACK_RULES
from evalkit.validators.structure import STRUCTURE_RULES

IRREGULAR_SHARE = 0.05
_IMAGES = {"jpeg_pipe", "png_pipe", "webp_pipe", "bmp_pipe", "gif", "apng"}


def is_variable(video: VideoFacts, file: File) -> bool:
    """Return whether the frame rate must be constant but is not, and no other fault explains it."""
    explained = video.decode_errors or video.backward_steps
    return file.rules.video.constant_frame_rate and video.irregular_share > IRREGULAR_SHARE and not explained


def _not_media(file: File) -> Iterable[Violation]:
    if file.facts.open_error is not None:
        yield Violation(
            "The file can't be opened as a video.",
            found=file.facts.open_error,
            expected=" or ".join(file.rules.video.containers).upper(),
            fix="Make the video again and check that it plays before zipping.",
        )


def _container(file: File) -> Iterable[Violation]:
    if file.facts.open_error is None and not container_fits(file):
        name = file.facts.container or "unknown"
        still = name in _IMAGES and not (file.facts.video is not None and file.facts.video.frames > 1)
        yield Violation(
            "The container is not allowed.",
            found=container_title(name) + (f" (brand {file.facts.brand.strip()})" if file.facts.brand else ""),
            expected=" or ".join(file.rules.video.containers).upper(),
            fix="Submit a video, not an image." if still else None,
            steps=() if still else ("rewrite",) if _can_be_copied(file) else ("video", "audio"),
        )


def _can_be_copied(file: File) -> bool:
    """Return whether the streams of a QuickTime file are those of a valid MP4, so that only the container changes.

    Other containers round the times of frames, or have none.
    """
    video, audio, rules = file.facts.video, file.facts.audio, file.rules
    if file.facts.brand is None or file.facts.brand.strip() != "qt" or "mp4" not in rules.video.containers:
        return False
    if video is None or video.rotation or video.mirrored or video.interlaced_frames or video.non_square_pixels:
        return False
    known = video.codec in rules.video.codecs and video.pixel_format in rules.video.pixel_formats
    return known and not is_variable(video, file) and (audio is None or audio.codec in rules.audio.codecs)


def _video_stream(file: File) -> Iterable[Violation]:
    if file.facts.open_error is None and container_fits(file) and file.facts.video is None:
        found = "audio only" if file.facts.audio_streams else "neither video nor audio"
        found += " (and a cover image)" if file.facts.cover_pictures else ""
        yield Violation("There is no video stream.", found=found, expected="one video stream")


def _video_streams(file: File) -> Iterable[Violation]:
    if file.facts.video_streams > 1 and is_readable(file):
        yield Violation(
            "There are several video streams, and programs differ in which one they show.",
            found=str(file.facts.video_streams),
            expected="1",
            steps=("rewrite",),
        )


def _codec(video: VideoFacts, file: File) -> Iterable[Violation]:
    if video.codec not in file.rules.video.codecs:
        yield Violation(
            "The video codec is not allowed.",
            found=video.codec,
            expected=" or ".join(file.rules.video.codecs),
            steps=("video",),
        )


def _pixel_format(video: VideoFacts, file: File) -> Iterable[Violation]:
    allowed = file.rules.video.pixel_formats
    if video.codec not in file.rules.video.codecs or (video.pixel_format is None and not video.frames):
        return  # the format is unknown when no frame was decoded
    others = [name for name in video.pixel_formats if name not in allowed and name != video.pixel_format]
    if video.pixel_format not in allowed or others:
        found = f"{video.pixel_format} (profile {video.profile})"
        yield Violation(
            "The pixel format is not allowed.",
            found=", ".join([found, *(f"{name} in a part of the frames" for name in others)]),
            expected=" or ".join(allowed),
            steps=("video",),
        )


def _interlaced(video: VideoFacts, file: File) -> Iterable[Violation]:
    if video.interlaced_frames:
        yield Violation(
            "The video is interlaced.",
            found=f"{video.interlaced_frames} of {count(video.frames, 'frame')}",
            expected="progressive",
            steps=("deinterlace",),
        )


def _is_plain(matrix: tuple[float, ...]) -> bool:
    """Return whether the matrix only rotates by right angles and mirrors."""
    a, b, c, d = (abs(value) for value in matrix)
    whole, none = ((a, d), (b, c)) if a > b else ((b, c), (a, d))
    return all(abs(value - 1) < 0.01 for value in whole) and all(value < 0.01 for value in none)


def _rotation(video: VideoFacts, file: File) -> Iterable[Violation]:
    track, mp4 = video_track(file), file.facts.mp4
    matrices = [part.matrix for part in (track, mp4) if part is not None]
    unusual = next((matrix for matrix in matrices if not _is_plain(matrix)), None)
    if unusual is None and mp4 is not None and mp4.matrix != UPRIGHT and not (video.rotation % 360 or video.mirrored):
        unusual = mp4.matrix  # the track's matrix undoes it, for programs that read both
    if unusual is not None:
        yield Violation(
            "The video is rotated, stretched or sheared by metadata.",
            found=f"a display matrix of {' '.join(f'{value:g}' for value in unusual)}",
            expected="frames stored upright",
            steps=("video",),
        )
    elif video.rotation % 360 or video.mirrored:
        yield Violation(
            "The video is rotated by metadata.",
            found="mirrored" if video.mirrored else f"{video.rotation} degrees",
            expected="frames stored upright",
            steps=("video",),
        )


def _aspect_ratio(video: VideoFacts, file: File) -> Iterable[Violation]:
    if video.non_square_pixels is not None:
        part = "" if video.non_square_pixels == video.sample_aspect_ratio else " in a part of the frames"
        yield Violation(
            "The pixels are not square; they are scored as if they were.",
            found=video.non_square_pixels + part,
            expected="1:1",
            steps=("square-pixels",),
        )


def frame_rate(video: VideoFacts, file: File) -> Iterable[Violation]:
    """Find frame rates out of range."""
    low, high = file.rules.video.min_fps, file.rules.video.max_fps
    if video.fps is None or is_variable(video, file):
        return
    if (low is not None and video.fps < low - 0.01) or (high is not None and video.fps > high + 0.01):
        yield Violation(
            "The frame rate is out of range.",
            found=f"{video.fps:.3f} frames/s",
            expected=allowed_range(low, high, "frames/s"),
            steps=("rate",),
        )


def _variable_frame_rate(video: VideoFacts, file: File) -> Iterable[Violation]:
    if is_variable(video, file):
        yield Violation(
            "The frame rate is not constant.",
            found=f"{video.irregular_share:.0%} of the frame intervals differ from the usual one",
            expected=f"at most {IRREGULAR_SHARE:.0%}",
            steps=("rate",),
        )


def resolution(video: VideoFacts, file: File) -> Iterable[Violation]:
    """Find widths and heights out of range."""
    rules = file.rules.video
    for name, value, low, high in (
        ("width", video.width, rules.min_width, rules.max_width),
        ("height", video.height, rules.min_height, rules.max_height),
    ):
        if (low is not None and value < low) or (high is not None and value > high):
            yield Violation(
                f"The {name} is out of range.",
                found=f"{value} pixels",
                expected=allowed_range(low, high, "pixels"),
                steps=("size",),
            )


def _audio_missing(file: File) -> Iterable[Violation]:
    readable = file.facts.video is not None and is_readable(file)
    if file.rules.audio.required and readable and file.facts.audio is None:
        yield Violation(
            "There is no audio stream.",
            found="video only",
            expected="one audio stream with the speech",
            steps=("speech",),
        )


def _audio_streams(file: File) -> Iterable[Violation]:
    if file.facts.audio_streams > 1 and is_readable(file):
        yield Violation(
            "There are several audio streams; the first is used.",
            found=str(file.facts.audio_streams),
            expected="1",
            steps=("rewrite",),
        )


def _audio_codec(audio: AudioFacts, file: File) -> Iterable[Violation]:
    if audio.codec not in file.rules.audio.codecs:
        yield Violation(
            "The audio codec is not allowed.",
            found=audio.codec,
            expected=" or ".join(file.rules.audio.codecs),
            steps=("audio",),
        )


def _sample_rate(audio: AudioFacts, file: File) -> Iterable[Violation]:
    low = file.rules.audio.min_sample_rate
    if low is not None and audio.sample_rate < low:
        yield Violation(
            "The sample rate of the audio is low.",
            found=f"{audio.sample_rate} Hz",
            expected=f"at least {low} Hz",
            steps=("audio",),
        )


def _audio_start(audio: AudioFacts, file: File) -> Iterable[Violation]:
    limit, video = file.rules.audio.max_start_difference, file.facts.video
    if limit is None or video is None or not video.frames or not audio.duration_seconds:
        return
    difference = audio.start_seconds - video.start_seconds
    if abs(difference) > limit:
        yield Violation(
            "Audio and video do not start together.",
            found=f"audio {abs(difference) * 1000:.0f} ms {'after' if difference > 0 else 'before'} video",
            expected=f"at most {limit * 1000:.0f} ms apart",
            steps=("align-audio", "rate"),
        )


def allowed_range(low: float | None, high: float | None, unit: str) -> str:
    """Return the limits in words, one at least; ``None`` for an end without one."""
    if low is not None and low == high:
        return f"{low:g} {unit}"
    if low is None:
        return f"at most {high:g} {unit}"
    if high is None:
        return f"at least {low:g} {unit}"
    return f"{low:g} to {high:g} {unit}"


RULES: tuple[Rule[File], ...] = (
    Rule("encoding.not-media", "file", "error", "can't be opened", _not_media),
    Rule("encoding.container", "file", "error", "container", _container),
    Rule("encoding.no-video", "file", "error", "no video stream", _video_stream),
    Rule("encoding.several-video-streams", "file", "error", "several video streams", _video_streams),
    Rule("encoding.codec", "file", "error", "video codec", of_video(_codec)),
    Rule("encoding.pixel-format", "file", "error", "pixel format", of_video(_pixel_format)),
    Rule("encoding.interlaced", "file", "error", "interlaced", of_video(_interlaced)),
    Rule("encoding.rotation", "file", "error", "rotated by metadata", of_video(_rotation)),
    Rule("encoding.aspect-ratio", "file", "warning", "pixels not square", of_video(_aspect_ratio)),
    Rule("encoding.frame-rate", "file", "error", "frame rate", of_video(frame_rate)),
    Rule("encoding.variable-frame-rate", "file", "error", "frame rate not constant", of_video(_variable_frame_rate)),
    Rule("encoding.resolution", "file", "error", "resolution", of_video(resolution)),
    Rule("encoding.audio-missing", "file", "error", "no audio stream", _audio_missing),
    Rule("encoding.several-audio-streams", "file", "warning", "several audio streams", _audio_streams),
    Rule("encoding.audio-codec", "file", "error", "audio codec", of_audio(_audio_codec)),
    Rule("encoding.audio-sample-rate", "file", "warning", "audio sample rate", of_audio(_sample_rate)),
    Rule("encoding.audio-start", "file", "warning", "audio starts early or late", of_audio(_audio_start)),
    *STRUCTURE_RULES,
    *PLAYBACK_RULES,
)
