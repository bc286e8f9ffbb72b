"""The motion signature: its bits, every view of a copy, copies that were cropped or moved, and many at once."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from moving_pictures import bits, moving
from scipy.fft import dctn

from evalkit.metrics.gaming import signature
from evalkit.metrics.gaming.signature import SAME_SHARE, matches, motion_bits


def test_coefficients_are_those_of_scipy():
    pictures = moving(1, 3)
    wanted = np.stack([dctn(p.astype(np.float64), norm="ortho")[:5, :5].reshape(-1)[1:] / 64 for p in pictures])
    assert np.allclose(signature.coefficients(pictures, 5), wanted)


def test_bits_by_hand():
    """One cosine across that grows: its coefficient, and no other, is below its mean first and above it then."""
    wave = np.cos(np.pi * (np.arange(64) + 0.5) / 64)
    pictures = np.float32([128 + amount * np.tile(wave, (64, 1)) for amount in (10, 20, 30, 40)])
    found, motion = motion_bits(pictures)
    assert found[:, 0].tolist() == [False, False, True, True]
    # sqrt(64 * 32) / 64 grey levels of coefficient per level of amplitude, spread over 24 coefficients
    spread = np.std([10, 20, 30, 40]) * np.sqrt(0.5) / np.sqrt(24)
    assert motion == pytest.approx(spread, rel=1e-5)


def test_bits_travel_as_text():
    found = bits(moving(2, 37))
    text = signature.to_hex(found)
    assert len(text) == 37 * 6
    assert np.array_equal(signature.from_hex(text), found)
    assert signature.from_hex("").shape == (0, 24)


@pytest.mark.parametrize("text", ["zz", "abcd", "00" * 3 * 65, "<b>"])
def test_foreign_text_is_no_signature(text):
    with pytest.raises(ValueError):
        signature.from_hex(text)


def test_copies_of_moving_pictures_match():
    one = moving(3)
    brighter = np.float32(0.7 * one + 30)
    other = moving(4)
    found = matches([bits(one)], [bits(one), bits(brighter), bits(other)])
    assert set(found) == {(0, 0), (0, 1)}
    assert found[0, 0] == signature.Match(1.0, 0.0)
    assert found[0, 1].share == 1.0


def test_mirrored_and_shifted_copies_match():
    one = moving(5)
    found = matches([bits(one)], [bits(one[:, :, ::-1]), bits(one[7:]), bits(np.concatenate([one[:1]] * 6 + [one]))])
    assert found[0, 0].view == "mirrored" and found[0, 0].share == 1.0 and found[0, 0].shift == 0.0
    assert not found[0, 1].view and found[0, 1].shift == pytest.approx(-0.7)
    assert found[0, 2].shift == pytest.approx(0.6)


def test_little_in_common_says_nothing():
    one = bits(moving(6))
    assert matches([one], [one[: signature.MIN_TICKS - 1]]) == {}
    assert (0, 0) in matches([one], [one[: signature.MIN_TICKS]])
    assert matches([one[:0]], [one]) == {} and matches([], [one]) == {}


def test_the_share_is_that_of_equal_bits():
    one = bits(moving(7))
    other = one.copy()
    other[::10] ^= True  # a tenth of the pictures turned around
    assert matches([one], [other])[0, 0].share == pytest.approx(0.9)


# stills


FLIPS = {(0, 0): "", (0, 1): "mirrored", (1, 0): "upside down", (1, 1): "turned by 180 degrees"}
TURNS = {(0, 0): "turned by 90 degrees and mirrored", (0, 1): "turned by 90 degrees", (1, 0): "turned by 90 degrees"}


def alignments(left, right):
    """Yield share, shift and view of every alignment of two videos with enough common frames, bit by bit."""
    for backwards, transposed, down, across, negative in itertools.product((0, 1), repeat=5):
        view = (TURNS | {(1, 1): TURNS[0, 0]} if transposed else FLIPS)[down, across]
        view = ", ".join([*([view] if view else []), *(["negative"] if negative else [])])
        view = ", ".join([*([view] if view else []), *(["played backwards"] if backwards else [])])
        other = np.zeros_like(right)
        for u, v in itertools.product(range(5), range(5)):
            if (u, v) != (0, 0):
                bit = right[:: -1 if backwards else 1, (5 * v + u if transposed else 5 * u + v) - 1]
                other[:, 5 * u + v - 1] = bit ^ ((u * down + v * across + negative) % 2 == 1)
        for shift in range(-25, 26):
            common = [(at, at + shift) for at in range(len(left)) if 0 <= at + shift < len(right)]
            if len(common) < max(20, int(np.ceil(0.6 * min(len(left), len(right)) - 1e-9))):
                continue
            equal = sum(int(np.count_nonzero(left[ours] == other[theirs])) for ours, theirs in common)
            share = equal / (24 * len(common))
            usual, changed = (SAME_SHARE, 0.85) if len(common) >= signature.LONG else (signature.SHORT_SHARE, 0.88)
            if share >= (changed if view else usual):
                yield share, shift / 10, view


@pytest.mark.parametrize(
    ("ticks", "share", "plain", "mirrored"),
    [
        (40, 0.80, True, False),
        (40, 0.84, True, False),
        (40, 0.86, True, True),
        (24, 0.86, True, False),
        (24, 0.90, True, True),
    ],
)
def test_videos_of_two_samples_need_more_in_another_view(ticks, share, plain, mirrored):
    rng = np.random.default_rng(ticks)
    first = rng.random((ticks, 24)) < 0.5
    odd = np.array([at % 5 % 2 == 1 for at in range(1, 25)])
    noise = np.zeros(first.size, bool)
    noise[rng.permutation(first.size)[: round((1 - share) * first.size)]] = True
    noise = noise.reshape(first.shape)
    for view, second, expected in (("", first ^ noise, plain), ("mirrored", first ^ odd ^ noise, mirrored)):
        found = matches([first], [second])
        assert ((0, 0) in found) == expected
        ours = dict(signature.matching_rows([first], [second], own=[0]))
        assert bool(ours) == (expected or ticks == 40)  # where the two are of one sample
        for _, own in ours.get(0, []):
            assert (own.view, own.shift) == (view, 0.0)
            assert own.share == pytest.approx(share, abs=0.001)


def test_views_are_those_of_pictures():
    """What is done to the pictures is what the bits say."""
    one = moving(5)
    done = {
        "upside down": one[:, ::-1],
        "mirrored": one[:, :, ::-1],
        "turned by 180 degrees": one[:, ::-1, ::-1],
        "turned by 90 degrees": np.rot90(one, axes=(1, 2)),
        "turned by 90 degrees and mirrored": one.transpose(0, 2, 1),
        "negative": 255 - one,
        "mirrored, negative": 255 - one[:, :, ::-1],
        "turned by 90 degrees, negative": 255 - np.rot90(one, 3, axes=(1, 2)),
    }
    for view, pictures in done.items():
        late = np.concatenate([pictures[:1]] * 12 + [pictures])[:60]
        found = matches([bits(one)], [bits(pictures), bits(late)])
        assert (found[0, 0].view, found[0, 0].shift) == (view, 0.0) and found[0, 0].share > 0.999
        assert (found[0, 1].view, found[0, 1].shift) == (view, 1.2)


def test_a_video_that_is_played_backwards():
    one = moving(5)
    for view, pictures in (("", one), ("mirrored", one[:, :, ::-1]), ("upside down, negative", 255 - one[:, ::-1])):
        found = matches([bits(one)], [bits(pictures[::-1])])[0, 0]
        assert found.view == (f"{view}, played backwards" if view else "played backwards")
        assert found.shift == 0.0 and found.share > 0.999
    assert matches([bits(one)], [bits(moving(6)[::-1])]) == {}


def copied(pictures: np.ndarray, scale: float = 1.0, right: float = 0.0, down: float = 0.0, degrees: float = 0.0):
    """Return pictures as OpenCV enlarges, turns and moves them around their centre."""
    matrix = cv2.getRotationMatrix2D((31.5, 31.5), degrees, scale)
    matrix[:, 2] += 64 * right, 64 * down
    return np.stack([cv2.warpAffine(one, matrix, (64, 64), borderMode=cv2.BORDER_REFLECT_101) for one in pictures])


@pytest.mark.parametrize(
    ("change", "view"),
    [
        ({"scale": 1 / 0.8}, "cropped"),
        ({"scale": 1 / 0.7}, "cropped"),
        ({"right": 0.1, "down": 0.1}, "moved"),
        ({"right": -0.12}, "moved"),
        ({"degrees": 12}, "turned"),
        ({"degrees": -10}, "turned"),
    ],
)
def test_windows_are_those_of_copies(change, view):
    one = moving(5)
    windows = signature.window_bits(one)
    assert windows.shape == (len(signature.WINDOWS), 60, 24)
    for window, (_, scale, right, down, degrees) in zip(windows, signature.WINDOWS, strict=True):
        assert np.mean(window == bits(copied(one, scale, right, down, degrees))) > 0.999
    found = signature.window_match(windows, bits(copied(one, **change)))
    assert found is not None and (found.view, found.shift) == (view, 0.0)
    mirrored = signature.window_match(windows, bits(copied(one, **change)[:, :, ::-1]))
    assert mirrored is not None and mirrored.view == f"{view}, mirrored"
    assert signature.window_match(windows, bits(copied(moving(6), **change))) is None


def test_windows_of_too_little_say_nothing():
    assert signature.window_match(signature.window_bits(moving(5)), bits(moving(5)[:10])) is None


def test_many_videos_are_compared_in_blocks_as_one_by_one(monkeypatch):
    rng = np.random.default_rng(3)
    mirror = np.array([at % 5 % 2 == 1 for at in range(1, 25)])
    transpose = [at % 5 * 5 + at // 5 - 1 for at in range(1, 25)]
    videos = [rng.random((length, 24)) < 0.5 for length in (0, 19, 20, 33, 45)]
    for source in videos[2:]:
        late = np.concatenate([rng.random((4, 24)) < 0.5, source])
        videos += [late ^ (rng.random(late.shape) < 0.1), source[3:] ^ mirror, ~source[:, transpose]]
        videos.append(source[::-1] ^ mirror)
    monkeypatch.setattr(signature, "_ROWS", 3)
    monkeypatch.setattr(signature, "_COLUMNS", 4)
    found = matches(videos, videos)
    for i, left in enumerate(videos):
        for j, right in enumerate(videos):
            best = max(alignments(left, right), key=lambda one: (one[0], -abs(one[1])), default=(0, 0, ""))
            assert ((i, j) in found) == (best[0] > 0), (i, j)
            if (i, j) in found:
                match = found[i, j]
                assert match.share == pytest.approx(best[0], abs=1e-6)
                assert (abs(match.shift), match.view) == (abs(best[1]), best[2])
    assert len(found) > len(videos)


def test_of_many_matches_the_best_are_kept_and_the_own_one(monkeypatch):
    rng = np.random.default_rng(4)
    one = rng.random((40, 24)) < 0.5
    worse = [one ^ (rng.random(one.shape) < 0.01 * at) for at in range(8)]
    monkeypatch.setattr(signature, "_COLUMNS", 3)
    everything = dict(signature.matching_rows(worse, [one]))[0]
    assert len(everything) == 8
    assert [match.share for _, match in everything] == sorted((match.share for _, match in everything), reverse=True)
    assert dict(signature.matching_rows(worse, [one], most=2))[0] == everything[:2]
    last = everything[-1][0]
    assert dict(signature.matching_rows(worse, [one], most=2, own=[last]))[0] == [*everything[:2], everything[-1]]
