"""Random changes of MP4 files that keep enough of the form for a demuxer to go on: boxes, fields, NAL units, halves."""

from __future__ import annotations

import random
import struct
from functools import cache
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from clip_tools import ffmpeg
from hard_clips import encoded
from mp4_boxes import CONTAINERS, Box, parse, table, tracks, write

NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
KINDS = (
    *(b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"udta", b"moof", b"traf", b"free", b"mdat", b"uuid"),
    *(b"stsd", b"stts", b"ctts", b"stsc", b"stsz", b"stco", b"co64", b"stss", b"elst", b"hdlr", b"tkhd", b"mdhd"),
    *(b"sgpd", b"sbgp", b"saiz", b"saio", b"senc", b"pssh", b"sidx", b"tfhd", b"trun", b"tfdt", b"mfra", b"tfra"),
    *(b"colr", b"pasp", b"clap", b"btrt", b"wave", b"esds", b"avcC", b"hvcC", b"cmov", b"dref", b"meta", b"ilst"),
)
TABLES = (b"stts", b"ctts", b"stsc", b"stsz", b"stco", b"elst", b"tkhd", b"mvhd", b"mdhd", b"hdlr", b"stss", b"stsd",
          b"trun", b"tfhd", b"tfdt", b"sidx", b"mfhd", b"trex", b"sbgp", b"sgpd", b"dref")  # fmt: skip
SMALL = "testsrc=s=48x32:r=25:d=0.6"
TONE = "sine=440:d=0.6:sample_rate=16000"
CODED = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-threads", "1", "-g", "6", "-x264-params", "b-adapt=0:bframes=2")


@cache
def seeds() -> tuple[bytes, ...]:
    """Return the clips that are changed: about 5 kB each, of 15 frames with sound."""
    sound = ("-c:a", "aac", "-b:a", "16k")

    def made(*words: str) -> bytes:
        return encoded(*CODED, *words, pictures=SMALL, audio=TONE)

    return (
        made(*sound),
        made(*sound, "-movflags", "+faststart"),
        made(*sound, "-movflags", "+frag_keyframe+empty_moov+default_base_moof"),
        made(*sound, "-profile:v", "baseline"),
        made("-c:a", "libmp3lame", "-b:a", "32k"),
        made(*sound, "-metadata", "title=t", "-timecode", "00:00:00:00"),
    )


def real_seeds(folder: Path) -> tuple[bytes, ...]:
    """Return the first half second of some real clips of the shared data."""
    found = []
    with TemporaryDirectory() as work:
        for name in ("s01", "s13", "s15"):
            made = Path(work) / f"{name}.mp4"
            ffmpeg("-i", folder / f"data/talking-heads/testset/videos/{name}.mp4", "-t", "0.5", "-c", "copy", made)
            found.append(made.read_bytes())
    return tuple(found)


def mutated(dice: random.Random, sources: tuple[bytes, ...]) -> bytes:
    """Return one of ``sources`` after one to four changes; one in fifty stays as it is."""
    data = dice.choice(sources)
    if dice.random() < 0.02:
        return data
    for _ in range(dice.choice((1, 1, 1, 2, 3, 4))):
        change = dice.choice((_boxes, _boxes, _fields, _fields, _fields, _units, _units, _bytes, _cut, _splice))
        data = change(data, dice, sources)
    return data


def _boxes(data: bytes, dice: random.Random, sources: tuple[bytes, ...]) -> bytes:
    tree = parse(data)
    parents = [box for box in tree.walk() if box.children]
    parent = dice.choice(parents)
    at = dice.randrange(len(parent.children))
    box = parent.children[at]
    kind = dice.randrange(8)
    if kind == 0:
        del parent.children[at]
    elif kind == 1:
        parent.children[at:at] = [box] * dice.choice((1, 1, 2, 100))
    elif kind == 2:
        dice.shuffle(parent.children)
    elif kind == 3:
        box.kind = dice.choice(KINDS)
    elif kind == 4:
        for _ in range(dice.choice((1, 1, 3, 200))):
            parent.children[at] = Box(dice.choice(sorted(CONTAINERS)), b"", [parent.children[at]])
    elif kind == 5:
        inside = {id(other) for other in box.walk()}
        dice.choice([other for other in parents if id(other) not in inside]).children.append(box)
    elif kind == 6:
        others = [other for other in parse(dice.choice(sources)).walk() if other.kind]
        parent.children[at] = dice.choice(others)
    else:
        return _resized(write(tree), box, dice)
    return write(tree)


