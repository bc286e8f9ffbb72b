"""The triggers that keep rows from being changed: whether they are there, and say what the migrations made them say."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlalchemy import Connection, text

from evalkit.board.schema import statements
from evalkit.text import escape_for_display

_SHOWN = 5
_MADE = re.compile(r"CREATE TRIGGER (\w+) ")
_DROPPED = re.compile(r"DROP TRIGGER (\w+)")
_FUNCTION = re.compile(r"CREATE FUNCTION (\w+)\(\) .*?\$\$(.*)\$\$", re.DOTALL)

_SQLITE = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
_POSTGRES = (
    "SELECT tgname, pg_get_triggerdef(pg_trigger.oid, true) FROM pg_trigger JOIN pg_class ON tgrelid = pg_class.oid "
    "WHERE relnamespace = current_schema()::regnamespace AND NOT tgisinternal AND tgenabled IN ('O', 'A')"
)
_BODIES = (
    "SELECT proname, prosrc FROM pg_proc JOIN pg_language ON prolang = pg_language.oid "
    "WHERE pronamespace = current_schema()::regnamespace AND pronargs = 0 AND lanname = 'plpgsql' AND proconfig IS NULL"
)


def trigger_problems(connection: Connection) -> Iterator[str]:
    """Yield a sentence for triggers that are missing, for those that say something else, and for those too many."""
    dialect = connection.dialect.name
    triggers, functions = _wanted(dialect)
    there = _there(connection, _SQLITE if dialect == "sqlite" else _POSTGRES)
    yield from _apart(triggers, there, "triggers that keep rows from being changed")
    extra = sorted(there.keys() - triggers.keys())
    if extra:
        yield f"{len(extra)} triggers are there that evalkit did not make: {_names(extra)}."
    if functions:
        yield from _apart(functions, _there(connection, _BODIES), "functions of such triggers")


def _there(connection: Connection, query: str) -> dict[str, str]:
    return {str(row[0]): str(row[1]) for row in connection.execute(text(query))}


def _wanted(dialect: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return trigger -> its statement, and function -> its body, as they are after all migrations."""
    triggers: dict[str, str] = {}
    functions: dict[str, str] = {}
    for statement in statements(dialect):
        if made := _MADE.match(statement):
            triggers[made[1]] = statement
        elif dropped := _DROPPED.match(statement):
            triggers.pop(dropped[1], None)
        elif function := _FUNCTION.match(statement):
            functions[function[1]] = function[2]
    return triggers, functions


def _apart(wanted: dict[str, str], there: dict[str, str], what: str) -> Iterator[str]:
    missing = sorted(wanted.keys() - there.keys())
    if missing:
        yield f"{len(missing)} {what} are missing: {_names(missing)}."
    changed = sorted(name for name in wanted.keys() & there.keys() if wanted[name] != there[name])
    if changed:
        yield f"{len(changed)} {what} were changed: {_names(changed)}."


def _names(found: list[str]) -> str:
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(escape_for_display(name, limit=80) for name in found[:_SHOWN]) + more
