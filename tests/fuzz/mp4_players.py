"""Hold the pictures that evalkit reads of an MP4 against those that GStreamer's demuxer (qtdemux) gives.

Both decode H.264 with FFmpeg's decoder, so the pictures are equal bit by bit when the demuxers agree. A file that
GStreamer refuses with an error is no difference: its user sees no video, and no other one. Two things at the ends are
not either. An edit may start within a frame: GStreamer shows the rest of it, FFmpeg none. And without an edit list that
takes away the delay of B-frames, the times of the last frames lie behind the end that the index states: GStreamer stops
there.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from evalkit.challenges.model import load_challenge
from evalkit.errors import MediaError
from evalkit.media.container import DECODER_ERRORS, first_video, open_media
from evalkit.media.inspect import inspect_media
from evalkit.validators.findings import verdict_of
from evalkit.validators.registry import file_findings
from fuzz.differences import Outcome
from fuzz.mp4_crafted import SIZE

GST = shutil.which("gst-launch-1.0")
SECONDS = 15
LAST_FRAMES = 2  # as many as the B-frames of the clips delay
FRAME = SIZE[0] * SIZE[1] * 3 // 2
RULES = load_challenge("talking-head").submission


@dataclass(frozen=True)
class Shown:
    """What a program shows: the frames as planes, one after the other, and whether it complains."""

    frames: tuple[bytes, ...]
    complained: bool = False


def has_gstreamer() -> bool:
    """Return whether GStreamer is there with qtdemux and FFmpeg's decoder."""
    inspect = shutil.which("gst-inspect-1.0")
    return inspect is not None and all(
        subprocess.run([inspect, "--exists", name], check=False, timeout=60).returncode == 0
        for name in ("qtdemux", "avdec_h264")
    )


def by_gstreamer(path: Path) -> Shown:
    """Return the frames of the first video that qtdemux finds; ``complained`` also when it takes too long."""
    target = path.with_suffix(".raw")
    target.unlink(missing_ok=True)
    pipeline = (
        f"filesrc location={path} ! qtdemux name=d d.video_0 ! avdec_h264 max-threads=1 !"
        f" video/x-raw,format=I420 ! filesink location={target}"
    )
    command = [GST or "", "-q", *pipeline.split()]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=SECONDS)
        complained = done.returncode != 0
    except subprocess.TimeoutExpired:
        complained = True
    data = target.read_bytes() if target.exists() else b""
    target.unlink(missing_ok=True)
    return Shown(tuple(data[at : at + FRAME] for at in range(0, len(data), FRAME)), complained)


def by_evalkit(path: Path) -> Shown:
    """Return the frames that evalkit decodes, from the stream that it chooses."""
    frames = []
    try:
        with open_media(path) as container:
            stream = first_video(container)
            if stream is None or stream.codec_context is None:
                return Shown((), True)
            stream.codec_context.thread_count = 1
            for frame in container.decode(stream):
                frames.append(frame.to_ndarray(format="yuv420p").tobytes())
    except (*DECODER_ERRORS, MediaError):
        return Shown(tuple(frames), True)
    return Shown(tuple(frames))


def refused_by(path: Path) -> tuple[str, ...]:
    """Return the rules for which evalkit refuses the file."""
    findings = file_findings(inspect_media(path).facts, RULES, "a.mp4")
    return tuple(one.rule for one in findings if one.severity == "error") if verdict_of(findings) == "error" else ()


def difference(mine: Shown, other: Shown) -> str | None:
    """Return in words how two programs differ; ``None`` when they show the same, or one of them says that it can't."""
    if mine.complained or other.complained or mine.frames == other.frames:
        return None
    if _is_slice(mine.frames, other.frames) or _is_slice(other.frames, mine.frames):
        return None
    if len(mine.frames) != len(other.frames):
        return f"{len(mine.frames)} frames, {len(other.frames)} by GStreamer"
    wrong = sum(one != two for one, two in zip(mine.frames, other.frames, strict=True))
    return f"{wrong} of {len(mine.frames)} frames differ"


def _is_slice(longer: tuple[bytes, ...], shorter: tuple[bytes, ...]) -> bool:
    """Return whether ``shorter`` is all of ``longer`` but one frame at its start, and a few at its end, or fewer."""
    return bool(shorter) and any(
        longer[first : len(longer) - last] == shorter for first in (0, 1) for last in range(LAST_FRAMES + 1)
    )


def judge(path: Path) -> Outcome:
    """Return what a campaign counts."""
    refused = refused_by(path)
    found = difference(by_evalkit(path), by_gstreamer(path))
    faults = (found,) if found is not None and not refused else ()
    return Outcome(not refused, found is not None, faults)
