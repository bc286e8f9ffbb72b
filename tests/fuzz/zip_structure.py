"""ZIPs that are changed where they mean something: numbers, names, extra fields, places, records at the end."""

from __future__ import annotations

import random
import struct
import zlib
from dataclasses import dataclass

from hostile_zips import DEFLATED, DESCRIPTOR, STORED, UTF8, Entry, central_entry, deflated, local_header

FULL = 0xFFFFFFFF
NAMES = (
    *("s01.mp4", "s02.mp4", "a/b.mp4", "d/", "s03.mp4"),
    *("S01.mp4", "s01.mp4.", "\u00e9.mp4", "e\u0301.mp4", "x" * 256),
)
METHODS = (STORED, DEFLATED, 9, 12, 14, 93, 99)
FLAGS = (0x1, 0x2, DESCRIPTOR, 0x40, UTF8, 0x2000)
FIELDS = ("flags", "method", "crc", "packed", "size")


@dataclass
class Record:
    """One member: the numbers in its own header and in the table of contents, and what else is written of it."""

    name: bytes
    content: bytes
    local: dict[str, int]
    central: dict[str, int]
    local_name: bytes
    extra: bytes = b""
    local_extra: bytes = b""
    behind: bytes = b""
    gap: bytes = b""
    offset: tuple[str, int] = ("own", 0)  # "own" place and so many bytes more, or that of the member of this number
    listed: int = 1
    host: int = 3
    mode: int = 0o100644
    attributes: int = 0
    version: int = 20

    def entry(self) -> Entry:
        """Return what the table of contents says beside the numbers."""
        return Entry(
            self.name,
            extra=self.extra,
            host=self.host,
            mode=self.mode,
            attributes=self.attributes,
            version=self.version,
        )


@dataclass
class Layout:
    """A whole archive; the numbers of its end are added to the true ones."""

    records: list[Record]
    prefix: bytes = b""
    gap: bytes = b""
    suffix: bytes = b""
    comment: bytes = b""
    counts: tuple[int, int] = (0, 0)
    length: int = 0
    place: int = 0
    zip64: dict[str, int] | None = None
    end_twice: bool = False

    def written(self) -> bytes:
        """Return the archive's bytes."""
        body, table, places = bytearray(), bytearray(), []
        for record in self.records:
            body += record.gap
            places.append(len(body))
            entry = Entry(
                record.name, local_name=record.local_name, local_extra=record.local_extra, version=record.version
            )
            body += local_header(entry, record.local) + record.content + record.behind
        count = 0
        for record, place in zip(self.records, places, strict=True):
            kind, number = record.offset
            offset = place + number if kind == "own" else places[number % len(places)]
            numbers = {"offset": max(0, offset)} | record.central
            for _ in range(record.listed):
                table += central_entry(record.entry(), numbers)
                count += 1
        body += self.gap
        end = self._end(len(body), len(table), count)
        return bytes(self.prefix + body + table + end * (1 + self.end_twice) + self.suffix)

    def _end(self, place: int, length: int, count: int) -> bytes:
        here, total = (max(0, count + more) & 0xFFFF for more in self.counts)
        small = [here, total, max(0, length + self.length), max(0, place + self.place)]
        if self.zip64 is None:
            return struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, *small, len(self.comment)) + self.comment
        numbers = [max(0, one + self.zip64.get(name, 0)) for name, one in zip("htlo", small, strict=True)]
        locator = struct.pack("<4sLQL", b"PK\6\7", 0, max(0, place + length + self.zip64.get("p", 0)), 1)
        record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44 + self.zip64.get("s", 0), 45, 45, 0, 0, *numbers)
        shown = small if self.zip64.get("small") else [0xFFFF, 0xFFFF, FULL, FULL]
        return record + locator + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, *shown, len(self.comment)) + self.comment


def structured_zip(dice: random.Random) -> bytes:
    """Return an archive of one to four members with up to three changes of its structure."""
    names = list(NAMES[: dice.choice((3, 5, len(NAMES)))])
    dice.shuffle(names)
    layout = Layout([_record(name, dice) for name in names[: dice.randint(1, 4)]])
    for _ in range(dice.choice((0, 1, 1, 1, 2, 3))):
        dice.choice(CHANGES)(layout, dice)
    return layout.written()


def _record(name: str, dice: random.Random) -> Record:
    data = b"" if name.endswith("/") else dice.choice((b"", b"abc", bytes(3000), dice.randbytes(100)))
    return made(name.encode(), data, dice)


def made(name: bytes, data: bytes, dice: random.Random) -> Record:
    """Return an ordinary member, stored or deflated, one in five with its sizes after the data."""
    method = dice.choice((STORED, DEFLATED))
    content = deflated(data) if method == DEFLATED else data
    numbers = {
        "flags": UTF8,
        "method": method,
        "crc": zlib.crc32(data),
        "packed": len(content),
        "size": len(data),
        "disk": 0,
    }
    record = Record(name, content, dict(numbers), dict(numbers), name)
    if dice.random() < 0.2:
        _described(record, dice)
    return record


