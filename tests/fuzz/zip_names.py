"""ZIPs whose members programs may unpack under other names, as other things, or not at all.

They are changes of honest archives, as in `fuzz.zip_structure`: names that some program shortens, splits or decodes,
attributes of systems, extra fields with a second name or another kind of file.
"""

from __future__ import annotations

import random
import struct
import unicodedata
import zlib

from hostile_zips import DESCRIPTOR, STORED, UTF8, Entry, local_header
from other_archives import ar, cpio, iso, tar, tar_header

from fuzz.zip_structure import CHANGES, Layout, Record, made, put_beside

NUMBERS = ("flags", "method", "crc", "packed", "size")
SAMPLES = ("p001", "p002", "p003", "\u00e9", "\u63d0\u4ea4")
HOSTS = (0, 0, 1, 2, 3, 3, 4, 5, 6, 7, 8, 10, 11, 13, 14, 16, 17, 18, 19, 30, 255)
# Read-only, hidden, volume label, folder, reparse point, and 7-Zip's mark that a Unix mode follows.
ATTRIBUTES = (0x00, 0x01, 0x02, 0x08, 0x10, 0x20, 0x28, 0x30, 0x400, 0x8000, 0x8010)
MODES = (0, 0o100644, 0o100000, 0o644, 0o040755, 0o120777, 0o010644, 0o140755, 0o160000, 0o170000, 0o030000)
FIELDS = (0x0007, 0x0009, 0x000A, 0x000D, 0x0017, 0x2605, 0x334D, 0x4341, 0x5455, 0x5855, 0x6375, 0x756E, 0x7875,
          0x9901, 0xFB4A)  # fmt: skip


HIDDEN = (b"\0", b"\x01", b"\x7f", b"\xff", b"\xad", "\u200b".encode(), "\u00ad".encode(), b"\x1b", b"\n", b"\r")
BEHIND = (b";1", b";", b";12", b".", b" ", b"/", b"/.", b"//", b":", b":x", b"::$DATA", b"\\", b"\\.", b"\0.txt",
          b"\0x.mp4", b"?", b"*", b"/..", b"/x.txt", b"\\x.txt")  # fmt: skip
BEFORE = (b"./", b"/", b"//", b"././", b".\\", b"\\", b"..\\", b"../", b"x/../", b"x\\..\\", b"C:", b"C:/", b"c:\\",
          b"//?/c:/", b"//server/share/", b"\\\\?\\", b" ", b"\xef\xbb\xbf", b"~/", b"x:", b"__MACOSX/", b"__MACOSX/._",
          b"\0", b"-", b"=", b"@", b"%")  # fmt: skip


def odd_zip(dice: random.Random) -> bytes:
    """Return an archive of one to five samples with up to three changes."""
    names = [f"{sample}.mp4" for sample in SAMPLES]
    dice.shuffle(names)
    folder = dice.choice(("", "", "", "team/"))
    records = [made((folder + name).encode(), dice.randbytes(dice.choice((0, 20, 60))) + name.encode(), dice)
               for name in names[: dice.randint(1, 5)]]  # fmt: skip
    layout = Layout(records)
    for _ in range(dice.choice((0, 1, 1, 1, 2, 3))):
        dice.choice(ODD * 3 + CHANGES)(layout, dice)
    return layout.written()


def spellings(name: bytes) -> list[bytes]:
    """Return other names that some program takes for ``name``."""
    head, _, tail = name.rpartition(b"/")
    stem, _, suffix = tail.rpartition(b".")
    folder = head + b"/" if head else b""
    text = name.decode("utf-8", "replace")
    half = len(stem) // 2
    return [
        *(folder + stem[:half] + mark + stem[half:] + b"." + suffix for mark in HIDDEN),
        *(name + mark for mark in (*HIDDEN, *BEHIND)),
        *(mark + name for mark in BEFORE),
        *(folder + mark + tail for mark in (b"/", b"./", b"x/../", b"x\\")),
        name.upper(),
        folder + stem + b"." + suffix.upper(),
        (folder or b"x/").replace(b"/", b"\\") + tail,
        *(unicodedata.normalize(form, text).encode() for form in ("NFD", "NFKC")),
        *(text.encode(page, "replace") for page in ("cp437", "latin-1", "gbk")),
        *(text.encode().decode(page).encode() for page in ("cp437", "latin-1")),
        "".join(f"#U{ord(letter):04x}" for letter in text).encode(),
        text.translate({number: number + 0xFEE0 for number in range(0x21, 0x7F)}).encode(),
        b"".join(b"%%%02X" % byte for byte in name),
        *(b"", b".", b"./", b"..", b"/", head),
        *(name[:-1] + last for last in (b"", b"\xb4", b"_")),
    ]


