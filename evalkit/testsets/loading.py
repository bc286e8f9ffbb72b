"""Read a test set from its folder or file.

The native format is ``samples.jsonl``, one JSON object per line, paths relative to the file. `load_testset` also reads
the directory of IPVG 2025 and the ``eval.json`` of IPVG 2026 (see `evalkit.testsets.ipvg`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from evalkit.errors import TestSetError
from evalkit.jsonio import parse_json
from evalkit.testsets.ipvg import read_eval_json, read_ipvg2025
from evalkit.testsets.model import Sample, TestSet
from evalkit.testsets.setups import samples_of
from evalkit.yamlio import is_there, read_text

SAMPLES_FILE = "samples.jsonl"


def load_testset(path: str | Path) -> TestSet:
    """Return the test set in a folder, or of its ``samples.jsonl`` or ``eval.json``.

    Raises:
        TestSetError: when it does not exist or is empty, or naming the line that is malformed.
    """
    place = Path(path)
    if not is_there(place):
        raise TestSetError(f"The test set {place} does not exist.", fix="Check --testset.")
    if place.is_file():
        testset = read_eval_json(place) if place.suffix == ".json" else _read_native(place)
    elif (place / SAMPLES_FILE).is_file():
        testset = _read_native(place / SAMPLES_FILE)
    elif (place / "eval.json").is_file():
        testset = read_eval_json(place / "eval.json")
    else:
        testset = read_ipvg2025(place)
    if not testset.samples:
        raise TestSetError(f"The test set {place} is empty.", expected="at least one sample")
    _check_unique(testset.samples, place)
    return testset


def _read_native(file: Path) -> TestSet:
    text = read_text(file, kind=TestSetError, what="The test set", limit=256 * 1024 * 1024)
    samples = []
    # Not splitlines(): JSON may contain U+2028 and the like, which it treats as line ends.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        place = f"{file}, line {number}"
        try:
            record = parse_json(line)
        except ValueError as error:
            raise TestSetError(f"{place}: not a JSON object.", found=str(error)) from None
        samples += samples_of(record, place)
    return TestSet(file.parent, tuple(samples))


def _check_unique(samples: Sequence[Sample], place: Path) -> None:
    name, count = Counter(sample.id for sample in samples).most_common(1)[0]
    if count > 1:
        raise TestSetError(f"The test set {place} has the sample '{name}' {count} times.", expected="unique ids")
