"""The input of the archive rules: the table of contents, and its names as the most permissive system reads them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from evalkit.challenges.submission_rules import ArchiveRules
from evalkit.submission.members import Inconsistency, Member
from evalkit.submission.model import Submission
from evalkit.validators.archive.strays import VIDEO_SUFFIXES, is_stray, video_suffixes

# Letters by their class, yet marks by what they decompose to (Tibetan vowel signs), so they take part in the order.
_HIDDEN_MARKS = {"\u0f73": "\u0f71\u0f72", "\u0f75": "\u0f71\u0f74", "\u0f81": "\u0f71\u0f80"}
_VERSION = re.compile(r"(?<=[^/]);[0-9]*\Z")
_REPLACED = str.maketrans('<>"|?*', "______")
_LONG_RUN = re.compile(rb"\x01{32,}")


@dataclass(frozen=True)
class Listing:
    """The input of the archive rules: the table of contents and the challenge's limits.

    Args:
        members: the entries, sorted by path.
        rules: the limits.
        archive_bytes: size of the ZIP, or of all files in the folder.
        member_count: how many entries there are, also when they were too many to be listed.
        complete: whether ``members`` contains all of them.
        directory_offset: where the ZIP's table of contents starts, in bytes; ``None`` for a folder.
        inconsistencies: what makes programs see different archives in the ZIP as a whole.
        suffixes: endings of names that a video can have, in lower case.
    """

    members: tuple[Member, ...]
    rules: ArchiveRules
    archive_bytes: int
    member_count: int
    complete: bool = True
    directory_offset: int | None = None
    inconsistencies: tuple[Inconsistency, ...] = ()
    suffixes: frozenset[str] = VIDEO_SUFFIXES

    @classmethod
    def of(cls, submission: Submission, rules: ArchiveRules, layouts: Iterable[str] = ()) -> Listing:
        """Return the listing of an opened submission; ``layouts`` are the challenge's, for the endings of its names."""
        return cls(
            members=submission.members,
            rules=rules,
            archive_bytes=submission.size,
            member_count=submission.member_count,
            complete=submission.complete,
            directory_offset=submission.directory_offset,
            inconsistencies=submission.inconsistencies,
            suffixes=video_suffixes(layouts),
        )

    @cached_property
    def named(self) -> tuple[Member, ...]:
        """The members to which the rules about unusual names apply: videos, and what could be taken for one."""
        return tuple(member for member in self.members if not is_stray(member, self.suffixes))

    @cached_property
    def strays(self) -> tuple[Member, ...]:
        """The other files with unusual names, and the empty folders."""
        parents = {member.raw_name.rpartition(b"/")[0] + b"/" for member in self.members if not member.is_directory}
        strays = (member for member in self.members if is_stray(member, self.suffixes))
        return tuple(one for one in strays if not one.is_directory or one.raw_name not in parents)

    @cached_property
    def plain_names(self) -> tuple[str, ...]:
        """Each member's parts joined by slashes, in the order of ``members``."""
        return tuple("/".join(member.parts) for member in self.members)

    @cached_property
    def folded_names(self) -> tuple[str, ...]:
        """The plain names without case, in one form of accents (`folded`), and as systems store them.

        To Windows ``a:x`` is a stream of the file ``a``, so it becomes ``a`` where the archive holds an ``a`` too.
        Info-ZIP's unzip drops a version number of VMS at the end of a file's name: ``a;1`` is ``a``.
        """
        names = [
            folded_name(name, folder=member.is_directory)
            for name, member in zip(self.plain_names, self.members, strict=True)
        ]
        return tuple(_without_streams(names) if any(":" in name for name in names) else names)


def folded_name(name: str, *, folder: bool) -> str:
    """Return a plain name as in `Listing.folded_names`, streams left as they are."""
    return folded("/".join(map(stored_name, (name if folder else without_version(name)).split("/"))))


def parts(path: str) -> list[str]:
    """Split at both kinds of slashes, as the most permissive system does; ``a//./b`` is ``a/b``."""
    return [part for part in path.replace("\\", "/").split("/") if part not in {"", "."}]


def without_version(name: str) -> str:
    """Return a file's name without what unzip takes for a version number of VMS, unless nothing else is left."""
    return _VERSION.sub("", name, count=1)


def stored_name(part: str) -> str:
    """Return the name under which Windows stores a part of a path: no dots or blanks last, nor before a stream.

    ``a:x:$DATA`` is ``a:x``, and ``a::$DATA`` is ``a``. Of a part that is nothing else, such as ``...``, all is kept.
    Characters that Windows does not allow become ``_``, as most programs write them there.
    """
    part = part.translate(_REPLACED)
    file, colon, stream = part.rstrip(". ").partition(":")
    if not colon:
        return file or part
    stream = stream.removesuffix(":") if stream[-6:].lower() != ":$data" else stream[:-6]
    return file.rstrip(". ") + (f":{stream}" if stream else "") or part


def _without_streams(names: list[str]) -> list[str]:
    """Return the folded names with every ``a:x`` cut to ``a`` where there is also an ``a``."""
    tree: dict[tuple[int, str], int] = {}  # a folder's number and a name in it: that name's own number
    result = list(names)
    # Names without streams first; of the others, a folder before what it holds.
    for index in sorted(range(len(names)), key=lambda index: (":" in names[index], names[index])):
        result[index] = _enter(tree, names[index])
    return result


def _enter(tree: dict[tuple[int, str], int], name: str) -> str:
    """Put a name's parts into the tree, streams cut where the file is in it, and return the name of these parts."""
    at, kept = 0, []
    for part in name.split("/"):
        file = part.partition(":")[0].rstrip(". ")
        kept.append(file if (at, file) in tree else part)
        at = tree.setdefault((at, kept[-1]), len(tree) + 1)
    return "/".join(kept)


def folded(text: str) -> str:
    """Return one text for all that a system without case, or with one form of accents, takes for the same.

    This is the default case folding in NFC. It neither adds nor removes slashes.
    """
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", composed(text).casefold())


def composed(text: str) -> str:
    """Return the text in NFC, in time that is linear in its length."""
    return text if text.isascii() else unicodedata.normalize("NFC", _ordered(text))


def _ordered(text: str) -> str:
    """Sort long runs of combining marks into canonical order (Unicode 3.11, D109), which changes nothing for NFC.

    Python's ``normalize`` takes time that is quadratic in the length of such a run, and a name may be 64 kB of marks.
    """
    for composed, decomposed in _HIDDEN_MARKS.items():
        text = text.replace(composed, decomposed)
    marks = set(filter(unicodedata.combining, set(text)))
    if not marks:
        return text
    is_mark = bytes(map(marks.__contains__, text))
    pieces, end = [], 0
    for run in _LONG_RUN.finditer(is_mark):
        pieces += [text[end : run.start()], *sorted(text[run.start() : run.end()], key=unicodedata.combining)]
        end = run.end()
    return "".join(pieces) + text[end:] if pieces else text
