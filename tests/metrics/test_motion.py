"""Flicker, OpenS2V's amplitude and optical flow, against other implementations and videos whose motion is known."""

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from evalkit.metrics.base import FeatureData, VideoInputs, VideoValue, metric_registry
from evalkit.metrics.features.base import Arrays, FeatureUnavailableError, Item, feature_registry

Picture = NDArray[np.uint8]


def run(feature: str, frames: Sequence[Picture], fps: float = 25.0) -> Arrays:
    """Give the frames to the feature's session as decoding does."""
    session = feature_registry()[feature]({}).open(Item("s", None), {})  # type: ignore[arg-type]
    times = np.arange(len(frames)) / fps
    wanted = session.plan(times)  # type: ignore[union-attr]
    for index in np.flatnonzero(wanted):
        session.frame(int(index), float(times[index]), frames[index])  # type: ignore[union-attr]
    return session.finish()


def score(metric: str, arrays: Arrays) -> VideoValue:
    found = metric_registry()[metric]
    return found.score_video(VideoInputs("s", {found.record.features[0]: FeatureData(arrays)}))


def value(metric: str, frames: Sequence[Picture], fps: float = 25.0) -> float:
    outcome = score(metric, run(metric_registry()[metric].record.features[0], frames, fps))
    assert outcome.value is not None, outcome.reason
    return outcome.value


def texture(seed: int, height: int = 240, width: int = 320) -> Picture:
    noise = cv2.GaussianBlur(np.random.default_rng(seed).normal(size=(height, width, 3)), (0, 0), 3)
    return np.clip(128 + 50 * noise / noise.std(), 0, 255).astype(np.uint8)


def sliding(pixels: float, count: int = 8, seed: int = 0) -> list[Picture]:
    """A texture that moves to the right by so many pixels a frame, cut from a larger one."""
    large = texture(seed, 240, 320 + 200)
    frames = []
    for index in range(count):
        matrix = np.array([[1, 0, -100 + pixels * index], [0, 1, 0]], np.float64)
        frames.append(np.asarray(cv2.warpAffine(large, matrix, (320, 240), flags=cv2.INTER_CUBIC), np.uint8))
    return frames


def test_flicker_by_hand() -> None:
    frames = [np.array([[color]], np.uint8) for color in ((0, 0, 0), (30, 20, 10), (0, 20, 10))]
    # (10 + 20 + 30) / 3 = 20 and 30 / 3 = 10; mean 15; (255 - 15) / 255
    assert value("temporal.flicker", frames) == pytest.approx(240 / 255, abs=1e-15)
    assert value("temporal.flicker", frames) == pytest.approx(0.9411764706, abs=1e-10)


def test_flicker_as_vbench_computes_it() -> None:
    frames = [texture(seed) for seed in range(4)]
    differences = [np.mean(cv2.absdiff(np.float32(a), np.float32(b))) for a, b in pairwise(frames)]
    expected = (255.0 - np.mean(differences).item()) / 255.0
    assert value("temporal.flicker", frames) == pytest.approx(expected, rel=1e-6)


def test_a_still_picture_has_no_flicker_and_no_motion() -> None:
    still = [texture(1)] * 5
    assert value("temporal.flicker", still) == 1.0
    assert value("motion.flow", still) == 0.0
    assert value("motion.opens2v_amplitude", still) == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("sizes", [[0, 1, 2, 4, 8]])
def test_flicker_grows_with_the_size_of_the_fault(sizes: list[int]) -> None:
    for seed in (1, 2, 3):
        found = []
        for size in sizes:
            draw = np.random.default_rng(seed)
            lights = draw.normal(size=12)
            frames = [np.clip(texture(seed) + size * light, 0, 255).astype(np.uint8) for light in lights]
            found.append(value("temporal.flicker", frames))
        assert found == sorted(found, reverse=True)
        assert len(set(found)) == len(sizes)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_motion_is_the_speed_in_frame_heights(seed: int) -> None:
    for pixels in (0.5, 1, 2, 4):
        # 12.5 frames a second of 25: two frames' way in 0.08 s
        expected = pixels * 25 / 240
        assert value("motion.flow", sliding(pixels, 9, seed)) == pytest.approx(expected, rel=0.1)


