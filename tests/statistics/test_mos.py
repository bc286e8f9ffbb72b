"""Mean opinion scores: hand arithmetic, published figures, coverage of the intervals, what missing ratings do."""

from __future__ import annotations

import numpy as np
import pytest

from evalkit.errors import InputError, UsageError
from evalkit.statistics.mos import half_widths, mean_scores, remove_bias, standardise
from evalkit.statistics.opinion_table import from_matrix, opinion_table

NAN = np.nan


def test_mean_and_interval_by_hand() -> None:
    # Item 0: 1, 2, 3. Mean 2, deviation sqrt((1 + 0 + 1) / 2) = 1, error 1 / sqrt(3), t(0.975, 2) = 4.3026527.
    # Item 1: one rating, item 2: none.
    found = mean_scores(from_matrix([[1, 2, 3], [4, NAN, NAN], [NAN, NAN, NAN]]))
    np.testing.assert_array_equal(found.n, [3, 1, 0])
    np.testing.assert_array_equal(found.score, [2, 4, NAN])
    np.testing.assert_allclose(found.deviation, [1, NAN, NAN])
    np.testing.assert_allclose(found.error, [1 / np.sqrt(3), NAN, NAN])
    np.testing.assert_allclose(found.low, [2 - 4.3026527 / np.sqrt(3), NAN, NAN], rtol=1e-7)
    np.testing.assert_allclose(found.high, [2 + 4.3026527 / np.sqrt(3), NAN, NAN], rtol=1e-7)


# The first item of the example that sureal publishes (https://github.com/Netflix/sureal): 26 scores.
FIRST_ITEM = [5, 5, 5, 4, 2, 5, 3, *[5] * 19]


def test_published_first_item() -> None:
    table = from_matrix([FIRST_ITEM])
    found = mean_scores(table)
    assert found.score[0] == pytest.approx(4.76923077, abs=1e-8)
    assert found.high[0] - found.score[0] == pytest.approx(0.28692177, abs=1e-8)
    # The published half-width is that of a normal distribution.
    assert 1.95996 * found.error[0] == pytest.approx(0.27304912, abs=1e-8)


def test_half_widths_follow_the_level() -> None:
    # Tables: t(0.975, 2) = 4.303, t(0.95, 2) = 2.920
    one, two = np.array([1.0]), np.array([3.0])
    assert half_widths(one, two, 0.95) == pytest.approx(4.303, abs=5e-4)
    assert half_widths(one, two, 0.90) == pytest.approx(2.920, abs=5e-4)
    with pytest.raises(UsageError, match="between 0 and 1"):
        half_widths(one, two, 95)


@pytest.mark.parametrize("raters", [3, 8])
def test_the_t_interval_covers_and_the_normal_one_is_too_narrow(raters) -> None:
    # Coverage of mean -+ 1.96 s / sqrt(n) is P(|t| < 1.96): 0.81 with 2 and 0.91 with 7 degrees of freedom.
    rng = np.random.default_rng(5)
    truth = rng.uniform(1, 5, 8000)
    table = from_matrix(truth[:, None] + rng.normal(0, 0.8, (8000, raters)))
    found = mean_scores(table)
    assert np.mean((found.low <= truth) & (truth <= found.high)) == pytest.approx(0.95, abs=0.01)
    normal = np.abs(found.score - truth) <= 1.96 * found.error
    assert np.mean(normal) == pytest.approx({3: 0.811, 8: 0.909}[raters], abs=0.012)


def test_the_order_of_rows_changes_no_bit(sample) -> None:
    table = from_matrix(sample)
    order = np.random.default_rng(1).permutation(len(table))
    shuffled = opinion_table(table.rater[order], table.item[order], table.value[order])
    for estimate in (mean_scores, lambda ratings: mean_scores(standardise(ratings)[0])):
        assert estimate(table).score.tobytes() == estimate(shuffled).score.tobytes()
        assert estimate(table).high.tobytes() == estimate(shuffled).high.tobytes()


def test_bias_by_hand() -> None:
    # Means 2 and 3; rater 0 is 1 below both times, rater 1 is 1 above. Without bias both raters say 2 and 3.
    unbiased, bias = remove_bias(from_matrix([[1, 3], [2, 4]]))
    assert bias.tolist() == [-1, 1]
    np.testing.assert_array_equal(unbiased.matrix(), [[2, 2], [3, 3]])


def test_bias_with_missing_ratings_by_hand() -> None:
    # Means: item 0 (1 + 3) / 2 = 2, item 1 is 4. Rater 0: ((1 - 2) + (4 - 4)) / 2 = -0.5. Rater 1: 1. Rater 2: nothing.
    unbiased, bias = remove_bias(from_matrix([[1, 3, NAN], [4, NAN, NAN]]))
    np.testing.assert_array_equal(bias, [-0.5, 1, NAN])
    np.testing.assert_array_equal(unbiased.matrix(), [[1.5, 2, NAN], [4.5, NAN, NAN]])


def test_biases_of_raters_without_a_common_item_are_refused() -> None:
    with pytest.raises(InputError, match="without a common item"):
        remove_bias(from_matrix([[1, NAN], [NAN, 5]]))


def test_standardised_scores_by_hand() -> None:
    # Rater 0: 1, 3 -> mean 2, deviation sqrt(2), z -+0.7071. Rater 1: always 2, has none. Rater 2: 2, 8 -> the same z.
    # Rater 3: one rating.
    standard, excluded = standardise(from_matrix([[1, 2, 2, 4], [3, 2, 8, NAN]]))
    found = mean_scores(standard)
    np.testing.assert_allclose(found.score, [-np.sqrt(0.5), np.sqrt(0.5)])
    assert excluded == (1, 3)
    assert found.n.tolist() == [2, 2]


def test_a_constant_rater_is_excluded_even_when_rounding_leaves_a_rest() -> None:
    # Three times 0.1 + 0.2 sums to a mean one bit off.
    scores = np.column_stack([np.full(3, 0.1 + 0.2), [1.0, 2.0, 3.0]])
    assert standardise(from_matrix(scores))[1] == (0,)
