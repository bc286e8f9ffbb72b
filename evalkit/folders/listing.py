"""Find the videos and images of one side: in a folder, by a pattern, in a list of paths."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from evalkit.errors import InputError, UsageError
from evalkit.text import count, escape_for_display
from evalkit.yamlio import is_there, read_text

Kind = Literal["video", "image"]
Source = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
# Suffixes by which files of a folder are chosen; what a file is, its content says when it is read.
_VIDEOS = "mp4 m4v mov webm mkv avi gif mpg mpeg ts flv wmv ogv 3gp y4m ivf h264 hevc"
_IMAGES = "png jpg jpeg webp bmp tif tiff jp2"
VIDEO_SUFFIXES, IMAGE_SUFFIXES = (frozenset(f".{name}" for name in names.split()) for names in (_VIDEOS, _IMAGES))
LIST_SUFFIX = ".txt"
MAX_FILES = 2_000_000
NAMED = 5  # files that a message names


@dataclass(frozen=True)
class MediaFile:
    """One file of a side.

    Args:
        name: its path below the side's folder without the suffix, with forward slashes; pairs have equal names.
        path: of the file.
        kind: what its suffix says.
    """

    name: str
    path: Path
    kind: Kind


@dataclass(frozen=True)
class Side:
    """The files of one side.

    Args:
        title: ``real`` or ``generated``, for messages.
        source: what was given, as text.
        files: in the byte-wise order of their names, which are unique.
        others: number of files in the folder that are neither videos nor images by their suffix.
    """

    title: str
    source: str
    files: tuple[MediaFile, ...]
    others: int = 0


def list_side(source: Source, title: str) -> Side:
    """Return the files of a side.

    Args:
        source: a folder, which is searched with all folders in it; a pattern with ``*``, ``?``, ``**`` or ``[...]``; a
            text file with a path on each line, relative to that file; one video or image; or a list of paths.
        title: ``real`` or ``generated``.

    Raises:
        InputError: nothing is there, or no video or image.
        UsageError: the source is of a wrong type.
    """
    if isinstance(source, str | os.PathLike):
        shown, paths, base, others = _of_text(os.fspath(source), title)
    elif isinstance(source, Sequence) and all(isinstance(one, str | os.PathLike) for one in source):
        paths, base, others = [Path(one) for one in source], None, 0
        shown = f"a list of {count(len(paths), 'path')}"
    else:
        raise UsageError(
            f"The {title} side has the wrong type.", found=type(source).__name__, expected="a path or a list of paths"
        )
    unique = list(dict.fromkeys(paths))
    files = _named(unique, base)
    if not files:
        suffixes = Counter(path.suffix.lower() or "no suffix" for path in unique)
        found = ", ".join(
            f"{number} {escape_for_display(suffix, 20)}" for suffix, number in suffixes.most_common(NAMED)
        )
        single = len(unique) == 1 and base is not None and unique[0].parent == base and not others
        raise InputError(
            f"The {title} side has no video or image.",
            fix="If it was to be a saved reference, the file is damaged or something else: make it again with "
            "--save-reference."
            if single and title == "real"
            else None,
            found=found or (f"{count(others, 'file')} of other kinds in {shown}" if others else f"no file in {shown}"),
            expected="files such as NAME.mp4 or NAME.png",
        )
    return Side(title, shown, files, others + len(unique) - len(files))


def _of_text(text: str, title: str) -> tuple[str, list[Path], Path | None, int]:
    """Return what to call the source, its paths, the folder that names are below, and how many files are left out."""
    place = Path(text)
    if is_there(place):
        if place.is_dir():
            found = list(_walk(place, title))
            media = [path for path in found if kind_of(path) is not None]
            return text, media, place, len(found) - len(media)
        if place.suffix.lower() == LIST_SUFFIX:
            lines = read_text(place, kind=InputError, what="The list", limit=256 * 1024 * 1024).splitlines()
            return text, [place.parent / line.strip() for line in lines if line.strip()], None, 0
        return text, [place], place.parent, 0
    if not glob.has_magic(text):
        raise InputError(f"The {title} side {text} does not exist.", fix="Check the path.")
    matches = [Path(one) for one in sorted(glob.glob(text, recursive=True)) if Path(one).is_file()]  # noqa: PTH207
    if not matches:
        raise InputError(f"No file matches the pattern {text} of the {title} side.", fix="Check the pattern.")
    media = [path for path in matches if kind_of(path) is not None]
    return text, media, None, len(matches) - len(media)


def kind_of(path: Path) -> Kind | None:
    """Return what the suffix says the file is; ``None`` for anything else."""
    suffix = path.suffix.lower()
    return "video" if suffix in VIDEO_SUFFIXES else "image" if suffix in IMAGE_SUFFIXES else None


def _walk(folder: Path, title: str) -> Iterator[Path]:
    """Yield the files below a folder, links followed once; hidden files and folders are left out."""
    seen: set[tuple[int, int]] = set()
    number = 0

    def fail(error: OSError) -> None:
        if Path(str(error.filename)) == folder:
            raise InputError(f"The {title} side {folder} can't be read.", found=error.strerror or str(error)) from None

    for root, folders, files in os.walk(folder, followlinks=True, onerror=fail):
        state = Path(root).stat()
        if (state.st_dev, state.st_ino) in seen:  # a link back to a folder above
            folders.clear()
            continue
        seen.add((state.st_dev, state.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.startswith("."):
                continue
            number += 1
            if number > MAX_FILES:
                raise InputError(f"The {title} side has too many files.", expected=f"at most {MAX_FILES}")
            yield Path(root) / name


def _named(paths: Sequence[Path], base: Path | None) -> tuple[MediaFile, ...]:
    """Return the videos and images under unique names: with the suffix where two would be called the same.

    A video keeps its name beside an image of that name, which may be its first frame.
    """
    kept = [(path, kind) for path in paths if (kind := kind_of(path)) is not None]
    root = base if base is not None else _common([path for path, _ in kept])
    relative = [_below(path, root) for path, _ in kept]
    taken = Counter((str(one.with_suffix("")), kind) for one, (_, kind) in zip(relative, kept, strict=True))
    files: dict[str, MediaFile] = {}
    for (path, kind), one in zip(kept, relative, strict=True):
        bare = str(one.with_suffix(""))
        alone = taken[bare, kind] == 1 and (kind == "video" or not taken[bare, "video"])
        name = bare if alone else str(one)
        files.setdefault(name, MediaFile(name, path, kind))
    return tuple(sorted(files.values(), key=lambda file: os.fsencode(file.name)))


def _common(paths: Iterable[Path]) -> Path:
    parents = [_absolute(path.parent) for path in paths]
    return Path(os.path.commonpath(parents)) if parents else Path()


def _below(path: Path, root: Path) -> PurePosixPath:
    return PurePosixPath(os.path.relpath(_absolute(path), _absolute(root)))


def _absolute(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - resolve() would follow links, and names would be those of their ends
