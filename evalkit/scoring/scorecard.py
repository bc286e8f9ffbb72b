"""The result of one scoring run, as a typed record with a versioned JSON form.

Everything but ``timing`` is a function of the submission, the test set, the challenge, the backbones and the machine:
two runs give the same bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from evalkit.errors import InputError
from evalkit.jsonio import parse_json
from evalkit.metrics.base import is_not_applicable
from evalkit.model_faults import first_fault
from evalkit.scoring.records import (
    ChallengeInfo,
    FeatureUse,
    Fingerprint,
    MetricScore,
    ScoreEvent,
    SubmissionInfo,
    VideoScore,
    gap_text,
)
from evalkit.text import escape_for_display

if TYPE_CHECKING:
    import pandas as pd

    from evalkit.scoring.frames import Form

__all__ = [
    "SCHEMA",
    "ChallengeInfo",
    "FeatureUse",
    "Fingerprint",
    "MetricScore",
    "ScoreEvent",
    "Scorecard",
    "SubmissionInfo",
    "VideoScore",
    "gap_text",
]

SCHEMA = 1


class Scorecard(BaseModel):
    """What one run scored: per video, per metric, with uncertainty, coverage, reasons and provenance.

    Load one with `Scorecard.load`; in a notebook it shows itself as a table.
    """

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False, populate_by_name=True)

    schema_: Literal[1] = Field(1, alias="schema")
    submission: SubmissionInfo
    challenge: ChallengeInfo
    backbones: str
    metrics: dict[str, MetricScore]
    videos: tuple[VideoScore, ...]
    findings: tuple[dict[str, Any], ...] = ()
    features: dict[str, FeatureUse] = Field(default_factory=dict)
    provenance: dict[str, Any] = Field(default_factory=dict)
    timing: dict[str, Any] = Field(default_factory=dict)

    @field_validator("videos")
    @classmethod
    def _reasons_for_gaps(cls, videos: tuple[VideoScore, ...]) -> tuple[VideoScore, ...]:
        for video in videos:
            silent = [name for name, value in video.values.items() if value is None and name not in video.reasons]
            if silent:
                raise ValueError(f"sample {video.sample}: no value and no reason for {silent[0]}")
        return videos

    @property
    def complete(self) -> bool:
        """Whether every asked metric has a value for every sample that it is applicable to."""
        return all(
            (score.value is not None and score.coverage >= 1) or is_not_applicable(score.reason)
            for score in self.metrics.values()
        )

    @property
    def reasons(self) -> dict[str, str]:
        """Metric id -> why it has no value, for those that have none."""
        return {name: score.reason or "unknown" for name, score in self.metrics.items() if score.value is None}

    def scores(self, prefix: str = "", *, nan: bool = False) -> dict[str, float]:
        """Return the numbers as a flat dictionary, for the logger of a training loop.

        Args:
            prefix: before each metric's id, as ``val/``.
            nan: give a missing value as NaN; without, it is left out, and `reasons` says why. It is never 0.
        """
        values = {name: math.nan if score.value is None else score.value for name, score in self.metrics.items()}
        return {f"{prefix}{name}": value for name, value in values.items() if nan or not math.isnan(value)}

    @property
    def scored_videos(self) -> int:
        """Number of videos that could be read and scored at all."""
        return sum(video.verdict in {"ok", "warning"} for video in self.videos)

    def to_json(self) -> str:
        """Return the JSON document, keys in a fixed order, floats with all their digits."""
        document = self.model_dump(mode="json", by_alias=True)
        return json.dumps(document, indent=1, ensure_ascii=True, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, source: str = "scorecard") -> Scorecard:
        """Read the JSON form.

        Raises:
            InputError: when ``text`` is not a scorecard, or has a schema that this version doesn't know.
        """
        try:
            document = parse_json(text, finite=True)
        except ValueError as error:
            raise InputError(f"{source} is not JSON.", found=str(error)) from None
        schema = document.get("schema") if isinstance(document, dict) else None
        if schema != SCHEMA:
            raise InputError(
                f"{source} is not a scorecard that this version reads.",
                found=f"schema {schema!r}",
                expected=f"schema {SCHEMA}",
                fix="Score the submission again, or use a newer evalkit.",
            )
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise InputError(f"{source} is damaged: {first_fault(cls, error)}") from None

    @classmethod
    def load(cls, path: str | Path) -> Scorecard:
        """Read ``scorecard.json``, or the one in the folder ``path``.

        Raises:
            InputError: when there is none, or it can't be read.
        """
        return cls.read(path)[0]

    @classmethod
    def read(cls, path: str | Path) -> tuple[Scorecard, Path, bytes]:
        """Return the scorecard, its file, and what that holds to the byte; otherwise as `load`."""
        file = Path(path)
        file = file / "scorecard.json" if file.is_dir() else file
        try:
            data = file.read_bytes()
            text = data.decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"The scorecard {file} can't be read.", found=str(error)) from None
        return cls.from_json(text, str(file)), file, data

    def to_pandas(self, form: Form = "wide") -> pd.DataFrame:
        """Return the numbers as a table of pandas. A missing value is NaN, with its reason beside it; never 0.

        Args:
            form: ``wide`` for a row per sample: ``sample``, ``path``, ``verdict``, groups as ``group.NAME``, a column
                per metric, and its reasons in ``reason.ID`` where there are any. ``long`` for a row per sample and
                metric: ``sample``, ``path``, ``verdict``, groups, ``metric``, ``value``, ``reason``,
                ``higher_is_better``, ``unit``. ``metrics`` for a row per metric of the whole submission: ``metric``,
                ``title``, ``value``, ``low``, ``high`` (95 % interval), ``reason``, ``unit``, ``higher_is_better``,
                ``n``, ``coverage``, ``role``, ``protocol``.

        Raises:
            UsageError: for another form.
        """
        from evalkit.scoring.frames import scorecard_frame

        return scorecard_frame(self.metrics, self.videos, form)

    def _repr_html_(self) -> str:
        """Show the numbers in a notebook: the metrics with how they spread over the videos, and the first videos."""
        from evalkit.scoring.notebook import scorecard_fragment

        title = f"{self.submission.name} in {self.challenge.id}, backbones {self.backbones}"
        return scorecard_fragment(title, self.metrics, self.videos)

    def __repr__(self) -> str:
        names = f"{escape_for_display(self.submission.name)} in {escape_for_display(self.challenge.id)}"
        return f"<Scorecard: {names}, {len(self.metrics)} metrics, {len(self.videos)} videos>"

    def __str__(self) -> str:
        title = escape_for_display(f"{self.submission.name} in {self.challenge.id}, backbones {self.backbones}")
        return "\n".join([title, *metric_lines(self.metrics)])


def metric_lines(metrics: Mapping[str, MetricScore]) -> list[str]:
    """Return a line for each metric: id, value or why there is none, number of videos, coverage."""
    lines = []
    for name, score in metrics.items():
        value = f"{score.value:.6g}" if score.value is not None else gap_text(score.reason)
        shown = f"{escape_for_display(name):32} {escape_for_display(value):>14}"
        lines.append(f"  {shown}  n={score.n} coverage={score.coverage:.0%}")
    return lines
