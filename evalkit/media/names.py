"""The names of codecs, containers and pixel formats, as `MediaFacts` has them and as people write them."""

from __future__ import annotations

import re
from functools import cache
from typing import Literal

import av
from av.video import format as pixel_format

from evalkit.errors import did_you_mean
from evalkit.media.container import FORMATS

Kind = Literal["container", "video codec", "audio codec", "pixel format"]
# Other names, without punctuation and in small letters.
_USUAL = {
    "container": {"mkv": "matroska", "quicktime": "mov", "qt": "mov", "mpeg4": "mp4", "ts": "mpegts", "wmv": "asf"},
    "video codec": {
        **dict.fromkeys(("avc", "avc1", "x264", "libx264", "mpeg4avc", "mpeg4part10", "h264avc"), "h264"),
        **dict.fromkeys(("h265", "x265", "libx265", "hvc1", "hev1", "mpegh"), "hevc"),
        **dict.fromkeys(("av01", "libaomav1", "libsvtav1", "libdav1d"), "av1"),
        **dict.fromkeys(("vp09", "libvpxvp9"), "vp9"),
        "mp4v": "mpeg4",
    },
    "audio codec": {
        **dict.fromkeys(("mp4a", "aaclc", "heaac", "aclc", "libfdkaac"), "aac"),
        **dict.fromkeys(("mpeg3", "libmp3lame", "lame", "mpegaudio"), "mp3"),
        "libopus": "opus",
        "wav": "pcm_s16le",
        "pcm": "pcm_s16le",
    },
    "pixel format": {"yuv420": "yuv420p", "420": "yuv420p", "yuv420p8": "yuv420p", "rgb": "rgb24"},
}


@cache
def known_names(kind: Kind) -> frozenset[str]:
    """Return every name that a file's facts can have, with the FFmpeg that is installed."""
    if kind == "container":
        return frozenset(FORMATS.split(","))
    if kind == "pixel format":
        return frozenset(pixel_format.names)  # type: ignore[attr-defined]  # the stubs lack it
    found = set()
    for name in av.codecs_available:
        try:
            codec = av.Codec(name, "r")
        except ValueError:  # an encoder only
            continue
        if f"{codec.type} codec" == kind:
            found.add(codec.canonical_name)
    return frozenset(found)


def suggest_name(kind: Kind, name: str) -> str:
    """Return a sentence with the name to write in place of ``name``; empty when none is near."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    known = known_names(kind)
    exact = [one for one in sorted(known) if re.sub(r"[^a-z0-9]", "", one) == plain]
    meant = exact[0] if exact else _USUAL[kind].get(plain)
    return f" Write '{meant}'." if meant else did_you_mean(name.lower(), sorted(known))
