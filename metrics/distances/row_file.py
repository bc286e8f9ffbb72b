"""Vectors of many videos on disk, for metrics of the whole set."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from evalkit.files import storage_error

Rows = NDArray[np.float32]


class RowFile:
    """Vectors of many videos in a temporary file without a name, so that memory doesn't grow with the set.

    The file is removed when the object is closed, however the process ends.
    """

    def __init__(self) -> None:
        try:
            self._file = tempfile.TemporaryFile(prefix="evalkit-")  # noqa: SIM115 - closed by __exit__
        except OSError as error:
            raise storage_error(Path(tempfile.gettempdir()), error) from None
        self._shape: tuple[int, int] = (0, 0)

    def __enter__(self) -> RowFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, rows: Rows) -> None:
        """Add vectors (N, d), d as of the first.

        Raises:
            StorageError: the disk is full.
            ValueError: another d.
        """
        if self._shape[0] and rows.shape[1] != self._shape[1]:
            raise ValueError(f"rows of {self._shape[1]} numbers are needed, not {rows.shape[1]}")
        try:
            self._file.write(np.ascontiguousarray(rows, dtype=np.float32).tobytes())
        except OSError as error:
            raise storage_error(Path(tempfile.gettempdir()), error) from None
        self._shape = (self._shape[0] + len(rows), rows.shape[1])

    def rows(self) -> Rows:
        """Return all vectors (N, d) float32, read from the file as they are needed."""
        if not self._shape[0]:
            return np.empty(self._shape, dtype=np.float32)
        try:
            self._file.flush()
        except OSError as error:
            raise storage_error(Path(tempfile.gettempdir()), error) from None
        return np.memmap(self._file, dtype=np.float32, mode="r", shape=self._shape)
