"""BRISQUE's 36 features against a second implementation, written from the definition."""

import math

import numpy as np
import pytest
from brisque_images import smooth_noise, synthetic
from scipy.signal import correlate2d
from scipy.special import gamma

from evalkit.metrics.quality.natural_scenes import (
    brisque_features,
    matlab_half,
)
from evalkit.metrics.quality.pixels import matlab_gray


def cubic(x):
    x = abs(x)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x <= 2 else 0.0


def naive_half(image):
    """imresize(., 0.5) from its definition: the kernel stretched to 8 pixels, weights normalised, mirrored indices."""

    def halve(line):
        n, result = len(line), []
        for out in range((n + 1) // 2):
            centre = 2 * out + 0.5
            places = range(math.floor(centre) - 5, math.floor(centre) + 6)
            weights = [cubic((centre - place) / 2) for place in places]
            mirrored = [place % (2 * n) for place in places]
            values = [line[place if place < n else 2 * n - 1 - place] for place in mirrored]
            result.append(sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights))
        return result

    columns = np.array([halve(column) for column in image.T]).T
    return np.array([halve(row) for row in columns])


GRID = [0.2 + 0.001 * k for k in range(9801)]
GGD_RATIOS = [gamma(1 / a) * gamma(3 / a) / gamma(2 / a) ** 2 for a in GRID]
AGGD_RATIOS = [gamma(2 / a) ** 2 / (gamma(1 / a) * gamma(3 / a)) for a in GRID]


def nearest(ratios, wanted):
    best = 0
    for k, ratio in enumerate(ratios):
        if abs(ratio - wanted) < abs(ratios[best] - wanted):
            best = k
    return GRID[best]


def naive_features(gray):
    window = np.array([[math.exp(-(i * i + j * j) / (2 * (7 / 6) ** 2)) for j in range(-3, 4)] for i in range(-3, 4)])
    window /= window.sum()
    image, features = gray.astype(np.float64), []
    for _ in range(2):
        mean = correlate2d(image, window, mode="same", boundary="fill", fillvalue=0)
        square = correlate2d(image**2, window, mode="same", boundary="fill", fillvalue=0)
        mscn = (image - mean) / (np.sqrt(np.abs(square - mean**2)) + 1)
        rows, columns = mscn.shape
        everything = mscn.ravel()
        variance = sum(everything**2) / len(everything)
        features += [nearest(GGD_RATIOS, variance / (sum(abs(everything)) / len(everything)) ** 2), variance]
        for down, right in ((0, 1), (1, 0), (1, 1), (-1, 1)):
            pairs = [
                mscn[i, j] * mscn[(i - down) % rows, (j - right) % columns] for i in range(rows) for j in range(columns)
            ]
            negative, positive = [p for p in pairs if p < 0], [p for p in pairs if p > 0]
            left = math.sqrt(sum(p * p for p in negative) / len(negative))
            right_ = math.sqrt(sum(p * p for p in positive) / len(positive))
            h = left / right_
            ratio = (sum(map(abs, pairs)) / len(pairs)) ** 2 / (sum(p * p for p in pairs) / len(pairs))
            a = nearest(AGGD_RATIOS, ratio * (h**3 + 1) * (h + 1) / (h**2 + 1) ** 2)
            eta = (right_ - left) * gamma(2 / a) / gamma(1 / a) * math.sqrt(gamma(1 / a) / gamma(3 / a))
            features += [a, eta, left**2, right_**2]
        image = naive_half(image)
    return features


@pytest.mark.parametrize(
    "gray",
    [smooth_noise(1), smooth_noise(2, 14, 14), smooth_noise(3, 90, 15), matlab_gray(synthetic())],
    ids=["odd height", "smallest", "narrow", "pattern"],
)
def test_features_equal_the_naive_implementation(gray):
    features = brisque_features(gray)
    assert features.shape == (36,)
    assert features.dtype == np.float64
    assert features.tolist() == pytest.approx(naive_features(gray), rel=1e-9, abs=1e-12)


def test_half_by_hand():
    # A line with a step from 0 to 256 at pixel 4, in eight equal rows. Output k weighs pixels 2k-3 .. 2k+4 with
    # (-3, -9, 29, 111, 111, 29, -9, -3)/256, which sum to 1; beyond the border the line is mirrored.
    #   k=0, pixels -3..4:  pixel 4           -3
    #   k=1, pixels -1..6:  pixels 4, 5, 6    29 - 9 - 3 = 17
    #   k=2, pixels 1..8:   pixels 4 .. 8     111 + 111 + 29 - 9 - 3 = 239
    #   k=3, pixels 3..10:  all but pixel 3   256 + 3 = 259
    image = np.tile(np.array([0, 0, 0, 0, 256, 256, 256, 256], dtype=np.float64), (8, 1))
    assert matlab_half(image).tolist() == [[-3.0, 17.0, 239.0, 259.0]] * 4
    assert matlab_half(image.T).tolist() == (np.array([[-3.0, 17.0, 239.0, 259.0]] * 4).T).tolist()


@pytest.mark.parametrize("shape", [(16, 16), (15, 18), (7, 5), (3, 9), (1, 4), (2, 1)])
def test_half_equals_its_definition(shape):
    image = np.random.default_rng(4).uniform(0, 255, size=shape)
    half = matlab_half(image)
    assert half.shape == ((shape[0] + 1) // 2, (shape[1] + 1) // 2)
    assert half == pytest.approx(naive_half(image), rel=1e-12)


def test_half_antialiases():
    """A 1-pixel checkerboard becomes mid-grey; exactly so where no mirrored pixel is in reach."""
    board = (np.indices((16, 16)).sum(axis=0) % 2) * 255.0
    assert np.all(matlab_half(board)[2:-2, 2:-2] == 127.5)
