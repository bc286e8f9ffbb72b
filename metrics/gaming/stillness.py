"""Whether a video shows one image or a few: a still with noise, a slow zoom over a photo, alternating frames.

An image is explained by another one when the residual after the best affine warp (G. Evangelidis and E. Psarakis,
"Parametric Image Alignment Using Enhanced Correlation Coefficient Maximization", 2008), brightness and contrast is
small *everywhere*: the largest mean over blocks of 4 by 4 of 64 by 64 points decides, so that a mouth that moves in a
small face is not lost in a large background.

Not detected: a photo whose parts move against each other (a bad generator does that too), and a loop of more than
`FEW_IMAGES` different images.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

GreyImage = NDArray[np.float32]

SIZE = 64
SMOOTH = 0.8  # points; removes noise, and what resampling does to sharp edges
BLOCK = 4
BORDER = 4
COMPARED = 12
SAME_IMAGE = 5.0  # percent of twice the contrast; below it two images are the same
SINGLE_IMAGE = 11.0  # the same, after a warp
CLEARLY_OTHER = 20.0  # the search ends once two warps leave more than this
FEW_IMAGES = 4
MAX_DISTINCT = 13
MIN_CONTRAST = 4.0  # grey levels; an image with less counts as having this much
MIN_OVERLAP = 800  # points
UNEXPLAINED = 100.0


def smoothed(image: NDArray[np.floating]) -> GreyImage:
    """Return a grey image (64, 64), blurred as it is compared here."""
    import cv2

    return np.asarray(cv2.GaussianBlur(np.asarray(image, np.float32), (0, 0), SMOOTH), np.float32)


def residual(template: GreyImage, image: GreyImage, *, warp: bool) -> float:
    """Return what ``template`` leaves unexplained of ``image``, in the block where that is most.

    Args:
        template: (64, 64), from `smoothed`.
        image: the same.
        warp: whether it may be moved, zoomed and sheared before.

    Returns:
        Percent of twice the image's standard deviation; 0 for equal images, `UNEXPLAINED` when the two hardly overlap.
    """
    import cv2

    shown: GreyImage = template
    inside: GreyImage = np.ones_like(template)
    if warp:
        matrix = _alignment(template, image)
        flags = cv2.WARP_INVERSE_MAP
        linear, nearest = flags | cv2.INTER_LINEAR, flags | cv2.INTER_NEAREST
        shown = _warped(template, matrix, linear, cv2.BORDER_REPLICATE)
        inside = _warped(inside, matrix, nearest, cv2.BORDER_CONSTANT)
    inside[:BORDER] = inside[-BORDER:] = 0
    inside[:, :BORDER] = inside[:, -BORDER:] = 0
    mask = inside > 0
    if int(mask.sum()) < MIN_OVERLAP:
        return UNEXPLAINED
    ours, theirs = shown[mask].astype(np.float64), image[mask].astype(np.float64)
    spread = float(ours.var())
    gain = float(np.mean((ours - ours.mean()) * (theirs - theirs.mean()))) / spread if spread > 1e-6 else 0.0
    left = np.abs(gain * (shown - ours.mean()) + theirs.mean() - image) * inside
    worst = float(cv2.boxFilter(left, -1, (BLOCK, BLOCK)).max())
    return min(UNEXPLAINED, 50.0 * worst / max(float(theirs.std()), MIN_CONTRAST))


def _warped(image: GreyImage, matrix: NDArray[np.float32], flags: int, border: int) -> GreyImage:
    import cv2

    return np.asarray(cv2.warpAffine(image, matrix, (SIZE, SIZE), flags=flags, borderMode=border), np.float32)


def _alignment(template: GreyImage, image: GreyImage) -> NDArray[np.float32]:
    """Return the affine warp that aligns ``template`` with ``image``; the identity where the search fails."""
    import cv2

    start = np.eye(2, 3, dtype=np.float32)
    rule = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 25, 1e-3)
    try:
        _, matrix = cv2.findTransformECC(image, template, start, cv2.MOTION_AFFINE, rule, None, 1)  # type: ignore[call-overload]
    except cv2.error:
        return np.eye(2, 3, dtype=np.float32)
    return np.asarray(matrix, np.float32)


def distinct_images(images: NDArray[np.float32]) -> int:
    """Return the number of different images among (K, 64, 64), at most `MAX_DISTINCT`."""
    known: list[GreyImage] = []
    for raw in images:
        image = smoothed(raw)
        if not any(residual(other, image, warp=False) < SAME_IMAGE for other in reversed(known)):
            known.append(image)
            if len(known) == MAX_DISTINCT:
                break
    return len(known)


def single_image_residual(images: NDArray[np.float32]) -> float:
    """Return what the middle one of (K, 64, 64) leaves unexplained of the others: the second largest of 11 residuals.

    Once it is certain to exceed `CLEARLY_OTHER`, the search ends with the second largest so far. Fewer than three
    images give `UNEXPLAINED`.
    """
    count = len(images)
    others = sorted(set(np.linspace(0, count - 1, COMPARED).astype(int).tolist()) - {count // 2}) if count else []
    if len(others) < 2:
        return UNEXPLAINED
    middle = smoothed(images[count // 2])
    found: list[float] = []
    # From the ends inwards: a zoom or a head has moved farthest there.
    for other in sorted(others, key=lambda at: -abs(at - count // 2)):
        found.append(residual(middle, smoothed(images[other]), warp=True))
        if sum(value > CLEARLY_OTHER for value in found) > 1:
            break
    return sorted(found)[-2]
