"""Action units of a video and of its reference, from the tables that the organizer made with OpenFace 2.2."""

from __future__ import annotations

from pathlib import Path

from evalkit.metrics.action_units.table import read_table
from evalkit.metrics.features.base import Arrays, FeatureRecord, ImportedFile, Side
from evalkit.metrics.features.imported import ImportedExtractor, ImportOptions

SOURCE = "openface"


class OpenFaceExtractor(ImportedExtractor):
    """Reads ``SAMPLE.csv``."""

    def read(self, file: Path) -> Arrays:
        """Return the intensities, and where a face was tracked."""
        table = read_table(file)
        return {"intensity": table.intensity, "success": table.success, "confidence": table.confidence}


def _feature(suffix: str, title: str, side: Side) -> type[OpenFaceExtractor]:
    record = FeatureRecord(
        f"openface{suffix}",
        1,
        title,
        inputs=frozenset({"video" if side == "generated" else "reference_video"}),
        options=ImportOptions(),
        arrays={
            "intensity": "(T, 17) float64 in 0..5: AU01 02 04 05 06 07 09 10 12 14 15 17 20 23 25 26 45, NaN for none",
            "success": "(T,) bool: whether a face was tracked",
            "confidence": "(T,) float64 in 0..1",
        },
        imports=(ImportedFile(SOURCE, side, ".csv"),),
    )
    return type(record.name, (OpenFaceExtractor,), {"record": record})


FEATURES = (
    _feature("", "action units, imported from OpenFace 2.2", "generated"),
    _feature("_reference", "action units of the reference video, imported from OpenFace 2.2", "reference"),
)
