"""Audio and windows of long videos are processed in pieces: the same numbers, and memory for one piece."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from evalkit.metrics.features import audio as audio_feature
from evalkit.metrics.features.audio import to_int16
from evalkit.metrics.gaming import audio_match
from evalkit.metrics.gaming.audio_match import envelope, match_audio
from evalkit.metrics.sync import distances, mfcc, windows
from evalkit.metrics.sync.distances import shift_distances, silent_distances

RATE = 16000
MIB = 1 << 20


def noise(seconds: float, seed: int = 0) -> NDArray[np.int16]:
    """Return noise whose loudness changes as that of speech does."""
    count = int(seconds * RATE)
    random = np.random.default_rng(seed)
    corners = np.arange(count // 1600 + 2)
    loudness = 300 + 3000 * np.interp(np.arange(count) / 1600, corners, random.random(len(corners)))
    return np.asarray(loudness * random.standard_normal(count), np.int16)


def reference_mfcc(samples: NDArray[np.int16]) -> NDArray[np.float64]:
    """Return what `mfcc` documents, frame by frame."""
    from scipy.fft import dct

    signal = samples.astype(np.float64)
    signal = np.concatenate([signal[:1], signal[1:] - 0.97 * signal[:-1]])
    count = 1 if len(signal) <= 400 else 1 + -(-(len(signal) - 400) // 160)
    rows = []
    for start in range(0, 160 * count, 160):
        frame = np.zeros(400)
        part = signal[start : start + 400]
        frame[: len(part)] = part
        power = np.abs(np.fft.rfft(frame, 512)) ** 2 / 512
        eps = np.finfo(np.float64).eps
        bands = mfcc.mel_filters(RATE) @ power
        row = dct(np.log(np.where(bands == 0, eps, bands)), norm="ortho")[:13]
        row *= 1 + 11 * np.sin(np.pi * np.arange(13) / 22)
        row[0] = np.log(power.sum() or eps)
        rows.append(row)
    return np.array(rows)


@pytest.mark.parametrize("samples", [1, 399, 400, 401, 560, 561, 3 * 160 + 240, 8000, 8161, 20001])
def test_mfcc_in_pieces_is_that_of_each_frame(samples: int, monkeypatch: Any) -> None:
    audio = noise(2)[:samples]
    monkeypatch.setattr(mfcc, "_ROWS", 7)
    np.testing.assert_allclose(mfcc.mfcc(audio), reference_mfcc(audio), rtol=1e-9, atol=1e-9)


def test_envelopes_in_pieces_are_those_of_the_whole(monkeypatch: Any) -> None:
    audio = noise(3)[:-77]
    whole, match = envelope(audio), match_audio(audio[800:], audio)
    monkeypatch.setattr(audio_match, "_ROWS", 13)
    np.testing.assert_array_equal(envelope(audio), whole)
    assert match_audio(audio[800:], audio) == match
    assert match.offset == pytest.approx(-0.05, abs=0.005)


def test_samples_in_pieces_are_those_of_the_whole(monkeypatch: Any) -> None:
    samples = np.random.default_rng(1).uniform(-1.2, 1.2, 1000).astype(np.float32)
    expected = [max(-32768, min(32767, round(float(value) * 32768))) for value in samples]
    monkeypatch.setattr(audio_feature, "_BLOCK", 64)
    assert to_int16(samples).tolist() == expected


class Network:
    """Embeds audio as a fixed projection of the 20 rows of a window."""

    def __init__(self) -> None:
        self._weights = np.random.default_rng(2).standard_normal((20 * 13, 24)).astype(np.float32)
        self.most = 0

    def lips(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        raise AssertionError("only audio is embedded here")

    def audio(self, coefficients: NDArray[np.float64], windows: int) -> NDArray[np.float32]:
        self.most = max(self.most, windows)
        rows = [coefficients[4 * at : 4 * at + 20].astype(np.float32).reshape(-1) for at in range(windows)]
        return np.stack([row @ self._weights for row in rows])


@pytest.mark.parametrize("piece", [4, 15, 16, 31, 33, 70, 200])
def test_a_track_compared_in_pieces_has_the_distances_of_the_whole(piece: int, monkeypatch: Any) -> None:
    audio, network = noise(4)[:-300], Network()
    frames = len(audio) // 640
    lips = np.random.default_rng(3).standard_normal((frames, 24)).astype(np.float32)
    count = distances.window_count(frames, len(audio))
    whole = shift_distances(lips[:count], network.audio(mfcc.mfcc(audio), count))
    network.most = 0
    monkeypatch.setattr(windows, "_AUDIO_WINDOWS", piece)
    monkeypatch.setattr(distances, "_ROWS", 10)
    found = windows.compare(network, lips, audio, frames)
    np.testing.assert_array_equal(found[:count], whole)
    assert np.isnan(found[count:]).all()
    assert network.most == min(piece, count)
    naive = np.linalg.norm(lips[:count].astype(np.float64) + 1e-6, axis=1)
    np.testing.assert_allclose(silent_distances(lips[:count]), naive, rtol=1e-5)


def peak(act: Callable[[], object]) -> float:
    """Return the most MiB that ``act`` held."""
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1] / MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("act", "least"),  # MiB that two minutes more of the result take; at once they took 60 to 150
    [
        (mfcc.mfcc, 1.2),
        (envelope, 0.9),
        (lambda audio: to_int16(audio / np.float32(32768)), 3.7 + 7.4),
        (lambda audio: shift_distances(*[np.resize(audio, (len(audio) // 640, 1024))] * 2), 40),
    ],
    ids=["mfcc", "envelope", "int16", "distances"],
)  # fmt: skip
def test_memory_hardly_grows_with_the_length(act: Callable[[NDArray[np.int16]], object], least: float) -> None:
    audio = noise(60)
    two, four = np.tile(audio, 2), np.tile(audio, 4)
    act(two)
    grown = peak(lambda: act(four)) - peak(lambda: act(two))
    assert grown < 1.5 * least + 2
