"""`timeline.v1` with the bundled network: what it sees of acting puppets, on arrays and through `score`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import evalkit
from evalkit.media.sampling import AtRate
from evalkit.metrics.base import metric_registry
from evalkit.metrics.clip.embeddings import ClipImages, FrameOptions, ImageTextNetwork, open_network
from evalkit.metrics.features.base import WeightFile
from evalkit.metrics.networks.small.inputs import WordNumbers
from evalkit.metrics.timeline.features import RATE, ROLE
from evalkit.reference_models.generation.submission import make_submission
from evalkit.reference_models.puppet import captions
from evalkit.reference_models.puppet.motion import FPS
from evalkit.reference_models.puppet.renderer import PuppetRenderer
from evalkit.reference_models.puppet.scene import Scene
from evalkit.reference_models.puppet.testset import PuppetTestSet, write_puppet_testset
from evalkit.weights.manifest import load_backbones
from evalkit.weights.store import find_weights

Arrays = dict[str, dict[str, NDArray[Any]]]


@pytest.fixture(scope="module")
def network() -> ImageTextNetwork:
    backbones = load_backbones("bundled")
    file = find_weights(backbones, ROLE)
    return open_network(WeightFile(ROLE, file.path, file.sha256, backbones.roles[ROLE].options), "cpu")


def arrays(network: ImageTextNetwork, scene: Scene) -> Arrays:
    """Return the arrays of both features of the scene, of the frames that the feature picks alone."""
    images, renderer = ClipImages(network, FrameOptions(), ROLE), PuppetRenderer(scene.look, scene.size)
    starts = np.arange(len(scene.poses)) / FPS
    picked = np.unique(AtRate(RATE).select(starts))
    vectors = images.embed([images.prepare(renderer.render(scene.poses[at])) for at in picked])
    tokens = WordNumbers().tokens([captions.event_text(action.name) for action in scene.actions])
    times = np.array([(action.start, action.end) for action in scene.actions])
    frames = {"embedding": vectors, "time": starts[picked] + 0.5 / FPS, "length": np.array(scene.seconds)}
    texts = {"embedding": network.embed_texts(tokens.numbers), "time": times, "tokens": tokens.counts}
    return {"timeline_frames": frames, "timeline_events": texts}


def value(name: str, made: Arrays) -> float:
    found = metric_registry()[f"timeline.v1.{name}"].compute(made).value
    assert isinstance(found, float)
    return found


def reordered(made: Arrays, order: NDArray[np.int64] | slice) -> Arrays:
    frames = made["timeline_frames"]
    return {**made, "timeline_frames": {**frames, "embedding": frames["embedding"][order]}}


@pytest.fixture(scope="module")
def people(network: ImageTextNetwork) -> list[Arrays]:
    """Return six people with two, three or four actions in 5 s, in a seed that nothing else uses."""
    scenes = PuppetTestSet(Path("unused"), 777, 6, seconds=5, kind="timeline").scenes()
    return [arrays(network, scene) for scene in scenes.values()]


def test_the_truth_is_ahead_of_what_is_late_reversed_or_frozen(people: list[Arrays]) -> None:
    count = len(people[0]["timeline_frames"]["time"])
    orders: dict[str, NDArray[np.int64] | slice] = {
        "truth": slice(None),
        "late": np.roll(np.arange(count), round(1.25 * RATE)),
        "reversed": slice(None, None, -1),
        "frozen": np.zeros(count, np.int64),
    }
    for name in ("nacc", "tiou", "acc_v2t", "margin", "order"):
        found = {
            kind: np.mean([value(name, reordered(one, order)) for one in people]) for kind, order in orders.items()
        }
        assert found["truth"] > max(found["late"], found["reversed"], found["frozen"]), (name, found)
    assert np.mean([value("nacc", one) for one in people]) > 0.6
    assert np.mean([value("nacc", reordered(one, orders["frozen"])) for one in people]) == pytest.approx(0.0)
    errors = [np.mean([value("boundary_error", reordered(one, order)) for one in people]) for order in orders.values()]
    assert errors[0] < min(errors[1:])


def test_exchanged_texts_are_below_the_truth(people: list[Arrays]) -> None:
    gained = [value("tiou", one) - value("tiou.shuffled", one) for one in people]
    assert np.mean(gained) > 0.2
    for one in people:
        events = one["timeline_events"]
        wrong = {**one, "timeline_events": {**events, "embedding": np.roll(events["embedding"], 1, axis=0)}}
        assert value("margin", wrong) < value("margin", one)


def test_through_the_whole_of_score(network: ImageTextNetwork, tmp_path: Path) -> None:
    """The real video has the values of its frames before they were encoded."""
    puppets = PuppetTestSet(tmp_path / "w", 777, 1, seconds=2.0, actions=2, kind="timeline")
    world, path = write_puppet_testset(puppets), tmp_path / "truth.zip"
    done = make_submission("truth", world, path, workers=1, backbones="bundled", with_speed=False)
    assert done.failures == {}
    names = ("nacc", "tiou", "order", "margin", "tiou.frozen")
    card = evalkit.score(
        path, "talking-head", world, metrics=[f"timeline.v1.{name}" for name in names], backbones="bundled",
        workers=1, cache=tmp_path / "cache",
    )  # fmt: skip
    (scene,) = puppets.scenes().values()
    before = arrays(network, scene)
    for name in names:
        score = card.metrics[f"timeline.v1.{name}"]
        assert (score.reason, score.n) == (None, 1)
        assert score.value == pytest.approx(value(name, before), abs=0.05), name
    assert value("nacc", before) == value("order", before) == 1.0
    file = find_weights(load_backbones("bundled"), ROLE)
    assert file.path.name == "actions.safetensors"
    assert card.provenance["weights"][ROLE]["sha256"] == file.sha256
