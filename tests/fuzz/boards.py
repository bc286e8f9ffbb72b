"""Fuzzed scorecards at a board with two honest teams, and damaged database files of such a board."""

from __future__ import annotations

import json
import random
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from copy import deepcopy
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from board_tools import START, Clock, ratings, rules, take_ratings
from builders.boards import as_installed, make_card

from evalkit.board import Board
from evalkit.board.tables import FACTS, audit
from evalkit.errors import EvalkitError
from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.leaderboard.model import Leaderboard
from evalkit.reports.leaderboard.page import render_leaderboard
from evalkit.reports.leaderboard.tables import leaderboard_json
from evalkit.scoring.scorecard import Scorecard
from fuzz.kinds import WrongAcceptError
from fuzz.mutations import mutated_text

HONEST = ("alpha", "beta")
DRAWS = 100
# A weighted sum of fixed ranges: the score of a team does not depend on who else takes part.
CHALLENGE = """schema: 1
id: c
title: The challenge
submission: {runs: {max: 3, primary: 1}}
metrics:
  - {id: psnr.rgb, range: [0, 60]}
  - {id: ssim.rgb, range: [0, 1]}
  - {id: fid.pytorch, range: [0, 100]}
ranking: weighted-sum
ranking_rules: {tie_breaks: [fid.pytorch, psnr.rgb]}
ratings: {method: mos, dimensions: [{id: overall, title: Overall, weight: 0}]}
"""
TABLES = (audit, *FACTS)


def scored(name: str, base: float) -> Scorecard:
    """Return a scorecard with numbers that follow from ``base``, the higher the better."""
    samples = [f"s{at}" for at in range(1, 7)]
    held = make_card(
        name,
        {
            "psnr.rgb": [base + at for at in range(6)],
            "ssim.rgb": [0.5 + base / 100 + at / 100 for at in range(6)],
            "fid.pytorch": 60.0 - base,
        },
        samples=samples,
        better={"fid.pytorch": False},
        details={"fid.pytorch": {"n": 36.0, "n_reference": 36.0, "dimension": 2048.0}},
        ci95={"fid.pytorch": (59.0 - base, 61.0 - base)},
        groups={sample: {"view": "front" if at % 2 else "side"} for at, sample in enumerate(samples)},
    )
    challenge = held.challenge.model_copy(update={"sha256": rules(CHALLENGE).scoring_sha256})
    document = json.loads(as_installed(held.model_copy(update={"challenge": challenge})).to_json())
    document["metrics"]["fid.pytorch"]["aggregate"] = None
    for video in document["videos"]:
        shade = hash_of(f"{name} {video['sample']}")
        video["fingerprint"] = {"sha256": shade, "motion": 4.5, "picture": shade[:16], "bits": shade * 3}
        video["findings"] = [
            {"rule": "media.frame_rate", "severity": "warning", "message": "It varies.", "found": "22"}
        ]
    return Scorecard.model_validate(document)


def hash_of(text: str) -> str:
    """Return 64 hexadecimal digits."""
    return f"{random.Random(text).getrandbits(256):064x}"


@cache
def board_file() -> bytes:
    """Return the database of a board with two honest teams, a few ratings and a decision, as one file."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "board.sqlite"
        with Board.create(place, rules(CHALLENGE), CHALLENGE, by="olga", now=Clock()) as board:
            for team, base in zip(HONEST, (30.0, 20.0), strict=True):
                board.add_team(team, [f"{team}-member"], by="olga")
                board.add_run(team, "1", scored(team, base), by="olga", strips={"s1": [b"\xff\xd8\xff strip"]})
            take_ratings(board, 20)
            board.exclude("rater", [("r01", "manual", "too quick")], by="olga")
        with closing(sqlite3.connect(place)) as raw:
            raw.execute("PRAGMA journal_mode = DELETE")  # all is in the one file
        return place.read_bytes()


def opened(place: Path) -> Board:
    """Open the board there, a day later."""
    return Board.open(place, now=Clock(START + timedelta(days=1)))


@cache
def honest_result() -> Leaderboard:
    """Return the leaderboard of the honest teams."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "board.sqlite"
        place.write_bytes(board_file())
        with opened(place) as board:
            return compute_leaderboard(board.snapshot(), draws=DRAWS)


