"""Boards and leaderboards for tests of the pages: small, of many teams, empty, and hostile in every text."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
from builders.boards import make_card, make_run, make_snapshot
from scorecards import HOSTILE, jpeg

from evalkit.board.model import AuditEntry, Decision, Import, Snapshot
from evalkit.challenges.model import parse_challenge
from evalkit.leaderboard.model import (
    Breakdown,
    Distribution,
    ExcludedSample,
    GroupValue,
    Leaderboard,
    Points,
    RankingPhase,
    RankUncertainty,
    RaterInfo,
    RatingsInfo,
    Sensitivity,
    Strength,
    TieGroup,
)
from evalkit.leaderboard.scoring_rules import ScoringPlan
from evalkit.leaderboard.sensitivity import RandomWeights, WeightInterval
from evalkit.leaderboard.table import Cell, CodedReason, Column, Row
from evalkit.scoring.scorecard import Scorecard
from evalkit.statistics.correlation import correlate

EXTRA = (
    "\\input{/etc/passwd}",
    "=cmd|' /C calc'!A1",
    "| a | b |",
    "`x` [y](javascript:z) *w*",
    "#show=ranked&only=chosen",
)
NASTY = (*HOSTILE, *EXTRA)
START = datetime(2026, 3, 2, 9, tzinfo=UTC)


def log(length: int = 30, subjects: tuple[str, ...] = ("ratings.csv",)) -> tuple[AuditEntry, ...]:
    """A log of so many entries."""
    return tuple(
        AuditEntry(
            at,
            START + timedelta(hours=3 * at),
            "organizer",
            ("create", "add-team", "add-run", "import", "exclude")[at % 5],
            subjects[at % len(subjects)],
            {},
            hashlib.sha256(f"entry {at}".encode()).hexdigest(),
        )
        for at in range(1, length + 1)
    )


COLUMNS = (
    Column("m.id", True, "objective", 2.0, (0.0, 1.0), title="Identity", share=0.5, protocol=1),
    Column(
        "m.err",
        False,
        "objective",
        1.0,
        (0.0, 10.0),
        title="Error",
        published_as="ERR",
        unit="px",
        share=0.25,
        protocol=3,
    ),
    Column("look", True, "subjective", 1.0, (1.0, 5.0), title="Look", kind="dimension", share=0.25),
    Column("m.speed", True, "speed", 0.0, ranks=False, title="Speed", unit="1/s", protocol=1),
    Column("m.diag", None, "diagnostic", 0.0, ranks=False, title="Blinks", unit="1/min", protocol=1),
)
PLAIN = """
schema: 1
id: small
title: The challenge
metrics:
  - {id: m.id, weight: 2, direction: higher, range: [0, 1]}
  - {id: m.err, weight: 1, direction: lower, range: [0, 10]}
  - {id: m.speed, group: speed, rank: false, direction: higher}
  - {id: m.diag, group: diagnostic, rank: false}
