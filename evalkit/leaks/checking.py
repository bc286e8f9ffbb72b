"""Compare a test set with listings of training sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from evalkit.errors import InputError, TestSetError
from evalkit.leaks.listing import IMAGE_BYTES, MOTION, SOUND, Print, WrongLines, read_blocks
from evalkit.leaks.packed import Block, Hit, Packed, ones
from evalkit.leaks.wanted import Wanted, wanted_of
from evalkit.scoring.run import RunOptions
from evalkit.testsets.model import TestSet

What = Literal["file", "video", "image", "speech"]
IMAGE_APART = 6  # of 63 bits
MOST = 5  # leaks of one kind that are kept of a sample, the best ones


@dataclass(frozen=True)
class TrainingLeak:
    """Something of a sample that is in a training set.

    Args:
        sample: its id.
        what: ``file``: the reference video, byte for byte; ``video``: its content; ``image``: a reference image is the
            first picture; ``speech``: the speech is heard.
        listing: the file with the fingerprint.
        id: what the listing calls the video.
        share: of equal bits, 0..1; 1 of a file.
        shift: seconds by which it is later in the training video.
        mirrored: whether it is the mirror image.
    """

    sample: str
    what: What
    listing: str
    id: str
    share: float = 1.0
    shift: float = 0.0
    mirrored: bool = False


@dataclass(frozen=True, repr=False)
class LeakReport:
    """What was found.

    Args:
        samples: number of samples.
        compared: listing -> how many fingerprints it has.
        wrong: listing -> lines that are no fingerprints.
        leaks: by sample and kind, the best `MOST` of each.
        numbers: (sample, what) -> how many training videos have it.
        unread: what of the test set can't be read -> why.
    """

    samples: int
    compared: dict[str, int]
    wrong: dict[str, WrongLines]
    leaks: tuple[TrainingLeak, ...]
    numbers: dict[tuple[str, What], int]
    unread: dict[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether everything of the test set and every line was compared."""
        return not self.unread and not any(one.number for one in self.wrong.values())

    def __repr__(self) -> str:
        leaked = len({leak.sample for leak in self.leaks})
        return f"<LeakReport: {leaked} of {self.samples} samples, {sum(self.compared.values())} fingerprints>"

    def to_json(self) -> dict[str, Any]:
        """Return what ``evalkit testset leaks --json`` prints."""
        return {
            "schema": 1,
            "ok": not self.leaks and self.complete,
            "samples": self.samples,
            "compared": self.compared,
            "wrong_lines": {
                path: {"number": one.number, "first": one.first} for path, one in self.wrong.items() if one.number
            },
            "leaks": [
                {
                    "sample": leak.sample,
                    "what": leak.what,
                    "fingerprints": leak.listing,
                    "id": leak.id,
                    "share": round(leak.share, 4),
                    "shift_seconds": leak.shift,
                    "mirrored": leak.mirrored,
                    "videos": self.numbers[leak.sample, leak.what],
                }
                for leak in self.leaks
            ],
            "unread": self.unread,
        }


def find_training_leaks(testset: TestSet, listings: Sequence[Path], options: RunOptions) -> LeakReport:
    """Look for a test set's videos, images and speech in listings of training sets.

    Args:
        testset: the samples.
        listings: files of `evalkit testset fingerprint`.
        options: engine, cache and progress.

    Raises:
        InputError: a listing can't be read, or has no fingerprint.
        TestSetError: the test set has nothing that could be compared.
    """
    for path in listings:
        if not path.is_file():
            raise InputError(
                f"The fingerprints {path} are not there.", expected="a file of 'evalkit testset fingerprint'"
            )
    wanted, unread = wanted_of(testset, options)
    if not any(one.sha256 or one.images or one.sounds for one in wanted):
        why = next(iter(unread.values()), "the samples have no reference video, image or speech")
        raise TestSetError("The test set has nothing to look for.", found=why)
    search = Search(wanted)
    compared: dict[str, int] = {}
    wrong: dict[str, WrongLines] = {}
    total = sum(path.stat().st_size for path in listings)
    with options.progress.stage("comparing fingerprints", total, unit="bytes") as stage:
        for path in dict.fromkeys(listings):
            name = str(path)
            wrong[name], compared[name] = WrongLines(), 0
            for prints, size in read_blocks(path, wrong[name]):
                search.block(prints, name)
                compared[name] += len(prints)
                stage.advance(size)
            if not compared[name]:
                first = next(iter(wrong[name].first), "it is empty")
                raise InputError(
                    f"{path} has no fingerprint.", found=first, expected="a file of 'evalkit testset fingerprint'"
                )
    return LeakReport(len(wanted), compared, wrong, search.leaks(), search.numbers, unread)


