"""Motion coefficients for features: the submitted ones, those of the reference and of the partner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.metrics.features.base import FeatureUnavailableError
from evalkit.numpy_files.header import ArrayFileError
from evalkit.numpy_files.reading import ONLY, read_arrays


def read_motion(path: Path | None, what: str = "motion") -> dict[str, NDArray[np.float64]]:
    """Return name -> array of a motion file, in float64; the array of an NPY file has the name "".

    Args:
        path: of the file; ``None`` where the sample has none.
        what: whose motion it is, for the reason: ``motion`` of the submission, ``reference_motion``,
            ``partner_motion``.

    Raises:
        FeatureUnavailableError: ``no_WHAT`` where there is none, ``WHAT_unreadable``.
    """
    if path is None:
        raise FeatureUnavailableError(f"no_{what}", f"the sample has no {what.replace('_', ' ')}")
    try:
        found = read_arrays(path)
    except (ArrayFileError, OSError) as error:
        detail = error.found if isinstance(error, ArrayFileError) else str(error.strerror)
        raise FeatureUnavailableError(f"{what}_unreadable", detail) from None
    return {name: array.astype(np.float64) for name, array in found.items()}


def one_array(arrays: dict[str, NDArray[Any]], name: str, what: str = "motion") -> NDArray[Any]:
    """Return the array ``name``, or the only one of an NPY file.

    Raises:
        FeatureUnavailableError: ``WHAT_lacks_array``.
    """
    if name in arrays or set(arrays) == {ONLY}:
        return arrays.get(name, arrays.get(ONLY, np.empty(0)))
    raise FeatureUnavailableError(f"{what}_lacks_array", f"there is no array '{name}', but {', '.join(arrays)}")
