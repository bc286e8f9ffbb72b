"""clean-fid: against the package itself with the same stand-in network, and what must hold of resize and loading."""

import copy
import hashlib
import json
import pickle
import subprocess
import warnings
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from inception_checkpoint import random_inception, state_of
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from evalkit.errors import InputError, WeightsError
from evalkit.metrics.base import FeatureData, VideoInputs
from evalkit.metrics.distances import fid
from evalkit.metrics.distances.distributions import frechet_from_features
from evalkit.metrics.embeddings import clean as clean_embeddings
from evalkit.metrics.embeddings.clean import FEATURES
from evalkit.metrics.embeddings.inception import FEATURES as IMAGE_EXTRACTORS
from evalkit.metrics.features.base import Item, WeightFile
from evalkit.metrics.networks.clean_inception import CleanInception, clean_resize, prepare
from evalkit.metrics.networks.fid_inception import FidInception

ORACLE = Path(__file__).parent.parent / "oracles" / "clean_fid.py"
METRIC = next(metric for metric in fid.METRICS if metric.record.id == "fid.clean")
Pictures = list[NDArray[np.uint8]]


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class StandIn(nn.Module):
    """A program with the signature of NVIDIA's: its ``layers`` take normalised frames; called whole, it resizes."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers
        self.output = nn.Linear(2048, 4)

    def forward(self, img: torch.Tensor, return_features: bool = False) -> torch.Tensor:
        resized = nn.functional.interpolate(img.float(), size=[299, 299], mode="nearest")
        features = self.layers((resized - 128) / 128)
        if return_features:
            return features
        return self.output(features)


def script(path: Path, layers: nn.Module, wrapper: type[nn.Module] = StandIn) -> Path:
    """Save ``wrapper`` around ``layers`` as TorchScript."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(layers.eval(), torch.zeros(2, 3, 299, 299), check_trace=False)
        torch.jit.save(torch.jit.script(wrapper(traced).eval()), path)
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


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


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory) -> Path:
    """The file under the name that clean-fid looks for."""
    return script(tmp_path_factory.mktemp("clean") / "inception-2015-12-05.pt", random_inception())


@pytest.fixture(scope="module")
def network(stand_in: Path) -> CleanInception:
    return CleanInception(stand_in, sha256(stand_in))


# --- against clean-fid -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """The images, sets of features, our network on the file that clean-fid had, and what clean-fid says."""

    pictures: Pictures
    X: NDArray[np.float64]
    Y: NDArray[np.float64]
    network: CleanInception
    theirs: dict[str, NDArray]


SPLIT = 6


