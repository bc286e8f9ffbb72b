"""Builders of ZIPs that say different things in different places, and of real bombs: each writes and returns one."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hostile_bombs import (
    FULL,
    archives_in_archives,
    claims_100_gb,
    extra,
    extra_field_bomb,
    million_members,
    nested_overlap_bomb,
    small_extra_overlap,
    sparse_folder,
    zip64_extra,
)
from hostile_zips import (
    DEFLATED,
    DESCRIPTOR,
    UTF8,
    Entry,
    local_header,
    raw_zip,
    two_names,
    with_zip64_end,
)
from other_archives import cpio, iso, tar, tar_header

DATA = b"not really a video"
CRC = zlib.crc32(DATA)
GOOD = Entry("s01.mp4")


def unicode_name(name: str, header_name: bytes = b"s01.mp4") -> bytes:
    return extra(0x7075, b"\1" + struct.pack("<L", zlib.crc32(header_name)) + name.encode())


def local_size(path: Path) -> Path:
    return raw_zip(path, replace(GOOD, local={"size": 17}))


def local_packed(path: Path) -> Path:
    return raw_zip(path, replace(GOOD, local={"packed": 5}))


def local_crc(path: Path) -> Path:
    return raw_zip(path, replace(GOOD, local={"crc": CRC ^ 1}))


def local_method(path: Path) -> Path:
    return raw_zip(path, replace(GOOD, local={"method": DEFLATED}))


def local_encrypted(path: Path) -> Path:
    """Only the member's own header says that a password is needed."""
    return raw_zip(path, replace(GOOD, local={"flags": UTF8 | 1}))


def local_utf8(path: Path) -> Path:
    """A program that reads from the start shows this name in code page 437."""
    return raw_zip(path, Entry("caf\u00e9.mp4", local={"flags": 0}))


def folder_with_contents(path: Path) -> Path:
    return raw_zip(path, GOOD, Entry("d/", data=b"a video that some programs show"))


def folder_with_stored_bytes(path: Path) -> Path:
    return raw_zip(path, GOOD, Entry("d/", data=b"", body=b"\3\0"))


def no_local_header(path: Path) -> Path:
    return raw_zip(path, GOOD, Entry("s02.mp4", offset=3))


def beyond_the_end(path: Path) -> Path:
    return raw_zip(path, GOOD, Entry("s02.mp4", offset=1 << 31))


def other_disk(path: Path) -> Path:
    return raw_zip(path, replace(GOOD, central={"disk": 3}))


def zip64_missing(path: Path) -> Path:
    return raw_zip(path, replace(GOOD, central={"offset": FULL}))


def zip64_twice(path: Path) -> Path:
    field = zip64_extra(len(DATA), len(DATA))
    return raw_zip(path, replace(GOOD, central={"size": FULL, "packed": FULL}, extra=field + field))


def zip64_superfluous(path: Path) -> Path:
    """The table states 18 bytes, its Zip64 field 19: it counts for some programs, though nothing refers to it."""
    return raw_zip(path, replace(GOOD, extra=zip64_extra(19, 18)))


def zip64_local_differs(path: Path) -> Path:
    return raw_zip(path, replace(GOOD, local={"size": FULL, "packed": FULL}, local_extra=zip64_extra(19, 18)))


def zip64_local_missing(path: Path) -> Path:
    return raw_zip(path, replace(GOOD, local={"size": FULL, "packed": FULL}))


def second_name(path: Path) -> Path:
    """Info-ZIP's programs show s02.mp4."""
    return raw_zip(path, replace(GOOD, extra=unicode_name("s02.mp4")))


def chinese_name(
    name: str = "\u63d0\u4ea4/s01.mp4", shown: str | None = None, header_name: bytes | None = None, **fields: bytes
) -> Entry:
    """As WinRAR and 7-Zip write a name on a Chinese system: in its code page, and again in a Unicode Path field."""
    raw = name.encode("gbk") if header_name is None else header_name
    field = unicode_name(name if shown is None else shown, raw)
    return Entry(raw, **({"extra": field, "local_extra": field} | fields))


