"""``evalkit demo``: a small challenge from nothing to scorecards, on videos made on the spot."""

from __future__ import annotations

from pathlib import Path

import click

from evalkit.cli.options import example, progress_on, quiet_option, workers_option

SAMPLES = 6
SECONDS = 2.0
METRICS = ("psnr", "ssim", "ssim.rgb", "duration", "fps", "frozen_share")


@click.command(epilog=example("evalkit demo -o demo/"))
@click.option(
    "--output",
    "-o",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Folder for the demo.",
)
@workers_option
@quiet_option
def demo(output: Path, workers: int | None, quiet: bool) -> None:
    """Make a test set of moving shapes and three submissions, validate them and score two.

    Needs no weights and no network: only metrics without a backbone are used.
    """
    from evalkit import api
    from evalkit.cli.score import print_scorecard
    from evalkit.cli.validate import print_report
    from evalkit.reference_models import shapes

    progress = progress_on(quiet)
    click.echo(f"Making a test set of {SAMPLES} videos and three submissions in {output} ...")
    testset = shapes.write_testset(output / "testset", SAMPLES, SECONDS)
    teams = output / "submissions"
    sharp = shapes.write_submission(teams / "sharp.zip", SAMPLES, SECONDS, shapes.unchanged)
    blurred = shapes.write_submission(teams / "blurred.zip", SAMPLES, SECONDS, shapes.blur(2.0))
    short = shapes.write_submission(teams / "incomplete.zip", SAMPLES - 1, SECONDS, shapes.unchanged)
    for team in (sharp, blurred):
        click.echo(f"\nevalkit score {team} --challenge talking-head --testset {testset} --metrics {','.join(METRICS)}")
        card = api.score(
            team,
            "talking-head",
            testset,
            out=output / "scorecards" / team.stem,
            metrics=METRICS,
            workers=workers,
            cache=output / "cache",
            progress=progress,
        )
        print_scorecard(card)
        click.echo(f"Page: {output / 'scorecards' / team.stem / 'report.html'}")
    click.echo(f"\nevalkit validate {short} --challenge talking-head --testset {testset}")
    print_report(
        api.validate(short, "talking-head", testset, workers=workers, cache=output / "cache", progress=progress)
    )