@pytest.fixture(scope="module")
def comparison(shared: Path, oracle_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    folder = tmp_path_factory.mktemp("clean_parity")
    pictures = real_frames(shared)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{number:02}.png", compress_level=1)
    layers = random_inception(torch.stack([prepare(picture) for picture in pictures]))
    path = script(folder / "inception-2015-12-05.pt", layers)
    rng = np.random.default_rng(0)
    X, Y = (rng.normal(size=(n, 48)) @ rng.normal(size=(48, 48)) / 10 for n in (300, 350))
    np.savez(folder / "features.npz", X=X, Y=Y)
    job = {
        "folder": str(folder),
        "images": [str(file) for file in sorted(folder.glob("*.png"))],
        "split": SPLIT,
        "features": str(folder / "features.npz"),
    }
    (folder / "job.json").write_text(json.dumps(job))
    command = [str(oracle_python), str(ORACLE), str(folder / "job.json"), str(folder / "result.npz")]
    subprocess.run(command, check=True, timeout=500)
    with np.load(folder / "result.npz") as result:
        return Comparison(pictures, X, Y, CleanInception(path, sha256(path)), dict(result))


@pytest.mark.shared
@pytest.mark.oracles
def test_the_resize_is_clean_fids(comparison):
    ours = np.stack([clean_resize(picture) for picture in comparison.pictures])
    difference = np.abs(ours - comparison.theirs["resized"]).max()
    print(f"largest difference of a resized pixel: {difference:.2e} grey levels")
    assert ours.shape == comparison.theirs["resized"].shape
    assert difference <= 1e-4
    assert (ours % 1 != 0).mean() > 0.5, "nothing was rounded"
    assert ours.min() == 0
    assert ours.max() == 255


@pytest.mark.shared
@pytest.mark.oracles
def test_activations_are_clean_fids(comparison):
    network = comparison.network
    ours = network.embed([network.prepare(picture) for picture in comparison.pictures])
    theirs = comparison.theirs["activations"]
    assert ours.shape == theirs.shape == (len(comparison.pictures), 2048)
    assert theirs.std(axis=0).mean() > 0.1, "the network tells the pictures apart"
    difference = np.abs(ours - theirs).max() / np.abs(theirs).max()
    print(f"largest difference of an activation, relative to the largest: {difference:.2e}")
    assert difference <= 1e-4


def as_videos(activations: NDArray) -> list[FeatureData]:
    """Two frames a video."""
    pairs = [activations[at : at + 2].astype(np.float32) for at in range(0, len(activations), 2)]
    return [FeatureData({"activation": pair, "row": np.arange(2)}) for pair in pairs]


@pytest.mark.shared
@pytest.mark.oracles
def test_the_number_is_clean_fids(comparison):
    """The metric over the sets of images, and the distance of given features, against clean-fid's own functions."""
    theirs = comparison.theirs
    given = frechet_from_features(comparison.X, comparison.Y)
    print(f"given features: relative difference {abs(given / float(theirs['frechet']) - 1):.2e}")
    assert given == pytest.approx(float(theirs["frechet"]), rel=1e-6)
    network = comparison.network
    ours = network.embed([network.prepare(picture) for picture in comparison.pictures])
    # Sides of six and eight images; a video has no more frames than its reference, so the pairing is left out.
    value = frechet_from_features(ours[:SPLIT], ours[SPLIT:])
    print(f"own features: {value:.6f}, clean-fid {float(theirs['fid']):.6f}")
    assert float(theirs["fid"]) > 1
    # Measured 8e-7: sqrtm of a product of rank 5 in 2048 dimensions is itself no better.
    assert value == pytest.approx(float(theirs["fid"]), rel=1e-5)
    sides = [as_videos(part) for part in (ours[:SPLIT], ours[SPLIT : 2 * SPLIT])]
    videos = [
        VideoInputs(f"s{at}", dict(zip(METRIC.record.features, pair, strict=True)))
        for at, pair in enumerate(zip(*sides, strict=True))
    ]
    expected = frechet_from_features(ours[:SPLIT], ours[SPLIT : 2 * SPLIT])
    assert METRIC.score_set(videos).value == pytest.approx(expected, rel=1e-6)


# --- what must hold of resize and network ------------------------------------------------------------------------


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    small = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def test_resize_filters_and_does_not_round():
    """A board of single pixels at three times the size is grey after a low pass, where bilinear leaves 0 and 255."""
    board = np.indices((897, 897)).sum(axis=0) % 2 * 255
    grey = clean_resize(np.repeat(board[:, :, None], 3, axis=2).astype(np.uint8))
    assert grey.shape == (299, 299, 3)
    assert grey.dtype == np.float32
    assert np.abs(grey[5:-5, 5:-5] - 127.5).max() < 15
    # Overshoot at an edge is cut off at 0 and 255.
    edge = np.zeros((150, 150, 3), np.uint8)
    edge[:, 75:] = 255
    assert clean_resize(edge).min() == 0
    assert clean_resize(edge).max() == 255


def test_frames_are_normalised_by_128():
    red = np.zeros((299, 299, 3), np.uint8)
    red[:, :, 0] = 255
    prepared = prepare(red)
    assert prepared.dtype == torch.float32
    # (255 - 128) / 128 and (0 - 128) / 128
    assert torch.equal(prepared, torch.tensor([0.9921875, -1.0, -1.0])[:, None, None].expand(3, 299, 299))
    with pytest.raises(ValueError, match="a frame is uint8"):
        prepare(np.zeros((4, 4, 3), np.float32))


def test_batch_and_order_do_not_matter(network):
    frames = [network.prepare(noise(100, 80, seed)) for seed in range(18)]
    together = network.embed(frames)
    assert together.shape == (18, 2048)
    assert together.dtype == np.float32
    largest = np.abs(together).max()
    for chosen in ([0], [17], [5, 3, 17]):
        some = network.embed([frames[at] for at in chosen])
        assert np.abs(some - together[chosen]).max() <= 1e-5 * largest
    for _ in range(3):  # a compiler that changes its mind after some runs would change the numbers
        assert np.array_equal(network.embed(frames[:3]), network.embed(frames[:3]))
    assert network.embed([]).shape == (0, 2048)


def weight(path: Path, **options) -> dict[str, WeightFile]:
    return {"inception_clean": WeightFile("inception_clean", path, sha256(path), options)}


def test_a_state_dict_gives_the_same_numbers(network, tmp_path):
    path = tmp_path / "inception.pth"
    torch.save(state_of(random_inception()), path)
    other = clean_embeddings.open_network(weight(path, format="state_dict")["inception_clean"], "cpu")
    assert isinstance(other, FidInception)
    frames = [network.prepare(noise(90, 120, seed)) for seed in range(3)]
    assert torch.equal(other.prepare(noise(90, 120)), frames[0])
    program = network.embed(frames)
    assert np.abs(other.embed(frames) - program).max() <= 1e-4 * np.abs(program).max()


def test_an_unknown_format_is_told(stand_in):
    with pytest.raises(InputError, match="unknown format"):
        clean_embeddings.open_network(weight(stand_in, format="onnx")["inception_clean"], "cpu")


def test_the_network_is_opened_once(stand_in):
    clean_embeddings.open_network.cache_clear()
    first, again = (clean_embeddings.open_network(weight(stand_in)["inception_clean"], "cpu") for _ in range(2))
    assert first is again
    clean_embeddings.open_network.cache_clear()


# --- files -------------------------------------------------------------------------------------------------------


def test_a_file_with_another_digest_is_not_loaded(stand_in, monkeypatch):
    def loaded(*args, **kwargs):
        raise AssertionError("the program was loaded")

    monkeypatch.setattr(torch.jit, "load", loaded)
    with pytest.raises(WeightsError, match="not the pinned one"):
        CleanInception(stand_in, "0" * 64)


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def __reduce__(self):
        return Path.touch, (self._target,)


@pytest.mark.parametrize("options", [{}, {"format": "state_dict"}])
@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_a_pickle_that_runs_code_is_refused_and_does_not_run(tmp_path, options, how):
    target, path = tmp_path / "executed", tmp_path / "inception.pt"
    if how == "torch":
        torch.save({"x": Evil(target)}, path)
    else:
        path.write_bytes(pickle.dumps({"x": Evil(target)}))
    with pytest.raises(WeightsError):
        clean_embeddings.open_network(weight(path, **options)["inception_clean"], "cpu")
    assert not target.exists()


class Bare(nn.Module):
    """A program without ``layers``."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


class Few(nn.Module):
    """Layers that make three numbers of a frame."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=(2, 3))


def test_another_program_is_told(tmp_path):
    bare = script(tmp_path / "bare.pt", Few(), Bare)
    with pytest.raises(WeightsError, match=r"not the Inception of clean-fid\. Found parts body"):
        CleanInception(bare, sha256(bare))
    few = script(tmp_path / "few.pt", Few())
    with pytest.raises(WeightsError, match=r"Found 3 numbers for a frame"):
        CleanInception(few, sha256(few))


# --- features ----------------------------------------------------------------------------------------------------


class Planted:
    """Says the mean of a prepared frame."""

    def prepare(self, rgb):
        return prepare(rgb)

    def embed(self, frames):
        return np.array([[float(frame.mean())] for frame in frames], dtype=np.float32)


def test_the_features_look_at_the_frames_of_fid(monkeypatch, tmp_path):
    """The sampling of ``inception``, with the resize of clean-fid, on both sides."""
    from evalkit.media.encode import write_video
    from evalkit.media.inspect import inspect_media

    for kind in FEATURES:
        monkeypatch.setattr(kind, "open_network", staticmethod(lambda *_: Planted()))
    path = tmp_path / "a.mp4"
    frames = [np.full((32, 48, 3), 40 + 3 * number, dtype=np.uint8) for number in range(30)]
    write_video(path, iter(frames), 50, crf=0, preset="ultrafast")
    video, reference = (
        kind({"inception_clean": WeightFile("inception_clean", Path("x.pt"), "0" * 64)}).open(
            Item("s", path, reference_video=path), {}
        )
        for kind in FEATURES
    )
    assert inspect_media(path, [video]).complete
    arrays = copy.deepcopy(video.finish())
    assert arrays["activation"].shape == (15, 1)
    assert arrays["row"].tolist() == list(range(15))
    assert (np.diff(arrays["activation"][:, 0]) > 0).all()
    for name, array in reference.finish().items():
        assert np.array_equal(array, arrays[name])


def test_records_agree_with_fid():
    records = {kind.record.name: kind.record for kind in (*FEATURES, *IMAGE_EXTRACTORS)}
    ours, theirs = records["inception_clean"], records["inception_clean_reference"]
    assert METRIC.record.features == (ours.name, theirs.name)
    assert ours.options == theirs.options
    assert ours.options.sampling == records["inception"].options.sampling
    assert (ours.inputs, theirs.inputs) == ({"video"}, {"reference_video"})
    assert ours.weights == theirs.weights == ("inception_clean",)
    assert METRIC.record.higher_is_better is False
