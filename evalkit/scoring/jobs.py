"""What travels between the parent of a run and its workers: the settings, a job per video, and the answer.

`evalkit.scoring.answers` makes an `Extraction` of the answer: what the other modules know about one video.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from evalkit.challenges.submission_rules import SubmissionRules
from evalkit.media.facts import MediaFacts
from evalkit.metrics.base import FeatureData
from evalkit.metrics.features.base import Item, WeightFile
from evalkit.submission.references import MemberRef
from evalkit.validators.file import ExpectedLength
from evalkit.validators.findings import Finding
from evalkit.workers.messages import answer_record


@dataclass(frozen=True)
class Config:
    """The settings that all jobs of a run share.

    Args:
        cache: folder of the feature cache.
        features: names, each after the features that it needs; empty to inspect only.
        weights: role -> checked file.
        device: ``cpu`` or ``cuda``.
        fresh: compute again even what is cached.
        started: when the run began, as the cache's file system tells it (`FeatureCache.now`): entries written since
            then are used all the same. ``None`` to use none.
        rules: the challenge's; no feature is computed for a file that breaks one.
        video_seconds: the time limit of each video of the submission, cached ones included: the limit of the whole run
            is derived from them. Empty for a run without one.
        always_decoded: frames of a video that are decoded whatever they prove.
        frame_bytes: frames that lip sync keeps in memory; ``None`` for what it keeps by itself.
    """

    cache: Path
    features: tuple[str, ...] = ()
    weights: Mapping[str, WeightFile] = field(default_factory=dict)
    device: str = "cpu"
    fresh: bool = False
    started: int | None = None
    rules: SubmissionRules = field(default_factory=SubmissionRules)
    video_seconds: tuple[float, ...] = ()
    always_decoded: int = 0
    frame_bytes: int | None = None


# Stands for the video until the worker has copied it out of the submission. Absolute, and no one's path: '.' is one.
NOT_UNPACKED = Path("/not-unpacked-yet")


@dataclass(frozen=True)
class Job:
    """One file of the submission and the sample it answers (``item.video`` is filled in by the worker).

    Without a ``member`` only features that don't read the video are computed. ``seconds`` is the time limit that
    follows from the challenge's rules; ``None`` for `evalkit.workers.sandbox.JOB_SECONDS`. ``after`` is the number of
    an earlier job of the list that should be done before this one is started (`evalkit.scoring.equal_files`); an engine
    that doesn't heed it gets the same results with more work.
    """

    sample: str
    member: MemberRef | None
    item: Item
    expected: ExpectedLength | None = None
    seconds: float | None = None
    after: int | None = None


@answer_record
@dataclass(frozen=True)
class VideoAnswer:
    """A worker's answer about one file. Nothing of it is trusted.

    Args:
        sha256: digest of the file's content; ``None`` when it could not be copied out of the archive.
        facts: ``None`` in the same case.
        problem: why it could not be copied.
        times: display times of the frames (N,) float64, when the file was read now; ``None`` when the facts were known.
        arrays: feature -> its arrays, for features computed now.
        unavailable: feature -> reason and detail, for features that the file can't have.
        decodes, errors, notes, seconds, features, networks: see `Extraction`.
    """

    sha256: str | None = None
    facts: MediaFacts | None = None
    problem: str | None = None
    times: Any = None
    arrays: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    unavailable: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    decodes: int = 0
    errors: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    features: Mapping[str, float] = field(default_factory=dict)
    networks: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Extraction:
    """What is known of one file.

    Args:
        sha256: digest of the file's content; ``None`` when it could not be copied out of the archive.
        facts: ``None`` in the same case.
        problem: why it could not be copied.
        findings: what the file rules find in the facts.
        keys: feature -> cache key, for every feature asked for unless the file was refused.
        decodes: how often the file was decoded: 0 from the cache, 1, or 2 when its index was wrong; and once more for
            every feature that had to read it itself.
        computed: features computed now; the others came from the cache.
        errors: feature -> traceback, for extractors that failed.
        notes: cache entries that had to be computed again.
        seconds: wall time by stage.
        features: seconds of work by extractor, its networks included.
        networks: seconds of forward passes by network.
        loaded: features that were read from the cache on the way, of those that the run wants at once.
    """

    sample: str
    sha256: str | None
    facts: MediaFacts | None
    problem: str | None = None
    findings: tuple[Finding, ...] = ()
    keys: Mapping[str, str] = field(default_factory=dict)
    decodes: int = 0
    computed: tuple[str, ...] = ()
    errors: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    features: Mapping[str, float] = field(default_factory=dict)
    networks: Mapping[str, float] = field(default_factory=dict)
    loaded: Mapping[str, FeatureData] = field(default_factory=dict)

    def slim(self) -> Extraction:
        """Return it without what is used once, when it arrives: facts, findings and features."""
        return replace(self, facts=None, findings=(), loaded={})
