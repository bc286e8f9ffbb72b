"""What was packed: of every sample the file, how it was found, what was done to it and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evalkit.packing.naming import How
from evalkit.repairing.report import RepairedFile
from evalkit.validators.findings import Finding


@dataclass(frozen=True, repr=False)
class PackReport:
    """The result of packing a folder.

    Args:
        files: one for each sample, in the order of the test set.
        how: sample -> how its file was found.
        valid: whether the ZIP satisfies the challenge, by the rules of ``evalkit validate``; of a dry run, whether it
            would, as far as one can tell before files are converted.
        written: whether there is a new ZIP.
        dry_run: whether nothing was to be written.
        findings: of severity error and warning about the ZIP as a whole.
        ignored: videos and links that are not in the ZIP -> why.
        other_files: suffix -> number of files in the folder that are no videos.
        notes: about ``speed.json``.
        size, sha256: of the new ZIP.
    """

    files: tuple[RepairedFile, ...]
    how: Mapping[str, How]
    valid: bool
    written: bool = False
    dry_run: bool = False
    findings: tuple[Finding, ...] = ()
    ignored: Mapping[str, str] = field(default_factory=dict)
    other_files: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    size: int | None = None
    sha256: str | None = None

    def __repr__(self) -> str:
        verdict = "valid" if self.valid else "NOT valid"
        written = "written" if self.written else "nothing written"
        return f"<PackReport: {verdict}, {written}, {len(self.files)} samples>"

    def to_json(self) -> dict[str, Any]:
        """Return the document of ``evalkit pack --json``."""
        return {
            "schema": 1,
            "ok": self.valid,
            "dry_run": self.dry_run,
            "written": self.written,
            "size": self.size,
            "sha256": self.sha256,
            "files": [{**file.to_json(), "found_by": self.how.get(file.sample)} for file in self.files],
            "findings": [finding.to_json() for finding in self.findings],
            "ignored": dict(self.ignored),
            "other_files": dict(self.other_files),
            "notes": list(self.notes),
        }
