"""Ratings, rules and provenance on the leaderboard: raters by number, defaults named, digests."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from builders.boards import make_run, make_snapshot
from builders.leaderboards import PLAIN, log, plain, plain_card
from builders.realistic_board import realistic, realistic_leaderboard
from leaderboard_pages import cells, page_of, section
from pages import Page

from evalkit.board.model import Decision, Team
from evalkit.challenges.model import parse_challenge
from evalkit.challenges.submission_rules import RunRules
from evalkit.leaderboard.table import Column
from evalkit.reports.leaderboard.page import render_leaderboard
from evalkit.reports.leaderboard.rules import rule_rows, rules_in_words, weight_source

# --- ratings, rules, provenance ---------------------------------------------------------------------------------------


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
    assert "same answer" not in text
    assert "revoked at 2026-03-07 09:00:00 UTC by organizer: not published" in text


def test_ids_of_raters_and_members_are_masked_where_they_are_words_and_numbers_stay_numbers():
    snapshot = make_snapshot(
        parse_challenge(PLAIN, "test"),
        {"alpha": [make_run("alpha", plain_card("alpha", 0))]},
        ratings=[("5", "alpha", "s1", "look", 4), ("kim", "alpha", "s1", "look", 4)],
        log=log(3, ("kim took 5 seconds, kimono 6; mona knows.", "alpha", "add kim to alpha")),
    )  # fmt: skip
    snapshot = replace(snapshot, teams=(Team("alpha", ("mona",)),))
    text = section(page_of((snapshot, plain(("alpha",))[1])), "provenance")
    assert "rater 2 took 5 seconds, kimono 6; a member knows." in text
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


def test_a_decision_about_a_team_or_an_answer_keeps_its_name():
    when = datetime(2026, 3, 4, tzinfo=UTC)
    decisions = (Decision(1, "answer", "ab" * 32, "manual", "Wrong button.", "o", when),
                 Decision(2, "run", "alpha/main", "manual", "Withdrawn.", "o", when))  # fmt: skip
    snapshot, leaderboard = plain(("alpha",))
    page = Page(render_leaderboard(replace(snapshot, decisions=decisions), leaderboard, "organizers"))
    text = section(page, "provenance")
    assert "answer abababababab" in text
    assert "Wrong button." in text
    assert "run alpha/main" in text


def test_a_default_covers_its_own_keys_and_no_others():
    rules = parse_challenge(PLAIN.replace("[metrics.range, coverage]", "[ranking, submission]"), "test")
    own = {name for name, _, default in rule_rows(rules) if default}
    assert "ranking" in own
    assert "submission.runs.max" in own
    assert not {"metrics[m.id].range", "metrics[m.err].weight", "ratings.method", "title"} & own


def test_a_value_that_the_file_does_not_set_is_evalkits_own():
    rules = parse_challenge(
        "id: c\ntitle: C\ncoverage: 1\nmetrics: [{id: a.b, weight: 1}, {id: c.d, range: [0, 1]}]\n"
        "ratings: {method: mos, dimensions: [{id: q, title: Q, scale: [1, 5]}]}\n",
        "test",
    )
    own = {name: default for name, _, default in rule_rows(rules)}
    assert [own[f"metrics[a.b].{name}"] for name in ("weight", "range", "rank")] == [False, True, True]
    assert [own[f"metrics[c.d].{name}"] for name in ("weight", "range")] == [True, False]
    assert [own[f"ratings.dimensions[q].{name}"] for name in ("title", "scale", "weight")] == [False, False, True]
    assert [own[name] for name in ("coverage", "ranking", "schema", "submission.video.max_fps")] == [
        *(False, True, True, True)
    ]
    said = {one.name: one.default for one in rules_in_words(rules)}
    assert (said["Coverage"], said["Ranking"], said["Opinion score"], said["Runs"]) == (False, True, True, True)
    columns = [
        *(Column(name, True, weight=1.0) for name in ("a.b", "c.d")),
        Column("q", True, "subjective", kind="dimension"),
        Column("pairs", True, "subjective", kind="pairs"),
    ]
    assert [weight_source(rules, column) for column in columns] == [
        *((False, True), (True, False), (True, False), (True, True))
    ]


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
