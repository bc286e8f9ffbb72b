"""The voices of a sample: read at 16 kHz, checked to be separate, and when each of them speaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import MediaError
from evalkit.metrics.features.audio import RATE, Samples, to_int16
from evalkit.metrics.features.base import FeatureOptions, FeatureUnavailableError, Voice, described
from evalkit.metrics.sync.distances import SAMPLES_PER_FRAME


@dataclass(frozen=True)
class StreamOptions(FeatureOptions):
    """How streams are checked, and when one speaks.

    Args:
        mixed: streams whose largest correlation within ``lag`` is above this are not separate.
        lag: milliseconds to each side.
        below_peak: decibels below a stream's loud parts down to which it speaks; the loud parts are the level that a
            twentieth of its frames exceed.
        crosstalk: decibels by which a stream, each measured by its own loud parts, may be below the loudest one and
            still speak: more is the loudest one heard in another's microphone.
        quietest: level in decibels of full scale below which nothing is speech.
        gap: frames of quiet that are bridged: pauses in a sentence.
        shortest: frames of sound that are speech; less is a click.
        tolerance: frames by which the lengths of streams may differ.
    """

    mixed: float = 0.4
    lag: float = 50.0
    below_peak: float = 25.0
    crosstalk: float = 12.0
    quietest: float = -60.0
    gap: int = 7
    shortest: int = 3
    tolerance: float = 1.0
    activity: str = described("energy of each 25th of a second; no network")
    silenced: str = described("each stream where it doesn't speak")
    rate: int = described(RATE)


STREAMS = StreamOptions()


def read_streams(voices: Sequence[Voice], options: StreamOptions = STREAMS) -> list[Samples]:
    """Return every voice (N,) int16 at 16 kHz, all of the length of the shortest.

    Raises:
        FeatureUnavailableError: ``stream_unreadable``, ``streams_of_unequal_length``, ``streams_not_separate``.
    """
    from evalkit.media.audio import read_mix

    streams = []
    for voice in voices:
        try:
            streams.append(to_int16(read_mix(voice.audio, RATE).samples))
        except (MediaError, OSError) as error:
            found = getattr(error, "found", None) or getattr(error, "strerror", None) or str(error)
            raise FeatureUnavailableError(
                "stream_unreadable", f"the audio of '{voice.name}' can't be read: {found}"
            ) from None
    lengths = [len(stream) for stream in streams]
    if max(lengths) - min(lengths) > options.tolerance * SAMPLES_PER_FRAME:
        shown = ", ".join(
            f"'{voice.name}' {length / RATE:.2f} s" for voice, length in zip(voices, lengths, strict=True)
        )
        raise FeatureUnavailableError(
            "streams_of_unequal_length",
            f"the voices of a sample are equally long, with silence where they don't speak: {shown}",
        )
    streams = [stream[: min(lengths)] for stream in streams]
    for (one, first), (two, second) in combinations(zip(voices, streams, strict=True), 2):
        alike = correlation(first, second, round(options.lag / 1000 * RATE))
        if alike > options.mixed:
            raise FeatureUnavailableError(
                "streams_not_separate",
                f"the audio of '{one.name}' and of '{two.name}' is nearly the same (correlation {alike:.2f}, at most "
                f"{options.mixed:g}): each person needs a file with their voice alone, not the mix of all",
            )
    return streams


def correlation(one: Samples, two: Samples, lag: int) -> float:
    """Return the largest absolute correlation of two streams (N,) within ``lag`` samples to each side, 0..1.

    0 where one of them is silent.
    """
    a, b = one.astype(np.float64), two.astype(np.float64)
    energy = float(np.sqrt((a @ a) * (b @ b)))
    if energy == 0 or not len(a):
        return 0.0
    from scipy.fft import irfft, next_fast_len, rfft

    size = next_fast_len(2 * len(a), real=True)
    products = irfft(rfft(a, size) * np.conj(rfft(b, size)), size)
    near = np.concatenate([products[: lag + 1], products[size - lag :]])
    return float(np.abs(near).max() / energy)


def activity(streams: Sequence[Samples], options: StreamOptions = STREAMS) -> NDArray[np.bool_]:
    """Return in which 25ths of a second each of several streams (N,) speaks: (P, M).

    1. Level of every frame's 640 samples, relative to the stream's loud parts: the 95 % quantile of its frames above
    ``quietest``. 2. It sounds above ``quietest``, above ``below_peak`` less than its loud parts, and no more than
    ``crosstalk`` below the loudest stream of the frame. 3. Gaps of up to ``gap`` frames inside are bridged, and what is
    then shorter than ``shortest`` is dropped.
    """
    absolute = np.stack([_levels(stream) for stream in streams])
    loud = absolute > options.quietest
    relative = np.full(absolute.shape, -np.inf)
    for row, level in enumerate(absolute):
        if loud[row].any():
            relative[row] = level - np.quantile(level[loud[row]], 0.95)
    sounds = loud & (relative > -options.below_peak) & (relative >= relative.max(axis=0) - options.crosstalk)
    speaks = np.zeros(sounds.shape, dtype=bool)
    for row, sound in enumerate(sounds):
        speaks[row] = _runs(~_runs(~sound, options.gap + 1, inside=True), options.shortest)
    return speaks


def silenced(stream: Samples, speaks: NDArray[np.bool_]) -> Samples:
    """Return a stream with zeros in the frames (M,) in which it doesn't speak, and after the last of them.

    SyncNet hears words at any level, so what a microphone picks up of another person would count as speech.
    """
    heard = np.zeros_like(stream)
    end = len(speaks) * SAMPLES_PER_FRAME
    heard[:end] = np.where(np.repeat(speaks, SAMPLES_PER_FRAME), stream[:end], 0)
    return heard


def _levels(stream: Samples) -> NDArray[np.float64]:
    """Return the level of each whole frame in decibels of full scale: (M,)."""
    count = len(stream) // SAMPLES_PER_FRAME
    parts = stream[: count * SAMPLES_PER_FRAME].reshape(count, SAMPLES_PER_FRAME).astype(np.float64) / 32768
    return np.asarray(20 * np.log10(np.maximum(np.sqrt(np.mean(parts**2, axis=1)), 1e-10)))


def _runs(mask: NDArray[np.bool_], least: int, *, inside: bool = False) -> NDArray[np.bool_]:
    """Return ``mask`` without its runs of fewer than ``least`` frames; with ``inside`` those at the ends stay."""
    kept = mask.copy()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        if stop - start < least and not (inside and (start == 0 or stop == len(mask))):
            kept[start:stop] = False
    return kept
