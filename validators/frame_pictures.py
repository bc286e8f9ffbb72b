"""Numbered still pictures in place of a video: the frames of one, of which a command makes a video."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LEAST_PICTURES = 3
_NUMBERED = re.compile(r"(.*?)([0-9]{1,9})\.(png|jpe?g|bmp|tiff?|webp)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Frames:
    """Pictures of one folder whose names differ in their number only.

    Args:
        paths: in the order of their numbers.
        pattern: their name as ffmpeg reads it: ``p001/%04d.png``.
        first: the lowest number.
        suffix: ``png``, as the files have it.
    """

    paths: tuple[str, ...]
    pattern: str
    first: int
    suffix: str

    @property
    def folder(self) -> str:
        """Name of the folder that holds them, empty without one."""
        return self.paths[0].rpartition("/")[0].rpartition("/")[2]

    def command(self, target: str) -> str:
        """Return the command that makes a video of them, with the sample's speech."""
        start = [] if self.first in {0, 1} else ["-start_number", str(self.first)]
        words = ["ffmpeg", "-nostdin", "-framerate", "25", *start, "-i", _as_file(self.pattern), "-i", "SPEECH.wav"]
        words += ["-c:v", "libx264", "-crf", "18", "-pix_fmt", "yuv420p", "-c:a", "aac", "-shortest", _as_file(target)]
        return shlex.join(words)


def find_frames(paths: Iterable[str]) -> tuple[Frames, ...]:
    """Return the sequences of at least three pictures; pictures whose numbers ffmpeg can't follow are left out."""
    groups: dict[tuple[str, str], list[tuple[int, str, str]]] = {}
    for path in paths:
        match = _NUMBERED.fullmatch(path)
        if match is not None:
            stem, digits, suffix = match.groups()
            groups.setdefault((stem, suffix), []).append((int(digits), digits, path))
    found = []
    for (stem, suffix), pictures in sorted(groups.items()):
        pictures.sort()
        texts = [digits for _, digits, _ in pictures]
        widths = {len(text) for text in texts}
        if len(widths) == 1 and widths != {1}:
            number = f"%0{len(texts[0])}d"
        elif not any(text.startswith("0") and text != "0" for text in texts):
            number = "%d"
        else:
            continue
        if len(pictures) >= LEAST_PICTURES:
            pattern = stem.replace("%", "%%") + number + "." + suffix
            found.append(Frames(tuple(path for _, _, path in pictures), pattern, pictures[0][0], suffix))
    return tuple(found)


def described(sequences: Sequence[Frames]) -> str:
    """Return what there is, in a few words: ``120 PNG pictures, such as p001/0001.png``."""
    kinds = list(dict.fromkeys(one.suffix.upper().replace("JPEG", "JPG") for one in sequences))
    total = sum(len(one.paths) for one in sequences)
    places = f" in {len(sequences)} sequences" if len(sequences) > 1 else ""
    return f"{total} {' and '.join(kinds)} pictures{places}, such as {sequences[0].paths[0]}"


def advice(sequences: Sequence[Frames], target: str) -> str:
    """Return what to do with them; the command is that of the first sequence."""
    each = "each sequence" if len(sequences) > 1 else "them"
    return f"Make a video of {each}, with your frame rate and the sample's speech: {sequences[0].command(target)}"


def _as_file(path: str) -> str:
    return f"./{path}" if path.startswith("-") or ":" in path.split("/", maxsplit=1)[0] else path
