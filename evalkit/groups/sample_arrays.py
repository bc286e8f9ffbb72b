"""Numbers per sample as arrays in the order of the samples: each made once, and read by every attribute."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from evalkit.groups.inputs import GroupedSamples, SampleValues
from evalkit.groups.names import in_order
from evalkit.statistics.arrays import Index, Vector

Mask = NDArray[np.bool_]


class SampleArrays:
    """The numbers of measures in the samples of ``people``.

    Args:
        people: who is in which sample.

    Attributes:
        people: as given.
        person: (n,) who is in each sample: numbers from 0, in the order of their names.
    """

    def __init__(self, people: GroupedSamples) -> None:
        self.people = people
        names = np.asarray([people.identity[one] for one in people.samples])
        self.person: Index = np.unique(names, return_inverse=True)[1].astype(np.int64)
        self._known: dict[int, tuple[SampleValues, Vector, Mask]] = {}
        self._labels: dict[str, tuple[tuple[str, ...], Index]] = {}

    def values(self, measured: SampleValues) -> Vector:
        """Return the numbers (n,) of a measure; NaN where there is none."""
        return self._of(measured)[1]

    def about(self, measured: SampleValues) -> Mask:
        """Return which samples (n,) a measure is about: those with a value, or a reason why they have none."""
        return self._of(measured)[2]

    def labels(self, attribute: str) -> tuple[tuple[str, ...], Index]:
        """Return the names of an attribute's groups in their order, and each sample's (n,) group; -1 without one."""
        if attribute not in self._labels:
            names = tuple(in_order(self.people.groups[attribute].values()))
            self._labels[attribute] = names, numbered(self.people.samples, self.people.groups[attribute], names)
        return self._labels[attribute]

    def _of(self, measured: SampleValues) -> tuple[SampleValues, Vector, Mask]:
        found = self._known.get(id(measured))
        if found is None:
            values = np.array([measured.values.get(one, np.nan) for one in self.people.samples], dtype=np.float64)
            unscored = np.array([one in measured.reasons for one in self.people.samples], dtype=bool)
            # The measure is kept, so that no other object gets its number.
            found = self._known[id(measured)] = measured, values, np.isfinite(values) | unscored
        return found


def numbered(samples: tuple[str, ...], labels: Mapping[str, str], names: tuple[str, ...]) -> Index:
    """Return the place in ``names`` of each sample's label (n,); -1 without one."""
    place = {name: at for at, name in enumerate(names)}
    return np.array([place[labels[one]] if one in labels else -1 for one in samples], dtype=np.int64)
