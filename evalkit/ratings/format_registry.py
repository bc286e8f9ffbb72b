"""The rating formats: every module in ``evalkit/ratings/formats`` that assigns a `RatingFormat` to ``FORMAT``."""

from __future__ import annotations

from functools import cache
from typing import Any

from evalkit.registry import RATING_FORMATS, index_by_name, load_group

PROLIFIC = "prolific"  # not a reader of its own: a file of any format, joined with Prolific's export


@cache
def rating_formats() -> dict[str, Any]:
    """Return name -> `evalkit.ratings.formats.base.RatingFormat`, in the order in which they are tried on a file."""
    found = index_by_name(load_group(RATING_FORMATS), lambda known: str(known.name), "rating format")
    return dict(sorted(found.items(), key=lambda one: (one[1].order, one[0])))


def format_names() -> tuple[str, ...]:
    """Return the names that ``--format`` and mappings take, sorted."""
    return tuple(sorted((*rating_formats(), PROLIFIC)))
