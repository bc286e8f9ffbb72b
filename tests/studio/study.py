"""A small study on disk: a board, ZIPs and a test set. Its videos are no videos: plans decode nothing."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

from scorecards import small_card

from evalkit.board import Board
from evalkit.challenges.model import parse_challenge
from evalkit.scoring.records import Fingerprint, VideoScore
from evalkit.studio.plan_model import Medium, PlanSample
from evalkit.studio.videos import RatedRun

RATINGS = """schema: 1
id: c
title: The challenge
submission: {runs: {max: 3, primary: 1}}
ratings:
  method: mos
  dimensions: [{id: overall, title: Overall}, {id: lip_sync, title: Lip sync}]
"""
PAIRS = "schema: 1\nid: c\ntitle: The challenge\nratings: {method: pairs}\n"
TEAMS = ("lumen", "atlas", "corvus")


@dataclass(frozen=True)
class Study:
    """Where everything is."""

    board: Path
    submissions: Path
    testset: Path

    @property
    def words(self) -> list[str]:
        return ["-B", str(self.board), "--submissions", str(self.submissions), "-t", str(self.testset)]


def make_study(
    folder: Path, text: str = RATINGS, teams: tuple[str, ...] = TEAMS, samples: int = 6, fingerprints: bool = False
) -> Study:
    """Make the files, with samples ``s1``, ``s2``, ..., and return where they are.

    With ``fingerprints`` the scorecards know the digests of the videos.
    """
    study = Study(folder / "board.sqlite", folder / "zips", folder / "testset")
    rules = parse_challenge(text, "test")
    study.submissions.mkdir()
    (study.testset / "real").mkdir(parents=True)
    names = [f"s{at + 1}" for at in range(samples)]
    lines = []
    for name in names:
        for file, content in ((f"{name}.png", b"picture"), (f"{name}.wav", b"sound"), (f"real/{name}.mp4", b"real")):
            (study.testset / file).write_bytes(content + name.encode())
        record = {"id": name, "reference_images": [f"{name}.png"], "audio": f"{name}.wav"}
        lines.append(json.dumps({**record, "reference_video": f"real/{name}.mp4"}))
    (study.testset / "samples.jsonl").write_text("\n".join(lines) + "\n")
    with Board.create(str(study.board), rules, text, by="olga") as board:
        for at, team in enumerate(teams):
            with zipfile.ZipFile(study.submissions / f"{team}.zip", "w") as archive:
                for name in names:
                    archive.writestr(f"{name}.mp4", f"{team} {name}")
            challenge = {"id": rules.id, "sha256": rules.scoring_sha256, "title": rules.title}
            card = small_card(team, {"identity.strict": [at / 10 + step / 100 for step in range(samples)]})
            card = card.model_copy(update={"challenge": card.challenge.model_copy(update=challenge)})
            if fingerprints:
                card = card.model_copy(update={"videos": tuple(_known(team, video) for video in card.videos)})
            board.add_team(team, [f"{team}-member"], by="olga")
            board.add_run(team, "1", card, by="olga")
    return study


def _known(team: str, video: VideoScore) -> VideoScore:
    digest = hashlib.sha256(f"{team} {video.sample}".encode()).hexdigest()
    return video.model_copy(update={"fingerprint": Fingerprint(sha256=digest, motion=1.0, picture="0" * 16)})


def rated_runs(teams: int, samples: int, gone: frozenset[tuple[int, int]] = frozenset()) -> list[RatedRun]:
    """Return runs of ``t0``, ``t1``, ... with videos of ``s0``, ``s1``, ..., without those that are gone."""
    return [
        RatedRun(
            f"t{team}",
            "1",
            {
                f"s{sample}": Medium(
                    team=f"t{team}",
                    run="1",
                    sample=f"s{sample}",
                    submission=f"t{team}.zip",
                    file=f"s{sample}.mp4",
                    sha256="0" * 64,
                )
                for sample in range(samples)
                if (team, sample) not in gone
            },
        )
        for team in range(teams)
    ]


def plan_samples(count: int) -> dict[str, PlanSample]:
    return {f"s{at}": PlanSample(image=f"s{at}.png") for at in range(count)}
