"""Archives of other formats, of one file each, as small as they can be."""

from __future__ import annotations

import struct


def iso(name: bytes, data: bytes) -> bytes:
    """Return an ISO 9660 image with one file in its root (ECMA-119)."""

    def both(form: str, number: int) -> bytes:
        return struct.pack("<" + form, number) + struct.pack(">" + form, number)

    def entry(identifier: bytes, sector: int, size: int, flags: int) -> bytes:
        length = 33 + len(identifier) + (len(identifier) % 2 == 0)
        head = bytes([length, 0]) + both("L", sector) + both("L", size) + bytes([80, 1, 1, 0, 0, 0, 0, flags, 0, 0])
        return (head + both("H", 1) + bytes([len(identifier)]) + identifier).ljust(length, b"\0")

    root, sector = entry(b"\0", 18, 2048, 2), 2048
    volume = b"\1CD001\1\0" + b" " * 64
    volume = (volume.ljust(80, b"\0") + both("L", 24)).ljust(120, b"\0") + both("H", 1) * 2 + both("H", 2048)
    volume += both("L", 10) + struct.pack("<2L", 19, 0) + struct.pack(">2L", 19, 0) + root
    volume = volume.ljust(881, b" ") + b"\1\0"
    folder = root + entry(b"\1", 18, 2048, 2) + entry(name.upper() + b";1", 19, len(data), 0)
    pieces = (volume, b"\xffCD001\1", folder, data)
    return bytes(16 * sector) + b"".join(piece.ljust(sector, b"\0") for piece in pieces).ljust(8 * sector, b"\0")


def tar(name: bytes, data: bytes) -> bytes:
    """Return a tar archive of one file."""
    return tar_header(name, len(data), b"ustar\x0000") + data.ljust(512, b"\0") + bytes(1024)


def tar_header(name: bytes, size: int, form: bytes) -> bytes:
    """Return the header of one file, of the old form without ``ustar``."""
    head = name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + b"%011o\0" % size + b"00000000000\0"
    rest = (b"0" + bytes(100) + form).ljust(356, b"\0")
    return head + b"%06o\0 " % (sum(head) + 8 * 32 + sum(rest)) + rest


def cpio(name: bytes, data: bytes) -> bytes:
    """Return a cpio archive (newc) of one file."""
    found = b""
    for number, (one, content) in enumerate(((name, data), (b"TRAILER!!!", b"")), start=1):
        numbers = (number, 0o100644, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(one) + 1, 0)
        head = b"070701" + b"".join(b"%08X" % value for value in numbers) + one + b"\0"
        found += head.ljust(-(-len(head) // 4) * 4, b"\0") + content.ljust(-(-len(content) // 4) * 4, b"\0")
    return found


def ar(name: bytes, data: bytes) -> bytes:
    """Return an ar archive of one file."""
    head = (name + b"/").ljust(16) + b"0".ljust(12) + b"0".ljust(6) * 2 + b"100644".ljust(8)
    return b"!<arch>\n" + head + b"%-10d" % len(data) + b"`\n" + data + b"\n" * (len(data) % 2)
