"""What is kept of one scored video: features and facts, no frames."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from evalkit.media.facts import MediaFacts
from evalkit.media.held import HeldVideo
from evalkit.media.sampling import Uniform
from evalkit.metrics.base import FeatureData
from evalkit.scoring.jobs import Extraction
from evalkit.validators.findings import Finding

STRIP_FRAMES, STRIP_HEIGHT = 6, 112


@dataclass(frozen=True, eq=False)
class Row:
    """One video.

    Args:
        sample: its sample.
        sha256: digest of frames, times and sound.
        facts: what was measured in it.
        findings: what the challenge's rules find.
        features: of the video and its references; empty when a rule refuses it.
        strip: a few small frames side by side, (H, W, 3) uint8.
    """

    sample: str
    sha256: str
    facts: MediaFacts
    findings: tuple[Finding, ...]
    features: Mapping[str, FeatureData] = field(repr=False)
    strip: NDArray[np.uint8] = field(repr=False)

    @property
    def extraction(self) -> Extraction:
        """The form in which a run on files has it."""
        return Extraction(
            self.sample, self.sha256, self.facts, findings=self.findings, loaded=dict(self.features), decodes=0
        )


def digest_of(video: HeldVideo) -> str:
    """Return the SHA-256 of a video in memory."""
    digest = hashlib.sha256()
    height, width = video.frames[0].shape[:2]
    digest.update(f"{len(video.frames)} {height} {width} ".encode())
    digest.update(np.ascontiguousarray(video.times).tobytes())
    for frame in video.frames:
        digest.update(np.ascontiguousarray(frame).tobytes())
    if video.sound is not None:
        samples = np.ascontiguousarray(video.sound.samples)
        digest.update(f"{video.sound.rate} {samples.dtype} {samples.shape}".encode())
        digest.update(samples.tobytes())
    return digest.hexdigest()


def strip_of(video: HeldVideo) -> NDArray[np.uint8]:
    """Return a few frames of a video side by side, small."""
    import cv2

    chosen = dict.fromkeys(int(index) for index in Uniform(STRIP_FRAMES, "round").select(video.times))
    height, width = video.frames[0].shape[:2]
    scale = min(1.0, STRIP_HEIGHT / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = [
        cv2.resize(np.ascontiguousarray(video.frames[index]), size, interpolation=cv2.INTER_AREA) for index in chosen
    ]
    return np.concatenate(small, axis=1).astype(np.uint8)
