"""Events at their times: the arithmetic by hand, a search by brute force, planted videos, and both features."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from evalkit.media.sampling import AtRate
from evalkit.metrics.base import VideoValue, metric_registry
from evalkit.metrics.features.base import FeatureUnavailableError, Item, WeightFile
from evalkit.metrics.timeline import arithmetic
from evalkit.metrics.timeline.features import TimelineEventsExtractor, TimelineFrameSession
from evalkit.weights.manifest import load_backbones
from evalkit.weights.store import find_weights

S = np.array([[0.30, 0.22, 0.20], [0.24, 0.27, 0.26], [0.18, 0.25, 0.28]])
WORSE = np.array([S[0], [0.29, 0.27, 0.26], S[2]])


def test_published_check_values_of_a_matrix():
    assert 100 * np.diag(S).mean() == pytest.approx(28.333333, abs=1e-6)
    assert (arithmetic.text_accuracy(S), arithmetic.segment_accuracy(S)) == (1.0, 1.0)
    assert arithmetic.margins(S) == pytest.approx((0.058333333, 0.04), abs=1e-9)
    assert arithmetic.text_accuracy(WORSE) == pytest.approx(2 / 3)
    assert arithmetic.margins(WORSE)[1] == pytest.approx(0.03)


def planted() -> NDArray[np.float64]:
    r = np.random.RandomState(0)  # the check value is of this generator
    scores = 0.2 + 0.02 * r.randn(24, 3)
    scores[:9, 0] += 0.08
    scores[9:14, 1] += 0.08
    scores[14:, 2] += 0.08
    return scores


def test_the_cut_of_the_check_value():
    starts, ends = np.array([0.0, 8, 16]), np.array([8.0, 16, 24])
    found = arithmetic.locate(planted(), np.arange(25.0), starts, ends)
    assert found.starts.tolist() == [0, 9, 14]
    assert found.ends.tolist() == [9, 14, 24]
    assert found.total == pytest.approx(6.866318294397335, abs=1e-12)
    assert arithmetic.overlaps(found, starts, ends) == pytest.approx([8 / 9, 0.625, 0.8])
    assert arithmetic.boundary_error(found, starts, ends) == pytest.approx((0 + 1 + 1 + 2 + 2 + 0) / 6)


@pytest.mark.parametrize("seed", range(20))
def test_the_cut_is_the_best_of_all(seed):
    """Against every cut there is, with and without parts that show no event."""
    rng = np.random.default_rng(seed)
    frames, events = int(rng.integers(4, 9)), int(rng.integers(1, 4))
    scores, edges = rng.normal(size=(frames, events)), np.arange(frames + 1.0)
    gaps = seed % 2 == 1  # one second before each event and after the last
    starts = np.arange(events) * 2.0 + gaps
    ends = starts + (1.0 if gaps else 2.0)
    if not gaps:
        ends[-1] = frames
    found = arithmetic.locate(scores, edges, starts, ends)
    best = -np.inf
    if gaps:
        places = range(frames + 1)
        for cut in combinations([place for place in places for _ in (0, 1)], 2 * events):
            if all(cut[2 * at] < cut[2 * at + 1] for at in range(events)) and list(cut) == sorted(cut):
                best = max(best, sum(scores[cut[2 * at] : cut[2 * at + 1], at].sum() for at in range(events)))
    else:
        for inner in combinations(range(1, frames), events - 1):
            cut = [0, *inner, frames]
            best = max(best, sum(scores[cut[at] : cut[at + 1], at].sum() for at in range(events)))
    assert found.total == pytest.approx(best)
    total = sum(
        scores[int(a) : int(b), at].sum() for at, (a, b) in enumerate(zip(found.starts, found.ends, strict=True))
    )
    assert total == pytest.approx(found.total)
    assert (found.ends > found.starts).all()


def test_segments_are_shrunk_unless_too_little_is_left():
    times = (np.arange(40) + 0.5) / 8  # 5 s
    starts, ends = np.array([0.0, 4.0, 4.7]), np.array([4.0, 4.7, 5.0])
    whole = arithmetic.segments(times, starts, ends, shrink=False).sum(axis=1)
    inner = arithmetic.segments(times, starts, ends, shrink=True)
    assert whole.tolist() == [32, 6, 2]
    # 0.25 s of the first, a tenth (0.07 s) of the second; of the third one frame would be left.
    assert inner.sum(axis=1).tolist() == [28, 4, 2]
    assert times[inner[0]].min() > 0.25
    assert times[inner[0]].max() < 3.75


def test_ties_are_shared_and_gaps_are_wrong():
    assert arithmetic.text_accuracy(np.full((4, 4), 0.2)) == 0.25
    assert arithmetic.above_chance(0.25, 4) == 0.0
    assert arithmetic.above_chance(1.0, 4) == 1.0
    gap = S.copy()
    gap[2] = np.nan
    assert arithmetic.text_accuracy(gap) == pytest.approx(2 / 3)
    assert arithmetic.segment_accuracy(gap) == pytest.approx(2 / 3)


def test_order_by_hand():
    times = np.arange(30) / 8
    scores = np.zeros((30, 3))
    scores[5, 0] = scores[15, 1] = scores[25, 2] = 1.0
    assert arithmetic.order(scores, times) == 1.0
    assert arithmetic.order(scores[:, ::-1], times) == -1.0
    assert arithmetic.order(scores[:, [1, 0, 2]], times) == pytest.approx(1 / 3)
    assert arithmetic.order(np.zeros((30, 3)), times) == 0.0


# --- planted videos ----------------------------------------------------------------------------------------------

LENGTH, EVENTS, SIZE = 6.0, 3, 24
NAMES = [name for name in metric_registry() if name.startswith("timeline.v1.")]


def arrays(shown: NDArray[np.float64], *, noise: float, seed: int, length: float = LENGTH, events: int = EVENTS):
    """Return the features of a video that shows event ``j`` from ``shown[j]`` to ``shown[j + 1]``."""
    rng = np.random.default_rng(seed)
    texts = np.eye(events, SIZE) + 0.5  # as CLIP's, they have much in common
    times = (np.arange(round(length * 8)) + 0.5) / 8
    at = np.clip(np.searchsorted(shown, times, side="right") - 1, 0, events - 1)
    frames = texts[at] + noise * rng.normal(size=(len(times), SIZE))
    edges = np.linspace(0, LENGTH, events + 1)
    return {
        "timeline_frames": {"embedding": frames.astype(np.float32), "time": times, "length": np.array(length)},
        "timeline_events": {
            "embedding": texts.astype(np.float32),
            "tokens": np.full(events, 5),
            "time": np.stack([edges[:-1], edges[1:]], axis=1),
        },
    }


def score(name: str, made) -> VideoValue:
    metric = metric_registry()[f"timeline.v1.{name}"]
    return metric.compute({part: made[part] for part in metric.record.features})


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_video_on_time_is_better_than_a_late_one_and_that_than_a_reversed_one(seed):
    on_time = np.array([0.0, 2.0, 4.0])
    videos = {
        "truth": arrays(on_time, noise=0.1, seed=seed),
        "half a second late": arrays(np.array([0.0, 2.5, 4.5]), noise=0.1, seed=seed),
        "one second late": arrays(np.array([0.0, 3.0, 5.0]), noise=0.1, seed=seed),
    }
    tiou = [score("tiou", made).value for made in videos.values()]
    assert tiou == sorted(tiou, reverse=True)
    assert tiou[0] > 0.95
    error = [score("boundary_error", made).value for made in videos.values()]
    # Both ends of two inner boundaries of six are late.
    assert error == pytest.approx([0.0, 4 * 0.5 / 6, 4 * 1.0 / 6], abs=0.05)
    margin = [score("margin", made).value for made in videos.values()]
    assert margin == sorted(margin, reverse=True)
    truth = videos["truth"]
    assert {name: score(name, truth).value for name in ("nacc", "acc_t2v", "acc_v2t", "r50", "order")} == {
        "nacc": 1.0,
        "acc_t2v": 1.0,
        "acc_v2t": 1.0,
        "r50": 1.0,
        "order": 1.0,
    }
    assert score("tiou.shuffled", truth).value < tiou[0] - 0.3
    reversed_ = {**truth, "timeline_frames": dict(truth["timeline_frames"])}
    reversed_["timeline_frames"]["embedding"] = truth["timeline_frames"]["embedding"][::-1]
    assert score("nacc", reversed_).value == pytest.approx((1 / 3 - 1 / 3) / (1 - 1 / 3))  # the middle one is right
    assert score("order", reversed_).value == -1.0
    assert score("tiou", reversed_).value < tiou[0] - 0.3  # the cut keeps the order, and with it what it can


@pytest.mark.parametrize("events", [2, 3, 5])
def test_a_frozen_video_is_at_chance_whatever_the_number_of_events(events):
    made = arrays(np.array([0.0] + [99.0] * (events - 1)), noise=0.0, seed=1, events=events)
    assert score("acc_t2v", made).value == pytest.approx(1 / events)  # the first event throughout
    assert score("nacc", made).value == pytest.approx(0.0)
    still = made["timeline_frames"]["embedding"]
    made["timeline_frames"]["embedding"] = np.tile(made["timeline_events"]["embedding"].mean(axis=0), (len(still), 1))
    assert score("acc_t2v", made).value == pytest.approx(1 / events)
    assert score("nacc", made).value == pytest.approx(0.0)
    assert score("order", made).value == 0.0
    assert score("tiou.frozen", made).value == pytest.approx(1.0)  # the events asked for divide the video evenly


def test_what_has_no_value():
    one = arrays(np.array([0.0]), noise=0.1, seed=1, events=1)
    assert score("vtm", one).value > 50
    for name in NAMES:
        if not name.endswith(".vtm"):
            assert score(name.removeprefix("timeline.v1."), one).reason == "too_few_events", name
    # Two seconds less: the last event never comes.
    short = arrays(np.array([0.0, 2.0, 4.0]), noise=0.1, seed=1, length=4.0)
    assert [score(name, short).reason for name in ("vtm", "margin", "hard_margin")] == ["events_missed"] * 3
    assert score("acc_t2v", short).value == pytest.approx(2 / 3)
    assert score("tiou", short).value == pytest.approx(2 / 3, abs=0.03)
    assert score("boundary_error", short).value == pytest.approx((0 + 2) / 6, abs=0.05)
    few = arrays(np.array([0.0, 2.0, 4.0]), noise=0.1, seed=1, length=0.25)
    assert score("tiou", few).reason == "too_few_frames"


def test_a_text_that_was_cut_is_an_event():
    made = arrays(np.array([0.0, 2.0, 4.0]), noise=0.1, seed=1)
    made["timeline_events"]["tokens"] = np.array([5, 90, 100])
    assert [event.kind for event in score("nacc", made).events] == ["text_truncated"]


# --- features ----------------------------------------------------------------------------------------------------


class Pictures:
    """Stands for the network: a frame's vector is its colour."""

    def prepare(self, rgb):
        return rgb

    def embed(self, squares):
        return np.stack([square.reshape(-1, 3).mean(axis=0) for square in squares]).astype(np.float32)


