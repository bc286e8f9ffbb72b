"""MS-SSIM against torchmetrics' windows, a published vector and arithmetic by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray

from evalkit.metrics.base import FeatureData, VideoInputs, metric_registry
from evalkit.metrics.features.base import FeatureUnavailableError
from evalkit.metrics.quality.ms_ssim import MultiScaleOptions, ms_ssim_frames, ms_ssim_plane

WEIGHTS = MultiScaleOptions().weights
Plane = NDArray[np.float64]


def vector() -> tuple[Plane, Plane]:
    """The grey pair of docs/definitions/psnr-ssim.md#check-values."""
    draw = np.random.RandomState(0)
    coarse = np.kron(draw.randn(24, 24), np.ones((8, 8)))
    x = np.clip(128 + 40 * coarse + 5 * draw.randn(192, 192), 0, 255)
    return x, np.clip(x + 15 * draw.randn(192, 192), 0, 255)


def smooth(seed: int, height: int, width: int) -> NDArray[np.uint8]:
    import cv2

    noise = cv2.GaussianBlur(np.random.default_rng(seed).normal(size=(height, width, 3)), (0, 0), 4)
    return np.clip(128 + 60 * noise / noise.std(), 0, 255).astype(np.uint8)


def compare(candidate: NDArray[np.uint8], reference: NDArray[np.uint8]) -> dict[str, float]:
    options = MultiScaleOptions()
    return dict(ms_ssim_frames.function(candidate, reference, options))  # type: ignore[attr-defined]


def test_the_vector_of_the_definition() -> None:
    assert ms_ssim_plane(*vector()) == pytest.approx(0.970645256274, abs=1e-12)
    assert ms_ssim_plane(*vector(), weights=(1.0,)) == pytest.approx(0.722721469540, abs=1e-12)  # one scale: SSIM


def of_torchmetrics(x: Plane, y: Plane) -> float:
    """The product over scales whose means are taken from torchmetrics' maps, where the window fits."""
    import torch
    from torch.nn import functional
    from torchmetrics.functional.image import structural_similarity_index_measure as ssim

    a, b = (torch.from_numpy(np.asarray(plane, dtype=np.float64))[None, None] for plane in (x, y))
    product = 1.0
    for level, weight in enumerate(WEIGHTS):
        if level:
            odd = (0, a.shape[-1] % 2, 0, a.shape[-2] % 2)  # the last column and row once more
            a, b = (functional.avg_pool2d(functional.pad(plane, odd, "replicate"), 2) for plane in (a, b))
        if level == len(WEIGHTS) - 1:
            _, values = ssim(a, b, sigma=1.5, data_range=255.0, return_full_image=True)
            mean = values[..., 5:-5, 5:-5].mean().item()
        else:
            _, contrast = ssim(a, b, sigma=1.5, data_range=255.0, return_contrast_sensitivity=True)
            mean = contrast.item()
        product *= max(mean, 0.0) ** weight
    return product


@pytest.mark.parametrize(("height", "width"), [(176, 176), (192, 240), (256, 256), (171, 189)])
def test_equals_torchmetrics(height: int, width: int) -> None:
    reference = smooth(1, height, width)
    noise = np.random.default_rng(2).normal(0, 12, reference.shape)
    candidate = np.clip(reference + noise, 0, 255).astype(np.uint8)
    expected = [of_torchmetrics(candidate[..., channel], reference[..., channel]) for channel in range(3)]
    assert compare(candidate, reference)["ms_ssim"] == pytest.approx(np.mean(expected), rel=1e-9)


def test_identical_and_opposite_pictures() -> None:
    picture = smooth(3, 180, 200)
    assert compare(picture, picture) == {"ms_ssim": 1.0, "scale": 1.0}
    assert (
        compare(255 - picture, picture)["ms_ssim"] == 0.0
    )  # structure is negative: counts as 0, not as a complex number


def test_more_blur_and_more_noise_score_lower() -> None:
    import cv2

    picture = smooth(4, 192, 192)
    noise = np.random.default_rng(5).normal(size=picture.shape)
    blurred = [compare(np.asarray(cv2.GaussianBlur(picture, (0, 0), s)), picture)["ms_ssim"] for s in (1, 2, 4, 8)]
    noisy = [compare(np.clip(picture + s * noise, 0, 255).astype(np.uint8), picture)["ms_ssim"] for s in (4, 8, 16, 32)]
    for values in (blurred, noisy):
        assert values == sorted(values, reverse=True)
        assert len(set(values)) == 4


@pytest.mark.parametrize("side", [160, 161])
def test_small_frames(side: int) -> None:
    picture = smooth(8, side, 300)
    if side > 160:
        assert compare(picture, picture)["ms_ssim"] == 1.0
        return
    with pytest.raises(FeatureUnavailableError, match="reference_video_too_small"):
        compare(picture, picture)
    with pytest.raises(ValueError, match="sides above 160"):
        ms_ssim_plane(picture[..., 0], picture[..., 0])


def test_the_metric_is_the_mean_over_frames_and_says_what_is_missing() -> None:
    metric = metric_registry()["ms_ssim.rgb"]
    arrays = {"compared": np.array([9.0, 10.0, 0.0]), "ms_ssim": np.linspace(0.1, 0.9, 9), "scale": np.full(9, 2.0)}
    outcome = metric.score_video(VideoInputs("s", {"ms_ssim": FeatureData(arrays)}))
    assert outcome.value == pytest.approx(0.5)
    assert [event.kind for event in outcome.events] == ["other_size_than_reference"]
