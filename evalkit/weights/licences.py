"""The licences of the weights in a folder: each is shown and accepted once per folder."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from evalkit.weights.manifest import WeightEntry
from evalkit.weights.records import read_record, update_record

RECORD = "licences.json"


def unaccepted_licences(folder: Path, entries: Iterable[WeightEntry]) -> dict[str, list[WeightEntry]]:
    """Return licence -> the entries under it, for the licences that were not accepted for this folder yet.

    Raises:
        WeightsError: when the record is damaged.
    """
    known = read_record(folder / RECORD).get("accepted", {})
    accepted = known if isinstance(known, dict) else {}
    questions: dict[str, list[WeightEntry]] = {}
    for entry in entries:
        if entry.licence_text not in accepted:
            questions.setdefault(entry.licence_text, []).append(entry)
    return questions


def accept(folder: Path, licences: Iterable[str]) -> None:
    """Record that the licences were accepted.

    Raises:
        StorageError: when the folder can't be written.
    """

    def change(document: dict[str, Any]) -> None:
        accepted = document.setdefault("accepted", {})
        for licence in licences:
            accepted.setdefault(licence, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))

    update_record(folder / RECORD, change)


def licence_lines(questions: dict[str, list[WeightEntry]]) -> list[str]:
    """Return the lines to read before accepting."""
    lines = []
    for licence, entries in sorted(questions.items()):
        files = ", ".join(sorted({entry.file for entry in entries}))
        lines.append(f"{files}: {licence}")
        if any(entry.noncommercial for entry in entries):
            lines.append("  NON-COMMERCIAL: you may not use these files for commercial purposes.")
        lines += [f"  Cite: {citation}" for citation in sorted({entry.citation for entry in entries if entry.citation})]
    return lines
