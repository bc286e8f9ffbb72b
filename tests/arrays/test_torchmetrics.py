"""The classes give what `measure` gives, in one process or in two, also after a copy, a pickle and in a collection."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchmetrics import MetricCollection

import evalkit
from evalkit import torchmetrics as ours
from evalkit.metrics.base import metric_registry

ROOT = Path(__file__).parents[2]
RNG = np.random.default_rng(21)
CLASSES = (
    ours.FID, ours.KID, ours.FVD, ours.KVD, ours.PSNR, ours.SSIM, ours.LPIPS, ours.LipSyncConfidence,
    ours.LipSyncDistance, ours.Identity, ours.CLIPScore,
)  # fmt: skip


def videos(count: int, frames: int = 16) -> torch.Tensor:
    base = RNG.integers(0, 256, (count, 1, 3, 24, 24))
    noise = RNG.integers(-40, 41, (count, frames, 3, 24, 24))
    return torch.from_numpy(np.clip(base + noise, 0, 255).astype(np.uint8))


OURS, THEIRS = videos(5), videos(5)


def measured(name: str, **given: Any) -> float:
    found = evalkit.measure(name, OURS, backbones="bundled", **given)
    assert found.value is not None
    return float(found)


@pytest.mark.parametrize("kind", CLASSES)
def test_the_direction_is_the_metrics_own(kind: type[ours.ArrayMetric]) -> None:
    assert kind.higher_is_better == metric_registry()[kind.metric].record.higher_is_better
    assert kind.__doc__
    assert kind.metric in kind.__doc__


def test_distances_grow_batch_by_batch() -> None:
    fid, fvd = ours.FID(backbones="bundled"), ours.FVD(backbones="bundled")
    for at in range(0, 5, 2):
        fid.update(OURS[at : at + 2], THEIRS[at : at + 2])
        fvd.update(OURS[at : at + 2])
    fvd.update(reference=list(THEIRS))
    assert float(fid.compute()) == pytest.approx(measured("fid", reference=THEIRS), rel=1e-9)
    assert float(fvd.compute()) == pytest.approx(measured("fvd", reference=THEIRS), rel=1e-9)


def test_the_real_side_may_stay() -> None:
    fid = ours.FID(backbones="bundled", reset_real_features=False)
    fid.update(reference=THEIRS)
    fid.update(THEIRS)
    assert float(fid.compute()) == pytest.approx(0, abs=1e-6)
    for _ in range(2):
        fid.reset()
        fid(OURS[:3])  # forward: its batch alone must not double the real ones
        fid.update(OURS[3:])
        assert float(fid.compute()) == pytest.approx(measured("fid", reference=THEIRS), rel=1e-9)
    forgetful = ours.FID(backbones="bundled")
    forgetful.update(OURS, THEIRS)
    forgetful.reset()
    forgetful.update(OURS)
    with pytest.warns(UserWarning, match="FID has no value \\(no_reference_video\\)"):
        assert forgetful.compute().isnan()


def test_means_are_those_of_the_scored_videos() -> None:
    psnr = ours.PSNR(backbones="bundled")
    psnr.update(OURS[:2], THEIRS[:2])
    psnr.update([OURS[2], OURS[3], OURS[4]], [THEIRS[2], THEIRS[3], THEIRS[4]])
    assert float(psnr.compute()) == pytest.approx(measured("psnr", reference=THEIRS), rel=1e-12)
    psnr.update([OURS[0]], [None])
    assert float(psnr.compute()) == pytest.approx(measured("psnr", reference=THEIRS), rel=1e-12)
    assert psnr.unscored == 1
    assert psnr.reasons == {"no_reference_video": 1}
    psnr.reset()
    assert psnr.unscored == 0
    assert psnr([OURS[0]], [None]).isnan()
    assert float(psnr(OURS[:1], THEIRS[:1])) == float(psnr.compute())
    assert psnr.reasons == {"no_reference_video": 1}
    psnr.reset()
    psnr.update([OURS[0]], [None])
    with pytest.warns(UserWarning, match="PSNR has no value \\(no_reference_video: 1 videos\\) and is NaN"):
        assert psnr.compute().isnan()


def test_a_face_that_is_nowhere_is_not_zero() -> None:
    identity = ours.Identity(backbones="bundled")
    identity.update(OURS[:2], torch.zeros(2, 3, 24, 24, dtype=torch.uint8))
    with pytest.warns(UserWarning, match="reference_no_face: 2 videos"):
        assert identity.compute().isnan()


def test_copies_and_pickles_go_on_from_where_they_were() -> None:
    fid = ours.FID(backbones="bundled")
    fid.update(OURS[:2], THEIRS)
    for other in (copy.deepcopy(fid), pickle.loads(pickle.dumps(fid)), fid.clone()):
        other.update(OURS[2:])
        assert float(other.compute()) == pytest.approx(measured("fid", reference=THEIRS), rel=1e-9)
    assert len(pickle.dumps(ours.PSNR(backbones="bundled"))) < 20_000  # no network is in it
    state = ours.PSNR(backbones="bundled")
    state.persistent(True)
    state.update(OURS, THEIRS)
    again = ours.PSNR(backbones="bundled")
    again.persistent(True)
    again.load_state_dict(state.state_dict())
    again.update(OURS[:1], THEIRS[:1])
    assert float(again.compute()) != float(state.compute())


def test_a_collection_shares_vectors_and_mixes_up_no_values() -> None:
    def fresh() -> dict[str, ours.ArrayMetric]:
        kinds = (ours.FID, ours.KID, ours.FVD, ours.KVD, ours.PSNR, ours.SSIM)
        return {kind.__name__: kind(backbones="bundled") for kind in kinds}

    collection = MetricCollection(fresh())
    # A first batch without any value: the states of PSNR and SSIM are equal in number, and must not be taken for one.
    collection["PSNR"].update([OURS[0]], [None])
    collection["SSIM"].update([OURS[0]], [None])
    collection.update(video=OURS[:2], reference=THEIRS[:2])
    collection.update(video=OURS[2:], reference=THEIRS[2:])
    groups = [set(group) for group in collection.compute_groups.values()]
    assert {"FID", "KID"} in groups
    assert {"PSNR"} in groups
    with pytest.warns(UserWarning, match="KID has no value \\(fewer_than_1000_frames\\)"):
        found = collection.compute()
    for name, id_ in (("FID", "fid"), ("FVD", "fvd"), ("KVD", "kvd"), ("PSNR", "psnr"), ("SSIM", "ssim")):
        assert float(found[name]) == pytest.approx(measured(id_, reference=THEIRS), rel=1e-9), name
    assert found["KID"].isnan()


def test_what_is_asked_for_is_in_the_message() -> None:
    with pytest.raises(evalkit.EvalkitError, match=r"x \* 255"):
        ours.FID(backbones="bundled").update(OURS / 255)
    with pytest.raises(evalkit.EvalkitError, match="'bundled' have no network"):
        ours.LPIPS(backbones="bundled")


def test_without_the_package_the_extra_is_named() -> None:
    code = "import sys; sys.modules['torchmetrics'] = None\nimport evalkit.torchmetrics"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 1
    assert "pip install 'evalkit-video[torchmetrics]'" in done.stderr.splitlines()[-1]


# Two processes: the second has fewer videos, and neither real ones for FVD nor a value of identity.
PROGRAM = """
import sys, warnings, numpy as np, torch, torch.distributed as distributed
from evalkit import torchmetrics as ours
rank, count, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
if count > 1:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=count)
data = np.load(f"{folder}/data.npz", allow_pickle=False)
metrics = {name: getattr(ours, name)(backbones="bundled") for name in (
    "FID", "KID", "FVD", "KVD", "PSNR", "SSIM", "Identity", "CLIPScore", "LipSyncConfidence", "LipSyncDistance")}
