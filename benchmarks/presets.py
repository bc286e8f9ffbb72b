"""Every preset, scored whole with the bundled networks: exit code, columns and values, as a Markdown table.

    python -m benchmarks.presets [--people 3] [--seconds 2.4] [--work FOLDER]

The submission is the real video of acting puppets, encoded again, or its sound; presets for motion coefficients and for
scores of detectors are left out. tests/scoring/test_whole_presets.py holds what the
table shows.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
from click.testing import CliRunner

from evalkit.api import testset_setups
from evalkit.challenges.model import load_challenge, preset_ids
from evalkit.cli import cli as command_line
from evalkit.reference_models.generation.submission import make_submission
from evalkit.reference_models.puppet.testset import PuppetTestSet, write_puppet_testset
from evalkit.scoring.scorecard import MetricScore, Scorecard
from evalkit.testsets.loading import SAMPLES_FILE, load_testset

OF_SEVERAL = {"multitalk"}


MADE_OF_PUPPETS = ("video", "audio")  # kinds of submission that the puppets' test set has references for


@dataclass(frozen=True)
class ScoredPreset:
    """What one preset came to: its exit code, what was printed, and its columns."""

    preset: str
    exit_code: int
    output: str
    columns: dict[str, MetricScore]


def make_world(folder: Path, people: int, seconds: float) -> Path:
    """Return a test set that every preset can be scored on: puppets with speech, captions and timelines."""
    testset = write_puppet_testset(
        PuppetTestSet(folder / "testset", 2026, people, seconds=seconds, actions=2, kind="timeline"), 1
    )
    file = testset / SAMPLES_FILE
    said = {"prompt": "prompt1", "transcript": "what a puppet says"}
    samples = [json.loads(line) | said for line in file.read_text("utf-8").splitlines()]
    file.write_text("".join(json.dumps(sample) + "\n" for sample in samples), "utf-8")
    return testset


def testset_with_setups(testset: Path) -> Path:
    """Return the list that asks for several videos of each sample."""
    return testset_setups(testset, replace=True).path


def _zip_speech(testset: Path, archive: Path) -> None:
    """Write the test set's own speech as a submission of audio files."""
    with zipfile.ZipFile(archive, "w") as file:
        for sample in load_testset(testset):
            if sample.audio is not None:
                file.write(testset / sample.audio, f"{sample.id}.wav")


def make_dialogues(folder: Path) -> Path:
    """Return a test set of two puppets who speak in turns and at once, for presets about several people."""
    return write_puppet_testset(PuppetTestSet(folder, 2026, 1, 2, 6.4, kind="dialogue"), 1)


def score_presets(testset: Path, folder: Path) -> Iterator[ScoredPreset]:
    """Make the truth's submission for each preset, and score it as a user does."""
    people = testset
    for preset in preset_ids():
        testset = make_dialogues(folder / "dialogues") if preset in OF_SEVERAL else people
        archive, out = folder / f"{preset}.zip", folder / preset
        rules = load_challenge(preset).submission
        if rules.kind not in MADE_OF_PUPPETS:
            continue
        samples = testset_with_setups(testset) if rules.setups else testset
        if rules.kind == "audio":
            _zip_speech(testset, archive)
        else:
            make_submission("truth", samples, archive, challenge=preset, workers=1)
        words = ["score", str(archive), "-c", preset, "--testset", str(samples), "-b", "bundled", "-o", str(out)]
        words += ["--workers", "1", "--quiet", "--cache", str(folder / "cache")]
        result = CliRunner().invoke(command_line, words)
        columns = dict(Scorecard.load(out).metrics) if (out / "scorecard.json").exists() else {}
        yield ScoredPreset(preset, result.exit_code, result.output, columns)


@click.command()
@click.option("--people", type=int, default=3, show_default=True)
@click.option("--seconds", type=float, default=2.4, show_default=True)
@click.option("--work", type=click.Path(path_type=Path), help="Folder to keep the files in.")
def main(people: int, seconds: float, work: Path | None) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = work or Path(temporary)
        print("| preset | exit code | columns | without a value | values |\n|---|---|---|---|---|")
        for found in score_presets(make_world(folder, people, seconds), folder):
            missing = [f"{name}: {one.reason}" for name, one in found.columns.items() if one.value is None]
            values = [f"{name} {one.value:.4g}" for name, one in found.columns.items() if one.value is not None]
            told = "<br>".join(missing) or "none"
            print(f"| `{found.preset}` | {found.exit_code} | {len(found.columns)} | {told} | {', '.join(values)} |")


if __name__ == "__main__":
    main()
