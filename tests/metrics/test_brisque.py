"""BRISQUE against the authors' release run under Octave, libsvm, a naive implementation and arithmetic by hand."""

import csv
import math
from functools import lru_cache

import cv2
import numpy as np
import pytest
from brisque_images import smooth_noise, synthetic
from PIL import Image
from scipy.signal import correlate2d

from evalkit.errors import WeightsError
from evalkit.metrics.base import FeatureData, VideoInputs, metric_registry
from evalkit.metrics.quality.brisque_model import BrisqueModel
from evalkit.metrics.quality.natural_scenes import (
    FlatImageError,
    brisque_features,
    flat_fraction,
    matlab_half,
)
from evalkit.metrics.quality.pixels import matlab_gray

# The release (utlive/BRISQUE 2e2a5ac, MATLAB/brisquescore.m, unchanged) run once under GNU Octave 7.3.0 with
# octave-image 2.14.0 and the programs svm-scale and svm-predict of libsvm 3.24, on the RGB pixels of these images.
# Its own features, taken from brisque_feature.m in the same run, follow for two of them.
OFFICIAL_SCORES = {
    "iqa/goldhill.gif": 8.425621585836552,
    "iqa/goldhill_jpeg.gif": 74.79454587069415,
    "iqa/I01.BMP": 10.259442043954436,
    "iqa/i01_01_5.bmp": 52.32940973673243,
    "talking-heads/testset/images/s06.png": 17.41136532756684,
    "talking-heads/testset/images/s07.png": 30.056286963851107,
    "talking-heads/testset/images/s11.png": 17.01101165813384,
    "talking-heads/testset/images/s17.png": 4.742961412618911,
    "talking-heads/testset/images/s18.png": 29.640793562636986,
}
# No pixel of these is flat, so rounding noise plays no part and everything but the text format must agree to the last
# digits.
STRUCTURED = ("iqa/goldhill.gif", "iqa/I01.BMP", "iqa/i01_01_5.bmp")
# fmt: off
OFFICIAL_FEATURES = {
    "iqa/goldhill.gif": [
        2.572, 0.351036942735, 0.812, 0.051381785179, 0.099038432607, 0.15345482192,
        0.799, 0.047053964548, 0.10510177186, 0.156099896027, 0.815, -0.034980408409,
        0.143155895466, 0.106262034811, 0.834, -0.036980106433, 0.140333646496, 0.10216126586,
        2.743, 0.310780569164, 0.818, 0.107698020535, 0.055129862523, 0.156724511126,
        0.81, 0.047698431968, 0.080630644125, 0.126393024436, 0.846, -0.026569773324,
        0.111462298744, 0.086744146412, 0.858, -0.029807971765, 0.110953107665, 0.083607785893,
    ],
    "iqa/I01.BMP": [
        2.709, 0.43509169057, 0.865, 0.122193393649, 0.119835269337, 0.276564739651,
        0.887, 0.026412418319, 0.16906985007, 0.202273512578, 0.872, -0.008560135214,
        0.18886991453, 0.178110078593, 0.883, -0.096360549233, 0.244606979944, 0.12509746062,
        2.784, 0.420488895902, 0.826, 0.106837070993, 0.1287444826, 0.268459071849,
        0.874, -0.017788814934, 0.19695964746, 0.174486757928, 0.891, -0.067796878259,
        0.21950937991, 0.136639641959, 0.897, -0.112939174455, 0.249197229074, 0.112094558797,
    ],
}
# fmt: on
# The same release on the integer pattern of synthetic(), 61 x 74.
OFFICIAL_SYNTHETIC_SCORE = 107.90007160352671

# libsvm-official 3.37.0 (its Python binding, svm_predict, no text in between), loading allmodel, on the point that lies
# at fraction t of the features' range for odd and 1 - t for even feature numbers.
LIBSVM_SCORES = {
    0.1: 33.76100220299159,
    0.25: 8.297851477531424,
    0.5: 69.48087900327869,
    0.9: 105.74265248193254,
    1.2: 138.93168348538944,
}


