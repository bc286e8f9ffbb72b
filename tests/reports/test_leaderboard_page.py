"""What the leaderboard says, section by section, and that nothing on a board acts on it."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from builders.boards import make_run, make_snapshot
from builders.leaderboards import (
    COLUMNS,
    NASTY,
    PLAIN,
    empty,
    hostile,
    log,
    make_row,
    many,
    plain,
    plain_card,
    realistic,
    realistic_leaderboard,
    tied,
)
from pages import Page

from evalkit.board.model import Decision, Team
from evalkit.challenges.model import RunRules, parse_challenge
from evalkit.errors import StorageError
from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.leaderboard.model import RankingPhase, RankUncertainty, RatingsInfo, find_tie_groups
from evalkit.leaderboard.scoring_rules import ScoringPlan
from evalkit.leaderboard.table import Cell, CodedReason
from evalkit.reports.leaderboard.page import ranks_without_column, render_leaderboard
from evalkit.reports.leaderboard.ranked_table import RankedTable
from evalkit.reports.leaderboard.rules import rule_rows, rules_in_words
from evalkit.reports.leaderboard.tables import leaderboard_csv, leaderboard_latex, leaderboard_markdown
from evalkit.reports.leaderboard.words import summary
from evalkit.reports.page import write_page
from evalkit.reports.tables import NO_VALUE

ALLOWED_ATTRIBUTES = re.compile(
    r"aria-(hidden|label|labelledby|pressed)|data-(first|finalist|key|m|part|run|sort|team|v)|charset|content|http-equiv"
    r"|lang|name|rel|title|type|href|id|class|autocomplete|checked|colspan|cx|cy|d|disabled|focusable|height|r|width|x|y"
    r"|viewbox|preserveaspectratio|hidden|open|placeholder|role|rowspan|scope|spellcheck|tabindex|value"
)
OPTIONAL = {
    "metrics-and-ratings": {"points": ()},
    "spread": {"distributions": ()},
    "groups": {"breakdowns": ()},
    "weights": {"sensitivity": None},
    "ratings": {"ratings": None},
}

PHASE = RankingPhase(
    "ranking", ScoringPlan("weighted-sum", COLUMNS[:3]), uncertainty=RankUncertainty(0.95, 10, 0, 0, (), ())
)


def page_of(board):
    return Page(render_leaderboard(*board))


def text_of(item):
    return " ".join(item["text"].split())


def section(page, name):
    (found,) = page.find("section", **{"aria-labelledby": name})
    return text_of(found)


def cells(page, table):
    """The rows of the table whose id, class or region is ``table``: a list of texts each, blanks made one."""
    rows = []
    inside = False
    region = ""
    for item in page.elements:
        region = item["attrs"]["aria-label"] if item["attrs"].get("role") == "region" else region
        if item["tag"] == "table":
            inside = table in [region, item["attrs"].get("id"), *item["attrs"].get("class", "").split()]
        if inside and item["tag"] == "tr":
            rows.append([])
        if inside and item["tag"] in {"td", "th"}:
            rows[-1].append(text_of(item))
    return rows


def detail(page, name):
    """The texts of one team's section."""
    (found,) = [item for item in page.find("details", class_="one") if item["attrs"]["data-team"] == name]
    return text_of(found)


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


def test_rank_interval_and_chances_are_drawn():
    page = page_of(plain(("alpha", "beta", "gamma", "delta")))
    bands = [i for i in page.find("rect", class_="band") if i["attrs"].get("y") == "2" and "tr" in i["in"]]
    # four ranks, 25 units each: beta (rank 2) may be 1 to 3
    assert bands[1]["attrs"] | {"y": "", "height": ""} == {
        "class": "band", "x": "0.0", "y": "", "width": "75.0", "height": "",
    }  # fmt: skip
    strips = [item for item in page.find("svg", role="img") if item["attrs"]["aria-label"].startswith("beta, rank 1")]
    assert strips[0]["attrs"]["aria-label"] == "beta, rank 1: 33.3 %, rank 2: 33.3 %, rank 3: 33.3 %"


def brackets_of(html):
    names = {"top": "t", "mid": "m", "end": "e", None: "."}
    return [
        "".join(names[found.group(1)] for found in re.finditer(r"<i(?: class=\"(\w+)\")?></i>", brackets))
        for brackets in re.findall(r"<span class=\"brackets\"[^>]*>(.*?)</span>", html)
    ]


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


