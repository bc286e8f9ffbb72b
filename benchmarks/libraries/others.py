"""Run the same jobs in other libraries; needs the oracles.

    python others.py WORK RESULT.json

WORK: a folder with ``inception.pth`` (random weights under the names of pytorch-fid's file) and
      ``inception-2015-12-05.pt`` (the same as TorchScript).
RESULT: {"versions": {name: version}, "code": {job: {library: text}}, "found": {job: {library: {case: outcome}}}}

The functions ``LIBRARY_JOB`` are what the page shows, and what is run.
"""

# ruff: noqa: ANN001, ANN002, ANN003, ANN201, ANN204

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import io
import json
import re
import sys
import tempfile
import textwrap
import types
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

DIMS = 64  # features of the FID: of 2048, the matrix roots of some libraries take a minute
warnings.simplefilter("ignore")
sys.path.insert(0, str(Path(__file__).parent))
from cases import CASES, both, outcome  # noqa: E402


def torchmetrics_fid(real, generated, **options):
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(**options)
    metric.update(real, real=True)
    metric.update(generated, real=False)
    return float(metric.compute())


def torchmetrics_psnr(real, generated):
    from torchmetrics.functional.image import peak_signal_noise_ratio

    return float(peak_signal_noise_ratio(generated, real, data_range=255.0))


def torch_fidelity_fid(real, generated, **options):
    import torch_fidelity
    from torch.utils.data import Dataset

    class Frames(Dataset):
        def __init__(self, frames):
            self.frames = frames

        def __len__(self):
            return len(self.frames)

        def __getitem__(self, at):
            return self.frames[at]

    found = torch_fidelity.calculate_metrics(input1=Frames(generated), input2=Frames(real), fid=True, **options)
    return found["frechet_inception_distance"]


def clean_fid_fid(real, generated, folder, **options):
    import numpy as np
    from cleanfid import fid

    for name, frames in (("real", real), ("generated", generated)):
        (folder / name).mkdir()
        for at, frame in enumerate(frames):
            np.save(folder / name / f"{at:05d}.npy", frame)
    return fid.compute_fid(str(folder / "generated"), str(folder / "real"), **options)


def pyiqa_fid(real, generated, folder, **options):
    import pyiqa
    from PIL import Image

    for name, frames in (("real", real), ("generated", generated)):
        (folder / name).mkdir()
        for at, frame in enumerate(frames):
            Image.fromarray(frame).save(folder / name / f"{at:05d}.png")
    metric = pyiqa.create_metric("fid")
    return float(metric(str(folder / "generated"), str(folder / "real"), **options))


def pyiqa_psnr(real, generated):
    import pyiqa

    metric = pyiqa.create_metric("psnr")
    return float(metric(generated, real).mean())


def main() -> None:
    torch.set_num_threads(1)
    work, result = Path(sys.argv[1]), Path(sys.argv[2])
    stand_in_for_pyiqa(work / "inception.pth")
    found: dict[str, dict[str, dict[str, object]]] = {"fid": {}, "psnr": {}}
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        for job, library, observe in JOBS:
            found[job][library] = {case: observe(case, work) for case in CASES}
    names = {
        "torchmetrics": "torchmetrics",
        "torch-fidelity": "torch-fidelity",
        "clean-fid": "clean-fid",
        "pyiqa": "pyiqa",
    }
    code: dict[str, dict[str, str]] = {"fid": {}, "psnr": {}}
    for function in (torchmetrics_fid, torchmetrics_psnr, torch_fidelity_fid, clean_fid_fid, pyiqa_fid, pyiqa_psnr):
        library, _, job = function.__name__.rpartition("_")
        code[job][library.replace("_", "-")] = shown(function)
    versions = {name: version(package) for name, package in names.items()}
    result.write_text(json.dumps({"versions": versions, "code": code, "found": found}, indent=1))


def shown(function) -> str:
    """Return a function's body without what only this observation needs: weights and device."""
    body = textwrap.dedent("".join(inspect.getsourcelines(function)[0][1:]))
    body = body.replace(", **options", "").replace("**options", "")
    return re.sub("^return ", "value = ", body, flags=re.MULTILINE).strip() + "\n"


def channels_first(frames) -> torch.Tensor:
    return torch.from_numpy(frames).permute(0, 3, 1, 2).contiguous()


def torchmetrics_of_fid(case: str, work: Path) -> dict[str, object]:
    real, generated = map(channels_first, both(case))
    options: dict[str, object] = {"feature": DIMS, "feature_extractor_weights_path": str(work / "inception.pth")}
    if case == "floats":
        real, generated = real / 255, generated / 255
    if case == "axes":
        real, generated = (one.permute(0, 2, 3, 1) for one in (real, generated))
    if case == "nan":  # floats are taken with normalize=True
        real, generated, options = real / 255, with_nan(generated / 255), {**options, "normalize": True}
    return outcome(torchmetrics_fid, real, generated, **options)


