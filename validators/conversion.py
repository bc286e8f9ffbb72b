"""One ffmpeg command that corrects all the faults of a file, made from the challenge's own rules.

A rule names the steps that correct its fault; `command` puts the steps of all rules together. Printed commands and
``evalkit repair`` both come from here.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import ceil
from pathlib import PurePosixPath
from typing import get_args

from evalkit.media.facts import HDR_TRANSFERS, VideoFacts
from evalkit.validators.file import COMMON_PRIMARIES, File
from evalkit.validators.findings import Step

STEPS: tuple[Step, ...] = get_args(Step)  # in the order in which a list for people names them
SPEECH = "SPEECH.wav"  # in printed commands; the reader knows where the file is
_VIDEO_STEPS = {"video", "deinterlace", "square-pixels", "size", "rate", "tone-map", "primaries", "start", "cut"}
_AUDIO_STEPS = {"audio", "one-channel", "mono", "align-audio", "speech", "start", "cut-audio"}
_VIDEO_ENCODERS = {
    "h264": ("libx264", "-crf", "18"),
    "hevc": ("libx265", "-crf", "20", "-tag:v", "hvc1"),
    "vp9": ("libvpx-vp9", "-crf", "24", "-b:v", "0"),
    "av1": ("libsvtav1", "-crf", "24"),
}
_AUDIO_ENCODERS = {"aac": "aac", "mp3": "libmp3lame", "opus": "libopus", "flac": "flac", "pcm_s16le": "pcm_s16le"}
_SUFFIXES = {"matroska": "mkv"}
_COMMON_RATES = [Fraction(r, 1001) for r in (24_000, 30_000, 60_000)] + [Fraction(r) for r in (24, 25, 30, 50, 60)]
_TONE_MAP = (
    "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=hable,zscale=t=bt709:m=bt709:r=tv,format=yuv420p"
)
_OTHER_NAMES = {"gamma22": "bt470m", "gamma28": "bt470bg", "srgb": "iec61966-2-1", "ebu3213": "jedec-p22"}


def ordered(steps: Iterable[str]) -> tuple[Step, ...]:
    """Return the known steps among ``steps``, each once, in their usual order."""
    asked = set(steps)
    return tuple(step for step in STEPS if step in asked)


def command(steps: Sequence[str], file: File, source: str, target: str, *, speech: str = SPEECH) -> list[str]:
    """Return the ffmpeg command, word by word.

    Args:
        steps: what to correct; `Step` lists them.
        file: the facts of the source, and the challenge's rules, which the target must satisfy.
        source, target: paths.
        speech: path of the sample's speech, for the step ``speech``.
    """
    inputs = ["-i", _as_file(source)] + (["-i", _as_file(speech)] if "speech" in steps else [])
    return ["ffmpeg", "-nostdin", "-y", *inputs, *output_options(steps, file), _as_file(target)]


def output_options(steps: Iterable[str], file: File) -> list[str]:
    """Return ffmpeg's options for the target; the second input is the speech, for the step ``speech``."""
    asked = set(all_steps(steps, file))
    words = ["-map", "0:V:0", "-map", "1:a:0" if "speech" in asked else "0:a:0?"]
    words += ["-map_chapters", "-1", "-write_tmcd", "0"]
    words += _video_words(asked, file) if asked & _VIDEO_STEPS else ["-c:v", "copy"]
    words += _audio_words(asked, file) if asked & _AUDIO_STEPS else ["-c:a", "copy"]
    if "enable" in asked:
        words += ["-disposition:v:0", "default", "-disposition:a:0", "default"]
    if "start" in asked:
        words += ["-avoid_negative_ts", "make_zero"]
    if "cut" in asked and file.expected is not None:
        words += ["-t", f"{file.expected.seconds:.3f}"]
    elif "speech" in asked and not _is_too_long(file):  # a video that is too long stays so, and is reported
        words += ["-shortest"]
    return [*words, "-movflags", "+faststart"]


