"""A copy of its own reference video that was cropped or moved by much is told of; of another sample's it is not."""

from __future__ import annotations

import cv2
import numpy as np

from evalkit.metrics.gaming import signature
from evalkit.scoring.gaming import VideoFingerprint, _copies


def walk(seed: int) -> np.ndarray:
    """Return pictures (50, 64, 64) of two soft blobs on paths of their own."""
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[:64, :64]
    frames = np.full((50, 64, 64), 90, np.float32)
    for _ in range(2):
        places = 12 + np.abs((rng.uniform(0, 60, 2) + np.cumsum(rng.normal(0, 2.5, (50, 2)), axis=0)) % 80 - 40)
        blobs = [80 * np.exp(-((across - x) ** 2 + (down - y) ** 2) / 60) for x, y in places]
        frames += np.float32(blobs)
    return frames


def moved(frames: np.ndarray) -> np.ndarray:
    matrix = np.float64([[1, 0, 7], [0, 1, 7]])
    return np.stack([cv2.warpAffine(one, matrix, (64, 64), borderMode=cv2.BORDER_REFLECT_101) for one in frames])


def printed(sample: str, frames: np.ndarray, *, reference: bool) -> VideoFingerprint:
    bits, motion = signature.motion_bits(frames)
    arrays = {
        "bits": bits, "motion": np.array(motion), "hash": np.zeros(63, bool), "ticks": np.array(50),
        "distinct": np.array(13), "warped": np.array(50.0), "windows": signature.window_bits(frames),
    }  # fmt: skip
    digest = f"{sample}-{reference}-{frames.sum():.3f}"
    return VideoFingerprint.of(sample, digest, arrays, reference=reference)


def test_a_copy_that_was_moved_is_found_in_its_own_reference_alone() -> None:
    frames = [walk(seed) for seed in range(3)]
    references = [printed(f"p{at}", one, reference=True) for at, one in enumerate(frames)]
    videos = [
        printed("p0", moved(frames[0]), reference=False),
        printed("p1", moved(frames[2]), reference=False),
        printed("p2", frames[2], reference=False),
        printed("p9", moved(frames[0]), reference=False),
    ]
    found = list(_copies(videos, references))
    ((copy,), nobody, (whole,), outside) = found
    assert copy.sample == "p0" and copy.match is not None
    assert copy.match.view == "moved" and copy.match.share >= signature.WINDOW_SHARE
    assert whole.sample == "p2" and whole.match is not None and whole.match.view == ""
    assert nobody == outside == ()


def test_only_references_keep_what_copies_of_them_look_like() -> None:
    one = walk(1)
    assert printed("p", one, reference=True).windows and not printed("p", one, reference=False).windows
    still = printed("p", np.repeat(one[:1], 50, axis=0), reference=True)
    assert not still.windows and still.copied_in_part(printed("p", one, reference=False)) is None