def _other_name(name: bytes, dice: random.Random) -> bytes:
    return dice.choice(spellings(name))


def _unmark(record: Record, dice: random.Random) -> None:
    """Take the mark of UTF-8 away where the name isn't, and now and then where it is."""
    try:
        record.name.decode()
        wrong = False
    except UnicodeDecodeError:
        wrong = True
    if wrong or dice.random() < 0.3:
        for numbers in (record.local, record.central):
            numbers["flags"] &= ~UTF8


def _rename(layout: Layout, dice: random.Random) -> None:
    record = dice.choice(layout.records)
    name = _other_name(record.name, dice)
    record.name = name
    if dice.random() < 0.9:
        record.local_name = name
    _unmark(record, dice)


def _rival(layout: Layout, dice: random.Random) -> None:
    """Put a second member beside one, with a name that is almost or quite the same."""
    name = _other_name(dice.choice(layout.records).name, dice)
    record = made(name, b"rival" + dice.randbytes(8), dice)
    _unmark(record, dice)
    record.host, record.attributes = dice.choice(((3, 0), (3, 0), (0, 0x20), (2, 0), (11, 0x20)))
    layout.records.insert(dice.randrange(len(layout.records) + 1), record)


def _empty_rival(layout: Layout, dice: random.Random) -> None:
    record = made(dice.choice(layout.records).name, b"", dice)
    record.name = record.local_name = dice.choice((record.name, record.name + b"/", b"", b"x/"))
    record.mode = dice.choice(MODES)
    layout.records.insert(dice.randrange(len(layout.records) + 1), record)


def _attributes(layout: Layout, dice: random.Random) -> None:
    record = dice.choice(layout.records)
    record.host, record.attributes, record.mode = dice.choice(HOSTS), dice.choice(ATTRIBUTES), dice.choice(MODES)
    if dice.random() < 0.2:
        record.name += b"/"
        record.local_name = record.name


def _one_attribute(layout: Layout, dice: random.Random) -> None:
    record = dice.choice(layout.records)
    kind = dice.randrange(3)
    if kind == 0:
        record.host = dice.choice(HOSTS)
    elif kind == 1:
        record.mode = dice.choice(MODES)
    else:
        record.host, record.mode, record.attributes = dice.choice((0, 10, 11, 14)), 0, dice.choice(ATTRIBUTES)


def _version(layout: Layout, dice: random.Random) -> None:
    dice.choice(layout.records).version = dice.choice((0, 10, 20, 21, 45, 46, 51, 63, 64, 255))


def field(number: int, content: bytes) -> bytes:
    """Return one extra field."""
    return struct.pack("<HH", number, len(content)) + content


def _add(record: Record, extra: bytes, dice: random.Random) -> None:
    where = dice.randrange(3)
    if where != 1:
        record.extra += extra
    if where != 2:
        record.local_extra += extra


def libarchive_field(dice: random.Random) -> bytes:
    """Return libarchive's field (0x6c78): version made by, internal and external attributes, comment, by a bitmap."""
    bits = dice.randrange(16)
    content = bytes([bits])
    if bits & 1:
        content += struct.pack("<H", dice.choice(HOSTS) << 8 | 20)
    if bits & 2:
        content += struct.pack("<H", 0)
    if bits & 4:
        content += struct.pack("<L", dice.choice(MODES) << 16 | dice.choice(ATTRIBUTES))
    if bits & 8:
        content += struct.pack("<H", 0)
    return field(0x6C78, content)


def _libarchive(layout: Layout, dice: random.Random) -> None:
    _add(dice.choice(layout.records), libarchive_field(dice), dice)


def _mode_field(layout: Layout, dice: random.Random) -> None:
    """Put a mode, and perhaps the target of a link, into a field of Unix (ASi's, PKWARE's)."""
    record = dice.choice(layout.records)
    rest = struct.pack("<HLHH", dice.choice(MODES), dice.choice((0, 5)), 0, 0) + dice.choice((b"", b"p002.mp4"))
    asi = field(0x756E, struct.pack("<L", zlib.crc32(rest)) + rest)
    pkware = field(0x000D, struct.pack("<2L2H", 0, 0, 0, 0) + dice.choice((b"", b"p002.mp4")))
    _add(record, dice.choice((asi, pkware)), dice)


