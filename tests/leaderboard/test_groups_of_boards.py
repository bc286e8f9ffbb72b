"""Groups of people on a board: the report, what a group decides, and rankings by the worst group or with gaps."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders.boards import make_run, make_snapshot
from builders.computed import codes, ranks, row_of

from evalkit.challenges.model import parse_challenge
from evalkit.cli.leaderboard import print_leaderboard
from evalkit.errors import ChallengeError
from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.leaderboard.model import Leaderboard
from evalkit.leaderboard.serialise import as_dict
from evalkit.reports.leaderboard.tables import latex_text, leaderboard_latex, leaderboard_markdown, markdown_text
from evalkit.reports.leaderboard.words import by_group_lines

CHALLENGE = """
schema: 1
id: groups
title: Groups
metrics:
  - {id: psnr, direction: higher}
  - {id: lpips, direction: lower, rank: false}
ranking: mean-rank
ratings: {method: mos, dimensions: [{id: sync, title: Sync, weight: 0}]}
"""
RULE = "fairness: {{rule: {rule}, attribute: gender, min_videos: {least}, min_identities: 2{more}}}\n"
GROUPS = {f"s{at}": {"gender": "f" if at <= 3 else "m"} for at in range(1, 7)}
# alpha: 40 and 20, mean 30; beta: 28 and 28, mean 28; gamma: 29 and 25, mean 27.
TEAMS = {
    "alpha": {"psnr": [39.0, 40.0, 41.0, 19.0, 20.0, 21.0]},
    "beta": {"psnr": [27.0, 28.0, 29.0, 27.5, 28.0, 28.5]},
    "gamma": {"psnr": [28.0, 29.0, 30.0, 24.0, 25.0, 26.0]},
}


def make(rule: str = "", *, least: int = 2, more: str = "", teams: Any = TEAMS, groups: Any = GROUPS) -> Leaderboard:
    text = CHALLENGE + (RULE.format(rule=rule, least=least, more=more) if rule else "")
    return compute_leaderboard(make_snapshot(text, teams, groups=groups), draws=200)


def order(leaderboard: Leaderboard) -> list[str]:
    return [row.team for row in leaderboard.rows if row.rank is not None]


def test_means_rank_without_a_rule() -> None:
    assert order(make()) == ["alpha", "beta", "gamma"]


def test_the_worst_group_ranks() -> None:
    leaderboard = make("worst-group")
    assert order(leaderboard) == ["beta", "gamma", "alpha"]
    cell = row_of(leaderboard, "alpha").cells["psnr"]
    assert cell.value == pytest.approx(20.0)
    assert cell.ci is not None
    assert cell.ci[0] <= 20.0 <= cell.ci[1]
    assert "worst group of gender" in " ".join(leaderboard.columns[0].notes)
    # Not the means of all videos are resampled, which would leave alpha first.
    assert row_of(leaderboard, "alpha").interval == (3, 3)


def test_tables_say_that_a_number_is_of_the_worst_group(capsys) -> None:
    snapshot = make_snapshot(CHALLENGE + RULE.format(rule="worst-group", least=2, more=""), TEAMS, groups=GROUPS)
    leaderboard = compute_leaderboard(snapshot, draws=100)
    line = "PSNR, Sync: the mean of the worst group of people, not that of all videos."
    print_leaderboard(leaderboard)
    assert line in capsys.readouterr().out
    assert latex_text(line, 600) in leaderboard_latex(snapshot, leaderboard)
    assert markdown_text(line, 600) in leaderboard_markdown(snapshot, leaderboard)
    assert by_group_lines(make("gap-penalty")) == [
        "PSNR, Sync: the value made worse by the gap between groups of people, not the mean of all videos."
    ]
    assert by_group_lines(make()) == []


def test_the_worst_group_of_a_distance_is_the_largest() -> None:
    text = CHALLENGE.replace("{id: psnr, direction: higher}", "{id: psnr, direction: lower}")
    text += RULE.format(rule="worst-group", least=2, more="")
    found = compute_leaderboard(make_snapshot(text, TEAMS, groups=GROUPS, better={"psnr": False}), draws=200)
    assert row_of(found, "alpha").cells["psnr"].value == pytest.approx(40.0)
    assert order(found) == ["beta", "gamma", "alpha"]


def test_a_gap_costs_its_penalty() -> None:
    # alpha 30 - 0.15 * 20 = 27, beta 28 - 0.15 * 0 = 28, gamma 27 - 0.15 * 4 = 26.4
    leaderboard = make("gap-penalty", more=", penalty: 0.15")
    values = {row.team: row.cells["psnr"].value for row in leaderboard.rows}
    assert values == pytest.approx({"alpha": 27.0, "beta": 28.0, "gamma": 26.4})
    assert order(leaderboard) == ["beta", "alpha", "gamma"]


def test_small_groups_refuse_the_column_and_never_rank_by_the_mean() -> None:
    leaderboard = make("worst-group", least=4)
    assert order(leaderboard) == []
    assert leaderboard.columns[0].refused is not None
    assert leaderboard.columns[0].refused.code == "groups"
    assert "f has 3 samples, 4 are needed; m has 3 samples, 4 are needed" in leaderboard.columns[0].refused.sentence
    assert "too few to rank by gender" in (leaderboard.problem or "")


def test_many_groups_that_are_too_small_are_counted() -> None:
    samples = [f"s{at}" for at in range(1, 41)]
    leaderboard = make(
        "worst-group",
        teams={"alpha": {"psnr": [30.0] * 40}, "beta": {"psnr": [28.0] * 40}},
        groups={sample: {"gender": f"g{at:02d}"} for at, sample in enumerate(samples)},
    )
    assert leaderboard.problem is not None
    assert "g11 has 1 sample, 2 are needed; and 28 more." in leaderboard.problem
    assert "g12" not in leaderboard.problem


def test_declared_groups_leave_others_out() -> None:
    groups = {**GROUPS, "s6": {"gender": "other"}}
    assert order(make("worst-group", groups=groups)) == []  # one sample of "other"
    leaderboard = make("worst-group", groups=groups, more=", groups: [f, m]")
    assert row_of(leaderboard, "alpha").cells["psnr"].value == pytest.approx(19.5)
    assert order(leaderboard) == ["beta", "gamma", "alpha"]


def test_no_groups_at_all_refuse_the_column() -> None:
    leaderboard = make("worst-group", groups={})
    assert order(leaderboard) == []
    assert "no sample says its gender" in str(leaderboard.columns[0].refused)


def test_a_run_that_leaves_a_group_out_is_not_ranked_by_the_rest() -> None:
    teams = {**TEAMS, "alpha": {"psnr": [39.0, 40.0, 41.0, None, None, 21.0]}}
    text = CHALLENGE + "coverage: 0.5\n" + RULE.format(rule="worst-group", least=2, more="")
    leaderboard = compute_leaderboard(make_snapshot(text, teams, groups=GROUPS), draws=200)
    assert order(leaderboard) == ["beta", "gamma"]
    row = row_of(leaderboard, "alpha")
    assert row.cells["psnr"].reason == "too_few_of_group:m"
    assert codes(row) == ["unscored"]


def test_a_scorecard_with_other_groups_costs_itself_only() -> None:
    lies = {sample: {"gender": "f"} if sample != "s1" else {"gender": "m"} for sample in GROUPS}
    runs = {team: [make_run(team, values, groups=GROUPS)] for team, values in TEAMS.items()}
    runs["alpha"] = [make_run("alpha", TEAMS["alpha"], groups=lies)]
    leaderboard = make("worst-group", teams=runs)
    assert order(leaderboard) == ["beta", "gamma"]
    assert row_of(leaderboard, "alpha").cells["psnr"].reason == "other_groups"
    assert leaderboard.fairness is not None
    assert leaderboard.fairness.entries == ("beta", "gamma")
    assert "contradicts the others about who is in a sample: alpha." in leaderboard.fairness.findings[-1]


def test_scorecards_without_groups_or_identities_lose_nothing() -> None:
    snapshot = make_snapshot(CHALLENGE + RULE.format(rule="worst-group", least=2, more=""), TEAMS, groups=GROUPS)
    alpha, beta, gamma = snapshot.runs
    known = tuple(video.model_copy(update={"identity": video.sample}) for video in alpha.card.videos)
    plain = tuple(video.model_copy(update={"groups": {}}) for video in gamma.card.videos)
    runs = (
        replace(alpha, card=alpha.card.model_copy(update={"videos": known})),
        beta,
        replace(gamma, card=gamma.card.model_copy(update={"videos": plain})),
    )
    leaderboard = compute_leaderboard(replace(snapshot, runs=runs), draws=100)
    assert order(leaderboard) == ["beta", "gamma", "alpha"]
    assert leaderboard.fairness is not None
    assert leaderboard.fairness.entries == ("alpha", "beta", "gamma")
    assert leaderboard.fairness.identities_known


def test_scorecards_of_the_organizer_say_who_is_who() -> None:
    lies = {sample: {"gender": "m"} for sample in GROUPS}
    runs = {team: [make_run(team, values, groups=lies)] for team, values in TEAMS.items()}
    runs["beta"] = [replace(make_run("beta", TEAMS["beta"], groups=GROUPS), origin="scored-here")]
    assert order(make("worst-group", teams=runs)) == ["beta"]


def test_numbers_of_the_whole_set_keep_their_value_and_are_named() -> None:
    text = CHALLENGE.replace("metrics:\n", "metrics:\n  - {id: fid, direction: lower}\n")
    teams = {team: {**values, "fid": 9.0 + at} for at, (team, values) in enumerate(TEAMS.items())}
    snapshot = make_snapshot(
        text + RULE.format(rule="worst-group", least=2, more=""), teams, groups=GROUPS, better={"fid": False}
    )
    fid = compute_leaderboard(snapshot, draws=200).columns[0]
    assert fid.refused is None
    assert "no mean by group makes it" in fid.notes[-1]
    named = text + RULE.format(rule="worst-group", least=2, more=", columns: [fid]")
    found = compute_leaderboard(make_snapshot(named, teams, groups=GROUPS, better={"fid": False}), draws=200)
    assert found.columns[0].refused is not None
    assert row_of(found, "alpha").cells["psnr"].value == pytest.approx(30.0)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("fairness: {rule: worst-group}", "needs an 'attribute'"),
        ("fairness: {attribute: gender}", "without a rule do nothing"),
        ("fairness: {rule: worst-group, attribute: gender, columns: [psnrr]}", "Did you mean 'psnr'"),
        ("fairness: {rule: gap-penalty, attribute: gender, penalty: -1}", "penalty"),
    ],
)
def test_rules_that_say_nothing_are_refused(line: str, said: str) -> None:
    with pytest.raises(ChallengeError, match=said):
        parse_challenge(CHALLENGE + line + "\n", "file")


def test_rules_of_groups_change_no_scorecard_and_no_older_digest() -> None:
    plain = parse_challenge(CHALLENGE, "file")
    ruled = parse_challenge(CHALLENGE + RULE.format(rule="worst-group", least=2, more=""), "file")
    spelt = parse_challenge(CHALLENGE + "fairness: {rule: none}\n", "file")
    assert ruled.scoring_sha256 == plain.scoring_sha256
    assert ruled.sha256 != plain.sha256 == spelt.sha256


def test_the_report_is_part_of_the_leaderboard_with_what_a_group_decides() -> None:
    rng = np.random.default_rng(0)
    groups = {f"s{at}": {"gender": "f" if at <= 22 else "m"} for at in range(1, 45)}
    teams = {
        "alpha": {"psnr": list(np.r_[rng.normal(33, 1, 22), rng.normal(27, 1, 22)])},
        "beta": {"psnr": list(rng.normal(29, 1, 44))},
    }
    ratings = [
        (f"r{rater}", "alpha", f"s{at}", "sync", 4 if at <= 22 else 2) for rater in range(2) for at in (1, 2, 30)
    ]
    board = make_snapshot(CHALLENGE, teams, groups=groups, ratings=ratings)
    leaderboard = compute_leaderboard(board, draws=200)
    report = leaderboard.fairness
    assert report is not None
    table = report.table("gender", "psnr", "alpha")
    assert table.worst == "m"
    assert report.significant(table)
    assert not report.significant(report.table("gender", "psnr", "beta"))
    opinions = report.table("gender", "sync", "alpha")
    assert [(line.value, line.mean, line.videos) for line in opinions.lines] == [("f", 4.0, 2), ("m", 2.0, 1)]
    decided = report.influence[0]
    assert decided.order_of == "ranking"
    assert decided.order == ("alpha", "beta")
    assert decided.without == {"f": ("beta", "alpha"), "m": ("alpha", "beta")}
    assert decided.moved == {"f": 2, "m": 0}
    assert json.loads(json.dumps(as_dict(leaderboard), allow_nan=False))["fairness"]["tests"] == report.tests
    assert ranks(leaderboard)["alpha/main"] == 1


def test_no_groups_no_report() -> None:
    assert make(groups={}).fairness is None


def test_a_group_that_a_rule_names_is_left_out_of_the_rule_too() -> None:
    groups = {f"s{at}": {"age": ("young", "old", "older")[(at - 1) // 2]} for at in range(1, 7)}
    rule = RULE.format(rule="worst-group", least=2, more=", groups: [young, old, older]").replace("gender", "age")
    teams = {"alpha": {"psnr": [40.0, 40.0, 30.0, 30.0, 10.0, 10.0]}, "beta": {"psnr": [20.0] * 6}}
    leaderboard = compute_leaderboard(make_snapshot(CHALLENGE + rule, teams, groups=groups), draws=200)
    assert leaderboard.fairness is not None
    decided = leaderboard.fairness.influence[0]
    assert decided.order == ("beta", "alpha")  # 20 and 10
    # Without the older ones alpha's worst group has 30, the others leave it at 10.
    assert decided.without == {"old": ("beta", "alpha"), "older": ("alpha", "beta"), "young": ("beta", "alpha")}
