"""Names of groups: their order, and what combinations of attributes and values are called."""

from __future__ import annotations

from collections.abc import Iterable

from evalkit.text import natural_key, part_of_name

_JOINED = " & "  # between the attributes of a combination, and between their values


def in_order(names: Iterable[str]) -> list[str]:
    """Return each name once, in natural order: ``9`` before ``10``, capitals beside small letters.

    Equal ones but for capitals have an order of their own, so that the order is the same in every run.
    """
    return sorted(set(names), key=lambda name: (natural_key(name.casefold().replace('"', "")), name))


def joined(names: Iterable[str]) -> str:
    """Return one name for several: ``Asian & female``.

    A name that is empty or has ``&`` or a quotation mark in it stands in quotes (``"R&B" & female``), so that other
    names never make the same one.
    """
    return _JOINED.join(part_of_name(name, ("&",)) for name in names)


def free_name(name: str, taken: Iterable[str]) -> str:
    """Return ``name``, marked as a combination as often as an attribute of the test set has the same name."""
    known = set(taken)
    while name in known:
        name += " (combined)"
    return name
