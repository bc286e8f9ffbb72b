"""Read the files of one side in confined workers, with the feature cache, as `evalkit score` does."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from evalkit.challenges.submission_rules import SubmissionRules
from evalkit.folders.listing import MediaFile, Side
from evalkit.media.facts import MediaFacts
from evalkit.metrics.features.base import FeatureRecord, Item
from evalkit.scoring.engine import run_jobs
from evalkit.scoring.intake import FileReport, failed_report, file_report
from evalkit.scoring.jobs import NOT_UNPACKED, Config, Extraction, Job
from evalkit.scoring.plan import RunPlan
from evalkit.scoring.reference_features import independent_of_video
from evalkit.scoring.run import RunOptions
from evalkit.submission.members import Member
from evalkit.submission.references import MemberRef
from evalkit.validators.reading import FailedReading

Take = Callable[[MediaFile, FileReport, Extraction], None]


@dataclass(frozen=True)
class Partner:
    """What belongs to a generated file.

    Args:
        reference: its real file.
        text: its prompt.
        audio: its speech, a sound beside it; where there is none, the speech is the video's own sound.
    """

    reference: Path | None = None
    text: str | None = None
    audio: Path | None = None


@dataclass
class SideRead:
    """What came of the files of one side.

    Args:
        side: its files.
        extractions: name -> what is known of the file, for those that were read.
        facts: name -> what was measured in it.
        unread: name -> the rule and the words of why it has no numbers.
        reports: name -> the report on the file.
    """

    side: Side
    extractions: dict[str, Extraction] = field(default_factory=dict)
    facts: dict[str, MediaFacts] = field(default_factory=dict)
    unread: dict[str, tuple[str, str]] = field(default_factory=dict)
    reports: dict[str, FileReport] = field(default_factory=dict)

    @property
    def usable(self) -> list[MediaFile]:
        """The files that were read, in the order of the side."""
        return [file for file in self.side.files if file.name in self.extractions]


def read_side(  # noqa: PLR0917
    side: Side,
    records: Mapping[str, FeatureRecord],
    plan: RunPlan,
    rules: SubmissionRules,
    options: RunOptions,
    partners: Mapping[str, Partner] | None = None,
    take: Take | None = None,
    wanted: frozenset[str] = frozenset(),
) -> SideRead:
    """Compute the features ``records`` of every file; what can't be read costs itself alone.

    Args:
        side: what to read.
        records: feature -> its record, each after those that it needs.
        plan: gives weights and device.
        rules: by `evalkit.folders.rules`.
        options: engine, cache, progress.
        partners: name -> what lies beside the file.
        take: called with each file that was read, while its features are in memory.
        wanted: the features that it uses.
    """
    found = SideRead(side)
    jobs, files = [], []
    for file in side.files:
        try:
            member = member_of(file.path)
        except OSError as error:
            _refuse(found, file, failed_report(_failed(file, "member", error.strerror or str(error)), rules.severities))
            continue
        jobs.append(Job(file.name, member, _item(file, records, (partners or {}).get(file.name, Partner()))))
        files.append(file)
    config = Config(
        cache=options.cache,
        features=tuple(records),
        weights=plan.weights,
        device=plan.device,
        fresh=options.fresh,
        rules=rules,
    )
    # Closed at once when the loop is left by an exception: workers must not outlive it.
    with (
        options.engine.session() as run_batch,
        options.progress.stage(f"reading {side.title} files", len(jobs)) as progress,
        closing(run_jobs(run_batch, config, jobs, records, None, wanted)) as results,
    ):
        for result in results:
            file = files[result.index]
            if result.failure is not None:
                options.journal.event("failure", path=str(file.path), kind=result.failure, detail=result.detail)
                _refuse(found, file, failed_report(_failed(file, result.failure, result.detail), rules.severities))
            else:
                _take(found, file, result.value, rules, take)
                options.journal.event("video", path=str(file.path), decodes=result.value.decodes)
            progress.advance()
    return found


def member_of(path: Path) -> MemberRef:
    """Return the handle with which a worker copies the file; links are followed here, once.

    Raises:
        OSError: it is not there, or can't be looked at.
    """
    place = Path(os.path.realpath(path))
    size = place.stat().st_size
    kind: Literal["file", "device"] = "file" if place.is_file() else "device"
    member = Member(path=str(path), raw_name=os.fsencode(place.name), size=size, compressed_size=size, kind=kind)
    return MemberRef(place.parent, member, None)


def _item(file: MediaFile, records: Mapping[str, FeatureRecord], partner: Partner) -> Item:
    own = partner.audio is None and file.kind == "video"
    # What is computed of a sound alone is, in processes that see no generated file: its own sound is none of theirs.
    of_sound = {name for name, record in independent_of_video(records).items() if "audio" in record.inputs}
    return Item(
        sample=file.name,
        video=NOT_UNPACKED,
        reference_video=partner.reference,
        audio=Path(os.path.realpath(file.path)) if own else partner.audio,
        text=partner.text,
        unused=frozenset(of_sound) if own else frozenset(),
        still=file.kind == "image",
    )


def _failed(file: MediaFile, failure: object, detail: str | None) -> FailedReading:
    return FailedReading(str(file.path), file.name, failure, detail, in_folder=True)  # type: ignore[arg-type]


def _take(found: SideRead, file: MediaFile, extraction: Extraction, rules: SubmissionRules, take: Take | None) -> None:
    report = file_report(extraction, str(file.path), in_folder=True, rules=rules)
    found.reports[file.name] = report
    if report.verdict == "error" or extraction.facts is None:
        _refuse(found, file, report)
        return
    found.facts[file.name] = extraction.facts
    if take is not None:
        take(file, report, extraction)
    found.extractions[file.name] = extraction.slim()


def _refuse(found: SideRead, file: MediaFile, report: FileReport) -> None:
    first = next((one for one in report.findings if one.severity == "error"), None)
    rule = report.unread or (first.rule if first is not None else "content.reading-error")
    words = " ".join(filter(None, (first.message, first.found and f"Found {first.found}."))) if first else ""
    found.reports[file.name] = report
    found.unread[file.name] = (rule, words)
