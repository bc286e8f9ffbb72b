"""RAFT against torchvision on one random checkpoint, VBench's rule, and videos whose motion is known."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its customary name
from numpy.typing import NDArray
from raft_checkpoint import published_form, random_state, write_checkpoint

from evalkit.errors import WeightsError
from evalkit.metrics.base import FeatureData, VideoInputs, VideoValue, metric_registry
from evalkit.metrics.features.base import Arrays, FeatureUnavailableError, Item, WeightFile, feature_registry
from evalkit.metrics.motion.dynamic_degree import mean_of_largest
from evalkit.metrics.networks.raft import Raft, RaftNetwork, look_up, padding, upsample

ORACLE = Path(__file__).parent.parent / "oracles" / "raft_torchvision.py"
METRICS = metric_registry()

Picture = NDArray[np.uint8]


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("raft") / "raft.pth")


@pytest.fixture(scope="module")
def network(checkpoint):
    return Raft(checkpoint)


def texture(seed: int, height: int, width: int) -> Picture:
    rng = np.random.default_rng(seed)
    parts = [cv2.GaussianBlur(rng.normal(size=(height, width, 3)), (0, 0), size) for size in (0.7, 3, 9)]
    return np.clip(np.rint(128 + 30 * sum(part / part.std() for part in parts)), 0, 255).astype(np.uint8)


def shifted(seed: int, height: int, width: int) -> tuple[Picture, Picture]:
    """A texture, and what lies 5 pixels higher and 9 to the right in it, with noise."""
    large = texture(seed, height + 40, width + 40)
    noise = np.random.default_rng(seed + 90).integers(-5, 6, (height, width, 3))
    moved = np.clip(large[15 : 15 + height, 29 : 29 + width].astype(int) + noise, 0, 255)
    return np.ascontiguousarray(large[20 : 20 + height, 20 : 20 + width]), moved.astype(np.uint8)


# --- the network ------------------------------------------------------------------------------------------------------


@pytest.mark.oracles
def test_flow_is_torchvisions(checkpoint, network, oracle_python, tmp_path):
    """After 20 steps; places in two tiles, of 16 and 2 columns."""
    pairs = [shifted(1, 128, 144)]
    arrays = {f"{side}{n}": one for n, pair in enumerate(pairs) for side, one in zip("ab", pair, strict=True)}
    np.savez(tmp_path / "pictures.npz", **arrays)
    command = [str(oracle_python), str(ORACLE), str(checkpoint), str(tmp_path / "pictures.npz")]
    subprocess.run([*command, str(tmp_path / "result.npz")], check=True, timeout=300)
    with np.load(tmp_path / "result.npz") as result:
        for number, pair in enumerate(pairs):
            ours = network.flow(*(network.frame(rgb) for rgb in pair))
            difference = np.abs(ours - result[str(number)]).max()
            print(f"{pair[0].shape[:2]}: flow up to {np.abs(ours).max():.1f}, largest difference {difference:.1e}")
            assert ours.std(axis=(1, 2)).min() > 0.5, "the network's flow depends on the place"
            assert difference < 1e-4


def test_correlations_are_those_of_the_whole_volume():
    """As the paper computes them: all pairs of places, pooled over the second picture's, then sampled."""
    draw = torch.Generator().manual_seed(3)
    first, second = torch.randn(2, 6, 35, 20, generator=draw)
    flow = 12 * torch.randn(2, 35, 20, generator=draw)
    flow[:, :16, :16] += 1000  # a tile that looks nowhere near the picture
    flow[:, 16:32, :16] = torch.tensor([3.6, -2.3])[:, None, None]
    places = torch.stack(torch.meshgrid(torch.arange(20), torch.arange(35), indexing="xy")) + flow
    pyramid = [second]
    for _ in range(3):
        pyramid.append(F.avg_pool2d(pyramid[-1][None], 2)[0])
    volume = (first.flatten(1).T @ second.flatten(1)).view(-1, 1, 35, 20) / 6**0.5
    steps = torch.arange(-4.0, 5.0)
    expected = []
    for level in range(4):
        x, y = (part.reshape(-1, 1, 1) / 2**level for part in places)
        height, width = volume.shape[-2:]
        across = 2 * (x + steps[None, :, None]).expand(-1, 9, 9) / (width - 1) - 1
        down = 2 * (y + steps[None, None, :]).expand(-1, 9, 9) / (height - 1) - 1
        sampled = F.grid_sample(volume, torch.stack([across, down], dim=-1), align_corners=True)
        expected.append(sampled.view(35, 20, 81).permute(2, 0, 1))
        volume = F.avg_pool2d(volume, 2)
    found = look_up(first, pyramid, places)
    assert found.shape == (324, 35, 20)
    assert found.abs().max() > 3
    assert (found[:, :16, :16] == 0).all()
    assert (found - torch.cat(expected)).abs().max() < 2e-5