# ---- scorecards

WORDS = (
    *(
        "",
        " ",
        "\0",
        "\ud800",
        "\u202e",
        "<script>alert(1)</script>",
        "=1+1",
        "alpha",
        "s1",
        "psnr.rgb",
        "fid",
        "x" * 500,
    ),
    *("NaN", "Infinity", "-Infinity", "1e400", "0x10", "\u0663", "{{ 7 * 7 }}", "\\", "\x1b[31m", "..", "a/b"),
)
NUMBERS = (
    *(
        0,
        -1,
        1,
        2,
        7,
        10**6,
        10**400,
        -(10**400),
        0.5,
        -0.0,
        1e-320,
        1e12,
        1.1e12,
        1e300,
        1.7e308,
        -1e308,
        99,
        100.0000001,
    ),
    *(float("nan"), float("inf"), float("-inf")),
)
OTHERS: tuple[Any, ...] = (None, True, False, [], {}, [[[]]], {"a": {"a": 1}}, [1, 2], "x")


def make_scorecard(dice: random.Random) -> bytes:
    """Return a scorecard of a third team, changed in its structure, in its numbers, in its text, or not at all."""
    base = dice.uniform(5, 39)
    document = json.loads(scored("gamma", base).to_json())
    kind = dice.random()
    if kind < 0.55:
        for _ in range(dice.randint(1, 3)):
            _change(document, dice)
    elif kind < 0.75:
        _shift(document, dice)
    text = json.dumps(document, indent=1)
    if kind >= 0.9:
        return mutated_text(text, dice)
    if 0.75 <= kind < 0.85:
        line = dice.choice([one for one in text.splitlines() if '": ' in one and one.endswith(",")])
        text = text.replace(line, f"{line}\n{line}", 1)  # a key twice
    return text.encode("utf-8", "surrogatepass")


def _change(document: Any, dice: random.Random) -> None:
    """Change, remove, double or add one thing at a random place."""
    place: Any = document
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = dice.choice(keys)
        inner = place[key]
        if isinstance(inner, (dict, list)) and inner and dice.random() < 0.8:
            place = inner
            continue
        break
    kind = dice.random()
    if kind < 0.6:
        place[key] = dice.choice(dice.choice((WORDS, NUMBERS, OTHERS)))
    elif kind < 0.7:
        del place[key]
    elif isinstance(place, dict):
        place[dice.choice(WORDS)] = deepcopy(inner)
    else:
        place.insert(dice.randrange(len(place) + 1), deepcopy(inner))


def _shift(document: Any, dice: random.Random) -> None:
    """Give one metric other numbers that agree with each other, inside or outside of its range."""
    name = dice.choice(list(document["metrics"]))
    score = document["metrics"][name]
    factor = dice.choice((0.0, -1.0, 0.5, 2.0, 10.0, 1e6, 1e13, 1e300))
    rows = [video["values"] for video in document["videos"] if name in video["values"]]
    for row in rows:
        row[name] *= factor
    if rows:
        score["value"] = sum(row[name] for row in rows) / len(rows)
    else:
        score["value"] *= factor
        score["ci95"] = [dice.choice(NUMBERS), dice.choice(NUMBERS)]
        score["details"][dice.choice(("n", "n_reference"))] = dice.choice(NUMBERS)


