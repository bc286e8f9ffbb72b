"""Read a table of measurements by others: a CSV with a row per sample, or several where it was timed several times."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from evalkit.errors import InputError, did_you_mean
from evalkit.speed.document import MOST_JSON, read_report
from evalkit.speed.model import HARDWARE_LENGTH, MOST_SAMPLES, SAMPLE_LENGTH, TIMED, SampleSpeed, SpeedReport, middle
from evalkit.text import escape_for_display

NEEDED = ("team", "sample", "seconds", "frames", "hardware", "who")
OPTIONAL = ("run", "clip_seconds", "time_to_first_frame", "end_to_end_seconds", "peak_bytes", "timed")
MOST_ROWS = 1_000_000
_NAME = 100  # characters of a team, run or person
_CELL = 1000
_WHOLE = {"frames", "peak_bytes"}


@dataclass(frozen=True)
class TeamSpeed:
    """The measurements of one team's run.

    Args:
        team: its name.
        run: ``None`` where nothing says which.
        who: who measured.
        report: what was measured.
    """

    team: str
    run: str | None
    who: str
    report: SpeedReport


def read_file(path: Path) -> bytes:
    """Return the contents of a file that is not too large.

    Raises:
        InputError: when it can't be read, or is too large.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_JSON + 1)
    except OSError as error:
        raise InputError(f"{path} can't be read.", found=error.strerror) from None
    if len(data) > MOST_JSON:
        raise InputError(f"{path} is too large.", expected=f"at most {MOST_JSON >> 20} MiB")
    return data


def read_measurement(data: bytes, name: str, team: str, run: str | None, who: str) -> TeamSpeed:
    """Return what ``evalkit speed measure`` wrote, as the measurement of a team's run.

    Raises:
        InputError: when it can't be used.
    """
    report = read_report(data, name)
    if not report.samples or any(one.frames is None or one.clip_seconds is None for one in report.samples.values()):
        raise InputError(f"{name} lacks frames or lengths of samples.", fix="Measure again.")
    return TeamSpeed(team, run, who, report)


def read_speed_table(data: bytes, name: str) -> list[TeamSpeed]:
    """Return the measurements in a CSV, one for each team and run, in the order of the file.

    Rows of one sample are timed runs of it: their medians count. Cells are separated by comma, semicolon or tab.

    Raises:
        InputError: naming the row, when anything in it can't be used; nothing is taken then.
    """
    groups: dict[tuple[str, str | None], list[tuple[int, Mapping[str, str]]]] = {}
    for number, row in _rows(data, name):
        team, run = _word(row, "team", name, number, _NAME), row.get("run", "").strip() or None
        if run is not None:
            _word(row, "run", name, number, _NAME)
        groups.setdefault((team, run), []).append((number, row))
    if not groups:
        raise InputError(f"{name} has no row.", expected=f"a row per sample: {', '.join(NEEDED)}")
    return [_team(name, team, run, rows) for (team, run), rows in groups.items()]


def _team(name: str, team: str, run: str | None, rows: list[tuple[int, Mapping[str, str]]]) -> TeamSpeed:
    runs: dict[str, list[SampleSpeed]] = {}
    said: dict[str, str] = {}
    for number, row in rows:
        here = {
            "hardware": " ".join(_word(row, "hardware", name, number, HARDWARE_LENGTH).split()),
            "who": _word(row, "who", name, number, _NAME),
            "timed": row.get("timed", "").strip() or "call",
        }
        if here["timed"] not in TIMED:
            raise _fault(name, number, "timed", here["timed"], " or ".join(TIMED))
        for what, value in here.items():
            if said.setdefault(what, value) != value:
                raise _fault(name, number, what, value, f"'{said[what]}' as in the rows before of this run")
        one = _sample(row, name, number)
        runs.setdefault(one.sample, []).append(one)
    if len(runs) > MOST_SAMPLES:
        raise InputError(f"{name} has too many samples.", expected=f"at most {MOST_SAMPLES}")
    samples = {sample: _middle(sample, timed) for sample, timed in runs.items()}
    timed = "frames" if said["timed"] == "frames" else "call"
    if timed == "call":
        samples = {name: one if one.end_to_end else _whole_call(one) for name, one in samples.items()}
    return TeamSpeed(
        team, run, said["who"], SpeedReport(said["hardware"], "frames" if timed == "frames" else "call", samples)
    )