def test_each_pixel_takes_its_weights_from_nine_places():
    mask = torch.full((9, 8, 8, 2, 3), -100.0)
    mask[4] = 0.0  # the place itself
    mask[:, 7, 2, 0, 1] = -100.0
    mask[7, 7, 2, 0, 1] = 0.0  # the place below, for one pixel of the second place
    flow = torch.arange(12.0).view(2, 2, 3)
    fine = upsample(flow, mask.view(576, 2, 3))
    expected = 8 * flow.repeat_interleave(8, 1).repeat_interleave(8, 2)
    expected[:, 7, 8 + 2] = 8 * flow[:, 1, 1]
    assert torch.allclose(fine, expected)


def test_padding_by_hand():
    # 131 wants 5 more: 2 above, 3 below; 144 none; 121 wants 7: 3 left, 4 right.
    assert padding(131, 144) == (0, 0, 2, 3)
    assert padding(144, 121) == (3, 4, 0, 0)


def test_a_frame_is_padded_by_its_edges(network):
    rgb = texture(4, 131, 144)
    frame = network.frame(rgb)
    assert frame.image.shape == (1, 3, 136, 144)
    assert frame.features.shape == (1, 256, 17, 18)
    scaled = rgb.transpose(2, 0, 1) / 127.5 - 1
    assert np.abs(frame.image[0] - np.pad(scaled, ((0, 0), (2, 3), (0, 0)), mode="edge")).max() < 1e-6


def test_wrong_pictures_are_refused(network):
    with pytest.raises(ValueError, match="uint8"):
        network.frame(np.zeros((140, 140, 3)))
    with pytest.raises(ValueError, match="128"):
        network.frame(np.zeros((120, 140, 3), np.uint8))
    with pytest.raises(ValueError, match="one size"):
        network.flow(network.frame(texture(1, 128, 128)), network.frame(texture(1, 128, 136)))


@pytest.mark.parametrize(
    "damage",
    [
        lambda state: state.pop("module.update_block.gru.convq2.bias"),
        lambda state: state.update(extra=torch.zeros(1)),
        lambda state: state.update({"module.fnet.conv2.weight": torch.zeros(128, 128, 1, 1)}),
    ],
)
def test_another_network_is_refused(damage, tmp_path):
    state = published_form(random_state())
    damage(state)
    torch.save(state, tmp_path / "small.pth")
    with pytest.raises(WeightsError, match="RaftNetwork"):
        Raft(tmp_path / "small.pth")


def test_names_of_parameters_are_the_published_ones():
    """Counted in princeton-vl/RAFT: 179 tensors, of which 10 have two names."""
    assert len(published_form(random_state())) == 179
    assert sum(tensor.numel() for tensor in RaftNetwork().parameters()) == 5_257_536


# --- the rule ---------------------------------------------------------------------------------------------------------


def outcome(name: str, largest: Sequence[float], size: tuple[int, int] = (512, 256)) -> VideoValue:
    arrays: Arrays = {
        "largest": np.array(largest, np.float64),
        "frames": np.array(len(largest) + 1),
        "frame_size": np.array(size),
    }
    metric = METRICS[name]
    return metric.score_video(VideoInputs("s", {metric.record.features[0]: FeatureData(arrays)}))


@pytest.mark.parametrize(
    ("frames", "needed"),
    # A quarter of the frames: 0.75, 1, 1.25, 1.5, 2, 2.5, 3.5, 10: halves become the even number.
    [(3, 1), (4, 1), (5, 1), (6, 2), (8, 2), (10, 2), (14, 4), (40, 10)],
)
@pytest.mark.parametrize("name", ["motion.dynamic_degree", "motion.dynamic_degree.dis"])
def test_how_many_steps_must_move(name, frames, needed):
    steps = frames - 1
    assert outcome(name, [7.0] * needed + [0.0] * (steps - needed)).value == 1.0
    assert outcome(name, [0.0] * (steps - needed + 1) + [7.0] * (needed - 1)).value == 0.0


def test_few_frames_as_vbench_has_them_and_not_in_the_own_variant():
    assert outcome("motion.dynamic_degree", []).value == 0.0
    assert outcome("motion.dynamic_degree", [0.0]).value == 1.0, "no step of two frames need move"
    assert outcome("motion.dynamic_degree.dis", []).reason == "too_few_frames"
    assert outcome("motion.dynamic_degree.dis", [0.0]).value == 0.0
    assert outcome("motion.dynamic_degree.dis", [6.5]).value == 1.0


