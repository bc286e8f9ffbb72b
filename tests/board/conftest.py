"""A real PostgreSQL server for the session, and a fresh database for every test, beside SQLite files."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from board_tools import Database

from evalkit.board import Board

_numbers = itertools.count(1)


def _program(name: str) -> str:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    path = shutil.which(name) or (str(found[-1]) if found else None)
    assert path is not None
    return path


def _who() -> dict[str, Any]:
    """Return as whom to start the server: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid}
    raise AssertionError("root needs another user to run PostgreSQL as")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Start a server that listens on a socket in a short temporary folder only; return that folder."""
    import psycopg

    who = _who()
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    if who:
        os.chown(folder, who["user"], who["group"])
    data = folder / "data"
    make = [_program("initdb"), "-D", str(data), "-U", "evalkit", "--auth=trust", "--encoding=UTF8", "--no-sync"]
    subprocess.run([*make, "--locale=C"], check=True, capture_output=True, cwd=folder, **who)
    options = {
        "listen_addresses": "",
        "fsync": "off",
        "full_page_writes": "off",
        "max_connections": "30",
        "shared_buffers": "16MB",
    }
    command = [_program("postgres"), "-D", str(data), "-k", str(folder)]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **who)
    try:
        for _ in range(600):
            try:
                psycopg.connect(f"postgresql://evalkit@/postgres?host={folder}").close()
                break
            except psycopg.OperationalError:
                assert server.poll() is None, (folder / "log").read_text()
                time.sleep(0.1)
        yield str(folder)
    finally:
        server.send_signal(signal.SIGINT)  # fast shutdown
        server.wait(timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def new_database(postgres_server: str) -> Iterator[str]:
    """Make an empty schema, which is to a board what a database is, only made more quickly; return its URL."""
    import psycopg

    name = f"board{next(_numbers)}"
    server = f"postgresql://evalkit@/postgres?host={postgres_server}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE SCHEMA {name}")
    yield f"{server}&options=-csearch_path%3D{name}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute("SET client_min_messages = error")
        admin.execute(f"DROP SCHEMA {name} CASCADE")


@pytest.fixture(scope="session")
def made_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a board that nothing has happened to yet."""
    place = tmp_path_factory.mktemp("made") / "board.sqlite"
    Database("sqlite", str(place)).make().close()
    return place


@pytest.fixture(scope="session")
def made_postgres(postgres_server: str) -> str:
    """Return the URL of a database with such a board."""
    import psycopg

    with psycopg.connect(f"postgresql://evalkit@/postgres?host={postgres_server}", autocommit=True) as admin:
        admin.execute("CREATE DATABASE made")
    place = f"postgresql://evalkit@/made?host={postgres_server}"
    Database("postgres", place).make().close()
    return place


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Return a place where there is no board yet, on either kind of database."""
    if request.param == "sqlite":
        place = tmp_path / "board.sqlite"
        made: Path = request.getfixturevalue("made_sqlite")
        yield Database("sqlite", str(place), lambda: str(shutil.copy(made, place)))
        return
    import psycopg

    empty: str = request.getfixturevalue("new_database")
    template: str = request.getfixturevalue("made_postgres")
    name = f"clone{next(_numbers)}"

    def clone() -> str:
        with psycopg.connect(empty, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name} TEMPLATE made")
        return template.replace("/made?", f"/{name}?")

    yield Database("postgres", empty, clone)
    with psycopg.connect(empty, autocommit=True) as admin:
        admin.execute("SET client_min_messages = error")
        admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def board(database: Database) -> Iterator[Board]:
    """Return a board without teams, on either kind of database."""
    with database.make() as made:
        yield made
