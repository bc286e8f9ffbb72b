"""The table of ratings: what it takes, what it refuses, and that the order of rows never matters."""

from __future__ import annotations

import numpy as np
import pytest

from evalkit.errors import InputError, UsageError
from evalkit.statistics.opinion_table import from_matrix, opinion_table, require_connected


def test_rows_are_sorted_and_missing_scores_dropped() -> None:
    table = opinion_table([1, 0, 1], [0, 1, 1], [5.0, np.nan, 3.0], raters=3, items=2)
    assert (table.rater.tolist(), table.item.tolist(), table.value.tolist()) == ([1, 1], [0, 1], [5.0, 3.0])
    assert (table.raters, table.items, len(table)) == (3, 2, 2)
    assert table.per_rater().tolist() == [0, 2, 0]
    np.testing.assert_array_equal(table.matrix(), [[np.nan, 5, np.nan], [np.nan, 3, np.nan]])


def test_matrix_there_and_back(sample) -> None:
    np.testing.assert_array_equal(from_matrix(sample).matrix(), sample)


def test_without_raters_keeps_numbers_and_names() -> None:
    table = from_matrix([[1.0, 2.0, 3.0]], rater_names=["r01", "r02", "r03"]).without([1])
    assert table.rater.tolist() == [0, 2]
    assert table.raters == 3
    assert table.name_rater(2) == "r03"
    assert from_matrix([[1.0]]).name_rater(0) == "rater 0"


def test_names_can_not_act() -> None:
    table = from_matrix([[1.0]], rater_names=["\x1b[31mr01"])
    assert "\x1b" not in table.name_rater(0)


def test_two_scores_of_one_rater_for_one_item_are_refused() -> None:
    with pytest.raises(InputError, match="r02 has two scores for clip 7"):
        opinion_table([1, 0, 1], [0, 0, 0], [1, 2, 3], rater_names=["r01", "r02"], item_names=["clip 7"])


def test_an_infinite_score_is_refused() -> None:
    with pytest.raises(InputError, match="infinite"):
        opinion_table([0], [0], [np.inf])


@pytest.mark.parametrize(
    ("rater", "item", "value", "options"),
    [
        ([0, 1], [0], [1.0], {}),
        ([0.5], [0], [1.0], {}),
        ([-1], [0], [1.0], {}),
        ([3], [0], [1.0], {"raters": 3}),
        ([0], [0], [1.0], {"rater_names": ["r01", "r02"], "raters": 3}),
        ([[0]], [[0]], [[1.0]], {}),
    ],
)
def test_columns_that_do_not_fit_are_refused(rater, item, value, options) -> None:
    with pytest.raises(UsageError):
        opinion_table(rater, item, value, **options)


def test_parts_without_a_common_item_are_named() -> None:
    # r01 and r02 share item 0, r03 and r04 share item 1, r05 rated nothing and belongs to no part.
    table = opinion_table(
        [0, 1, 2, 3], [0, 0, 1, 1], [1, 2, 3, 4], rater_names=["r01", "r02", "r03", "r04", "r05"], items=2
    )
    with pytest.raises(InputError, match=r"2 parts.*\{r01, r02\}; \{r03, r04\}"):
        require_connected(table, "this test")
    linked = opinion_table([0, 1, 1, 2], [0, 0, 1, 1], [1, 2, 3, 4])
    require_connected(linked, "this test")


def test_no_ratings_are_an_error_where_something_must_be_said() -> None:
    with pytest.raises(InputError, match="no ratings"):
        require_connected(opinion_table([], [], [], raters=2, items=2), "this test")
