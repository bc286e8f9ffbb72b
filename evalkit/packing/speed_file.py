"""Read the ``speed.json`` that goes into a submission."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from evalkit.errors import InputError
from evalkit.speed.document import MOST_JSON, read_report
from evalkit.text import count


def read_speed(place: Path, samples: Collection[str]) -> tuple[bytes, tuple[str, ...]]:
    """Return the file as it is, and what a participant should know about it.

    Args:
        place: the file, as ``evalkit speed measure`` or ``evalkit baseline run`` writes it.
        samples: ids of the test set.

    Raises:
        InputError: when it can't be read, or measures no sample of the test set.
    """
    try:
        with place.open("rb") as stream:
            data = stream.read(MOST_JSON + 1)
    except OSError as error:
        raise InputError(f"{place} can't be read.", found=error.strerror, fix="Check the path.") from None
    measured = set(read_report(data, str(place)).samples)
    known = measured.intersection(samples)
    if not known:
        raise InputError(
            f"{place} measures no sample of the test set.",
            found=", ".join(sorted(measured)[:3]) or "no sample",
            expected=", ".join(list(samples)[:3]),
        )
    notes = []
    if len(known) < len(samples):
        notes.append(f"{place.name} has no measurement of {count(len(samples) - len(known), 'sample')}.")
    if len(known) < len(measured):
        notes.append(f"{place.name} has {count(len(measured) - len(known), 'sample')} that the test set does not have.")
    return data, tuple(notes)
