"""What came of all submissions."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.batch.outcome import INCOMPLETE, SCHEMA, Outcome, error_document
from evalkit.challenges.model import Challenge
from evalkit.errors import EvalkitError
from evalkit.text import escape_for_display

if TYPE_CHECKING:
    import pandas as pd

    from evalkit.batch.frames import Form


@dataclass(frozen=True)
class BatchResult:
    """What came of all submissions.

    Args:
        challenge: for which they were scored.
        out: folder of the results.
        outcomes: of each, in the order of the queue.
        seconds: how long it took.
        stopped: what ended the run before all were scored; ``None`` when nothing did.
        peak_bytes: the most memory that a worker was seen to hold; 0 when none ran or nobody knows.
        chosen: whether the caller named the metrics: then all are shown, otherwise those that may rank.
    """

    challenge: Challenge
    out: Path
    outcomes: tuple[Outcome, ...]
    seconds: float = 0.0
    stopped: EvalkitError | None = None
    peak_bytes: int = 0
    chosen: bool = False

    @property
    def shown_metrics(self) -> list[str]:
        """The ids of the metrics that summaries show, in the order of the scorecards."""
        numbers = (pair for one in self.outcomes for pair in one.metrics.items())
        return list(dict.fromkeys(name for name, number in numbers if self.chosen or number.ranked))

    @property
    def exit_code(self) -> int:
        """4 when evalkit or the machine is at fault, 1 when a submission or the board refused something, 3 when
        something could not be scored, 0 when everything was.
        """
        codes = [one.exit_code for one in self.outcomes] + [1 for one in self.outcomes if one.board_error is not None]
        if self.stopped is not None or 4 in codes:
            return 4
        return 1 if {1, 2} & set(codes) else INCOMPLETE if INCOMPLETE in codes else 0

    def counts(self) -> dict[str, int]:
        """Return how many submissions there are in each state."""
        return dict(Counter(one.state for one in self.outcomes))

    def __repr__(self) -> str:
        states = ", ".join(f"{number} {state}" for state, number in self.counts().items())
        return f"<BatchResult: {escape_for_display(self.challenge.id)}, {states or 'no submission'}>"

    def to_pandas(self, form: Form = "wide") -> pd.DataFrame:
        """Return the submissions as a table of pandas. A missing value is NaN, with its reason beside it.

        Args:
            form: ``wide`` for a row per submission: ``team``, ``run``, ``primary``, ``submission``, ``state``,
                ``exit_code``, ``videos``, ``scored_videos``, ``board``, ``seconds``, ``reasons`` (why something is
                missing), a column per metric, and ``reason.ID`` of those without a value. ``long`` for a row per
                submission and metric: ``team``, ``run``, ``state``, ``metric``, ``value``, ``reason``, ``unit``,
                ``coverage``, ``ranked``; a submission without numbers has a row for each metric of the others, with
                its state as the reason.

        Raises:
            UsageError: for another form.
        """
        from evalkit.batch.frames import batch_frame

        return batch_frame(self.outcomes, form)

    def _repr_html_(self) -> str:
        """Show in a notebook what came of each submission, with the metrics that may rank."""
        from evalkit.batch.notebook import batch_fragment

        stopped = None if self.stopped is None else " ".join(self.stopped.lines)
        return batch_fragment(self.challenge.id, self.outcomes, self.shown_metrics, stopped)

    def to_json(self) -> dict[str, Any]:
        """Return what ``evalkit score-all --json`` prints."""
        return {
            "schema": SCHEMA,
            "ok": self.exit_code == 0,
            "exit_code": self.exit_code,
            "challenge": {"id": self.challenge.id, "sha256": self.challenge.scoring_sha256},
            "out": str(self.out),
            "seconds": round(self.seconds, 3),
            "peak_worker_bytes": self.peak_bytes or None,
            "stopped": None if self.stopped is None else error_document(self.stopped),
            "states": self.counts(),
            "submissions": [one.to_json(self.out) for one in self.outcomes],
        }
