"""Turn the arguments of the public functions into what a run needs, or into an error that says what to change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Integral
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.challenges.model import Challenge, load_challenge
from evalkit.errors import UsageError
from evalkit.metrics.base import Metric
from evalkit.progress import Progress
from evalkit.scoring.engine import LocalEngine
from evalkit.scoring.plan import RunPlan, make_plan
from evalkit.scoring.run import RunOptions
from evalkit.scoring.shared_cache import open_place
from evalkit.submission.model import Submission
from evalkit.testsets.loading import load_testset
from evalkit.testsets.model import TestSet
from evalkit.weights.manifest import Backbones, load_backbones
from evalkit.workers.sandbox import Level, default_level

if TYPE_CHECKING:
    from evalkit.scoring.packs.use import PackUse
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
    "folder": (_PATH, "the path of a folder"),
    "speed": (_PATH, "the path of a speed.json"),
    "mapping": (_PATH, "the path of a CSV"),
    "only": ((str, Sequence), "a list of patterns, or one pattern"),
    "exclude": ((str, Sequence), "a list of patterns, or one pattern"),
    "cache": (_PATH, "a path or an address"),
    "metrics": ((str, Sequence), "a list of ids, or one string with commas"),
    "device": ((str,), "cpu, cuda, auto or cuda:0,cuda:1"),
    "reference_pack": (_PATH, "the path of a reference pack"),
    "features": ((Mapping,), "a dictionary of source -> folder"),
    "workers": ((Integral,), "a whole number"),
    "memory": ((str, Integral), "a size such as 8G, or a number of bytes"),
    "limit": ((Integral,), "a whole number"),
    "timeout": ((int, float), "a number of seconds"),
    "submission_timeout": ((int, float), "a number of seconds"),
}


def check_types(*, optional: bool = False, objects: bool = False, **given: object) -> None:
    """Make sure that arguments have a type that their function takes; notebooks have no type checker.

    Args:
        optional: whether ``None`` is taken.
        objects: whether ``metrics`` may hold metrics as well as their names.
        given: argument -> its value.

    Raises:
        UsageError: naming the first that has another.
    """
    for name, value in given.items():
        types, expected = _ARGUMENTS[name]
        fits = isinstance(value, types) and not (isinstance(value, bool) or (isinstance(value, bytes) and str in types))
        if name == "metrics" and isinstance(value, Sequence):
            kinds = (str, Metric) if objects else (str,)
            fits = not isinstance(value, bytes) and all(isinstance(one, kinds) for one in value)
        if not (fits or (optional and value is None)):
            more = " with something else in it" if name == "metrics" and isinstance(value, list | tuple) else ""
            raise UsageError(
                f"The argument {name} has the wrong type.", found=f"{type(value).__name__}{more}", expected=expected
            )


def metric_names(metrics: Sequence[str | Metric] | str | None) -> Sequence[str | Metric] | None:
    """Return the names and metrics; one string is a list separated by commas, as on the command line."""
    return [name.strip() for name in metrics.split(",") if name.strip()] if isinstance(metrics, str) else metrics


def patterns(given: Sequence[str] | str) -> tuple[str, ...]:
    """Return a list of patterns; one string is one pattern."""
    return (given,) if isinstance(given, str) else tuple(given)


def check_engine(engine: str, address: str | None, device: str, memory: str | int | None) -> None:
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


def refuse_imports(features: Mapping[str, str | Path] | None, engine: str, reference_pack: str | Path | None) -> None:
    """Refuse imported features where they can't be read.

    Raises:
        UsageError: saying what to do instead.
    """
    if features and engine != "local":
        raise UsageError("Imported features are read on this machine.", fix="Leave out --engine, or --features.")
    if features and reference_pack is not None:
        raise UsageError(
            "A reference pack holds features of references, and imported files would be others.",
            fix="Leave out --reference-pack, or --features.",
        )


def opened_inputs(
    submission: str | Path, challenge: str | Path | Challenge, testset: str | Path | TestSet, limit: int | None
) -> tuple[Submission, Challenge, TestSet]:
    """Return the submission, the challenge and the first ``limit`` samples of the test set, read from their files.

    Raises:
        UsageError: a limit below 1.
        EvalkitError: one of them can't be read.
    """
    rules = challenge if isinstance(challenge, Challenge) else load_challenge(challenge)
    samples = testset if isinstance(testset, TestSet) else load_testset(testset)
    if limit is not None and limit < 1:
        raise UsageError("The limit must be at least 1.", found=str(limit))
    opened = Submission.open(submission, rules.submission.archive)  # first: its faults are the user's own
    return opened, rules, samples.limited(limit)


def planned(  # noqa: PLR0917
    challenge: Challenge,
    backbones: str | Path | Backbones,
    metrics: Sequence[str | Metric] | str | None,
    allow_missing: bool,
    device: str,
    sandbox: Level | None,
) -> RunPlan:
    """Return the plan of a run with these arguments; see `evalkit.scoring.plan.make_plan`."""
    weights = backbones if isinstance(backbones, Backbones) else load_backbones(backbones)
    return make_plan(
        challenge,
        weights,
        names=metric_names(metrics),
        allow_missing=allow_missing,
        may_start_programs=(sandbox or default_level()) != "full",
        device=device,
    )


def run_options(  # noqa: PLR0917
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
    """Return how to run: where the cache is, the local engine, who is told of progress.

    Args:
        memory: a budget that is divided over the networks of ``plan``; without a plan videos are only checked.
    """
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
    from evalkit.scoring.devices import device_places
    from evalkit.workers.budget import divide_memory, parse_memory
    from evalkit.workers.pool import default_workers

    files = {file.path for file in plan.weights.values()} if plan is not None else set()
    weight_bytes = sum(path.stat().st_size for path in files)
    devices = len(device_places(plan.device)) if plan is not None else 0
    return divide_memory(parse_memory(memory), workers, default_workers(), weight_bytes, devices)


def refuse_scores(challenge: Challenge, what: str) -> None:
    """Make sure that the submissions of a challenge are files that can be read one by one.

    Raises:
        UsageError: they are tables of scores.
    """
    if challenge.submission.kind == "scores":
        raise UsageError(
            f"{what} is for submissions of files.",
            found=f"{challenge.id}, whose submissions are tables of scores",
            fix="Write the CSV anew, and look at it with 'evalkit validate'.",
        )


@contextmanager
def fitting_pack(
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
