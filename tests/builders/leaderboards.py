"""Boards and leaderboard for tests of the leaderboard: a realistic one, a hostile one, one of 200 teams, empty ones."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
from builders.boards import make_card, make_run, make_snapshot
from scorecards import HOSTILE, jpeg

from evalkit.board.model import AuditEntry, Decision, Import, Snapshot, Team
from evalkit.challenges.model import Challenge, parse_challenge
from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.leaderboard.model import (
    Breakdown,
    Distribution,
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

TEAMS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta")
EXTRA = (
    "\\input{/etc/passwd}",
    "=cmd|' /C calc'!A1",
    "| a | b |",
    "`x` [y](javascript:z) *w*",
    "#show=ranked&only=chosen",
)
NASTY = (*HOSTILE, *EXTRA)
YAML = """
schema: 1
id: clear-faces
title: "Clear Faces 2026: talking heads"
submission: {layouts: ["{id}.mp4"], runs: {max: 3, primary: 1}}
metrics:
  - {id: identity.strict.arc, published_as: Face-Arc, weight: 2, direction: higher, range: [0, 1]}
  - {id: sync.lse_c, weight: 1, direction: higher, range: [0, 10]}
  - {id: sync.lse_d, weight: 1, direction: lower, range: [0, 15]}
  - {id: psnr.rgb, weight: 1, direction: higher, range: [10, 50]}
  - {id: speed.fps, group: speed, weight: 1, direction: higher, range: [0, 60]}
  - {id: iqa.brisque, rank: false, group: diagnostic}
coverage: 0.9
ranking: weighted-sum
ranking_rules: {group_weights: {objective: 0.45, subjective: 0.5, speed: 0.05}, tie_breaks: [identity.strict.arc]}
ratings:
  method: mos
  dimensions:
    - {id: identity_consistency, title: Identity consistency}
    - {id: video_quality, title: Video quality}
    - {id: lip_sync, title: Lip synchronization}
    - {id: style_control, title: Speaking style control}
  window: {opens: 2026-03-01 AoE, closes: 2026-03-05 AoE}
  min_seconds_per_item: 2
  max_items_per_rater: 400
evalkit_defaults:
  [submission.archive, submission.video, submission.audio, metrics.range, coverage, ranking_rules.tie_breaks]
