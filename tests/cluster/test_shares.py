"""The split of a run into shards, compared with one by hand, and its laws."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.cluster.shares import Shard, split
from evalkit.errors import UsageError


def test_the_largest_goes_first_to_the_emptiest() -> None:
    # 9 -> 1; 7 -> 2; 6 -> 2 (7 < 9): 13; 5 -> 1: 14; 4 -> 2: 17; 0s: to 1, which has fewer bytes.
    sizes = {"a": 5, "b": 9, "c": 7, "d": 6, "e": 4, "x": 0, "y": 0}
    assert split(sizes, 2) == [frozenset("baxy"), frozenset("cde")]


def test_samples_without_bytes_are_shared_out_by_number() -> None:
    assert [len(share) for share in split(dict.fromkeys("abcdefgh", 0), 3)] == [3, 3, 2]


@given(st.dictionaries(st.text("abcdeé", max_size=3), st.integers(0, 1000), max_size=20), st.integers(1, 9))
def test_every_sample_is_in_one_share_and_none_is_overloaded(sizes: dict[str, int], count: int) -> None:
    found = split(sizes, count)
    assert len(found) == count
    assert sorted(name for share in found for name in share) == sorted(sizes)
    assert split(dict(reversed(sizes.items())), count) == found, "the order of the samples must not matter"
    loads = [sum(sizes[name] for name in share) for share in found]
    assert max(loads) - min(loads) <= max(sizes.values(), default=0)


@pytest.mark.parametrize(("text", "index", "count"), [("1/1", 1, 1), (" 3/8 ", 3, 8), ("08/10", 8, 10)])
def test_shards_are_named_from_one(text: str, index: int, count: int) -> None:
    assert Shard.parse(text) == Shard(index, count)


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "1/0", "-1/3", "a/b", "1/99999", "1/2/3", "٣/٣", ""])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no shard"):
        Shard.parse(text)
