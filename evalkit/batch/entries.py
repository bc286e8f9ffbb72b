"""Which submissions there are, and in which order they are scored.

A folder holds a ZIP (or an unpacked folder) for each team, which is named after it. A list, CSV or YAML, says team,
run, path and whether the run competes. Runs that compete come first.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from evalkit.board.names import clean_name, clean_run, folded
from evalkit.challenges.submission_rules import RunRules
from evalkit.errors import EvalkitError, InputError, SubmissionError, UsageError, did_you_mean
from evalkit.submission.model import TABLES
from evalkit.text import count, escape_for_display, natural_key
from evalkit.yamlio import parse_yaml, read_text, validate_model

FIRST_RUN = "1"  # what `board add` calls a team's run, too
OWN_FILES = ("log.jsonl", "summary.csv", "summary.html")  # beside the folders of the submissions
MOST_ENTRIES = 10_000
COLUMNS = ("team", "run", "path", "primary")
NEEDED = ("team", "path")
_YES = {"yes", "true", "1", "primary", "x"}
_NO = {"no", "false", "0"}
_LIST = {".csv", ".tsv", ".txt"}
_PLAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.]|-(?!-)){0,59}")
_SEPARATOR = "--"
SINGLE = frozenset({".zip"})  # endings of a file in a folder that is a submission
_DIGITS = 8


@dataclass(frozen=True)
class Entry:
    """One submission.

    Args:
        team: whose.
        run: what the team calls it.
        path: a ZIP or a folder.
        primary: whether it competes; ``None`` when nobody said: then the team's first one does.
        fault: why it can't be scored, known before it is opened.
    """

    team: str
    run: str
    path: Path
    primary: bool | None = None
    fault: EvalkitError | None = None

    @property
    def name(self) -> str:
        """How it is called: ``lumen``, or ``lumen/second``."""
        return self.team if self.run == FIRST_RUN else f"{self.team}/{self.run}"

    @property
    def folder(self) -> str:
        """Name of the folder for its results, which no other entry has and any system can store.

        A digest of the names is part of it where they are not plain letters and digits.
        """
        parts = [self.team] if self.run == FIRST_RUN else [self.team, self.run]
        plain = all(_PLAIN.fullmatch(part) and not part.endswith((".", "-")) for part in parts)
        if plain and self.team.lower() not in OWN_FILES:
            return _SEPARATOR.join(parts)
        digest = hashlib.sha256(f"{self.team}/{self.run}".encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
        words = [re.sub(r"[^A-Za-z0-9]+", "_", part).strip("_")[:40] or "_" for part in parts]
        return f"{_SEPARATOR.join(words)}~{digest}"


def read_entries(place: Path, rules: RunRules, out: Path | None = None, *, tables: bool = False) -> list[Entry]:
    """Return the submissions in a folder or a list, in the order in which they are scored.

    Args:
        place: a folder, or a file: ``.yaml``, ``.yml`` or a CSV. Paths in a file are relative to its folder.
        rules: how many runs a team may have, and how many of them compete.
        out: folder of the results, which is no submission.
        tables: whether a CSV in a folder is a submission: a detector's scores.

    Raises:
        UsageError: when there is nothing, ``place`` is a single ZIP, or ``out`` is the folder of the submissions or
            lies in one of them.
        InputError: when a list can't be read, or a team has more runs than it may.
    """
    if place.is_dir():
        _check_out(place, out)
        found = _in_folder(place, out, SINGLE | TABLES if tables else SINGLE)
    elif place.suffix.lower() == ".zip" and place.is_file():
        raise UsageError(
            f"{place} is a single submission.",
            expected="a folder of ZIPs, or a list of them (CSV or YAML)",
            fix="Score it with 'evalkit score', or give the folder that it lies in.",
        )
    elif place.suffix.lower() in {".yaml", ".yml"}:
        found = _in_yaml(place)
    elif place.suffix.lower() in _LIST or place.is_file():
        found = _in_csv(place)
    else:
        raise UsageError(f"{place} does not exist.", expected="a folder of ZIPs, or a list of them (CSV or YAML)")
    if not found:
        raise UsageError(f"{place} has no submission.", expected="at least one ZIP or folder")
    if len(found) > MOST_ENTRIES:
        raise InputError(
            f"{place} has too many submissions.", found=str(len(found)), expected=f"at most {MOST_ENTRIES}"
        )
    _check_runs(found, rules, place)
    found = _with_primary(found)
    return sorted(found, key=lambda entry: not entry.primary)  # stable: otherwise in the order of the list


def passed_over(place: Path, *, tables: bool = False) -> list[str]:
    """Return the names of the files in a folder of submissions that are taken for none; hidden ones are left out.

    Args:
        place, tables: as in `read_entries`.
    """
    single = SINGLE | TABLES if tables else SINGLE
    return [
        path.name
        for path in sorted(place.iterdir(), key=lambda path: natural_key(path.name))
        if path.is_file()
        and path.suffix.lower() not in single
        and not path.name.startswith((".", "__"))
        and path.name not in OWN_FILES
    ]


def _check_out(place: Path, out: Path | None) -> None:
    """Refuse a folder for the results that is that of the submissions: the next run would take results for teams.

    A folder directly in it is no submission then; one further down would change what a team handed in.
    """
    if out is None:
        return
    folder, own = place.resolve(), out.resolve()
    if own == folder or folder in own.parent.parents:
        raise UsageError(
            "The results can't lie among the submissions.",
            found=str(out),
            fix="Choose another folder with -o.",
        )


def _in_folder(place: Path, out: Path | None, single: frozenset[str]) -> list[Entry]:
    own = None if out is None else out.resolve()
    try:
        paths = sorted(place.iterdir(), key=lambda path: natural_key(path.name))
    except OSError as error:
        raise InputError(f"{place} can't be listed.", found=str(error.strerror or error)) from None
    found: list[Entry] = []
    for path in paths:
        is_file = path.suffix.lower() in single
        if path.name.startswith((".", "__")) or not (is_file or path.is_dir()) or path.resolve() == own:
            continue
        stem = path.stem if is_file else path.name
        try:
            entry = Entry(clean_name(stem, "team"), FIRST_RUN, path)
        except EvalkitError as error:
            entry = Entry(stem, FIRST_RUN, path, fault=error)
        found.append(entry)
    return _refuse_second_submissions(found)


def _refuse_second_submissions(entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries; those of one team are all at fault: which of them counts is for a person to say."""
    by_team: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.fault is None:
            by_team.setdefault(folded(entry.team), []).append(entry)
    checked = []
    for entry in entries:
        alike = by_team.get(folded(entry.team), []) if entry.fault is None else []
        if len(alike) > 1:
            names = " and ".join(escape_for_display(one.path.name) for one in alike)
            fault = SubmissionError(
                f"{names} are submissions of one team, '{entry.team}'.",
                fix="Remove all but one, or write a list with a run for each.",
            )
            checked.append(replace(entry, run=entry.path.name, fault=fault))
        else:
            checked.append(entry)
    return checked


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid")

    team: str
    path: str
    run: str = FIRST_RUN
    primary: bool | None = None


