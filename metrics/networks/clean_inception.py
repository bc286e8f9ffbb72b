"""The Inception of clean-fid: frames in, 2048 numbers of the last pooling layer out (``fid.clean``).

Parmar, Zhang and Zhu, "On Aliased Resizing and Surprising Subtleties in GAN Evaluation" (CVPR 2022). The network is the
FID's, in NVIDIA's TorchScript file ``inception-2015-12-05.pt``; what is new is the resize, which low-pass filters and
doesn't round. clean-fid calls the file's ``layers`` and so skips the resize that the file does by itself.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from evalkit.errors import WeightsError
from evalkit.metrics.features.placement import Network, placed
from evalkit.metrics.networks.checkpoints import settle
from evalkit.metrics.networks.fid_inception import FidInception
from evalkit.metrics.networks.folding import settle_layout
from evalkit.metrics.networks.inception import DIMENSION, FRAMES, SIDE, FrameRunner, check_frame
from evalkit.metrics.networks.runners import TorchRunner
from evalkit.metrics.networks.torchscript import load_torchscript


def clean_resize(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return a frame in 299x299, as clean-fid resizes it (docs/definitions/frames-and-audio.md#resizing).

    Args:
        rgb: (H, W, 3) uint8.

    Returns:
        (299, 299, 3) float32 in 0..255: each channel resized for itself by Pillow's bicubic kernel, stretched where it
        shrinks, in floating point, then clipped and not rounded. The aspect ratio is not kept.

    Raises:
        ValueError: another shape or type.
    """
    check_frame(rgb)
    planes = [Image.fromarray(rgb[:, :, channel].astype(np.float32)) for channel in range(3)]
    resized = [np.asarray(plane.resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for plane in planes]
    return np.stack(resized, axis=2).clip(0, 255).astype(np.float32)


def prepare(rgb: NDArray[np.uint8]) -> Tensor:
    """Return one frame as the network takes it: `clean_resize`, then ``(x - 128) / 128``; (3, 299, 299) float32."""
    with torch.inference_mode():
        planes = torch.tensor(clean_resize(rgb)).permute(2, 0, 1)
        return ((planes - 128) / 128).contiguous()


class CleanInception(FrameRunner):
    """NVIDIA's TorchScript file, ready to run.

    Args:
        path: the file.
        sha256: its pinned digest; a file with another one is not loaded.
        device: ``cpu`` or ``cuda``.
        precision: of convolutions and products.

    Raises:
        WeightsError: the file can't be read, has another digest, or holds another network.
        MachineError: CUDA was asked for and is not there.
    """

    name = "inception_clean"

    def __init__(
        self, path: Path, sha256: str | None, device: str = "cpu", precision: torch.dtype = torch.float32
    ) -> None:
        def build() -> Network:
            place = settle(device)
            module = load_torchscript(path, sha256).to(place)
            layers = getattr(module, "layers", None)
            if not isinstance(layers, torch.nn.Module):
                parts = ", ".join(name for name, _ in module.named_children()) or "none"
                raise _another_network(path, f"parts {parts}")
            settle_layout(module)
            made = TorchRunner(layers, place, precision, torch.channels_last)
            return Network({"frames": made}, {"frames": FRAMES})

        self._runner = placed(("CleanInception", path, sha256, precision), build).runners["frames"]
        found = self._run([torch.zeros(3, SIDE, SIDE)]).size
        if found != DIMENSION:
            raise _another_network(path, f"{found} numbers for a frame")

    def prepare(self, rgb: NDArray[np.uint8]) -> Tensor:
        """Return one frame as the network takes it; see `prepare`."""
        return prepare(rgb)


class CleanFidInception(FidInception):
    """The same frames through the FID's Inception, for a manifest that has its tensors without NVIDIA's program."""

    name = "inception_clean"

    def prepare(self, rgb: NDArray[np.uint8]) -> Tensor:
        """Return one frame as the network takes it; see `prepare`."""
        return prepare(rgb)


def _another_network(path: Path, found: str) -> WeightsError:
    return WeightsError(
        f"The weights file {path} is not the Inception of clean-fid.",
        found=found,
        expected=f"a part 'layers' that makes {DIMENSION} numbers of a frame",
        fix="The manifest names a file of another network: correct its entry.",
    )