ranking: weighted-sum
ratings: {method: mos, dimensions: [{id: look, title: Look}]}
submission: {runs: {max: 2}}
evalkit_defaults: [metrics.range, coverage]
"""


def make_row(team: str, at: int, teams: int, **changes: object) -> Row:
    """A ranked row in place ``at`` of so many teams, with round numbers."""
    share = 1 - at / max(teams, 2)
    cells = {
        "m.id": Cell(share, (share - 0.01, share + 0.01), None, 4, 1.0, share, at == 0),
        "m.err": Cell(10 * (1 - share), (9 * (1 - share), 10.5 * (1 - share)), None, 4, 1.0, share, at == 0),
        "look": Cell(1 + 4 * share, None, None, 12, 1.0, share, at == 0),
        "m.speed": Cell(float((at * 37) % 101), None, None, 4),
        "m.diag": Cell(None, None, "no_face"),
    }
    low, high = max(1, at), min(teams, at + 2)
    chances = [0.0] * teams
    for place in range(low, high + 1):
        chances[place - 1] = 1 / (high - low + 1)
    row = Row(team, "main", cells, True, at + 1, share, (low, high), tuple(chances))
    return replace(row, **changes)  # type: ignore[arg-type]


def plain(names: tuple[str, ...], **changes: object) -> tuple[Snapshot, Leaderboard]:
    """A board of ``names``, best first, with every section filled; ``changes`` are fields of the leaderboard."""
    teams = {name: [make_run(name, plain_card(name, at))] for at, name in enumerate(names)}
    snapshot = make_snapshot(parse_challenge(PLAIN, "test"), teams, log=log(3))
    rows = tuple(make_row(name, at, len(names)) for at, name in enumerate(names))
    groups = tuple(tuple(names[at : at + 2]) for at in range(0, len(names) - 1, 3))
    uncertainty = RankUncertainty(0.95, 2000, 0, 0, groups, tuple((name,) for name in names))
    phase = RankingPhase("ranking", ScoringPlan("weighted-sum", COLUMNS[:3]), names, uncertainty)
    rng = np.random.default_rng(1)
    x = rng.normal(size=4 * len(names))
    y = np.clip(3 + x, 1, 5)
    owners = tuple(name for name in names for _ in range(4))
    points = Points(
        "m.id", "look", owners, ("s1", "s2", "s3", "s4") * len(names), tuple(x), tuple(y), correlate(x, y, draws=50)
    )
    wins = np.zeros(len(names))
    wins[:1] = 1.0
    sensitivity = Sensitivity(
        3,
        (WeightInterval("m.id", 2.0, 0.5, None, names[:2], None),) if len(names) > 1 else (),  # type: ignore[arg-type]
        RandomWeights(names, wins, 0.75, 1000, 0),
        {"m.err": {name: at + 1 for at, name in enumerate(names)}},
    )
    leaderboard = Leaderboard(
        "weighted-sum",
        lower_wins=False,
        columns=COLUMNS,
        rows=rows,
        phases=(phase,),
        tie_groups=tuple(TieGroup("ranking", group) for group in groups),
        sensitivity=sensitivity,
        ratings=RatingsInfo(
            100, 90, {"late": 6, "too-quick": 4}, (RaterInfo("r1", 60, 56), RaterInfo("r2", 40, 34)), 12, "mos.plain"
        ),
        points=(points,),
        distributions=tuple(
            Distribution(name, "m.id", tuple(sorted(rng.normal(0.5, 0.1, 20 if at % 2 else 5))))
            for at, name in enumerate(names)
        ),
        breakdowns=tuple(
            Breakdown(
                "gender", "m.id", name, (GroupValue("female", 0.5, 2), GroupValue("male", 0.75, 2)), "female", 0.25
            )
            for name in names
        ),
        strengths=tuple(
            Strength(name, "look", 0.5 - at, 0.1 - at, 0.9 - at, 10.0, 20) for at, name in enumerate(names)
        ),
    )
    return snapshot, replace(leaderboard, **changes)  # type: ignore[arg-type]


def tied(*groups: tuple[str, ...]) -> dict[str, object]:
    """The fields of a ranking in one phase with these tie groups, as ``changes`` of `plain`."""
    uncertainty = RankUncertainty(0.95, 10, 0, 0, groups, ())
    phase = RankingPhase("ranking", ScoringPlan("weighted-sum", COLUMNS[:3]), (), uncertainty)
    return {"phases": (phase,), "tie_groups": tuple(TieGroup("ranking", group) for group in groups)}


def plain_card(name: str, at: int) -> Scorecard:
    """A scorecard of four samples."""
    return make_card(f"{name}.zip", {"m.id": [0.5, 0.6, 0.4 + at / 1000, 0.7], "m.err": 3.0 + at}, challenge="small")


def hostile(teams: int = len(NASTY)) -> tuple[Snapshot, Leaderboard]:
    """Every string that strangers write is hostile: teams, runs, samples, raters, reasons, findings, files, groups."""
    names = tuple(f"{text} {at}" for at, text in enumerate(NASTY[:teams]))
    snapshot, leaderboard = plain(names)

    def foul(at: int, run_of: str) -> Scorecard:
        text = NASTY[at % len(NASTY)]
        document = plain_card(run_of, at).model_dump(mode="json", by_alias=True)
        finding = dict.fromkeys(("rule", "message", "found", "expected", "fix"), text)
        document["videos"][0] |= {
            "sample": f"{text} s1",
            "verdict": "error",
            "findings": [finding | {"severity": "error"}],
        }
        document["videos"][1]["events"] = [{"kind": text, "detail": text}]
        document["features"] = {text: {"version": 1, "weights": [text], "options": {text: text}}}
        document["backbones"] = text
        document["provenance"]["evalkit"] = text
        return Scorecard.model_validate(document)

    runs = tuple(
        make_run(
            name, foul(at, name), name=f"{NASTY[-1 - at]} run", strips={f"{NASTY[0]} s1": (jpeg(at),), NASTY[1]: ()}
        )
        for at, name in enumerate(names)
    )
    bad = NASTY[0]
    decisions = tuple(
        Decision(at + 1, "rater", text, text, f"{text} did it", text, START, START, text, text)
        for at, text in enumerate(NASTY)
    )
    imports = tuple(Import(text, "ab" * 32, text, 1, 0, text, START) for text in NASTY)
    people = RatingsInfo(9, 8, {bad: 1}, tuple(RaterInfo(text, 1, 1, text, text) for text in NASTY), 3, bad, NASTY)
    reason = CodedReason("foul", bad)
    rows = [
        replace(row, run=run.name, tie_break=bad if at == 1 else None)
        for at, (row, run) in enumerate(zip(leaderboard.rows, runs, strict=True))
    ]
    cells = {**rows[-1].cells, "m.id": Cell(None, None, bad)}
    rows[-1] = replace(rows[-1], rank=None, score=None, interval=None, probability=(), reasons=(reason,), cells=cells)
    columns = tuple(
        replace(column, title=f"{bad} {column.title}", unit=bad, notes=(bad,), refused=reason, includes_excluded=NASTY)
        for column in COLUMNS
    )
    breakdowns = tuple(
        Breakdown(bad, "m.id", name, (GroupValue(NASTY[1], 0.5, 2), GroupValue(NASTY[2], 0.75, 2)), NASTY[1], 0.25)
        for name in names
    )
    return (
        replace(
            snapshot,
            runs=runs,
            decisions=decisions,
            imports=imports,
            log=tuple(replace(one, action=bad, by=bad, subject=NASTY[1]) for one in snapshot.log),
            reference={f"{bad} s1": (jpeg(300),)},
        ),
        replace(
            leaderboard,
            rows=tuple(rows),
            columns=columns,
            ratings=people,
            breakdowns=breakdowns,
            provisional=reason,
            problem=bad,
            excluded_samples=tuple(ExcludedSample(text, text, at) for at, text in enumerate(NASTY)),
            phases=tuple(
                replace(
                    one,
                    uncertainty=replace(one.uncertainty, held_fixed={bad: "no interval"}) if one.uncertainty else None,
                )
                for one in leaderboard.phases
            ),
        ),
    )


def many(count: int = 200) -> tuple[Snapshot, Leaderboard]:
    """A board of many teams."""
    return plain(tuple(f"team {at:03d}" for at in range(count)))


def empty() -> tuple[Snapshot, Leaderboard]:
    """A board right after it was made."""
    return make_snapshot(parse_challenge(PLAIN, "test"), {}, log=log(1)), Leaderboard(
        "weighted-sum", False, COLUMNS, ()
    )
