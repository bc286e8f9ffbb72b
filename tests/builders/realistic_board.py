"""A realistic board for tests of the pages: eight teams, two dozen samples in groups, fourteen raters, decisions."""

from __future__ import annotations

import functools
from dataclasses import replace
from datetime import timedelta

import numpy as np
from builders.boards import make_card, make_run, make_snapshot
from builders.leaderboards import START, log
from scorecards import jpeg

from evalkit.board.model import Decision, Import, Snapshot, Team
from evalkit.challenges.model import Challenge, parse_challenge
from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.leaderboard.model import (
    Leaderboard,
)
from evalkit.scoring.scorecard import Scorecard

TEAMS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta")
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
  - {id: throughput.fps, group: speed, weight: 1, direction: higher, range: [0, 60]}
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


@functools.cache
def challenge(ranking: str = "weighted-sum", extra: str = "") -> Challenge:
    """The rules of the realistic board, by another rule when asked for."""
    return parse_challenge(YAML.replace("ranking: weighted-sum", f"ranking: {ranking}") + extra, "test")


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
        out["throughput.fps"] = float(round(25 + 3 * rng.normal(), 3))
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
            units={"psnr.rgb": "dB", "throughput.fps": "1/s"},
            roles={"iqa.brisque": "diagnostic"},
            ci95={"throughput.fps": (22.0, 29.0)},
        )
        titles = {
            "identity.strict.arc": "Identity (ArcFace)",
            "sync.lse_c": "LSE-C",
            "sync.lse_d": "LSE-D",
            "psnr.rgb": "PSNR",
            "throughput.fps": "Frames per second",
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
    file = Import("ratings.csv", "12" * 32, "long CSV", 2688, 0, "organizer", START + timedelta(days=3))
    return replace(snapshot, imports=(file,), teams=(*snapshot.teams, Team("iota", ("person-40@example.org",))))


@functools.cache
def realistic_leaderboard() -> Leaderboard:
    """What the realistic board's data say."""
    return compute_leaderboard(realistic(), draws=400)
