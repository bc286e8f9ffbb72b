"""``evalkit challenges``: list, show, check and write challenge files."""

from __future__ import annotations

import json
from pathlib import Path

import click

from evalkit.cli.options import as_json as json_option
from evalkit.cli.options import backbones_option, example, say
from evalkit.text import count

_ABOUT_DEFAULTS = (
    "# The leaderboard marks these values as evalkit's own: take off the list what you have chosen yourself."
)


@click.group(epilog=example("evalkit challenges list", "evalkit challenges init mine.yaml --from talking-head"))
def challenges() -> None:
    """List, show, check and write challenges."""


@challenges.command("list", epilog=example("evalkit challenges list --json"))
@json_option
def list_(as_json: bool) -> None:
    """List the built-in challenges."""
    from evalkit.challenges.model import load_challenge, preset_ids

    known = [load_challenge(preset) for preset in preset_ids()]
    if as_json:
        rows = [{"id": c.id, "title": c.title, "url": c.url, "layouts": c.submission.layouts} for c in known]
        click.echo(json.dumps({"schema": 1, "challenges": rows}, indent=1))
        return
    width = max(len(challenge.id) for challenge in known)
    for challenge in known:
        say(f"{challenge.id:{width}}  {challenge.title}")


@challenges.command("show", epilog=example("evalkit challenges show talking-head"))
@click.argument("challenge")
@json_option
def show(challenge: str, as_json: bool) -> None:
    """Print the YAML of CHALLENGE, a preset's id or a file."""
    from evalkit.challenges.model import load_challenge, preset_ids, preset_text
    from evalkit.errors import ChallengeError
    from evalkit.reports.leaderboard.rules import rule_rows
    from evalkit.yamlio import read_text

    loaded = load_challenge(challenge)
    if as_json:
        document = {
            "schema": 1,
            "sha256": loaded.sha256,
            "scoring_sha256": loaded.scoring_sha256,
            "challenge": loaded.model_dump(mode="json", by_alias=True),
            "evalkit_defaults": [name for name, _, default in rule_rows(loaded) if default],
        }
        click.echo(json.dumps(document, indent=1))
    elif challenge in preset_ids():
        click.echo(preset_text(challenge), nl=False)
    else:
        click.echo(read_text(Path(challenge), kind=ChallengeError, what="The challenge file"), nl=False)


@challenges.command(
    "check",
    epilog=example(
        "evalkit challenges check mine.yaml",
        "evalkit challenges check mine.yaml -b bundled",
        "evalkit challenges check mine.yaml --testset testset/",
    ),
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--testset",
    "-t",
    type=click.Path(path_type=Path),
    help="The test set: are its groups of people large enough to rank by them?",
)
@backbones_option
@json_option
def check(file: Path, testset: Path | None, backbones: str, as_json: bool) -> None:
    """Check that the challenge FILE can be scored and ranked with what is installed.

    Every key and value, names of metrics, rules and codecs, the ranking, and the weights that the metrics need. Exit
    code 0 when submissions can be scored and ranked, 2 when the file is at fault, 4 when this machine lacks something.
    """
    from evalkit.challenge_check import check_challenge
    from evalkit.challenges.model import load_challenge
    from evalkit.testsets.loading import load_testset
    from evalkit.weights.manifest import load_backbones

    samples = None if testset is None else load_testset(testset)
    report = check_challenge(load_challenge(file), load_backbones(backbones), samples)
    if as_json:
        click.echo(json.dumps(report.to_json(), indent=1))
    else:
        about = f"id {report.challenge.id}, {count(len(report.challenge.metrics), 'metric')}"
        if report.ok:
            say(f"{file}: a valid challenge, {about}. It can be scored and ranked here.")
        elif report.faults:
            say(f"{file}: can't work as it is ({about}).")
        else:
            say(f"{file}: a valid challenge, {about}. It can't be scored and ranked with what is installed here.")
        for word, lines in (("fault", report.faults), ("missing", report.missing), ("note", report.notes)):
            for line in lines:
                say(f"  {word}: {line}")
    if not report.ok:
        raise click.exceptions.Exit(report.exit_code)


@challenges.command(
    "init",
    epilog=example("evalkit challenges init mine.yaml --from talking-head", "evalkit challenges init mine.yaml --full"),
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--from", "source", default="talking-head", show_default=True, help="Preset or file to start from.")
@click.option("--full", is_flag=True, help="Write every key; those that are not set are comments with their defaults.")
@click.option("--force", is_flag=True, help="Overwrite FILE.")
def init(file: Path, source: str, full: bool, force: bool) -> None:
    """Write a new challenge FILE, starting from a preset."""
    import re

    from evalkit.challenges.full_text import full_text
    from evalkit.challenges.model import load_challenge, preset_ids, preset_text
    from evalkit.errors import ChallengeError, UsageError
    from evalkit.files import write_text
    from evalkit.yamlio import read_text

    if file.exists() and not force:
        raise UsageError(f"{file} exists already.", fix="Choose another name, or pass --force.")
    loaded = load_challenge(source)  # a file may be the source too; a faulty one is refused here
    if source in preset_ids():
        text = preset_text(source)
    else:
        text = read_text(Path(source), kind=ChallengeError, what="The challenge file")
    name = re.sub(r"[^a-z0-9]+", "-", file.stem.lower()).strip("-")
    name = "my-challenge" if name in {"", "null"} else name  # in YAML both mean nothing
    text = re.sub(r"(?m)^id:.*$", f"id: {name}", full_text(loaded) if full else text, count=1)
    if source in preset_ids():  # what a preset says of itself is not true of a challenge made from it
        text = re.sub(r"\A(#.*\n)+", f"{'#' if full else ''}# Made from evalkit's preset '{source}'.\n", text)
        text = re.sub(r"(?m)^(title:.*) \(evalkit's own\)", r"\1", text, count=1)
    text = re.sub(r"(?m)^(?=evalkit_defaults:)", f"{'#' if full else ''}{_ABOUT_DEFAULTS}\n", text, count=1)
    write_text(file, text)
    say(f"Wrote {file}. Edit it, then run 'evalkit challenges check {file}'.")
