"""Agreement: published tables worked by hand, properties, and what is undefined."""

from __future__ import annotations

import numpy as np
import pytest

from evalkit.errors import InputError, UsageError
from evalkit.statistics.agreement import (
    ICC_FORMS,
    intraclass_correlation,
    krippendorff_alpha,
    pooled_deviation,
    raters_needed,
)
from evalkit.statistics.opinion_table import from_matrix, opinion_table

NAN = np.nan

# Three coders, fifteen units: the standard example.
THREE = np.array(
    [
        [NAN, NAN, NAN, NAN, NAN, 3, 4, 1, 2, 1, 1, 3, 3, NAN, 3],
        [1, NAN, 2, 1, 3, 3, 4, 3, NAN, NAN, NAN, NAN, NAN, NAN, NAN],
        [NAN, NAN, 2, 1, 3, 4, 4, NAN, 2, 1, 1, 3, 3, NAN, 4],
    ]
).T
# Four observers, twelve units: Krippendorff, "Computing Krippendorff's alpha-reliability" (2011).
FOUR = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
).T
# Six targets, four judges: Shrout & Fleiss (1979), table 2.
SHROUT = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], dtype=float)


def alpha(scores, scale) -> float:
    value = krippendorff_alpha(from_matrix(scores), scale).value
    assert value is not None
    return value


def test_nominal_alpha_by_hand() -> None:
    # Coincidences on the diagonal: 6 of score 1, 4 of 2, 7 of 3, 3 of 4, together 20 of 26. How often each occurs: 7,
    # 4, 10, 5. alpha = (25 * 20 - (7*6 + 4*3 + 10*9 + 5*4)) / (26 * 25 - 164) = (500 - 164) / (650 - 164) = 336 / 486.
    assert alpha(THREE, "nominal") == pytest.approx(336 / 486, abs=1e-14)


def test_interval_alpha_by_hand() -> None:
    # Two units: scores 1, 2 and 4, 4. Observed, over pairs within units: 2 * (1 - 2)^2 = 2, and 0; divided by n = 4.
    # Expected, over all ordered pairs: 1-2: 1, 1-4 twice: 18, 2-4 twice: 8; doubled 54; divided by n (n - 1) = 12.
    assert alpha([[1, 2], [4, 4]], "interval") == pytest.approx(1 - (2 / 4) / (54 / 12), abs=1e-14)
    # Ordinal: n = (1, 1, 2) for 1, 2, 4. Steps: 1-2: (0.5 + 0.5)^2 = 1; 2-4: (0.5 + 1)^2 = 2.25; 1-4: (0.5 + 1 + 1)^2 =
    # 6.25. Expected: 2 * (1 + 2 * 2.25 + 2 * 6.25) / 12 = 3. Observed: 2 * 1 / 4 = 0.5.
    assert alpha([[1, 2], [4, 4]], "ordinal") == pytest.approx(1 - 0.5 / 3, abs=1e-14)
    # Ratio: 1-2: 1/9; 2-4: 1/9; 1-4: 9/25. Expected: 2 * (1/9 + 2/9 + 18/25) / 12. Observed: 2 * (1/9) / 4.
    assert alpha([[1, 2], [4, 4]], "ratio") == pytest.approx(1 - (1 / 18) / ((1 / 3 + 18 / 25) / 6), abs=1e-14)


@pytest.mark.parametrize(
    ("scores", "scale", "published"),
    [
        (THREE, "nominal", 0.691358),
        (THREE, "ordinal", 0.806721),
        (THREE, "interval", 0.810845),
        (THREE, "ratio", 0.808944),
        (FOUR, "nominal", 0.743),
        (FOUR, "ordinal", 0.815),
        (FOUR, "interval", 0.849),
        (FOUR, "ratio", 0.797),
    ],
)
def test_published_alphas(scores, scale, published) -> None:
    digits = 5e-7 if scores is THREE else 5e-4
    assert alpha(scores, scale) == pytest.approx(published, abs=digits)


def test_alpha_of_perfect_chance_and_opposed_raters() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(1, 6, 400).astype(float)
    assert alpha(np.column_stack([truth, truth]), "ordinal") == pytest.approx(1)
    assert alpha(rng.integers(1, 6, (2000, 4)).astype(float), "ordinal") == pytest.approx(0, abs=0.03)
    assert alpha(np.column_stack([truth, 6 - truth]), "interval") < -0.8


