"""Metrics against people on the page and as CSV: the numbers of the JSON file, and a plot behind each."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest
from builders.boards import make_snapshot
from builders.realistic_board import realistic, realistic_leaderboard
from leaderboard_pages import cells, page_of

from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.reports.leaderboard.people import agreement_csv, reason_words, rounded
from evalkit.reports.leaderboard.tables import leaderboard_json

METRICS = ("identity.strict.arc", "sync.lse_c", "sync.lse_d", "psnr.rgb", "throughput.fps")
DIMENSIONS = ("identity_consistency", "video_quality", "lip_sync", "style_control", "*")


@pytest.fixture(scope="module")
def document():
    return json.loads(leaderboard_json(realistic(), realistic_leaderboard()))["leaderboard"]


def matrix(document, over):
    found = document["team_points"] if over == "teams" else [*document["points"], *document["overall_points"]]
    return {(one["metric"], one["dimension"]): one for one in found}


@pytest.mark.parametrize("over", ["videos", "teams"])
def test_each_cell_is_that_of_the_json_file(document, over):
    page = page_of((realistic(), realistic_leaderboard()))
    known = matrix(document, over)
    rows = cells(page, f"Metrics against human ratings, over {over}")
    assert rows[0][1:] == [
        "Identity consistency", "Video quality", "Lip synchronization", "Speaking style control", "All dimensions",
    ]  # fmt: skip
    assert len(rows) == 1 + len(METRICS)
    for metric, row in zip(METRICS, rows[1:], strict=True):
        for dimension, text in zip(DIMENSIONS, row[1:], strict=True):
            one = known.get((metric, dimension))
            if one is None:
                assert (over, metric) == ("videos", "throughput.fps")
                assert text == "\u2013no video has both values"
                continue
            found = one["agreement"]
            n = f"n {found['n']}" + (f", {found['clusters']} samples" if over == "videos" else "")
            low, high = found["srcc"]["ci"]
            assert text == f"{rounded(found['srcc']['value'])}, plot{rounded(low)} to {rounded(high)}{n}"


def test_a_metric_of_the_whole_set_says_why_it_has_no_correlation_over_videos():
    snapshot, board = realistic(), realistic_leaderboard()
    columns = [replace(one, aggregate=None) if one.id == METRICS[-1] else one for one in board.columns]
    page = page_of((snapshot, replace(board, columns=tuple(columns))))
    by_video, by_team = (cells(page, f"Metrics against human ratings, over {over}")[-1] for over in ("videos", "teams"))
    assert by_video[1:] == ["\u2013one number for all videos"] * len(DIMENSIONS)
    assert all(text.startswith(("0.", "-0.", "1.", "-1.")) for text in by_team[1:])


def test_the_colour_says_sign_and_size(document):
    page = page_of((realistic(), realistic_leaderboard()))
    shown = [
        item for item in page.find("td") if item["attrs"].get("class", "")[:1] in set("ab") and "title" in item["attrs"]
    ]
    assert len(shown) == 4 * 5 + 5 * 5
    for item in shown:
        value = float(item["attrs"]["data-v"])
        step = item["attrs"]["class"]
        assert (step[0] == "a") == (value >= 0)
        assert (int(step[1]) - 1) / 5 <= abs(value) <= int(step[1]) / 5
        assert f"SRCC {value:.3f}" in item["attrs"]["title"]


def test_every_cell_leads_to_its_plot():
    page = page_of((realistic(), realistic_leaderboard()))
    links = [item["attrs"]["href"][1:] for item in page.find("a") if item["attrs"]["href"].startswith("#plot-")]
    plots = [item["attrs"]["id"] for item in page.find("figure") if "id" in item["attrs"]]
    assert sorted(links) == sorted(plots)
    assert len(set(plots)) == 4 * 5 + 5 * 5


def test_csv_has_all_digits_of_the_json_file(document):
    rows = list(csv.DictReader(io.StringIO(agreement_csv(realistic(), realistic_leaderboard()))))
    assert len(rows) == 4 * 5 + 5 * 5
    for row in rows:
        found = matrix(document, row["over"])[row["metric"], row["dimension"]]["agreement"]
        assert (int(row["n"]), int(row["clusters"])) == (found["n"], found["clusters"])
        for name in ("srcc", "plcc", "krcc"):
            assert float(row[name]) == found[name]["value"]
            assert [float(row[f"{name}.lo"]), float(row[f"{name}.hi"])] == found[name]["ci"]


def test_too_few_say_so_and_have_no_number():
    rules = """
schema: 1
id: few
title: Few
metrics: [{id: psnr, direction: higher}]
ranking: rank-sum
ratings: {method: mos, dimensions: [{id: sync, title: Sync}]}
"""
    ratings = [("r1", team, "s1", "sync", 3 + at) for at, team in enumerate("ab")]
    snapshot = make_snapshot(rules, {"a": {"psnr": [30.0, 31.0]}, "b": {"psnr": [29.0, 30.0]}}, ratings=ratings)
    board = compute_leaderboard(snapshot, draws=100)
    page = page_of((snapshot, board))
    texts = [cells(page, f"Metrics against human ratings, over {over}")[1][1] for over in ("videos", "teams")]
    few = "\u2013too few to say, fewer than {}, plotn 2{}"
    assert texts == [few.format(3, ", 1 sample"), few.format(5, "")]
    assert {row["srcc"] for row in csv.DictReader(io.StringIO(agreement_csv(snapshot, board)))} == {""}
    assert reason_words("metric_constant") == "metric constant"


@pytest.mark.browser
def test_a_cell_opens_its_plot_by_click_and_by_keyboard(visit):
    page = visit("real")
    plot = page.locator("#plot-videos-3-2")
    assert not plot.is_visible()
    page.locator('a[href="#plot-videos-3-2"]').click()
    assert plot.is_visible()
    page.locator('a[href="#plot-teams-4-4"]').focus()
    page.keyboard.press("Enter")
    page.wait_for_timeout(100)
    assert page.locator("#plot-teams-4-4").is_visible()
    box = page.locator("#plot-teams-4-4").bounding_box()
    assert 0 <= box["y"] < 900
