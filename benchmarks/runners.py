"""Every network by PyTorch, ONNX Runtime and OpenVINO: CPU seconds, differences, and what a start costs.

``python -m benchmarks.runners [NETWORK ...]``. Weights are random, of the published shapes; one thread, as in a worker.
The ways of a network take turns, so that a busy machine slows all of them alike; items per CPU second are shown as
ratios to PyTorch's. *Away* is the largest difference from PyTorch, relative to its largest value. *Start* is the CPU
time of the conversion, which each worker pays once for each network; *after* so many items it is made up.

OpenVINO comes with the extra ``fast``. ONNX Runtime needs the package ``onnx`` to export a network of PyTorch; without
it that column is left out. SCRFD and ArcFace are ONNX files and read as they are, where ``EVALKIT_SHARED`` has them.
"""

from __future__ import annotations

import importlib.util
import io
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from evalkit.metrics.networks import runners
from evalkit.metrics.networks.runners import OpenVinoRunner, TorchRunner

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("EVALKIT_SHARED", ROOT.parent / "shared"))
sys.path.insert(0, str(ROOT / "tests"))
SECONDS = 2.0  # of each way, at least
RNG = np.random.default_rng(0)
Way = Callable[[Any], Sequence[NDArray[Any]]]


@dataclass(frozen=True)
class Case:
    """One network: what goes in, how many items that are, and which sizes of it vary."""

    title: str
    items: int
    network: nn.Module
    batch: Tensor
    varying: tuple[int, ...] = (0,)  # axes
    layout: torch.memory_format = torch.contiguous_format

    @property
    def example(self) -> Tensor:
        """A small input for the conversion."""
        return self.batch[:2].contiguous() if 0 in self.varying else self.batch


class Stage(nn.Module):
    """A function as a network."""

    def __init__(self, function: Callable[[Tensor], Any], *held: nn.Module) -> None:
        super().__init__()
        self._function, self._held = function, nn.ModuleList(held)

    def forward(self, batch: Tensor) -> Any:
        return self._function(batch)


def inception(folder: Path) -> list[Case]:
    import inception_checkpoint

    from evalkit.metrics.networks.fid_inception import FidInception

    path = inception_checkpoint.write_checkpoint(folder / "inception.pth", inception_checkpoint.random_inception())
    ours = FidInception(path)
    frames = torch.stack([ours.prepare(RNG.integers(0, 256, (256, 256, 3), dtype=np.uint8)) for _ in range(16)])
    network: Any = ours._runner
    return [Case("Inception, frames", 16, network._network, frames, layout=torch.channels_last)]


def i3d(folder: Path) -> list[Case]:
    import i3d_checkpoint

    from evalkit.metrics.networks.i3d_clips import StateDictI3D

    ours = StateDictI3D(i3d_checkpoint.write_checkpoint(folder / "i3d.pt", i3d_checkpoint.random_i3d()))
    frames = [ours.prepare(RNG.integers(0, 256, (224, 224, 3), dtype=np.uint8)) for _ in range(16)]
    network: Any = ours._runner._runners[16]
    clip = torch.stack(frames, dim=1)[None]
    return [Case("I3D, clips of 16 frames", 1, network._network, clip, (), torch.channels_last_3d)]


def s3fd(folder: Path) -> list[Case]:
    import sync_networks

    from evalkit.metrics.sync.s3fd import S3fd

    network: Any = S3fd(sync_networks.random_s3fd(folder / "s3fd.pth"))._runner
    cases = []
    for count, height, width in ((16, 64, 64), (16, 128, 128), (2, 270, 480)):
        smalls = torch.from_numpy(RNG.integers(0, 256, (count, height, width, 3), dtype=np.uint8))
        title = f"S3FD, frames of {4 * width}x{4 * height}"
        cases.append(Case(title, count, network._network, smalls, (0, 1, 2)))
    return cases


