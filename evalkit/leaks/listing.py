"""A listing of fingerprints: a file with a JSON object on each line, one of a video, and nothing else of it.

    {"id": "train/0001.mp4", "sha256": "9f2c...", "motion": "07c1...", "image": "85e1...", "sound": "3c07..."}

``sha256`` is the digest of the file, ``motion`` 24 bits for every tenth of a second of the first 6.4 s, ``image`` 63
bits of the first picture, ``sound`` 8 bits for every tenth of a second, all as hexadecimal text; what a video has not
is "". Such files may be joined. They come from strangers and have millions of lines, so they are read line by line
within bounds; a line that is wrong costs itself alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from evalkit.errors import InputError
from evalkit.jsonio import parse_json
from evalkit.leaks.packed import BitKind
from evalkit.metrics.gaming import signature, sound_print

# Above what the rules of gaming ask for: a listing has millions of videos, and nobody hides a leak.
MOTION = BitKind(signature.BITS, 4, 0.82)
SOUND = BitKind(sound_print.BITS, 2, 0.8)
IMAGE_BYTES = 8
LONGEST_LINE = 8192  # bytes
LONGEST_ID = 1000  # characters
BLOCK = 16_384  # lines that are compared at once
NAMED = 5  # wrong lines that are named
_DIGEST = re.compile(r"[0-9a-f]{64}")
_KEYS = ("id", "sha256", "motion", "image", "sound")


@dataclass(frozen=True)
class Print:
    """The fingerprint of one video.

    Args:
        id: what its owner calls it.
        sha256: digest of the file as hexadecimal text.
        motion: 3 bytes for every tenth of a second, 64 times at most.
        image: 8 bytes, or none.
        sound: a byte for every tenth of a second, 64 at most.
    """

    id: str
    sha256: str
    motion: bytes = b""
    image: bytes = b""
    sound: bytes = b""

    def line(self) -> str:
        """Return the line of a listing."""
        record = {
            "id": self.id,
            "sha256": self.sha256,
            "motion": self.motion.hex(),
            "image": self.image.hex(),
            "sound": self.sound.hex(),
        }
        return json.dumps(record, ensure_ascii=False) + "\n"


@dataclass
class WrongLines:
    """Lines of a listing that are no fingerprints.

    Args:
        number: of them.
        first: what is wrong with the first `NAMED`.
    """

    number: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, place: str, what: str) -> None:
        """Count one."""
        self.number += 1
        if len(self.first) < NAMED:
            self.first.append(f"{place}: {what}")


def parse_line(text: str) -> Print:
    """Return the fingerprint that a line holds.

    Raises:
        ValueError: with what is wrong.
    """
    record = parse_json(text)
    if not isinstance(record, dict):
        raise ValueError("no object")  # noqa: TRY004 - the text is wrong, as with all that follows
    values = [record.get(key, "") for key in _KEYS]
    for key, value in zip(_KEYS, values, strict=True):
        if not isinstance(value, str):
            raise ValueError(f"'{key}' is no text")  # noqa: TRY004
    name, digest, *signatures = values
    if not 0 < len(name) <= LONGEST_ID:
        raise ValueError(f"'id' has {len(name)} characters, not 1 to {LONGEST_ID}")
    if not _DIGEST.fullmatch(digest):
        raise ValueError("'sha256' is no digest of 64 hexadecimal digits")
    motion, image, sound = (_bytes(key, value) for key, value in zip(_KEYS[2:], signatures, strict=True))
    for key, value, kind in (("motion", motion, MOTION), ("sound", sound, SOUND)):
        if len(value) > kind.bytes or len(value) % (kind.bits // 8):
            raise ValueError(f"'{key}' is not {kind.bits // 8} bytes for each of at most {signature.TICKS} tenths")
    if len(image) not in {0, IMAGE_BYTES}:
        raise ValueError(f"'image' has {len(image)} bytes, not {IMAGE_BYTES}")
    return Print(name, digest, motion, image, sound)


def _bytes(key: str, text: str) -> bytes:
    # bytes.fromhex takes spaces too: two lines of one video could look different.
    if not text.isascii() or " " in text:
        raise ValueError(f"'{key}' is no hexadecimal text")
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ValueError(f"'{key}' is no hexadecimal text") from None


def read_blocks(path: Path, wrong: WrongLines) -> Iterator[tuple[Sequence[Print], int]]:
    """Yield the fingerprints of a listing in blocks of `BLOCK`, and how many bytes were read for each.

    Empty lines are left out.

    Args:
        path: the listing.
        wrong: takes the lines that are no fingerprints.

    Raises:
        InputError: it can't be read.
    """
    try:
        with path.open("rb") as file:
            block: list[Print] = []
            read = 0
            for number, line in _lines(file):
                place = f"line {number}"
                if line is None:
                    wrong.add(place, f"longer than {LONGEST_LINE} bytes")
                    continue
                if not line.strip():
                    continue
                try:
                    block.append(parse_line(line.decode("utf-8")))
                except ValueError as error:
                    wrong.add(place, str(error))
                if len(block) == BLOCK:
                    yield block, file.tell() - read
                    block, read = [], file.tell()
            yield block, file.tell() - read
    except OSError as error:
        raise InputError(
            f"The fingerprints {path} can't be read.",
            found=error.strerror or str(error),
            expected="a file of 'evalkit testset fingerprint'",
        ) from None


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Yield each line with its number; ``None`` for one that is too long, which is never held in memory."""
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) <= LONGEST_LINE:
            yield number, line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(LONGEST_LINE + 1)
        yield number, None