def test_unranked_stand_below_with_their_reasons_and_other_runs_last():
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


# --- sections ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPTIONAL)
def test_sections_without_data_are_left_out(name):
    board = plain(("alpha", "beta"))
    assert page_of(board).find("section", **{"aria-labelledby": name})
    bare = page_of((board[0], replace(board[1], **OPTIONAL[name])))
    assert not bare.find("section", **{"aria-labelledby": name})
    assert not bare.find("a", href=f"#{name}")


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


def test_chances_of_places_are_a_table_too():
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


def test_pictures_stand_under_the_reference():
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


def test_without_pictures_there_is_no_such_section():
    assert not page_of(plain(("alpha",))).find("section", **{"aria-labelledby": "frames"})


def test_invalid_entries_with_their_findings():
    text = section(page_of((realistic(), realistic_leaderboard())), "invalid")
    assert "theta run main: 5 of 24 videos invalid, 0 missing" in text
    assert "The video is not H.264. Found hevc; expected h264." in text
    assert "theta, run main: Face-Arc rests on 79.2 % of the samples" in text
    assert "Every video of every run is valid" in section(page_of(plain(("alpha",))), "invalid")


# --- people, rules, provenance ----------------------------------------------------------------------------------------


def test_raters_are_numbers():
    html = render_leaderboard(realistic(), realistic_leaderboard())
    assert "example.org" not in html
    page = Page(html)
    raters = cells(page, "raters")
    assert raters[4][:2] == ["rater 4", "192"]
    assert raters[4][3] == "yes"
    assert raters[14][0] == "rater 14"
    assert raters[14][4] != "no"
    assert "not by id" in section(page, "ratings")
    text = section(page, "provenance")
    assert "rater 14 gave the same answer 168 times." in text
    assert "revoked at 2026-03-07 09:00:00 UTC by organizer: rater 3 changed their mind." in text


def test_ids_of_people_are_masked_where_they_are_words_and_numbers_stay_numbers():
    snapshot = make_snapshot(
        parse_challenge(PLAIN, "test"),
        {"alpha": [make_run("alpha", plain_card("alpha", 0))]},
        ratings=[("5", "alpha", "s1", "look", 4), ("kim", "alpha", "s1", "look", 4)],
        decisions=[("rater", "kim", "speeder", "kim took 5 seconds, kimono 6; mona knows."),
                   ("team", "alpha", "manual", "late")],
        log=log(3, ("kim", "alpha", "add kim to alpha")),
    )  # fmt: skip
    snapshot = replace(snapshot, teams=(Team("alpha", ("mona",)),))
    text = section(page_of((snapshot, plain(("alpha",))[1])), "provenance")
    assert "rater 2 took 5 seconds, kimono 6; a member knows." in text
    assert "team alpha" in text
    assert "add rater 2 to alpha" in text
    assert not re.search(r"\b(kim|mona)\b", text)


def test_reasons_why_ratings_do_not_count():
    page = page_of(plain(("alpha",)))
    text = section(page, "ratings")
    assert "90 of 100 ratings count, of 12 videos; the opinion score of a video is the mean of its ratings." in text
    assert cells(page, "Why some don't count")[1:] == [
        ["late", "after the rating window", "6"],
        ["too-quick", "quicker than the least time per item", "4"],
    ]


def test_rules_say_what_is_evalkits_own():
    page = page_of((realistic(), realistic_leaderboard()))
    text = section(page, "rules")
    own = "evalkit's default, not published by the organizers"
    assert f"Each measured value must rest on at least 90 % of the samples. {own}" in text
    assert "objective 0.45, subjective 0.5, speed 0.05. Tie breaks" in text  # no mark between
    assert "Opens 2026-03-01 AoE (2026-03-01 12:00:00 UTC), closes 2026-03-05 AoE (2026-03-06 11:59:59 UTC)." in text
    weights = {row[0].split("identity.")[0]: row for row in cells(page, "rule-weights")}
    assert weights["Face-Arc"][3:8] == ["2", "18 %", "the challenge", "0 to 1", own]
    every = {row[0]: row[1:] for table in ["pairs"] for row in cells(page, table) if len(row) == 3}
    assert every["metrics[identity.strict.arc].weight"] == ["2.000", "the challenge"]
    assert every["metrics[identity.strict.arc].range"] == ["[0.0, 1.0]", own]
    assert every["submission.archive.max_files"][1] == own