def brisque_score(rgb, model):
    return model.score(brisque_features(matlab_gray(rgb)))


def load(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


@lru_cache(maxsize=1)
def released_model(folder):
    return BrisqueModel.from_files(folder / "brisque_allmodel", folder / "brisque_allrange")


@pytest.fixture
def model(shared):
    return released_model(shared / "weights")


def toy_files(folder):
    """A model of two support vectors, ranges 0..10: small enough for arithmetic by hand."""
    allmodel, allrange = folder / "allmodel", folder / "allrange"
    allmodel.write_text(
        "svm_type epsilon_svr\nkernel_type rbf\ngamma 0.5\nnr_class 2\ntotal_sv 2\nrho -3\nprobA 5\nSV\n"
        "2 1:1 36:-1 \n-4 2:0.5 \n"
    )
    allrange.write_text("x\n-1 1\n" + "".join(f"{i} 0 10\n" for i in range(1, 37)))
    return allmodel, allrange


# --- the authors' release ---------------------------------------------------------------------------------------------


@pytest.mark.shared
@pytest.mark.parametrize("name", OFFICIAL_SCORES)
def test_score_equals_the_release(shared, model, name):
    # 2e-3: the release's text rounding moves a score by up to 1e-3, and the noise of a few flat pixels by as much.
    assert brisque_score(load(shared / "data" / name), model) == pytest.approx(OFFICIAL_SCORES[name], abs=2e-3)


@pytest.mark.shared
@pytest.mark.parametrize("name", STRUCTURED)
def test_score_equals_the_release_to_nine_digits_with_its_text_rounding(shared, model, name):
    """Done as the release does, %f for the features and %g for the scaled values, nothing is left of the difference."""
    features = brisque_features(matlab_gray(load(shared / "data" / name)))
    written = np.array([float(f"{value:f}") for value in features])
    scaled = 2 * (written - model.minimum) / (model.maximum - model.minimum) - 1
    rescaled = np.array([float(f"{value:g}") for value in scaled])
    as_features = model.minimum + (rescaled + 1) / 2 * (model.maximum - model.minimum)
    assert model.score(as_features) == pytest.approx(OFFICIAL_SCORES[name], rel=1e-9, abs=0)


@pytest.mark.shared
@pytest.mark.parametrize("name", OFFICIAL_FEATURES)
def test_features_equal_the_release(shared, name):
    features = brisque_features(matlab_gray(load(shared / "data" / name)))
    assert features.tolist() == pytest.approx(OFFICIAL_FEATURES[name], rel=0, abs=1e-11)  # pinned with 12 decimals


@pytest.mark.shared
def test_synthetic_score_equals_the_release(model):
    assert brisque_score(synthetic(), model) == pytest.approx(OFFICIAL_SYNTHETIC_SCORE, abs=2e-3)


@pytest.mark.shared
def test_score_equals_the_published_values(shared, model):
    """The file calls them brisque_matlab; they are values of the LIVE release, not of MATLAB's built-in function."""
    with (shared / "data" / "iqa" / "published.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "brisque_matlab"]
    assert len(rows) == 2
    for row in rows:
        score = brisque_score(load(shared / "data" / "iqa" / row["image"]), model)
        assert score == pytest.approx(float(row["value"]), rel=float(row["relative_tolerance"]), abs=0)


# --- the regression ---------------------------------------------------------------------------------------------------


@pytest.mark.shared
@pytest.mark.parametrize("fraction", LIBSVM_SCORES)
def test_regression_equals_libsvm(model, fraction):
    span = model.maximum - model.minimum
    low, high = model.minimum + fraction * span, model.maximum - fraction * span
    features = np.where(np.arange(36) % 2 == 0, low, high)
    assert model.score(features) == pytest.approx(LIBSVM_SCORES[fraction], rel=1e-9, abs=0)


@pytest.mark.shared
def test_the_released_model_has_its_published_size(model):
    # docs/definitions/brisque.md#the-model: gamma 0.05, 774 support vectors, rho -153.591
    assert (model.gamma, model.rho, model.vectors.shape) == (0.05, -153.591, (774, 36))
    assert model.coefficients.shape == (774,)
    assert model.minimum[[0, 35]].tolist() == [0.338, 0.001118]
    assert model.maximum[[0, 35]].tolist() == [10, 0.370399]


def test_regression_by_hand(tmp_path):
    model = BrisqueModel.from_files(*toy_files(tmp_path))
    # All features 5 scale to 0. Distances: 1^2 + 1^2 = 2 and 0.5^2 = 0.25.
    # 2 exp(-0.5*2) - 4 exp(-0.5*0.25) + 3 = 0.735759 - 3.529988 + 3 = 0.205771
    middle = np.full(36, 5.0)
    assert model.score(middle) == pytest.approx(2 * math.exp(-1) - 4 * math.exp(-0.125) + 3, rel=1e-12)
    assert model.score(middle) == pytest.approx(0.205771, abs=1e-6)
    # Feature 1 at 20 scales to 3, beyond the range, and is not clipped: distances (3-1)^2 + 1 = 5 and 9.25.
    middle[0] = 20.0
    assert model.score(middle) == pytest.approx(2 * math.exp(-2.5) - 4 * math.exp(-4.625) + 3, rel=1e-12)


def test_reach_by_hand(tmp_path):
    model = BrisqueModel.from_files(*toy_files(tmp_path))
    features = np.full(36, 5.0)
    assert model.reach(features) == 0.0
    features[[3, 8]] = 10.0, -2.5  # scaled to 1 and -1.5
    assert model.reach(features) == pytest.approx(1.5)


@pytest.mark.parametrize("features", [np.zeros(35), np.zeros((1, 36)), np.full(36, np.nan), np.full(36, np.inf)])
def test_score_refuses_other_than_36_finite_numbers(tmp_path, features):
    model = BrisqueModel.from_files(*toy_files(tmp_path))
    with pytest.raises(ValueError, match="36 finite numbers"):
        model.score(features)


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("allmodel", "epsilon_svr", "nu_svr", "header"),
        ("allmodel", "kernel_type rbf", "kernel_type linear", "header"),
        ("allmodel", "gamma 0.5\n", "", "header"),
        ("allmodel", "gamma 0.5", "gamma wide", "'wide'"),
        ("allmodel", "gamma 0.5", "gamma -1", "gamma above 0"),
        ("allmodel", "rho -3", "rho nan", "'nan'"),
        ("allmodel", "SV\n", "", "header"),
        ("allmodel", "total_sv 2", "total_sv 3", "3, as total_sv says"),
        ("allmodel", "-4 2:0.5 \n", "", "1 support vectors"),
        ("allmodel", "2:0.5", "37:0.5", "line 10.*'37:0.5'.*1..36"),
        ("allmodel", "2:0.5", "0:0.5", "ascending"),
        ("allmodel", "1:1 36:-1", "36:-1 1:1", "line 9.*ascending"),
        ("allmodel", "2:0.5", "2=0.5", "'2=0.5'"),
        ("allmodel", "2:0.5", "2:half", "'half'"),
        ("allmodel", "-4 2:0.5", "four 2:0.5", "'four'"),
        ("allrange", "x\n", "y\n", "outline"),
        ("allrange", "-1 1\n", "0 1\n", "outline"),
        ("allrange", "36 0 10\n", "", "37 lines"),
        ("allrange", "7 0 10", "8 0 10", "line 9.*'7 minimum maximum'"),
        ("allrange", "7 0 10", "7 0", "line 9"),
        ("allrange", "7 0 10", "7 zero 10", "'zero'"),
        ("allrange", "7 0 10", "7 10 10", "minimum below the maximum"),
        ("allrange", "7 0 10", "7 0 1\u00b2", "can't be read"),
    ],
)
def test_malformed_files_are_refused(tmp_path, file, old, new, words):
    files = toy_files(tmp_path)
    path = tmp_path / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(WeightsError, match=words) as caught:
        BrisqueModel.from_files(*files)
    assert file in caught.value.what
    assert caught.value.fix


