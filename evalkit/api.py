"""The Python interface; the command line calls exactly these functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from numbers import Integral
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.challenges.model import Challenge, load_challenge
from evalkit.errors import EvalkitError, SubmissionError, TestSetError, UsageError
from evalkit.progress import Progress
from evalkit.scoring.devices import AUTO, settled_device
from evalkit.scoring.engine import LocalEngine
from evalkit.scoring.intake import Gate, ValidationReport, open_gate
from evalkit.scoring.journal import Journal
from evalkit.scoring.plan import RunPlan, make_plan, require_references
from evalkit.scoring.run import RunOptions, ScoreResult, intake_report, score_run, validate_run
from evalkit.scoring.scorecard import Scorecard
from evalkit.scoring.shared_cache import open_place
from evalkit.submission.model import Submission
from evalkit.testsets.loading import load_testset
from evalkit.testsets.model import TestSet
from evalkit.text import escape_for_display
from evalkit.weights.manifest import Backbones, load_backbones
from evalkit.workers.sandbox import Level, default_level

if TYPE_CHECKING:
    from evalkit.batch.entries import Entry
    from evalkit.batch.estimate import Estimate
    from evalkit.batch.outcome import BatchResult
    from evalkit.batch.settings import Settings
    from evalkit.cluster.shard_run import PartWritten
    from evalkit.repairing import RepairReport
    from evalkit.scoring.packs.making import PackReport
    from evalkit.scoring.packs.use import PackUse
    from evalkit.testset_check import TestSetReport
    from evalkit.workers.budget import MemoryPlan

_PATH = (str, PathLike)
_ARGUMENTS: Mapping[str, tuple[tuple[type, ...], str]] = {  # name -> its types, and how messages call them
    "submission": (_PATH, "the path of a ZIP or a folder"),
    "submissions": (_PATH, "the path of a folder or a list"),
    "board": (_PATH, "the path of a file, or a URL"),
    "challenge": ((*_PATH, Challenge), "a preset's id, the path of a YAML file, or a Challenge"),
    "testset": ((*_PATH, TestSet), "the path of a test set, or a TestSet"),
    "backbones": ((*_PATH, Backbones), "the name of a set of backbones, the path of a file, or Backbones"),
    "out": (_PATH, "a path"),
    "cache": (_PATH, "a path or an address"),
    "metrics": ((str, Sequence), "a list of ids, or one string with commas"),
    "device": ((str,), "cpu, cuda or auto"),
    "reference_pack": (_PATH, "the path of a reference pack"),
    "workers": ((Integral,), "a whole number"),
    "memory": ((str, Integral), "a size such as 8G, or a number of bytes"),
    "limit": ((Integral,), "a whole number"),
    "timeout": ((int, float), "a number of seconds"),
    "submission_timeout": ((int, float), "a number of seconds"),
}


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
    _check_types(submission=submission, challenge=challenge)
    _check_types(optional=True, testset=testset, workers=workers, memory=memory, cache=cache, timeout=timeout)
    _check_types(optional=True, submission_timeout=submission_timeout, reference_pack=reference_pack)
    rules = challenge if isinstance(challenge, Challenge) else load_challenge(challenge)
    samples = testset if isinstance(testset, TestSet) or testset is None else load_testset(testset)
    options = _run_options(workers, cache, fresh, progress, timeout, sandbox, submission_timeout, memory)
    opened = Submission.open(submission, rules.submission.archive)
    if reference_pack is not None and samples is None:
        raise UsageError("A reference pack belongs to a test set.", fix="Give the test set too, with --testset.")
    with _fitting_pack(reference_pack, samples) as options.references:
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
    from evalkit.repairing import repair_submission
    from evalkit.workers.pool import default_workers

    _check_types(submission=submission, challenge=challenge, out=out)
    _check_types(optional=True, testset=testset, workers=workers, cache=cache, timeout=timeout)
    _check_types(optional=True, submission_timeout=submission_timeout)
    rules = challenge if isinstance(challenge, Challenge) else load_challenge(challenge)
    samples = testset if isinstance(testset, TestSet) or testset is None else load_testset(testset)
    options = RunOptions(
        cache=open_place(cache, (progress or Progress()).warn),
        engine=LocalEngine(workers, timeout, sandbox, submission_timeout),
        progress=progress or Progress(),
    )
    opened = Submission.open(submission, rules.submission.archive)
    return repair_submission(opened, rules, samples, Path(out), options, workers=workers or default_workers())


def check_testset(
    testset: str | Path | TestSet,
    challenge: str | Path | Challenge,
    *,
    metrics: Sequence[str] | str | None = None,
    backbones: str | Path | Backbones = "published",
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
        backbones, limit, workers, device, cache, fresh, progress, timeout, submission_timeout, sandbox: as in `score`.

    Returns:
        The findings and the values of the real videos. ``report.verdict`` is the worst severity.

    Raises:
        EvalkitError: when the test set or the challenge can't be opened.
    """
    from evalkit.testset_check import check_testset_media

    _check_types(testset=testset, challenge=challenge, backbones=backbones, device=device)
    _check_types(optional=True, metrics=metrics, limit=limit, workers=workers, cache=cache, timeout=timeout)
    _check_types(optional=True, submission_timeout=submission_timeout)
    rules = challenge if isinstance(challenge, Challenge) else load_challenge(challenge)
    samples = testset if isinstance(testset, TestSet) else load_testset(testset)
    plan = None
    metrics = _metric_names(metrics)
    if metrics is None or metrics:
        device = settled_device(device)
        weights = backbones if isinstance(backbones, Backbones) else load_backbones(backbones)
        free = (sandbox or default_level()) != "full"
        plan = make_plan(rules, weights, names=metrics, allow_missing=True, may_start_programs=free, device=device)
    options = _run_options(workers, cache, fresh, progress, timeout, sandbox, submission_timeout)
    return check_testset_media(samples.limited(limit), rules, options, plan)


