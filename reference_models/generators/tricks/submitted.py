"""``resubmitted``: the videos of another submission, encoded again."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import UsageError
from evalkit.reference_models.generators.base import (
    GeneratedClip,
    GenerationError,
    GenerationRequest,
    Generator,
    GeneratorOption,
    GeneratorRecord,
    RgbImage,
)
from evalkit.reference_models.generators.confined_video import ConfinedVideo
from evalkit.reference_models.generators.inputs import constant_rate, in_order, read_speech
from evalkit.submission.model import Submission

VIDEOS = GeneratorOption("videos", "", "ZIP or folder with {id}.mp4, of base=submission")
LARGEST = 1 << 30  # bytes of a video


class SubmittedVideo(Generator):
    """A video of another submission, with the sample's own speech.

    A confined worker decodes it, as those that score do: the submission need not be trusted.
    """

    record = GeneratorRecord(
        "resubmitted",
        "the videos of another submission, encoded again with the speech",
        control=True,
        options=(VIDEOS,),
    )

    def __init__(self, options: Mapping[str, Any] | None = None, backbones: str = "published") -> None:
        super().__init__(options, backbones)
        if not self.options["videos"]:
            raise UsageError(
                "The other submission is not named.",
                expected="--set videos=FILE, a ZIP or a folder with the videos",
            )
        self._submission = Submission.open(str(self.options["videos"]))

    def code_files(self) -> Sequence[Path]:
        """Return the module and the submission, if that is one file."""
        return (*super().code_files(), *(path for path in (self._submission.path,) if path.is_file()))

    def generate(self, request: GenerationRequest) -> GeneratedClip:
        """Return the video of the sample's id at its own frame rate (the nearest one that the challenge allows).

        Raises:
            GenerationError: the submission has no video of that name, or more than one.
            SubmissionError: the submission can't be read.
            MediaError: the video can't.
        """
        found = [one for one in self._submission.members if PurePosixPath(one.path).stem == request.sample]
        if len(found) != 1:
            raise GenerationError(
                f"The submission {self._submission.name} has no single video of the sample.", found=str(len(found))
            )
        folder = tempfile.TemporaryDirectory()
        path = Path(folder.name) / "video"
        self._submission.copy(found[0].path, path, LARGEST)
        target = request.target
        video = ConfinedVideo(path)
        fps, order = constant_rate(video.times(), target.min_fps, target.max_fps)
        sound = read_speech(request, len(order) / float(fps))
        return GeneratedClip(_while(folder, video, order), fps, sound, target.audio_rate, len(order))


def _while(
    folder: tempfile.TemporaryDirectory[str], video: ConfinedVideo, order: NDArray[np.int64]
) -> Iterator[RgbImage]:
    """Yield the frames of a file in a folder that is deleted afterwards."""
    with folder, closing(video.frames()) as frames:
        yield from in_order(frames, order, "A video of the other submission")


GENERATORS: tuple[type[Generator], ...] = (SubmittedVideo,)
