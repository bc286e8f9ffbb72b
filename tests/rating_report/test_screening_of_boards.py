"""Screening over the dimensions of a board, and the exclusions that it proposes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders.boards import NOW, WHEN, item_of, make_snapshot
from builders.rated import CHALLENGE, RATINGS, TEAMS, THREE, rater_of, small

from evalkit.board.filtering import filter_answers
from evalkit.board.model import Decision, GoldItem, Snapshot
from evalkit.errors import UsageError
from evalkit.rating_report.compute import compute_rating_report
from evalkit.rating_report.model import ScreeningResult
from evalkit.rating_report.screening import RULES, propose_exclusions, screen, screen_parts
from evalkit.ratings import Answer


def screened(snapshot: Snapshot, *rules: str) -> dict[str, tuple[ScreeningResult, ...]]:
    return screen(snapshot, filter_answers(snapshot), rules or tuple(RULES))


def liner_board(flat: tuple[str, ...], **more: Any) -> Snapshot:
    """Return a board where r9 gives 3 to everything in the dimensions ``flat``; nine others vary together."""
    samples = [f"s{at}" for at in range(12)]
    teams = {"alpha": {"psnr": [30.0] * 12}}
    rng = np.random.default_rng(5)
    ratings = []
    for at, sample in enumerate(samples):
        for dimension in "abc":
            truth = 1 + (at * 3 + "abc".index(dimension)) % 5
            for rater in range(10):
                value = 3 if rater == 9 and dimension in flat else int(np.clip(truth + rng.integers(-1, 2), 1, 5))
                ratings.append((f"r{rater}", "alpha", sample, dimension, value))
    return make_snapshot(THREE, teams, samples=samples, ratings=ratings, **more)


@pytest.mark.parametrize(("flat", "found"), [(("a", "b", "c"), True), (("a", "b"), True), (("a",), False), ((), False)])
def test_a_rule_speaks_by_more_than_half_of_the_dimensions(flat: tuple[str, ...], found: bool) -> None:
    snapshot = liner_board(flat)
    proposed = propose_exclusions(snapshot, ["straight-liners"])
    assert [(rater, code) for rater, code, _ in proposed] == ([("r9", "straight-liner")] if found else [])
    if found:
        assert proposed[0][2].startswith(f"In {len(flat)} of 3 dimensions, first in a: r9 scored 12 of 12 items with 3")
    (screening,) = screened(snapshot, "straight-liners")["r9"]
    assert [verdict.rejected for verdict in screening.by_dimension.values()] == [
        dimension in flat for dimension in "abc"
    ]


def test_a_board_in_parts_is_screened_as_the_whole() -> None:
    gold = [GoldItem(item_of("alpha", f"s{at}"), "a", 2, 4) for at in range(10)]
    snapshot = replace(liner_board(("a", "b")), gold=tuple(gold))
    raters = sorted({one.rater for one in snapshot.answers})
    parts = [
        replace(snapshot, answers=tuple(one for one in snapshot.answers if one.rater == rater)) for rater in raters
    ]
    whole = screened(snapshot)
    assert screen_parts(parts) == whole
    assert {one.rule for one in whole["r9"] if one.rejected} == {"straight-liners", "bt500"}
    assert next(one for one in whole["r0"] if one.rule == "gold").by_dimension[""].statistic is not None
    assert screen_parts([]) == {}
    with pytest.raises(UsageError, match="no screening rule"):
        screen_parts([], ["none"])


def test_half_of_the_dimensions_is_not_enough() -> None:
    snapshot = liner_board(("a",))
    two = snapshot.challenge.ratings.model_copy(update={"dimensions": snapshot.challenge.ratings.dimensions[:2]})
    fewer = replace(snapshot, challenge=snapshot.challenge.model_copy(update={"ratings": two}))
    (screening,) = screened(fewer, "straight-liners")["r9"]
    assert [verdict.rejected for verdict in screening.by_dimension.values()] == [True, False]
    assert not screening.rejected
    assert screening.sentence.startswith("Against the rater in 1 of 2 dimensions.")


def test_who_is_left_out_is_judged_and_not_proposed_again() -> None:
    decision = Decision(1, "rater", "r9", "manual", "Known.", "organizer", NOW)
    snapshot = liner_board(("a", "b", "c"), decisions=[decision])
    assert propose_exclusions(snapshot, list(RULES)) == []
    assert "straight-liners" in {screening.rule for screening in screened(snapshot)["r9"] if screening.rejected}
    rater = rater_of(compute_rating_report(snapshot, draws=10), "r9")
    assert [(one.number, one.reason) for one in rater.decisions] == [(1, "Known.")]
    assert rater.counted == 0
    revoked = replace(snapshot, decisions=(replace(decision, revoked_at=NOW, revoked_by="organizer"),))
    assert [rater for rater, _, _ in propose_exclusions(revoked, ["straight-liners"])] == ["r9"]


def test_who_counts_is_held_against_those_who_count() -> None:
    """A second rater's answers, left out, don't move what is said of the others."""
    alone, noise = liner_board(()), []
    for stored in alone.answers[:360:10]:
        noise.append(replace(stored, rater="r99", value=6 - stored.value))
    ratings = [*alone.answers, *noise]
    decision = Decision(1, "rater", "r99", "manual", "Inverted.", "organizer", NOW)
    with_noise = make_snapshot(
        THREE,
        {"alpha": {"psnr": [30.0] * 12}},
        samples=[f"s{at}" for at in range(12)],
        ratings=ratings,
        decisions=[decision],
    )
    before, after = (screened(snapshot, "rest-correlation") for snapshot in (alone, with_noise))
    assert before["r3"] == after["r3"]
    correlations = [verdict.statistic for screening in after["r99"] for verdict in screening.by_dimension.values()]
    assert len(correlations) == 3
    assert all(correlation is not None and correlation < 0 for correlation in correlations)


def test_speeders_are_seen_in_answers_that_the_rules_refuse() -> None:
    strict = CHALLENGE + "  min_seconds_per_item: 4\n"
    teams = {"alpha": {"psnr": [30.0] * 6}}
    samples = [f"s{at}" for at in range(6)]
    ratings = [
        (f"r{rater}", "alpha", sample, "sync", 1 + at % 5, WHEN, 1.5 if rater == 3 else 20.0)
        for at, sample in enumerate(samples)
        for rater in range(4)
    ]
    snapshot = make_snapshot(strict, teams, samples=samples, ratings=ratings)
    rater = rater_of(compute_rating_report(snapshot), "r3")
    assert (rater.counted, rater.median_seconds, rater.rejected_by) == (0, 1.5, ("speeders",))
    assert propose_exclusions(snapshot, ["bt500", "speeders"]) == [
        ("r3", "speeder", "r3 takes 1.5 s for an item (median); all raters 20.0 s; rejected below 4.0 s.")
    ]
    silent = next(screening for screening in rater.screenings if screening.rule == "bt500")
    assert silent.sentence == "r3 has no rating that counts by the challenge's rules: not tested."


def test_gold_items_need_no_team_and_all_dimensions_are_one_test() -> None:
    check = [Answer(rater, "check", "sync", value, WHEN, 9.0, 2) for rater, value in (("r1", 5), ("r2", 1), ("r3", 4))]
    gold = [GoldItem("check", "sync", 4, 5), GoldItem(item_of("beta", "s1"), "sync", 1, 2)]
    snapshot = make_snapshot(CHALLENGE, TEAMS, ratings=[*RATINGS, *check], gold=gold)
    # r1: 5 and 2, both right; r2: 1 wrong, 1 right: half is more than a quarter; r3: 4 and 2; r4: 3 is wrong.
    assert [(rater, code) for rater, code, _ in propose_exclusions(snapshot, ["gold"])] == [
        ("r2", "gold"),
        ("r4", "gold"),
    ]
    report = compute_rating_report(snapshot)
    assert [(one.answers, one.wrong) for one in report.gold] == [(3, 1), (4, 1)]
    assert report.summary.reasons == {"unknown-item": 3}


def test_a_rater_stands_once_with_all_sentences() -> None:
    gold = [GoldItem(item_of("alpha", "s0"), "a", 5, 5)]
    proposed = propose_exclusions(liner_board(("a", "b", "c"), gold=gold), ["straight-liners", "gold"])
    mine = [row for row in proposed if row[0] == "r9"]
    assert [code for _, code, _ in mine] == ["straight-liner"]
    assert "r9 scored 12 of 12 items with 3" in mine[0][2]
    assert "r9 is wrong on 1 of 1 gold items" in mine[0][2]
    assert [rater for rater, _, _ in proposed] == sorted({rater for rater, _, _ in proposed})


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(UsageError, match="Did you mean 'speeders'"):
        propose_exclusions(small(), ["speeder"])
