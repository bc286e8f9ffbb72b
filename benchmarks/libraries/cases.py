"""The inputs of the comparison: two sets of frames, right and wrong in one thing each. Needs numpy alone."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

ABOUT_THE_MACHINE = ("deprecat", "this dataloader will create", "pin_memory")  # warnings that are not about input
FRAMES, SIZE = 5, 96
CASES = {
    "right": "as the documentation asks",
    "floats": "frames as floats in 0..1 where whole numbers in 0..255 are asked for, or the reverse",
    "colours": "colours in the order blue, green, red",
    "axes": "colour axis last where it belongs first, or the reverse",
    "three": "three frames",
    "nan": "one NaN, in floats where these are taken",
    "unequal": "5 frames of one side, 4 of the other",
}


def frames(seed: int, noise: float) -> NDArray[np.uint8]:
    """Return frames (N, H, W, 3) of a coloured pattern that moves; another seed has other noise on it."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    made = []
    for at in range(FRAMES):
        waves = [
            np.sin(2 * math.pi * ((2 + channel) * x + (1 + at % 3) * y + at / FRAMES + channel / 3))
            for channel in range(3)
        ]
        picture = 127 + 70 * np.stack(waves, axis=-1) + np.array([40, 0, -30])
        made.append(picture + noise * rng.normal(size=picture.shape))
    return np.clip(np.round(made), 0, 255).astype(np.uint8)


def both(case: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return reference and generated frames as bytes, with what is wrong in ``case`` as far as bytes can show it."""
    real, generated = frames(1, 2.0), frames(2, 24.0)
    if case == "colours":
        generated = generated[..., ::-1].copy()
    if case == "three":
        real, generated = real[:3], generated[:3]
    if case == "unequal":
        generated = generated[:4]
    return real, generated


def outcome(run: Callable[..., Any], *given: object, **options: object) -> dict[str, object]:
    """Return what a call did: its number, or the error in one line, and what it warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            value = run(*given, **options)
        except Exception as error:  # noqa: BLE001 - whatever a library raises is what is observed
            text = str(error) or type(error).__name__
            return {"kind": "error", "error": type(error).__name__, "message": text.splitlines()[0], "warnings": []}
    lines = {str(one.message).splitlines()[0] for one in caught}
    said = sorted(line for line in lines if not any(word in line.lower() for word in ABOUT_THE_MACHINE))
    if value is None or isinstance(value, dict):
        return {"kind": "missing", **(value or {}), "warnings": said}
    number = float(value)
    kind = "number" if math.isfinite(number) else "not finite"
    return {"kind": kind, "value": number if math.isfinite(number) else str(number), "warnings": said}
