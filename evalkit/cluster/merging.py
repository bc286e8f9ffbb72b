"""Make one scorecard of the parts of a run: the parts answer the jobs, everything else is an ordinary run.

`PartsEngine` gives the answers in the parts to the code that takes those of workers, which believes neither: digests
of videos, cache keys and findings are computed here, and arrays are compared with what their features declare. The
run's cache is a folder of its own that is removed afterwards, so no part reaches the user's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from evalkit.cluster.identity import Identity, differences, listed_differences
from evalkit.cluster.part_file import PartFile, Phase, Record
from evalkit.errors import InputError, UsageError
from evalkit.metrics.features.base import feature_registry
from evalkit.scoring.cache import FeatureCache
from evalkit.scoring.engine import Engine
from evalkit.scoring.jobs import Config, Extraction, Job
from evalkit.scoring.lookup import Lookup
from evalkit.scoring.reference_features import independent_of_video
from evalkit.text import count, escape_for_display
from evalkit.workers.messages import BadAnswerError
from evalkit.workers.pool import Accept, JobResult

FOLDERS = "evalkit-merge-"  # how the names of the caches of merges begin
_MOST_NAMED = 20


class PartsEngine(Engine):
    """Answers jobs with what parts say of them; nothing is computed.

    Args:
        parts: of one run, see `check_parts`.
    """

    name = "parts"

    def __init__(self, parts: Sequence[PartFile]) -> None:
        self._parts = tuple(parts)
        self._of = {sample: part for part in parts for sample in part.samples}

    def run(self, config: Config, jobs: Sequence[Job], accept: Accept) -> Iterator[JobResult]:
        """Yield a result per job; a job that failed in its shard fails here, and is not tried again.

        Raises:
            InputError: when a part has no answer to a job, or a false one.
        """
        lookup = _lookup(config)
        of_references = replace(lookup, records=independent_of_video(lookup.records))
        for index, job in enumerate(jobs):
            phase = _phase(config, job)
            part = self._of.get(job.sample)
            if part is None:
                raise InputError(f"No part has the sample '{escape_for_display(job.sample)}'.")
            record = part.read(phase, job.sample)
            if record.failure is not None:
                yield JobResult(index, failure=record.failure, detail=record.detail)
                continue
            try:
                value = accept(index, record.answer)
            except BadAnswerError as false:
                raise part.damaged(f"the {phase} of '{escape_for_display(job.sample)}': {false}") from None
            keys = value.keys if isinstance(value, Extraction) else of_references.keys(job.item, "")
            _compare_keys(part, job.sample, record, keys)
            yield JobResult(index, value=value)


def check_parts(parts: Sequence[PartFile], identity: Identity, expected: Sequence[frozenset[str]]) -> None:
    """Make sure that the parts are all shards of one run, each once, and that this is the run they belong to.

    Args:
        parts: that were opened.
        identity: of the run here, see `evalkit.cluster.identity.run_identity`.
        expected: the share of each shard, by `evalkit.cluster.shares.shares` with the number of shards of the first
            part.

    Raises:
        InputError: naming what differs, which shards are missing, or which are there twice.
    """
    for part in parts:
        phrases = differences(part.identity, identity)
        if phrases:
            raise InputError(
                f"The part {part.path} is of another run than the one asked for.",
                found=listed_differences(phrases),
                fix="Merge with the submission, challenge, test set, --limit, metrics, backbones and versions of the "
                "shards.",
            )
    total = len(expected)
    seen: dict[int, Path] = {}
    for part in parts:
        if part.shard.count != total:
            raise InputError(
                "The parts are of runs with different numbers of shards.",
                found=f"{part.shard} in {part.path}, {parts[0].shard} in {parts[0].path}",
            )
        if part.shard.index in seen:
            raise InputError(
                f"Shard {part.shard} is there twice.",
                found=f"{seen[part.shard.index]} and {part.path}",
                fix="Name each part once.",
            )
        seen[part.shard.index] = part.path
    missing = [str(index) for index in range(1, total + 1) if index not in seen]
    if missing:
        shown = ", ".join(missing[:_MOST_NAMED]) + (" ..." if len(missing) > _MOST_NAMED else "")
        raise InputError(
            f"{count(len(missing), 'shard')} of {total} {'is' if len(missing) == 1 else 'are'} missing: {shown}.",
            fix="Run 'evalkit score --shard' for each, and name its part too.",
        )
    for part in parts:
        if part.samples != expected[part.shard.index - 1]:
            raise part.damaged(f"its samples are not the share of shard {part.shard}")


def open_parts(paths: Sequence[Path]) -> list[PartFile]:
    """Open the parts.

    Raises:
        UsageError: when there is none.
        InputError: when one can't be read.
    """
    if not paths:
        raise UsageError("There are no parts to merge.", expected="a part of every shard")
    return [PartFile(path) for path in paths]


def _phase(config: Config, job: Job) -> Phase:
    if job.member is None:
        return "references"
    # Only the jobs of a submission have a time limit together, which is made of the limits of its videos.
    return "video" if config.video_seconds else "reference video"


def _lookup(config: Config) -> Lookup:
    registry = feature_registry()
    records = {name: registry[name].resolved_record(config.weights) for name in config.features}
    return Lookup(FeatureCache(config.cache), records, config.weights, config.rules)


def _compare_keys(part: PartFile, sample: str, record: Record, keys: Mapping[str, str]) -> None:
    """Make sure that the shard computed from the same files: cache keys have the digests of all inputs."""
    different = sorted(name for name in {*keys, *record.keys} if keys.get(name) != record.keys.get(name))
    if different:
        raise InputError(
            f"The part {part.path} was computed from other files for the sample '{escape_for_display(sample)}'.",
            found=f"{', '.join(different[:5])} of other inputs",
            fix="Give the shards and the merge the same reference images, videos and speech of the test set.",
        )
