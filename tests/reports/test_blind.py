"""Pages say of each metric what it can't see."""

from __future__ import annotations

import pytest
from builders.boards import make_card, make_run, make_snapshot
from leaderboard_pages import section
from pages import Page

from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.metrics.base import metric_registry
from evalkit.reports.blind import cannot_see, ignoring_own_audio
from evalkit.reports.comparison.inputs import ComparedEntry
from evalkit.reports.comparison.model import make_comparison
from evalkit.reports.comparison.page import render_comparison
from evalkit.reports.leaderboard.page import render_leaderboard
from evalkit.reports.scorecard_page import render_scorecard

METRICS = ("psnr.rgb", "sync.latentsync.conf", "sync.latentsync.dist", "sync.own.conf", "fid.pytorch", "unknown.metric")
CHALLENGE = "schema: 1\nid: c\ntitle: The challenge\nranking: mean-rank\nmetrics:\n" + "".join(
    f"  - {{id: {name}, weight: 1, direction: higher}}\n" for name in METRICS
)
DEAF = "sync.latentsync.conf and sync.latentsync.dist never hear the file's own audio"


def board(challenge=CHALLENGE, metrics=METRICS):
    card = make_card("alpha.zip", {name: [1.0, 2.0] for name in metrics})
    made = make_snapshot(challenge, {"alpha": [make_run("alpha", card)]})
    return made, compute_leaderboard(made, draws=100)


def test_the_scorecard_says_what_each_metric_cannot_see():
    text = Page(render_scorecard(make_card("a.zip", {name: [1.0, 2.0] for name in METRICS}), lambda _: None)).find(
        "section", **{"aria-labelledby": "metrics"}
    )[0]["text"]
    for name in METRICS[:-1]:
        assert f"Can't see: {metric_registry()[name].record.blind_to}" in text
    assert text.count("Can't see") == len(METRICS) - 1


@pytest.mark.parametrize("audience", ["public", "organizers"])
def test_the_leaderboard_says_it_beside_the_weights(audience):
    text = section(Page(render_leaderboard(*board(), audience)), "rules")
    for name in METRICS[:-1]:
        assert f"Can't see: {metric_registry()[name].record.blind_to}" in text


def test_the_comparison_says_it_below_the_table():
    cards = [make_card(f"{name}.zip", {name: [1.0, 2.0] for name in METRICS}) for name in ("a", "b")]
    entries = [ComparedEntry(card.submission.name, card) for card in cards]
    text = " ".join(item["text"] for item in Page(render_comparison(make_comparison(entries))).find("dd"))
    for name in METRICS[:-1]:
        assert text.count(metric_registry()[name].record.blind_to) == 1


def test_the_organizers_are_told_which_metrics_never_hear_the_file():
    notices = [item["text"] for item in Page(render_leaderboard(*board(), "organizers")).find("p", class_="notice")]
    assert any(DEAF in " ".join(text.split()) for text in notices)
    assert "never hear" not in render_leaderboard(*board())
    hearing = board(
        "schema: 1\nid: c\ntitle: t\nranking: mean-rank\nmetrics: [{id: sync.own.conf, direction: higher}]\n",
        ("sync.own.conf",),
    )
    assert "never hear" not in render_leaderboard(*hearing, "organizers")


def test_distances_of_whole_sets_do_not_see_swapped_videos():
    whole = [name for name in metric_registry() if name.startswith(("fid.", "kid.", "fvd.", "kvd."))]
    assert len(whole) > 8
    assert all(cannot_see(name).startswith("Which sample a video belongs to") for name in whole)


def test_every_metric_against_the_test_sets_speech_ignores_the_files_audio_and_no_other():
    names = [name for name in metric_registry() if name.startswith("sync.")]
    hears = {name for name in names if name.startswith(("sync.own.", "sync.replicate.")) or name == "sync.coverage"}
    assert set(ignoring_own_audio(names)) == set(names) - hears
    assert ignoring_own_audio(["psnr.rgb", "lse_c", "no.metric"]) == ["lse_c"]
