"""Fuzzed scorecards of a third team: refused, or the honest teams keep their numbers and their order."""

from __future__ import annotations

import json
import random
from copy import deepcopy
from pathlib import Path
from typing import Any

from evalkit.errors import EvalkitError
from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.leaderboard.model import Leaderboard
from evalkit.reports.leaderboard.page import render_leaderboard
from evalkit.reports.leaderboard.tables import leaderboard_json
from evalkit.scoring.scorecard import Scorecard
from fuzz.boards import DRAWS, HONEST, board_file, honest_result, opened, scored
from fuzz.kinds import WrongAcceptError
from fuzz.mutations import mutated_text

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