def _is_too_long(file: File) -> bool:
    video, limit = file.facts.video, file.rules.video.match_reference_seconds
    if video is None or file.expected is None or limit is None:
        return False
    return video.duration_seconds > file.expected.seconds + limit


def all_steps(steps: Iterable[str], file: File) -> tuple[Step, ...]:
    """Return the steps together with what else the target needs to be valid."""
    return ordered({*steps, *_further_steps(file)})


def _further_steps(file: File) -> set[Step]:
    """Return what must be corrected besides: rules that skip a file because another reports it first."""
    video, audio, rules = file.facts.video, file.facts.audio, file.rules
    steps: set[Step] = set()
    if audio is not None and audio.codec not in rules.audio.codecs:
        steps.add("audio")
    if video is not None:
        if video.codec not in rules.video.codecs or video.pixel_format not in rules.video.pixel_formats:
            steps.add("video")
        low, high = rules.video.min_fps, rules.video.max_fps
        fps = video.fps or 25.0
        if (low is not None and fps < low - 0.01) or (high is not None and fps > high + 0.01):
            steps.add("rate")
        if not _allowed(_stored_size(video), file):
            steps.add("size")
    return steps


def printed_command(steps: Sequence[str], file: File, path: str) -> str:
    """Return the command for a shell; the new file lies in the folder ``fixed`` under the name of the old one."""
    target = target_path(path, file)
    folder = str(PurePosixPath(target).parent)
    words = command(steps, file, path, target)
    return f"mkdir -p {shlex.quote(folder)} && {shlex.join(words)}"


def target_path(path: str, file: File) -> str:
    """Return where a printed command writes: under ``fixed``, with the suffix of an allowed container."""
    place = PurePosixPath(path)
    relative = PurePosixPath(place.name) if place.is_absolute() or ".." in place.parts else place
    return str(PurePosixPath("fixed") / relative.with_suffix(f".{suffix(file)}"))


def suffix(file: File) -> str:
    """Return the suffix of the first container that the challenge allows."""
    container = file.rules.video.containers[0]
    return _SUFFIXES.get(container, container)


def _as_file(path: str) -> str:
    """Return a path that ffmpeg reads neither as an option nor as a URL."""
    return f"./{path}" if path.startswith("-") or ":" in path.split("/", maxsplit=1)[0] else path


# --- video ------------------------------------------------------------------------------------------------------------


def _video_words(asked: set[Step], file: File) -> list[str]:
    video = file.facts.video
    filters: list[str] = []
    if video is not None:
        filters += _colour_filters(asked, video)
        filters += ["yadif"] if "deinterlace" in asked else []
        filters += _size_filters(asked, video, file)
    words = ["-vf", ",".join(filters)] if filters else []
    if "rate" in asked and video is not None:
        words += ["-fps_mode", "cfr", "-r", str(target_rate(video.fps, file))]
    codec = next((name for name in file.rules.video.codecs if name in _VIDEO_ENCODERS), "h264")
    formats = file.rules.video.pixel_formats
    pixel_format = "yuv420p" if "yuv420p" in formats or not formats else formats[0]
    return [*words, "-c:v", *_VIDEO_ENCODERS[codec], "-pix_fmt", pixel_format]


def _colour_filters(asked: set[Step], video: VideoFacts) -> list[str]:
    if "tone-map" in asked:
        high = next((name for name in (video.transfer, *video.transfers) if name in HDR_TRANSFERS), "smpte2084")
        return [_tagged(video, str(high), "bt2020"), _TONE_MAP]
    if "primaries" in asked:
        unusual = next((name for name in (video.primaries, *video.all_primaries) if name not in COMMON_PRIMARIES), None)
        return [_tagged(video, "bt709", unusual or "bt709"), "zscale=p=bt709:t=bt709:m=bt709:r=tv,format=yuv420p"]
    return []


