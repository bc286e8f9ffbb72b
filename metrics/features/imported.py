"""Features that another program computed: a file for each sample, read in the worker like the video itself.

The file is the organizer's import, and yet nothing of it is believed: its size is bounded before it is read, and what
it says must fit the video. Decision: design/030-imported-features.md.
"""

from __future__ import annotations

import stat
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import MediaError
from evalkit.metrics.features.base import (
    IMPORT_MISSING,
    IMPORT_UNUSABLE,
    NOT_IMPORTED,
    Arrays,
    Extractor,
    FeatureOptions,
    FeatureUnavailableError,
    ImportedFile,
    Item,
    Session,
    Times,
)

FRAMES_DIFFER = "import_frames_differ"


@dataclass(frozen=True)
class ImportOptions(FeatureOptions):
    """Options that all imported features share.

    Args:
        most_bytes: of a file.
        frame_tolerance: by how many the rows of a file may differ from the frames of its video: programs disagree about
            the last frame of some files.
    """

    most_bytes: int = 256 * 1024**2
    frame_tolerance: int = 1


def unusable(file: Path, what: str) -> FeatureUnavailableError:
    """Return the error of a file that isn't what it should be; ``what`` completes "s1.csv ..."."""
    return FeatureUnavailableError(IMPORT_UNUSABLE, f"{file.name} {what}")


def bounded_file(file: Path, most_bytes: int) -> Path:
    """Return ``file`` if it is an ordinary file of at most ``most_bytes``.

    Raises:
        FeatureUnavailableError: it isn't.
    """
    try:
        state = file.stat()
    except OSError as error:
        raise unusable(file, f"can't be read: {error.strerror}") from None
    if not stat.S_ISREG(state.st_mode):
        raise unusable(file, "is no ordinary file")
    if state.st_size > most_bytes:
        raise unusable(file, f"has {state.st_size:,} bytes, and at most {most_bytes:,} are read")
    return file


class ImportedExtractor(Extractor):
    """Reads the one file in the record's ``imports``, and compares its rows with the frames of its video."""

    @abstractmethod
    def read(self, file: Path) -> Arrays:
        """Return the arrays of a file, the first dimension of each its frames.

        Raises:
            FeatureUnavailableError: of `unusable`, when the file isn't what it should be.
        """

    def checked(self, arrays: Arrays) -> Arrays:
        """Return the feature's arrays, of a file whose frames are those of its video.

        Raises:
            FeatureUnavailableError: they are no use.
        """
        return arrays

    def open(self, item: Item, upstream: Mapping[str, Any]) -> Session:
        """Start on a sample.

        Raises:
            FeatureUnavailableError: ``not_imported``, ``import_missing``, ``no_reference_video``.
        """
        wanted: ImportedFile = self.record.imports[0]
        file = item.imported_file(wanted)
        if file is None:
            raise FeatureUnavailableError(NOT_IMPORTED, f"give the folder with --features {wanted.source}=DIR")
        if wanted.side == "reference" and item.reference_video is None:
            raise FeatureUnavailableError("no_reference_video", "the sample has no reference video")
        if not file.is_file():
            raise FeatureUnavailableError(
                IMPORT_MISSING, f"the folder of {wanted.source} has no file of the sample in '{wanted.side}'"
            )
        return _ImportSession(self, file, item.reference_video if wanted.side == "reference" else None)


class _ImportSession(Session):
    """Selects no frame; counts them, and reads the file at the end."""

    def __init__(self, extractor: ImportedExtractor, file: Path, reference: Path | None) -> None:
        self._extractor, self._file, self._reference = extractor, file, reference
        self._frames = 0

    def plan(self, times: Times) -> NDArray[np.bool_]:
        self._frames = len(times)
        return np.zeros(len(times), dtype=bool)

    def finish(self) -> Arrays:
        options: ImportOptions = self._extractor.record.options
        if self._reference is not None:
            from evalkit.media.inspect import scan_times

            try:
                self._frames = len(scan_times(self._reference))
            except (MediaError, OSError) as error:
                raise FeatureUnavailableError("reference_video_unreadable", str(error)) from None
        arrays = self._extractor.read(bounded_file(self._file, options.most_bytes))
        rows = len(next(iter(arrays.values())))
        if abs(rows - self._frames) > options.frame_tolerance:
            raise FeatureUnavailableError(
                FRAMES_DIFFER, f"{self._file.name} has {rows} frames, and its video has {self._frames}"
            )
        return self._extractor.checked(arrays)
