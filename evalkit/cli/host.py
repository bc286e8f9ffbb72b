"""``evalkit host``: bundles for platforms that host challenges."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evalkit.cli.options import as_json as json_option
from evalkit.cli.options import backbones_option, example, progress_on, quiet_option, say

if TYPE_CHECKING:
    from evalkit.hosting.bundle import Choices

_PATH = click.Path(path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
output_option = click.option(
    "--output", "-o", "out", required=True, type=_PATH, metavar="FOLDER", help="Folder for what is written."
)
force_option = click.option("--force", is_flag=True, help="Replace what the command wrote there before.")
time_limit_option = click.option(
    "--time-limit",
    "seconds",
    type=click.FloatRange(min=60, max=7 * 86_400),
    metavar="SECONDS",
    help="Time for one submission (default: 600 on Codabench; with machines of your own 21600, on EvalAI 86400).",
)


@click.group(
    epilog=example(
        "evalkit host codabench mine.yaml -o bundle/ --testset testset/ -b bundled",
        "evalkit host evalai mine.yaml -o bundle/ --testset testset/",
        "evalkit host docker mine.yaml -o scorer/",
        "evalkit host check bundle/bundle.zip",
    )
)
def host() -> None:
    """Write what Codabench, EvalAI or a machine of your own needs to score submissions with evalkit."""


def bundle_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of every bundle; the command gets them as ``choices``."""

    @wraps(command)
    def collected(
        *,
        challenge: str,
        testset: Path | None,
        pack: Path | None,
        backbones: str,
        seconds: float | None,
        details: bool,
        phases: tuple[str, ...],
        opens: str | None,
        closes: str | None,
        terms: Path | None,
        logo: Path | None,
        **others: Any,
    ) -> None:
        from evalkit.hosting.bundle import read_choices

        choices = read_choices(
            challenge,
            backbones,
            testset,
            pack,
            terms,
            seconds=seconds,
            details=details,
            only=phases,
            opens=opens,
            closes=closes,
            logo=logo,
        )
        command(choices=choices, **others)

    options = (
        click.argument("challenge", metavar="ID|FILE"),
        output_option,
        click.option(
            "--testset", "-t", type=_PATH, help="The test set: the files that scoring reads go into the bundle."
        ),
        click.option(
            "--reference-pack",
            "pack",
            type=_FILE,
            metavar="FILE",
            help="A file of 'evalkit testset prepare' for the bundle: submissions are scored in less time.",
        ),
        backbones_option,
        time_limit_option,
        click.option("--details/--no-details", default=True, help="Show teams a page with every video (default: yes)."),
        click.option("--phase", "phases", multiple=True, metavar="ID", help="A phase in which teams hand in (all)."),
        click.option("--opens", metavar="TIME", help="Start of the only phase, without a schedule: '2026-03-01 AoE'."),
        click.option("--closes", metavar="TIME", help="End of the only phase, where the challenge has no schedule."),
        click.option("--terms", type=_FILE, metavar="FILE", help="Your terms, in the form the platform shows."),
        click.option("--logo", type=_FILE, metavar="FILE", help="A PNG or JPEG (default: drawn from the title)."),
        force_option,
        quiet_option,
        json_option,
    )
    for option in reversed(options):
        collected = option(collected)
    return collected


