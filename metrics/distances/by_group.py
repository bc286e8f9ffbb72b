"""Kernel distances by group of people: equally many videos of each, so that no group looks worse for being small."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import asdict, dataclass, replace

import numpy as np

from evalkit.metrics.base import MetricRecord, SetValue, VideoInputs, definition_beside
from evalkit.metrics.distances.distributions import whole_kernel_distance
from evalkit.metrics.distances.kid import KID
from evalkit.metrics.distances.kvd import KVD
from evalkit.metrics.distances.set_distance import KernelDistance, Pairing, Sides
from evalkit.text import part_of_name

BY_GROUP = ".by_group"  # how the ids end
VIDEOS_OF_EACH = "videos_of_each"
DEVIATION = "deviation"


@dataclass(frozen=True)
class GroupDraws:
    """How groups are drawn from.

    Args:
        least: videos that a group needs; a smaller one is left out.
        most: videos of a group in a draw, however many there are.
        draws: of each group.
    """

    least: int = 20
    most: int = 100
    draws: int = 20


def detail_name(attribute: str, group: str, what: str = "") -> str:
    """Return the name of a group's number among the details; no other attribute and group have the same."""
    return f"{_part(attribute)}={_part(group)}" + (f" {what}" if what else "")


def videos_name(attribute: str) -> str:
    """Return the name of the number of videos of each group among the details."""
    return f"{VIDEOS_OF_EACH} {_part(attribute)}"


def _part(name: str) -> str:
    return part_of_name(name, ("=", f" {DEVIATION}"))


class GroupedKernelDistance(KernelDistance):
    """The kernel distance of each group's videos from their references; the number is that of the worst group.

    Args:
        record, pairing: as in `DistributionDistance`.
        options: how groups are drawn from.
    """

    def __init__(self, record: MetricRecord, *, pairing: Pairing, options: GroupDraws, unit: str = "frames") -> None:
        super().__init__(replace(record, options=asdict(options)), pairing=pairing, subsets=False, unit=unit)
        self._options = options
        self._groups: Mapping[str, Mapping[str, str]] = {}

    def score_set(self, videos: Iterable[VideoInputs]) -> SetValue:
        """Return the worst group's distance, and those of all groups as details."""
        groups: dict[str, Mapping[str, str]] = {}

        def noted() -> Iterator[VideoInputs]:
            for video in videos:
                groups[video.sample] = video.groups
                yield video

        other = copy(self)
        other._groups = groups
        return super(GroupedKernelDistance, other).score_set(noted())

    def _measure(self, sides: Sides, videos: int) -> SetValue:
        members: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for number, sample in enumerate(sides.names):
            for attribute, group in self._groups.get(sample, {}).items():
                members[attribute][group].append(number)
        if not members:
            return SetValue(None, videos, "no_groups")
        details: dict[str, float] = {}
        worst: list[float] = []
        for attribute in sorted(members):
            large = {name: found for name, found in members[attribute].items() if len(found) >= self._options.least}
            if len(large) < 2:
                continue
            size = min(self._options.most, *map(len, large.values()))
            details[videos_name(attribute)] = size
            for group in sorted(large):
                values = self._drawn(sides, attribute, group, large[group], size)
                details[detail_name(attribute, group)] = float(np.mean(values))
                details[detail_name(attribute, group, DEVIATION)] = (
                    float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
                )
                worst.append(float(np.mean(values)))
        if not worst:
            return SetValue(None, videos, "groups_too_small")
        return SetValue(max(worst), videos, details=details)

    def _drawn(self, sides: Sides, attribute: str, group: str, members: Sequence[int], size: int) -> list[float]:
        """Return the distance in each draw of ``size`` videos of a group; one where each draw has all of them."""
        seed = hashlib.sha256(f"{self.record.id}\0{attribute}\0{group}".encode()).digest()[:8]
        rng = np.random.default_rng(int.from_bytes(seed, "big"))
        rows = [
            {number: np.flatnonzero(of == number) for number in members} for of in (sides.our_video, sides.their_video)
        ]
        values: list[float] = []
        for _ in range(self._options.draws if size < len(members) else 1):
            chosen = np.sort(rng.choice(members, size, replace=False))
            ours, theirs = (np.concatenate([of[int(number)] for number in chosen]) for of in rows)
            values.append(whole_kernel_distance(sides.ours[ours], sides.theirs[theirs]))
        return values


NOTES = (
    "Of each attribute of the test set's groups, equally many videos of each group are drawn 20 times. Groups of fewer "
    "than 20 videos are left out. Tables by group: evalkit fairness."
)
METRICS = (
    GroupedKernelDistance(
        replace(
            KID,
            id=f"kid{BY_GROUP}",
            title="KID of the worst group",
            summary="Kernel distance of the frames of each group of people, equally many videos of each: the worst.",
            features=("inception_uniform", "inception_uniform_reference"),
            citation="Binkowski et al., ICLR 2018; kernel as torch-fidelity, over all pairs; groups are evalkit's own",
            definition=definition_beside(__file__, "by_group.md"),
            aliases=(),
            notes=f"16 frames spread over each video. {NOTES}",
        ),
        pairing="videos",
        options=GroupDraws(),
    ),
    GroupedKernelDistance(
        replace(
            KVD,
            id=f"kvd{BY_GROUP}",
            title="KVD of the worst group",
            summary="Kernel distance of the clips of each group of people, equally many videos of each: the worst.",
            definition=definition_beside(__file__, "by_group.md"),
            aliases=(),
            notes=f"The vectors of kvd.styleganv. {NOTES}",
        ),
        pairing="frames",
        options=GroupDraws(),
        unit="clips",
    ),
)
