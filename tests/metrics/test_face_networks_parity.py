"""CurricularFace's IR-101 and the Inception of ConsisID's face distance, against the published code."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from face_checkpoints import as_pixels, random_ir101, real_crops, state_of
from inception_checkpoint import random_inception, write_checkpoint
from numpy.typing import NDArray
from safetensors.torch import save_file

from evalkit.errors import WeightsError
from evalkit.metrics.faces.inception import FaceInception
from evalkit.metrics.identity.face_distance import squared_distances
from evalkit.metrics.networks.imagenet_inception import ImageNetInception
from evalkit.metrics.networks.ir101 import IR101, CurricularFace

ORACLE = Path(__file__).parent.parent / "oracles" / "face_networks.py"


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# --- against the other implementations ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """The crops, our networks on the checkpoints that the oracle had, and what the oracle says."""

    crops: NDArray[np.uint8]
    curricular: CurricularFace
    face_inception: FaceInception
    theirs: dict[str, NDArray]


@pytest.fixture(scope="module")
def comparison(shared: Path, oracle_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    folder = tmp_path_factory.mktemp("face_networks")
    crops = real_crops(shared)
    np.save(folder / "crops.npy", crops)
    torch.save(state_of(random_ir101(as_pixels(crops, 112))), folder / "ir101.bin")
    inception = random_inception(as_pixels(crops, 299), ImageNetInception)
    write_checkpoint(folder / "inception.pth", inception, ImageNetInception)
    job = {name: str(folder / file) for name, file in (("ir101", "ir101.bin"), ("inception", "inception.pth"))}
    (folder / "job.json").write_text(json.dumps({**job, "crops": str(folder / "crops.npy")}))
    command = [str(oracle_python), str(ORACLE), str(folder / "job.json"), str(folder / "result.npz")]
    subprocess.run(command, check=True, timeout=400)
    with np.load(folder / "result.npz") as result:
        theirs = dict(result)
    face_inception = FaceInception(ImageNetInception(folder / "inception.pth"), 2048)
    return Comparison(crops, CurricularFace(folder / "ir101.bin"), face_inception, theirs)


@pytest.mark.shared
@pytest.mark.oracles
def test_cosines_are_those_of_the_published_backbone(comparison):
    ours, theirs = comparison.curricular.embed(comparison.crops), comparison.theirs["curricular"]
    assert ours.shape == theirs.shape == (12, 512)
    assert theirs.std(axis=0).mean() > 0.01, "the network tells the crops apart"
    of_one = 1 - (ours * theirs).sum(axis=1)
    of_two = np.abs(ours @ ours.T - theirs @ theirs.T)
    print(f"1 - cosine of ours and theirs: {of_one.max():.2e}; cosines of two crops differ by {of_two.max():.2e}")
    assert np.abs(ours - theirs).max() <= 1e-5
    assert of_one.max() <= 1e-5
    assert of_two.max() <= 1e-4


@pytest.mark.shared
@pytest.mark.oracles
def test_activations_are_torchvisions(comparison):
    ours, theirs = comparison.face_inception.embed(comparison.crops), comparison.theirs["face_fid"]
    assert ours.shape == theirs.shape == (12, 2048)
    assert theirs.std(axis=0).mean() > 0.1, "the network tells the crops apart"
    difference = np.abs(ours - theirs).max() / np.abs(theirs).max()
    print(f"largest difference of an activation, relative to the largest: {difference:.2e}")
    assert difference <= 1e-4
    plain = np.abs(ours[:1] - comparison.theirs["face_fid_plain"]).max() / np.abs(theirs).max()
    assert plain > 0.01, "without torchvision's input transform the numbers would be others"


@pytest.mark.shared
@pytest.mark.oracles
def test_the_scripts_frechet_distance_is_the_squared_distance(comparison):
    """The general formula on activations repeated twice, as ConsisID's script calls it."""
    theirs = comparison.theirs["frechet"]
    assert (theirs[1:] > 1).all()
    activations = comparison.theirs["face_fid"][:, ::16]
    np.testing.assert_allclose(squared_distances(list(activations), activations[0]), theirs, rtol=1e-9, atol=1e-9)
    activations = comparison.face_inception.embed(comparison.crops)[:, ::16]
    ours = np.array(squared_distances(list(activations), activations[0]))
    print(f"largest relative difference of a distance: {np.abs(ours[1:] / theirs[1:] - 1).max():.2e}")
    np.testing.assert_allclose(ours, theirs, rtol=1e-3)


# --- what must hold of the networks ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ir101() -> IR101:
    generator = torch.Generator().manual_seed(3)
    return random_ir101(torch.randn(4, 3, 112, 112, generator=generator) / 2)


@pytest.fixture(scope="module")
def curricular(ir101, tmp_path_factory) -> CurricularFace:
    path = tmp_path_factory.mktemp("weights") / "ir101.bin"
    torch.save(state_of(ir101), path)
    return CurricularFace(path)


@pytest.fixture(scope="module")
def face_inception(tmp_path_factory) -> FaceInception:
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    write_checkpoint(path, random_inception(kind=ImageNetInception), ImageNetInception)
    return FaceInception(ImageNetInception(path), 2048)


