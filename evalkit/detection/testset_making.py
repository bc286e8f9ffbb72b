"""Make a test set for detectors of a table that says which videos are fake: `evalkit testset from-truth`."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalkit.detection.testset_check import TRAIN_FILE
from evalkit.detection.truth_table import COLUMNS, TEST, TruthRow, read_truth
from evalkit.errors import InputError, UsageError
from evalkit.files import storage_error, write_text
from evalkit.testsets.loading import SAMPLES_FILE
from evalkit.text import name_cell

ABOUT = "testset.json"
PUBLIC = "for-participants"


@dataclass(frozen=True)
class TruthMade:
    """What was written.

    Args:
        path: the test set.
        samples: how many videos it has.
        labels: label -> number of videos.
        generators: generator -> number of fakes.
        people: number of identities and drivers.
        runs: names of the runs, of a protocol that trains several detectors.
        others: split -> number of rows that are not of the test; they are in ``train.csv``.
    """

    path: Path
    samples: int
    labels: dict[str, int]
    generators: dict[str, int]
    people: int
    runs: tuple[str, ...] = ()
    others: dict[str, int] = field(default_factory=dict)

    @property
    def public(self) -> Path:
        """The folder for participants."""
        return self.path / PUBLIC

    def to_json(self) -> dict[str, Any]:
        """Return what ``evalkit testset from-truth --json`` prints."""
        return {
            "schema": 1,
            "ok": True,
            "testset": str(self.path),
            "for_participants": str(self.public),
            "samples": self.samples,
            "labels": self.labels,
            "generators": self.generators,
            "people": self.people,
            "runs": list(self.runs),
            "other_splits": self.others,
        }


def make_truth_testset(table: Path, out: Path, *, replace: bool = False) -> TruthMade:
    """Write a test set of the rows of the split ``test`` (or of no split), and the others to ``train.csv``.

    Args:
        table: a CSV, see `read_truth`.
        out: the test set's folder: ``samples.jsonl`` is the organizer's, ``for-participants`` has the ids alone.
        replace: write over a test set that this function made.

    Raises:
        InputError: when the table can't be read, or has no row of the test.
        UsageError: when ``out`` has something else.
        StorageError: when a file can't be written.
    """
    _refuse(out, replace=replace)
    rows = read_truth(table)
    test = [row for row in rows if row.split in TEST]
    others = [row for row in rows if row.split not in TEST]
    if not test:
        splits = ", ".join(sorted({row.split for row in others}))
        raise InputError(
            f"The table {table} has no video of the test.", found=f"splits {splits}", expected="the split test, or none"
        )
    samples = [row.as_sample(f"{table}, row {row.row}") for row in test]
    try:
        (out / PUBLIC).mkdir(parents=True, exist_ok=True)
        (out / SAMPLES_FILE).unlink(missing_ok=True)
        (out / TRAIN_FILE).unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(out, error) from None
    made = TruthMade(
        path=out,
        samples=len(test),
        labels=dict(Counter(row.truth.label for row in test)),
        generators=dict(sorted(Counter(row.truth.generator for row in test if row.truth.label == "fake").items())),
        people=len({name for row in test for name in (row.truth.identity, row.truth.driver)} - {""}),
        runs=tuple(sorted({row.truth.run for row in test} - {""})),
        others=dict(Counter(row.split for row in others)),
    )
    if others:
        write_text(out / TRAIN_FILE, _table(others))
    about = {"schema": 1, "made_from": table.name, "samples": made.samples}
    write_text(out / ABOUT, json.dumps(about, indent=1) + "\n")
    write_text(out / PUBLIC / SAMPLES_FILE, _lines({"id": sample.id} for sample in samples))
    write_text(out / SAMPLES_FILE, _lines(one.model_dump(mode="json", exclude_defaults=True) for one in samples))
    return made


def _refuse(out: Path, *, replace: bool) -> None:
    if out.exists() and not out.is_dir():
        raise UsageError(f"The output {out} is a file.", expected="a folder")
    if out.is_dir() and any(out.iterdir()) and not (replace and (out / ABOUT).is_file() and (out / PUBLIC).is_dir()):
        raise UsageError(
            f"The folder {out} is not empty.",
            fix="Choose another one; --force replaces a test set that this command made.",
        )


def _lines(records: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def _table(rows: Sequence[TruthRow]) -> str:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        truth = row.truth.model_dump() | {"split": row.split}
        name = row.sample.removeprefix(f"{row.truth.run}/") if row.truth.run else row.sample
        cells = [name, *(truth[column] for column in COLUMNS[1:])]
        writer.writerow(name_cell(cell) if isinstance(cell, str) else cell for cell in cells)
    return stream.getvalue()
