"""Training of the bundled networks: dataset, degradations, loop, files."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors import safe_open
from torch import nn

from evalkit.metrics.networks.small.models import NETWORKS, mean_places
from evalkit.metrics.quality.brisque_model import BrisqueModel
from evalkit.metrics.quality.natural_scenes import brisque_features
from evalkit.metrics.quality.niqe_model import NiqeModel, block_statistics
from evalkit.metrics.quality.pixels import matlab_gray
from evalkit.reference_models.puppet.scene import draw_scene
from evalkit.weights.manifest import load_backbones
from evalkit.weights.store import find_weights
from training import dataset
from training.degrade import FAULT_COUNT, TEMPORAL_FAULTS, ImageFaults, degrade, draw_faults, frame_order
from training.loop import fit, image_batch, set_standardisation, shift_and_mirror, start_training
from training.publish import QUALITY_ROLES, ROLES, manifest
from training.quality import FILES, KINDS, draw_picture, fit_brisque, fit_niqe, one_fault, write_brisque, write_niqe
from training.tasks.detector import place_face
from training.tasks.embeddings import mirror_sentence
from training.tasks.landmarks import MIRRORED, crop_face, target_maps
from training.train import TASKS, completed, main, same_sums

PEOPLE = TAKES = 12
SEED = 7


@pytest.fixture(scope="module")
def puppet_face() -> np.ndarray:
    return next(draw_scene(3, 1).frames())


# --- faults ------------------------------------------------------------------------------------------------------


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def sharpness(rgb: np.ndarray) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())


def test_each_image_fault_has_its_effect(puppet_face: np.ndarray) -> None:
    plain = puppet_face.astype(float)
    assert np.array_equal(degrade(puppet_face, ImageFaults(), rng()), puppet_face)
    assert sharpness(degrade(puppet_face, ImageFaults(blur=2), rng())) < 0.2 * sharpness(puppet_face)
    noisy = degrade(puppet_face, ImageFaults(noise=10), rng()).astype(float) - plain
    assert noisy[40:200, 40:200].std() == pytest.approx(10, rel=0.15)
    moved_by = degrade(puppet_face, ImageFaults(shift_x=3, shift_y=-2), rng())
    assert np.abs(moved_by[10:-10, 10:-10].astype(float) - plain[12:-8, 7:-13]).max() <= 1
    assert np.ptp(degrade(puppet_face, ImageFaults(grey=1), rng()), axis=2).max() <= 1
    assert degrade(puppet_face, ImageFaults(dark=0.5), rng()).mean() == pytest.approx(plain.mean() / 2, abs=1)
    patched = np.abs(degrade(puppet_face, ImageFaults(patch=0.25), rng()).astype(float) - plain).max(axis=2) > 0
    assert 0.9 * 64**2 < patched.sum() <= 64**2
    assert 0 < np.abs(degrade(puppet_face, ImageFaults(blocks=80), rng()).astype(float) - plain).mean() < 8


def test_fault_strengths_are_scaled_to_about_one() -> None:
    drawn = [draw_faults(rng(seed)) for seed in range(400)]
    vectors = np.array([one.vector() for one in drawn])
    assert vectors.shape == (400, FAULT_COUNT)
    assert np.abs(vectors).max() <= 1.01
    assert np.abs(vectors).max(axis=0).min() > 0.8, "every fault is drawn, also in full"
    untouched = float((vectors == 0).all(axis=1).mean())
    assert 0.25 < untouched < 0.5
    assert draw_faults(rng(5)) == draw_faults(rng(5))


def test_each_temporal_fault_changes_the_order_of_frames() -> None:
    assert frame_order("none", 16, 5, 60, rng()).tolist() == list(range(5, 21))
    shuffled = frame_order("shuffled", 16, 5, 60, rng())
    assert sorted(shuffled) == list(range(5, 21))
    assert shuffled.tolist() != sorted(shuffled)
    frozen = [frame_order("frozen", 16, 5, 60, rng(seed)) for seed in range(20)]
    assert all(len(set(one.tolist())) <= 17 for one in frozen)
    assert min(len(set(one.tolist())) for one in frozen) < 8
    dropped = frame_order("dropped", 16, 40, 60, rng())
    assert set(np.diff(dropped).tolist()) <= {0, 1, 2, 3}
    assert np.diff(dropped)[:4].min() >= 2
    assert dropped.max() == 59
    assert frame_order("jitter", 16, 0, 60, rng()).tolist() == list(range(16))
    assert len(TEMPORAL_FAULTS) == 5


def test_images_are_shifted_by_few_pixels_and_mirrored() -> None:
    images = np.zeros((200, 9, 9, 3), np.uint8)
    images[:, 4, 3] = 255
    places = {tuple(np.argwhere(one[..., 0])[0].tolist()) for one in shift_and_mirror(images, rng(), 1)}
    assert places == {(y, x) for y in (3, 4, 5) for x in (2, 3, 4, 5, 6)}, "column 3 or, mirrored, 5; one either way"


def test_the_targets_of_a_cell_point_at_the_face(puppet_face: np.ndarray) -> None:
    """The landmarks of a cell have the same colours as the landmarks of the source image."""
    whole = cv2.GaussianBlur(cv2.resize(puppet_face, (160, 160), interpolation=cv2.INTER_AREA), (0, 0), 2)
    box, points = np.array([45.0, 40, 115, 130]), np.array([[62.0, 75], [98, 75], [80, 92], [68, 108], [92, 108]])
    checked = 0
    for seed in range(40):
        picture, heat, values = place_face(whole, box, points, rng(seed))
        for row, column in np.argwhere(heat > 0.99)[:1]:
            spots = (values[4:, row, column].reshape(5, 2) + np.array([column + 0.5, row + 0.5])) * 8
            centre = (values[0:2, row, column] + np.array([column + 0.5, row + 0.5])) * 8
            assert spots[0, 0] < spots[1, 0] + 1, "left in the picture stays left, mirrored or not"
            inside = [s for s in spots if (s > 2).all() and (s < 125).all()]
            if len(inside) < 5:
                continue
            checked += 1
            middle = spots[:2].mean(axis=0)
            size = np.exp(values[2:4, row, column]) * 8
            assert np.abs(centre - spots[2]).max() < 0.25 * size.max()
            seen = np.array([picture[round(float(y)), round(float(x))] for x, y in spots], dtype=float)
            there = np.array([whole[round(float(y)), round(float(x))] for x, y in points], dtype=float)
            assert np.abs(seen[2] - there[2]).max() < 30, "the nose has the nose's colour"
            assert np.abs(seen[:2].mean(axis=0) - there[:2].mean(axis=0)).max() < 40
            assert np.linalg.norm(middle - spots[3:].mean(axis=0)) == pytest.approx(33 / 90 * size[1], rel=0.02)
    assert checked > 10


def test_mirrored_actions_have_the_sentence_of_their_mirror_image() -> None:
    images = np.zeros((6, 9, 9, 3), np.uint8)
    images[:, 4, 3] = 255
    mirrored = np.array([True, False] * 3)
    shown = shift_and_mirror(images, rng(), 0, mirrored)
    assert [int(np.argwhere(one[..., 0])[0, 1]) for one in shown] == [5, 3] * 3
    wanted = {text: text for text in dataset.SENTENCES}
    wanted |= {"the person turns to the left": "the person turns to the right"}
    wanted |= {"the person turns to the right": "the person turns to the left"}
    assert {text: mirror_sentence(text) for text in dataset.SENTENCES} == wanted


def test_the_images_of_the_other_networks_show_no_hand() -> None:
    """They were drawn before there was one: another list of actions would change every network."""
    wanted = "nod shake smile frown raise_brows close_eyes look_left look_right look_up tilt"
    assert " ".join(dataset.ACTIONS_IN_IMAGES) == wanted


def test_landmarks_stay_on_what_they_show() -> None:
    """The colour of a pixel of this image is its place."""
    whole = np.zeros((160, 160, 3), np.uint8)
    whole[..., 0], whole[..., 1] = np.arange(160), np.arange(160)[:, None]
    points = np.stack([np.linspace(55, 105, 68), 80 + 25 * np.sin(np.arange(68))], axis=1)
    box, mirrored, errors = np.array([45.0, 40, 115, 130]), 0, []
    for seed in range(30):
        image, places = crop_face(whole, box, points, rng(seed))
        assert image.shape == (64, 64, 3)
        spots = (64 * places - 0.5).astype(np.float32)
        seen = cv2.remap(image.astype(np.float32), spots[None], np.zeros(0, np.float32), cv2.INTER_LINEAR)[0, :, :2]
        turned = np.abs(seen - points[MIRRORED]).max() < np.abs(seen - points).max()
        wanted = points[MIRRORED] if turned else points
        mirrored += turned
        inside = ((spots > 1) & (spots < 62)).all(axis=1)
        assert inside.mean() > 0.8
        assert np.abs(seen - wanted)[inside].max() < 1.5, "to the rounding of colours, and of a few coarse images"
        errors.append((seen - wanted)[inside].mean(axis=0))
    assert np.abs(np.mean(errors, axis=0)).max() < 0.2, "half a pixel of the crop is 0.9 of the image's"
    assert 8 < mirrored < 22


def test_mirrored_landmarks_are_the_opposite_ones() -> None:
    assert sorted(MIRRORED.tolist()) == list(range(68))
    assert MIRRORED[MIRRORED].tolist() == list(range(68))
    assert MIRRORED[[0, 8, 17, 27, 31, 36, 37, 48, 51, 57, 60]].tolist() == [16, 8, 26, 27, 35, 45, 44, 54, 51, 57, 64]


def test_a_map_to_be_learned_has_its_mean_at_the_place() -> None:
    places = torch.tensor([[[0.5, 0.25], [0.31, 0.77]]])
    maps = target_maps(places)
    assert maps.shape == (1, 2, 256)
    assert maps.sum(dim=2).flatten().tolist() == pytest.approx([1, 1])
    assert torch.allclose(mean_places(maps.log()), places, atol=2e-3)


# --- the loop ----------------------------------------------------------------------------------------------------


def test_the_loop_fits_a_line_and_is_deterministic() -> None:
    def trained() -> tuple[torch.Tensor, float]:
        start_training(1)
        line = nn.Linear(2, 1)

        def loss_of(draw: np.random.Generator) -> torch.Tensor:
            x = torch.from_numpy(draw.normal(size=(32, 2)).astype(np.float32))
            wanted = x @ torch.tensor([[2.0], [-1.0]]) + 0.5
            return ((line(x) - wanted) ** 2).mean()

        last = fit([line], loss_of, rng(1), steps=600, learning_rate=0.05, weight_decay=0.0)
        return torch.cat([line.weight.flatten(), line.bias]).detach(), last

    try:
        (first, last), (again, _) = trained(), trained()
    finally:
        torch.use_deterministic_algorithms(False)
    assert first.tolist() == pytest.approx([2.0, -1.0, 0.5], abs=0.01)
    assert last < 1e-3
    assert torch.equal(first, again)


def test_standardised_embeddings_have_mean_0_and_deviation_1() -> None:
    network = NETWORKS["frames"]().eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):  # so that what goes in still shows at the end
            nn.init.kaiming_normal_(module.weight)
    x = image_batch(np.random.default_rng(0).integers(0, 256, (12, 128, 128, 3), dtype=np.uint8))
    with torch.no_grad():
        set_standardisation(network, network(x) * 1.0)
        y = network(x)
    assert y.mean(dim=0).abs().max() < 1e-3
    assert (y.std(dim=0) - 1).abs().max() < 1e-2


# --- whole trainings --------------------------------------------------------------------------------------------------


def train(folder: Path, workers: int) -> Path:
    output = folder / "networks"
    arguments = ["--seed", str(SEED), "--output", str(output), "--work", str(folder), "--people", str(PEOPLE),
                 "--takes", str(TAKES), "--effort", "0.002", "--workers", str(workers)]  # fmt: skip
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return output


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return tuple(train(tmp_path_factory.mktemp(f"train{workers}"), workers) for workers in (1, 2))


def test_the_same_seed_gives_the_same_networks(trained: tuple[Path, Path]) -> None:
    one, two = (
        {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}
        for folder in trained
    )
    assert one.pop("training.json") != two.pop("training.json")  # it has the seconds
    assert one == two
    assert os.environ.get("MKL_CBWR") != "AVX2,STRICT", "numbers of later workers would differ in the last digits"
    assert set(one) == {*(f"{name}.safetensors" for name in TASKS), *FILES}
    assert len(set(one.values())) == len(one)


def test_the_setting_of_mkl_is_the_callers_again(monkeypatch: pytest.MonkeyPatch) -> None:
    for before in (None, "COMPATIBLE"):
        monkeypatch.delenv("MKL_CBWR", raising=False)
        if before is not None:
            monkeypatch.setenv("MKL_CBWR", before)
        with same_sums():
            assert os.environ["MKL_CBWR"] == "AVX2,STRICT"
        assert os.environ.get("MKL_CBWR") == before


def test_a_trained_file_has_metadata_and_half_precision(trained: tuple[Path, Path]) -> None:
    for name in TASKS:
        with safe_open(trained[0] / f"{name}.safetensors", "pt") as file:
            assert file.metadata() == {"evalkit": f"{name}, seed {SEED}"}
            assert {file.get_tensor(key).dtype for key in file.keys()} == {torch.float16}  # noqa: SIM118
    record = json.loads((trained[0] / "training.json").read_text())
    assert [one["network"] for one in record["networks"]] == sorted(TASKS)


def test_a_network_that_is_trained_later_joins_the_record() -> None:
    before = {"seed": 1, "networks": [{"network": "frames", "loss": 1}, {"network": "text", "loss": 2}],
              "quality": {"error": 5}, "seconds": {"rendering": 10, "all": 30}}  # fmt: skip
    later = {"seed": 1, "networks": [{"network": "actions", "loss": 3}, {"network": "text", "loss": 4}],
             "quality": {}, "seconds": {"rendering": 5, "all": 7}}  # fmt: skip
    whole = completed(later, before)
    assert [(one["network"], one["loss"]) for one in whole["networks"]] == [("actions", 3), ("frames", 1), ("text", 4)]
    assert whole["seconds"] == {"rendering": 15, "all": 37}
    assert whole["quality"] == {"error": 5}
    assert completed({**later, "quality": {"error": 6}}, before)["quality"] == {"error": 6}


def test_the_manifest_of_a_folder_is_a_set_of_backbones(
    trained: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(manifest(trained[0], "mine"), encoding="utf-8")
    backbones = load_backbones(file)
    assert set(backbones.roles) == {*ROLES, *QUALITY_ROLES}
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(trained[0]))
    for role, (network, _) in ROLES.items():
        assert find_weights(backbones, role).path == trained[0] / f"{network}.safetensors"
    for role, name in QUALITY_ROLES.items():
        assert find_weights(backbones, role).path == trained[0] / name


# --- models of quality -----------------------------------------------------------------------------------------------


def test_the_regression_is_the_ridge_solution_and_survives_its_file(tmp_path: Path) -> None:
    """Two points by hand: K = (1 + 0.01 on the diagonal, e beside), with e = exp(-0.05 * 36 * 2^2)."""
    features = np.stack([np.full(36, 3.0), np.full(36, 5.0)])
    model = fit_brisque(features, np.array([10.0, 50.0]))
    e = np.exp(-0.05 * 36 * 4)
    weight = 20 / (1.01 - e)  # the two weights are opposite
    assert model.coefficients == pytest.approx([-weight, weight])
    assert model.score(features[0]) == pytest.approx(30 - weight * (1 - e))
    write_brisque(model, tmp_path)
    again = BrisqueModel.from_files(tmp_path / FILES[0], tmp_path / FILES[1])
    between = np.linspace(3.0, 5.0, 36)
    assert again.score(between) == pytest.approx(model.score(between), abs=1e-5)
    with pytest.raises(ValueError, match="the same in all pictures"):
        fit_brisque(features[[0, 0]], np.array([1.0, 2.0]))


def test_the_mean_and_covariance_of_blocks_survive_their_file(tmp_path: Path) -> None:
    blocks = np.random.default_rng(0).normal(size=(80, 36))
    blocks[3, 5] = np.nan
    write_niqe(fit_niqe(blocks), tmp_path)
    again = NiqeModel.from_file(tmp_path / FILES[2])
    whole = np.delete(blocks, 3, axis=0)
    assert again.mean == pytest.approx(whole.mean(axis=0), rel=1e-6)
    centred = whole - whole.mean(axis=0)
    assert again.covariance == pytest.approx(centred.T @ centred / 78, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_the_bundled_models_order_the_sizes_of_a_fault(kind: str) -> None:
    """On puppets of seed 7 and 8, which the models were not fitted to (the bundled training has seed 1)."""
    backbones = load_backbones("bundled")
    files = [find_weights(backbones, role).path for role in QUALITY_ROLES]
    brisque, niqe = BrisqueModel.from_files(*files[:2]), NiqeModel.from_file(files[2])
    for seed in (7, 8):
        picture = draw_picture(dataset.puppet_number(seed, 0), rng(seed))
        grays = [matlab_gray(picture)]
        for strength in (0.25, 0.5, 1.0):
            grays.append(matlab_gray(degrade(picture, one_fault(kind, strength, len(picture)), rng(seed))))
        scores = [brisque.score(brisque_features(gray)) for gray in grays]
        assert scores == sorted(scores)
        assert abs(scores[0]) < 15
        assert scores[-1] > 60
        distances = [niqe.distance(block_statistics(gray).features) for gray in grays]
        assert max(distances[1:]) > 1.5 * distances[0]
        assert min(distances) == distances[0]


def test_training_people_are_in_no_test_set() -> None:
    highest = 1_000_000 * 1_000_000 + 999_999  # seed and number at their limits
    assert dataset.puppet_number(0, 0) > highest
    numbers = {dataset.puppet_number(seed, number) for seed in range(4) for number in (0, 1, 1999)}
    scenes = {draw_scene(seed, number).puppet for seed in (0, 1, 500, 90210) for number in (0, 1, 12, 1999)}
    assert not numbers & scenes


def test_the_arrays_of_the_dataset_fit_together(trained: tuple[Path, Path]) -> None:
    folder = trained[0].parent / f"dataset-{SEED}-{PEOPLE}-{TAKES}"
    whole, points, captions, people = dataset.load_arrays(folder, "images", "whole", "points", "caption", "person")
    assert whole.shape == (PEOPLE * 8, 160, 160, 3)
    assert sorted(set(people.tolist())) == list(range(PEOPLE))
    assert len(set(captions.tolist())) > PEOPLE
    eyes = points[:, :2].mean(axis=1)
    assert (eyes[:, 1] < points[:, 3:].mean(axis=1)[:, 1]).all(), "eyes above the mouth"
    acting, sentences = dataset.load_arrays(folder, "actions", "acting", "sentence")
    assert acting.shape == (TAKES * 2 * len(dataset.SENTENCES), 128, 128, 3)
    assert np.bincount(sentences).tolist() == [TAKES * 2] * len(dataset.SENTENCES)
    mouths, audio, clip, kinds = dataset.load_arrays(folder, "clips", "mouths", "audio", "clip", "temporal_fault")
    assert mouths.shape == (TAKES, 60, 40, 40, 3)
    assert audio.shape[0] == TAKES
    assert audio.shape[1] >= 4 * 54 + 20, "enough for 55 windows"
    assert clip.shape == (3 * TAKES, 16, 64, 64, 3)
    assert set(kinds.tolist()) == set(range(len(TEMPORAL_FAULTS)))