def other_name_in_local_header(path: Path) -> Path:
    """A reader from the start shows another Unicode name than a reader of the table."""
    raw = "\u63d0\u4ea4.mp4".encode("gbk")
    return raw_zip(path, chinese_name("\u63d0\u4ea4.mp4", local_extra=unicode_name("s01.mp4", raw)))


def unicode_name_twice(path: Path) -> Path:
    both = unicode_name("s01.mp4", b"\xe9.mp4") + unicode_name("s02.mp4", b"\xe9.mp4")
    return raw_zip(path, Entry(b"\xe9.mp4", extra=both))


def marked_as_utf8_and_named_otherwise(path: Path) -> Path:
    return raw_zip(path, replace(GOOD, name="\u00e9.mp4", extra=unicode_name("s01.mp4", "\u00e9.mp4".encode())))


def second_name_in_local_header(path: Path) -> Path:
    return raw_zip(path, replace(GOOD, local_extra=unicode_name("s02.mp4")))


def garbled_local_extra(path: Path) -> Path:
    return raw_zip(path, replace(GOOD, local_extra=struct.pack("<HH", 1, 500)))


def descriptor_differs(path: Path) -> Path:
    record = struct.pack("<4s3L", b"PK\7\x08", CRC, len(DATA), len(DATA) + 1)
    return raw_zip(path, replace(GOOD, flags=UTF8 | DESCRIPTOR, descriptor=record))


def descriptor_missing(path: Path) -> Path:
    return raw_zip(path, replace(GOOD, flags=UTF8 | DESCRIPTOR, descriptor=b""), Entry("s02.mp4"))


def descriptor_with_sizes_before(path: Path) -> Path:
    """The header states a size of its own although the record after the data is to state it."""
    return raw_zip(path, replace(GOOD, flags=UTF8 | DESCRIPTOR, local={"size": 17}))


def two_ends(path: Path) -> Path:
    """The comment of the first end record holds a table of contents and an end record of its own."""
    hidden = raw_zip(path, Entry("s02.mp4")).read_bytes()
    data = raw_zip(path, GOOD, comment=hidden).read_bytes()
    path.write_bytes(data)
    return path


def two_ends_adjusted(path: Path) -> Path:
    """The same with offsets that count from the file's start: each of the two tables is where it is said to be."""
    first = raw_zip(path, GOOD).read_bytes()
    data = bytearray(raw_zip(path, Entry("s02.mp4", gap=first)).read_bytes())
    struct.pack_into("<H", data, len(first) - 2, len(data) - len(first))
    path.write_bytes(data)
    return path


def zip64_other_count(path: Path) -> Path:
    return with_zip64_end(raw_zip(path, GOOD, Entry("s02.mp4"), claimed=1), small=True, here=2, claimed=2)


def zip64_other_offset(path: Path) -> Path:
    return with_zip64_end(raw_zip(path, GOOD), small=True, offset=10)


def zip64_other_place(path: Path) -> Path:
    """The locator points at another record than the one before it."""
    return with_zip64_end(raw_zip(path, GOOD), place=7)


def zip64_other_length(path: Path) -> Path:
    return with_zip64_end(raw_zip(path, GOOD), length=144)


def two_counts(path: Path) -> Path:
    return raw_zip(path, GOOD, here=2)


def two_tables(path: Path) -> Path:
    """Where the end record points lies another table of contents than before it."""
    raw_zip(path, GOOD)
    other = path.read_bytes()[55:-22]  # after the header of 30 bytes, the name and the data of 18: the table itself
    inner = Entry("s02.mp4", data=other + bytes(400))
    data = bytearray(raw_zip(path, inner).read_bytes())
    struct.pack_into("<L", data, len(data) - 6, 30 + len("s02.mp4"))
    path.write_bytes(data)
    return path