def torchmetrics_of_psnr(case: str, work: Path) -> dict[str, object]:
    real, generated = map(channels_first, both(case))
    if case == "floats":
        real, generated = real / 255, generated / 255
    if case == "axes":
        generated = generated.permute(0, 2, 3, 1)
    if case == "nan":
        real, generated = real.float(), with_nan(generated.float())
    return outcome(torchmetrics_psnr, real, generated)


def torch_fidelity_of_fid(case: str, work: Path) -> dict[str, object]:
    real, generated = map(channels_first, both(case))
    if case in {"floats", "nan"}:
        real, generated = real / 255, generated / 255
    if case == "axes":
        real, generated = (one.permute(0, 2, 3, 1) for one in (real, generated))
    if case == "nan":
        generated = with_nan(generated)
    weights = str(work / "inception.pth")
    options = {"cuda": False, "cache": False, "verbose": False, "feature_extractor_weights_path": weights}
    options["feature_layer_fid"] = str(DIMS)
    return outcome(torch_fidelity_fid, real, generated, **options)


def clean_fid_of_fid(case: str, work: Path) -> dict[str, object]:
    from cleanfid.inception_torchscript import InceptionV3W

    real, generated = both(case)
    if case == "floats":
        real, generated = real / np.float32(255), generated / np.float32(255)
    if case == "axes":
        real, generated = (one.transpose(0, 3, 1, 2).copy() for one in (real, generated))
    if case == "nan":
        real, generated = real.astype(np.float32), generated.astype(np.float32)
        generated[0, 0, 0, 0] = np.nan
    network = InceptionV3W(str(work), download=False, resize_inside=False).eval()
    options = {
        "custom_feat_extractor": lambda batch: network(batch)[:, :DIMS],
        "device": torch.device("cpu"),
        "num_workers": 0,
        "verbose": False,
    }
    with tempfile.TemporaryDirectory() as folder:
        return outcome(clean_fid_fid, real, generated, Path(folder), **options)


def pyiqa_of_fid(case: str, work: Path) -> dict[str, object]:
    if case in {"floats", "axes", "nan"}:
        return {"kind": "impossible", "message": "takes image files", "warnings": []}
    real, generated = both(case)
    options = {"device": torch.device("cpu"), "num_workers": 0, "verbose": False}
    with tempfile.TemporaryDirectory() as folder:
        return outcome(pyiqa_fid, real, generated, Path(folder), **options)


def pyiqa_of_psnr(case: str, work: Path) -> dict[str, object]:
    real, generated = (channels_first(one) / 255 for one in both(case))
    if case == "floats":  # its floats are 0..1
        real, generated = real * 255, generated * 255
    if case == "axes":
        generated = generated.permute(0, 2, 3, 1)
    if case == "nan":
        generated = with_nan(generated)
    return outcome(pyiqa_psnr, real, generated)


def with_nan(frames: torch.Tensor) -> torch.Tensor:
    frames = frames.clone()
    frames[0, 0, 0, 0] = float("nan")
    return frames


def stand_in_for_pyiqa(weights: Path) -> None:
    """Let ``import pyiqa`` load the two metrics of the jobs alone: the package imports all of its metrics otherwise."""
    root = Path(importlib.util.find_spec("pyiqa").submodule_search_locations[0])
    for name in ("", ".archs", ".data", ".utils"):
        package = types.ModuleType(f"pyiqa{name}")
        package.__path__ = [str(root.joinpath(*name.split(".")))]
        sys.modules[f"pyiqa{name}"] = package
    with contextlib.redirect_stdout(io.StringIO()):
        importlib.import_module("pyiqa.archs.inception").FID_WEIGHTS_URL = str(weights)
        network = importlib.import_module("pyiqa.archs.fid_arch").FID()
        network.model = FewInceptionFeatures(network.model)
        makers = {"fid": lambda: network, "psnr": importlib.import_module("pyiqa.archs.psnr_arch").PSNR}
    sys.modules["pyiqa"].create_metric = lambda name: makers[name]()


class FewInceptionFeatures(torch.nn.Module):
    """The first of the features: pyiqa looks for the word Inception in the name of the network's class."""

    def __init__(self, network) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch, *how):
        return [self.network(batch, *how)[0][:, :DIMS]]


JOBS = (
    ("fid", "torchmetrics", torchmetrics_of_fid),
    ("fid", "torch-fidelity", torch_fidelity_of_fid),
    ("fid", "clean-fid", clean_fid_of_fid),
    ("fid", "pyiqa", pyiqa_of_fid),
    ("psnr", "torchmetrics", torchmetrics_of_psnr),
    ("psnr", "pyiqa", pyiqa_of_psnr),
)

if __name__ == "__main__":
    main()
