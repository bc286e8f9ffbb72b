"""Archive rules about conflicting names: duplicates, names that some systems treat as equal, files named as folders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from evalkit.submission.members import Member
from evalkit.validators.archive.listing import Listing, folded_name, parts
from evalkit.validators.archive.readings import readings
from evalkit.validators.archive.strays import DEEPEST
from evalkit.validators.findings import Rule, Violation

_APART = "Apart from case, the encoding of accents, a final dot, what follows a colon, characters that Windows replaces"
_RENAME = "Rename the file and make the ZIP again."


def _duplicate_name(listing: Listing) -> Iterator[Violation]:
    """Find names that appear more than once."""
    for members in _groups((member.path, member) for member in listing.members):
        yield Violation(
            "The name appears more than once in the archive; programs differ in which member they read.",
            found=f"{len(members)} members of this name",
            expected="one",
            fix="Make a new ZIP instead of adding to an old one.",
            path=members[0].path,
        )


def _case_collision(listing: Listing) -> Iterator[Violation]:
    """Find names, and folders in names, that differ only in case, the encoding of accents, or what systems drop."""
    found: dict[str, Violation] = {}
    for members in _groups(zip(listing.folded_names, listing.members, strict=True)):
        first = members[0].path
        for other in {member.path: None for member in members if member.path != first}:
            found[other] = Violation(
                f"{_APART} and a version number such as ;1, names are equal.",
                found=f"also '{first}'",
                expected="names that differ in other characters",
                fix=_RENAME,
                path=other,
            )
    for member, folder, first in _respelled_folders(listing):
        if member.path not in found:
            found[member.path] = Violation(
                f"{_APART}, folders are equal.",
                found=f"folder '{folder}' beside '{first}'",
                expected="one spelling of every folder",
                fix="Rename the folder and make the ZIP again.",
                path=member.path,
            )
    yield from (found[path] for path in sorted(found))


def _file_is_folder(listing: Listing) -> Iterator[Violation]:
    """Find files that also appear as a folder: ``a`` beside ``a/b``, in any spelling of ``a``."""
    found: dict[str, Violation] = {}
    around: list[tuple[str, list[Member]]] = []  # the files so far that could contain the current name, outermost first
    # With a slash at its end, every name sorts directly before the names of its contents.
    for name, member in sorted(
        zip((f"{name}/" for name in listing.folded_names), listing.members, strict=True), key=lambda pair: pair[0]
    ):
        while around and not name.startswith(around[-1][0]):
            around.pop()
        if around and around[-1][0] != name:
            for file in around[-1][1]:
                found[file.path] = Violation(
                    "The archive contains a file, and other files in a folder of the same name.",
                    found=f"also '{member.path}'",
                    expected="either a file or a folder",
                    fix=_RENAME,
                    path=file.path,
                )
            around[-1][1].clear()
        if not _is_folder(member):
            if around and around[-1][0] == name:
                around[-1][1].append(member)
            else:
                around.append((name, [member]))
    yield from (found[path] for path in sorted(found))


def _second_name(listing: Listing) -> Iterator[Violation]:
    """Find members that some program unpacks under the name of another one, or into or around it."""
    names: dict[str, list[Member]] = {}
    folders: dict[str, list[Member]] = {}
    for name, member in zip(listing.folded_names, listing.members, strict=True):
        (folders if _is_folder(member) else names).setdefault(name, []).append(member)
        for folder in _around(name):
            folders.setdefault(folder, [member])
    for member in listing.members:
        for reading in readings(member):
            name = folded_name("/".join(parts(reading)), folder=member.is_directory)
            met = [*names.get(name, ()), *(one for folder in _around(name) for one in names.get(folder, ()))]
            if not _is_folder(member):
                met += folders.get(name, ())
            other = next((one for one in met if one is not member), None)
            if other is not None and not (_is_folder(member) and _is_folder(other)):
                yield Violation(
                    "Some programs give the member the name of another one, so that one replaces the other.",
                    found=f"'{reading}' beside '{other.path}'",
                    expected="one name in all places, and names in UTF-8 that are marked as such",
                    fix=_RENAME,
                    path=member.path,
                )
                break


def _around(name: str) -> Iterator[str]:
    """Yield the folders around a name that a small archive may have; of a very deep one the outermost."""
    at = name.find("/")
    for _ in range(DEEPEST):
        if at < 0:
            return
        yield name[:at]
        at = name.find("/", at + 1)


def _groups(pairs: Iterable[tuple[str, Member]]) -> Iterator[list[Member]]:
    """Yield the members that share a key with another one, unless all of them are folders, which may repeat."""
    groups: dict[str, list[Member]] = {}
    for key, member in pairs:
        groups.setdefault(key, []).append(member)
    for members in groups.values():
        if len(members) > 1 and not all(member.is_directory for member in members):
            yield members


def _is_folder(member: Member) -> bool:
    """Return whether the member is a folder; old programs on Windows mark one by a backslash at its end."""
    return member.is_directory or member.slashed.endswith("/")


def _respelled_folders(listing: Listing) -> Iterator[tuple[Member, str, str]]:
    """Yield, once for each other spelling of a folder: a member in it, that spelling, and the first one.

    Within a name only the outermost such folder counts, so that there are never more of them than members.
    """
    folders: dict[str, tuple[str, Member]] = {}  # as stated: as folded, and the first member in it
    for member, plain, name in zip(listing.members, listing.plain_names, listing.folded_names, strict=True):
        inside = _is_folder(member)
        stated = plain if inside else plain.rpartition("/")[0]
        if stated:
            folders.setdefault(stated, (f"{name if inside else name.rpartition('/')[0]}/", member))
    if all(f"{stated}/" == key for stated, (key, _) in folders.items()):
        return
    # The folders around the current one, outermost first: folded, spelled as met first, and as met later, by depth.
    above: list[str] = []
    firsts: list[str] = []
    others: dict[int, set[str]] = {}
    for stated, (key, member) in sorted(folders.items(), key=lambda item: item[1][0]):
        spellings, names = stated.split("/"), key[:-1].split("/")
        pairs = enumerate(zip(above, names, strict=False))
        shared = next((depth for depth, (one, other) in pairs if one != other), min(len(above), len(names)))
        firsts[shared:] = spellings[shared:]
        above = names
        others = {depth: seen for depth, seen in others.items() if depth < shared}
        # Below the depth that both share, the spellings are this folder's own.
        differing = (depth for depth, pair in enumerate(zip(firsts, spellings, strict=True)) if pair[0] != pair[1])
        depth = next(differing, None)
        if depth is not None and spellings[depth] not in others.setdefault(depth, set()):
            others[depth].add(spellings[depth])
            yield member, spellings[depth], firsts[depth]


RULES: tuple[Rule[Listing], ...] = (
    Rule("archive.duplicate-name", "archive", "error", "the same name twice", _duplicate_name),
    Rule(
        "archive.case-collision",
        "archive",
        "error",
        "names that differ only in case or accents' encoding",
        _case_collision,
    ),
    Rule("archive.second-name", "archive", "error", "names that are another member's for some", _second_name),
    Rule("archive.file-is-folder", "archive", "error", "files named like folders", _file_is_folder),
)
