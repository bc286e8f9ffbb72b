"""Run pytorch-fid's Inception, its Fréchet distance, torchmetrics' and torch-fidelity's KID; needs the oracles.

    python inception_pytorch_fid.py JOB.json RESULT.npz

JOB: {"checkpoint": path, "images": [path, ...], "features": path}. The checkpoint stands in for the file that
      pytorch-fid fetches. Images are lossless files of any size. "features" is an .npz of X (n, d) and Y (m, d), both
      float64.
RESULT: "activations" (N, 2048), as pytorch-fid gets them from the files; "frechet" by pytorch-fid (scipy's sqrtm);
      "frechet_torchmetrics" by torchmetrics (eigenvalues of the product);
      "kid" (2,): mean and deviation by torch-fidelity, 100 subsets of 1000.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import torch

warnings.simplefilter("ignore")

import pytorch_fid.inception  # noqa: E402
from pytorch_fid.fid_score import calculate_frechet_distance, get_activations  # noqa: E402
from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, KEY_METRIC_KID_STD, kid_features_to_metric  # noqa: E402
from torchmetrics.image.fid import _compute_fid  # noqa: E402


def main() -> None:
    """Read the job, run it, write the arrays."""
    torch.set_num_threads(1)
    job = json.loads(Path(sys.argv[1]).read_text())
    state = torch.load(job["checkpoint"], weights_only=True)
    pytorch_fid.inception.load_state_dict_from_url = lambda *args, **kwargs: state
    network = pytorch_fid.inception.InceptionV3([3])
    activations = get_activations(job["images"], network, batch_size=1, dims=2048, device="cpu", num_workers=0)
    features = np.load(job["features"])
    sides = [features[name] for name in ("X", "Y")]
    moments = [part for side in sides for part in (side.mean(axis=0), np.cov(side, rowvar=False))]
    kid = kid_features_to_metric(
        *(torch.from_numpy(side) for side in sides),
        kid_subsets=100,
        kid_subset_size=1000,
        rng_seed=2020,
        verbose=False,
    )
    np.savez(
        sys.argv[2],
        activations=activations,
        frechet=calculate_frechet_distance(*moments),
        frechet_torchmetrics=_compute_fid(*(torch.from_numpy(part) for part in moments)).numpy(),
        kid=np.array([kid[KEY_METRIC_KID_MEAN], kid[KEY_METRIC_KID_STD]]),
    )


if __name__ == "__main__":
    main()
