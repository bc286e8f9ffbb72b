"""``evalkit baseline``: make submissions with the bundled baselines and controls, or with your own model."""

from __future__ import annotations

import json
import shlex
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evalkit.cli.options import as_json as json_option
from evalkit.cli.options import backbones_option, debugging, example, progress_on, quiet_option, say, workers_option
from evalkit.text import count

if TYPE_CHECKING:
    from evalkit.reference_models.generation.submission import GenerationRun
    from evalkit.reference_models.generators.base import GeneratorRecord

AT_FAULT, INCOMPLETE = 1, 3


@click.group(
    epilog=example(
        "evalkit baseline list",
        "evalkit baseline run warp --testset testset/ -o warp.zip",
    )
)
def baseline() -> None:
    """Make submissions with baselines, controls, or your own model."""


@baseline.command("list", epilog=example("evalkit baseline list --json"))
@json_option
def list_(as_json: bool) -> None:
    """List the installed generators and their options."""
    from evalkit.reference_models.generators.base import generator_registry

    records = [kind.record for _, kind in sorted(generator_registry().items())]
    if as_json:
        click.echo(json.dumps({"schema": 1, "generators": [record_json(record) for record in records]}, indent=1))
        return
    width = max(len(record.name) for record in records)
    for record in records:
        kind = "control" if record.control else "generator"
        click.echo(f"{record.name:{width}}  {kind:9}  {record.title}")
        for option in record.options:
            click.echo(
                f"{'':{width}}             --set {option.name}={option.default}  {option.help}; {option.range_text}"
            )


def record_json(record: GeneratorRecord) -> dict[str, Any]:
    """Return the record as plain data."""
    return {
        "name": record.name,
        "title": record.title,
        "needs": sorted(record.needs),
        "control": record.control,
        "options": [
            {
                "name": option.name,
                "default": option.default,
                "help": option.help,
                "low": option.low,
                "high": option.high,
                "choices": list(option.choices),
            }
            for option in record.options
        ],
    }