@pytest.mark.parametrize(
    ("rate", "count", "expected"),
    [
        (25.0, 50, [0.02, 0.14, 0.26]),  # frames 0, 3, 6 of 25 a second
        (4.0, 8, [0.125, 0.375, 0.625]),  # two ticks show each frame: it counts once
    ],
)
def test_frames_count_once_at_the_middle_of_their_display(rate, count, expected):
    session = TimelineFrameSession(Pictures(), AtRate(8.0), array="embedding")
    times = 1.5 + np.arange(count) / rate  # the container's clock need not begin at 0
    mask = session.plan(times)
    for index in np.flatnonzero(mask):
        session.frame(int(index), float(times[index]), np.full((2, 2, 3), index, np.uint8))
    found = session.finish()
    assert found["time"][:3] == pytest.approx(expected)
    assert len(found["embedding"]) == len(found["time"]) == mask.sum()
    assert float(found["length"]) == pytest.approx(count / rate)


def events_of(item: Item):
    """Return the arrays of the events, by the bundled network."""
    backbones = load_backbones("bundled")
    weights = {}
    for role in TimelineEventsExtractor.record.weights:
        file = find_weights(backbones, role)
        weights[role] = WeightFile(role, file.path, file.sha256, backbones.roles[role].options)
    return TimelineEventsExtractor(weights).open(item, {}).finish()


def test_events_come_in_the_order_of_their_starts():
    timeline = ((2.0, 4.0, "nods"), (0.0, 2.0, "shakes the head"))
    found = events_of(Item("s", Path("v.mp4"), timeline=timeline))
    assert found["time"].tolist() == [[0.0, 2.0], [2.0, 4.0]]
    swapped = events_of(Item("s", Path("v.mp4"), timeline=timeline[::-1]))
    assert np.array_equal(found["embedding"], swapped["embedding"])
    assert not np.allclose(found["embedding"][0], found["embedding"][1])
    with pytest.raises(FeatureUnavailableError, match="no_timeline"):
        events_of(Item("s", Path("v.mp4")))
