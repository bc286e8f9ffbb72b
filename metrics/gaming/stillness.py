"""Is a video made of one picture, or of a few: a still with noise, a slow zoom over a photo, frames that alternate.

A picture is explained by another one when what stays after the best affine warp (G. Evangelidis and E. Psarakis,
"Parametric Image Alignment Using Enhanced Correlation Coefficient Maximization", 2008), brightness and contrast is
small *everywhere*: the largest mean over blocks of 4 by 4 of 64 by 64 points decides, so that a mouth that moves in a
small face is not lost in a large background.

What it can't see: a photo whose parts are moved against each other (that is what a bad generator does as well), and a
video that is a loop of more than `FEW` different pictures.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]

SIZE = 64
SMOOTH = 0.8  # of a point: noise and what resampling does to sharp edges
BLOCK = 4
BORDER = 4
LOOKED_AT = 12
EQUAL = 5.0  # percent of twice the contrast: two pictures are one
ONE_PICTURE = 11.0  # the same, after a warp
PLENTY = 20.0  # no more warps are tried once two of them leave that much
FEW = 4
MANY = 13
FLATTEST = 4.0  # grey levels; a picture with less contrast counts as having that
SMALLEST_OVERLAP = 800  # points
NOTHING_EXPLAINED = 100.0


def smoothed(picture: NDArray[np.floating]) -> Picture:
    """Return a picture (64, 64) in grey levels as it is compared here."""
    import cv2

    return np.asarray(cv2.GaussianBlur(np.asarray(picture, np.float32), (0, 0), SMOOTH), np.float32)


def residual(template: Picture, picture: Picture, *, warp: bool) -> float:
    """Return what ``template`` leaves unexplained of ``picture``, at its worst place.

    Args:
        template: (64, 64), from `smoothed`.
        picture: the same.
        warp: whether it may be moved, zoomed and sheared before.

    Returns:
        Percent of twice the picture's standard deviation; 0 for equal pictures, `NOTHING_EXPLAINED` when the two hardly
        overlap.
    """
    import cv2

    shown: Picture = template
    inside: Picture = np.ones_like(template)
    if warp:
        matrix = _alignment(template, picture)
        flags = cv2.WARP_INVERSE_MAP
        linear, nearest = flags | cv2.INTER_LINEAR, flags | cv2.INTER_NEAREST
        shown = _warped(template, matrix, linear, cv2.BORDER_REPLICATE)
        inside = _warped(inside, matrix, nearest, cv2.BORDER_CONSTANT)
    inside[:BORDER] = inside[-BORDER:] = 0
    inside[:, :BORDER] = inside[:, -BORDER:] = 0
    mask = inside > 0
    if int(mask.sum()) < SMALLEST_OVERLAP:
        return NOTHING_EXPLAINED
    ours, theirs = shown[mask].astype(np.float64), picture[mask].astype(np.float64)
    spread = float(ours.var())
    gain = float(np.mean((ours - ours.mean()) * (theirs - theirs.mean()))) / spread if spread > 1e-6 else 0.0
    left = np.abs(gain * (shown - ours.mean()) + theirs.mean() - picture) * inside
    worst = float(cv2.boxFilter(left, -1, (BLOCK, BLOCK)).max())
    return min(NOTHING_EXPLAINED, 50.0 * worst / max(float(theirs.std()), FLATTEST))


def _warped(picture: Picture, matrix: NDArray[np.float32], flags: int, border: int) -> Picture:
    import cv2

    return np.asarray(cv2.warpAffine(picture, matrix, (SIZE, SIZE), flags=flags, borderMode=border), np.float32)


def _alignment(template: Picture, picture: Picture) -> NDArray[np.float32]:
    """Return the affine warp that lays ``template`` over ``picture``; none where the search finds no hold."""
    import cv2

    start = np.eye(2, 3, dtype=np.float32)
    rule = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 25, 1e-3)
    try:
        _, matrix = cv2.findTransformECC(picture, template, start, cv2.MOTION_AFFINE, rule, None, 1)  # type: ignore[call-overload]
    except cv2.error:
        return np.eye(2, 3, dtype=np.float32)
    return np.asarray(matrix, np.float32)


def distinct_pictures(pictures: NDArray[np.float32]) -> int:
    """Return how many different pictures there are among (K, 64, 64), at most `MANY`."""
    known: list[Picture] = []
    for raw in pictures:
        picture = smoothed(raw)
        if not any(residual(other, picture, warp=False) < EQUAL for other in reversed(known)):
            known.append(picture)
            if len(known) == MANY:
                break
    return len(known)


def one_picture_residual(pictures: NDArray[np.float32]) -> float:
    """Return what the middle one of (K, 64, 64) leaves unexplained of the others: the second largest of 11 residuals.

    The search ends early, with less than that, once it is clear that it is more than `PLENTY`. Fewer than three
    pictures give `NOTHING_EXPLAINED`.
    """
    count = len(pictures)
    places = sorted(set(np.linspace(0, count - 1, LOOKED_AT).astype(int).tolist()) - {count // 2}) if count else []
    if len(places) < 2:
        return NOTHING_EXPLAINED
    middle = smoothed(pictures[count // 2])
    found: list[float] = []
    # The ends first: there a zoom or a head has gone farthest.
    for place in sorted(places, key=lambda at: -abs(at - count // 2)):
        found.append(residual(middle, smoothed(pictures[place]), warp=True))
        if sum(value > PLENTY for value in found) > 1:
            break
    return sorted(found)[-2]