def add_scorecard(path: Path) -> None:
    """Add a scorecard to the board of two honest teams; refused, or these keep their numbers, scores and order."""
    place = path.with_name("board.sqlite")
    place.write_bytes(board_file())
    with opened(place) as board:
        before = board.log()
        try:
            board.add_run("gamma", "1", Scorecard.load(path), by="olga", new_team=True)
        except EvalkitError:
            if board.log() != before:
                raise WrongAcceptError("a refused scorecard left an entry in the log") from None
            raise
        snapshot = board.snapshot()
        if problems := board.verify():
            raise WrongAcceptError(f"the board does not verify: {problems[0]}")
    leaderboard = compute_leaderboard(snapshot, draws=DRAWS)
    _compare(honest_result(), leaderboard)
    for audience in ("public", "organizers"):
        render_leaderboard(snapshot, leaderboard, audience).encode()
        json.loads(leaderboard_json(snapshot, leaderboard, audience))


def _compare(before: Leaderboard, after: Leaderboard) -> None:
    if after.problem or [(one.id, one.title, one.unit, one.share, one.refused) for one in after.columns] != [
        (one.id, one.title, one.unit, one.share, one.refused) for one in before.columns
    ]:
        raise WrongAcceptError(f"the columns changed: {after.problem} {[one.refused for one in after.columns]}")
    old = {row.team: row for row in before.rows}
    new = {row.team: row for row in after.rows}
    third = new["gamma"]
    for team in HONEST:
        one, two = old[team], new[team]
        same = all(one.cells[name].value == two.cells[name].value for name in one.cells)
        behind = third.rank is not None and two.rank is not None and third.rank < two.rank
        if not same or one.score != two.score or two.rank is None or two.rank != (one.rank or 0) + behind:
            raise WrongAcceptError(f"{team} had {one.rank} with {one.score}, now {two.rank} with {two.score}")


# ---- damaged databases

VALUES = (
    "NULL", "''", "'x'", "-1", "0", "999999999999", "9223372036854775807", "1.5", "1e308", "x'ff00fe'",
    "CAST(x'c3280aff' AS TEXT)", "zeroblob(300000)", "'2026-13-45T99:99:99+00:00'", "'[1]'", "'{}'", "'{\"facts\": 3}'",
    "'{\"facts\": {\"teams\": [1]}}'", "char(0)", "char(55296)", "printf('%.*c', 100000, '[')",
)  # fmt: skip


def make_damaged(dice: random.Random) -> bytes:
    """Return the database file after damage to its bytes, its rows or its schema."""
    data = board_file()
    kind = dice.random()
    if kind < 0.08:
        return dice.choice(
            (b"", b"SQLite format 3\0", dice.randbytes(9000), b"PK\x03\x04" + data, data[:100], data[16:])
        )
    if kind < 0.6:
        data = _with_sql(data, dice)
    if kind >= 0.5:
        data = _with_bytes(data, dice)
    return data


