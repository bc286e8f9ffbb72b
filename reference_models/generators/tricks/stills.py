"""Tricks with a still image: noise, drift, zoom, light and waves make it move without showing anything else."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace

import cv2
import numpy as np

from evalkit.reference_models.generators.base import (
    GeneratedClip,
    GenerationRequest,
    Generator,
    GeneratorOption,
    RgbImage,
)
from evalkit.reference_models.generators.controls import frame_count, hold_from
from evalkit.reference_models.generators.tricks.base import Change, TrickGenerator, changed, trick_record
from evalkit.reference_models.generators.tricks.geometry import turned, warped

# Two periods that have none in common: a still that moves periodically would be found as a loop.
LIGHT_SECONDS = (2.0, 3.3)
WAVE_SECONDS = (1.0, 1.7)
WAVES = 3.0  # over the height


class MovedStill(TrickGenerator):
    """The first frame of the base for the whole clip, changed a little from frame to frame."""

    def change(self, clip: GeneratedClip, request: GenerationRequest) -> GeneratedClip:
        """Hold the first frame and change every copy of it."""
        held = replace(clip, frames=hold_from(clip.frames, 0))
        return changed(held, self.motion(frame_count(clip) / float(clip.fps), np.random.default_rng(request.seed)))

    @abstractmethod
    def motion(self, seconds: float, rng: np.random.Generator) -> Change:
        """Return what is done to the image in the course of ``seconds``."""


class NoisyStill(MovedStill):
    """Noise that is new in every frame."""

    record = trick_record(
        "noisy-still",
        "a still image with new noise in every frame",
        GeneratorOption("sigma", 6.0, "of the noise, in grey levels", 0, 100),
        base="still",
    )

    def motion(self, seconds: float, rng: np.random.Generator) -> Change:
        """Add Gaussian noise."""
        sigma = float(self.options["sigma"])

        def noisy(frame: RgbImage, time: float) -> RgbImage:
            noise = rng.standard_normal(frame.shape, dtype=np.float32) * np.float32(sigma)
            return np.asarray(np.clip(np.rint(frame + noise), 0, 255), np.uint8)

        return noisy


class DriftingStill(MovedStill):
    """The image slides to one side."""

    record = trick_record(
        "drifting-still",
        "a still image that slides to one side",
        GeneratorOption("share", 0.1, "of the width that it slides until the end", 0, 1),
        base="still",
    )

    def motion(self, seconds: float, rng: np.random.Generator) -> Change:
        """Move the image; the border is mirrored."""
        share = float(self.options["share"]) / seconds
        return lambda frame, time: warped(frame, np.array([[1, 0, share * time * frame.shape[1]], [0, 1, 0.0]]))


class ZoomingStill(MovedStill):
    """The image grows slowly."""

    record = trick_record(
        "zooming-still",
        "a still image that grows slowly",
        GeneratorOption("share", 0.15, "of its size that it grows until the end", 0, 3),
        base="still",
    )

    def motion(self, seconds: float, rng: np.random.Generator) -> Change:
        """Enlarge the image around its centre."""
        growth = float(self.options["share"]) / seconds
        return lambda frame, time: turned(frame, 0.0, 1 + growth * time)


class LitStill(MovedStill):
    """A soft light passes over the image."""

    record = trick_record(
        "lit-still",
        "a still image with a soft light that passes over it",
        GeneratorOption("levels", 6.0, "by which the light changes a point at most, in grey levels", 0, 128),
        base="still",
    )

    def motion(self, seconds: float, rng: np.random.Generator) -> Change:
        """Brighten and darken the image by two waves as long as it is wide, one to each side."""
        levels = float(self.options["levels"])

        def lit(frame: RgbImage, time: float) -> RgbImage:
            across = np.arange(frame.shape[1]) / frame.shape[1]
            first, second = (time / seconds for seconds in LIGHT_SECONDS)
            light = levels / 2 * (np.sin(2 * np.pi * (first + across)) + np.sin(2 * np.pi * (second - across)))
            return np.asarray(np.clip(np.rint(frame + light[None, :, None]), 0, 255), np.uint8)

        return lit


class WavingStill(MovedStill):
    """Waves run down the image."""

    record = trick_record(
        "waving-still",
        "a still image with waves that run through it",
        GeneratorOption("percent", 1.5, "of the width by which a row is moved at most", 0, 20),
        base="still",
    )

    def motion(self, seconds: float, rng: np.random.Generator) -> Change:
        """Move every row to the side, by two waves along the height, one down and one up."""
        percent = float(self.options["percent"])

        def waving(frame: RgbImage, time: float) -> RgbImage:
            height, width = frame.shape[:2]
            down = WAVES * np.arange(height) / height
            first, second = (time / seconds for seconds in WAVE_SECONDS)
            wave = (np.sin(2 * np.pi * (down + first)) + np.sin(2 * np.pi * (down - second))) / 2
            rows, columns = np.indices((height, width), np.float32)
            columns += (percent / 100 * width * wave[:, None]).astype(np.float32)
            moved = cv2.remap(frame, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
            return np.asarray(moved, np.uint8)

        return waving


GENERATORS: tuple[type[Generator], ...] = (NoisyStill, DriftingStill, ZoomingStill, LitStill, WavingStill)
