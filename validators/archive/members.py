"""Archive rules about the members: their kind, their number and size, and their position in the archive."""

from __future__ import annotations

from collections.abc import Iterator

from evalkit.submission.members import READABLE_METHODS
from evalkit.validators.archive.listing import Listing
from evalkit.validators.findings import Rule, Violation

# Below this no ratio is suspicious: a .DS_Store of 6 kB is mostly zeros and shrinks fifty-fold.
HARMLESS_BYTES = 64 * 1024
LOCAL_HEADER_BYTES = 30  # the fixed part; the name follows

_METHODS = {1: "shrink", 6: "implode", 9: "deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "xz", 99: "AES"}


def _symlink(listing: Listing) -> Iterator[Violation]:
    """Find symbolic links."""
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
    """Find devices, pipes and sockets."""
    for member in listing.members:
        if member.kind == "device":
            yield Violation(
                "The member is a device, a pipe or a socket.",
                found="special file",
                expected="a regular file",
                fix="Remove it and make the ZIP again.",
                path=member.path,
            )


def _encrypted(listing: Listing) -> Iterator[Violation]:
    """Find members that need a password."""
    for member in listing.members:
        if member.encrypted:
            yield Violation(
                "The member is encrypted.",
                found="a password is needed",
                expected="no encryption",
                fix="Make the ZIP without a password.",
                path=member.path,
            )


def _bomb_ratio(listing: Listing) -> Iterator[Violation]:
    """Find members whose compression ratio is above the limit."""
    for member in listing.members:
        ratio = member.size / max(member.compressed_size, 1)
        if member.size > HARMLESS_BYTES and ratio > listing.rules.max_ratio:
            yield Violation(
                "The member has a suspicious compression ratio.",
                found=f"{ratio:.0f} : 1 ({member.compressed_size} to {member.size} bytes)",
                expected=f"at most {listing.rules.max_ratio:g} : 1",
                fix="Uncompressed videos and empty files don't belong in a submission.",
                path=member.path,
            )


def _too_large_total(listing: Listing) -> Iterator[Violation]:
    """Compare the total size with the limit."""
    total = sum(member.size for member in listing.members)
    if total > listing.rules.max_total_bytes:
        yield Violation(
            "The archive is too large when it is decompressed.",
            found=f"{total} bytes",
            expected=f"at most {listing.rules.max_total_bytes} bytes",
            fix="Make the files smaller, as videos by a lower bit rate.",
        )


def _too_large_file(listing: Listing) -> Iterator[Violation]:
    """Find members above the limit."""
    for member in listing.members:
        if member.size > listing.rules.max_file_bytes:
            yield Violation(
                "The member is too large when it is decompressed.",
                found=f"{member.size} bytes",
                expected=f"at most {listing.rules.max_file_bytes} bytes",
                fix="Make the file smaller, as a video by a lower bit rate.",
                path=member.path,
            )


def _too_many_files(listing: Listing) -> Iterator[Violation]:
    """Compare the number of members with the limit."""
    if listing.member_count > listing.rules.max_files or not listing.complete:
        unread = "" if listing.complete else "; none of them was read"
        yield Violation(
            "The archive has too many members.",
            found=f"{listing.member_count} or more{unread}" if unread else f"{listing.member_count}",
            expected=f"at most {listing.rules.max_files}, folders included",
            fix="Submit the requested files and nothing else.",
        )


def _sparse_file(listing: Listing) -> Iterator[Violation]:
    """Find sparse files in a folder: a copy of them takes much more space than the original."""
    for member in listing.members:
        if member.stored is not None and member.size > max(HARMLESS_BYTES, listing.rules.max_ratio * member.stored):
            yield Violation(
                "The file is sparse: it takes much less space on the disk than its length.",
                found=f"{member.stored} bytes on the disk, {member.size} when read",
                expected=f"at most {listing.rules.max_ratio:g} times as much",
                fix="Submit the files as they were written.",
                path=member.path,
            )


def _overlap(listing: Listing) -> Iterator[Violation]:
    """Compare each member's end with the next one's start: members of a valid ZIP do not overlap.

    The end is the one that its own header states; of a member without a header, the least possible one.
    """
    if listing.directory_offset is None:
        return
    reach, holder = 0, ""
    for member in sorted(listing.members, key=lambda member: member.header_offset or 0):
        start = member.header_offset or 0
        end = member.end
        if end is None:
            end = start + LOCAL_HEADER_BYTES + len(member.raw_name) + member.compressed_size
        if start < reach or end > listing.directory_offset:
            other = "the table of contents" if start >= reach else f"'{holder}'" if holder else "nothing"
            yield Violation(
                "The member's data overlaps other data in the archive.",
                found=f"bytes {start} to {end} overlap {other}",
                expected="members that do not overlap",
                fix="Make the ZIP again with an ordinary program.",
                path=member.path,
            )
        if end > reach:
            reach, holder = end, member.path


def _unsupported_method(listing: Listing) -> Iterator[Violation]:
    """Find members with a compression method that evalkit does not read."""
    for member in listing.members:
        if member.method not in READABLE_METHODS and not (member.encrypted and member.method == 99):
            name = _METHODS.get(member.method)
            yield Violation(
                "The member is compressed with a method that evalkit does not read.",
                found=f"ZIP method {member.method}" + (f" ({name})" if name else ""),
                expected="stored or deflate",
                fix="Make the ZIP again with plain deflate; Windows Explorer writes deflate64 above 2 GB.",
                path=member.path,
            )


RULES: tuple[Rule[Listing], ...] = (
    Rule("archive.symlink", "archive", "error", "symbolic links", _symlink),
    Rule("archive.device", "archive", "error", "devices, pipes and sockets", _device),
    Rule("archive.encrypted", "archive", "error", "encrypted members", _encrypted),
    Rule("archive.bomb-ratio", "archive", "error", "suspicious compression ratio", _bomb_ratio),
    Rule("archive.too-large-total", "archive", "error", "total size", _too_large_total),
    Rule("archive.too-large-file", "archive", "error", "size of one member", _too_large_file),
    Rule("archive.too-many-files", "archive", "error", "number of members", _too_many_files),
    Rule("archive.overlap", "archive", "error", "members that share data", _overlap),
    Rule("archive.sparse-file", "archive", "warning", "sparse files", _sparse_file),
    Rule("archive.unsupported-method", "archive", "error", "unusual compression", _unsupported_method),
)
