"""A test set of puppets, with ground truth: reference image, speech, caption, timeline, groups and the real video."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

from PIL import Image

from evalkit.errors import MachineError, UsageError
from evalkit.files import atomic_write, storage_error, sweep_parts, write_text
from evalkit.media.encode import write_video
from evalkit.reference_models.puppet import captions
from evalkit.reference_models.puppet.dialogue import Dialogue
from evalkit.reference_models.puppet.dialogue_files import draw_dialogue, voice_files, write_dialogue
from evalkit.reference_models.puppet.motion import FPS
from evalkit.reference_models.puppet.scene import Scene, draw_scene
from evalkit.reference_models.puppet.sound_file import write_wav
from evalkit.reference_models.puppet.voice import RATE
from evalkit.testsets.loading import SAMPLES_FILE
from evalkit.workers.pool import Workers

HANDLER = "evalkit.reference_models.puppet.testset:PuppetSampleWriter"
MARKER_FILE = ".puppets.json"  # written first: the options of the test set
SHORTEST_DIALOGUE = 5.0  # seconds
SAMPLE_SECONDS = 600.0  # that one sample may take
KINDS = ("talking", "timeline", "dialogue")
LEAST_ACTIONS, MOST_ACTIONS = 2, 4  # of a clip of a timeline


@dataclass(frozen=True)
class PuppetTestSet:
    """Options of a test set of puppets.

    Args:
        folder: where to write.
        seed: other seeds have other people.
        identities: how many people; of dialogues, how many groups of two and three people in turn.
        takes: clips of each.
        seconds: length of a clip; a whole number of frames at 25 a second.
        size: of the images in pixels, a multiple of 4.
        actions: requested in each clip; above 0 the samples have timelines.
        kind: ``talking``; ``timeline``: actions of unequal length, some with pauses; 2, 3 or 4 of them in turn,
            unless ``actions`` says how many; or ``dialogue``: several people in one picture, each with a voice.

    Raises:
        UsageError: an option is out of range.
    """

    folder: Path
    seed: int = 0
    identities: int = 12
    takes: int = 1
    seconds: float = 4.0
    size: int = 256
    actions: int = 0
    kind: str = "talking"

    def __post_init__(self) -> None:
        limits = {
            "seed": (self.seed, 0, 1_000_000),
            "identities": (self.identities, 1, 999_999),
            "takes": (self.takes, 1, 999),
            "seconds": (self.seconds, 0.4, 600),
            "size": (self.size, 64, 2048),
            "actions": (self.actions, 0, 10),
        }
        for name, (value, low, high) in limits.items():
            if not low <= value <= high:
                raise UsageError(
                    f"The option {name} of a puppet test set is out of range.",
                    found=f"{value}",
                    expected=f"{low} to {high}",
                )
        if self.kind not in KINDS:
            raise UsageError("There is no such kind of test set.", found=str(self.kind), expected=" or ".join(KINDS))
        if self.kind == "timeline" and self.seconds < (self.actions or MOST_ACTIONS):
            raise UsageError(
                "A clip of a timeline needs a second for each action.",
                found=f"{self.seconds:g} s for up to {self.actions or MOST_ACTIONS} actions",
                fix="Make the clips longer, or ask for fewer actions.",
            )
        if self.kind == "dialogue" and self.actions:
            raise UsageError("The people of a dialogue speak and do nothing else.", found=f"{self.actions} actions")
        if self.kind == "dialogue" and self.seconds < SHORTEST_DIALOGUE:
            raise UsageError(
                "A dialogue needs time for each person's turn and for all at once.",
                found=f"{self.seconds:g} s",
                expected=f"at least {SHORTEST_DIALOGUE:g} s",
            )
        step = 8 if self.kind == "dialogue" else 4
        if self.size % step:
            raise UsageError(f"The size must be a multiple of {step}.", found=f"{self.size}")
        if abs(self.seconds * FPS - round(self.seconds * FPS)) > 1e-6:
            raise UsageError(f"A clip must be a whole number of frames at {FPS} frames/s.", found=f"{self.seconds} s")

    def names(self) -> dict[str, tuple[int, int]]:
        """Return every sample's person and take by its id, in order."""
        return {
            f"p{number:03}" + (f"t{take}" if self.takes > 1 else ""): (number, take)
            for number in range(1, self.identities + 1)
            for take in range(self.takes)
        }

    def scenes(self) -> dict[str, Scene]:
        """Return every sample's scene by its id, in order."""
        return {
            name: draw_scene(
                self.seed,
                number,
                take,
                seconds=self.seconds,
                size=self.size,
                actions=self._actions_of(number, take),
                uneven=self.kind == "timeline",
            )
            for name, (number, take) in self.names().items()
        }

    def dialogues(self) -> dict[str, Dialogue]:
        """Return every sample's dialogue by its id, in order."""
        return {
            name: draw_dialogue(self.seed, number, take, seconds=self.seconds, size=self.size)
            for name, (number, take) in self.names().items()
        }

    def _actions_of(self, number: int, take: int) -> int:
        """Return how many actions a person's take has."""
        if self.actions or self.kind != "timeline":
            return self.actions
        return LEAST_ACTIONS + (number - 1 + take) % (MOST_ACTIONS - LEAST_ACTIONS + 1)

    def options(self) -> dict[str, int | float | str]:
        """Return the options that determine the bytes: all but the folder."""
        return {name: value for name, value in asdict(self).items() if name != "folder"}


