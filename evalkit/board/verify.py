"""Find what was changed without evalkit: a log line, a fact, a scorecard, a trigger."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Table, select

from evalkit.board.audit import Seal, canonical, entry_digest, sha256
from evalkit.board.reading import answer_of
from evalkit.board.shape import extra_parts, missing_parts, wrong_types
from evalkit.board.tables import FACTS, answers, audit, cards, imports, rules
from evalkit.board.triggers import trigger_problems
from evalkit.board.writing import streamed
from evalkit.challenges.model import parse_challenge
from evalkit.errors import EvalkitError
from evalkit.jsonio import parse_json
from evalkit.text import count, escape_for_display

_MOST = 20  # sentences of one kind


@dataclass
class _Entry:
    """What verification needs of a log entry: what messages call it, and the seals that it carries."""

    title: str
    seals: dict[str, Any] = field(default_factory=dict)


def problems(connection: Connection) -> list[str]:
    """Return a sentence for everything that is not as it was written; empty when the board is whole.

    The last entries of the log, cut off together with all that they wrote, leave no trace on the board: compare the
    digest of the last entry with one that was published.
    """
    broken = missing_parts(connection) or _short(wrong_types(connection), "the columns")
    if broken:  # the rest can't be read
        return broken
    entries: dict[int, _Entry] = {}
    found = _short(_log(connection, entries), "the log")
    for table in FACTS:
        found += _short(_facts(connection, table, entries), f"'{table.name}'")
    found += _short(_contents(connection), "single rows")
    return [*found, *extra_parts(connection), *trigger_problems(connection)]


def _short(sentences: Iterator[str], where: str) -> list[str]:
    found = list(sentences)
    more = [f"And {count(len(found) - _MOST, 'more problem')} in {where}."] if len(found) > _MOST else []
    return found[:_MOST] + more


def _log(connection: Connection, entries: dict[int, _Entry]) -> Iterator[str]:
    previous, at, expected = "", "", 1
    for row in streamed(connection, select(audit).order_by(audit.c.number)):
        entry = _Entry(
            f"Log entry {row.number} ({escape_for_display(row.action)} {escape_for_display(row.subject, limit=80)})"
        )
        entries[row.number] = entry
        if row.number != expected:
            yield f"The log has a gap: entry {expected} is missing before entry {row.number}."
        try:
            details = parse_json(row.details)
            whole = canonical(details) == row.details
            entry.seals = {str(name): dict(seal) for name, seal in dict(details["facts"]).items()}
        except (ValueError, TypeError, LookupError):
            yield f"{entry.title} has details that can't be read."
            whole, details = False, None
        digest = entry_digest(previous, row._mapping, details)
        if not whole or digest != row.digest:
            yield f"{entry.title} was changed, or the one before it: its digest is not the one that it carries."
        if row.at <= at:
            yield f"{entry.title} is not later than the one before it."
        previous, at, expected = row.digest, row.at, row.number + 1
    if not entries:
        yield "The log is empty."


def _facts(connection: Connection, table: Table, entries: dict[int, _Entry]) -> Iterator[str]:
    """Compare what every entry sealed in ``table`` with its rows."""
    seals: dict[int, Seal] = {}
    for row in streamed(connection, select(table).order_by(table.c.id)):
        seals.setdefault(row.since, Seal(table)).add(row)
    ended: dict[int, list[int]] = {}
    for row in streamed(connection, select(table.c.id, table.c.until).where(table.c.until.is_not(None))):
        ended.setdefault(row.until, []).append(row.id)
    for number, ids in ended.items():
        seals.setdefault(number, Seal(table)).end(ids)
    for number in sorted({*seals, *entries}):
        there = seals.get(number, Seal(table)).as_dict()
        entry = entries.get(number)
        if entry is None:
            yield f"'{table.name}' holds {count(there['added'], 'row')} of log entry {number}, which does not exist."
            continue
        sealed = entry.seals.get(table.name) or Seal(table).as_dict()
        if there != sealed:
            yield f"{entry.title}: what it wrote to '{table.name}' is not what stands there: {_apart(sealed, there)}."


def _apart(sealed: Any, there: dict[str, Any]) -> str:
    counts = [(word, sealed.get(word), there[word]) for word in ("added", "ended")]
    apart = [f"{count(before, 'row')} {word}, now {after}" for word, before, after in counts if before != after]
    return "; ".join(apart) or "a value was changed"


def _contents(connection: Connection) -> Iterator[str]:
    """Compare rows that carry a digest of their own with it."""
    for row in streamed(connection, select(cards).order_by(cards.c.id)):
        if sha256(row.text) != row.sha256:
            yield f"Scorecard {row.id}, added by log entry {row.since}, is not the one whose digest it carries."
    for row in connection.execute(select(rules).order_by(rules.c.id)):
        try:
            whole = parse_challenge(row.text, "the challenge").sha256 == row.sha256
        except EvalkitError:
            whole = False
        if not whole:
            yield f"The rules of log entry {row.since} are not the ones whose digest they carry."
    query = select(answers, imports.c.file).join(imports, answers.c.import_id == imports.c.id, isouter=True)
    for row in streamed(connection, query.order_by(answers.c.id)):
        try:
            whole = answer_of(row).id == row.identity
        except (ValueError, TypeError, OverflowError):
            whole = False
        if not whole:
            yield f"Answer {row.id}, added by log entry {row.since}, was changed: its id is of other values."
