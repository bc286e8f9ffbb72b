"""A test set: the samples for which every submission must contain a video, with their references."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from evalkit.errors import TestSetError
from evalkit.model_faults import first_fault
from evalkit.testsets.truth import Truth
from evalkit.text import hidden_characters

Subject = Literal["person", "animal", "object"]
TestSetFormat = Literal["native", "ipvg2025", "ipvg2026-facial", "ipvg2026-sequential"]


class TimelineEvent(BaseModel):
    """One action of a sequential prompt, from ``start`` to ``end`` seconds.

    Args:
        start, end: of the action, in seconds from the start of the video.
        description: what happens.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    start: float = Field(ge=0)
    end: float
    description: str

    @model_validator(mode="after")
    def _forward(self) -> TimelineEvent:
        if not self.end > self.start:
            raise ValueError(f"an event must end after it starts, found {self.start} to {self.end}")
        return self


def _relative(value: str) -> str:
    """Reject paths that leave the test set's folder, or name the folder itself."""
    parts = Path(value).parts
    if Path(value).is_absolute() or ".." in parts or "\x00" in value or not parts:
        raise ValueError("a path must be relative and stay inside the test set's folder")
    return value


def _name(value: str) -> str:
    """Reject what is not a valid file name: layouts put ids into paths, and reports use them as names."""
    if not value or value in {".", ".."} or value != value.strip() or "\\" in value or hidden_characters(value):
        raise ValueError("must be usable in a file's name: no backslash, no invisible character, not '.' or '..'")
    return value


def _name_part(value: str) -> str:
    if "/" in value:
        raise ValueError("must be the name of one file or folder, without '/'")
    return _name(value)


def _id(value: str) -> str:
    """Reject ids that would leave their folder; slashes between names are allowed."""
    for part in value.split("/"):
        _name(part)
    return value


RelativePath = Annotated[str, AfterValidator(_relative)]
Id = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_id)]
NamePart = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_name_part)]


Share = Annotated[float, Field(ge=0, le=1)]
MOST_SPEAKERS = 8
_ADDED = (  # to a sample, in this order
    *("motion", "partner_motion", "transcript", "speakers"),
    *("item", "setup", "driving_audio", "occluders", "truth"),
)
_OWN = {"name": "a name of its own", "audio": "an audio file with this voice alone"}


