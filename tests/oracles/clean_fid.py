"""Run clean-fid's resize, its feature extraction and its Fréchet distance; needs the oracles.

    python clean_fid.py JOB.json RESULT.npz

JOB: {"folder": path, "images": [path, ...], "split": k, "features": path}. "folder" holds a TorchScript file of the
      name that clean-fid expects. Images are lossless files; the first k are one set, the others the second. "features"
      is an .npz of X (n, d) and Y (m, d), both float64.
RESULT: "resized" (N, 299, 299, 3) float32; "activations" (N, 2048); "fid" of the two sets of images; "frechet" of X
      and Y.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image

warnings.simplefilter("ignore")

from cleanfid import fid  # noqa: E402
from cleanfid.inception_torchscript import InceptionV3W  # noqa: E402
from cleanfid.resize import build_resizer  # noqa: E402


def distance(X: np.ndarray, Y: np.ndarray) -> float:
    """Moments and distance as clean-fid's compare of two folders computes them."""
    moments = [part for side in (X, Y) for part in (np.mean(side, axis=0), np.cov(side, rowvar=False))]
    return float(np.real(fid.frechet_distance(*moments)))


def main() -> None:
    """Read the job, run it, write the arrays."""
    torch.set_num_threads(1)
    job = json.loads(Path(sys.argv[1]).read_text())
    network = InceptionV3W(job["folder"], download=False, resize_inside=False).eval()
    resize = build_resizer("clean")
    activations = fid.get_files_features(
        job["images"], model=network, num_workers=0, batch_size=4, device=torch.device("cpu"), verbose=False
    )
    features = np.load(job["features"])
    np.savez(
        sys.argv[2],
        resized=np.array([resize(np.array(Image.open(path).convert("RGB"))) for path in job["images"]]),
        activations=activations,
        fid=distance(activations[: job["split"]], activations[job["split"] :]),
        frechet=distance(features["X"], features["Y"]),
    )


if __name__ == "__main__":
    main()
