"""Archive rules about single names: unsafe paths, hidden characters, names that systems can't store."""

from __future__ import annotations

import re
from collections.abc import Iterator

from evalkit.submission.members import Member
from evalkit.validators.archive.listing import Listing, parts
from evalkit.validators.archive.strays import (
    DEEPEST,
    LONGEST_PART,
    LONGEST_PATH,
    hidden_in_name,
    junk,
    sizes,
    unusual_parts,
)
from evalkit.validators.findings import Rule, Violation

_REZIP = "Make the ZIP again from regular files with relative names."
_RENAME = "Rename the file and make the ZIP again."
_DRIVE = re.compile(r"[A-Za-z]:")
_ARCHIVES = re.compile(
    r"\.(?:zip|zipx|jar|rar|7z|tar|tgz|tbz2?|txz|gz|bz2|xz|zst|lzma|lz4|lz|z|cab|arj|ace|iso|dmg|[zr][0-9]{2}|00[1-9])$",
    re.IGNORECASE,
)
_LONGEST_SUFFIX = 6  # with the line feed that "$" tolerates; looking no further spares names full of dots
# The patterns below are applied to names with a slash put before them: a pattern with a fixed start is fast.
_WINDOWS = (
    re.compile(r'[<>:"|?*]'),
    re.compile(r"(?<=[^/\\. ])[ .]+(?=[/\\]|$)"),  # a part that ends in a blank or a dot
    re.compile(  # a part that is a device's name with any suffix
        r"[/\\](?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9\u00b9\u00b2\u00b3])(?=[./\\]|$)", re.IGNORECASE
    ),
)


def _path_traversal(listing: Listing) -> Iterator[Violation]:
    """Find names that lead outside of the archive's folder."""
    for member in listing.members:
        # Windows drops blanks at the end of a name: '.. ' is '..' there.
        climbing = [
            name for name in member.spellings if ".." in name and any(part.strip() == ".." for part in parts(name))
        ]
        if climbing:
            yield Violation(
                "The name climbs out of the archive's folder.",
                found=climbing[0],
                expected="a relative name without '..'",
                fix=_REZIP,
                path=member.path,
            )


def _absolute_path(listing: Listing) -> Iterator[Violation]:
    """Find names that start at a root, a drive or a server."""
    for member in listing.members:
        if _is_root(member):
            continue
        if any(name.startswith(("/", "\\")) or _DRIVE.match(name) for name in member.spellings):
            yield Violation(
                "The name is absolute.",
                found=member.path,
                expected="a relative name, without a leading slash, a drive letter or a server's name",
                fix=_REZIP,
                path=member.path,
            )


def _is_root(member: Member) -> bool:
    """Return whether the entry names the archive's own folder and holds nothing, as in Dropbox's downloads."""
    return member.is_directory and member.size == 0 and not parts(member.path)


def _root_entry(listing: Listing) -> Iterator[Violation]:
    """Find entries that name the root of all files and hold nothing; ``./`` is ordinary."""
    for member in listing.members:
        if _is_root(member) and member.path.startswith(("/", "\\")):
            yield Violation(
                "The entry names the root folder and holds nothing; it is ignored.",
                found=member.path,
                expected="names of files and folders",
                fix="Nothing has to be done; downloads from Dropbox have such an entry.",
                path=member.path,
            )


def _empty_name(listing: Listing) -> Iterator[Violation]:
    """Find members without a name, and files whose name is dots alone."""
    for member in listing.members:
        if not member.path or (not member.is_directory and not parts(member.path)):
            yield Violation(
                "The member has no name; some programs unpack it over the member before it.",
                found=f"'{member.path}'",
                expected="a file's name",
                fix=_REZIP,
                path=member.path,
            )


def _backslash(listing: Listing) -> Iterator[Violation]:
    """Find names with backslashes."""
    for member in listing.named:
        if member.slashed != member.path:
            yield Violation(
                "The name contains a backslash, which separates folders on some systems and is a character on others.",
                found=member.path,
                expected="forward slashes between folders",
                fix="Make the ZIP with a program that writes forward slashes, as the ZIP format requires.",
                path=member.path,
            )


