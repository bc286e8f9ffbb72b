"""The session of measurements in one process: networks that stay loaded between calls.

`Measurer` is what `evalkit.measure`, the functions of `evalkit.functional` and whatever measures during training are
built on.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from evalkit._version import __version__
from evalkit.arrays.combining import measurement_of_set, measurement_of_videos, sides_of
from evalkit.arrays.extract import extract, facts_of, order_of
from evalkit.arrays.needs import refuse_what_needs_files
from evalkit.arrays.preparing import as_asked, prepared, refuse_short, sets_of
from evalkit.arrays.record import Measurement
from evalkit.challenges.model import Challenge
from evalkit.errors import UsageError
from evalkit.media.held import HeldVideo
from evalkit.metrics.base import FeatureData, Metric, SetMetric, VideoInputs, VideoValue, resolve_metric
from evalkit.metrics.features.base import Extractor, Item, feature_registry, in_order
from evalkit.metrics.features.runner import runners_used
from evalkit.scoring.devices import settled_device
from evalkit.scoring.kinds.video import FACTS
from evalkit.scoring.plan import PSEUDO, RunPlan, make_plan
from evalkit.scoring.provenance import features_used
from evalkit.scoring.reference_features import independent_of_video
from evalkit.scoring.video_scores import outcome_of
from evalkit.weights.manifest import Backbones, load_backbones

# PyTorch's settings belong to the process, and extractors hold one video at a time.
_ONE_AT_A_TIME = threading.RLock()


class Measurer:
    """Measures videos in memory, in this process, with networks that are loaded once.

    What it is given is trusted: there are no workers and no sandbox. PyTorch's settings (threads, TF32, autocast,
    random state and so on) are those of a scoring worker while it measures, and the caller's again afterwards. Calls
    from several threads wait for each other.

    In one step::

        with Measurer("bundled") as measurer:
            found = measurer.measure(["lse_c", "fvd"], videos, fps=25, audio=waves, audio_rate=16000, reference=real)

    Video by video, as in a training loop that keeps features and no frames::

        plan = measurer.plan(["lse_c", "fvd"])
        rows = []
        for item in items:                          # evalkit.arrays.checks.items_of makes them of arrays
            features = measurer.features(plan, item, known=references.get(item.sample))
            rows.append(VideoInputs(item.sample, features))
        found = measurer.combine(plan, rows)        # metric id -> Measurement

    ``known`` has features that were computed before: those of the references, which `reference_features` gives. They
    don't change from one step of training to the next.

    Args:
        backbones: ``published``, ``bundled``, the path of a file, or `Backbones`.
        device: ``cpu``, ``cuda`` or ``auto``.
        threads: of one PyTorch operator on the CPU. 1 gives the numbers of `evalkit score` to 1e-6; with more they
            differ a little more.

    Raises:
        UsageError: an unknown set of backbones or device.
    """

    def __init__(
        self, backbones: str | Path | Backbones = "published", *, device: str = "cpu", threads: int = 1
    ) -> None:
        if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
            raise UsageError("The number of threads must be a whole number of at least 1.", found=repr(threads))
        self.backbones = backbones if isinstance(backbones, Backbones) else load_backbones(backbones)
        self.device = settled_device(device)
        self.threads = threads
        self._extractors: dict[str, Extractor] = {}
        self._plans: dict[tuple[str, ...], RunPlan] = {}
        self._depth = 0

    def __enter__(self) -> Measurer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget the networks; the session may be used again, and loads them anew."""
        with _ONE_AT_A_TIME:
            self._extractors.clear()
            self._plans.clear()

    @contextmanager
    def settings(self) -> Iterator[None]:
        """Have PyTorch's settings set once for several calls; the caller's come back at the end."""
        from evalkit.arrays.torch_state import own_settings

        with _ONE_AT_A_TIME:
            if self._depth:
                yield
                return
            with own_settings(self.device, self.threads):
                self._depth += 1
                try:
                    yield
                finally:
                    self._depth -= 1

    def plan(self, metrics: Sequence[str | Metric] | str | Metric) -> RunPlan:
        """Return what measuring ``metrics`` takes; loads no network.

        Args:
            metrics: ids, short names or metric objects; one string may hold several with commas.

        Raises:
            UsageError: an unknown metric, none, or one that arrays don't suffice for.
            WeightsError: the backbones lack a file; the message says how to get it.
        """
        names = _names(metrics)
        key = tuple(name if isinstance(name, str) else name.record.id for name in names)
        known = self._plans.get(key)
        # A metric object may be another one under the same id.
        if known is not None and all(isinstance(name, str) for name in names):
            return known
        plan = make_plan(Challenge(id="arrays", title="Arrays"), self.backbones, names=names, device=self.device)
        if plan.unavailable:
            _refuse_missing_roles(plan)
        for metric in plan.metrics.values():
            refuse_what_needs_files(metric)
        self._plans[key] = plan
        return plan

    def features(
        self, plan: RunPlan, item: Item, *, known: Mapping[str, FeatureData] | None = None
    ) -> dict[str, FeatureData]:
        """Return all features of one video that the metrics of ``plan`` read, or for each the reason why it is missing.

        Args:
            item: the video and its references in memory (`evalkit.arrays.checks.items_of`).
            known: features that need not be computed: what `reference_features` gave for the same references.
        """
        wanted = self.wanted(plan)
        with self.settings():
            found = extract(self._ready(plan, wanted), item, known)
        if any(FACTS in metric.record.features for metric in plan.metrics.values()):
            found[FACTS] = FeatureData(facts_of(cast(HeldVideo, item.video)))
        return found

    def reference_features(self, plan: RunPlan, item: Item) -> dict[str, FeatureData]:
        """Return the features that depend on the references alone: of images, prompts, and of a reference video.

        Features of pairs of frames (PSNR, LPIPS, landmarks) are not among them: they need both videos.
        """
        names = independent_of_video({name: plan.records[name] for name in self.wanted(plan)})
        with self.settings():
            return extract(self._ready(plan, list(names)), item)

    def values(self, plan: RunPlan, inputs: VideoInputs) -> dict[str, VideoValue]:
        """Return metric id -> the value of one video, or the reason why there is none."""
        return {name: outcome_of(metric, inputs) for name, metric in plan.metrics.items()}

    def combine(
        self,
        plan: RunPlan,
        rows: Sequence[VideoInputs],
        *,
        references: Sequence[VideoInputs] = (),
        values: Sequence[Mapping[str, VideoValue]] | None = None,
    ) -> dict[str, Measurement]:
        """Return metric id -> its number of all videos; no network runs.

        Args:
            rows: the features of each video, with a name of its own for each. A distance between two sets takes all
                vectors of both sides, also where a row has only one of them.
            references: features of references that belong to no video (`reference_features`), for distances.
            values: what `values` gave for each row; computed when it is not there.
        """
        if values is None:
            values = [self.values(plan, row) for row in rows]
        found = {}
        for name, metric in plan.metrics.items():
            where = self.provenance(plan, metric)
            if isinstance(metric, SetMetric):
                found[name] = measurement_of_set(metric, sides_of(metric, rows, references), where)
            else:
                outcomes = {row.sample: one[name] for row, one in zip(rows, values, strict=True)}
                found[name] = measurement_of_videos(metric, outcomes, where)
        return found

    def measure(self, metrics: Sequence[str | Metric] | str | Metric, video: Any = None, **given: Any) -> Any:
        """Return what `evalkit.measure` does, with the networks of this session; the arguments are the same."""
        plan = self.plan(metrics)
        items, alone = prepared(plan, video, given)
        with self.settings():
            rows = [VideoInputs(item.sample, self.features(plan, item)) for item in items]
            others = [VideoInputs(item.sample, self.reference_features(plan, item)) for item in alone]
            found = self.combine(plan, rows, references=others)
        refuse_short(found, sets_of(plan), [*rows, *others])
        ids = {name: resolve_metric(name, plan.metrics) for name in _names(metrics) if isinstance(name, str)}
        return as_asked(metrics, found, ids)

    def wanted(self, plan: RunPlan) -> list[str]:
        """Return the features that the metrics of ``plan`` read, each after those that it needs."""
        named = {name for metric in plan.metrics.values() for name in metric.record.features} - PSEUDO
        return order_of(in_order(named, feature_registry()), plan.records)

    def provenance(self, plan: RunPlan, metric: Metric) -> dict[str, Any]:
        """Return where the number of ``metric`` comes from, as plain data."""
        named = in_order(set(metric.record.features) - PSEUDO, feature_registry())
        used = features_used(plan)
        roles = {role for name in named for role in (*plan.records[name].weights, *plan.records[name].optional_weights)}
        files = {role: file for role, file in plan.weights.items() if role in roles}
        return {
            "evalkit": __version__,
            "backbones": {"name": plan.backbones.name, "sha256": plan.backbones.sha256},
            "weights": {role: file.sha256 for role, file in sorted(files.items())},
            "device": self.device,
            "threads": self.threads,
            "runners": runners_used(files),
            "features": {name: used[name].model_dump(mode="json") for name in named},
        }

    def _ready(self, plan: RunPlan, names: Iterable[str]) -> dict[str, Extractor]:
        """Return the extractors of ``names``; opens those that are not there yet."""
        registry = feature_registry()
        ready = {}
        for name in names:
            if name not in self._extractors:
                kind = registry[name]
                roles = (*kind.record.weights, *kind.record.optional_weights)
                files = {role: plan.weights[role] for role in roles if role in plan.weights}
                self._extractors[name] = kind(files, self.device)
            ready[name] = self._extractors[name]
        return ready


def _names(metrics: Sequence[str | Metric] | str | Metric) -> list[str | Metric]:
    if isinstance(metrics, Metric):
        return [metrics]
    names: list[Any]
    if isinstance(metrics, str):
        names = [name.strip() for name in metrics.split(",") if name.strip()]
    else:
        names = list(metrics) if isinstance(metrics, Iterable) else [metrics]
    wrong = [name for name in names if not isinstance(name, (str, Metric))]
    if wrong or not names:
        raise UsageError(
            "The argument metrics has the wrong type." if wrong else "No metric was named.",
            found=type(wrong[0]).__name__ if wrong else None,
            expected="the name of a metric, as 'lse_c', or a list of names",
            fix="'evalkit metrics list' shows all names.",
        )
    return names


def _refuse_missing_roles(plan: RunPlan) -> None:
    name, reason = next(iter(plan.unavailable.items()))
    role = reason.partition(":")[2]
    raise UsageError(
        f"The backbones '{plan.backbones.name}' have no network for {name}.",
        found=f"no role '{role}'",
        fix="Use backbones='published', or a backbones file that has this role ('evalkit weights list').",
    )
