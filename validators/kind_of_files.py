"""Whether files, by the endings of their names, are of another kind than the challenge asks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from evalkit.challenges.kinds import KINDS, Kind
from evalkit.text import count, escape_for_display
from evalkit.validators.archive.strays import VIDEO_SUFFIXES

ONE: dict[Kind, str] = {"video": "video", "audio": "audio file", "motion": "motion file", "scores": "table"}


def kind_of_name(path: str) -> Kind | None:
    """Return the kind of file that a name stands for; ``None`` where its ending is none of any kind's."""
    name = path.rpartition("/")[2]
    suffix = name.rpartition(".")[2].lower() if "." in name else ""
    if suffix in VIDEO_SUFFIXES:
        return "video"
    return next((kind for kind, words in KINDS.items() if suffix in words.suffixes), None)


def fits(path: str, kind: Kind) -> bool:
    """Return whether a file of this name can be of ``kind``: whether its ending doesn't stand for another one."""
    return kind_of_name(path) in {None, kind}


def other_kind(paths: Sequence[str], kind: Kind) -> Kind | None:
    """Return the kind of most files, where none is of the kind that the challenge asks for."""
    found = Counter(one for one in map(kind_of_name, paths) if one is not None)
    return found.most_common(1)[0][0] if found and kind not in found else None


def of_kind(paths: Sequence[str], kind: Kind) -> str:
    """Return how many files are of ``kind``, with an example."""
    found = [path for path in paths if kind_of_name(path) == kind]
    example = escape_for_display(found[0])
    return f"{count(len(found), ONE[kind])}, such as {example}" if len(found) > 1 else f"{ONE[kind]} {example}"


def sentence(asked: Kind, found: Kind) -> str:
    """Return what is wrong."""
    return f"The challenge asks for {KINDS[asked].files}, and these are {KINDS[found].files}."


def fix(asked: Kind, found: Kind) -> str:
    """Return what to do."""
    return (
        f"Submit the {KINDS[asked].files}, or choose the challenge that these files are meant for: its "
        f"'submission.kind' is '{found}'."
    )
