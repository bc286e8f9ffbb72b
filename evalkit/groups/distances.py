"""Numbers of the whole set: kernel distances by group where they were measured so, and why no others are."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.groups.inputs import Entry, GroupedSamples
from evalkit.groups.model import GroupDistance
from evalkit.groups.names import in_order
from evalkit.metrics.distances.by_group import BY_GROUP, DEVIATION, detail_name, videos_name

_FRECHET = ("fid", "fvd")


def group_distances(entries: Sequence[Entry], people: GroupedSamples) -> tuple[GroupDistance, ...]:
    """Return what the scorecards hold of distances by group."""
    found = []
    for attribute, labels in people.groups.items():
        groups = in_order(labels.values())
        for entry in entries:
            for metric, details in entry.details.items():
                if not metric.endswith(BY_GROUP):
                    continue
                values = {
                    one: details[detail_name(attribute, one)]
                    for one in groups
                    if detail_name(attribute, one) in details
                }
                spread = {one: details.get(detail_name(attribute, one, DEVIATION), 0.0) for one in values}
                if values:
                    videos = int(details.get(videos_name(attribute), 0))
                    found.append(GroupDistance(attribute, entry.name, metric, videos, values, spread))
    return tuple(found)


def refused_numbers(entries: Sequence[Entry]) -> dict[str, str]:
    """Return why numbers of the whole set are not given by group."""
    found = {}
    for entry in entries:
        for metric, title in entry.of_the_set.items():
            if metric.endswith(BY_GROUP):
                continue
            if metric.split(".")[0] in _FRECHET:
                found[metric] = (
                    f"{title} is refused by group: it is biased upwards the more, the fewer videos there are, so a "
                    "smaller group would look worse. Score kid.by_group or kvd.by_group, which have no such bias."
                )
            else:
                found[metric] = f"{title} is a number of the whole set; single videos, and so groups, have none of it."
    return found
