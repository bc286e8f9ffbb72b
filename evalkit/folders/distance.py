"""One run over two folders: list, pair, read, measure, describe."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from evalkit.errors import UsageError
from evalkit.folders.beside import prompt_beside, sound_beside
from evalkit.folders.describing import side_warnings, small_sample_warnings, summarise, unread_files
from evalkit.folders.listing import MediaFile, Side, Source, list_side
from evalkit.folders.measuring import Load, Sources, measure_files, measure_set, sides_of
from evalkit.folders.model import DistanceResult, FileScore, PairSummary, SideSummary
from evalkit.folders.pairing import Pairs, pair_by_name
from evalkit.folders.reading import Partner, SideRead, read_side
from evalkit.folders.rules import folder_challenge
from evalkit.folders.saved import SavedReference, fit_saved, is_saved, save_reference
from evalkit.metrics.base import FeatureData, Metric, SetMetric, VideoValue, metric_registry, resolve_metric
from evalkit.metrics.features.base import FeatureRecord, feature_registry, in_order
from evalkit.scoring import aggregate
from evalkit.scoring.intake import FileReport
from evalkit.scoring.jobs import Extraction
from evalkit.scoring.packs.reader import ReferencePack
from evalkit.scoring.plan import PSEUDO, RunPlan
from evalkit.scoring.provenance import computed_with, features_used
from evalkit.scoring.reported_speed import ReportedSpeed
from evalkit.scoring.run import RunOptions
from evalkit.scoring.scorecard import MetricScore
from evalkit.scoring.shared_cache import open_cache
from evalkit.scoring.timings import sum_seconds
from evalkit.scoring.video_scores import VideoScorer
from evalkit.testsets.model import Sample

UNPAIRED = ".unpaired"
DEFAULT_VIDEOS = ("fid", "fvd", "kid", "kvd")
DEFAULT_IMAGES = ("fid", "kid")


def folder_metrics(names: Sequence[str | Metric]) -> dict[str, str | Metric]:
    """Return what was asked for -> what is computed: ids, and for short names the variant over unpaired sets.

    A short name stands for an id. Where that is a distance of sets with a variant for unpaired ones (``fid``, ``kid``,
    ``fvd``, ``kvd``), it is the variant here: all files of both folders count. A full id is computed as it stands.

    Raises:
        UsageError: there is no such metric.
    """
    registry = metric_registry()
    found: dict[str, str | Metric] = {}
    for name in names:
        if not isinstance(name, str):
            found[name.record.id] = name
            continue
        meant = resolve_metric(name, registry)
        found[name] = f"{meant}{UNPAIRED}" if meant != name and f"{meant}{UNPAIRED}" in registry else meant
    return found


@dataclass(frozen=True)
class Inputs:
    """Both sides before anything is read. ``saved`` is a file that stands for the real side, which has no files."""

    real: Side
    generated: Side
    saved: Path | None = None


def open_sides(real: Source, generated: Source) -> Inputs:
    """Return the files of both sides.

    Raises:
        InputError: one of them has none.
    """
    theirs = list_side(generated, "generated")
    if isinstance(real, str | Path) and is_saved(Path(real)):
        return Inputs(Side("real", str(real), ()), theirs, Path(real))
    return Inputs(list_side(real, "real"), theirs)


def default_metrics(inputs: Inputs) -> tuple[str, ...]:
    """Return the metrics of a run that names none: those of motion only where there are videos."""
    return DEFAULT_VIDEOS if any(file.kind == "video" for file in inputs.generated.files) else DEFAULT_IMAGES


def measure_distance(
    inputs: Inputs,
    plan: RunPlan,
    options: RunOptions,
    *,
    asked: Mapping[str, str] | None = None,
    save_to: Path | None = None,
) -> DistanceResult:
    """Return the numbers of the generated side against the real one.

    Args:
        inputs: of `open_sides`.
        plan: made for the metrics of `folder_metrics` and the rules of `evalkit.folders.rules`.
        options: cache, engine, progress.
        asked: name as it was asked for -> id, for the result.
        save_to: file to which the features of the real side are written.

    Raises:
        EvalkitError: a saved reference doesn't fit, the cache can't be written.
    """
    with ExitStack() as stack:
        run = _Run(inputs, plan, options)
        if inputs.saved is not None:
            if save_to is not None:
                raise UsageError("The real side is a saved reference already.", fix="Leave out --save-reference.")
            run.use(stack.enter_context(ReferencePack(inputs.saved)))
        return run.result(asked or {}, save_to)


@dataclass
class _Run:
    """The steps of one run."""

    inputs: Inputs
    plan: RunPlan
    options: RunOptions
    saved: SavedReference | None = None
    outcomes: dict[str, Mapping[str, VideoValue]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.started = time.monotonic()
        self.rules = folder_challenge()
        records = self.plan.records
        self.sides = {name: sides_of(metric, records) for name, metric in self.plan.metrics.items()}
        both = [pair for pair in self.sides.values() if pair is not None]
        self.of_real = self._closure(pair[0] for pair in both)
        self.of_generated = self._closure(
            name
            for metric in self.plan.metrics.values()
            for name in metric.record.features
            if name not in PSEUDO and (self.sides[metric.record.id] or ("", ""))[1] != name
        )
        self.single = {name: one for name, one in self.plan.metrics.items() if not isinstance(one, SetMetric)}
        self.cache = open_cache(self.options.cache)
        own = replace(self.plan, metrics=self.single)
        self.scorer = VideoScorer(own, self.cache, ReportedSpeed(self.rules.speed.frame_rate), refused=False)

    def _closure(self, names: Iterable[str]) -> dict[str, FeatureRecord]:
        return {name: self.plan.records[name] for name in in_order(names, feature_registry())}

    def use(self, pack: ReferencePack) -> None:
        """Take the real side from a saved reference."""
        self.saved = fit_saved(pack, self.of_real, self.plan.records, self.plan)

    def result(self, asked: Mapping[str, str], save_to: Path | None) -> DistanceResult:
        rules, inputs = self.rules.submission, self.inputs
        pairs = pair_by_name(inputs.real, inputs.generated)
        real = SideRead(inputs.real)
        if self.saved is None:
            real = read_side(inputs.real, self.of_real, self.plan, rules, self.options)
        partners = {file.name: _partner(file, pairs) for file in inputs.generated.files}
        generated = read_side(
            inputs.generated,
            self.of_generated,
            self.plan,
            rules,
            self.options,
            partners,
            self._score,
            self.scorer.wanted,
        )
        sources = self._sources(real, generated, pairs)
        metrics = {name: self._measured(metric, sources) for name, metric in self.plan.metrics.items()}
        registry = metric_registry()
        for name, reason in self.plan.unavailable.items():
            known = registry.get(name)
            metrics[name] = aggregate.unavailable(name, reason, known.record if known else None)
        if save_to is not None:
            save_reference(save_to, real, self.of_real, self.plan, sources.load_real)
        return self._assembled(real, generated, pairs, metrics, asked)

    def _score(self, file: MediaFile, report: FileReport, extraction: Extraction) -> None:
        """Compute the metrics per file as soon as its features are there."""
        if self.single:
            self.outcomes[file.name] = self.scorer.score(_sample(file.name), report, extraction)

    def _measured(self, metric: Metric, sources: Sources) -> MetricScore:
        if not isinstance(metric, SetMetric):
            return measure_files(metric, self.outcomes, sources)
        with self.options.progress.stage(f"computing {metric.record.id}", None):
            return measure_set(metric, self.sides[metric.record.id], sources)

    def _sources(self, real: SideRead, generated: SideRead, pairs: Pairs) -> Sources:
        saved = self.saved
        if saved is None:
            names = tuple(file.name for file in real.usable)
            partner = {name: file.name for name, file in pairs.real.items()}
            load_real = self._loader(real)
        else:
            names, load_real = saved.files, saved.load
            partner = {name: name for name in saved.files}
        return Sources(
            generated=tuple(file.name for file in generated.side.files),
            read=tuple(file.name for file in generated.usable),
            real=names,
            partner=partner,
            load_generated=self._loader(generated),
            load_real=load_real,
            unread_reason={name: f"unread:{rule}" for name, (rule, _) in generated.unread.items()},
        )

    def _loader(self, read: SideRead) -> Load:
        def load(feature: str, file: str) -> FeatureData:
            facts = read.facts.get(file) if feature in PSEUDO else None
            return self.scorer.inputs(_sample(file), read.extractions[file], facts, (feature,)).features[feature]

        return load

    def _assembled(
        self,
        real: SideRead,
        generated: SideRead,
        pairs: Pairs,
        metrics: Mapping[str, MetricScore],
        asked: Mapping[str, str],
    ) -> DistanceResult:
        ours, theirs = _digests(generated), _digests(real) if self.saved is None else self.saved.digests()
        summary = _summary(real) if self.saved is None else self.saved.summary(self.inputs.real.source)
        mine = _summary(generated)
        used = {**self.of_real, **self.of_generated}
        plan = replace(self.plan, features=tuple(used), records=used)
        warnings = side_warnings(summary, mine, sum(digest in set(theirs) for digest in ours))
        everything = (*generated.extractions.values(), *real.extractions.values())
        return DistanceResult(
            schema=1,
            real=summary,
            generated=mine,
            pairing=_pair_summary(pairs),
            backbones=plan.backbones.name,
            metrics=dict(metrics),
            files=tuple(self._files(generated, pairs)),
            features=features_used(plan),
            warnings=(*warnings, *small_sample_warnings(metrics)),
            provenance={
                **computed_with(plan),
                "asked": {name: meant for name, meant in asked.items() if name != meant},
                "rules": self.rules.scoring_sha256,
            },
            timing={
                "seconds": round(time.monotonic() - self.started, 3),
                "decoded": self.options.journal.decodes,
                "networks": sum_seconds(extraction.networks for extraction in everything),
            },
        )

    def _files(self, generated: SideRead, pairs: Pairs) -> Iterable[FileScore]:
        if not self.single:
            return
        for file in generated.side.files:
            row = self.outcomes.get(file.name, {})
            unread = generated.unread.get(file.name)
            reasons = {name: one.reason for name, one in row.items() if one.reason}
            partner = pairs.real.get(file.name)
            yield FileScore(
                name=file.name,
                path=str(file.path),
                reference=str(partner.path) if partner else None,
                values={name: row[name].value if name in row else None for name in self.single},
                reasons=reasons if unread is None else dict.fromkeys(self.single, f"unread:{unread[0]}"),
            )


def _sample(name: str) -> Sample:
    return Sample.model_construct(id=name, subjects=(), groups={})  # names of files are no ids of a test set


def _partner(file: MediaFile, pairs: Pairs) -> Partner:
    real = pairs.real.get(file.name)
    places = [file.path, *([real.path] if real is not None else [])]
    sound = next((one for place in places if (one := sound_beside(place)) is not None), None)
    prompt = next((text for place in places if (text := prompt_beside(place)) is not None), None)
    return Partner(real.path if real is not None else None, prompt, sound)


def _digests(read: SideRead) -> list[str]:
    return [one.sha256 for one in read.extractions.values() if one.sha256 is not None]


def _summary(read: SideRead) -> SideSummary:
    facts = [read.facts[file.name] for file in read.usable]
    return summarise(read.side, facts, unread_files(read), _digests(read))


def _pair_summary(pairs: Pairs) -> PairSummary:
    return PairSummary(
        pairs=len(pairs.real),
        by_stem=pairs.by_stem,
        only_real=pairs.only_real,
        only_generated=pairs.only_generated,
        kinds_differ=pairs.kinds_differ,
    )
