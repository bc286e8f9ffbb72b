"""Kernel distances by group: the formula by hand, equally many videos of each, planted and absent differences."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from evalkit.metrics.base import FeatureData, VideoInputs, metric_registry

METRIC = metric_registry()["kid.by_group"]


def video(name: str, ours: np.ndarray, theirs: np.ndarray, groups: Mapping[str, str]) -> VideoInputs:
    def feature(rows: np.ndarray) -> FeatureData:
        return FeatureData({"activation": rows.astype(np.float32), "row": np.arange(len(rows))})

    features = dict(zip(METRIC.record.features, map(feature, (ours, theirs)), strict=True))
    return VideoInputs(name, features, groups)


def videos(sizes: Mapping[str, int], shift: Mapping[str, float] | None = None, seed: int = 0) -> list[VideoInputs]:
    rng = np.random.default_rng(seed)
    found = []
    for group, size in sizes.items():
        for at in range(size):
            theirs, ours = rng.normal(size=(2, 4, 6))
            found.append(video(f"{group}{at:03}", ours + (shift or {}).get(group, 0.0), theirs, {"gender": group}))
    return found


def kernel_distance(x: np.ndarray, y: np.ndarray) -> float:
    """The unbiased squared maximum mean discrepancy, pair by pair."""

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return float((a @ b / len(a) + 1) ** 3)

    within = []
    for rows in (x, y):
        pairs = [kernel(a, b) for i, a in enumerate(rows) for j, b in enumerate(rows) if i != j]
        within.append(sum(pairs) / len(pairs))
    return sum(within) - 2 * np.mean([kernel(a, b) for a in x for b in y])


def test_groups_of_one_size_are_the_formula_itself():
    made = videos({"f": 20, "m": 20})
    found = METRIC.score_set(iter(made))
    for group in "fm":
        chosen = [one for one in made if one.groups["gender"] == group]
        sides = [
            np.concatenate([one.features[name].arrays["activation"] for one in chosen]).astype(np.float64)
            for name in METRIC.record.features
        ]
        assert found.details[f"gender={group}"] == pytest.approx(kernel_distance(*sides), rel=1e-6)
        assert found.details[f"gender={group} deviation"] == 0
    assert found.value == max(found.details["gender=f"], found.details["gender=m"])
    assert found.details["videos_of_each gender"] == 20


def test_a_group_that_is_farther_away_is_the_worst_whatever_its_size():
    found = METRIC.score_set(iter(videos({"f": 60, "m": 22}, shift={"f": 0.8})))
    assert found.details["videos_of_each gender"] == 22
    assert found.details["gender=f deviation"] > 0
    assert found.value == found.details["gender=f"] > 5 * abs(found.details["gender=m"])
    assert found.n == 82


def test_a_smaller_group_does_not_look_worse_for_its_size():
    differences = []
    for seed in range(12):
        details = METRIC.score_set(iter(videos({"f": 60, "m": 20}, seed=seed))).details
        differences.append(details["gender=m"] - details["gender=f"])
    # No bias: the mean difference is within 3 standard errors of 0.
    assert abs(np.mean(differences)) < 3 * np.std(differences, ddof=1) / np.sqrt(12)


def test_small_groups_are_left_out_and_one_group_is_none():
    found = METRIC.score_set(iter(videos({"f": 25, "m": 25, "other": 19})))
    assert not any("other" in name for name in found.details)
    assert METRIC.score_set(iter(videos({"f": 25, "m": 19}))).reason == "groups_too_small"
    bare = [VideoInputs(one.sample, one.features) for one in videos({"f": 25})]
    assert METRIC.score_set(iter(bare)).reason == "no_groups"


def test_the_order_of_videos_does_not_matter():
    made = videos({"f": 30, "m": 21})
    assert METRIC.score_set(iter(made)) == METRIC.score_set(reversed(made))
