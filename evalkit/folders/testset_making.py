"""Make a test set of a folder of real videos: `evalkit testset from-folder`.

The videos are the organizer's own. Prompt, speech and reference image are taken from files of the same name beside a
video; where there is none, the image is the video's first frame and the speech its own sound.
"""

from __future__ import annotations

import io
import json
import shutil
import wave
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import InputError, MediaError, UsageError
from evalkit.files import storage_error, write_bytes, write_text
from evalkit.folders.beside import image_beside, prompt_beside, sound_beside
from evalkit.folders.listing import MediaFile, Side, list_side
from evalkit.folders.reading import SideRead, read_side
from evalkit.folders.rules import folder_challenge
from evalkit.media.audio import NoAudioError, read_audio
from evalkit.media.decode import iter_frames
from evalkit.scoring.plan import RunPlan
from evalkit.scoring.run import RunOptions
from evalkit.testsets.loading import SAMPLES_FILE
from evalkit.testsets.model import Sample, make_sample

ABOUT = "testset.json"  # where the videos are from; no reader of test sets needs it
RATE = 16_000
GROUP = "folder"  # the group that folders inside the folder make


@dataclass(frozen=True)
class Guess:
    """What a sample was given, and from where: ``beside``, ``first frame``, ``own sound`` or ``none``."""

    image: str
    audio: str
    text: str