def hidden_between(path: Path) -> Path:
    hidden = local_header(Entry("hidden.mp4"), {"flags": 0, "method": 0, "crc": CRC, "packed": 18, "size": 18}) + DATA
    return raw_zip(path, GOOD, Entry("s02.mp4", gap=hidden))


def hidden_last(path: Path) -> Path:
    hidden = local_header(Entry("hidden.mp4"), {"flags": 0, "method": 0, "crc": CRC, "packed": 18, "size": 18}) + DATA
    return raw_zip(path, GOOD, gap=hidden)


def second_zip_before(path: Path) -> Path:
    """Two archives in one file, as ``cat a.zip b.zip`` makes it."""
    first = raw_zip(path, Entry("s01.mp4", data=b"shown by one program")).read_bytes()
    return raw_zip(path, Entry("s01.mp4", data=b"shown by another"), prefix=first)


def second_zip_before_adjusted(path: Path) -> Path:
    """The same with offsets that count from the file's start."""
    first = raw_zip(path, Entry("s01.mp4", data=b"shown by one program")).read_bytes()
    return raw_zip(path, Entry("s01.mp4", data=b"shown by another", gap=first))


def hidden_after(path: Path) -> Path:
    hidden = local_header(Entry("hidden.mp4"), {"flags": 0, "method": 0, "crc": CRC, "packed": 18, "size": 18}) + DATA
    return raw_zip(path, GOOD, suffix=hidden)


def shifted_onto_another(path: Path) -> Path:
    """With the stub before it or without it, the second offset meets a header."""
    first, second = Entry("s01.mp4", data=b"a" * 13), Entry("s02.mp4", data=b"b" * 13)
    return raw_zip(path, first, second, prefix=b"MZ" + bytes(48))  # 30 + 7 + 13 bytes: as long as a member


def bytes_before(path: Path) -> Path:
    return raw_zip(path, GOOD, prefix=b"MZ" + bytes(500))


def cpio_before(path: Path) -> Path:
    """7-Zip and bsdtar read this archive in place of the ZIP."""
    return raw_zip(path, GOOD, prefix=cpio(b"s01.mp4", b"shown by another"))


def tar_too(path: Path) -> Path:
    """The first member's header is the name of a file in a tar archive, of the form without ``ustar``."""
    start = dict.fromkeys(("crc", "packed", "size"), 0) | {"flags": DESCRIPTOR, "method": 0}
    head = local_header(Entry("x.dat"), start)
    data = tar_header(head, 0, bytes(8))[len(head) :] + tar(b"s01.mp4", b"shown by bsdtar")
    return raw_zip(path, Entry("x.dat", data=data, flags=DESCRIPTOR), GOOD)


def image_too(path: Path) -> Path:
    """The first member holds the image of a disc, at the place where a drive looks for it."""
    return raw_zip(path, Entry("x.dat", data=iso(b"s01.mp4", b"shown by bsdtar")[30 + len("x.dat") :]), GOOD)


def marked_as_folder(path: Path) -> Path:
    """7-Zip makes a folder of it where the host is DOS, OS/2 or Windows, bsdtar where it is DOS."""
    return raw_zip(path, replace(GOOD, host=0, mode=0, attributes=0x10))


def marked_as_folder_by_ntfs(path: Path) -> Path:
    return raw_zip(path, replace(GOOD, host=11, mode=0, attributes=0x30))


def marked_as_label(path: Path) -> Path:
    """Info-ZIP's unzip leaves it out, as the name of a disk."""
    return raw_zip(path, replace(GOOD, host=0, mode=0, attributes=0x08))


def libarchive_field(mode: int, attributes: int = 0) -> bytes:
    """Return libarchive's field with a version (Unix) and external attributes."""
    return extra(0x6C78, struct.pack("<BHL", 5, 3 << 8 | 20, mode << 16 | attributes))


def libarchive_folder(path: Path) -> Path:
    """bsdtar makes a folder of it."""
    return raw_zip(path, replace(GOOD, extra=libarchive_field(0o040755)))


