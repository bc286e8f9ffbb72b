"""What a measurement returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evalkit.errors import InputError
from evalkit.metrics.base import Event


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One metric's number of one or more videos in memory; what a scorecard says of a metric, without a scorecard.

    ``float(m)`` and ``f"{m:.3f}"`` take the value; a missing one is an error there, never 0.

    Args:
        metric: id of the metric: numbers of different ids, protocols or backbones are not comparable. A distance of
            sets that are not paired has the id of that (``fid.pytorch.unpaired``), whatever name was asked for.
        title: its common name.
        value: the number, or ``None`` with a ``reason``.
        reason: machine-readable reason why there is no number.
        detail: one sentence on the reason, where there is one.
        unit: of the value; empty for a pure number.
        higher_is_better: ``None`` for a diagnostic, which has no better side.
        protocol: version of the metric's definition.
        n: videos that the value rests on.
        coverage: share of the videos that have a value, 0..1.
        ci95: 95 % bootstrap interval over videos; ``None`` with fewer than two.
        values: the value of each video, in the order given; empty for a distance between two sets.
        reasons: for each of them why it has none, or ``None``.
        events: for each of them what happened: a face lost, frames left out.
        details: further values by name.
        notes: what a reader should know before comparing the number.
        provenance: versions, backbones, device, and of each feature the version, options and digests of weights.
    """

    metric: str
    title: str
    value: float | None
    reason: str | None = None
    detail: str = ""
    unit: str = ""
    higher_is_better: bool | None = None
    protocol: int = 1
    n: int = 0
    coverage: float = 0.0
    ci95: tuple[float, float] | None = None
    values: tuple[float | None, ...] = ()
    reasons: tuple[str | None, ...] = ()
    events: tuple[tuple[Event, ...], ...] = ()
    details: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[Event, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def direction(self) -> str:
        """``higher``, ``lower``, or ``none`` for a number without a better side."""
        return {True: "higher", False: "lower", None: "none"}[self.higher_is_better]

    def __float__(self) -> float:
        """Return the value.

        Raises:
            InputError: there is none; the message has the reason.
        """
        if self.value is None:
            raise InputError(
                f"{self.metric} has no value.",
                found=f"{self.reason}: {self.detail}" if self.detail else self.reason,
                fix="Look at reason, reasons and events of the measurement; a missing value is not 0.",
            )
        return self.value

    def __format__(self, spec: str) -> str:
        if not spec:
            return str(self)
        return format(self.value, spec) if self.value is not None else f"unscored: {self.reason}"

    def __str__(self) -> str:
        """One line: number, unit and direction, or why there is none; and the kinds of what else `events` tell."""
        if self.value is None:
            return f"{self.metric}: unscored ({self.reason}{': ' + self.detail if self.detail else ''})"
        unit = f" {self.unit}" if self.unit else ""
        better = "" if self.higher_is_better is None else f" ({self.direction} is better)"
        kinds = dict.fromkeys(event.kind for events in self.events for event in events)
        told = f"; events: {', '.join(kinds)}" if kinds else ""
        return f"{self.metric} = {self.value:.6g}{unit}{better}{told}"

    def _repr_html_(self) -> str:
        """Show the number in a notebook, with its interval, or why there is none."""
        from evalkit.arrays.notebook import measurement_fragment
        from evalkit.scoring.scorecard import MetricScore, ScoreEvent

        score = MetricScore(
            value=self.value,
            reason=self.reason or (None if self.value is not None else "unknown"),
            title=self.title,
            unit=self.unit,
            higher_is_better=self.higher_is_better,
            protocol=self.protocol,
            n=self.n,
            coverage=self.coverage,
            ci95=self.ci95,
            notes=tuple(ScoreEvent(kind=note.kind, detail=note.detail) for note in self.notes),
        )
        return measurement_fragment(
            self.metric,
            score,
            detail=self.detail,
            values=self.values,
            reasons=self.reasons,
            provenance=self.provenance,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "metric": self.metric,
            "title": self.title,
            "value": self.value,
            "reason": self.reason,
            "detail": self.detail,
            "unit": self.unit,
            "higher_is_better": self.higher_is_better,
            "protocol": self.protocol,
            "n": self.n,
            "coverage": self.coverage,
            "ci95": None if self.ci95 is None else list(self.ci95),
            "values": list(self.values),
            "reasons": list(self.reasons),
            "events": [[_plain(event) for event in some] for some in self.events],
            "details": dict(self.details),
            "notes": [_plain(event) for event in self.notes],
            "provenance": dict(self.provenance),
        }


def _plain(event: Event) -> dict[str, str]:
    return {"kind": event.kind, "detail": event.detail}
