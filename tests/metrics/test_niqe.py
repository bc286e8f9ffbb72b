"""NIQE against the authors' release run under Octave, arithmetic by hand, and pictures whose fault has a size."""

import math
from functools import lru_cache

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from evalkit.errors import WeightsError
from evalkit.metrics.base import FeatureData, VideoInputs, metric_registry
from evalkit.metrics.features.base import FeatureUnavailableError, WeightFile, feature_registry
from evalkit.metrics.quality.niqe_model import NiqeModel, block_statistics
from evalkit.metrics.quality.pixels import matlab_gray

# The release (utlive/niqe d80aead, computequality.m, unchanged, with its modelparameters.mat) run once under GNU Octave
# 7.3.0 with octave-image 2.14.0 on the RGB pixels of these images. Octave lacks three functions of MATLAB, which were
# written for the run: blkproc (whole blocks, no overlap), nanmean (a column's mean without NaN) and nancov (cov of the
# rows without NaN).
OFFICIAL = {
    "iqa/goldhill.gif": 3.350512966194342,
    "iqa/I01.BMP": 3.0097344664723593,
    "iqa/i01_01_5.bmp": 9.4758028562649237,
    "talking-heads/testset/images/s11.png": 4.0998452450289173,
}
# In these some pixels are flat, and the sign of rounding noise enters the fits.
OFFICIAL_WITH_FLAT_PIXELS = {
    "iqa/goldhill_jpeg.gif": 8.8509622182216692,
    "talking-heads/testset/images/s06.png": 5.1880709927288517,
    "talking-heads/testset/images/s07.png": 10.568929301055222,
    "talking-heads/testset/images/s17.png": 3.770149259054103,
    "talking-heads/testset/images/s18.png": 4.7933325419392352,
}
# The same run on pattern(), 200 x 310: its score, and the blocks' means and deviations (N - 1) in the 36 statistics.
OFFICIAL_PATTERN = 32.221277806400742
# fmt: off
PATTERN_MEANS = [
    6.8255, 1.57062806371, 1.227, -0.151633236843, 0.808086808159, 0.615159133909, 1.35266666667, -0.126190282246,
    0.822896352515, 0.644467672323, 1.354, -0.0632525657683, 0.806766545569, 0.711297542091, 1.19333333333,
    -0.096751724012, 0.770752498484, 0.646095060875, 3.93716666667, 1.40845602698, 1.09233333333, -0.0883591283815,
    0.568597547104, 0.470891150693, 1.13, -0.077929618521, 0.581192858749, 0.491766165635, 1.04116666667,
    -0.0679438303208, 0.533152535004, 0.461860982201, 1.04616666667, -0.0670819493763, 0.536684162196, 0.463086110759,
]
PATTERN_DEVIATIONS = [
    1.63181944467, 0.0392403665662, 0.107413220788, 0.0245687666895, 0.0794027059427, 0.0695121048307, 0.2099320525,
    0.0730331013023, 0.130957442316, 0.0786458853476, 0.151940777937, 0.0730256277427, 0.088096655755, 0.0531951831852,
    0.101364030438, 0.0988557991961, 0.0942350481391, 0.120005111456, 0.689575352421, 0.034860127053, 0.0622789424016,
    0.038179762201, 0.0451544884, 0.0544515138016, 0.0971411344385, 0.0353525503686, 0.0638919225581, 0.0691278797119,
    0.0436184211849, 0.0396890573598, 0.0451526335192, 0.0531971905788, 0.0802207371361, 0.0492459473912,
    0.0788658131525, 0.0409549356076,
]
# fmt: on


def pattern(height=200, width=310):
    """An integer pattern: (37 x + 91 y + (c + 3) x y) // 3 mod 256."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([(37 * x + 91 * y + x * y * (c + 3)) // 3 % 256 for c in range(3)], axis=-1).astype(np.uint8)


def cloud(seed, height=192, width=288):
    """Noise whose amplitude falls with frequency, as that of photos does: float64, mean 128, deviation 45."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    frequency[0, 0] = 1
    noise = np.fft.fft2(np.random.default_rng(seed).normal(size=(height, width)))
    values = np.fft.ifft2(noise / frequency).real
    return 128 + 45 * (values - values.mean()) / values.std()


