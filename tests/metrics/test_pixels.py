"""PSNR, SSIM, MATLAB grey and the resize, against torchmetrics, published values and arithmetic by hand."""

import csv
import math

import cv2
import numpy as np
import pytest
from PIL import Image

from evalkit.metrics.quality.pixels import matlab_gray, psnr, resize_to, ssim_gray, ssim_rgb


def load(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def noisy_pair(seed, height=40, width=53):
    """A smooth random image and a distorted copy: both have structure, and they differ everywhere a little."""
    generator = np.random.default_rng(seed)
    base = cv2.GaussianBlur(generator.normal(size=(height, width, 3)), (0, 0), 3)
    base = 128 + 60 * base / base.std()
    distorted = base + generator.normal(scale=12, size=base.shape)
    return tuple(np.clip(np.rint(image), 0, 255).astype(np.uint8) for image in (distorted, base))


def torchmetrics_values(candidate, reference):
    """(PSNR, SSIM of RGB, SSIM of grey) by torchmetrics on float64 tensors.

    torchmetrics 1.9 averages its map over the whole reflection-padded frame, which is another number (0.5 to 2 percent
    apart on these images); the definition averages the windows that lie inside, so its map is cropped here.
    """
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("torchmetrics.functional.image")

    def tensor(image):
        planes = image[np.newaxis] if image.ndim == 2 else image.transpose(2, 0, 1)
        return torch.from_numpy(planes.astype(np.float64))[None]

    def ssim(a, b):
        _, ssim_map = functional.structural_similarity_index_measure(
            tensor(a), tensor(b), sigma=1.5, data_range=255.0, return_full_image=True
        )
        return ssim_map[..., 5:-5, 5:-5].mean().item()

    peak = functional.peak_signal_noise_ratio(tensor(candidate), tensor(reference), data_range=255.0).item()
    return peak, ssim(candidate, reference), ssim(matlab_gray(candidate), matlab_gray(reference))


def assert_equals_torchmetrics(candidate, reference):
    values = (psnr(candidate, reference), ssim_rgb(candidate, reference), ssim_gray(candidate, reference))
    assert values == pytest.approx(torchmetrics_values(candidate, reference), rel=1e-6, abs=0)  # T1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_synthetic_images_equal_torchmetrics(seed):
    assert_equals_torchmetrics(*noisy_pair(seed))


@pytest.mark.shared
@pytest.mark.parametrize(("first", "second"), [("s01", "s02"), ("s07", "s19")])
def test_real_frames_equal_torchmetrics(shared, first, second):
    folder = shared / "data" / "talking-heads" / "testset" / "images"
    candidate, reference = load(folder / f"{first}.png"), load(folder / f"{second}.png")
    assert_equals_torchmetrics(candidate, reference)
    assert_equals_torchmetrics(cv2.GaussianBlur(reference, (0, 0), 3), reference)


@pytest.mark.shared
def test_ssim_equals_the_published_matlab_values(shared):
    """The published values follow the usage note of the authors' ssim.m: average 2x2 blocks first when the short side
    is nearer to 512 than to 256 (all four images), then compute. The colour pair is the mean over R, G and B."""

    def halved(image):
        blocks = image.reshape(image.shape[0] // 2, 2, image.shape[1] // 2, 2, 3)
        return np.rint(blocks.mean(axis=(1, 3))).astype(np.uint8)

    folder = shared / "data" / "iqa"
    with (folder / "published.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "ssim_matlab"]
    assert len(rows) == 2
    for row in rows:
        candidate, reference = (halved(load(folder / name)) for name in row["image"].split("|"))
        tolerance = float(row["relative_tolerance"])
        assert ssim_rgb(candidate, reference) == pytest.approx(float(row["value"]), rel=tolerance, abs=0)


def test_psnr_of_two_pixels_by_hand():
    # Six values, differences 1, 0, 0, 0, -2, 0: squared error 5, MSE 5/6.
    # 10 log10(255^2 / (5/6)) = 10 log10(78030) = 48.9226161...
    reference = np.array([[[10, 20, 30], [40, 50, 60]]], dtype=np.uint8)
    candidate = np.array([[[11, 20, 30], [40, 48, 60]]], dtype=np.uint8)
    assert psnr(candidate, reference) == pytest.approx(48.9226161, abs=1e-7)
    # With a peak of 1 only the squared error counts: -10 log10(5/6) = 0.7918124...
    assert psnr(candidate, reference, data_range=1.0) == pytest.approx(0.7918124605, abs=1e-9)


def test_psnr_does_not_wrap_around():
    # 8-bit subtraction would turn 0 - 255 into 1. Largest possible error: MSE 255^2, so 0 dB.
    black, white = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)
    assert psnr(black, white) == 0.0


def test_ssim_of_two_constant_frames_by_hand():
    # No variance: the structure term is C2/C2 = 1, the rest (2*100*110 + C1)/(100^2 + 110^2 + C1), C1 = 6.5025:
    # 22006.5025 / 22106.5025 = 0.99547644...
    first, second = (np.full((12, 15, 3), value, np.uint8) for value in (100, 110))
    assert ssim_gray(first, second) == pytest.approx(22006.5025 / 22106.5025, rel=1e-12)
    assert ssim_rgb(first, second) == pytest.approx(22006.5025 / 22106.5025, rel=1e-12)


def test_ssim_of_a_single_window_by_hand():
    """An 11x11 frame holds one valid window: the weighted sums written out."""
    candidate, reference = (image[:11, :11] for image in noisy_pair(5))
    weights = {(i, j): math.exp(-((i - 5) ** 2 + (j - 5) ** 2) / (2 * 1.5**2)) for i in range(11) for j in range(11)}
    total = sum(weights.values())

    def mean(values):
        return sum(weight * values[place] for place, weight in weights.items()) / total

    def one_channel(x, y):
        mean_x, mean_y = mean(x), mean(y)
        variance_x, variance_y = mean((x - mean_x) ** 2), mean((y - mean_y) ** 2)
        covariance = mean((x - mean_x) * (y - mean_y))
        c1, c2 = 6.5025, 58.5225
        return ((2 * mean_x * mean_y + c1) * (2 * covariance + c2)) / (
            (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
        )

    expected = np.mean(
        [one_channel(candidate[..., c].astype(float), reference[..., c].astype(float)) for c in range(3)]
    )
    assert ssim_rgb(candidate, reference) == pytest.approx(expected, rel=1e-9)


def test_ssim_counts_whole_windows_only():
    """A change within the outer 5 pixels reaches fewer windows than one inside; a corner pixel reaches exactly one."""
    reference = np.full((24, 24, 3), 90, np.uint8)
    corner, inside = reference.copy(), reference.copy()
    corner[0, 0] = inside[12, 12] = 250
    # 14x14 windows; 121 see the inner pixel, one sees the corner, and there its weight is the smallest.
    assert 1 - ssim_gray(corner, reference) < 1 / 196
    assert ssim_gray(inside, reference) < ssim_gray(corner, reference) < 1.0


def test_matlab_gray_of_known_colours():
    # 0.298936*255 = 76.23, 0.587043*255 = 149.70, 0.114021*255 = 29.08
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0]]], dtype=np.uint8)
    assert matlab_gray(colours).tolist() == [[76, 150, 29, 255, 0]]
    # (3, 69, 124): 0.89681 + 40.50597 + 14.13859 = 55.54137 -> 56
    # (155, 243, 4): 46.33508 + 142.65147 + 0.45608 = 189.44263 -> 189
    assert matlab_gray(np.array([[[3, 69, 124], [155, 243, 4]]], dtype=np.uint8)).tolist() == [[56, 189]]
    # (0, 202, 252): 118.58270 + 28.73327 = 147.31597 -> 147; (250, 250, 0): 74.73401 + 146.76077 = 221.49477 -> 221,
    # where 0.299 and 0.587 would give 221.5 and, with halves rounded up, 222.
    assert matlab_gray(np.array([[[0, 202, 252], [250, 250, 0]]], dtype=np.uint8)).tolist() == [[147, 221]]
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[np.newaxis, :, np.newaxis], 3, axis=2)
    assert matlab_gray(ramp).tolist() == [list(range(256))]
    assert matlab_gray(ramp).dtype == np.uint8


