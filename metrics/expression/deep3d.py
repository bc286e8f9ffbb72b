"""Expression coefficients of a video and of its reference, from what the organizer made with Deep3DFaceRecon."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.features.base import Arrays, FeatureRecord, FeatureUnavailableError, ImportedFile, Side
from evalkit.metrics.features.imported import ImportedExtractor, ImportOptions, unusable
from evalkit.numpy_files.header import ArrayFileError
from evalkit.numpy_files.reading import read_arrays

SOURCE = "deep3d"
COEFFICIENTS = 257  # identity 80, expression 64, texture 80, rotation 3, light 27, translation 3
EXPRESSION = (80, 144)
ARRAY = "coeffs"  # the array that is read where a file has several


@dataclass(frozen=True)
class Deep3DOptions(ImportOptions):
    """Which columns are the expression, and what a row may be.

    Args:
        columns: first column of the expression, and the first after it.
        largest: magnitude of a coefficient; those of faces are below 20.
        most_without_face: share of frames without a face, above which a video has no value.
    """

    columns: tuple[int, int] = EXPRESSION
    largest: float = 1e4
    most_without_face: float = 0.05


def read_coefficients(file: Path, options: Deep3DOptions) -> NDArray[np.float64]:
    """Return the expression of each frame: (T, 64), a row of NaN for a frame without a face.

    Raises:
        FeatureUnavailableError: the file isn't what it should be.
    """
    try:
        arrays = read_arrays(file)
    except ArrayFileError as error:
        raise unusable(file, f"can't be read as arrays: {error.found}") from None
    except OSError as error:
        raise unusable(file, f"can't be read: {error.strerror}") from None
    if len(arrays) > 1 and ARRAY not in arrays:
        names = ", ".join(list(arrays)[:5])
        raise unusable(file, f"has several arrays ({names}) and none of the name '{ARRAY}'")
    rows = arrays[ARRAY] if ARRAY in arrays else next(iter(arrays.values()))
    if rows.ndim != 2 or rows.shape[1] != COEFFICIENTS or rows.dtype.kind != "f" or not len(rows):
        found = " x ".join(map(str, rows.shape)) or "one number"
        raise unusable(file, f"has an array of {found} {rows.dtype.name}; frames x {COEFFICIENTS} floats are needed")
    first, end = options.columns
    expression = rows[:, first:end].astype(np.float64)
    gone = np.isnan(expression)
    if (gone.any(axis=1) != gone.all(axis=1)).any():
        raise unusable(file, "has a frame in which some coefficients are NaN: all are for a frame without a face")
    if not (np.abs(expression[~gone]) <= options.largest).all():
        raise unusable(file, f"has a coefficient that is infinite or above {options.largest:g}")
    return expression


class Deep3DExtractor(ImportedExtractor):
    """Reads ``SAMPLE.npz``."""

    def read(self, file: Path) -> Arrays:
        """Return the rows of all frames, those without a face NaN."""
        return {"expression": read_coefficients(file, self.record.options)}

    def checked(self, arrays: Arrays) -> Arrays:
        """Return the vectors of the frames with a face, and how many there are without.

        Raises:
            FeatureUnavailableError: ``no_face``, of more frames than the options allow.
        """
        rows, options = arrays["expression"], self.record.options
        gone = np.isnan(rows[:, 0])
        share = float(gone.mean())
        if share > options.most_without_face:
            raise FeatureUnavailableError("no_face", f"{share:.0%} of the frames have no coefficients")
        vectors = rows[~gone].astype(np.float32)
        return {
            "activation": vectors,
            "row": np.arange(len(vectors)),
            "without_face": np.array(int(gone.sum())),
        }


def _feature(suffix: str, title: str, side: Side) -> type[Deep3DExtractor]:
    record = FeatureRecord(
        f"deep3d{suffix}",
        1,
        title,
        inputs=frozenset({"video" if side == "generated" else "reference_video"}),
        options=Deep3DOptions(),
        arrays={
            "activation": "(N, 64) float32: expression of the frames with a face",
            "row": "(N,) int64: its number, for distances of sets",
            "without_face": "() int64: frames without a face",
        },
        imports=(ImportedFile(SOURCE, side, ".npz"),),
    )
    return type(record.name, (Deep3DExtractor,), {"record": record})


FEATURES = (
    _feature("", "expression coefficients, imported from Deep3DFaceRecon", "generated"),
    _feature(
        "_reference", "expression coefficients of the reference video, imported from Deep3DFaceRecon", "reference"
    ),
)
