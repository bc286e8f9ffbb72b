"""How the hard clips are made: by ffmpeg, and box by box; each maker registers its clip in ``HARD``."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from clip_tools import ffmpeg
from mp4_boxes import Box, parse, tracks

PICTURES = "testsrc=s=96x64:r=25:d=2"
TONE = "sine=440:d=2:sample_rate=48000"
X264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-preset", "ultrafast", "-threads", "1")
B_FRAMES = ("-bf", "3", "-x264-params", "b-adapt=0:bframes=3", "-g", "25")
AAC = ("-c:a", "aac", "-b:a", "48k")
MATRIX = 40  # place of the display matrix in a ``tkhd`` of version 0
Maker = Callable[[], bytes]
HARD: dict[str, Maker] = {}


def hard(name: str, *values: object) -> Callable[[Callable[..., bytes]], Callable[..., bytes]]:
    """Register a maker under ``name``, called with ``values``."""

    def register(maker: Callable[..., bytes]) -> Callable[..., bytes]:
        HARD[name] = lambda: maker(*values)
        return maker

    return register


def make(name: str, folder: Path) -> Path:
    """Write the hard clip ``name`` into ``folder``."""
    path = folder / f"{name}.mp4"
    path.write_bytes(HARD[name]())
    return path


@cache
def encoded(*words: str, pictures: str = PICTURES, audio: str | None = TONE, form: str = "mp4") -> bytes:
    """Return what ffmpeg makes of the test pictures and the tone; ``words`` are its options for the output."""
    inputs = ["-f", "lavfi", "-i", pictures, *(("-f", "lavfi", "-i", audio) if audio else ())]
    with TemporaryDirectory() as folder:
        made = Path(folder) / "made.mp4"
        ffmpeg(*inputs, "-fflags", "+bitexact", "-flags", "+bitexact", *words, "-f", form, made)
        return made.read_bytes()


@cache
def remuxed(data: bytes, *words: str, before: tuple[str, ...] = ()) -> bytes:
    """Return ``data`` after ``ffmpeg -i``; no stream is encoded again unless ``words`` say so."""
    with TemporaryDirectory() as folder:
        source, made = Path(folder) / "source.mp4", Path(folder) / "made.mp4"
        source.write_bytes(data)
        ffmpeg(*before, "-i", source, *(words or ("-map", "0", "-c", "copy")), "-f", "mp4", made)
        return made.read_bytes()


def plain() -> bytes:
    """Return the clip that nothing is wrong with, its index at the end."""
    return encoded(*X264, *AAC)


def tree_of(data: bytes) -> tuple[Box, Box, Box]:
    """Return the tree, the track with the pictures and the one with the audio."""
    tree = parse(data)
    return tree, tracks(tree, b"vide")[0], tracks(tree, b"soun")[0]
