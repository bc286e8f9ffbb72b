"""How raters go with the others: correlations by another implementation, thresholds by hand, the worst first."""

from __future__ import annotations

import numpy as np
import pytest

from evalkit.statistics.opinion_table import from_matrix
from evalkit.statistics.rater_correlation import correlation, p913_correlation, rest_correlation
from evalkit.statistics.screening import rejected_raters

NAN = np.nan


def panel(raters=8, items=40, noise=0.5, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(1, 5, items)[:, None] + rng.normal(0, noise, (items, raters))


def test_the_rest_is_everybody_else() -> None:
    scores = panel()
    scores[3, 1] = NAN
    verdicts = rest_correlation(from_matrix(scores))
    for rater in range(8):
        there = ~np.isnan(scores[:, rater])
        rest = np.nanmean(np.delete(scores, rater, axis=1), axis=1)
        expected = np.corrcoef(scores[there, rater], rest[there])[0, 1]
        assert verdicts[rater].statistic == pytest.approx(expected, abs=1e-12)
        assert verdicts[rater].figures["items"] == there.sum()


def test_the_threshold_follows_the_panel_up_to_a_cap() -> None:
    good = rest_correlation(from_matrix(panel(noise=0.2)))
    assert good[0].threshold == 0.7
    poor = rest_correlation(from_matrix(panel(noise=3.0)))
    found = np.array([verdict.statistic for verdict in poor])
    assert poor[0].threshold == pytest.approx(found.mean() - found.std(ddof=1))
    assert rejected_raters(poor) == np.flatnonzero(found < poor[0].threshold).tolist()
    assert 0 < len(rejected_raters(poor)) < 8


def test_a_random_and_a_reversed_rater_are_found() -> None:
    scores = panel()
    scores[:, 2] = np.random.default_rng(9).uniform(1, 5, 40)
    scores[:, 5] = 6 - scores[:, 5]
    table = from_matrix(scores)
    assert rejected_raters(rest_correlation(table)) == [5]  # who widens the panel's spread so far that 2 is within it
    assert rejected_raters(rest_correlation(table.without([5]))) == [2]
    assert rejected_raters(p913_correlation(table)) == [2, 5]


def test_what_can_not_be_said_is_not_held_against_anybody() -> None:
    scores = panel(raters=4)
    scores[:, 1] = 4.0  # no variation
    scores[9:, 2] = NAN  # nine items
    for rule in (rest_correlation, p913_correlation):
        verdicts = rule(from_matrix(scores))
        assert [verdict.statistic is None for verdict in verdicts] == [False, True, True, False]
        assert not verdicts[1].rejected
        assert not verdicts[2].rejected
        assert "can't be compared" in verdicts[1].sentence
    alone = rest_correlation(from_matrix(panel(raters=1)))
    assert (alone[0].statistic, alone[0].threshold, alone[0].rejected) == (None, None, False)


def test_p913_takes_the_worst_first_and_makes_the_means_again() -> None:
    # One reversed rater among three good ones spoils the means for all; once they are set aside, the others pass.
    rng = np.random.default_rng(1)
    truth = rng.uniform(1, 5, 40)
    scores = truth[:, None] + rng.normal(0, 0.9, (40, 4))
    scores[:, 0] = 6 - 1.8 * truth
    verdicts = p913_correlation(from_matrix(scores))
    means = scores.mean(axis=1)
    at_first = [np.corrcoef(scores[:, rater], means)[0, 1] for rater in range(4)]
    assert sum(value < 0.75 for value in at_first) > 1  # all at once would reject more than the one at fault
    assert rejected_raters(verdicts) == [0]
    assert verdicts[0].statistic == pytest.approx(at_first[0])
    assert verdicts[0].figures["round"] == 1
    without = scores[:, 1:].mean(axis=1)
    assert verdicts[1].statistic == pytest.approx(np.corrcoef(scores[:, 1], without)[0, 1])


def test_the_threshold_of_p913_is_the_one_given() -> None:
    table = from_matrix(panel(noise=1.5))
    found = [verdict.statistic for verdict in p913_correlation(table, threshold=-1.0)]
    assert rejected_raters(p913_correlation(table, threshold=-1.0)) == []
    lowest = int(np.argmin(found))
    verdicts = p913_correlation(table, threshold=float(np.sort(found)[:2].mean()))
    assert verdicts[lowest].rejected


def test_correlation_says_when_it_can_not() -> None:
    assert correlation(np.array([1.0]), np.array([2.0])) is None
    assert correlation(np.array([0.1 + 0.2, 0.3, 0.3]), np.array([1.0, 2.0, 3.0])) is None
    assert correlation(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0])) == pytest.approx(1)