def test_a_missing_file_is_a_weights_error(tmp_path):
    allmodel, allrange = toy_files(tmp_path)
    with pytest.raises(WeightsError, match="nowhere"):
        BrisqueModel.from_files(tmp_path / "nowhere", allrange)
    allrange.unlink()
    with pytest.raises(WeightsError, match="allrange"):
        BrisqueModel.from_files(allmodel, allrange)


# --- images without structure, wrong input, repeatability -------------------------------------------------------------


@pytest.mark.parametrize("value", [0, 1, 77, 128, 255])
def test_a_constant_frame_is_unscored(tmp_path, value):
    model = BrisqueModel.from_files(*toy_files(tmp_path))
    with pytest.raises(FlatImageError, match=f"flat: at full size every pixel is {value}"):
        brisque_score(np.full((32, 32, 3), value, np.uint8), model)


def test_a_frame_that_is_constant_at_half_size_is_unscored():
    # Along each axis 0 1 1 0 0 1 1 0 ...: every pair that shares a weight of the halving sums to 1, mirrored or not.
    stripes = np.tile([0, 1, 1, 0], 8)
    board = ((stripes ^ stripes[:, np.newaxis]) * 255).astype(np.uint8)
    with pytest.raises(FlatImageError, match=r"at half size every pixel is 127\.5"):
        brisque_features(board)


