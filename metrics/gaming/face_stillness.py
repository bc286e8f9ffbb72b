"""Whether the face is one image: lit, waved, or still but for its mouth.

The face is cut out of 16 frames, and each cut-out is aligned with the one in the middle by the best affine warp of all
but the mouth (G. Evangelidis and E. Psarakis, 2008, as in `evalkit.metrics.gaming.stillness`). What varies slowly over
the face is subtracted from both, so that light and shade do not count. Two numbers remain of what the middle one does
not explain, each in the block of 8 by 8 of 96 by 96 points where it is most:

- *rest*: of the upper half of the face, the eyes included, after the affine warp. A living face blinks, frowns and
  turns in depth; on a photo with a mouth pasted in nothing of that is left.
- *bent*: of the whole face, after a smooth bending too: a dense flow (T. Kroeger et al., "Fast Optical Flow using
  Dense Inverse Search", ECCV 2016), smoothed and applied repeatedly. A mouth that opens shows what was not there
  before, which no bending of a photo does.

A third pair of numbers needs no alignment. How far the points of the face move over the frames follows from how much
each block changes, and how much contrast it has. Of a head that lives, no part rests while the mouth moves, and a photo
that a program sways moves as a whole. Where a quarter of the face rests to a twentieth of a point, and another part
moves by many times that, the moving part was pasted on a still (`movement`).

Not detected: a mouth that is pasted with so much of the face that less than a quarter of it rests, or on a photo that
sways; bent photos are for `evalkit.metrics.gaming.waves`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

GreyImage = NDArray[np.float32]
Mask = NDArray[np.bool_]

SIZE = 96
MARGIN = 1.1  # of half the longer side of the face's box
SMOOTH = 1.0  # points
SLOW = 8.0  # points; what varies slower is light
BLOCK = 8
INNER = 5  # points from the border of a region
STIFF = 6.0  # points; smoothness of a bending
BENDINGS = 4
LEAST_POINTS = 150
LEAST_CONTRAST = 2.0  # grey levels
LEAST_GRADIENT = 1.0  # grey levels from one point to the next
UNEXPLAINED = 100.0
CLEARLY_ALIVE = 30.0  # the search ends once two frames leave more than this by both numbers
LEAST_FRAMES = 6
STILLEST, LIVELIEST = 25, 90  # percentiles of the face's points by how far they move
SMALLEST_FACE = 48.0  # points of the picture; smaller faces are too coarse to say


@dataclass(frozen=True)
class Regions:
    """Parts of the cut-out, (96, 96) bool each.

    Args:
        face: all of it.
        upper: above the middle between eyes and mouth.
        steady: what the alignment looks at: everything but the lower half of the face.
    """

    face: Mask
    upper: Mask
    steady: Mask


def cut_out(grey: NDArray[np.uint8], centre: NDArray[np.float64], side: float) -> GreyImage:
    """Return the square of ``side`` points around ``centre`` of a grey image (H, W), as (96, 96), slightly smoothed."""
    import cv2

    scale = SIZE / side
    matrix = np.array([[scale, 0, SIZE / 2 - scale * centre[0]], [0, scale, SIZE / 2 - scale * centre[1]]])
    if scale < 0.5:  # a warp takes single points: without smoothing, what lies between them would be lost
        grey = np.asarray(cv2.GaussianBlur(grey, (0, 0), 0.4 / scale), np.uint8)
    shown = cv2.warpAffine(grey, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.GaussianBlur(shown.astype(np.float32), (0, 0), SMOOTH), np.float32)


def regions(eyes: NDArray[np.float64], mouth: NDArray[np.float64]) -> Regions:
    """Return the parts of a cut-out by the points (x, y) between the eyes and in the middle of the mouth."""
    row, column = np.mgrid[:SIZE, :SIZE]
    down = float(mouth[1] - eyes[1])
    reach = max(float(np.hypot(*(mouth - eyes))), 1.0)
    middle = (eyes[0] + mouth[0]) / 2, eyes[1] + 0.45 * down
    face = ((column - middle[0]) / (1.15 * reach)) ** 2 + ((row - middle[1]) / (1.35 * reach)) ** 2 < 1
    lower = row > eyes[1] + 0.5 * down
    return Regions(face, face & ~lower, ~(face & lower))


def face_stillness(faces: Sequence[GreyImage], parts: Regions) -> tuple[float, float]:
    """Return *rest* and *bent* of the cut-outs of a face (96, 96): the second largest over the frames, in per cent.

    Fewer than `LEAST_FRAMES` give `UNEXPLAINED`. The search ends early once a face is clearly alive.
    """
    count = len(faces)
    if count < LEAST_FRAMES:
        return UNEXPLAINED, UNEXPLAINED
    middle = faces[count // 2]
    bend = _Bending(middle)
    found: list[tuple[float, float]] = []
    # From the ends inwards: what drifts has moved farthest there.
    for at in sorted(set(range(count)) - {count // 2}, key=lambda one: -abs(one - count // 2)):
        shown, inside = _aligned(middle, faces[at], parts.steady)
        rest = unexplained(middle, shown, parts.upper & inside)
        bent = unexplained(middle, bend(shown), parts.face & inside)
        found.append((rest, bent))
        if sum(min(one) > CLEARLY_ALIVE for one in found) > 1:
            break
    rests, bents = zip(*found, strict=True)
    return sorted(rests)[-2], sorted(bents)[-2]


def movement(faces: Sequence[GreyImage], parts: Regions) -> tuple[float, float]:
    """Return by how many points the stillest quarter and the liveliest tenth of a face move: cut-outs (96, 96).

    Root mean squares over the frames, at most and at least. -1 for both where too little of the face has contrast.
    """
    import cv2

    changes = np.stack([face - cv2.GaussianBlur(face, (0, 0), SLOW) for face in faces])
    across, down = ([cv2.Sobel(one, cv2.CV_32F, *axes, ksize=3) / 8 for one in changes] for axes in ((1, 0), (0, 1)))
    # Of a small displacement in any direction, a point shows half of the square of its gradient.
    seen = (np.square(across).mean(axis=0) + np.square(down).mean(axis=0)) / 2
    changed, contrast = (
        cv2.boxFilter(np.asarray(one, np.float32), -1, (BLOCK, BLOCK)) for one in (changes.var(axis=0), seen)
    )
    inner = cv2.erode(parts.face.astype(np.uint8), np.ones((INNER, INNER), np.uint8)) > 0
    told = inner & (contrast > LEAST_GRADIENT**2 / 2)
    if int(told.sum()) < LEAST_POINTS:
        return -1.0, -1.0
    moved = np.sqrt(changed[told] / contrast[told])
    return float(np.percentile(moved, STILLEST)), float(np.percentile(moved, LIVELIEST))


def unexplained(middle: GreyImage, shown: GreyImage, region: Mask) -> float:
    """Return what ``shown`` leaves unexplained of ``middle`` within a region, in the block where that is most.

    Returns:
        Percent of twice the standard deviation of the region, its slow parts left out; `UNEXPLAINED` where too little
        of the region is there.
    """
    import cv2

    if int(region.sum()) < LEAST_POINTS:
        return UNEXPLAINED
    weight = region.astype(np.float32)
    ours, theirs = _without_light(middle, weight), _without_light(shown, weight)
    gain = float((theirs * ours).sum()) / max(float(np.square(theirs).sum()), 1e-6)
    left = np.abs(gain * theirs - ours)
    share = np.maximum(cv2.boxFilter(weight, -1, (BLOCK, BLOCK)), 0.25)
    blocks = cv2.boxFilter(left, -1, (BLOCK, BLOCK)) / share
    inner = cv2.erode(region.astype(np.uint8), np.ones((INNER, INNER), np.uint8)) > 0
    if not inner.any():
        return UNEXPLAINED
    contrast = max(float(ours[region].std()), LEAST_CONTRAST)
    return min(UNEXPLAINED, 50 * float(blocks[inner].max()) / contrast)


def _without_light(image: GreyImage, weight: GreyImage) -> GreyImage:
    """Return an image less its slow parts, both within the region, so that nothing of its surroundings comes in."""
    import cv2

    near = cv2.GaussianBlur(weight, (0, 0), SLOW) + 1e-3
    return np.asarray((image - cv2.GaussianBlur(image * weight, (0, 0), SLOW) / near) * weight, np.float32)


def _aligned(middle: GreyImage, image: GreyImage, steady: Mask) -> tuple[GreyImage, Mask]:
    """Return ``image`` as ``middle`` shows it, and where it is; unchanged where the search fails."""
    import cv2

    start = np.eye(2, 3, dtype=np.float32)
    rule = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 30, 1e-3)
    try:
        _, matrix = cv2.findTransformECC(middle, image, start, cv2.MOTION_AFFINE, rule, steady.astype(np.uint8), 1)
    except cv2.error:  # too little to align by, or no convergence: more is left unexplained, so nobody is suspected
        return image, np.ones_like(steady)
    linear, nearest = (kind | cv2.WARP_INVERSE_MAP for kind in (cv2.INTER_LINEAR, cv2.INTER_NEAREST))
    shown = cv2.warpAffine(image, matrix, (SIZE, SIZE), flags=linear, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.warpAffine(np.ones_like(image), matrix, (SIZE, SIZE), flags=nearest)
    return np.asarray(shown, np.float32), np.asarray(inside > 0)


class _Bending:
    """Bends images smoothly until they resemble the middle one."""

    def __init__(self, middle: GreyImage) -> None:
        import cv2

        self._flow: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._flow.setFinestScale(0)
        self._middle = _outlines(middle)
        row, column = np.mgrid[:SIZE, :SIZE].astype(np.float32)
        self._column, self._row = column, row

    def __call__(self, image: GreyImage) -> GreyImage:
        import cv2

        shown, moved = image, np.zeros((SIZE, SIZE, 2), np.float32)
        for _ in range(BENDINGS):
            moved = moved + cv2.GaussianBlur(self._flow.calc(self._middle, _outlines(shown), None), (0, 0), STIFF)
            to_x, to_y = self._column + moved[..., 0], self._row + moved[..., 1]
            bent = cv2.remap(image, to_x, to_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            shown = np.asarray(bent, np.float32)
        return shown


def _outlines(image: GreyImage) -> NDArray[np.uint8]:
    import cv2

    return np.asarray(np.clip(image - cv2.GaussianBlur(image, (0, 0), 1.5 * SLOW) + 128, 0, 255), np.uint8)
