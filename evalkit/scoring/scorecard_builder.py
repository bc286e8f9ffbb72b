"""Everything after the map: cached features to values per video, values to the submission's numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from evalkit.errors import EvalkitError
from evalkit.metrics.base import MetricRecord, SetMetric, SetValue, VideoInputs, VideoValue, metric_registry
from evalkit.progress import Progress
from evalkit.scoring import aggregate
from evalkit.scoring.imports import Imports
from evalkit.scoring.intake import ValidationReport
from evalkit.scoring.jobs import Extraction
from evalkit.scoring.plan import OTHER_KIND, PSEUDO, RunPlan
from evalkit.scoring.reported_speed import ReportedSpeed
from evalkit.scoring.scorecard import MetricScore, ScoreEvent, VideoScore
from evalkit.scoring.video_scores import METRIC_ERROR, OUT_OF_RANGE, VideoScorer, is_outside, range_fault, why_outside
from evalkit.testsets.model import Sample, TestSet


class ScorecardBuilder:
    """Combines the values of the videos into the submission's numbers, and into the scorecard's rows.

    Args:
        plan: gives the metrics.
        testset: whose samples have a row each.
        intake: the files with what the rules found.
        extractions: sample -> what is known of its file.
        outcomes: sample -> metric -> value, of the videos that were scored already; the others are scored here.
        scorer: computes values, and reads the features of metrics of the whole set.
        speed: what the team measured.
        progress: told of the metrics of the whole set.
        imports: files of other programs that features were read from.
    """

    def __init__(  # noqa: PLR0917
        self,
        plan: RunPlan,
        testset: TestSet,
        intake: ValidationReport,
        extractions: Mapping[str, Extraction],
        outcomes: Mapping[str, Mapping[str, VideoValue]],
        scorer: VideoScorer,
        *,
        speed: ReportedSpeed,
        progress: Progress | None = None,
        imports: Imports | None = None,
    ) -> None:
        self._plan, self._testset, self._scorer, self._speed = plan, testset, scorer, speed
        self._files = {file.sample: file for file in intake.files}
        self._extractions = extractions
        self._progress, self._imports = progress or Progress(), imports or Imports()
        self._outcomes = {
            sample.id: outcomes.get(sample.id) or scorer.score(sample, self._files.get(sample.id), None)
            for sample in testset
        }

    def _unscored_reason(self, sample: str) -> str | None:
        return self._scorer.unscored_reason(self._files.get(sample))

    def metrics(self) -> dict[str, MetricScore]:
        """Return the submission's numbers, then those asked for that could not be computed."""
        scores = {}
        for name, metric in self._plan.metrics.items():
            outcomes = {sample: row[name] for sample, row in self._outcomes.items()}
            if isinstance(metric, SetMetric):
                scores[name] = self._set_score(metric, len(outcomes))
            else:
                scores[name] = aggregate.score_of_videos(metric, outcomes)
            scores[name] = self._imports.noted(name, self._speed.noted(name, scores[name]), self._plan)
            role = self._plan.roles.get(name)
            scores[name] = scores[name].model_copy(update={"role": role}) if role else scores[name]
        for name, reason in self._plan.unavailable.items():
            known = metric_registry().get(name)
            score = aggregate.unavailable(name, reason, known.record if known else None)
            outside = sum(known is not None and is_outside(known.record, sample) for sample in self._testset)
            all_outside = known is not None and outside == len(self._testset)
            why = self._why_outside(known.record) if known is not None and all_outside else reason
            if reason == OTHER_KIND:
                outside, why = len(self._testset), reason
            scores[name] = score.model_copy(update={"reason": why, "not_applicable": outside})
        return scores

    def _why_outside(self, record: MetricRecord) -> str:
        """Return why a metric is not applicable to any sample: the commonest reason."""
        return Counter(why_outside(record, sample) or "" for sample in self._testset).most_common(1)[0][0]

    def _set_score(self, metric: SetMetric, asked: int) -> MetricScore:
        others = sum(is_outside(metric.record, sample) for sample in self._testset)
        if others and others == asked:
            score = aggregate.unavailable(metric.record.id, self._why_outside(metric.record), metric.record)
            return score.model_copy(update={"not_applicable": others})
        try:
            there = sum(1 for _ in self._readable_samples(metric))
            with self._progress.stage(f"computing {metric.record.id}", there):
                value: Any = metric.score_set(self._readable(metric))
            if not isinstance(value, SetValue):
                reason, fault = METRIC_ERROR, f"returned a {type(value).__name__}; expected a SetValue"
            elif (outside := range_fault(metric.record, value.value)) is not None:
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
            needed = metric.record.features
            report = self._files.get(sample.id)
            facts = report.facts if report is not None and not PSEUDO.isdisjoint(needed) else None
            yield self._scorer.inputs(sample, self._extractions[sample.id], facts, needed)
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
            for name, why in self._plan.unavailable.items():
                known = metric_registry().get(name)
                if why == OTHER_KIND:
                    reasons[name] = why
                elif known is not None and (outside := why_outside(known.record, sample)) is not None:
                    reasons[name] = outside
            yield VideoScore(
                sample=sample.id,
                path=report.path if report else None,
                verdict=report.verdict if report else "missing",
                values=values,
                reasons=reasons,
                events=tuple(ScoreEvent(kind=kind, detail=detail) for kind, detail in events),
                findings=tuple(finding.to_json() for finding in report.findings) if report else (),
                groups=dict(sample.groups),
                identity=sample.person,
            )
