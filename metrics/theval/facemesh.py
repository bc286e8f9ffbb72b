"""FaceMesh points of a video that the organizer found with MediaPipe: the feature ``facemesh``, imported."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from evalkit.metrics.features.base import Arrays, FeatureRecord, ImportedFile
from evalkit.metrics.features.imported import ImportedExtractor, ImportOptions, unusable

SOURCE: Final = "facemesh"
COUNTS: Final = (468, 478)  # without and with the irises
MOST_FRAMES: Final = 1_000_000
# MediaPipe's face mesh numbers its points; these are the sets that THEval takes.
LIPS: Final = [
    *(0, 13, 14, 17, 37, 39, 40, 61, 78, 80, 81, 82, 84, 87, 88, 91, 95, 146, 178, 181),
    *(185, 191, 267, 269, 270, 291, 308, 310, 311, 312, 314, 317, 318, 321, 324, 375, 402, 405, 409, 415),
]
BROWS: Final = (
    [276, 282, 283, 285, 293, 295, 296, 300, 334, 336],
    [46, 52, 53, 55, 63, 65, 66, 70, 105, 107],
)
EYES: Final = (
    [249, 263, 362, 373, 374, 380, 381, 382, 384, 385, 386, 387, 388, 390, 398, 466],
    [7, 33, 133, 144, 145, 153, 154, 155, 157, 158, 159, 160, 161, 163, 173, 246],
)
UPPER_LIP: Final = [191, 80, 81, 82, 13, 312, 311, 310]
LOWER_LIP: Final = [95, 88, 178, 87, 14, 317, 402, 318]
EYE_CORNERS: Final = (33, 263)
EYE_SIDES: Final = ([33, 133], [362, 263])
SIDE: Final = 256.0  # THEval squashes frames to this width and height


def read_points(file: Path) -> NDArray[np.float32]:
    """Return the points of a NumPy file: (T, 468 or 478, 2), shares of the frame's width and height, NaN for no face.

    Nothing in the file is run, and its size must be what its header says.

    Raises:
        FeatureUnavailableError: it is no such file.
    """
    wanted = "is no NumPy file of float32 or float64 with shape (frames, 468 or 478, 2 or 3)"
    try:
        with file.open("rb") as stream:
            version = npy.read_magic(stream)
            read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
            if read is None:
                raise unusable(file, wanted)
            shape, fortran, dtype = read(stream)
            start = stream.tell()
            kinds = ("<f4", "<f8")
            if fortran or dtype.str not in kinds or len(shape) != 3:
                raise unusable(file, wanted)
            if shape[1] not in COUNTS or shape[2] not in {2, 3} or not 1 <= shape[0] <= MOST_FRAMES:
                raise unusable(file, wanted)
            size = int(np.prod([int(one) for one in shape], dtype=object)) * dtype.itemsize
            if file.stat().st_size != start + size:
                raise unusable(file, "is longer or shorter than its header says")
            content = stream.read(size)
    except (ValueError, OSError, SyntaxError, MemoryError):
        raise unusable(file, wanted) from None
    points = np.frombuffer(content, dtype=dtype).reshape(shape)[:, :, :2].astype(np.float32)
    if np.isinf(points).any() or (np.abs(points[np.isfinite(points)]) > 100).any():
        raise unusable(file, "has points far outside of the frame: they must be shares of its width and height")
    face = np.isfinite(points).all(axis=(1, 2))
    if not (face | np.isnan(points).all(axis=(1, 2))).all():
        raise unusable(file, "has frames with some points only; a frame without a face is NaN throughout")
    return points


class FaceMeshExtractor(ImportedExtractor):
    """Reads ``SAMPLE.npy``."""

    record = FeatureRecord(
        name="facemesh",
        version=1,
        title="FaceMesh points, imported from MediaPipe",
        inputs=frozenset({"video"}),
        options=ImportOptions(),
        arrays={"points": "(T, N, 2) float32: x, y as shares of the frame's width and height, NaN without a face"},
        imports=(ImportedFile(SOURCE, "generated", ".npy"),),
    )

    def read(self, file: Path) -> Arrays:
        """Return the points."""
        return {"points": read_points(file)}


FEATURES = (FaceMeshExtractor,)
