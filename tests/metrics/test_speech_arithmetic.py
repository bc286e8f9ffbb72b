"""STOI, ESTOI, mel-cepstra, the delay, and the edit distance: published values, hand arithmetic, laws."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from evalkit.metrics.speech import cepstra
from evalkit.metrics.speech.delay import delay_of, without_delay
from evalkit.metrics.speech.intelligibility import TooShortError, intelligibility
from evalkit.metrics.speech.mel import mel_filters
from evalkit.metrics.speech.words import (
    characters_of,
    edit_distance,
    error_rate,
    without_punctuation,
    words_of,
)


def noisy_speech() -> tuple[np.ndarray, np.ndarray]:
    """Noise that swells four times a second, at 10 kHz, and the same with noise of half its size."""
    random = np.random.RandomState(0)
    count = 20000
    clean = (0.5 + 0.5 * np.sin(2 * np.pi * 4 * np.arange(count) / 10000)) * random.randn(count)
    return clean, clean + 0.5 * random.randn(count)


def means(clean: np.ndarray, degraded: np.ndarray) -> list[float]:
    return [float(values.mean()) for values in intelligibility(clean, degraded)]


def test_stoi_and_estoi_have_the_published_values():
    clean, degraded = noisy_speech()
    assert means(clean, degraded) == pytest.approx([0.863041546539, 0.483578540435], rel=1e-9)


def test_a_delay_of_10_ms_ruins_them_and_100_ms_leave_nothing():
    clean, degraded = noisy_speech()
    assert means(clean[:-100], degraded[100:]) == pytest.approx([0.654899134730, 0.085704193460], rel=1e-9)
    assert means(clean[:-1000], degraded[1000:])[0] == pytest.approx(-0.070939192, abs=5e-10)


def test_too_few_frames_are_no_value():
    clean, degraded = noisy_speech()
    for length in (0, 100, 256, 3000):
        with pytest.raises(TooShortError):
            intelligibility(clean[:length], degraded[:length])


def test_a_copy_has_1_and_silence_0():
    clean, _ = noisy_speech()
    assert means(clean, clean) == pytest.approx([1.0, 1.0], abs=1e-9)
    assert means(clean, 0.01 * clean) == pytest.approx([1.0, 1.0], abs=1e-9)
    assert means(clean, np.zeros_like(clean)) == [0.0, 0.0]


def test_silent_frames_of_the_clean_side_do_not_count():
    clean, degraded = noisy_speech()
    gap = np.zeros(128 * 40)
    noise = 0.001 * np.random.RandomState(1).randn(len(gap))
    longer = means(np.concatenate([clean, gap]), np.concatenate([degraded, noise]))
    assert longer == pytest.approx(means(clean, degraded), abs=0.02)


def test_mel_cepstral_distortion_has_the_published_value():
    random = np.random.RandomState(0)
    ours = random.randn(50, 25)
    theirs = ours + 0.1 * random.randn(50, 25)
    assert cepstra.distortion(ours, theirs).mean() == pytest.approx(2.912378880955, rel=1e-9)
    with_loudness = 10 / np.log(10) * np.sqrt(2 * np.square(ours - theirs).sum(axis=1)).mean()
    assert with_loudness == pytest.approx(2.963459350599, rel=1e-9)


def test_bending_keeps_the_spectrum_and_moves_its_frequencies():
    """sum c_m cos(m w) of the cepstrum is sum b_k cos(k w') of the bent one, at the bent frequency w'."""
    cepstrum = 0.8 ** np.arange(30) * np.random.RandomState(0).randn(30)
    alpha = 0.42
    bent = cepstra.bending(400, alpha, 30) @ cepstrum
    frequency = np.linspace(0.05, 3.1, 40)
    moved = frequency + 2 * np.arctan(alpha * np.sin(frequency) / (1 - alpha * np.cos(frequency)))
    before = np.cos(np.outer(frequency, np.arange(30))) @ cepstrum
    after = np.cos(np.outer(moved, np.arange(401))) @ bent
    assert after == pytest.approx(before, abs=1e-9)
    assert cepstra.bending(3, 0.0, 6) == pytest.approx(np.eye(4, 6))


def test_loudness_moves_only_the_first_coefficient():
    signal = np.random.RandomState(0).randn(16000)
    difference = cepstra.mel_cepstra(signal) - cepstra.mel_cepstra(0.5 * signal)
    assert difference[:, 0] == pytest.approx(np.log(2), abs=1e-6)
    assert difference[:, 1:] == pytest.approx(0, abs=1e-6)
    assert cepstra.mel_cepstra(signal).shape == (196, 25)


def test_mel_filters_have_area_1():
    filters = mel_filters(1024, 40).astype(np.float64)
    assert filters.shape == (40, 513)
    assert filters[20:].sum(axis=1) * 16000 / 1024 == pytest.approx(1.0, rel=0.02)
    assert (np.diff(filters.argmax(axis=1)) > 0).all()


@pytest.mark.parametrize("lag", [-800, -160, -1, 0, 1, 137, 800])
@pytest.mark.parametrize("gain", [1.0, -0.3])
def test_the_delay_is_found_whatever_the_gain_and_polarity(lag, gain):
    clean = np.random.RandomState(0).randn(16000)
    late = gain * np.concatenate([np.zeros(max(lag, 0)), clean[max(-lag, 0) :]])
    found, correlation = delay_of(late, clean, 16000)
    assert (found, correlation) == (lag, pytest.approx(1.0))
    ours, theirs = without_delay(late, clean, found)
    assert ours == pytest.approx(gain * theirs)


def test_no_delay_is_found_in_silence_nor_beyond_50_ms():
    clean = np.random.RandomState(0).randn(16000)
    assert delay_of(np.zeros(16000), clean, 16000) == (0, 0.0)
    assert delay_of(np.empty(0), clean, 16000) == (0, 0.0)
    _, correlation = delay_of(np.concatenate([np.zeros(900), clean]), clean, 16000)
    assert correlation < 0.1


REFERENCES = ("the cat sat on the mat", "hello world", "a")
HYPOTHESES = ("the cat sit on mat", "hello word", "a b c")


def pooled(split) -> float:
    pairs = [(split(one), split(other)) for one, other in zip(REFERENCES, HYPOTHESES, strict=True)]
    return sum(edit_distance(*pair) for pair in pairs) / sum(len(one) for one, _ in pairs)


def test_word_and_character_errors_have_the_published_values():
    assert pooled(words_of) == pytest.approx(0.555556, abs=5e-7)
    assert pooled(characters_of) == pytest.approx(0.294118, abs=5e-7)
    pairs = zip(REFERENCES, HYPOTHESES, strict=True)
    rates = [error_rate(edit_distance(words_of(a), words_of(b)), len(words_of(a))) for a, b in pairs]
    assert np.mean(rates) == pytest.approx(0.944444, abs=5e-7)


def slow_distance(one: str, other: str) -> int:
    """Return the distance by the recursion that defines it."""
    if not one or not other:
        return len(one) + len(other)
    return min(
        slow_distance(one[1:], other) + 1,
        slow_distance(one, other[1:]) + 1,
        slow_distance(one[1:], other[1:]) + (one[0] != other[0]),
    )


def test_the_edit_distance_is_that_of_its_definition():
    random = np.random.RandomState(0)
    for _ in range(60):
        one, other = ("".join(random.choice(list("abc"), random.randint(0, 6))) for _ in range(2))
        assert edit_distance(one, other) == slow_distance(one, other)


def test_the_edit_distance_is_a_distance():
    texts = ["".join(letters) for letters in itertools.product("ab", repeat=3)] + ["", "aab", "babab"]
    for one, other in itertools.product(texts, repeat=2):
        assert edit_distance(one, other) == edit_distance(other, one)
        assert (edit_distance(one, other) == 0) == (one == other)


def test_an_empty_text_is_as_far_as_the_other_is_long():
    assert edit_distance([], ["a", "b"]) == edit_distance(["a", "b"], []) == 2
    assert edit_distance([], []) == 0


def test_texts_are_compared_without_case_and_punctuation():
    assert (
        without_punctuation("Don't stop, well-known  \u201cMr. Nobody\u201d\uff01") == "dont stop wellknown mr nobody"
    )
    assert words_of("  two \t  words ") == ["two", "words"]
