"""`evalkit.pick`: seeded, spread over the groups, nested, and the same in any order."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

import evalkit
from evalkit.testsets.model import Sample, TestSet


def example_set(count: int = 120) -> TestSet:
    """Return samples of two languages (3 : 1), three light settings (1 : 1 : 1), and 24 people."""
    samples = [
        Sample(
            id=f"s{number:03}",
            groups={"language": "de" if number % 4 == 3 else "en", "light": ["dim", "day", "spot"][number % 3]},
            identity=f"person{number // 5}",
        )
        for number in range(count)
    ]
    return TestSet(Path("/none"), tuple(samples))


def chosen(count: int, seed: int = 0, of: TestSet | None = None) -> list[str]:
    return [sample.id for sample in evalkit.pick(count, seed=seed).of(of or example_set())]


def test_groups_have_their_shares():
    whole = example_set()
    for seed in range(5):
        for count in (8, 16, 24, 60):
            part = evalkit.pick(count, seed=seed).of(whole)
            assert len(part) == count
            for group in ("language", "light"):
                found = Counter(sample.groups[group] for sample in part)
                expected = Counter(sample.groups[group] for sample in whole)
                for value, number in expected.items():
                    assert abs(found[value] - count * number / len(whole)) <= 1, (seed, count, value, found)
            people = Counter(sample.identity for sample in part)
            assert max(people.values()) <= -(-count // 24) + 1


def test_a_smaller_pick_is_inside_a_larger_one():
    for seed in range(3):
        parts = [set(chosen(count, seed)) for count in (1, 2, 8, 16, 33, 120)]
        assert all(small < large for small, large in pairwise(parts))


def test_the_order_of_the_file_does_not_matter_and_the_seed_does():
    whole = example_set()
    turned = replace(whole, samples=tuple(reversed(whole.samples)))
    assert sorted(chosen(16, 3, turned)) == sorted(chosen(16, 3, whole))
    assert chosen(16, 3, turned) != chosen(16, 3, whole)  # each in its own order
    assert len({tuple(chosen(16, seed)) for seed in range(10)}) == 10


def test_without_groups_every_sample_has_the_same_chance():
    plain = TestSet(Path("/none"), tuple(Sample(id=f"s{number}") for number in range(10)))
    counts = Counter(name for seed in range(2000) for name in chosen(3, seed, plain))
    # 600 each; six standard deviations of a binomial of 2000 draws at 0.3.
    assert all(abs(count - 600) < 6 * (2000 * 0.3 * 0.7) ** 0.5 for count in counts.values())
    assert len(counts) == 10


def test_the_others_are_left_out_and_a_small_test_set_is_taken_whole():
    whole = example_set(12)
    part = evalkit.pick(5).of(whole)
    assert {sample.id for sample in part.left_out} == {sample.id for sample in whole} - {sample.id for sample in part}
    assert len(part.whole) == 12
    assert evalkit.pick(50).of(whole).samples == whole.samples


def test_small_strata_are_reached_once_there_is_room():
    samples = [Sample(id=f"a{number}", groups={"kind": "common"}) for number in range(90)]
    samples += [Sample(id=f"b{number}", groups={"kind": f"rare{number}"}) for number in range(10)]
    found = evalkit.pick(50).of(TestSet(Path("/none"), tuple(samples)))
    assert sum(sample.groups["kind"] != "common" for sample in found) in range(4, 7)


@pytest.mark.parametrize(("count", "seed"), [(0, 0), (-1, 0), (True, 0), (1.5, 0), ("8", 0), (8, None), (8, 0.5)])
def test_wrong_numbers_are_refused(count, seed):
    with pytest.raises(evalkit.EvalkitError, match="to pick by is wrong"):
        evalkit.pick(count, seed=seed)
