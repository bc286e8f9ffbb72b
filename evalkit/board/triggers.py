"""The triggers that keep the log and the facts from being changed: their statements, and whether a board has them.

For every client, they refuse: a change or a removal of a log entry; an entry with another number than the next; the
removal of a fact; a change of it other than its one end by the entry that is about to be written; a fact that names
another entry. SQLite's ``INSERT OR REPLACE`` removes rows without asking the triggers for removals, so the ones
for inserts refuse what would replace a row.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, Table, text

from evalkit.board.tables import FACTS
from evalkit.text import escape_for_display

_SHOWN = 5
_NEXT = "(SELECT coalesce(max(number), 0) + 1 FROM audit)"
_LOG_KEPT, _LOG_COMPLETE = "the log only grows", "the log has no gaps"
_FACT_KEPT, _FACT_ENDED, _FACT_NEXT = (
    "facts are ended, not deleted",
    "facts are ended, not changed",
    "facts are of the next log entry",
)

_SQLITE = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
_POSTGRES = (
    "SELECT tgname, pg_get_triggerdef(pg_trigger.oid, true) FROM pg_trigger JOIN pg_class ON tgrelid = pg_class.oid "
    "WHERE relnamespace = current_schema()::regnamespace AND NOT tgisinternal AND tgenabled IN ('O', 'A')"
)
_BODIES = (
    "SELECT proname, prosrc FROM pg_proc JOIN pg_language ON prolang = pg_language.oid "
    "WHERE pronamespace = current_schema()::regnamespace AND pronargs = 0 AND lanname = 'plpgsql' AND proconfig IS NULL"
)


def protection_statements(dialect: str) -> list[str]:
    """Return the SQL that creates all triggers on a database of this kind, in order."""
    functions = [
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $${body}$$"
        for name, body in _functions(dialect).items()
    ]
    return [*functions, *_triggers(dialect).values()]


def protection_of(dialect: str, table: str) -> list[str]:
    """Return the SQL that creates the triggers of one table; their functions are there already."""
    return [statement for name, statement in _triggers(dialect).items() if name.startswith(f"{table}_")]


def trigger_problems(connection: Connection) -> Iterator[str]:
    """Yield a sentence for triggers that are missing, changed, or not made by evalkit."""
    dialect = connection.dialect.name
    triggers, functions = _triggers(dialect), _functions(dialect)
    there = _there(connection, _SQLITE if dialect == "sqlite" else _POSTGRES)
    yield from _differences(triggers, there, "triggers that keep rows from being changed")
    extra = sorted(there.keys() - triggers.keys())
    if extra:
        yield f"{len(extra)} triggers are there that evalkit did not make: {_names(extra)}."
    if functions:
        yield from _differences(functions, _there(connection, _BODIES), "functions of such triggers")


def _triggers(dialect: str) -> dict[str, str]:
    """Return trigger -> the statement that creates it."""
    return _sqlite_triggers() if dialect == "sqlite" else _postgres_triggers()


def _sqlite_triggers() -> dict[str, str]:
    found: dict[str, str] = {}

    def trigger(name: str, what: str, table: str, when: str, message: str) -> None:
        condition = f"WHEN {when} " if when else ""
        act = f"RAISE(ABORT, '{message}')" if message else "RAISE(IGNORE)"
        found[f"{table}_{name}"] = (
            f"CREATE TRIGGER {table}_{name} BEFORE {what} ON {table} FOR EACH ROW {condition}BEGIN SELECT {act}; END"
        )

    trigger("update", "UPDATE", "audit", "", _LOG_KEPT)
    trigger("delete", "DELETE", "audit", "", _LOG_KEPT)
    trigger("insert", "INSERT", "audit", f"NEW.number IS NOT {_NEXT}", _LOG_COMPLETE)
    for table in FACTS:
        trigger("delete", "DELETE", table.name, "", _FACT_KEPT)
        same = " AND ".join(f'NEW."{one.name}" IS OLD."{one.name}"' for one in table.columns if one.name != "until")
        ended = f"OLD.until IS NULL AND NEW.until IS {_NEXT} AND {same}"
        trigger("update", "UPDATE", table.name, f"NOT ({ended})", _FACT_ENDED)
        taken = _exists(table, "id = NEW.id")
        unique = _unique(table)
        twin = _exists(table, " AND ".join(f'"{name}" = NEW."{name}"' for name in unique) + " AND until IS NULL")
        if unique and unique != ["identity"]:
            taken += f" OR {twin}"
        refused = f"NEW.since IS NOT {_NEXT} OR NEW.until IS NOT NULL OR {taken}"
        trigger("insert", "INSERT", table.name, refused, _FACT_NEXT)
        if unique == ["identity"]:  # a known answer is skipped, whatever the statement says about conflicts
            trigger("known", "INSERT", table.name, twin, "")
    return found


def _unique(table: Table) -> list[str]:
    """Return the columns that no two active rows share; see `evalkit.board.tables`."""
    return [column.name for index in table.indexes if index.unique for column in index.columns]


def _exists(table: Table, condition: str) -> str:
    return f"EXISTS (SELECT 1 FROM {table.name} WHERE {condition})"  # noqa: S608  (names of the product)


def _postgres_triggers() -> dict[str, str]:
    kinds = ("update", "delete", "truncate", "insert")
    of_log = dict(zip(kinds, ("board_log_grows",) * 3 + ("board_log_next",), strict=True))
    of_facts = dict(
        zip(kinds, ("board_fact_ends", "board_fact_stays", "board_fact_stays", "board_fact_next"), strict=True)
    )
    return {
        f"{table}_{kind}": f"CREATE TRIGGER {table}_{kind} BEFORE {kind.upper()} ON {table} "
        f"FOR EACH {'STATEMENT' if kind == 'truncate' else 'ROW'} EXECUTE FUNCTION {function}()"
        for table, functions in [("audit", of_log), *((table.name, of_facts) for table in FACTS)]
        for kind, function in functions.items()
    }


def _functions(dialect: str) -> dict[str, str]:
    """Return function -> its body; only PostgreSQL needs functions."""
    if dialect == "sqlite":
        return {}
    same = "to_jsonb(NEW) - 'until' = to_jsonb(OLD) - 'until'"
    ended = f"OLD.until IS NULL AND NEW.until IS NOT DISTINCT FROM {_NEXT} AND {same}"
    refused = {
        "board_log_grows": ("true", _LOG_KEPT),
        "board_log_next": (f"NEW.number IS DISTINCT FROM {_NEXT}", _LOG_COMPLETE),
        "board_fact_stays": ("true", _FACT_KEPT),
        "board_fact_ends": (f"NOT ({ended})", _FACT_ENDED),
        "board_fact_next": (f"NEW.since IS DISTINCT FROM {_NEXT} OR NEW.until IS NOT NULL", _FACT_NEXT),
    }
    return {
        name: f" BEGIN IF {condition} THEN RAISE EXCEPTION '{message}' USING ERRCODE = 'restrict_violation'; "
        "END IF; RETURN NEW; END "
        for name, (condition, message) in refused.items()
    }


def _there(connection: Connection, query: str) -> dict[str, str]:
    return {str(row[0]): str(row[1]) for row in connection.execute(text(query))}


def _differences(wanted: dict[str, str], there: dict[str, str], what: str) -> Iterator[str]:
    missing = sorted(wanted.keys() - there.keys())
    if missing:
        yield f"{len(missing)} {what} are missing: {_names(missing)}."
    changed = sorted(name for name in wanted.keys() & there.keys() if wanted[name] != there[name])
    if changed:
        yield f"{len(changed)} {what} were changed: {_names(changed)}."


def _names(found: list[str]) -> str:
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(escape_for_display(name, limit=80) for name in found[:_SHOWN]) + more