@dataclass
class TestSetMade:
    """What was written.

    Args:
        path: the test set.
        samples: id -> what was guessed.
        left_out: path of a file -> why it is no sample.
        others: files of other kinds in the folder.
        equal: ids of samples whose video has the bytes of an earlier one.
    """

    __test__ = False

    path: Path
    samples: dict[str, Guess] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    others: int = 0
    equal: list[str] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Part of a sample -> where it is from -> number of samples."""
        parts = ("image", "audio", "text")
        return {part: dict(Counter(getattr(one, part) for one in self.samples.values())) for part in parts}

    def to_json(self) -> dict[str, Any]:
        """Return what ``evalkit testset from-folder --json`` prints."""
        return {
            "schema": 1,
            "ok": not self.left_out,
            "testset": str(self.path),
            "samples": {name: {"image": g.image, "audio": g.audio, "text": g.text} for name, g in self.samples.items()},
            "counts": self.counts,
            "left_out": dict(self.left_out),
            "other_files": self.others,
            "equal_videos": list(self.equal),
        }


def make_testset(
    folder: Path,
    out: Path,
    plan: RunPlan,
    options: RunOptions,
    *,
    license_text: str,
    source: str,
    replace: bool = False,
) -> TestSetMade:
    """Write a test set of the videos of a folder.

    Args:
        folder: with real videos, also in folders below it, whose names become the group ``folder``.
        out: the test set's folder; ``samples.jsonl`` is written last.
        plan: without metrics; gives what reading needs.
        options: cache, workers, progress.
        license_text: under which terms the videos may be used.
        source: where they are from.
        replace: write over a test set that is there.

    Raises:
        InputError: the folder has no video, or none can be read.
        UsageError: ``out`` is inside the folder, or has a test set.
        StorageError: a file can't be written.
    """
    _refuse(folder, out, replace=replace)
    found = list_side(folder, "real")
    side = Side("real", found.source, tuple(file for file in found.files if file.kind == "video"))
    if not side.files:
        raise InputError(f"The folder {folder} has no video.", found="images alone", expected="files such as NAME.mp4")
    images = {file.path for file in found.files if file.kind == "image"}
    read = read_side(side, {}, plan, folder_challenge().submission, options)
    made = TestSetMade(out, others=found.others)
    lines: list[str] = []
    digests: dict[str, str] = {}
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / SAMPLES_FILE).unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(out, error) from None
    with options.progress.stage("writing the test set", len(side.files)) as progress:
        for file in side.files:
            if (problem := read.unread.get(file.name)) is not None:
                made.left_out[str(file.path)] = f"{problem[0]}: {problem[1]}"
            else:
                try:
                    sample, guess = _sample(file, read, out)
                except (MediaError, InputError) as error:
                    made.left_out[str(file.path)] = str(error)
                else:
                    digest = read.extractions[file.name].sha256 or ""
                    if digest in digests:
                        made.equal.append(sample.id)
                    digests.setdefault(digest, sample.id)
                    made.samples[sample.id] = guess
                    lines.append(json.dumps(sample.model_dump(mode="json", exclude_defaults=True), ensure_ascii=False))
            progress.advance()
    if not lines:
        raise InputError(
            f"No video of {folder} can be read.", found=next(iter(made.left_out.values()), None), fix="Check the files."
        )
    used = {image for file in side.files if (image := image_beside(file.path)) is not None}
    taken = sum((guess.audio == "beside") + (guess.text == "beside") for guess in made.samples.values())
    made.others += len(images - used) - taken
    write_text(out / ABOUT, json.dumps(_about(made, license_text, source), indent=1) + "\n")
    write_text(out / SAMPLES_FILE, "\n".join(lines) + "\n")
    return made


def _refuse(folder: Path, out: Path, *, replace: bool) -> None:
    if out.resolve() == folder.resolve() or out.resolve().is_relative_to(folder.resolve()):
        raise UsageError(
            "The test set would lie inside the folder of real videos.",
            found=str(out),
            fix="Choose another place with -o.",
        )
    if out.exists() and not out.is_dir():
        raise UsageError(f"The output {out} is a file.", expected="a folder")
    if out.is_dir() and any(out.iterdir()) and not (replace and (out / ABOUT).is_file()):
        raise UsageError(
            f"The folder {out} is not empty.",
            fix="Choose another one; --force replaces a test set that this command made.",
        )


def _sample(file: MediaFile, read: SideRead, out: Path) -> tuple[Sample, Guess]:
    """Write the sample's files; return its record and what was guessed.

    Raises:
        MediaError: its first frame can't be read.
        InputError: its name is no id, or its prompt can't be read.
    """
    place = str(file.path)
    make_sample({"id": file.name}, place)  # first: nothing is written for a name that can't be an id
    text = prompt_beside(file.path)
    picture, sound = image_beside(file.path), sound_beside(file.path)
    record: dict[str, Any] = {"id": file.name}
    record["reference_images"] = [_copied(picture, out, "images", file.name) if picture else _frame(file, out)]
    own = None
    if sound is not None:
        record["audio"] = _copied(sound, out, "audio", file.name)
    elif read.facts[file.name].audio is not None and (own := _own_sound(file, out)) is not None:
        record["audio"] = own
    if text is not None:
        record["text"] = text
    record["reference_video"] = _copied(file.path, out, "videos", file.name)
    if "/" in file.name:
        record["groups"] = {GROUP: file.name.rpartition("/")[0]}
    guess = Guess(
        image="beside" if picture else "first frame",
        audio="beside" if sound else "own sound" if own else "none",
        text="beside" if text else "none",
    )
    return make_sample(record, place), guess


def _copied(path: Path, out: Path, part: str, name: str) -> str:
    relative = f"{part}/{name}{path.suffix.lower()}"
    goal = out / relative
    try:
        goal.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, goal)
    except OSError as error:
        raise storage_error(goal, error) from None
    return relative


def _written(data: bytes, out: Path, relative: str) -> str:
    goal = out / relative
    try:
        goal.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(goal, error) from None
    write_bytes(goal, data)
    return relative


def _frame(file: MediaFile, out: Path) -> str:
    from PIL import Image

    frame = next(iter_frames(file.path), None)
    if frame is None:
        raise MediaError(f"The video {file.path} has no frame.")
    stream = io.BytesIO()
    Image.fromarray(frame).save(stream, format="PNG")
    return _written(stream.getvalue(), out, f"images/{file.name}.png")


def _own_sound(file: MediaFile, out: Path) -> str | None:
    """Write the video's own sound as 16-bit mono at 16 kHz; return ``None`` where it has none that can be decoded."""
    try:
        samples = read_audio(file.path, RATE)
    except (NoAudioError, MediaError):
        return None
    return _written(wav_bytes(samples), out, f"audio/{file.name}.wav") if len(samples) else None


def wav_bytes(samples: NDArray[np.float32]) -> bytes:
    """Return a WAV file of mono samples at `RATE`, 16 bit."""
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.clip(np.round(samples * 32767.0), -32768, 32767).astype("<i2").tobytes())
    return stream.getvalue()


def _about(made: TestSetMade, license_text: str, source: str) -> dict[str, Any]:
    counts: Mapping[str, Mapping[str, int]] = made.counts
    return {"schema": 1, "license": license_text, "source": source, "samples": len(made.samples), "made_from": counts}


def guess_lines(made: TestSetMade) -> Sequence[str]:
    """Return in words what was guessed, a sentence for each part."""
    words = {
        "image": {"beside": "an image beside the video", "first frame": "its first frame"},
        "audio": {"beside": "a sound beside the video", "own sound": "its own sound", "none": "none, it is silent"},
        "text": {"beside": "a text beside the video", "none": "none"},
    }
    titles = {"image": "reference image", "audio": "speech", "text": "prompt"}
    lines = []
    for part, numbers in made.counts.items():
        told = ", ".join(f"{words[part][kind]} ({number})" for kind, number in numbers.items())
        lines.append(f"{titles[part]}: {told}")
    return lines