def _resized(data: bytes, box: Box, dice: random.Random) -> bytes:
    at = data.find(box.to_bytes()[:32])
    if at < 0 or len(data) < at + 8:
        return data
    size = dice.choice((*NUMBERS, len(data), dice.randrange(64)))
    return data[:at] + struct.pack(">I", size & 0xFFFFFFFF) + data[at + 4 :]


def _fields(data: bytes, dice: random.Random, sources: tuple[bytes, ...]) -> bytes:
    tree = parse(data)
    boxes = [box for box in tree.walk() if box.kind in TABLES and box.body]
    if not boxes:
        return data
    box = dice.choice(boxes)
    body = bytearray(box.body)
    for _ in range(dice.choice((1, 1, 2, 5))):
        width = dice.choice((1, 2, 4, 4, 4, 8))
        at = dice.randrange(0, max(1, len(body)), min(4, width))
        value = dice.choice((*NUMBERS, dice.randrange(1 << 32), len(data)))
        body[at : at + width] = (value & ((1 << 8 * width) - 1)).to_bytes(width, "big")[: len(body) - at]
    box.body = bytes(body)
    return write(tree)


def samples(data: bytes) -> list[tuple[int, int]]:
    """Return place and size of every sample of the first video track, by an index that is as it should be."""
    try:
        track = tracks(parse(data), b"vide")[0]
        sizes = struct.unpack(f">{len(table(track, b'stsz').body[12:]) // 4}I", table(track, b"stsz").body[12:])
        chunks = struct.unpack(f">{len(table(track, b'stco').body[8:]) // 4}I", table(track, b"stco").body[8:])
        runs = list(struct.iter_unpack(">III", table(track, b"stsc").body[8:]))
    except (StopIteration, IndexError, struct.error, ValueError):
        return []
    found: list[tuple[int, int]] = []
    left = iter(sizes)
    for number, place in enumerate(chunks, start=1):
        count = next((run[1] for run in reversed(runs) if run[0] <= number), 0)
        at = place
        for size in islice(left, min(count, 1000)):
            found.append((at, size))
            at += size
    return [(at, size) for at, size in found if size > 0 and at + size <= len(data)]


def _units(data: bytes, dice: random.Random, sources: tuple[bytes, ...]) -> bytes:
    places = samples(data)
    kind = dice.randrange(6)
    if kind == 5 or not places:
        return _parameters(data, dice, sources)
    out = bytearray(data)
    at, size = dice.choice(places)
    if kind == 0:
        for _ in range(dice.choice((1, 1, 4, 40))):
            out[at + dice.randrange(size)] ^= 1 << dice.randrange(8)
    elif kind == 1 and size > 5:  # the slice becomes filler data, which says nothing
        out[at + 4] = 12
    elif kind == 2:  # another sample's bytes
        other, length = dice.choice(places)
        out[at : at + size] = data[other : other + length][:size].ljust(size, b"\0")
    elif kind == 3:
        out[at : at + 4] = struct.pack(">I", dice.choice((*NUMBERS, size)))
    elif size > 5:
        out[at + 4] = dice.randrange(256)
    return bytes(out)


def _parameters(data: bytes, dice: random.Random, sources: tuple[bytes, ...]) -> bytes:
    """Change the SPS and PPS in ``avcC``, or take those of another clip."""
    at, source = data.find(b"avcC"), dice.choice(sources)
    other = source.find(b"avcC")
    if at < 4 or other < 4:
        return data
    length = min(200, struct.unpack_from(">I", data, at - 4)[0] - 8)
    if length < 8 or at + 4 + length > len(data):
        return data
    out = bytearray(data)
    if dice.random() < 0.4:
        out[at + 4 : at + 4 + length] = source[other + 4 : other + 4 + length].ljust(length, b"\0")
    for _ in range(dice.choice((1, 1, 2, 6))):
        out[at + 4 + dice.randrange(length)] ^= 1 << dice.randrange(8)
    return bytes(out)


def _bytes(data: bytes, dice: random.Random, sources: tuple[bytes, ...]) -> bytes:
    out = bytearray(data)
    for _ in range(dice.choice((1, 4, 30))):
        if out:
            out[dice.randrange(len(out))] = dice.randrange(256)
    return bytes(out)


def _cut(data: bytes, dice: random.Random, sources: tuple[bytes, ...]) -> bytes:
    return data[: dice.randrange(1, len(data) + 1)] if data else data


def _splice(data: bytes, dice: random.Random, sources: tuple[bytes, ...]) -> bytes:
    other = dice.choice(sources)
    return data[: dice.randrange(len(data) + 1)] + other[dice.randrange(len(other)) :]
