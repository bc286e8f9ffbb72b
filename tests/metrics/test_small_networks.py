"""The bundled networks: their shapes, what goes into them and what their outputs are read as."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from evalkit.errors import WeightsError
from evalkit.metrics.clip.embeddings import ClipImages, FrameOptions, open_network
from evalkit.metrics.features.base import WeightFile
from evalkit.metrics.networks.small import models as small
from evalkit.metrics.networks.small.inputs import (
    WordNumbers,
    face,
    landmark_crop,
    landmark_square,
    letterbox,
    mouth,
    runs_of_five,
    shrunk,
)
from evalkit.metrics.networks.small.runners import (
    SmallBoxes,
    SmallClips,
    SmallDetector,
    SmallFaces,
    SmallFrames,
    SmallLandmarks,
    SmallSync,
)
from evalkit.metrics.networks.small.texts import SmallActions, SmallText


def random_network(kind: str, seed: int = 0) -> torch.nn.Module:
    """Return a network as training leaves it: with batch norms whose numbers are not those of a new one."""
    torch.manual_seed(seed)
    network = small.NETWORKS[kind]().eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm3d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.2)
        if isinstance(module, torch.nn.Conv2d | torch.nn.Conv3d):  # so that what goes in still shows at the end
            torch.nn.init.kaiming_normal_(module.weight)
        if isinstance(module, small.Standardise):
            module.mean.normal_()
            module.scale.uniform_(0.5, 2)
    return network


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("small")
    found = {}
    for kind in small.NETWORKS:
        state = small.fused(random_network(kind)).state_dict()
        found[kind] = folder / f"{kind}.safetensors"
        save_file({name: value.contiguous() for name, value in state.items()}, found[kind])
    return found


INPUTS = {
    "frames": (2, 3, 128, 128),
    "clips": (2, 3, 16, 64, 64),
    "faces": (2, 3, 64, 64),
    "detector": (2, 3, 128, 128),
    "landmarks": (2, 3, 64, 64),
}


@pytest.mark.parametrize("kind", INPUTS)
def test_a_fused_network_says_what_the_trained_one_says(kind: str) -> None:
    network = random_network(kind, 3)
    x = torch.rand(INPUTS[kind])
    with torch.no_grad():
        before = network(x)
        after = small.fused(network)(x)
    assert "norm" not in " ".join(network.state_dict())
    assert torch.allclose(before, after, atol=2e-5 * float(before.abs().max()))
    assert float(before.std()) > 1e-3


def picture(seed: int, height: int = 96, width: int = 96) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


# --- inputs ------------------------------------------------------------------------------------------------------


def test_a_picture_is_shrunk_by_area_means() -> None:
    rgb = picture(1, 8, 12)
    by_hand = rgb.reshape(4, 2, 4, 3, 3).mean(axis=(1, 3))
    assert np.abs(shrunk(rgb, 4) - by_hand).max() <= 0.5 + 1e-6
    assert shrunk(rgb[:4, :4], 4) is not rgb
    assert shrunk(picture(2, 64, 64), 64).tolist() == picture(2, 64, 64).tolist()
    assert shrunk(picture(2, 3, 3), 64).shape == (64, 64, 3)


def test_a_wide_picture_keeps_its_proportions_in_the_letterbox() -> None:
    canvas, scale = letterbox(np.full((50, 200, 3), 7, np.uint8))
    assert scale == 128 / 200
    assert (canvas[:32] == 7).all()
    assert (canvas[32:] == 110).all()
    assert letterbox(np.zeros((1, 4000, 3), np.uint8))[0].shape == (128, 128, 3)


def test_the_crop_of_the_landmarks_is_a_square_about_the_face() -> None:
    assert landmark_square(np.array([10.0, 20.0, 50.0, 120.0])) == (-35, 5, 130), "1.3 times the longer side"
    assert landmark_square(np.array([5.0, 5.0, 5.0, 5.0])) == (4, 4, 1)
    ramp = np.zeros((100, 80, 3), np.uint8)
    ramp[..., 0], ramp[..., 1] = np.arange(80), np.arange(100)[:, None]
    assert np.array_equal(landmark_crop(ramp, (7, 9, 64)), ramp[9:73, 7:71])
    beyond = landmark_crop(ramp, (-30, 60, 64))
    assert (beyond[:, :31, 0] == 0).all()
    assert beyond[:, 31, 0].tolist() == [1] * 64
    assert (beyond[40:, :, 1] == 99).all()
    assert landmark_crop(ramp, (500, 500, 128)).shape == (64, 64, 3)


def test_a_map_of_probabilities_has_its_mean_place() -> None:
    maps = torch.full((1, 2, 256), -1e4)
    maps[0, 0, 3 * 16 + 5] = 0.0  # row 3, column 5
    maps[0, 1, [0, 15]] = float(np.log(0.5))
    places = small.mean_places(maps)[0]
    assert places[0].tolist() == pytest.approx([5.5 / 16, 3.5 / 16])
    assert places[1].tolist() == pytest.approx([0.5, 0.5 / 16])


def test_the_mouth_is_the_middle_of_a_face_crop() -> None:
    crop = np.zeros((224, 224, 3), np.uint8)
    crop[74:162, 68:156] = 255
    assert (mouth(crop) == 255).all()
    crop[73, :] = 99
    assert (mouth(crop) == 255).all()
    crop[74, 68:156] = 0
    assert (mouth(crop)[0] < 255).all()


def test_runs_of_five_pictures_stand_behind_each_other() -> None:
    pictures = np.arange(7, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    runs = runs_of_five(pictures)
    assert runs.shape == (3, 2, 2, 15)
    assert runs[1, 0, 0].tolist() == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5]
    assert runs_of_five(pictures[:4]).shape[0] == 0


def test_words_have_numbers_that_never_change() -> None:
    words = WordNumbers()
    assert words.encode("123456789") == [1 + 0xCBF43926 % 2047], "the published check value of CRC-32"
    tokens = words.tokens(["A RED hat,", "", "red " * 100])
    assert tokens.numbers.shape == (3, 77)
    assert tokens.numbers[0, :3].tolist() == words.encode("a red hat")
    assert tokens.numbers[0, 4:].max() == 0
    assert tokens.counts.tolist() == [4, 0, 100]
    assert tokens.numbers[1, 0] > 0, "an empty text has a place too"
    assert 0 < tokens.numbers[2].min() <= tokens.numbers.max() < words.size


# --- runners -----------------------------------------------------------------------------------------------------


def test_frames_and_faces_do_not_depend_on_their_batch(files: dict[str, Path]) -> None:
    frames = SmallFrames(files["frames"], "a")
    prepared = [frames.prepare(picture(seed, 200, 300)) for seed in range(5)]
    together = frames.embed(prepared)
    assert together.shape == (5, 64)
    assert np.allclose(together, np.concatenate([frames.embed([one]) for one in prepared]), atol=1e-4)
    faces = SmallFaces(files["faces"], "a")
    crops = np.stack([picture(seed, 112, 112) for seed in range(20)])
    assert np.allclose(faces.embed(crops)[17], faces.embed(crops[17:18])[0], atol=1e-4)
    assert faces.embed(crops[:0]).shape == (0, 128)
    assert face(crops[0]).shape == (64, 64, 3)


def test_a_runner_feeds_rgb_of_0_to_1(files: dict[str, Path]) -> None:
    """Against the network called by hand, so that a swapped channel or another scale is seen."""
    network = random_network("frames")
    rgb = picture(4, 128, 128) // 4 + np.array([190, 90, 0], np.uint8)
    with torch.no_grad():
        by_hand = network(torch.from_numpy(rgb.astype(np.float32) / 255).permute(2, 0, 1)[None])
    runner = SmallFrames(files["frames"], "b")
    assert np.allclose(runner.embed([runner.prepare(rgb)]), by_hand.numpy(), atol=1e-3)
    assert not np.allclose(runner.embed([runner.prepare(rgb[:, :, ::-1])]), by_hand.numpy(), atol=1e-2)
    clips = random_network("clips")
    frames = [picture(seed, 64, 64) for seed in range(16)]
    with torch.no_grad():
        volume = torch.from_numpy(np.stack(frames).astype(np.float32) / 255).permute(3, 0, 1, 2)[None]
        by_hand = clips(volume)[0]
    runner = SmallClips(files["clips"], "b")
    assert np.allclose(runner.embed([runner.prepare(one) for one in frames]), by_hand.numpy(), atol=1e-3)


def planted(faces: list[tuple[int, int, float]]) -> np.ndarray:
    """Return a detector's map with a face of 4 x 5 cells in each (row, column, logit), points on a diagonal."""
    maps = np.zeros((15, 16, 16), np.float32)
    maps[0] = -9
    for row, column, logit in faces:
        maps[0, row, column] = logit
        maps[1:3, row, column] = (0.25, -0.5)
        maps[3:5, row, column] = np.log([4, 5])
        maps[5:, row, column] = np.repeat([-1, -0.5, 0, 0.5, 1], 2)
    return maps


