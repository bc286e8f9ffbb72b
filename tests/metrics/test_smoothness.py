"""AMT-S beside what the published code gave, and VBench's motion smoothness by hand and beside its script."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from amt_checkpoint import write_checkpoint
from numpy.typing import NDArray

from evalkit.errors import WeightsError
from evalkit.metrics.base import VideoValue
from evalkit.metrics.features.base import FeatureUnavailableError, Item, WeightFile
from evalkit.metrics.motion.smoothness import InterpolationExtractor, smoothness
from evalkit.metrics.networks.amt import Amt, AmtModel, padding, warp
from evalkit.metrics.networks.raft import look_up, pool_levels

# Of the published code (MCG-NKU/AMT, commit 70f988f, networks/AMT-S.py, torch 2.13 on a CPU) with the random checkpoint
# of seed 0, on waves(128, 144) and the same rolled by 2 rows down and 3 columns left: mean and standard deviation of
# the picture between them, and four of its numbers (channel, row, column).
THEIR_MEAN, THEIR_DEVIATION = 0.469361, 0.310703
THEIR_PIXELS = {(0, 5, 7): 0.719762, (1, 64, 70): 0.601197, (2, 100, 30): 0.0, (0, 127, 143): 0.894093}
# Of VBench's script (Vchitect/VBench, commit 45e79ec, vbench/motion_smoothness.py, on the CPU) with the same network,
# on frames k = 0, 1, ... that are waves(135, 150) rolled by k * k rows down and 2 k columns left: frames, number.
THEIR_SCORES = {5: 0.6234945533769063, 4: 0.6346285806503671}


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("amt") / "random.pth")


@pytest.fixture(scope="module")
def extractor(checkpoint: Path) -> InterpolationExtractor:
    return InterpolationExtractor({"amt_s": WeightFile("amt_s", checkpoint, "0" * 64)})


@pytest.fixture(scope="module")
def averaging(tmp_path_factory: pytest.TempPathFactory) -> InterpolationExtractor:
    """Return an extractor whose network has no weights but zeros: no flow, and masks of one half."""
    path = tmp_path_factory.mktemp("amt") / "zeros.pth"
    torch.save({name: torch.zeros_like(tensor) for name, tensor in AmtModel().state_dict().items()}, path)
    return InterpolationExtractor({"amt_s": WeightFile("amt_s", path, "0" * 64)})


def waves(height: int, width: int) -> NDArray[np.uint8]:
    y, x = np.mgrid[:height, :width]
    planes = [127.5 + 127.5 * np.sin(0.05 * x + 0.11 * y + channel) for channel in range(3)]
    return np.stack(planes, axis=-1).astype(np.uint8)


def differences(extractor: InterpolationExtractor, frames: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
    session = extractor.open(Item("s", Path("v.mp4")), {})
    wanted = session.plan(np.arange(len(frames)) / 25)
    for number in np.flatnonzero(wanted):
        session.frame(int(number), number / 25, frames[number])
    return session.finish()["difference"]


def scored(difference: NDArray[np.float64]) -> VideoValue:
    return smoothness.compute({"amt_interpolation": {"difference": difference}})


def test_the_network_gives_what_the_published_code_gave(checkpoint):
    model = AmtModel().eval()
    model.load_state_dict(torch.load(checkpoint, weights_only=True)["state_dict"])
    before = waves(128, 144)
    after = np.roll(before, (2, -3), (0, 1))
    pair = [torch.from_numpy(rgb).permute(2, 0, 1)[None] / 255.0 for rgb in (before, after)]
    with torch.no_grad():
        found = model(*pair)[0]
    assert float(found.mean()) == pytest.approx(THEIR_MEAN, abs=1e-5)
    assert float(found.std()) == pytest.approx(THEIR_DEVIATION, abs=1e-5)
    assert {place: float(found[place]) for place in THEIR_PIXELS} == pytest.approx(THEIR_PIXELS, abs=2e-4)
    whole = (found * 255).permute(1, 2, 0).numpy().astype(np.uint8)
    steps = np.abs(whole.astype(int) - Amt(checkpoint).between(before, after))  # another layout in memory
    assert steps.max() <= 1
    assert steps.mean() < 0.01


@pytest.mark.parametrize("count", THEIR_SCORES)
def test_a_video_scores_what_vbenchs_script_gave(extractor, count):
    """A last frame without a next one doesn't count, nor does the padding of 135 x 150 to 144 x 160."""
    frames = [np.roll(waves(135, 150), (k * k, -2 * k), (0, 1)) for k in range(count)]
    found = differences(extractor, frames)
    assert len(found) == (count - 1) // 2
    assert scored(found).value == pytest.approx(THEIR_SCORES[count], abs=2e-6)


