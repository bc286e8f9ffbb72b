"""Floating-point operations of the published networks, counted from their shapes: ``python -m benchmarks.flops``.

A multiplication and the addition after it are two operations, as PyTorch's counter has it. Nothing is computed.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from evalkit.metrics.networks import i3d
from evalkit.metrics.networks.fan import FanModel
from evalkit.metrics.networks.inception import Inception
from evalkit.metrics.networks.ir101 import IR101
from evalkit.metrics.sync.s3fd import build_s3fd
from evalkit.metrics.sync.syncnet import build_syncnet


def giga(forward: Callable[[torch.Tensor], object], *shape: int) -> float:
    """Return the operations of one forward pass over an input of this shape, in 10^9."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        forward(torch.zeros(shape))
    return counter.get_total_flops() / 1e9


def main() -> None:
    """Print the table."""
    i3d.check_clips = lambda x: None  # looks at values, and here there are none
    with torch.device("meta"):
        sync, s3fd = build_syncnet(), build_s3fd()

        def detect(x: torch.Tensor) -> None:
            for layer in (*s3fd["vgg"].children(), *s3fd["extras"].children()):
                x = layer(x)

        rows = (
            ("Inception-v3, frame of 299x299", giga(Inception("average_padded", "average").eval(), 1, 3, 299, 299)),
            ("I3D, 16 frames of 224x224", giga(i3d.I3D().eval(), 1, 3, 16, 224, 224)),
            ("IR-101, face of 112x112", giga(IR101().eval(), 1, 3, 112, 112)),
            ("SyncNet, window of lips", giga(sync["netcnnlip"], 1, 3, 5, 224, 224)),
            ("SyncNet, window of audio", giga(sync["netcnnaud"], 1, 1, 13, 20)),
            ("S3FD without heads, 64x64 (a quarter of 256)", giga(detect, 1, 3, 64, 64)),
            ("S3FD without heads, 128x128 (a quarter of 512)", giga(detect, 1, 3, 128, 128)),
            ("S3FD without heads, 256x256", giga(detect, 1, 3, 256, 256)),
            ("S3FD without heads, 512x512", giga(detect, 1, 3, 512, 512)),
            ("2D-FAN-4, face of 256x256", giga(FanModel().eval(), 1, 3, 256, 256)),
        )
    for title, operations in rows:
        print(f"| {title} | {operations:.2f} |")


if __name__ == "__main__":
    main()
