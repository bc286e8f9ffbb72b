"""Which tricks the rules about gaming detect, by their size, and which honest videos they suspect: docs/gaming.md.

    python -m benchmarks.tricks --json OUT.json [--shared ../shared] [--only A,B] [--limit 10] [--work FOLDER]

Every trick of `evalkit baseline` is applied to the talking heads and scored as a submission, by a challenge that asks
for nothing but findings. Honest videos are the other kinds that are there: the real clips against the reference videos
of other people, so that none is a copy, the talking heads with their own reference images and speech; the submissions
of the talking heads; published generators; puppets, and what ``warp`` makes. A finished row is in OUT.json and not
measured again: a change of the rules asks for a new file.

A detected share counts the videos with at least one finding that the rules of gaming, or of frozen content, make; of
another team's videos, those that a board finds in both runs.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

import evalkit
from evalkit.board.model import Run, Snapshot
from evalkit.challenges.model import Challenge, load_challenge
from evalkit.files import write_text
from evalkit.leaderboard.duplicates import duplicate_videos
from evalkit.media.encode import write_video
from evalkit.reference_models.generation.requests import RequestBuilder
from evalkit.reference_models.generators.base import GeneratedClip, find_generator
from evalkit.reference_models.puppet.testset import PuppetTestSet, write_puppet_testset
from evalkit.scoring.scorecard import Scorecard, VideoScore
from evalkit.testsets.loading import load_testset
from evalkit.testsets.model import Sample, TestSet
from evalkit.validators.registry import rule_registry

CRF = 18
METRIC = "csim.first"  # reads faces, without which the rules about faces find nothing
TRICKS: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "still": ({},),
    "noisy-still": tuple({"sigma": sigma} for sigma in (3, 12, 40)),
    "drifting-still": tuple({"share": share} for share in (0.02, 0.1, 0.3)),
    "zooming-still": tuple({"share": share} for share in (0.05, 0.15, 0.5)),
    "lit-still": tuple({"levels": levels} for levels in (2, 6, 20)),
    "waving-still": tuple({"percent": percent} for percent in (0.5, 1.5, 3)),
    "mouth-box": tuple({"size": size} for size in (0.5, 1, 2)),
    "mouth-only": tuple({"size": size} for size in (0.7, 1, 2)),
    "pasted-corner": tuple({"share": share} for share in (0.15, 0.25, 0.4)),
    "pasted-frames": tuple({"every": every} for every in (50, 10, 3)),
    "encoded-copy": tuple({"crf": crf} for crf in (23, 35, 45)),
    "flipped-copy": tuple({"axis": axis} for axis in ("left-right", "top-bottom", "both")),
    "cropped-copy": tuple({"share": share} for share in (0.06, 0.1, 0.2)),
    "moved-copy": tuple({"share": share} for share in (0.02, 0.05, 0.1)),
    "turned-copy": tuple({"degrees": degrees} for degrees in (2, 5, 15, 90)),
    "wobbling-copy": tuple({"degrees": degrees} for degrees in (0.3, 1, 3)),
    "other-hue": tuple({"degrees": degrees} for degrees in (10, 40, 180)),
    "other-brightness": tuple({"levels": levels} for levels in (20, -40, 80)),
    "other-contrast": tuple({"factor": factor} for factor in (0.6, 1.3, 2)),
    "negative": ({"amount": 1},),
    "low-inverted": ({"amount": 1},),
    "other-speed": tuple({"factor": factor} for factor in (0.9, 1.03, 1.1, 1.25)),
    "late": tuple({"frames": frames} for frames in (5, 15, 30, 50)),
    "late-copy": tuple({"seconds": seconds} for seconds in (0.4, 1.2, -1.2)),
    "looped": tuple({"seconds": seconds} for seconds in (0.5, 1, 2)),
    "boomerang": tuple({"seconds": seconds} for seconds in (0.5, 1, 2)),
    "repeated-part": tuple({"seconds": seconds} for seconds in (0.5, 1, 2)),
    "played-backwards": tuple({"share": share} for share in (0.5, 1)),
    "repeated-frames": tuple({"times": times} for times in (2, 3, 5)),
    "other-speech": ({"people": 1},),
    "shifted-speech": tuple({"seconds": seconds} for seconds in (0.1, 0.3, -0.3, 1.2)),
    "mixed-speech": tuple({"decibels": decibels} for decibels in (-20, -10, 0, 10)),
    "louder-speech": tuple({"decibels": decibels} for decibels in (-20, 12, 30)),
}
THEFTS = (  # of another team's videos
    "encoded-copy", "flipped-copy", "cropped-copy", "moved-copy", "turned-copy", "wobbling-copy", "other-hue",
    "other-brightness", "other-contrast", "negative", "low-inverted", "other-speed", "late-copy", "looped", "boomerang",
    "repeated-part", "played-backwards",
)  # fmt: skip
WITHOUT_FACES = "fps"  # of thefts: the board compares fingerprints


@dataclass(frozen=True)
class Row:
    """What was found in one set of videos.

    Args:
        name: of the trick or of the honest set.
        size: its options, in words; of a honest set empty.
        videos: how many were read.
        detected: how many have a finding of gaming.
        rules: rule -> how many videos it names.
        unread: samples that have no video.
        honest: whether nothing should be found.
        suspected: of an honest set, the samples that have a finding, with its rules.
    """

    name: str
    size: str
    videos: int
    detected: int
    rules: dict[str, int]
    unread: int = 0
    honest: bool = False
    suspected: dict[str, list[str]] = field(default_factory=dict)


def examined() -> Challenge:
    """Return a challenge whose rules are those about gaming alone."""
    challenge = load_challenge("talking-head")
    # Several sizes of one trick are in one submission: that a video is there twice is no sign of it.
    ours = {rule for rule in rule_registry() if rule.startswith("gaming.")} - {"gaming.duplicate"} | {"content.frozen"}
    severities = {rule: "off" for rule in rule_registry() if rule not in ours}
    rules = type(challenge.submission)(layouts=("{id}.mp4",), severities=severities)
    return challenge.model_copy(update={"submission": rules})


def row_of(videos: Sequence[VideoScore], name: str, size: str, *, honest: bool) -> Row:
    """Count the findings of videos."""
    named = {
        video.sample: sorted({str(one["rule"]) for one in video.findings})
        for video in videos
        if video.findings and video.fingerprint is not None
    }
    read = sum(video.fingerprint is not None for video in videos)
    rules = Counter(rule for found in named.values() for rule in found)
    unread = len(videos) - read
    return Row(name, size, read, len(named), dict(sorted(rules.items())), unread, honest, named if honest else {})


def with_ending(card: Scorecard, ending: str) -> Scorecard:
    """Return the scorecard with the videos of samples that end so alone, under their names without it."""
    videos = [
        video.model_copy(update={"sample": video.sample.removesuffix(ending)})
        for video in card.videos
        if video.sample.endswith(ending)
    ]
    return card.model_copy(update={"videos": tuple(videos)})


class Bench:
    """Makes and scores one row after the other; finished ones are kept in a file."""

    def __init__(self, output: Path, place: Path, shared: Path, limit: int | None) -> None:
        self.output, self.place, self.limit = output, place, limit
        self.data = shared / "data"
        self.heads = load_testset(self.data / "talking-heads" / "testset").limited(limit)
        self.challenge = examined()
        rows = json.loads(output.read_text(encoding="utf-8")) if output.exists() else []
        self.rows = [Row(**row) for row in rows]

    def row(self, name: str, submission: Path, testset: TestSet, *, honest: bool = True) -> None:
        """Score a submission and keep its row."""
        self._keep(row_of(self._card(submission, testset).videos, name, "", honest=honest))

    def _card(self, submission: Path, testset: TestSet, metric: str = METRIC) -> Scorecard:
        return evalkit.score(
            submission, self.challenge, testset, metrics=[metric], backbones="bundled", workers=1,
            cache=self.place / "cache",
        )  # fmt: skip

    def _keep(self, row: Row) -> None:
        self.rows.append(row)
        write_text(self.output, json.dumps([asdict(row) for row in self.rows], indent=1) + "\n")
        click.echo(f"{row.name} {row.size}: {row.detected} of {row.videos} {row.rules}", err=True)

    def known(self, name: str, size: str = "") -> bool:
        """Whether the row is finished."""
        return any((row.name, row.size) == (name, size) for row in self.rows)

    def trick(self, name: str, sizes: Sequence[Mapping[str, Any]]) -> None:
        """Measure a trick at several sizes on the talking heads, all in one submission."""
        words = [", ".join(f"{key} {value}" for key, value in options.items()) for options in sizes]
        missing = [at for at, word in enumerate(words) if not self.known(name, word)]
        if not missing:
            return
        folder, samples = self.place / name, []
        for at in missing:
            samples += self._made(name, sizes[at], self.heads, folder, f"-{at}")
        card = self._card(folder, TestSet(self.heads.root, tuple(samples)))
        for at in missing:
            videos = tuple(video for video in card.videos if video.sample.endswith(f"-{at}"))
            self._keep(row_of(videos, name, words[at], honest=False))

    def theft(self, name: str) -> None:
        """Measure a trick on another team's videos, those of published generators, as a board compares two teams."""
        label = f"{name} of another team's"
        words = [", ".join(f"{key} {value}" for key, value in options.items()) for options in TRICKS[name]]
        missing = [at for at, word in enumerate(words) if not self.known(label, word)]
        if not missing:
            return
        generated, folder, samples = self.data / "generated", self.place / f"stolen-{name}", []
        testset = load_testset(generated / "testset").limited(self.limit)
        stolen = {"base": "submission", "videos": str(generated / "submission.zip")}
        for at in missing:
            samples += self._made(name, {**TRICKS[name][at], **stolen}, testset, folder, f"-{at}")
        theirs = self._card(generated / "submission.zip", testset, WITHOUT_FACES)
        ours = self._card(folder, TestSet(testset.root, tuple(samples)), WITHOUT_FACES)
        for at in missing:
            self._keep(self._across(label, words[at], theirs, with_ending(ours, f"-{at}")))

    def _across(self, label: str, size: str, theirs: Scorecard, ours: Scorecard) -> Row:
        """Compare two teams' scorecards as a board does."""
        runs = tuple(Run(team, "main", True, card, "") for team, card in (("theirs", theirs), ("ours", ours)))
        board = Snapshot(self.challenge, 0, datetime.now(UTC), (), runs=runs)
        shared = {sample for pair in duplicate_videos(board) for sample in pair.samples}
        row = row_of(ours.videos, label, size, honest=False)
        return replace(row, detected=len(shared), rules=row.rules | {"gaming.across-teams": len(shared)})

    def _made(self, name: str, options: Mapping[str, Any], testset: TestSet, folder: Path, ending: str) -> list[Sample]:
        """Write a generator's videos as ``{id}{ending}.mp4`` where they are missing; return their samples."""
        folder.mkdir(exist_ok=True)
        generator = find_generator(name)(options, "bundled")
        requests = RequestBuilder(testset, self.challenge, 0)
        samples = []
        for index, sample in enumerate(testset.samples):
            samples.append(sample.model_copy(update={"id": sample.id + ending}))
            path = folder / f"{sample.id}{ending}.mp4"
            if path.exists():
                continue
            part = path.with_suffix(".part.mp4")
            clip = generator.generate(requests.request(index, part))
            if not isinstance(clip, GeneratedClip):
                raise TypeError(f"{name} makes files, not frames")
            write_video(part, clip.frames, clip.fps, clip.audio, clip.rate, crf=CRF, preset="ultrafast")
            part.rename(path)
        return samples

    def honest(self) -> None:
        """Measure what is not a trick."""
        for name in ("faithful", "blurred", "late", "swapped", "frozen", "broken"):
            label = f"submission {name}"
            if not self.known(label):
                path = self.data / "talking-heads" / "submissions" / f"{name}.zip"
                self.row(label, path, self.heads)
        if not self.known("generated"):
            generated = self.data / "generated"
            self.row("generated", generated / "submission.zip", load_testset(generated / "testset"))
        clips = [
            *sorted((self.data / "talking-heads" / "testset" / "videos").glob("*.mp4")),
            *sorted((self.data / "clips").glob("c*.*")),
            self.data / "syncnet" / "example.avi",
        ]
        for label, own, other in (("real, even", clips[::2], clips[1::2]), ("real, odd", clips[1::2], clips[::2])):
            if not self.known(label):
                self._clips(label, own, other)
        for label, name in (("puppets: the real videos", "truth"), ("puppets: warp", "warp")):
            if not self.known(label):
                self._puppets(label, name)
        if not self.known("talking heads: warp"):
            samples = self._made("warp", {}, self.heads, self.place / "theirs", "")
            self.row("talking heads: warp", self.place / "theirs", TestSet(self.heads.root, tuple(samples)))

    def _clips(self, label: str, own: list[Path], other: list[Path]) -> None:
        folder = self.place / "clips"
        others = self.place / "others"
        for one in (folder, others):
            shutil.rmtree(one, ignore_errors=True)
            one.mkdir()
        samples, heads = [], {head.id: head for head in load_testset(self.heads.root).samples}
        for number, path in enumerate(own):
            shutil.copyfile(path, folder / f"{path.stem}.mp4")  # the rules about containers are off
            partner = other[number % len(other)]
            shutil.copyfile(partner, others / partner.name)
            own_files: dict[str, Any] = {}
            if (head := heads.get(path.stem)) is not None:
                own_files["reference_images"] = tuple(str(self.heads.path(one)) for one in head.reference_images)
                own_files["audio"] = str(self.heads.path(str(head.audio)))
            sample = Sample(id=path.stem, reference_video=f"{others.name}/{partner.name}")
            samples.append(sample.model_copy(update=own_files))  # paths of another folder
        self.row(label, folder, TestSet(self.place, tuple(samples)))

    def _puppets(self, label: str, name: str) -> None:
        folder = self.place / "puppets"
        if not folder.exists():
            write_puppet_testset(PuppetTestSet(folder, 77, 12, seconds=4.0), 1)
        testset = load_testset(folder)
        samples = self._made(name, {}, testset, self.place / f"puppets-{name}", "")
        if name == "truth":  # without their references, of which they are copies
            samples = [one.model_copy(update={"reference_video": None}) for one in samples]
        self.row(label, self.place / f"puppets-{name}", TestSet(testset.root, tuple(samples)))