def _described(record: Record, dice: random.Random) -> None:
    """Put the sizes after the data, in one of the four forms."""
    numbers = [record.central["crc"], record.central["packed"], record.central["size"]]
    record.behind = dice.choice((b"PK\7\x08", b"")) + struct.pack(dice.choice(("<3L", "<L2Q")), *numbers)
    for place in (record.local, record.central):
        place["flags"] |= DESCRIPTOR
    record.local |= {"crc": 0, "packed": 0, "size": 0}


def _swap(layout: Layout, dice: random.Random) -> None:
    one, other = dice.choice(layout.records), dice.choice(layout.records)
    name = dice.choice(FIELDS)
    one.local[name], other.central[name] = other.central[name], one.local[name]


def _number(layout: Layout, dice: random.Random) -> None:
    record, name = dice.choice(layout.records), dice.choice(("crc", "packed", "size"))
    change = dice.choice((-1, 1, 12, 16, 20, 24, 1000))
    for numbers in dice.choice(([record.local], [record.central], [record.local, record.central])):
        numbers[name] = max(0, numbers[name] + change) & FULL if dice.random() < 0.8 else dice.choice((0, 1, FULL))


def _zip64(layout: Layout, dice: random.Random) -> None:
    record = dice.choice(layout.records)
    local = dice.random() < 0.5
    numbers = record.local if local else record.central
    wanted = dice.choice((("size", "packed"), ("size",), ("packed",), ()))
    values = [numbers[name] + dice.choice((0, 0, 0, 1)) for name in dice.choice((wanted, ("size", "packed")))]
    for name in wanted:
        numbers[name] = FULL
    extra = struct.pack(f"<HH{len(values)}Q", 1, 8 * len(values), *values) * dice.choice((1, 1, 1, 2))
    if local:
        record.local_extra += extra
    else:
        record.extra += extra


def _place(layout: Layout, dice: random.Random) -> None:
    record = dice.choice(layout.records)
    more = ("own", dice.choice((-1, 1, 4, 30, 37, -40, dice.randint(-80, 80))))
    record.offset = dice.choice((("of", dice.randrange(4)), more))


def _flags(layout: Layout, dice: random.Random) -> None:
    record, bit = dice.choice(layout.records), dice.choice(FLAGS)
    for numbers in dice.choice(([record.local], [record.central], [record.local, record.central])):
        numbers["flags"] ^= bit


def _method(layout: Layout, dice: random.Random) -> None:
    record, method = dice.choice(layout.records), dice.choice(METHODS)
    for numbers in dice.choice(([record.local], [record.central], [record.local, record.central])):
        numbers["method"] = method


def _name(layout: Layout, dice: random.Random) -> None:
    record, name = dice.choice(layout.records), dice.choice(NAMES).encode()
    kind = dice.randrange(4)
    if kind == 0:
        record.local_name = name
    elif kind == 1:
        record.name = name
    else:
        content = b"\1" + struct.pack("<L", zlib.crc32(record.name)) + dice.choice((name, record.name))
        field_ = struct.pack("<HH", 0x7075, len(content)) + content
        record.extra, record.local_extra = (record.extra + field_, record.local_extra + field_ * (kind - 2))


def _end(layout: Layout, dice: random.Random) -> None:
    kind = dice.randrange(7)
    if kind == 0:
        layout.end_twice = True
    elif kind == 1:
        layout.counts = (dice.choice((0, -1, 1)), dice.choice((0, -1, 1)))
    elif kind == 2:
        layout.length = dice.choice((-1, 1, 46, -46, 60))
    elif kind == 3:
        layout.place = dice.choice((-1, 1, 30, -30, 60))
    elif kind == 4:
        layout.comment = dice.choice((b"words", structured_zip(dice), b"PK\5\6" + bytes(18)))
    else:
        names = ("h", "t", "l", "o", "p", "s", "small")
        layout.zip64 = {dice.choice(names): dice.choice((0, 1, -1, 46)) for _ in range(dice.randint(0, 2))}


def _between(layout: Layout, dice: random.Random) -> None:
    other = _record("hidden.mp4", dice)
    hidden = local_header(Entry(b"hidden.mp4"), other.local) + other.content
    piece = dice.choice((hidden, bytes(dice.randint(1, 40)), dice.randbytes(9), structured_zip(dice)))
    put_beside(layout, piece, dice)
    if layout.prefix == piece and dice.random() < 0.5:
        layout.prefix = b"MZ" + bytes(50)


def put_beside(layout: Layout, piece: bytes, dice: random.Random) -> None:
    """Put bytes that no table lists before the archive, before its table, behind it, or between two members."""
    kind = dice.randrange(4)
    if kind == 0:
        layout.prefix = piece
    elif kind == 1:
        layout.gap = piece
    elif kind == 2:
        layout.suffix = piece
    else:
        dice.choice(layout.records).gap = piece


def _behind(layout: Layout, dice: random.Random) -> None:
    record = dice.choice(layout.records)
    _described(record, dice)
    if dice.random() < 0.5:
        record.behind = dice.choice((b"", record.behind[:-1], record.behind[:-1] + b"\1", b"PK\7\x08"))


def _listed(layout: Layout, dice: random.Random) -> None:
    dice.choice(layout.records).listed = dice.choice((0, 2))


CHANGES = (_swap, _number, _zip64, _place, _flags, _method, _name, _end, _between, _behind, _listed)
