"""``evalkit testset from-truth`` and ``made-up-scores``: test sets for detectors."""

from __future__ import annotations

import json
from pathlib import Path

import click

from evalkit.cli.options import as_json as json_option
from evalkit.cli.options import challenge_option, example, say
from evalkit.text import count


@click.command(
    "from-truth",
    epilog=example(
        "evalkit testset from-truth truth.csv -o testset/", "evalkit testset from-truth truth.csv -o t --json"
    ),
)
@click.argument("table", metavar="TRUTH", type=click.Path(path_type=Path))
@click.option(
    "--output", "-o", required=True, type=click.Path(path_type=Path), help="Folder of the new test set; empty or new."
)
@click.option("--force", is_flag=True, help="Replace a test set that this command made.")
@json_option
def from_truth(table: Path, output: Path, force: bool, as_json: bool) -> None:
    """Make a test set for detectors of TRUTH, a CSV that says which videos are fake.

    Columns: video_id, label (1 or fake, 0 or real), and where known generator, identity, driver, dataset, quality,
    split, run, video. Rows of other splits than 'test' go to train.csv, for 'evalkit testset check'. The folder
    for-participants/ has the ids alone; the rest is the organizer's.
    """
    from evalkit import api
    from evalkit.text import escape_for_display

    made = api.testset_from_truth(table, output, replace=force)
    if as_json:
        click.echo(json.dumps(made.to_json(), indent=1))
        return
    labels = ", ".join(f"{number} {label}" for label, number in sorted(made.labels.items()))
    say(f"{count(made.samples, 'video')} in {made.path}: {labels}, {count(made.people, 'person', 'people')}.")
    for name, number in made.generators.items():
        say(f"  {escape_for_display(name or 'no generator')}: {count(number, 'fake')}")
    if made.runs:
        say(
            f"  {count(len(made.runs), 'run')}, a table of scores each: {escape_for_display(', '.join(made.runs), 300)}"
        )
    for split, number in made.others.items():
        say(f"  {count(number, 'row')} of the split {escape_for_display(split)}: in train.csv, not in the test set")
    say(f"Publish {made.public} alone: samples.jsonl beside it says which videos are fake.")


@click.command(
    "made-up-scores",
    epilog=example("evalkit testset made-up-scores made-up/ --challenge talkingheadbench-p3 --seed 1"),
)
@click.argument("folder", type=click.Path(path_type=Path))
@challenge_option
@click.option("--people", type=click.IntRange(2, 2000), default=60, show_default=True, help="People in the test.")
@click.option(
    "--generators", type=click.IntRange(1, 40), default=3, show_default=True, help="How many makers of fakes."
)
@click.option(
    "--seed", "-s", type=click.IntRange(min=0), default=0, show_default=True, help="Another seed, other scores."
)
@json_option
def made_up_scores(folder: Path, challenge: str, people: int, generators: int, seed: int, as_json: bool) -> None:
    """Write a made-up truth.csv and submissions of made-up detectors to FOLDER, to try a challenge out.

    Nothing is detected: scores are drawn at random. Of the four detectors one is good, one too sure of itself, one
    gives no score for some videos, and one guesses.
    """
    from evalkit.challenges.model import load_challenge
    from evalkit.reference_models.made_up_scores import make_scores

    made = make_scores(folder, load_challenge(challenge), people=people, generators=generators, seed=seed)
    if as_json:
        files = [str(path) for path in made.submissions]
        click.echo(json.dumps({"schema": 1, "ok": True, "truth": str(made.truth), "submissions": files}, indent=1))
        return
    say(f"Made up, for {count(made.videos, 'video')}: {made.truth}")
    for path in made.submissions:
        say(f"  {path}")