def shown(rows: list[Row]) -> Iterator[str]:
    """Yield the lines of the tables in Markdown."""
    yield from ("| trick | size | detected | by |", "|---|---|---|---|")
    for row in (row for row in rows if not row.honest):
        yield f"| {row.name} | {row.size} | {row.detected} of {row.videos} | {_rules(row)} |"
    yield from ("", "| honest videos | suspected | by |", "|---|---|---|")
    for row in (row for row in rows if row.honest):
        yield f"| {row.name} | {row.detected} of {row.videos} | {_rules(row)} |"


def _rules(row: Row) -> str:
    return ", ".join(f"{rule.removeprefix('gaming.')} {number}" for rule, number in row.rules.items())


@click.command()
@click.option("--json", "output", type=click.Path(path_type=Path), required=True, help="Rows; finished ones stay.")
@click.option("--shared", type=click.Path(path_type=Path), default=Path(os.environ.get("EVALKIT_SHARED", "../shared")))
@click.option("--only", default="", metavar="A,B", help="These tricks; 'honest' for the honest videos, 'thefts'.")
@click.option("--limit", type=int, help="The first talking heads only.")
@click.option("--work", type=click.Path(path_type=Path), help="Keep the videos here, and go on from them.")
def main(output: Path, shared: Path, only: str, limit: int | None, work: Path | None) -> None:
    """Measure every trick at every size, and the honest videos."""
    wanted = [name for name in only.split(",") if name]
    with tempfile.TemporaryDirectory() as temporary:
        place = work or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        bench = Bench(output, place, shared.resolve(), limit)
        if not wanted or "honest" in wanted:
            bench.honest()
        for name, sizes in TRICKS.items():
            if not wanted or name in wanted:
                bench.trick(name, sizes)
        for name in THEFTS if not wanted or "thefts" in wanted else ():
            bench.theft(name)
    click.echo("\n".join(shown(bench.rows)))


if __name__ == "__main__":
    main()
