"""`validate`, `repair`, `pack` and `check_testset`: what is wrong, before anything is scored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.api.arguments import check_types, fitting_pack, metric_names, patterns, refuse_scores, run_options
from evalkit.challenges.model import Challenge, load_challenge
from evalkit.errors import UsageError
from evalkit.progress import Progress
from evalkit.scoring.devices import settled_device
from evalkit.scoring.engine import LocalEngine
from evalkit.scoring.intake import ValidationReport
from evalkit.scoring.plan import make_plan
from evalkit.scoring.run import RunOptions, validate_run
from evalkit.scoring.shared_cache import open_place
from evalkit.submission.model import Submission
from evalkit.testsets.loading import load_testset
from evalkit.testsets.model import TestSet
from evalkit.weights.manifest import Backbones, load_backbones
from evalkit.workers.sandbox import Level, default_level

if TYPE_CHECKING:
    from evalkit.packing.report import PackReport
    from evalkit.repairing.report import RepairReport
    from evalkit.testset_check import TestSetReport


def validate(
    submission: str | Path,
    challenge: str | Path | Challenge,
    testset: str | Path | TestSet | None = None,
    *,
    reference_pack: str | Path | None = None,
    workers: int | None = None,
    memory: str | int | None = None,
    cache: str | Path | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
    timeout: float | None = None,
    submission_timeout: float | None = None,
    sandbox: Level | None = None,
) -> ValidationReport:
    """Check a submission against a challenge's rules; every video is decoded to its end.

    Args:
        submission: a ZIP, or a folder laid out like one.
        challenge: a preset's id, the path of a YAML file, or a `Challenge`.
        testset: the test set, to find missing files; without it every file of the right form is a sample.
        reference_pack: file of `prepare_references`: the lengths of speech and reference videos are taken from it.
        workers: processes; ``None`` for one per core.
        memory: budget for the whole run, as ``8G`` or bytes: chooses the number of workers, unless that is given, and
            the limit of each (docs/throughput.md). The scores don't depend on it. ``None`` for none.
        cache: folder of the feature cache, or an address that fsspec opens, as ``s3://...`` (docs/clusters.md);
            ``None`` for ``EVALKIT_CACHE`` or the platform's.
        fresh: decode again what is cached.
        progress: receives how far the run is.
        timeout: time limit for one video in seconds; ``None`` to derive it from the challenge's rules
            (`evalkit.scoring.time_limits`).
        submission_timeout: time limit for all videos together; ``None`` to derive it from theirs. Videos for which no
            time is left are unscored.
        sandbox: limits on the processes that read the videos: ``full``, ``limits`` or ``off`` (SECURITY.md);
            ``None`` for ``EVALKIT_SANDBOX`` or ``full``.

    Returns:
        The findings by file. ``report.ok`` is false when any is an error.

    Raises:
        EvalkitError: when the submission, the challenge, the test set or the pack can't be opened, or the pack is of
            another test set.
    """
    check_types(submission=submission, challenge=challenge)
    check_types(optional=True, testset=testset, workers=workers, memory=memory, cache=cache, timeout=timeout)
    check_types(optional=True, submission_timeout=submission_timeout, reference_pack=reference_pack)
    rules = challenge if isinstance(challenge, Challenge) else load_challenge(challenge)
    samples = testset if isinstance(testset, TestSet) or testset is None else load_testset(testset)
    options = run_options(workers, cache, fresh, progress, timeout, sandbox, submission_timeout, memory)
    opened = Submission.open(submission, rules.submission.archive)
    if reference_pack is not None and samples is None:
        raise UsageError("A reference pack belongs to a test set.", fix="Give the test set too, with --testset.")
    with fitting_pack(reference_pack, samples) as options.references:
        return validate_run(opened, rules, samples, options)


def repair(
    submission: str | Path,
    challenge: str | Path | Challenge,
    out: str | Path,
    testset: str | Path | TestSet | None = None,
    *,
    workers: int | None = None,
    cache: str | Path | None = None,
    progress: Progress | None = None,
    timeout: float | None = None,
    submission_timeout: float | None = None,
    sandbox: Level | None = None,
) -> RepairReport:
    """Write a repaired copy of a submission: names, containers, codecs, rates, sizes, audio, as the challenge asks.

    Args:
        submission: a ZIP, or a folder laid out like one; only read.
        challenge: a preset's id, the path of a YAML file, or a `Challenge`.
        out: the new ZIP.
        testset: the test set, to match names with samples and for the speech of files without audio.
        workers: processes, and ffmpeg commands at once; ``None`` for one per core.
        cache, progress, timeout, submission_timeout, sandbox: as in `validate`.

    Returns:
        What was done to each file, and what could not be repaired. ``report.valid`` says whether the new ZIP is valid.

    Raises:
        EvalkitError: when something can't be opened, nothing can be matched with a sample, or ffmpeg is missing.
    """
    from evalkit.repairing.repair import repair_submission
    from evalkit.workers.pool import default_workers

    check_types(submission=submission, challenge=challenge, out=out)
    check_types(optional=True, testset=testset, workers=workers, cache=cache, timeout=timeout)
    check_types(optional=True, submission_timeout=submission_timeout)
    rules = challenge if isinstance(challenge, Challenge) else load_challenge(challenge)
    refuse_scores(rules, "Repairing")
    samples = testset if isinstance(testset, TestSet) or testset is None else load_testset(testset)
    options = RunOptions(
        cache=open_place(cache, (progress or Progress()).warn),
        engine=LocalEngine(workers, timeout, sandbox, submission_timeout),
        progress=progress or Progress(),
    )
    opened = Submission.open(submission, rules.submission.archive)
    return repair_submission(opened, rules, samples, Path(out), options, workers=workers or default_workers())


def pack(
    folder: str | Path,
    challenge: str | Path | Challenge,
    testset: str | Path | TestSet,
    out: str | Path | None = None,
    *,
    speed: str | Path | None = None,
    mapping: str | Path | None = None,
    only: Sequence[str] = (),
    exclude: Sequence[str] = (),
    incomplete: bool = False,
    dry_run: bool = False,
    workers: int | None = None,
    cache: str | Path | None = None,
    progress: Progress | None = None,
    timeout: float | None = None,
    submission_timeout: float | None = None,
    sandbox: Level | None = None,
) -> PackReport:
    """Make a valid submission from a folder of generated videos: find each sample's file, correct it, write the ZIP.

    Args:
        folder: with a video for each sample, at any depth and in any container; only read, links are not followed.
        challenge: a preset's id, the path of a YAML file, or a `Challenge`.
        testset: whose samples the videos belong to; its speech goes into files without audio.
        out: the ZIP; written at the end, whole or not at all. Needed unless ``dry_run``.
        speed: a ``speed.json`` for the ZIP.
        mapping: a CSV with the columns ``sample`` and ``file``, for samples whose file its name does not tell.
        only, exclude: patterns such as ``*_result.mp4``, of names or of paths in the folder: which videos count.
        incomplete: write the ZIP also when samples are missing or videos break rules.
        dry_run: say what would be done; convert and write nothing.
        workers: processes, and ffmpeg commands at once; ``None`` for one per core.
        cache, progress, timeout, submission_timeout, sandbox: as in `validate`.

    Returns:
        How the file of each sample was found, what was done to it and why. ``report.valid`` is the verdict of
        `validate` on the ZIP; one that is not valid is written only with ``incomplete``.

    Raises:
        EvalkitError: when it is not clear which file belongs to a sample, a sample has none, something can't be
            opened, or ffmpeg is missing.
    """
    from evalkit.packing.pack import PackSettings, pack_folder
    from evalkit.workers.pool import default_workers

    check_types(folder=folder, challenge=challenge, testset=testset)
    check_types(optional=True, out=out, speed=speed, mapping=mapping, workers=workers, cache=cache, timeout=timeout)
    check_types(optional=True, submission_timeout=submission_timeout)
    check_types(only=only, exclude=exclude)
    if out is None and not dry_run:
        raise UsageError("The name of the ZIP is missing.", fix="Give it, or ask for a dry run.")
    rules = challenge if isinstance(challenge, Challenge) else load_challenge(challenge)
    refuse_scores(rules, "Packing")
    samples = testset if isinstance(testset, TestSet) else load_testset(testset)
    settings = PackSettings(
        speed=None if speed is None else Path(speed),
        mapping=None if mapping is None else Path(mapping),
        only=patterns(only),
        exclude=patterns(exclude),
        incomplete=incomplete,
        dry_run=dry_run,
    )
    options = run_options(workers, cache, False, progress, timeout, sandbox, submission_timeout)
    place = None if out is None else Path(out)
    return pack_folder(
        Path(folder), rules, samples, place, settings, options=options, workers=workers or default_workers()
    )


def check_testset(
    testset: str | Path | TestSet,
    challenge: str | Path | Challenge,
    *,
    metrics: Sequence[str] | str | None = None,
    backbones: str | Path | Backbones = "published",
    train: str | Path | None = None,
    limit: int | None = None,
    workers: int | None = None,
    device: str = "cpu",
    cache: str | Path | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
    timeout: float | None = None,
    submission_timeout: float | None = None,
    sandbox: Level | None = None,
) -> TestSetReport:
    """Check a test set before a challenge opens: its media, and what the metrics make of the real videos.

    Args:
        testset: the test set's folder, its ``samples.jsonl`` or ``eval.json``, or a `TestSet`.
        challenge: a preset's id, the path of a YAML file, or a `Challenge`; its rules for submissions are applied to
            the reference videos.
        metrics: ids or aliases; ``None`` for the challenge's, an empty list to check the files only. Metrics whose
            weights are missing are left out.
        train: of a challenge for detectors, a table of the videos that they are trained with; ``None`` for
            ``train.csv`` in the test set's folder. What it shares with the test set and must not is an error.
        backbones, limit, workers, device, cache, fresh, progress, timeout, submission_timeout, sandbox: as in `score`.

    Returns:
        The findings and the values of the real videos. ``report.verdict`` is the worst severity.

    Raises:
        EvalkitError: when the test set or the challenge can't be opened.
    """
    from evalkit.testset_check import check_testset_media

    check_types(testset=testset, challenge=challenge, backbones=backbones, device=device)
    check_types(optional=True, metrics=metrics, limit=limit, workers=workers, cache=cache, timeout=timeout)
    check_types(optional=True, submission_timeout=submission_timeout)
    rules = challenge if isinstance(challenge, Challenge) else load_challenge(challenge)
    samples = testset if isinstance(testset, TestSet) else load_testset(testset)
    if rules.submission.kind == "scores":
        from evalkit.detection.testset_check import check_truth
        from evalkit.testset_check import TestSetReport

        chosen = samples.limited(limit)
        return TestSetReport(rules.id, len(chosen), tuple(check_truth(chosen, rules, _path(train))))
    if train is not None:
        raise UsageError(
            "A list of the training is for challenges about detectors.",
            found=f"submission.kind: {rules.submission.kind}",
            expected="submission.kind: scores",
        )
    plan = None
    names = metric_names(metrics)
    if names is None or names:
        device = settled_device(device, several=True)
        weights = backbones if isinstance(backbones, Backbones) else load_backbones(backbones)
        free = (sandbox or default_level()) != "full"
        plan = make_plan(rules, weights, names=names, allow_missing=True, may_start_programs=free, device=device)
    options = run_options(workers, cache, fresh, progress, timeout, sandbox, submission_timeout)
    return check_testset_media(samples.limited(limit), rules, options, plan)


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)
