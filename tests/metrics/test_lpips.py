"""LPIPS against the package of its authors, arithmetic by hand, and pictures whose fault has a size."""

import json
import subprocess
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from evalkit.errors import WeightsError
from evalkit.metrics.base import FeatureData, VideoInputs, metric_registry
from evalkit.metrics.features.base import FeatureUnavailableError, Item, PairCoverage, WeightFile, feature_registry
from evalkit.metrics.networks.lpips import Features, Heads, Lpips
from evalkit.metrics.quality.pixels import resize_to

ORACLE = Path(__file__).parent.parent / "oracles" / "lpips_reference.py"
BACKBONES = pytest.mark.parametrize("backbone", ["alex", "vgg"])


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def texture(seed, height=96, width=128):
    """Coarse and fine structure in colour."""
    rng = np.random.default_rng(seed)
    parts = [cv2.GaussianBlur(rng.normal(size=(height, width, 3)), (0, 0), size) for size in (0.7, 3, 9)]
    return pixels(128 + 30 * sum(part / part.std() for part in parts))


def pixels(values):
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def write_network(folder, backbone):
    """A checkpoint as torchvision's in names and shapes, of He's initialisation, so that nothing fades."""
    torch.manual_seed(7)
    network = Features(backbone)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
            nn.init.normal_(module.bias, std=0.1)
    path = folder / f"{backbone}.pth"
    torch.save({**network.state_dict(), "classifier.6.bias": torch.zeros(1000)}, path)
    return path


def write_heads(folder, backbone):
    torch.manual_seed(8)
    heads = {name: torch.rand_like(weight) for name, weight in Heads(backbone).state_dict().items()}
    torch.save(heads, folder / f"heads_{backbone}.pth")
    return folder / f"heads_{backbone}.pth"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lpips")
    return {name: (write_network(folder, name), write_heads(folder, name)) for name in ("alex", "vgg")}


@pytest.fixture(scope="module")
def alex(files):
    return Lpips("alex", *files["alex"])


# --- the authors' package ---------------------------------------------------------------------------------------------


def pairs():
    """Pictures of four sizes, odd ones too, each with itself blurred, noisy, shifted in colour, or another one."""
    noise = np.random.default_rng(3).normal(scale=25, size=(64, 64, 3))
    first = [texture(1, 64, 64), texture(2, 97, 131), texture(3, 120, 80), texture(4, 75, 101)]
    second = [
        pixels(first[0] + noise),
        cv2.GaussianBlur(first[1], (0, 0), 1.5),
        pixels(first[2] * np.array([1.1, 1.0, 0.8])),
        texture(5, 75, 101),
    ]
    return list(zip(first, second, strict=True))


@pytest.fixture(scope="module")
def theirs(files, oracle_python, tmp_path_factory):
    folder = tmp_path_factory.mktemp("oracle")
    arrays = {f"{side}{n}": one for n, pair in enumerate(pairs()) for side, one in zip("ab", pair, strict=True)}
    np.savez(folder / "pictures.npz", **arrays)
    job = {"pictures": str(folder / "pictures.npz"), **{name: str(paths[0]) for name, paths in files.items()}}
    (folder / "job.json").write_text(json.dumps(job))
    command = [str(oracle_python), str(ORACLE), str(folder / "job.json"), str(folder / "result.npz")]
    subprocess.run(command, check=True, timeout=300)
    with np.load(folder / "result.npz") as result:
        return dict(result)


@pytest.mark.shared
@pytest.mark.oracles
@BACKBONES
def test_distances_are_the_packages(shared, files, theirs, backbone):
    network = Lpips(backbone, files[backbone][0], shared / "weights" / f"lpips_v0.1_{backbone}.pth")
    ours = np.array([network.distance(*pair) for pair in pairs()])
    difference = np.abs(ours - theirs[backbone]).max()
    print(f"{backbone}: {ours}, largest difference {difference:.1e}")
    assert ours.min() > 0.01, "the network tells the pictures apart"
    assert difference <= 1e-6


# --- by hand ----------------------------------------------------------------------------------------------------------


