"""Prolific: ratings from any survey, joined with Prolific's own export by participant id.

The export says who took part, what became of the submission, and when it was completed. Its ``Time taken`` is the whole
session's, breaks and instructions included, so it is not shared among the items.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from evalkit.errors import InputError
from evalkit.ratings.cell_reader import Context, normalised
from evalkit.ratings.formats.base import FileHead
from evalkit.ratings.model import Answer
from evalkit.ratings.table import read_table

NOT_A_PARTICIPANT = "no participant"
_ID = ("participant_id", "prolific_id", "prolific_pid")
_STATUS = ("status",)
_COMPLETED = ("completed_at", "completed_date_time")
_SUBMISSION = ("submission_id", "session_id")


@dataclass(frozen=True, slots=True)
class Participant:
    """What the platform says of one participant.

    Args:
        status: its word for a refused submission (``returned``, ``timed-out``, ``rejected``), else empty.
        completed: when the submission was completed, in UTC; ``None`` when it was not.
    """

    status: str
    completed: datetime | None


def is_export(head: FileHead) -> bool:
    """Whether a table is the platform's own export, which holds no ratings."""
    words = {normalised(name) for name in head.header}
    return not words.isdisjoint(_ID) and not words.isdisjoint(_SUBMISSION) and not words.isdisjoint(_STATUS)


def read_participants(path: Path, context: Context) -> dict[str, Participant]:
    """Return participant id -> what the export says; of several submissions an accepted one goes first.

    Args:
        path: the export.
        context: where faults go; its zone is for times that don't say theirs.

    Raises:
        InputError: when the file is not such an export.
    """
    (header,), rows = read_table(path, context.faults, what="The participants' export", form=context.form)
    by_word = {normalised(name): name for name in reversed(header) if name}
    columns = [next((by_word[word] for word in words if word in by_word), None) for words in (_ID, _STATUS, _COMPLETED)]
    who, verdict, completed = columns
    if who is None or verdict is None:
        raise InputError(
            f"{path.name} is not an export of participants.",
            found=f"the columns {', '.join(header)}",
            expected="the columns 'Participant id' and 'Status'",
        )
    participants: dict[str, Participant] = {}
    for row in rows:
        name = context.name(row.number, who, row.cells[who], "participant")
        at = None if completed is None else context.moment(row.number, completed, row.cells[completed])
        if name is None:
            continue
        found = Participant(context.status(row.cells[verdict]), at)
        before = participants.get(name)
        if before is None or (before.status and not found.status):
            participants[name] = found
    return participants


def join(ratings: Iterable[Answer], participants: Mapping[str, Participant]) -> Iterator[Answer]:
    """Yield the ratings with the platform's verdict on their rater, and its time where they have none."""
    for rating in ratings:
        participant = participants.get(rating.rater)
        if participant is None:
            yield replace(rating, status=rating.status or NOT_A_PARTICIPANT)
        else:
            at = rating.at if rating.at is not None else participant.completed
            yield replace(rating, at=at, status=rating.status or participant.status)