def test_identical_frames():
    image, _ = noisy_pair(7)
    assert psnr(image, image.copy()) == math.inf
    assert ssim_rgb(image, image.copy()) == 1.0
    assert ssim_gray(image, image.copy()) == 1.0


@pytest.mark.parametrize("metric", [psnr, ssim_gray, ssim_rgb])
def test_symmetric_repeatable_and_independent_of_memory_layout(metric):
    candidate, reference = noisy_pair(11)
    value = metric(candidate, reference)
    assert isinstance(value, float)
    assert metric(reference, candidate) == value
    assert metric(candidate, reference) == value
    assert metric(np.asfortranarray(candidate), reference[::-1][::-1]) == value


@pytest.mark.parametrize("metric", [psnr, ssim_gray, ssim_rgb])
def test_more_noise_is_worse(metric):
    _, reference = noisy_pair(13)
    noise = np.random.default_rng(13).normal(size=reference.shape)
    noisy = [np.clip(np.rint(reference + scale * noise), 0, 255).astype(np.uint8) for scale in (2, 8, 30)]
    values = [metric(image, reference) for image in noisy]
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("metric", [psnr, ssim_gray, ssim_rgb])
@pytest.mark.parametrize(
    ("candidate", "reference", "words"),
    [
        (np.zeros((16, 16), np.uint8), np.zeros((16, 16), np.uint8), "shape"),
        (np.zeros((16, 16, 4), np.uint8), np.zeros((16, 16, 4), np.uint8), "shape"),
        (np.zeros((0, 16, 3), np.uint8), np.zeros((0, 16, 3), np.uint8), "shape"),
        (np.zeros((16, 16, 3)), np.zeros((16, 16, 3), np.uint8), "candidate must be .* Found float64"),
        (np.zeros((16, 16, 3), np.uint8), np.zeros((16, 16, 3), np.int64), "reference must be .* Found int64"),
        (np.zeros((16, 16, 3), np.uint8), np.zeros((16, 17, 3), np.uint8), "same size"),
        ([[[0, 0, 0]]], np.zeros((1, 1, 3), np.uint8), "Found list"),
    ],
)
def test_wrong_frames_are_refused(metric, candidate, reference, words):
    with pytest.raises(ValueError, match=words):
        metric(candidate, reference)


