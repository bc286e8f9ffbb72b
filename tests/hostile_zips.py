"""Builders of ZIPs that someone might send: each writes one archive to ``path`` and returns it.

``raw_zip`` writes the bytes itself, because the standard library refuses to write most of this.
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

STORED, DEFLATED = 0, 8
UTF8 = 0x800
ENCRYPTED = 0x1
DESCRIPTOR = 0x8


@dataclass(frozen=True)
class Entry:
    """A member as it will stand in the archive; what is ``None`` follows from ``data``, the rest is written as is.

    ``local`` and ``central`` replace single numbers in the member's own header and in the table of contents: flags,
    method, crc, packed (compressed size), size; ``central`` also offset and disk. ``gap`` stands before the header.
    ``host`` is the number of the system in "version made by", ``attributes`` the low half of the external attributes.
    """

    name: str | bytes
    data: bytes = b"not really a video"
    method: int = STORED
    flags: int | None = None
    mode: int = 0o100644
    size: int | None = None
    compressed_size: int | None = None
    crc: int | None = None
    offset: int | None = None
    local_name: bytes | None = None
    body: bytes | None = None
    version: int = 20
    extra: bytes = b""
    local_extra: bytes = b""
    local: Mapping[str, int] = field(default_factory=dict)
    central: Mapping[str, int] = field(default_factory=dict)
    descriptor: bytes | None = None
    gap: bytes = b""
    host: int = 3
    attributes: int = 0

    @property
    def raw_name(self) -> bytes:
        return self.name if isinstance(self.name, bytes) else self.name.encode()

    @property
    def flag_bits(self) -> int:
        return self.flags if self.flags is not None else (0 if isinstance(self.name, bytes) else UTF8)


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def raw_zip(
    path: Path,
    *entries: Entry,
    prefix: bytes = b"",
    claimed: int | None = None,
    here: int | None = None,
    disk: int = 0,
    gap: bytes = b"",
    comment: bytes = b"",
    suffix: bytes = b"",
) -> Path:
    """Write ``entries`` one after the other, then the table of contents; offsets don't count ``prefix``."""
    body, table = bytearray(), bytearray()
    for entry in entries:
        body += entry.gap
        content = entry.body
        if content is None:
            content = deflated(entry.data) if entry.method == DEFLATED else entry.data
        stated = {
            "flags": entry.flag_bits,
            "method": entry.method,
            "crc": zlib.crc32(entry.data) if entry.crc is None else entry.crc,
            "packed": len(content) if entry.compressed_size is None else entry.compressed_size,
            "size": len(entry.data) if entry.size is None else entry.size,
            "offset": len(body) if entry.offset is None else entry.offset,
            "disk": 0,
        }
        late = bool(entry.flag_bits & DESCRIPTOR)
        if entry.offset is None:
            body += local_header(
                entry, stated | ({"crc": 0, "packed": 0, "size": 0} if late else {}) | dict(entry.local)
            )
            body += content
            if late:
                numbers = (stated["crc"], stated["packed"], stated["size"])
                body += struct.pack("<4s3L", b"PK\7\x08", *numbers) if entry.descriptor is None else entry.descriptor
        table += central_entry(entry, stated | dict(entry.central))
    body += gap
    count = len(entries) if claimed is None else claimed
    end = struct.pack(
        "<4s4H2LH", b"PK\5\6", disk, disk, count if here is None else here, count, len(table), len(body), len(comment)
    )
    path.write_bytes(prefix + body + table + end + comment + suffix)
    return path


def local_header(entry: Entry, numbers: Mapping[str, int]) -> bytes:
    name = entry.raw_name if entry.local_name is None else entry.local_name
    return struct.pack(
        "<4s5H3L2H", b"PK\3\4", entry.version, numbers["flags"], numbers["method"], 0, 0x21,
        numbers["crc"], numbers["packed"], numbers["size"], len(name), len(entry.local_extra),
    ) + name + entry.local_extra  # fmt: skip


