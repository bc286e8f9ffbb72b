"""Reading the reference images of a sample."""

from __future__ import annotations

from pathlib import Path

from evalkit.errors import MediaError
from evalkit.media.held import StillSource
from evalkit.media.stills import read_still
from evalkit.metrics.features.base import FeatureUnavailableError, Picture


def read_images(paths: tuple[StillSource, ...]) -> list[Picture]:
    """Return the reference images of a sample; those in memory, (H, W, 3) uint8 RGB, as they are.

    Raises:
        FeatureUnavailableError: ``reference_image_unreadable``.
    """
    pictures = []
    for path in paths:
        try:
            pictures.append(read_still(path) if isinstance(path, Path) else path)
        except MediaError as error:
            detail = f"reference image {len(pictures) + 1} of {len(paths)} can't be read: {error.found}"
            raise FeatureUnavailableError("reference_image_unreadable", detail) from None
    return pictures