fake, real = (torch.from_numpy(data[name]) for name in ("fake", "real"))
for at in range(len(fake)):
    if count > 1 and (at == 0) != bool(rank):
        continue  # the second process has the first video alone
    for name in ("FID", "KID", "PSNR", "SSIM"):
        metrics[name].update(fake[at][None], real[at][None])
    for name in ("FVD", "KVD"):
        metrics[name].update(fake[at][None])
    metrics["CLIPScore"].update(fake[at][None], [str(data["prompts"][at])])
if rank == 0:
    for name in ("FVD", "KVD"):
        metrics[name].update(reference=real)
    metrics["Identity"].update(list(data["puppets"]), list(data["faces"]))
for at in range(2):
    if count == 1 or at == rank:
        for name in ("LipSyncConfidence", "LipSyncDistance"):
            metrics[name].update(data["puppets"][at], data["waves"][at], audio_rate=16000, fps=25)
for name, metric in metrics.items():
    print(name, repr(float(metric.compute())), flush=True)
if count > 1:  # whose threads may not outlive the process, nor meet one that has gone
    distributed.barrier()
    distributed.destroy_process_group()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, given: dict[str, Any]) -> Path:
    found = tmp_path_factory.mktemp("two")
    np.savez(
        found / "data.npz",
        fake=videos(5, 260).numpy(),
        real=videos(5, 260).numpy(),
        prompts=np.array(["a cat", "a dog", "noise", "a man in a red shirt", "a dark wall"]),
        puppets=np.stack(given["videos"]),
        faces=np.stack([images[0] for images in given["reference_image"]]),
        waves=np.stack(given["audio"]),
    )
    return found


def results(folder: Path, count: int) -> list[dict[str, float]]:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(rank), str(count), str(folder)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        )
        for rank in range(count)
    ]  # fmt: skip
    return list(_answers(started))


def _answers(started: list[subprocess.Popen[str]]) -> Iterator[dict[str, float]]:
    try:
        for process in started:
            out, err = process.communicate(timeout=600)
            assert process.returncode == 0, err
            yield {name: float(value) for name, value in (line.split() for line in out.splitlines())}
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_two_processes_give_what_one_gives(folder: Path) -> None:
    (alone,) = results(folder, 1)
    both = results(folder, 2)
    assert len(alone) == 10
    assert both[0] == both[1]
    for name, value in alone.items():
        assert np.isfinite(value), name
        assert both[0][name] == pytest.approx(value, rel=1e-6), name
