"""Filmstrips on a page: each image embedded once, strips that refer to them, within a budget of bytes."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from evalkit.text import natural_key

CHOSEN = 6  # samples whose frames a board keeps
STRIP_FRAMES = 8
STRIP_HEIGHT = 72
IMAGE_BUDGET = 3_000_000  # bytes of JPEG in one page; base64 makes a third more of them


@dataclass(frozen=True)
class Strip:
    """A filmstrip: the numbers of its images, where each lies, and the size of the whole, in SVG units."""

    frames: tuple[tuple[int, float, float], ...]  # image number, x, width
    width: float


@dataclass(frozen=True)
class Filmstrips:
    """The filmstrips of a page: images as (base64, width), and key -> strip, or the words why there is none."""

    images: Sequence[tuple[Markup, float]]
    strips: Mapping[str, Strip | str]
    height: int = STRIP_HEIGHT

    def poster(self, key: str) -> Markup | None:
        """Return the first image of a strip as base64; ``None`` where there is no strip."""
        strip = self.strips.get(key)
        return self.images[strip.frames[0][0]][0] if isinstance(strip, Strip) else None


def chosen_samples(samples: Iterable[str], count: int = CHOSEN) -> list[str]:
    """Return ``count`` samples spread evenly over all, in natural order: the same ones for every team."""
    ordered = sorted(samples, key=natural_key)
    count = min(count, len(ordered))
    return [ordered[(2 * step + 1) * len(ordered) // (2 * count)] for step in range(count)]


def make_strips(given: Iterable[tuple[str, Sequence[bytes] | None]]) -> Filmstrips:
    """Return the filmstrips of a page, each image once.

    Args:
        given: key -> small JPEG images in time order, in the order in which they may use the budget.
    """
    numbers: dict[bytes, int] = {}
    images: list[tuple[Markup, float]] = []
    strips: dict[str, Strip | str] = {}
    spent = 0
    for key, images_in_order in given:
        found = images_in_order or ()
        count = min(len(found), STRIP_FRAMES)
        frames = [found[len(found) * step // count] for step in range(count)]
        widths = [_width(frame) for frame in frames]
        cost = sum(len(frame) for frame in set(frames) if frame not in numbers)
        if not frames or None in widths:
            strips[key] = "frames can't be shown" if frames else "no frames available"
        elif spent + cost > IMAGE_BUDGET:
            strips[key] = "frames left out to keep the page small"
        else:
            spent += cost
            strips[key] = _lay_out(frames, [width or 0.0 for width in widths], numbers, images)
    return Filmstrips(images, strips)


def _lay_out(
    frames: Sequence[bytes], widths: Sequence[float], numbers: dict[bytes, int], images: list[tuple[Markup, float]]
) -> Strip:
    placed = []
    x = 0.0
    for frame, width in zip(frames, widths, strict=True):
        if frame not in numbers:
            numbers[frame] = len(images)
            images.append((Markup(base64.b64encode(frame).decode()), width))  # noqa: S704  (base64)
        placed.append((numbers[frame], x, width))
        x = round(x + width + 2, 1)
    return Strip(tuple(placed), round(x - 2, 1))


def _width(frame: bytes) -> float | None:
    """Return the drawn width of a JPEG at `STRIP_HEIGHT`; ``None`` when it is not one."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(frame), formats=["JPEG"]) as image:
            return round(min(max(STRIP_HEIGHT * image.width / image.height, 24), 160), 1)
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
