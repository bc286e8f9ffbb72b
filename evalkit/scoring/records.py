"""The parts of a scorecard: the numbers of the whole submission, those of its videos, and where they come from."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from evalkit.challenges.kinds import Kind
from evalkit.metrics.base import Aggregate, is_not_applicable


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
    ``identity`` is who is in the video, where the test set says so: videos of one person are drawn together.
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
    identity: str | None = None

    @model_serializer(mode="wrap")
    def _as_before(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out an identity that nobody gave: scorecards from before there were any stay as they are."""
        written: dict[str, Any] = write(self)
        if self.identity is None:
            written.pop("identity", None)
        return written


class FeatureUse(_ScorecardPart):
    """How a feature was computed: its version, the digests of its weights, the options that change its result."""

    version: int
    weights: tuple[str, ...] = ()
    options: dict[str, Any] = Field(default_factory=dict)


class SubmissionInfo(_ScorecardPart):
    """What was scored. ``layout`` is the path template that its files follow, ``kind`` what its files are."""

    name: str
    sha256: str
    layout: str | None = None
    kind: Kind = "video"

    @model_serializer(mode="wrap")
    def _as_before(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out the kind of a submission of videos: scorecards from before there were kinds stay as they are."""
        written: dict[str, Any] = write(self)
        if self.kind == "video":
            written.pop("kind", None)
        return written


class ChallengeInfo(_ScorecardPart):
    """For which challenge it was scored. ``sha256`` is `evalkit.challenges.model.Challenge.scoring_sha256`."""

    id: str
    sha256: str
    title: str = ""
