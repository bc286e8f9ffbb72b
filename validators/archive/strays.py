"""Tell files that can't be a video from the others: what desktop systems add, and strays with unusual names.

A stray whose name nobody can read or store must not stop the videos beside it, so it is a warning; a video with such a
name is an error. What could be taken for a video by any program counts as one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from evalkit.submission.members import Member
from evalkit.text import hidden_characters

VIDEO_SUFFIXES = frozenset(
    re.findall(
        "[a-z0-9]+",
        "3g2 3gp 264 265 apng asf av1 avi avif divx dv f4v flv gif h264 h265 hevc ivf m1v m2ts m2v m4v mjpeg mjpg mk3d"
        " mkv mov mp4 mp4v mpe mpeg mpg mts mxf ogm ogv qt rm rmvb ts vob webm webp wmv y4m yuv",
    )
)
LONGEST_PART, LONGEST_PATH, DEEPEST = 255, 4096, 64  # bytes of UTF-8 (what common file systems store), folders
_JUNK = re.compile(
    r"[/\\](?:(?:__MACOSX|\.AppleDouble|\.Spotlight-V100|\.Trashes|\.fseventsd)(?:[/\\]|$)"
    r"|(?:\.DS_Store|Thumbs\.db|desktop\.ini|\._[^/\\]*)$|Icon\r\Z)",
    re.IGNORECASE,
)
_ICON = re.compile(r"/(?:\._)?Icon\r\Z")  # macOS stores a folder's icon in a file of this name
_REVERSING = frozenset("\u202b\u202e\u2067")  # of such a name a reader sees another ending than a program
_PIECES = re.compile("[:;]")


def junk(member_path: str) -> bool:
    """Return whether a desktop system added the member, such as ``.DS_Store`` or ``Thumbs.db``; layouts ignore it."""
    return _JUNK.search("/" + member_path) is not None


def video_suffixes(layouts: Iterable[str]) -> frozenset[str]:
    """Return the usual endings of videos and those of the challenge's layouts."""
    return VIDEO_SUFFIXES | {_suffix(layout) for layout in layouts}


def is_stray(member: Member, suffixes: frozenset[str]) -> bool:
    """Whether the member has an unusual name and no program can take it for a video."""
    return bool(unusual_parts(member)) and (
        member.is_directory or junk(member.path) or not _may_be_video(member.path, suffixes)
    )


def unusual_parts(member: Member) -> list[str]:
    """Return in words for what the rules refuse the name of a video: encoding, characters, backslashes, length."""
    hidden = hidden_in_name(member)
    length, longest, depth = sizes(member)
    too_long = length > LONGEST_PATH or longest > LONGEST_PART or depth > DEEPEST
    return [
        *([f"not UTF-8: {member.raw_name!r}"] if not member.utf8 else []),
        *([f"invisible characters: {' '.join(hidden)}"] if hidden else []),
        *(["a backslash"] if member.slashed != member.path else []),
        *([f"too long: {length} bytes, {depth} parts"] if too_long else []),
    ]


def hidden_in_name(member: Member) -> list[str]:
    """Return the invisible characters, except for the carriage return of a folder's icon on macOS."""
    return hidden_characters(member.path[:-1] if _ICON.search("/" + member.path) else member.path)


def sizes(member: Member) -> tuple[int, int, int]:
    """Return the bytes of the path and of its longest part, and the number of parts."""
    name = member.slashed.encode("utf-8", "surrogatepass")
    return len(name), max(map(len, name.split(b"/"))), len(member.parts)


def _may_be_video(path: str, suffixes: frozenset[str]) -> bool:
    """Whether the name ends like a video, also where a program cuts it at a character or leaves characters out."""
    hidden = set(hidden_characters(path))
    if hidden & _REVERSING:
        return True
    visible = "".join(char for char in path if char not in hidden)
    cut = "".join(":" if char in hidden else char for char in path)
    return any(_suffix(text) in suffixes for text in (visible, *_PIECES.split(cut)))


def _suffix(path: str) -> str:
    """Return the ending after the last dot in lower case, without blanks and dots behind it; "" without one."""
    name = re.split(r"[/\\]", path)[-1].rstrip(". ")
    return name.rpartition(".")[2].lower() if "." in name else ""
