"""The rules of a challenge for submissions: names of files, the archive, video and audio streams, number of runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from evalkit.challenges.kinds import KINDS, Kind
from evalkit.challenges.motion_rules import MotionRules
from evalkit.challenges.parts import ChallengePart, PositiveFloat, reject_duplicate_names
from evalkit.challenges.sound_rules import SoundRules
from evalkit.errors import did_you_mean

TEMPLATE_FIELDS = ("id", "identity", "prompt", "index", "setup")
RULES_OF_KINDS: Mapping[Kind, tuple[str, ...]] = {
    "video": ("video", "audio"),
    "audio": ("sound",),
    "motion": ("motion",),
}  # fields of `SubmissionRules`
ANY_RATIO = 1100.0  # deflate compresses nothing more; a silent file in a ZIP is no attack
_FIELD = re.compile(r"\{([^{}]*)\}")


def _template(text: str) -> str:
    fields = _FIELD.findall(text)
    unknown = [name for name in fields if name not in TEMPLATE_FIELDS]
    if unknown:
        hint = did_you_mean(unknown[0].lower(), TEMPLATE_FIELDS)
        raise ValueError(f"unknown field {{{unknown[0]}}}; known: {', '.join(TEMPLATE_FIELDS)}.{hint}")
    if not fields:
        raise ValueError("a layout needs at least one field such as {id}")
    rest = _FIELD.sub("", text)
    if any(sign in rest for sign in "{}\\\n") or not {"", ".", ".."}.isdisjoint(text.split("/")):
        raise ValueError("a layout is a relative path with forward slashes, such as {identity}/{prompt}.mp4")
    return text


Template = Annotated[str, AfterValidator(_template)]
SetupName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]


class ArchiveRules(ChallengePart):
    """Limits of an archive, checked before a single byte is decompressed."""

    max_files: int = Field(10_000, ge=1, description="members in the archive, folders included")
    max_total_bytes: int = Field(100 * 1024**3, ge=1, description="sum of the sizes after decompression")
    max_file_bytes: int = Field(2 * 1024**3, ge=1, description="size of one member after decompression")
    max_ratio: PositiveFloat = Field(50.0, description="decompressed size : compressed size of one member")


class VideoRules(ChallengePart):
    """Requirements for the video stream. ``null`` means: not checked.

    Args:
        containers: allowed containers, by FFmpeg's names (``mp4``, ``mov``, ``matroska``).
        codecs: allowed video codecs, by FFmpeg's names (``h264``, ``hevc``).
        pixel_formats: allowed pixel formats, by FFmpeg's names.
        min_fps, max_fps: allowed frame rates.
        constant_frame_rate: whether all frames must last equally long.
        min_frames: least number of frames.
        min_seconds, max_seconds: allowed lengths.
        min_width, max_width: allowed widths in pixels.
        min_height, max_height: allowed heights in pixels.
    """

    containers: tuple[str, ...] = ("mp4",)
    codecs: tuple[str, ...] = ("h264",)
    pixel_formats: tuple[str, ...] = ("yuv420p", "yuvj420p")
    min_fps: PositiveFloat | None = 20.0
    max_fps: PositiveFloat | None = 60.0
    constant_frame_rate: bool = True
    min_frames: int = Field(2, ge=1)
    min_seconds: PositiveFloat | None = None
    max_seconds: PositiveFloat | None = 600.0
    min_width: int | None = Field(None, ge=1)
    min_height: int | None = Field(None, ge=1)
    max_width: int | None = Field(4096, ge=1)
    max_height: int | None = Field(4096, ge=1)
    match_reference_seconds: PositiveFloat | None = Field(
        None,
        description="largest difference to the length of the sample's speech (of its reference video, where there is "
        "no speech), in seconds",
    )
    match_reference_size: bool = Field(
        default=False,
        description="whether frames have the width and height of the sample's reference video, if it has one",
    )
    max_reference_scale: float | None = Field(
        None,
        ge=1,
        description="largest width and height, as a multiple of those of the sample's reference video, if it has one",
    )

    @property
    def compares_sizes(self) -> bool:
        """Whether a rule compares the size of the frames with that of the reference video."""
        return self.match_reference_size or self.max_reference_scale is not None

    @model_validator(mode="after")
    def _possible(self) -> VideoRules:
        for what in ("fps", "seconds", "width", "height"):
            low, high = getattr(self, f"min_{what}"), getattr(self, f"max_{what}")
            if low is not None and high is not None and low > high:
                raise ValueError(f"no video can have min_{what} {low} and max_{what} {high}")
        return self


class AudioRules(ChallengePart):
    """Requirements for the audio stream. ``null`` means: not checked.

    Args:
        required: whether a video must have sound.
        codecs: allowed audio codecs, by FFmpeg's names.
        min_sample_rate: least sample rate in Hz.
    """

    required: bool = True
    codecs: tuple[str, ...] = ("aac", "mp3")
    min_sample_rate: int | None = Field(16_000, ge=1)
    max_start_difference: PositiveFloat | None = Field(0.1, description="start of audio against video, seconds")
    max_length_difference: PositiveFloat | None = Field(0.5, description="end of audio against end of video, seconds")


class RunRules(ChallengePart):
    """How many runs a team may submit and how many of them compete.

    Args:
        max: runs of a team.
        primary: runs of a team that compete.
    """

    max: int = Field(1, ge=1)
    primary: int = Field(1, ge=1)

    @model_validator(mode="after")
    def _possible(self) -> RunRules:
        if self.primary > self.max:
            raise ValueError(f"{self.primary} primary runs can't be chosen from {self.max}")
        return self


class SubmissionRules(ChallengePart):
    """Requirements for a submission.

    Args:
        kind: what the files are: ``video``, ``audio`` (WAV, FLAC), ``motion`` (coefficients as NPY, NPZ) or
            ``scores`` (a detector's CSV).
        layouts: paths of the files with ``{id}``, ``{identity}``, ``{prompt}``, ``{index}`` or ``{setup}``; the first
            that fits. By default ``{id}`` with the usual endings of the kind, or ``{id}/{setup}.mp4``.
        setups: names of the videos that are asked for of each sample, where it is several: ``silent``, ``own``,
            ``other`` for lip leakage. The test set says what drives each.
        archive: limits of the ZIP.
        video: requirements for the video stream, of the kind ``video``.
        audio: requirements for the audio stream of a video.
        sound: requirements for files of the kind ``audio``.
        motion: requirements for files of the kind ``motion``.
        runs: how many runs a team may submit.
    """

    kind: Kind = "video"
    layouts: tuple[Template, ...] = Field(("{id}.mp4",), min_length=1)
    setups: tuple[SetupName, ...] = ()
    archive: ArchiveRules = ArchiveRules()
    video: VideoRules = VideoRules()
    audio: AudioRules = AudioRules()
    sound: SoundRules = SoundRules()
    motion: MotionRules = MotionRules()
    runs: RunRules = RunRules()
    severities: dict[str, Literal["error", "warning", "info", "off"]] = Field(
        default_factory=dict, description="rule id: severity that replaces the rule's own"
    )
    gaming: dict[str, Literal["tell", "zero", "refuse"]] = Field(
        default_factory=dict,
        description="gaming rule id, or content.frozen: what a finding does to its video where runs are ranked: "
        "nothing (tell), the worst value in each ranking metric (zero), or no value (refuse)",
    )

    @property
    def of_other_kinds(self) -> frozenset[str]:
        """The fields that say nothing here: rules for other kinds of submission, and the kind where it is the usual."""
        others = {name for kind, names in RULES_OF_KINDS.items() if kind != self.kind for name in names}
        return frozenset(others | ({"kind"} if self.kind == "video" else set()))

    @model_validator(mode="before")
    @classmethod
    def _usual_layouts(cls, data: Any) -> Any:
        """Name the files as is usual for the kind and allow compressed silence, where the challenge doesn't say it."""
        kind = data.get("kind", "video") if isinstance(data, dict) else None
        if kind == "video" and data.get("setups") and "layouts" not in data:
            return {**data, "layouts": ("{id}/{setup}.mp4",)}
        if not isinstance(kind, str) or kind not in KINDS or kind == "video":
            return data
        archive = data.get("archive", {})
        if isinstance(archive, dict):
            archive = {"max_ratio": ANY_RATIO, **archive}
        return {"layouts": KINDS[kind].layouts, **data, "archive": archive}  # type: ignore[index]  # it is one of them

    @model_validator(mode="after")
    def _of_the_kind(self) -> SubmissionRules:
        """Refuse rules that would check nothing, and setups that no layout tells apart."""
        self._check_setups()
        for kind, names in RULES_OF_KINDS.items():
            for name in names:
                if kind != self.kind and getattr(self, name) != type(getattr(self, name))():
                    raise ValueError(f"'{name}' has rules for the kind '{kind}', and the kind is '{self.kind}'")
        return self

    def _check_setups(self) -> None:
        reject_duplicate_names(self.setups, "setup")
        with_setup = [layout for layout in self.layouts if "{setup}" in layout]
        if not self.setups:
            if with_setup:
                raise ValueError(f"the layout '{with_setup[0]}' has {{setup}}, and 'setups' names none")
            return
        if self.kind != "video":
            raise ValueError(f"'setups' are several videos of a sample, and the kind is '{self.kind}'")
        if len(self.setups) < 2:
            raise ValueError("'setups' names the videos of a sample where it is several: at least two")
        for layout in self.layouts:
            if layout not in with_setup:
                raise ValueError(f"the layout '{layout}' has no {{setup}}, so all videos of a sample would be one file")
