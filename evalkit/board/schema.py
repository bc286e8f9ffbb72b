"""Make the tables of a board, and bring those of an older evalkit up to date: Alembic, run from the program."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from pathlib import Path
from threading import Lock

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from evalkit.board.tables import VERSION_TABLE

_ONE_AT_A_TIME = Lock()  # Alembic's environment is one per process


def migrations_folder() -> Path:
    """Return the folder with the migrations, where the package is installed."""
    return Path(str(resources.files("evalkit.board") / "migrations"))


def _config(folder: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config


def known_revisions() -> list[str]:
    """Return the revisions that this evalkit knows, the newest first."""
    return list(_revisions(migrations_folder()))


@lru_cache(maxsize=8)
def _revisions(folder: Path) -> tuple[str, ...]:
    return tuple(script.revision for script in ScriptDirectory.from_config(_config(folder)).walk_revisions())


def revision_of(connection: Connection) -> str | None:
    """Return the revision of the board behind ``connection``; ``None`` when there is no board."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()


def upgrade(connection: Connection) -> None:
    """Bring the tables to the newest revision, inside the transaction that ``connection`` is in."""
    config = _config(migrations_folder())
    config.attributes["connection"] = connection
    with _ONE_AT_A_TIME:
        command.upgrade(config, "head")


def statements(dialect: str) -> tuple[str, ...]:
    """Return the SQL of all migrations, the first one's first, as they would be run on a database of this kind."""
    return _statements(migrations_folder(), dialect)


class _Statements(list[str]):
    """What Alembic writes its SQL to: it writes one statement at a time."""

    def write(self, text: str) -> None:
        self.append(text.strip().removesuffix(";"))

    def flush(self) -> None:
        """Do nothing: all is here already."""


@lru_cache(maxsize=8)
def _statements(folder: Path, dialect: str) -> tuple[str, ...]:
    found = _Statements()
    context = MigrationContext.configure(dialect_name=dialect, opts={"as_sql": True, "output_buffer": found})
    scripts = list(ScriptDirectory.from_config(_config(folder)).walk_revisions())
    with _ONE_AT_A_TIME, Operations.context(context):
        for script in reversed(scripts):
            script.module.upgrade()
    return tuple(found)