class PuppetSampleWriter:
    """Writes the files of one sample in a worker process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, job: tuple[str, Scene | Dialogue]) -> str:
        """Write reference image, speech and video; return the sample's line for the index."""
        name, scene = job
        if isinstance(scene, Dialogue):
            return write_dialogue(self.folder, name, scene)
        image, audio, video = _files(name)
        frames = scene.frames()
        first = next(frames)
        with atomic_write(self.folder / image) as stream:
            Image.fromarray(first).save(stream, format="PNG")
        write_wav(self.folder / audio, scene.audio)
        write_video(self.folder / video, chain([first], frames), FPS, scene.audio, RATE, crf=12)
        return json.dumps(
            {
                "id": name,
                "reference_images": [image],
                "audio": audio,
                "text": scene.caption,
                **({"timeline": captions.timeline(scene.actions)} if scene.actions else {}),
                "reference_video": video,
                "groups": captions.groups(scene.look, scene.mood),
                "identity": name.partition("t")[0],
            }
        )


def write_puppet_testset(
    puppets: PuppetTestSet, workers: int = 1, progress: Callable[[str], None] | None = None, *, force: bool = False
) -> Path:
    """Write a native test set and return its folder; equal bytes with any number of workers.

    An unfinished test set of the same options is completed.

    Args:
        puppets: its options.
        workers: processes.
        progress: called with the id of each sample that is done.
        force: also overwrite a test set of other options.

    Raises:
        UsageError: the folder already holds something else.
        StorageError: it can't be written.
    """
    index = puppets.folder / SAMPLES_FILE
    _claim(puppets, force=force)
    try:
        for part in ("images", "audio", "videos"):
            (puppets.folder / part).mkdir(parents=True, exist_ok=True)
        index.unlink(missing_ok=True)  # written last: a folder with an index is complete
    except OSError as error:
        raise storage_error(puppets.folder, error) from error
    jobs: list[tuple[str, Scene | Dialogue]] = []
    jobs += (puppets.dialogues() if puppets.kind == "dialogue" else puppets.scenes()).items()
    lines: dict[int, str] = {}
    for result in Workers(HANDLER, puppets.folder, workers, SAMPLE_SECONDS).run(jobs):
        if result.failure is not None:
            raise MachineError(
                f"The sample '{jobs[result.index][0]}' could not be made.",
                found=f"{result.failure}: {result.detail}",
                fix="Run the command again; if it fails again, report it.",
            )
        lines[result.index] = result.value
        if progress:
            progress(jobs[result.index][0])
    write_text(index, "".join(f"{lines[number]}\n" for number in range(len(jobs))))
    return puppets.folder


def _claim(puppets: PuppetTestSet, *, force: bool) -> None:
    """Check that the folder may be written, and record the options in it before anything else."""
    folder, marker = puppets.folder, puppets.folder / MARKER_FILE
    sweep_parts(marker)
    there = _testset_in(folder)
    if there is None and folder.exists() and any(folder.iterdir()):
        if (folder / SAMPLES_FILE).exists():
            raise UsageError(
                f"{folder} holds a test set that 'evalkit testset make' did not write.",
                expected=f"an empty folder, or one with the file {MARKER_FILE}",
                fix="Name a new folder, or delete this one if you don't need it.",
            )
        raise UsageError(f"{folder} is not empty and is not a test set.", fix="Name a new folder.")
    if there is not None and there.options() != puppets.options():
        if not force:
            raise UsageError(
                f"{folder} holds a test set that was made with other options.",
                found=json.dumps(there.options()),
                expected=json.dumps(puppets.options()),
                fix="Name a new folder, or write over this one ('evalkit testset make' with --force).",
            )
        _remove(there)
    write_text(marker, json.dumps(puppets.options(), indent=1) + "\n")


def _testset_in(folder: Path) -> PuppetTestSet | None:
    """Return the options that the folder records; ``None`` if there are none or they are invalid."""
    try:
        puppets = PuppetTestSet(folder, **json.loads((folder / MARKER_FILE).read_text(encoding="utf-8")))
        puppets.names()
    except (OSError, ValueError, TypeError, UsageError):
        return None
    return puppets


def _remove(puppets: PuppetTestSet) -> None:
    """Remove the files of a test set: the index first, so that no part is read as a complete one."""
    try:
        voices = [voice_files(name, len(scene.puppets)) for name, scene in puppets.dialogues().items()]
        own = voices if puppets.kind == "dialogue" else []
        for file in (SAMPLES_FILE, *chain.from_iterable(map(_files, puppets.names())), *chain.from_iterable(own)):
            (puppets.folder / file).unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(puppets.folder, error) from error


def _files(name: str) -> tuple[str, str, str]:
    """Return the paths of a sample's image, audio and video."""
    return f"images/{name}.png", f"audio/{name}.wav", f"videos/{name}.mp4"