@pytest.mark.parametrize("metric", [ssim_gray, ssim_rgb])
@pytest.mark.parametrize("shape", [(10, 64, 3), (64, 10, 3)])
def test_ssim_refuses_frames_below_the_window(metric, shape):
    with pytest.raises(ValueError, match="at least 11 pixels"):
        metric(np.zeros(shape, np.uint8), np.zeros(shape, np.uint8))


@pytest.mark.parametrize("data_range", [0, -1.0, math.nan, math.inf])
def test_psnr_refuses_a_senseless_peak(data_range):
    image, other = noisy_pair(17)
    with pytest.raises(ValueError, match="data_range"):
        psnr(image, other, data_range=data_range)


def test_shrinking_averages_areas():
    # INTER_AREA by whole factors is the mean of each block: (0 + 10 + 20 + 50)/4 = 20, (4 + 4 + 8 + 8)/4 = 6.
    plane = np.array([[0, 10, 4, 4], [20, 50, 8, 8]], dtype=np.uint8)
    image = np.repeat(plane[..., np.newaxis], 3, axis=2)
    assert resize_to(image, 1, 2)[..., 0].tolist() == [[20, 6]]


def test_checkerboard_is_gray_when_halved():
    """With antialiasing a 1-pixel checkerboard becomes mid-grey, also where only one side shrinks."""
    board = np.repeat(((np.indices((32, 32)).sum(axis=0) % 2) * 255).astype(np.uint8)[..., np.newaxis], 3, axis=2)
    assert np.all(np.abs(resize_to(board, 16, 16).astype(int) - 128) <= 1)
    mixed = resize_to(board, 16, 64)
    assert mixed.shape == (16, 64, 3)
    assert np.all(np.abs(mixed[2:-2].astype(int) - 128) <= 16)


@pytest.mark.parametrize("size", [(60, 70), (60, 40), (20, 70), (40, 54)])
def test_growing_on_any_side_is_pillow_bicubic(size):
    image, _ = noisy_pair(19)
    expected = np.asarray(Image.fromarray(image).resize((size[1], size[0]), Image.Resampling.BICUBIC))
    result = resize_to(image, *size)
    assert result.dtype == np.uint8
    assert result.shape == (*size, 3)
    assert np.array_equal(result, expected)


def test_shrinking_one_side_only_is_area():
    image, _ = noisy_pair(23)
    assert np.array_equal(resize_to(image, 40, 30), cv2.resize(image, (30, 40), interpolation=cv2.INTER_AREA))


def test_same_size_is_returned_as_it_is():
    image, _ = noisy_pair(29)
    assert resize_to(image, *image.shape[:2]) is image


def test_resize_refuses_senseless_targets():
    image, _ = noisy_pair(31)
    with pytest.raises(ValueError, match="at least 1"):
        resize_to(image, 0, 10)
    with pytest.raises(ValueError, match="uint8 RGB"):
        resize_to(image.astype(np.float32), 10, 10)