def test_a_frame_without_a_fit_is_unscored():
    """On a 1-pixel checkerboard every diagonal product is positive: an asymmetric fit has no left side."""
    board = ((np.indices((32, 32)).sum(axis=0) % 2) * 255).astype(np.uint8)
    with pytest.raises(FlatImageError, match="same sign"):
        brisque_features(board)


def test_flat_image_error_is_a_value_error():
    assert issubclass(FlatImageError, ValueError)


def test_flat_fraction_by_hand():
    # Black: everything is flat. White: the zero border reaches 3 pixels in, so 14x24 of 20x30 pixels remain.
    assert flat_fraction(np.zeros((20, 30), np.uint8)) == 1.0
    assert flat_fraction(np.full((20, 30), 255, np.uint8)) == pytest.approx(14 * 24 / 600, rel=1e-12)
    # One white pixel on black reaches the 7x7 pixels around it.
    dot = np.zeros((20, 30), np.uint8)
    dot[10, 10] = 255
    assert flat_fraction(dot) == pytest.approx(1 - 49 / 600, rel=1e-12)
    assert flat_fraction(smooth_noise(6)) == 0.0


def test_features_are_finite_even_when_most_of_the_frame_is_flat():
    image = np.full((64, 64), 200, np.uint8)
    image[20:40, 20:40] = smooth_noise(7, 20, 20)
    assert flat_fraction(image) > 0.5
    assert np.isfinite(brisque_features(image)).all()


def test_same_result_every_time_and_for_every_memory_layout():
    gray = smooth_noise(8, 75, 130)
    features = brisque_features(gray)
    for other in (gray.copy(), np.asfortranarray(gray), gray.astype(np.float64), gray[::-1][::-1]):
        assert np.array_equal(brisque_features(other), features)


