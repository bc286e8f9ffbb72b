"""The FID's Inception: against pytorch-fid with the same random checkpoint, and what must hold of any network."""

import json
import pickle
import subprocess
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from inception_checkpoint import random_inception, state_of, write_checkpoint
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from torch.nn import functional

from evalkit.errors import MachineError, WeightsError
from evalkit.metrics.distances.distributions import frechet_from_features, kid
from evalkit.metrics.networks.checkpoints import fill, load_state_dict, settle
from evalkit.metrics.networks.fid_inception import FidInception
from evalkit.metrics.networks.inception import Inception

ORACLE = Path(__file__).parent.parent / "oracles" / "inception_pytorch_fid.py"
Pictures = list[NDArray[np.uint8]]


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("weights") / "inception.pth", random_inception())


@pytest.fixture(scope="module")
def network(checkpoint: Path) -> FidInception:
    return FidInception(checkpoint)


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Smooth coloured noise."""
    small = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


# --- against the other implementations ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """The images, our network on the checkpoint that the oracle had, feature sets, and what the oracle says."""

    pictures: Pictures
    ours: FidInception
    X: NDArray[np.float64]
    Y: NDArray[np.float64]
    theirs: dict[str, NDArray[np.float64]]


def real_frames(shared: Path) -> Pictures:
    """One frame of each of 12 clips up to 1080 x 1920, and two portraits that have to be enlarged."""
    pictures = []
    for path in sorted((shared / "data/clips").glob("c*")):
        with av.open(str(path)) as container:
            pictures.append(next(container.decode(video=0)).to_ndarray(format="rgb24"))
    for path in sorted((shared / "data/portraits").glob("*_1.png"))[:2]:
        with Image.open(path) as image:
            pictures.append(np.asarray(image.convert("RGB")))
    return pictures


def as_input(pictures: Pictures) -> torch.Tensor:
    """The resize and range of docs/definitions/fid-kid.md#fid, written out once more."""
    sized = [
        functional.interpolate(torch.tensor(p).permute(2, 0, 1)[None] / 255, (299, 299), mode="bilinear")
        for p in pictures
    ]
    return torch.cat(sized) * 2 - 1


@pytest.fixture(scope="module")
def comparison(shared: Path, oracle_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    folder = tmp_path_factory.mktemp("inception")
    pictures = real_frames(shared)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{number:02}.png", compress_level=1)
    path = write_checkpoint(folder / "checkpoint.pth", random_inception(as_input(pictures)))
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1100, 96)) @ rng.normal(size=(96, 96)) / 10
    Y = rng.normal(size=(1300, 96)) @ rng.normal(size=(96, 96)) / 10 + 0.05
    np.savez(folder / "features.npz", X=X, Y=Y)
    job = {
        "checkpoint": str(path),
        "images": [str(file) for file in sorted(folder.glob("*.png"))],
        "features": str(folder / "features.npz"),
    }
    (folder / "job.json").write_text(json.dumps(job))
    command = [str(oracle_python), str(ORACLE), str(folder / "job.json"), str(folder / "result.npz")]
    subprocess.run(command, check=True, timeout=400)
    with np.load(folder / "result.npz") as result:
        return Comparison(pictures, FidInception(path), X, Y, dict(result))


@pytest.mark.shared
@pytest.mark.oracles
def test_activations_are_pytorch_fids(comparison):
    ours = comparison.ours.embed([comparison.ours.prepare(picture) for picture in comparison.pictures])
    theirs = comparison.theirs["activations"]
    assert ours.shape == theirs.shape == (len(comparison.pictures), 2048)
    assert theirs.std(axis=0).mean() > 0.1, "the network tells the pictures apart"
    difference = np.abs(ours - theirs).max() / np.abs(theirs).max()
    print(f"largest difference of an activation, relative to the largest: {difference:.2e}")
    assert difference <= 1e-4


