"""What came of all submissions as tables of pandas: missing values are NaN, their reasons are columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from evalkit.batch.outcome import Number, Outcome
from evalkit.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

Form = Literal["wide", "long"]
OF_SUBMISSION = (
    "team", "run", "primary", "submission", "state", "exit_code", "videos", "scored_videos", "board", "seconds",
    "reasons",
)  # fmt: skip
LONG = ("team", "run", "state", "metric", "value", "reason", "unit", "coverage", "ranked")


def batch_frame(outcomes: Sequence[Outcome], form: Form) -> pd.DataFrame:
    """Return what `evalkit.batch.result.BatchResult.to_pandas` promises."""
    import pandas as pd

    metrics = {name: number for one in outcomes for name, number in one.metrics.items()}
    if form == "long":
        return pd.DataFrame([_long_row(one, name, metrics) for one in outcomes for name in metrics], columns=LONG)
    if form != "wide":
        raise UsageError("There is no such form of a table.", found=repr(form), expected="wide or long")
    gaps = [name for name in metrics if any(_number(one, name).value is None for one in outcomes)]
    names = {name: f"value.{name}" if name in OF_SUBMISSION else name for name in metrics}
    rows = [_wide_row(one, names) for one in outcomes]
    return pd.DataFrame(rows, columns=[*OF_SUBMISSION, *names.values(), *(f"reason.{name}" for name in gaps)])


def _number(one: Outcome, name: str) -> Number:
    """Return a number of a submission; where it was never computed, the submission's state is the reason."""
    return one.metrics.get(name) or Number(None, one.state.replace(" ", "_"), "", 0.0, ranked=False)


def _wide_row(one: Outcome, names: dict[str, str]) -> dict[str, Any]:
    entry, why = one.entry, "; ".join(one.reasons) or None
    own = (entry.team, entry.run, entry.primary, str(entry.path), one.state, one.exit_code, one.videos)
    row: dict[str, Any] = dict(zip(OF_SUBMISSION, (*own, one.scored_videos, one.board, one.seconds, why), strict=True))
    for name, column in names.items():
        number = _number(one, name)
        row[column] = math.nan if number.value is None else number.value
        row[f"reason.{name}"] = number.reason
    return row


def _long_row(one: Outcome, name: str, metrics: dict[str, Number]) -> dict[str, Any]:
    number, known = _number(one, name), metrics[name]
    value = math.nan if number.value is None else number.value
    own = (one.entry.team, one.entry.run, one.state, name, value, number.reason)
    return dict(zip(LONG, (*own, known.unit, number.coverage, known.ranked), strict=True))
