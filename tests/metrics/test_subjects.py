"""DINO beside transformers and the published code, VBench's consistency, and the likeness of subjects."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from clip_checkpoint import BASE as CLIP_BASE
from dino_checkpoint import BASE, TINY, random_state, write_checkpoint
from numpy.typing import NDArray
from PIL import Image

from evalkit.errors import WeightsError
from evalkit.metrics.base import metric_registry
from evalkit.metrics.networks.clip import MEAN, STD, middle_square, unrounded_square
from evalkit.metrics.networks.dino import DinoEncoder, DinoModel
from evalkit.metrics.subjects.consistency import background_consistency, consistency, subject_consistency
from evalkit.metrics.subjects.similarity import subject_similarity

ORACLES = Path(__file__).parent.parent / "oracles"
SHAPES = ((224, 224), (180, 320), (320, 181), (719, 405), (300, 400))


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def picture(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    """Return smooth colours with hard edges and some noise."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    large = np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    large[height // 3 : height // 2, width // 4 : width // 2] = rng.integers(0, 256, 3)
    return np.clip(large + rng.integers(-9, 10, large.shape), 0, 255).astype(np.uint8)


@pytest.mark.oracles
def test_vit_b16_and_both_preparations_give_what_transformers_and_torchvision_give(oracle_python, tmp_path):
    files = []
    for number, shape in enumerate(SHAPES):
        files.append(tmp_path / f"{number}.png")
        Image.fromarray(picture(*shape, number)).save(files[-1])
    square = [files[0], tmp_path / "square.png"]
    Image.fromarray(picture(512, 512, 9)).save(square[1])
    checkpoint = write_checkpoint(tmp_path / "dino.pth", BASE)
    job = {"checkpoint": str(checkpoint), "images": [str(f) for f in files], "square": [str(f) for f in square]}
    (tmp_path / "job.json").write_text(json.dumps(job))
    command = [str(oracle_python), str(ORACLES / "dino_transformers.py"), tmp_path / "job.json", tmp_path / "out.npz"]
    subprocess.run([str(word) for word in command], check=True, timeout=600, capture_output=True)
    theirs = np.load(tmp_path / "out.npz")
    network = DinoEncoder(checkpoint)
    largest = {"dino": 0.0, "clip": 0.0}
    for number, file in enumerate(files):
        rgb = np.asarray(Image.open(file))
        ours = network.prepare(rgb).numpy()
        largest["dino"] = max(largest["dino"], float(np.abs(ours - theirs[f"dino_{number}"]).max()))
        clip = ((unrounded_square(rgb, CLIP_BASE.side) / 255.0 - MEAN) / STD).transpose(2, 0, 1)
        largest["clip"] = max(largest["clip"], float(np.abs(clip - theirs[f"clip_{number}"]).max()))
    print("largest difference of the inputs", largest)
    assert largest["dino"] <= 1e-5
    assert largest["clip"] <= 1e-5
    ours = network.embed([network.prepare(np.asarray(Image.open(file))) for file in square])
    difference = np.abs(ours - theirs["vectors"]).max() / np.abs(theirs["vectors"]).max()
    print("vectors, relative to the largest", difference)
    assert difference <= 1e-5
    assert np.abs(ours[0] - ours[1]).max() > 0.1  # equal numbers of equal vectors would prove nothing


# The first numbers of the published code (facebookresearch/dino, commit 7c446df, vision_transformer.py) with the tiny
# random checkpoint, on the image sin(0.37 n), n the number of the pixel in memory. In the last one the grid of patches
# has the learnt shape, and the code interpolates it nevertheless.
PUBLISHED = {
    (224, 224): (0.39487290382385254, -1.4349830150604248, 3.286513090133667, -2.465057134628296),
    (224, 398): (0.22330623865127563, -1.111462116241455, 3.173877239227295, -0.7418467402458191),
    (398, 224): (0.6433622241020203, -1.3551312685012817, 4.172608852386475, -1.391727328300476),
    (230, 224): (0.7554371953010559, -1.2801183462142944, 3.977283000946045, -1.7822459936141968),
}


@pytest.mark.parametrize("shape", PUBLISHED)
def test_positions_of_any_shape_are_those_of_the_published_code(shape):
    model = DinoModel(TINY)
    model.load_state_dict(random_state(TINY))
    places = torch.arange(3 * shape[0] * shape[1], dtype=torch.float64).reshape(1, 3, *shape)
    with torch.inference_mode():
        found = model.eval()(torch.sin(places * 0.37).to(torch.float32))[0, :4]
    assert found.numpy() == pytest.approx(PUBLISHED[shape], abs=2e-5)


def test_frames_of_several_shapes_keep_their_order(tmp_path):
    network = DinoEncoder(write_checkpoint(tmp_path / "d.pth", TINY))
    frames = [network.prepare(picture(*shape, seed)) for seed, shape in enumerate([(64, 64), (64, 96), (64, 64)])]
    together = network.embed(frames)
    assert together.shape == (3, TINY.width)
    for at, frame in enumerate(frames):
        assert together[at] == pytest.approx(network.embed([frame])[0], abs=1e-4)


