"""The binding score of dialogues of puppets: right, swapped, everybody with every voice, one mix; a Markdown table.

python -m benchmarks.binding [--groups 2] [--seconds 7.2] [--size 192] [--work FOLDER]

tests/scoring/test_binding_controls.py holds what the table shows.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import click
from click.testing import CliRunner

from evalkit.cli import cli as command_line
from evalkit.media.encode import write_video
from evalkit.reference_models.puppet.dialogue import Binding
from evalkit.reference_models.puppet.dialogue_files import mix
from evalkit.reference_models.puppet.motion import FPS
from evalkit.reference_models.puppet.testset import PuppetTestSet, write_puppet_testset
from evalkit.reference_models.puppet.voice import RATE
from evalkit.scoring.scorecard import Scorecard
from evalkit.testsets.loading import SAMPLES_FILE

SHOWN = (
    "bind.nacc",
    "bind.acc_person",
    "bind.acc_stream",
    "bind.acc_assign",
    "bind.margin",
    "bind.worst",
    "bind.conf",
    "bind.idle_motion",
    "bind.nacc.overlap",
)
# What each take of a group is: its mouths, and whether the test set has one mix for everybody.
CONTROLS: tuple[tuple[str, Binding, bool], ...] = (
    ("right", "right", False),
    ("swapped", "swapped", False),
    ("everybody", "everybody", False),
    ("one mix for all", "right", True),
)


@dataclass(frozen=True)
class ControlValues:
    """Values of one control by metric, a number for each group that has one, and the reasons of the others."""

    values: Mapping[str, list[float]]
    reasons: Mapping[str, list[str]]


def make_controls(puppets: PuppetTestSet, videos: Path) -> Path:
    """Write the test set, and a video for each sample with the mouths of its control; return the test set's folder."""
    testset = write_puppet_testset(puppets, 1)
    videos.mkdir(parents=True, exist_ok=True)
    lines = [json.loads(line) for line in (testset / SAMPLES_FILE).read_text("utf-8").splitlines()]
    for (name, scene), sample in zip(puppets.dialogues().items(), lines, strict=True):
        _, binding, mixed = CONTROLS[puppets.names()[name][1]]
        if binding == "right":
            shutil.copyfile(testset / sample["reference_video"], videos / f"{name}.mp4")
        else:
            frames = replace(scene, binding=binding).frames()
            write_video(videos / f"{name}.mp4", frames, FPS, mix(scene.voices), RATE, crf=12)
        for speaker in sample["speakers"] if mixed else ():
            shutil.copyfile(testset / sample["audio"], testset / speaker["audio"])
    return testset


def score_controls(puppets: PuppetTestSet, work: Path) -> tuple[int, dict[str, ControlValues]]:
    """Score the controls in one run, as a user does; return the exit code and the values by control."""
    testset = make_controls(puppets, work / "videos")
    words = ["score", str(work / "videos"), "-c", "multitalk", "--testset", str(testset), "-b", "bundled"]
    words += ["-o", str(work / "out"), "--metrics", ",".join(SHOWN), "--workers", "1", "--quiet"]
    result = CliRunner().invoke(command_line, [*words, "--cache", str(work / "cache")])
    card = Scorecard.load(work / "out")
    takes = {name: take for name, (_, take) in puppets.names().items()}
    found = {}
    for take, (control, _, _) in enumerate(CONTROLS):
        videos = [video for video in card.videos if takes[video.sample] == take]
        found[control] = ControlValues(
            {one: [value for video in videos if (value := video.values[one]) is not None] for one in SHOWN},
            {one: [video.reasons[one] for video in videos if video.values[one] is None] for one in SHOWN},
        )
    return result.exit_code, found


@click.command()
@click.option("--groups", type=int, default=2, show_default=True, help="Groups of two and of three persons in turn.")
@click.option("--seconds", type=float, default=7.2, show_default=True)
@click.option("--size", type=int, default=192, show_default=True, help="Height of the pictures.")
@click.option("--work", type=click.Path(path_type=Path), help="Folder to keep the files in.")
def main(groups: int, seconds: float, size: int, work: Path | None) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = work or Path(temporary)
        puppets = PuppetTestSet(folder / "testset", 19, groups, len(CONTROLS), seconds, size, kind="dialogue")
        print(f"| control | {' | '.join(f'`{name}`' for name in SHOWN)} |\n|---|{'---|' * len(SHOWN)}")
        for name, control in score_controls(puppets, folder)[1].items():
            cells = [
                f"{fmean(control.values[one]):.2f}" if control.values[one] else ", ".join(set(control.reasons[one]))
                for one in SHOWN
            ]
            print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