def _nested_archive(listing: Listing) -> Iterator[Violation]:
    """Find members whose names are those of archives."""
    for member in listing.members:
        suffix = _ARCHIVES.search(member.path[-_LONGEST_SUFFIX:])
        if suffix and not member.is_directory:
            yield Violation(
                "The member is itself an archive; archives in archives are not opened.",
                found=suffix.group(),
                expected="the files themselves",
                fix="Unpack it and make one flat ZIP.",
                path=member.path,
            )


def _name_not_utf8(listing: Listing) -> Iterator[Violation]:
    """Find names in an unknown encoding."""
    for member in listing.named:
        if not member.utf8:
            yield Violation(
                "The name is not UTF-8; its characters are unknown.",
                found=str(member.raw_name),
                expected="UTF-8, best plain letters and digits",
                fix=_RENAME,
                path=member.path,
            )


def _control_characters(listing: Listing) -> Iterator[Violation]:
    """Find names with hidden characters, except for the carriage return of a folder's icon on macOS."""
    for member in listing.named:
        hidden = hidden_in_name(member)
        if hidden:
            yield Violation(
                "The name contains characters that are invisible or change how it is displayed.",
                found=" ".join(hidden),
                expected="visible characters",
                fix=_RENAME,
                path=member.path,
            )


def _long_name(listing: Listing) -> Iterator[Violation]:
    """Find names that most systems can't store: a part or the path is too long, or there are too many folders."""
    for member in listing.named:
        length, longest, depth = sizes(member)
        if length > LONGEST_PATH or longest > LONGEST_PART or depth > DEEPEST:
            yield Violation(
                "The name is too long, or has too many folders, to be stored.",
                found=f"{length} bytes, the longest part {longest}, {depth} parts",
                expected=f"at most {LONGEST_PATH} bytes, {LONGEST_PART} a part, {DEEPEST} parts",
                fix=_RENAME,
                path=member.path,
            )


def _stray_name(listing: Listing) -> Iterator[Violation]:
    """Find files that are no videos and have names for which a video is refused."""
    for member in listing.strays:
        yield Violation(
            "It is no video, and its name is unusual; it is ignored.",
            found=", ".join(unusual_parts(member)),
            expected="a name of visible characters in UTF-8, with slashes between folders",
            fix="Remove it from the submission, or rename it.",
            path=member.path,
        )


def _windows_reserved(listing: Listing) -> Iterator[Violation]:
    """Find names that Windows can't store."""
    for member in listing.members:
        faults = [fault for pattern in _WINDOWS if (fault := pattern.search("/" + member.path))]
        if faults:
            fault = min(faults, key=lambda fault: fault.start())
            yield Violation(
                "Windows can't store a file of this name.",
                found=f"'{fault.group().lstrip('/')}' in the name",
                expected='no <>:"|?*, no dot or blank at the end of a name, no name of a device such as con or nul',
                fix=_RENAME,
                path=member.path,
            )


def _desktop_files(listing: Listing) -> Iterator[Violation]:
    """Find files that desktop systems add."""
    for member in listing.members:
        if junk(member.path):
            yield Violation(
                "A desktop system added this file; it is ignored.",
                fix="On macOS: zip -X -r submission.zip . -x '*.DS_Store' -x '__MACOSX/*'",
                path=member.path,
            )


RULES: tuple[Rule[Listing], ...] = (
    Rule("archive.path-traversal", "archive", "error", "names that lead outside of the folder", _path_traversal),
    Rule("archive.absolute-path", "archive", "error", "absolute names", _absolute_path),
    Rule("archive.root-entry", "archive", "info", "an entry that names the root folder", _root_entry),
    Rule("archive.empty-name", "archive", "error", "members without a name", _empty_name),
    Rule("archive.backslash", "archive", "error", "backslashes in names", _backslash),
    Rule("archive.nested-archive", "archive", "error", "archives in the archive", _nested_archive),
    Rule("archive.name-not-utf8", "archive", "error", "names that are not UTF-8", _name_not_utf8),
    Rule("archive.control-characters", "archive", "error", "invisible characters in names", _control_characters),
    Rule("archive.long-name", "archive", "error", "names too long to store", _long_name),
    Rule("archive.stray-name", "archive", "warning", "unusual names of files that are no videos", _stray_name),
    Rule("archive.windows-reserved", "archive", "warning", "names that Windows can't store", _windows_reserved),
    Rule("archive.junk", "archive", "info", "files that desktop systems add", _desktop_files),
)
