"""The bundled models of BRISQUE and NIQE: no networks, but statistics of rendered puppets.

NIQE's is the mean and covariance of the statistics of blocks of undistorted puppets, where the published one is of
photos. BRISQUE's is a regression from the 36 statistics of a picture to the size of its fault, 0..100, where the
published one was trained on people's opinions: blur, noise and JPEG of known strength on puppets. Both are written in
the formats of the published files, so that nothing else has to read them.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from evalkit.files import atomic_write, write_text
from evalkit.metrics.quality.brisque_model import FEATURE_COUNT, BrisqueModel, FloatArray
from evalkit.metrics.quality.natural_scenes import FlatImageError, brisque_features
from evalkit.metrics.quality.niqe_model import NiqeModel, block_statistics
from evalkit.metrics.quality.pixels import matlab_gray
from evalkit.reference_models.puppet.motion import MOODS, performance
from evalkit.reference_models.puppet.phonemes import utterance
from evalkit.reference_models.puppet.renderer import PuppetRenderer
from training.dataset import draw_look, puppet_number
from training.degrade import ImageFaults, degrade
from training.tasks.base import Figures

PEOPLE = 200
FAULTY = 3  # pictures with a fault of each person, besides the clean one
FILES = ("brisque-model.txt", "brisque-range.txt", "niqe-model.mat")
KINDS = ("blur", "noise", "blocks")
SIZES = (192, 256, 256, 320, 384, 512)
_FIRST_OF_QUALITY = 7_000_000  # other people than those of the networks
_SECONDS = 1.2
_GAMMA, _RIDGE = 0.05, 0.01
_HEADER_BYTES = 116  # of a MATLAB file: text, which scipy fills with the date


def draw_picture(puppet: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return an undistorted picture (H, H, 3) uint8 RGB of the puppet, of random size and pose."""
    look = draw_look(puppet, rng)
    side = SIZES[int(rng.random() * len(SIZES))]
    take = int(rng.random() * 1e9)
    mood = list(MOODS)[int(rng.random() * len(MOODS))]
    poses = performance(take, utterance(take, _SECONDS), _SECONDS, mood, ())
    return PuppetRenderer(look, side).render(poses[int(rng.random() * len(poses))])


def one_fault(kind: str, strength: float, side: int) -> ImageFaults:
    """Return one of `KINDS` with a strength of 0..1: blur in proportion to the picture's side, noise, or JPEG."""
    if kind == "blur":
        return ImageFaults(blur=(0.3 + 3.7 * strength) * side / 256)
    return ImageFaults(noise=1 + 23 * strength) if kind == "noise" else ImageFaults(blocks=10 + 85 * strength)


