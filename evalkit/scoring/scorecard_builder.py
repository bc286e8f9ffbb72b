"""Everything after the map: cached features to values per video, values to the submission's numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from evalkit.challenges.speed_rules import SpeedRules
from evalkit.errors import EvalkitError
from evalkit.media.facts import MediaFacts
from evalkit.metrics.base import (
    NO_PERSON,
    FeatureData,
    Metric,
    MetricRecord,
    SetMetric,
    SetValue,
    VideoInputs,
    VideoValue,
    metric_registry,
    unscored,
)
from evalkit.progress import Progress
from evalkit.scoring import aggregate
from evalkit.scoring.cache import CorruptEntryError, FeatureCache
from evalkit.scoring.intake import ValidationReport
from evalkit.scoring.jobs import Extraction
from evalkit.scoring.plan import FACTS, SPEED, RunPlan
from evalkit.scoring.reported_speed import ReportedSpeed
from evalkit.scoring.scorecard import MetricScore, ScoreEvent, VideoScore
from evalkit.testsets.model import Sample, TestSet

METRIC_ERROR, OUT_OF_RANGE = "metric_error", "out_of_declared_range"


class ScorecardBuilder:
    """Computes values per video from cached features, and the submission's numbers from these."""

    def __init__(
        self,
        plan: RunPlan,
        cache: FeatureCache,
        testset: TestSet,
        intake: ValidationReport,
        extractions: Mapping[str, Extraction],
        *,
        speed: ReportedSpeed | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._speed = speed if speed is not None else ReportedSpeed(SpeedRules().frame_rate)
        self._plan, self._cache, self._testset = plan, cache, testset
        self._refused = intake.refused
        self._files = {file.sample: file for file in intake.files}
        self._extractions = extractions
        self._progress = progress or Progress()
        self._outcomes: dict[str, dict[str, VideoValue]] = {}
        with self._progress.stage("computing values", len(testset)) as stage:
            for sample in testset:
                self._outcomes[sample.id] = self._score(sample)
                stage.advance()

    def _score(self, sample: Sample) -> dict[str, VideoValue]:
        """Return metric -> outcome for one sample; only this sample's features are in memory."""
        reason = self._unscored_reason(sample.id)
        # Whether a metric is about a sample depends on the test set alone, so it comes first: it is the same for
        # every team, also for one whose video is missing.
        outcomes = {
            name: unscored(NO_PERSON) if is_outside(metric.record, sample) else unscored(reason or "")
            for name, metric in self._plan.metrics.items()
            if reason is not None or is_outside(metric.record, sample)
        }
        asked = {name: metric for name, metric in self._plan.metrics.items() if name not in outcomes}
        if asked:
            inputs = self._inputs(sample, {name for metric in asked.values() for name in metric.record.features})
            outcomes |= {name: _outcome(metric, inputs) for name, metric in asked.items()}
        return {name: outcomes[name] for name in self._plan.metrics}

    def _unscored_reason(self, sample: str) -> str | None:
        if self._refused:
            return "archive_refused"
        report = self._files.get(sample)
        if report is None:
            return "missing"
        if report.unread is not None:
            return f"invalid:{report.unread}"
        errors = [finding.rule for finding in report.findings if finding.severity == "error"]
        return f"invalid:{errors[0]}" if errors else None

    def _inputs(self, sample: Sample, needed: Iterable[str]) -> VideoInputs:
        extraction = self._extractions[sample.id]
        features = {name: self._feature(extraction, name) for name in sorted(needed)}
        return VideoInputs(sample.id, features, sample.groups)

    def _feature(self, extraction: Extraction, name: str) -> FeatureData:
        if name == FACTS:
            return FeatureData(_facts_arrays(extraction.facts))
        if name == SPEED:
            return self._speed.feature(extraction.sample, extraction.facts)
        if name in extraction.errors:
            return FeatureData(None, "extractor_error", extraction.errors[name].strip().splitlines()[-1])
        key = extraction.keys.get(name)
        try:
            data = self._cache.load(name, key) if key else None
        except CorruptEntryError as error:
            return FeatureData(None, "cache_entry_unreadable", error.detail)
        return data or FeatureData(None, "feature_missing")

    def metrics(self) -> dict[str, MetricScore]:
        """Return the submission's numbers, then those asked for that could not be computed."""
        scores = {}
        for name, metric in self._plan.metrics.items():
            outcomes = {sample: row[name] for sample, row in self._outcomes.items()}
            if isinstance(metric, SetMetric):
                scores[name] = self._set_score(metric, len(outcomes))
            else:
                scores[name] = aggregate.score_of_videos(metric, outcomes)
            scores[name] = self._speed.noted(name, scores[name])
            role = self._plan.roles.get(name)
            scores[name] = scores[name].model_copy(update={"role": role}) if role else scores[name]
        for name, reason in self._plan.unavailable.items():
            known = metric_registry().get(name)
            score = aggregate.unavailable(name, reason, known.record if known else None)
            outside = sum(known is not None and is_outside(known.record, sample) for sample in self._testset)
            why = NO_PERSON if outside and outside == len(self._testset) else reason
            scores[name] = score.model_copy(update={"reason": why, "not_applicable": outside})
        return scores

    def _set_score(self, metric: SetMetric, asked: int) -> MetricScore:
        others = sum(is_outside(metric.record, sample) for sample in self._testset)
        if others and others == asked:
            score = aggregate.unavailable(metric.record.id, NO_PERSON, metric.record)
            return score.model_copy(update={"not_applicable": others})
        try:
            there = sum(1 for _ in self._readable_samples(metric))
            with self._progress.stage(f"computing {metric.record.id}", there):
                value: Any = metric.score_set(self._readable(metric))
            if not isinstance(value, SetValue):
                reason, fault = METRIC_ERROR, f"returned a {type(value).__name__}; expected a SetValue"
            elif (outside := _outside(metric.record, value.value)) is not None:
                reason, fault = OUT_OF_RANGE, outside
            else:
                return aggregate.set_score(metric.record, value, asked - others, others)
        except EvalkitError:
            raise
        except Exception as error:  # noqa: BLE001 - a metric's bug must not cost the other metrics
            reason, fault = METRIC_ERROR, f"{type(error).__name__}: {error}"
        score = aggregate.unavailable(metric.record.id, reason, metric.record)
        notes = (ScoreEvent(kind=reason, detail=fault),)
        return score.model_copy(update={"notes": notes, "not_applicable": others})

    def _readable(self, metric: SetMetric) -> Iterator[VideoInputs]:
        """Yield the inputs of every video that the metric is about and could be read, one in memory at a time."""
        for sample in self._readable_samples(metric):
            yield self._inputs(sample, metric.record.features)
            self._progress.advance()

    def _readable_samples(self, metric: SetMetric) -> Iterator[Sample]:
        for sample in self._testset:
            if self._unscored_reason(sample.id) is None and not is_outside(metric.record, sample):
                yield sample

    def videos(self) -> Iterator[VideoScore]:
        """Yield a row per sample, in the order of the test set.

        A metric of the whole set is left out of the rows, unless it gives values for single videos too.
        """
        whole = {name for name, metric in self._plan.metrics.items() if isinstance(metric, SetMetric)}
        silent = {name for name in whole if all(row[name].value is None for row in self._outcomes.values())}
        for sample in self._testset:
            outcomes = {name: outcome for name, outcome in self._outcomes[sample.id].items() if name not in silent}
            report = self._files.get(sample.id)
            events = {(event.kind, event.detail): None for o in outcomes.values() for event in o.events}
            values: dict[str, float | None] = {name: outcome.value for name, outcome in outcomes.items()}
            reasons = {name: outcome.reason for name, outcome in outcomes.items() if outcome.reason}
            values |= dict.fromkeys(self._plan.unavailable)
            # A file that is missing or refused is the reason, also where a metric could not have been computed here.
            own = self._unscored_reason(sample.id)
            reasons |= dict.fromkeys(self._plan.unavailable, own) if own else self._plan.unavailable
            for name in self._plan.unavailable:
                known = metric_registry().get(name)
                if known is not None and is_outside(known.record, sample):
                    reasons[name] = NO_PERSON
            yield VideoScore(
                sample=sample.id,
                path=report.path if report else None,
                verdict=report.verdict if report else "missing",
                values=values,
                reasons=reasons,
                events=tuple(ScoreEvent(kind=kind, detail=detail) for kind, detail in events),
                findings=tuple(finding.to_json() for finding in report.findings) if report else (),
                groups=dict(sample.groups),
            )


def is_outside(record: MetricRecord, sample: Sample) -> bool:
    """Whether a metric is not applicable to a sample."""
    return record.people_only and not sample.shows_person


def _outcome(metric: Metric, inputs: VideoInputs) -> VideoValue:
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
    fault = _outside(metric.record, value.value)
    return value if fault is None else unscored(OUT_OF_RANGE, f"{name}: {fault}")


def _outside(record: MetricRecord, value: float | None) -> str | None:
    """Describe a value outside of the range that the record declares; rounding is allowed for."""
    low, high = record.range
    slack = 1e-6 * max(1.0, abs(value or 0.0))
    if value is None or ((low is None or value >= low - slack) and (high is None or value <= high + slack)):
        return None
    ends = ["" if end is None else f"{end:g}" for end in (low, high)]
    return f"{value:g} is outside of the declared range {ends[0]}..{ends[1]}"


def _facts_arrays(facts: MediaFacts | None) -> dict[str, Any]:
    if facts is None or facts.video is None:
        return {}
    numbers = facts.video.model_dump(include={"duration_seconds", "fps", "duplicate_share", "frames"})
    return {name: np.asarray(value) for name, value in numbers.items() if value is not None}
