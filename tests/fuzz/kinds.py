"""What a target of fuzzing is."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


class WrongAcceptError(AssertionError):
    """Something was taken that must not be."""


@dataclass(frozen=True)
class Target:
    """One reader.

    Args:
        name: for people.
        make: returns one input.
        read: takes the file it lies in; raises `EvalkitError` to refuse it, `WrongAcceptError` when the reader took it
            wrongly.
        file: name of the file.
        costs: how much longer an input takes than a usual one; so many fewer are tried in tests.
    """

    name: str
    make: Callable[[random.Random], bytes]
    read: Callable[[Path], object]
    file: str = "input.dat"
    costs: int = 1
