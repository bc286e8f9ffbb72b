"""The first tables of a board, and the triggers that keep the log and the facts from being changed.

The triggers refuse, whoever asks: a change or a removal of a log entry, an entry with another number than the next; the
removal of a fact, a change of it other than its one end by the entry that is about to be written, a fact that claims to
be of another entry. SQLite's ``INSERT OR REPLACE`` removes rows without asking the triggers for removals, so the ones
for inserts refuse what would replace a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_NEXT = "(SELECT coalesce(max(number), 0) + 1 FROM audit)"


def upgrade() -> None:
    """Make tables, indexes and triggers."""
    audit = (_text("at", 32), _text("by"), _text("action"), _text("subject"), _text("details"), _text("digest", 64))
    op.create_table("audit", sa.Column("number", sa.Integer, primary_key=True, autoincrement=False), *audit)
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    (_sqlite_log if on_sqlite else _postgres_log)()
    for name, (columns, alone) in _tables().items():
        _make(name, columns, alone)
        if on_sqlite:
            _sqlite_facts(name, [column.name for column in columns], alone)
        else:
            _postgres_facts(name)


def downgrade() -> None:
    """Refuse: an older evalkit can't read what a newer one wrote, and a board only grows; restore a copy instead."""
    raise NotImplementedError("boards are not taken back to an older form")


def _text(name: str, length: int | None = None, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text() if length is None else sa.String(length), nullable=nullable)


def _whole(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer, nullable=False)


def _number(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Double, nullable=nullable)


def _of(table: str, *, deferred: bool = False) -> sa.Column[Any]:
    late = {"deferrable": True, "initially": "DEFERRED"} if deferred else {}
    key = sa.ForeignKey(f"{table}s.id", **late)  # type: ignore[arg-type]
    return sa.Column(f"{table}_id", sa.Integer, key, nullable=False)


def _tables() -> dict[str, tuple[list[sa.Column[Any]], tuple[str, ...]]]:
    """Return table -> its own columns, and those that no two living rows share; ``identity`` is for all rows."""
    image = [_text("sample"), _whole("position"), sa.Column("image", sa.LargeBinary, nullable=False)]
    said = [_text("at", 32, nullable=True), _number("seconds", nullable=True), _whole("row_number"), _text("status")]
    item = [_text("item"), _text("dimension")]
    sides = [_text("left_team"), _text("right_team"), _number("outcome")]
    from_file = [_text("identity", 64), _of("import", deferred=True), _text("rater")]
    digests = [_text("sha256", 64), _text("submission_sha256"), _text("backbones"), _text("backbones_sha256")]
    counts = [_text("file"), _text("sha256"), _text("kind"), _text("form"), _whole("new"), _whole("known")]
    return {
        "rules": ([_text("sha256", 64), _text("text")], ()),
        "teams": ([_text("name"), _text("folded")], ("folded",)),
        "members": ([_of("team"), _text("person"), _text("folded")], ("folded",)),
        "runs": ([_of("team"), _text("name"), _text("folded")], ("team_id", "folded")),
        "choices": ([_of("run")], ("run_id",)),
        "cards": ([_of("run"), *digests, _text("text")], ("run_id",)),
        "strips": ([_of("run"), *_copies(image)], ("run_id", "sample", "position")),
        "reference": (_copies(image), ("sample", "position")),
        "raters": ([_text("rater"), _of("team")], ("rater",)),
        "keys": ([_text("item"), _text("team"), _text("sample"), _text("run", nullable=True)], ("item",)),
        "gold": ([*_copies(item), _number("low"), _number("high")], ("item", "dimension")),
        "imports": (counts, ()),
        "ratings": ([*_copies(from_file), *_copies(item), _number("value"), *_copies(said)], ("identity",)),
        "pairs": ([*from_file, _text("sample"), *sides, _text("dimension"), *_copies(said)], ("identity",)),
        "decisions": ([_text("target"), _text("subject"), _text("code"), _text("reason")], ("target", "subject")),
    }


def _copies(columns: list[sa.Column[Any]]) -> list[sa.Column[Any]]:
    return [column._copy() for column in columns]


