"""The sections below the ranked table: teams, plots, groups, sensitivity, frames, invalid entries."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from builders.leaderboards import COLUMNS, make_row, plain
from builders.realistic_board import realistic, realistic_leaderboard
from leaderboard_pages import cells, detail, page_of, section, text_of

from evalkit.leaderboard.model import RankingPhase
from evalkit.leaderboard.scoring_rules import ScoringPlan
from evalkit.text import NO_VALUE

OPTIONAL = {
    "metrics-and-ratings": {"points": ()},
    "spread": {"distributions": ()},
    "groups": {"breakdowns": ()},
    "weights": {"sensitivity": None},
    "ratings": {"ratings": None},
}


# --- sections ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPTIONAL)
def test_sections_without_data_are_left_out(name):
    board = plain(("alpha", "beta"))
    assert page_of(board).find("section", **{"aria-labelledby": name})
    bare = page_of((board[0], replace(board[1], **OPTIONAL[name])))
    assert not bare.find("section", **{"aria-labelledby": name})
    assert not bare.find("a", href=f"#{name}")


def test_groups_are_compared_in_one_section():
    snapshot, board = realistic(), realistic_leaderboard()
    assert board.fairness is not None
    assert board.breakdowns
    page = page_of((snapshot, board))
    assert page.find("section", **{"aria-labelledby": "fairness"})
    assert not page.find("section", **{"aria-labelledby": "groups"})
    assert not page.find("a", href="#groups")


def test_team_section_shows_how_the_score_came_about():
    row = make_row("alpha", 0, 3)
    points = {"m.id": 0.5, "m.err": 0.25, "look": 1.0}
    made = {name: replace(cell, points=points.get(name)) for name, cell in row.cells.items()}
    # weights 2, 1, 1 of 4: 0.5 * 0.5 + 0.25 * 0.25 + 0.25 * 1 = 0.5625
    page = page_of(plain(("alpha",), rows=(replace(row, cells=made, score=0.5625),)))
    rows = {row[0].split(" ")[0]: row for row in cells(page, "runs")}
    assert rows["Identity"][2:] == ["0.5000", "0.5000", "0.2500"]
    assert rows["ERR"][2:] == ["0.2500", "0.2500", "0.06250"]
    assert rows["Look"][2:] == ["1.000", "0.2500", "0.2500"]
    assert rows["Blinks"][2:] == [NO_VALUE] * 3
    assert rows["Score"][-1] == "0.5625"


def test_a_sum_that_is_not_the_score_is_not_called_one():
    row = replace(make_row("alpha", 0, 1), score=0.9)
    assert cells(page_of(plain(("alpha",), rows=(row,))), "runs")[-1][0] == "Sum"


@pytest.mark.parametrize(("rule", "total"), [("rank-sum", "6.000"), ("mean-rank", "1.500"), ("borda", "6.000")])
def test_contributions_of_rules_that_count_ranks(rule, total):
    row = make_row("alpha", 0, 3)
    points = {"m.id": 1.0, "m.err": 3.0, "look": 1.0}  # weights 2, 1, 1: 2 + 3 + 1 = 6, mean 1.5
    made = {name: replace(cell, points=points.get(name)) for name, cell in row.cells.items()}
    phases = (RankingPhase("ranking", ScoringPlan(rule, COLUMNS[:3])),)
    rows = (replace(row, cells=made, score=float(total)),)
    page = page_of(plain(("alpha",), rows=rows, rule=rule, phases=phases))
    assert cells(page, "runs")[-1] == ["Score", "", "", "", total]


def test_team_section_compares_runs_and_lists_worst_samples_and_findings():
    page = page_of((realistic(), realistic_leaderboard()))
    beta = detail(page, "beta")
    assert "main competes" in beta.replace("maincompetes", "main competes")
    for run in ("sharp", "fast"):
        assert f"{run}does not compete" in beta
    card = next(run.card for run in realistic().runs if (run.team, run.name) == ("beta", "main"))
    values = {video.sample: video.values["sync.lse_d"] for video in card.videos}
    worst = max(values, key=values.get)
    lse_d = beta.split("Worst samples")[1].split("LSE-D")[1]
    assert lse_d.split("PSNR")[0].replace("\u00a0", " ").startswith(f" ↓, lower is better{worst} {values[worst]:.3f}")
    zeta = detail(page, "zeta")
    assert "media.frame_rate" in zeta
    assert "several faces \u00d7 1" in zeta
    assert "no run yet" in detail(page, "iota")


def test_rank_probabilities_are_a_table_too():
    row = make_row("alpha", 0, 3, probability=(0.9, 0.098, 0.002))
    page = page_of(plain(("alpha", "beta", "gamma"), rows=(row,)))
    alpha = detail(page, "alpha")
    assert "1 90.0 % 2 9.8 %" in alpha
    assert "All other ranks together: 0.2 %" in alpha


def test_scatter_has_coefficients_and_says_when_it_is_thinned():
    snapshot, leaderboard = plain(("alpha", "beta"))
    (points,) = leaderboard.points
    page = page_of((snapshot, leaderboard))
    text = section(page, "metrics-and-ratings")
    assert f"{points.agreement.srcc.value:.3f}" in text
    assert f"{points.agreement.krcc.value:.3f}" in text
    assert "points are drawn" not in text
    clouds = [item["attrs"]["d"] for item in page.find("path") if item["attrs"].get("class", "").startswith("cloud")]
    assert sum(path.count("M") for path in clouds) == 8
    big = replace(points, x=points.x * 500, y=points.y * 500, teams=points.teams * 500, samples=points.samples * 500)
    page = page_of((snapshot, replace(leaderboard, points=(big,))))
    assert "400 of 4000 points are drawn" in section(page, "metrics-and-ratings")
    clouds = [item["attrs"]["d"] for item in page.find("path") if item["attrs"].get("class", "").startswith("cloud")]
    assert sum(path.count("M") for path in clouds) == 400


def test_a_correlation_that_is_missing_says_why():
    snapshot, leaderboard = plain(("alpha",))
    (points,) = leaderboard.points
    gap = replace(points.agreement.srcc, value=None, ci=None, reason="metric_constant")
    points = replace(points, agreement=replace(points.agreement, srcc=gap))
    assert "metric constant" in section(
        page_of((snapshot, replace(leaderboard, points=(points,)))), "metrics-and-ratings"
    )


def test_few_values_are_points_and_many_a_box():
    page = page_of(plain(("alpha", "beta")))  # 5 and 20 values
    boxes = [item for item in page.find("svg", class_="box") if item["attrs"].get("role") == "img"]
    assert [item["attrs"]["aria-label"].split(" ")[0] for item in boxes] == ["5", "20"]
    assert len(page.find("rect", class_="band", height="10", y="4")) == 1
    assert len(page.find("circle", r="3")) == 5


def test_groups_name_the_worst_and_the_gap():
    page = page_of(plain(("alpha", "beta")))
    assert cells(page, "Largest gaps")[1:] == [["Identity", "gender", "0.2500", "alpha", "female"]]
    assert cells(page, "Identity by gender")[1:] == [
        ["alpha", "0.5000n 2", "0.7500n 2", "female", "0.2500"],
        ["beta", "0.5000n 2", "0.7500n 2", "female", "0.2500"],
    ]


def test_sensitivity_in_words_and_numbers():
    page = page_of(plain(("alpha", "beta", "gamma")))
    rows = cells(page, "weights")
    assert rows[1] == ["Identity", "2.000", "0.5000", "any", "", "alpha and beta", "none"]
    text = section(page, "weights")
    assert "1,000 random weightings" in text
    assert "75.0 % of them keep the podium" in text
    assert cells(page, "Ranks without a column")[1] == ["ERR", "1", "2", "3"]
    assert cells(page, "Random weights")[1:] == [["alpha", "100 %"]]


def test_frames_are_shown_after_the_reference():
    page = page_of((realistic(), realistic_leaderboard()))
    assert [item["text"] for item in page.find("h3", class_="sample")] == ["s01", "s02", "s03"]
    captions = [text_of(item) for item in page.find("figcaption") if "li" in item["in"]]
    assert captions[:3] == ["Reference", "beta", "alpha"]
    assert len(captions) == 3 * 9
    strips = page.find("svg", class_="strip")
    assert strips[0]["attrs"]["aria-label"] == "4 frames of Reference, sample s01, in time order"
    images = {base64.b64decode(item["attrs"]["href"].split(",")[1]) for item in page.find("image")}
    given = {frame for run in realistic().runs if run.primary for strip in run.strips.values() for frame in strip}
    assert images == given | {frame for strip in realistic().reference.values() for frame in strip}


def test_without_frames_there_is_no_such_section():
    assert not page_of(plain(("alpha",))).find("section", **{"aria-labelledby": "frames"})


def test_invalid_entries_with_their_findings():
    text = section(page_of((realistic(), realistic_leaderboard())), "invalid")
    assert "theta run main: 5 of 24 videos invalid, 0 missing" in text
    assert "The video is not H.264. Found hevc; expected h264." in text
    assert "theta, run main: Face-Arc rests on 79.2 % of the samples" in text
    assert "Every video of every run is valid" in section(page_of(plain(("alpha",))), "invalid")
