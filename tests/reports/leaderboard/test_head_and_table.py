"""The head of the leaderboard and its ranked table: ranks, intervals, brackets, phases, runs of one team."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from builders.boards import make_run, make_snapshot
from builders.leaderboards import (
    COLUMNS,
    make_row,
    plain,
    tied,
)
from leaderboard_pages import PHASE, brackets_of, cells, detail, page_of, section, text_of
from pages import Page

from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.leaderboard.model import RankingPhase, RankUncertainty, find_tie_groups
from evalkit.leaderboard.table import Cell, CodedReason
from evalkit.reports.leaderboard.page import ranks_without_column, render_leaderboard
from evalkit.reports.leaderboard.ranked_table import RankedTable
from evalkit.reports.leaderboard.tables import leaderboard_csv, leaderboard_latex, leaderboard_markdown
from evalkit.reports.leaderboard.words import summary
from evalkit.text import NO_VALUE

# --- the head ---------------------------------------------------------------------------------------------------------


def test_head_says_what_when_and_from_which_state():
    snapshot, leaderboard = plain(("alpha", "beta"))
    page = page_of((snapshot, leaderboard))
    assert page.find("h1")[0]["text"] == "The challenge"
    facts = " ".join(map(text_of, page.find("dd")))
    assert "2026-03-02 18:00:00 UTC 2026-03-02 06:00:00 AoE" in facts.replace("UTC2", "UTC 2")
    digests = page.find("code", title=snapshot.digest)  # in the head and in the log
    assert [item["text"] for item in digests] == [snapshot.digest[:12]] * 2
    assert not page.find("p", class_="notice")


def test_as_of_is_the_moment_that_was_asked_for():
    snapshot, leaderboard = plain(("alpha",))
    asked = replace(snapshot, as_of=datetime(2026, 3, 6, 11, 59, 59, tzinfo=UTC))
    html = render_leaderboard(asked, leaderboard)
    assert "As of" in html
    assert "2026-03-06 11:59:59 UTC" in html
    assert "2026-03-05 23:59:59 AoE" in html


def test_notices():
    reason = CodedReason("no_final_phase", "No finalist has results yet.")
    snapshot, leaderboard = plain(("alpha",), provisional=reason, problem="No range for m.err.")
    run = snapshot.runs[0]
    snapshot = replace(snapshot, runs=(replace(run, card=run.card.model_copy(update={"backbones": "mine"})),))
    page = page_of((snapshot, leaderboard))
    texts = [text_of(item) for item in page.elements if item["attrs"].get("role") == "note"]
    assert len(texts) == 3
    assert "No range for m.err." in texts[0]
    assert "No finalist has results yet." in texts[1]
    assert "Not comparable with published numbers" in texts[2]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "alpha is first, but statistically tied with beta. 3 teams ranked."),
        (
            tied(*(("beta", "gamma"),)),
            "alpha is first, significantly better than all others (95 % confidence). 3 teams ranked.",
        ),
        (
            tied(*(("alpha", "beta"), ("alpha", "beta", "gamma"))),
            "alpha is first, but statistically tied with beta and gamma. 3 teams ranked.",
        ),
        (
            {"phases": (replace(PHASE, uncertainty=None, no_uncertainty="one video only"),), "tie_groups": ()},
            "alpha is first; how certain that is can't be computed (one video only). 3 teams ranked.",
        ),
        ({"problem": "It broke."}, "Nobody is ranked. 3 teams on the board."),
        ({"rows": ()}, "Nobody is ranked yet. 3 teams on the board, 3 runs."),
        (
            {"rows": tuple(make_row(name, 0, 3) for name in ("alpha", "beta"))},
            "alpha and beta share the first place. 2 teams ranked, 1 without a run.",
        ),
        (
            {"rows": (make_row("alpha", 0, 1), make_row("beta", 1, 1, rank=None))},
            "alpha is the only team ranked so far. 1 team ranked, 1 not ranked, 1 without a run.",
        ),
    ],
)
def test_a_sentence_sums_up(changes, words):
    page = page_of(plain(("alpha", "beta", "gamma"), **changes))
    assert text_of(page.find("p", class_="summary")[0]) == words


# --- the table --------------------------------------------------------------------------------------------------------


def test_table_of_ranks_scores_and_values():
    rows = cells(page_of(plain(("alpha", "beta", "gamma"))), "board")
    assert rows[0] == ["", "", "Objective 75 %", "Human ratings 25 %", "Speed", "Diagnostic"]
    assert rows[1] == [
        "Rank", "Team", "Score ↑, higher is better", "Rank interval", "Rank probabilities",
        "Identity ↑, higher is better50 %", "ERR ↓, lower is betterpx, 25 %", "Look ↑, higher is better25 %",
        "Speed ↑, higher is better1/s", "Blinks1/min",
    ]  # fmt: skip
    assert rows[2][:5] == [
        "1", "alphamainstatistically tied with beta", "1.000", "1 to 2 of 3",
        "rank 1: 50.0 %",
    ]  # fmt: skip
    assert rows[2][5:] == ["best, 1.0000.9900 to 1.010", "best, 00 to 0", "best, 5.000", "0", f"{NO_VALUE}no face"]
    assert rows[3][5] == "0.66670.6567 to 0.6767"


def test_rank_interval_and_probabilities_are_drawn():
    page = page_of(plain(("alpha", "beta", "gamma", "delta")))
    bands = [i for i in page.find("rect", class_="band") if i["attrs"].get("y") == "2" and "tr" in i["in"]]
    # four ranks, 25 units each: beta (rank 2) may be 1 to 3
    assert bands[1]["attrs"] | {"y": "", "height": ""} == {
        "class": "band", "x": "0.0", "y": "", "width": "75.0", "height": "",
    }  # fmt: skip
    strips = [item for item in page.find("svg", role="img") if item["attrs"]["aria-label"].startswith("beta, rank 1")]
    assert strips[0]["attrs"]["aria-label"] == "beta, rank 1: 33.3 %, rank 2: 33.3 %, rank 3: 33.3 %"


def test_brackets_join_tie_groups_and_overlapping_ones_stand_beside_each_other():
    groups = (("a", "b"), ("b", "c", "d"), ("d", "e"))
    board = plain(tuple("abcdef"), **tied(*groups))
    html = render_leaderboard(*board)
    # the first lane holds a-b and d-e, the second b-d
    assert brackets_of(html) == ["t.", "et", ".m", "te", "e.", ".."]
    page = Page(html)
    assert "statistically tied with a, c and d" in cells(page, "board")[3][1]


def test_too_many_overlapping_groups_are_named_not_drawn():
    teams = tuple("abcdefgh")
    groups = tuple(teams[at : at + 6] for at in range(3)) + tuple(teams[at : at + 5] for at in range(4))
    html = render_leaderboard(*plain(teams, **tied(*groups)))
    assert {len(marks) for marks in brackets_of(html)} == {4}
    assert "3 more such groups are not drawn; see the list below the table" in html
    html = render_leaderboard(*plain(teams, **tied(*groups[:5])))
    assert "1 more such group is not drawn; see the list below the table" in html


def test_unranked_are_below_with_their_reasons_and_other_runs_last():
    rows = (
        make_row("alpha", 0, 1),
        make_row("alpha", 0, 1, run="second", primary=False, rank=None, score=None, interval=None, probability=()),
        make_row("beta", 1, 2, rank=None, score=None, interval=None, probability=(),
                 reasons=(CodedReason("coverage", "Too few samples."),)),
    )  # fmt: skip
    page = page_of(plain(("alpha", "beta"), rows=rows))
    body = [item["attrs"] for item in page.find("tr") if "data-part" in item["attrs"]]
    assert [(one["data-team"], one["data-run"], one["data-part"]) for one in body] == [
        ("alpha", "main", "0"), ("beta", "main", "1"), ("alpha", "second", "2"),
    ]  # fmt: skip
    assert "beta, run main: Too few samples." in section(page, "ranking")
    assert "Too few samples." in detail(page, "beta")


def test_columns_that_are_refused_say_why():
    columns = (replace(COLUMNS[0], refused=CodedReason("unequal_n", "Sets of unequal size.")), *COLUMNS[1:])
    page = page_of(plain(("alpha",), columns=columns))
    assert "Identity: Sets of unequal size." in section(page, "ranking")


def test_a_value_below_coverage_says_so():
    row = make_row("alpha", 0, 1)
    row = replace(row, cells={**row.cells, "m.id": Cell(0.5, None, None, 3, 0.75)})
    page = page_of(plain(("alpha",), rows=(row,)))
    assert cells(page, "board")[2][5] == "0.500075.0 % of samples"
    assert "alpha, run main: Identity rests on 75.0 % of the samples" in section(page, "invalid")


def test_two_phases():
    final = make_row("alpha", 0, 2, finalist=True, shortlist_rank=2, shortlist_score=7.5)
    other = make_row("beta", 1, 2, finalist=False, shortlist_rank=3, shortlist_score=9.0)
    shortlist = RankUncertainty(0.95, 10, 0, 0, (("alpha", "beta", "gamma"),), ())
    rows = (final, other, make_row("gamma", 2, 3, finalist=False, shortlist_rank=4, shortlist_score=9.5))
    phases = (
        RankingPhase("shortlist", PHASE.plan, ("alpha", "beta", "gamma"), shortlist),
        RankingPhase("final", PHASE.plan, ("alpha",), RankUncertainty(0.95, 10, 0, 0, (), ())),
    )
    ties = find_tie_groups(phases, rows)
    board = plain(("alpha", "beta", "gamma"), rows=rows, phases=phases, tie_groups=ties, rule="two-phase")
    page = page_of(board)
    table = cells(page, "board")
    assert table[1][3] == "Objective phase"
    assert [row[3] for row in table[2:]] == ["27.500", "39.000", "49.500"]
    assert "finalist" in table[2][1]
    # the finalist left the shortlist's group; the other two are still joined
    assert brackets_of(render_leaderboard(*board)) == [".", "t", "e"]
    assert "significantly better than all other finalists" in text_of(page.find("p", class_="summary")[0])
    assert [item["text"] for item in page.find("option")][2] == "finalists"


def test_ipvg_2025_with_comparisons():
    pairs = [("r1", "s1", "alpha", "beta", 1.0), ("r2", "s2", "beta", "alpha", 0.5), ("r1", "s2", "alpha", "beta", 1.0)]
    values = {
        "identity.consisid.arc": [0.6, 0.7], "identity.consisid.cur": [0.5, 0.6], "facefid.consisid": 100.0,
        "clipscore.logits100": [30.0, 31.0],
    }  # fmt: skip
    worse = {name: [0.4, 0.3] if isinstance(value, list) else 120.0 for name, value in values.items()}
    snapshot = make_snapshot("ipvg2025-facial", {"alpha": values, "beta": worse}, pairs=pairs)
    page = page_of((snapshot, compute_leaderboard(snapshot, draws=50)))
    assert "3 of 3 comparisons count" in section(page, "ratings")
    assert "Raters choose the better of two teams' videos" in section(page, "rules")
    assert "The first 3 are finalists" in section(page, "rules")
    assert [row[0] for row in cells(page, "board")[2:]] == ["1", "2"]


SLASHES = """
schema: 1
id: c
title: C
submission: {runs: {max: 3, primary: PRIMARY}}
metrics: [{id: a.b, direction: higher, range: [0, 1]}, {id: c.d, direction: higher, range: [0, 1]}]
ranking: weighted-sum
"""


def test_competing_runs_of_one_team_are_matched_by_their_labels():
    """Six runs of three teams that nothing tells apart: the page must not call the first sure."""
    random = np.random.default_rng(0)
    teams = {
        team: [
            make_run(team, {name: list(random.normal(0.5, 0.1, 8)) for name in ("a.b", "c.d")}, name=run)
            for run in ("r1", "r2")
        ]
        for team in ("alpha", "beta", "gamma")
    }
    snapshot = make_snapshot(SLASHES.replace("PRIMARY", "2"), teams)
    leaderboard = compute_leaderboard(snapshot, draws=200)
    first = leaderboard.rows[0]
    assert first.interval is not None and first.interval[1] > 1
    said = summary(snapshot, leaderboard)
    assert said.startswith(f"{first.label} is first, but statistically tied with ")
    assert said.endswith("3 teams ranked with 6 runs.")
    assert {row.label for row in leaderboard.rows} == {f"{team}/r{at}" for team in teams for at in (1, 2)}
    table = RankedTable(snapshot, leaderboard)
    assert all(leaderboard.tied_with(row.label) and any(table.brackets[row.label]) for row in table.rows)
    assert next(iter(table.looks)) == first.label
    assert leaderboard.sensitivity is not None
    assert all(None not in ranks for _, ranks in ranks_without_column(leaderboard.sensitivity, leaderboard)[1])
    page = Page(render_leaderboard(snapshot, leaderboard))
    assert {one["attrs"]["data-team"] for one in page.elements if "data-team" in one["attrs"]} == set(teams)
    for text in (leaderboard_markdown(snapshot, leaderboard), leaderboard_latex(snapshot, leaderboard)):
        assert "beta/r2" in text
    lines = leaderboard_csv(snapshot, leaderboard).splitlines()
    assert "/r1" in lines[1].split(",")[10] or "/r2" in lines[1].split(",")[10]


def test_a_run_that_does_not_compete_renames_no_team():
    """Team a has a run called b, and there is a team called a/b."""
    values = {"a.b": [0.5, 0.6, 0.4, 0.5], "c.d": [0.5, 0.6, 0.4, 0.5]}
    teams = {
        "a": [make_run("a", values, name="b", primary=False), make_run("a", values, name="main")],
        "a/b": [make_run("a/b", values, name="main")],
    }
    snapshot = make_snapshot(SLASHES.replace("PRIMARY", "1"), teams)
    leaderboard = compute_leaderboard(snapshot, draws=200)
    labels = {(row.team, row.run): row.label for row in leaderboard.rows}
    assert labels == {("a", "main"): "a", ("a/b", "main"): "a/b", ("a", "b"): "a/b (2)"}
    assert leaderboard.uncertainty is not None
    assert leaderboard.uncertainty.groups == (("a", "a/b"),)
    assert "a/b (2)" not in render_leaderboard(snapshot, leaderboard)