def central_entry(entry: Entry, numbers: Mapping[str, int]) -> bytes:
    return struct.pack(
        "<4sBBHHHHHLLLHHHHHLL", b"PK\1\2", 20, entry.host, entry.version, numbers["flags"], numbers["method"], 0, 0x21,
        numbers["crc"], numbers["packed"], numbers["size"], len(entry.raw_name), len(entry.extra), 0,
        numbers["disk"], 0, (entry.mode & 0xFFFF) << 16 | entry.attributes, numbers["offset"],
    ) + entry.raw_name + entry.extra  # fmt: skip


def with_zip64_end(
    path: Path, *, small: bool = False, place: int | None = None, length: int = 44, **large: int
) -> Path:
    """Put a Zip64 end record and its locator before the end record of the archive at ``path``.

    ``large`` replaces numbers in the record (here, claimed, length, offset), ``place`` what the locator says. The end
    record keeps its own numbers when ``small``, and else refers to the new one.
    """
    data = path.read_bytes()
    body, end = data[:-22], data[-22:]
    here, claimed, table, offset = struct.unpack_from("<2H2L", end, 8)
    numbers = {"here": here, "claimed": claimed, "table": table, "offset": offset} | large
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", length, 45, 45, 0, 0, *numbers.values())
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(body) if place is None else place, 1)
    full = struct.pack("<4s4H2LH", b"PK\5\6", 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    path.write_bytes(body + record + locator + (end if small else full))
    return path


def good(path: Path, count: int = 3) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for index in range(count):
            archive.writestr(f"s{index:05d}.mp4", bytes([index % 256]) * 20 + b"noise")
    return path


def traversal(path: Path) -> Path:
    return raw_zip(path, Entry("s01.mp4"), Entry("../../escaped.mp4"))


def traversal_by_backslash(path: Path) -> Path:
    return raw_zip(path, Entry("s01.mp4"), Entry("..\\..\\escaped.mp4"))


def absolute(path: Path) -> Path:
    return raw_zip(path, Entry("s01.mp4"), Entry("/tmp/escaped.mp4"))


def drive_letter(path: Path) -> Path:
    return raw_zip(path, Entry("C:/Windows/escaped.mp4"))


def server_share(path: Path) -> Path:
    return raw_zip(path, Entry("\\\\server\\share\\escaped.mp4"))


def symlink(path: Path) -> Path:
    return raw_zip(path, Entry("s01.mp4"), Entry("s02.mp4", data=b"/etc/passwd", mode=0o120777))


def device(path: Path) -> Path:
    return raw_zip(path, Entry("s01.mp4", data=b"", mode=0o020666))


def pipe(path: Path) -> Path:
    return raw_zip(path, Entry("s01.mp4", data=b"", mode=0o010644))


def duplicate(path: Path) -> Path:
    return raw_zip(path, Entry("s01.mp4", data=b"shown"), Entry("s01.mp4", data=b"hidden"))


def case_collision(path: Path) -> Path:
    return raw_zip(path, Entry("s01.mp4"), Entry("S01.MP4"))


def accent_collision(path: Path) -> Path:
    return raw_zip(path, Entry("caf\u00e9.mp4"), Entry("cafe\u0301.mp4"))


def folder_collision(path: Path) -> Path:
    return raw_zip(path, Entry("A/x.mp4"), Entry("a/y.mp4"), Entry("a/z.mp4"))


def file_is_folder(path: Path) -> Path:
    return raw_zip(path, Entry("id1"), Entry("id1/p01.mp4"), Entry("id1/p02.mp4"))


def encrypted(path: Path) -> Path:
    return raw_zip(path, Entry("s01.mp4"), Entry("s02.mp4", flags=UTF8 | ENCRYPTED))


def nested(path: Path) -> Path:
    inner = good(path.with_name("inner-of-" + path.name))
    return raw_zip(path, Entry("s01.mp4"), Entry("more/Videos.ZIP", data=inner.read_bytes()))


def bomb(path: Path, size: int = 4 << 20) -> Path:
    return raw_zip(path, Entry("s01.mp4", data=bytes(size), method=DEFLATED))


def bomb_by_declared_total(path: Path, members: int = 60) -> Path:
    """Each member is within the limits of a file, all together are not; nobody has to write 120 GB for that."""
    size = (2 << 30) - 1
    return raw_zip(path, *(Entry(f"s{i:02d}.mp4", size=size, compressed_size=size) for i in range(members)))


def understated(path: Path) -> Path:
    """States 10 bytes, inflates to 4 MiB."""
    return raw_zip(path, Entry("s01.mp4", data=bytes(4 << 20), method=DEFLATED, size=10))


def overstated(path: Path) -> Path:
    return raw_zip(path, Entry("s01.mp4", data=b"short", size=50))


def overlapping(path: Path, members: int = 5) -> Path:
    """Many names for one piece of data."""
    first = Entry("s00.mp4", data=os.urandom(1000), local_name=b"s00.mp4")
    return raw_zip(path, first, *(replace(first, name=f"s{i:02d}.mp4", offset=0) for i in range(1, members)))


def quoted_overlap(path: Path) -> Path:
    """The second member lies inside the data of the first, as in the better zip bomb."""
    inner = b"PK\3\4" + bytes(100)
    return raw_zip(path, Entry("outer.mp4", data=inner), Entry("inner.mp4", data=bytes(20), offset=39))


def non_utf8_name(path: Path) -> Path:
    return raw_zip(path, Entry("\u8996\u983b.mp4".encode("big5")))


def false_utf8_name(path: Path) -> Path:
    return raw_zip(path, Entry(b"caf\xe9.mp4", flags=UTF8))


def nul_name(path: Path) -> Path:
    return raw_zip(path, Entry("s01.mp4\0.exe"))


def control_name(path: Path) -> Path:
    return raw_zip(path, Entry("s01\x1b[2J.mp4"))


def bidi_name(path: Path) -> Path:
    return raw_zip(path, Entry("s01\u202e4pm.exe"))


def wrong_crc(path: Path) -> Path:
    return raw_zip(path, Entry("s01.mp4", crc=0xDEADBEEF))


def garbled_deflate(path: Path) -> Path:
    return raw_zip(path, Entry("s01.mp4", data=b"x" * 100, method=DEFLATED, body=b"\xff" * 40))


def two_names(path: Path) -> Path:
    """The member's own header says another name than the table of contents."""
    return raw_zip(path, Entry("s01.mp4", local_name=b"s02.mp4"))


def unsupported_method(path: Path, method: int = 9) -> Path:
    return raw_zip(path, Entry("s01.mp4", method=method))


def truncated(path: Path) -> Path:
    data = good(path, 20).read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    return path


def garbled_table(path: Path) -> Path:
    data = good(path).read_bytes()
    path.write_bytes(data.replace(b"PK\1\2", b"PK\1\3", 1))
    return path


def claims_million(path: Path) -> Path:
    """A Zip64 record that claims a million members where there is one."""
    return with_zip64_end(raw_zip(path, Entry("s01.mp4")), small=True, here=1_000_000, claimed=1_000_000)


def understates_count(path: Path, members: int = 50) -> Path:
    """Claims one member and holds many: zipfile reads them all."""
    return raw_zip(path, *(Entry(f"s{i}.mp4", data=b"") for i in range(members)), claimed=1)


def huge_table(path: Path) -> Path:
    """A table of contents that reaches back before the file's start."""
    data = bytearray(good(path).read_bytes())
    struct.pack_into("<L", data, len(data) - 10, 0xFFFFFFF0)
    path.write_bytes(data)
    return path


def split_part(path: Path) -> Path:
    return raw_zip(path, Entry("s01.mp4"), disk=1)


def self_extracting(path: Path) -> Path:
    return raw_zip(path, Entry("s01.mp4"), Entry("s02.mp4"), prefix=b"MZ" + bytes(500))


def zip64(path: Path) -> Path:
    """A small file in the 64-bit format, as tools write it when they don't know the size beforehand."""
    with zipfile.ZipFile(path, "w") as archive, archive.open("s01.mp4", "w", force_zip64=True) as member:
        member.write(b"small")
    return with_zip64_end(path)


def data_descriptor(path: Path) -> Path:
    flags = UTF8 | DESCRIPTOR
    return raw_zip(path, Entry("s01.mp4", method=DEFLATED, flags=flags), Entry("s02.mp4", method=DEFLATED, flags=flags))


def junk(path: Path) -> Path:
    return raw_zip(path, Entry("s01.mp4"), Entry("__MACOSX/._s01.mp4"), Entry(".DS_Store"), Entry("a/Thumbs.db"))


def root_entry(path: Path) -> Path:
    """As Dropbox makes the ZIP of a folder."""
    return raw_zip(path, Entry("/", data=b"", mode=0), Entry("s01.mp4"))


def empty_name(path: Path) -> Path:
    """Info-ZIP's unzip gives the second member the first one's name."""
    return raw_zip(path, Entry("s01.mp4", data=b"shown"), Entry("", data=b"hidden"))


def empty_folder_name(path: Path) -> Path:
    """The same by the mode of a folder."""
    return raw_zip(path, Entry("s01.mp4"), Entry("", data=b"", mode=0o040755))


def version_collision(path: Path) -> Path:
    """Info-ZIP's unzip drops the number, which is that of a version on VMS."""
    return raw_zip(path, Entry("s01.mp4", data=b"shown"), Entry("s01.mp4;1", data=b"hidden"))


def stray_name(path: Path) -> Path:
    """A note in a Chinese code page beside a video."""
    return raw_zip(path, Entry("s01.mp4"), Entry("\u8bf4\u660e.txt".encode("gbk")))


def windows_reserved(path: Path) -> Path:
    return raw_zip(path, Entry("con.mp4"), Entry("a?.mp4"), Entry("b./c.mp4"))


def by_backslash(path: Path) -> Path:
    return raw_zip(path, Entry("id\\s01.mp4"))


# What every rule must find: rule id without "archive.", builder, the paths that it names.
FINDINGS: list[tuple[str, Callable[[Path], Path], list[str | None]]] = [
    ("path-traversal", traversal, ["../../escaped.mp4"]),
    ("path-traversal", traversal_by_backslash, ["..\\..\\escaped.mp4"]),
    ("absolute-path", absolute, ["/tmp/escaped.mp4"]),
    ("absolute-path", drive_letter, ["C:/Windows/escaped.mp4"]),
    ("absolute-path", server_share, ["\\\\server\\share\\escaped.mp4"]),
    ("stray-name", stray_name, ["\u8bf4\u660e.txt".encode("gbk").decode("cp437")]),
    ("root-entry", root_entry, ["/"]),
    ("empty-name", empty_name, [""]),
    ("empty-name", empty_folder_name, [""]),
    ("case-collision", version_collision, ["s01.mp4;1"]),
    ("backslash", by_backslash, ["id\\s01.mp4"]),
    ("symlink", symlink, ["s02.mp4"]),
    ("device", device, ["s01.mp4"]),
    ("device", pipe, ["s01.mp4"]),
    ("duplicate-name", duplicate, ["s01.mp4"]),
    ("case-collision", case_collision, ["s01.mp4"]),
    ("case-collision", accent_collision, ["caf\u00e9.mp4"]),
    ("case-collision", folder_collision, ["a/y.mp4"]),
    ("file-is-folder", file_is_folder, ["id1"]),
    ("encrypted", encrypted, ["s02.mp4"]),
    ("nested-archive", nested, ["more/Videos.ZIP"]),
    ("bomb-ratio", bomb, ["s01.mp4"]),
    ("too-large-total", bomb_by_declared_total, [None]),
    ("too-many-files", claims_million, [None]),
    ("name-not-utf8", non_utf8_name, ["\u8996\u983b.mp4".encode("big5").decode("cp437")]),
    ("control-characters", nul_name, ["s01.mp4\0.exe"]),
    ("control-characters", control_name, ["s01\x1b[2J.mp4"]),
    ("control-characters", bidi_name, ["s01\u202e4pm.exe"]),
    ("overlap", overlapping, ["s01.mp4", "s02.mp4", "s03.mp4", "s04.mp4"]),
    ("overlap", quoted_overlap, ["inner.mp4"]),
    ("unsupported-method", unsupported_method, ["s01.mp4"]),
    ("windows-reserved", windows_reserved, ["a?.mp4", "b./c.mp4", "con.mp4"]),
    ("junk", junk, [".DS_Store", "__MACOSX/._s01.mp4", "a/Thumbs.db"]),
]
