"""`score`, and `prepare_references` for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.api.arguments import (
    check_engine,
    check_types,
    fitting_pack,
    opened_inputs,
    planned,
    refuse_imports,
    refuse_scores,
    run_options,
)
from evalkit.api.results import run_score
from evalkit.challenges.model import Challenge, load_challenge
from evalkit.errors import TestSetError
from evalkit.metrics.base import Metric
from evalkit.progress import Progress
from evalkit.scoring.devices import AUTO, settled_device
from evalkit.scoring.imports import open_imports
from evalkit.scoring.scorecard import Scorecard
from evalkit.testsets.loading import load_testset
from evalkit.testsets.model import TestSet
from evalkit.weights.manifest import Backbones
from evalkit.workers.sandbox import Level

if TYPE_CHECKING:
    from evalkit.scoring.packs.making import PackReport


def score(
    submission: str | Path,
    challenge: str | Path | Challenge,
    testset: str | Path | TestSet,
    *,
    out: str | Path | None = None,
    metrics: Sequence[str | Metric] | str | None = None,
    backbones: str | Path | Backbones = "published",
    reference_pack: str | Path | None = None,
    features: Mapping[str, str | Path] | None = None,
    workers: int | None = None,
    memory: str | int | None = None,
    device: str = "cpu",
    limit: int | None = None,
    allow_missing: bool = False,
    replace: bool = False,
    cache: str | Path | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
    timeout: float | None = None,
    submission_timeout: float | None = None,
    sandbox: Level | None = None,
    engine: str = "local",
    address: str | None = None,
) -> Scorecard:
    """Score a submission.

    Args:
        submission: a ZIP, or a folder laid out like one.
        challenge: a preset's id, the path of a YAML file, or a `Challenge`.
        testset: the test set's folder, its ``samples.jsonl`` or ``eval.json``, or a `TestSet`.
        out: folder for ``scorecard.json``, ``per_video.parquet``, ``per_video.csv``, ``report.html``, ``log.jsonl``.
        metrics: ids or aliases, as a list or one string with commas; ``None`` for the challenge's. A list may also hold
            metrics that no package registers (`evalkit.metrics.base.metric`), which read installed features. A board
            takes their numbers only where they are installed.
        backbones: a set's name or file.
        reference_pack: file of `prepare_references`: features of references are taken from it. Reference videos may
            lack then; what compares with them frame by frame is unscored.
        features: source -> folder of files that another program made of the videos (docs/imported-features.md).
        workers: processes; ``None`` for one per core. The scores don't depend on it.
        memory: budget for the whole run, as ``8G`` or bytes: chooses the number of workers, unless that is given, and
            the limit of each (docs/throughput.md). The scores don't depend on it. ``None`` for none.
        device: ``cpu``, ``cuda`` for all GPUs, ``auto`` for them where there are some, or ``cuda:0,cuda:1``.
        limit: score the first samples only.
        allow_missing: leave out metrics whose weights are not there, instead of stopping.
        replace: write over the results of another submission in ``out``.
        cache: folder of the feature cache, or an address that fsspec opens, as ``s3://...`` (docs/clusters.md);
            ``None`` for ``EVALKIT_CACHE`` or the platform's.
        fresh: compute again what is cached.
        progress: receives how far the run is.
        timeout: time limit for one video in seconds; ``None`` to derive it from the challenge's rules
            (`evalkit.scoring.time_limits`).
        submission_timeout: time limit for all videos together; ``None`` to derive it from theirs. Videos for which no
            time is left are unscored.
        sandbox: limits on the processes that read the videos: ``full``, ``limits`` or ``off`` (SECURITY.md);
            ``None`` for ``EVALKIT_SANDBOX`` or ``full``.
        engine: ``local`` for this machine, ``ray`` for the nodes of a Ray cluster (docs/clusters.md).
        address: of the Ray cluster, as ``HOST:PORT``; ``None`` for ``RAY_ADDRESS``, else the one of this machine.

    Raises:
        EvalkitError: when something can't be opened, the archive is refused, weights are missing, or the reference
            pack is of another test set, version or set of weights.
    """
    check_types(submission=submission, challenge=challenge, testset=testset, backbones=backbones, device=device)
    check_types(optional=True, objects=True, metrics=metrics)
    check_types(optional=True, out=out, workers=workers, memory=memory, limit=limit, cache=cache, timeout=timeout)
    check_types(optional=True, submission_timeout=submission_timeout, reference_pack=reference_pack, features=features)
    refuse_imports(features, engine, reference_pack)
    if engine == "ray" and device == AUTO:
        device = "cpu"
    check_engine(engine, address, device, memory)
    opened, rules, samples = opened_inputs(submission, challenge, testset, limit)
    device = settled_device(device, several=True)
    plan = planned(rules, backbones, metrics, allow_missing, device, sandbox)
    options = run_options(workers, cache, fresh, progress, timeout, sandbox, submission_timeout, memory, plan)
    if features:
        options.imports = open_imports(features, samples, plan, opened.path)
    goal = Path(out) if out else None
    if engine == "ray":
        from evalkit.cluster.ray.engine import RayEngine

        options.engine = RayEngine(address, workers, timeout, sandbox, submission_timeout, warn=options.progress.warn)
    with fitting_pack(reference_pack, samples, plan) as options.references, options.engine.connected():
        return run_score(opened, rules, samples, plan, out=goal, replace=replace, options=options).scorecard


def prepare_references(
    testset: str | Path | TestSet,
    challenge: str | Path | Challenge,
    out: str | Path,
    *,
    metrics: Sequence[str] | str | None = None,
    backbones: str | Path | Backbones = "published",
    workers: int | None = None,
    device: str = "cpu",
    allow_missing: bool = False,
    cache: str | Path | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
    timeout: float | None = None,
    submission_timeout: float | None = None,
    sandbox: Level | None = None,
) -> PackReport:
    """Compute the features of a test set's references once, and write them to one file for `score` anywhere.

    Args:
        testset: the test set's folder, its ``samples.jsonl`` or ``eval.json``, or a `TestSet`; all of it.
        challenge: a preset's id, the path of a YAML file, or a `Challenge`.
        out: the file to write. The same input gives the same bytes.
        metrics, backbones, workers, device, allow_missing, cache, fresh, progress, timeout, submission_timeout,
            sandbox: as in `score`.

    Returns:
        What was written.

    Raises:
        EvalkitError: when something can't be opened, weights are missing, or a feature can't be computed.
    """
    from evalkit.scoring.packs.making import prepare_pack

    check_types(testset=testset, challenge=challenge, backbones=backbones, device=device, out=out)
    check_types(optional=True, metrics=metrics, workers=workers, cache=cache, timeout=timeout)
    check_types(optional=True, submission_timeout=submission_timeout)
    rules = challenge if isinstance(challenge, Challenge) else load_challenge(challenge)
    refuse_scores(rules, "A reference pack")
    samples = testset if isinstance(testset, TestSet) else load_testset(testset)
    if not samples.samples:
        raise TestSetError("The test set is empty.", expected="at least one sample")
    device = settled_device(device, several=True)
    plan = planned(rules, backbones, metrics, allow_missing, device, sandbox)
    options = run_options(workers, cache, fresh, progress, timeout, sandbox, submission_timeout)
    return prepare_pack(samples, rules, plan, options, Path(out))
