"""What came of each submission."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from evalkit.batch.entries import Entry
from evalkit.challenges.kinds import KINDS
from evalkit.errors import EvalkitError
from evalkit.scoring.scorecard import Scorecard
from evalkit.text import count

SCHEMA = 1
State = Literal["scored", "partly scored", "refused", "failed", "not scored"]
INCOMPLETE = 3  # exit code of a submission of which something could not be scored
MOST_REASONS = 8


@dataclass(frozen=True)
class Number:
    """One number of a submission: its value, or the reason why there is none."""

    value: float | None
    reason: str | None
    unit: str
    coverage: float
    ranked: bool


@dataclass(frozen=True)
class Outcome:
    """What came of one submission.

    Args:
        entry: which.
        state: ``scored``, ``partly scored`` (something has no number), ``refused`` (nothing of it could be scored),
            ``failed`` (evalkit or the machine is at fault), or ``not scored`` (the run ended before).
        exit_code: what ``evalkit score`` would have ended with; 0 where it was not scored.
        sha256: digest of the submission, ``None`` when it could not be read.
        videos, scored_videos: samples asked for, and those that could be read and scored.
        metrics: id -> number.
        reasons: why something is missing, in words, the most frequent first.
        error: what ended it.
        earlier: whether an earlier run had scored it, and nothing had to be done.
        seconds: from when it was opened to its last file.
        board: what the board did (``added``, ``updated``, ``unchanged``), ``None`` when it was not asked.
        board_error: why the board refused it.
    """

    entry: Entry
    state: State
    exit_code: int
    sha256: str | None = None
    videos: int = 0
    scored_videos: int = 0
    metrics: Mapping[str, Number] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    error: EvalkitError | None = None
    earlier: bool = False
    seconds: float = 0.0
    board: str | None = None
    board_error: EvalkitError | None = None

    def line(self) -> str:
        """Return one line about it; names in it are not escaped."""
        words = f"{self.entry.name}: {self.state}"
        if self.state in {"scored", "partly scored"}:
            words += f", {self.scored_videos} of {count(self.videos, 'sample')}"
        words += ", by an earlier run" if self.earlier else ""
        if self.error is not None:
            words += f": {self.error.lines[0]}"
        if self.board_error is not None:
            words += f"; not put on the board: {self.board_error.lines[0]}"
        elif self.board is not None:
            words += f"; on the board: {self.board}"
        return words

    def to_json(self, out: Path) -> dict[str, Any]:
        """Return its part of the document; ``out`` is the folder of all results."""
        has_card = self.state in {"scored", "partly scored"}
        folder = out / self.entry.folder
        return {
            "team": self.entry.team,
            "run": self.entry.run,
            "primary": self.entry.primary,
            "submission": str(self.entry.path),
            "sha256": self.sha256,
            "state": self.state,
            "exit_code": self.exit_code,
            "videos": self.videos,
            "scored_videos": self.scored_videos,
            "metrics": {
                name: {"value": number.value, "reason": number.reason, "unit": number.unit, "coverage": number.coverage}
                for name, number in self.metrics.items()
                if number.ranked
            },
            "reasons": list(self.reasons),
            "error": None if self.error is None else error_document(self.error),
            "board": self.board,
            "board_error": None if self.board_error is None else error_document(self.board_error),
            "by_an_earlier_run": self.earlier,
            "seconds": round(self.seconds, 3),
            "scorecard": str(folder / "scorecard.json") if has_card else None,
            "report": str(folder / "report.html") if has_card else None,
            "log": str(folder / "log.jsonl") if (folder / "log.jsonl").is_file() else None,
        }


def outcome_of_card(entry: Entry, card: Scorecard, **more: Any) -> Outcome:
    """Return the outcome of a submission that has a scorecard."""
    metrics = {
        name: Number(score.value, score.reason, score.unit, score.coverage, score.role == "ranked")
        for name, score in card.metrics.items()
    }
    return Outcome(
        entry,
        "scored" if card.complete else "partly scored",
        0 if card.complete else INCOMPLETE,
        sha256=card.submission.sha256,
        videos=len(card.videos),
        scored_videos=card.scored_videos,
        metrics=metrics,
        reasons=_reasons(card),
        **more,
    )


def outcome_of_error(entry: Entry, error: EvalkitError, **more: Any) -> Outcome:
    """Return the outcome of a submission that ended with an error."""
    refused = error.exit_code == 1
    return Outcome(
        entry,
        "refused" if refused else "failed",
        1 if refused else 4,
        reasons=(" ".join(error.lines),),
        error=error,
        **more,
    )


def error_document(error: EvalkitError) -> dict[str, Any]:
    """Return an error as plain data, as other commands print it."""
    fields = {"kind": type(error).__name__, "message": error.what, "found": error.found, "expected": error.expected}
    return {**fields, "fix": error.fix, "exit_code": error.exit_code}


def _reasons(card: Scorecard) -> tuple[str, ...]:
    """Return why videos were not scored, and then why metrics have no value, how often."""
    unread: Counter[str | None] = Counter(
        next(iter(video.reasons.values()), video.verdict)
        for video in card.videos
        if video.verdict in {"error", "missing"}
    )
    silent = Counter(
        score.reason for score in card.metrics.values() if score.value is None and score.reason not in unread
    )
    thing = KINDS[card.submission.kind].file
    found = [f"{reason}: {count(number, thing)}" for reason, number in _most_frequent(unread)]
    found += [f"{reason}: {count(number, 'metric')}" for reason, number in _most_frequent(silent)]
    partly = [
        f"{name}: {_percent(score.coverage)} of the samples"
        for name, score in card.metrics.items()
        if not unread and score.value is not None and score.coverage < 1
    ]
    found += partly
    more = len(found) - MOST_REASONS
    return (*found[:MOST_REASONS], *([f"{more} more"] if more > 0 else []))


def _percent(share: float) -> str:
    return f"{min(99.9, 100 * share):.1f} %"


def _most_frequent(reasons: Mapping[str | None, int]) -> Sequence[tuple[str, int]]:
    return sorted(((str(reason), number) for reason, number in reasons.items()), key=lambda one: (-one[1], one[0]))