def _make(name: str, columns: list[sa.Column[Any]], alone: tuple[str, ...]) -> None:
    ends = []
    for end in ("since", "until"):
        entry = sa.ForeignKey("audit.number", deferrable=True, initially="DEFERRED")
        ends.append(sa.Column(end, sa.Integer, entry, nullable=end == "until"))
    op.create_table(name, sa.Column("id", sa.Integer, primary_key=True, autoincrement=False), *columns, *ends)
    op.create_index(f"ix_{name}_since", name, ["since"])
    if alone:
        alive = None if alone == ("identity",) else sa.text("until IS NULL")
        op.create_index(f"one_{name}", name, list(alone), unique=True, sqlite_where=alive, postgresql_where=alive)


def _sqlite(name: str, what: str, table: str, when: str, message: str) -> None:
    condition = f"WHEN {when} " if when else ""
    act = f"RAISE(ABORT, '{message}')" if message else "RAISE(IGNORE)"
    op.execute(
        f"CREATE TRIGGER {table}_{name} BEFORE {what} ON {table} FOR EACH ROW {condition}BEGIN SELECT {act}; END"
    )


def _sqlite_log() -> None:
    _sqlite("update", "UPDATE", "audit", "", "the log only grows")
    _sqlite("delete", "DELETE", "audit", "", "the log only grows")
    _sqlite("insert", "INSERT", "audit", f"NEW.number IS NOT {_NEXT}", "the log has no gaps")


def _sqlite_facts(table: str, columns: list[str], alone: tuple[str, ...]) -> None:
    _sqlite("delete", "DELETE", table, "", "facts are ended, not deleted")
    same = " AND ".join(f'NEW."{name}" IS OLD."{name}"' for name in ("id", "since", *columns))
    ended = f"OLD.until IS NULL AND NEW.until IS {_NEXT} AND {same}"
    _sqlite("update", "UPDATE", table, f"NOT ({ended})", "facts are ended, not changed")
    twin = " AND ".join(f'"{name}" = NEW."{name}"' for name in alone) + " AND until IS NULL"
    taken = _there(table, "id = NEW.id")
    if alone and alone != ("identity",):
        taken += f" OR {_there(table, twin)}"
    refused = f"NEW.since IS NOT {_NEXT} OR NEW.until IS NOT NULL OR {taken}"
    _sqlite("insert", "INSERT", table, refused, "facts are of the next log entry")
    if alone == ("identity",):  # a known one is passed over, whatever the statement says about conflicts
        _sqlite("known", "INSERT", table, _there(table, "identity = NEW.identity"), "")


def _there(table: str, condition: str) -> str:
    return f"EXISTS (SELECT 1 FROM {table} WHERE {condition})"  # noqa: S608  (names of this file)


def _function(name: str, condition: str, message: str) -> None:
    op.execute(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF {condition} THEN "
        f"RAISE EXCEPTION '{message}' USING ERRCODE = 'restrict_violation'; END IF; RETURN NEW; END $$"
    )


def _postgres(name: str, what: str, table: str, function: str) -> None:
    each = "STATEMENT" if what == "TRUNCATE" else "ROW"
    op.execute(f"CREATE TRIGGER {table}_{name} BEFORE {what} ON {table} FOR EACH {each} EXECUTE FUNCTION {function}()")


def _postgres_log() -> None:
    _function("board_log_grows", "true", "the log only grows")
    _function("board_log_next", f"NEW.number IS DISTINCT FROM {_NEXT}", "the log has no gaps")
    _function("board_fact_stays", "true", "facts are ended, not deleted")
    same = "to_jsonb(NEW) - 'until' = to_jsonb(OLD) - 'until'"
    ended = f"OLD.until IS NULL AND NEW.until IS NOT DISTINCT FROM {_NEXT} AND {same}"
    _function("board_fact_ends", f"NOT ({ended})", "facts are ended, not changed")
    late = f"NEW.since IS DISTINCT FROM {_NEXT} OR NEW.until IS NOT NULL"
    _function("board_fact_next", late, "facts are of the next log entry")
    for name, what, function in (
        ("update", "UPDATE", "board_log_grows"),
        ("delete", "DELETE", "board_log_grows"),
        ("truncate", "TRUNCATE", "board_log_grows"),
        ("insert", "INSERT", "board_log_next"),
    ):
        _postgres(name, what, "audit", function)


def _postgres_facts(table: str) -> None:
    _postgres("delete", "DELETE", table, "board_fact_stays")
    _postgres("truncate", "TRUNCATE", table, "board_fact_stays")
    _postgres("update", "UPDATE", table, "board_fact_ends")
    _postgres("insert", "INSERT", table, "board_fact_next")
