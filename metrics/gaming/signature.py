"""The motion signature of a video: a few bytes that identify its moving content, and how two are compared.

Ten frames a second are reduced to the lowest 5 by 5 coefficients of a discrete cosine transform. The mean over time is
subtracted, which leaves what moves, and each coefficient but the constant one gives a bit: is it above its mean.
Transform and signs are those of `pHash` (C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash
Functions", 2010); the mean over time in place of the median over coefficients is this module's own. Two videos of one
photo with different speech share background and face, but not the bits; a copy that was encoded again, scaled, blurred
or cropped by a few percent keeps most of them. What turns or flips a picture only exchanges coefficients and negates
the odd ones, and the negative of a picture negates them all: the bits of one video give those of its sixteen views
(`VIEWS`), and each is compared. A video whose low frequencies alone are inverted is a negative to these coefficients.
Each view is also compared in reverse order, for a copy that is played backwards.

What crops, moves or turns a picture by more than a little changes the bits in a way that they don't tell. So the bits
of a reference video are also made of its pictures as copies would show them (`WINDOWS`), to be compared with the video
of its own sample.

Not detected: copies that were cropped by more than a third or moved by more than about a seventh, turned by more than
about 20 degrees but for right angles, played at another speed, or whose copied part is not in the first `TICKS` tenths
of a second (backwards: in the first ones of both); and any copy of a video that hardly moves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Bits = NDArray[np.bool_]
Images = NDArray[np.float32]
Signs = tuple[NDArray[np.float32], NDArray[np.int64]]  # see `_signs`

RATE = 10  # frames per second
TICKS = 64  # frames in a signature: 6.4 s
ORDER = 5
BITS = ORDER * ORDER - 1
SAME_SHARE = 0.78  # share of equal bits; from it on two videos have the same moving content
SHORT_SHARE = 0.82  # the same, where they have fewer than `LONG` frames in common
CHANGED_SHARE = 0.85  # the same in one of the 31 other views, for videos of two samples, of which there are many pairs
CHANGED_SHORT_SHARE = 0.88  # the same for all videos, where they have fewer than `LONG` frames in common
LONG = 30
MIN_TICKS = 20  # common frames that a comparison needs
MIN_OVERLAP = 0.6  # and their share of the shorter video
MAX_SHIFT = 25
MIN_MOTION = 0.06  # grey levels; below it the bits are noise
HASH_ORDER = 8
_TURNS = (
    "",
    "upside down",
    "mirrored",
    "turned by 180 degrees",
    "turned by 90 degrees and mirrored",
    "turned by 90 degrees",
    "turned by 90 degrees",
    "turned by 90 degrees and mirrored",
)  # transposed or not, mirrored or not, upside down or not
_FORWARDS = (*_TURNS, *(f"{turn}, negative" if turn else "negative" for turn in _TURNS))
BACKWARDS = "played backwards"
VIEWS = (*_FORWARDS, *(f"{view}, {BACKWARDS}" if view else BACKWARDS for view in _FORWARDS))
_ASIDE = (-0.1, 0.0, 0.1)  # shares of the width and of the height
# What was done to a copy, enlargement, shares of its width and height by which it was moved, degrees by which turned.
WINDOWS = (
    ("cropped", 1 / 0.85, 0.0, 0.0, 0.0),
    ("cropped", 1 / 0.72, 0.0, 0.0, 0.0),
    *(("moved", 1.0, x, y, 0.0) for x in _ASIDE for y in _ASIDE if (x, y) != (0.0, 0.0)),
    ("turned", 1.0, 0.0, 0.0, 10.0),
    ("turned", 1.0, 0.0, 0.0, -10.0),
)
WINDOW_SHARE = 0.8  # share of equal bits; from it on a video has the content of a reference video's window
_PARITIES = ((0, 0), (0, 1), (1, 0), (1, 1))  # of a coefficient down and across
_GROUPS = tuple(
    [at - 1 for at in range(1, ORDER * ORDER) if (at // ORDER % 2, at % ORDER % 2) == parity] for parity in _PARITIES
)
_TRANSPOSED = [at % ORDER * ORDER + at // ORDER - 1 for at in range(1, ORDER * ORDER)]
_GROUPS_OF_BOTH = tuple((group, [_TRANSPOSED[at] for at in group]) for group in _GROUPS)  # as they are, transposed
_ROWS, _COLUMNS = 256, 1024  # videos compared at once: a few arrays of a megabyte each


@dataclass(frozen=True)
class Match:
    """The best alignment of two videos.

    Args:
        share: of equal bits, 0..1; unrelated videos are near 0.5.
        shift: seconds by which the second video is later than the first.
        view: what was done to the picture of one to match the other, one of `VIEWS`; empty for nothing.
    """

    share: float
    shift: float
    view: str = ""


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


def window_bits(images: Images) -> Bits:
    """Return the motion bits (`WINDOWS`, K, 24) of the first `TICKS` images (K, S, S), as copies would show them.

    What a copy shows beyond the border is the mirror image of what is within.
    """
    found = []
    for window in WINDOWS:
        shown = _as_copied(images[:TICKS], *window[1:]).reshape(len(images[:TICKS]), -1)
        moving = shown @ _basis_images(images.shape[1])
        found.append(moving > moving.mean(axis=0))
    return np.stack(found)


@lru_cache(maxsize=1)
def _basis_images(size: int) -> NDArray[np.float32]:
    """Return the coefficients of `coefficients` as one matrix (S * S, 24), which is faster for many images."""
    basis = cosine_basis(size, ORDER)
    images = np.einsum("vi,uj->vuij", basis, basis).reshape(ORDER * ORDER, -1)
    return np.asarray(images[1:].T, np.float32)


def _as_copied(images: Images, scale: float, right: float, down: float, degrees: float) -> Images:
    import cv2

    size = images.shape[2], images.shape[1]
    matrix = cv2.getRotationMatrix2D(((size[0] - 1) / 2, (size[1] - 1) / 2), degrees, scale)
    matrix[:, 2] += right * size[0], down * size[1]
    kind = {"flags": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_REFLECT_101}
    shown = [cv2.warpAffine(image, matrix, size, **kind) for image in images]  # type: ignore[call-overload]
    return np.asarray(shown, np.float32).reshape(images.shape)


def window_match(windows: Bits, bits: Bits) -> Match | None:
    """Return the best match of a video (K, 24) with the windows of another one; ``None`` below `WINDOW_SHARE`.

    Args:
        windows: (`WINDOWS`, K, 24).
        bits: the video's own.
    """
    found = matches(list(windows), [bits])
    best = max(found, key=lambda pair: found[pair].share, default=None)
    if best is None or found[best].share < WINDOW_SHARE:
        return None
    one, done = found[best], WINDOWS[best[0]][0]
    return Match(one.share, one.shift, f"{done}, {one.view}" if one.view else done)


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

    Every pair is compared at shifts of up to 2.5 s, in each of `VIEWS`; all but the first need `CHANGED_SHARE`. Of a
    video that is played backwards, the shift is that of the reversed one. All numbers are counts, so the result does
    not depend on the machine.

    Args:
        first: (K, 24) each, K up to `TICKS`; K = 0 for a video that does not move.
        second: the same.
    """
    found = {(i, j): match for j, row in matching_rows(first, second) for i, match in row}
    return dict(sorted(found.items()))