def test_the_average_of_both_sides_by_hand(averaging):
    """Zeros mix both sides evenly: (10 + 31) / 2 is cut to 20, which is 5 from 25; (31 + 12) / 2 to 21, 9 from 30."""
    levels = (10, 25, 31, 30, 12, 200)
    found = differences(averaging, [np.full((120, 140, 3), level, np.uint8) for level in levels])
    assert found.tolist() == [5.0, 9.0]
    assert scored(found).value == (255 - 7) / 255


def test_a_frozen_video_is_nearly_perfect(averaging):
    assert differences(averaging, [waves(128, 128)] * 5).max() <= 1  # rounding under a whole number is cut off


def test_too_few_too_small_changing_and_missing_frames(averaging):
    frame = waves(128, 128)
    for count in (0, 1, 2):
        assert scored(differences(averaging, [frame] * count)).reason == "too_few_frames"
    assert scored(np.array([1.0, np.nan])).reason == "not_finite"
    with pytest.raises(FeatureUnavailableError, match="frame_too_small"):
        differences(averaging, [waves(112, 300)] * 3)
    with pytest.raises(FeatureUnavailableError, match="size_changes"):
        differences(averaging, [frame, waves(144, 128), frame])
    session = averaging.open(Item("s", Path("v.mp4")), {})
    session.plan(np.arange(5) / 25)
    session.frame(0, 0.0, frame)
    with pytest.raises(FeatureUnavailableError, match="frames_missing"):
        session.finish()


def test_the_padding_is_split_with_the_odd_pixel_behind():
    assert padding(135, 150) == (5, 5, 4, 5)
    assert padding(121, 151) == (4, 5, 3, 4)
    assert padding(128, 160) == (0, 0, 0, 0)


def test_a_warp_moves_and_repeats_the_edge():
    picture = torch.arange(12.0).view(1, 1, 3, 4)
    flow = torch.zeros(1, 2, 3, 4)
    flow[:, 0], flow[:, 1] = 1, -1  # from the right and from above
    expected = [[1, 2, 3, 3], [1, 2, 3, 3], [5, 6, 7, 7]]
    assert warp(picture, flow)[0, 0].numpy() == pytest.approx(np.array(expected), abs=1e-4)


def test_the_look_up_at_radius_3_equals_all_pairs():
    """Against the correlation of all pairs, pooled over the second picture and read at whole places."""
    generator = torch.Generator().manual_seed(1)
    first, second = torch.randn(2, 8, 16, 18, generator=generator)
    places = torch.stack(torch.meshgrid(torch.arange(18), torch.arange(16), indexing="xy")).float()
    found = look_up(first, pool_levels(second, 2), places, 3).view(2, 7, 7, 16, 18)
    all_pairs = torch.einsum("cyx,cvu->yxvu", first, second) / 8**0.5
    pooled = torch.nn.functional.avg_pool2d(all_pairs, 2)
    assert float(found[0, 3 + 2, 3 - 1, 6, 9]) == pytest.approx(float(all_pairs[6, 9, 6 - 1, 9 + 2]), abs=1e-5)
    assert float(found[1, 3 + 3, 3 - 2, 6, 8]) == pytest.approx(float(pooled[6, 8, 3 - 2, 4 + 3]), abs=1e-5)
    assert float(found[0, 0, 3, 6, 1]) == 0  # outside


def test_other_files_and_pictures_are_refused(checkpoint, tmp_path):
    torch.save({"state_dict": {"conv.weight": torch.zeros(1)}}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="doesn't fit the network AmtModel"):
        Amt(tmp_path / "other.pth")
    torch.save({"state_dict": {}, "epoch": 1}, tmp_path / "empty.pth")
    with pytest.raises(WeightsError, match="holds no state dict"):
        Amt(tmp_path / "empty.pth")
    network = Amt(checkpoint)
    with pytest.raises(ValueError, match="one size"):
        network.between(waves(128, 128), waves(128, 144))
    with pytest.raises(ValueError, match="at least 128"):
        network.between(waves(112, 128), waves(112, 128))
