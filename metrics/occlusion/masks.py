"""The test set's masks of what is before the face: a video with a frame for each frame of the reference video."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import MediaError
from evalkit.metrics.features.base import FeatureUnavailableError, Item, Picture

WHITE = 128  # of the masks' grey level: from here on a pixel is covered


class Masks:
    """The masks of a sample, one after the other.

    Args:
        item: with ``occluders``; without, there is no mask.
    """

    def __init__(self, item: Item) -> None:
        from evalkit.media.decode import iter_frames

        self._frames: Iterator[Picture] = iter_frames(item.occluders) if item.occluders is not None else iter(())

    def next(self, width: int, height: int, region: tuple[slice, slice]) -> NDArray[np.bool_]:
        """Return which pixels of a region of the next mask are covered: (rows, columns) of the region.

        Args:
            width, height: of the reference's frame, in pixels.
            region: rows and columns.

        Raises:
            FeatureUnavailableError: ``occluders_too_short``, ``occluders_unreadable``, ``occluders_other_size``.
        """
        try:
            mask = next(self._frames)
        except StopIteration:
            raise FeatureUnavailableError("occluders_too_short", "the masks end before the reference video") from None
        except (MediaError, OSError) as error:
            raise FeatureUnavailableError("occluders_unreadable", str(error)) from None
        if mask.shape[:2] != (height, width):
            found = f"masks of {mask.shape[1]}x{mask.shape[0]}, frames of {width}x{height}"
            raise FeatureUnavailableError("occluders_other_size", found)
        covered: NDArray[np.bool_] = mask[region][..., 1] >= WHITE
        return covered


def check_inputs(item: Item) -> None:
    """Make sure that a sample has a reference video and masks.

    Raises:
        FeatureUnavailableError: ``no_reference_video``, ``no_occluders``.
    """
    if item.reference_video is None:
        raise FeatureUnavailableError("no_reference_video", "the sample has no reference video")
    if item.occluders is None:
        raise FeatureUnavailableError("no_occluders", "the sample has no video of masks")