def test_the_unrounded_square_overshoots_where_the_rounded_one_can_not():
    edge = np.zeros((300, 300, 3), np.uint8)
    edge[:, 150:] = 255
    square = unrounded_square(edge, 224)
    assert (square.shape, square.dtype) == ((224, 224, 3), np.float32)
    assert square.min() < -1
    assert square.max() > 256
    assert np.array_equal(unrounded_square(edge[:224, :224], 224), edge[:224, :224])
    assert middle_square(edge, 224, "openai").dtype == np.uint8


@pytest.mark.parametrize(
    "damage",
    [
        lambda state: state.pop("pos_embed"),
        lambda state: state.pop("blocks.1.attn.qkv.bias"),
        lambda state: state.update(extra=torch.zeros(1)),
        lambda state: state.update({"patch_embed.proj.weight": torch.zeros(100, 3, 16, 16)}),
    ],
)
def test_another_network_is_refused(damage, tmp_path):
    state = random_state(TINY)
    damage(state)
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(WeightsError):
        DinoEncoder(tmp_path / "other.pth")


# --- arithmetic --------------------------------------------------------------------------------------------------


def at_angles(*degrees: float) -> NDArray[np.float32]:
    """Return vectors in a plane, of several lengths."""
    lengths = np.linspace(0.5, 3.0, len(degrees))[:, None]
    radians = np.radians(degrees)
    return (lengths * np.stack([np.cos(radians), np.sin(radians)], axis=1)).astype(np.float32)


def test_consistency_by_hand():
    # Steps of 60, 60 and 90 degrees; 60, 120 and 210 from the first: cosines below 0 count as 0.
    expected = ((0.5 + 0.5) / 2 + (0.5 + 0.0) / 2 + (0.0 + 0.0) / 2) / 3
    value = consistency(at_angles(0, 60, 120, 210), np.arange(4))
    assert value.value == pytest.approx(expected, abs=1e-7)
    assert consistency(at_angles(20, 20.0, 20), np.arange(3)).value == pytest.approx(1.0)
    # A row may be shown twice.
    assert consistency(at_angles(0, 60), np.array([0, 1, 1])).value == pytest.approx((0.5 + (1 + 0.5) / 2) / 2)


def test_consistency_without_a_value():
    assert consistency(at_angles(0), np.arange(1)).reason == "too_few_frames"
    broken = at_angles(0, 10)
    broken[1] = 0
    assert consistency(broken, np.arange(2)).reason == "embedding_unusable"
    broken[1] = np.nan
    assert consistency(broken, np.arange(2)).reason == "embedding_unusable"


def test_both_metrics_read_their_own_feature():
    arrays = {"activation": at_angles(0, 60), "embedding": at_angles(0, 90), "row": np.arange(2)}
    assert subject_consistency.compute({"dino_frames": arrays}).value == pytest.approx(0.5)
    assert background_consistency.compute({"clip_frames_vbench": arrays}).value == pytest.approx(0.0, abs=1e-7)


def test_likeness_is_the_mean_of_all_pairs():
    frames = {"activation": at_angles(0, 60), "row": np.array([0, 0, 0, 1])}
    reference = {"activation": at_angles(0, 90)}

    def score(reference: dict[str, Any]) -> Any:
        return subject_similarity.compute({"dino_frames_uniform": frames, "dino_reference": reference})

    # Three picks of the first frame: (1 + 0) / 2 each; one of the second: (cos 60 + cos 30) / 2.
    assert score(reference).value == pytest.approx((3 * 0.5 + (0.5 + np.cos(np.radians(30))) / 2) / 4, abs=1e-6)
    assert score({"activation": reference["activation"][:0]}).reason == "no_reference_image"


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", ["vbench.subject_consistency", "subject.dino"])
def test_the_more_the_frames_change_the_lower_the_number(name, seed, tmp_path):
    """Frames that move from the reference picture to another one, by a random network."""
    network = DinoEncoder(write_checkpoint(tmp_path / "d.pth", TINY, seed))
    first, other = (picture(96, 128, 10 * seed + number).astype(float) for number in (0, 1))
    found = []
    for share in (0.0, 0.1, 0.3, 0.9):
        frames = [first + share * at / 3 * (other - first) for at in range(4)]
        vectors = network.embed([network.prepare(np.round(frame).astype(np.uint8)) for frame in frames])
        arrays = {"activation": vectors, "row": np.arange(4)}
        features = {"dino_frames": arrays, "dino_frames_uniform": arrays, "dino_reference": {"activation": vectors[:1]}}
        metric = metric_registry()[name]
        found.append(metric.compute({part: features[part] for part in metric.record.features}).value)
    assert found[0] == pytest.approx(1.0)
    assert found == sorted(found, reverse=True)
    assert found[0] - found[-1] > 0.001
