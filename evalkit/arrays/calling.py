"""`evalkit.measure`: arrays in, numbers out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.arrays.session import Measurer
from evalkit.metrics.base import Metric
from evalkit.weights.manifest import Backbones

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_KEPT = 4  # sessions
_sessions: dict[tuple[str, str, int], Measurer] = {}


def measure(
    metrics: str | Metric | Sequence[str | Metric],
    video: ArrayLike | Sequence[ArrayLike] | Any,
    *,
    fps: float | Sequence[float] | None = None,
    times: Any = None,
    reference: Any = None,
    reference_fps: float | Sequence[float] | None = None,
    reference_image: Any = None,
    audio: Any = None,
    audio_rate: int | Sequence[int] | None = None,
    prompt: str | Sequence[str] | None = None,
    timeline: Any = None,
    backbones: str | Path | Backbones = "published",
    device: str = "cpu",
    threads: int = 1,
) -> Any:
    """Measure videos in memory: the numbers of `evalkit score`, without files.

        evalkit.measure("lse_c", video=frames, audio=wave, audio_rate=16000, fps=25).value

    The networks stay loaded between calls (`Measurer` to decide over them). Everything happens in this process, with
    the caller's arrays as trusted input; PyTorch's settings are the same afterwards.

    Args:
        metrics: id or short name of a metric, a metric object, or a list; a text with commas is a list.
        video: uint8 RGB, (T, H, W, 3) of NumPy or (T, 3, H, W) of PyTorch; a list of these for several videos, or a
            batch with five dimensions. A picture (H, W, 3) is a video of one frame.
        fps: frames per second, one number or one for each video. Metrics that don't look at the time do without.
        times: in place of fps, the display time of each frame in seconds (T,).
        reference: the real video of each video, in the same form. Distances between sets (FID, KID, FVD, KVD) take as
            many as there are, however many videos there are, and use all of both.
        reference_fps: of the references, where it is not that of the videos.
        reference_image: the reference image of each video, (H, W, 3) or (3, H, W) uint8; for a single video a list is
            several images of the same person.
        audio: the sound of each video, from its first frame on: (N,), (C, N) or (N, C), int16 or float of -1..1. It
            stands for the test set's speech and for the file's own audio alike.
        audio_rate: its samples per second.
        prompt: the text of each video.
        timeline: (start, end, description) of each event of each video.
        backbones: ``published``, ``bundled``, or the path of a backbones file.
        device: ``cpu``, ``cuda`` or ``auto``.
        threads: of PyTorch on the CPU; with 1 the numbers are those of `evalkit score` to 1e-6.

    Returns:
        A `Measurement`; for a list of metrics a dictionary of them, by the names that were given.

    Raises:
        UsageError: an unknown metric, or one that needs something that was not given.
        InputError: an array of another shape, type or range; the message says how to convert it.
        WeightsError: the backbones lack a file.
    """
    return session_for(backbones, device, threads).measure(
        metrics,
        video,
        fps=fps,
        times=times,
        reference=reference,
        reference_fps=reference_fps,
        reference_image=reference_image,
        audio=audio,
        audio_rate=audio_rate,
        prompt=prompt,
        timeline=timeline,
    )


def session_for(backbones: str | Path | Backbones = "published", device: str = "cpu", threads: int = 1) -> Measurer:
    """Return the session that is kept for these settings; the last four are kept."""
    fresh = Measurer(backbones, device=device, threads=threads)
    key = (f"{fresh.backbones.name} {fresh.backbones.sha256}", fresh.device, threads)
    kept = _sessions.pop(key, fresh)
    _sessions[key] = kept
    while len(_sessions) > _KEPT:
        _sessions.pop(next(iter(_sessions))).close()
    return kept
