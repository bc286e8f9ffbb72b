"""I3D and the arithmetic of the FVD against the package cd-fvd, with the same random checkpoint."""

import hashlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from i3d_checkpoint import random_i3d, write_checkpoint
from numpy.typing import NDArray
from torch.nn import functional

from evalkit.metrics.distances.distributions import frechet_from_features
from evalkit.metrics.networks.i3d import I3D
from evalkit.metrics.networks.i3d_clips import StateDictI3D, TorchScriptI3D

ORACLE = Path(__file__).parent.parent / "oracles" / "i3d_cdfvd.py"
CLIPS = ("c01.mp4", "c02.mp4", "c06.mp4", "c07.mp4", "c10.mpg")  # 360x288 to 1280x720
LENGTHS = (10, 13, 33)  # odd numbers on each floor of the network; 33: more than one step in time at the end
EPSILON = 1e-5  # cd-fvd's and VideoGPT's
Clip = NDArray[np.uint8]

pytestmark = [pytest.mark.shared, pytest.mark.oracles]


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@dataclass(frozen=True)
class Comparison:
    """The clips, the files that both sides read, and what the oracle says."""

    clips: list[Clip]
    checkpoint: Path
    program: Path
    X: NDArray[np.float32]
    Y: NDArray[np.float32]
    theirs: dict[str, NDArray[np.float64]]


def first_frames(path: Path) -> Clip:
    with av.open(str(path)) as container:
        frames = container.decode(video=0)
        return np.stack([next(frames).to_ndarray(format="rgb24") for _ in range(16)])


def as_input(clip: Clip) -> torch.Tensor:
    """The network's input, written out once more: (1, 3, T, 224, 224) in -1..1."""
    frames = functional.interpolate(torch.tensor(clip).permute(0, 3, 1, 2).float(), (224, 224), mode="bilinear")
    return (frames / 127.5 - 1).permute(1, 0, 2, 3)[None]


@pytest.fixture(scope="module")
def comparison(shared: Path, oracle_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    folder = tmp_path_factory.mktemp("i3d")
    clips = [first_frames(shared / "data/clips" / name) for name in CLIPS]
    for number, clip in enumerate(clips):
        np.save(folder / f"{number}.npy", clip)
    network = random_i3d(torch.cat([as_input(clip) for clip in clips]), EPSILON)
    path = write_checkpoint(folder / "i3d.pt", network)
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(900, 400)) @ rng.normal(size=(400, 400)) / 10).astype(np.float32)
    Y = (rng.normal(size=(800, 400)) @ rng.normal(size=(400, 400)) / 10 + 0.05).astype(np.float32)
    np.savez(folder / "features.npz", X=X, Y=Y)
    job = {
        "checkpoint": str(path),
        "clips": [str(folder / f"{number}.npy") for number in range(len(clips))],
        "lengths": LENGTHS,
        "features": str(folder / "features.npz"),
        "program": str(folder / "program.pt"),
    }
    (folder / "job.json").write_text(json.dumps(job))
    command = [str(oracle_python), str(ORACLE), str(folder / "job.json"), str(folder / "result.npz")]
    subprocess.run(command, check=True, timeout=400)
    with np.load(folder / "result.npz") as result:
        return Comparison(clips, path, folder / "program.pt", X, Y, dict(result))


def embedded(network: StateDictI3D | TorchScriptI3D, clip: Clip) -> NDArray[np.float32]:
    return network.embed([network.prepare(frame) for frame in clip])


def difference(name: str, ours: NDArray, theirs: NDArray) -> float:
    """Return the largest difference, relative to the largest number of theirs."""
    assert ours.shape == theirs.shape
    largest = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
    print(f"{name}: largest difference {largest:.2e}")
    return largest


@pytest.fixture(scope="module")
def network(comparison: Comparison) -> StateDictI3D:
    return StateDictI3D(comparison.checkpoint, epsilon=EPSILON)


def test_logits_are_cd_fvds(comparison, network):
    theirs = comparison.theirs["logits"]
    assert theirs.shape == (len(CLIPS), 400)
    assert theirs.std(axis=0).mean() > 0.1, "the network tells the clips apart"
    ours = np.stack([embedded(network, clip) for clip in comparison.clips])
    assert difference("logits", ours, theirs) <= 1e-4


def test_the_last_block_is_cd_fvds(comparison):
    """Without folding, and place by place: a shift in a padding would show here."""
    plain = I3D(EPSILON).eval()
    plain.load_state_dict(torch.load(comparison.checkpoint, weights_only=True), strict=False)
    theirs = comparison.theirs["block"]
    assert theirs.std(axis=(1, 2, 3)).mean() > 0.1, "the clip's places differ"
    with torch.inference_mode():
        ours = plain.features(as_input(comparison.clips[0]))[0].numpy()
    assert difference("last block", ours, theirs) <= 1e-4


@pytest.mark.parametrize("number", range(len(LENGTHS)), ids=lambda number: str(LENGTHS[number]))
def test_clips_of_other_lengths_are_padded_alike(comparison, network, number):
    clip = comparison.clips[0]
    swing = np.concatenate([clip, clip[::-1], clip])[: LENGTHS[number]]
    assert difference("logits", embedded(network, swing), comparison.theirs["logits_of_length"][number]) <= 1e-4


def test_epsilon_is_that_of_the_port(comparison, network):
    theirs = comparison.theirs["logits_tensorflow"]
    ours = embedded(StateDictI3D(comparison.checkpoint), comparison.clips[0])
    assert difference("epsilon 1e-3", ours, theirs) <= 1e-4
    assert difference("the other epsilon", embedded(network, comparison.clips[0]), theirs) > 1e-4


def test_the_program_gives_the_same_logits(comparison, network):
    """A TorchScript file, made by the oracle of its own network, called as StyleGAN-V's is."""
    digest = hashlib.sha256(comparison.program.read_bytes()).hexdigest()
    program = TorchScriptI3D(comparison.program, digest)
    ours = np.stack([embedded(program, clip) for clip in comparison.clips])
    assert difference("program", ours, comparison.theirs["logits"]) <= 1e-4
    states = np.stack([embedded(network, clip) for clip in comparison.clips])
    assert difference("program and state dict", ours, states) <= 1e-4


@pytest.mark.parametrize(("name", "ddof"), [("frechet", 0), ("frechet_unbiased", 1)])
def test_frechet_is_cd_fvds(comparison, name, ddof):
    theirs = float(comparison.theirs[name])
    ours = frechet_from_features(comparison.X, comparison.Y, ddof=ddof)
    other = frechet_from_features(comparison.X, comparison.Y, ddof=1 - ddof)
    print(f"{name}: relative difference {abs(ours / theirs - 1):.2e}")
    assert ours == pytest.approx(theirs, rel=1e-6)
    assert abs(other / theirs - 1) > 1e-5, "the divisor shows"
