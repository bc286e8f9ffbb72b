"""Name the kind of a file by its first bytes. For messages only: no rule depends on it."""

from __future__ import annotations

import codecs
from contextlib import suppress
from pathlib import Path

from evalkit.errors import MediaError
from evalkit.media.mp4.boxes import BoxReader

_MAGIC = (
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"GIF8", "a GIF image"),
    (b"\x1a\x45\xdf\xa3", "a WebM or Matroska file"),
    (b"OggS", "an Ogg file"),
    (b"ID3", "an MP3 file"),
    (b"fLaC", "a FLAC file"),
    (b"FLV\x01", "an FLV file"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"%PDF-", "a PDF document"),
    (b"\x7fELF", "a program"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"#EXTM3U", "a playlist (M3U8), not a video"),
    (b"ffconcat", "a list of files (ffconcat), not a video"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself"),
)
_RIFF = {b"AVI ": "an AVI file", b"WAVE": "a WAV file", b"WEBP": "a WebP image"}
_CONTAINERS = {
    "mov,mp4,m4a,3gp,3g2,mj2": "an MP4 or QuickTime file",
    "matroska,webm": "a WebM or Matroska file",
    "avi": "an AVI file",
    "flv": "an FLV file",
    "mpeg": "an MPEG program stream",
    "mpegts": "an MPEG transport stream",
    "mpegvideo": "a bare MPEG video stream",
    "h264": "a bare H.264 stream",
    "hevc": "a bare H.265 stream",
    "ogg": "an Ogg file",
    "asf": "a Windows Media file",
    "wav": "a WAV file",
    "mp3": "an MP3 file",
    "gif": "a GIF image",
    "apng": "a PNG image",
    "jpeg_pipe": "a JPEG image",
    "png_pipe": "a PNG image",
    "webp_pipe": "a WebP image",
    "bmp_pipe": "a BMP image",
}
_BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"sidx", b"moof", b"uuid", b"mfra"}


def container_title(name: str) -> str:
    """Return a readable name for FFmpeg's name of a container format."""
    return _CONTAINERS.get(name, name)


def describe_file(path: Path) -> str | None:
    """Return what ``path`` looks like, such as "a JPEG image"; ``None`` when it can't be read."""
    try:
        with path.open("rb") as stream:
            head = stream.read(4096)
        return _describe(path, head)
    except OSError:
        return None


def _describe(path: Path, head: bytes) -> str:
    known = next((title for magic, title in _MAGIC if head.startswith(magic)), None)
    known = known or (_RIFF.get(head[8:12]) if head[:4] == b"RIFF" else None)
    if known is not None:
        return known
    if head[4:8] in _BOXES:
        return _describe_mp4(path)
    return _describe_content(head)


def _describe_content(head: bytes) -> str:
    if not head:
        return "an empty file"
    if not head.strip(b"\0"):
        return "nothing but zero bytes at the start"
    if _is_text(head):
        return "a web page (HTML)" if b"<html" in head.lower() else "a text file"
    return f"data of no known kind (it starts with the bytes {head[:4].hex(' ')})"


def _describe_mp4(path: Path) -> str:
    with path.open("rb") as stream, suppress(MediaError):  # of more boxes than a video needs
        if any(box.kind == b"moov" for box in BoxReader(stream, path.stat().st_size).top()):
            return "an MP4 whose index (moov) is damaged"
    return "an MP4 without its index (moov): it was cut off while being written or copied"


def _is_text(head: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)  # incremental: the last character may be cut in two
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character.isspace() for character in text)