def libarchive_link(path: Path) -> Path:
    return raw_zip(path, replace(GOOD, local_extra=libarchive_field(0o120777)))


def libarchive_pipe(path: Path) -> Path:
    return raw_zip(path, replace(GOOD, extra=libarchive_field(0o010644)))


def libarchive_dos_folder(path: Path) -> Path:
    return raw_zip(path, replace(GOOD, local_extra=libarchive_field(0, 0x10)))


def libarchive_cut(path: Path) -> Path:
    return raw_zip(path, replace(GOOD, extra=extra(0x6C78, b"\4\0\0")))


def named_like_another_by_a_field(path: Path) -> Path:
    """7-Zip and unzip write s01.mp4 twice."""
    return raw_zip(path, GOOD, Entry("s02.mp4", extra=unicode_name("s01.mp4", b"s02.mp4"), flags=0))


def named_like_another_by_version_0(path: Path) -> Path:
    """bsdtar takes the name from a field of any version."""
    field = unicode_name("s01.mp4", b"s02.mp4")
    return raw_zip(path, GOOD, Entry("s02.mp4", extra=field[:4] + b"\0" + field[5:], flags=0))


def named_like_another_in_its_header(path: Path) -> Path:
    return raw_zip(path, GOOD, Entry("s02.mp4", local_name=b"s01.mp4"))


def named_like_another_in_dos(path: Path) -> Path:
    """unzip translates the second name from code page 850 to Latin-1, which here is the first one's UTF-8."""
    return raw_zip(path, Entry("\u00e9.mp4"), Entry(b"\xc7\xb8.mp4", host=0))


def named_like_another_with_ff(path: Path) -> Path:
    """unzip leaves the last byte out."""
    return raw_zip(path, GOOD, Entry(b"s01.mp4\xff"))


def bytes_between(path: Path) -> Path:
    return raw_zip(path, GOOD, Entry("s02.mp4", gap=bytes(12)))


def bytes_before_table(path: Path) -> Path:
    """As a signed Android package holds them."""
    return raw_zip(path, GOOD, gap=bytes(64) + b"APK Sig Block 42")


def bytes_after(path: Path) -> Path:
    return raw_zip(path, GOOD, suffix=b"\r\n")


def cut_comment(path: Path) -> Path:
    data = raw_zip(path, GOOD, comment=b"a friendly word").read_bytes()
    path.write_bytes(data[:-4])
    return path


def deep(path: Path) -> Path:
    return raw_zip(path, Entry("d/" * 999 + "s01.mp4"))


def long_part(path: Path) -> Path:
    return raw_zip(path, Entry("\u00e9" * 126 + ".mp4"))  # 256 bytes, 130 characters


def long_path(path: Path) -> Path:
    return raw_zip(path, Entry("/".join(["x" * 200] * 21) + ".mp4"))


def dot_collision(path: Path) -> Path:
    return raw_zip(path, GOOD, Entry("s01.mp4."))


def stream_collision(path: Path) -> Path:
    return raw_zip(path, GOOD, Entry("s01.mp4::$DATA"))


def folding_collision(path: Path) -> Path:
    return raw_zip(path, Entry("stra\u00dfe.mp4"), Entry("STRASSE.MP4"))


def zero_width_name(path: Path) -> Path:
    return raw_zip(path, GOOD, Entry("s01\u200b.mp4"))


def many_extra_fields(path: Path) -> Path:
    return raw_zip(path, *(Entry(f"s{i:03d}.mp4", extra=extra(0xCAFE, b"") * 16_000) for i in range(20)))


def overlong_last_entry(path: Path) -> Path:
    """The last entry's name reaches beyond the table: zipfile cuts it there."""
    data = bytearray(raw_zip(path, GOOD).read_bytes())
    struct.pack_into("<H", data, data.rindex(b"PK\1\2") + 28, len("s01.mp4") + 4)
    path.write_bytes(data)
    return path