def _tagged(video: VideoFacts, transfer: str, primaries: str) -> str:
    """Return the filter that sets the missing colour tags; zscale refuses frames without them."""
    primaries, transfer = video.primaries or primaries, video.transfer or transfer
    matrix = video.matrix or ("bt2020nc" if primaries == "bt2020" else "bt709")
    named = [_OTHER_NAMES.get(name, name) for name in (primaries, transfer, matrix)]
    return "setparams=color_primaries={}:color_trc={}:colorspace={}".format(*named)


def _size_filters(asked: set[Step], video: VideoFacts, file: File) -> list[str]:
    """Return the filters that give an allowed size; 4:2:0 needs even sizes."""
    stored = _stored_size(video)
    if not min(stored):
        return []
    shown = _shown_size(stored, video) if "square-pixels" in asked else stored
    if shown != stored and _allowed(stored, file) and not _allowed(shown, file):
        shown = stored  # the tag is the mistake, not the frames: they have the size that the challenge asks for
    target, cover = fitted(shown, file) if "size" in asked or shown != stored else (_even(shown), shown)
    filters = []
    if "size" in asked or shown != stored:
        if cover != stored:
            filters.append(f"scale={cover[0]}:{cover[1]}")
        if target != cover:
            filters.append(f"crop={target[0]}:{target[1]}")
    elif target != stored:
        filters.append(f"crop={target[0]}:{target[1]}" if min(stored) >= 2 else f"scale={target[0]}:{target[1]}")
    return [*filters, "setsar=1"] if "square-pixels" in asked else filters


def _stored_size(video: VideoFacts) -> tuple[int, int]:
    """Return the size of the frames in display orientation, as ffmpeg's filters see them."""
    return (video.height, video.width) if video.rotation % 180 else (video.width, video.height)


def _shown_size(stored: tuple[int, int], video: VideoFacts) -> tuple[int, int]:
    """Return the size at which players show frames of pixels that are not square."""
    across, _, down = (video.non_square_pixels or "1:1").partition(":")
    if not across.isdecimal() or not down.isdecimal() or not int(across) or not int(down):
        return stored
    shape = Fraction(int(across), int(down))
    if video.rotation % 180:
        shape = 1 / shape
    width = max(2, 2 * round(stored[0] * shape / 2))
    return (width, stored[1])


def fitted(size: tuple[int, int], file: File) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the allowed size nearest to ``size``, and the size to scale to before the centre is cut out of it.

    The shape is kept where the limits allow it; then both sizes are equal.
    """
    lows, highs = _limits(file)
    least = max(low / side for low, side in zip(lows, size, strict=True))
    most = min(high / side for high, side in zip(highs, size, strict=True))
    factor = min(max(1.0, least), most) if least <= most else least
    cover = tuple(max(2, 2 * round(side * factor / 2)) for side in size)
    # Rounding to even numbers may leave the limits by a pixel.
    cover = tuple(side + 2 if side < low else side for side, low in zip(cover, lows, strict=True))
    target = tuple(min(side, high - high % 2) for side, high in zip(cover, highs, strict=True))
    return (target[0], target[1]), (cover[0], cover[1])


def _limits(file: File) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the least and the largest size that a new file may have.

    It is not larger than the reference video where the challenge limits that, although a little more may be allowed:
    scaling by a few percent costs more than it gives. The challenge's own limits come first.
    """
    rules = file.rules.video
    lows = (rules.min_width or 1, rules.min_height or 1)
    highs = (rules.max_width or 1 << 15, rules.max_height or 1 << 15)
    reference = _reference_size(file)
    if reference is None:
        return lows, highs
    inside = tuple(max(low, min(side, high)) for side, low, high in zip(_even(reference), lows, highs, strict=True))
    size = (inside[0], inside[1])
    return (size if rules.match_reference_size else lows), size


