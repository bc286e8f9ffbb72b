"""The leaderboard as one HTML file; see `evalkit.reports.page` for what holds of every page.

It is made from a snapshot of the board and its leaderboard alone. The first reader is a participant who lost by a
little: every number is shown with its uncertainty, every gap with its reason, every rule with who declared it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.board.model import Run, Snapshot
from evalkit.leaderboard.model import Leaderboard
from evalkit.leaderboard.table import NO_CELL
from evalkit.ratings import REASON_TITLES
from evalkit.reports.filmstrips import STRIP_HEIGHT, Strip, make_strips
from evalkit.reports.leaderboard.people import LOG_SHOWN, Pseudonyms, decision_lines, log_lines
from evalkit.reports.leaderboard.plots import BOX_WIDTH, LOOKS, SHADES, make_scatter, mark_path
from evalkit.reports.leaderboard.rules import (
    ESTIMATORS,
    OWN_DEFAULT,
    features_used,
    rule_rows,
    rules_in_words,
    weight_source,
)
from evalkit.reports.leaderboard.sections import (
    box_sections,
    group_sections,
    invalid_runs,
    leave_out_rows,
    strip_samples,
    team_sections,
    thin_cells,
    weight_bars,
)
from evalkit.reports.leaderboard.table_view import Board, better, column_title, make_board, team_order
from evalkit.reports.leaderboard.words import aoe, percent, summary, tie_lines, uncertainty_words, utc
from evalkit.reports.page import render_page, write_page
from evalkit.reports.tables import machine_of

ERRORS_SHOWN = 10  # findings of one rule of one run
SHARED_SHOWN = 20  # pairs of runs


def render_leaderboard(snapshot: Snapshot, leaderboard: Leaderboard) -> str:
    """Return the page; the same snapshot and leaderboard give the same text.

    Args:
        snapshot: the board at one moment.
        leaderboard: what the board's data say then.
    """
    board = make_board(snapshot, leaderboard)
    names = Pseudonyms(snapshot, leaderboard)
    samples, pictured = strip_samples(snapshot, board)
    images, strips = _strips(snapshot, samples, pictured)
    scatters = [make_scatter(points, board.looks) for points in leaderboard.points]
    moment = snapshot.as_of or snapshot.at
    return render_page(
        "leaderboard.html",
        styles=["style.css", "leaderboard.css"],
        scripts=["page.js", "leaderboard.js"],
        snapshot=snapshot,
        leaderboard=leaderboard,
        challenge=snapshot.challenge,
        board=board,
        known={column.id: column for column in leaderboard.columns},
        no_cell=NO_CELL,
        title_of=column_title,
        better_of=better,
        utc=utc,
        percent=percent,
        moment=(utc(moment), aoe(moment)),
        backbones=sorted({run.card.backbones for run in snapshot.runs}),
        summary=summary(snapshot, leaderboard),
        tie_lines=tie_lines(leaderboard),
        uncertainties=_uncertainties(leaderboard),
        teams=team_sections(snapshot, leaderboard, board),
        legend=[(label, look, mark_path(look), board.teams.get(label, label)) for label, look in board.looks.items()],
        others=(LOOKS, mark_path(LOOKS)),
        beyond=any(cloud.look == LOOKS for one in scatters for cloud in one.clouds),
        scatters=_by_metric(board, scatters),
        boxes=box_sections(leaderboard, board),
        box_width=BOX_WIDTH,
        groups=group_sections(leaderboard, board),
        weight_bars=weight_bars(leaderboard.sensitivity) if leaderboard.sensitivity else [],
        wins=_wins(leaderboard, board),
        left_out=leave_out_rows(leaderboard.sensitivity, leaderboard) if leaderboard.sensitivity else ([], []),
        samples=samples,
        pictured=pictured,
        images=images,
        strips=strips,
        strip_height=STRIP_HEIGHT,
        invalid=invalid_runs(snapshot, board),
        thin=thin_cells(snapshot.challenge, leaderboard),
        errors_shown=ERRORS_SHOWN,
        shared_shown=SHARED_SHOWN,
        rules=rules_in_words(snapshot.challenge),
        rule_rows=rule_rows(snapshot.challenge),
        own_default=OWN_DEFAULT,
        weight_source=weight_source,
        people=names.ratings(leaderboard.ratings) if leaderboard.ratings else None,
        reason_titles=REASON_TITLES,
        estimators=ESTIMATORS,
        strengths=sorted(leaderboard.strengths, key=lambda one: (one.dimension, -one.log_strength, one.team)),
        features=features_used(snapshot),
        machines=[(run, machine_of(run.card)) for run in snapshot.runs],
        decisions=decision_lines(snapshot, names),
        log=log_lines(snapshot, names),
        log_shown=LOG_SHOWN,
        shades=range(1, SHADES + 1),
    )


def write_leaderboard_page(snapshot: Snapshot, leaderboard: Leaderboard, path: Path) -> None:
    """Write the page to ``path`` in one step.

    Raises:
        StorageError: when the folder is missing, read-only or full.
    """
    write_page(render_leaderboard(snapshot, leaderboard), path)


def _strips(
    snapshot: Snapshot, samples: Sequence[str], pictured: Sequence[tuple[str, Run]]
) -> tuple[list[Any], Mapping[str, Strip | str]]:
    """Return the images and a strip per key ``SAMPLE-ref`` or ``SAMPLE-TEAM``, by their positions."""
    given: list[tuple[str, Sequence[bytes] | None]] = []
    for at, sample in enumerate(samples):
        given.append((f"{at}-ref", snapshot.reference.get(sample)))
        given += [(f"{at}-{number}", run.strips.get(sample)) for number, (_, run) in enumerate(pictured)]
    return make_strips(given)


def _uncertainties(leaderboard: Leaderboard) -> list[tuple[str, list[str]]]:
    """Return how the uncertainty of the order was found, per phase, the final one first."""
    titles = {"ranking": "", "shortlist": "Objective phase", "final": "Final phase"}
    return [
        (titles[phase.name], words) for phase in reversed(leaderboard.phases) if (words := uncertainty_words(phase))
    ]


def _by_metric(board: Board, scatters: Sequence[Any]) -> list[tuple[str, list[Any]]]:
    """Return the scatters by metric, in the order of the table's columns."""
    place = {column.id: at for at, column in enumerate(board.columns)}
    metrics: dict[str, list[Any]] = {}
    for one in sorted(scatters, key=lambda one: place.get(one.points.metric, len(place))):
        metrics.setdefault(one.points.metric, []).append(one)
    return list(metrics.items())


def _wins(leaderboard: Leaderboard, board: Board) -> list[tuple[str, float]]:
    """Return the share of random weights that put each team first, for those that ever are, the largest first."""
    if leaderboard.sensitivity is None:
        return []
    random = leaderboard.sensitivity.random
    wins = {team: float(share) for team, share in zip(random.teams, random.wins, strict=True) if share > 0}
    return sorted(((team, wins[team]) for team in team_order(board, list(wins))), key=lambda one: -one[1])
