"""MP4s whose index lets programs choose: two videos in a file, tables twice, boxes elsewhere, edits, flags, fragments.

Every file is made of one that holds two videos of 15 frames (the test pictures and their negative) and a tone.
"""

from __future__ import annotations

import copy
import random
import struct
from collections.abc import Callable
from functools import cache

from hard_clips import encoded
from mp4_boxes import Box, edit_list, full, parse, patch, table, timescales, tracks, write

from fuzz.mp4 import CODED, NUMBERS, SMALL, TONE

TWO = ("-map", "0:v", "-map", "0:v", "-map", "1:a", "-filter:v:1", "negate", "-c:a", "aac", "-b:a", "16k")
FRAGMENTS = ("-movflags", "+frag_keyframe+empty_moov+default_base_moof")
SIZE = (48, 32)
STBL = (b"mdia", b"minf", b"stbl")


@cache
def two_videos(*more: str) -> bytes:
    """Return the file that all others are made of."""
    return encoded(*CODED, *TWO, *more, pictures=SMALL, audio=TONE)


class Wide(Box):
    """A box with a size of 64 bits."""

    def to_bytes(self) -> bytes:
        """Return the box as it stands in a file."""
        inner = super().to_bytes()[8:]
        return struct.pack(">I4sQ", 1, self.kind, len(inner) + 16) + inner


class Endless(Box):
    """A box that reaches to the end of the file, by its size of 0."""

    def to_bytes(self) -> bytes:
        """Return the box as it stands in a file."""
        return struct.pack(">I4s", 0, self.kind) + super().to_bytes()[8:]


def crafted(dice: random.Random) -> bytes:
    """Return a file with up to three changes of its index; one in twenty has none."""
    fragmented = dice.random() < 0.2
    tree = parse(two_videos(*FRAGMENTS) if fragmented else two_videos())
    if not fragmented and dice.random() < 0.85:
        keep(tree, dice.choice((0, 1)))
    for _ in range(dice.choice((0, 1, 1, 1, 2, 2, 3))):
        change = dice.choice(FRAGMENT_CHANGES + CHANGES if fragmented else CHANGES)
        try:
            change(tree, dice)
        except (StopIteration, IndexError, struct.error, ValueError):
            continue  # what it changes is no longer there
    return write(tree)


def keep(tree: Box, number: int) -> None:
    """Leave one of the two videos in the index, enabled; the other's samples stay in the file."""
    gone = tracks(tree, b"vide")[1 - number]
    moov = tree.find(b"moov")
    moov.children = [box for box in moov.children if box is not gone]
    for track in tracks(tree):
        patch(track.find(b"tkhd"), 3, "B", 3)


def _video(tree: Box, dice: random.Random) -> Box:
    return dice.choice(tracks(tree, b"vide"))


def original(kind: bytes, number: int) -> Box:
    """Return a table of one of the two videos, as the original file has it."""
    return copy.deepcopy(table(tracks(parse(two_videos()), b"vide")[number], kind))


def index_of(number: int) -> Box:
    """Return the whole index with one of the two videos alone; it fits every file that is not fragmented."""
    tree = parse(two_videos())
    keep(tree, number)
    return tree.find(b"moov")


