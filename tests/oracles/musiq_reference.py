"""Run MUSIQ of IQA-PyTorch (the package pyiqa); needs the oracles.

    python musiq_reference.py CHECKPOINT PICTURES.npz RESULT.npz

CHECKPOINT: a state dict under the package's names.
PICTURES: (H, W, 3) uint8 RGB.
RESULT: for each name the score at the picture's own size, and with the suffix "_512" that of VBench, which shrinks a
        longer side above 512 first.
"""

import importlib
import importlib.util
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import torch

warnings.simplefilter("ignore")


def network() -> torch.nn.Module:
    """Return the package's MUSIQ, loaded by path: importing the package would import all of its metrics."""
    root = Path(importlib.util.find_spec("pyiqa").submodule_search_locations[0])
    for name in ("", ".archs", ".data", ".utils"):
        package = types.ModuleType(f"pyiqa{name}")
        package.__path__ = [str(root.joinpath(*name.split(".")))]
        sys.modules[f"pyiqa{name}"] = package
    return importlib.import_module("pyiqa.archs.musiq_arch").MUSIQ(pretrained=False)


def shrunk(images: torch.Tensor) -> torch.Tensor:
    """What VBench's imaging quality does to frames (N, 3, H, W) in 0..255."""
    from torchvision import transforms

    height, width = images.shape[-2:]
    if max(height, width) <= 512:
        return images
    ratio = 512 / max(height, width)
    return transforms.Resize(size=(int(ratio * height), int(ratio * width)), antialias=False)(images)


if __name__ == "__main__":
    torch.set_num_threads(1)
    model = network().eval()
    model.load_state_dict(torch.load(sys.argv[1], weights_only=True))
    found = {}
    for name, rgb in np.load(sys.argv[2]).items():
        images = torch.from_numpy(rgb).permute(2, 0, 1)[None].float()
        with torch.no_grad():
            found[name] = float(model(images / 255))
            found[f"{name}_512"] = float(model(shrunk(images) / 255))
    np.savez(sys.argv[3], **{name: np.array(value) for name, value in found.items()})
