"""LPIPS: how different two images look, from the activations of a network that was trained on ImageNet.

Zhang, Isola, Efros, Shechtman and Wang, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric" (CVPR
2018), version 0.1, on the convolutions of torchvision's AlexNet and VGG16. Names of parameters are those of
torchvision's checkpoints and of the files of the package ``lpips``. Definition: docs/definitions/lpips.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evalkit.metrics.features.placement import Inputs, Network, placed
from evalkit.metrics.networks.checkpoints import Unfilled, fill, filled, inference, load_state_dict
from evalkit.metrics.networks.inception import check_frame

Backbone = Literal["alex", "vgg"]

# The scale of version 0.1: ImageNet's mean and deviation, carried over from 0..1 to -1..1.
SHIFT: Final = (-0.030, -0.088, -0.188)
SCALE: Final = (0.458, 0.448, 0.450)
EPSILON: Final = 1e-10
# After which layers the activations are compared.
TAPS: Final[Mapping[Backbone, tuple[int, ...]]] = {"alex": (1, 4, 7, 9, 11), "vgg": (3, 8, 15, 22, 29)}
WIDTHS: Final[Mapping[Backbone, tuple[int, ...]]] = {
    "alex": (64, 192, 384, 256, 256),
    "vgg": (64, 128, 256, 512, 512),
}
UNUSED: Final = ("classifier.*",)


def _alex() -> nn.Sequential:
    return nn.Sequential(
        *(nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()),
    )


def _vgg() -> nn.Sequential:
    layers: list[nn.Module] = []
    width = 3
    for stage, convolutions in zip(WIDTHS["vgg"], (2, 2, 3, 3, 3), strict=True):
        if layers:
            layers.append(nn.MaxPool2d(2, 2))
        for _ in range(convolutions):
            layers += [nn.Conv2d(width, stage, 3, padding=1), nn.ReLU()]
            width = stage
    return nn.Sequential(*layers)


class Features(nn.Module):
    """The convolutions of AlexNet or VGG16, up to the last activation that LPIPS compares."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.features = _alex() if backbone == "alex" else _vgg()
        self._taps = TAPS[backbone]

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the five activations (N, C, h, w) of scaled images (N, 3, H, W)."""
        found = []
        x = images
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self._taps:
                found.append(x)
        return found


class Heads(nn.Module):
    """The trained weight of each channel, with the names of the files of ``lpips``."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        for index, width in enumerate(WIDTHS[backbone]):
            # In training a dropout stands before the convolution, so the file calls it the second layer.
            model = nn.Sequential(nn.Identity(), nn.Conv2d(width, 1, 1, bias=False))
            self.add_module(f"lin{index}", nn.ModuleDict({"model": model}))

    def channel_weights(self) -> list[Tensor]:
        """Return the weights of each of the five activations, (C,) each."""
        return [weight.detach().flatten() for weight in self.state_dict().values()]


class Lpips:
    """The network, ready to run.

    Args:
        backbone: which network.
        backbone_path: torchvision's checkpoint of it; its classifier is not used.
        heads_path: the channels' weights, version 0.1.
        device: ``cpu`` or ``cuda``.
        precision: of convolutions.

    Raises:
        WeightsError: a file is missing, asks for code to run, or holds another network.
        MachineError: CUDA was asked for and is not there.
    """

    def __init__(
        self,
        backbone: Backbone,
        backbone_path: Path,
        heads_path: Path,
        device: str = "cpu",
        precision: torch.dtype = torch.float32,
    ) -> None:
        def build() -> Network:
            with Unfilled():
                model, heads = Features(backbone), Heads(backbone)
            place = filled(model, backbone_path, device, ignore=UNUSED)
            fill(heads, load_state_dict(heads_path), heads_path)
            network = model.eval().to(place)
            weights = [weight.to(place) for weight in heads.channel_weights()]
            shift, scale = (torch.tensor(values, device=place).view(1, 3, 1, 1) for values in (SHIFT, SCALE))

            def distance(pair: NDArray[np.uint8]) -> list[NDArray[np.float64]]:
                total = torch.zeros((), dtype=torch.float64)
                with inference(place, precision):
                    pixels = torch.from_numpy(pair).to(place).permute(0, 3, 1, 2)
                    images = (pixels.to(torch.float32) / 127.5 - 1.0 - shift) / scale
                    for activation, weight in zip(network(images), weights, strict=True):
                        one = activation.float()
                        units = one / (one.square().sum(dim=1, keepdim=True).sqrt() + EPSILON)
                        places = ((units[0] - units[1]).square() * weight[:, None, None]).sum(dim=0)
                        total += places.mean(dtype=torch.float64).cpu()
                return [total.reshape(1).numpy()]

            return Network({"pairs": distance}, {"pairs": Inputs("uint8", (None, None, 3), batch=None)})

        self._run = placed(("Lpips", backbone, backbone_path, heads_path, precision), build).runners["pairs"]

    def distance(self, first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
        """Return the LPIPS of two images (H, W, 3) uint8 RGB of one size: 0 for equal ones, lower is more alike.

        Raises:
            ValueError: an image of another shape or type, or two sizes.
        """
        check_frame(first)
        check_frame(second)
        if first.shape != second.shape:
            raise ValueError(f"two images of one size, not {first.shape} and {second.shape}")
        return float(self._run(np.stack([first, second]))[0][0])
