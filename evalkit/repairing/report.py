"""What became of the files of a submission that was repaired or packed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from evalkit.validators.findings import Finding

Outcome = Literal["unchanged", "renamed", "repaired", "failed", "missing"]


@dataclass(frozen=True)
class RepairedFile:
    """What became of the file of one sample.

    Args:
        sample: the sample's id.
        source: its path in the submission, ``None`` when no file was found.
        target: its path in the new ZIP.
        outcome: ``failed`` when the new file still breaks a rule of severity error.
        steps: what was converted, in words.
        reason: why it could not be repaired.
        remaining: findings of severity warning in the new file.
        reasons: findings that the steps correct: why they were taken.
    """

    sample: str
    source: str | None
    target: str
    outcome: Outcome
    steps: tuple[str, ...] = ()
    reason: str | None = None
    remaining: tuple[Finding, ...] = ()
    reasons: tuple[Finding, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the entry of ``evalkit repair --json``."""
        return {
            "sample": self.sample,
            "source": self.source,
            "target": self.target,
            "outcome": self.outcome,
            "steps": list(self.steps),
            "reason": self.reason,
            "remaining": [finding.to_json() for finding in self.remaining],
            "reasons": [finding.to_json() for finding in self.reasons],
        }


@dataclass(frozen=True, repr=False)
class RepairReport:
    """What was repaired.

    Args:
        files: one for each sample, in the order of the test set.
        ignored: files of the submission that are not in the new ZIP, each with the reason.
        before, after: number of findings of severity error.
        valid: whether the new ZIP satisfies the challenge.
    """

    files: tuple[RepairedFile, ...]
    ignored: Mapping[str, str] = field(default_factory=dict)
    before: int = 0
    after: int = 0
    valid: bool = False

    def __repr__(self) -> str:
        verdict = "valid" if self.valid else "NOT valid"
        return f"<RepairReport: {verdict}, {len(self.files)} samples, errors {self.before} before, {self.after} after>"

    def to_json(self) -> dict[str, Any]:
        """Return the document of ``evalkit repair --json``."""
        return {
            "schema": 1,
            "ok": self.valid,
            "errors_before": self.before,
            "errors_after": self.after,
            "files": [file.to_json() for file in self.files],
            "ignored": dict(self.ignored),
        }
