"""`distance` of two folders without a test set; test sets from a folder, from a truth table, for several setups."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, cast

from evalkit.api.arguments import check_types, metric_names, run_options
from evalkit.errors import UsageError
from evalkit.metrics.base import Metric
from evalkit.progress import Progress
from evalkit.scoring.devices import settled_device
from evalkit.weights.manifest import Backbones
from evalkit.workers.sandbox import Level

if TYPE_CHECKING:
    from evalkit.detection.testset_making import TruthMade
    from evalkit.folders.model import DistanceResult
    from evalkit.folders.setups_making import SetupsMade, Silence
    from evalkit.folders.testset_making import TestSetMade

Folder = str | PathLike[str] | Sequence[str | PathLike[str]]


def distance(
    real: Folder,
    generated: Folder,
    *,
    metrics: Sequence[str | Metric] | str | None = None,
    backbones: str | Path | Backbones = "published",
    out: str | Path | None = None,
    save_reference: str | Path | None = None,
    workers: int | None = None,
    memory: str | int | None = None,
    device: str = "cpu",
    allow_missing: bool = False,
    replace: bool = False,
    cache: str | Path | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
    timeout: float | None = None,
    sandbox: Level | None = None,
) -> DistanceResult:
    """Compare generated videos or images with real ones: FID, FVD, KID, KVD over all files, others over pairs.

    Args:
        real: a folder, a pattern such as ``"real/*.mp4"``, a text file with a path on each line, a list of paths, or a
            saved reference.
        generated: likewise, but no saved reference. Files of equal names (path below the folder, without suffix) are
            pairs for metrics that compare with a real file.
        metrics: ids or short names, as a list or one string with commas; ``fid``, ``kid``, ``fvd`` and ``kvd`` stand
            for the variants over unpaired sets. ``None`` for these four, of images for the first two.
        backbones: a set's name or file.
        out: folder for ``distance.json``, ``per_file.csv``, and the numbers as CSV, LaTeX, Markdown and a page.
        save_reference: file to which the features of the real side are written, to stand for it in later runs.
        workers: processes; ``None`` for one per core. The numbers don't depend on it.
        memory: budget for the whole run, as ``8G`` or bytes (docs/throughput.md).
        device: ``cpu``, ``cuda`` for all GPUs, ``auto`` for them where there are some, or ``cuda:0,cuda:1``.
        allow_missing: leave out metrics whose weights are not there, instead of stopping.
        replace: write over the results of other folders in ``out``.
        cache: folder of the feature cache, or an address that fsspec opens; ``None`` for ``EVALKIT_CACHE`` or the
            platform's.
        fresh: compute again what is cached.
        progress: receives how far the run is.
        timeout: time limit for one file in seconds.
        sandbox: limits on the processes that read the files: ``full``, ``limits`` or ``off`` (SECURITY.md).

    Returns:
        The numbers, what the files are like, and what to know before using them. ``result["fid"]`` is a value.

    Raises:
        EvalkitError: a side has no file, weights are missing, or a saved reference is of other backbones, protocols or
            versions.
    """
    from evalkit.folders.distance import default_metrics, folder_metrics, measure_distance, open_sides
    from evalkit.folders.rules import folder_challenge
    from evalkit.scoring.plan import make_plan
    from evalkit.weights.manifest import load_backbones
    from evalkit.workers.sandbox import default_level

    check_types(backbones=backbones, device=device)
    check_types(optional=True, objects=True, metrics=metrics)
    check_types(optional=True, out=out, workers=workers, memory=memory, cache=cache, timeout=timeout)
    inputs = open_sides(real, generated)
    names = metric_names(metrics)
    if names is not None and not names:
        raise UsageError("No metric is named.", expected="at least one id, such as fid")
    asked = folder_metrics(default_metrics(inputs) if names is None else names)
    plan = make_plan(
        folder_challenge(),
        backbones if isinstance(backbones, Backbones) else load_backbones(backbones),
        names=list(asked.values()),
        allow_missing=allow_missing,
        may_start_programs=(sandbox or default_level()) != "full",
        device=settled_device(device, several=True),
    )
    options = run_options(workers, cache, fresh, progress, timeout, sandbox, None, memory, plan)
    goal = Path(out) if out is not None else None
    if goal is not None:
        from evalkit.reports.distance.writing import refuse_other_results

        refuse_other_results(goal, inputs.real.source, inputs.generated.source, replace=replace)
    ids = {name: one if isinstance(one, str) else one.record.id for name, one in asked.items()}
    saved = Path(save_reference) if save_reference is not None else None
    result = measure_distance(inputs, plan, options, asked=ids, save_to=saved)
    if goal is not None:
        from evalkit.reports.distance.writing import write_results

        write_results(result, goal)
    return result


def testset_from_folder(
    folder: str | Path,
    out: str | Path,
    *,
    license: str,
    source: str,
    replace: bool = False,
    workers: int | None = None,
    cache: str | Path | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
    timeout: float | None = None,
    sandbox: Level | None = None,
) -> TestSetMade:
    """Make a test set of a folder of real videos.

    Reference image, speech and prompt are files of the same name beside a video; where there is none, the image is the
    first frame, the speech the video's own sound, and there is no prompt.

    Args:
        folder: the videos, also in folders below it.
        out: the new test set's folder.
        license: under which terms the videos may be used.
        source: where they are from.
        replace: write over a test set that this function made.
        workers, cache, fresh, progress, timeout, sandbox: as in `distance`.

    Returns:
        What was written, what was guessed, which files were left out and why.

    Raises:
        EvalkitError: no video can be read, or ``out`` can't be written.
    """
    from evalkit.folders.rules import folder_challenge
    from evalkit.folders.testset_making import make_testset
    from evalkit.scoring.plan import make_plan
    from evalkit.weights.manifest import load_backbones

    for name, text in (("license", license), ("source", source)):
        if not isinstance(text, str) or not text.strip():
            raise UsageError(f"The {name} of the videos is not given.", expected="a line of text")
    check_types(optional=True, workers=workers, cache=cache, timeout=timeout)
    plan = make_plan(folder_challenge(), load_backbones("bundled"), names=[])
    options = run_options(workers, cache, fresh, progress, timeout, sandbox, None)
    return make_testset(
        Path(folder), Path(out), plan, options, license_text=license.strip(), source=source.strip(), replace=replace
    )


def testset_setups(
    testset: str | Path,
    *,
    silence: str = "zeros",
    replace: bool = False,
    progress: Progress | None = None,
) -> SetupsMade:
    """Ask for three videos of each sample of a test set: dubbed with silence, with its own and with other speech.

    Writes ``setups.jsonl`` and the sounds beside the samples: that file is the test set of a challenge with the setups
    ``silent``, ``own`` and ``other``.

    Args:
        testset: a folder with ``samples.jsonl``.
        silence: ``zeros``, or ``noise`` at -60 dBFS.
        replace: write over what this function made.
        progress: told of each sample.

    Returns:
        What was written, whose speech is the other one of each sample, and which samples were left out and why.

    Raises:
        EvalkitError: there is no such test set, it has no speech of two people, or the files are there already.
    """
    from evalkit.folders.setups_making import make_setups

    if silence not in {"zeros", "noise"}:
        raise UsageError("There is no such silence.", found=repr(silence), expected="'zeros' or 'noise'")
    return make_setups(Path(testset), silence=cast("Silence", silence), replace=replace, progress=progress)


def testset_from_truth(table: str | Path, out: str | Path, *, replace: bool = False) -> TruthMade:
    """Make a test set for detectors of a table that says which videos are fake.

    Args:
        table: a CSV with the columns video_id and label, and where known generator, identity, driver, dataset, quality,
            split, run and video. Rows of other splits than ``test`` go to ``train.csv`` beside the test set.
        out: the new test set's folder; its folder ``for-participants`` has the ids alone.
        replace: write over a test set that this function made.

    Returns:
        What was written.

    Raises:
        EvalkitError: the table can't be read, with every row at fault, or ``out`` can't be written.
    """
    from evalkit.detection.testset_making import make_truth_testset

    return make_truth_testset(Path(table), Path(out), replace=replace)
