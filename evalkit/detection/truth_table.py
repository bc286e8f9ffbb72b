"""Read a table that says which videos are fake: the organizer's CSV, or the list of a training set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from evalkit.errors import EvalkitError, InputError, did_you_mean
from evalkit.model_faults import first_fault
from evalkit.ratings.read_errors import Faults, shown
from evalkit.ratings.table import read_table
from evalkit.testsets.model import Sample, make_sample
from evalkit.testsets.truth import Truth

NEEDED = ("video_id", "label")
OPTIONAL = ("generator", "identity", "driver", "dataset", "quality", "split", "run", "video")
COLUMNS = (*NEEDED, *OPTIONAL)
LABELS = {"1": "fake", "fake": "fake", "0": "real", "real": "real"}
TEST = ("", "test")  # splits that are the test set
MOST_ROWS = 1_000_000


@dataclass(frozen=True)
class TruthRow:
    """One video of a table.

    Args:
        sample: the id of its sample: the run and the video's id, or the id alone.
        split: the part of the data that it belongs to.
        truth: what is true of it.
        row: its row in the file; the header is row 1.
    """

    sample: str
    split: str
    truth: Truth
    row: int

    @property
    def video(self) -> str:
        """Name of the video apart from its quality and the run."""
        return self.truth.video or self.sample

    def as_sample(self, place: str) -> Sample:
        """Return the sample of a test set.

        Raises:
            TestSetError: when its id can't be the name of one.
        """
        record: dict[str, Any] = {"id": self.sample, "truth": self.truth.model_dump(exclude_defaults=True)}
        return make_sample(record, place)


def read_truth(path: Path) -> list[TruthRow]:
    """Return the videos of a CSV with the columns `COLUMNS`, in its order; other columns are refused.

    Raises:
        InputError: with every row that can't be used, up to twenty; nothing is taken then.
    """
    faults = Faults(str(path))
    headers, rows = read_table(path, faults, what="The table")
    header = [name.strip().casefold() for name in headers[0]]
    _check_header(path, header)
    names = dict(zip(headers[0], header, strict=True))
    found: list[TruthRow] = []
    seen: Counter[str] = Counter()
    for row in rows:
        if row.number > MOST_ROWS:
            raise InputError(f"The table {path} has too many rows.", expected=f"at most {MOST_ROWS}")
        cells = {names[name]: cell for name, cell in row.cells.items()}
        made = _row(cells, row.number, faults)
        if made is None:
            continue
        seen[made.sample] += 1
        if seen[made.sample] > 1:
            faults.add(row.number, "video_id", f"the video {shown(made.sample)} is there twice.")
        else:
            found.append(made)
    if faults.count:
        raise faults.error()
    if not found:
        raise InputError(f"The table {path} has no video.", expected=f"a row for each: {', '.join(COLUMNS)}")
    return found


def _row(cells: dict[str, str], number: int, faults: Faults) -> TruthRow | None:
    name, label = cells.get("video_id", ""), LABELS.get(cells.get("label", "").casefold())
    if not name:
        faults.add(number, "video_id", "the id is missing.")
    if label is None:
        faults.add(number, "label", f"found {shown(cells.get('label', ''))}, expected 1 or fake, 0 or real.")
    if not name or label is None:
        return None
    told = {key: cells.get(key, "") for key in Truth.model_fields if key != "label"}
    told["video"] = told["video"] or (name if told["run"] else "")
    try:
        truth = Truth.model_validate({"label": label, **told})
        row = TruthRow(
            f"{told['run']}/{name}" if told["run"] else name, cells.get("split", "").casefold(), truth, number
        )
        row.as_sample(f"row {number}")
    except ValidationError as error:
        faults.add(number, None, first_fault(Truth, error))
        return None
    except EvalkitError as error:
        faults.add(number, "video_id", str(error).removeprefix(f"row {number}: "))
        return None
    return row


def _check_header(path: Path, header: Sequence[str]) -> None:
    for column in NEEDED:
        if column not in header:
            raise InputError(
                f"The table {path} has no column '{column}'.{did_you_mean(column, header)}",
                found=", ".join(header)[:200],
                expected=", ".join(COLUMNS),
            )
    for column in header:
        if column and (column not in COLUMNS or list(header).count(column) > 1):
            fault = f"an unknown column '{column}'" if column not in COLUMNS else f"the column '{column}' twice"
            raise InputError(
                f"The table {path} has {fault}.{did_you_mean(column, COLUMNS)}", expected=", ".join(COLUMNS)
            )