def test_distance_by_hand(files, alex):
    """The same sum, written out with numpy from the activations."""
    first, second = texture(1), texture(2)
    network = Features("alex")
    network.load_state_dict(torch.load(files["alex"][0]), strict=False)
    heads = [weight.numpy().ravel() for weight in torch.load(files["alex"][1]).values()]
    shift, scale = np.array([-0.030, -0.088, -0.188]), np.array([0.458, 0.448, 0.450])
    sides = []
    for picture in (first, second):
        scaled = ((picture / 255 * 2 - 1) - shift) / scale
        with torch.no_grad():
            sides.append(network(torch.tensor(scaled.transpose(2, 0, 1)[None], dtype=torch.float32)))
    total = 0.0
    for one, two, weight in zip(*sides, heads, strict=True):
        a, b = (side[0].double().numpy() for side in (one, two))
        a, b = a / (np.linalg.norm(a, axis=0) + 1e-10), b / (np.linalg.norm(b, axis=0) + 1e-10)
        total += np.mean(np.tensordot(weight.astype(float), (a - b) ** 2, 1))
    assert alex.distance(first, second) == pytest.approx(total, rel=1e-5)
    assert total > 0.1


@BACKBONES
def test_identical_frames_are_0_and_order_does_not_matter(files, backbone):
    network = Lpips(backbone, *files[backbone])
    first, second = texture(1, 48, 64), texture(2, 48, 64)
    assert network.distance(first, first) == 0.0
    assert network.distance(first, second) == pytest.approx(network.distance(second, first), rel=1e-6)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_blur_moves_the_distance_up(alex, seed):
    sharp = texture(seed)
    distances = [alex.distance(cv2.GaussianBlur(sharp, (0, 0), deviation), sharp) for deviation in (1, 2, 4)]
    assert distances[0] > 0
    assert min(np.array(distances[1:]) / distances[:-1]) > 1.1


# --- feature and metric -----------------------------------------------------------------------------------------------


def extract(files, backbone, candidates, references):
    roles = {"alex": ("alexnet", "lpips_alex"), "vgg": ("vgg16", "lpips_vgg")}[backbone]
    weights = {role: WeightFile(role, path, "0" * 64) for role, path in zip(roles, files[backbone], strict=True)}
    session = feature_registry()[f"lpips_{backbone}"](weights).open(Item("s", Path(), reference_video=Path()), {})
    session.begin(PairCoverage(len(references), len(references), 0.0))
    for index, pair in enumerate(zip(candidates, references, strict=True)):
        session.pair(index, *pair)
    return session.finish()


def test_a_video_is_the_mean_over_its_frames_at_the_references_size(files, alex):
    references = [texture(1), texture(2)]
    halves = [cv2.resize(one, (64, 48), interpolation=cv2.INTER_AREA) for one in references]
    arrays = extract(files, "alex", halves, references)
    each = [alex.distance(resize_to(half, 96, 128), one) for half, one in zip(halves, references, strict=True)]
    assert arrays["lpips"].tolist() == each
    outcome = metric_registry()["lpips.alex"].score_video(VideoInputs("s", {"lpips_alex": FeatureData(arrays)}))
    assert outcome.value == pytest.approx(np.mean(each), rel=1e-12)
    assert [event.kind for event in outcome.events] == ["other_size_than_reference"]


def test_small_references_have_no_value(files):
    with pytest.raises(FeatureUnavailableError) as caught:
        extract(files, "vgg", [texture(1, 31, 64)], [texture(1, 31, 64)])
    assert caught.value.reason == "reference_video_too_small"
    assert len(extract(files, "vgg", [texture(1, 32, 32)], [texture(2, 32, 32)])["lpips"]) == 1
    assert extract(files, "alex", [texture(1, 32, 32)], [texture(2, 32, 32)])["lpips"][0] > 0


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ((np.zeros((40, 40, 3), np.uint8), np.zeros((40, 41, 3), np.uint8)), "one size"),
        ((np.zeros((40, 40, 3)), np.zeros((40, 40, 3))), "uint8"),
    ],
)
def test_wrong_pictures_are_refused(alex, pair, words):
    with pytest.raises(ValueError, match=words):
        alex.distance(*pair)


def test_files_of_another_network_are_refused(files):
    opened = partial(Lpips, "alex")
    with pytest.raises(WeightsError, match="Features"):
        opened(files["vgg"][0], files["alex"][1])
    with pytest.raises(WeightsError, match="Heads"):
        opened(files["alex"][0], files["vgg"][1])
    with pytest.raises(WeightsError, match="missing"):
        opened(files["alex"][0].with_name("nowhere.pth"), files["alex"][1])
