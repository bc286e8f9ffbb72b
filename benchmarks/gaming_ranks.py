"""What tricks gain in rank, before and after what a challenge declares about them: the table of docs/gaming.md.

    python -m benchmarks.gaming_ranks --work FOLDER [--people 2] [--seconds 2.4] [--only A,B]

Each trick competes, alone, with four honest teams, on puppets, by the numbers that rank in `talking-head` and with the
bundled networks. Two of the honest teams are a model that could be: the person's own puppet with the right lips, and a
head and eyes that move in their own way, sharp and blurred. Two are ``warp``, which moves the mouth of the photo and
little else, sharp and blurred. Thefts are videos of the first model: a board finds them, and nothing follows by itself.

Three times a score is made of the same scorecards, as a hosted leaderboard makes it: as if every rule told only, as if
every rule of one video made it count as the worst (``zero``), and as if all but `gaming.mouth-only` did. FOLDER keeps
videos, scorecards and the cache: a finished entrant is not made again, and a change of the rules asks for a new folder.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import cv2

import evalkit
from evalkit.board.model import Run, Snapshot
from evalkit.challenges.model import Challenge, load_challenge
from evalkit.hosting.columns import SCORE
from evalkit.hosting.runs import hosted_run
from evalkit.leaderboard.duplicates import duplicate_videos
from evalkit.media.encode import write_video
from evalkit.reference_models.generation.submission import make_submission
from evalkit.reference_models.puppet.motion import FPS, performance
from evalkit.reference_models.puppet.renderer import PuppetRenderer
from evalkit.reference_models.puppet.testset import PuppetTestSet, write_puppet_testset
from evalkit.reference_models.puppet.voice import RATE
from evalkit.scoring.scorecard import Scorecard
from evalkit.validators.gaming import CASE_RULES

SEED = 77
CRF = 18
MOUTH_ONLY, ACROSS = "gaming.mouth-only", "gaming.across-teams"
MODELS: Mapping[str, float] = {"a model": 0.0, "a model, blurred": 2.0}  # sigma of a Gaussian in pixels
Made = tuple[str, Mapping[str, Any]]  # name of the generator, its options
WARPS: Mapping[str, Made] = {"`warp`": ("warp", {}), "`warp`, blurred": ("blur", {"base": "warp"})}
HONEST = (*MODELS, *WARPS)
TRICKS: Mapping[str, Made] = {
    "the photo, still": ("still", {}),
    "the photo, light over it": ("lit-still", {"levels": 6}),
    "the photo, waves": ("waving-still", {"percent": 3}),
    "the photo, a box for a mouth": ("mouth-box", {}),
    "the photo, the mouth of the truth": ("mouth-only", {}),
    "the truth, encoded again": ("encoded-copy", {"crf": 35}),
    "the truth, mirrored": ("flipped-copy", {}),
    "the truth, cropped by a fifth": ("cropped-copy", {"share": 0.2}),
    "the truth, played backwards": ("played-backwards", {}),
    "the truth, low frequencies inverted": ("low-inverted", {}),
    "the truth, 3 % faster": ("other-speed", {"factor": 1.03}),
    "the truth, 0.8 s late": ("late", {"frames": 20}),
    "the truth's first second in a loop": ("looped", {"seconds": 1}),
    "the truth with other speech in the background": ("mixed-speech", {"decibels": 0}),
    "`warp` with the photo in every tenth frame": ("pasted-frames", {"every": 10}),
    "`warp` with the photo in a corner": ("pasted-corner", {"share": 0.25}),
}
ROBBED = "a model"
THEFTS: Mapping[str, Made] = {
    "the model's videos, encoded again": ("encoded-copy", {"crf": 35}),
    "the model's videos, mirrored": ("flipped-copy", {}),
    "the model's videos, 3 % faster": ("other-speed", {"factor": 1.03}),
}


@dataclass(frozen=True)
class Entrant:
    """One team's run.

    Args:
        scores: 0..1 with no consequence, with every rule's, with every rule's but `gaming.mouth-only`; ``None``: the
            run is not ranked.
        found: rule -> number of videos.
    """

    scores: tuple[float | None, ...]
    found: Mapping[str, int]


def write_model(puppets: PuppetTestSet, path: Path, sigma: float) -> None:
    """Write a submission of the people of a test set with the same lips, and head and eyes that move otherwise."""
    folder = path.with_suffix("")
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(path.with_suffix(".part"), "w") as archive:
        for name, scene in puppets.scenes().items():
            poses = performance(scene.take + 1, scene.spoken, scene.seconds, scene.mood)
            renderer = PuppetRenderer(scene.look, scene.size)
            frames = [renderer.render(pose) for pose in poses]
            if sigma:
                frames = [cv2.GaussianBlur(frame, (0, 0), sigma) for frame in frames]
            video = folder / f"{name}.mp4"
            write_video(video, frames, FPS, scene.audio, RATE, crf=CRF)
            archive.write(video, video.name)
    path.with_suffix(".part").rename(path)


def variants(challenge: Challenge) -> tuple[Challenge, ...]:
    """Return the challenge as it tells only, with every rule at zero, and with all but one."""
    every = {rule.id: "zero" for rule in CASE_RULES}
    declared: Sequence[Mapping[str, str]] = ({}, every, every | {MOUTH_ONLY: "tell"})
    return tuple(
        challenge.model_copy(update={"submission": challenge.submission.model_copy(update={"gaming": one})})
        for one in declared
    )


class Bench:
    """Makes and scores one entrant after the other."""

    def __init__(self, place: Path, people: int, seconds: float) -> None:
        self.place = place
        self.challenge = load_challenge("talking-head")
        self.names = [entry.id for entry in self.challenge.metrics if entry.rank]
        self.puppets = PuppetTestSet(place / "testset", SEED, people, seconds=seconds)
        if not (self.puppets.folder / "samples.jsonl").exists():
            write_puppet_testset(self.puppets, 1)

    def entrant(self, label: str) -> Entrant:
        """Return the run of a label, measured now or before."""
        kept = self._place_of(label, "json")
        if not kept.exists():
            archive = self._place_of(label, "zip")
            self._write(label, archive)
            card = evalkit.score(
                archive, self.challenge, self.puppets.folder, metrics=self.names, backbones="bundled", workers=1,
                cache=self.place / "cache",
            )  # fmt: skip
            kept.write_text(card.to_json(), encoding="utf-8")
        card = Scorecard.from_json(kept.read_text(encoding="utf-8"), label)
        rules = [str(one["rule"]) for video in card.videos for one in video.findings]
        found = [rule for rule in rules if rule.startswith("gaming.") or rule == "content.frozen"]
        runs = [hosted_run(card, one) for one in variants(self.challenge)]
        told = {rule: found.count(rule) for rule in set(found)}
        if label in THEFTS:
            told[ACROSS] = self._shared_with(card)
        return Entrant(tuple(run.numbers.get(SCORE) for run in runs), told)

    def _place_of(self, label: str, ending: str) -> Path:
        stem = "".join(letter if letter.isalnum() else "-" for letter in label)
        return self.place / f"{stem}.{ending}"

    def _shared_with(self, card: Scorecard) -> int:
        """Return how many videos a board finds in a run and in that of the team that was robbed."""
        robbed = Scorecard.from_json(self._place_of(ROBBED, "json").read_text(encoding="utf-8"), ROBBED)
        runs = tuple(Run(team, "main", True, one, "") for team, one in (("robbed", robbed), ("thief", card)))
        board = Snapshot(self.challenge, 0, datetime.now(UTC), (), runs=runs)
        return sum(len(pair.samples) for pair in duplicate_videos(board))

    def _write(self, label: str, archive: Path) -> None:
        if label in MODELS:
            write_model(self.puppets, archive, MODELS[label])
        elif not archive.exists():
            name, options = {**WARPS, **TRICKS, **THEFTS}[label]
            if label in THEFTS:
                options = {**options, "base": "submission", "videos": str(self._place_of(ROBBED, "zip"))}
            make_submission(
                name, self.puppets.folder, archive, options=options, backbones="bundled", with_speed=False
            )  # fmt: skip


def shown(entrants: Mapping[str, Entrant]) -> Iterator[str]:
    """Yield the lines of the table in Markdown; ranks are among the honest teams and this one."""
    yield "| team | told only | every rule `zero` | all but `mouth-only` | found in |"
    yield "|---|---|---|---|---|"
    honest = [entrants[label] for label in HONEST]
    for label, entrant in entrants.items():
        cells = []
        for at, score in enumerate(entrant.scores):
            better = [one.scores[at] for one in honest if one is not entrant]
            rank = 1 + sum(score is not None and other is not None and other > score for other in better)
            cells.append("not ranked" if score is None else f"{score:.3f}, {rank} of {len(better) + 1}")
        rules = ", ".join(f"{rule.removeprefix('gaming.')} {count}" for rule, count in sorted(entrant.found.items()))
        yield f"| {label} | {' | '.join(cells)} | {rules} |"


@click.command()
@click.option("--work", type=click.Path(path_type=Path), required=True, help="Keep all here, and go on from it.")
@click.option("--people", type=int, default=2, show_default=True)
@click.option("--seconds", type=float, default=2.4, show_default=True)
@click.option("--only", type=int, metavar="N", help="The first N tricks.")
@click.option("--json", "output", type=click.Path(path_type=Path))
def main(*, work: Path, people: int, seconds: float, only: int | None, output: Path | None) -> None:
    """Print a Markdown table."""
    work.mkdir(parents=True, exist_ok=True)
    bench = Bench(work, people, seconds)
    entrants = {}
    for label in (*HONEST, *list({**TRICKS, **THEFTS})[:only]):
        entrants[label] = bench.entrant(label)
        click.echo(f"{label}: {entrants[label].scores} {dict(entrants[label].found)}", err=True)
    if output:
        rows = {label: {"scores": one.scores, "found": dict(one.found)} for label, one in entrants.items()}
        output.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    click.echo("\n".join(shown(entrants)))


if __name__ == "__main__":
    main()
