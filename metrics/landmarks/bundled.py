"""68 landmarks by the bundled networks: a detector of faces, and a network that finds the points in each face."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import WeightsError
from evalkit.metrics.features.base import Picture, WeightFile
from evalkit.metrics.networks.small.runners import SmallDetector, SmallLandmarks


class BundledLandmarks:
    """Finds the landmarks of the face that the bundled detector is surest of.

    Args:
        weights: the points' network in the role ``points``, the detector in ``detector``.
        points: role of the network of points.
        detector: role of the detector, with ``threshold`` among its options.
        device: ``cpu`` or ``cuda``.
        last: take the face that the detector is least sure of.

    Raises:
        WeightsError: there is no detector, or a file holds another network.
    """

    def __init__(
        self, weights: Mapping[str, WeightFile], points: str, detector: str, device: str, *, last: bool = False
    ) -> None:
        self._chosen = -1 if last else 0
        if detector not in weights:
            raise WeightsError(
                f"The network of the role '{points}' needs the face detector of the role '{detector}'.",
                found="a set of backbones without it",
                fix=f"Add the role '{detector}' to the set, as evalkit's set 'bundled' has it.",
            )
        file, faces = weights[points], weights[detector]
        if not faces.bundled:
            raise WeightsError(
                f"The role '{detector}' can't be used with the network of the role '{points}'.",
                found=f"options {dict(faces.options)}",
                expected="a detector with the option 'format: bundled', whose boxes the network was trained on",
                fix="Change the set of backbones.",
            )
        options = {name: value for name, value in faces.options.items() if name != "format"}
        self._detector = SmallDetector(faces.path, faces.sha256, device, **options)
        self._points = SmallLandmarks(file.path, file.sha256, device)

    def find(self, rgb: Picture) -> tuple[NDArray[np.float32], int]:
        """Return (68, 2) float32 x, y in pixels, NaN without a face, and the number of faces."""
        faces = self._detector.detect(rgb)
        if not faces:
            return np.full((68, 2), np.nan, np.float32), 0
        return self._points.points(np.ascontiguousarray(rgb), faces[self._chosen].box), len(faces)