class _List(BaseModel):
    model_config = ConfigDict(extra="forbid")

    submissions: list[_Line] = Field(min_length=1)


def _in_yaml(place: Path) -> list[Entry]:
    document = parse_yaml(read_text(place, kind=InputError, what="The list"), str(place))
    listed = validate_model(_List, document)
    return [
        _entry(line.model_dump(), f"{place}, entry {number}", place)
        for number, line in enumerate(listed.submissions, 1)
    ]


def _in_csv(place: Path) -> list[Entry]:
    text = read_text(place, kind=InputError, what="The list")
    return [_entry(row, f"{place}, row {number}", place) for number, row in _rows(text, place)]


def _rows(text: str, place: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number of each row, the header's is 1, and its cells."""
    if "\0" in text:
        raise InputError(f"{place} is no text: it has NUL characters.")
    first = text.splitlines()[0] if text.strip() else ""
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        head = [cell.strip().lower() for cell in next(reader, [])]
        _check_head(head, place)
        for number, cells in enumerate(reader, start=2):
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(head):
                found, expected = f"{len(cells)} cells", f"{len(head)}, as in the first row"
                raise InputError(f"{place}, row {number}: a wrong number of cells.", found=found, expected=expected)
            row: dict[str, Any] = dict(zip(head, cells, strict=True))
            row["primary"] = _said(row.get("primary", ""), place, number)
            yield number, row
    except csv.Error as error:
        raise InputError(f"{place} is no CSV.", found=str(error)) from None


def _check_head(head: Sequence[str], place: Path) -> None:
    for column in NEEDED:
        if column not in head:
            near = did_you_mean(column, head)
            raise InputError(
                f"{place} has no column '{column}'.{near}", found=", ".join(head)[:200], expected=", ".join(COLUMNS)
            )
    for column in head:
        if column not in COLUMNS or head.count(column) > 1:
            fault = f"an unknown column '{column}'" if column not in COLUMNS else f"the column '{column}' twice"
            raise InputError(f"{place} has {fault}.{did_you_mean(column, COLUMNS)}", expected=", ".join(COLUMNS))


def _said(cell: str, place: Path, number: int) -> bool | None:
    word = cell.strip().lower()
    if word and word not in _YES | _NO:
        raise InputError(
            f"{place}, row {number}: 'primary' can't be used.",
            found=escape_for_display(cell, limit=80),
            expected="yes, no or nothing",
        )
    return word in _YES if word else None


def _entry(row: Mapping[str, Any], where: str, place: Path) -> Entry:
    path = str(row["path"]).strip()
    try:
        team, run = clean_name(str(row["team"]), "team"), clean_run(str(row.get("run") or FIRST_RUN))
    except InputError as error:
        raise InputError(f"{where}: {error.what}", found=error.found, expected=error.expected, fix=error.fix) from None
    if not path or "\0" in path:
        raise InputError(f"{where}: the path is {'empty' if not path else 'none'}.", fix="Give the path of a ZIP.")
    if "\\" in path and not (place.parent / path).exists():
        raise InputError(f"{where}: there is no such file.", found=path, fix="Write / between folders, not \\.")
    return Entry(team, run, place.parent / path, row["primary"])


def _check_runs(entries: Iterable[Entry], rules: RunRules, place: Path) -> None:
    """Make sure that no run is there twice, and no team has more runs than it may."""
    teams: dict[str, dict[str, Entry]] = {}
    for entry in entries:
        if entry.fault is not None:
            continue
        runs = teams.setdefault(folded(entry.team), {})
        if folded(entry.run) in runs:
            raise InputError(f"{place} has the run '{entry.run}' of the team '{entry.team}' twice.", expected="once")
        runs[folded(entry.run)] = entry
    for runs in teams.values():
        team = next(iter(runs.values())).team
        chosen = sum(entry.primary is True for entry in runs.values())
        for found, most, what, key in (
            (len(runs), rules.max, "run", "max"),
            (chosen, rules.primary, "run that competes", "primary"),
        ):
            if found > most:
                raise InputError(
                    f"{place} has {count(found, what, what.replace('run', 'runs').replace('competes', 'compete'))} of "
                    f"the team '{team}'.",
                    expected=f"at most {most} (submission.runs.{key} of the challenge)",
                )


def _with_primary(entries: Iterable[Entry]) -> list[Entry]:
    """Say of each whether it competes; where the list says nothing of a team, its first run does."""
    found = list(entries)
    chosen = {folded(entry.team) for entry in found if entry.primary}
    left = {folded(entry.team): 1 for entry in found}
    decided = []
    for entry in found:
        team = folded(entry.team)
        primary = bool(entry.primary)
        if entry.primary is None and team not in chosen and left[team]:
            primary, left[team] = True, left[team] - 1
        decided.append(replace(entry, primary=primary))
    return decided
