"""Tricks that hide a copy by its colours: hue, brightness, contrast, a negative, inverted low frequencies."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from evalkit.reference_models.generators.base import (
    GeneratedClip,
    GenerationRequest,
    Generator,
    GeneratorOption,
    RgbImage,
)
from evalkit.reference_models.generators.tricks.base import TrickGenerator, changed, trick_record


class OtherHue(TrickGenerator):
    """Hues turned round the colour circle."""

    record = trick_record(
        "other-hue",
        "the video with other hues",
        GeneratorOption("degrees", 40.0, "by which hues are turned round the circle", -180, 180),
    )

    def change(self, clip: GeneratedClip, request: GenerationRequest) -> GeneratedClip:
        """Turn the hues of every frame."""
        degrees = float(self.options["degrees"])
        return clip if degrees == 0 else changed(clip, lambda frame, time: _other_hue(frame, degrees))


def _other_hue(frame: RgbImage, degrees: float) -> RgbImage:
    colours = cv2.cvtColor(frame, cv2.COLOR_RGB2HSV_FULL)  # 256 steps round the circle
    colours[..., 0] += np.uint8(round(degrees / 360 * 256) % 256)  # wraps
    return np.asarray(cv2.cvtColor(colours, cv2.COLOR_HSV2RGB_FULL), np.uint8)


class OtherBrightness(TrickGenerator):
    """Lighter or darker."""

    record = trick_record(
        "other-brightness",
        "the video lighter or darker",
        GeneratorOption("levels", 20.0, "that are added, in grey levels", -255, 255),
    )

    def change(self, clip: GeneratedClip, request: GenerationRequest) -> GeneratedClip:
        """Add to every point."""
        levels = float(self.options["levels"])
        return clip if levels == 0 else changed(clip, lambda frame, time: _rounded(frame + np.float32(levels)))


class OtherContrast(TrickGenerator):
    """More or less contrast."""

    record = trick_record(
        "other-contrast",
        "the video with more or less contrast",
        GeneratorOption("factor", 1.3, "of the distance to middle grey", 0, 10),
    )

    def change(self, clip: GeneratedClip, request: GenerationRequest) -> GeneratedClip:
        """Stretch the distance of every point to middle grey."""
        factor = np.float32(self.options["factor"])
        middle = np.float32(127.5)
        return clip if factor == 1 else changed(clip, lambda frame, time: _rounded((frame - middle) * factor + middle))


class Negative(TrickGenerator):
    """Light becomes dark."""

    record = trick_record(
        "negative",
        "the video as a negative",
        GeneratorOption("amount", 1.0, "0: as it is, 0.5: grey, 1: the negative", 0, 1),
    )

    def change(self, clip: GeneratedClip, request: GenerationRequest) -> GeneratedClip:
        """Invert every point."""
        amount = np.float32(self.options["amount"])
        if amount == 0:
            return clip
        return changed(clip, lambda frame, time: _rounded(frame + amount * (255 - 2 * frame.astype(np.float32))))


class LowInverted(TrickGenerator):
    """Large light areas become dark and the reverse, details stay: what a blurred copy shows is inverted."""

    record = trick_record(
        "low-inverted",
        "the video with its low frequencies inverted and its details kept",
        GeneratorOption("amount", 1.0, "0: as it is, 0.5: taken away, 1: inverted", 0, 1),
        GeneratorOption("percent", 6.0, "of the width: sigma of the Gaussian below which frequencies are low", 1, 50),
    )

    def change(self, clip: GeneratedClip, request: GenerationRequest) -> GeneratedClip:
        """Subtract the blurred frame, except for its mean."""
        amount, percent = np.float32(self.options["amount"]), float(self.options["percent"])

        def inverted(frame: RgbImage, time: float) -> RgbImage:
            exact = frame.astype(np.float32)
            low = cv2.GaussianBlur(exact, (0, 0), percent / 100 * frame.shape[1])
            return _rounded(exact - 2 * amount * (low - low.mean(axis=(0, 1))))

        return clip if amount == 0 else changed(clip, inverted)


def _rounded(values: NDArray[np.float32]) -> RgbImage:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)


GENERATORS: tuple[type[Generator], ...] = (OtherHue, OtherBrightness, OtherContrast, Negative, LowInverted)