def test_scales_see_what_they_should() -> None:
    # Ordinal and nominal know no distances between scores; interval knows no zero.
    stretched = np.where(THREE == 4, 40, THREE)
    assert alpha(stretched, "ordinal") == pytest.approx(alpha(THREE, "ordinal"))
    assert alpha(stretched, "nominal") == pytest.approx(alpha(THREE, "nominal"))
    assert alpha(stretched, "interval") != pytest.approx(alpha(THREE, "interval"), abs=0.01)
    assert alpha(3 * THREE + 7, "interval") == pytest.approx(alpha(THREE, "interval"))


def test_alpha_is_undefined_without_variation_or_pairs() -> None:
    same = krippendorff_alpha(from_matrix([[3, 3], [3, 3]]))
    assert (same.value, same.reason) == (None, "all scores are the same")
    single = krippendorff_alpha(from_matrix([[3, NAN], [NAN, 4]]))
    assert (single.value, single.reason) == (None, "no item has two ratings")


def test_the_interval_of_alpha() -> None:
    rng = np.random.default_rng(3)
    scores = np.clip(np.round(rng.uniform(1, 5, (200, 1)) + rng.normal(0, 0.8, (200, 6))), 1, 5)
    few, many = (
        krippendorff_alpha(from_matrix(scores[:items]), draws=200, rng=np.random.default_rng(1)) for items in (30, 200)
    )
    for found in (few, many):
        assert found.low < found.value < found.high
    assert many.high - many.low < 0.7 * (few.high - few.low)
    again = krippendorff_alpha(from_matrix(scores), draws=200, rng=np.random.default_rng(1))
    assert (again.low, again.high) == (many.low, many.high)
    assert krippendorff_alpha(from_matrix(scores)).low is None


def test_the_interval_of_alpha_is_that_of_resampled_tables() -> None:
    # Write one resample out as a table of its own: its alpha must be the one that the weights give.
    rng = np.random.default_rng(11)
    scores = rng.integers(1, 6, (12, 4)).astype(float)
    drawn = np.random.default_rng(2).integers(0, 12, 12)
    expected = alpha(scores[drawn], "ordinal")
    found = krippendorff_alpha(from_matrix(scores), draws=1, rng=np.random.default_rng(2))
    assert found.low == pytest.approx(expected, abs=1e-12)


def test_alpha_refuses_what_it_can_not_do() -> None:
    table = from_matrix(THREE)
    with pytest.raises(UsageError, match="rng"):
        krippendorff_alpha(table, draws=10)
    with pytest.raises(UsageError, match="Unknown scale 'likert'"):
        krippendorff_alpha(table, "likert")
    with pytest.raises(UsageError, match="must not be negative"):
        krippendorff_alpha(from_matrix([[-1, 1], [2, 3]]), "ratio")
    with pytest.raises(InputError, match="different scores"):
        krippendorff_alpha(from_matrix(np.random.default_rng(0).random((1500, 2))))


# Mean squares of table 2: between targets 11.24, within 6.26, between judges 32.49, residual 1.02.
# (1,1): (11.24 - 6.26) / (11.24 + 3 * 6.26) = 0.17. (3,1): (11.24 - 1.02) / (11.24 + 3 * 1.02) = 0.71.
# (2,1): (11.24 - 1.02) / (11.24 + 3 * 1.02 + 4 * (32.49 - 1.02) / 6) = 0.29.
# (1,k): (11.24 - 6.26) / 11.24 = 0.44. (3,k): (11.24 - 1.02) / 11.24 = 0.91.
# (2,k): (11.24 - 1.02) / (11.24 + (32.49 - 1.02) / 6) = 0.62. The intervals are those that R's psych prints for it.
@pytest.mark.parametrize(
    ("form", "value", "low", "high"),
    [
        ("1,1", 0.1657, -0.133, 0.72),
        ("2,1", 0.2898, 0.019, 0.76),
        ("3,1", 0.7148, 0.342, 0.95),
        ("1,k", 0.4428, -0.884, 0.91),
        ("2,k", 0.6201, 0.071, 0.93),
        ("3,k", 0.9093, 0.676, 0.99),
    ],
)
def test_the_table_of_shrout_and_fleiss(form, value, low, high) -> None:
    found = intraclass_correlation(from_matrix(SHROUT), form)
    assert found.value == pytest.approx(value, abs=5e-5)
    assert found.low == pytest.approx(low, abs=1e-3)
    assert found.high == pytest.approx(high, abs=6e-3)


