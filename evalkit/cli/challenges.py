"""``evalkit challenges``: list, show, check and write challenge files."""

from __future__ import annotations

import json
from pathlib import Path

import click

from evalkit.cli.options import as_json as json_option
from evalkit.cli.options import example, say


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
    from evalkit.yamlio import read_text

    loaded = load_challenge(challenge)
    if as_json:
        document = {"schema": 1, "sha256": loaded.sha256, "challenge": loaded.model_dump(mode="json", by_alias=True)}
        click.echo(json.dumps(document, indent=1))
    elif challenge in preset_ids():
        click.echo(preset_text(challenge), nl=False)
    else:
        click.echo(read_text(Path(challenge), kind=ChallengeError, what="The challenge file"), nl=False)


@challenges.command("check", epilog=example("evalkit challenges check mine.yaml"))
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def check(file: Path, as_json: bool) -> None:
    """Check a challenge FILE: every key, every value, every metric's name."""
    from evalkit.challenges.model import load_challenge
    from evalkit.errors import ChallengeError, did_you_mean
    from evalkit.metrics.base import metric_registry
    from evalkit.validators.registry import rule_registry

    challenge = load_challenge(file)
    metrics = metric_registry()
    names = {*metrics, *(alias for metric in metrics.values() for alias in metric.record.aliases)}
    rules = rule_registry()
    unknown_rules = [rule for rule in challenge.submission.severities if rule not in rules]
    if unknown_rules:
        raise ChallengeError(
            f"{file}: 'submission.severities' names a rule that does not exist: '{unknown_rules[0]}'."
            f"{did_you_mean(unknown_rules[0], rules)}"
        )
    notes = [
        f"the metric '{entry.id}' is not installed here and would be unscored.{did_you_mean(entry.id, names)}"
        for entry in challenge.metrics
        if entry.id not in names
    ]
    if as_json:
        click.echo(
            json.dumps(
                {"schema": 1, "ok": True, "id": challenge.id, "sha256": challenge.sha256, "notes": notes}, indent=1
            )
        )
        return
    say(f"{file}: a valid challenge, id {challenge.id}, {len(challenge.metrics)} metrics.")
    for note in notes:
        say(f"  note: {note}")


@challenges.command("init", epilog=example("evalkit challenges init mine.yaml --from talking-head"))
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--from", "source", default="talking-head", show_default=True, help="Preset or file to start from.")
@click.option("--force", is_flag=True, help="Overwrite FILE.")
def init(file: Path, source: str, force: bool) -> None:
    """Write a new challenge FILE, starting from a preset."""
    import re

    from evalkit.challenges.model import load_challenge, preset_ids, preset_text
    from evalkit.errors import ChallengeError, UsageError
    from evalkit.files import write_text
    from evalkit.yamlio import read_text

    if file.exists() and not force:
        raise UsageError(f"{file} exists already.", fix="Choose another name, or pass --force.")
    load_challenge(source)  # a file may be the source too; a faulty one is refused here
    if source in preset_ids():
        text = preset_text(source)
    else:
        text = read_text(Path(source), kind=ChallengeError, what="The challenge file")
    name = re.sub(r"[^a-z0-9]+", "-", file.stem.lower()).strip("-")
    name = "my-challenge" if name in {"", "null"} else name  # in YAML both mean nothing
    write_text(file, re.sub(r"(?m)^id:.*$", f"id: {name}", text, count=1))
    say(f"Wrote {file}. Edit it, then run 'evalkit challenges check {file}'.")
