"""Random changes of text and of ZIP archives that keep enough of the form to get past the first check."""

from __future__ import annotations

import io
import random
import struct
import warnings
import zipfile

TOKENS = (
    *(
        "\x00",
        "\ufeff",
        "\u202e",
        "\ud800",
        "\t",
        "\n",
        "\r",
        '"',
        "'",
        "\\",
        ",",
        ";",
        ":",
        "-",
        "~",
        "#",
        "%",
        "=",
        "@",
    ),
    *("{", "}", "[", "]", "&a", "*a", "<<", "1e999", "nan", "null", "true", "9" * 400, "AoE", "+99:99"),
    *(
        "!!python/object:os.system",
        "=cmd|' /C calc'!A1",
        "<script>alert(1)</script>",
        "../../x",
        "2026-13-45T99:99:99Z",
    ),
)
NAMES = (
    *("s01.mp4", "s02.mp4", "S01.mp4", "a/b.mp4", "d/", "../x.mp4", "/abs.mp4", "a/../b.mp4", "C:\\x.mp4", "con.mp4"),
    *("e\u0301.mp4", "\u00e9.mp4", "x\u202e4pm.mp4", ".", " ", "a" * 300, "__MACOSX/._s01.mp4", "s01.mp4/inner.mp4"),
)
MODES = (0o100644, 0o120777, 0o010644, 0o060644)  # file, link, pipe, device
SIGNATURES = (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07", b"PK\x07\x08")
NUMBERS = (0, 1, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)


def mutated_text(text: str, random: random.Random) -> bytes:
    """Return ``text`` with one to six changes, sometimes in another encoding or with broken bytes."""
    for _ in range(random.randint(1, 6)):
        start = random.randrange(len(text) + 1)
        end = min(len(text), start + random.randint(1, 60))
        kind = random.randrange(6)
        if kind == 0:
            text = text[:start] + random.choice(TOKENS) + text[start:]
        elif kind == 1:
            text = text[:start] + text[end:]
        elif kind == 2:
            text = text[:end] + text[start:end] * random.randint(1, 4) + text[end:]
        elif kind == 3:
            text = text.replace(random.choice(',":\n1a'), random.choice(TOKENS), random.randint(1, 3))
        elif kind == 4 and text:
            other = random.randrange(len(text))
            text = text[:start] + text[other : other + 20] + text[end:]
        elif kind == 5 and random.random() < 0.3:
            text = text[:start]
    data = text.encode("utf-16" if random.random() < 0.05 else "utf-8", "surrogatepass")
    return _broken(data, random) if random.random() < 0.15 else data


def made_zip(random: random.Random) -> bytes:
    """Return a ZIP of up to six members with good and bad names, kinds and contents."""
    stream = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w") as archive:
        warnings.simplefilter("ignore")  # of names that stand twice
        for _ in range(random.randint(0, 6)):
            member = zipfile.ZipInfo("x")
            member.filename = random.choice(NAMES[: random.choice((2, 5, len(NAMES)))])
            member.compress_type = random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
            if random.random() < 0.1:
                member.external_attr = random.choice(MODES) << 16
            archive.writestr(member, random.choice((b"", b"abc", bytes(5000), random.randbytes(200))))
        if random.random() < 0.1:
            archive.comment = random.randbytes(random.randint(0, 60))
    return stream.getvalue()


def mutated_zip(data: bytes, random: random.Random) -> bytes:
    """Return an archive with up to four changes: numbers in its records, records put in, parts cut out or doubled."""
    changed = bytearray(data)
    for _ in range(random.randint(0, 4)):
        at = random.randrange(len(changed) + 1)
        kind = random.randrange(6)
        if kind == 0:
            _set_number(changed, random)
        elif kind == 1:
            changed = bytearray(_broken(bytes(changed), random))
        elif kind == 2:
            changed[at:at] = random.choice((random.randbytes(random.randint(1, 40)), *SIGNATURES))
        elif kind == 3:
            del changed[at : at + random.randint(1, 40)]
        elif kind == 4:
            changed += changed[at:]
        else:
            changed[:0] = b"MZ" + random.randbytes(20)
    return bytes(changed)


def _set_number(data: bytearray, random: random.Random) -> None:
    signature = random.choice(SIGNATURES[:3])
    places = [at for at in range(len(data) - 4) if data[at : at + 4] == signature]
    if places:
        at, width = random.choice(places) + random.randint(4, 46), random.choice((1, 2, 4))
        data[at : at + width] = struct.pack("<Q", random.choice((*NUMBERS, random.randrange(2**32))))[:width]


def _broken(data: bytes, random: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(random.randint(1, 5)):
        if changed:
            changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed)
