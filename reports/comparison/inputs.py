"""The inputs of a comparison: scorecards, and output of ``validate --json`` for submissions without a scorecard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evalkit.errors import InputError
from evalkit.jsonio import parse_json
from evalkit.model_faults import first_fault
from evalkit.scoring.scorecard import Scorecard
from evalkit.text import escape_for_display
from evalkit.yamlio import read_text

SIZE_LIMIT = 512 * 1024 * 1024  # bytes of one JSON file
SCORECARD_FILE = "scorecard.json"

State = Literal["refused", "invalid", "valid"]


@dataclass(frozen=True)
class ComparedEntry:
    """A scored submission.

    Args:
        name: what the page calls it.
        card: its scorecard.
        note: a few words for readers, such as "control: audio 20 frames late".
    """

    name: str
    card: Scorecard
    note: str = ""


@dataclass(frozen=True)
class UnscoredSubmission:
    """A submission without a scorecard, and what the rules found.

    Args:
        name: what the page calls it.
        state: ``refused`` before any file was opened, ``invalid``, or ``valid`` and not scored.
        challenge: the challenge's id, ``None`` when the report doesn't say.
        files: how many videos were checked.
        findings: each with the keys rule, severity, message, found, expected, fix and place; missing ones are empty.
        note: a few words for readers.
    """

    name: str
    state: State
    challenge: str | None
    files: int
    findings: tuple[Mapping[str, str], ...]
    note: str = ""


class _ReportPart(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Finding(_ReportPart):
    rule: str
    severity: str
    message: str
    found: str | None = None
    expected: str | None = None
    fix: str | None = None
    path: str | None = None
    sample: str | None = None


class _File(_ReportPart):
    path: str
    findings: tuple[_Finding, ...] = ()


class _Report(_ReportPart):
    """The document of ``validate --json``."""

    ok: bool
    challenge: str | None = None
    submission: str | None = None
    refused: bool = False
    files: tuple[_File, ...] = ()
    findings: tuple[_Finding, ...] = ()


class _Error(_ReportPart):
    kind: str
    message: str
    found: str | None = None
    expected: str | None = None
    fix: str | None = None


class _Failed(_ReportPart):
    """The document that every command prints when it fails, as when the ZIP can't be opened."""

    error: _Error
    submission: str | None = None


class _SchemaField(_ReportPart):
    schema_: int = Field(alias="schema")


def load_inputs(
    places: Sequence[Path], names: Mapping[Path, str] | None = None, notes: Mapping[str, str] | None = None
) -> tuple[list[ComparedEntry], list[UnscoredSubmission]]:
    """Read scorecards and reports, in the order given.

    Args:
        places: a scorecard's folder or file, or a file with the output of ``evalkit validate --json``.
        names: place -> name; otherwise the submission's own name.
        notes: name -> a few words beside it.

    Raises:
        InputError: a file that is neither, or two submissions of one name.
    """
    chosen = {place.resolve(): name for place, name in (names or {}).items()}
    entries: list[ComparedEntry] = []
    unscored: list[UnscoredSubmission] = []
    taken: dict[str, Path] = {}
    for place in places:
        found = _load(place, chosen.get(place.resolve()), notes or {})
        if found.name in taken:
            raise InputError(
                f"Two submissions are called '{found.name}'.",
                found=f"{taken[found.name]} and {place}",
                fix=f"Give one of them another name: --name other={place}",
            )
        taken[found.name] = place
        if isinstance(found, ComparedEntry):
            entries.append(found)
        else:
            unscored.append(found)
    return entries, unscored


def _load(place: Path, name: str | None, notes: Mapping[str, str]) -> ComparedEntry | UnscoredSubmission:
    file = place / SCORECARD_FILE if place.is_dir() else place
    shown = escape_for_display(str(file))
    text = read_text(file, kind=InputError, what="The scorecard", limit=SIZE_LIMIT)
    try:
        document = parse_json(text)
    except ValueError as error:
        raise InputError(f"{shown} is not JSON.", found=str(error)) from None
    if isinstance(document, dict) and "ok" in document:
        return _report(document, shown, name or _stem(file), named=name is not None, notes=notes)
    if not isinstance(document, dict) or "metrics" not in document:
        raise InputError(
            f"{shown} is neither a scorecard nor what 'evalkit validate --json' prints.",
            fix="Give the folder that 'evalkit score' wrote, or its scorecard.json.",
        )
    card = Scorecard.from_json(text, shown)
    name = name or card.submission.name
    return ComparedEntry(name, card, notes.get(name, ""))


def _stem(file: Path) -> str:
    """Return a name for a report without one: the file's, or the folder's for a file that is called report."""
    return file.parent.resolve().name if file.stem in {"report", "validate", "validation"} else file.stem


def _report(
    document: Mapping[str, Any], shown: str, name: str, *, named: bool, notes: Mapping[str, str]
) -> UnscoredSubmission:
    try:
        schema = _SchemaField.model_validate(document).schema_
        if schema != 1:
            raise InputError(
                f"{shown} is not a report that this version reads.", found=f"schema {schema}", expected="schema 1"
            )
        if "error" in document:
            failed = _Failed.model_validate(document)
            name = name if named else failed.submission or name
            finding = _finding_row(failed.error, rule=failed.error.kind, severity="error")
            return UnscoredSubmission(name, "refused", None, 0, (finding,), notes.get(name, ""))
        report = _Report.model_validate(document)
    except ValidationError as error:
        raise InputError(f"{shown} is damaged: {first_fault(_Report, error)}") from None
    name = name if named else report.submission or name
    findings = [_finding_row(finding, place=finding.path or finding.sample or "") for finding in report.findings]
    findings += [
        _finding_row(finding, place=finding.path or file.path) for file in report.files for finding in file.findings
    ]
    state: State = "refused" if report.refused else "valid" if report.ok else "invalid"
    return UnscoredSubmission(name, state, report.challenge, len(report.files), tuple(findings), notes.get(name, ""))


def _finding_row(finding: BaseModel, **more: str) -> dict[str, str]:
    """Return the finding with every key that the page shows."""
    given = {**finding.model_dump(), **more}
    keys = ("rule", "severity", "message", "found", "expected", "fix", "place")
    return {key: str(given.get(key) or "") for key in keys}