def test_a_map_becomes_faces(files: dict[str, Path]) -> None:
    """Cell (3, 6): its centre is (6.5, 3.5) cells, the box's (6.75, 3.0); a cell is 8 pixels of the small picture."""
    detector = SmallDetector(files["detector"], "a")
    (found,) = detector._faces(planted([(3, 6, 2.0)]), scale=0.5)
    assert found.box.tolist() == pytest.approx([(6.75 - 2) * 16, (3 - 2.5) * 16, (6.75 + 2) * 16, (3 + 2.5) * 16])
    assert found.keypoints[0].tolist() == pytest.approx([(6.5 - 1) * 16, (3.5 - 1) * 16])
    assert found.keypoints[4].tolist() == pytest.approx([(6.5 + 1) * 16, (3.5 + 1) * 16])
    assert found.score == pytest.approx(1 / (1 + np.exp(-2)))


def test_neighbouring_cells_are_one_face_and_the_better_one_counts(files: dict[str, Path]) -> None:
    detector = SmallDetector(files["detector"], "a")
    found = detector._faces(planted([(3, 6, 1.0), (3, 7, 3.0), (12, 3, 2.0), (9, 9, -1.0)]), scale=1.0)
    assert [round(one.score, 3) for one in found] == [0.953, 0.881]
    assert detector._faces(planted([]), 1.0) == []
    assert (
        len(SmallDetector(files["detector"], "a", threshold=0.9)._faces(planted([(3, 7, 3.0), (12, 3, 2.0)]), 1)) == 1
    )


