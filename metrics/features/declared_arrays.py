"""Compare a feature's arrays with what its record declares: names, dtypes and shapes.

A declaration begins with the shape and the dtype, as in ``(K, 24) bool: motion signature``. A letter stands for any
length, the same one in all arrays of the feature. What does not begin so is compared by name only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from evalkit.metrics.features.base import FeatureRecord

_DECLARED = re.compile(r"\(([\w, ]*)\) (bool|str|u?int(?:8|16|32|64)|float(?:16|32|64))\b")
_TAKEN = {"file", "allow_pickle"}  # arguments of numpy.savez
_LONGEST_NAME = 100
_PLAIN = "biufcUS"  # kinds of dtypes: numbers and text


def array_mismatch(record: FeatureRecord, arrays: Mapping[str, NDArray[Any]]) -> str | None:
    """Return what is wrong with ``arrays``, or ``None``; a record without declared arrays allows any names."""
    if record.arrays and set(arrays) != set(record.arrays):
        return f"the feature '{record.name}' declares {sorted(record.arrays)}, found {sorted(map(str, arrays))[:50]}"
    lengths: dict[str, int] = {}
    for name, array in arrays.items():
        if not _is_name(name):
            return f"the feature '{record.name}' has an array with a name that can't be stored"
        if array.dtype.kind not in _PLAIN:
            return f"the array '{name}' of the feature '{record.name}' has the dtype {array.dtype}"
        declared = _DECLARED.match(record.arrays.get(name, ""))
        if declared and not _fits(array, declared[1], declared[2], lengths):
            found = f"{array.dtype} {array.shape}"
            return f"the feature '{record.name}' declares '{name}' as {declared[0]}, found {found}"
    return None


def _is_name(name: Any) -> bool:
    usable = isinstance(name, str) and name.isidentifier() and len(name) <= _LONGEST_NAME
    return usable and name not in _TAKEN and not name.startswith("__")


def _fits(array: NDArray[Any], shape: str, dtype: str, lengths: dict[str, int]) -> bool:
    sizes = [size.strip() for size in shape.split(",") if size.strip()]
    if (array.dtype.kind != "U" if dtype == "str" else array.dtype.name != dtype) or len(sizes) != array.ndim:
        return False
    return all(
        found == (int(size) if size.isdigit() else lengths.setdefault(size, found))
        for size, found in zip(sizes, array.shape, strict=True)
    )
