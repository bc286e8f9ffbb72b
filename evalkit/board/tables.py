"""The tables of a board: one log, and facts that carry the number of the log entry that made and that ended them.

No row is ever deleted or overwritten. A fact lives from entry ``since`` on, until entry ``until``; while ``until`` is
NULL it holds. What the board was after entry n are the rows with ``since <= n`` and ``until`` NULL or above n.
"""

from __future__ import annotations

from sqlalchemy import (
    Column,
    ColumnElement,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    and_,
    or_,
)

NAMES = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "ix": "ix_%(table_name)s_%(column_0_name)s",
}
metadata = MetaData(naming_convention=NAMES)

audit = Table(
    "audit",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", String(32), nullable=False),
    Column("by", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("digest", String(64), nullable=False),
)


def _entry(name: str, *, nullable: bool = False) -> Column[int]:
    # Deferred: the entry that sums the facts up is written after them, in the same transaction.
    key = ForeignKey("audit.number", deferrable=True, initially="DEFERRED")
    return Column(name, Integer, key, nullable=nullable, index=not nullable)


def _facts(name: str, *columns: Column[int] | Column[str] | Column[float] | Column[bytes]) -> Table:
    number = Column("id", Integer, primary_key=True, autoincrement=False)
    return Table(name, metadata, number, *columns, _entry("since"), _entry("until", nullable=True))


def _one_active(table: Table, *names: str) -> None:
    """No two active rows of ``table`` share these columns."""
    active = table.c.until.is_(None)
    columns = [table.c[name] for name in names]
    Index(f"one_{table.name}", *columns, unique=True, sqlite_where=active, postgresql_where=active)


def _of(table: str, *, deferred: bool = False) -> ForeignKey:
    return ForeignKey(f"{table}.id", deferrable=deferred or None, initially="DEFERRED" if deferred else None)


rules = _facts("rules", Column("sha256", String(64), nullable=False), Column("text", Text, nullable=False))

teams = _facts("teams", Column("name", Text, nullable=False), Column("folded", Text, nullable=False))
_one_active(teams, "folded")

members = _facts(
    "members",
    Column("team_id", Integer, _of("teams"), nullable=False),
    Column("person", Text, nullable=False),
    Column("folded", Text, nullable=False),
)
_one_active(members, "folded")

runs = _facts(
    "runs",
    Column("team_id", Integer, _of("teams"), nullable=False),
    Column("name", Text, nullable=False),
    Column("folded", Text, nullable=False),
)
_one_active(runs, "team_id", "folded")

choices = _facts("choices", Column("run_id", Integer, _of("runs"), nullable=False))  # the runs that compete
_one_active(choices, "run_id")

cards = _facts(
    "cards",
    Column("run_id", Integer, _of("runs"), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("submission_sha256", Text, nullable=False),
    Column("backbones", Text, nullable=False),
    Column("backbones_sha256", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("scored_here", Integer, nullable=True),  # 1 where the organizer's own run made it; NULL otherwise
    Column("signer", Text, nullable=True),  # fingerprint of the key that signed it, which is trusted or not
    Column("signature", Text, nullable=True),
)
_one_active(cards, "run_id")

strips = _facts(
    "strips",
    Column("run_id", Integer, _of("runs"), nullable=False),
    Column("sample", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("image", LargeBinary, nullable=False),
)
_one_active(strips, "run_id", "sample", "position")

reference = _facts(
    "reference",
    Column("sample", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("image", LargeBinary, nullable=False),
)
_one_active(reference, "sample", "position")

signers = _facts(  # the keys whose signatures say that an organizer scored a submission
    "signers",
    Column("fingerprint", Text, nullable=False),
    Column("line", Text, nullable=False),
    Column("comment", Text, nullable=False),
)
_one_active(signers, "fingerprint")

raters = _facts(
    "raters",
    Column("rater", Text, nullable=False),
    Column("team_id", Integer, _of("teams"), nullable=False),
)
_one_active(raters, "rater")

keys = _facts(
    "keys",
    Column("item", Text, nullable=False),
    Column("team", Text, nullable=False),
    Column("sample", Text, nullable=False),
    Column("run", Text, nullable=True),
)
_one_active(keys, "item")

gold = _facts(
    "gold",
    Column("item", Text, nullable=False),
    Column("dimension", Text, nullable=False),
    Column("low", Double, nullable=False),
    Column("high", Double, nullable=False),
)
_one_active(gold, "item", "dimension")

gold_pairs = _facts(  # comparisons whose right answer is known; the sides in the order of their names
    "gold_pairs",
    Column("sample", Text, nullable=False),
    Column("dimension", Text, nullable=False),
    Column("first", Text, nullable=False),
    Column("second", Text, nullable=False),
    Column("low", Double, nullable=False),
    Column("high", Double, nullable=False),
    Column("draw", Integer, nullable=False),
)
_one_active(gold_pairs, "sample", "dimension", "first", "second")

imports = _facts(
    "imports",
    Column("file", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("form", Text, nullable=False),
    Column("new", Integer, nullable=False),
    Column("known", Integer, nullable=False),
)

answers = _facts(  # ratings, and comparisons of two teams: theirs have the sample as their item
    "answers",
    Column("identity", String(64), nullable=False),
    Column("import_id", Integer, _of("imports", deferred=True), nullable=False),
    Column("rater", Text, nullable=False),
    Column("item", Text, nullable=False),
    Column("left_team", Text, nullable=True),
    Column("right_team", Text, nullable=True),
    Column("dimension", Text, nullable=False),
    Column("value", Double, nullable=False),
    Column("at", String(32), nullable=True),
    Column("seconds", Double, nullable=True),
    Column("row_number", Integer, nullable=False),
    Column("status", Text, nullable=False),
)
_one_active(answers, "identity")

speeds = _facts(  # what organizers measured, or imported, of a team's run: a row per sample
    "speeds",
    Column("import_id", Integer, _of("imports", deferred=True), nullable=False),
    Column("source", Text, nullable=False),
    Column("team", Text, nullable=False),
    Column("run", Text, nullable=True),
    Column("sample", Text, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("frames", Integer, nullable=False),
    Column("clip_seconds", Double, nullable=True),
    Column("first_frame", Double, nullable=True),
    Column("end_to_end", Double, nullable=True),
    Column("peak_bytes", Double, nullable=True),
    Column("timed_runs", Integer, nullable=False),
    Column("hardware", Text, nullable=False),
    Column("timed", Text, nullable=False),
    Column("who", Text, nullable=False),
)

decisions = _facts(
    "decisions",
    Column("target", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("reason", Text, nullable=False),
)
_one_active(decisions, "target", "subject")

FACTS: tuple[Table, ...] = tuple(table for table in metadata.sorted_tables if table is not audit)


def is_active(table: Table, number: int | None = None) -> ColumnElement[bool]:
    """Return the condition for rows that hold now, or that held after log entry ``number``."""
    if number is None:
        return table.c.until.is_(None)
    return and_(table.c.since <= number, or_(table.c.until.is_(None), table.c.until > number))