def _by_place(boxes: np.ndarray) -> np.ndarray:
    return boxes[np.lexsort(np.round(boxes).T[::-1])]


def test_boxes_of_many_frames_are_those_of_each(files: dict[str, Path]) -> None:
    """A random network fires somewhere; both ways of asking it must say the same."""
    one = SmallDetector(files["detector"], "a", threshold=0.05)
    many = SmallBoxes(files["detector"], "a", threshold=0.05)
    frames = [picture(seed, 120, 240) for seed in range(3)]
    found = many.detect([many.small(rgb) for rgb in frames], [(240, 120)] * 3)
    single = [one.detect(rgb) for rgb in frames]
    assert sum(map(len, single)) > 0
    for rows, faces in zip(found, single, strict=True):
        assert rows.shape == (len(faces), 5)
        # By place: scores of a random network are so close that rounding, which differs by processor, orders them.
        boxes = np.array([seen.box for seen in faces]).reshape(-1, 4)
        assert np.allclose(_by_place(rows[:, :4]), _by_place(boxes), atol=0.05)
    assert many.detect([], []) == []


def test_landmarks_are_in_pixels_of_the_picture(files: dict[str, Path]) -> None:
    """Against the network called by hand; the same face elsewhere, and twice as large, has the same points there."""
    runner = SmallLandmarks(files["landmarks"], "a")
    rgb = cv2.resize(picture(3, 16, 16), (64, 64), interpolation=cv2.INTER_CUBIC)
    frame = np.full((200, 200, 3), 90, np.uint8)
    frame[30:94, 50:114] = rgb
    side = 64 / 1.3
    box = np.array([82 - side / 2, 62 - side / 2, 82 + side / 2, 62 + side / 2], np.float32)
    with torch.no_grad():
        planes = torch.from_numpy(rgb.astype(np.float32) / 255).permute(2, 0, 1)[None]
        by_hand = small.fused(random_network("landmarks"))(planes)[0].numpy()
    found = runner.points(frame, box)
    assert found.shape == (68, 2)
    assert found.dtype == np.float32
    assert np.allclose(found, by_hand * 64 + [49.5, 29.5], atol=0.05)
    assert np.ptp(found, axis=0).min() > 0.1
    moved, by = np.roll(frame, (40, 21), axis=(0, 1)), np.array([21, 40], np.float32)
    assert np.allclose(runner.points(moved, box + np.tile(by, 2)), found + by, atol=1e-3)
    large = np.repeat(np.repeat(frame, 2, axis=0), 2, axis=1)
    assert np.allclose(runner.points(large, 2 * box), 2 * (found + 0.5) - 0.5, atol=0.05)


