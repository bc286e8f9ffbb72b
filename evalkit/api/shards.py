"""`score_shard` and `merge`: one submission on several machines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.api.arguments import check_types, opened_inputs, planned, refuse_scores, run_options
from evalkit.api.results import run_score, scorable_gate
from evalkit.challenges.model import Challenge
from evalkit.progress import Progress
from evalkit.scoring.devices import AUTO, settled_device
from evalkit.scoring.run import RunOptions
from evalkit.scoring.scorecard import Scorecard
from evalkit.testsets.model import TestSet
from evalkit.text import escape_for_display
from evalkit.weights.manifest import Backbones
from evalkit.workers.sandbox import Level

if TYPE_CHECKING:
    from evalkit.cluster.shard_run import PartWritten


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

    check_types(submission=submission, challenge=challenge, testset=testset, backbones=backbones, device=device)
    check_types(
        optional=True,
        out=part,
        metrics=metrics,
        workers=workers,
        memory=memory,
        limit=limit,
        cache=cache,
        timeout=timeout,
    )
    check_types(optional=True, submission_timeout=submission_timeout)
    which = Shard.parse(shard)
    opened, rules, samples = opened_inputs(submission, challenge, testset, limit)
    refuse_scores(rules, "A shard")
    device = settled_device(device, several=True)
    plan = planned(rules, backbones, metrics, allow_missing, device, sandbox)
    gate = scorable_gate(opened, rules, samples, plan)
    options = run_options(workers, cache, fresh, progress, timeout, sandbox, submission_timeout, memory, plan)
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

    check_types(submission=submission, challenge=challenge, testset=testset, backbones=backbones, device=device)
    check_types(optional=True, out=out, metrics=metrics, limit=limit)
    opened_parts = open_parts([Path(part) for part in parts])
    opened, rules, samples = opened_inputs(submission, challenge, testset, limit)
    refuse_scores(rules, "A shard")
    if device == AUTO:
        device = settled_device(device, several=True)
    plan = planned(rules, backbones, metrics, allow_missing, device, sandbox)
    gate = scorable_gate(opened, rules, samples, plan)
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