@pytest.mark.parametrize(("size", "threshold"), [((512, 256), 6.0), ((360, 640), 8.4375), ((1920, 1080), 25.3125)])
def test_the_threshold_grows_with_the_smaller_side(size, threshold):
    assert outcome("motion.dynamic_degree", [threshold] * 9, size).value == 0.0
    assert outcome("motion.dynamic_degree", [threshold + 1e-6] * 9, size).value == 1.0


def test_the_largest_twentieth_by_hand():
    flow = np.zeros((2, 8, 13), np.float32)
    flow[:, 0, :7] = np.array([3.0, 4.0])[:, None] * np.arange(7)  # lengths 0, 5, ..., 30
    assert mean_of_largest(flow, 0.05) == (30 + 25 + 20 + 15 + 10) / 5  # int(5.2) pixels
    assert mean_of_largest(flow[:, :1, :7], 0.05) == 30.0


# --- features ---------------------------------------------------------------------------------------------------------


def run(feature: str, frames: Sequence[Picture], fps: float = 25.0, weights: Any = None) -> Arrays:
    """Give the frames to the feature's session as decoding does."""
    session = feature_registry()[feature](weights or {}).open(Item("s", Path()), {})
    times = np.arange(len(frames)) / fps
    for index in np.flatnonzero(session.plan(times)):
        session.frame(int(index), float(times[index]), frames[index])
    return session.finish()


def degree(name: str, arrays: Arrays) -> float | None:
    metric = METRICS[name]
    return metric.score_video(VideoInputs("s", {metric.record.features[0]: FeatureData(arrays)})).value


def test_raft_measures_the_padded_flow_of_every_third_frame(checkpoint, network):
    frames = [texture(seed, 121, 131) for seed in range(8)]
    weights = {"raft": WeightFile("raft", checkpoint, "0" * 64)}
    arrays = run("raft_largest_flow", frames, weights=weights)
    shown = [network.frame(frames[index]) for index in (0, 3, 6)]
    expected = []
    for before, after in pairwise(shown):
        lengths = np.sort(np.hypot(*network.flow(before, after)).ravel())[::-1]
        assert lengths.size == 128 * 136
        expected.append(lengths[: int(0.05 * 128 * 136)].mean())
    assert arrays["largest"] == pytest.approx(expected, rel=1e-5)
    assert (arrays["frames"], arrays["frame_size"].tolist()) == (3, [131, 121])
    assert run("raft_largest_flow", frames[:3], weights=weights)["largest"].shape == (0,)
    with pytest.raises(FeatureUnavailableError, match="frame_too_small"):
        run("raft_largest_flow", [texture(1, 120, 200)] * 2, weights=weights)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_dis_tells_how_far_a_texture_slides(seed):
    """By steps of three frames: 0, 1.5, 3, 6, 12 and 24 pixels, of which 6 are the threshold."""
    large = texture(seed, 256, 600)
    found = []
    for pixels in (0, 0.5, 1, 2, 4, 8):
        frames = []
        for index in range(13):
            matrix = np.array([[1, 0, -pixels * index], [0, 1, 0]], np.float64)
            frames.append(np.asarray(cv2.warpAffine(large, matrix, (320, 256), flags=cv2.INTER_CUBIC), np.uint8))
        arrays = run("dis_largest_flow", frames)
        found.append((float(np.median(arrays["largest"])), degree("motion.dynamic_degree.dis", arrays)))
    lengths = [length for length, _ in found]
    assert lengths[0] == 0.0
    assert lengths[1:5] == pytest.approx([1.5, 3, 6, 12], rel=0.25)
    assert lengths == sorted(lengths)
    assert [value for _, value in found if value is not None] == [0, 0, 0, found[3][1], 1, 1]


def test_frames_without_flow():
    with pytest.raises(FeatureUnavailableError, match="no_frame"):
        run("dis_largest_flow", [])
    with pytest.raises(FeatureUnavailableError, match="frame_too_small"):
        run("dis_largest_flow", [texture(1, 8, 100)] * 9)
    with pytest.raises(FeatureUnavailableError, match="size_changes"):
        run("dis_largest_flow", [texture(1, 64, 64)] * 3 + [texture(1, 64, 80)] * 3)
    session = feature_registry()["dis_largest_flow"]({}).open(Item("s", Path()), {})
    session.plan(np.arange(9) / 25)
    session.frame(0, 0.0, texture(1, 64, 64))
    with pytest.raises(FeatureUnavailableError, match="frames_missing"):
        session.finish()
