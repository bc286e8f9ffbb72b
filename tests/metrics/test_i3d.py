"""What must hold of I3D with any weights, and of the files that they come from."""

import hashlib
import io
import pickle
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from i3d_checkpoint import Program, random_i3d, write_checkpoint, write_program
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from torch.nn import functional

from evalkit.errors import MachineError, WeightsError
from evalkit.metrics.networks.i3d import I3D, LAYERS, Pool, max_pool, same_padding
from evalkit.metrics.networks.i3d_clips import StateDictI3D, TorchScriptI3D

Clip = NDArray[np.uint8]


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def clip(length: int = 16, height: int = 60, width: int = 90, seed: int = 0) -> Clip:
    """Smooth coloured noise that changes from frame to frame."""
    small = np.random.default_rng(seed).integers(0, 256, (length, 6, 6, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(frame).resize((width, height), 2)) for frame in small])


def as_input(frames: Clip) -> torch.Tensor:
    planes = functional.interpolate(torch.tensor(frames).permute(0, 3, 1, 2).float(), (224, 224), mode="bilinear")
    return (planes / 127.5 - 1).permute(1, 0, 2, 3)[None]


@pytest.fixture(scope="module")
def plain() -> I3D:
    """The network as it is written, with the statistics of a clip."""
    return random_i3d(as_input(clip()))


@pytest.fixture(scope="module")
def checkpoint(plain, tmp_path_factory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("weights") / "i3d.pt", plain)


@pytest.fixture(scope="module")
def network(checkpoint) -> StateDictI3D:
    return StateDictI3D(checkpoint)


@pytest.fixture(scope="module")
def program(plain, tmp_path_factory) -> tuple[Path, str]:
    return write_program(tmp_path_factory.mktemp("program") / "i3d.pt", plain)


def embedded(network, frames: Clip) -> NDArray[np.float32]:
    return network.embed([network.prepare(frame) for frame in frames])


def near(ours, expected, tolerance=1e-5) -> bool:
    print(f"largest difference {np.abs(ours - expected).max() / np.abs(expected).max():.2e}")
    return bool(np.abs(ours - expected).max() <= tolerance * np.abs(expected).max())


# --- the network -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "expected"),
    [
        (224, 7, 2, (2, 3)),  # 112 windows reach 111 * 2 + 7 = 229
        (16, 7, 2, (2, 3)),
        (112, 3, 2, (0, 1)),  # 56 windows reach 113
        (13, 7, 2, (3, 3)),
        (7, 3, 2, (1, 1)),
        (56, 3, 1, (1, 1)),
        (14, 2, 2, (0, 0)),
        (3, 2, 2, (0, 1)),
        (9, 1, 2, (0, 0)),  # never negative
        (8, 1, 1, (0, 0)),
    ],
)
def test_padding_is_tensorflows_same(size, kernel, stride, expected):
    assert same_padding(size, kernel, stride) == expected


POOLS = [layer for layer in LAYERS if isinstance(layer, Pool)] + [Pool("branch", (3, 3, 3), (1, 1, 1))]