Found = tuple[str, Callable[[Path], Path], list[str | None]]  # as in hostile_zips.FINDINGS


def _each(rule: str, path: str | None, *builders: Callable[[Path], Path]) -> list[Found]:
    return [(rule, build, [path]) for build in builders]


FINDINGS: list[Found] = [
    *_each("header-mismatch", "s01.mp4", local_size, local_packed, local_crc, local_method, local_encrypted),
    *_each("header-mismatch", "s01.mp4", other_disk, zip64_missing, zip64_twice, zip64_superfluous),
    *_each("header-mismatch", "s01.mp4", zip64_local_differs, zip64_local_missing, second_name),
    *_each("header-mismatch", "s01.mp4", second_name_in_local_header, garbled_local_extra, descriptor_differs),
    *_each("header-mismatch", "s01.mp4", descriptor_missing, descriptor_with_sizes_before),
    *_each("header-mismatch", "s01.mp4", two_names),
    *_each("header-mismatch", "\u63d0\u4ea4.mp4", other_name_in_local_header),
    *_each("header-mismatch", b"\xe9.mp4".decode("cp437"), unicode_name_twice),
    *_each("header-mismatch", "\u00e9.mp4", marked_as_utf8_and_named_otherwise),
    *_each("header-mismatch", "caf\u00e9.mp4", local_utf8),
    *_each("header-mismatch", "d/", folder_with_contents, folder_with_stored_bytes),
    *_each("header-mismatch", "s02.mp4", no_local_header, beyond_the_end, shifted_onto_another),
    *_each(
        "end-record", None, two_ends, two_ends_adjusted, two_counts, two_tables, zip64_other_count, zip64_other_offset
    ),
    *_each("end-record", None, zip64_other_place, zip64_other_length),
    *_each("hidden-member", None, hidden_between, hidden_last, hidden_after),
    *_each("hidden-member", None, second_zip_before, second_zip_before_adjusted),
    *_each("unlisted-data", None, bytes_between, bytes_before_table, bytes_after),
    *_each("other-format", None, bytes_before, cpio_before, tar_too, image_too),
    *_each("header-mismatch", "s01.mp4", marked_as_folder, marked_as_folder_by_ntfs, marked_as_label),
    *_each("header-mismatch", "s01.mp4", libarchive_folder, libarchive_link, libarchive_pipe, libarchive_dos_folder),
    *_each("header-mismatch", "s01.mp4", libarchive_cut),
    *_each("second-name", "s02.mp4", named_like_another_by_a_field, named_like_another_by_version_0),
    *_each("second-name", "s02.mp4", named_like_another_in_its_header),
    ("second-name", named_like_another_in_dos, ["\u01f8.mp4"]),
    ("second-name", named_like_another_with_ff, ["s01.mp4\u00a0"]),
    ("long-name", deep, ["d/" * 999 + "s01.mp4"]),
    ("long-name", long_part, ["\u00e9" * 126 + ".mp4"]),
    ("long-name", long_path, ["/".join(["x" * 200] * 21) + ".mp4"]),
    ("sparse-file", sparse_folder, ["s01.mp4"]),
    ("case-collision", dot_collision, ["s01.mp4."]),
    ("case-collision", stream_collision, ["s01.mp4::$DATA"]),
    ("case-collision", folding_collision, ["stra\u00dfe.mp4"]),
    ("control-characters", zero_width_name, ["s01\u200b.mp4"]),
    ("bomb-ratio", claims_100_gb, ["s01.mp4"]),
    ("too-large-file", claims_100_gb, ["s01.mp4"]),
    ("overlap", nested_overlap_bomb, [f"s{i:05d}.mp4" for i in range(1, 500)]),
    ("overlap", extra_field_bomb, [f"s{i:05d}.mp4" for i in range(1, 200)]),
    ("overlap", small_extra_overlap, ["s02.mp4"]),
    ("nested-archive", archives_in_archives, [f"lib {i:x}.zip" for i in range(16)]),
    ("too-many-files", million_members, [None]),
]
