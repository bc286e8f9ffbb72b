"""Features of one video to values: what `evalkit.scoring.scorecard_builder` combines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from evalkit.errors import EvalkitError
from evalkit.media.facts import MediaFacts
from evalkit.metrics.base import (
    NO_PERSON,
    OTHER_SETUP,
    FeatureData,
    Metric,
    MetricRecord,
    VideoInputs,
    VideoValue,
    unscored,
)
from evalkit.scoring.cache import CorruptEntryError, FeatureCache
from evalkit.scoring.intake import FileReport
from evalkit.scoring.jobs import Extraction
from evalkit.scoring.kinds import FACT_FEATURES, kind_of
from evalkit.scoring.plan import PSEUDO, SPEED, RunPlan
from evalkit.scoring.preload import preload_modules
from evalkit.scoring.reported_speed import ReportedSpeed
from evalkit.testsets.model import Sample

if TYPE_CHECKING:
    from evalkit.scoring.packs.use import PackUse

METRIC_ERROR, OUT_OF_RANGE = "metric_error", "out_of_declared_range"


class VideoScorer:
    """Computes the values of one video; only its features are in memory.

    Args:
        plan: gives the metrics.
        cache: has the features.
        speed: what the team measured.
        references: a reference pack that has features of the references.
        refused: whether the archive was refused.
    """

    def __init__(
        self,
        plan: RunPlan,
        cache: FeatureCache,
        speed: ReportedSpeed,
        references: PackUse | None = None,
        *,
        refused: bool,
    ) -> None:
        self._plan, self._cache, self._speed, self._refused = plan, cache, speed, refused
        self._references = references
        preload_modules(sorted({name for metric in plan.metrics.values() for name in metric.record.libraries}))

    @property
    def wanted(self) -> frozenset[str]:
        """The features that the metrics read."""
        return frozenset(name for metric in self._plan.metrics.values() for name in metric.record.features) - PSEUDO

    def score(self, sample: Sample, report: FileReport | None, extraction: Extraction | None) -> dict[str, VideoValue]:
        """Return metric -> outcome for one sample.

        Args:
            sample: of the test set.
            report: on its file; ``None`` without one.
            extraction: what is known of the file; its `Extraction.loaded` is used where it has a feature.
        """
        reason = self.unscored_reason(report)
        # Whether a metric is about a sample depends on the test set alone, so it comes first: it is the same for
        # every team, also for one whose video is missing.
        outcomes = {
            name: unscored(why_outside(metric.record, sample) or reason or "")
            for name, metric in self._plan.metrics.items()
            if reason is not None or is_outside(metric.record, sample)
        }
        asked = {name: metric for name, metric in self._plan.metrics.items() if name not in outcomes}
        if asked and extraction is not None:
            needed = {name for metric in asked.values() for name in metric.record.features}
            inputs = self.inputs(sample, extraction, extraction.facts, needed)
            outcomes |= {name: outcome_of(metric, inputs) for name, metric in asked.items()}
        return {name: outcomes[name] for name in self._plan.metrics}

    def unscored_reason(self, report: FileReport | None) -> str | None:
        """Return why a sample has no values; ``None`` where it has."""
        if self._refused:
            return "archive_refused"
        if report is None:
            return "missing"
        if report.unread is not None:
            return f"invalid:{report.unread}"
        errors = [finding.rule for finding in report.findings if finding.severity == "error"]
        return f"invalid:{errors[0]}" if errors else None

    def inputs(
        self, sample: Sample, extraction: Extraction, facts: MediaFacts | None, needed: Iterable[str]
    ) -> VideoInputs:
        """Return what metrics read of one video."""
        features = {name: self._feature(extraction, facts, name) for name in sorted(needed)}
        return VideoInputs(sample.id, features, sample.groups, sample.item or sample.id, sample.setup)

    def _feature(self, extraction: Extraction, facts: MediaFacts | None, name: str) -> FeatureData:
        if name in FACT_FEATURES:
            return FeatureData(kind_of(self._plan.submission).arrays(facts, self._plan.submission))
        if name == SPEED:
            return self._speed.feature(extraction.sample, facts)
        if name in extraction.errors:
            return FeatureData(None, "extractor_error", extraction.errors[name].strip().splitlines()[-1])
        given = extraction.loaded.get(name) or self._of_references(name, extraction.sample)
        if given is not None:
            return given
        key = extraction.keys.get(name)
        try:
            data = self._cache.load(name, key) if key else None
        except CorruptEntryError as error:
            return FeatureData(None, "cache_entry_unreadable", error.detail)
        return data or FeatureData(None, "feature_missing")

    def _of_references(self, name: str, sample: str) -> FeatureData | None:
        return self._references.feature(name, sample) if self._references is not None else None


def is_outside(record: MetricRecord, sample: Sample) -> bool:
    """Whether a metric is not applicable to a sample."""
    return why_outside(record, sample) is not None


def why_outside(record: MetricRecord, sample: Sample) -> str | None:
    """Return why a metric is not applicable to a sample; ``None`` where it is."""
    if record.people_only and not sample.shows_person:
        return NO_PERSON
    if record.setups and sample.setup not in record.setups:
        return OTHER_SETUP
    return None


def outcome_of(metric: Metric, inputs: VideoInputs) -> VideoValue:
    """Return the metric's value of one video. What another package's metric does wrong costs this value only."""
    name = metric.record.id
    try:
        value: Any = metric.score_video(inputs)
    except EvalkitError:
        raise
    except Exception as error:  # noqa: BLE001 - a metric's bug must not cost the other metrics of this video
        return unscored(METRIC_ERROR, f"{name}: {type(error).__name__}: {error}")
    if isinstance(value, int | float | np.number) and not isinstance(value, bool):
        value = VideoValue(float(value)) if np.isfinite(value) else unscored("not_finite")
    if not isinstance(value, VideoValue):
        found = type(value).__name__
        return unscored(METRIC_ERROR, f"{name}: returned a {found}; expected a VideoValue or a number")
    fault = range_fault(metric.record, value.value)
    return value if fault is None else unscored(OUT_OF_RANGE, f"{name}: {fault}")


def range_fault(record: MetricRecord, value: float | None) -> str | None:
    """Describe a value outside of the range that the record declares; rounding is allowed for."""
    low, high = record.range
    slack = 1e-6 * max(1.0, abs(value or 0.0))
    if value is None or ((low is None or value >= low - slack) and (high is None or value <= high + slack)):
        return None
    ends = ["" if end is None else f"{end:g}" for end in (low, high)]
    return f"{value:g} is outside of the declared range {ends[0]}..{ends[1]}"
