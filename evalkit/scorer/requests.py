"""What a generator gets of a sample: its inputs as arrays, and the video that is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evalkit.challenges.model import Challenge
from evalkit.errors import UsageError
from evalkit.metrics.features.base import Picture
from evalkit.reference_models.generation.requests import RequestBuilder
from evalkit.reference_models.generators.base import GenerationRequest
from evalkit.testsets.model import TestSet, TimelineEvent

AUDIO_RATE = 16_000


@dataclass(frozen=True)
class ScorerSample:
    """One sample to generate. Images and speech are read when they are asked for, and then kept.

    Args:
        id: of the sample.
        frames: number of frames that are asked for.
        fps: frames per second.
        size: (width, height) in pixels, both even.
        seconds: length of the video.
        prompt: caption or prompt, or ``None``.
        timeline: actions with their times, or ``None``.
        groups: attributes of the sample.
        seed: derived from the id: the same at every evaluation, different for each sample.
        audio_rate: of ``audio`` in Hz.
    """

    id: str
    frames: int
    fps: float
    size: tuple[int, int]
    seconds: float
    prompt: str | None
    timeline: tuple[TimelineEvent, ...] | None
    groups: Mapping[str, str]
    seed: int
    audio_rate: int = AUDIO_RATE
    _images: tuple[Path, ...] = field(default=(), repr=False)
    _audio: Path | None = field(default=None, repr=False)

    @cached_property
    def reference_images(self) -> tuple[Picture, ...]:
        """The images of the person, (H, W, 3) uint8 RGB each.

        Raises:
            MediaError: one can't be read.
        """
        from evalkit.media.stills import read_still

        return tuple(read_still(path) for path in self._images)

    @property
    def reference_image(self) -> Picture | None:
        """The first reference image, ``None`` without one."""
        return self.reference_images[0] if self._images else None

    @cached_property
    def audio(self) -> NDArray[np.float32] | None:
        """The speech, (N,) float32 in -1..1 at `audio_rate`; ``None`` without.

        Raises:
            MediaError: it can't be read.
        """
        if self._audio is None:
            return None
        from evalkit.media.audio import read_audio

        return read_audio(self._audio, self.audio_rate)


def requests_for(testset: TestSet, challenge: Challenge, fps: float | None, seed: int) -> tuple[ScorerSample, ...]:
    """Return the sample to generate for each sample of the test set, in its order.

    Args:
        testset: the samples.
        challenge: its rules limit rate, length and size.
        fps: frames per second; ``None`` for 25, or the nearest that the challenge allows.
        seed: of the run.

    Raises:
        UsageError: the challenge does not allow the rate.
        MediaError: the speech, image or video that gives length and size can't be read.
    """
    video = challenge.submission.video
    low, high = video.min_fps or 0.0, video.max_fps or float("inf")
    if fps is not None and not (low <= fps <= high and fps > 0):
        raise UsageError(
            "The challenge does not allow this frame rate.", found=f"fps={fps:g}", expected=f"{low:g} to {high:g}"
        )
    builder = RequestBuilder(testset, challenge, seed)
    found = []
    for index, sample in enumerate(testset):
        asked: GenerationRequest = builder.request(index, Path("unused"))
        target = asked.target
        rate = float(target.fps) if fps is None else float(fps)
        frames = target.frames if fps is None else max(video.min_frames, round(target.seconds * rate))
        found.append(
            ScorerSample(
                id=sample.id,
                frames=frames,
                fps=rate,
                size=(target.width, target.height),
                seconds=target.seconds,
                prompt=sample.text,
                timeline=sample.timeline,
                groups=dict(sample.groups),
                seed=asked.seed,
                _images=asked.reference_images,
                _audio=asked.audio,
            )
        )
    return tuple(found)
