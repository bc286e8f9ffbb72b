"""Run the I3D of the package cd-fvd, its preparation of clips and its Fréchet distances; needs the oracles.

    python i3d_cdfvd.py JOB.json RESULT.npz

JOB: {"checkpoint": path, "clips": [path, ...], "lengths": [T, ...], "features": path, "program": path}. The checkpoint
      stands in for the file that cd-fvd fetches. A clip is an .npy of (16, H, W, 3) uint8. "lengths" are those of clips
      that are made of the first one, forwards and backwards. "features" is an .npz of X (n, d) and Y (m, d), float32.
RESULT: "logits" (N, 400); "block" (1024, 2, 7, 7): the last block's output for the first clip; "logits_of_length"
      (len(lengths), 400); "logits_tensorflow" (400,): the first clip with 0.001 added to variances; "frechet" with the
      covariance of the population and "frechet_unbiased", both by cd-fvd.
"program" becomes a TorchScript file that does with a clip in 0..255 what the package does.
"""

import json
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

warnings.simplefilter("ignore")

import cdfvd.fvd  # noqa: E402
from cdfvd.third_party.i3d import utils  # noqa: E402
from cdfvd.utils.metric_utils import FeatureStats  # noqa: E402


class Program(torch.nn.Module):
    """Called as StyleGAN-V calls its file."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, x: torch.Tensor, rescale: bool = False, resize: bool = False, return_features: bool = False
    ) -> torch.Tensor:
        """Return (N, 400)."""
        if resize:
            x = torch.nn.functional.interpolate(x, size=(x.shape[2], 224, 224), mode="trilinear", align_corners=False)
        if rescale:
            x = (x - 127.5) / 127.5
        logits = self.network(x)
        return logits if return_features else logits.softmax(dim=1)


def main() -> None:
    """Read the job, run it, write the arrays and the program."""
    torch.set_num_threads(1)
    job = json.loads(Path(sys.argv[1]).read_text())
    network = utils.load_i3d_model(torch.device("cpu"), job["checkpoint"])
    clips = [np.load(path) for path in job["clips"]]

    def logits(clip: np.ndarray) -> np.ndarray:
        return network(utils.preprocess_i3d(clip[None]))[0].numpy()

    with torch.inference_mode():
        result = {"logits": np.stack([logits(clip) for clip in clips])}
        result["block"] = network.extract_pre_pool_features(utils.preprocess_i3d(clips[0][None]))[0].numpy()
        swing = np.concatenate([clips[0], clips[0][::-1], clips[0]])
        result["logits_of_length"] = np.stack([logits(swing[:length]) for length in job["lengths"]])
        traced = torch.jit.trace(network, torch.zeros(1, 3, 16, 224, 224), check_trace=False)
        torch.jit.save(torch.jit.script(Program(traced).eval()), job["program"])
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm3d):
                module.eps = 1e-3
        result["logits_tensorflow"] = logits(clips[0])
    features = np.load(job["features"])
    sides = []
    for name in ("X", "Y"):
        stats = FeatureStats(capture_mean_cov=True)
        stats.append(features[name])
        sides.append(stats)
    result["frechet"] = cdfvd.fvd.cdfvd.compute_fvd_from_stats(SimpleNamespace(), *sides)
    unbiased = utils.frechet_distance(*(torch.from_numpy(features[name]).double() for name in ("X", "Y")))
    result["frechet_unbiased"] = unbiased.numpy()
    np.savez(sys.argv[2], **result)


if __name__ == "__main__":
    main()
