"""The Inception network of the FID: frames in, 2048 numbers of the last pooling layer out.

The form of the TensorFlow graph of 2015-12-05 that Heusel et al., "GANs Trained by a Two Time-Scale Update Rule
Converge to a Local Nash Equilibrium" (NeurIPS 2017) measured with (docs/definitions/fid-kid.md#fid). It differs from
the Inception of torchvision: padding doesn't count in average pools, and the last block pools by maximum. The names of
parameters are those of ``pt_inception-2015-12-05-6726825d.pth``.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its customary name
from numpy.typing import NDArray
from torch import Tensor

from evalkit.metrics.networks.inception import SIDE, InceptionRunner, check_frame


class FidInception(InceptionRunner):
    """The network, ready to run."""

    name = "inception"
    pools = ("average", "maximum")

    def prepare(self, rgb: NDArray[np.uint8]) -> Tensor:
        """Return one frame as the network takes it.

        Args:
            rgb: (H, W, 3) uint8.

        Returns:
            (3, 299, 299) float32 in -1..1 on the CPU: bilinear without antialiasing (``torch_bilinear``), the aspect
            ratio not kept.

        Raises:
            ValueError: another shape or type.
        """
        check_frame(rgb)
        with torch.inference_mode():
            planes = torch.tensor(rgb).permute(2, 0, 1)[None].to(torch.float32).div_(255.0)
            resized = F.interpolate(planes, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
            return resized[0].mul_(2.0).sub_(1.0)