def test_large_frames_agree_with_the_naive_correlation():
    """Wider than the internal chunk, and long enough for several."""
    gray = smooth_noise(9, 16, 5000)
    window = np.exp(-(np.arange(-3, 4)[:, None] ** 2 + np.arange(-3, 4) ** 2) / (2 * (7 / 6) ** 2))
    mean = correlate2d(gray.astype(float), window / window.sum(), "same")
    square = correlate2d(gray.astype(float) ** 2, window / window.sum(), "same")
    mscn = (gray - mean) / (np.sqrt(np.abs(square - mean**2)) + 1)
    assert brisque_features(gray)[1] == pytest.approx(np.mean(mscn**2), rel=1e-12)


def test_the_input_is_left_alone():
    gray = smooth_noise(10).astype(np.float64)
    before = gray.copy()
    brisque_features(gray)
    matlab_half(gray)
    assert np.array_equal(gray, before)


@pytest.mark.parametrize("function", [brisque_features, flat_fraction])
@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((32, 32, 3), np.uint8), r"grey image of shape \(H, W\)"),
        (np.zeros((32, 32), np.float32), "Found float32"),
        (np.zeros((32, 32), np.int64), "Found int64"),
        (np.zeros((13, 32), np.uint8), "at least 14 pixels"),
        (np.zeros((32, 13), np.uint8), "at least 14 pixels"),
        (np.full((32, 32), np.nan), "finite"),
        ([[0]], "Found list"),
    ],
)
def test_wrong_images_are_refused(function, image, words):
    with pytest.raises(ValueError, match=words):
        function(image)


def test_values_off_the_8_bit_scale_are_refused():
    with pytest.raises(ValueError, match=r"within 0\.\.255"):
        brisque_features(smooth_noise(11) * 300.0)


def test_score_refuses_grey_frames(tmp_path):
    model = BrisqueModel.from_files(*toy_files(tmp_path))
    with pytest.raises(ValueError, match="uint8 RGB frame"):
        brisque_score(smooth_noise(12), model)


@pytest.mark.shared
@pytest.mark.parametrize("folder", ["s02", "s12"])
def test_blur_and_noise_move_the_score_up(shared, model, folder):
    """An order that any BRISQUE must show: heavy noise on a real frame is worse than the frame."""
    frame = load(shared / "data" / "talking-heads" / "testset" / "images" / f"{folder}.png")
    noise = np.random.default_rng(13).normal(scale=40, size=frame.shape)
    noisy = np.clip(np.rint(frame + noise), 0, 255).astype(np.uint8)
    assert brisque_score(noisy, model) > brisque_score(frame, model) + 10


def test_an_event_says_when_a_score_is_beyond_the_training():
    """In three frames nothing is wrong, one is out of range, one has no score."""
    arrays = {
        "frame_index": np.arange(5),
        "score": np.array([10.0, 20.0, 30.0, 40.0, np.nan]),
        "flat_fraction": np.zeros(5),
        "reach": np.array([1.0, 0.9, 0.5, 1.01, np.nan]),
    }
    metric = metric_registry()["iqa.brisque"]
    outcome = metric.score_video(VideoInputs("s", {"brisque": FeatureData(arrays)}))
    assert outcome.value == 25.0
    assert [event.kind for event in outcome.events] == ["outside_training"]
    assert outcome.events[0].detail.startswith("20% of the frames")
    inside = {**arrays, "reach": np.full(5, 1.0)}
    assert metric.score_video(VideoInputs("s", {"brisque": FeatureData(inside)})).events == ()


@pytest.mark.shared
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_blur_moves_the_score_up_and_leaves_the_training(model, seed):
    """Each step of blur by five points; blurred noise has a shape that no picture of the training has."""
    sharp = np.random.default_rng(seed).normal(128, 40, size=(128, 160))
    blurred = [cv2.GaussianBlur(sharp, (0, 0), deviation) for deviation in (1, 2, 4)]
    features = [brisque_features(np.clip(np.rint(one), 0, 255).astype(np.uint8)) for one in blurred]
    assert min(np.diff([model.score(one) for one in features])) > 5
    assert model.reach(features[0]) > 1
