"""Builders of real bombs, and of archives that are large in other ways: each writes ``path`` and returns it."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

from hostile_zips import DEFLATED, Entry, central_entry, deflated, local_header, raw_zip, with_zip64_end

FULL = 0xFFFFFFFF


def extra(number: int, content: bytes) -> bytes:
    return struct.pack("<HH", number, len(content)) + content


def zip64_extra(*numbers: int) -> bytes:
    return extra(1, struct.pack(f"<{len(numbers)}Q", *numbers))


def claims_100_gb(path: Path) -> Path:
    """One member of a few kilobytes that claims 100 GB, in the 64-bit form."""
    size = 100 * 10**9
    packed = deflated(bytes(1 << 20))
    entry = Entry(
        "s01.mp4", method=DEFLATED, body=packed, local_extra=zip64_extra(size, len(packed)), extra=zip64_extra(size),
        local={"size": FULL, "packed": FULL}, central={"size": FULL},
    )  # fmt: skip
    return with_zip64_end(raw_zip(path, entry))


def nested_overlap_bomb(path: Path, members: int = 500, kernel: int = 100_000, *, checksums: bool = True) -> Path:
    """A "better zip bomb": every member's data quotes the next member's header in a block of its own, and goes on.

    All end in one kernel of zeros. Checksums take time that grows with ``members`` x ``kernel``.
    """
    packed, plain = deflated(bytes(kernel)), bytes(kernel)
    pieces, numbers = [packed], []
    length, size, heads = len(packed), kernel, b""
    for index in reversed(range(members)):
        if heads:
            block = b"\0" + struct.pack("<HH", len(heads), len(heads) ^ 0xFFFF)
            pieces.append(block + heads)
            length, size = length + len(block) + len(heads), size + len(heads)
            if checksums:
                plain = heads + plain
        crc = zlib.crc32(plain) if checksums else 0
        fields = {"flags": 0, "method": DEFLATED, "crc": crc, "packed": length, "size": size, "disk": 0}
        entry = Entry(f"s{index:05d}.mp4".encode())
        heads = local_header(entry, fields)
        numbers.append((entry, fields))
    pieces.append(heads)
    body = b"".join(reversed(pieces))
    table, at = b"", 0
    for entry, fields in reversed(numbers):
        table += central_entry(entry, fields | {"offset": at})
        at += 30 + len(entry.raw_name) + 5
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, members, members, len(table), len(body), 0)
    path.write_bytes(body + table + end)
    return path


def extra_field_bomb(path: Path, members: int = 200, kernel: int = 100_000) -> Path:
    """The same by extra fields: each header hides the next ones in its extra part; all have the same data."""
    packed = deflated(bytes(kernel))
    fields = {"flags": 0, "method": DEFLATED, "crc": zlib.crc32(bytes(kernel)), "packed": len(packed), "size": kernel}
    inner, entries = b"", []
    for index in reversed(range(members)):
        entry = Entry(f"s{index:05d}.mp4".encode(), local_extra=extra(0xCAFE, inner) if inner else b"")
        inner = local_header(entry, fields)
        entries.append((entry, len(inner)))
    table = b"".join(
        central_entry(entry, fields | {"disk": 0, "offset": len(inner) - length}) for entry, length in reversed(entries)
    )
    body = inner + packed
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, members, members, len(table), len(body), 0)
    path.write_bytes(body + table + end)
    return path


def small_extra_overlap(path: Path) -> Path:
    """Two members, the second one's header in the first one's extra field: only exact ends show it."""
    data = b"tiny"
    fields = {"flags": 0, "method": 0, "crc": zlib.crc32(data), "packed": 4, "size": 4, "disk": 0}
    inside = local_header(Entry(b"s02.mp4"), fields)
    outside = Entry(b"s01.mp4", local_extra=extra(0xCAFE, bytes(500) + inside))
    head = local_header(outside, fields)
    table = central_entry(outside, fields | {"offset": 0})
    table += central_entry(Entry(b"s02.mp4"), fields | {"offset": len(head) - len(inside)})
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 2, 2, len(table), len(head) + 4, 0)
    path.write_bytes(head + data + table + end)
    return path


def archives_in_archives(path: Path, levels: int = 5, copies: int = 16) -> Path:
    """As 42.zip: each level holds the one below many times; at the bottom lie zeros."""
    data = raw_zip(path, Entry("0.dll", data=bytes(1 << 20), method=DEFLATED)).read_bytes()
    for level in range(levels):
        inner = [Entry(f"lib {index:x}.zip", data=data, method=DEFLATED) for index in range(copies)]
        data = raw_zip(path, *inner if level < levels - 1 else inner[:copies]).read_bytes()
    return path


def million_members(path: Path, members: int = 1_000_000) -> Path:
    """A million empty members with a Zip64 end record, written in pieces."""
    fields = {"flags": 0, "method": 0, "crc": 0, "packed": 0, "size": 0, "disk": 0}
    header, entry = (make(Entry(b"0000000.mp4"), fields | {"offset": 0}) for make in (local_header, central_entry))
    assert len(header) == 41
    with path.open("wb") as file:
        for start in range(0, members, 10_000):
            file.write(b"".join(header[:30] + b"%07d.mp4" % i for i in range(start, min(members, start + 10_000))))
        for start in range(0, members, 10_000):
            file.write(
                b"".join(
                    entry[:42] + (41 * i).to_bytes(4, "little") + b"%07d.mp4" % i
                    for i in range(start, min(members, start + 10_000))
                )
            )
        place, length = file.tell(), len(entry) * members
        file.write(struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, members, members, length, place - length))
        file.write(struct.pack("<4sLQL", b"PK\6\7", 0, place, 1))
        file.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, FULL, FULL, 0))
    return path


def sparse_folder(path: Path, size: int = 64 << 20) -> Path:
    """A folder with a file that is one hole."""
    folder = path.with_suffix("")
    folder.mkdir()
    with (folder / "s01.mp4").open("wb") as file:
        os.truncate(file.fileno(), size)
    return folder
