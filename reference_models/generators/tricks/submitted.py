"""``resubmitted``: the videos of another submission, encoded again."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

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
from evalkit.reference_models.generators.inputs import ReferenceVideo, open_reference, read_speech
from evalkit.submission.model import Submission

VIDEOS = GeneratorOption("videos", "", "ZIP or folder with {id}.mp4, of base=submission; only one that you trust")
LARGEST = 1 << 30  # bytes of a video


class SubmittedVideo(Generator):
    """A video of another submission, with the sample's own speech.

    It is decoded in the generator's own process, which is not confined: meant for submissions that were made here, or
    that passed ``evalkit validate``.
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
            SubmissionError: it can't be read.
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
        video = open_reference(path, target.min_fps, target.max_fps)
        sound = read_speech(request, len(video.order) / float(video.fps))
        return GeneratedClip(_while(folder, video), video.fps, sound, target.audio_rate, len(video.order))


def _while(folder: tempfile.TemporaryDirectory[str], video: ReferenceVideo) -> Iterator[RgbImage]:
    """Yield the frames of a file in a folder that is deleted afterwards."""
    with folder:
        yield from video.frames()


GENERATORS: tuple[type[Generator], ...] = (SubmittedVideo,)
