"""Renders a puppet: what depends only on the look is computed once; a frame is a few dozen outlines and their light."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from evalkit.reference_models.puppet.background import draw_background
from evalkit.reference_models.puppet.drawing import (
    Box,
    Colour,
    RgbImage,
    box,
    disc,
    fill,
    line,
    mask_of,
    mix,
    paste,
    scaled,
    tint,
)  # fmt: skip
from evalkit.reference_models.puppet.facial_features import IRIS, PARTED, SHUT, facial_shapes, mouth_gap
from evalkit.reference_models.puppet.geometry import Camera, Pixels, place
from evalkit.reference_models.puppet.hand import draw_hand
from evalkit.reference_models.puppet.head_shapes import COVERS_EARS, STRANDS, head_shapes
from evalkit.reference_models.puppet.lighting import lamp, lighting_gain
from evalkit.reference_models.puppet.look import EYE_COLOURS, HAIR_COLOURS, Look
from evalkit.reference_models.puppet.pose import Pose

Frame = dict[str, Pixels]
FACE = 0.285  # half the face's height as a share of the image's
JAW_DROP = 0.10  # face units that the chin goes down with a wide open jaw
BLACK: Colour = (24, 22, 24)


def unit_of(size: int) -> float:
    """Return half the face's height in pixels, in an image of ``size``."""
    return FACE * size


def centre_of(size: int) -> tuple[float, float]:
    """Return the pixel of the head's origin at rest, in an image of ``size``."""
    return 0.5 * size, 0.47 * size


