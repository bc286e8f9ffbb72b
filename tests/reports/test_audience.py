"""Pages and tables for the public and for the organizers, of a board that is full of what must not be published."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from builders.boards import NOW, make_card, make_run, make_snapshot
from builders.leaderboards import log
from pages import Page

from evalkit.board.model import Decision, GoldItem, Import, Team
from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.rating_report.compute import compute_rating_report
from evalkit.reports.audience import findings_for, leaderboard_for, ratings_for
from evalkit.reports.leaderboard.page import render_leaderboard
from evalkit.reports.leaderboard.tables import (
    leaderboard_csv,
    leaderboard_json,
    leaderboard_latex,
    leaderboard_markdown,
)
from evalkit.reports.ratings_page import render_ratings_report
from evalkit.scoring.scorecard import Fingerprint, Scorecard

CHALLENGE = """
schema: 1
id: c
title: The challenge
metrics:
  - {id: psnr.rgb, weight: 1, direction: higher, range: [10, 50]}
  - {id: fid.pytorch, weight: 0, direction: lower, group: diagnostic, rank: false}
submission: {runs: {max: 3}}
ranking: weighted-sum
ratings: {method: mos, dimensions: [{id: look, title: Look}]}
"""
RATERS = ("kim@example.org", "lee@example.org", "pat@example.org", "77041")
SECRETS = (  # never in anything for the public
    "Cheaters", "gaming.", "same picture", "pasted", "two teams share", "equal files", "Copied", "collusion", "Caught",
    "kim@example.org", "lee@example.org", "pat@example.org", "77041", "mona@example.org", "robin@example.org",
    "gold-item", "straight-liner", "sneaky", "left out by a decision", "Suspicious",
)  # fmt: skip


def card(name, at, *findings):
    document = make_card(
        f"{name}.zip",
        {"psnr.rgb": [30.0 + at, 31.0, 32.0, 33.0 - at / 2], "fid.pytorch": 10.0 + at},
        details={"fid.pytorch": {"n": 4.0 + at, "n_reference": 4.0}},
    ).model_dump(mode="json", by_alias=True)
    frozen = {
        "rule": "gaming.nearly-frozen", "severity": "warning", "message": "Every frame is the same picture.",
        "found": "1 picture", "sample": "s1",
    }  # fmt: skip
    document["videos"][0] |= {"verdict": "warning", "findings": [frozen]}
    document["findings"] = [{"rule": "gaming.overlay", "severity": "info", "message": "Something is pasted."}]
    return Scorecard.model_validate(document)


def with_fingerprints(run, owner):
    videos = tuple(
        video.model_copy(update={"fingerprint": Fingerprint(sha256=f"{owner}{at}" * 8, motion=1.0, picture="00")})
        for at, video in enumerate(run.card.videos)
    )
    return replace(run, card=run.card.model_copy(update={"videos": videos}))


@pytest.fixture(scope="module")
def board():
    """Four teams: beta copied alpha's videos, the Cheaters are excluded, and of gamma one run and of delta the only."""
    runs = {
        "alpha": [make_run("alpha", card("alpha", 0))],
        "beta": [make_run("beta", card("beta", 1))],
        "Cheaters": [make_run("Cheaters", card("Cheaters", 2))],
        "gamma": [
            make_run("gamma", card("gamma", 3), name="sneaky"),
            make_run("gamma", card("gamma", 4), name="honest", primary=False),
        ],
        "delta-sneaky": [make_run("delta-sneaky", card("delta", 5))],
    }
    ratings = [
        (rater, team, f"s{at}", "look", 3 if rater == RATERS[3] else 1 + (at + number + len(team)) % 5)
        for number, rater in enumerate(RATERS)
        for team in runs
        for at in range(1, 5)
    ]
    decisions = [
        ("team", "Cheaters", "manual", "Copied the videos of alpha; collusion with lee@example.org."),
        ("run", "gamma/sneaky", "manual", "Caught with frozen videos."),
        ("run", "delta-sneaky/main", "manual", "Caught too."),
        ("rater", RATERS[3], "straight-liner", "Suspicious: 77041 gives 3 to everything."),
    ]
    made = make_snapshot(
        CHALLENGE,
        runs,
        ratings=ratings,
        raters={RATERS[1]: "Cheaters", RATERS[2]: "alpha"},
        gold=[GoldItem("gold-item", "look", 4, 5)],
        decisions=decisions,
        log=log(10, ("Cheaters", "gamma/sneaky", "kim@example.org", "delta-sneaky", "mona@example.org to alpha")),
    )
    revoked = Decision(9, "team", "alpha", "manual", "Suspicious.", "kim@example.org", NOW, NOW, RATERS[1], "Copied?")
    return replace(
        made,
        runs=tuple(with_fingerprints(run, "a" if run.team in {"alpha", "beta"} else run.team[1]) for run in made.runs),
        teams=(
            *(replace(team, members=("mona@example.org",)) if team.name == "alpha" else team for team in made.teams),
            Team("late", ("robin@example.org",)),
        ),
        decisions=(*made.decisions, revoked),
        imports=(Import("answers of kim@example.org.csv", "ab" * 32, "long", 80, 0, "lee@example.org", NOW),),
    )  # fmt: skip


