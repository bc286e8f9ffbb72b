"""Videos that two teams share, from fingerprints in stored scorecards."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from builders.boards import make_card, make_snapshot

from evalkit.board.model import Snapshot
from evalkit.challenges.model import Challenge, parse_challenge
from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.leaderboard.duplicates import duplicate_videos
from evalkit.metrics.gaming.signature import to_hex
from evalkit.reports.leaderboard.page import render_leaderboard
from evalkit.reports.leaderboard.tables import leaderboard_json
from evalkit.scoring.scorecard import Fingerprint, Scorecard

RULES = """
schema: 1
id: c
title: C
submission: {layouts: ["{id}.mp4"]%s}
metrics: [{id: psnr.rgb, weight: 1, direction: higher, range: [10, 50]}]
ranking: weighted-sum
"""


def challenge(severity: str = "") -> Challenge:
    return parse_challenge(
        RULES % (f', severities: {{gaming.across-teams: "{severity}"}}' if severity else ""), "c.yaml"
    )


def bits(seed: int, wrong: float = 0.0) -> str:
    """Return a signature by seed, with a share of the bits turned around."""
    found = np.random.default_rng(seed).random((60, 24)) < 0.5
    found ^= np.random.default_rng(999).random((60, 24)) < wrong
    return to_hex(found)


def card(name: str, prints: list[tuple[str, str] | None]) -> Scorecard:
    """Return a scorecard with (digest, bits) per sample."""
    made = make_card(name, {"psnr.rgb": [30.0 + at for at in range(len(prints))]})
    videos = []
    for video, one in zip(made.videos, prints, strict=True):
        told = None if one is None else Fingerprint(sha256=one[0], motion=1.0, picture="00" * 8, bits=one[1])
        videos.append(video.model_copy(update={"fingerprint": told}))
    return made.model_copy(update={"videos": tuple(videos)})


def snapshot(rules: Challenge | None = None, **teams: list[tuple[str, str] | None]) -> Snapshot:
    made = make_snapshot(rules or challenge(), {name: {"psnr.rgb": [30.0, 31.0, 32.0]} for name in teams})
    runs = tuple(replace(run, card=card(run.team, teams[run.team])) for run in made.runs)
    return replace(made, runs=runs)


ALPHA = [("a1", bits(1)), ("a2", bits(2)), ("a3", bits(3))]


def test_copies_across_teams():
    """beta took the first video as it is and encoded the second again; the third is its own."""
    (one,) = duplicate_videos(snapshot(alpha=ALPHA, beta=[("a1", bits(1)), ("b2", bits(2, 0.05)), ("b3", bits(33))]))
    assert one.teams == ("alpha", "beta") and one.samples == ("s1", "s2") and one.severity == "warning"
    assert one.found.startswith("sample s1: equal files; sample s2: 9")


def test_equal_files_count_wherever_they_stand():
    (one,) = duplicate_videos(snapshot(alpha=ALPHA, beta=[("b1", bits(11)), ("b2", bits(12)), ("a1", bits(1))]))
    assert one.samples == ("s1",) and one.found == "sample s1 as s3: equal files"


def test_nothing_is_shared():
    assert duplicate_videos(snapshot(alpha=ALPHA, beta=[(f"b{at}", bits(10 + at)) for at in range(3)])) == ()
    assert duplicate_videos(snapshot(alpha=ALPHA, beta=[None, None, None])) == ()
    assert duplicate_videos(snapshot(alpha=ALPHA)) == ()
    still = [("x", ""), ("y", ""), ("z", "")]
    assert duplicate_videos(snapshot(alpha=[("a", ""), ("b", ""), ("c", "")], beta=still)) == ()


@pytest.mark.parametrize("text", ["no hex", "abc", "00" * 1000, "<script>"])
def test_damaged_bits_share_nothing(text):
    assert duplicate_videos(snapshot(alpha=ALPHA, beta=[("b1", text), ("b2", bits(12)), ("b3", bits(2))])) == ()


def test_runs_of_one_team_may_be_equal():
    made = snapshot(alpha=ALPHA, beta=[None, None, None])
    second = replace(made.runs[0], name="second", primary=False)
    assert duplicate_videos(replace(made, runs=(*made.runs, second))) == ()


def test_three_teams_make_three_pairs_the_most_first():
    found = duplicate_videos(
        snapshot(alpha=ALPHA, beta=ALPHA, gamma=[("a1", bits(1)), ("c2", bits(22)), ("c3", bits(23))])
    )
    assert [(one.teams, len(one.samples)) for one in found] == [
        (("alpha", "beta"), 3),
        (("alpha", "gamma"), 1),
        (("beta", "gamma"), 1),
    ]


def test_a_challenge_may_switch_it_off():
    assert duplicate_videos(snapshot(challenge("off"), alpha=ALPHA, beta=ALPHA)) == ()
    assert duplicate_videos(snapshot(challenge("info"), alpha=ALPHA, beta=ALPHA))[0].severity == "info"


def test_page_and_json_tell_it_and_no_rank_depends_on_it():
    made = snapshot(alpha=ALPHA, beta=ALPHA)
    leaderboard = compute_leaderboard(made, draws=100)
    page = render_leaderboard(made, leaderboard, "organizers")
    assert "Videos that two teams share" in page and "sample s1: equal files" in page
    document = json.loads(leaderboard_json(made, leaderboard, "organizers"))
    assert document["leaderboard"]["duplicates"][0]["samples"] == ["s1", "s2", "s3"]
    without = snapshot(challenge("off"), alpha=ALPHA, beta=ALPHA)
    other = compute_leaderboard(without, draws=100)
    assert replace(leaderboard, duplicates=()).rows == other.rows
    assert "Videos that two teams share" not in render_leaderboard(without, other, "organizers")


def test_foreign_text_is_neutral_on_the_page():
    name = "</bdi><script>alert(1)</script>"
    made = snapshot(alpha=ALPHA, beta=ALPHA)
    runs = tuple(
        replace(
            run,
            card=run.card.model_copy(
                update={"videos": tuple(v.model_copy(update={"sample": name}) for v in run.card.videos[:1])}
            ),
        )
        for run in made.runs
    )
    made = replace(made, runs=runs)
    page = render_leaderboard(made, compute_leaderboard(made, draws=100), "organizers")
    assert "Videos that two teams share" in page and "<script>alert(1)" not in page


def test_a_scorecard_without_fingerprints_reads_as_before():
    old = json.loads(make_card("x", {"psnr.rgb": [1.0]}).to_json())
    for video in old["videos"]:
        del video["fingerprint"]
    assert Scorecard.from_json(json.dumps(old)).videos[0].fingerprint is None
    again = Scorecard.from_json(card("x", [("d", bits(4))]).to_json())
    assert again.videos[0].fingerprint == Fingerprint(sha256="d", motion=1.0, picture="00" * 8, bits=bits(4))
