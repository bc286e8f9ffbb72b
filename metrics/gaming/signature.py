"""The motion signature of a video: a few bytes that identify its moving content, and how two are compared.

Ten frames a second are reduced to the lowest 5 by 5 coefficients of a discrete cosine transform. The mean over time is
subtracted, which leaves what moves, and each coefficient but the constant one gives a bit: is it above its mean.
Transform and signs are those of `pHash` (C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash
Functions", 2010); the mean over time in place of the median over coefficients is this module's own. Two videos of one
photo with different speech share background and face, but not the bits; a copy that was encoded again, scaled, blurred
or cropped by a few percent keeps most of them. Mirroring negates the odd horizontal coefficients, so a mirrored copy is
found by inverting their bits.

Not detected: copies that were cropped by more than about 8 %, rotated, played faster or backwards, or whose copied part
is not in the first `TICKS` tenths of a second; and any copy of a video that hardly moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.bool_]
Images = NDArray[np.float32]

RATE = 10  # frames per second
TICKS = 64  # frames in a signature: 6.4 s
ORDER = 5
BITS = ORDER * ORDER - 1
SAME_SHARE = 0.82  # share of equal bits; from it on two videos have the same moving content
MIN_TICKS = 20  # common frames that a comparison needs
MIN_OVERLAP = 0.6  # and their share of the shorter video
MAX_SHIFT = 10
MIN_MOTION = 0.06  # grey levels; below it the bits are noise
HASH_ORDER = 8


@dataclass(frozen=True)
class Match:
    """The best alignment of two videos.

    Args:
        share: of equal bits, 0..1; unrelated videos are near 0.5.
        shift: seconds by which the second video is later than the first.
        mirrored: whether the second is the first, mirrored.
    """

    share: float
    shift: float
    mirrored: bool


def cosine_basis(size: int, order: int) -> NDArray[np.float64]:
    """Return the first ``order`` rows of the orthonormal DCT-II of ``size`` points: (order, size)."""
    rows = np.cos(np.pi * np.outer(np.arange(order), np.arange(size) + 0.5) / size) * np.sqrt(2.0 / size)
    rows[0] /= np.sqrt(2.0)
    return np.asarray(rows)


def coefficients(images: Images, order: int) -> NDArray[np.float64]:
    """Return the low DCT coefficients (K, order * order - 1) of images (K, S, S), without the constant one.

    They are divided by S, which makes their unit a grey level.
    """
    size = images.shape[1]
    basis = cosine_basis(size, order)
    transformed = np.einsum("vi,tij,uj->tvu", basis, images.astype(np.float64), basis, optimize=True)
    return np.asarray(transformed.reshape(len(images), -1)[:, 1:] / size)


def motion_bits(images: Images) -> tuple[Bits, float]:
    """Return the motion bits (K, 24) of the first `TICKS` images, and the amount of motion in grey levels."""
    found = coefficients(images[:TICKS], ORDER)
    moving = found - found.mean(axis=0)
    return moving > 0, float(np.sqrt(np.mean(np.square(moving)))) if moving.size else 0.0


def image_hash(image: NDArray[np.floating]) -> Bits:
    """Return the perceptual hash (63,) of one image (S, S): its low DCT coefficients against their median (`pHash`)."""
    found = coefficients(np.asarray(image, np.float32)[None], HASH_ORDER)[0]
    return np.asarray(found > np.median(found))


def to_hex(bits: Bits) -> str:
    """Return bits of any shape as hexadecimal text, in C order, padded with zeros to whole bytes."""
    return np.packbits(bits.reshape(-1)).tobytes().hex()


def from_hex(text: str) -> Bits:
    """Return the motion bits (K, 24) that `to_hex` wrote.

    Raises:
        ValueError: when ``text`` is not the hexadecimal text of whole frames, or of more than `TICKS` of them.
    """
    data = np.frombuffer(bytes.fromhex(text), np.uint8)
    if data.size % (BITS // 8) or data.size > TICKS * BITS // 8:
        raise ValueError(f"{data.size} bytes are not a whole number of motion bits")
    return np.unpackbits(data).reshape(-1, BITS).astype(bool)


def matches(first: Sequence[Bits], second: Sequence[Bits]) -> dict[tuple[int, int], Match]:
    """Return the pairs (i, j) of two lists of videos with the same moving content, each with its best match.

    Every pair is compared at shifts of up to a second, as it is and mirrored. All numbers are counts, so the result
    does not depend on the machine.

    Args:
        first: (K, 24) each, K up to `TICKS`; K = 0 for a video that does not move.
        second: the same.
    """
    if not first or not second:
        return {}
    mirror = np.array([-1.0 if at % ORDER % 2 else 1.0 for at in range(1, ORDER * ORDER)], np.float32)
    # The longest video and a shift: beyond them there are only zeros.
    width = min(TICKS, max(map(len, (*first, *second))) + MAX_SHIFT)
    left, left_present = _signs(first, width)
    right, right_present = _signs(second, width)
    shortest = np.minimum.outer(left_present.sum(1), right_present.sum(1))
    needed = np.maximum(MIN_TICKS, np.ceil(MIN_OVERLAP * shortest))
    found: dict[tuple[int, int], Match] = {}
    for mirrored, right_bits in ((False, right), (True, right * mirror)):
        for shift in range(-MAX_SHIFT, MAX_SHIFT + 1):
            ours, theirs = _overlap(left, right_bits, shift)
            both = np.matmul(*_flat(*_overlap(left_present, right_present, shift)))
            dot = np.matmul(*_flat(ours, theirs))
            share = np.where(both >= needed, 0.5 + 0.5 * dot / np.maximum(both * BITS, 1), 0.0)
            for i, j in zip(*np.nonzero(share >= SAME_SHARE), strict=True):
                key, value = (int(i), int(j)), float(share[i, j])
                known = found.get(key)
                if known is None or (value, -abs(shift)) > (known.share, -abs(known.shift) * RATE):
                    found[key] = Match(value, shift / RATE, mirrored)
    return dict(sorted(found.items()))


def _signs(videos: Sequence[Bits], width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return bits as -1 and 1, 0 after a video's end (N, width, 24), and which frames exist (N, width)."""
    signs = np.zeros((len(videos), width, BITS), np.float32)
    present = np.zeros((len(videos), width), np.float32)
    for at, bits in enumerate(videos):
        signs[at, : len(bits)] = np.where(bits, 1.0, -1.0)
        present[at, : len(bits)] = 1.0
    return signs, present


def _overlap(
    left: NDArray[np.float32], right: NDArray[np.float32], shift: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the frames that coincide when the right-hand videos are ``shift`` ticks late."""
    if shift >= 0:
        return left[:, : left.shape[1] - shift], right[:, shift:]
    return left[:, -shift:], right[:, : right.shape[1] + shift]


def _flat(left: NDArray[np.float32], right: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return left.reshape(len(left), -1), right.reshape(len(right), -1).T
