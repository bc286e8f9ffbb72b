"""The result of one scoring run, as a typed record with a versioned JSON form.

Everything but ``timing`` is a function of the submission, the test set, the challenge, the backbones and the machine:
two runs give the same bytes.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from evalkit.errors import InputError
from evalkit.jsonio import parse_json
from evalkit.metrics.base import Aggregate, is_not_applicable
from evalkit.text import escape_for_display

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1


class _ScorecardPart(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)


class ScoreEvent(_ScorecardPart):
    """Something noteworthy about a video or a number: no face, several faces, a small sample."""

    kind: str
    detail: str = ""


class MetricScore(_ScorecardPart):
    """One number of the whole submission.

    Args:
        value: the aggregate, or ``None`` with a ``reason``.
        ci95: 95 % bootstrap interval over videos; ``None`` with fewer than two scored videos.
        unit: what the value is measured in; an empty string for a pure number.
        higher_is_better: ``None`` for a diagnostic, which has no better side.
        n: videos that entered the aggregate.
        coverage: ``n`` divided by the number of samples that the metric is applicable to, 0..1.
        not_applicable: number of samples that the metric is not about, such as animals for an identity of faces.
        reason: machine-readable reason why there is no value.
        protocol: version of the metric's definition.
        title: its common name.
        range: smallest and largest possible value, ``None`` where unbounded.
        role: ``ranked`` numbers may decide, ``secondary`` ones explain, ``diagnostic`` ones describe.
        aggregate: how the value follows from those of the videos; ``None`` for a metric of the whole set.
        details: further values by name: number of frames per side, expected bias; beside a median the ``mode`` and
            ``share_at_mode``.
        notes: what a reader should know before comparing it.
    """

    value: float | None
    ci95: tuple[float, float] | None = None
    unit: str = ""
    higher_is_better: bool | None
    n: int = Field(ge=0)
    coverage: float = Field(ge=0, le=1)
    not_applicable: int = Field(0, ge=0)
    reason: str | None = None
    protocol: int
    title: str = ""
    range: tuple[float | None, float | None] = (None, None)
    role: Literal["ranked", "secondary", "diagnostic"] = "ranked"
    aggregate: Aggregate | None = "mean"
    details: dict[str, float] = Field(default_factory=dict)
    notes: tuple[ScoreEvent, ...] = ()
    worst_sample: str | None = None
    best_sample: str | None = None

    @model_validator(mode="after")
    def _reason_for_gap(self) -> MetricScore:
        if self.value is None and not self.reason:
            raise ValueError("no value and no reason")
        return self


def gap_text(reason: str | None) -> str:
    """Return what stands in place of a number: ``unscored: no_face`` or ``not applicable: no_person``."""
    if is_not_applicable(reason):
        detail = str(reason).partition(":")[2]
        return f"not applicable: {detail}" if detail else "not applicable"
    return f"unscored: {reason or 'unknown'}"


class Fingerprint(_ScorecardPart):
    """What a copy of the video is known by, without the video (`evalkit.metrics.gaming.signature`).

    Args:
        sha256: digest of the file.
        motion: how much moves, in grey levels.
        picture: 63 bits of the mean picture in hexadecimal.
        bits: 24 bits for every tenth of a second of what moves in the first 6.4 s, in hexadecimal; empty of a video
            that hardly moves.
    """

    sha256: str
    motion: float
    picture: str
    bits: str = ""


class VideoScore(_ScorecardPart):
    """One sample: the file that answers it, its values, and for each missing value the reason.

    ``fingerprint`` is ``None`` for a video that could not be read, and in scorecards made without gaming rules.
    """

    sample: str
    path: str | None
    verdict: Literal["ok", "warning", "error", "missing"] = "ok"
    values: dict[str, float | None]
    reasons: dict[str, str] = Field(default_factory=dict)
    events: tuple[ScoreEvent, ...] = ()
    findings: tuple[dict[str, Any], ...] = ()
    groups: dict[str, str] = Field(default_factory=dict)
    fingerprint: Fingerprint | None = None


class FeatureUse(_ScorecardPart):
    """How a feature was computed: its version, the digests of its weights, the options that change its result."""

    version: int
    weights: tuple[str, ...] = ()
    options: dict[str, Any] = Field(default_factory=dict)


class SubmissionInfo(_ScorecardPart):
    """What was scored. ``layout`` is the path template that its files follow."""

    name: str
    sha256: str
    layout: str | None = None


class ChallengeInfo(_ScorecardPart):
    """For which challenge it was scored. ``sha256`` is `evalkit.challenges.model.Challenge.scoring_sha256`."""

    id: str
    sha256: str
    title: str = ""


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
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise InputError(f"{source} is damaged at '{place}'.", found=str(first["msg"])) from None

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

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per sample: ``sample``, ``path``, ``verdict``, groups as ``group.NAME``, a column per metric.

        Missing values are NaN in the table; their reasons are in ``reason.ID`` columns where there are any.
        """
        import pandas as pd

        rows = []
        for video in self.videos:
            row: dict[str, Any] = {"sample": video.sample, "path": video.path, "verdict": video.verdict}
            row |= {f"group.{name}": value for name, value in video.groups.items()}
            row |= {name: math.nan if value is None else value for name, value in video.values.items()}
            row |= {f"reason.{name}": reason for name, reason in video.reasons.items()}
            rows.append(row)
        frame = pd.DataFrame(rows, columns=None if rows else ["sample", "path", "verdict"])
        reasons = sorted(column for column in frame.columns if column.startswith("reason."))
        others = [column for column in frame.columns if not column.startswith("reason.")]
        return frame[others + reasons]

    def _repr_html_(self) -> str:
        """Show the summary table in a notebook."""
        from jinja2 import Environment

        environment = Environment(autoescape=True)
        environment.filters["plain"] = escape_for_display
        environment.filters["gap"] = gap_text
        return environment.from_string(_NOTEBOOK).render(card=self)

    def __repr__(self) -> str:
        names = f"{escape_for_display(self.submission.name)} in {escape_for_display(self.challenge.id)}"
        return f"<Scorecard: {names}, {len(self.metrics)} metrics, {len(self.videos)} videos>"

    def __str__(self) -> str:
        lines = [escape_for_display(f"{self.submission.name} in {self.challenge.id}, backbones {self.backbones}")]
        for name, score in self.metrics.items():
            value = f"{score.value:.6g}" if score.value is not None else gap_text(score.reason)
            shown = f"{escape_for_display(name):32} {escape_for_display(value):>14}"
            lines.append(f"  {shown}  n={score.n} coverage={score.coverage:.0%}")
        return "\n".join(lines)


_NOTEBOOK = """<table><caption>{{ card.submission.name | plain }} &middot; {{ card.challenge.id | plain }} &middot;
backbones {{ card.backbones | plain }}</caption>
<thead><tr><th>metric</th><th>value</th><th>95 % interval</th><th>n</th><th>coverage</th></tr></thead>
<tbody>{% for name, score in card.metrics.items() %}
<tr><td title="{{ name | plain }}">{{ (score.title or name) | plain }}</td>
<td>{% if score.value is not none %}{{ '%.6g' % score.value }} {{ score.unit | plain }}
{% else %}{{ score.reason | gap | plain }}{% endif %}</td>
<td>{% if score.ci95 %}{{ '%.4g' % score.ci95[0] }} &ndash; {{ '%.4g' % score.ci95[1] }}{% endif %}</td>
<td>{{ score.n }}</td><td>{{ '%.0f' % (100 * score.coverage) }} %</td></tr>{% endfor %}</tbody></table>"""