def test_motion_does_not_depend_on_the_size_or_the_frame_rate() -> None:
    slow = sliding(1, 17)
    speed = value("motion.flow", slow)
    assert value("motion.flow", slow, fps=50) == pytest.approx(2 * speed, rel=0.1)
    large = [np.asarray(cv2.resize(frame, (1280, 960), interpolation=cv2.INTER_CUBIC), np.uint8) for frame in slow]
    assert value("motion.flow", large) == pytest.approx(speed, rel=0.1)


def test_motion_is_a_median_over_time() -> None:
    cut = [*sliding(1, 8, 1), *sliding(1, 8, 2)]
    assert value("motion.flow", cut) == pytest.approx(value("motion.flow", sliding(1, 8, 1)), rel=0.2)
    arrays = {
        "seconds": np.array([0.08, 0.0, 0.08, 0.16]),
        "mean": np.array([0.08, 9.0, 0.16, 0.16]),
        "p95": np.zeros(4),
    }
    assert score("motion.flow", arrays) == VideoValue(1.0)
    assert score("motion.flow", {**arrays, "seconds": np.zeros(4)}).reason == "no_time"


def opens2v(frames: Sequence[Picture]) -> float:
    """Write down OpenS2V's get_motionscore.py again, with all maps in memory."""
    greys = [cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) for frame in frames]
    maps = []
    for before, after in pairwise(greys):
        flow = cv2.calcOpticalFlowFarneback(before, after, None, 0.5, 3, 15, 3, 5, 1.2, 0)  # type: ignore[call-overload]
        height = int(flow.shape[0] * (16 / flow.shape[1]))
        maps.append(cv2.resize(flow, (16, height), interpolation=cv2.INTER_AREA))
    return abs(float(np.mean(np.mean(np.array(maps), axis=0))))


@pytest.mark.parametrize(("pixels", "seed"), [(0.0, 1), (1.0, 2), (3.0, 3)])
def test_amplitude_equals_the_script_to_the_last_bit(pixels: float, seed: int) -> None:
    frames = sliding(pixels, 6, seed)
    assert value("motion.opens2v_amplitude", frames) == opens2v(frames)


def test_amplitude_of_motion_to_and_fro_cancels_itself() -> None:
    there = sliding(2, 6)
    way = value("motion.opens2v_amplitude", there)
    assert way > 0.5
    assert value("motion.opens2v_amplitude", [*there, *there[-2::-1]]) < 0.2 * way
    assert value("motion.flow", [*there, *there[-2::-1]]) > 0.1


def test_red_and_blue_change_places_in_the_amplitude() -> None:
    """Grey as the script makes it: blue moves the flow as red should."""
    frames = sliding(2, 5)
    only_blue = [frame * np.array([0, 0, 1], np.uint8) for frame in frames]
    only_red = [np.ascontiguousarray(frame[..., ::-1]) for frame in only_blue]
    assert value("motion.opens2v_amplitude", only_blue) == opens2v(only_blue) != opens2v(only_red)


@pytest.mark.parametrize("metric", ["temporal.flicker", "motion.flow", "motion.opens2v_amplitude"])
def test_one_frame_has_no_step(metric: str) -> None:
    feature = metric_registry()[metric].record.features[0]
    for count, reason in ((0, "no_frame"), (1, "too_few_frames")):
        with pytest.raises(FeatureUnavailableError, match=reason):
            run(feature, [texture(1)] * count)
    with pytest.raises(FeatureUnavailableError, match="size_changes"):
        run(feature, [texture(1), texture(1), texture(1, 120, 160), texture(1, 120, 160)])


@pytest.mark.parametrize(
    ("feature", "shape", "reason"),
    [("dis_flow", (8, 200), "frame_too_small"), ("farneback_flow", (4, 200), "frame_too_wide")],
)
def test_shapes_without_flow(feature: str, shape: tuple[int, int], reason: str) -> None:
    with pytest.raises(FeatureUnavailableError, match=reason):
        run(feature, [texture(1, *shape)] * 3)
