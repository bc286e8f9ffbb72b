"""MUSIQ against IQA-PyTorch on one random checkpoint, and from frames to a video's number."""

import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from evalkit.errors import WeightsError
from evalkit.metrics.base import FeatureData, VideoInputs, metric_registry
from evalkit.metrics.features.base import WeightFile, feature_registry
from evalkit.metrics.networks.musiq import Musiq, MusiqNetwork, patches

ORACLE = Path(__file__).parent.parent / "oracles" / "musiq_reference.py"


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def texture(seed, height, width):
    rng = np.random.default_rng(seed)
    parts = [cv2.GaussianBlur(rng.normal(size=(height, width, 3)), (0, 0), size) for size in (0.7, 3, 9)]
    return np.clip(np.rint(128 + 30 * sum(part / part.std() for part in parts)), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A random checkpoint whose score depends on the picture, on the places of its patches and on their sizes."""
    torch.manual_seed(5)
    network = MusiqNetwork()
    for name, value in network.named_parameters():
        if "emb" in name.rsplit(".", maxsplit=1)[-1] or name.endswith("cls"):
            nn.init.normal_(value, std=0.5)
        elif "gn" in name or "norm" in name:
            nn.init.uniform_(value, 0.2, 1.0)
    with torch.no_grad():
        network.head.weight.mul_(20)
    path = tmp_path_factory.mktemp("musiq") / "musiq.pth"
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def network(checkpoint):
    return Musiq(checkpoint)


@pytest.mark.oracles
def test_scores_are_the_packages(checkpoint, network, oracle_python, tmp_path):
    """Pictures smaller and larger than the sizes of the network, none a multiple of a patch."""
    pictures = {"wide": texture(1, 130, 203), "high": texture(2, 301, 97), "large": texture(3, 360, 551)}
    np.savez(tmp_path / "pictures.npz", **pictures)
    command = [str(oracle_python), str(ORACLE), str(checkpoint), str(tmp_path / "pictures.npz")]
    subprocess.run([*command, str(tmp_path / "result.npz")], check=True, timeout=300)
    with np.load(tmp_path / "result.npz") as result:
        theirs = {name: float(value) for name, value in result.items()}
    ours = {name: network.score(rgb) for name, rgb in pictures.items()}
    ours |= {f"{name}_512": network.score(rgb, longest=512) for name, rgb in pictures.items()}
    largest = max(abs(ours[name] - theirs[name]) for name in theirs)
    print(ours, f"largest difference {largest:.1e}")
    assert set(ours) == set(theirs)
    assert np.ptp(list(theirs.values())) > 0.1, "the network tells the pictures apart"
    assert ours["large"] != ours["large_512"]
    assert largest <= 1e-4


def test_patches_by_hand():
    """A picture of 40 x 100 pixels: 2 x 4 patches, padded by 12 above and below and by 14 at the sides."""
    image = torch.arange(40 * 100, dtype=torch.float32).reshape(1, 1, 40, 100).repeat(1, 3, 1, 1) + 1
    cut, places, scales = patches(image, 2)
    assert cut.shape == (8, 3, 32, 32)
    assert cut[0, 0, 11].abs().sum() == 0
    assert cut[0, 0, 12, 14] == 1
    assert cut[5, 1, 0, 0] == image[0, 0, 32 - 12, 32 - 14]
    # Rows 0 and 1 lie at 0 and 5 of the grid's ten, columns 0 to 3 at 0, 2, 5 and 7.
    assert places.tolist() == [0, 2, 5, 7, 50, 52, 55, 57]
    assert scales.tolist() == [2] * 8


def test_another_network_is_refused(tmp_path):
    torch.save({"head.weight": torch.zeros(10, 384)}, tmp_path / "ava.pth")
    with pytest.raises(WeightsError, match="MusiqNetwork"):
        Musiq(tmp_path / "ava.pth")


def test_a_video_is_the_mean_over_its_frames(checkpoint, network):
    extractor = feature_registry()["musiq_spaq"]({"musiq_spaq": WeightFile("musiq_spaq", checkpoint, "0" * 64)})
    session = extractor.open(None, {})
    assert session.plan(np.arange(2) / 25).all()
    frames = [texture(4, 64, 96), texture(5, 64, 96)]
    for index, rgb in enumerate(frames):
        session.frame(index, index / 25, rgb)
    arrays = session.finish()
    each = [network.score(rgb) for rgb in frames]
    assert arrays["score"].tolist() == pytest.approx(each, rel=1e-6)
    video = VideoInputs("s", {"musiq_spaq": FeatureData(arrays)})
    assert metric_registry()["imaging.musiq_spaq"].score_video(video).value == pytest.approx(np.mean(each), rel=1e-6)
