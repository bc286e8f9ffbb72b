"""The numbers of a scorecard as tables of pandas: missing values are NaN, their reasons are columns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from evalkit.errors import UsageError
from evalkit.scoring.records import MetricScore, VideoScore

if TYPE_CHECKING:
    import pandas as pd

Form = Literal["wide", "long", "metrics"]
OF_SAMPLE = ("sample", "path", "verdict")
LONG = ("metric", "value", "reason", "higher_is_better", "unit")
METRICS = (
    "metric", "title", "value", "low", "high", "reason", "unit", "higher_is_better", "n", "coverage", "role",
    "protocol",
)  # fmt: skip


def scorecard_frame(metrics: Mapping[str, MetricScore], videos: Sequence[VideoScore], form: Form) -> pd.DataFrame:
    """Return what `evalkit.scoring.scorecard.Scorecard.to_pandas` promises."""
    import pandas as pd

    if form == "metrics":
        return pd.DataFrame([_metric_row(name, score) for name, score in metrics.items()], columns=METRICS)
    if form == "long":
        rows = [row for video in videos for row in _long_rows(video, metrics)]
        groups = list(dict.fromkeys(key for row in rows for key in row if key.startswith("group.")))
        return pd.DataFrame(rows, columns=[*OF_SAMPLE, *groups, *LONG])
    if form != "wide":
        raise UsageError("There is no such form of a table.", found=repr(form), expected="wide, long or metrics")
    frame = pd.DataFrame([_wide_row(video) for video in videos], columns=None if videos else OF_SAMPLE)
    reasons = sorted(column for column in frame.columns if column.startswith("reason."))
    others = [column for column in frame.columns if not column.startswith("reason.")]
    return frame[others + reasons]


def number(value: float | None) -> float:
    """Return a missing value as NaN."""
    return math.nan if value is None else value


def _of_sample(video: VideoScore) -> dict[str, Any]:
    row: dict[str, Any] = {"sample": video.sample, "path": video.path, "verdict": video.verdict}
    return row | {f"group.{name}": value for name, value in video.groups.items()}


def _wide_row(video: VideoScore) -> dict[str, Any]:
    row = _of_sample(video)
    # A metric of a plugin may have any name; the columns of the sample keep theirs.
    row |= {f"value.{name}" if name in row else name: number(value) for name, value in video.values.items()}
    return row | {f"reason.{name}": reason for name, reason in video.reasons.items()}


def _long_rows(video: VideoScore, metrics: Mapping[str, MetricScore]) -> list[dict[str, Any]]:
    rows = []
    for name, value in video.values.items():
        score = metrics.get(name)
        better, unit = (None, "") if score is None else (score.higher_is_better, score.unit)
        own = dict(zip(LONG, (name, number(value), video.reasons.get(name), better, unit), strict=True))
        rows.append(_of_sample(video) | own)
    return rows


def _metric_row(name: str, score: MetricScore) -> dict[str, Any]:
    low, high = score.ci95 or (None, None)
    found = (
        name, score.title or name, number(score.value), number(low), number(high), score.reason, score.unit,
        score.higher_is_better, score.n, score.coverage, score.role, score.protocol,
    )  # fmt: skip
    return dict(zip(METRICS, found, strict=True))
