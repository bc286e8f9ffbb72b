"""Archive rules about places of a ZIP that say different things, so that programs see different archives.

An organizer's program, the team's and a jury's must all see the same videos. ``zipfile`` goes by the table of contents;
other programs go by the members' own headers, by another end record, or read from the archive's start.
"""

from __future__ import annotations

from collections.abc import Iterator

from evalkit.submission.members import InconsistencyKind
from evalkit.validators.archive.listing import Listing
from evalkit.validators.findings import Rule, Violation

_SHOWN = 3  # of what is odd in the same way, so many are told
_REZIP = "Make the ZIP again from the original files with an ordinary program."


def _header_mismatch(listing: Listing) -> Iterator[Violation]:
    """Find members about which the archive says different things; `MemberRef.open` refuses them."""
    for member in listing.members:
        if member.faults:
            yield Violation(
                "The archive says different things about the member, so that programs differ in what they see.",
                found="; ".join(fault.found for fault in member.faults),
                expected="; ".join(dict.fromkeys(fault.expected for fault in member.faults)),
                fix=_REZIP,
                path=member.path,
            )


def _end_record(listing: Listing) -> Iterator[Violation]:
    """Find records at the archive's end that disagree about where the table of contents is and what it holds."""
    yield from _odd(
        listing, "end", "The records at the archive's end disagree, so that programs read different tables of contents."
    )


def _hidden_member(listing: Listing) -> Iterator[Violation]:
    """Find members that the table of contents does not list."""
    yield from _odd(
        listing, "hidden", "The archive holds a member that its table of contents does not list; some programs show it."
    )


def _unlisted_data(listing: Listing) -> Iterator[Violation]:
    """Find bytes that belong to no member: a program put before the archive, leftovers, something after its end."""
    yield from _odd(listing, "unlisted", "The archive holds bytes that belong to no member; nothing reads them here.")


def _odd(listing: Listing, kind: InconsistencyKind, message: str) -> Iterator[Violation]:
    odd = [oddity for oddity in listing.inconsistencies if oddity.kind == kind]
    if odd:
        found = [oddity.found for oddity in odd[:_SHOWN]] + [f"and {len(odd) - _SHOWN} more"] * (len(odd) > _SHOWN)
        expected = dict.fromkeys(oddity.expected for oddity in odd[:_SHOWN])
        yield Violation(message, found="; ".join(found), expected="; ".join(expected), fix=_REZIP)


RULES: tuple[Rule[Listing], ...] = (
    Rule("archive.end-record", "archive", "error", "end records that disagree", _end_record),
    Rule("archive.hidden-member", "archive", "error", "members that are not listed", _hidden_member),
    Rule("archive.header-mismatch", "archive", "error", "members described in two ways", _header_mismatch),
    Rule("archive.unlisted-data", "archive", "warning", "bytes outside the members", _unlisted_data),
)
