"""An answered item, as the choice of the next one sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Given(NamedTuple):
    """One answered item.

    Args:
        rater, item: ids of the plan.
        values: question -> what was answered.
    """

    rater: str
    item: str
    values: Mapping[str, float]
