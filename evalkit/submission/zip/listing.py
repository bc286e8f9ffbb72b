"""List a ZIP through ``zipfile``, and keep it open for later reads of its members."""

from __future__ import annotations

import os
import zipfile
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from evalkit.errors import SubmissionError
from evalkit.submission.members import Inconsistency, Member, raw_name, zip_member
from evalkit.submission.zip.end_records import damaged
from evalkit.submission.zip.local_headers import compare_headers
from evalkit.submission.zip.scan import DAMAGE_ERRORS, Scan, scan
from evalkit.text import count

Stamp = tuple[int, int, int]  # inode, bytes, modification time in ns: they differ when an archive has changed


class ZipListing(NamedTuple):
    """A ZIP's entries in their stated order; ``members`` is empty when there are more than the limit allows."""

    members: list[Member]
    member_count: int
    directory_offset: int | None
    inconsistencies: tuple[Inconsistency, ...] = ()


def list_zip(path: Path, stamp: Stamp, limit: int, shown: str) -> ZipListing:
    """List at most ``limit`` members and read none of them.

    Args:
        path: the ZIP.
        stamp: its state, from `stamp_of`.
        limit: most members that are listed.
        shown: the path, for errors.

    Raises:
        SubmissionError: when the file is not a complete, valid ZIP.
        OSError: when it can't be read.
    """
    try:
        with path.open("rb") as file:
            seen = scan(file, stamp[1], limit, shown)
            if seen.count > limit:
                return ZipListing([], seen.count, None)
            archive, _ = opened(os.getpid(), path, stamp)
            members = _members(archive.infolist(), seen, shown)
            compared = compare_headers(file, members, seen.start, seen.shift)
    except UnicodeDecodeError as error:
        raise SubmissionError(
            f"{shown} has a name that is marked as UTF-8 but is not.",
            found=f"'{error.object.decode('cp437')}'",
            fix="Rename the file with plain letters and digits and make the ZIP again.",
        ) from None
    except NotImplementedError as error:  # zipfile raises it for versions it does not know
        raise SubmissionError(
            f"{shown} needs a newer ZIP version than evalkit reads.",
            found=str(error),
            fix="Make the ZIP again with plain deflate, as 'zip' does.",
        ) from None
    except DAMAGE_ERRORS as error:
        raise damaged(shown, str(error)) from None
    return ZipListing(compared.members, seen.count, seen.start, (*seen.inconsistencies, *compared.inconsistencies))


def _members(listed: list[zipfile.ZipInfo], seen: Scan, shown: str) -> list[Member]:
    """Return the members as ``zipfile`` read them, which must agree with the scan."""
    if len(listed) != seen.count:
        raise damaged(shown, f"{count(seen.count, 'member')} counted and {len(listed)} read")
    members = []
    for index, (info, numbers) in enumerate(zip(listed, seen.numbers, strict=True)):
        member = replace(
            zip_member(info, seen.names.get(index)),
            faults=seen.faults.get(index, ()),
            other_names=seen.other_names.get(index, ()),
        )
        if not member.faults and numbers != (info.file_size, info.compress_size, info.header_offset - seen.shift):
            raise damaged(shown, f"an entry that zipfile reads differently: '{member.path}'")
        members.append(member)
    return members


def stamp_of(path: Path) -> Stamp:
    """Return the state of the file at ``path``; it differs when the file was replaced or changed."""
    facts = path.stat()
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


@lru_cache(maxsize=8)
def opened(pid: int, path: Path, stamp: Stamp) -> tuple[zipfile.ZipFile, dict[tuple[int, bytes], zipfile.ZipInfo]]:
    """Keep an archive open per process. A forked child must not share its parent's file position, hence ``pid``."""
    archive = zipfile.ZipFile(path)
    return archive, {(info.header_offset, raw_name(info)): info for info in archive.infolist()}
