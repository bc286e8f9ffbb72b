"""``evalkit speed``: measure how fast a generator is, and bring measurements onto a board."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from evalkit.cli.board.teams import why_option
from evalkit.cli.options import as_json as json_option
from evalkit.cli.options import (
    as_of_option,
    board_option,
    by_option,
    example,
    moment,
    progress_on,
    quiet_option,
    say,
    who,
)

INCOMPLETE = 3
SHOWN_FAILURES = 20


@click.group(
    epilog=example(
        "evalkit speed measure --testset testset/ -o lumen.speed.json \\",
        "    --command 'lumen --image {image} --audio {audio} --output {output}'",
    )
)
def speed() -> None:
    """Measure how fast generators are, and import measurements into a board."""


@speed.command(
    epilog=example(
        "evalkit speed measure --testset testset/ -c mine.yaml --limit 10 -o lumen.speed.json \\",
        "    --command 'lumen --image {image} --audio {audio} --output {output}'",
        "evalkit speed measure --testset testset/ -o mine.speed.json --callable mymodel:generate --repeats 5",
        "evalkit speed measure --testset testset/ -o demo.speed.json --url http://127.0.0.1:8000/generate \\",
        "    --hardware 'NVIDIA H200, EPYC 9654, 16 cores'",
        "evalkit speed measure --testset testset/ -o app.speed.json --url http://127.0.0.1:7860/ --gradio generate \\",
        "    --hardware 'NVIDIA H200, EPYC 9654, 16 cores'",
    )
)
@click.option("--testset", "-t", required=True, type=click.Path(path_type=Path), help="The test set.")
@click.option("--challenge", "-c", metavar="ID|FILE", help="Challenge whose frame rate and limits hold.")
@click.option(
    "--command", metavar="LINE", help="Run this program for each sample; {output} and other fields are filled in."
)
@click.option("--callable", "function", metavar="MODULE:FUNCTION", help="Call this Python function for each sample.")
@click.option("--url", metavar="ADDRESS", help="Send image and audio to this web service, which answers with a video.")
@click.option(
    "--gradio", metavar="ENDPOINT", help="With --url: the address is a Gradio app's, and this endpoint makes the video."
)
@click.option(
    "--hardware", metavar="TEXT", help="What the generator runs on; needed with --url (default: this machine)."
)
@click.option("--limit", type=click.IntRange(min=1), help="Only the first samples.")
@click.option(
    "--warm-ups", type=click.IntRange(0, 100), default=1, show_default=True, help="Runs first that are not timed."
)
@click.option(
    "--repeats", type=click.IntRange(1, 1000), default=3, show_default=True, help="Timed runs of every sample."
)
@click.option(
    "--time-limit",
    type=click.FloatRange(min=0, min_open=True),
    default=600.0,
    show_default=True,
    help="Seconds for one run.",
)
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Write the measurement to this file."
)
@quiet_option
@json_option
def measure(
    testset: Path,
    challenge: str | None,
    command: str | None,
    function: str | None,
    url: str | None,
    gradio: str | None,
    hardware: str | None,
    limit: int | None,
    warm_ups: int,
    repeats: int,
    time_limit: float,
    output: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Measure a generator over samples of a test set, one at a time, after warm-ups.

    Each sample is generated several times; its numbers are the medians. What is printed are medians and quartiles over
    the samples. Measure on an idle machine. A sample that fails is named, and the exit code is then 3.
    """
    from evalkit.challenges.model import Challenge, load_challenge, require_videos
    from evalkit.files import write_text
    from evalkit.reference_models.generation.measuring import measure_speed
    from evalkit.reference_models.generation.requests import RequestBuilder
    from evalkit.testsets.loading import load_testset

    kind, options = _generator(command, function, url, gradio, time_limit)
    hardware = _hardware(hardware, url)
    rules = load_challenge(challenge) if challenge is not None else None
    if rules is not None:
        require_videos(rules, "'evalkit speed'")
    samples = load_testset(testset).limited(limit)
    requests = RequestBuilder(samples, rules, 0)
    rate = (rules or Challenge(id="any", title="any")).speed.frame_rate
    with progress_on(quiet or as_json).stage("measuring", warm_ups + repeats * len(samples)) as progress:
        done = measure_speed(
            kind,
            options,
            requests,
            warm_ups=warm_ups,
            repeats=repeats,
            frame_rate=rate,
            hardware=hardware,
            time_limit=time_limit,
            advance=progress.advance,
        )
    text = json.dumps(done.document, indent=1, allow_nan=False) + "\n"
    if output is not None:
        write_text(output, text)
    if as_json:
        click.echo(text, nl=False)
    else:
        _print(done.document, output)
    if done.failures:
        raise click.exceptions.Exit(INCOMPLETE)


