"""Rating files made in code, and what is read from them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evalkit.challenges.rating_rules import Dimension
from evalkit.ratings import AnswerFile

DIMENSIONS = (
    Dimension(id="identity_consistency", title="Identity consistency"),
    Dimension(id="lip_sync", title="Lip synchronization"),
)
Write = Callable[[str], Path]


def table(*rows: Sequence[Any]) -> str:
    stream = io.StringIO()
    csv.writer(stream).writerows(rows)
    return stream.getvalue()


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


def short(file: AnswerFile) -> list[tuple[str, str, str, float]]:
    """Return who said what, after a look that nothing was at fault."""
    found = [(rating.rater, rating.item, rating.dimension, rating.value) for rating in file]
    assert file.fault_sentences == []
    return found


LONG = table(
    ("Rater ID", "Item", "Aspect", "Score", "Started at", "Submitted at", "Comment"),
    ("r01", "item001", "Lip synchronization", "4", "2026-03-01T12:00:00Z", "2026-03-01T12:00:09.5Z", "fine"),
    ("r01", "item001", "identity_consistency", "2.5", "", "2026-03-01T12:00:10-12:00", ""),
    ("r02", "item001", "charm", "1", "", "", ""),
)


BATCH = ("HITId", "AssignmentId", "WorkerId", "AssignmentStatus", "AcceptTime", "SubmitTime", "WorkTimeInSeconds")


def batch(worker: str, status: str = "Submitted", seconds: str = "40") -> tuple[str, ...]:
    times = ("Mon Mar 02 02:25:54 PST 2026", "Mon Mar 02 02:26:34 PST 2026")
    return ("H1", "A1", worker, status, *times, seconds)


def qualtrics(zone: str, *rows: Sequence[str]) -> str:
    imports = [
        json.dumps({"ImportId": "startDate", "timeZone": zone}),
        json.dumps({"ImportId": "endDate", "timeZone": zone}),
        *(json.dumps({"ImportId": name}) for name in ("status", "duration", "_recordId", "pid", "QID1", "QID2", "do")),
    ]
    return table(
        (
            *("StartDate", "EndDate", "Status", "Duration (in seconds)", "ResponseId", "PROLIFIC_PID"),
            *("item001_lip_sync", "Q2_1", "item001_DO_lip_sync"),
        ),
        (
            *("Start Date", "End Date", "Response Type", "Duration (in seconds)", "Response ID", "PROLIFIC_PID"),
            *("How are the lips?", "item002 - Lip synchronization", "Display order"),
        ),
        imports,
        *rows,
    )
