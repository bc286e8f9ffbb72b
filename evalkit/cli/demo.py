"""``evalkit demo``: a complete challenge with synthetic videos, from the test set to the leaderboard."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from evalkit.cli.options import as_json as json_option
from evalkit.cli.options import example, progress_on, quiet_option, say, workers_option
from evalkit.progress import Progress
from evalkit.text import count

if TYPE_CHECKING:
    from collections.abc import Callable

    from evalkit.challenges.model import Challenge
    from evalkit.cli.demo_board import Published
    from evalkit.reference_models.demo_challenge import DemoChallenge, DemoTeam
    from evalkit.reports.comparison.model import ScorecardComparison
    from evalkit.scoring.scorecard import Scorecard
    from evalkit.testsets.model import TestSet

PAGE = "compare.html"
Result = TypeVar("Result")


@click.command(epilog=example("evalkit demo -o demo/", "evalkit demo -o small/ --samples 4 --seed 7 --open"))
@click.option(
    "--output",
    "-o",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Folder for the demo; files that exist in it are kept.",
)
@click.option(
    "--seed",
    "-s",
    type=click.IntRange(0, 1_000_000),
    default=0,
    show_default=True,
    help="Another seed gives other people.",
)
@click.option("--samples", type=click.IntRange(3, 1000), default=12, show_default=True, help="Samples of the test set.")
@click.option("--seconds", type=float, default=2.4, show_default=True, help="Length of a clip.")
@click.option("--size", type=int, default=256, show_default=True, help="Width and height in pixels.")
@click.option("--open/--no-open", "open_page", default=False, help="Open the page in the browser at the end.")
@workers_option
@quiet_option
@json_option
def demo(
    output: Path,
    seed: int,
    samples: int,
    seconds: float,
    size: int,
    open_page: bool,
    workers: int | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Make a test set of talking puppets, generate submissions with baselines and controls, score, rate and rank them.

    Two more submissions are broken: one is scored in part, one is rejected. The raters are simulated; some of
    them are unreliable. Ends with leaderboard.html, beside compare.html and ratings.html. Needs no network connection.
    """
    from evalkit.cli.leaderboard import print_leaderboard
    from evalkit.leaderboard.serialise import as_dict
    from evalkit.reference_models.demo_challenge import DemoChallenge
    from evalkit.workers.pool import default_workers

    started = time.monotonic()
    show = DemoChallenge(output, seed, samples, seconds, size)
    run = _Run(show, workers or default_workers(), progress_on(quiet or as_json), quiet=quiet or as_json)
    comparison, published = run.everything()
    took = round(time.monotonic() - started, 1)
    if as_json:
        pages = {"page": str(published.page), "comparison": str(output / PAGE), "ratings": str(published.ratings_page)}
        document = {**comparison.to_json(), "folder": str(output), "board": str(published.board), **pages}
        more = {"leaderboard": as_dict(published.leaderboard), "seconds": took, "failures": run.failures}
        click.echo(json.dumps({**document, **more}, indent=1))
    else:
        print_leaderboard(published.leaderboard)
        say(f"Side by side: {output / PAGE}   Ratings: {published.ratings_page}   Board: {published.board}")
        say(f"Page: {published.page}   (made in {took:.0f} s)")
    if open_page:
        click.launch(published.page.resolve().as_uri())