def syncnet(folder: Path) -> list[Case]:
    import sync_networks

    from evalkit.metrics.networks.checkpoints import filled
    from evalkit.metrics.sync import syncnet as module

    network = module.build_syncnet()
    place = filled(network, sync_networks.random_syncnet(folder / "syncnet.model"), "cpu", ignore=module.UNUSED)
    ours = module._Towers(network, place)

    def tower(x: Tensor, parameters: Any, layers: Any, head: Any) -> Tensor:
        for layer, (weight, bias) in zip(layers, parameters, strict=True):
            x = functional.relu(functional.conv2d(x, weight, bias, layer.stride[-2:], layer.padding[-2:]))
            if layer.pool is not None:
                x = functional.max_pool2d(x, *(part[-2:] for part in layer.pool))
        (w1, b1), (w2, b2) = head
        return functional.linear(functional.relu(functional.linear(x.flatten(1), w1, b1)), w2, b2)

    def lips(clip: Tensor) -> Tensor:
        (weight, bias), first = ours._lips[0], module._LIPS[0]
        x = functional.conv3d(clip, weight, bias, first.stride)[0].permute(1, 0, 2, 3)
        assert first.pool is not None  # noqa: S101 - a fact of the table
        x = functional.relu(functional.max_pool2d(x, first.pool[0][1:], first.pool[1][1:]))
        return tower(x, ours._lips[1:], module._LIPS[1:], ours._lip_head)

    def audio(windows: Tensor) -> Tensor:
        return tower(windows, ours._audio, module._AUDIO, ours._audio_head)

    crops = torch.from_numpy(RNG.integers(0, 256, (12, 224, 224, 3), dtype=np.uint8))
    clip = crops.permute(3, 0, 1, 2)[None].float().contiguous()
    rows = torch.from_numpy(RNG.normal(size=(64, 1, 13, 20)).astype(np.float32))
    return [
        Case("SyncNet, windows of lips", 8, Stage(lips), clip, (), torch.channels_last_3d),
        Case("SyncNet, windows of audio", 64, Stage(audio), rows, layout=torch.channels_last),
    ]


def clip(folder: Path) -> list[Case]:
    import clip_checkpoint

    from evalkit.metrics.networks.clip import build
    from evalkit.metrics.networks.clip_states import load_clip_state, sizes_of

    state = clip_checkpoint.random_state(clip_checkpoint.BASE)
    digest = clip_checkpoint.write_archive(
        folder / "clip.pt", clip_checkpoint.as_published(state, clip_checkpoint.BASE)
    )
    loaded = load_clip_state(folder / "clip.pt", digest)
    model = build(loaded, sizes_of(loaded, folder / "clip.pt"), folder / "clip.pt")
    images = torch.from_numpy(RNG.normal(size=(16, 3, 224, 224)).astype(np.float32))
    tokens = torch.from_numpy(RNG.integers(0, 49000, (16, 77)))
    return [
        # A trace fixes how many images and texts there are.
        Case("CLIP ViT-B/32, images", 16, model.visual, images, ()),
        Case("CLIP ViT-B/32, texts", 16, Stage(model.encode_text, model), tokens, ()),
    ]


def curricularface(folder: Path) -> list[Case]:
    import face_checkpoints

    from evalkit.metrics.networks.checkpoints import filled
    from evalkit.metrics.networks.folding import settle_layout
    from evalkit.metrics.networks.ir101 import IR101, UNUSED

    crops = RNG.integers(0, 256, (16, 224, 224, 3), dtype=np.uint8)
    pixels = face_checkpoints.as_pixels(crops, 112)
    torch.save(face_checkpoints.state_of(face_checkpoints.random_ir101(pixels)), folder / "face.bin")
    network = IR101()
    filled(network, folder / "face.bin", "cpu", ignore=UNUSED)
    network.fold()
    settle_layout(network)
    network.eval()
    return [Case("CurricularFace, crops", 16, network, pixels.float().contiguous(), layout=torch.channels_last)]


def lpips(folder: Path) -> list[Case]:
    from evalkit.metrics.networks.lpips import Features

    cases = []
    for backbone in ("alex", "vgg"):
        network = Features(backbone)  # type: ignore[arg-type]
        for parameter in network.parameters():
            if parameter.ndim == 4:
                nn.init.kaiming_normal_(parameter)
        pair = torch.from_numpy(RNG.normal(size=(2, 3, 256, 256)).astype(np.float32))
        cases.append(Case(f"LPIPS {backbone}, pairs of 256x256", 1, network, pair, (2, 3)))
    return cases


NETWORKS = {
    "inception": inception, "i3d": i3d, "s3fd": s3fd, "syncnet": syncnet, "clip": clip,
    "curricularface": curricularface, "lpips": lpips,
}  # fmt: skip
ONNX_FILES = {
    "scrfd": ("SCRFD, canvases", "face_detector", 1, (320, 320)),
    "arcface": ("ArcFace, crops", "arcface", 16, (112, 112)),
}


def by_onnxruntime(case: Case) -> Way:
    """Export the network and open it with all of ONNX Runtime's optimisations, which are its default."""
    content = io.BytesIO()
    axes = {"x": {axis: f"axis{axis}" for axis in case.varying}}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            case.network, (case.example,), content, dynamo=False, input_names=["x"], dynamic_axes=axes, opset_version=17
        )
    return session_of(content.getvalue())


