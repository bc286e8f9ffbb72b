"""Archive rules about contradictions within a ZIP, because of which programs see different archives.

An organizer's program, the team's and a jury's must all see the same videos. ``zipfile`` uses the table of contents;
other programs use the members' own headers or another end record, or read from the archive's start.
"""

from __future__ import annotations

from collections.abc import Iterator

from evalkit.submission.members import InconsistencyKind
from evalkit.validators.archive.listing import Listing
from evalkit.validators.findings import Rule, Violation

_SHOWN = 3  # inconsistencies of one kind in a finding
_REZIP = "Make the ZIP again from the original files with an ordinary program."


def _header_mismatch(listing: Listing) -> Iterator[Violation]:
    """Find members about which the archive contradicts itself; `MemberRef.open` refuses them."""
    for member in listing.members:
        if member.faults:
            yield Violation(
                "The archive contradicts itself about the member, so programs differ in what they read.",
                found="; ".join(fault.found for fault in member.faults),
                expected="; ".join(dict.fromkeys(fault.expected for fault in member.faults)),
                fix=_REZIP,
                path=member.path,
            )


def _end_record(listing: Listing) -> Iterator[Violation]:
    """Find records at the archive's end that disagree about where the table of contents is and what it holds."""
    yield from _inconsistencies(
        listing, "end", "The records at the archive's end disagree, so programs read different tables of contents."
    )


def _hidden_member(listing: Listing) -> Iterator[Violation]:
    """Find members that the table of contents does not list."""
    yield from _inconsistencies(
        listing,
        "hidden",
        "The archive contains a member that its table of contents does not list; some programs read it.",
    )


def _unlisted_data(listing: Listing) -> Iterator[Violation]:
    """Find bytes that belong to no member: leftovers between members, something after the archive's end."""
    yield from _inconsistencies(
        listing, "unlisted", "The archive has bytes that belong to no member; evalkit ignores them."
    )


def _other_format(listing: Listing) -> Iterator[Violation]:
    """Find files that are also a tar archive or a disc's image, or have a program or other bytes before the ZIP."""
    yield from _inconsistencies(
        listing, "format", "The file is not only a ZIP; programs that go by its start read something else."
    )


def _inconsistencies(listing: Listing, kind: InconsistencyKind, message: str) -> Iterator[Violation]:
    found = [one for one in listing.inconsistencies if one.kind == kind]
    if found:
        texts = [one.found for one in found[:_SHOWN]] + [f"and {len(found) - _SHOWN} more"] * (len(found) > _SHOWN)
        expected = dict.fromkeys(one.expected for one in found[:_SHOWN])
        yield Violation(message, found="; ".join(texts), expected="; ".join(expected), fix=_REZIP)


RULES: tuple[Rule[Listing], ...] = (
    Rule("archive.end-record", "archive", "error", "end records that disagree", _end_record),
    Rule("archive.hidden-member", "archive", "error", "members that are not listed", _hidden_member),
    Rule("archive.other-format", "archive", "error", "files that are also of another format", _other_format),
    Rule("archive.header-mismatch", "archive", "error", "contradictions about a member", _header_mismatch),
    Rule("archive.unlisted-data", "archive", "warning", "bytes outside the members", _unlisted_data),
)
