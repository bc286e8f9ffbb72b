"""The files of a test set that scoring reads, in the native form, whatever form the folder has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from evalkit.errors import TestSetError
from evalkit.testsets.loading import SAMPLES_FILE, load_testset
from evalkit.testsets.model import TestSet

PACK_FILE = "testset.refpack"


def testset_content(testset: TestSet, pack: Path | None = None) -> dict[str, bytes | Path]:
    """Return name -> content: ``samples.jsonl``, every file that a sample names, and the reference pack.

    Nothing else of the folder is taken: what lies there besides is nobody's business.

    Raises:
        TestSetError: when a file is missing.
    """
    lines = [
        json.dumps(sample.model_dump(mode="json", exclude_defaults=True), ensure_ascii=False) for sample in testset
    ]
    content: dict[str, bytes | Path] = {SAMPLES_FILE: ("\n".join(lines) + "\n").encode()}
    for name in _named(testset):
        path = testset.path(name)
        if not path.is_file():
            raise TestSetError(f"The test set lacks the file {name}.", fix="Restore it, or take the sample out.")
        content[name] = path
    if pack is not None:
        if PACK_FILE in content:
            raise TestSetError(f"The test set has a file {PACK_FILE}, which is the name of the reference pack.")
        content[PACK_FILE] = pack
    return content


def opened_testset(path: Path | None) -> TestSet | None:
    """Return the test set in ``path``; ``None`` without one."""
    return None if path is None else load_testset(path)


def _named(testset: TestSet) -> Iterator[str]:
    for sample in testset:
        yield from sample.reference_images
        yield from (name for name in sample.media if name is not None)
