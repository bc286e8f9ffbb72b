"""A board with what findings about gaming lead to, as the challenge declares it and the organizers' decisions allow."""

from __future__ import annotations

from dataclasses import replace

from evalkit.board.model import Run, Snapshot
from evalkit.scoring import consequences
from evalkit.scoring.consequences import Consequence


def finding_subject(run: Run, sample: str, rule: str) -> str:
    """Return how a decision names a finding of a run."""
    return f"{run.team}/{run.name}/{sample}/{rule}"


def with_consequences(snapshot: Snapshot) -> Snapshot:
    """Return the board as its runs count; without any consequence ``snapshot`` itself."""
    changed = []
    for run in snapshot.runs:
        card = consequences.with_consequences(run.card, snapshot.challenge, _overruled(snapshot, run))
        changed.append(run if card is run.card else replace(run, card=card))
    return snapshot if tuple(changed) == snapshot.runs else replace(snapshot, runs=tuple(changed))


def board_consequences(snapshot: Snapshot) -> tuple[tuple[Run, Consequence], ...]:
    """Return every consequence of a finding with its run, overruled ones included."""
    return tuple(
        (run, one)
        for run in snapshot.runs
        for one in consequences.consequences_of(run.card, snapshot.challenge, _overruled(snapshot, run))
    )


def _overruled(snapshot: Snapshot, run: Run) -> frozenset[str]:
    start = finding_subject(run, "", "")[:-1]
    subjects = snapshot.excluded("finding")
    return frozenset(subject[len(start) :] for subject in subjects if subject.startswith(start))
