"""Leaderboard as plain data for JSON: keys in the order of the dataclasses, numbers finite, gaps null."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from evalkit.leaderboard.model import Leaderboard


def as_dict(standings: Leaderboard) -> dict[str, Any]:
    """Return ``standings`` as dictionaries, lists, texts, finite numbers, booleans and ``None``.

    What is not finite becomes ``None``, as a gap. Mappings keep their order, which is that of the columns.
    """
    plain = _plain(standings)
    assert isinstance(plain, dict)  # noqa: S101  # a dataclass becomes a dictionary
    return plain


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {part.name: _plain(getattr(value, part.name)) for part in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
