"""Videos: the kind of submission that a challenge has unless it says otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from evalkit.challenges.submission_rules import SubmissionRules
from evalkit.media.facts import MediaFacts
from evalkit.media.limits import ReadLimits
from evalkit.metrics.features.base import Item
from evalkit.scoring.kinds.base import FileKind, Measured
from evalkit.scoring.kinds.lengths import length_of_sample, size_of_reference
from evalkit.scoring.time_limits import video_seconds
from evalkit.testsets.model import Sample, TestSet
from evalkit.validators.file import ExpectedLength

if TYPE_CHECKING:
    from evalkit.media.inspect import Inspection
    from evalkit.media.readers import FrameSink

FACTS = "facts"
_NUMBERS = {"duration_seconds", "fps", "duplicate_share", "frames"}


class VideoKind(FileKind):
    """A video, or with `Item.still` an image that is read as a video of one frame."""

    facts: ClassVar[str] = FACTS
    version: ClassVar[int] = 0

    def inspect(self, item: Item, sinks: Sequence[FrameSink], limits: ReadLimits, rules: SubmissionRules) -> Inspection:
        """Decode the file once for all sinks."""
        # Only workers decode; a run that finds all in the cache loads no decoder.
        from evalkit.media.inspect import inspect_media
        from evalkit.media.still_frame import inspect_still

        return inspect_still(item.video, sinks) if item.still else inspect_media(item.video, sinks, limits)

    def numbers(self, facts: MediaFacts, rules: SubmissionRules) -> dict[str, float | None]:
        """Return length, frame rate, share of repeated frames, number of frames, and the size of frames as shown."""
        if facts.video is None:
            return {}
        width, height = facts.video.width, facts.video.height
        if facts.video.rotation % 180:
            width, height = height, width
        return {**facts.video.model_dump(include=_NUMBERS), "width": width, "height": height}

    def expected(
        self, sample: Sample, testset: TestSet, rules: SubmissionRules, measured: Measured
    ) -> ExpectedLength | None:
        """Return the length of the speech or the reference video, and the size of the latter's frames."""
        if rules.video.match_reference_seconds is None and not rules.video.compares_sizes:
            return None
        found = length_of_sample(sample, testset, measured)
        if found is None or not rules.video.compares_sizes:
            return found
        return size_of_reference(found, sample, testset, measured)

    def seconds(
        self, rules: SubmissionRules, expected: ExpectedLength | None, size_bytes: int, *, scored: bool
    ) -> float:
        """Return what `video_seconds` derives from the rules."""
        return video_seconds(rules, expected, size_bytes, scored=scored)