class PuppetRenderer:
    """Renders one puppet.

    Args:
        look: its appearance.
        size: of the square images, in pixels; a multiple of 4.
    """

    def __init__(self, look: Look, size: int = 256) -> None:
        self.look, self.size = look, size
        self._unit = unit_of(size)
        self._centre = centre_of(size)
        self._still = head_shapes(look).frozen()
        self._backdrop = draw_background(look, size, self._unit, self._centre)
        self._lamp = lamp(look, size, self._unit)
        self._grain = self._make_grain()
        self._colours()

    def render(self, pose: Pose) -> RgbImage:
        """Return the frame of a pose: (size, size, 3) uint8 RGB."""
        look = self.look
        camera = Camera(self._unit, self._centre, pose)
        shapes = place(camera, self._still, facial_shapes(look, pose), JAW_DROP * pose.jaw)
        pen = camera.scale
        image = self._backdrop.copy()
        if look.hair in COVERS_EARS:
            fill(image, shapes["back_hair"], scaled(self._hair, 0.75))
        else:
            for side in (-1, 1):
                fill(image, shapes[f"ear{side}"], scaled(look.skin, 0.86))
                fill(image, shapes[f"inner_ear{side}"], scaled(look.skin, 0.68))
        fill(image, shapes["head"], look.skin)
        reach = box(np.concatenate([shapes["head"], shapes.get("hair", shapes["head"])]), self.size)
        mask = mask_of(shapes["head"], reach)
        self._skin(image, mask, reach)
        self._beard(image, shapes)
        self._lines(image, shapes, pose, pen)
        self._nose(image, shapes, pen)
        self._mouth(image, shapes, pose, pen)
        for side in (-1, 1):
            self._eye(image, shapes, side, pose, pen)
        if look.hair != "bald":
            self._top_hair(image, shapes, pen)
            cv2.bitwise_or(mask, mask_of(shapes["hair"], reach), dst=mask)
        self._light(image, lighting_gain(self._lamp, camera.at, shapes, self.size), mask, reach)
        for side in (-1, 1):
            fill(image, shapes[f"brow{side}"], self._brow)
        self._glasses(image, shapes, pen)
        if pose.hand > 0:
            draw_hand(image, look, pose.hand, self._unit, self._centre)
        return image

    def _colours(self) -> None:
        look = self.look
        hair = HAIR_COLOURS[look.hair_colour]
        self._hair = mix(hair, (170, 168, 166), (look.age - 0.75) * 2.4) if look.age > 0.75 else hair
        self._line = scaled(look.skin, 0.62)
        dark_skin = sum(look.skin) < 330
        self._brow = scaled(mix(self._hair, (30, 22, 18), 0.45), 0.85)
        if sum(look.skin) < 220:
            self._brow = (12, 9, 8)
        natural = (
            mix(scaled(look.skin, 0.82), (150, 60, 62), 0.34) if dark_skin else mix(look.skin, (176, 74, 74), 0.42)
        )
        self._lip = mix(natural, (176, 26, 48), 0.7 * look.lipstick)

    def _make_grain(self) -> NDArray[np.float32]:
        rng = np.random.Generator(np.random.PCG64([self.look.seed, 0x9A17]))
        size = self.size
        fine = rng.random((size, size)) - 0.5
        rough = cv2.resize(rng.random((size // 8, size // 8)), (size, size), interpolation=cv2.INTER_CUBIC) - 0.5
        grain = (fine * 8 + rough * (6 + 8 * self.look.age)).astype(np.float32)
        one = cv2.GaussianBlur(grain, (0, 0), 0.8)
        return np.asarray(cv2.merge([one, one, one]), dtype=np.float32)

    def _skin(self, image: RgbImage, mask: NDArray[np.uint8], reach: Box) -> None:
        x0, y0, x1, y1 = reach
        part = image[y0:y1, x0:x1]
        # The grain starts at the head's corner, so that it moves with the head.
        cv2.add(part, self._grain[: y1 - y0, : x1 - x0], dst=part, mask=mask, dtype=cv2.CV_8U)

    def _light(self, image: RgbImage, gain: NDArray[np.float32], mask: NDArray[np.uint8], reach: Box) -> None:
        x0, y0, x1, y1 = reach
        part = image[y0:y1, x0:x1]
        lit = cv2.multiply(part, np.ascontiguousarray(gain[y0:y1, x0:x1]), dtype=cv2.CV_8U)
        cv2.copyTo(lit, mask, part)

    def _beard(self, image: RgbImage, shapes: Frame) -> None:
        colour, blur = scaled(self._hair, 0.9), self.size / 160
        for name in ("moustache", "goatee", "beard"):
            if name in shapes:
                tint(image, shapes[name], colour, 0.28 if self.look.beard == "stubble" else 0.88, blur)

    def _lines(self, image: RgbImage, shapes: Frame, pose: Pose, pen: float) -> None:
        look = self.look
        crease = max(0.0, look.age - 0.35) / 0.65
        fold = min(1.0, 0.75 * crease + 0.45 * max(0.0, pose.smile))
        for side in (-1, 1):
            if fold > 0.05:
                line(image, shapes[f"fold{side}"], mix(look.skin, self._line, fold), 0.016 * pen)
            if crease > 0.05:
                line(image, shapes[f"bag{side}"], mix(look.skin, self._line, 0.6 * crease), 0.014 * pen)
        raised = max(0.0, pose.brows)
        strength = min(1.0, 0.6 * crease + 0.4 * raised)
        count = 2 if crease > 0.05 else int(raised > 0.2)
        for number in range(count):
            line(image, shapes[f"forehead_line{number}"], mix(look.skin, self._line, strength), 0.013 * pen)
        if look.freckles > 0.05:
            for spot in shapes["freckles"][: int(len(shapes["freckles"]) * look.freckles)]:
                disc(image, spot, 0.012 * pen, mix(look.skin, self._line, 0.55))

    def _nose(self, image: RgbImage, shapes: Frame, pen: float) -> None:
        for side in (-1, 1):
            line(image, shapes[f"wing{side}"], self._line, 0.016 * pen)
            fill(image, shapes[f"nostril{side}"], scaled(self._line, 0.5))
        line(image, shapes["nose_base"], self._line, 0.014 * pen)
        tint(image, shapes["nose_shine"], (255, 255, 250), 0.16, self.size / 200)

    def _mouth(self, image: RgbImage, shapes: Frame, pose: Pose, pen: float) -> None:
        fill(image, shapes["lips"], self._lip)
        fill(image, shapes["upper_lip"], scaled(self._lip, 0.86))
        if mouth_gap(pose) > PARTED:
            area = box(shapes["inside"], self.size)
            x0, y0, x1, y1 = area
            if x1 > x0 and y1 > y0:
                patch = np.empty((y1 - y0, x1 - x0, 3), np.uint8)
                patch[:] = (46, 14, 16)
                fill(patch, shapes["tongue"], (176, 84, 86), (x0, y0))
                fill(patch, shapes["teeth"], (232, 228, 216), (x0, y0))
                paste(image, patch, mask_of(shapes["inside"], area), area)
        else:
            line(image, shapes["seam"], scaled(self._lip, 0.5), 0.020 * pen)
        tint(image, shapes["lip_shine"], (255, 235, 235), 0.18, self.size / 220)

    def _eye(self, image: RgbImage, shapes: Frame, side: int, pose: Pose, pen: float) -> None:
        look = self.look
        area = box(shapes[f"eye{side}"], self.size)
        x0, y0, x1, y1 = area
        if pose.blink < SHUT and x1 > x0 and y1 > y0:
            patch = np.empty((y1 - y0, x1 - x0, 3), np.uint8)
            patch[:] = (236, 232, 226)
            spot = shapes[f"iris{side}"][0] - (x0 * 16, y0 * 16)
            radius = IRIS * look.eye_size * pen
            iris = EYE_COLOURS[look.eye_colour]
            for share, colour in ((1.0, scaled(iris, 0.6)), (0.84, iris), (0.45, (10.0, 8.0, 8.0))):
                disc(patch, spot, radius * share, colour)
            disc(patch, spot + np.array([-4.8, -5.6]) * radius, radius * 0.22, (250, 250, 250))
            paste(image, patch, mask_of(shapes[f"eye{side}"], area), area)
        line(image, shapes[f"upper_lid{side}"], (26, 18, 16), 0.030 * pen)
        line(image, shapes[f"lower_lid{side}"], self._line, 0.012 * pen)
        line(image, shapes[f"lid_fold{side}"], mix(look.skin, self._line, 0.7), 0.013 * pen)

    def _top_hair(self, image: RgbImage, shapes: Frame, pen: float) -> None:
        if "bun" in shapes:
            fill(image, shapes["bun"], scaled(self._hair, 0.9))
        fill(image, shapes["hair"], self._hair)
        for number in range(STRANDS):
            tone = 1.16 if (self.look.seed >> number) & 1 else 0.82
            line(image, shapes[f"strand{number}"], scaled(self._hair, tone), 0.03 * pen)

    def _glasses(self, image: RgbImage, shapes: Frame, pen: float) -> None:
        if self.look.glasses == "none":
            return
        for side in (-1, 1):
            line(image, shapes[f"rim{side}"], BLACK, 0.026 * pen, closed=True)
            line(image, shapes[f"arm{side}"], BLACK, 0.026 * pen)
        line(image, shapes["bridge_of_glasses"], BLACK, 0.026 * pen)
