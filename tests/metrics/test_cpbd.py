"""CPBD against the Python package, arithmetic by hand, and pictures whose fault has a size."""

import math
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from evalkit.metrics.base import FeatureData, VideoInputs, metric_registry
from evalkit.metrics.features.base import FeatureUnavailableError, feature_registry
from evalkit.metrics.quality.edge_widths import canny, edge_widths, sharpness, vertical_edges
from evalkit.metrics.quality.pixels import matlab_gray

ORACLE = Path(__file__).parent.parent / "oracles" / "cpbd_reference.py"


def shapes(seed, height=160, width=192):
    """Grey rectangles over one another, with a little noise: sharp edges of all contrasts."""
    rng = np.random.default_rng(seed)
    picture = np.full((height, width), 128.0)
    for _ in range(40):
        top, left = rng.integers(0, height - 8), rng.integers(0, width - 8)
        picture[top : top + rng.integers(8, 60), left : left + rng.integers(8, 60)] = rng.uniform(0, 255)
    return picture + rng.normal(0, 1, picture.shape)


def pixels(values):
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def blurred(picture, deviation):
    return pixels(cv2.GaussianBlur(picture, (0, 0), deviation) if deviation else picture)


# --- the package ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compared(shared, oracle_python, tmp_path_factory):
    """Pictures by name, and what the package says of them."""
    folder = tmp_path_factory.mktemp("cpbd")
    pictures = {
        "noise": np.random.default_rng(0).integers(0, 256, (130, 200)).astype(np.uint8),
        "flat_half": pixels(np.hstack([np.full((128, 70), 90), np.random.default_rng(1).uniform(0, 60, (128, 70))])),
        **{f"shapes_{deviation}": blurred(shapes(3), deviation) for deviation in (0, 1, 2, 4)},
    }
    for name in ("iqa/I01.BMP", "talking-heads/testset/images/s06.png"):
        with Image.open(shared / "data" / name) as image:
            pictures[Path(name).stem] = matlab_gray(np.asarray(image.convert("RGB")))[:256, :320]
    np.savez(folder / "pictures.npz", **pictures)
    command = [str(oracle_python), str(ORACLE), str(folder / "pictures.npz"), str(folder / "result.npz")]
    subprocess.run(command, check=True, timeout=300)
    with np.load(folder / "result.npz") as result:
        return pictures, dict(result)


@pytest.mark.shared
@pytest.mark.oracles
def test_edges_widths_and_sharpness_are_the_packages(compared):
    pictures, theirs = compared
    largest = 0.0
    for name, gray in pictures.items():
        image = gray.astype(np.float64)
        assert np.array_equal(canny(image), theirs[f"{name}_canny"]), name
        edges = vertical_edges(image)
        assert np.array_equal(edges, theirs[f"{name}_sobel"]), name
        assert np.array_equal(edge_widths(image, edges), theirs[f"{name}_widths"]), name
        found = sharpness(gray)
        assert found.edges > 100
        largest = max(largest, abs(found.share - float(theirs[name])))
    print(f"largest difference {largest:.1e}")
    assert largest <= 1e-14
    assert len({float(theirs[name]) for name in pictures}) >= 7  # blurred by 2 and by 4, nothing is sharp


# --- by hand ----------------------------------------------------------------------------------------------------------


def test_widths_by_hand():
    """In the middle row a rise from 10 over 20, 40, 80 to 90; the edge at 40 begins at the first 10, ends at 90."""
    line = np.array([10, 10, 10, 20, 40, 80, 90, 90, 90], dtype=np.float64)
    image = np.stack([line, line, line])
    image[0, 0] = 9  # some gradient that does not point right
    edges = np.zeros(image.shape, dtype=bool)
    edges[1, 4] = True
    # To the left of 20 one more fall (to 10), to the right of 80 one more rise (to 90): 1 + 1 + 2.
    assert edge_widths(image, edges)[1, 4] == 4
    assert edge_widths(image[:, ::-1], edges)[1, 4] == 4  # falling: the gradient points left
    # At the border nothing is measured.
    edges[:] = False
    edges[0, 4] = edges[1, 0] = True
    assert not edge_widths(image, edges).any()
    # The search ends after 100 steps to each side.
    ramp = np.stack([np.arange(300.0)] * 3)
    ramp[0, 0] = -9
    edges = np.zeros(ramp.shape, dtype=bool)
    edges[1, [150, 3]] = True
    assert edge_widths(ramp, edges)[1, [150, 3]].tolist() == [202, 2 + 100 + 2]


def test_share_by_hand():
    """Stripes, dark and bright, one grey pixel between them: the pixels beside it are level, so every width is 2."""
    line = np.tile(np.repeat([60, 130, 200, 130], [7, 1, 7, 1]), 8)
    stripes = line[None].repeat(128, axis=0).astype(np.uint8)
    found = sharpness(stripes)
    # 1 - exp(-(2/3)^3.6) = 0.21. Fifteen edges, the sixteenth is at the border; 126 rows, without the outermost.
    assert found.share == 1.0
    assert found.edges == 15 * 126
    smooth = sharpness(blurred(stripes.astype(float), 2))
    assert smooth.share == 0.0


def test_a_picture_without_edges_has_no_share():
    found = sharpness(np.full((128, 128), 77, np.uint8))
    assert math.isnan(found.share)
    assert found.edges == 0


@pytest.mark.parametrize(
    "gray", [np.zeros((63, 100), np.uint8), np.zeros((100, 100)), np.zeros((100, 100, 3), np.uint8)]
)
def test_wrong_pictures_are_refused(gray):
    with pytest.raises(ValueError, match="64 pixels on both sides"):
        sharpness(gray)


# --- pictures whose fault has a size ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_blur_moves_the_share_down(seed):
    shares = [sharpness(blurred(shapes(seed), deviation)).share for deviation in (0, 1, 2, 4)]
    assert shares[0] > 0.8
    assert shares[1] < shares[0] - 0.5
    assert shares[1] - 0.01 > shares[2] >= shares[3]


# --- feature and metric -----------------------------------------------------------------------------------------------


def score(**arrays):
    return metric_registry()["iqa.cpbd"].score_video(VideoInputs("s", {"cpbd": FeatureData(arrays)}))


def test_the_feature_and_the_mean():
    session = feature_registry()["cpbd"]({}).open(None, {})
    assert session.plan(np.arange(3) / 25).all()
    frames = [blurred(shapes(5), 0), np.full((160, 192), 9, np.uint8), blurred(shapes(5), 1)]
    for index, gray in enumerate(frames):
        session.frame(index, index / 25, np.stack([gray] * 3, axis=-1))
    arrays = session.finish()
    assert arrays["score"][[0, 2]].tolist() == [sharpness(frames[0]).share, sharpness(frames[2]).share]
    assert math.isnan(arrays["score"][1])
    assert arrays["edges"][1] == 0
    assert score(**arrays).value == pytest.approx(arrays["score"][[0, 2]].mean())
    with pytest.raises(FeatureUnavailableError) as caught:
        session.frame(3, 0.12, np.zeros((63, 192, 3), np.uint8))
    assert (caught.value.reason, caught.value.detail) == ("frame_too_small", "192x63 pixels hold no block of 64x64")


def test_a_video_without_an_edge_is_unscored():
    outcome = score(frame_index=np.arange(2), score=np.full(2, np.nan), edges=np.zeros(2, np.int64))
    assert (outcome.value, outcome.reason) == (None, "no_edge")
