"""What people said comes in: ratings, comparisons, the key of a blind test, items with a known answer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, func, select

from evalkit.board.audit import names, stored_time
from evalkit.board.model import GoldItem
from evalkit.board.names import check_ids, file_name
from evalkit.board.tables import gold, imports, is_active, keys, pairs, ratings
from evalkit.board.writing import Write, chunks
from evalkit.errors import InputError
from evalkit.ratings.model import Key, Rating, identity
from evalkit.ratings.pairs import Comparison, pair_identity
from evalkit.text import escape_for_display

_MAX_ROW = 2**31 - 1


@dataclass(frozen=True)
class Imported:
    """What an import did.

    Args:
        new: entries that were added.
        known: entries that the board held already, those that stand twice in the file included.
        changed: entries that the board held with another word of the platform; the file's word holds from now on.
    """

    new: int
    known: int
    changed: int = 0


@dataclass(frozen=True)
class ImportSource:
    """Where entries come from: the file, its digest, the format it was read as."""

    file: str
    sha256: str
    form: str


def make_source(source: str, sha256: str, form: str) -> ImportSource:
    """Return where entries come from, as a database keeps it: a file's name without folders, nothing that acts."""
    return ImportSource(file_name(source), escape_for_display(sha256, limit=64), escape_for_display(form, limit=60))


def import_ratings(write: Write, given: Iterable[Rating], source: ImportSource, key: Key | None) -> Imported:
    """Add ratings; see `evalkit.board.Board.import_ratings`."""
    added = None if key is None else _merge_key(write, key)
    number = _next_import(write)
    rows = ({"identity": identity(one), "import_id": number, **_rating_row(one, source)} for one in given)
    return _import(write, ratings, rows, source, key=added)


def import_pairs(write: Write, given: Iterable[Comparison], source: ImportSource) -> Imported:
    """Add comparisons; see `evalkit.board.Board.import_pairs`."""
    number = _next_import(write)
    rows = ({"identity": pair_identity(one), "import_id": number, **_pair_row(one, source)} for one in given)
    return _import(write, pairs, rows, source)


def set_key(write: Write, key: Key) -> tuple[int, int]:
    """Add what anonymous items are; see `evalkit.board.Board.set_key`."""
    new, known = _merge_key(write, key)
    if new:
        write.log("set-key", file_name(key.source), {"new": new, "known": known})
    return new, known


def set_gold(write: Write, items: Sequence[GoldItem]) -> None:
    """Set the items whose answer is known; see `evalkit.board.Board.set_gold`."""
    wanted: dict[tuple[str, str], GoldItem] = {}
    for item in items:
        check_ids((item.item, item.dimension), "The gold item")
        shown = f"'{escape_for_display(item.item, limit=60)}' in '{escape_for_display(item.dimension, limit=60)}'"
        if not (math.isfinite(item.low) and math.isfinite(item.high) and item.low <= item.high):
            raise InputError(f"The answer to the gold item {shown} can't be from {item.low} to {item.high}.")
        if (item.item, item.dimension) in wanted:
            raise InputError(f"The gold item {shown} appears twice.")
        wanted[item.item, item.dimension] = item
    stale = []
    for row in write.connection.execute(select(gold).where(is_active(gold))):
        if wanted.get((row.item, row.dimension)) == GoldItem(row.item, row.dimension, row.low, row.high):
            del wanted[row.item, row.dimension]
        else:
            stale.append(row.id)
    if stale:
        write.end(gold, gold.c.id.in_(stale))
    write.add(gold, [_gold_row(item) for item in wanted.values()])
    if write.changed:
        write.log("set-gold", names(sorted({item.item for item in items}), 3), {"items": len(items)})


def _import(
    write: Write,
    table: Table,
    rows: Iterator[Mapping[str, Any]],
    source: ImportSource,
    *,
    key: tuple[int, int] | None = None,
) -> Imported:
    new, changed, known = write.add_unknown(table, rows)
    if write.changed:
        counts = {"new": new, "known": known}
        file = {"file": source.file, "sha256": source.sha256, "kind": table.name, "form": source.form}
        write.add(imports, [file | counts])
        details = {"sha256": source.sha256, "form": source.form, **counts, **({"changed": changed} if changed else {})}
        if key is not None:
            details["key"] = {"new": key[0], "known": key[1]}
        write.log(f"import-{table.name}", source.file, details)
    return Imported(new, known, changed)


def _next_import(write: Write) -> int:
    return (write.connection.execute(select(func.max(imports.c.id))).scalar() or 0) + 1


def _rating_row(one: Rating, source: ImportSource) -> dict[str, Any]:
    check_ids((one.rater, one.item, one.dimension, one.status), _place(source, one.row))
    _check_numbers(one.value, one.seconds, one.row, source)
    return {
        "rater": one.rater,
        "item": one.item,
        "dimension": one.dimension,
        "value": float(one.value),
        **_said(one),
    }


def _pair_row(one: Comparison, source: ImportSource) -> dict[str, Any]:
    words = (one.rater, one.sample, one.left, one.right, one.dimension, one.status)
    check_ids(words, _place(source, one.row))
    _check_numbers(one.outcome, one.seconds, one.row, source)
    return {
        "rater": one.rater,
        "sample": one.sample,
        "left_team": one.left,
        "right_team": one.right,
        "outcome": float(one.outcome),
        "dimension": one.dimension,
        **_said(one),
    }


def _said(one: Rating | Comparison) -> dict[str, Any]:
    return {
        "at": None if one.at is None else stored_time(one.at),
        "seconds": None if one.seconds is None else float(one.seconds),
        "row_number": one.row,
        "status": one.status,
    }


def _check_numbers(value: float, seconds: float | None, row: int, source: ImportSource) -> None:
    if not math.isfinite(value) or (seconds is not None and not math.isfinite(seconds)):
        raise InputError(f"{_place(source, row)}: a number is infinite or none.", found=f"{value}, {seconds} s")
    if not 0 <= row <= _MAX_ROW:
        raise InputError(f"{_place(source, row)}: there is no such row.")


def _place(source: ImportSource, row: int) -> str:
    return f"{source.file}, row {row}"


def _gold_row(item: GoldItem) -> dict[str, Any]:
    return {"item": item.item, "dimension": item.dimension, "low": float(item.low), "high": float(item.high)}


def _merge_key(write: Write, key: Key) -> tuple[int, int]:
    """Add the entries of ``key`` that the board does not hold; return how many were new, and known."""
    where = f"The key {key.source}"
    known: dict[str, tuple[str, str, str | None]] = {}
    for items in chunks(list(key)):
        for row in write.connection.execute(select(keys).where(is_active(keys), keys.c.item.in_(items))):
            known[row.item] = (row.team, row.sample, row.run)
    new = []
    for item, entry in key.entries.items():
        meaning = (entry.team, entry.sample, entry.run)
        check_ids((item, entry.team, entry.sample, entry.run or ""), where)
        if item not in known:
            new.append({"item": item, "team": entry.team, "sample": entry.sample, "run": entry.run})
        elif known[item] != meaning:
            raise InputError(
                f"{where} gives the item '{escape_for_display(item, limit=60)}' another meaning than the board.",
                found=_meaning(meaning),
                expected=_meaning(known[item]),
                fix="An item never changes what it shows: fix the key, or use new item ids.",
            )
    write.add(keys, new)
    return len(new), len(key) - len(new)


def _meaning(entry: tuple[str, str, str | None]) -> str:
    team, sample, run = (None if word is None else escape_for_display(word, limit=60) for word in entry)
    return f"sample '{sample}' of '{team}'" + (f", run '{run}'" if run is not None else "")