def _any_field(layout: Layout, dice: random.Random) -> None:
    _add(dice.choice(layout.records), field(dice.choice(FIELDS), dice.randbytes(dice.choice((0, 1, 4, 7, 24)))), dice)


def _unicode_path(layout: Layout, dice: random.Random) -> None:
    """Give a member a Unicode Path field: its own name, another's, with a wrong checksum, of another version."""
    record = dice.choice(layout.records)
    wanted = dice.choice((record.name, dice.choice(layout.records).name, _other_name(record.name, dice)))
    kind = dice.randrange(4)
    if kind == 0:  # the header's own name in some code page
        record.name = record.local_name = record.name.decode("utf-8", "replace").encode(
            dice.choice(("gbk", "cp437", "ascii")), "replace"
        )
        _unmark(record, dice)
        for numbers in (record.local, record.central):
            numbers["flags"] &= ~UTF8
    elif kind == 1:  # a name of another code page
        record.name = record.local_name = dice.choice((b"\xe9.mp4", b"_.mp4", b"?.mp4", b"p00_.mp4", b"x.mp4"))
        for numbers in (record.local, record.central):
            numbers["flags"] &= ~UTF8
    checksum = zlib.crc32(record.name) ^ (dice.random() < 0.1)
    _add(record, field(0x7075, bytes([dice.choice((1, 1, 1, 1, 0, 2))]) + struct.pack("<L", checksum) + wanted), dice)


def _bits(layout: Layout, dice: random.Random) -> None:
    """Turn over one of the general purpose bits."""
    record, bit = dice.choice(layout.records), 1 << dice.randrange(16)
    for numbers in dice.choice(([record.local], [record.central], [record.local, record.central])):
        numbers["flags"] ^= bit


def _unlisted_rival(layout: Layout, dice: random.Random) -> None:
    """Put a member of a sample's name where no table lists it: before, between, or behind the others."""
    name = dice.choice(layout.records).name
    other = made(name, b"hidden" + dice.randbytes(8), dice)
    piece = local_header(Entry(name), other.local) + other.content + other.behind
    put_beside(layout, piece, dice)


def _prefix(layout: Layout, dice: random.Random) -> None:
    """Put something before the archive that is a program, another archive, or looks like one."""
    layout.prefix = dice.choice((
        b"MZ" + bytes(60), b"\x7fELF" + bytes(60), b"#!/bin/sh\n", b"\r\n", b"\0", b"PK00",
        tar(b"p001.mp4", b"from the tar"), cpio(b"p001.mp4", b"from the cpio"), ar(b"p001.mp4", b"from the ar"),
        b"MZ" + bytes(62) + cpio(b"p001.mp4", b"from the cpio"),
    ))  # fmt: skip


def _tar_too(layout: Layout, dice: random.Random) -> None:
    """Make the file a tar archive as well: the first member's header is the name of an empty file in it."""
    name = b"x.dat"
    start = {"flags": DESCRIPTOR, "method": STORED, "crc": 0, "packed": 0, "size": 0, "disk": 0}
    head = local_header(Entry(name), start)
    form = b"ustar\x0000" if dice.random() < 0.3 else bytes(8)
    first = tar_header(head, 0, form)
    data = first[len(head) :] + tar(b"p001.mp4", b"from the tar")
    numbers = start | {"crc": zlib.crc32(data), "packed": len(data), "size": len(data)}
    behind = struct.pack("<4s3L", b"PK\7\x08", numbers["crc"], len(data), len(data))
    layout.records.insert(0, Record(name, data, start, numbers, name, behind=behind))


def _image_too(layout: Layout, dice: random.Random) -> None:
    """Make the file an ISO 9660 image as well, whose first 32 KiB are free for anything."""
    name = b"x.dat"
    data = iso(b"p001.mp4", b"from the image")[len(local_header(Entry(name), dict.fromkeys(NUMBERS, 0))) :]
    numbers = {"flags": 0, "method": STORED, "crc": zlib.crc32(data), "packed": len(data), "size": len(data), "disk": 0}
    layout.records.insert(0, Record(name, data, dict(numbers), dict(numbers), name))


ODD = (_rename, _rival, _rival, _empty_rival, _attributes, _one_attribute, _version, _libarchive, _mode_field,
       _any_field, _unicode_path, _bits, _unlisted_rival, _prefix, _tar_too, _image_too)  # fmt: skip