class _Run:
    """The steps of one demo."""

    def __init__(self, show: DemoChallenge, workers: int, progress: Progress, *, quiet: bool) -> None:
        self._show = show
        self._workers = workers
        self._progress = progress
        self._quiet = quiet
        self.failures: dict[str, dict[str, str]] = {}

    def everything(self) -> tuple[ScorecardComparison, Published]:
        """Make the missing files and write the pages."""
        from evalkit.cli.demo_board import publish
        from evalkit.reference_models.demo_challenge import DAMAGED, REFUSED, TEAMS

        show = self._show
        show.claim()
        challenge = show.challenge()
        self._say(f"Challenge    {show.challenge_file}")
        testset = self._steps("test set", show.samples, lambda tick: show.testset(self._workers, tick))
        self._say(f"Test set     {show.testset_folder}: {count(len(testset), 'sample')}")
        for team in TEAMS:
            self._submit(team, testset)
        show.damaged(testset)
        show.refused(testset)
        self._say(f"Submissions  {show.submission_file(TEAMS[0]).parent}: {len(TEAMS)} good ones, 2 broken ones")
        cards = {team.name: self._score(team, challenge, testset) for team in (*TEAMS, DAMAGED)}
        self._say(f"Scorecards   {show.folder / 'scorecards'}: {len(cards)}")
        comparison = self._compare(cards, self._refuse(REFUSED, challenge, testset))
        submissions = {team.name: show.submission_file(team) for team in (*TEAMS, DAMAGED)}
        self._say(f"Ratings      {show.ratings_file}: simulated")
        self._say(f"Board        {show.folder / 'board.sqlite'}")
        published = publish(show, challenge, testset, cards, submissions, self._cache, self._workers, self._progress)
        return comparison, published

    def _submit(self, team: DemoTeam, testset: TestSet) -> None:
        if self._show.submission_file(team).is_file():
            return
        failed = self._steps(
            f"submission {team.name}",
            len(testset),
            lambda tick: self._show.submission(team, testset, self._workers, tick),
        )
        if failed:
            self.failures[team.name] = dict(failed)
            sample, reason = next(iter(failed.items()))
            self._say(f"  {team.name}: {len(failed)} of {count(len(testset), 'sample')} failed; {sample}: {reason}")

    def _score(self, team: DemoTeam, challenge: Challenge, testset: TestSet) -> Scorecard:
        from evalkit import api
        from evalkit.reference_models.demo_challenge import BACKBONES

        path, out = self._show.submission_file(team), self._show.folder / "scorecards" / team.name
        found = _fitting(out, path, challenge, testset)
        if found is not None:
            return found
        return api.score(
            path,
            challenge,
            testset,
            out=out,
            backbones=BACKBONES,
            workers=self._workers,
            cache=self._cache,
            progress=_Titled(self._progress, f"scoring {team.name}"),
        )

    def _refuse(self, team: DemoTeam, challenge: Challenge, testset: TestSet) -> Path:
        """Validate the submission that is refused; return the file with what was found."""
        from evalkit import api
        from evalkit.files import write_text

        report = api.validate(
            self._show.submission_file(team), challenge, testset, workers=self._workers, cache=self._cache
        )
        place = self._show.folder / "reports" / f"{team.name}.json"
        write_text(place, json.dumps(report.to_json(), indent=1) + "\n")
        return place

    def _compare(self, cards: dict[str, Scorecard], refused: Path) -> ScorecardComparison:
        from evalkit.reference_models.demo_challenge import DAMAGED, REFUSED, TEAMS
        from evalkit.reports.comparison.inputs import ComparedEntry, load_inputs
        from evalkit.reports.comparison.media import SubmissionMedia, read_filmstrips
        from evalkit.reports.comparison.model import make_comparison
        from evalkit.reports.comparison.page import render_comparison, shown_samples
        from evalkit.reports.page import write_page

        teams = (*TEAMS, DAMAGED)
        entries = [ComparedEntry(team.name, cards[team.name], team.note) for team in teams]
        _, unscored = load_inputs([refused], notes={REFUSED.name: REFUSED.note})
        comparison = make_comparison(entries, unscored)
        media = SubmissionMedia(
            {team.name: self._show.submission_file(team) for team in teams}, self._cache, self._workers, self._progress
        )
        frames = read_filmstrips(entries, shown_samples(comparison), media)
        write_page(render_comparison(comparison, frames), self._show.folder / PAGE)
        return comparison

    @property
    def _cache(self) -> Path:
        return self._show.folder / "cache"

    def _steps(self, title: str, total: int, work: Callable[[Callable[[str], None]], Result]) -> Result:

        with self._progress.stage(title, total) as progress:
            return work(lambda _: progress.advance())

    def _say(self, line: str) -> None:
        from evalkit.text import escape_for_display

        if not self._quiet:
            click.echo(escape_for_display(line, 500))


class _Titled(Progress):
    """A progress display whose stages have one title; those after the scoring say besides what they are."""

    def __init__(self, progress: Progress, title: str) -> None:
        self._progress, self._title = progress, title

    def start(self, title: str, total: int | None, done: int = 0, unit: str = "") -> None:
        """Start the stage under the title."""
        shown = self._title if title == "scoring" else f"{self._title}, {title}"
        self._progress.start(shown, total, done, unit)

    def advance(self, count: int = 1) -> None:
        """Pass the step on."""
        self._progress.advance(count)

    def finish(self) -> None:
        """Pass the end on."""
        self._progress.finish()


def _fitting(folder: Path, submission: Path, challenge: Challenge, testset: TestSet) -> Scorecard | None:
    """Return the scorecard in ``folder`` when it is of this submission, challenge, test set and set of backbones."""
    from evalkit._version import __version__
    from evalkit.errors import InputError
    from evalkit.reference_models.demo_challenge import BACKBONES
    from evalkit.scoring.scorecard import Scorecard
    from evalkit.submission.model import Submission

    try:
        card = Scorecard.load(folder)
    except InputError:
        return None
    recorded = card.provenance.get("testset")
    found = (
        card.submission.sha256,
        card.challenge.sha256,
        card.backbones,
        recorded.get("sha256") if isinstance(recorded, dict) else None,
        card.provenance.get("evalkit"),
    )
    wanted = (Submission.open(submission).sha256, challenge.scoring_sha256, BACKBONES, testset.sha256, __version__)
    return card if found == wanted else None
