"""Gaps between groups: hand arithmetic, exact permutation tests counted by hand and by SciPy, and false alarms."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from evalkit.errors import InputError
from evalkit.statistics.group_gaps import LabelShuffles, gap_of_means, holm


def test_worst_gap_ratio_and_macro_mean():
    # a (4.0 + 4.2 + 3.8) / 3 = 4.0, b (3.5 + 3.7) / 2 = 3.6, c (4.1 + 4.3 + 4.5 + 4.7) / 4 = 4.4
    found = gap_of_means([4.0, 3.6, 4.4])
    assert (found.worst, found.best) == (1, 2)
    assert found.gap == pytest.approx(0.8)
    assert found.ratio == pytest.approx(3.6 / 4.4)
    assert found.macro == pytest.approx(4.0)
    lower = gap_of_means([4.0, 3.6, 4.4], higher_is_better=False)
    assert (lower.worst, lower.best, lower.gap) == (2, 1, found.gap)
    assert lower.ratio == found.ratio


def test_published_sync_by_language():
    # V-Express trained on TalkVid, Sync-C in English, Chinese and Polish (arXiv 2508.13618): 4.567, 4.041, 3.695
    assert gap_of_means([4.567, 4.041, 3.695]).gap == pytest.approx(0.872)


def test_no_ratio_where_a_mean_is_not_positive():
    assert gap_of_means([-0.1, 0.4]).ratio is None
    assert gap_of_means([0.0, 0.4]).ratio is None
    with pytest.raises(InputError):
        gap_of_means([])
    with pytest.raises(InputError):
        gap_of_means([1.0, float("nan")])


def test_p_value_is_near_that_of_all_relabellings():
    values = np.array([1.0, 2.0, 3.5, 4.0, 6.0, 7.5, 9.0])
    label = np.array([0, 0, 0, 1, 1, 1, 1])
    observed = abs(values[label == 0].mean() - values[label == 1].mean())
    gaps = []
    for chosen in combinations(range(7), 3):
        first = np.isin(np.arange(7), chosen)
        gaps.append(abs(values[first].mean() - values[~first].mean()))
    exact = np.mean(np.array(gaps) >= observed - 1e-9)
    assert len(gaps) == 35
    found = LabelShuffles(label, np.arange(7), draws=20000, seed=1).p_values(values[:, None])[0]
    assert found == pytest.approx(exact, abs=0.01)


def test_three_groups_as_scipy_counts_them():
    rng = np.random.default_rng(3)
    parts = [rng.normal(size=8), rng.normal(0.8, 1, 10), rng.normal(0.2, 1, 9)]

    def spread(*samples: np.ndarray, axis: int) -> np.ndarray:
        means = np.stack([sample.mean(axis=axis) for sample in samples])
        return means.max(axis=0) - means.min(axis=0)

    other = stats.permutation_test(
        parts,
        spread,
        permutation_type="independent",
        vectorized=True,
        n_resamples=20000,
        alternative="greater",
        rng=rng,
    )
    values = np.concatenate(parts)
    label = np.repeat([0, 1, 2], [8, 10, 9])
    found = LabelShuffles(label, np.arange(27), draws=20000, seed=2).p_values(values[:, None])[0]
    assert found == pytest.approx(other.pvalue, abs=0.015)


def test_labels_move_with_the_person():
    # Four people with ten equal videos each: only six ways to say which two are of a group, two of which have the gap.
    value = np.repeat([0.0, 0.0, 1.0, 1.0], 10)
    label = np.repeat([0, 0, 1, 1], 10)
    person = np.repeat([0, 1, 2, 3], 10)
    by_person = LabelShuffles(label, person, draws=20000, seed=0).p_values(value[:, None])[0]
    assert by_person == pytest.approx(1 / 3, abs=0.01)
    by_video = LabelShuffles(label, np.arange(40), draws=2000, seed=0).p_values(value[:, None])[0]
    assert by_video == pytest.approx(1 / 2001)


def test_labels_that_differ_within_a_person_stay_there():
    # Two people, two videos each, one of either label: two shuffles of each person, 4 in all. The gap of means is 1.0
    # only where both videos of label 1 are the higher ones, or both the lower ones: 2 of 4.
    value = np.array([0.0, 1.0, 5.0, 6.0])
    shuffles = LabelShuffles(np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1]), draws=20000, seed=0)
    assert shuffles.changeable
    assert shuffles.p_values(value[:, None])[0] == pytest.approx(1 / 2, abs=0.015)


def test_missing_values_leave_the_others_alone():
    rng = np.random.default_rng(5)
    label, person = np.repeat([0, 1], 30), np.arange(60)
    values = rng.normal(size=(60, 2))
    values[:, 1] = values[:, 0]
    values[[3, 40], 1] = np.nan
    shuffles = LabelShuffles(label, person, draws=4000, seed=0)
    both, alone = shuffles.p_values(values), shuffles.p_values(values[:, :1])
    assert both[0] == alone[0]
    assert both[1] != both[0]
    assert np.isfinite(both).all()


def test_medians_as_scipy_counts_them():
    rng = np.random.default_rng(11)
    parts = [rng.normal(size=9), rng.normal(0.9, 1, 9)]

    def spread(first: np.ndarray, second: np.ndarray, axis: int) -> np.ndarray:
        return np.abs(np.median(first, axis=axis) - np.median(second, axis=axis))

    other = stats.permutation_test(parts, spread, vectorized=True, n_resamples=5000, alternative="greater", rng=rng)
    values = np.concatenate(parts)[:, None]
    found = LabelShuffles(np.repeat([0, 1], 9), np.arange(18), draws=3000, seed=0).p_values(values, medians=True)
    assert found[0] == pytest.approx(other.pvalue, abs=0.03)


def test_labels_that_can_not_change_prove_nothing():
    shuffles = LabelShuffles(np.zeros(5, dtype=np.int64), np.arange(5), draws=50)
    assert not shuffles.changeable
    assert shuffles.p_values(np.arange(5.0)[:, None])[0] == 1.0


def test_holm_by_hand():
    # Ascending: 0.01 * 4, then 0.02 * 3, 0.03 * 2 = 0.06 raised to what came before, 0.2 * 1
    assert holm([0.03, 0.01, 0.2, 0.02]) == pytest.approx([0.06, 0.04, 0.2, 0.06])
    assert holm([]) == []
    assert holm([0.7, 0.9]) == [1.0, 1.0]


def test_false_alarms_of_a_family_and_a_planted_gap():
    """Six measures without a gap, several videos per person: at most 5 % of the families may have a false alarm."""
    rng = np.random.default_rng(2026)
    people, each, measures, runs = 45, 2, 6, 120
    person = np.repeat(np.arange(people), each)
    label = (np.arange(people) % 3)[person]
    alarms = found = 0
    for run in range(runs):
        values = rng.normal(size=(people, measures))[person] + 0.3 * rng.normal(size=(people * each, measures))
        shuffles = LabelShuffles(label, person, draws=299, seed=run)
        alarms += min(holm(list(shuffles.p_values(values)))) <= 0.05
        values[:, 0] += 1.6 * (label == 2)
        found += holm(list(shuffles.p_values(values)))[0] <= 0.05
    # If the rate is 5 %, more alarms than this come up in fewer than one of a thousand such tests.
    assert alarms <= stats.binom.ppf(0.999, runs, 0.05)
    assert found >= 0.9 * runs


@pytest.mark.parametrize("groups", [2, 3, 7])
def test_p_values_are_those_of_one_shuffle_and_one_mean_after_the_other(groups: int):
    """The same shuffles, counted in plain loops: single videos, people with several, and people of several groups."""
    rng = np.random.default_rng(groups)
    person = np.repeat(np.arange(60), 2)
    label = (rng.integers(0, groups, 60))[person]
    label[:8] = np.arange(8) % groups  # four people whose two videos are of two groups
    values = rng.normal(size=(120, 6))
    values[:, 1] = values[:, 1].round()  # many equal gaps
    values[:, 2] = rng.random(120) < 0.9
    values[rng.random(120) < 0.2, 3] = np.nan
    values[label == 1, 4] = np.nan  # a whole group without a value
    values[:, 5] = 7.0
    draws, seed = 150, 4

    several = np.array([len(set(label[person == one])) > 1 for one in range(60)])
    units = [[at] for at in np.flatnonzero(several[person])]  # a video each, after the people with one label
    units = [list(np.flatnonzero(person == one)) for one in range(60) if not several[one]] + units
    stratum = np.array([1 + person[unit[0]] if several[person[unit[0]]] else 0 for unit in units], dtype=float)
    order = np.argsort(stratum, kind="stable")
    carried = label[[units[at][0] for at in order]]

    def gaps(labels: np.ndarray) -> list[float]:
        means = [
            [column[labels == group] for group in range(groups)]
            for column in (values[:, at] for at in range(values.shape[1]))
        ]
        known = [[part[np.isfinite(part)].mean() for part in parts if np.isfinite(part).any()] for parts in means]
        return [max(some) - min(some) for some in known]

    observed = np.array(gaps(label))
    hits = np.zeros(values.shape[1])
    numbers = np.random.default_rng(seed)
    for _ in range(draws):
        keys = stratum[order] + numbers.random(len(units))
        shuffled = np.empty(120, dtype=np.int64)
        for unit, given in zip(order, carried[np.argsort(keys)], strict=True):
            shuffled[units[unit]] = given
        hits += np.array(gaps(shuffled)) >= observed - 1e-11
    found = LabelShuffles(label, person, draws=draws, seed=seed).p_values(values)
    assert list(found) == list((1 + hits) / (1 + draws))
    assert 0.01 < found[1] < 1
    assert found[5] == 1.0
