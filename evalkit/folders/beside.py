"""Find what lies beside a video under the same name: a prompt, a sound, an image."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from evalkit.errors import InputError
from evalkit.folders.listing import IMAGE_SUFFIXES
from evalkit.yamlio import read_text

AUDIO_SUFFIXES = (".wav", ".flac", ".mp3", ".m4a", ".aac", ".ogg")
TEXT_SUFFIX = ".txt"
MAX_PROMPT_BYTES = 1 << 16


def sound_beside(path: Path) -> Path | None:
    """Return the sound of the same name in the same folder."""
    return _first(path, AUDIO_SUFFIXES)


def image_beside(path: Path) -> Path | None:
    """Return the image of the same name in the same folder."""
    return _first(path, sorted(IMAGE_SUFFIXES))


def prompt_beside(path: Path) -> str | None:
    """Return the text of ``NAME.txt`` in the same folder; ``None`` where there is none, or an empty one.

    Raises:
        InputError: it can't be read, is too long, or is no UTF-8 text.
    """
    place = path.with_suffix(TEXT_SUFFIX)
    if not place.is_file():
        return None
    return read_text(place, kind=InputError, what="The prompt", limit=MAX_PROMPT_BYTES).strip() or None


def _first(path: Path, suffixes: Iterable[str]) -> Path | None:
    places = (path.with_suffix(suffix) for suffix in suffixes)
    return next((place for place in places if place != path and place.is_file()), None)
