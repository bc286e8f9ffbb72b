"""Verdicts on raters: the rule of BT.500 by hand and on its edges, straight-liners, speeders, gold items."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
from scipy import stats

from evalkit.errors import UsageError
from evalkit.statistics.opinion_table import from_matrix
from evalkit.statistics.screening import bt500, far_scores, gold_items, rejected_raters, speeders, straight_liners

NAN = np.nan


@pytest.mark.parametrize("step", [1.0, 0.1, 0.3, 1 / 3, 7.0])
@pytest.mark.parametrize("base", [0.0, 1.0, 3.3])
def test_one_against_four_is_exactly_on_the_limit(base, step) -> None:
    # 0 0 0 0 1: mean 0.2, m2 = (4 * 0.04 + 0.64) / 5 = 0.16, m4 = (4 * 0.0016 + 0.4096) / 5 = 0.0832, kurtosis
    # 0.0832 / 0.0256 = 3.25: two deviations = 0.8, and the one is 0.8 above. With n - 1: 2 * 0.447 = 0.894, not far.
    table = from_matrix([[base, base, base, base, base + step], [base, base, base, base, base - step]])
    above, below = far_scores(table)
    assert above.tolist() == [0, 0, 0, 0, 1]
    assert below.tolist() == [0, 0, 0, 0, 1]
    assert not np.any(far_scores(table, ddof=1))


def test_heavy_tails_take_the_wider_limit() -> None:
    # 0 0 0 0 0 1: kurtosis 4.2, above 4; the one is sqrt(5) = 2.24 deviations away, below sqrt(20) = 4.47.
    assert not np.any(far_scores(from_matrix([[0, 0, 0, 0, 0, 1.0]])))
    # 21 to 1: kurtosis 20.05; the one is sqrt(21) = 4.58 deviations away, above 4.47. 20 to 1: sqrt(20), on the limit.
    assert far_scores(from_matrix([[0.0] * 21 + [1.0]]))[0][-1] == 1
    assert far_scores(from_matrix([[0.0] * 20 + [1.0]]))[0][-1] == 1
    assert far_scores(from_matrix([[0.0] * 19 + [1.0]]))[0][-1] == 0


def test_flat_scores_take_the_wider_limit() -> None:
    # 1 against 1 in the middle: 0 0 1 1 has kurtosis 1, and nobody is sqrt(20) deviations away.
    assert not np.any(far_scores(from_matrix([[0, 0, 1.0, 1.0]])))
    # Two camps and one beyond: kurtosis 1.6, and the one is 2.2 deviations away, less than 4.47.
    camps = np.array([0.0] * 20 + [1.0] * 20 + [1.8])
    assert stats.kurtosis(camps, fisher=False) < 1.7
    assert camps[-1] - camps.mean() > 2.2 * camps.std()
    assert not np.any(far_scores(from_matrix(camps[None, :])))


def test_items_on_which_all_agree_count_for_nobody() -> None:
    assert not np.any(far_scores(from_matrix([[4.0] * 5, [5.0, NAN, NAN, NAN, NAN]])))
    # The same score but for rounding: one against 39 would be sqrt(39) = 6.2 deviations away.
    almost = np.full((1, 40), 3.3)
    almost[0, -1] += 200 * np.spacing(3.3)
    assert not np.any(far_scores(from_matrix(almost)))
    almost[0, -1] += 1
    assert far_scores(from_matrix(almost))[0].tolist() == [0] * 39 + [1]


def bt_scores(high: int, low: int, items: int = 40):
    """Return scores in which rater 0 of five is far above on ``high`` items and far below on ``low``."""
    scores = np.full((items, 5), 3.0)
    scores[:high, 0] = 4.0
    scores[high : high + low, 0] = 2.0
    return scores


@pytest.mark.parametrize(
    ("high", "low", "rejected"),
    [
        (2, 1, False),  # 3 / 40 = 7.5 %, imbalance 1 / 3
        (2, 2, True),  # 10 %, imbalance 0
        (1, 1, False),  # 5 %, not above 5 %
        (10, 0, False),  # 25 %, imbalance 1: severe, not careless
        (13, 7, False),  # imbalance 0.3, not below 0.3
        (7, 13, False),
        (12, 7, True),  # imbalance 5 / 19 = 0.26
        (0, 0, False),
    ],
)
def test_both_conditions_of_bt500(high, low, rejected) -> None:
    verdicts = bt500(from_matrix(bt_scores(high, low)))
    assert [verdict.rejected for verdict in verdicts] == [rejected, False, False, False, False]
    first = verdicts[0]
    assert first.statistic == pytest.approx((high + low) / 40)
    assert (first.figures["above"], first.figures["below"]) == (high, low)
    assert ("imbalance" in first.figures) == (high + low > 0)
    assert f"far above the others on {high} and far below on {low} of 40 items" in first.sentence


def test_share_is_of_the_items_that_the_rater_rated() -> None:
    scores = bt_scores(1, 1)
    scores[20:, 0] = NAN  # 2 of 20 rated, of 40 in all
    assert bt500(from_matrix(scores))[0].rejected
    assert not bt500(from_matrix(scores), share_of="all")[0].rejected


def test_who_rated_nothing_is_not_judged() -> None:
    verdict = bt500(from_matrix([[1, NAN], [2, NAN]]))[1]
    assert (verdict.statistic, verdict.rejected) == (None, False)
    assert "rated nothing" in verdict.sentence


def test_straight_liners() -> None:
    rng = np.random.default_rng(0)
    scores = rng.integers(1, 6, (40, 5)).astype(float)
    scores[:, 1] = 4.0
    scores[:2, 2], scores[2:, 2] = [1.0, 2.0], 3.0  # 38 of 40: 95 %
    scores[:3, 3], scores[3:, 3] = [1.0, 2.0, 2.0], 3.0  # 37 of 40
    scores[5:, 4] = NAN  # five ratings, all the same
    scores[:5, 4] = 2.0
    verdicts = straight_liners(from_matrix(scores, [f"r0{n}" for n in range(1, 6)]))
    assert rejected_raters(verdicts) == [1, 2]
    assert verdicts[1].statistic == 1.0
    assert verdicts[1].figures["value"] == 4.0
    assert verdicts[4].statistic is None
    assert "r02 scored 40 of 40 items with 4" in verdicts[1].sentence


def test_giving_what_everybody_gives_is_no_straight_line() -> None:
    verdicts = straight_liners(from_matrix(np.full((20, 4), 5.0)))
    assert rejected_raters(verdicts) == []
    assert verdicts[0].statistic == 1.0
    alone = straight_liners(from_matrix(np.full((20, 1), 5.0)))  # nobody to compare with: the rule stands alone
    assert rejected_raters(alone) == [0]


def test_speeders_against_the_panel() -> None:
    # Medians 12, 3 and 9; the panel's median is 9, a third of it 3: 3 is not below, 2.9 is.
    who = np.repeat([0, 1, 2], 5)
    seconds = np.array([12, 12, 30, 1, 14, 3, 3, 3, 90, 1, 9, 9, 9, 9, 9], dtype=float)
    verdicts = speeders(who, seconds, ["r01", "r02", "r03"])
    assert [verdict.statistic for verdict in verdicts] == [12, 3, 9]
    assert verdicts[1].threshold == 3.0
    assert rejected_raters(verdicts) == []
    seconds[who == 1] -= 0.1
    assert rejected_raters(speeders(who, seconds, ["r01", "r02", "r03"])) == [1]


def test_speeders_against_a_declared_time_and_without_times() -> None:
    who = np.array([0] * 5 + [1] * 5 + [2] * 5)
    seconds = np.array([3.9] * 5 + [4.0] * 5 + [NAN, 1.0, 1.0, 1.0, 1.0])
    verdicts = speeders(who, seconds, ["r01", "r02", "r03"], least=4.0)
    assert rejected_raters(verdicts) == [0]
    assert verdicts[2].statistic is None
    assert "4 known times" in verdicts[2].sentence
    assert rejected_raters(speeders([0], [NAN], ["r01"])) == []
    with pytest.raises(UsageError):
        speeders([0], [-1.0], ["r01"])


def test_gold_items() -> None:
    # Item 0 must be 1, item 1 from 4 to 5, item 2 is no gold. Rater 1 is wrong on one of two, rater 2 on one of one.
    scores = [[1, 2, NAN, NAN], [4, 5, 3, NAN], [3, 3, 3, 3]]
    verdicts = gold_items(from_matrix(scores), [1, 4, NAN], [1, 5, NAN])
    assert [verdict.statistic for verdict in verdicts] == [0, 0.5, 1, None]
    assert rejected_raters(verdicts) == [1, 2]
    assert rejected_raters(gold_items(from_matrix(scores), [1, 4, NAN], [1, 5, NAN], most=0.5)) == [2]
    assert rejected_raters(gold_items(from_matrix(scores), [1, 4, NAN], [1, 5, NAN], min_gold=2)) == [1]
    with pytest.raises(UsageError):
        gold_items(from_matrix(scores), [1, 4, NAN], [1, NAN, NAN])
    with pytest.raises(UsageError):
        gold_items(from_matrix(scores), [2, 4, NAN], [1, 5, NAN])


def test_verdicts_are_plain_numbers(sample) -> None:
    table = from_matrix(sample)
    gold = np.where(np.arange(79) < 5, 4.0, NAN)
    verdicts = [*bt500(table), *straight_liners(table), *gold_items(table, gold, gold + 1)]
    assert len(verdicts) == 3 * 26
    for verdict in verdicts:
        assert json.loads(json.dumps(asdict(verdict)))["rejected"] in {True, False}
        assert verdict.sentence.endswith(".")