def test_provenance_has_digests_of_runs_and_weights_imports_and_log():
    snapshot = realistic()
    page = page_of((snapshot, realistic_leaderboard()))
    text = section(page, "provenance")
    for run in snapshot.runs:
        assert run.card_sha256 in text
        assert run.card.submission.sha256 in text
    assert "cd" * 32 in text
    assert "ratings.csv" in text
    assert "the last 20 of 30 entries" in text
    assert snapshot.log[-1].digest[:12] in text
    assert snapshot.log[9].digest[:12] not in text


def test_different_features_name_their_runs():
    snapshot, leaderboard = plain(("alpha", "beta"))
    first, second = snapshot.runs
    uses = [
        run.card.model_copy(update={"features": type(run.card).model_validate({
            **run.card.model_dump(by_alias=True), "features": {"faces": {"version": at, "weights": []}}}).features})
        for at, run in ((1, first), (2, second))
    ]  # fmt: skip
    snapshot = replace(snapshot, runs=(replace(first, card=uses[0]), replace(second, card=uses[1])))
    text = section(page_of((snapshot, leaderboard)), "provenance")
    assert "faces (alpha/main)" in text
    assert "faces (beta/main)" in text


def test_how_intervals_are_made():
    text = section(page_of(plain(("alpha", "beta"))), "ranking")
    assert "resampled 2,000 times with replacement (seed 0)" in text
    assert "A bracket joins neighbours" in text


# --- boards of every size ---------------------------------------------------------------------------------------------


def test_an_empty_board():
    page = page_of(empty())
    assert text_of(page.find("p", class_="summary")[0]) == "Nobody is ranked yet. 0 teams on the board, 0 runs."
    assert "No run has been submitted yet." in section(page, "ranking")
    assert "No team takes part yet." in section(page, "teams")
    assert not page.find("table", id="board")


def test_no_ranking_and_no_ratings():
    rows = tuple(
        make_row(name, at, 2, rank=None, score=None, interval=None, probability=(),
                 reasons=(CodedReason("no_ranking", "The challenge declares no ranking."),))
        for at, name in enumerate(("alpha", "beta"))
    )  # fmt: skip
    changes = {
        "phases": (),
        "tie_groups": (),
        "sensitivity": None,
        "ratings": RatingsInfo(0, 0),
        "points": (),
        "rule": "none",
    }
    page = page_of(plain(("alpha", "beta"), rows=rows, **changes))
    assert cells(page, "board")[2][:3] == [f"{NO_VALUE} not ranked", "alphamain", f"{NO_VALUE}no ranking"]
    assert "0 of 0 ratings count" in section(page, "ratings")


def test_one_team():
    page = page_of(plain(("alpha",)))
    assert text_of(page.find("p", class_="summary")[0]) == "alpha is the only team ranked so far. 1 team ranked."


def test_two_hundred_teams_stay_small():
    html = render_leaderboard(*many())
    assert len(html.encode()) < 2_500_000
    assert html.count("<tr data-part=") == html.count('<details class="one"') == 200


# --- foreign text, and the file ---------------------------------------------------------------------------------------


def test_hostile_text_adds_no_element_and_no_attribute():
    pages = [page_of(plain(("alpha", "beta"))), page_of((realistic(), realistic_leaderboard())), page_of(hostile())]
    tame = {item["tag"] for page in pages[:2] for item in page.elements}
    assert {item["tag"] for item in pages[2].elements} <= tame
    for item in pages[2].elements:
        assert all(ALLOWED_ATTRIBUTES.fullmatch(name) for name in item["attrs"]), item["attrs"]
        href = item["attrs"].get("href", "#")
        assert href.startswith("#") or re.fullmatch(r"data:,|data:image/jpeg;base64,[A-Za-z0-9+/=]+", href)
        assert re.fullmatch(r"[a-z0-9-]*", item["attrs"].get("id", ""))
        assert re.fullmatch(r"[a-z0-9 -]*", item["attrs"].get("class", ""))
        assert re.fullmatch(r"[MHVa-z0-9.,\- ]*", item["attrs"].get("d", ""))
    assert len(pages[2].find("script")) == len(pages[2].find("style")) == len(pages[2].find("h1")) == 1


