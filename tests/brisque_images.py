"""Images for the tests of BRISQUE."""

import numpy as np
from scipy.signal import correlate2d


def synthetic():
    """An integer pattern with structure at every scale and odd height: (37 x + 91 y + (c + 3) x y) mod 256."""
    y, x = np.mgrid[0:61, 0:74]
    return np.stack([(37 * x + 91 * y + x * y * (c + 3)) % 256 for c in range(3)], axis=-1).astype(np.uint8)


def smooth_noise(seed, height=37, width=46):
    values = correlate2d(np.random.default_rng(seed).normal(size=(height, width)), np.ones((3, 3)), "same")
    return np.clip(np.rint(128 + 20 * values), 0, 255).astype(np.uint8)
