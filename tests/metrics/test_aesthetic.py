"""LAION's predictors of aesthetics against PyTorch's layers, and from CLIP's vectors to a video's number."""

import numpy as np
import pytest
import torch
from torch import nn

from evalkit.errors import WeightsError
from evalkit.metrics.base import FeatureData, VideoInputs, metric_registry
from evalkit.metrics.embeddings.frames import FrameSession
from evalkit.metrics.features.base import FeatureUnavailableError, Item, WeightFile, feature_registry
from evalkit.metrics.networks.aesthetic import AestheticHead


def linear():
    return nn.Linear(768, 1)


def improved():
    """As the authors build it, dropout included."""
    return nn.Sequential(
        *(nn.Linear(768, 1024), nn.Dropout(0.2)),
        *(nn.Linear(1024, 128), nn.Dropout(0.2)),
        *(nn.Linear(128, 64), nn.Dropout(0.1)),
        *(nn.Linear(64, 16), nn.Linear(16, 1)),
    ).eval()


def write(folder, kind):
    """A random predictor and its file, with the published names."""
    torch.manual_seed(11)
    network = linear() if kind == "linear" else improved()
    prefix = "" if kind == "linear" else "layers."
    path = folder / f"{kind}.pth"
    torch.save({prefix + name: value for name, value in network.state_dict().items()}, path)
    return network, path


def vectors(count=5):
    return np.random.default_rng(1).normal(size=(count, 768)).astype(np.float32)


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_scores_are_those_of_the_published_layers(tmp_path, kind):
    network, path = write(tmp_path, kind)
    units = vectors() / np.linalg.norm(vectors(), axis=1, keepdims=True)
    with torch.no_grad():
        theirs = network.double()(torch.tensor(units, dtype=torch.float64)).numpy()[:, 0]
    ours = AestheticHead(kind, path).score(units.astype(np.float64))
    assert ours.shape == (5,)
    assert np.ptp(theirs) > 0.001, "the predictor tells the vectors apart"
    assert ours.tolist() == pytest.approx(theirs.tolist(), rel=1e-12)


def test_a_score_by_hand(tmp_path):
    """One number of the vector counts three times, and two are added."""
    weight = torch.zeros(1, 768)
    weight[0, 5] = 3.0
    torch.save({"weight": weight, "bias": torch.tensor([2.0])}, tmp_path / "toy.pth")
    unit = np.zeros((1, 768))
    unit[0, 4:6] = 0.8, 0.6
    assert AestheticHead("linear", tmp_path / "toy.pth").score(unit)[0] == pytest.approx(3 * 0.6 + 2)


def test_other_files_and_vectors_are_refused(tmp_path):
    path = write(tmp_path, "linear")[1]
    with pytest.raises(WeightsError, match="Mlp"):
        AestheticHead("mlp", path)
    with pytest.raises(WeightsError, match="missing"):
        AestheticHead("linear", tmp_path / "nowhere.pth")
    with pytest.raises(ValueError, match="768"):
        AestheticHead("linear", path).score(np.ones((1, 512)))


# --- feature and metric -----------------------------------------------------------------------------------------------


class Numbered:
    """In place of CLIP: a frame's vector is that of the number in its first pixel."""

    def prepare(self, rgb):
        return int(rgb[0, 0, 0])

    def embed(self, numbers):
        return 7 * vectors(3)[numbers]


class First:
    """Picks the first of three frames twice."""

    def select(self, times):
        return np.array([0, 0, 1, 2])


def ended_session():
    """The session of CLIP's vectors after its own end, as the next feature finds it."""
    session = FrameSession(Numbered(), First(), array="embedding")
    session.plan(np.arange(3) / 25)
    for index in range(3):
        session.frame(index, index / 25, np.full((4, 4, 3), index, np.uint8))
    session.finish()
    return session


def extract(path, name, upstream):
    extractor = feature_registry()[name]({name: WeightFile(name, path, "0" * 64)})
    session = extractor.open(Item("s", None), {"clip_frames_l14": upstream})
    assert not session.plan(np.arange(9) / 25).any()
    return session.finish()


@pytest.mark.parametrize(("kind", "divisor"), [("linear", 10), ("mlp", 1)])
def test_a_video_is_the_mean_over_its_picks(tmp_path, kind, divisor):
    """Three frames, the first of which was picked twice; the same from a session and from what was stored."""
    path = write(tmp_path, kind)[1]
    clip = {"embedding": 7 * vectors(3), "row": np.array([0, 0, 1, 2])}
    arrays = extract(path, f"aesthetic_{kind}", clip)
    again = extract(path, f"aesthetic_{kind}", ended_session())
    assert {name: array.tolist() for name, array in arrays.items()} == {n: a.tolist() for n, a in again.items()}
    units = vectors(3).astype(np.float64)
    each = AestheticHead(kind, path).score(units / np.linalg.norm(units, axis=1, keepdims=True))
    assert arrays["score"] == pytest.approx(each, rel=1e-6)
    video = VideoInputs("s", {f"aesthetic_{kind}": FeatureData(arrays)})
    outcome = metric_registry()[f"aesthetic.laion_{kind}"].score_video(video)
    assert outcome.value == pytest.approx((2 * each[0] + each[1] + each[2]) / 4 / divisor, rel=1e-6)


@pytest.mark.parametrize("bad", [0.0, np.nan])
def test_a_vector_without_a_direction_is_a_reason(tmp_path, bad):
    clip = {"embedding": np.vstack([vectors(1), np.full((1, 768), bad, np.float32)]), "row": np.array([0, 1])}
    with pytest.raises(FeatureUnavailableError) as caught:
        extract(write(tmp_path, "linear")[1], "aesthetic_linear", clip)
    assert caught.value.reason == "embedding_unusable"
