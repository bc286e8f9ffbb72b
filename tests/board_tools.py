"""What tests of a board share: a clock that ticks, ratings made in code, raw SQL past all of evalkit."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from builders.answers import make_comparison
from scorecards import small_card

from evalkit.board import Board
from evalkit.challenges.model import Challenge, parse_challenge
from evalkit.ratings.model import Answer
from evalkit.scoring.scorecard import Scorecard

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
WORKER = Path(__file__).parent / "board" / "worker.py"
YAML = """schema: 1
id: c
title: The challenge
submission: {runs: {max: 3, primary: 1}}
ratings: {method: mos, dimensions: [{id: overall, title: Overall}]}
"""
OTHER_YAML = YAML.replace("The challenge", "The challenge, mended")


def rules(text: str = YAML) -> Challenge:
    return parse_challenge(text, "test")


class Clock:
    """A clock that goes on by a second each time it is read, or stands."""

    def __init__(self, start: datetime = START, step: float = 1.0) -> None:
        self.time = start
        self.step = timedelta(seconds=step)

    def __call__(self) -> datetime:
        self.time += self.step
        return self.time


def card(name: str = "alpha", value: float = 0.5, text: str = YAML, **changes: Any) -> Scorecard:
    """Return a scorecard of the test's challenge."""
    held = rules(text)
    challenge = {"id": held.id, "sha256": held.scoring_sha256, "title": held.title}
    return small_card(name, {"identity.strict": [value, value]}, **{"challenge": challenge, **changes})


def ratings(count: int, start: int = 0) -> Iterator[Answer]:
    """Yield ratings number ``start``, ``start + 1``, ...: all different, five raters."""
    for at in range(start, start + count):
        when = START + timedelta(seconds=at)
        yield Answer(f"r{at % 5:02d}", f"item{at // 5:05d}", "overall", at % 5 + 1, when, 2.5, at + 2)


def comparisons(count: int, start: int = 0) -> Iterator[Answer]:
    """Yield different comparisons of alpha and beta."""
    for at in range(start, start + count):
        when = START + timedelta(seconds=at)
        yield make_comparison(f"r{at % 5:02d}", f"s{at // 5}", "alpha", "beta", (at % 3) / 2, "", when, None, at + 2)


def take_ratings(board: Board, count: int, start: int = 0, by: str = "olga") -> tuple[int, int]:
    """Import such ratings; return how many were new, and known."""
    done = board.import_answers(ratings(count, start), source="r.csv", sha256="ab" * 32, form="long", by=by)
    return done.new, done.known


@dataclass
class Database:
    """A place for one board, and a way past evalkit to what lies there."""

    kind: str
    place: str
    clone: Callable[[], str] | None = None
    """Make a copy of a board that is just made, and return its place: quicker than to make another one."""

    def make(self, text: str = YAML, **more: Any) -> Board:
        clone, self.clone = self.clone, None
        if clone is not None and text == YAML and not more:
            self.place = clone()
            return Board.open(self.place, now=Clock(START + timedelta(seconds=1)))
        return Board.create(self.place, rules(text), text, by="olga", **{"now": Clock(), **more})

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements in one transaction; return the rows of the last."""
        self.clone = None  # what is there now is not to be lost
        if self.kind == "sqlite":
            with sqlite3.connect(self.place) as raw:
                rows: list[tuple[Any, ...]] = []
                for statement in statements:
                    rows = raw.execute(statement).fetchall()
            raw.close()
            return rows
        import psycopg

        with psycopg.connect(self.place) as server:
            for statement in statements:
                cursor = server.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    def tamper(self, *statements: str) -> None:
        """Drop every trigger, change something, and put the triggers back."""
        if self.kind == "sqlite":
            made = self.sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            drops = [f"DROP TRIGGER {name}" for name, _ in made]
            self.sql(*drops, *statements, *(sql for _, sql in made))
        else:
            tables = [
                name for (name,) in self.sql("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
            ]
            off = [f"ALTER TABLE {name} DISABLE TRIGGER USER" for name in tables]
            on = [f"ALTER TABLE {name} ENABLE TRIGGER USER" for name in tables]
            # Committed apart: a table with deferred checks pending can't be altered.
            self.sql(*off)
            self.sql(*statements)
            self.sql(*on)


def worker(place: str, *words: object, stdin: bool = False) -> subprocess.Popen[str]:
    """Start another process that works on the board; see tests/board/worker.py."""
    command = [sys.executable, str(WORKER), place, *map(str, words)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe if stdin else None, stdout=pipe, stderr=pipe, text=True)


def finished(process: subprocess.Popen[str]) -> Any:
    """Wait for a worker and return what it printed last, as JSON."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return json.loads(out.splitlines()[-1])