def pixels(values):
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def load(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


@lru_cache(maxsize=1)
def released_model(folder):
    return NiqeModel.from_file(folder / "niqe_modelparameters.mat")


@pytest.fixture
def model(shared):
    return released_model(shared / "weights")


def niqe_of(rgb, model):
    return model.distance(block_statistics(matlab_gray(rgb)).features)


def toy_model(mean=0.0, variance=1.0):
    return NiqeModel(np.full(36, mean), variance * np.eye(36))


# --- the authors' release ---------------------------------------------------------------------------------------------


@pytest.mark.shared
@pytest.mark.parametrize("name", OFFICIAL)
def test_score_equals_the_release(shared, model, name):
    assert niqe_of(load(shared / "data" / name), model) == pytest.approx(OFFICIAL[name], rel=1e-12, abs=0)


@pytest.mark.shared
@pytest.mark.parametrize("name", OFFICIAL_WITH_FLAT_PIXELS)
def test_score_is_near_the_release_where_pixels_are_flat(shared, model, name):
    rgb = load(shared / "data" / name)
    assert block_statistics(matlab_gray(rgb)).flat_fraction > 0
    assert niqe_of(rgb, model) == pytest.approx(OFFICIAL_WITH_FLAT_PIXELS[name], rel=1e-4, abs=0)


@pytest.mark.shared
def test_score_of_a_pattern_equals_the_release(model):
    assert niqe_of(pattern(), model) == pytest.approx(OFFICIAL_PATTERN, rel=1e-12, abs=0)


def test_statistics_of_a_pattern_equal_the_release():
    """The pattern ends within a block on both sides: 2 x 3 whole ones."""
    found = block_statistics(matlab_gray(pattern())).features
    assert found.shape == (6, 36)
    assert found.mean(axis=0).tolist() == pytest.approx(PATTERN_MEANS, rel=1e-11, abs=1e-12)  # written with 12 digits
    assert found.std(axis=0, ddof=1).tolist() == pytest.approx(PATTERN_DEVIATIONS, rel=1e-11, abs=1e-12)


# --- pictures whose fault has a size ----------------------------------------------------------------------------------


@pytest.mark.shared
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_blur_and_noise_move_the_score_up(model, seed):
    """Each step at least 0.1, and several points in all."""
    sharp = cloud(seed)
    blurred = [sharp, *(cv2.GaussianBlur(sharp, (0, 0), deviation) for deviation in (1, 2, 4))]
    scores = [model.distance(block_statistics(pixels(one)).features) for one in blurred]
    assert min(np.diff(scores)) > 0.1
    assert scores[-1] - scores[0] > 4
    noise = np.random.default_rng(seed + 10).normal(size=sharp.shape)
    scores = [model.distance(block_statistics(pixels(sharp + size * noise)).features) for size in (0, 10, 20, 40)]
    assert min(np.diff(scores)) > 0.1
    assert scores[-1] - scores[0] > 6


# --- arithmetic by hand -----------------------------------------------------------------------------------------------


def test_distance_by_hand():
    # Every block is 2 in all 36 statistics: no covariance of its own, so (I + 0)/2 and a factor of 2 per squared step.
    assert toy_model().distance(np.full((3, 36), 2.0)) == pytest.approx(math.sqrt(36 * 2 * 2**2), rel=1e-12)
    assert toy_model(mean=2.0).distance(np.full((3, 36), 2.0)) == 0.0
    # Blocks at 1 and 3 in the first statistic have variance 2 there: (1 + 2)/2; the others are 0 in mean and variance.
    apart = np.zeros((2, 36))
    apart[:, 0] = 1, 3
    assert toy_model().distance(apart) == pytest.approx(math.sqrt(2**2 / 1.5), rel=1e-12)


def test_nan_is_left_out_of_the_mean_alone_and_its_block_of_the_covariance():
    features = np.zeros((3, 36))
    features[:, 0] = 1, 3, 5
    features[2, 7] = np.nan
    # Mean of the first statistic 3, of the eighth 0; variance of 1 and 3: 2.
    assert toy_model().distance(features) == pytest.approx(math.sqrt(3**2 / 1.5), rel=1e-12)


@pytest.mark.parametrize("whole", [0, 1])
def test_fewer_than_two_whole_blocks_have_no_value(whole):
    features = np.full((3, 36), 1.0)
    features[whole:, 5] = np.nan
    assert math.isnan(toy_model().distance(features))
    assert math.isnan(toy_model().furthest(features))


def test_the_furthest_statistic_by_hand():
    features = np.zeros((2, 36))
    features[:, 4] = -5, -7
    assert toy_model(variance=4.0).furthest(features) == pytest.approx(6 / 2)


def test_flat_share_by_hand():
    """With repeated edges a constant picture has no pixel beyond rounding: all is flat. A dot reaches 7 x 7 pixels."""
    picture = np.zeros((96, 192), np.uint8)
    assert block_statistics(picture).flat_fraction == 1.0
    picture[50, 60] = 255
    assert block_statistics(picture).flat_fraction == pytest.approx(1 - 49 / (96 * 192))


def test_what_a_block_leaves_over_does_not_count():
    picture = pixels(cloud(3, 200, 300))
    other = picture.copy()
    other[192:], other[:, 288:] = 0, 255
    assert np.array_equal(block_statistics(picture).features, block_statistics(other).features)
    assert len(block_statistics(picture).features) == 6


# --- feature and metric -----------------------------------------------------------------------------------------------


def frames(**changed):
    """Four good frames."""
    arrays = {
        "frame_index": np.arange(4),
        "score": np.array([3.0, 4.0, 5.0, 8.0]),
        "flat_fraction": np.zeros(4),
        "blocks": np.full(4, 40),
        "furthest": np.full(4, 1.0),
    }
    return metric_registry()["iqa.niqe"].score_video(VideoInputs("s", {"niqe": FeatureData({**arrays, **changed})}))


def test_the_mean_leaves_out_frames_without_a_value():
    assert frames().value == 5.0
    assert frames().events == ()
    assert frames(score=np.array([3.0, np.nan, 5.0, np.nan])).value == 4.0
    none = frames(score=np.full(4, np.nan))
    assert (none.value, none.reason) == (None, "flat_pictures")


@pytest.mark.parametrize(
    ("changed", "kind", "words"),
    [
        ({"flat_fraction": np.array([0.0, 0.051, 0.05, 0.0])}, "flat_pictures", "25% of the frames"),
        ({"blocks": np.full(4, 35)}, "few_blocks", "35 blocks"),
        ({"furthest": np.array([4.1, 4.0, 9.0, np.nan])}, "outside_training", "50% of the frames"),
    ],
)
def test_an_event_says_when_a_value_is_doubtful(changed, kind, words):
    outcome = frames(**changed)
    assert outcome.value == 5.0
    assert [event.kind for event in outcome.events] == [kind]
    assert words in outcome.events[0].detail


def opened(path):
    extractor = feature_registry()["niqe"]({"niqe_model": WeightFile("niqe_model", path, "0" * 64)})
    session = extractor.open(None, {})
    assert session.plan(np.arange(2) / 25).tolist() == [True, True]
    return session


@pytest.mark.shared
def test_the_feature_of_frames_and_of_too_small_ones(shared):
    session = opened(shared / "weights" / "niqe_modelparameters.mat")
    session.frame(0, 0.0, pattern())
    session.frame(1, 0.04, np.full((200, 310, 3), 9, np.uint8))
    arrays = session.finish()
    assert arrays["score"][0] == pytest.approx(OFFICIAL_PATTERN, rel=1e-12)
    assert math.isnan(arrays["score"][1])
    assert arrays["furthest"][0] == pytest.approx(8.14, abs=0.01)
    assert arrays["flat_fraction"].tolist() == [0.0, 1.0]
    assert arrays["blocks"].tolist() == [6, 6]
    assert arrays["blocks"].dtype == np.int64
    with pytest.raises(FeatureUnavailableError) as caught:
        session.frame(0, 0.0, pattern(191, 191))
    assert caught.value.reason == "frame_too_small"
    assert caught.value.detail == "191x191 pixels hold 1 of 2 blocks of 96x96"


# --- the file ---------------------------------------------------------------------------------------------------------


@pytest.mark.shared
def test_the_released_parameters(model):
    assert model.mean.shape == (36,)
    assert model.covariance.shape == (36, 36)
    assert np.linalg.matrix_rank(model.covariance) == 36
    assert 2 < model.mean[0] < 4  # the shape of the normalised values of photos is near a Gaussian's 2, or above


def good():
    return {"mu_prisparam": np.zeros((1, 36)), "cov_prisparam": np.eye(36)}


def test_a_file_is_read(tmp_path):
    savemat(tmp_path / "toy.mat", {**good(), "mu_prisparam": np.arange(36.0)[None]})
    assert NiqeModel.from_file(tmp_path / "toy.mat").mean.tolist() == list(range(36))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"mu_prisparam": np.zeros((36, 1))}, r"mu_prisparam.*float64 \(36, 1\)"),
        ({"mu_prisparam": "text"}, "mu_prisparam"),
        ({"mu_prisparam": np.full((1, 36), np.nan)}, "not finite"),
        ({"cov_prisparam": np.zeros((36, 36))}, "positive on its diagonal"),
        ({"cov_prisparam": np.triu(np.ones((36, 36)))}, "symmetric"),
        ({"cov_prisparam": np.eye(35)}, r"\(35, 35\)"),
    ],
)
def test_another_file_is_refused(tmp_path, changed, words):
    savemat(tmp_path / "toy.mat", {**good(), **changed})
    with pytest.raises(WeightsError, match=words) as caught:
        NiqeModel.from_file(tmp_path / "toy.mat")
    assert caught.value.fix


def test_a_damaged_or_missing_file_is_a_weights_error(tmp_path):
    savemat(tmp_path / "toy.mat", {"other": np.zeros(3)})
    with pytest.raises(WeightsError, match="nothing"):
        NiqeModel.from_file(tmp_path / "toy.mat")
    (tmp_path / "toy.mat").write_bytes(b"not MATLAB's" * 100)
    for path in (tmp_path / "toy.mat", tmp_path / "nowhere.mat"):
        with pytest.raises(WeightsError, match="can't be read as a MATLAB file"):
            NiqeModel.from_file(path)
