"""The shapes of the bundled networks: a few convolutions each, small enough to ship and to train on a CPU.

They are trained with batch norm and shipped without: `fused` puts each norm into the convolution before it. Inputs are
float tensors of 0..1; inference and training prepare images alike (`inputs`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

FRAME_SIDE, FRAME_DIMENSION = 128, 64
CLIP_SIDE, CLIP_FRAMES, CLIP_DIMENSION = 64, 16, 64
FACE_SIDE, FACE_DIMENSION = 64, 128
DETECTOR_SIDE, DETECTOR_STRIDE, DETECTOR_OUTPUTS = 128, 8, 15  # score, box (4), five points
TEXT_SIDE, TEXT_DIMENSION, TEXT_VOCABULARY, TEXT_CONTEXT = 96, 64, 2048, 77
ACTION_SIDE = 128  # closed eyes and raised brows are small
LANDMARK_SIDE, LANDMARK_CELLS, LANDMARK_POINTS = 64, 16, 68
LIP_SIDE, LIP_FRAMES, SOUND_ROWS, SOUND_COLUMNS, SYNC_DIMENSION = 40, 5, 20, 13, 65

SHAPE_SIDE, COLOUR_SIDE, SHAPE_AXES, COLOUR_AXES = 16, 12, 160, 96

Plan = Sequence[tuple[int, int]]
_FRAME: Plan = ((16, 2), (32, 2), (64, 2), (64, 1), (96, 2), (128, 2))
_CLIP: Plan = ((16, 0), (32, 2), (64, 2), (64, 2))
_FACE: Plan = ((24, 2), (48, 2), (64, 1), (96, 2), (128, 2))
_TEXT: Plan = ((16, 2), (32, 2), (64, 2), (96, 2), (128, 2))
_LIPS: Plan = ((32, 2), (48, 2), (64, 2))


class Conv(nn.Module):
    """A convolution of size 3, batch norm and ReLU; ``flat`` keeps time as it is (stride and size 1 in space only)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, *, deep: bool = False) -> None:
        super().__init__()
        self.conv: nn.Module
        self.norm: nn.Module
        if deep:  # stride 0: halve rows and columns and keep the frames
            steps = (1, 2, 2) if stride == 0 else (stride, stride, stride)
            self.conv = nn.Conv3d(inputs, outputs, 3, steps, 1)
            self.norm = nn.BatchNorm3d(outputs)
        else:
            self.conv = nn.Conv2d(inputs, outputs, 3, stride, 1)
            self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return the activations."""
        return functional.relu(self.norm(self.conv(x)))


def stack(inputs: int, plan: Plan, *, deep: bool = False) -> nn.Sequential:
    """Return convolutions one after the other: (channels, stride) each."""
    sizes = [inputs, *(outputs for outputs, _ in plan)]
    steps = [stride for _, stride in plan]
    return nn.Sequential(*(Conv(a, b, step, deep=deep) for (a, b), step in zip(pairwise(sizes), steps, strict=True)))


class Standardise(nn.Module):
    """Subtracts a mean and multiplies, by numbers that are measured after the training."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dimension))
        self.register_buffer("scale", torch.ones(dimension))

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, D) of (N, D)."""
        result: Tensor = (x - self.get_buffer("mean")) * self.get_buffer("scale")
        return result


class FrameNet(nn.Module):
    """A frame to a vector: (N, 3, 128, 128) to (N, 64), standardised over frames of undisturbed puppets."""

    def __init__(self) -> None:
        super().__init__()
        self.body = stack(3, _FRAME)
        self.head = nn.Linear(_FRAME[-1][0], FRAME_DIMENSION)
        self.standardise = Standardise(FRAME_DIMENSION)

    def forward(self, x: Tensor) -> Tensor:
        """Return the vectors."""
        result: Tensor = self.standardise(self.head(self.body(x - 0.5).mean(dim=(2, 3))))
        return result


class ClipNet(nn.Module):
    """16 frames to a vector: (N, 3, 16, 64, 64) to (N, 64), standardised over clips of undisturbed puppets."""

    def __init__(self) -> None:
        super().__init__()
        self.body = stack(3, _CLIP, deep=True)
        self.head = nn.Linear(_CLIP[-1][0], CLIP_DIMENSION)
        self.standardise = Standardise(CLIP_DIMENSION)

    def forward(self, x: Tensor) -> Tensor:
        """Return the vectors."""
        result: Tensor = self.standardise(self.head(self.body(x - 0.5).mean(dim=(2, 3, 4))))
        return result


class FaceNet(nn.Module):
    """An aligned face to a vector whose angle identifies the person: (N, 3, 64, 64) to (N, 128)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = stack(3, _FACE)
        self.head = nn.Linear(_FACE[-1][0] * (FACE_SIDE // 16) ** 2, FACE_DIMENSION)

    def forward(self, x: Tensor) -> Tensor:
        """Return the vectors, not normalised."""
        result: Tensor = self.head(self.body(x - 0.5).flatten(1))
        return result


class DetectorNet(nn.Module):
    """Faces in an image: (N, 3, 128, 128) to (N, 15, 16, 16), a possible face per cell of 8 pixels.

    Score (logit); the box's centre from the cell's, in cells, and the logarithm of its sides in cells; the five points
    from the cell's centre, in cells.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fine = stack(3, ((16, 2), (32, 2), (64, 2), (64, 1)))
        self.coarse = stack(64, ((96, 2), (96, 1), (32, 1)))
        self.joint = stack(64 + 32, ((64, 1), (64, 1)))
        self.head = nn.Conv2d(64, DETECTOR_OUTPUTS, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the map."""
        fine = self.fine(x - 0.5)
        wide = functional.interpolate(self.coarse(fine), scale_factor=2.0, mode="nearest")
        result: Tensor = self.head(self.joint(torch.cat([fine, wide], dim=1)))
        return result


class LandmarkNet(nn.Module):
    """68 points of a face crop: (N, 3, 64, 64) to (N, 68, 2), x and y in 0..1 of the crop's sides.

    A map of 16 x 16 cells for each point; its softmax is where the point may be, and the mean place is the result (Sun
    et al., Integral Human Pose Regression, ECCV 2018).
    """

    def __init__(self) -> None:
        super().__init__()
        self.fine = stack(3, ((24, 2), (48, 2), (64, 1)))
        self.middle = stack(64, ((64, 2),))
        self.coarse = stack(64, ((96, 2), (96, 1)))
        self.middle_joint = stack(64 + 96, ((64, 1),))
        self.joint = nn.Conv2d(64 + 64, 96, 1)
        self.head = nn.Conv2d(96, LANDMARK_POINTS, 1)

    def maps(self, x: Tensor) -> Tensor:
        """Return the logarithm of each point's probabilities (N, 68, 16 * 16), a row of cells after the other."""
        fine = self.fine(x - 0.5)
        middle = self.middle(fine)
        wide = functional.interpolate(self.coarse(middle), scale_factor=2.0, mode="nearest")
        wide = self.middle_joint(torch.cat([middle, wide], dim=1))
        wide = functional.interpolate(wide, scale_factor=2.0, mode="nearest")
        joint = functional.relu(self.joint(torch.cat([fine, wide], dim=1)))
        result: Tensor = self.head(joint).flatten(2).log_softmax(dim=2)
        return result

    def forward(self, x: Tensor) -> Tensor:
        """Return the points."""
        return mean_places(self.maps(x))


def mean_places(maps: Tensor) -> Tensor:
    """Return the mean places (N, P, 2), in 0..1, of logarithms of probabilities (N, P, C * C)."""
    cells = round(maps.shape[2] ** 0.5)
    share = maps.exp().reshape(*maps.shape[:2], cells, cells)
    centres = (torch.arange(cells, dtype=maps.dtype, device=maps.device) + 0.5) / cells
    return torch.stack([(share.sum(dim=2) * centres).sum(dim=2), (share.sum(dim=3) * centres).sum(dim=2)], dim=2)


class KnownFaces(nn.Module):
    """How unlike the training's faces a face crop is: what of it the main axes of their crops can't express.

    Two views of the crop, grey values without brightness and contrast (`inputs.face_shape`) and small colours
    (`inputs.face_colours`), each less their mean and their part along the axes. The lengths of what is left are divided
    by the usual ones; their geometric mean divided by the limit is the out-of-distribution score.
    """

    def __init__(self) -> None:
        super().__init__()
        for name, size, axes in (("shape", SHAPE_SIDE**2, SHAPE_AXES), ("colour", 3 * COLOUR_SIDE**2, COLOUR_AXES)):
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_axes", torch.zeros(axes, size))
        self.register_buffer("usual", torch.ones(2))
        self.register_buffer("limit", torch.tensor(torch.inf))

    def rest(self, shape: Tensor, colours: Tensor) -> Tensor:
        """Return (N, 2): the root mean square of what is left of either view, (N, 256) and (N, 432)."""
        left = []
        for name, x in (("shape", shape), ("colour", colours)):
            centred, axes = x - self.get_buffer(f"{name}_mean"), self.get_buffer(f"{name}_axes")
            left.append((centred - centred @ axes.T @ axes).square().mean(dim=1).sqrt())
        return torch.stack(left, dim=1)

    def forward(self, shape: Tensor, colours: Tensor) -> Tensor:
        """Return the out-of-distribution score (N,): above 1 outside."""
        result: Tensor = (self.rest(shape, colours) / self.get_buffer("usual")).prod(dim=1).sqrt()
        return result / self.get_buffer("limit")


class SyncNets(nn.Module):
    """Five mouth crops and 0.2 s of audio to vectors that are close when they match.

    Lips: (N, 15, 40, 40), the five images stacked along the channels; audio: (N, 20, 13) coefficients, a row
    every 10 ms; both to (N, 65): a direction of length 10, and 10 as the last number of every vector. That one cancels
    in distances, and puts the zero vector, which represents audio beyond the ends, as far away as unrelated audio.
    """

    LENGTH = 10.0

    def __init__(self) -> None:
        super().__init__()
        self.lips = stack(3 * LIP_FRAMES, _LIPS)
        self.lip_head = nn.Linear(_LIPS[-1][0] * (LIP_SIDE // 8) ** 2, SYNC_DIMENSION - 1)
        self.level = Standardise(SOUND_COLUMNS)
        self.sound = nn.Sequential(
            nn.Linear(SOUND_ROWS * SOUND_COLUMNS, 192), nn.ReLU(), nn.Linear(192, 128), nn.ReLU()
        )
        self.sound_head = nn.Linear(128, SYNC_DIMENSION - 1)
        self.known_faces = KnownFaces()

    def embed_lips(self, x: Tensor) -> Tensor:
        """Return (N, 65) of (N, 15, 40, 40)."""
        return self._with_constant(self.lip_head(self.lips(x - 0.5).flatten(1)))

    def embed_sound(self, x: Tensor) -> Tensor:
        """Return (N, 65) of (N, 20, 13)."""
        return self._with_constant(self.sound_head(self.sound(self.level(x).flatten(1))))

    def _with_constant(self, x: Tensor) -> Tensor:
        return functional.pad(self.LENGTH * functional.normalize(x), (0, 1), value=self.LENGTH)


class TextNets(nn.Module):
    """Images and captions to vectors whose cosine measures how well they match.

    Images: (N, 3, 96, 96); captions: (N, L) numbers of words, 0 behind the last; both to (N, 64).

    Args:
        side: of the images, in pixels; a multiple of 32.
    """

    def __init__(self, side: int = TEXT_SIDE) -> None:
        super().__init__()
        self.picture = stack(3, _TEXT)
        self.picture_head = nn.Linear(_TEXT[-1][0] * (side // 32) ** 2, TEXT_DIMENSION)
        self.words = nn.Embedding(TEXT_VOCABULARY, 64, padding_idx=0)
        self.near = nn.Conv1d(64, 96, 3, padding=1)
        self.far = nn.Conv1d(96, 96, 3, padding=1)
        self.text_head = nn.Linear(192, TEXT_DIMENSION)
        self.logit_scale = nn.Parameter(torch.tensor(2.5))

    def embed_pictures(self, x: Tensor) -> Tensor:
        """Return (N, 64) of (N, 3, side, side), not normalised."""
        result: Tensor = self.picture_head(self.picture(x - 0.5).flatten(1))
        return result

    def embed_texts(self, words: Tensor) -> Tensor:
        """Return (N, 64) of (N, L) int64, not normalised."""
        there = (words > 0).float()[:, None]
        x = self.words(words).transpose(1, 2)
        x = functional.relu(self.near(x)) * there
        x = functional.relu(self.far(x)) * there
        mean = x.sum(dim=2) / there.sum(dim=2).clamp(min=1)
        result: Tensor = self.text_head(torch.cat([mean, x.amax(dim=2)], dim=1))
        return result


class ActionNets(TextNets):
    """The same for frames (N, 3, 128, 128) of somebody who acts, and sentences of what they do."""

    def __init__(self) -> None:
        super().__init__(ACTION_SIDE)


NETWORKS: dict[str, type[nn.Module]] = {
    "frames": FrameNet,
    "clips": ClipNet,
    "faces": FaceNet,
    "detector": DetectorNet,
    "landmarks": LandmarkNet,
    "sync": SyncNets,
    "text": TextNets,
    "actions": ActionNets,
}


def last_channels(network: nn.Module) -> None:
    """Store the weights of a network of images as the CPU runs them fastest, in place."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


def fused(network: nn.Module) -> nn.Module:
    """Put every batch norm into its convolution, in place, and return the network ready for inference."""
    network.eval()
    for module in network.modules():
        if isinstance(module, Conv) and not isinstance(module.norm, nn.Identity):
            module.conv = fuse_conv_bn_eval(module.conv, module.norm)  # type: ignore[type-var, arg-type]
            module.norm = nn.Identity()
    return network
