"""Import raters' answers, the key of a blind test, and the gold items."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, func, select

from evalkit.board.audit import names, stored_time
from evalkit.board.model import GoldItem, GoldPair
from evalkit.board.names import check_ids, clean_reason, file_name
from evalkit.board.tables import answers, cards, gold, gold_pairs, imports, is_active, keys, reference, speeds
from evalkit.board.writing import Write, chunks
from evalkit.errors import InputError, did_you_mean
from evalkit.ratings.model import Answer, Key
from evalkit.scoring.scorecard import Scorecard
from evalkit.text import escape_for_display

_MAX_ROW = 2**31 - 1


@dataclass(frozen=True)
class Imported:
    """What an import did.

    Args:
        new: answers that were added.
        known: answers that the board had before, and those that appear twice in the file.
        changed: answers that the board had with another status of the platform; the file's status replaces it.
        number: of the import, to undo it; ``None`` when nothing changed.
    """

    new: int
    known: int
    changed: int = 0
    number: int | None = None


@dataclass(frozen=True)
class Undone:
    """What undoing an import did.

    Args:
        file: name of the file that was imported.
        removed: answers that are gone.
        restored: earlier answers whose place the import's had taken, with another status of the platform.
        key_removed: entries of the key that came with the import and are gone.
        key_kept: entries of the key that came with it and stay, because answers of other imports need them.
        again: later imports whose files held answers that were known: import these files again, where they are right.
        measurements: samples' measurements of speed that are gone.
    """

    file: str
    removed: int
    restored: int
    key_removed: int
    key_kept: int
    again: tuple[str, ...] = ()
    measurements: int = 0


@dataclass(frozen=True)
class KeyMerged:
    """What a key changed: entries that were new, known, and that have another meaning now."""

    new: int
    known: int
    replaced: int = 0


@dataclass(frozen=True)
class ImportSource:
    """Where answers come from: the file, its digest, the format it was read as."""

    file: str
    sha256: str
    form: str


def make_source(source: str, sha256: str, form: str) -> ImportSource:
    """Return where answers come from, as a database stores it: a file name without folders, and escaped text."""
    return ImportSource(file_name(source), escape_for_display(sha256, limit=64), escape_for_display(form, limit=60))


def import_answers(
    write: Write,
    given: Iterable[Answer],
    source: ImportSource,
    key: Key | None,
    *,
    allow_unknown: bool = False,
    join: bool = False,
) -> Imported:
    """Add answers; see `evalkit.board.Board.import_answers`."""
    if join and (known_number := _import_of(write, source)) is not None:
        return _join_import(write, given, source, known_number)
    added = None if key is None else _merge_key(write, key, allow_unknown=allow_unknown)
    number = (write.connection.execute(select(func.max(imports.c.id))).scalar() or 0) + 1
    new, changed, known = write.add_unknown(answers, (_row(answer, source, number) for answer in given))
    if write.changed:
        counts = {"new": new, "known": known}
        write.add(imports, [{"file": source.file, "sha256": source.sha256, "form": source.form, **counts}])
        details = {"sha256": source.sha256, "form": source.form, **counts, **({"changed": changed} if changed else {})}
        if added is not None:
            details["key"] = {"new": added.new, "known": added.known}
        write.log("import", source.file, details)
    return Imported(new, known, changed, number if write.changed else None)


def _import_of(write: Write, source: ImportSource) -> int | None:
    """Return the number of the last import from ``source`` that was not undone."""
    query = select(func.max(imports.c.id)).where(is_active(imports), imports.c.form == source.form)
    return write.connection.execute(query.where(imports.c.sha256 == source.sha256)).scalar()


def _join_import(write: Write, given: Iterable[Answer], source: ImportSource, number: int) -> Imported:
    """Add answers to an import that is there; its row keeps the counts of its first answers, the log has the others."""
    new, changed, known = write.add_unknown(answers, (_row(answer, source, number) for answer in given))
    if write.changed:
        details = {"import": number, "new": new, "known": known, **({"changed": changed} if changed else {})}
        write.log("import", source.file, details)
    return Imported(new, known, changed, number if write.changed else None)


def undo_import(write: Write, number: int, why: str) -> Undone:
    """Take an import back; see `evalkit.board.Board.undo_import`."""
    why = clean_reason(why, "Undoing an import")
    row = write.connection.execute(select(imports).where(imports.c.id == number)).first()
    if row is None:
        most = write.connection.execute(select(func.max(imports.c.id))).scalar()  # numbers have no gaps
        raise InputError(
            f"There is no import {number}.", found=f"imports 1 to {most}" if most else "no import on the board"
        )
    if row.until is not None:
        raise InputError(f"Import {number} ({escape_for_display(row.file, 60)}) was undone by log entry {row.until}.")
    mine = select(answers.c.identity).where(is_active(answers), answers.c.import_id == number)
    identities = list(write.connection.execute(mine).scalars())
    removed = write.end(answers, answers.c.import_id == number)
    measurements = write.end(speeds, speeds.c.import_id == number)
    write.end(imports, imports.c.id == number)
    restored = _restore(write, identities)
    key_removed, key_kept = _undo_key(write, row.since)
    later = select(imports).where(is_active(imports), imports.c.id > number, imports.c.known > 0)
    again = tuple(one.file for one in write.connection.execute(later.order_by(imports.c.id)))
    counts: dict[str, Any] = {"removed": removed, "restored": restored}
    counts["key"] = {"removed": key_removed, "kept": key_kept}
    counts |= {"measurements": measurements} if measurements else {}
    write.log("undo-import", row.file, {"import": number, "why": why, **counts})
    return Undone(row.file, removed, restored, key_removed, key_kept, again, measurements)


def _restore(write: Write, identities: Sequence[str]) -> int:
    """Add the last answers again that these took the place of, where their imports were not undone."""
    restored = 0
    for some in chunks(identities):
        query = select(answers).join(imports, answers.c.import_id == imports.c.id)
        query = query.where(is_active(imports), answers.c.identity.in_(some)).order_by(answers.c.id)
        last = {row.identity: row for row in write.connection.execute(query)}
        fields = [column.name for column in answers.columns if column.name not in {"id", "since", "until"}]
        rows = sorted(last.values(), key=lambda row: int(row.id))
        restored += len(write.add(answers, [{name: getattr(row, name) for name in fields} for row in rows]))
    return restored


def _undo_key(write: Write, since: int) -> tuple[int, int]:
    """End the entries of the key that log entry ``since`` made, unless answers need them; return both counts."""
    used = select(answers.c.item).where(is_active(answers), answers.c.left_team.is_(None))
    kept = select(func.count()).select_from(keys).where(is_active(keys), keys.c.since == since, keys.c.item.in_(used))
    stay = int(write.connection.execute(kept).scalar() or 0)
    return write.end(keys, and_(keys.c.since == since, keys.c.item.not_in(used))), stay


def set_key(write: Write, key: Key, *, why: str | None = None, allow_unknown: bool = False) -> KeyMerged:
    """Set what anonymous items are; see `evalkit.board.Board.set_key`."""
    if why is not None:
        why = clean_reason(why, "Another meaning of an item")
    done = _merge_key(write, key, replace=why is not None, allow_unknown=allow_unknown)
    if write.changed:
        more = {"replaced": done.replaced, "why": why} if why is not None else {}
        write.log("set-key", file_name(key.source), {"new": done.new, "known": done.known, **more})
    return done


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


def set_gold_pairs(write: Write, pairs: Sequence[GoldPair]) -> None:
    """Set the comparisons whose answer is known; see `evalkit.board.Board.set_gold_pairs`."""
    wanted: dict[tuple[str, str, tuple[str, str]], GoldPair] = {}
    for pair in (one.in_order() for one in pairs):
        check_ids((pair.sample, pair.dimension, *pair.sides), "The gold comparison")
        shown = " and ".join(f"'{escape_for_display(side, limit=60)}'" for side in pair.sides)
        if not (0 <= pair.low <= pair.high <= 1) or (pair.low == pair.high == 0.5 and not pair.draw):
            raise InputError(f"The answer to the comparison of {shown} can't be from {pair.low} to {pair.high}.")
        if pair.sides[0] == pair.sides[1]:
            raise InputError(f"The comparison of {shown} is of one side with itself.")
        if (pair.sample, pair.dimension, pair.sides) in wanted:
            raise InputError(f"The comparison of {shown} appears twice.")
        wanted[pair.sample, pair.dimension, pair.sides] = pair
    stale = []
    for row in write.connection.execute(select(gold_pairs).where(is_active(gold_pairs))):
        place = (row.sample, row.dimension, (row.first, row.second))
        if wanted.get(place) == GoldPair(*place, row.low, row.high, bool(row.draw)):
            del wanted[place]
        else:
            stale.append(row.id)
    if stale:
        write.end(gold_pairs, gold_pairs.c.id.in_(stale))
    write.add(gold_pairs, [_gold_pair_row(pair) for pair in wanted.values()])
    if write.changed:
        write.log("set-gold-pairs", names(sorted({pair.sample for pair in pairs}), 3), {"pairs": len(pairs)})


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


def _gold_pair_row(pair: GoldPair) -> dict[str, Any]:
    row = {"sample": pair.sample, "dimension": pair.dimension, "first": pair.sides[0], "second": pair.sides[1]}
    return {**row, "low": float(pair.low), "high": float(pair.high), "draw": int(pair.draw)}


def _merge_key(write: Write, key: Key, *, replace: bool = False, allow_unknown: bool = False) -> KeyMerged:
    """Add the entries of ``key`` that the board does not hold.

    Args:
        write: the transaction.
        key: what items are.
        replace: whether an item may get another meaning than it has on the board.
        allow_unknown: whether items may be of samples that no run has.

    Raises:
        InputError: when an item has another meaning on the board, or is of an unknown sample.
    """
    where = f"The key {key.source}"
    known: dict[str, tuple[str, str, str | None]] = {}
    for items in chunks(list(key)):
        for row in write.connection.execute(select(keys).where(is_active(keys), keys.c.item.in_(items))):
            known[row.item] = (row.team, row.sample, row.run)
    new: list[dict[str, str | None]] = []
    stale: list[str] = []
    added: list[tuple[str, str]] = []
    for item, entry in key.entries.items():
        meaning = (entry.team, entry.sample, entry.run)
        check_ids((item, entry.team, entry.sample, entry.run or ""), where)
        if known.get(item) == meaning:
            continue
        new.append({"item": item, "team": entry.team, "sample": entry.sample, "run": entry.run})
        added.append((item, entry.sample))
        if item in known:
            stale.append(item)
        if item in known and not replace:
            raise InputError(
                f"{where} gives the item '{escape_for_display(item, limit=60)}' another meaning than the board.",
                found=_meaning(meaning),
                expected=_meaning(known[item]),
                fix="Fix the key, or, if the board's is wrong, replace it: 'evalkit ratings key FILE --why TEXT'.",
            )
    if not allow_unknown:
        _check_samples(write, where, added)
    for some in chunks(stale):
        write.end(keys, keys.c.item.in_(some))
    write.add(keys, new)
    return KeyMerged(len(new) - len(stale), len(key) - len(new), len(stale))


def _check_samples(write: Write, where: str, entries: Sequence[tuple[str, str]]) -> None:
    """Make sure that the samples of a key's entries are in a run or have a reference; without runs nobody knows."""
    if not entries:
        return
    wanted = {sample for _, sample in entries}
    known = set(write.connection.execute(select(reference.c.sample).where(is_active(reference)).distinct()).scalars())
    any_run = False
    for text in write.connection.execute(select(cards.c.text).where(is_active(cards))).scalars():
        any_run = True
        known.update(video.sample for video in Scorecard.from_json(text, "a scorecard on the board").videos)
        if wanted <= known:  # the first scorecard has all samples, unless only a part was scored
            return
    if not any_run:
        return
    unknown = [(item, sample) for item, sample in entries if sample not in known]
    if unknown:
        item, sample = unknown[0]
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        raise InputError(
            f"{where} names samples that no run on the board has: '{escape_for_display(sample, limit=60)}' of the "
            f"item '{escape_for_display(item, limit=60)}'{more}.{did_you_mean(sample, known)}",
            fix="Add the runs first, or correct the key; --allow-unknown takes it as it is.",
        )


def _meaning(entry: tuple[str, str, str | None]) -> str:
    team, sample, run = (None if word is None else escape_for_display(word, limit=60) for word in entry)
    return f"sample '{sample}' of '{team}'" + (f", run '{run}'" if run is not None else "")
