"""Checkpoints of the published shapes with random parameters, and stand-ins for the networks."""

from __future__ import annotations

import hashlib
import wave as wavefile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from evalkit.metrics.sync.s3fd import build_s3fd
from evalkit.metrics.sync.syncnet import build_syncnet

BOX = (20.0, 20.0, 170.0, 170.0)  # a face that PlantedDetector finds in a video of write_video


def random_syncnet(path: Path, seed: int = 0) -> Path:
    """Write a SyncNet whose activations stay alive through the layers.

    Both heads share a bias, so lips and sound lie nearer to each other than to the zero vector.
    """
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(seed)
    network = build_syncnet()
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, generator=generator)
            nn.init.normal_(module.bias, 0, 0.1, generator=generator)
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            nn.init.normal_(module.running_mean, 0, 0.5, generator=generator)
            nn.init.uniform_(module.running_var, 0.5, 2, generator=generator)
            nn.init.uniform_(module.weight, 0.5, 1.5, generator=generator)
            nn.init.normal_(module.bias, 0, 0.1, generator=generator)
    with torch.no_grad():
        network["netcnnlip"][0].weight /= 100
        network["netcnnaud"][0].weight /= 20
        shared = torch.randn(network["netfclip"][3].bias.shape, generator=generator)
        for head in ("netfclip", "netfcaud"):
            network[head][3].weight /= 10
            network[head][3].bias.copy_(shared)
    torch.save(network.state_dict(), path)
    return path