def matching_rows(
    first: Sequence[Bits], second: Sequence[Bits], *, most: int | None = None, own: Sequence[int] = ()
) -> Iterator[tuple[int, list[tuple[int, Match]]]]:
    """Yield each video of ``second`` that matches any of ``first``: its number, and the matches, the best first.

    Memory grows with the two lists, not with their product.

    Args:
        first: as in `matches`.
        second: the same.
        most: matches kept of one video; of equally good ones those with the lower numbers. ``None`` for all.
        own: for each video of ``second`` the number of the one of ``first`` that is of the same sample, a negative
            number for none. It is kept whatever ``most`` says; its other views need no more than the first.
    """
    # Shorter ones have too few common frames with any video.
    rows, columns = ([at for at, bits in enumerate(one) if len(bits) >= MIN_TICKS] for one in (second, first))
    if not rows or not columns:
        return
    # The longest video and a shift: beyond them there are only zeros.
    width = min(TICKS, max(len(bits) for bits in (*first, *second)) + MAX_SHIFT)
    for start in range(0, len(rows), _ROWS):
        chosen = rows[start : start + _ROWS]
        theirs, back = (_signs([second[at][::step] for at in chosen], width) for step in (1, -1))
        found: list[list[tuple[int, Match]]] = [[] for _ in chosen]
        for begin in range(0, len(columns), _COLUMNS):
            numbers = np.array(columns[begin : begin + _COLUMNS])
            mine = numbers[:, None] == np.array([own[at] for at in chosen]) if own else None
            share, shift, view = _best_of_both(_signs([first[at] for at in numbers], width), theirs, back, mine)
            for j in range(len(chosen)):
                kept = np.flatnonzero(share[:, j])
                if most is not None and len(kept) > most:
                    best = kept[np.argsort(-share[kept, j], kind="stable")[:most]]
                    same = kept[mine[kept, j]] if mine is not None else kept[:0]
                    kept = np.concatenate([best, np.setdiff1d(same, best)])
                found[j] += [
                    (int(numbers[i]), Match(float(share[i, j]), int(shift[i, j]) / RATE, VIEWS[view[i, j]]))
                    for i in kept
                ]
        for at, matched in zip(chosen, found, strict=True):
            if matched:
                matched.sort(key=lambda one: -one[1].share)
                same_sample = [one for one in matched[most:] if own and one[0] == own[at]] if most is not None else []
                yield at, matched[:most] + same_sample