@speed.command(
    "import",
    epilog=example(
        "evalkit speed import lumen.speed.json --board board.sqlite --team lumen",
        "evalkit speed import speed.csv --board board.sqlite",
    ),
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@board_option
@click.option("--team", metavar="TEAM", help="Whose speed FILE is; for what 'evalkit speed measure' wrote.")
@click.option("--run", metavar="RUN", help="Which run of the team (default: its only one).")
@by_option
@json_option
def import_(file: Path, board: str, team: str | None, run: str | None, by: str | None, as_json: bool) -> None:
    """Import measurements of speed into a board, in one step: all of them, or none.

    FILE is what 'evalkit speed measure' wrote, which counts as measured by the organizer, or a CSV with the columns
    team, sample, seconds, frames, hardware, who, and where known run, clip_seconds, time_to_first_frame,
    end_to_end_seconds, peak_bytes, timed; that counts as imported. For a run the newest import of the most trusted
    source counts. Importing the same file again adds nothing.
    """
    import hashlib

    from evalkit.board import Board
    from evalkit.errors import InputError
    from evalkit.speed.document import is_measurement
    from evalkit.speed.table import TeamSpeed, read_file, read_measurement, read_speed_table
    from evalkit.text import count

    data, name, person = read_file(file), file.name, who(by)
    measured: list[TeamSpeed]
    if is_measurement(data):
        if team is None:
            raise click.UsageError("Say with --team whose speed the file is.")
        measured, form = [read_measurement(data, name, team, run, person)], "speed measurement"
    elif data.lstrip()[:1] == b"{":
        raise InputError(
            f"{name} was not written by 'evalkit speed measure'.",
            fix="A team's own speed.json belongs into its ZIP, or beside it when it is scored.",
        )
    else:
        if team is not None or run is not None:
            raise click.UsageError("--team and --run are for measurements; a CSV has columns of these names.")
        measured, form = read_speed_table(data, name), "speed table"
    with Board.open(board) as opened:
        done = opened.import_speed(
            measured,
            source=name,
            sha256=hashlib.sha256(data).hexdigest(),
            form=form,
            trusted="measured" if form == "speed measurement" else "imported",
            by=person,
        )
    if as_json:
        click.echo(json.dumps({"schema": 1, "import": done.number, "new": done.new, "known": done.known}, indent=1))
    elif done.number is None:
        say(f"The board holds {name} already: {count(done.known, 'sample')}.")
    else:
        runs = count(len(measured), "run")
        say(f"Imported {count(done.new, 'sample')} of {runs} from {name}.")
        click.echo(f"Import {done.number}; 'evalkit speed undo {done.number} --why TEXT' takes it back.")


@speed.command(epilog=example("evalkit speed undo 3 --board board.sqlite --why 'the GPU was shared'"))
@click.argument("number", metavar="IMPORT", type=click.IntRange(min=1, max=2**31 - 1))
@board_option
@why_option
@by_option
@json_option
def undo(number: int, board: str, why: str, by: str | None, as_json: bool) -> None:
    """Take an import of measurements back: it no longer counts; --as-of a time before shows it.

    IMPORT is the number that 'evalkit speed import' and 'evalkit speed list' show.
    """
    from evalkit.board import Board
    from evalkit.errors import InputError
    from evalkit.text import count

    with Board.open(board) as opened:
        held = {one.number for one in opened.snapshot().speeds}
        if number not in held:
            raise InputError(
                f"Import {number} is none of measurements of speed.",
                expected=", ".join(map(str, sorted(held))) or "one that holds measurements; there is none",
                fix="'evalkit ratings undo' takes imports of ratings back.",
            )
        done = opened.undo_import(number, by=who(by), why=why)
    if as_json:
        document = {"schema": 1, "import": number, "file": done.file, "removed": done.measurements}
        click.echo(json.dumps(document, indent=1))
    else:
        say(f"Import {number} of {done.file} is undone: {count(done.measurements, 'sample')} removed.")


@speed.command("list", epilog=example("evalkit speed list --board board.sqlite"))
@board_option
@as_of_option
@json_option
def list_(board: str, as_of: str | None, as_json: bool) -> None:
    """List the measurements on a board, and which of them counts for its run."""
    from evalkit.board import Board
    from evalkit.board.speeds import counting_speed
    from evalkit.speed.model import SOURCES
    from evalkit.text import count

    with Board.open(board) as opened:
        snapshot = opened.snapshot(moment(as_of))
    counting = [counting_speed(snapshot, run) for run in snapshot.runs]
    rows = [
        {
            "import": one.number,
            "team": one.team,
            "run": one.run,
            "source": one.source,
            "hardware": one.hardware,
            "timed": one.timed,
            "who": one.who,
            "samples": len(one.samples),
            "counts": one in counting,
        }
        for one in snapshot.speeds
    ]
    if as_json:
        click.echo(json.dumps({"schema": 1, "measurements": rows}, indent=1))
        return
    for row, one in zip(rows, snapshot.speeds, strict=True):
        run = f"/{one.run}" if one.run is not None else ""
        state = "" if row["counts"] else "; does not count"
        say(
            f"import {one.number}: {one.team}{run}, {count(len(one.samples), 'sample')} {SOURCES[one.source]} "
            f"({one.who}) on {one.hardware}{state}"
        )
    if not rows:
        click.echo("None.")


def _generator(
    command: str | None, function: str | None, url: str | None, gradio: str | None, time_limit: float
) -> tuple[str, dict[str, Any]]:
    """Return the kind of generator and its options."""
    if sum(word is not None for word in (command, function, url)) != 1:
        raise click.UsageError("Give --command, --callable or --url.")
    if gradio is not None and url is None:
        raise click.UsageError("--gradio needs --url, the address of the app.")
    if command is not None:
        return "command", {"line": command}
    if function is not None:
        return "callable", {"function": function}
    if gradio is not None:
        return "gradio", {"address": str(url), "endpoint": gradio, "time_limit": time_limit}
    return "url", {"address": str(url), "time_limit": time_limit}


def _hardware(hardware: str | None, url: str | None) -> str | None:
    """Return what was given, checked; a web service may run anywhere."""
    from evalkit.speed.model import HARDWARE_LENGTH

    if hardware is None:
        if url is not None:
            raise click.UsageError("--url needs --hardware: only its owner knows what a web service runs on.")
        return None
    words = " ".join(hardware.split())
    if not 0 < len(words) <= HARDWARE_LENGTH:
        raise click.UsageError(f"--hardware needs 1 to {HARDWARE_LENGTH} characters.")
    return words


def _print(document: dict[str, Any], output: Path | None) -> None:
    from evalkit.metrics.base import metric_registry
    from evalkit.speed.document import read_report
    from evalkit.speed.model import TIMED
    from evalkit.text import count

    report = read_report(json.dumps(document).encode())
    runs = f"{count(document['repeats'], 'timed run')} each after {count(document['warm_ups'], 'warm-up')}"
    say(f"{count(len(report.samples), 'sample')}, {runs}, on {report.hardware}.")
    click.echo(f"Timed: {TIMED[report.timed]}.")
    records = metric_registry()
    for name, spread in document["summary"].items():
        if name == "samples":
            continue
        if spread["median"] is None:
            click.echo(f"  {name:15} not measured")
            continue
        unit = records[name].record.unit
        click.echo(f"  {name:15} {spread['median']:.4g} {unit} (quartiles {spread['q25']:.4g} to {spread['q75']:.4g})")
    failures = list(document["failures"].items())
    for sample, why in failures[:SHOWN_FAILURES]:
        say(f"not measured {sample}: {why}", err=True)
    if len(failures) > SHOWN_FAILURES:
        click.echo(f"... and {len(failures) - SHOWN_FAILURES} more", err=True)
    if output is not None:
        say(f"Measurement: {output}")