def noise(count: int, side: int = 224) -> NDArray[np.uint8]:
    """Smooth coloured noise."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    return np.stack([cv2.resize(one, (side, side), interpolation=cv2.INTER_CUBIC) for one in small])


def test_embeddings_have_length_one_and_the_order_of_the_crops(curricular):
    crops = noise(18)
    together = curricular.embed(crops)
    assert together.shape == (18, curricular.dimension) == (18, 512)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    for chosen in ([0], [17], [5, 3, 17]):
        np.testing.assert_allclose(curricular.embed(crops[chosen]), together[chosen], atol=1e-5)
    assert np.array_equal(curricular.embed(crops[:2]), curricular.embed(crops[:2]))
    assert curricular.embed(crops[:0]).shape == (0, 512)


def test_folding_changes_nothing_that_counts(curricular, ir101):
    """Against the network as it was trained: with its batch norms, and the crop halved by hand."""
    crops = noise(2)
    halves = crops.reshape(2, 112, 2, 112, 2, 3).astype(float).sum(axis=(2, 4))
    small = np.floor(halves / 4 + 0.5)  # the mean of 2x2 pixels; OpenCV rounds half up
    with torch.inference_mode():
        expected = ir101(torch.tensor((small / 255 - 0.5) / 0.5, dtype=torch.float32).permute(0, 3, 1, 2)).numpy()
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(curricular.embed(crops), expected, atol=1e-4)


def test_channels_keep_their_order(curricular):
    crops = noise(1)
    swapped = curricular.embed(crops[..., ::-1].copy())
    assert float((swapped * curricular.embed(crops)).sum()) < 0.999


@pytest.mark.parametrize("bad", [np.zeros((1, 112, 112, 3), np.uint8), np.zeros((1, 224, 224, 3), np.float32)])
def test_what_is_no_crop_is_refused(curricular, bad):
    with pytest.raises(ValueError, match="crops are uint8"):
        curricular.embed(bad)


def test_activations_do_not_depend_on_the_batch(face_inception):
    crops = noise(18)
    together = face_inception.embed(crops)
    assert together.shape == (18, face_inception.dimension) == (18, 2048)
    largest = np.abs(together).max()
    for chosen in ([0], [17], [5, 3, 17]):
        assert np.abs(face_inception.embed(crops[chosen]) - together[chosen]).max() <= 1e-5 * largest
    assert face_inception.embed(crops[:0]).shape == (0, 2048)


def test_a_crop_is_shown_to_the_inception_as_torchvision_does(tmp_path):
    """Grey 0.5 becomes c * 0.229 / 0.5 + (0.485 - 0.5) / 0.5 and so on; a fine pattern becomes grey (antialias)."""
    path = write_checkpoint(tmp_path / "inception.pth", random_inception(kind=ImageNetInception), ImageNetInception)
    network = ImageNetInception(path)
    grey = network.prepare(np.full((224, 224, 3), 51, np.uint8))
    assert grey.shape == (3, 299, 299)
    assert grey.dtype == torch.float32
    # 51 / 255 = 0.2: 0.2 * 0.458 - 0.03; 0.2 * 0.448 - 0.088; 0.2 * 0.45 - 0.188
    expected = torch.tensor([0.0616, 0.0016, -0.098])[:, None, None].expand(3, 299, 299)
    torch.testing.assert_close(grey, expected, atol=1e-6, rtol=0)
    board = np.indices((598, 598)).sum(axis=0) % 2 * 255
    flat = network.prepare(np.repeat(board[:, :, None], 3, axis=2).astype(np.uint8))
    assert float(flat[0].std()) < 0.05
    with pytest.raises(ValueError, match="a frame is uint8"):
        network.prepare(np.zeros((4, 4), np.uint8))


# --- checkpoints -------------------------------------------------------------------------------------------------


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def __reduce__(self):
        return Path.touch, (self._target,)


@pytest.mark.parametrize("kind", [CurricularFace, ImageNetInception])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_that_runs_code_is_refused_and_does_not_run(tmp_path, kind, zipped):
    target, path = tmp_path / "executed", tmp_path / "network.bin"
    torch.save({"x": Evil(target)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match="could run code"):
        kind(path)
    assert not target.exists()
    torch.load(path, weights_only=False)  # the file does what the test believes
    assert target.exists()


def test_another_networks_checkpoint_is_told(tmp_path):
    path = write_checkpoint(tmp_path / "inception.pth", random_inception(kind=ImageNetInception), ImageNetInception)
    with pytest.raises(WeightsError, match=r"doesn't fit the network IR101.*missing: input_layer\.0\.weight"):
        CurricularFace(path)


def test_safetensors_and_counters_are_no_difference(curricular, ir101, tmp_path):
    state = {name: tensor.contiguous() for name, tensor in ir101.state_dict().items()}
    assert any("num_batches_tracked" in name for name in state)
    save_file(state, tmp_path / "ir101.safetensors")
    crops = noise(1)
    assert np.array_equal(CurricularFace(tmp_path / "ir101.safetensors").embed(crops), curricular.embed(crops))


def test_ir101_has_the_published_files_tensors():
    """Names as in TFace, 100 weighted layers on the main path, and about 261 MB of float32."""
    state = state_of(IR101())
    assert {
        "input_layer.0.weight",
        "input_layer.2.weight",
        "output_layer.3.weight",
        "output_layer.4.running_var",
    } <= set(state)
    assert "output_layer.4.weight" not in state, "the last normalisation has no weights"
    units = {int(name.split(".")[1]) for name in state if name.startswith("body.")}
    assert units == set(range(49))
    with_shortcut = {name.split(".")[1] for name in state if ".shortcut_layer.0" in name}
    assert with_shortcut == {"3", "16", "46"}
    assert 1 + 2 * len(units) + 1 == 100
    assert abs(4 * sum(tensor.numel() for tensor in state.values()) / 1e6 - 261) < 0.5