schedule: [{id: submission, opens: 2026-01-10 AoE, closes: 2026-02-20 AoE}]
"""
START = datetime(2026, 3, 2, 9, tzinfo=UTC)


@functools.cache
def challenge(ranking: str = "weighted-sum", extra: str = "") -> Challenge:
    """The rules of the realistic board, by another rule when asked for."""
    return parse_challenge(YAML.replace("ranking: weighted-sum", f"ranking: {ranking}") + extra, "test")


def log(length: int = 30, subjects: tuple[str, ...] = ("ratings.csv",)) -> tuple[AuditEntry, ...]:
    """A log of so many entries."""
    return tuple(
        AuditEntry(
            at,
            START + timedelta(hours=3 * at),
            "organizer",
            ("create", "add-team", "add-run", "import-ratings", "exclude")[at % 5],
            subjects[at % len(subjects)],
            {},
            hashlib.sha256(f"entry {at}".encode()).hexdigest(),
        )
        for at in range(1, length + 1)
    )


def strip(team: int, sample: int) -> tuple[bytes, ...]:
    """A filmstrip of four frames."""
    return tuple(jpeg(40 + 24 * team + 256 * (40 * sample + 18 * step), 64, 72) for step in range(4))


@functools.cache
def realistic() -> Snapshot:
    """Eight teams, one of them unranked and one with three runs, 24 samples with groups, 14 raters, one out."""
    rng = np.random.default_rng(7)
    samples = [f"s{at:02d}" for at in range(1, 25)]
    groups = {
        sample: {"gender": ("female", "male")[at % 2], "age": ("18 to 30", "31 to 50", "over 50")[at % 3]}
        for at, sample in enumerate(samples)
    }
    hard = rng.normal(0, 1, len(samples))
    skill = {
        "alpha": 1.0,
        "beta": 0.92,
        "gamma": 0.5,
        "delta": 0.45,
        "epsilon": 0.4,
        "zeta": -0.2,
        "eta": -0.9,
        "theta": 0.3,
    }

    def values(team: str, shift: float = 0.0) -> dict[str, object]:
        level = skill[team] + shift
        made = {
            "identity.strict.arc": np.clip(0.72 + 0.09 * level + 0.03 * hard + rng.normal(0, 0.03, 24), 0, 1),
            "sync.lse_c": 6 + 0.8 * level + 0.5 * hard + rng.normal(0, 0.5, 24),
            "sync.lse_d": 8 - 0.6 * level - 0.4 * hard + rng.normal(0, 0.5, 24),
            "psnr.rgb": 27 + 2 * level + hard + rng.normal(0, 1, 24),
            "iqa.brisque": 30 + rng.normal(0, 6, 24),
        }
        out: dict[str, object] = {name: [float(round(v, 6)) for v in column] for name, column in made.items()}
        out["speed.fps"] = float(round(25 + 3 * rng.normal(), 3))
        if team == "theta":
            column = list(out["identity.strict.arc"])
            out["identity.strict.arc"] = [None if at % 5 == 0 else value for at, value in enumerate(column)]
        return out

    def card(team: str, name: str, shift: float = 0.0) -> Scorecard:
        made = make_card(
            f"{team}-{name}.zip",
            values(team, shift),
            challenge="clear-faces",
            samples=samples,
            groups=groups,
            better={"sync.lse_d": False, "iqa.brisque": None},
            units={"psnr.rgb": "dB", "speed.fps": "1/s"},
            roles={"iqa.brisque": "diagnostic"},
            ci95={"speed.fps": (22.0, 29.0)},
        )
        titles = {
            "identity.strict.arc": "Identity (ArcFace)",
            "sync.lse_c": "LSE-C",
            "sync.lse_d": "LSE-D",
            "psnr.rgb": "PSNR",
            "speed.fps": "Frames per second",
            "iqa.brisque": "BRISQUE",
        }
        metrics = {name: score.model_copy(update={"title": titles[name]}) for name, score in made.metrics.items()}
        videos = list(made.videos)
        document = made.model_dump(mode="json", by_alias=True)
        document["features"] = {
            "faces": {"version": 2, "weights": ["ab" * 32], "options": {"size": 112}},
            "syncnet": {"version": 1, "weights": ["cd" * 32, "ef" * 32], "options": {}},
        }
        document["provenance"] |= {"evalkit": "0.5.0", "python": "3.11", "device": {"kind": "cpu"}}
        document["backbones"] = "bundled"
        document["metrics"] = {name: score.model_dump(mode="json") for name, score in metrics.items()}
        document["videos"] = [video.model_dump(mode="json") for video in videos]
        if team == "theta":
            for at, video in enumerate(document["videos"]):
                if at % 5 == 0:
                    video |= {"verdict": "error"}
                    video["findings"] = [
                        {"rule": "media.codec", "severity": "error", "message": "The video is not H.264.",
                         "found": "hevc", "expected": "h264"}
                    ]  # fmt: skip
        if team in {"eta", "zeta"}:
            document["videos"][3]["events"] = [{"kind": "several_faces", "detail": "2 faces in 12 of 125 frames"}]
            document["videos"][4]["findings"] = [
                {"rule": "media.frame_rate", "severity": "warning", "message": "The frame rate varies."}
            ]
            document["videos"][4]["verdict"] = "warning"
        return Scorecard.model_validate(document)

    teams = {
        team: [make_run(team, card(team, "main"), strips={s: strip(at, k) for k, s in enumerate(samples[:3])})]
        for at, team in enumerate(TEAMS)
    }
    teams["beta"] += [
        make_run("beta", card("beta", "sharp", -0.2), name="sharp", primary=False),
        make_run("beta", card("beta", "fast", -0.6), name="fast", primary=False),
    ]
    ratings = []
    dimensions = [one.id for one in challenge().ratings.dimensions]
    for rater in range(14):
        bias = rng.normal(0, 0.4)
        for team in TEAMS:
            for at, sample in enumerate(samples):
                if (at + rater) % 4:
                    continue
                for dimension in dimensions:
                    value = 3.2 + 0.7 * skill[team] + 0.25 * hard[at] + bias + rng.normal(0, 0.7)
                    value = 3 if rater == 13 else float(np.clip(round(value), 1, 5))
                    late = rater == 12 and at > 16
                    when = START + timedelta(minutes=9 * at + rater, days=5 if late else 0)
                    seconds = 1.1 if rater == 11 and at % 8 == 1 else 14.0
                    ratings.append((f"person-{rater}@example.org", team, sample, dimension, value, when, seconds))
    snapshot = make_snapshot(
        challenge(),
        teams,
        ratings=ratings,
        raters={"person-3@example.org": "gamma"},
        decisions=[
            Decision(
                1,
                "rater",
                "person-13@example.org",
                "straight-liner",
                "person-13@example.org gave the same answer 168 times.",
                "organizer",
                START + timedelta(days=4),
            ),
            Decision(
                2,
                "rater",
                "person-2@example.org",
                "manual",
                "Asked to be left out.",
                "organizer",
                START + timedelta(days=4),
                START + timedelta(days=5),
                "organizer",
                "person-2@example.org changed their mind.",
            ),
        ],
        log=log(30, ("alpha", "beta/main", "ratings.csv", "person-13@example.org", "gamma")),
        reference={sample: strip(9, at) for at, sample in enumerate(samples[:3])},
    )
    file = Import("ratings.csv", "12" * 32, "ratings", "long CSV", 2688, 0, "organizer", START + timedelta(days=3))
    return replace(snapshot, imports=(file,), teams=(*snapshot.teams, Team("iota", ("person-40@example.org",))))


@functools.cache
def realistic_leaderboard() -> Leaderboard:
    """What the realistic board's data say."""
    return compute_leaderboard(realistic(), draws=400)


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
    imports = tuple(Import(text, "ab" * 32, "ratings", text, 1, 0, text, START) for text in NASTY)
    people = RatingsInfo(9, 8, {bad: 1}, tuple(RaterInfo(text, 1, 1, text, text) for text in NASTY), 3, bad, NASTY)
    reason = CodedReason("foul", bad)
    rows = [
        replace(row, run=run.name, tie_break=bad if at == 1 else None)
        for at, (row, run) in enumerate(zip(leaderboard.rows, runs, strict=True))
    ]
    cells = {**rows[-1].cells, "m.id": Cell(None, None, bad)}
    rows[-1] = replace(rows[-1], rank=None, score=None, interval=None, probability=(), reasons=(reason,), cells=cells)
    columns = tuple(
        replace(column, title=f"{bad} {column.title}", unit=bad, notes=(bad,), refused=reason) for column in COLUMNS
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
