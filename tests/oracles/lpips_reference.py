"""Run the package lpips 0.1.4 with its own weights of the channels and given networks; needs the oracles.

    python lpips_reference.py JOB.json RESULT.npz

JOB: {"alex": path, "vgg": path, "pictures": path}. The first two are state dicts under torchvision's names; "pictures"
     is an .npz whose arrays "a0", "b0", "a1", "b1", ... are (H, W, 3) uint8 RGB, compared in pairs.
RESULT: "alex" and "vgg", (N,), the distance of each pair.
"""

import json
import sys
import warnings
from pathlib import Path

import lpips
import numpy as np
import torch

warnings.simplefilter("ignore")


def network(name: str, path: str) -> lpips.LPIPS:
    """Return the package's model with the network of ``path``."""
    model = lpips.LPIPS(net=name, pnet_rand=True, verbose=False)
    given = torch.load(path, weights_only=True)
    inner = model.net.state_dict()  # slice1.0.weight, ...: the layer's number is torchvision's
    model.net.load_state_dict({key: given["features." + key.split(".", 1)[1]] for key in inner})
    return model.eval()


if __name__ == "__main__":
    torch.set_num_threads(1)
    job = json.loads(Path(sys.argv[1]).read_text())
    pictures = np.load(job["pictures"])
    found = {}
    for backbone in ("alex", "vgg"):
        model = network(backbone, job[backbone])
        with torch.no_grad():
            found[backbone] = [
                float(model(*(lpips.im2tensor(pictures[f"{side}{pair}"]) for side in "ab")))
                for pair in range(len(pictures.files) // 2)
            ]
    np.savez(sys.argv[2], **{name: np.array(values) for name, values in found.items()})