@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: pool.name)
@pytest.mark.parametrize("size", [(8, 14, 14), (5, 13, 12), (3, 9, 7)], ids=str)
def test_pools_are_max_pool3d_where_nothing_is_below_zero(pool, size):
    x = torch.rand(2, 5, *size, generator=torch.Generator().manual_seed(0)).relu()
    sides = [same_padding(*axis) for axis in zip(size, pool.kernel, pool.stride, strict=True)]
    padded = functional.pad(x, (*sides[2], *sides[1], *sides[0]), value=-torch.inf)
    expected = functional.max_pool3d(padded, pool.kernel, pool.stride)
    assert torch.equal(max_pool(x, pool.kernel, pool.stride), expected)
    assert expected.shape[2:] == tuple(-(-n // step) for n, step in zip(size, pool.stride, strict=True))


def test_folding_and_layout_change_nothing_that_counts(plain, network):
    frames = clip(seed=1)
    with torch.inference_mode():
        expected = plain(as_input(frames))[0].numpy()
    ours = embedded(network, frames)
    assert ours.shape == (400,)
    assert ours.dtype == np.float32
    assert near(ours, expected)


def test_logits_are_averaged_over_time(plain):
    """33 frames are five steps after the last block, four after the pool."""
    x = as_input(clip(33))
    with torch.inference_mode():
        block = plain.features(x)
        steps = block.unfold(2, 2, 1).mean(dim=(3, 4, 5))[0]  # (1024, 4)
        weight, bias = plain.logits.conv3d.weight[:, :, 0, 0, 0], plain.logits.conv3d.bias
        expected = (weight @ steps + bias[:, None]).mean(dim=1).numpy()
        assert block.shape == (1, 1024, 5, 7, 7)
        assert near(plain(x)[0].numpy(), expected)
    assert expected.min() < 0, "before any softmax"


def test_same_clip_same_bits_whatever_came_before(network, program):
    frames = clip()
    for kind in (network, TorchScriptI3D(*program)):
        first = embedded(kind, frames)
        embedded(kind, clip(height=40, width=30, seed=2))
        embedded(kind, clip(seed=3))
        assert np.array_equal(embedded(kind, frames), first)


def test_the_order_of_frames_matters(network):
    frames = clip()
    straight = embedded(network, frames)
    shuffled = embedded(network, frames[np.random.default_rng(0).permutation(16)])
    assert not near(shuffled, straight, 1e-2)


# --- preparation -------------------------------------------------------------------------------------------------


def test_resize_is_bilinear_without_antialias(network):
    """A board of single pixels at twice the size is grey between them; at three times, every third is hit exactly."""
    for size, expected in ((448, 0.0), (672, 1.0)):
        board = np.indices((size, size)).sum(axis=0) % 2 * 255
        prepared = network.prepare(np.repeat(board[:, :, None], 3, axis=2).astype(np.uint8))
        assert torch.allclose(prepared.abs(), torch.full((3, 224, 224), expected), atol=1e-6)


def test_resize_is_that_of_torch_for_any_size(network):
    frames = clip(2, 37, 411)
    prepared = torch.stack([network.prepare(frame) for frame in frames], dim=1)[None]
    assert torch.allclose(prepared, as_input(frames), atol=1e-6)


def test_channels_keep_their_order_and_range(network):
    red = np.zeros((40, 60, 3), dtype=np.uint8)
    red[:, :, 0] = 255
    prepared = network.prepare(red)
    assert (prepared.shape, prepared.dtype) == ((3, 224, 224), torch.float32)
    assert torch.allclose(prepared, torch.tensor([1.0, -1.0, -1.0])[:, None, None], atol=1e-6)


BAD = {
    "0..1": np.random.default_rng(0).random((40, 60, 3), dtype=np.float32),
    "0..255 as float": np.full((40, 60, 3), 200.0, dtype=np.float32),
    "grey": np.zeros((4, 4), np.uint8),
    "alpha": np.zeros((4, 4, 4), np.uint8),
    "empty": np.zeros((0, 4, 3), np.uint8),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_what_is_no_frame_in_0_to_255_is_refused(network, program, bad):
    """0..1 would give a plausible number."""
    for kind in (network, TorchScriptI3D(*program)):
        with pytest.raises(ValueError, match=r"a frame is uint8 \(H, W, 3\) in 0\.\.255, not"):
            kind.prepare(bad)


@pytest.mark.parametrize("wrong", [255.0, 1.01, -1.01, float("nan")])
def test_the_network_itself_refuses_another_range(plain, wrong):
    x = torch.zeros(1, 3, 16, 224, 224)
    x[0, 1, 3, 5, 7] = wrong
    with pytest.raises(ValueError, match=r"takes -1\.\.1"):
        plain(x)


@pytest.mark.parametrize("shape", [(1, 3, 9, 224, 224), (1, 3, 16, 112, 112), (1, 4, 16, 224, 224), (3, 16, 224, 224)])
def test_the_network_itself_refuses_other_shapes(plain, shape):
    with pytest.raises(ValueError, match="clips are"):
        plain(torch.zeros(shape))


def test_a_clip_of_nine_frames_is_refused(network, program):
    for kind in (network, TorchScriptI3D(*program)):
        with pytest.raises(ValueError, match="at least 10 frames, found 9"):
            embedded(kind, clip(9))


def test_white_is_not_out_of_range(network):
    """Weights of a resize sum to 1 but for rounding."""
    white = np.full((16, 333, 517, 3), 255, dtype=np.uint8)
    assert np.isfinite(embedded(network, white)).all()


# --- files -------------------------------------------------------------------------------------------------------


def test_the_program_gives_what_the_state_dict_gives(network, program):
    ours = TorchScriptI3D(*program)
    for frames in (clip(seed=4), clip(height=224, width=224, seed=5)):
        assert near(embedded(ours, frames), embedded(network, frames), 1e-4)


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def __reduce__(self):
        return Path.touch, (self._target,)


@pytest.mark.parametrize("how", ["torch", "torch_legacy", "pickle"])
def test_a_checkpoint_that_runs_code_is_refused_and_does_not_run(tmp_path, how):
    target, path = tmp_path / "executed", tmp_path / "i3d.pt"
    content = {"Conv3d_1a_7x7.conv3d.weight": torch.zeros(64, 3, 7, 7, 7), "x": Evil(target)}
    if how == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=how == "torch")
    with pytest.raises(WeightsError, match=r"rejected: it contains more than tensors|can't be read"):
        StateDictI3D(path)
    assert not target.exists()
    with path.open("rb") as stream:  # the file does what the test believes
        (pickle.load(stream) if how == "pickle" else torch.load(path, weights_only=False))
    assert target.exists()


def test_a_program_with_another_digest_is_never_loaded(program, monkeypatch, tmp_path):
    loaded = []
    monkeypatch.setattr(torch.jit, "load", lambda *args, **kwargs: loaded.append(args))
    monkeypatch.setattr(torch, "load", lambda *args, **kwargs: loaded.append(args))
    path, digest = program
    changed = tmp_path / "i3d.pt"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    changed.write_bytes(content)
    for file, pinned in ((changed, digest), (path, "0" * 64)):
        with pytest.raises(WeightsError, match="it could run code, and it is not the pinned one"):
            TorchScriptI3D(file, pinned)
    assert loaded == []


def test_a_program_is_no_state_dict(program):
    with pytest.raises(WeightsError):
        StateDictI3D(program[0])


class Other(torch.nn.Module):
    """Takes other arguments."""

    def forward(self, x: torch.Tensor, resize: bool = False) -> torch.Tensor:
        return x if resize else -x


class Pooled(torch.nn.Module):
    """Makes another number of numbers."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=(3, 4)).flatten(1)


@pytest.mark.parametrize(
    ("module", "found"), [(Other(), "arguments self, x, resize"), (Program(Pooled()), r"\(?\[1, 48\]\)? for one clip")]
)
def test_another_program_is_told(tmp_path, module, found):
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(module), stream)
    path = tmp_path / "other.pt"
    path.write_bytes(stream.getvalue())
    with pytest.raises(WeightsError, match="is not the I3D program of StyleGAN-V") as refused:
        embedded(TorchScriptI3D(path, hashlib.sha256(stream.getvalue()).hexdigest()), clip())
    assert re.search(found, str(refused.value))


def test_safetensors_and_pickle_give_the_same_numbers(plain, network, tmp_path):
    path = tmp_path / "i3d.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in plain.state_dict().items()}, path)
    frames = clip(10)
    assert np.array_equal(embedded(StateDictI3D(path), frames), embedded(network, frames))


def test_what_does_not_fit_is_named(plain, tmp_path):
    state = dict(plain.state_dict())
    del state["Mixed_3b.b0.conv3d.weight"]
    state["Mixed_9z.conv3d.weight"] = torch.zeros(1)
    state["logits.conv3d.bias"] = torch.zeros(600)
    torch.save(state, tmp_path / "other.pt")
    with pytest.raises(WeightsError) as error:
        StateDictI3D(tmp_path / "other.pt")
    told = str(error.value)
    assert "1 missing: Mixed_3b.b0.conv3d.weight; 1 unknown: Mixed_9z.conv3d.weight" in told
    assert "1 other shapes: logits.conv3d.bias (600,) instead of (400,)" in told


def test_the_names_are_those_of_the_published_file(plain):
    """57 convolutions with normalisation, in the names of piergiaj's port, and the last one with a bias."""
    names = {name for name in plain.state_dict() if "num_batches_tracked" not in name}
    assert len(names) == 57 * 5 + 2
    expected = {f"Conv3d_1a_7x7.{part}" for part in ("conv3d.weight", "bn.weight", "bn.bias", "bn.running_mean")}
    expected |= {f"Mixed_5c.{branch}.bn.running_var" for branch in ("b0", "b1a", "b1b", "b2a", "b2b", "b3b")}
    expected |= {"logits.conv3d.weight", "logits.conv3d.bias"}
    assert expected <= names
    assert plain.Mixed_5c.b2b.conv3d.weight.shape == (128, 48, 3, 3, 3)


def test_cuda_that_is_not_there(checkpoint, program, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for build in (lambda: StateDictI3D(checkpoint, "cuda"), lambda: TorchScriptI3D(*program, "cuda")):
        with pytest.raises(MachineError, match="CUDA"):
            build()
