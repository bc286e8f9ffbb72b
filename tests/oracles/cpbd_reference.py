"""Run the package cpbd 1.0.7 on grey pictures; needs the oracles.

    python cpbd_reference.py PICTURES.npz RESULT.npz

PICTURES: (H, W) uint8 arrays.
RESULT: for each name, the sharpness, and with the suffixes "_canny", "_sobel" and "_widths" the maps behind it.
"""

import sys

import numpy as np
import scipy.ndimage

scipy.ndimage.imread = None  # imported by the package for its command line, and gone from scipy

from cpbd.compute import compute, marziliano_method  # noqa: E402
from cpbd.octave import sobel  # noqa: E402
from skimage.feature import canny  # noqa: E402

if __name__ == "__main__":
    found = {}
    for name, gray in np.load(sys.argv[1]).items():
        image = gray.astype(np.float64)
        edges = sobel(image)
        found |= {
            name: compute(gray),
            f"{name}_canny": canny(image),
            f"{name}_sobel": edges,
            f"{name}_widths": marziliano_method(edges, image),
        }
    np.savez(sys.argv[2], **found)
