"""Several processes share the samples of one evaluation (`torch.distributed`): each scores some, all get the rest."""

from __future__ import annotations

import sys
from typing import Any, TypeVar

_Value = TypeVar("_Value")


def rank_and_world() -> tuple[int, int]:
    """Return this process's number and how many there are; (0, 1) where no process group was started."""
    if "torch" not in sys.modules:
        return 0, 1
    from torch import distributed

    if not (distributed.is_available() and distributed.is_initialized()):
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


def gathered(value: _Value) -> list[_Value]:
    """Return the values of all processes by rank; every process must call it. Values are pickled."""
    _, world = rank_and_world()
    if world == 1:
        return [value]
    from torch import distributed

    found: list[Any] = [None] * world
    distributed.all_gather_object(found, value)
    return found
