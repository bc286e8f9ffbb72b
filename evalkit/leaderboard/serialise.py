"""A leaderboard as plain data for JSON: keys in the order of the dataclasses, numbers finite, gaps null."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from evalkit.leaderboard.model import Leaderboard
from evalkit.leaderboard.scoring_rules import ScoringPlan


def as_dict(leaderboard: Leaderboard) -> dict[str, Any]:
    """Return ``leaderboard`` as dictionaries, lists, texts, finite numbers, booleans and ``None``.

    What is not finite becomes ``None``, as a gap. Mappings keep their order, which is that of the columns. The plan of
    a phase becomes its method and the weight of each of its columns, which are in ``columns``.
    """
    plain = _plain(leaderboard)
    assert isinstance(plain, dict)  # noqa: S101  # a dataclass becomes a dictionary
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, ScoringPlan):
        weights = zip((column.id for column in value.columns), map(float, value.weights), strict=True)
        return {"method": value.method, "lower_wins": value.lower_wins, "weights": dict(weights)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {part.name: _plain(getattr(value, part.name)) for part in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(inner) for inner in value]
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