@pytest.fixture(scope="module")
def ranked(board):
    made = compute_leaderboard(board, draws=100)
    assert made.duplicates
    return made


def outputs(board, ranked, audience):
    """Everything that the commands write for one audience, by name."""
    report = compute_rating_report(board, draws=200)
    makers = (render_leaderboard, leaderboard_csv, leaderboard_json, leaderboard_latex, leaderboard_markdown)
    found = {make.__name__: make(board, ranked, audience) for make in makers}
    found["ratings page"] = render_ratings_report(board, report, audience)
    found["ratings json"] = json.dumps(ratings_for(audience, board, report)[1].as_dict())
    return found


def words_of(text):
    """What a reader of the file sees: of pages, without style and script; of Markdown and LaTeX, without escapes."""
    page = re.sub(r"<(style|script)>.*?</\1>", "", text, flags=re.DOTALL)
    return page if page.startswith("<!doctype") or text.startswith("{") else page.replace("\\", "")


def test_nothing_for_the_public_accuses_or_names_raters_and_withheld_teams(board, ranked):
    for name, text in outputs(board, ranked, "public").items():
        assert [secret for secret in SECRETS if secret in words_of(text)] == [], name


def test_the_organizers_see_all_of_it(board, ranked):
    found = outputs(board, ranked, "organizers")
    page = found["render_leaderboard"]
    for secret in ("Cheaters", "gaming.nearly-frozen", "Videos that two teams share", "equal files", "collusion"):
        assert secret in page
    assert "Not for publication" in page
    assert "kim@example.org" in page
    document = json.loads(found["leaderboard_json"])
    assert document["audience"] == "organizers"
    assert document["leaderboard"]["duplicates"]
    assert "Cheaters" in found["leaderboard_csv"]
    assert "Not for publication" in found["ratings page"]
    for secret in ("77041", "gold-item", "straight-liner", "Cheaters"):
        assert secret in found["ratings page"]
        assert secret in found["ratings json"]


def test_public_is_what_is_made_unless_asked_otherwise(board, ranked):
    report = compute_rating_report(board, draws=200)
    public = outputs(board, ranked, "public")
    for make in (render_leaderboard, leaderboard_csv, leaderboard_json, leaderboard_latex, leaderboard_markdown):
        assert make(board, ranked) == public[make.__name__]
    assert render_ratings_report(board, report) == public["ratings page"]


def test_what_is_withheld_changes_no_number_of_the_others(board, ranked):
    _, shown = leaderboard_for("public", board, ranked)
    assert {row.key for row in shown.rows} == {("alpha", "main"), ("beta", "main"), ("gamma", "honest")}
    full = {row.key: row for row in ranked.rows}
    for row in shown.rows:
        assert replace(row, reasons=()) == replace(full[row.key], reasons=())
    assert shown.points == ranked.points
    (honest,) = [row for row in shown.rows if row.run == "honest"]
    assert [one.sentence for one in honest.reasons] == ["Only primary runs compete."]


def test_the_public_page_still_says_which_raters_and_answers_do_not_count(board, ranked):
    page = Page(render_leaderboard(board, ranked))
    (ratings,) = page.find("section", **{"aria-labelledby": "ratings"})
    assert "1 excluded" in ratings["text"]
    document = json.loads(leaderboard_json(board, ranked))
    assert [one["about"] for one in document["decisions"]] == ["rater 4"]
    assert [one["reason"] for one in document["decisions"]] == ["not published"]
    assert {one["excluded"] for one in document["leaderboard"]["ratings"]["raters"]} == {None, "by a decision"}


def test_findings_that_accuse():
    findings = [{"rule": "gaming.overlay"}, {"rule": "media.codec"}, {"rule": "gaming.of-a-plugin"}, {}]
    assert findings_for("public", findings) == ({"rule": "media.codec"}, {})
    assert findings_for("organizers", findings) == tuple(findings)


def test_a_team_with_a_revoked_decision_is_shown(board, ranked):
    _, shown = leaderboard_for("public", board, ranked)
    assert "alpha" in {row.team for row in shown.rows}


def test_log_entries_about_what_is_withheld_have_no_name(board, ranked):
    snapshot, _ = leaderboard_for("public", board, ranked)
    assert {one.subject for one in snapshot.log} == {
        "a withheld team", "a withheld run", "rater 1", "a member to alpha"
    }  # fmt: skip


@pytest.mark.parametrize("render", [render_leaderboard, leaderboard_json, leaderboard_csv, leaderboard_latex])
def test_the_public_sees_why_a_sample_is_excluded_without_names_of_raters(render):
    why = "kim found no face in the reference"
    snapshot = make_snapshot(
        CHALLENGE,
        {"alpha": card("alpha", 0), "beta": card("beta", 1)},
        ratings=[("kim", "alpha", "s1", "look", 4)],
        decisions=[("sample", "s2", "manual", why)],
    )
    leaderboard = compute_leaderboard(snapshot, draws=100)
    public, own = (render(snapshot, leaderboard, audience) for audience in ("public", "organizers"))
    assert why in own
    assert "rater 1 found no face in the reference" in public
    assert "kim" not in public
    assert "s2" in public