@pytest.mark.shared
@pytest.mark.oracles
def test_frechet_is_pytorch_fids_and_torchmetrics(comparison):
    ours = frechet_from_features(comparison.X, comparison.Y)
    for name in ("frechet", "frechet_torchmetrics"):
        theirs = float(comparison.theirs[name])
        print(f"{name}: relative difference {abs(ours / theirs - 1):.2e}")
        assert ours == pytest.approx(theirs, rel=1e-6)


@pytest.mark.shared
@pytest.mark.oracles
def test_kid_is_torch_fidelitys(comparison):
    ours = kid(comparison.X, comparison.Y)
    print(f"relative difference {np.abs(np.array(ours) / comparison.theirs['kid'] - 1).max():.2e}")
    assert ours == pytest.approx(comparison.theirs["kid"], rel=1e-9)


# --- what must hold of any network -------------------------------------------------------------------------------


def test_resize_is_bilinear_without_antialias(network):
    """A board of single pixels at twice the size: each output pixel falls between four of the board's."""
    board = np.indices((598, 598)).sum(axis=0) % 2 * 255
    flat = network.prepare(np.repeat(board[:, :, None], 3, axis=2).astype(np.uint8))
    assert torch.allclose(flat, torch.zeros(3, 299, 299), atol=1e-6)
    # At three times the size it hits every third pixel exactly, where antialiasing would give grey.
    board = np.indices((897, 897)).sum(axis=0) % 2 * 255
    sharp = network.prepare(np.repeat(board[:, :, None], 3, axis=2).astype(np.uint8))
    assert sharp.abs().min() == 1


def test_channels_keep_their_order_and_range(network):
    red = np.zeros((40, 60, 3), dtype=np.uint8)
    red[:, :, 0] = 255
    prepared = network.prepare(red)
    assert prepared.shape == (3, 299, 299)
    assert prepared.dtype == torch.float32
    assert torch.allclose(prepared, torch.tensor([1.0, -1.0, -1.0])[:, None, None], atol=1e-6)


def test_folding_and_layout_change_nothing_that_counts(network):
    pictures = [noise(120, 90, seed) for seed in range(3)]
    plain = random_inception()
    with torch.inference_mode():
        expected = plain(as_input(pictures)).numpy()
    ours = network.embed([network.prepare(picture) for picture in pictures])
    assert np.abs(ours - expected).max() <= 1e-4 * np.abs(expected).max()


def test_batch_and_order_do_not_matter(network):
    frames = [network.prepare(noise(100, 80, seed)) for seed in range(18)]
    together = network.embed(frames)
    assert together.shape == (18, 2048)
    assert together.dtype == np.float32
    assert np.isfinite(together).all()
    largest = np.abs(together).max()
    for chosen in ([0], [17], [5, 3, 17]):
        some = network.embed([frames[at] for at in chosen])
        assert np.abs(some - together[chosen]).max() <= 1e-5 * largest
    assert np.array_equal(network.embed(frames[:3]), network.embed(frames[:3]))
    assert network.embed([]).shape == (0, 2048)


@pytest.mark.parametrize("bad", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_what_is_no_frame_is_refused(network, bad):
    with pytest.raises(ValueError, match="a frame is uint8"):
        network.prepare(bad)


# --- checkpoints -------------------------------------------------------------------------------------------------


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def __reduce__(self):
        return Path.touch, (self._target,)


@pytest.mark.parametrize("how", ["torch", "torch_legacy", "pickle"])
def test_a_checkpoint_that_runs_code_is_refused_and_does_not_run(tmp_path, how):
    target, path = tmp_path / "executed", tmp_path / "inception.pth"
    content = {"Conv2d_1a_3x3.conv.weight": torch.zeros(32, 3, 3, 3), "x": Evil(target)}
    if how == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=how == "torch")
    with pytest.raises(WeightsError, match=r"rejected: it contains more than tensors|can't be read") as refused:
        FidInception(path)
    if how != "pickle":
        assert "could run code" in str(refused.value)
        assert "weights_only" not in str(refused.value), "no advice to load it all the same"
    assert not target.exists()
    with path.open("rb") as stream:  # the file does what the test believes
        (pickle.load(stream) if how == "pickle" else torch.load(path, weights_only=False))
    assert target.exists()


