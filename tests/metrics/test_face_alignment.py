"""The similarity transform of five points and the crops it makes: values by hand and planted transforms."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from evalkit.metrics.faces.align import ARCFACE_TEMPLATE, norm_crop, similarity_transform


def test_transform_by_hand() -> None:
    # (0, 0) -> (10, 20) and (4, 0) -> (10, 28): twice as large, turned by 90 degrees: x' = 10 - 2y, y' = 20 + 2x.
    matrix = similarity_transform([[0, 0], [4, 0]], [[10, 20], [10, 28]])
    np.testing.assert_allclose(matrix, [[0, -2, 10], [2, 0, 20]], atol=1e-12)


def test_transform_recovers_a_planted_one_and_never_mirrors() -> None:
    rng = np.random.default_rng(3)
    points, angle = rng.normal(size=(5, 2)) * 40, 0.7
    planted = 1.7 * np.array([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0]])
    planted[:, 2] = 12, -5
    moved = points @ planted[:, :2].T + planted[:, 2]
    np.testing.assert_allclose(similarity_transform(points, moved), planted, atol=1e-10)
    mirrored = similarity_transform(points, moved * [-1, 1])
    assert np.linalg.det(mirrored[:, :2]) > 0


def test_transform_minimises_the_squared_distance() -> None:
    rng = np.random.default_rng(4)
    points = ARCFACE_TEMPLATE * 1.3 + rng.normal(size=(5, 2)) * 3

    def cost(matrix: NDArray[np.float64]) -> float:
        return float(((points @ matrix[:, :2].T + matrix[:, 2] - ARCFACE_TEMPLATE) ** 2).sum())

    best = similarity_transform(points, ARCFACE_TEMPLATE)
    for _ in range(50):
        a, b, x, y = rng.normal(size=4) * 1e-3
        assert cost(best + np.array([[a, -b, x], [b, a, y]])) > cost(best)


@pytest.mark.parametrize(
    ("points", "template"),
    [
        (np.full((5, 2), 0.1), ARCFACE_TEMPLATE),  # 0.1 has no exact mean in binary
        (ARCFACE_TEMPLATE, np.full((5, 2), 7.3)),
        (np.where(np.eye(5, 2) > 0, np.nan, ARCFACE_TEMPLATE), ARCFACE_TEMPLATE),
        ([[0, 0], [1, 0], [1, 1], [0, 1]], [[0, 0], [-1, 0], [-1, 1], [0, 1]]),  # a mirrored square: best scale is 0
    ],
)
def test_degenerate_points_have_no_transform(points: object, template: object) -> None:
    assert similarity_transform(points, template) is None


def test_crop_of_points_without_transform() -> None:
    image = np.zeros((50, 50, 3), np.uint8)
    assert norm_crop(image, np.full((5, 2), 20.0)) is None
    with pytest.raises(ValueError, match="multiple of 112"):
        norm_crop(image, ARCFACE_TEMPLATE, size=100)
    with pytest.raises(ValueError, match="K, 2"):
        norm_crop(image, ARCFACE_TEMPLATE[:4])


def test_crop_of_a_face_on_the_template_is_the_image() -> None:
    image = np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    np.testing.assert_array_equal(norm_crop(image, ARCFACE_TEMPLATE), image)
    # Shifted by whole pixels, the crop is a shift, black where the image ends.
    shifted = norm_crop(image, ARCFACE_TEMPLATE + np.array([10, -3]))
    np.testing.assert_array_equal(shifted[3:, :102], image[:-3, 10:])
    assert not shifted[:3].any()
    assert not shifted[:, 102:].any()


def test_crop_at_224_doubles_the_template() -> None:
    image = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    np.testing.assert_array_equal(norm_crop(image, ARCFACE_TEMPLATE * 2, size=224), image)
