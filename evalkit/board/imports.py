"""Import raters' answers, the key of a blind test, and the gold items."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from evalkit.board.audit import names, stored_time
from evalkit.board.model import GoldItem
from evalkit.board.names import check_ids, file_name
from evalkit.board.tables import answers, gold, imports, is_active, keys
from evalkit.board.writing import Write, chunks
from evalkit.errors import InputError
from evalkit.ratings.model import Answer, Key
from evalkit.text import escape_for_display

_MAX_ROW = 2**31 - 1


@dataclass(frozen=True)
class Imported:
    """What an import did.

    Args:
        new: answers that were added.
        known: answers that the board had before, and those that appear twice in the file.
        changed: answers that the board had with another status of the platform; the file's status replaces it.
    """

    new: int
    known: int
    changed: int = 0


@dataclass(frozen=True)
class ImportSource:
    """Where answers come from: the file, its digest, the format it was read as."""

    file: str
    sha256: str
    form: str


def make_source(source: str, sha256: str, form: str) -> ImportSource:
    """Return where answers come from, as a database stores it: a file name without folders, and escaped text."""
    return ImportSource(file_name(source), escape_for_display(sha256, limit=64), escape_for_display(form, limit=60))


def import_answers(write: Write, given: Iterable[Answer], source: ImportSource, key: Key | None) -> Imported:
    """Add answers; see `evalkit.board.Board.import_answers`."""
    added = None if key is None else _merge_key(write, key)
    number = (write.connection.execute(select(func.max(imports.c.id))).scalar() or 0) + 1
    new, changed, known = write.add_unknown(answers, (_row(answer, source, number) for answer in given))
    if write.changed:
        counts = {"new": new, "known": known}
        write.add(imports, [{"file": source.file, "sha256": source.sha256, "form": source.form, **counts}])
        details = {"sha256": source.sha256, "form": source.form, **counts, **({"changed": changed} if changed else {})}
        if added is not None:
            details["key"] = {"new": added[0], "known": added[1]}
        write.log("import", source.file, details)
    return Imported(new, known, changed)


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


def _row(answer: Answer, source: ImportSource, number: int) -> dict[str, Any]:
    """Return the row of import ``number`` that holds ``answer``.

    Raises:
        InputError: when a database can't store it.
    """
    place = f"{source.file}, row {answer.row}"
    check_ids((answer.rater, answer.item, answer.dimension, answer.status, *answer.teams), place)
    if not math.isfinite(answer.value) or (answer.seconds is not None and not math.isfinite(answer.seconds)):
        found = f"{answer.value}, {answer.seconds} s"
        raise InputError(f"{place}: a number is infinite or not a number.", found=found)
    if not 0 <= answer.row <= _MAX_ROW:
        raise InputError(f"{place}: there is no such row.")
    left, right = answer.teams or (None, None)
    return {
        "identity": answer.id,
        "import_id": number,
        "rater": answer.rater,
        "item": answer.item,
        "left_team": left,
        "right_team": right,
        "dimension": answer.dimension,
        "value": float(answer.value),
        "at": None if answer.at is None else stored_time(answer.at),
        "seconds": None if answer.seconds is None else float(answer.seconds),
        "row_number": answer.row,
        "status": answer.status,
    }


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