def test_safetensors_and_pickle_give_the_same_numbers(network, tmp_path):
    path = tmp_path / "inception.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in state_of(random_inception()).items()}, path)
    frame = network.prepare(noise(64, 64))
    assert np.array_equal(FidInception(path).embed([frame]), network.embed([frame]))


def test_counters_and_a_missing_classifier_are_no_difference(tmp_path):
    path = tmp_path / "inception.pth"
    state = random_inception().state_dict()
    assert any("num_batches_tracked" in name for name in state)
    torch.save(state, path)
    FidInception(path)


def test_what_does_not_fit_is_named(tmp_path):
    state = state_of(random_inception())
    del state["Mixed_5b.branch1x1.conv.weight"]
    state["Mixed_9z.conv.weight"] = torch.zeros(1)
    state["Conv2d_1a_3x3.bn.bias"] = torch.zeros(31)
    path = tmp_path / "other.pth"
    torch.save(state, path)
    with pytest.raises(WeightsError) as error:
        FidInception(path)
    told = str(error.value)
    assert "1 missing: Mixed_5b.branch1x1.conv.weight; 1 unknown: Mixed_9z.conv.weight" in told
    assert "1 other shapes: Conv2d_1a_3x3.bn.bias (31,) instead of (32,)" in told
    assert str(path) in told


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("none.pth", None, "is missing"),
        ("empty.pth", b"", "can't be read"),
        ("cut.pth", b"PK\x03\x04broken", "can't be read"),
        ("text.pth", b"<html>not found</html>", "can't be read|rejected"),
        ("cut.safetensors", b"\x10\x00", "can't be read"),
    ],
)
def test_damaged_files_are_told(tmp_path, name, content, told):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=told):
        load_state_dict(path)


@pytest.mark.parametrize("content", [{}, [torch.zeros(1)], {"state": {"a": torch.zeros(1)}}, {1: torch.zeros(1)}])
def test_what_is_no_state_dict_is_told(tmp_path, content):
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match="holds no state dict"):
        load_state_dict(tmp_path / "x.pth")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"bias": None}, "1 missing: bias"),
        ({"more": torch.zeros(1)}, "1 unknown: more"),
        ({"weight": torch.zeros(2, 3)}, "1 other shapes: weight (2, 3) instead of (2, 2)"),
    ],
)
def test_each_difference_alone_is_enough(changes, told):
    module = torch.nn.Linear(2, 2)
    state = {name: value for name, value in {**module.state_dict(), **changes}.items() if value is not None}
    with pytest.raises(WeightsError) as error:
        fill(module, state, Path("x.pth"))
    assert f"Found {told}; expected the 2 tensors" in str(error.value)


def test_only_this_networks_tensors_are_copied():
    target = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    kept = target[1].weight.clone()
    state = {"0.weight": torch.ones(2, 2), "0.bias": torch.zeros(2), "head.weight": torch.ones(9)}
    fill(target, state, Path("x.pth"), ignore=("1.*", "head.*"))
    assert target[0].weight.tolist() == [[1, 1], [1, 1]]
    assert torch.equal(target[1].weight, kept)


def test_settings_of_the_machine():
    assert settle("cpu", 1) == torch.device("cpu")
    assert torch.get_num_threads() == 1
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.deterministic
    if not torch.cuda.is_available():
        with pytest.raises(MachineError, match="no CUDA device"):
            settle("cuda")


def test_the_network_has_the_published_files_tensors():
    """Names, shapes and number of values; the file's 95,628,359 bytes hold 23,903,010 float32 and the names."""
    state = state_of(Inception(*FidInception.pools))
    assert len(state) == 94 * 5 + 2
    values = sum(tensor.numel() for tensor in state.values())
    assert 0 < 95_628_359 - 4 * values < 200_000