def _with_bytes(data: bytes, dice: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        kind = dice.random()
        at = dice.randrange(len(changed))
        if kind < 0.2:
            at = dice.randrange(min(100, len(changed)))  # the header
        if kind < 0.6:
            changed[at] = dice.randrange(256)
        elif kind < 0.75:
            page = at - at % 4096
            changed[page : page + 4096] = dice.choice((bytes(4096), dice.randbytes(4096), data[4096:8192]))
        elif kind < 0.9:
            del changed[max(1, at) :]
        else:
            changed[at : at + 8] = b"\xff" * 8
    return bytes(changed)


def _with_sql(data: bytes, dice: random.Random) -> bytes:
    """Change rows or the schema past all of evalkit."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as raw:
        raw.deserialize(data)
        triggers = raw.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            raw.execute(f"DROP TRIGGER {name}")
        raw.execute("PRAGMA ignore_check_constraints = ON")
        for _ in range(dice.randint(1, 3)):
            try:
                raw.execute(_statement(dice))
            except sqlite3.Error:
                continue  # a constraint that holds without triggers too
        for _, text in triggers if dice.random() < 0.7 else ():
            try:
                raw.execute(text)
            except sqlite3.Error:
                continue  # its table is gone
        return bytes(raw.serialize())


def _statement(dice: random.Random) -> str:
    table = dice.choice(TABLES)
    column, value = dice.choice(list(table.columns)).name, dice.choice(VALUES)
    row = f"rowid = (SELECT rowid FROM {table.name} ORDER BY random_order LIMIT 1)".replace(
        "random_order", f"(rowid * {dice.randrange(1, 10**6)}) % 1009"
    )
    makers: tuple[Callable[[], str], ...] = (
        lambda: f'UPDATE {table.name} SET "{column}" = {value} WHERE {row}',
        lambda: f'UPDATE {table.name} SET "{column}" = {value} WHERE {row}',
        lambda: f'UPDATE {table.name} SET "{column}" = {value}',
        lambda: f"DELETE FROM {table.name} WHERE {row}",
        lambda: f"DELETE FROM {table.name}",
        lambda: f"DROP TABLE {table.name}",
        lambda: f'ALTER TABLE {table.name} RENAME COLUMN "{column}" TO other',
        lambda: f"ALTER TABLE {table.name} RENAME TO other",
        lambda: f"ALTER TABLE {table.name} ADD COLUMN more TEXT",
        lambda: f"UPDATE board_version SET version_num = {value}",
        lambda: dice.choice(("DELETE FROM board_version", "DROP TABLE board_version", "PRAGMA user_version = 77")),
        lambda: f"CREATE TABLE {table.name}_more (a); INSERT INTO {table.name}_more VALUES (1)".split(";")[0],
        lambda: f"CREATE VIEW v AS SELECT * FROM {table.name}",
    )
    return dice.choice(makers)()


def use_damaged(path: Path) -> None:
    """Give a damaged database to what the board's commands call; a change of its rows must not verify.

    Raises:
        EvalkitError: when the database is refused.
    """
    data = path.read_bytes()
    dice = random.Random(data)
    if dice.random() < 0.15:
        path.with_name(path.name + dice.choice(("-wal", "-journal"))).write_bytes(
            dice.choice((b"", dice.randbytes(5000), b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(600), data[:5000]))
        )
    refusal = None
    found: list[str] | None = None
    for use in (_verify, _log, _rank, _add, _list):
        try:
            done = use(path)
        except EvalkitError as error:
            refusal = EvalkitError(str(error))  # whose frames would keep a half-read statement, and its lock
        else:
            found = done if use is _verify else found
    for suffix in ("-wal", "-journal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    if found == [] and _rows(data) != _rows(board_file()):
        raise WrongAcceptError("it verifies, and its rows are not those that were written")
    if found is None and refusal is not None:
        raise refusal


def _verify(path: Path) -> list[str]:
    with opened(path) as board:
        return board.verify()


def _log(path: Path) -> None:
    with opened(path) as board:
        board.log(limit=1)
        board.log()


def _rank(path: Path) -> None:
    with opened(path) as board:
        snapshot = board.snapshot()
    leaderboard = compute_leaderboard(snapshot, draws=DRAWS)
    leaderboard_json(snapshot, leaderboard, "organizers")


def _list(path: Path) -> None:
    with opened(path) as board:
        board.challenge()
        board.team_names()
        board.trusted_keys()
        list(board.by_rater())


def _add(path: Path) -> None:
    with opened(path) as board:
        board.add_run("gamma", "1", scored("gamma", 10.0), by="olga", new_team=True)
        board.import_answers(ratings(3, 100), source="r.csv", sha256="ab" * 32, form="long", by="olga")
        board.exclude("team", [("alpha", "manual", "because")], by="olga")


def _rows(data: bytes) -> list[Any]:
    """Return all that the tables of a database hold, or why that can't be read."""
    try:
        with closing(sqlite3.connect(":memory:")) as raw:
            raw.deserialize(bytes(data[:18]) + b"\x01\x01" + bytes(data[20:]))
            raw.text_factory = bytes
            return [
                raw.execute(f"SELECT {_columns(table)} FROM {table.name} ORDER BY 1").fetchall() for table in TABLES
            ]
    except (sqlite3.Error, UnicodeDecodeError) as error:
        return [str(error)]


def _columns(table: Any) -> str:
    return ", ".join(f'"{column.name}"' for column in table.columns)