def _whole_call(one: SampleSpeed) -> SampleSpeed:
    return SampleSpeed(
        one.sample, one.seconds, one.frames, one.clip_seconds, one.first_frame, one.seconds, one.peak_bytes, one.runs
    )


def _middle(sample: str, runs: list[SampleSpeed]) -> SampleSpeed:
    peaks = [one.peak_bytes for one in runs if one.peak_bytes is not None]
    return SampleSpeed(
        sample,
        middle([one.seconds for one in runs]) or 0.0,
        round(middle([one.frames for one in runs]) or 0),
        middle([one.clip_seconds for one in runs]),
        middle([one.first_frame for one in runs]),
        middle([one.end_to_end for one in runs]),
        max(peaks) if peaks else None,
        len(runs),
    )


def _sample(row: Mapping[str, str], name: str, number: int) -> SampleSpeed:
    seconds, frames = _number(row, "seconds", name, number), _number(row, "frames", name, number)
    if seconds is None or frames is None:
        what = "seconds" if seconds is None else "frames"
        raise _fault(name, number, what, "nothing", "a number")
    peak = _number(row, "peak_bytes", name, number)
    one = SampleSpeed(
        _word(row, "sample", name, number, SAMPLE_LENGTH),
        seconds,
        int(frames),
        _number(row, "clip_seconds", name, number),
        _number(row, "time_to_first_frame", name, number),
        _number(row, "end_to_end_seconds", name, number),
        None if peak is None else int(peak),
    )
    fault = one.fault()
    if fault is not None:
        raise InputError(f"{name}, row {number}: an impossible number.", found=fault)
    return one


def _rows(data: bytes, name: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield the number of each row in the file, the header's is 1, and its cells."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{name} is no UTF-8 text.", fix="Save the table as CSV in UTF-8.") from None
    if "\0" in text:
        raise InputError(f"{name} is no text: it has NUL characters.")
    first = text.splitlines()[0] if text.strip() else ""
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        head = [cell.strip().lower() for cell in next(reader, [])]
        _check_head(head, name)
        for number, cells in enumerate(reader, start=2):
            if not any(cell.strip() for cell in cells):
                continue
            if number > MOST_ROWS:
                raise InputError(f"{name} has too many rows.", expected=f"at most {MOST_ROWS}")
            if len(cells) != len(head):
                found, expected = f"{len(cells)} cells", f"{len(head)}, as in the first row"
                raise InputError(f"{name}, row {number}: a wrong number of cells.", found=found, expected=expected)
            yield number, dict(zip(head, cells, strict=True))
    except csv.Error as error:
        raise InputError(f"{name} is no CSV.", found=str(error)) from None


def _check_head(head: list[str], name: str) -> None:
    missing = [column for column in NEEDED if column not in head]
    twice = sorted({column for column in head if head.count(column) > 1})
    unknown = [column for column in head if column not in {*NEEDED, *OPTIONAL}]
    if missing or twice:
        fault = f"no column '{missing[0]}'" if missing else f"the column '{twice[0]}' twice"
        near = did_you_mean(missing[0], head) if missing else ""
        raise InputError(f"{name} has {fault}.{near}", found=", ".join(head)[:200], expected=", ".join(NEEDED))
    if unknown:
        hint = did_you_mean(unknown[0], OPTIONAL)
        raise InputError(
            f"{name} has an unknown column '{unknown[0]}'.{hint}", expected=", ".join((*NEEDED, *OPTIONAL))
        )


def _word(row: Mapping[str, str], column: str, name: str, number: int, most: int) -> str:
    word = row.get(column, "").strip()
    if not 0 < len(word) <= most:
        raise _fault(name, number, column, word or "nothing", f"1 to {most} characters")
    return word


def _number(row: Mapping[str, str], column: str, name: str, number: int) -> float | None:
    text = row.get(column, "").strip()
    if not text:
        return None
    try:
        value = float(text) if len(text) <= _CELL and text.isascii() and "_" not in text else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or (column in _WHOLE and value != int(value)):
        kind = "a whole number" if column in _WHOLE else "a number with a decimal point"
        raise _fault(name, number, column, text, kind)
    return value


def _fault(name: str, number: int, column: str, found: str, expected: str) -> InputError:
    shown = escape_for_display(found, limit=80)
    return InputError(f"{name}, row {number}: '{column}' can't be used.", found=shown, expected=expected)
