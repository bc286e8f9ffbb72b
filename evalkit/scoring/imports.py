"""Folders of files that other programs made of the videos: which are known, what is in them, what a scorecard says.

The organizer runs such a program (OpenFace, a face reconstruction) on the videos and gives the folder of its files. A
feature reads a sample's file in the worker, as it reads the video (`evalkit.metrics.features.base.ImportedFile`).
Decision: design/030-imported-features.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalkit.errors import UsageError, did_you_mean
from evalkit.metrics.base import metric_registry
from evalkit.metrics.features.base import FeatureRecord, ImportedFile, feature_registry
from evalkit.scoring.lookup import file_digest
from evalkit.scoring.plan import RunPlan
from evalkit.scoring.scorecard import MetricScore, ScoreEvent
from evalkit.testsets.model import TestSet
from evalkit.text import count

NOTE = "imported_features"


def known_sources(records: Iterable[FeatureRecord] | None = None) -> dict[str, tuple[ImportedFile, ...]]:
    """Return source -> the files that features read of it; of all installed features unless ``records`` are given."""
    if records is None:
        records = [kind.record for kind in feature_registry().values()]
    found: dict[str, dict[ImportedFile, None]] = {}
    for record in records:
        for one in record.imports:
            found.setdefault(one.source, {})[one] = None
    return {source: tuple(files) for source, files in sorted(found.items())}


@dataclass(frozen=True)
class Imports:
    """The folders of a run.

    Args:
        folders: source -> its folder.
        provenance: for the scorecard; empty without folders.
    """

    folders: Mapping[str, Path] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def places(self) -> tuple[tuple[str, Path], ...]:
        """What `evalkit.metrics.features.base.Item` takes."""
        return tuple(sorted(self.folders.items()))

    def noted(self, name: str, score: MetricScore, plan: RunPlan) -> MetricScore:
        """Return the score with whose numbers it rests on, where a feature of the metric was imported."""
        used = _sources_of(name, plan)
        notes = [
            ScoreEvent(
                kind=NOTE,
                detail=f"Rests on files of '{source}' that were imported: {_how_many(self.provenance[source])}. They "
                "count only where the organizer made them, with one program for all teams.",
            )
            for source in used
            if source in self.provenance
        ]
        return score.model_copy(update={"notes": (*score.notes, *notes)}) if notes else score


def require_read(sources: Iterable[str], plan: RunPlan) -> None:
    """Make sure that the run reads what is imported.

    Raises:
        UsageError: a source that no feature reads, or no metric of the run.
    """
    known, read = known_sources(), known_sources(plan.records.values())
    for source in sources:
        if source not in known:
            raise UsageError(
                f"No feature reads files of '{source}'.{did_you_mean(source, known)}", expected=", ".join(known)
            )
        if source not in read:
            users = ", ".join(_metrics_of(source))
            raise UsageError(f"No metric of this run reads files of '{source}'.", fix=f"Ask for one with -m: {users}.")


def open_imports(folders: Mapping[str, str | Path], testset: TestSet, plan: RunPlan, submission: Path) -> Imports:
    """Look into the folders that were given; no file is read but for its digest.

    Args:
        folders: source -> folder.
        testset: whose samples the files are of.
        plan: a folder that none of its metrics reads is refused.
        submission: a folder in it is refused: its files would be the team's own.

    Raises:
        UsageError: a source that no feature reads, or a folder that isn't as it must be.
    """
    require_read(folders, plan)
    read = known_sources(plan.records.values())
    found: dict[str, Path] = {}
    provenance: dict[str, Any] = {}
    for source, given in folders.items():
        folder = Path(given).expanduser()
        if submission.is_dir() and folder.resolve().is_relative_to(submission.resolve()):
            raise UsageError(
                f"The files of '{source}' lie in the submission: they would be the team's own.",
                found=str(folder),
                fix="Run the program on the submitted videos yourself, into a folder of your own.",
            )
        digests = _digests(source, folder, read[source], testset)
        lines = "".join(f"{name} {digest}\n" for name, digest in sorted(digests.items()))
        found[source] = folder.resolve()
        provenance[source] = {
            "files": len(digests),
            "samples": len(testset),
            "sha256": hashlib.sha256(lines.encode()).hexdigest(),
        }
    return Imports(found, provenance)


def _digests(source: str, folder: Path, wanted: Iterable[ImportedFile], testset: TestSet) -> dict[str, str]:
    """Return SIDE/SAMPLE.SUFFIX -> digest of every file that there is; each side must have one."""
    digests: dict[str, str] = {}
    for one in wanted:
        if not one.place(folder).is_dir():
            raise UsageError(
                f"The folder of '{source}' has no folder '{one.side}'.",
                found=str(folder) if folder.is_dir() else f"no folder {folder}",
                expected=f"generated/ and reference/, with SAMPLE{one.suffix} for each sample",
            )
        there = {sample.id: one.path(folder, sample.id) for sample in testset}
        try:
            read = {f"{one.side}/{id_}{one.suffix}": file_digest(file) for id_, file in there.items() if file.is_file()}
        except OSError as error:
            raise UsageError(
                f"A file of '{source}' can't be read.", found=f"{error.filename}: {error.strerror}"
            ) from None
        if not read:
            raise UsageError(
                f"The folder of '{source}' has no file of a sample in '{one.side}'.",
                found=", ".join(sorted(path.name for path in one.place(folder).iterdir())[:3]) or "nothing",
                expected=f"{next(iter(there), 'SAMPLE')}{one.suffix} and so on",
            )
        digests |= read
    return digests


def _how_many(found: Mapping[str, Any]) -> str:
    return f"{count(found['files'], 'file')} for {count(found['samples'], 'sample')}"


def _sources_of(metric: str, plan: RunPlan) -> list[str]:
    names = plan.metrics[metric].record.features if metric in plan.metrics else ()
    return sorted({one.source for name in names if name in plan.records for one in plan.records[name].imports})


def _metrics_of(source: str) -> list[str]:
    registry = feature_registry()
    return sorted(
        name
        for name, metric in metric_registry().items()
        if any(
            one.source == source
            for feature in metric.record.features
            if feature in registry
            for one in registry[feature].record.imports
        )
    )