def _edits(tree: Box, dice: random.Random) -> None:
    track = dice.choice(tracks(tree))
    movie, media = timescales(tree, track)
    lengths = (0, movie // 25, movie // 10, movie // 5, movie * 6 // 10, movie, movie * 2)
    starts = (-1, 0, 0, media // 25, media * 2 // 25, media // 10, media // 4, media // 2, media, -2, -media)
    edits = [
        (dice.choice(lengths), dice.choice(starts), dice.choice((1, 1, 1, 1, 0, 0.5, 2, -1)))
        for _ in range(dice.choice((0, 1, 1, 2, 2, 3)))
    ]
    edit_list(track, *edits)
    if dice.random() < 0.2:  # the same with numbers of 64 bits
        box = track.find(b"edts", b"elst")
        body = b"".join(struct.pack(">Qqi", *one) for one in struct.iter_unpack(">Iii", box.body[8:]))
        box.body = b"\1" + box.body[1:8] + body


def _order(tree: Box, dice: random.Random) -> None:
    dice.shuffle(tree.find(b"moov").children)


def _flags(tree: Box, dice: random.Random) -> None:
    """Set the flags of a track's header: enabled, in the movie, in the preview, its size is a ratio."""
    header = dice.choice(tracks(tree)).find(b"tkhd")
    patch(header, 3, "B", dice.randrange(16))


def _header(tree: Box, dice: random.Random) -> None:
    """Change a track's number, length, layer or group."""
    header = dice.choice(tracks(tree)).find(b"tkhd")
    place, form, values = dice.choice((
        (12, "I", (0, 1, 2, 3, 4, 9)), (20, "I", (0, 1, 100, 10_000, 0xFFFFFFFF)), (32, "h", (-1, 0, 1)),
        (34, "h", (0, 1, 2)), (36, "h", (0, 256)),
    ))  # fmt: skip
    patch(header, place, form, dice.choice(values))


def _clock(tree: Box, dice: random.Random) -> None:
    track = dice.choice(tracks(tree))
    box = dice.choice((tree.find(b"moov", b"mvhd"), track.find(b"mdia", b"mdhd")))
    patch(box, dice.choice((12, 16)), "I", dice.choice((0, 1, 25, 90_000, 12_800, 0xFFFFFFFF)))


def _handler(tree: Box, dice: random.Random) -> None:
    box = dice.choice(tracks(tree)).find(b"mdia", b"hdlr")
    patch(box, 8, "4s", dice.choice((b"vide", b"soun", b"pict", b"auxv", b"meta", b"hint", b"text", b"\0\0\0\0")))


def _nested(tree: Box, dice: random.Random) -> None:
    """Put an index of one of the two videos where none belongs, or a second one beside the first."""
    inner = index_of(dice.choice((0, 1)))
    around = dice.choice((None, None, b"udta", b"free", b"skip", b"wide", b"uuid", b"meta", b"moov", b"mvex", b"moof"))
    box = inner if around is None else Box(around, bytes(16) if around == b"uuid" else b"", [inner])
    parent = dice.choice((tree, tree, tree, tree.find(b"moov"), _video(tree, dice)))
    at = len(parent.children) if parent is tree and dice.random() < 0.5 else dice.randrange(len(parent.children) + 1)
    data = next((place for place, one in enumerate(parent.children) if one.kind == b"mdat"), -1)
    parent.children.insert(max(at, data + 1), box)  # what stands before the data would move it


def _table_twice(tree: Box, dice: random.Random) -> None:
    """Put another table of the same kind, or of the kind that stands for it, before or behind one."""
    tables = _video(tree, dice).find(*STBL).children
    kind = dice.choice((b"stsz", b"stts", b"stsc", b"stco", b"stsd", b"ctts", b"stss"))
    at = next(place for place, box in enumerate(tables) if box.kind == kind)
    tables.insert(at + dice.choice((0, 1)), original(kind, dice.choice((0, 1))))


def _other_places(tree: Box, dice: random.Random) -> None:
    """Add chunk places of the other form (co64 beside stco), or let them replace the first."""
    tables = _video(tree, dice).find(*STBL).children
    at = next(place for place, box in enumerate(tables) if box.kind == b"stco")
    places = [number for (number,) in struct.iter_unpack(">I", original(b"stco", dice.choice((0, 1))).body[8:])]
    box = full(b"co64", f"I{len(places)}Q", len(places), *places)
    if dice.random() < 0.3:
        tables[at] = box
    else:
        tables.insert(at + dice.choice((0, 1)), box)


def _other_sizes(tree: Box, dice: random.Random) -> None:
    """Add sizes of the other form (stz2 beside stsz), or let them replace the first."""
    tables = _video(tree, dice).find(*STBL).children
    at = next(place for place, box in enumerate(tables) if box.kind == b"stsz")
    sizes = [number for (number,) in struct.iter_unpack(">I", original(b"stsz", dice.choice((0, 1))).body[12:])]
    box = full(b"stz2", f"II{len(sizes)}H", 16, len(sizes), *sizes)
    if dice.random() < 0.3:
        tables[at] = box
    else:
        tables.insert(at + dice.choice((0, 1)), box)


def _foreign_table(tree: Box, dice: random.Random) -> None:
    tables = _video(tree, dice).find(*STBL).children
    kind = dice.choice((b"stsz", b"stts", b"stsc", b"stco", b"stsd", b"ctts", b"stss"))
    at = next(place for place, box in enumerate(tables) if box.kind == kind)
    tables[at] = original(kind, dice.choice((0, 1)))


def _entries(tree: Box, dice: random.Random) -> None:
    """Change one number of a table, drop an entry at its end, or claim more or fewer."""
    box = table(_video(tree, dice), dice.choice((b"stsz", b"stts", b"stsc", b"stco", b"ctts", b"stss")))
    kind = dice.randrange(4)
    if kind == 0:
        at = 4 * dice.randrange(len(box.body) // 4)
        patch(box, at, "I", dice.choice((*NUMBERS, dice.randrange(64), dice.randrange(2000))))
    elif kind == 1:
        patch(box, 8 if box.kind == b"stsz" else 4, "I", dice.choice((0, 1, 2, 7, 14, 16, 1000)))
    elif kind == 2:
        box.body = box.body[: -4 * dice.choice((1, 2, 3))]
    else:
        patch(box, 0, "B", dice.choice((0, 1, 2)))  # its version


def _no_table(tree: Box, dice: random.Random) -> None:
    holder = dice.choice((_video(tree, dice).find(*STBL), _video(tree, dice).find(b"mdia"), _video(tree, dice)))
    del holder.children[dice.randrange(len(holder.children))]


def _free(tree: Box, dice: random.Random) -> None:
    """Put free space with boxes in it beside others."""
    inner = dice.choice((original(b"stco", 0), original(b"stsz", 1), full(b"elst", "I", 0), Box(b"text", b"words")))
    box = Box(dice.choice((b"free", b"skip", b"wide", b"udta", b"junk")), b"", [inner])
    parent = dice.choice((tree.find(b"moov"), _video(tree, dice), _video(tree, dice).find(*STBL)))
    parent.children.insert(dice.randrange(len(parent.children) + 1), box)


def _moved(tree: Box, dice: random.Random) -> None:
    """Move a box of the index to another place in it."""
    moov = tree.find(b"moov")
    parent = dice.choice([box for box in moov.walk() if box.children])
    box = parent.children.pop(dice.randrange(len(parent.children)))
    inside = {id(one) for one in box.walk()}
    dice.choice([one for one in moov.walk() if one.children and id(one) not in inside]).children.append(box)


def _wide(tree: Box, dice: random.Random) -> None:
    """Write the size of a box in the index in 64 bits, or leave it open at the end of the file."""
    boxes = [box for box in tree.find(b"moov").walk() if box.children]
    parent = dice.choice([tree, *boxes])
    if parent is tree:
        last = tree.children[-1]
        tree.children[-1] = Endless(last.kind, last.body, last.children)
        return
    at = dice.randrange(len(parent.children))
    box = parent.children[at]
    parent.children[at] = Wide(box.kind, box.body, box.children)


def _reference(tree: Box, dice: random.Random) -> None:
    """Let a track refer to another one: as its chapters, its thumbnails, its auxiliary pictures."""
    number = struct.unpack_from(">I", dice.choice(tracks(tree)).find(b"tkhd").body, 12)[0]
    kind = dice.choice((b"chap", b"cdsc", b"auxl", b"thmb", b"sync", b"hint", b"scpt"))
    dice.choice(tracks(tree)).children.append(Box(b"tref", b"", [Box(kind, struct.pack(">I", number))]))


def _group(tree: Box, dice: random.Random) -> None:
    """Put all tracks into groups of alternatives."""
    for track in tracks(tree):
        patch(track.find(b"tkhd"), 34, "h", dice.choice((0, 1, 1, 2)))


def _entry(tree: Box, dice: random.Random) -> None:
    """Add a second description of the samples, or rename the first."""
    box = table(_video(tree, dice), b"stsd")
    kind = dice.randrange(3)
    if kind == 0:
        box.children.insert(dice.choice((0, 1)), original(b"stsd", dice.choice((0, 1))).children[0])
        patch(box, 4, "I", 2)
    elif kind == 1:
        box.children[0].kind = dice.choice((b"avc1", b"avc2", b"avc3", b"avc4", b"encv", b"mp4v", b"jpeg"))
    else:
        patch(table(_video(tree, dice), b"stsc"), 16, "I", dice.choice((0, 1, 2)))


def _fragment(tree: Box, dice: random.Random) -> None:
    """Add a fragment with samples of one of the videos to a file that has an index of all."""
    sizes = [number for (number,) in struct.iter_unpack(">I", original(b"stsz", dice.choice((0, 1))).body[12:])]
    place = struct.unpack_from(">I", original(b"stco", dice.choice((0, 1))).body, 8)[0]
    number = struct.unpack_from(">I", _video(tree, dice).find(b"tkhd").body, 12)[0]
    count = dice.choice((1, 3, len(sizes)))
    header = full(b"tfhd", "IQI", number, place, 512, flags=0x9)
    header.body = struct.pack(">IIQ", 0x9, number, place) + struct.pack(">I", 512)
    run = full(b"trun", f"I{count}I", count, *sizes[:count], flags=0x200)
    fragment = Box(b"moof", b"", [full(b"mfhd", "I", 1), Box(b"traf", b"", [header, run])])
    if dice.random() < 0.8:
        trex = full(b"trex", "5I", number, 1, 512, 0, 0)
        tree.find(b"moov").children.append(Box(b"mvex", b"", [trex]))
    tree.children.append(fragment)
    if dice.random() < 0.5:
        tree.children.append(Box(b"mdat", b""))


def _drop_fragment(tree: Box, dice: random.Random) -> None:
    at = dice.choice([place for place, box in enumerate(tree.children) if box.kind == b"moof"])
    tree.children[at] = Box(b"free", bytes(len(tree.children[at].to_bytes()) - 8))


def _fragment_fields(tree: Box, dice: random.Random) -> None:
    kinds = (b"tfhd", b"trun", b"tfdt", b"mfhd", b"trex", b"sidx", b"tfra")
    box = dice.choice([box for box in tree.walk() if box.kind in kinds])
    at = 4 * dice.randrange(len(box.body) // 4)
    patch(box, at, "I", dice.choice((*NUMBERS, 1, 2, 3, dice.randrange(2000))))


def _fragment_order(tree: Box, dice: random.Random) -> None:
    """Let two fragments of the same length change places, or the tracks in one."""
    fragment = dice.choice([box for box in tree.children if box.kind == b"moof"])
    dice.shuffle(fragment.children)


def _no_extends(tree: Box, dice: random.Random) -> None:
    """Take away what says that fragments follow."""
    box = tree.find(b"moov", b"mvex")
    box.kind = b"free"


CHANGES: tuple[Callable[[Box, random.Random], None], ...] = (
    *(_edits, _edits, _edits, _order, _flags, _header, _clock, _handler, _nested, _nested, _table_twice, _other_places),
    *(_other_sizes, _foreign_table, _entries, _entries, _no_table, _free, _moved, _wide, _reference, _group, _entry),
    _fragment,
)
FRAGMENT_CHANGES = (*(_drop_fragment, _fragment_fields, _fragment_fields, _fragment_order, _no_extends),) * 3
