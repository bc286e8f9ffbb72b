"""``evalkit studio export`` and ``returned``: people of MTurk and Prolific."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from evalkit.cli.options import as_json as json_option
from evalkit.cli.options import example, say

PLATFORMS = ("mturk", "prolific")
PRIVATE = 0o600


@click.command(
    epilog=example(
        "evalkit studio export plan.json --to prolific --url https://rate.example.org -o prolific.json",
        "evalkit studio export plan.json --to mturk --url https://rate.example.org -o batch/",
    )
)
@click.argument("plan", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--to", "platform", required=True, type=click.Choice(PLATFORMS), help="The platform.")
@click.option("--url", required=True, metavar="URL", help="Where people reach 'evalkit studio serve'; https.")
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path), help="A JSON file; of mturk a folder.")
@json_option
def export(plan: Path, platform: str, url: str, output: Path, as_json: bool) -> None:
    """Write what a platform needs to send people to the study of PLAN.

    For Prolific the study's address with its placeholders, the completion code and the number of places; for MTurk a
    CSV with a HIT for each place, and the HIT's HTML with a field for the code. The plan needs a completion code.
    """
    from evalkit.studio.plan_model import read_plan
    from evalkit.studio.platforms.mturk import batch_table, hit_layout
    from evalkit.studio.platforms.prolific import prolific_study

    read = read_plan(plan)
    if platform == "prolific":
        study = prolific_study(read, url)
        found: dict[str, Any] = {"study": study}
        _write(output, json.dumps(study, indent=1) + "\n")
        lines = [
            f"Study address: {study['external_study_url']}",
            f"Record ids by URL parameters; completion code {study['completion_code']}; "
            f"{study['total_available_places']} places. The same is in {output}.",
        ]
        if "worker" not in read.page.keep:
            lines.append(
                "note: the plan keeps no worker ids ('keep: [worker]'), without which 'returned' matches nobody."
            )
    else:
        table, layout = batch_table(read, url), hit_layout(read)
        found = {"batch": str(output / "batch.csv"), "layout": str(output / "hit.html")}
        output.mkdir(parents=True, exist_ok=True)
        _write(output / "batch.csv", table)
        _write(output / "hit.html", layout)
        lines = [
            f"{output / 'hit.html'}: the layout of a project, with one assignment per HIT.",
            f"{output / 'batch.csv'}: publish a batch with it; each row is one person's link.",
        ]
    if as_json:
        click.echo(json.dumps({"schema": 1, "platform": platform, **found}, indent=1))
        return
    for line in lines:
        say(line)


@click.command(
    epilog=example(
        "evalkit studio returned ratings.csv --plan plan.json --from mturk results.csv -o ratings-status.csv",
        "evalkit studio returned ratings.csv --plan plan.json --from prolific export.csv -o ratings-status.csv",
    )
)
@click.argument("answers", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--plan", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The plan.")
@click.option(
    "--from",
    "source",
    required=True,
    type=(click.Choice(PLATFORMS), click.Path(exists=True, dir_okay=False, path_type=Path)),
    metavar="PLATFORM FILE",
    help="The platform and its file: batch results, or the export of submissions.",
)
@click.option(
    "--output", "-o", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The table for the import."
)
@json_option
def returned(answers: Path, plan: Path, source: tuple[str, Path], output: Path, as_json: bool) -> None:
    """Put the platform's word on each person beside their ANSWERS, the CSV that the organizer's page exports.

    'evalkit ratings import' of the new table changes nothing on the board but that: answers of people whom the platform
    refused, or who gave a wrong code, no longer count.
    """
    from evalkit.studio.plan_model import read_plan
    from evalkit.studio.platforms.returned import mturk_statuses, prolific_statuses, with_statuses

    platform, file = source
    read = read_plan(plan)
    status = prolific_statuses(file) if platform == "prolific" else mturk_statuses(file, read)
    table, counts = with_statuses(answers, status, read)
    _write(output, table)
    if as_json:
        click.echo(json.dumps({"schema": 1, "table": str(output), "answers": counts}, indent=1))
        return
    pairs = " --pairs" if read.method == "pairs" else ""
    refused = {word: number for word, number in counts.items() if word}
    said = ", ".join(f"{number} {word}" for word, number in sorted(refused.items())) or "none refused"
    say(f"{sum(counts.values())} answers: {said}. Next: evalkit ratings import {output}{pairs}")


def _write(path: Path, text: str) -> None:
    """Write a file for its owner's eyes alone: it has links' secrets, or people's ids."""
    import os

    from evalkit.files import atomic_write

    with atomic_write(path) as stream:
        os.fchmod(stream.fileno(), PRIVATE)
        stream.write(text.encode("utf-8"))
