"""The feature ``transcript_imported``: words that a recogniser of the organizer's choice heard.

The folder of ``--features asr=DIR`` has a text for each sample, ``generated/SAMPLE.txt`` in UTF-8. Where nothing was
heard the file is empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.metrics.features.base import (
    IMPORT_MISSING,
    NOT_IMPORTED,
    Arrays,
    Extractor,
    FeatureOptions,
    FeatureRecord,
    FeatureUnavailableError,
    ImportedFile,
    Item,
    Session,
)
from evalkit.metrics.features.imported import bounded_file, unusable
from evalkit.metrics.speech.signals import SOUNDS

SOURCE = "asr"


@dataclass(frozen=True)
class TranscriptOptions(FeatureOptions):
    """Options of ``transcript_imported``.

    Args:
        most_bytes: of a file: some 1000 words a minute for 20 minutes.
    """

    most_bytes: int = 100_000


class TranscriptExtractor(Extractor):
    """Reads the text of one sample."""

    record = FeatureRecord(
        name="transcript_imported",
        version=1,
        title="words that an imported recogniser heard in the submitted sound, beside the sample's transcript",
        inputs=frozenset({"video", "transcript"}),
        reads=SOUNDS,
        options=TranscriptOptions(),
        imports=(ImportedFile(SOURCE, "generated", ".txt"),),
        arrays={
            "hypothesis": "() str: the words heard, lines joined by spaces",
            "reference": "() str: the sample's transcript",
        },
    )

    def open(self, item: Item, upstream: Mapping[str, Any]) -> Session:
        """Start on a sample.

        Raises:
            FeatureUnavailableError: ``no_transcript``, ``not_imported``, ``import_missing``.
        """
        if item.transcript is None:
            raise FeatureUnavailableError("no_transcript", "the sample has no transcript")
        file = item.imported_file(self.record.imports[0])
        if file is None:
            raise FeatureUnavailableError(NOT_IMPORTED, f"give the folder with --features {SOURCE}=DIR")
        if not file.is_file():
            raise FeatureUnavailableError(IMPORT_MISSING, f"the folder of {SOURCE} has no text of the sample")
        return _TextSession(file, item.transcript, self.record.options.most_bytes)


class _TextSession(Session):
    """Reads the file at the end."""

    def __init__(self, file: Path, transcript: str, most_bytes: int) -> None:
        self._file, self._transcript, self._most = file, transcript, most_bytes

    def finish(self) -> Arrays:
        return {"hypothesis": np.array(read_text(self._file, self._most)), "reference": np.array(self._transcript)}


def read_text(file: Path, most_bytes: int) -> str:
    """Return the text of a file, lines joined by spaces.

    Raises:
        FeatureUnavailableError: ``import_unusable``: no ordinary file, too large, or not UTF-8.
    """
    try:
        text = bounded_file(file, most_bytes).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise unusable(file, "is no text in UTF-8") from None
    except OSError as error:
        raise unusable(file, f"can't be read: {error.strerror}") from None
    if "\0" in text:
        raise unusable(file, "holds bytes that are no text")
    return " ".join(text.split())


FEATURES = (TranscriptExtractor,)
