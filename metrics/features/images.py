"""Reading the reference images of a sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from evalkit.errors import TestSetError
from evalkit.metrics.features.base import FeatureUnavailableError, Picture


def read_images(paths: tuple[Path, ...]) -> list[Picture]:
    """Return the reference images of a sample.

    Raises:
        FeatureUnavailableError: ``reference_image_unreadable``.
    """
    pictures = []
    for path in paths:
        try:
            pictures.append(read_image(path))
        except TestSetError:
            detail = f"reference image {len(pictures) + 1} of {len(paths)} can't be read"
            raise FeatureUnavailableError("reference_image_unreadable", detail) from None
    return pictures


def read_image(path: Path) -> Picture:
    """Return an image file as (H, W, 3) uint8 RGB.

    Raises:
        TestSetError: when it is not an image.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"), dtype=np.uint8)
    except (OSError, UnidentifiedImageError, ValueError, Image.DecompressionBombError) as error:
        raise TestSetError(f"The reference image {path} can't be read.", found=str(error)) from None
