"""Whether a video repeats itself, forwards or backwards, or a picture is put between its frames.

All three are decided on the mean squared differences of all pairs of small images, ten a second. A loop has pairs that
are a fixed time apart and hardly differ, compared with the differences of the same images to each other; a video that
is played backwards from some moment on has pairs around that moment. Images that hardly differ at all say nothing. A
picture put between the frames differs from both neighbours, which
resemble each other.

A second of the video that comes again later, while the rest goes on otherwise, is looked for in the same way, at every
place and lag; as there are many of both, its limit is lower.

Not detected: a loop of less than 0.8 s that is no still either; a part that comes again backwards in a video that goes
on otherwise; parts that are repeated at another speed; a repetition of less than a second; a picture that is put in so
rarely that fewer than three of the examined frames show it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIDE = 32
RATE = 10  # images a second
LEAST_LAG = 8  # images, from one pass of a loop to the next
LEAST_COMMON = 10  # images that repeat
LEAST_SPREAD = 6.0  # squared grey levels; images that differ by less say nothing
LEAST_CHANGE = 3.0  # grey levels; neighbours that differ by less count as differing by this much
FLASH = 2.0  # how much more a picture differs from both neighbours than they from each other
REPEATED = 0.15  # of the spread; below it a part of the video is there twice
PART_REPEATED = 0.08  # the same, of a second that comes again anywhere
INSERTED = 3  # images
NOTHING = 9.0
EQUALLY_GOOD = 0.02

Distances = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Repetition:
    """The best repetition of a video.

    Args:
        ratio: mean squared difference of its pairs, as a share of that of all pairs of the images compared; near 1
            for a video that never repeats itself, `NOTHING` for one that is too short to say.
        seconds: from one pass to the next; for a reversal the moment of it.
    """

    ratio: float = NOTHING
    seconds: float = 0.0


def distances(images: NDArray[np.floating]) -> Distances:
    """Return the mean squared differences (K, K) of grey images (K, S, S), made small and smooth before."""
    import cv2

    small = np.stack(
        [cv2.resize(cv2.GaussianBlur(one, (0, 0), 0.8), (SIDE, SIDE), interpolation=cv2.INTER_AREA) for one in images]
    )
    rows = small.reshape(len(small), -1).astype(np.float64)
    rows -= rows.mean(axis=0)
    products = rows @ rows.T
    norms = np.diag(products)
    return np.asarray(np.maximum(norms[:, None] + norms[None] - 2 * products, 0) / rows.shape[1])


def find_loop(apart: Distances) -> Repetition:
    """Return the repetition at a fixed lag that fits best of distances (K, K); of about equally good ones the first."""
    count = len(apart)
    found = []
    for lag in range(LEAST_LAG, count - LEAST_COMMON):
        first = np.arange(count - lag - 1)
        found.append(_repetition(apart, first, first + lag, lag / RATE, 1 / RATE))
    best = min((one.ratio for one in found), default=NOTHING)
    return next((one for one in found if one.ratio <= best + EQUALLY_GOOD), Repetition())


def find_reversal(apart: Distances) -> Repetition:
    """Return the moment from which on the video fits best what was before it, played backwards."""
    count = len(apart)
    best = Repetition()
    # The middle is an image or lies between two: counted in halves.
    for middle in range(LEAST_LAG, 2 * count - LEAST_LAG):
        reach = min(middle // 2, count - 2 - (middle + 1) // 2)
        before = middle // 2 - np.arange(reach + 1)
        after = middle - before
        # Images around the middle resemble each other in any video.
        apart_enough = after - before >= LEAST_LAG // 2
        if np.count_nonzero(apart_enough) < LEAST_COMMON:
            continue
        found = _repetition(apart, before[apart_enough], after[apart_enough], middle / 2 / RATE, 0.5 / RATE)
        if found.ratio < best.ratio:
            best = found
    return best


def find_part(apart: Distances) -> Repetition:
    """Return the second of a video, `LEAST_COMMON` images, that fits a later one best, and the time between the two."""
    count, best = len(apart), Repetition()
    sums = np.zeros((count + 1, count + 1))
    sums[1:, 1:] = apart.cumsum(axis=0).cumsum(axis=1)
    start = np.arange(max(count - LEAST_COMMON + 1, 0))
    end = start + LEAST_COMMON
    within = sums[end, end] - sums[start, end] - sums[end, start] + sums[start, start]
    spread = within / (LEAST_COMMON * (LEAST_COMMON - 1))
    for lag in range(LEAST_COMMON, count - LEAST_COMMON):
        first = np.arange(count - lag - 1)
        second = first + lag
        parts = (apart[first, second], apart[first, second + 1], apart[second, second + 1])
        left, share = _mixture(*map(_running_mean, parts))
        moves = spread[: len(left)]
        ratio = np.where(moves >= LEAST_SPREAD, left / np.maximum(moves, LEAST_SPREAD), NOTHING)
        at = int(np.argmin(ratio))
        if ratio[at] < best.ratio:
            best = Repetition(float(ratio[at]), (lag + float(share[at])) / RATE)
    return best


def _running_mean(values: Distances) -> Distances:
    """Return the means of every `LEAST_COMMON` values that follow each other."""
    sums = np.concatenate([[0.0], values.cumsum()])
    return np.asarray((sums[LEAST_COMMON:] - sums[:-LEAST_COMMON]) / LEAST_COMMON)


def _mixture(to_one: Distances, to_next: Distances, between: Distances) -> tuple[Distances, Distances]:
    """Return what the best mixture of two images leaves of others, and the share of the second one.

    With the share f, the squared difference is (1 - f) a + f b - f (1 - f) c, of the squared differences a and b to the
    two and c between them.
    """
    share = np.clip((to_one - to_next + between) / np.maximum(2 * between, 1e-12), 0, 1) * (between > 0)
    left = (1 - share) * to_one + share * to_next - share * (1 - share) * between
    return np.maximum(left, 0.0), share


def _repetition(apart: Distances, first: Numbers, second: Numbers, seconds: float, more: float) -> Repetition:
    """Return how well the images ``first`` come again at ``second``, or in part at the images after these.

    An image between two neighbours is taken for their mixture.
    """
    among = apart[first.min() : first.max() + 1, first.min() : first.max() + 1]
    count = len(among)
    spread = float(among.sum()) / max(count * (count - 1), 1)
    if spread < LEAST_SPREAD:
        return Repetition()
    parts = (apart[first, second], apart[first, second + 1], apart[second, second + 1])
    left, share = _mixture(*(np.asarray(part.mean()) for part in parts))
    return Repetition(float(left) / spread, seconds + float(share) * more)


def inserted_images(apart: Distances) -> int:
    """Return how many images differ from both neighbours by more than `FLASH` times what the neighbours differ."""
    if len(apart) < 3:
        return 0
    steps = np.sqrt(np.diagonal(apart, 1))
    around = np.sqrt(np.diagonal(apart, 2))
    least = np.minimum(steps[:-1], steps[1:])
    return int(np.count_nonzero(least > FLASH * np.maximum(around, LEAST_CHANGE)))