def _best_of_both(
    left: Signs, right: Signs, backwards: Signs, same: NDArray[np.bool_] | None
) -> tuple[NDArray[np.float32], NDArray[np.int8], NDArray[np.int8]]:
    """Return what `_best` does, of the right-hand videos forwards or, where that is better, backwards."""
    share, shift, view = _best(left, right, same)
    other_share, other_shift, other_view = _best(left, backwards, same, changed=True)
    better = other_share > share
    share[better], shift[better] = other_share[better], other_shift[better]
    view[better] = other_view[better] + len(_FORWARDS)
    return share, shift, view


def _best(
    left: Signs, right: Signs, same: NDArray[np.bool_] | None, *, changed: bool = False
) -> tuple[NDArray[np.float32], NDArray[np.int8], NDArray[np.int8]]:
    """Return, of every pair, the share of equal bits of the best alignment, its shift in ticks, and its view's number.

    Shares below the limit are given as 0. Of equally good alignments the smallest shift counts, then the negative
    one, then the view that comes first in `VIEWS`.

    Args:
        left, right: see `_signs`.
        same: pairs that are of one sample; ``None`` where none is.
        changed: whether even the first view is another one.
    """
    (ours, our_lengths), (theirs, their_lengths) = left, right
    width = ours.shape[1]
    needed = np.maximum(MIN_TICKS, np.ceil(MIN_OVERLAP * np.minimum.outer(our_lengths, their_lengths)))
    best = np.zeros(needed.shape, np.float32)
    shifts, views = np.zeros(needed.shape, np.int8), np.zeros(needed.shape, np.int8)
    for shift in sorted(range(-MAX_SHIFT, MAX_SHIFT + 1), key=lambda one: (abs(one), one)):
        # Frames that both have: those of each end with its length, and what is shifted out at either end is lost.
        lost = (min(shift, 0), max(shift, 0))
        common = np.minimum.outer(
            np.minimum(our_lengths + lost[0], width - abs(shift)),
            np.minimum(their_lengths - lost[1], width - abs(shift)),
        )
        enough = common >= needed
        if not enough.any():
            continue
        bits = np.maximum(common * BITS, 1).astype(np.float32)
        # All but a few pairs are out at once; one bit of room, and the share decides.
        short = common < LONG
        usual = np.where(enough, np.where(short, SHORT_SHARE, SAME_SHARE), np.inf).astype(np.float32)
        strict = np.where(enough, np.where(short, CHANGED_SHORT_SHARE, CHANGED_SHARE), np.inf).astype(np.float32)
        if same is not None:
            strict = np.where(same & ~short, usual, strict)
        for number, dot in enumerate(_dots(*_overlap(ours, theirs, shift))):
            # The negative of a video has all bits inverted.
            limit = np.where(dot > 0, usual, strict) if number == 0 and not changed else strict
            hits = np.nonzero(np.abs(dot) >= (2 * limit - 1) * bits - 1)
            if not len(hits[0]):
                continue
            found = dot[hits]
            share = np.float32(0.5) + np.float32(0.5) * np.abs(found) / bits[hits]
            better = (share > best[hits]) & (share >= limit[hits])
            at = tuple(axis[better] for axis in hits)
            best[at], shifts[at] = share[better], shift
            views[at] = number + len(_TURNS) * (found[better] < 0)
    return best, shifts, views


def _dots(left: NDArray[np.float32], right: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Yield, for each of `_TURNS` of the right-hand videos, the sums of products of signs of every pair.

    Both have their frames side by side. Flips only change the signs of odd coefficients, so that the sums over the
    four groups of coefficients serve them all.
    """
    for transposed in (False, True):
        groups = [
            _flat(left[:, :, ours]) @ _flat(right[:, :, theirs[1 if transposed else 0]]).T
            for ours, theirs in zip(_GROUPS, _GROUPS_OF_BOTH, strict=True)
        ]
        for mirrored in (False, True):
            for upside_down in (False, True):
                total = np.zeros_like(groups[0])
                for dot, (down, across) in zip(groups, _PARITIES, strict=True):
                    total += np.negative(dot) if (mirrored and across) != (upside_down and down) else dot
                yield total


def _signs(videos: Sequence[Bits], width: int) -> Signs:
    """Return bits as -1 and 1, 0 after a video's end (N, width, 24), and the videos' lengths (N,)."""
    signs = np.zeros((len(videos), width, BITS), np.float32)
    for at, bits in enumerate(videos):
        signs[at, : len(bits)] = np.where(bits, 1.0, -1.0)
    return signs, np.array([len(bits) for bits in videos], np.int64)


def _overlap(
    left: NDArray[np.float32], right: NDArray[np.float32], shift: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the frames that coincide when the right-hand videos are ``shift`` ticks late."""
    if shift >= 0:
        return left[:, : left.shape[1] - shift], right[:, shift:]
    return left[:, -shift:], right[:, : right.shape[1] + shift]


def _flat(signs: NDArray[np.float32]) -> NDArray[np.float32]:
    return signs.reshape(len(signs), -1)