class Speaker(BaseModel):
    """A person of a video in which several speak, and their voice alone.

    Args:
        name: of the person, in reports.
        audio: path of this person's speech alone, as long as that of the others.
        box: x1, y1, x2, y2 of the person in the sample's first reference image, and where the video starts: as shares
            of width and height, from 0 at the left and the top to 1.
        reference_image: path of a picture of the person alone, or ``None``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: NamePart
    audio: RelativePath
    box: tuple[Share, Share, Share, Share] | None = None
    reference_image: RelativePath | None = None

    @field_validator("box", mode="before")
    @classmethod
    def _inside(cls, value: Any) -> Any:
        if isinstance(value, list | tuple) and all(isinstance(one, int | float) for one in value):
            if any(not 0 <= one <= 1 for one in value):
                raise ValueError(
                    f"a box lies inside the frame: shares of its width and height from 0 to 1, found {list(value)}; "
                    "divide pixels by the width and the height"
                )
            if len(value) == 4 and not (value[0] < value[2] and value[1] < value[3]):
                raise ValueError(f"a box is x1, y1, x2, y2 with x1 < x2 and y1 < y2, found {list(value)}")
        return value

    @model_validator(mode="after")
    def _recognizable(self) -> Speaker:
        if self.box is None and self.reference_image is None:
            raise ValueError(f"the speaker '{self.name}' needs a box or a reference_image, to be told from the others")
        return self


class Sample(BaseModel):
    """One file to generate: reference images, speech, a prompt, and the real video where there is one.

    Args:
        id: unique in the test set; has the form of a relative path, since layouts put it into paths.
        reference_images: paths of images of the person, one or several.
        audio: path of the speech (WAV), or ``None``.
        text: caption or prompt, or ``None``.
        timeline: actions with their times, or ``None``.
        reference_video: path of the real video, or ``None``.
        subjects: what the reference images show; empty where nothing is said: people. Metrics about people are not
            applicable to a sample without a person.
        groups: attributes for breakdowns, as in ``{"ethnicity": ...}``.
        identity, prompt: parts of the id, for layouts that put them in folders.
        motion: path of the real motion coefficients (NPY, NPZ), or ``None``.
        partner_motion: path of those of the person who is spoken to, or ``None``.
        transcript: what is said in the speech, or ``None``.
        speakers: the persons of a video in which several speak, each with a voice of their own; empty for one voice.
            ``audio`` is then what is heard, the mix of all voices.
        item, setup: where several videos are asked for of one sample, its id in the test set and which of them this
            is; ``id`` is then ``item/setup``. Both or none.
        driving_audio: path of the sound that the generator is given, where that is not ``audio``: silence, for a video
            whose lips are compared with speech that it must not know.
        occluders: path of a video of masks, a frame for each of the reference video's and of its size: white where a
            hand or a thing is before the face.
        truth: whether the video is fake, for detectors; ``None`` for participants.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Id
    reference_images: tuple[RelativePath, ...] = ()
    audio: RelativePath | None = None
    text: str | None = None
    timeline: tuple[TimelineEvent, ...] | None = None
    reference_video: RelativePath | None = None
    subjects: tuple[Subject, ...] = ()
    groups: dict[str, str] = Field(default_factory=dict)
    identity: NamePart | None = None
    prompt: NamePart | None = None
    motion: RelativePath | None = None
    partner_motion: RelativePath | None = None
    transcript: str | None = None
    speakers: tuple[Speaker, ...] = ()
    item: Id | None = None
    setup: NamePart | None = None
    driving_audio: RelativePath | None = None
    occluders: RelativePath | None = None
    truth: Truth | None = None

    @field_validator("speakers")
    @classmethod
    def _several(cls, value: tuple[Speaker, ...]) -> tuple[Speaker, ...]:
        if value and not 2 <= len(value) <= MOST_SPEAKERS:
            raise ValueError(f"speakers are 2 to {MOST_SPEAKERS} persons, found {len(value)}")
        for what in ("name", "audio"):
            found = [getattr(speaker, what) for speaker in value]
            twice = next((one for number, one in enumerate(found) if one in found[:number]), None)
            if twice is not None:
                raise ValueError(f"each speaker has {_OWN[what]}, found '{twice}' twice")
        return value

    @model_validator(mode="after")
    def _item_of_setup(self) -> Sample:
        if (self.item is None) != (self.setup is None):
            raise ValueError("'item' and 'setup' belong together: give both, or neither")
        return self

    @property
    def media(self) -> tuple[str | None, ...]:
        """Paths of its files besides the reference images, ``None`` for each that it does not have."""
        media = (self.audio, self.reference_video, self.motion, self.partner_motion, self.driving_audio, self.occluders)
        return (*media, *self.speaker_files)

    @property
    def given_audio(self) -> str | None:
        """Path of the sound that the generator is given; ``None`` without any."""
        return self.driving_audio or self.audio

    @property
    def record(self) -> dict[str, Any]:
        """What digests are made of: without the fields that later versions added, where they say nothing."""
        absent = {name for name in _ADDED if getattr(self, name) in (None, ())}
        return self.model_dump(mode="json", exclude=absent)

    @property
    def speaker_files(self) -> tuple[str, ...]:
        """Paths of the speakers' audio and pictures."""
        images = (speaker.reference_image for speaker in self.speakers)
        return (*(speaker.audio for speaker in self.speakers), *(image for image in images if image is not None))

    @property
    def person(self) -> str | None:
        """Who is in the video, where the test set says so; videos of one item in several setups show one person."""
        return self.identity or (self.truth.identity if self.truth is not None else "") or self.item or None

    @property
    def shows_person(self) -> bool:
        """Whether a person is among the subjects, or nothing is said about them."""
        return not self.subjects or "person" in self.subjects


@dataclass(frozen=True)
class TestSet:
    """Samples in their published order, and the folder to which their paths are relative.

    Args:
        root: the folder.
        samples: in their order.
        format: in which they were published.
        left_out: samples of the same test set that a run with a limit doesn't ask for; they come after ``samples``.
    """

    __test__ = False

    root: Path
    samples: tuple[Sample, ...]
    format: TestSetFormat = "native"
    left_out: tuple[Sample, ...] = ()

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)

    def path(self, relative: str) -> Path:
        """Return the path of a sample's file."""
        return self.root / relative

    def limited(self, count: int | None) -> TestSet:
        """Return the test set with its first ``count`` samples only."""
        if count is None:
            return self
        return replace(self, samples=self.samples[:count], left_out=self.samples[count:] + self.left_out)

    @property
    def whole(self) -> TestSet:
        """The test set without a limit."""
        return replace(self, samples=self.samples + self.left_out, left_out=()) if self.left_out else self

    @cached_property
    def sha256(self) -> str:
        """Digest of the samples' records (not of the media: features record the digests of their files)."""
        records = [sample.record for sample in self.samples]
        return hashlib.sha256(json.dumps(records, sort_keys=True).encode()).hexdigest()


def make_sample(record: Any, place: str, names: Mapping[str, str] | None = None) -> Sample:
    """Return ``record`` as a `Sample`.

    Args:
        record: should be an object with a sample's keys.
        place: file and line or entry, for messages.
        names: key of a sample -> its name in the file, where that is different.

    Raises:
        TestSetError: naming ``place`` and the key at fault.
    """
    if not isinstance(record, dict):
        raise TestSetError(f"{place}: not a JSON object.", found=type(record).__name__)
    try:
        return Sample.model_validate(record)
    except ValidationError as error:
        raise TestSetError(f"{place}: {first_fault(Sample, error, names)}") from None