def session_of(content: bytes) -> Way:
    from evalkit.metrics.features.onnx_session import OnnxRunner, open_session

    session = open_session(content)
    run = OnnxRunner(session, session.get_inputs()[0].name)
    return lambda batch: run(np.asarray(batch))


def shape_of(content: bytes, wanted: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a model's input: its own where it is fixed, else what is wanted."""
    from evalkit.metrics.features.onnx_session import open_session

    own = open_session(content).get_inputs()[0].shape
    return tuple(have if isinstance(have, int) else want for have, want in zip(own, wanted, strict=True))


def by_openvino(case: Case) -> Way:
    shape = [-1 if axis in case.varying else size for axis, size in enumerate(case.batch.shape)]
    return OpenVinoRunner(case.network, case.example, shape)


def file_by_openvino(content: bytes) -> Way:
    core = runners._openvino().Core()
    request = core.compile_model(core.read_model(content, b""), "CPU", runners._OPENVINO_OPTIONS).create_infer_request()
    return lambda batch: [np.array(made) for made in request.infer([batch], share_inputs=True).values()]


def compare(title: str, items: int, batch: Any, ways: dict[str, Callable[[], Way]]) -> None:
    """Print a row per way; the first one is what the others are compared with."""
    print(f"\n{title}", flush=True)
    ready: dict[str, Way] = {}
    starts: dict[str, float] = {}
    aways: dict[str, float] = {}
    for name, make in ways.items():
        started = time.process_time()
        try:
            way = make()
            outputs = way(batch)
        except Exception as error:  # noqa: BLE001 - an exporter fails in its own ways
            print(f"  {name:12} fails: {str(error).strip().splitlines()[0][:90]}")
            continue
        starts[name] = time.process_time() - started
        if not ready:
            wanted = outputs
        pairs = zip(outputs, wanted, strict=True)
        aways[name] = max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)
        ready[name] = way
    if not ready:
        return
    taken = dict.fromkeys(ready, 0.0)
    rounds = 0
    while sum(taken.values()) < SECONDS * len(taken):
        for name, way in ready.items():
            started = time.process_time()
            way(batch)
            taken[name] += time.process_time() - started
        rounds += 1
    each = {name: seconds / (rounds * items) for name, seconds in taken.items()}
    first = next(iter(each))
    for name, seconds in each.items():
        start = max(starts[name] - starts[first], 0.0)
        saved = each[first] - seconds
        after = f"after {start / saved:7.0f}" if saved > 0 and name != first else ""
        print(
            f"  {name:12} {1 / seconds:8.2f} a CPU second {each[first] / seconds:6.2f}x  away {aways[name]:.1e}"
            f"  start {start:5.1f} s  {after}",
            flush=True,
        )


def main() -> None:
    """Print the tables."""
    torch.set_num_threads(1)
    asked = sys.argv[1:] or [*NETWORKS, *ONNX_FILES]
    with_onnx = importlib.util.find_spec("onnx") is not None
    with tempfile.TemporaryDirectory() as name:
        for network in asked:
            for case in NETWORKS[network](Path(name)) if network in NETWORKS else ():
                case.network.eval().requires_grad_(requires_grad=False)
                ways: dict[str, Callable[[], Way]] = {
                    "pytorch": lambda case=case: TorchRunner(case.network, torch.device("cpu"), layout=case.layout)
                }
                if with_onnx:
                    ways["onnxruntime"] = lambda case=case: by_onnxruntime(case)
                ways["openvino"] = lambda case=case: by_openvino(case)
                compare(case.title, case.items, case.batch, ways)
            if network in ONNX_FILES:
                title, role, items, size = ONNX_FILES[network]
                path = onnx_file(role)
                if path is None:
                    print(f"\n{title}: no file")
                    continue
                content = path.read_bytes()
                shape = shape_of(content, (items, 3, *size))
                title, items = f"{title} ({shape[3]}x{shape[2]})", shape[0]
                batch = RNG.normal(size=shape).astype(np.float32)
                ways = {
                    "onnxruntime": lambda content=content: session_of(content),
                    "openvino": lambda content=content: file_by_openvino(content),
                }
                compare(title, items, batch, ways)


def onnx_file(role: str) -> Path | None:
    """Return the file that the tests use for a role."""
    import yaml

    entry = yaml.safe_load((ROOT / "tests" / "backbones.yaml").read_text())["roles"][role]
    path = SHARED / "weights" / entry["file"]
    return path if path.exists() else None


if __name__ == "__main__":
    main()
