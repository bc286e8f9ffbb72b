"""Motion coefficients for features: the submitted ones, those of the reference and of the partner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.features.base import FeatureUnavailableError
from evalkit.numpy_files.header import ArrayFileError
from evalkit.numpy_files.reading import ONLY, read_arrays

LARGEST = 1e6  # no parameter of a face or a body is that large; squares of larger numbers overflow in some metrics only


def read_motion(path: Path | None, what: str = "motion") -> dict[str, NDArray[np.float64]]:
    """Return name -> array of a motion file, in float64; the array of an NPY file has the name "".

    Args:
        path: of the file; ``None`` where the sample has none.
        what: whose motion it is, for the reason: ``motion`` of the submission, ``reference_motion``,
            ``partner_motion``.

    Raises:
        FeatureUnavailableError: ``no_WHAT`` where there is none, ``WHAT_unreadable``, ``WHAT_out_of_range``.
    """
    if path is None:
        raise FeatureUnavailableError(f"no_{what}", f"the sample has no {what.replace('_', ' ')}")
    try:
        found = read_arrays(path)
    except (ArrayFileError, OSError) as error:
        detail = error.found if isinstance(error, ArrayFileError) else str(error.strerror)
        raise FeatureUnavailableError(f"{what}_unreadable", detail) from None
    arrays = {name: array.astype(np.float64) for name, array in found.items()}
    for name, array in arrays.items():
        largest = float(np.abs(array[np.isfinite(array)]).max(initial=0.0))
        if largest > LARGEST:
            where = f" in the array '{name}'" if name else ""
            raise FeatureUnavailableError(
                f"{what}_out_of_range", f"{largest:.3g}{where}, and coefficients are at most {LARGEST:g}"
            )
    return arrays


def one_array(arrays: dict[str, NDArray[Any]], name: str, what: str = "motion") -> NDArray[Any]:
    """Return the array ``name``, or the only one of an NPY file.

    Raises:
        FeatureUnavailableError: ``WHAT_lacks_array``.
    """
    if name in arrays or set(arrays) == {ONLY}:
        return arrays.get(name, arrays.get(ONLY, np.empty(0)))
    raise FeatureUnavailableError(f"{what}_lacks_array", f"there is no array '{name}', but {', '.join(arrays)}")
