"""Whether a test set is in a public training set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.api.arguments import check_types, run_options
from evalkit.errors import UsageError
from evalkit.progress import Progress
from evalkit.testsets.loading import load_testset
from evalkit.testsets.model import TestSet
from evalkit.workers.sandbox import Level

if TYPE_CHECKING:
    from evalkit.leaks.checking import LeakReport
    from evalkit.leaks.making import ListingMade


def testset_fingerprint(
    folder: str | Path,
    out: str | Path,
    *,
    workers: int | None = None,
    cache: str | Path | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
    timeout: float | None = None,
    sandbox: Level | None = None,
) -> ListingMade:
    """Write the fingerprints of a folder of videos, a line each: path, digest and signatures, nothing else of them.

    Args:
        folder: the videos, also in folders below it.
        out: the file to write.
        workers, cache, fresh, progress, timeout, sandbox: as in `distance`.

    Returns:
        What was written, and which videos were left out and why.

    Raises:
        EvalkitError: no video can be read, or ``out`` can't be written.
    """
    from evalkit.leaks.making import make_listing

    check_types(optional=True, workers=workers, cache=cache, timeout=timeout)
    return make_listing(Path(folder), Path(out), run_options(workers, cache, fresh, progress, timeout, sandbox, None))


def testset_leaks(
    testset: str | Path | TestSet,
    fingerprints: str | Path | Sequence[str | Path],
    *,
    limit: int | None = None,
    workers: int | None = None,
    cache: str | Path | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
    timeout: float | None = None,
    sandbox: Level | None = None,
) -> LeakReport:
    """Look for a test set's reference videos, images and speech in training sets, by their fingerprints.

    Args:
        testset: the test set's folder, its ``samples.jsonl`` or ``eval.json``, or a `TestSet`.
        fingerprints: one file of `testset_fingerprint` or several.
        limit: look for the first samples only.
        workers, cache, fresh, progress, timeout, sandbox: as in `distance`.

    Returns:
        What was found, and what could not be compared.

    Raises:
        EvalkitError: a file can't be read or has no fingerprint, or the test set has nothing to look for.
    """
    from evalkit.leaks.checking import find_training_leaks

    check_types(testset=testset)
    check_types(optional=True, workers=workers, cache=cache, timeout=timeout, limit=limit)
    files = [fingerprints] if isinstance(fingerprints, str | Path) else list(fingerprints)
    if not files:
        raise UsageError("No file of fingerprints is named.", expected="at least one")
    samples = testset if isinstance(testset, TestSet) else load_testset(testset)
    options = run_options(workers, cache, fresh, progress, timeout, sandbox, None)
    return find_training_leaks(samples.limited(limit), [Path(file) for file in files], options)