@host.command(
    epilog=example(
        "evalkit host codabench mine.yaml -o bundle/ --testset testset/ -b bundled --image you/faces:1",
        "evalkit host codabench talking-head -o bundle/ --opens '2026-03-01 AoE' --closes '2026-03-31 AoE'",
    )
)
@bundle_options
@click.option("--image", metavar="NAME", help="Name of the image where the platform's workers can pull it.")
@click.option("--queue", metavar="VHOST", help="Queue of your own workers (default: the platform's, with 600 s).")
def codabench(
    choices: Choices,
    out: Path,
    image: str | None,
    queue: str | None,
    force: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Write a bundle for Codabench: pages, phases, leaderboard, scoring program, image."""
    from evalkit.hosting.codabench.writing import write_codabench

    progress = progress_on(quiet)
    made = write_codabench(choices, out, image=image, queue=queue, force=force, progress=progress)
    _report("codabench", made, Path(made["bundle"]), out, as_json=as_json)


@host.command(
    epilog=example(
        "evalkit host evalai mine.yaml -o bundle/ --testset testset/ -b bundled",
        "evalkit host evalai mine.yaml -o bundle/ --testset testset/ --hosted",
    )
)
@bundle_options
@click.option("--hosted", is_flag=True, help="EvalAI's workers score, with the test set as annotation file.")
def evalai(choices: Choices, out: Path, hosted: bool, force: bool, quiet: bool, as_json: bool) -> None:
    """Write a configuration for EvalAI: pages, phases, leaderboard, evaluation scripts.

    Without --hosted a worker of your own scores, and the test set is not uploaded.
    """
    from evalkit.hosting.evalai.writing import write_evalai

    made = write_evalai(choices, out, hosted=hosted, force=force, progress=progress_on(quiet))
    _report("evalai", made, Path(made["bundle"]), out, as_json=as_json)


@host.command(
    epilog=example(
        "evalkit host docker mine.yaml -o scorer/ -b bundled",
        "docker build -t localhost/evalkit-mine:1 scorer/",
        "scorer/run.sh team.zip testset/ results/team",
    )
)
@click.argument("challenge", metavar="ID|FILE")
@output_option
@backbones_option
@time_limit_option
@click.option("--image", metavar="NAME", help="Name of the image (default: localhost/evalkit-CHALLENGE:VERSION).")
@force_option
@json_option
def docker(
    challenge: str,
    out: Path,
    backbones: str,
    seconds: float | None,
    image: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Write an image for a machine of your own, and the script that scores a ZIP in it without network."""
    from evalkit.hosting.bundle import read_choices
    from evalkit.hosting.docker import write_docker

    choices = read_choices(challenge, backbones, seconds=seconds)
    made = write_docker(choices, out, image=image, force=force)
    _report("docker", made, None, out, as_json=as_json)


@host.command(epilog=example("evalkit host check bundle/bundle.zip", "evalkit host check bundle/ --json"))
@click.argument("bundle", type=_PATH)
@json_option
def check(bundle: Path, as_json: bool) -> None:
    """Check BUNDLE, a ZIP or a folder, by the platform's rules. Exit code 1 when the platform would refuse it."""
    from evalkit.hosting.checking import check_bundle

    report = check_bundle(bundle)
    if as_json:
        document = {
            "schema": 1,
            "ok": report.ok,
            "platform": report.platform,
            "problems": list(report.problems),
            "notes": list(report.notes),
        }
        click.echo(json.dumps(document, indent=1))
    else:
        for word, lines in (("problem", report.problems), ("note", report.notes)):
            for line in lines:
                say(f"{word}: {line}")
        say(f"{bundle}: {'fits the rules of' if report.ok else 'would not work on'} {report.platform}.")
    if not report.ok:
        raise click.exceptions.Exit(1)


def _report(platform: str, made: dict[str, Any], checked: Path | None, out: Path, *, as_json: bool) -> None:
    """Check what was written, and print it."""
    from evalkit.hosting.checking import CheckReport, check_bundle

    report = check_bundle(checked) if checked is not None else CheckReport(platform, ())
    if as_json:
        document = {"schema": 1, "ok": report.ok, "platform": platform, "folder": str(out), **made}
        notes = {"problems": list(report.problems), "notes": list(report.notes)}
        click.echo(json.dumps({**document, **notes}, indent=1))
    else:
        for phase in made.get("phases", ()):
            say(f"phase {phase['id']}: {phase['start']} to {phase['end'] or 'open'} UTC")
        if "columns" in made:
            say(f"columns: {', '.join(made['columns'])}")
        if checked is not None:
            say(f"Bundle: {checked} ({made['bytes'] / 1e6:.1f} MB)")
        for word, lines in (("problem", report.problems), ("note", report.notes)):
            for line in lines:
                say(f"{word}: {line}")
        say(f"Next: {out / 'README.md'}")
    if not report.ok:
        raise click.exceptions.Exit(1)
