"""The second half of the demo: simulated ratings, the board, the leaderboard and the report on the ratings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evalkit.board import Board
    from evalkit.challenges.model import Challenge
    from evalkit.leaderboard.model import Leaderboard
    from evalkit.progress import Progress
    from evalkit.reference_models.demo_challenge import DemoChallenge
    from evalkit.scoring.scorecard import Scorecard
    from evalkit.testsets.model import TestSet

BY = "demo"
SCREENED = ("speeders", "straight-liners")


@dataclass(frozen=True)
class Published:
    """The results: the leaderboard and the files."""

    leaderboard: Leaderboard
    board: Path
    page: Path
    ratings_page: Path


def publish(
    show: DemoChallenge,
    challenge: Challenge,
    testset: TestSet,
    cards: Mapping[str, Scorecard],
    submissions: Mapping[str, Path],
    cache: Path,
    workers: int,
    progress: Progress,
) -> Published:
    """Complete the demo's board, and write the leaderboard, its tables and the report on the ratings."""
    from evalkit.cli.leaderboard import TABLES, beside_page, write_table, write_teams
    from evalkit.cli.ratings.importing import RatingsInput, import_ratings
    from evalkit.leaderboard.compute import compute_leaderboard
    from evalkit.rating_report.compute import compute_rating_report
    from evalkit.rating_report.screening import propose_exclusions
    from evalkit.reports.audience import leaderboard_for
    from evalkit.reports.leaderboard.page import render_leaderboard
    from evalkit.reports.page import write_page
    from evalkit.reports.ratings_page import render_ratings_report

    place = show.folder / "board.sqlite"
    with _opened(place, challenge, show, testset) as board:
        _add_runs(board, cards, submissions, cache, workers, progress)
        if not (show.ratings_file.is_file() and show.key_file.is_file()):
            show.ratings(
                [
                    (name, video.sample)
                    for name, card in cards.items()
                    for video in card.videos
                    if _is_watchable(video.verdict)
                ]
            )
        import_ratings(board, RatingsInput(show.ratings_file, key=show.key_file), by=BY)
        found = propose_exclusions(board.snapshot(), SCREENED)
        if found:
            board.exclude("rater", found, by=BY)
        snapshot = board.snapshot()
    page, ratings_page = show.folder / "leaderboard.html", show.folder / "ratings.html"
    write_page(render_ratings_report(snapshot, compute_rating_report(snapshot), "organizers"), ratings_page)
    leaderboard = compute_leaderboard(snapshot)
    beside = beside_page(leaderboard_for("public", snapshot, leaderboard)[1], page, teams=True)
    write_page(render_leaderboard(snapshot, leaderboard, beside=beside), page)
    write_teams(snapshot, leaderboard, beside, page)
    for name in TABLES:
        write_table(name, snapshot, leaderboard, page)
    return Published(leaderboard, place, page, ratings_page)


def _opened(place: Path, challenge: Challenge, show: DemoChallenge, testset: TestSet) -> Board:
    from evalkit.board import Board
    from evalkit.cli.board.media import challenge_text, reference_strips

    text = challenge_text(str(show.challenge_file))
    if place.is_file():
        board = Board.open(place)
        board.set_challenge(challenge, text, by=BY)
        return board
    return Board.create(place, challenge, text, by=BY, reference=reference_strips(testset))


def _add_runs(
    board: Board,
    cards: Mapping[str, Scorecard],
    submissions: Mapping[str, Path],
    cache: Path,
    workers: int,
    progress: Progress,
) -> None:
    from evalkit.reports.comparison.inputs import ComparedEntry
    from evalkit.reports.comparison.media import SubmissionMedia, read_filmstrips
    from evalkit.reports.filmstrips import chosen_samples

    samples = chosen_samples({video.sample for card in cards.values() for video in card.videos})
    entries = [ComparedEntry(name, card) for name, card in cards.items()]
    strips = read_filmstrips(entries, samples, SubmissionMedia(dict(submissions), cache, workers, progress))
    there = board.team_names()
    for name, card in cards.items():
        if name not in there:
            board.add_team(name, by=BY)
        # One team of the demo has another's videos, some of them damaged.
        board.add_run(name, "1", card, by=BY, strips=strips.get(name), why="made by the demo", allow_shared=True)


def _is_watchable(verdict: str) -> bool:
    """Whether there is a video that raters can watch."""
    return verdict in {"ok", "warning"}
