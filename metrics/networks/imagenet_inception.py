"""The Inception of torchvision, trained on ImageNet: face crops in, 2048 numbers of the last pooling layer out.

This is the network of ConsisID's "FID" of faces (docs/definitions/face-fid.md). Zeros of the border count in its
average pools. The names of parameters are those of ``inception_v3_google-0cc3c7bd.pth``; its two classifiers are not
used.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from evalkit.metrics.networks.inception import SIDE, InceptionRunner, check_frame

# With its trained weights torchvision takes pixels normalised by ImageNet's mean and deviation, and undoes that inside
# to reach the -1..1 of the TensorFlow graph. ConsisID's script gives it plain 0..1, and it is undone all the same.
_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)


class ImageNetInception(InceptionRunner):
    """The network, ready to run."""

    name = "inception_torchvision"
    pools = ("average_padded", "average_padded")

    def prepare(self, rgb: NDArray[np.uint8]) -> Tensor:
        """Return one image as the network takes it.

        Args:
            rgb: (H, W, 3) uint8.

        Returns:
            (3, 299, 299) float32 on the CPU: bilinear with antialiasing, rounded to whole grey levels
            (``pil_bilinear_u8``), divided by 255, and per channel ``x * deviation / 0.5 + (mean - 0.5) / 0.5``.

        Raises:
            ValueError: another shape or type.
        """
        check_frame(rgb)
        resized = np.asarray(Image.fromarray(rgb).resize((SIDE, SIDE), Image.Resampling.BILINEAR))
        mean, deviation = (torch.tensor(values)[:, None, None] for values in (_MEAN, _DEVIATION))
        with torch.inference_mode():
            plain = torch.tensor(resized).permute(2, 0, 1).to(torch.float32).div_(255.0)
            return plain * (deviation / 0.5) + (mean - 0.5) / 0.5
