"""Audio files: one WAV or FLAC file per sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from evalkit.challenges.submission_rules import SubmissionRules
from evalkit.media.facts import MediaFacts
from evalkit.media.limits import ReadLimits
from evalkit.metrics.features.base import Item, no_frames
from evalkit.scoring.kinds.base import FileKind, Measured
from evalkit.scoring.kinds.lengths import length_of_sample
from evalkit.scoring.time_limits import BYTES_PER_SECOND, SOUND_PER_SECOND, START_SECONDS
from evalkit.testsets.model import Sample, TestSet
from evalkit.validators.file import ExpectedLength, is_error
from evalkit.workers.sandbox import JOB_SECONDS

if TYPE_CHECKING:
    from evalkit.media.inspect import Inspection
    from evalkit.media.readers import FrameSink

FEATURES_SECONDS_PER_SECOND = 60.0  # for all networks of a run together, for each second of sound


class SoundKind(FileKind):
    """An audio file; nothing of it but its first audio stream is read."""

    facts: ClassVar[str] = "sound_facts"
    version: ClassVar[int] = 2

    def inspect(self, item: Item, sinks: Sequence[FrameSink], limits: ReadLimits, rules: SubmissionRules) -> Inspection:
        """Decode the sound once; the sinks receive no frame, their features read the file themselves."""
        from evalkit.media.sound_file import inspect_sound

        no_frames(sinks)
        return inspect_sound(item.video, limits, rules.sound.containers)

    def numbers(self, facts: MediaFacts, rules: SubmissionRules) -> dict[str, float | None]:
        """Return length, sample rate, channels, level and peak."""
        names = {"duration_seconds", "sample_rate", "channels", "rms_dbfs", "peak"}
        return {} if facts.audio is None else facts.audio.model_dump(include=names)

    def expected(
        self, sample: Sample, testset: TestSet, rules: SubmissionRules, measured: Measured
    ) -> ExpectedLength | None:
        """Return the length of the speech or the reference video."""
        return None if rules.sound.match_reference_seconds is None else length_of_sample(sample, testset, measured)

    def seconds(
        self, rules: SubmissionRules, expected: ExpectedLength | None, size_bytes: int, *, scored: bool
    ) -> float:
        """Return the limit by the highest length that the rules allow."""
        longest = rules.sound.max_seconds
        if longest is None or not is_error(rules, "sound.duration"):
            return JOB_SECONDS
        seconds = START_SECONDS + size_bytes / BYTES_PER_SECOND + 2 * longest / SOUND_PER_SECOND
        return min(JOB_SECONDS, seconds + scored * longest * FEATURES_SECONDS_PER_SECOND)
