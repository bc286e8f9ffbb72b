"""Which samples a shard of a run has: a split that every shard computes alike, without talking to the others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from evalkit.errors import UsageError
from evalkit.scoring.intake import Gate
from evalkit.submission.model import Submission
from evalkit.testsets.model import TestSet

MOST_SHARDS = 10_000
_FORM = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")


@dataclass(frozen=True)
class Shard:
    """One of ``count`` shares of a run; ``index`` counts from 1."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the shard that ``i/n`` names.

        Raises:
            UsageError: when it is not of this form, or i is not one of 1 to n.
        """
        match = _FORM.fullmatch(text.strip())
        if match is None or not 1 <= int(match[1]) <= int(match[2]) <= MOST_SHARDS:
            raise UsageError(
                "That is no shard.",
                found=text,
                expected=f"i/n with i from 1 to n, and n at most {MOST_SHARDS}, such as 2/8",
                fix="SLURM counts from 1 with --array=1-8.",
            )
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def shares(submission: Submission, gate: Gate, testset: TestSet, count: int) -> list[frozenset[str]]:
    """Return the samples of each of ``count`` shards, balanced by the sizes of the submitted files.

    The split follows from the submission and the test set alone: the largest file first, each to the shard that has
    the fewest bytes so far. Samples without a file are shared out too, since their reference videos are read.
    """
    sizes = {sample: submission.ref(path).member.size for sample, path in gate.layout.files.items()}
    return split({sample.id: 0 for sample in testset} | sizes, count)


def split(sizes: Mapping[str, int], count: int) -> list[frozenset[str]]:
    """Return ``count`` disjoint sets of the names in ``sizes`` with sums about as large as each other."""
    found: list[set[str]] = [set() for _ in range(count)]
    totals = [0] * count
    for name, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        least = min(range(count), key=lambda shard: (totals[shard], len(found[shard]), shard))
        found[least].add(name)
        totals[least] += size
    return [frozenset(names) for names in found]
