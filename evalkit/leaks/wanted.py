"""What a test set is recognized by: the fingerprints of its reference videos, images and speech."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import MediaError
from evalkit.folders.listing import MediaFile
from evalkit.leaks.listing import MOTION, SOUND
from evalkit.leaks.making import read_prints
from evalkit.media.audio import read_audio
from evalkit.media.stills import read_still
from evalkit.metrics.features.audio import to_int16
from evalkit.metrics.gaming.fingerprint import square
from evalkit.metrics.gaming.overlay import small_grey
from evalkit.metrics.gaming.signature import ORDER, image_hash
from evalkit.metrics.gaming.sound_print import RATE, sound_bits
from evalkit.scoring.run import RunOptions
from evalkit.testsets.model import Sample, TestSet

STARTS = (0, 3, 5, 8)  # hundredths of a second: a copy's tenths need not begin where the speech's do
Rows = NDArray[np.uint8]
# Mirroring negates the coefficients that are odd across, so their bits.
_ODD = np.packbits([at % ORDER % 2 == 1 for at in range(1, ORDER * ORDER)])


@dataclass(frozen=True)
class Wanted:
    """What is looked for of one sample; what it has not is empty.

    Args:
        sample: its id.
        sha256: digest of its reference video.
        motion: (K, 3) signature of it; ``mirrored`` that of its mirror image.
        images: hashes of its reference images, 64 bits each.
        sounds: (K, 1) signatures of its speech, from several starts.
    """

    sample: str
    sha256: str = ""
    motion: Rows = field(default_factory=lambda: np.zeros((0, MOTION.bits // 8), np.uint8))
    mirrored: Rows = field(default_factory=lambda: np.zeros((0, MOTION.bits // 8), np.uint8))
    images: tuple[np.uint64, ...] = ()
    sounds: tuple[Rows, ...] = ()


def wanted_of(testset: TestSet, options: RunOptions) -> tuple[list[Wanted], dict[str, str]]:
    """Return what is looked for of every sample, and what can't be read: ``sample: what`` -> why.

    Videos are decoded in confined workers; images and speech are the organizer's own.
    """
    videos = [
        MediaFile(sample.id, testset.path(sample.reference_video), "video")
        for sample in testset
        if sample.reference_video
    ]
    prints, unread = read_prints(videos, "reference", options) if videos else ({}, {})
    unread = {f"{name}: reference video": why for name, why in unread.items()}
    found = []
    for sample in testset:
        one = prints.get(sample.id)
        motion = rows(one.motion if one else b"", MOTION.bits)
        found.append(
            Wanted(
                sample.id,
                one.sha256 if one else "",
                motion,
                mirrored(motion),
                _images(sample, testset, unread),
                _sounds(sample, testset, unread),
            )
        )
    return found, unread


def rows(data: bytes, bits: int) -> Rows:
    """Return a signature as (K, bits/8)."""
    return np.frombuffer(data, np.uint8).reshape(-1, bits // 8)


def mirrored(motion: Rows) -> Rows:
    """Return the motion signature (K, 3) of the mirror image."""
    return np.asarray(motion ^ _ODD)


def image_word(bits: NDArray[np.bool_]) -> np.uint64:
    """Return the 63 bits of an image as one number."""
    return np.uint64(int.from_bytes(np.packbits(bits).tobytes(), "little"))


def _images(sample: Sample, testset: TestSet, unread: dict[str, str]) -> tuple[np.uint64, ...]:
    found = []
    for path in sample.reference_images:
        try:
            found.append(image_word(image_hash(square(small_grey(read_still(testset.path(path)))))))
        except MediaError as error:
            unread[f"{sample.id}: {path}"] = str(error)
    return tuple(found)


def _sounds(sample: Sample, testset: TestSet, unread: dict[str, str]) -> tuple[Rows, ...]:
    if sample.given_audio is None:
        return ()
    try:
        samples = to_int16(read_audio(testset.path(sample.given_audio), RATE))
    except MediaError as error:
        unread[f"{sample.id}: {sample.given_audio}"] = str(error)
        return ()
    return tuple(rows(np.packbits(sound_bits(samples, start)).tobytes(), SOUND.bits) for start in STARTS)
