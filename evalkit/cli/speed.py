"""``evalkit speed``: measure how fast a generator is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from evalkit.cli.options import as_json as json_option
from evalkit.cli.options import example, progress_on, quiet_option, say

INCOMPLETE = 3
SHOWN_FAILURES = 20


@click.group(
    epilog=example(
        "evalkit speed measure --testset testset/ -o lumen.speed.json \\",
        "    --command 'lumen --image {image} --audio {audio} --output {output}'",
    )
)
def speed() -> None:
    """Measure how fast generators are."""


@speed.command(
    epilog=example(
        "evalkit speed measure --testset testset/ -c mine.yaml --limit 10 -o lumen.speed.json \\",
        "    --command 'lumen --image {image} --audio {audio} --output {output}'",
        "evalkit speed measure --testset testset/ -o mine.speed.json --callable mymodel:generate --repeats 5",
        "evalkit speed measure --testset testset/ -o demo.speed.json --url http://127.0.0.1:8000/generate \\",
        "    --hardware 'NVIDIA H200, EPYC 9654, 16 cores'",
    )
)
@click.option("--testset", required=True, type=click.Path(path_type=Path), help="The test set.")
@click.option("--challenge", "-c", metavar="ID|FILE", help="Challenge whose frame rate and limits hold.")
@click.option(
    "--command", metavar="LINE", help="Run this program for each sample; {output} and other fields are filled in."
)
@click.option("--callable", "function", metavar="MODULE:FUNCTION", help="Call this Python function for each sample.")
@click.option("--url", metavar="ADDRESS", help="Send image and audio to this web service, which answers with a video.")
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
    from evalkit.challenges.model import Challenge, load_challenge
    from evalkit.files import write_text
    from evalkit.reference_models.generation.measuring import measure_speed
    from evalkit.reference_models.generation.requests import RequestBuilder
    from evalkit.testsets.loading import load_testset

    kind, options = _generator(command, function, url, time_limit)
    hardware = _hardware(hardware, url)
    rules = load_challenge(challenge) if challenge is not None else None
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


def _generator(
    command: str | None, function: str | None, url: str | None, time_limit: float
) -> tuple[str, dict[str, Any]]:
    """Return the kind of generator and its options."""
    if sum(word is not None for word in (command, function, url)) != 1:
        raise click.UsageError("Give --command, --callable or --url.")
    if command is not None:
        return "command", {"line": command}
    if function is not None:
        return "callable", {"function": function}
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