def test_lips_and_sound_have_length_and_constant(files: dict[str, Path]) -> None:
    runner = SmallSync(files["sync"], "a")
    crops = np.stack([picture(seed, 224, 224) for seed in range(7)])
    lips = runner.lips(crops)
    sound = runner.audio(np.random.default_rng(0).normal(size=(40, 13)), 3)
    assert lips.shape == sound.shape == (3, 65)
    for vectors in (lips, sound):
        assert np.linalg.norm(vectors[:, :64], axis=1) == pytest.approx(10.0)
        assert vectors[:, 64].tolist() == [10.0] * 3
    assert np.allclose(runner.lips(crops[2:]), lips[2:], atol=1e-4)
    assert runner.lips(crops[:4]).shape == (0, 65)
    assert runner.audio(np.zeros((0, 13)), 0).shape == (0, 65)
    with pytest.raises(ValueError, match="too few"):
        runner.audio(np.zeros((27, 13)), 3)


def test_sound_windows_start_every_four_rows(files: dict[str, Path]) -> None:
    runner = SmallSync(files["sync"], "a")
    rows = np.random.default_rng(1).normal(size=(60, 13))
    assert np.allclose(runner.audio(rows, 8)[5], runner.audio(rows[20:], 1)[0], atol=1e-5)


def test_pictures_and_texts_meet_in_one_space(files: dict[str, Path]) -> None:
    runner = SmallText(files["text"], "a")
    squares = [picture(seed, 96, 96) for seed in range(18)]
    tokens = WordNumbers().tokens(["a red hat", "a blue hat in front of a wall"])
    assert runner.embed_images(squares).shape == (18, 64)
    assert runner.embed_texts(tokens.numbers).shape == (2, 64)
    short = runner.embed_texts(tokens.numbers[:, :12])
    assert np.allclose(short, runner.embed_texts(tokens.numbers), atol=1e-5), "empty places must not count"
    assert runner.embed_images([]).shape == runner.embed_texts(tokens.numbers[:0]).shape == (0, 64)
    assert runner.logit_scale == pytest.approx(np.exp(2.5), rel=1e-5)


def test_actions_are_seen_in_larger_frames_by_a_network_of_their_own(files: dict[str, Path]) -> None:
    entry = WeightFile("clip_vit_l14_336", files["actions"], "a", {"format": "bundled", "network": "actions"})
    runner = open_network(entry, "cpu")
    assert isinstance(runner, SmallActions)
    square = ClipImages(runner, FrameOptions(), entry.role).prepare(picture(1, 256, 300))
    assert square.shape == (128, 128, 3)
    assert runner.embed_images([square]).shape == (1, 64)
    assert runner.embed_texts(WordNumbers().tokens(["the person nods"]).numbers).shape == (1, 64)
    other = open_network(WeightFile("clip_vit_l14", files["text"], "a", {"format": "bundled"}), "cpu")
    assert type(other) is SmallText
    with pytest.raises(WeightsError, match="doesn't fit the network TextNets"):
        SmallText(files["actions"], "b")


def test_a_file_of_another_network_is_refused(files: dict[str, Path]) -> None:
    with pytest.raises(WeightsError, match="doesn't fit the network FaceNet"):
        SmallFaces(files["frames"], "other")


def test_the_order_of_words_counts(files: dict[str, Path]) -> None:
    runner = SmallText(files["text"], "a")
    one, other = runner.embed_texts(
        WordNumbers().tokens(["red hair and a blue shirt", "blue hair and a red shirt"]).numbers
    )
    assert not np.allclose(one, other, atol=1e-3)


def test_detection_follows_the_picture(files: dict[str, Path]) -> None:
    """A picture of twice the size gives boxes of twice the size."""
    detector = SmallDetector(files["detector"], "a", threshold=0.05)
    rgb = cv2.resize(picture(8, 16, 16), (128, 128), interpolation=cv2.INTER_CUBIC)
    large = np.repeat(np.repeat(rgb, 2, axis=0), 2, axis=1)
    small_faces, large_faces = detector.detect(rgb), detector.detect(large)
    assert len(small_faces) == len(large_faces) > 0
    assert np.allclose(large_faces[0].box, 2 * small_faces[0].box, atol=0.2)
