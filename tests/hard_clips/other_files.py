"""Encryption, false tags, files in other places, and unusual audio."""

from __future__ import annotations

import struct
from pathlib import Path
from tempfile import TemporaryDirectory

from clip_tools import ffmpeg
from mp4_boxes import Box, full, table, write

from hard_clips.making import (
    AAC,
    HARD,
    PICTURES,
    TONE,
    X264,
    encoded,
    hard,
    plain,
    remuxed,
    tree_of,
)

# --- encryption and other files ---------------------------------------------------------------------------------------

KEY = "76a6c65c5ea762046bd749a2e632ccbb"
HARD["encrypted"] = lambda: remuxed(
    plain(), "-c", "copy", "-encryption_scheme", "cenc-aes-ctr", "-encryption_key", KEY, "-encryption_kid",
    "a7e61c373e219033c21091fa607bf3b8",
)  # fmt: skip


@hard("encrypted-tag-only")
def encrypted_tag_only() -> bytes:
    """The sample entry says encrypted; the data are not."""
    tree, video, _ = tree_of(plain())
    stsd = table(video, b"stsd")
    entry = stsd.children[0]
    sinf = Box(b"sinf", b"", [
        Box(b"frma", b"avc1"), full(b"schm", "4sI", b"cenc", 0x10000),
        Box(b"schi", b"", [full(b"tenc", "BBBB16s", 0, 0, 1, 8, bytes(16))]),
    ])  # fmt: skip
    stsd.children[0] = Box(b"encv", entry.body + sinf.to_bytes())
    return write(tree)


def external(kind: bytes, where: bytes) -> bytes:
    """Let the pictures' data lie in another file, by the data reference."""
    tree, video, _ = tree_of(plain())
    dref = video.find(b"mdia", b"minf", b"dinf", b"dref")
    dref.children = [Box(kind, bytes(4) + where)]
    return write(tree)


def alias(path: bytes) -> bytes:
    """Return the body of a QuickTime alias record that names ``path``."""
    record = bytearray(150)
    struct.pack_into(">HH", record, 4, 0, 2)
    name = path.rpartition(b"/")[2]
    record[10:11] = b"\x03"
    record[10:14] = b"\x03abc"
    record[50] = min(63, len(name))
    record[51 : 51 + min(63, len(name))] = name[:63]
    struct.pack_into(">hh", record, 130, 1, 1)
    body = bytes(record)
    body += struct.pack(">HH", 2, len(path)) + path + b"\0" * (len(path) % 2)
    body += struct.pack(">HH", 18, len(path)) + path + b"\0" * (len(path) % 2)
    return body + struct.pack(">HH", 0xFFFF, 0)


HARD["external-url-file"] = lambda: external(b"url ", b"file:///etc/hostname\0")
HARD["external-url-http"] = lambda: external(b"url ", b"http://127.0.0.1:9/v.mp4\0")
HARD["external-alias"] = lambda: external(b"alis", alias(b"/etc/hostname"))


# --- tags that lie ----------------------------------------------------------------------------------------------------


def retagged(data: bytes, kind: bytes) -> bytes:
    tree, video, _ = tree_of(data)
    table(video, b"stsd").children[0].kind = kind
    return write(tree)


HARD["hevc-tagged-avc1"] = lambda: retagged(HARD["hevc"](), b"avc1")
HARD["mpeg4-tagged-avc1"] = lambda: retagged(encoded("-c:v", "mpeg4", "-pix_fmt", "yuv420p", *AAC), b"avc1")
HARD["h264-tagged-hvc1"] = lambda: retagged(plain(), b"hvc1")
HARD["h264-tagged-mp4v"] = lambda: retagged(plain(), b"mp4v")
HARD["h264-tagged-nonsense"] = lambda: retagged(plain(), b"zzzz")


# --- sound ------------------------------------------------------------------------------------------------------------

HARD["audio-8-channels"] = lambda: encoded(*X264, "-c:a", "aac", "-af", "aformat=channel_layouts=7.1")
HARD["audio-pcm"] = lambda: encoded(*X264, "-c:a", "pcm_s16le", form="mov")
HARD["audio-opus"] = lambda: encoded(*X264, "-c:a", "libopus")
HARD["audio-alac-192000-hz"] = lambda: encoded(*X264, "-c:a", "alac", "-ar", "192000")


@hard("audio-pcm-in-mp4")
def _pcm_in_mp4() -> bytes:
    data = bytearray(encoded(*X264, "-c:a", "pcm_s16le", form="mov"))
    data[8:12] = b"isom"
    return bytes(data)


@hard("audio-rate-change")
def audio_rate_change() -> bytes:
    """MP3 frames of 44100 Hz, then of 32000 Hz, in one track."""
    with TemporaryDirectory() as folder:
        parts = []
        for rate in ("44100", "32000"):
            made = f"{folder}/{rate}.mp3"
            ffmpeg("-f", "lavfi", "-i", TONE, "-ar", rate, "-c:a", "libmp3lame", "-b:a", "64k", "-write_xing", "0",
                   "-id3v2_version", "0", made)  # fmt: skip
            parts.append(Path(made).read_bytes())
        (Path(folder) / "both.mp3").write_bytes(b"".join(parts))
        (Path(folder) / "p.mp4").write_bytes(encoded(*X264, audio=None, pictures=PICTURES.replace("d=2", "d=4")))
        made = f"{folder}/made.mp4"
        ffmpeg("-i", f"{folder}/p.mp4", "-i", f"{folder}/both.mp3", "-c", "copy", made)
        return Path(made).read_bytes()