def _reference_size(file: File) -> tuple[int, int] | None:
    """Return the size of the reference video's frames, where the challenge has a rule about it."""
    return file.expected.size if file.expected is not None and file.rules.video.compares_sizes else None


def _even(size: tuple[int, int]) -> tuple[int, int]:
    return max(2, size[0] - size[0] % 2), max(2, size[1] - size[1] % 2)


def _allowed(size: tuple[int, int], file: File) -> bool:
    rules = file.rules.video
    limits = ((rules.min_width, rules.max_width), (rules.min_height, rules.max_height))
    inside = all(
        (low is None or side >= low) and (high is None or side <= high)
        for side, (low, high) in zip(size, limits, strict=True)
    )
    reference = _reference_size(file)
    if not inside or reference is None:
        return inside
    pairs = tuple(zip(size, reference, strict=True))
    if rules.match_reference_size:
        return all(abs(side - own) <= own % 2 for side, own in pairs)
    return all(side <= own * (rules.max_reference_scale or 1) + own % 2 for side, own in pairs)


def target_rate(fps: float | None, file: File) -> Fraction:
    """Return the allowed constant rate for a file.

    Its own rate where that is allowed; else a whole multiple or part of it, which repeats or drops frames evenly; else
    the nearest limit. A common rate within 2 % is taken for it.
    """
    rules = file.rules.video
    low, high = rules.min_fps or 0.0, rules.max_fps or 1000.0
    own = fps or 25.0
    wanted = own * ceil(low / own - 0.001) if own < low else own / ceil(own / high - 0.001)
    if not low <= wanted <= high:
        wanted = min(max(own, low), high)
    inside = [rate for rate in _COMMON_RATES if low - 0.01 <= rate <= high + 0.01]
    near = min(inside, key=lambda rate: abs(float(rate) - wanted), default=None)
    if near is not None and abs(float(near) - wanted) <= 0.02 * wanted:
        return near
    return Fraction(wanted).limit_denominator(1001)


# --- audio ------------------------------------------------------------------------------------------------------------


def _audio_words(asked: set[Step], file: File) -> list[str]:
    rules, audio = file.rules.audio, file.facts.audio
    codec = next((name for name in rules.codecs if name in _AUDIO_ENCODERS), "aac")
    filters = ["aresample=async=1:first_pts=0"] if asked & {"align-audio", "start"} else []
    filters += [f"atrim=end={_video_end(file):.3f}"] if "cut-audio" in asked else []
    filters += ["pan=mono|c0=c0"] if "one-channel" in asked else []
    words = ["-af", ",".join(filters)] if filters else []
    words += ["-c:a", _AUDIO_ENCODERS[codec]]
    low = rules.min_sample_rate
    if "mono" in asked or (low is not None and audio is not None and audio.sample_rate < low):
        words += ["-ar", str(max(48_000, low or 0))]
    return [*words, "-ac", "1"] if "mono" in asked else words


def _video_end(file: File) -> float:
    """Return when the last frame ends, counted as ffmpeg does: from the start of the stream that starts first."""
    video, audio = file.facts.video, file.facts.audio
    if video is None or audio is None:
        return 0.0
    first = min(video.start_seconds, audio.start_seconds)
    return video.start_seconds - first + video.duration_seconds


def unsupported(steps: Sequence[str], file: File) -> str | None:
    """Return why no command can correct the file, or ``None``: a codec that is not known here."""
    asked = set(ordered(steps))
    if asked & _VIDEO_STEPS and not any(name in _VIDEO_ENCODERS for name in file.rules.video.codecs):
        return f"the challenge asks for {' or '.join(file.rules.video.codecs)}, which evalkit can't encode"
    if asked & _AUDIO_STEPS and not any(name in _AUDIO_ENCODERS for name in file.rules.audio.codecs):
        return f"the challenge asks for {' or '.join(file.rules.audio.codecs)}, which evalkit can't encode"
    return None