def quality_pictures(seed: int, people: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return statistics (N, 36) of clean and faulty pictures, the sizes of their faults (N,) in 0..100, and the
    statistics (B, 36) of the blocks of the clean ones.
    """
    cv2.setNumThreads(1)
    rows: list[FloatArray] = []
    sizes: list[float] = []
    blocks: list[FloatArray] = []
    for number in range(people):
        puppet = puppet_number(seed, _FIRST_OF_QUALITY + number)
        rng = np.random.Generator(np.random.PCG64([puppet, 0xE1]))
        clean = draw_picture(puppet, rng)
        shown = [(clean, 0.0)]
        for _ in range(FAULTY):
            kind, strength = KINDS[int(rng.random() * len(KINDS))], float(rng.random())
            shown.append((degrade(clean, one_fault(kind, strength, clean.shape[0]), rng), 100 * strength))
        blocks.append(block_statistics(matlab_gray(clean)).features)
        for rgb, size in shown:
            try:
                rows.append(brisque_features(matlab_gray(rgb)))
            except FlatImageError:  # a face in front of a wall can be blurred away
                continue
            sizes.append(size)
    return np.array(rows), np.array(sizes), np.concatenate(blocks)


def fit_brisque(features: FloatArray, sizes: FloatArray) -> BrisqueModel:
    """Return the ridge regression with a radial kernel from statistics (N, 36) to sizes (N,).

    Its form is that of a support vector regression in which every picture is a support vector.

    Raises:
        ValueError: a statistic is the same in all pictures.
    """
    low, high = features.min(axis=0), features.max(axis=0)
    if (low >= high).any():
        raise ValueError("A statistic is the same in all pictures: take more of them.")
    scaled = 2 * (features - low) / (high - low) - 1
    distances = np.sum((scaled[:, np.newaxis] - scaled) ** 2, axis=2)
    kernel = np.exp(-_GAMMA * distances) + _RIDGE * np.eye(len(sizes))
    middle = float(sizes.mean())
    return BrisqueModel(low, high, np.linalg.solve(kernel, sizes - middle), scaled, _GAMMA, -middle)


def fit_niqe(blocks: FloatArray) -> NiqeModel:
    """Return mean and covariance of the statistics (B, 36) of blocks, but those without a value."""
    whole = blocks[np.isfinite(blocks).all(axis=1)]
    return NiqeModel(whole.mean(axis=0), np.cov(whole, rowvar=False))


def write_brisque(model: BrisqueModel, folder: Path) -> None:
    """Write the model as libsvm's two text files."""
    lines = [
        "svm_type epsilon_svr", "kernel_type rbf", f"gamma {model.gamma!r}", "nr_class 2",
        f"total_sv {len(model.coefficients)}", f"rho {model.rho:.10g}", "SV",
    ]  # fmt: skip
    for coefficient, vector in zip(model.coefficients, model.vectors, strict=True):
        values = " ".join(f"{index}:{value:.6g}" for index, value in enumerate(vector, start=1))
        lines.append(f"{coefficient:.8g} {values}")
    write_text(folder / FILES[0], "\n".join(lines) + "\n")
    bounds = zip(range(1, FEATURE_COUNT + 1), model.minimum, model.maximum, strict=True)
    ranges = [f"{index} {low:.8g} {high:.8g}" for index, low, high in bounds]
    write_text(folder / FILES[1], "\n".join(["x", "-1 1", *ranges]) + "\n")


def write_niqe(model: NiqeModel, folder: Path) -> None:
    """Write the model as a MATLAB file; the same model gives the same bytes."""
    from scipy.io import savemat

    buffer: Any = io.BytesIO()  # a stream is documented, and missing in scipy's types
    # Eight digits: the last ones of a sum depend on the order that the linear algebra library sums in.
    mean, covariance = (np.vectorize(lambda x: float(f"{x:.8g}"))(part) for part in (model.mean, model.covariance))
    savemat(buffer, {"mu_prisparam": mean[np.newaxis], "cov_prisparam": covariance})
    title = b"MATLAB 5.0 MAT-file, NIQE of puppets, evalkit".ljust(_HEADER_BYTES)
    with atomic_write(folder / FILES[2]) as stream:
        stream.write(title + buffer.getvalue()[_HEADER_BYTES:])


class QualityTrainer:
    """Fits both models in a worker process."""

    def __init__(self, config: tuple[int, Path]) -> None:
        self.seed, self.output = config

    def __call__(self, people: int) -> Figures:
        """Return figures of the models of that many puppets."""
        return train_quality(self.seed, self.output, people)


def train_quality(seed: int, output: Path, people: int = PEOPLE) -> Figures:
    """Fit both models to ``people`` puppets, write their three files, and return figures of it."""
    features, sizes, blocks = quality_pictures(seed, people)
    brisque = fit_brisque(features, sizes)
    write_brisque(brisque, output)
    write_niqe(fit_niqe(blocks), output)
    errors = np.abs([brisque.score(row) for row in features] - sizes)
    return {"pictures": len(sizes), "blocks": len(blocks), "error": round(float(errors.mean()), 3)}
