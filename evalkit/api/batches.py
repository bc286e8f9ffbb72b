"""`score_all` and `estimate_all`: all submissions of a challenge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.api.arguments import check_types, fitting_pack, planned, refuse_imports, run_options
from evalkit.api.results import _load_writers, run_score
from evalkit.challenges.model import Challenge, load_challenge
from evalkit.errors import UsageError
from evalkit.progress import Progress
from evalkit.scoring.devices import settled_device
from evalkit.scoring.engine import LocalEngine
from evalkit.scoring.imports import require_read
from evalkit.scoring.run import RunOptions, ScoreResult
from evalkit.submission.model import Submission
from evalkit.testsets.loading import load_testset
from evalkit.testsets.model import TestSet
from evalkit.text import escape_for_display
from evalkit.weights.manifest import Backbones
from evalkit.workers.sandbox import Level

if TYPE_CHECKING:
    from evalkit.batch.entries import Entry
    from evalkit.batch.estimate import Estimate
    from evalkit.batch.result import BatchResult
    from evalkit.batch.settings import Settings


def score_all(
    submissions: str | Path,
    challenge: str | Path | Challenge,
    testset: str | Path | TestSet,
    out: str | Path,
    *,
    metrics: Sequence[str] | str | None = None,
    backbones: str | Path | Backbones = "published",
    reference_pack: str | Path | None = None,
    features: Mapping[str, str | Path] | None = None,
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
        features: source -> folder with a folder for each submission, called as that of its results, in which its files
            of another program lie (docs/imported-features.md).
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

    check_types(optional=True, board=board, features=features)
    refuse_imports(features, "local", reference_pack)
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
        features=features,
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
        fitting_pack(reference_pack, settings.testset, settings.plan) as settings.options.references,
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
    features: Mapping[str, str | Path] | None = None,
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
        submissions, challenge, testset, out, metrics, backbones, reference_pack, features, workers, memory, device,
            limit, allow_missing, cache, progress, timeout, submission_timeout, sandbox: as in `score_all`; nothing is
            written to ``out``.

    Returns:
        Hours, disk and memory, with the spread of the hours.

    Raises:
        EvalkitError: as `score_all`, and when there is nothing to measure.
    """
    from evalkit.batch.estimate import estimate_batch

    check_types(optional=True, features=features)
    refuse_imports(features, "local", reference_pack)
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
        features=features,
    )
    with fitting_pack(reference_pack, settings.testset, settings.plan) as settings.options.references:
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
    features: Mapping[str, str | Path] | None = None,
) -> tuple[list[Entry], Settings]:
    """Return the queue, and what all submissions share; everything that may be wrong with either is found here."""
    from evalkit.batch.entries import passed_over, read_entries
    from evalkit.batch.settings import Settings

    check_types(submissions=submissions, challenge=challenge, testset=testset, out=out, backbones=backbones)
    check_types(device=device)
    check_types(optional=True, metrics=metrics, workers=workers, memory=memory, limit=limit, cache=cache)
    check_types(optional=True, timeout=timeout, submission_timeout=submission_timeout)
    rules = challenge if isinstance(challenge, Challenge) else load_challenge(challenge)
    samples = testset if isinstance(testset, TestSet) else load_testset(testset)
    if limit is not None and limit < 1:
        raise UsageError("The limit must be at least 1.", found=str(limit))
    samples = samples.limited(limit)
    entries = read_entries(
        Path(submissions), rules.submission.runs, Path(out), tables=rules.submission.kind == "scores"
    )
    if Path(submissions).is_dir() and (
        others := passed_over(Path(submissions), tables=rules.submission.kind == "scores")
    ):
        progress.warn(_about_others(others, rules))
    device = settled_device(device, several=True)
    plan = planned(rules, backbones, metrics, allow_missing, device, sandbox)
    options = run_options(workers, cache, fresh, progress, timeout, sandbox, submission_timeout, memory, plan)
    assert isinstance(options.engine, LocalEngine)  # noqa: S101 - for the type checker
    require_read(features or {}, plan)
    folders = {source: Path(folder).expanduser() for source, folder in (features or {}).items()}
    return entries, Settings(
        rules,
        samples,
        plan,
        Path(out),
        options,
        options.engine,
        retry,
        chosen=metrics is not None,
        features=folders,
    )


def _about_others(names: Sequence[str], rules: Challenge) -> str:
    """Return that files beside the submissions are none, as a sentence."""
    shown = ", ".join(escape_for_display(name, limit=60) for name in names[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    kinds = "a ZIP, a CSV or a folder" if rules.submission.kind == "scores" else "a ZIP or a folder"
    return f"{shown}{more}: no submission, and passed over. A submission to {rules.id} is {kinds}."
