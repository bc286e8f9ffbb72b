"""The types of a scorer's arguments: notebooks have no type checker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from os import PathLike

from evalkit.challenges.model import Challenge
from evalkit.errors import UsageError
from evalkit.metrics.base import Metric
from evalkit.testsets.model import TestSet
from evalkit.weights.manifest import Backbones

_PATH = (str, PathLike)
_KINDS: Mapping[str, tuple[tuple[type, ...], str]] = {  # argument -> its types, and how messages call them
    "challenge": ((*_PATH, Challenge), "a preset's id, the path of a YAML file, or a Challenge"),
    "testset": ((*_PATH, TestSet), "the path of a test set, or a TestSet"),
    "metrics": ((str, Sequence, type(None)), "a list of ids, or one string with commas"),
    "backbones": ((*_PATH, Backbones), "the name of a set of backbones, the path of a file, or Backbones"),
    "device": ((str,), "cpu, cuda or auto"),
    "cache": ((*_PATH, type(None)), "a path or an address"),
    "fps": ((Real, type(None)), "a number of frames per second"),
    "seed": ((Integral,), "a whole number"),
    "name": ((str,), "text"),
}


def check_kinds(**given: object) -> None:
    """Make sure that arguments have a type that the scorer takes.

    Raises:
        UsageError: naming the first that has another.
    """
    for argument, value in given.items():
        kinds, expected = _KINDS[argument]
        fits = isinstance(value, kinds) and not isinstance(value, bool | bytes)
        if fits and argument == "metrics" and not isinstance(value, str) and isinstance(value, Sequence):
            fits = all(isinstance(one, str | Metric) for one in value)
        if not fits:
            raise UsageError(
                f"The argument {argument} has the wrong type.", found=type(value).__name__, expected=expected
            )
