"""Files of a submission that may have the same bytes: one is computed first, and the others take from the cache.

A ZIP states size and CRC-32 of each member, a folder the size of each file. Equal ones are only held back: whether the
contents are equal is decided by their digest, in the worker that gets the file and in the parent. A video that differs
all the same is computed like any other, a little later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from evalkit.scoring.jobs import Job


def in_turn(jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs, each with the number of the one that is done first where that may be of the same bytes.

    The first of equal files is computed, then one for each set of references, then the rest.
    """
    first: dict[Any, int] = {}
    placed = []
    for index, job in enumerate(jobs):
        if job.member is None:
            placed.append(job)
            continue
        member = job.member.member
        content = (member.size, member.crc)
        alike = (content, replace(job.item, sample=""), job.expected)
        after = first.get(alike, first.get(content))
        placed.append(replace(job, after=after))
        first.setdefault(content, index)
        first.setdefault(alike, index)
    return placed
