"""Measure the mouth in an image: where the lips meet and how far they are apart.

The corners from a face finder are the start. A patch around them is rotated upright and scaled so that the mouth is
`UNIT` pixels wide. In it, the inside of the mouth differs from lips and skin: it is dark, colourless (teeth),
or less red than the lips around it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from evalkit.reference_models.generators.base import RgbImage
from evalkit.reference_models.generators.warp.face_parts import FaceParts

Floats = NDArray[np.float64]
UNIT = 64  # pixels of a patch for the width of a mouth
UP, DOWN, SIDE = 0.7, 0.9, 1.0  # of the patch, in widths of the mouth
REACH = 0.22  # largest distance of the seam from the line between the corners, in widths
WIDEST_GAP = 0.45


@dataclass(frozen=True, eq=False)
class FaceAxes:
    """Local coordinates of the face: x along the mouth or the eyes, y down, in pixels of the image.

    Args:
        centre: (2,) x, y.
        angle: radians from the image's x axis.
    """

    centre: Floats
    angle: float

    @property
    def across(self) -> Floats:
        """(2,) unit vector along x."""
        return np.array([np.cos(self.angle), np.sin(self.angle)])

    @property
    def down(self) -> Floats:
        """(2,) unit vector along y."""
        return np.array([-np.sin(self.angle), np.cos(self.angle)])

    def to_local(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return image coordinates as local ones."""
        dx, dy = x - self.centre[0], y - self.centre[1]
        return dx * self.across[0] + dy * self.across[1], dx * self.down[0] + dy * self.down[1]

    def to_image(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return local coordinates as image ones."""
        return (
            self.centre[0] + x * self.across[0] + y * self.down[0],
            self.centre[1] + x * self.across[1] + y * self.down[1],
        )

    def sample(
        self, image: RgbImage, x: Floats, y: Floats, how: int = cv2.INTER_LINEAR, border: int = cv2.BORDER_REPLICATE
    ) -> RgbImage:
        """Return the colours of the image at local coordinates, interpolated."""
        at_x, at_y = self.to_image(x, y)
        sampled = cv2.remap(image, at_x.astype(np.float32), at_y.astype(np.float32), how, borderMode=border)
        return np.asarray(sampled, dtype=np.uint8)


@dataclass(frozen=True, eq=False)
class MouthShape:
    """A mouth in an image. Lengths in pixels; local coordinates are those of ``axes``.

    Args:
        axes: origin between the corners.
        width: between the corners.
        seam: (3,) polynomial in x (highest power first): y at which the lips meet, or would meet.
        above, below: distance of the lips from the seam in the middle; both 0 for a closed mouth.
        skin: (3,) RGB of the cheeks, 0..255.
        inside: (3,) RGB of the dark inside of the mouth in this light.
    """

    axes: FaceAxes
    width: float
    seam: Floats
    above: float
    below: float
    skin: Floats
    inside: Floats

    @property
    def gap(self) -> float:
        """Distance between the lips."""
        return self.above + self.below


def measure_mouth(rgb: RgbImage, parts: FaceParts) -> MouthShape:
    """Return the mouth of the face ``parts`` in (H, W, 3) uint8 RGB."""
    eyes, corners = parts.eyes[1] - parts.eyes[0], parts.mouth[1] - parts.mouth[0]
    along = eyes / np.linalg.norm(eyes) + corners / max(float(np.linalg.norm(corners)), 1e-6)
    width = float(np.clip(np.linalg.norm(corners), 0.6 * parts.eye_distance, 1.1 * parts.eye_distance))
    axes = FaceAxes(parts.mouth.mean(axis=0), float(np.arctan2(along[1], along[0])))
    view = _view(_patch(rgb, axes, width))
    row = _mouth_row(view)
    if not parts.exact or abs(row) > 0.1 * UNIT:  # the points were inexact: use a patch around the mouth itself
        axes = FaceAxes(axes.centre + axes.down * row * width / UNIT, axes.angle)
        view = _view(_patch(rgb, axes, width))
    side, stretch = _corners(view)
    if side or stretch != 1:
        axes = FaceAxes(axes.centre + axes.across * side * width / UNIT, axes.angle)
        width *= stretch
        view = _view(_patch(rgb, axes, width))
    seam, above, below = _gap(view)
    scale = width / UNIT
    polynomial = np.array([seam[0] / scale, seam[1], seam[2] * scale])
    return MouthShape(axes, width, polynomial, above * scale, below * scale, view.skin, _darkest(view))


@dataclass(frozen=True, eq=False)
class _MouthPatch:
    """A patch and properties of its pixels, each (rows, columns).

    Args:
        pixels: RGB.
        lightness: relative to the skin's.
        lips: 0..1, how much redder than the skin.
        relative: 0..1, the same relative to the reddest pixels.
        inside: 0..1, dark or colourless, more so between lips above and below.
        skin: (3,) RGB of the cheeks.
    """

    pixels: RgbImage
    lightness: Floats
    lips: Floats
    relative: Floats
    inside: Floats
    skin: Floats


def _view(patch: RgbImage) -> _MouthPatch:
    smooth = cv2.GaussianBlur(patch.astype(np.float32) / 255, (0, 0), 1.0)
    lab = cv2.cvtColor(smooth, cv2.COLOR_RGB2Lab).astype(np.float64)
    lightness, red, colour = lab[..., 0], lab[..., 1], np.hypot(lab[..., 1], lab[..., 2])
    top = int(UP * UNIT)
    cheeks = np.zeros(lightness.shape, dtype=bool)
    for columns in (slice(2, 22), slice(-22, -2)):
        cheeks[top - 30 : top + 5, columns] = True
    light = max(float(np.median(lightness[cheeks])), 1.0)
    vivid = float(np.median(colour[cheeks]))
    redder = red - np.median(red[cheeks])
    centre = redder[top - UNIT // 3 : top + UNIT // 3, UNIT - UNIT // 3 : UNIT + UNIT // 3]
    strongest = max(float(np.percentile(centre, 95)), 8.0)
    lips, relative = np.clip(redder / 10, 0, 1), np.clip(redder / strongest, 0, 1)
    enclosed = _enclosed(lips, 0.3)
    hole = _step((_enclosed(relative, 0.22) - relative - 0.4) / 0.05)
    grey = vivid < 6
    dark = _step(((0.33 if grey else 0.5) * light - lightness) / (0.06 * light + 0.5))
    teeth = _step((0.7 * vivid - colour) / (0.08 * vivid + 1)) * _step((lightness - 0.6 * light) / (0.06 * light + 0.5))
    inside = dark if grey else np.maximum(np.maximum(dark, teeth) * (0.45 + 0.55 * enclosed), hole)
    return _MouthPatch(
        patch, lightness / light, lips, relative, inside, np.median(patch[cheeks], axis=0).astype(np.float64)
    )


def _patch(rgb: RgbImage, axes: FaceAxes, width: float) -> RgbImage:
    scale = width / UNIT
    x = np.arange(-int(SIDE * UNIT), int(SIDE * UNIT), dtype=np.float64)[None, :] * scale
    y = np.arange(-int(UP * UNIT), int(DOWN * UNIT), dtype=np.float64)[:, None] * scale
    return axes.sample(rgb, x, y)


def _enclosed(lips: Floats, reach: float) -> Floats:
    """Return per pixel the minimum of the strongest red above and below it, within ``reach`` widths."""
    tall = np.ones((int(reach * UNIT), 1), dtype=np.uint8)
    upper = cv2.dilate(lips, tall, anchor=(0, len(tall) - 1))
    lower = cv2.dilate(lips, tall, anchor=(0, 0))
    return np.asarray(np.minimum(upper, lower))


def _step(value: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(value, -30, 30))))


def _mouth_row(view: _MouthPatch) -> float:
    """Return how many pixels the mouth is below the centre of the patch."""
    middle = slice(UNIT - int(0.42 * UNIT), UNIT + int(0.42 * UNIT))
    evidence = view.lips + 0.7 * view.inside + 0.5 * np.clip(1 - view.lightness, 0, 1)
    score = cv2.GaussianBlur(evidence[:, middle].mean(axis=1)[:, None], (0, 0), 0.07 * UNIT)[:, 0]
    rows = np.arange(len(score)) - int(UP * UNIT)
    score = score * np.exp(-(((rows - 0.03 * UNIT) / (0.28 * UNIT)) ** 2) / 2)
    return float(rows[int(score.argmax())])


def _corners(view: _MouthPatch) -> tuple[float, float]:
    """Return how many pixels the mouth is right of the centre, and its width in widths, both from its colour."""
    top = int(UP * UNIT)
    lips = np.clip(view.relative - 0.3, 0, 1) + np.where(view.inside > 0.6, 0.5, 0.0) * (view.lips > 0.1)
    band = lips[top - UNIT // 6 : top + UNIT // 5].max(axis=0)
    if float(np.median(view.lips[top - UNIT // 8 : top + UNIT // 5, UNIT - UNIT // 4 : UNIT + UNIT // 4])) < 0.25:
        return 0.0, 1.0  # lips of the skin's colour
    part = np.flatnonzero(band > 0.15)
    runs = np.split(part, np.flatnonzero(np.diff(part) > 2) + 1)
    run = max(runs, key=len)
    if len(run) < 0.5 * UNIT or len(run) > 1.3 * UNIT:
        return 0.0, 1.0
    side = float(np.clip((run[0] + run[-1]) / 2 - UNIT + 0.5, -0.15 * UNIT, 0.15 * UNIT))
    return side, float(np.clip(len(run) / UNIT, 0.75, 1.1))


def _gap(view: _MouthPatch) -> tuple[Floats, float, float]:
    """Return the seam as a polynomial, and the distance of both lips from it, in pixels of the patch."""
    top = int(UP * UNIT)
    columns = np.arange(UNIT - int(0.42 * UNIT), UNIT + int(0.42 * UNIT) + 1)
    x = columns - UNIT
    solid = cv2.morphologyEx((view.inside > 0.5).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((7, 3), np.uint8))
    solid[: top - int(WIDEST_GAP * UNIT)] = 0
    solid[top + int(WIDEST_GAP * UNIT) :] = 0
    solid[:, : columns[0]] = 0
    solid[:, columns[-1] + 1 :] = 0
    number, labels, stats, centres = cv2.connectedComponentsWithStats(solid, connectivity=8)
    best, most = 0, 0.0
    for label in range(1, number):
        near = np.exp(-(((centres[label, 1] - top) / (0.2 * UNIT)) ** 2))
        weight = (
            float(stats[label, cv2.CC_STAT_WIDTH]) * near * (1 if stats[label, cv2.CC_STAT_WIDTH] > 0.3 * UNIT else 0)
        )
        if weight > most:
            best, most = label, weight
    if not best:
        return _seam(view), 0.0, 0.0
    part = labels[:, columns] == best
    filled = part.any(axis=0)
    first = part.argmax(axis=0).astype(np.float64) - top
    last = len(part) - 1 - part[::-1].argmax(axis=0).astype(np.float64) - top
    weights = np.exp(-((x[filled] / (0.35 * UNIT)) ** 2))
    seam = _fit(x[filled], ((first + last) / 2)[filled], weights)
    middle = filled & (np.abs(x) <= UNIT // 5)
    half = float(np.median((last - first)[middle]) / 2) if middle.any() else 0.0
    return (seam, 0.0, 0.0) if half < 1.5 else (seam, half, half)


def _fit(x: Floats, y: Floats, weights: Floats) -> Floats:
    """Return a parabola through the points that ends near the corners, with limited curvature."""
    corner = 0.5 * UNIT
    seam = np.polyfit(np.r_[x, -corner, corner], np.r_[y, 0.0, 0.0], 2, w=np.r_[weights, 1.5, 1.5])
    return np.array([np.clip(seam[0], -0.006, 0.006), np.clip(seam[1], -0.18, 0.18), seam[2]])


def _seam(view: _MouthPatch) -> Floats:
    """Return the dark line between closed lips."""
    top, reach = int(UP * UNIT), int(REACH * UNIT)
    columns = np.arange(UNIT - int(0.45 * UNIT), UNIT + int(0.45 * UNIT) + 1)
    rows = np.arange(top - reach, top + reach + 1)
    away = (rows - top)[:, None] / UNIT
    box = np.ix_(rows, columns)
    # A line is darker than the pixels a little above and below it.
    line = view.lightness - cv2.GaussianBlur(view.lightness, (1, 0), sigmaX=0.1, sigmaY=0.07 * UNIT)
    cost = 3 * line[box] - 0.6 * view.lips[box] - 0.3 * view.inside[box] + 3 * away**2
    path = (_cheapest_path(cost) - reach).astype(np.float64)
    x = (columns - UNIT).astype(np.float64)
    return _fit(x, path, np.exp(-((x / (0.35 * UNIT)) ** 2)))


def _cheapest_path(cost: Floats) -> NDArray[np.int64]:
    """Return the row per column of the cheapest path from left to right that changes by at most one row."""
    total = cost.copy()
    back = np.zeros(cost.shape, dtype=np.int64)
    for column in range(1, cost.shape[1]):
        before = np.pad(total[:, column - 1], 1, constant_values=np.inf)
        options = np.stack([before[:-2] + 0.05, before[1:-1], before[2:] + 0.05])
        choice = options.argmin(axis=0)
        total[:, column] += options[choice, np.arange(len(choice))]
        back[:, column] = choice - 1
    path = np.zeros(cost.shape[1], dtype=np.int64)
    path[-1] = int(total[:, -1].argmin())
    for column in range(cost.shape[1] - 1, 0, -1):
        path[column - 1] = path[column] + back[path[column], column]
    return path


def _darkest(view: _MouthPatch) -> Floats:
    """Return the colour of the dark inside of the mouth, at most a fraction of the skin's brightness."""
    usual: Floats = view.skin * np.array([0.26, 0.15, 0.15])
    top = int(UP * UNIT)
    box = np.s_[top - UNIT // 3 : top + UNIT // 2, UNIT - UNIT // 3 : UNIT + UNIT // 3]
    seen = view.pixels[box][view.inside[box] > 0.6].astype(np.float64)
    if len(seen) < 30:
        return usual
    dark: Floats = seen[seen.sum(axis=1) <= np.percentile(seen.sum(axis=1), 30)].mean(axis=0)
    return np.asarray(np.minimum(dark, view.skin * np.array([0.4, 0.3, 0.3])), dtype=np.float64)