def test_nothing_invisible_gets_through():
    html = render_leaderboard(*hostile())
    assert not set(html) & {"\u202e", "\u200b", "\x1b", "\x07"}
    text = Page(html).find("html")[0]["text"]
    for words in NASTY:
        seen = words.encode("unicode_escape").decode() if not words.isprintable() else words
        assert seen in text


def test_long_text_is_cut():
    snapshot, leaderboard = plain(("n" * 10**6,))
    assert len(render_leaderboard(snapshot, leaderboard)) < 150_000


@pytest.mark.parametrize("board", [lambda: plain(("a", "b")), hostile], ids=["plain", "hostile"])
def test_only_its_own_style_and_script_are_allowed(board):
    html = render_leaderboard(*board())
    page = Page(html)
    (policy,) = page.find("meta", **{"http-equiv": "Content-Security-Policy"})
    rules = dict(rule.strip().split(" ", 1) for rule in policy["attrs"]["content"].split(";"))
    assert rules["default-src"] == "'none'"
    for tag in ("style", "script"):
        (element,) = page.find(tag)
        digest = base64.b64encode(hashlib.sha256(element["text"].encode()).digest()).decode()
        assert rules[f"{tag}-src"] == f"'sha256-{digest}'"
    assert not any("style" in item["attrs"] for item in page.elements)
    assert not re.search(r"\bhttps?:|@import|url\(|\bsrcset=|<base|<iframe|<form", html)


@pytest.mark.parametrize(
    "board", [empty, lambda: plain(("a",)), lambda: (realistic(), realistic_leaderboard()), hostile]
)
def test_landmarks_captions_and_scopes(board):
    page = page_of(board())
    for tag in ("main", "nav", "footer", "h1"):
        assert len(page.find(tag)) == 1
    assert len(page.find("table")) == len(page.find("caption"))
    assert all("scope" in item["attrs"] for item in page.find("th"))
    identifiers = [item["attrs"]["id"] for item in page.elements if "id" in item["attrs"]]
    assert len(identifiers) == len(set(identifiers))
    for item in page.elements:
        href = item["attrs"].get("href", "")
        assert not href.startswith("#") or href[1:] in identifiers


def test_same_input_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_page(render_leaderboard(*plain(("alpha", "beta"))), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_an_unwritable_folder_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="can't be written"):
        write_page(render_leaderboard(*plain(("alpha",))), tmp_path / "file" / "leaderboard.html")


def test_a_decision_about_a_team_or_an_answer_keeps_its_name():
    when = datetime(2026, 3, 4, tzinfo=UTC)
    decisions = (Decision(1, "rating", "ab" * 32, "manual", "Wrong button.", "o", when),
                 Decision(2, "run", "alpha/main", "manual", "Withdrawn.", "o", when))  # fmt: skip
    snapshot, leaderboard = plain(("alpha",))
    text = section(page_of((replace(snapshot, decisions=decisions), leaderboard)), "provenance")
    assert "rating abababababab" in text
    assert "run alpha/main" in text


def test_a_default_covers_its_own_keys_and_no_others():
    rules = parse_challenge(PLAIN.replace("[metrics.range, coverage]", "[ranking, submission]"), "test")
    own = {name for name, _, default in rule_rows(rules) if default}
    assert "ranking" in own
    assert "submission.runs.max" in own
    assert not any(name.startswith(("ranking_rules", "metrics", "coverage")) for name in own)


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


@pytest.mark.parametrize(
    ("most", "primary", "words"),
    [
        (1, 1, "A team may submit 1 run, which competes."),
        (3, 1, "A team may submit 3 runs; 1 primary run of them competes."),
        (3, 2, "A team may submit 3 runs; 2 primary runs of them compete."),
        (2, 2, "A team may submit 2 runs, which all compete."),
    ],
)
def test_how_many_runs_compete_in_words(most, primary, words):
    snapshot, _ = plain(("a", "b"))
    rules = snapshot.challenge.submission.model_copy(update={"runs": RunRules(max=most, primary=primary)})
    challenge = snapshot.challenge.model_copy(update={"submission": rules})
    assert words in [said.words for said in rules_in_words(challenge)]


def test_a_log_of_one_entry():
    snapshot = realistic()
    one = replace(snapshot, log=snapshot.log[:1])
    assert "Log 1 entry" in " ".join(section(page_of((one, realistic_leaderboard())), "provenance").split())
