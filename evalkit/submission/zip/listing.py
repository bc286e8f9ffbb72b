"""List a ZIP through ``zipfile``, and keep it open for later reads of its members."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

from evalkit.errors import SubmissionChangedError, SubmissionError
from evalkit.submission.members import Inconsistency, Member, raw_name, zip_member
from evalkit.submission.zip.end_records import damaged
from evalkit.submission.zip.local_headers import compare_headers
from evalkit.submission.zip.scan import DAMAGE_ERRORS, Scan, scan
from evalkit.text import count

# Inode, bytes, times of modification and of change in ns. Nobody can set the last: also a file whose bytes were written
# over in place, or that was away for a moment, has another one.
Stamp = tuple[int, int, int, int]


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
        stamp: its state, from `stamp_of`; in another one it is refused.
        limit: most members that are listed.
        shown: the path, for errors.

    Raises:
        SubmissionError: when the file is not a complete, valid ZIP.
        OSError: when it can't be read.
    """
    try:
        with open_unchanged(path, stamp) as file:
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


def stamp_of(file: Path | int) -> Stamp:
    """Return the state of the file of this path or descriptor; it differs when the file was replaced or changed."""
    facts = os.stat(file)  # noqa: PTH116 - of a descriptor, too
    return facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


@contextmanager
def open_unchanged(path: Path, stamp: Stamp) -> Iterator[BufferedReader]:
    """Open the file whose state is ``stamp``, and make sure in the end that it still is.

    Raises:
        SubmissionChangedError: when there is another file, or it was changed before the block ended.
        OSError: when it can't be read.
    """
    with path.open("rb") as file:
        refuse_changed(path, file.fileno(), stamp)
        yield file
        refuse_changed(path, file.fileno(), stamp)


def refuse_changed(path: Path, descriptor: int, stamp: Stamp) -> None:
    """Make sure that the open file is as it was listed.

    Raises:
        SubmissionChangedError: when it is not.
    """
    if stamp_of(descriptor) != stamp:
        raise changed(path)


def changed(path: Path) -> SubmissionChangedError:
    """Return the error for a submission that is no longer what was listed."""
    return SubmissionChangedError(
        f"{path} changed while it was being read.",
        fix="Nothing was scored. Run again once nobody writes, moves or replaces it.",
    )


@lru_cache(maxsize=8)
def opened(pid: int, path: Path, stamp: Stamp) -> tuple[zipfile.ZipFile, dict[tuple[int, bytes], zipfile.ZipInfo]]:
    """Keep an archive open per process. A forked child must not share its parent's file position, hence ``pid``."""
    archive = zipfile.ZipFile(path)  # it closes the file that it opened itself
    if archive.fp is None or stamp_of(archive.fp.fileno()) != stamp:
        archive.close()
        raise changed(path)
    return archive, {(info.header_offset, raw_name(info)): info for info in archive.infolist()}
