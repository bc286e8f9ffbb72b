"""Vectors of faces: of the sample's persons, and of tracked faces of the video."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import MediaError
from evalkit.media.stills import read_still
from evalkit.metrics.binding.attaching import Person, Vector
from evalkit.metrics.faces.embeddings import ARCFACE_CROP, FaceNetwork
from evalkit.metrics.faces.policy import FacePolicy, largest
from evalkit.metrics.features.base import FeatureUnavailableError, Item, Picture
from evalkit.metrics.features.images import read_images

AROUND = 0.5  # of a tracked box's sides, added on each side before the face is looked for in it


class FaceLooks:
    """Turns faces into unit vectors.

    Args:
        policy: finds the face and its five points.
        network: embeds it.
    """

    def __init__(self, policy: FacePolicy, network: FaceNetwork) -> None:
        self._policy, self._network = policy, network

    def crop(self, rgb: Picture) -> NDArray[np.uint8] | None:
        """Return the aligned crop of the largest face in a picture; ``None`` without one."""
        detection = self._policy.detect(rgb)
        face = largest(detection.faces)
        if face is None:
            return None
        cuts = ARCFACE_CROP.cut(rgb, detection)
        return cuts[next(number for number, one in enumerate(detection.faces) if one is face)]

    def vectors(self, crops: Sequence[NDArray[np.uint8]]) -> list[Vector | None]:
        """Return the unit vector (D,) of every crop; ``None`` for one without direction."""
        if not crops:
            return []
        found = np.asarray(self._network.embed(np.stack(list(crops))), dtype=np.float64)
        lengths = np.linalg.norm(found, axis=1)
        return [
            row / length if length > 0 and np.isfinite(length) else None
            for row, length in zip(found, lengths, strict=True)
        ]

    def persons(self, item: Item, size: tuple[int, int]) -> list[Person]:
        """Return what is known of the sample's persons.

        Their face is that of their own picture, else the one in their box in the sample's first reference image.

        Args:
            item: the sample.
            size: width and height of the video, whose pixels the boxes are given in.

        Raises:
            FeatureUnavailableError: ``reference_image_unreadable``.
        """
        scene = read_images(item.reference_images[:1])[0] if item.reference_images else None
        persons = []
        for voice in item.speakers:
            picture = None
            if voice.image is not None:
                try:
                    picture = read_still(voice.image)
                except (MediaError, OSError) as error:
                    detail = f"the picture of '{voice.name}' can't be read: {getattr(error, 'found', None) or error}"
                    raise FeatureUnavailableError("reference_image_unreadable", detail) from None
            elif scene is not None and voice.box is not None:
                picture = region(scene, np.array(voice.box) * np.tile(scene.shape[1::-1], 2), 0.0)
            crop = self.crop(picture) if picture is not None else None
            face = self.vectors([crop])[0] if crop is not None else None
            box = None if voice.box is None else np.array(voice.box) * np.tile(size, 2)
            persons.append(Person(face, box))
        return persons


def region(rgb: Picture, box: NDArray[np.float64], around: float = AROUND) -> Picture:
    """Return what lies inside a box, with ``around`` times its sides added on each side, cut at the picture's edge."""
    width, height = (box[2:] - box[:2]) * around
    x1, y1 = (max(0, int(value)) for value in (box[0] - width, box[1] - height))
    x2, y2 = max(x1 + 2, int(box[2] + width)), max(y1 + 2, int(box[3] + height))
    cut = rgb[y1:y2, x1:x2]
    return np.ascontiguousarray(cut if cut.size else rgb)
