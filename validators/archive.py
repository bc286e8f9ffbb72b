"""Rules about the archive as a whole, judged from its table of contents before a single byte is decompressed.

Every rule walks the members once and yields a violation per fault, however many there are; a report decides how many
it shows. `Violation.path` is the member's name exactly as stated, so that other rules can match it; whatever prints it
neutralises it (`evalkit.text`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from evalkit.challenge import ArchiveRules
from evalkit.submission import READABLE_METHODS, Member, Submission
from evalkit.text import hidden_characters, neutralise
from evalkit.validators.findings import Finding, Rule, Violation, run_rules

# Below this no ratio is suspicious: a .DS_Store of 6 kB is mostly zeros and shrinks fifty-fold.
HARMLESS_BYTES = 64 * 1024
LOCAL_HEADER_BYTES = 30  # the fixed part; the name follows

_REZIP = "Make the ZIP again from regular files with relative names."
_RENAME = "Rename the file and make the ZIP again."
_DRIVE = re.compile(r"[A-Za-z]:")
_ARCHIVES = re.compile(
    r"\.(?:zip|zipx|jar|rar|7z|tar|tgz|tbz2?|txz|gz|bz2|xz|zst|lzma|lz4|lz|z|cab|arj|ace|iso|dmg|[zr][0-9]{2}|00[1-9])$",
    re.IGNORECASE,
)
# A forbidden character, a part that ends in a blank or a dot, a part that is a device's name with any suffix.
_WINDOWS = re.compile(
    r"""[<>:"|?*]|(?<=[^/\\. ])[ .]+(?=[/\\]|$)"""
    r"""|(?:^|[/\\])(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9\u00b9\u00b2\u00b3])(?=[./\\]|$)""",
    re.IGNORECASE,
)
_JUNK = re.compile(
    r"(?:^|[/\\])(?:(?:__MACOSX|\.AppleDouble|\.Spotlight-V100|\.Trashes|\.fseventsd)(?:[/\\]|$)"
    r"|(?:\.DS_Store|Thumbs\.db|desktop\.ini|\._[^/\\]*)$)",
    re.IGNORECASE,
)
_METHODS = {1: "shrink", 6: "implode", 9: "deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "xz", 99: "AES"}


@dataclass(frozen=True)
class Listing:
    """What the rules see: the table of contents and the challenge's limits.

    Args:
        members: the entries, sorted by path.
        rules: the limits.
        archive_bytes: size of the ZIP, or of all files in the folder.
        member_count: how many entries there are, also when they were too many to be listed.
        complete: whether ``members`` holds all of them.
        directory_offset: where the ZIP's table of contents starts, in bytes; ``None`` for a folder.
    """

    members: tuple[Member, ...]
    rules: ArchiveRules
    archive_bytes: int
    member_count: int
    complete: bool = True
    directory_offset: int | None = None

    @classmethod
    def of(cls, submission: Submission, rules: ArchiveRules) -> Listing:
        """Return the listing of an opened submission."""
        return cls(
            members=submission.members,
            rules=rules,
            archive_bytes=submission.size,
            member_count=submission.member_count,
            complete=submission.complete,
            directory_offset=submission.directory_offset,
        )


def junk(member_path: str) -> bool:
    """Return whether a desktop put the member there (``__MACOSX``, ``.DS_Store``, ``Thumbs.db``); layouts ignore it."""
    return _JUNK.search(member_path) is not None


def _parts(path: str) -> list[str]:
    """Split at both kinds of slashes, as the most generous system would; ``a//./b`` is ``a/b``."""
    return [part for part in path.replace("\\", "/").split("/") if part not in {"", "."}]


def _path_traversal(listing: Listing) -> Iterator[Violation]:
    for member in listing.members:
        # Windows drops blanks at the end of a name: '.. ' is '..' there.
        if ".." in member.path and any(part.strip() == ".." for part in _parts(member.path)):
            yield Violation(
                "The name climbs out of the archive's folder.",
                found=neutralise(member.path),
                expected="a relative name without '..'",
                fix=_REZIP,
                path=member.path,
            )


def _absolute_path(listing: Listing) -> Iterator[Violation]:
    for member in listing.members:
        if member.path.startswith(("/", "\\")) or _DRIVE.match(member.path):
            yield Violation(
                "The name is absolute.",
                found=neutralise(member.path),
                expected="a relative name, without a leading slash, a drive letter or a server's name",
                fix=_REZIP,
                path=member.path,
            )


def _backslash(listing: Listing) -> Iterator[Violation]:
    for member in listing.members:
        if "\\" in member.path:
            yield Violation(
                "The name holds a backslash, which is a folder's separator on some systems and a letter on others.",
                found=neutralise(member.path),
                expected="forward slashes between folders",
                fix="Make the ZIP with a program that writes forward slashes, as the ZIP format demands.",
                path=member.path,
            )


def _symlink(listing: Listing) -> Iterator[Violation]:
    for member in listing.members:
        if member.kind == "symlink":
            yield Violation(
                "The member is a symbolic link.",
                found="symbolic link",
                expected="a regular file",
                fix="Put the file itself in its place.",
                path=member.path,
            )


def _device(listing: Listing) -> Iterator[Violation]:
    for member in listing.members:
        if member.kind == "device":
            yield Violation(
                "The member is a device, a pipe or a socket.",
                found="special file",
                expected="a regular file",
                fix="Remove it and make the ZIP again.",
                path=member.path,
            )


def _groups(pairs: Iterable[tuple[str, Member]]) -> Iterator[list[Member]]:
    """Yield the members that share a key with another one, unless all of them are folders, which may repeat."""
    groups: dict[str, list[Member]] = {}
    for key, member in pairs:
        groups.setdefault(key, []).append(member)
    for members in groups.values():
        if len(members) > 1 and not all(member.is_directory for member in members):
            yield members


def _duplicate_name(listing: Listing) -> Iterator[Violation]:
    for members in _groups((member.path, member) for member in listing.members):
        yield Violation(
            "The name stands more than once in the archive; programs differ in which one they read.",
            found=f"{len(members)} members of this name",
            expected="one",
            fix="Make a new ZIP instead of adding to an old one.",
            path=members[0].path,
        )


def _folded(path: str) -> str:
    plain = "/".join(_parts(path))
    return plain if plain.isascii() and plain == plain.lower() else _fold(plain)


def _fold(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def _case_collision(listing: Listing) -> Iterator[Violation]:
    for members in _groups((_folded(member.path), member) for member in listing.members):
        first = members[0].path
        for other in {member.path: None for member in members if member.path != first}:
            yield Violation(
                "On a system that ignores case or the encoding of accents, the name is the same as another one.",
                found=f"also '{neutralise(first)}'",
                expected="names that differ in more than that",
                fix=_RENAME,
                path=other,
            )


def _encrypted(listing: Listing) -> Iterator[Violation]:
    for member in listing.members:
        if member.encrypted:
            yield Violation(
                "The member is encrypted.",
                found="a password is needed",
                expected="no encryption",
                fix="Make the ZIP without a password.",
                path=member.path,
            )


def _nested_archive(listing: Listing) -> Iterator[Violation]:
    for member in listing.members:
        suffix = _ARCHIVES.search(member.path)
        if suffix and not member.is_directory:
            yield Violation(
                "The member is itself an archive; archives in archives are not opened.",
                found=neutralise(suffix.group()),
                expected="the files themselves",
                fix="Unpack it and make one flat ZIP.",
                path=member.path,
            )


def _bomb_ratio(listing: Listing) -> Iterator[Violation]:
    for member in listing.members:
        ratio = member.size / max(member.compressed_size, 1)
        if member.size > HARMLESS_BYTES and ratio > listing.rules.max_ratio:
            yield Violation(
                "The member grows suspiciously when it is decompressed.",
                found=f"{ratio:.0f} : 1 ({member.compressed_size} to {member.size} bytes)",
                expected=f"at most {listing.rules.max_ratio:g} : 1",
                fix="Hand in compressed video; uncompressed or empty files don't belong in a submission.",
                path=member.path,
            )


def _too_large_total(listing: Listing) -> Iterator[Violation]:
    total = sum(member.size for member in listing.members)
    if total > listing.rules.max_total_bytes:
        yield Violation(
            "The archive is too large when it is decompressed.",
            found=f"{total} bytes",
            expected=f"at most {listing.rules.max_total_bytes} bytes",
            fix="Encode the videos with a lower bit rate.",
        )


def _too_large_file(listing: Listing) -> Iterator[Violation]:
    for member in listing.members:
        if member.size > listing.rules.max_file_bytes:
            yield Violation(
                "The member is too large when it is decompressed.",
                found=f"{member.size} bytes",
                expected=f"at most {listing.rules.max_file_bytes} bytes",
                fix="Encode the video with a lower bit rate.",
                path=member.path,
            )


def _too_many_files(listing: Listing) -> Iterator[Violation]:
    if listing.member_count > listing.rules.max_files or not listing.complete:
        unread = "" if listing.complete else "; none of them was read"
        yield Violation(
            "The archive has too many members.",
            found=f"{listing.member_count} or more{unread}" if unread else f"{listing.member_count}",
            expected=f"at most {listing.rules.max_files}, folders included",
            fix="Hand in the asked-for videos and nothing else.",
        )


def _name_not_utf8(listing: Listing) -> Iterator[Violation]:
    for member in listing.members:
        if not member.utf8:
            yield Violation(
                "The name is not UTF-8, so that nobody knows how it reads.",
                found=neutralise(str(member.raw_name)),
                expected="UTF-8, best plain letters and digits",
                fix=_RENAME,
                path=member.path,
            )


def _control_characters(listing: Listing) -> Iterator[Violation]:
    for member in listing.members:
        hidden = hidden_characters(member.path)
        if hidden:
            yield Violation(
                "The name holds characters that can't be seen or that change how it is shown.",
                found=neutralise(" ".join(map(neutralise, hidden))),
                expected="visible characters",
                fix=_RENAME,
                path=member.path,
            )


def _overlap(listing: Listing) -> Iterator[Violation]:
    """Compare each member's least possible end with the next one's start: members of a sound ZIP stand side by side."""
    if listing.directory_offset is None:
        return
    reach, holder = 0, ""
    for member in sorted(listing.members, key=lambda member: member.header_offset or 0):
        start = member.header_offset or 0
        end = start + LOCAL_HEADER_BYTES + len(member.raw_name) + member.compressed_size
        if start < reach or end > listing.directory_offset:
            other = "the table of contents" if start >= reach else f"'{neutralise(holder)}'" if holder else "nothing"
            yield Violation(
                "The member's data overlaps other data in the archive.",
                found=f"bytes {start} to {end} overlap {other}",
                expected="every member in a place of its own",
                fix="Make the ZIP again with an ordinary program.",
                path=member.path,
            )
        if end > reach:
            reach, holder = end, member.path


def _unsupported_method(listing: Listing) -> Iterator[Violation]:
    for member in listing.members:
        if member.method not in READABLE_METHODS and not (member.encrypted and member.method == 99):
            name = _METHODS.get(member.method)
            yield Violation(
                "The member is compressed in a way that is not read here.",
                found=f"ZIP method {member.method}" + (f" ({name})" if name else ""),
                expected="stored or deflate",
                fix="Make the ZIP again with plain deflate; Windows Explorer writes deflate64 above 2 GB.",
                path=member.path,
            )


def _windows_reserved(listing: Listing) -> Iterator[Violation]:
    for member in listing.members:
        fault = _WINDOWS.search(member.path)
        if fault:
            yield Violation(
                "Windows can't store a file of this name.",
                found=f"'{neutralise(fault.group().lstrip('/'))}' in the name",
                expected='no <>:"|?*, no dot or blank at the end of a name, no name of a device such as con or nul',
                fix=_RENAME,
                path=member.path,
            )


def _junk(listing: Listing) -> Iterator[Violation]:
    for member in listing.members:
        if junk(member.path):
            yield Violation(
                "A desktop put this file there; it is ignored.",
                fix="On macOS: zip -X -r submission.zip . -x '*.DS_Store' -x '__MACOSX/*'",
                path=member.path,
            )


RULES: tuple[Rule[Listing], ...] = (
    Rule("archive.path-traversal", "archive", "error", "names that climb out of the folder", _path_traversal),
    Rule("archive.absolute-path", "archive", "error", "absolute names", _absolute_path),
    Rule("archive.backslash", "archive", "error", "backslashes in names", _backslash),
    Rule("archive.symlink", "archive", "error", "symbolic links", _symlink),
    Rule("archive.device", "archive", "error", "devices, pipes and sockets", _device),
    Rule("archive.duplicate-name", "archive", "error", "the same name twice", _duplicate_name),
    Rule(
        "archive.case-collision",
        "archive",
        "error",
        "names that differ only in case or accents' encoding",
        _case_collision,
    ),
    Rule("archive.encrypted", "archive", "error", "encrypted members", _encrypted),
    Rule("archive.nested-archive", "archive", "error", "archives in the archive", _nested_archive),
    Rule("archive.bomb-ratio", "archive", "error", "members that grow too much", _bomb_ratio),
    Rule("archive.too-large-total", "archive", "error", "size of everything", _too_large_total),
    Rule("archive.too-large-file", "archive", "error", "size of one member", _too_large_file),
    Rule("archive.too-many-files", "archive", "error", "number of members", _too_many_files),
    Rule("archive.name-not-utf8", "archive", "error", "names that are not UTF-8", _name_not_utf8),
    Rule("archive.control-characters", "archive", "error", "invisible characters in names", _control_characters),
    Rule("archive.overlap", "archive", "error", "members that share data", _overlap),
    Rule("archive.unsupported-method", "archive", "error", "unusual compression", _unsupported_method),
    Rule("archive.windows-reserved", "archive", "warning", "names that Windows can't store", _windows_reserved),
    Rule("archive.junk", "archive", "info", "files that desktops add", _junk),
)

# Faults of one member that leave the others readable: `Submission.copy` refuses that member alone.
_ONLY_THAT_MEMBER = frozenset({"archive.encrypted", "archive.nested-archive", "archive.unsupported-method"})


def check_archive(submission: Submission, rules: ArchiveRules, severities: Mapping[str, str]) -> list[Finding]:
    """Return what the archive rules find, in the rules' order and by path within a rule.

    Args:
        submission: opened with the same ``rules``, so that ``max_files`` is one number.
        rules: the challenge's limits.
        severities: rule id to "error", "warning", "info" or "off", replacing the rule's own.
    """
    return run_rules(RULES, Listing.of(submission, rules), severities)


def blocks(findings: Iterable[Finding]) -> bool:
    """Return whether the archive must not be read any further.

    Every error of an archive rule does, but for those about a single member that can't be read anyway (encrypted, a
    nested archive, unusual compression): one bad file never stops the rest.
    """
    return any(
        finding.severity == "error" and finding.rule.startswith("archive.") and finding.rule not in _ONLY_THAT_MEMBER
        for finding in findings
    )