def score(
    submission: str | Path,
    challenge: str | Path | Challenge,
    testset: str | Path | TestSet,
    *,
    out: str | Path | None = None,
    metrics: Sequence[str] | str | None = None,
    backbones: str | Path | Backbones = "published",
    reference_pack: str | Path | None = None,
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
        metrics: ids or aliases, as a list or one string with commas; ``None`` for the challenge's.
        backbones: a set's name or file.
        reference_pack: file of `prepare_references`: features of references are taken from it. Reference videos may
            lack then; what compares with them frame by frame is unscored.
        workers: processes; ``None`` for one per core. The scores don't depend on it.
        memory: budget for the whole run, as ``8G`` or bytes: chooses the number of workers, unless that is given, and
            the limit of each (docs/throughput.md). The scores don't depend on it. ``None`` for none.
        device: ``cpu``, ``cuda``, or ``auto`` for a GPU where there is one.
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
    _check_types(submission=submission, challenge=challenge, testset=testset, backbones=backbones, device=device)
    _check_types(
        optional=True,
        out=out,
        metrics=metrics,
        workers=workers,
        memory=memory,
        limit=limit,
        cache=cache,
        timeout=timeout,
    )
    _check_types(optional=True, submission_timeout=submission_timeout, reference_pack=reference_pack)
    if engine == "ray" and device == AUTO:
        device = "cpu"
    _check_engine(engine, address, device, memory)
    opened, rules, samples = _opened(submission, challenge, testset, limit)
    device = settled_device(device)
    plan = _plan(rules, backbones, metrics, allow_missing, device, sandbox)
    options = _run_options(workers, cache, fresh, progress, timeout, sandbox, submission_timeout, memory, plan)
    goal = Path(out) if out else None
    if engine == "ray":
        from evalkit.cluster.ray.engine import RayEngine

        options.engine = RayEngine(address, workers, timeout, sandbox, submission_timeout, warn=options.progress.warn)
    with _fitting_pack(reference_pack, samples, plan) as options.references, options.engine.connected():
        return run_score(opened, rules, samples, plan, out=goal, replace=replace, options=options).scorecard


@contextmanager
def _fitting_pack(
    path: str | Path | None, testset: TestSet | None, plan: RunPlan | None = None
) -> Iterator[PackUse | None]:
    """Open a reference pack and compare it with the test set and, where there is one, the plan."""
    if path is None or testset is None:
        yield None
        return
    from evalkit.scoring.packs.reader import ReferencePack
    from evalkit.scoring.packs.use import fit_run, fit_testset

    with ReferencePack(Path(path)) as pack:
        yield fit_testset(pack, testset) if plan is None else fit_run(pack, testset, plan)


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

    _check_types(testset=testset, challenge=challenge, backbones=backbones, device=device, out=out)
    _check_types(optional=True, metrics=metrics, workers=workers, cache=cache, timeout=timeout)
    _check_types(optional=True, submission_timeout=submission_timeout)
    rules = challenge if isinstance(challenge, Challenge) else load_challenge(challenge)
    samples = testset if isinstance(testset, TestSet) else load_testset(testset)
    if not samples.samples:
        raise TestSetError("The test set is empty.", expected="at least one sample")
    device = settled_device(device)
    plan = _plan(rules, backbones, metrics, allow_missing, device, sandbox)
    options = _run_options(workers, cache, fresh, progress, timeout, sandbox, submission_timeout)
    return prepare_pack(samples, rules, plan, options, Path(out))


def score_all(
    submissions: str | Path,
    challenge: str | Path | Challenge,
    testset: str | Path | TestSet,
    out: str | Path,
    *,
    metrics: Sequence[str] | str | None = None,
    backbones: str | Path | Backbones = "published",
    reference_pack: str | Path | None = None,
    workers: int | None = None,
    memory: str | int | None = None,
    device: str = "cpu",
    limit: int | None = None,
    allow_missing: bool = False,
    retry: bool = False,
    board: str | Path | None = None,
    by: str | None = None,
    why: str | None = None,
    allow_shared: bool = False,
    cache: str | Path | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
    timeout: float | None = None,
    submission_timeout: float | None = None,
    sandbox: Level | None = None,
) -> BatchResult:
    """Score all submissions with one pool of workers. What is wrong with one of them costs no other.

    Submissions that an earlier run finished are not scored again; one that was under way goes on from the cache.

    Args:
        submissions: a folder with a ZIP or a folder for each team, or a list (CSV or YAML: team, run, path, primary).
        challenge, testset, metrics, backbones, reference_pack, workers, memory, device, limit, allow_missing, cache: as
            in `score`.
        out: folder with a folder for each submission, ``summary.csv``, ``summary.html`` and ``log.jsonl``.
        retry: score again those of which something has no number.
        board: the board that scorecards are put on; ``None`` for none.
        by: who puts them there, for the board's log.
        why: the reason, where a scorecard on the board is replaced, or videos of two teams are equal.
        allow_shared: whether two teams may have the same videos on the board.
        fresh: score everything again, also what is finished.
        progress: receives how far all of them are.
        timeout, submission_timeout, sandbox: as in `score`, for each submission.

    Returns:
        What came of each. ``result.exit_code`` is that of the command.

    Raises:
        EvalkitError: when nothing could be begun: the list, the challenge, the test set or weights are at fault.
    """
    from evalkit.batch.boarding import BoardWriter
    from evalkit.batch.running import run_batch
    from evalkit.batch.summary import write_summary

    _check_types(optional=True, board=board)
    if board is not None and limit is not None:
        raise UsageError(
            "A board takes whole submissions, not the first samples of them.",
            found=f"limit {limit} and board {board}",
            fix="Leave out --limit, or --board.",
        )
    shown = progress or Progress()
    entries, settings = _batch(
        submissions,
        challenge,
        testset,
        out,
        metrics=metrics,
        backbones=backbones,
        workers=workers,
        memory=memory,
        device=device,
        limit=limit,
        allow_missing=allow_missing,
        cache=cache,
        progress=shown,
        fresh=fresh,
        retry=retry,
        timeout=timeout,
        submission_timeout=submission_timeout,
        sandbox=sandbox,
    )

    def score_one(opened: Submission, folder: Path, options: RunOptions) -> ScoreResult:
        return run_score(
            opened,
            settings.challenge,
            settings.testset,
            settings.plan,
            out=folder,
            options=options,
            replace=True,
        )

    _load_writers()
    with (
        _fitting_pack(reference_pack, settings.testset, settings.plan) as settings.options.references,
        ExitStack() as open_board,
    ):
        writer = None
        if board is not None:
            from evalkit.board import Board

            if by is None:
                raise UsageError("Nobody is named who puts scorecards on the board.", fix="Give a name with 'by'.")
            given = BoardWriter(Board.open(board), settings.challenge, by=by, why=why, allow_shared=allow_shared)
            writer = open_board.enter_context(given)
        result = run_batch(entries, settings, score_one, shown, writer)
    write_summary(result)
    return result


def estimate_all(
    submissions: str | Path,
    challenge: str | Path | Challenge,
    testset: str | Path | TestSet,
    out: str | Path,
    *,
    metrics: Sequence[str] | str | None = None,
    backbones: str | Path | Backbones = "published",
    reference_pack: str | Path | None = None,
    workers: int | None = None,
    memory: str | int | None = None,
    device: str = "cpu",
    limit: int | None = None,
    allow_missing: bool = False,
    cache: str | Path | None = None,
    progress: Progress | None = None,
    timeout: float | None = None,
    submission_timeout: float | None = None,
    sandbox: Level | None = None,
) -> Estimate:
    """Score a few videos of the first submissions into the cache, and say what `score_all` will take.

    Args:
        submissions, challenge, testset, out, metrics, backbones, reference_pack, workers, memory, device, limit,
            allow_missing, cache, progress, timeout, submission_timeout, sandbox: as in `score_all`; nothing is written
            to ``out``.

    Returns:
        Hours, disk and memory, with the spread of the hours.

    Raises:
        EvalkitError: as `score_all`, and when there is nothing to measure.
    """
    from evalkit.batch.estimate import estimate_batch

    shown = progress or Progress()
    entries, settings = _batch(
        submissions,
        challenge,
        testset,
        out,
        metrics=metrics,
        backbones=backbones,
        workers=workers,
        memory=memory,
        device=device,
        limit=limit,
        allow_missing=allow_missing,
        cache=cache,
        progress=shown,
        timeout=timeout,
        submission_timeout=submission_timeout,
        sandbox=sandbox,
    )
    with _fitting_pack(reference_pack, settings.testset, settings.plan) as settings.options.references:
        return estimate_batch(entries, settings, shown)


def _batch(
    submissions: str | Path,
    challenge: str | Path | Challenge,
    testset: str | Path | TestSet,
    out: str | Path,
    *,
    metrics: Sequence[str] | str | None,
    backbones: str | Path | Backbones,
    workers: int | None,
    memory: str | int | None,
    device: str,
    limit: int | None,
    allow_missing: bool,
    cache: str | Path | None,
    progress: Progress,
    sandbox: Level | None,
    timeout: float | None,
    submission_timeout: float | None,
    fresh: bool = False,
    retry: bool = False,
) -> tuple[list[Entry], Settings]:
    """Return the queue, and what all submissions share; everything that may be wrong with either is found here."""
    from evalkit.batch.entries import read_entries
    from evalkit.batch.settings import Settings

    _check_types(submissions=submissions, challenge=challenge, testset=testset, out=out, backbones=backbones)
    _check_types(device=device)
    _check_types(optional=True, metrics=metrics, workers=workers, memory=memory, limit=limit, cache=cache)
    _check_types(optional=True, timeout=timeout, submission_timeout=submission_timeout)
    rules = challenge if isinstance(challenge, Challenge) else load_challenge(challenge)
    samples = testset if isinstance(testset, TestSet) else load_testset(testset)
    if limit is not None and limit < 1:
        raise UsageError("The limit must be at least 1.", found=str(limit))
    samples = samples.limited(limit)
    entries = read_entries(Path(submissions), rules.submission.runs, Path(out))
    device = settled_device(device)
    plan = _plan(rules, backbones, metrics, allow_missing, device, sandbox)
    options = _run_options(workers, cache, fresh, progress, timeout, sandbox, submission_timeout, memory, plan)
    assert isinstance(options.engine, LocalEngine)  # noqa: S101 - for the type checker
    return entries, Settings(rules, samples, plan, Path(out), options, options.engine, retry)


def score_shard(
    submission: str | Path,
    challenge: str | Path | Challenge,
    testset: str | Path | TestSet,
    shard: str,
    part: str | Path,
    *,
    metrics: Sequence[str] | str | None = None,
    backbones: str | Path | Backbones = "published",
    workers: int | None = None,
    memory: str | int | None = None,
    device: str = "cpu",
    limit: int | None = None,
    allow_missing: bool = False,
    cache: str | Path | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
    timeout: float | None = None,
    submission_timeout: float | None = None,
    sandbox: Level | None = None,
) -> PartWritten:
    """Compute one share of a submission's features, for `merge`; the shards need nothing of each other.

    Args:
        submission, challenge, testset: as in `score`, the same for all shards.
        shard: ``i/n``: which of how many.
        part: the file to write; one that is there is replaced when the new one is complete.
        metrics, backbones, device, limit, allow_missing: as in `score`, the same for all shards.
        workers, cache, fresh, progress, timeout, submission_timeout, sandbox: as in `score`. The time limit of the
            submission is derived from the videos of the share.

    Raises:
        EvalkitError: as in `score`.
    """
    from evalkit.cluster.shard_run import run_shard
    from evalkit.cluster.shares import Shard

    _check_types(submission=submission, challenge=challenge, testset=testset, backbones=backbones, device=device)
    _check_types(
        optional=True,
        out=part,
        metrics=metrics,
        workers=workers,
        memory=memory,
        limit=limit,
        cache=cache,
        timeout=timeout,
    )
    _check_types(optional=True, submission_timeout=submission_timeout)
    which = Shard.parse(shard)
    opened, rules, samples = _opened(submission, challenge, testset, limit)
    device = settled_device(device)
    plan = _plan(rules, backbones, metrics, allow_missing, device, sandbox)
    gate = _scorable_gate(opened, rules, samples, plan)
    options = _run_options(workers, cache, fresh, progress, timeout, sandbox, submission_timeout, memory, plan)
    return run_shard(opened, rules, samples, plan, gate, which, Path(part), options)


def merge(
    parts: Sequence[str | Path],
    submission: str | Path,
    challenge: str | Path | Challenge,
    testset: str | Path | TestSet,
    *,
    out: str | Path | None = None,
    metrics: Sequence[str] | str | None = None,
    backbones: str | Path | Backbones = "published",
    device: str = "cpu",
    limit: int | None = None,
    allow_missing: bool = False,
    replace: bool = False,
    progress: Progress | None = None,
    sandbox: Level | None = None,
) -> Scorecard:
    """Make the scorecard of a submission from the parts of all its shards; no video is decoded.

    The parts are not trusted: what they say is checked as what workers say is. Videos that failed in their shard are
    unscored, as in a run on one machine, and not tried again.

    Args:
        parts: the files that `score_shard` wrote, in any order.
        submission, challenge, testset, out, metrics, backbones, device, limit, allow_missing, replace, progress: as in
            `score`. The device need not be there.
        sandbox: as the shards had it; metrics that start programs depend on it.

    Raises:
        InputError: when a part is damaged, belongs to another run, is missing, or is there twice.
        EvalkitError: as in `score`.
    """
    from evalkit.cluster.identity import run_identity
    from evalkit.cluster.merging import FOLDERS, PartsEngine, check_parts, open_parts
    from evalkit.cluster.shares import shares
    from evalkit.files import OwnFolder, storage_error, sweep_folders

    _check_types(submission=submission, challenge=challenge, testset=testset, backbones=backbones, device=device)
    _check_types(optional=True, out=out, metrics=metrics, limit=limit)
    opened_parts = open_parts([Path(part) for part in parts])
    opened, rules, samples = _opened(submission, challenge, testset, limit)
    if device == AUTO:
        device = settled_device(device)
    plan = _plan(rules, backbones, metrics, allow_missing, device, sandbox)
    gate = _scorable_gate(opened, rules, samples, plan)
    expected = shares(opened, gate, samples, opened_parts[0].shard.count)
    check_parts(opened_parts, run_identity(opened, rules, samples, plan), expected)
    shown = progress or Progress()
    for part in opened_parts:
        if part.failures:
            few = ", ".join(sorted(map(escape_for_display, part.failures))[:3])
            shown.warn(
                f"{len(part.failures)} of the videos of shard {part.shard} failed there ({few}) and stay unscored; "
                "to try them again, run the shard again before merging"
            )
    sweep_folders(FOLDERS)
    try:
        folder = OwnFolder(FOLDERS)
    except OSError as error:
        raise storage_error(Path(FOLDERS), error) from error
    try:
        options = RunOptions(cache=folder.path, engine=PartsEngine(opened_parts), progress=shown)
        goal = Path(out) if out else None
        return run_score(opened, rules, samples, plan, out=goal, replace=replace, options=options).scorecard
    finally:
        folder.remove()


def _opened(
    submission: str | Path, challenge: str | Path | Challenge, testset: str | Path | TestSet, limit: int | None
) -> tuple[Submission, Challenge, TestSet]:
    rules = challenge if isinstance(challenge, Challenge) else load_challenge(challenge)
    samples = testset if isinstance(testset, TestSet) else load_testset(testset)
    if limit is not None and limit < 1:
        raise UsageError("The limit must be at least 1.", found=str(limit))
    opened = Submission.open(submission, rules.submission.archive)  # first: its faults are the user's own
    return opened, rules, samples.limited(limit)


def _plan(  # noqa: PLR0917
    challenge: Challenge,
    backbones: str | Path | Backbones,
    metrics: Sequence[str] | str | None,
    allow_missing: bool,
    device: str,
    sandbox: Level | None,
) -> RunPlan:
    weights = backbones if isinstance(backbones, Backbones) else load_backbones(backbones)
    return make_plan(
        challenge,
        weights,
        names=_metric_names(metrics),
        allow_missing=allow_missing,
        may_start_programs=(sandbox or default_level()) != "full",
        device=device,
    )


def _scorable_gate(submission: Submission, challenge: Challenge, testset: TestSet, plan: RunPlan) -> Gate:
    """Return what is known before a file is opened, of a submission and a test set with which a run makes sense."""
    if not testset.samples:
        raise TestSetError("The test set is empty.", expected="at least one sample")
    require_references(testset, plan)
    gate = open_gate(submission, challenge, testset)
    require_scorable(intake_report(submission, challenge, gate, {}, testset))
    return gate


def _check_types(*, optional: bool = False, **given: object) -> None:
    """Make sure that arguments have a type that their function takes; notebooks have no type checker.

    Args:
        optional: whether ``None`` is taken.
        given: argument -> its value.

    Raises:
        UsageError: naming the first that has another.
    """
    for name, value in given.items():
        types, expected = _ARGUMENTS[name]
        fits = isinstance(value, types) and not (isinstance(value, bool) or (isinstance(value, bytes) and str in types))
        if name == "metrics" and isinstance(value, Sequence):
            fits = not isinstance(value, bytes) and all(isinstance(one, str) for one in value)
        if not (fits or (optional and value is None)):
            more = " with something else in it" if name == "metrics" and isinstance(value, list | tuple) else ""
            raise UsageError(
                f"The argument {name} has the wrong type.", found=f"{type(value).__name__}{more}", expected=expected
            )


def _metric_names(metrics: Sequence[str] | str | None) -> Sequence[str] | None:
    """Return the names; one string is a list separated by commas, as on the command line."""
    return [name.strip() for name in metrics.split(",") if name.strip()] if isinstance(metrics, str) else metrics


def _check_engine(engine: str, address: str | None, device: str, memory: str | int | None) -> None:
    """Refuse an engine that is not there, or what it does not do.

    Raises:
        UsageError: saying what to do instead.
    """
    if engine not in {"local", "ray"}:
        raise UsageError("There is no such engine.", found=engine, expected="local or ray")
    if engine == "local" and address is not None:
        raise UsageError("An address is for the engine ray.", found=address, fix="Add --engine ray.")
    if engine == "ray" and device != "cpu":
        raise UsageError(
            "The engine ray runs networks on processors only.",
            found=device,
            expected="cpu",
            fix="Use one shard for each GPU: evalkit score --shard (docs/clusters.md).",
        )
    if engine == "ray" and memory is not None:
        raise UsageError(
            "A budget of memory is for one machine; the engine ray has nodes of its own.",
            fix="Leave out --memory, and choose the processes of each node with --workers.",
        )


def _run_options(  # noqa: PLR0917
    workers: int | None,
    cache: str | Path | None,
    fresh: bool,
    progress: Progress | None,
    timeout: float | None,
    sandbox: Level | None,
    submission_timeout: float | None,
    memory: str | int | None = None,
    plan: RunPlan | None = None,
) -> RunOptions:
    divided = None if memory is None else _divided(memory, workers, plan)
    if divided is not None:
        (progress or Progress()).message(divided.text())
    return RunOptions(
        cache=open_place(cache, (progress or Progress()).warn),
        engine=LocalEngine(workers, timeout, sandbox, submission_timeout, divided),
        fresh=fresh,
        progress=progress or Progress(),
    )


def _divided(memory: str | int, workers: int | None, plan: RunPlan | None) -> MemoryPlan:
    """Divide a budget for the networks of a plan; without one videos are only checked."""
    from evalkit.workers.budget import divide_memory, parse_memory
    from evalkit.workers.pool import default_workers

    files = {file.path for file in plan.weights.values()} if plan is not None else set()
    weight_bytes = sum(path.stat().st_size for path in files)
    return divide_memory(parse_memory(memory), workers, default_workers(), weight_bytes)


def run_score(
    submission: Submission,
    challenge: Challenge,
    testset: TestSet,
    plan: RunPlan,
    *,
    out: Path | None,
    options: RunOptions,
    replace: bool = False,
) -> ScoreResult:
    """Score what was already opened, and write the results to ``out``.

    Raises:
        UsageError: when ``out`` holds the results of another submission and ``replace`` is not set, or another run is
            writing there.
        SubmissionError: when the archive is refused or no file has an expected name.
        TestSetError: when the test set is empty or lacks a file that a metric needs.
    """
    if not testset.samples:
        raise TestSetError("The test set is empty.", expected="at least one sample")
    pack = options.references
    require_references(testset, plan if pack is None else pack.rest(plan), videos=pack is None)
    if out is not None:
        if not replace:
            _keep_other_results(out, submission)
        options.journal = Journal(out / "log.jsonl")
        _load_writers()
    try:
        result = score_run(submission, challenge, testset, plan, options)
        require_scorable(result.intake)
        if out is not None:
            write_results(result, out, options.progress)
    finally:
        options.journal.close()
    return result


def _keep_other_results(out: Path, submission: Submission) -> None:
    """Refuse to write over the scorecard of a submission of another name."""
    try:
        name = Scorecard.load(out).submission.name
    except EvalkitError:  # there is none, or one that nobody can read
        return
    if name != submission.name:
        raise UsageError(
            f"{out} holds the results of another submission.",
            found=f"the scorecard of '{name}'",
            expected=f"a new folder, or the results of '{submission.name}'",
            fix="Choose another folder with -o, or pass --force to replace them.",
        )


def require_scorable(intake: ValidationReport) -> None:
    """Raise when nothing could even be tried.

    Raises:
        SubmissionError: naming the first fault of the archive.
    """
    if not intake.refused and intake.layout is not None:
        return
    errors = [finding for finding in intake.findings if finding.severity == "error"]
    first = errors[0]
    more = f" ({len(errors)} faults in all; 'evalkit validate' lists them)" if len(errors) > 1 else ""
    place = f" at '{escape_for_display(first.path)}'" if first.path else ""
    raise SubmissionError(
        f"The submission can't be scored: {first.rule}{place}: {first.message}{more}",
        found=first.found,
        expected=first.expected,
        fix=first.fix,
    )


def _load_writers() -> None:
    """Load what `write_results` needs, before a video is read: see `evalkit.scoring.preload`."""
    from evalkit import signing  # noqa: F401
    from evalkit.reports import scorecard_page, tables  # noqa: F401
    from evalkit.reports.page import preload_templates

    preload_templates()


def write_results(result: ScoreResult, out: Path, progress: Progress | None = None) -> None:
    """Write the files of a run (docs/architecture.md#files); each appears whole or not at all.

    Raises:
        StorageError: when the folder can't be written.
    """
    from evalkit.files import write_text
    from evalkit.reports.page import write_page
    from evalkit.reports.scorecard_page import render_scorecard
    from evalkit.reports.tables import write_per_video
    from evalkit.signing import SUFFIX

    with (progress or Progress()).stage("writing results", 3) as stage:
        write_per_video(result.scorecard, out)
        stage.advance()
        write_page(render_scorecard(result.scorecard, result.filmstrip), out / "report.html")
        stage.advance()
        (out / f"scorecard.json{SUFFIX}").unlink(missing_ok=True)  # it is of the bytes that go now
        write_text(out / "scorecard.json", result.scorecard.to_json())
        stage.advance()