@baseline.command(
    "run",
    epilog=example(
        "evalkit baseline run warp --testset testset/ -o warp.zip",
        "evalkit baseline run late --testset testset/ -o late.zip --set frames=-6",
        "evalkit baseline run --testset testset/ -o mine.zip --command \\",
        "    'python my.py --image {image} --audio {audio} --text {text} --output {output}'",
        "evalkit baseline run --testset testset/ -o mine.zip --callable mymodel:generate",
    ),
)
@click.argument("name", required=False)
@click.option("--testset", "-t", required=True, type=click.Path(path_type=Path), help="The test set.")
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path), help="The ZIP to write.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="An option of the generator; repeatable.")
@click.option(
    "--seed", "-s", type=int, default=0, show_default=True, help="Another seed gives other blinks and jitter."
)
@click.option(
    "--challenge", "-c", metavar="ID|FILE", help="Challenge whose layout and rules the ZIP follows (default: {id}.mp4)."
)
@click.option("--limit", type=click.IntRange(min=1), help="Only the first samples.")
@backbones_option
@click.option(
    "--command", metavar="LINE", help="Run this program for each sample; {output} and other fields are filled in."
)
@click.option("--callable", "function", metavar="MODULE:FUNCTION", help="Call this Python function for each sample.")
@click.option(
    "--time-limit",
    type=click.FloatRange(min=0, min_open=True),
    default=600.0,
    show_default=True,
    help="Seconds per sample.",
)
@click.option("--no-speed", is_flag=True, help="Leave speed.json out, so that the ZIP has the same bytes every time.")
@click.option(
    "--resume/--fresh",
    default=True,
    help="Take over the clips of a run that was stopped (default), or make all of them again.",
)
@workers_option
@quiet_option
@json_option
def run(
    name: str | None,
    testset: Path,
    output: Path,
    settings: tuple[str, ...],
    seed: int,
    challenge: str | None,
    limit: int | None,
    backbones: str,
    command: str | None,
    function: str | None,
    time_limit: float,
    no_speed: bool,
    resume: bool,
    workers: int | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Run the generator NAME over a test set and write a submission.

    A sample that can't be generated is left out and reported; the exit code is then 3. With --challenge every file is
    checked as 'evalkit validate' does. A file that breaks a rule stays in the ZIP and is reported; the exit code is
    then 1. A run that is stopped keeps its finished clips in the folder OUTPUT.clips; the same command continues.
    speed.json in the ZIP has the speed: measure it with --workers 1 on an idle machine.
    """
    from evalkit.reference_models.generation.submission import make_submission
    from evalkit.testsets.loading import load_testset
    from evalkit.workers.pool import default_workers

    chosen, options = _generator(name, command, function, settings)
    samples = load_testset(testset).limited(limit)
    with progress_on(quiet or as_json).stage("generating", len(samples)) as progress:
        done = make_submission(
            chosen,
            samples,
            output,
            options=options,
            seed=seed,
            workers=workers or default_workers(),
            backbones=backbones,
            challenge=challenge,
            progress=lambda _: progress.advance(),
            warn=progress.warn,
            sample_seconds=time_limit,
            with_speed=not no_speed,
            fresh=not resume,
        )
    if debugging():
        for sample, trace in done.tracebacks.items():
            say(f"traceback of {sample}:", err=True)
            for line in trace.splitlines():
                say(line, err=True)
    if as_json:
        click.echo(json.dumps(run_json(done, chosen), indent=1))
    else:
        _print(done, len(samples))
        _print_rules(done, challenge, testset)
    if not done.valid:
        raise click.exceptions.Exit(AT_FAULT)
    if done.failures:
        raise click.exceptions.Exit(INCOMPLETE)


def run_json(done: GenerationRun, name: str) -> dict[str, Any]:
    """Return the result of a run as plain data."""
    return {
        "schema": 1,
        "ok": done.ok,
        "generator": name,
        "submission": str(done.path),
        "made": list(done.made),
        "kept": list(done.kept),
        "failures": dict(done.failures),
        "refused": list(done.refused),
        "findings": [finding.to_json() for finding in done.all_findings()],
        "speed": done.speed,
    }


def _generator(
    name: str | None, command: str | None, function: str | None, settings: tuple[str, ...]
) -> tuple[str, dict[str, str]]:
    """Return the name of the generator, and its options as text."""
    options: dict[str, str] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise click.UsageError(f"--set expects NAME=VALUE, found '{setting}'.")
        if key in options:
            raise click.UsageError(f"--set names '{key}' twice.")
        options[key] = value
    if sum(word is not None for word in (name, command, function)) != 1:
        raise click.UsageError("Give the name of one generator, or --command, or --callable.")
    if command is not None:
        return "command", {**options, "line": command}
    if function is not None:
        return "callable", {**options, "function": function}
    return str(name), options


def _print(done: GenerationRun, total: int) -> None:
    from evalkit.text import escape_for_display

    for sample, reason in list(done.failures.items())[:20]:
        click.echo(f"not made {escape_for_display(sample)}: {escape_for_display(reason, limit=600)}", err=True)
    if len(done.failures) > 20:
        click.echo(f"... and {len(done.failures) - 20} more", err=True)
    if done.tracebacks and not debugging():
        click.echo("--debug shows the tracebacks.", err=True)
    summary = done.speed["summary"]
    fps = f"{_number(summary['fps'])} frames/s" if summary["fps"]["median"] is not None else "frames/s not measured"
    speed = f"{fps}, real-time factor {_number(summary['rtf'])}"
    first = _number(summary["time_to_first_frame"])
    first = f"after {first} s" if summary["time_to_first_frame"]["median"] is not None else first
    kept = f" ({len(done.kept)} kept from a run that was stopped)" if done.kept else ""
    say(f"{len(done.made)} of {count(total, 'sample')} in {done.path}{kept}.")
    click.echo(f"Medians: {speed}, first frame {first} ({done.speed['workers']} at a time).")


MOST_NAMES = 5  # of the samples that break one rule


def _print_rules(done: GenerationRun, challenge: str | None, testset: Path) -> None:
    """Print a line for each broken rule of severity error, and what to do."""
    from evalkit.reference_models.generation.submission import finding_text

    broken = defaultdict(list)
    for finding in done.all_findings():
        if finding.severity == "error":
            broken[finding.rule].append(finding)
    if done.refused:
        say(
            f"{len(done.refused)} of {count(len(done.made), 'video')} would be refused by the challenge's rules:",
            err=True,
        )
    elif broken:
        say("The ZIP breaks the challenge's rules:", err=True)
    for rule, findings in broken.items():
        names = list(dict.fromkeys(finding.sample for finding in findings if finding.sample is not None))
        more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        which = f"{', '.join(names[:MOST_NAMES])}{more}: " if names else ""
        say(f"  {rule}: {which}{finding_text(findings[0])}", err=True)
    if done.refused:
        fixed = done.path.with_name(f"{done.path.stem}-repaired.zip")
        words = ("evalkit", "repair", done.path, "-c", challenge, "--testset", testset, "-o", fixed)
        say(f"Correct the generator, or try: {shlex.join(map(str, words))}", err=True)


def _number(spread: dict[str, float | None]) -> str:
    median = spread["median"]
    return "not measured" if median is None else f"{median:.3g}"
