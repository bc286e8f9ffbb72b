"""What is known of a test set, its samples and files when its rules are applied."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from evalkit.challenges.kinds import KINDS, Kind
from evalkit.challenges.model import TestSetSpec
from evalkit.testsets.model import Sample

LENGTH_TOLERANCE = 0.5  # seconds, where the challenge has no rule about the length


@dataclass(frozen=True)
class CheckedImage:
    """One reference image.

    Args:
        path: relative to the test set.
        sha256: digest of the file; empty when it can't be read.
        problem: why it can't be read, or ``None``.
        width, height: as shown, in pixels.
        frames: images in the file.
        transparent: whether a part of it is.
    """

    path: str
    sha256: str = ""
    problem: str | None = None
    width: int = 0
    height: int = 0
    frames: int = 1
    transparent: bool = False


@dataclass(frozen=True)
class DrivingSound:
    """A sound that generators are given in place of the speech.

    Args:
        sha256: of the file; ``None`` where it can't be read.
        peak_dbfs: its loudest sample in decibels below full scale; minus infinity for silence.
        problem: why it can't be read, or ``None``.
    """

    sha256: str | None = None
    peak_dbfs: float = -math.inf
    problem: str | None = None


@dataclass(frozen=True)
class CheckedSample:
    """What is known of one sample.

    Args:
        sample: its record.
        images: its reference images.
        audio_sha256, audio_seconds: of the speech; ``None`` without one.
        audio_mix_energy: of its channels' average (`evalkit.media.audio.MonoMix`).
        audio_problem: why the speech can't be read, or ``None``.
        driving: the sound that generators are given in its place, or ``None``.
        voices_problem: why the speakers' voices can't be used, or ``None``.
        silent_voices: names of the speakers whose voice never speaks.
        video_sha256, video_seconds: of the reference video; ``None`` without one.
        video_problem: why the reference video can't be read, or ``None``.
        motion_problem, partner_problem: why the reference motion, or that of the partner, can't be read, or ``None``.
        partner_same: whether the partner's motion is the sample's own, to the byte.
        values: metric -> value of the real file as a submission; empty when nothing was scored.
        reasons: metric -> why the real file has no value.
    """

    sample: Sample
    images: tuple[CheckedImage, ...] = ()
    audio_sha256: str | None = None
    audio_seconds: float | None = None
    audio_mix_energy: float | None = None
    audio_problem: str | None = None
    driving: DrivingSound | None = None
    voices_problem: str | None = None
    silent_voices: tuple[str, ...] = ()
    video_sha256: str | None = None
    video_seconds: float | None = None
    video_problem: str | None = None
    motion_problem: str | None = None
    partner_problem: str | None = None
    partner_same: bool = False
    values: Mapping[str, float] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CheckedTestSet:
    """The input of the rules.

    Args:
        samples: those that were checked, in the order of the test set.
        spec: what the challenge says of its test set.
        length_tolerance: allowed difference between the speech and the reference video, in seconds.
        perfect: metric -> value that a video has when compared with itself, for paired metrics.
        left_out: samples that a limit left unchecked; they are counted.
        kind: what a team submits; the real file of a sample is of this kind.
        partner: whether each sample must have the partner's motion.
    """

    samples: tuple[CheckedSample, ...]
    spec: TestSetSpec
    length_tolerance: float = LENGTH_TOLERANCE
    perfect: Mapping[str, float] = field(default_factory=dict)
    left_out: tuple[Sample, ...] = ()
    kind: Kind = "video"
    partner: bool = False

    @property
    def real(self) -> str:
        """What the real file of a sample is called."""
        return f"real {KINDS[self.kind].file}"


def real_file(sample: Sample, kind: Kind) -> str | None:
    """Return the path of what a perfect team would submit for the sample; ``None`` where the test set has it not."""
    return {"video": sample.reference_video, "audio": sample.audio, "motion": sample.motion}[kind]
