"""I3D ready to run on clips of 8-bit frames: from the published TorchScript program, or from a state dict.

Both forms do the same: frames to 224x224 by ``torch_bilinear``, the aspect ratio not kept, then
``2 x / 255 - 1``, then the network. The published program does the first two itself when it is asked to. A clip is a
call of its own, so a clip's numbers don't depend on others in a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its customary name
from numpy.typing import NDArray
from torch import Tensor

from evalkit.errors import WeightsError
from evalkit.metrics.features.placement import Inputs, Network, placed
from evalkit.metrics.features.runner import PYTORCH, Runner
from evalkit.metrics.features.stopwatch import running
from evalkit.metrics.networks.checkpoints import Unfilled, filled, settle
from evalkit.metrics.networks.i3d import DIMENSION, EPSILON, FEWEST_FRAMES, I3D, SIDE, UNUSED, check_clips
from evalkit.metrics.networks.inception import check_frame
from evalkit.metrics.networks.runners import TorchRunner, make_runner
from evalkit.metrics.networks.torchscript import load_torchscript

FLAGS = ("rescale", "resize", "return_features")
_STOPWATCH = "i3d"
USUAL_LENGTH = 16  # of a clip, in frames; a network is ready for it from the start


class _ByLength:
    """Runs clips of any length, each with a runner for its length: some libraries convert a network for one shape.

    Args:
        make: returns the runner for a length in frames.

    Attributes:
        backend: see `Runner`.
    """

    def __init__(self, make: Callable[[int], Runner]) -> None:
        self._make = make
        self._runners = {USUAL_LENGTH: make(USUAL_LENGTH)}
        self.backend = self._runners[USUAL_LENGTH].backend

    def __call__(self, clips: Any) -> list[NDArray[Any]]:
        """Return the outputs for clips (1, 3, T, H, W)."""
        length = clips.shape[2]
        if length not in self._runners:
            self._runners[length] = self._make(length)
        return self._runners[length](clips)


class StateDictI3D:
    """The network of `evalkit.metrics.networks.i3d` with the weights of a checkpoint.

    Normalisation is folded into the convolutions, tensors lie channels-last, and pools are maxima of shifted copies:
    1.9 times as fast on one core of a CPU as the same network as published.

    Args:
        path: the checkpoint, pickle or safetensors.
        device: ``cpu`` or ``cuda``.
        epsilon: of the batch normalisation, as in the port whose numbers are wanted.
        precision: of convolutions and products.
        runner: the library that runs it: ``pytorch``, or ``openvino`` on a CPU in float32.

    Raises:
        WeightsError: the checkpoint can't be read, is unsafe, or is another network's.
        MachineError: CUDA was asked for and is not there.
    """

    def __init__(
        self,
        path: Path,
        device: str = "cpu",
        epsilon: float = EPSILON,
        precision: torch.dtype = torch.float32,
        runner: str = PYTORCH,
    ) -> None:
        def build() -> Network:
            with Unfilled():
                network = I3D(epsilon)
            place = filled(network, path, device, ignore=UNUSED)
            network.optimise()

            def make(length: int) -> Runner:
                shape = (1, 3, length, SIDE, SIDE)
                return make_runner(
                    network,
                    runner,
                    place,
                    precision,
                    layout=torch.channels_last_3d,
                    example=torch.zeros(shape),
                    shape=shape,
                )

            return Network({"clips": _ByLength(make)}, {"clips": Inputs("float32", (3, None, SIDE, SIDE))})

        self._runner = placed(("I3D", path, epsilon, precision, runner), build).runners["clips"]

    def prepare(self, rgb: NDArray[np.uint8]) -> Tensor:
        """Return one frame as the network takes it.

        Args:
            rgb: (H, W, 3) uint8.

        Returns:
            (3, 224, 224) float32 in -1..1 on the CPU: bilinear without antialiasing, the aspect ratio not kept.

        Raises:
            ValueError: another shape or type; numbers in 0..1 among them.
        """
        check_frame(rgb)
        with torch.inference_mode():
            planes = torch.tensor(rgb).permute(2, 0, 1)[None].to(torch.float32)
            resized = F.interpolate(planes, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
            return resized[0].mul_(2.0).div_(255.0).sub_(1.0)

    def embed(self, frames: Sequence[Tensor]) -> NDArray[np.float32]:
        """Return the logits (400,) float32 of one clip: its prepared frames in order, at least 10."""
        check_length(frames)
        with running(_STOPWATCH):
            clip = torch.stack(list(frames), dim=1)[None]
            check_clips(clip)
            logits: NDArray[np.float32] = self._runner(clip)[0][0]
        return logits


class TorchScriptI3D:
    """The published program ``i3d_torchscript.pt``, called as StyleGAN-V does.

    Args:
        path: the file.
        sha256: its pinned digest; a file with another one is not loaded.
        device: ``cpu`` or ``cuda``.
        precision: of convolutions and products.

    Raises:
        WeightsError: the file can't be read, has another digest, or is another program.
        MachineError: CUDA was asked for and is not there.
    """

    def __init__(
        self, path: Path, sha256: str | None, device: str = "cpu", precision: torch.dtype = torch.float32
    ) -> None:
        self._path = path

        def build() -> Network:
            place = settle(device)
            network = load_torchscript(path, sha256).to(place)
            known = [argument.name for argument in network.forward.schema.arguments]  # type: ignore[attr-defined]
            if not set(FLAGS) <= set(known):
                raise self._another_program(f"arguments {', '.join(known)}")

            def i3d(clips: Tensor) -> Tensor:
                clip = clips.permute(0, 4, 1, 2, 3).to(torch.float32).contiguous()
                # Without the profiling executor, which would compile the program again after the first clips and for
                # each size of frames.
                with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
                    logits = network(clip, **dict.fromkeys(FLAGS, True))
                if not isinstance(logits, Tensor) or tuple(logits.shape) != (len(clip), DIMENSION):
                    raise self._another_program(f"{getattr(logits, 'shape', type(logits).__name__)} for one clip")
                return logits

            return Network(
                {"clips": TorchRunner(i3d, place, precision)}, {"clips": Inputs("uint8", (None, None, None, 3))}
            )

        self._runner = placed(("TorchScriptI3D", path, sha256, precision), build).runners["clips"]

    def prepare(self, rgb: NDArray[np.uint8]) -> Tensor:
        """Return a copy of a frame (H, W, 3) uint8: the program resizes and rescales by itself.

        Raises:
            ValueError: another shape or type; numbers in 0..1 among them.
        """
        check_frame(rgb)
        return torch.tensor(rgb)

    def embed(self, frames: Sequence[Tensor]) -> NDArray[np.float32]:
        """Return the logits (400,) float32 of one clip: its prepared frames in order and of one size, at least 10."""
        check_length(frames)
        with running(_STOPWATCH):
            logits: NDArray[np.float32] = self._runner(torch.stack(list(frames))[None])[0][0]
        return logits

    def _another_program(self, found: str) -> WeightsError:
        return WeightsError(
            f"The weights file {self._path} is not the I3D program of StyleGAN-V.",
            found=found,
            expected=f"clips and {', '.join(FLAGS)} in, {DIMENSION} numbers per clip out",
            fix="The manifest names a file of another network: correct its entry.",
        )


def check_length(frames: Sequence[Tensor]) -> None:
    """Check that a clip is long enough for the network.

    Raises:
        ValueError: fewer than 10 frames.
    """
    if len(frames) < FEWEST_FRAMES:
        raise ValueError(f"a clip has at least {FEWEST_FRAMES} frames, found {len(frames)}")