class Search:
    """Keeps the best leaks of each sample while blocks go by."""

    def __init__(self, wanted: Sequence[Wanted]) -> None:
        self._wanted = wanted
        self._digests: dict[str, list[str]] = {}
        for one in wanted:
            if one.sha256:
                self._digests.setdefault(one.sha256, []).append(one.sample)
        self._best: dict[tuple[str, What], list[TrainingLeak]] = {}
        self.numbers: dict[tuple[str, What], int] = {}

    def block(self, prints: Sequence[Print], listing: str) -> None:
        """Compare a block of fingerprints with every sample."""
        if not prints:
            return
        motion = Block(Packed.of(MOTION, [one.motion for one in prints]))
        sound = Block(Packed.of(SOUND, [one.sound for one in prints]))
        images = np.frombuffer(b"".join(one.image.ljust(IMAGE_BYTES, b"\0") for one in prints), "<u8")
        has_image = np.array([bool(one.image) for one in prints])
        for line in prints:
            for name in self._digests.get(line.sha256, ()):
                self._add(TrainingLeak(name, "file", listing, line.id))
        for sample in self._wanted:
            videos = [(hit, False) for hit in motion.search(sample.motion)]
            videos += [(hit, True) for hit in motion.search(sample.mirrored)]
            for hit, mirrored in _best_of_lines(videos):
                training = prints[hit.line]
                if training.sha256 != sample.sha256:  # else it is told as the file that it is
                    self._add(
                        TrainingLeak(sample.sample, "video", listing, training.id, hit.share, hit.shift, mirrored)
                    )
            sounds = [(hit, False) for start in sample.sounds for hit in sound.search(start)]
            for hit, _ in _best_of_lines(sounds):
                self._add(TrainingLeak(sample.sample, "speech", listing, prints[hit.line].id, hit.share, hit.shift))
            for number, apart in _images(images, has_image, sample.images):
                self._add(TrainingLeak(sample.sample, "image", listing, prints[number].id, 1 - apart / 63))

    def _add(self, leak: TrainingLeak) -> None:
        key = leak.sample, leak.what
        self.numbers[key] = self.numbers.get(key, 0) + 1
        kept = self._best.setdefault(key, [])
        kept.append(leak)
        kept.sort(key=lambda one: -one.share)
        del kept[MOST:]

    def leaks(self) -> tuple[TrainingLeak, ...]:
        """Return what was kept, in the order of the samples."""
        order = {one.sample: at for at, one in enumerate(self._wanted)}
        kinds: dict[What, int] = {"file": 0, "video": 1, "image": 2, "speech": 3}
        keys = sorted(self._best, key=lambda key: (order[key[0]], kinds[key[1]]))
        return tuple(leak for key in keys for leak in self._best[key])


def _best_of_lines(hits: Sequence[tuple[Hit, bool]]) -> Iterator[tuple[Hit, bool]]:
    best: dict[int, tuple[Hit, bool]] = {}
    for one in hits:
        known = best.get(one[0].line)
        if known is None or one[0].share > known[0].share:
            best[one[0].line] = one
    yield from (best[line] for line in sorted(best))


def _images(
    words: np.ndarray[Any, Any], has_image: np.ndarray[Any, Any], wanted: Sequence[np.uint64]
) -> Iterator[tuple[int, int]]:
    """Yield the lines whose first picture is one of the images, and how many bits are apart."""
    if not wanted:
        return
    apart = np.min([ones(words ^ one) for one in wanted], axis=0)
    for line in np.flatnonzero((apart <= IMAGE_APART) & has_image):
        yield int(line), int(apart[line])
