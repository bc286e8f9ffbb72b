"""Build the requests that generators receive, from a test set and the rules of a challenge."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from evalkit.challenges.model import Challenge
from evalkit.challenges.submission_rules import SubmissionRules
from evalkit.errors import MediaError
from evalkit.media.audio import audio_seconds
from evalkit.media.container import open_media
from evalkit.media.inspect import scan_times
from evalkit.media.sampling import frame_interval
from evalkit.media.stills import read_still
from evalkit.reference_models.generators.base import GenerationError, GenerationRequest, VideoTarget, sample_seed
from evalkit.testsets.model import Sample, TestSet

DEFAULT_FPS = 25
LONGEST_SIDE = 512  # of a video generated from an image alone
DEFAULT_SECONDS = 4.0
AUDIO_RATES = (16_000, 22_050, 24_000, 32_000, 44_100, 48_000)  # supported by AAC


@dataclass(frozen=True)
class RequestBuilder:
    """Builds the requests of a test set.

    Args:
        testset: the samples.
        challenge: its rules limit frame rate, size, length and audio; ``None`` for the default rules.
        seed: of the run.
    """

    testset: TestSet
    challenge: Challenge | None
    seed: int

    @property
    def rules(self) -> SubmissionRules:
        """The challenge's rules for files, or the default ones."""
        return self.challenge.submission if self.challenge else SubmissionRules()

    def request(self, index: int, output: Path) -> GenerationRequest:
        """Return the request of sample number ``index``.

        Raises:
            MediaError: the speech, image or video that determines length and size can't be read.
        """
        sample = self.testset.samples[index]
        path = self.testset.path
        return GenerationRequest(
            sample=sample.id,
            seed=sample_seed(self.seed, sample.id),
            target=self._target(sample),
            output=output,
            reference_images=tuple(map(path, sample.reference_images)),
            audio=path(sample.given_audio) if sample.given_audio else None,
            text=sample.text,
            timeline=sample.timeline,
            reference_video=path(sample.reference_video) if sample.reference_video else None,
            person=person_of(sample),
            after=lambda steps: self._after(index, steps, output),
        )

    def _after(self, index: int, steps: int, output: Path) -> GenerationRequest:
        """Return the next sample of the ``steps``-th next other person, cyclically."""
        samples = self.testset.samples
        own = person_of(samples[index])
        people: dict[str, int] = {}
        for k in range(1, len(samples)):
            number = (index + k) % len(samples)
            person = person_of(samples[number])
            if person != own:
                people.setdefault(person, number)
        if not people:
            raise GenerationError("The test set shows one person only.", expected="at least two people")
        return self.request(list(people.values())[(steps - 1) % len(people)], output)

    def _target(self, sample: Sample) -> VideoTarget:
        video, audio = self.rules.video, self.rules.audio
        lowest, highest = video.min_fps or 0.0, video.max_fps or float("inf")
        fps = Fraction(min(max(DEFAULT_FPS, lowest), highest)).limit_denominator(1001)
        seconds = self._seconds(sample)
        seconds = min(max(seconds, video.min_seconds or 0.0), video.max_seconds or seconds)
        width, height = self._size(sample)
        return VideoTarget(
            fps=fps,
            seconds=seconds,
            frames=max(video.min_frames, round(seconds * fps)),
            width=width,
            height=height,
            audio_rate=next((rate for rate in AUDIO_RATES if rate >= (audio.min_sample_rate or 0)), AUDIO_RATES[-1]),
            audio_required=audio.required,
            min_fps=lowest,
            max_fps=highest,
        )

    def _seconds(self, sample: Sample) -> float:
        if sample.given_audio:
            return audio_seconds(self.testset.path(sample.given_audio))
        if sample.reference_video:
            times = scan_times(self.testset.path(sample.reference_video))
            return len(times) * frame_interval(times, default=1 / DEFAULT_FPS)
        if sample.timeline:
            return max(event.end for event in sample.timeline)
        return DEFAULT_SECONDS

    def _size(self, sample: Sample) -> tuple[int, int]:
        if sample.reference_video:
            width, height = _video_size(self.testset.path(sample.reference_video))
        elif sample.reference_images:
            width, height = _image_size(self.testset.path(sample.reference_images[0]))
            scale = min(1.0, LONGEST_SIDE / max(width, height))
            width, height = round(width * scale), round(height * scale)
        else:
            width = height = LONGEST_SIDE
        return allowed_size(width, height, self.rules)


def allowed_size(width: int, height: int, rules: SubmissionRules) -> tuple[int, int]:
    """Return the allowed even size nearest to (width, height), of about the same aspect ratio."""
    video = rules.video
    scale = min(1.0, (video.max_width or width) / width, (video.max_height or height) / height)
    scale = max(scale, (video.min_width or 0) / width, (video.min_height or 0) / height)
    if scale == 1.0:
        return width - width % 2 or 2, height - height % 2 or 2
    step = 2 if scale > 1 else 0
    even = [max(2, int(side * scale + 1e-6) // 2 * 2) for side in (width, height)]
    smallest = (video.min_width or 0, video.min_height or 0)
    columns, rows = (side + step if side < low else side for side, low in zip(even, smallest, strict=True))
    return columns, rows


def person_of(sample: Sample) -> str:
    """Return who the sample shows: its ``identity``, else its reference images, else its id."""
    return sample.identity or "\0".join(sample.reference_images) or sample.id


def _video_size(path: Path) -> tuple[int, int]:
    with open_media(path) as container:
        if not container.streams.video:
            raise MediaError(f"{path} has no video stream.")
        context = container.streams.video[0].codec_context
        frame = next(iter(container.decode(video=0)), None)
        rotated = frame is not None and frame.rotation in {90, -90, 270, -270}
        width, height = int(context.width), int(context.height)
    if not width or not height:
        raise MediaError(f"{path} has no video frame.")
    return (height, width) if rotated else (width, height)


def _image_size(path: Path) -> tuple[int, int]:
    rows, columns = read_still(path).shape[:2]
    return columns, rows
