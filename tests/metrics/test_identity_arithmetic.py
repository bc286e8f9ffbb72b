"""Identity values of a video, against docs/definitions/identity.md#check-values and arithmetic done by hand."""

import math

import numpy as np
import pytest

from evalkit.metrics.identity import arithmetic as identity

PUBLISHED = [0.8, None, 0.6, -0.1]  # docs/definitions/identity.md#check-values


def test_published_vector() -> None:
    # ConsisID: (0.8 + 0.6 + 0) / 3. Strict: (0.8 + 0 + 0.6 + 0) / 4.
    assert identity.consisid_mean(PUBLISHED) == pytest.approx(0.4666666666666667, rel=1e-12)
    assert identity.strict_mean(PUBLISHED) == pytest.approx(0.35, rel=1e-12)
    assert identity.detection_rate(PUBLISHED) == 0.75
    np.testing.assert_array_equal(identity.strict_values(PUBLISHED), [0.8, 0.0, 0.6, 0.0])


def test_no_face_at_all() -> None:
    nothing = [None, None]
    assert identity.consisid_mean(nothing) == identity.strict_mean(nothing) == identity.worst(nothing) == 0.0
    assert identity.detection_rate(nothing) == 0.0


def test_hiding_the_face_pays_for_consisid_only() -> None:
    shown, hidden = [0.9, 0.5, 0.5, 0.5], [0.9, None, None, None]
    assert identity.consisid_mean(hidden) > identity.consisid_mean(shown)
    assert identity.strict_mean(hidden) < identity.strict_mean(shown)


def test_worst_and_percentile() -> None:
    values = [0.9, 0.5, 0.7, 0.8, 0.6]
    # Sorted .5 .6 .7 .8 .9; 5 % of 4 intervals is 0.2 of the first: .5 + 0.2 * .1 = .52.
    assert identity.percentile_5(values) == pytest.approx(0.52, rel=1e-12)
    assert identity.worst(values) == 0.5
    assert identity.worst([*values, None]) == 0.0
    # Sorted 0 .5 .6 .7 .8 .9: 5 % of 5 intervals is 0.25 of the first, .125.
    assert identity.percentile_5([*values, None]) == pytest.approx(0.125, rel=1e-12)


def test_drift_by_hand() -> None:
    assert identity.drift([0.7, 0.7, 0.7]) == pytest.approx(0.0, abs=1e-15)
    assert identity.drift([0.9, 0.8, 0.7, 0.6]) == pytest.approx(0.3, rel=1e-12)  # a straight line: start minus end
    assert identity.drift([0.6, 0.7, 0.8, 0.9]) == pytest.approx(-0.3, rel=1e-12)
    # Times -1/2, 0, 1/2; values .9 .9 .6: slope = (-.45 + .3) / .5 = -.3.
    assert identity.drift([0.9, 0.9, 0.6]) == pytest.approx(0.3, rel=1e-12)
    # A face lost for good counts: times -1/2 -1/6 1/6 1/2; values 1 1 0 0: slope = (-1/2 - 1/6) / (5/9) = -1.2.
    assert identity.drift([1.0, 1.0, None, None]) == pytest.approx(1.2, rel=1e-12)
    assert identity.drift([0.9]) is None


def test_drift_equals_a_fitted_line() -> None:
    values = np.random.default_rng(7).uniform(0, 1, 23)
    slope, _ = np.polyfit(np.linspace(0, 1, 23), values, 1)
    assert identity.drift(values.tolist()) == pytest.approx(-slope, rel=1e-9)


def test_drift_stays_within_its_range() -> None:
    assert 1.4 < identity.drift([1.0] * 50 + [None] * 50) <= 1.5


FUNCTIONS = [
    identity.strict_values,
    identity.strict_mean,
    identity.consisid_mean,
    identity.worst,
    identity.percentile_5,
    identity.drift,
    identity.detection_rate,
]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("cosines", [[], [0.5, math.nan], [math.inf], [0.5, 1.01], [-1.2, None]])
def test_what_is_no_list_of_cosines_is_refused(function: object, cosines: list[float | None]) -> None:
    with pytest.raises(ValueError, match=r"sampled frame|cosine is in"):
        function(cosines)


@pytest.mark.parametrize("function", [f for f in FUNCTIONS if f not in (identity.strict_values, identity.drift)])
def test_order_of_frames_matters_only_for_drift(function: object) -> None:
    cosines = [0.3, None, 0.9, -0.4, 0.51, 0.77, None]
    assert function(cosines) == pytest.approx(function(cosines[::-1]), rel=1e-12)
    assert identity.drift(cosines) == pytest.approx(-identity.drift(cosines[::-1]), rel=1e-12)


def test_rounding_above_one_is_clipped() -> None:
    assert identity.strict_mean([1.0000003]) == 1.0


def test_reference_embedding() -> None:
    # (3, 0) and (0, 5) normalise to the axes; their mean has the direction of the diagonal whatever their lengths.
    np.testing.assert_allclose(identity.reference_embedding([[3, 0], [0, 5]]), [math.sqrt(0.5)] * 2, rtol=1e-12)
    np.testing.assert_allclose(identity.reference_embedding([[3, 4]]), [0.6, 0.8], rtol=1e-12)
    # Three of (1, 0) and one of (0, 1): mean (.75, .25), length sqrt(.625).
    several = identity.reference_embedding(np.array([[2, 0], [1, 0], [9, 0], [0, 1]], np.float32))
    np.testing.assert_allclose(several, np.array([0.75, 0.25]) / math.sqrt(0.625), rtol=1e-12)
    assert several.dtype == np.float64


@pytest.mark.parametrize(
    ("embeddings", "message"),
    [
        ([], "K >= 1"),
        ([1.0, 2.0], "K >= 1"),
        ([[0, 0], [1, 0]], "zero"),
        ([[math.nan, 1]], "finite"),
        ([[1, 0], [-2, 0]], "cancel"),
    ],
)
def test_unusable_reference_embeddings(embeddings: list[object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        identity.reference_embedding(embeddings)