def test_biases_of_raters_count_or_not() -> None:
    shifted = SHROUT + np.array([0, 3, 0, 0])
    for form in ("3,1", "3,k"):
        one, other = (intraclass_correlation(from_matrix(scores), form) for scores in (SHROUT, shifted))
        assert one.value == pytest.approx(other.value)
    assert intraclass_correlation(from_matrix(SHROUT + np.array([0, -3, 0, 0])), "2,1").value < 0.29


@pytest.mark.parametrize(("form", "bias"), [("1,1", 0.0), ("3,1", 0.5), ("2,1", 0.5), ("2,k", 0.5)])
def test_the_intervals_of_icc_cover(form, bias) -> None:
    # Targets 1, noise 1, raters' biases ``bias``: correlations 1 / 2 (1 and 3), 1 / (1 + 1 + bias^2) (2).
    rng = np.random.default_rng(6)
    k, inside, runs = 5, 0, 300
    truth = 1 / (2 + bias**2) if form.startswith("2") else 0.5
    if form.endswith("k"):
        truth = k * truth / (1 + (k - 1) * truth)
    for _ in range(runs):
        scores = rng.normal(size=(20, 1)) + rng.normal(size=(20, k)) + bias * rng.normal(size=k)
        found = intraclass_correlation(from_matrix(scores), form)
        inside += found.low <= truth <= found.high
    assert 0.91 <= inside / runs <= 0.985


def test_perfect_agreement_and_none() -> None:
    same = np.arange(6.0)[:, None] + np.zeros(3)
    for form in ICC_FORMS:
        found = intraclass_correlation(from_matrix(same), form)
        assert (found.value, found.low, found.high) == (1, 1, 1)
        constant = intraclass_correlation(from_matrix(np.full((4, 3), 2.0)), form)
        assert (constant.value, constant.reason) == (None, "all scores are the same")


def test_items_that_do_not_differ_have_no_mean_correlation() -> None:
    # Between items 0, so the mean of k raters has -infinity for a reliability: undefined, and said so.
    found = intraclass_correlation(from_matrix([[1, 2], [2, 1]]), "1,k")
    assert found.value is None
    assert "differ less" in found.reason


def test_icc_refuses_missing_ratings_and_skips_absent_raters() -> None:
    gaps = SHROUT.copy()
    gaps[0, 0] = NAN
    with pytest.raises(InputError, match=r"23 ratings of 6 items by 4 raters.*Krippendorff"):
        intraclass_correlation(from_matrix(gaps))
    table = from_matrix(SHROUT)
    wider = opinion_table(table.rater, table.item, table.value, raters=9, items=9)
    assert intraclass_correlation(wider) == intraclass_correlation(table)
    with pytest.raises(UsageError, match="Unknown intraclass"):
        intraclass_correlation(table, "4,1")


def test_pooled_deviation_by_hand() -> None:
    # Item 0: 1, 2, 3, variance 1 with 2 degrees of freedom; item 1: 1, 5, variance 8 with 1; item 2: one rating.
    found = pooled_deviation(from_matrix([[1, 2, 3], [1, 5, NAN], [4, NAN, NAN]]))
    assert found == pytest.approx(np.sqrt((2 * 1 + 1 * 8) / 3))
    assert pooled_deviation(from_matrix([[1], [2]])) is None


@pytest.mark.parametrize(
    ("deviation", "half_width", "raters"),
    [
        (1.0, 0.5, 18),  # t(0.975, 17) = 2.110: 2.110 / sqrt(18) = 0.497; 17: 2.120 / sqrt(17) = 0.514
        (0.8, 0.2, 64),  # t(0.975, 63) = 1.998: 1.599 / 8 = 0.1998; 63: 1.999 * 0.8 / 7.937 = 0.2015
        (1.0, 100.0, 2),
        (0.0, 0.1, 2),
        (1.0, 8.9847, 2),  # t(0.975, 1) = 12.7062: 12.7062 / sqrt(2) = 8.98464
        (1.0, 8.98, 3),
    ],
)
def test_raters_needed(deviation, half_width, raters) -> None:
    assert raters_needed(deviation, half_width) == raters


def test_raters_needed_refuses_nonsense() -> None:
    for deviation, half_width in ((1, 0), (-1, 1), (1, NAN), (NAN, 1), (1, 1e-9)):
        with pytest.raises(UsageError):
            raters_needed(deviation, half_width)
