"""Whole reports without a gap raise few false alarms; shuffled over videos, not people, they would raise many."""

from __future__ import annotations

from scipy import stats

from benchmarks.fairness import found, simulated_report

RUNS = 40


def test_reports_without_a_gap_raise_few_alarms_and_find_a_planted_one() -> None:
    # 5 % of false alarms make more than this in fewer than one of a thousand such tests.
    bound = stats.binom.ppf(0.999, RUNS, 0.05)
    alarms = sum(any(found(simulated_report(seed, 0.0, permutations=499))) for seed in range(RUNS))
    assert alarms <= bound
    planted = [found(simulated_report(seed, 2.0, permutations=499)) for seed in range(RUNS // 2)]
    assert sum(hit for hit, _ in planted) >= 0.8 * len(planted)


def test_shuffling_videos_of_one_person_apart_would_raise_many() -> None:
    bound = stats.binom.ppf(0.999, RUNS, 0.05)
    reports = [simulated_report(seed, 0.0, permutations=499, by_video=True) for seed in range(RUNS)]
    assert sum(any(found(report)) for report in reports) > bound