def random_s3fd(path: Path, seed: int = 0) -> Path:
    """Write an S3FD that is sure of faces here and there."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(seed)
    network = build_s3fd()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, generator=generator)
            nn.init.normal_(module.bias, 0, 0.1, generator=generator)
    with torch.no_grad():
        for name, value in (("L2Norm3_3", 10.0), ("L2Norm4_3", 8.0), ("L2Norm5_3", 5.0)):
            network[name].get_parameter("weight").fill_(value)
        network["vgg"][0].weight /= 100
        for head in network["conf"]:
            head.weight *= 4
        for head in network["loc"]:
            head.weight *= 0.2
    torch.save(network.state_dict(), path)
    return path


def planted_s3fd(path: Path, box: tuple[float, float, float, float] = (0.2, 0.15, 0.8, 0.85)) -> Path:
    """Write an S3FD that finds one face, at ``box``, in every picture of up to 512 pixels.

    All weights are zero, so only the biases of the heads speak. The last feature map of such a picture (a quarter of
    its size goes in) is one cell with one anchor of 512 pixels around (64, 64); the other maps are sure of no face.

    Args:
        box: x1, y1, x2, y2 as shares of a picture of 256 x 256.
    """
    network = build_s3fd()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        for level, head in enumerate(network["conf"]):
            if level == 5:
                head.bias.copy_(torch.tensor([0.0, 9.0]))
            else:
                head.bias[-1] = -9.0
        x1, y1, x2, y2 = box
        centre = [((x1 + x2) / 2 - 1.0) / (0.1 * 8), ((y1 + y2) / 2 - 1.0) / (0.1 * 8)]
        size = [np.log((x2 - x1) / 8) / 0.2, np.log((y2 - y1) / 8) / 0.2]
        network["loc"][5].bias.copy_(torch.tensor([*centre, *size]))
    torch.save(network.state_dict(), path)
    return path


def manifest(folder: Path, **options: str) -> Path:
    """Write a backbones file for checkpoints ``sfd_face.pth`` and ``syncnet_v2.model`` that lie in ``folder``."""
    lines = ["name: planted", "title: a planted detector and a random network", "roles:"]
    for role, name in (("sync_detector", "sfd_face.pth"), ("syncnet", "syncnet_v2.model")):
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        lines += [f"  {role}:", f"    file: {name}", f"    sha256: {digest}", "    licence: none"]
        if options:
            lines += ["    options: {" + ", ".join(f"{key}: {value}" for key, value in options.items()) + "}"]
    path = folder / "backbones.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


class PlantedDetector:
    """Stands for S3FD: finds one face of a fixed size in every frame.

    Args:
        box: x1, y1, x2, y2 in pixels; ``None`` finds nothing.
    """

    def __init__(self, box: tuple[float, float, float, float] | None) -> None:
        self._box = box

    def small(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return rgb[::4, ::4]

    def batch_size(self, small: NDArray[np.uint8]) -> int:
        return 3

    def detect(self, smalls: list, frame_sizes: list) -> list[NDArray[np.float64]]:
        rows = [] if self._box is None else [[*self._box, 0.99]]
        return [np.array(rows, dtype=np.float64).reshape(-1, 5) for _ in smalls]


class PlantedSyncNet:
    """Stands for SyncNet: embeds brightness of pictures and loudness of sound with the same table of vectors.

    Frame number n of the video has the grey level ``grey(n)``, and the sound of its 40 ms the loudness ``loudness(n)``.
    """

    LEVELS = 48

    def __init__(self) -> None:
        self._table = (np.random.RandomState(3).randn(self.LEVELS, 1024) * 0.25).astype(np.float32)

    @classmethod
    def level(cls, number: int) -> int:
        """A walk through the levels that doesn't repeat itself within 48 frames."""
        return number * 17 % cls.LEVELS

    @classmethod
    def grey(cls, number: int) -> int:
        return 20 + 2 * cls.level(number)  # steps are too small for a cut

    @classmethod
    def loudness(cls, number: int) -> int:
        return round(20 * 1.15 ** cls.level(number))

    def lips(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert crops.shape[1:] == (224, 224, 3)
        greys = crops[: len(crops) - 4, 100:124, 100:124].mean(axis=(1, 2, 3))
        return self._table[np.clip(np.rint((greys - 20) / 2), 0, self.LEVELS - 1).astype(int)]

    def audio(self, coefficients: NDArray[np.float64], windows: int) -> NDArray[np.float32]:
        # Column 0 is the log energy: rows 4 i + 1 lie wholly inside frame i.
        energy = coefficients[1 : 4 * windows : 4, 0][:windows]
        loudness = np.sqrt(np.exp(energy) / self._unit())
        levels = np.log(np.maximum(loudness, 1e-3) / 20) / np.log(1.15)
        return self._table[np.clip(np.rint(levels), 0, self.LEVELS - 1).astype(int)]

    @staticmethod
    def _unit() -> float:
        """Energy of `beep` at loudness 1, measured by the product's own coefficients."""
        from evalkit.metrics.sync.mfcc import mfcc

        return float(np.exp(mfcc((1000 * wave(1600)).astype(np.int16))[2, 0])) / 1000**2


def wave(samples: int) -> NDArray[np.float64]:
    """A tone that repeats every 16 samples (1 kHz)."""
    return np.sin(2 * np.pi * np.arange(samples) / 16 + 0.3)


def beeps(frames: int) -> NDArray[np.int16]:
    """Sound for ``frames`` frames at 25/s: 40 ms of every frame's loudness."""
    loudness = np.repeat([PlantedSyncNet.loudness(number) for number in range(frames)], 640)
    return np.rint(loudness * wave(len(loudness))).astype(np.int16)


def write_wav(path: Path, samples: NDArray[np.int16], rate: int = 16000) -> Path:
    """Write (N,) or (N, channels) samples as 16-bit WAV."""
    with wavefile.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def write_video(path: Path, numbers: list[int], rate: int = 25, size: int = 192) -> Path:
    """A lossless video whose frame i has the grey level of number ``numbers[i]``."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264rgb", rate=rate, options={"qp": "0", "preset": "ultrafast"})
        stream.width = stream.height = size
        stream.pix_fmt = "rgb24"
        stream.codec_context.time_base = Fraction(1, rate)
        for place, number in enumerate(numbers):
            frame = av.VideoFrame.from_ndarray(np.full((size, size, 3), PlantedSyncNet.grey(number), np.uint8), "rgb24")
            frame.pts = place
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
