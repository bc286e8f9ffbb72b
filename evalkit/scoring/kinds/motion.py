"""Motion coefficients: one NPY or NPZ file per sample."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from evalkit.challenges.motion_rules import FRAMES, MotionRules
from evalkit.challenges.submission_rules import SubmissionRules
from evalkit.errors import MediaError
from evalkit.media.facts import ArrayFacts, MediaFacts, MotionFacts
from evalkit.media.limits import ReadLimits
from evalkit.metrics.features.base import Item, no_frames
from evalkit.numpy_files.header import ArrayFileError
from evalkit.numpy_files.reading import ONLY, is_archive, read_shapes, scan_arrays
from evalkit.scoring.kinds.base import FileKind, Measured
from evalkit.scoring.kinds.lengths import length_of_sample
from evalkit.scoring.time_limits import BYTES_PER_SECOND, START_SECONDS
from evalkit.testsets.model import Sample, TestSet
from evalkit.validators.file import ExpectedLength, File
from evalkit.validators.motion_files import frames_of
from evalkit.workers.sandbox import JOB_SECONDS

if TYPE_CHECKING:
    from evalkit.media.inspect import Inspection
    from evalkit.media.readers import FrameSink

FEATURES_SECONDS_PER_FRAME = 0.1  # for all features of a run together: arithmetic, no networks


class MotionKind(FileKind):
    """Arrays of numbers; nothing in the file is run."""

    facts: ClassVar[str] = "motion_facts"
    version: ClassVar[int] = 1

    def inspect(self, item: Item, sinks: Sequence[FrameSink], limits: ReadLimits, rules: SubmissionRules) -> Inspection:
        """Read the arrays once, in pieces; the sinks receive no frame, their features read the file themselves."""
        no_frames(sinks)
        try:
            arrays = tuple(
                ArrayFacts(
                    name=one.name,
                    dtype=one.header.dtype.newbyteorder("=").name,
                    shape=one.header.shape,
                    nans=one.nans,
                    infinities=one.infinities,
                    still=one.still,
                )
                for one in scan_arrays(item.video)
            )
            motion = MotionFacts(arrays=arrays)
        except ArrayFileError as error:
            motion = MotionFacts(fault=error.fault, fault_found=error.found[:200], fault_array=error.array)
        container = None if motion.fault else "npz" if is_archive(item.video) else "npy"
        facts = MediaFacts(
            size_bytes=item.video.stat().st_size,
            container=container,
            brand=None,
            video_streams=0,
            audio_streams=0,
            other_streams=(),
            video=None,
            audio=None,
            open_error=None,
            motion=motion,
        )
        from evalkit.media.inspect import Inspection

        return Inspection(facts, np.empty(0), complete=True)

    def numbers(self, facts: MediaFacts, rules: SubmissionRules) -> dict[str, float | None]:
        """Return the number of frames and the length at the challenge's rate."""
        frames = None if facts.motion is None else frames_of(facts.motion, File(facts, rules))
        return {} if frames is None else {"frames": frames, "duration_seconds": frames / rules.motion.rate}

    def expected(
        self, sample: Sample, testset: TestSet, rules: SubmissionRules, measured: Measured
    ) -> ExpectedLength | None:
        """Return the length of the reference motion, else of the speech or the reference video."""
        if rules.motion.match_reference_frames is None:
            return None
        if sample.motion is None:
            return length_of_sample(sample, testset, measured)
        frames = reference_frames(testset.path(sample.motion), rules.motion)
        return ExpectedLength(frames / rules.motion.rate, "reference motion")

    def seconds(
        self, rules: SubmissionRules, expected: ExpectedLength | None, size_bytes: int, *, scored: bool
    ) -> float:
        """Return the limit by the highest number of frames."""
        seconds = START_SECONDS + size_bytes / BYTES_PER_SECOND
        return min(JOB_SECONDS, seconds + scored * rules.motion.max_frames * FEATURES_SECONDS_PER_FRAME)


def reference_frames(path: Path, rules: MotionRules) -> int:
    """Return how many frames a motion file of the test set has, by the headers of its arrays.

    Raises:
        MediaError: it can't be read, or has not the arrays of the challenge.
    """
    try:
        shapes = read_shapes(path)
    except ArrayFileError as error:
        raise MediaError("The motion file can't be read.", found=error.found) from None
    except OSError as error:
        raise MediaError("The motion file can't be read.", found=error.strerror or str(error)) from None
    names = list(rules.arrays)
    if set(shapes) == {ONLY} and len(names) == 1:
        shapes = {names[0]: shapes[ONLY]}
    for name, array in rules.arrays.items():
        if FRAMES in array.shape and name in shapes and len(shapes[name]) == len(array.shape):
            return shapes[name][array.shape.index(FRAMES)]
    found = ", ".join(f"{name or 'an array without a name'} {shape}" for name, shape in shapes.items())
    raise MediaError("The motion file has not the arrays of the challenge.", found=found)
