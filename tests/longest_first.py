"""The order in which modules start where several processes share the tests, so that all processes end together.

pytest-xdist gives the next module to the process that is done first. A module of some minutes that comes last keeps one
process busy while the others have nothing to do; one that comes first costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
# From the longest on, as ``--durations`` and the sums by module say; from half a minute on. The rest keeps its order.
LONGEST = (
    "scoring/test_real_zips.py",
    "scoring/test_bundled_controls.py",
    "cli/test_demo.py",
    "reference_models/test_training.py",
)


def longest_first(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Return the tests with those of the longest modules first; within a module they keep their order."""
    places = {TESTS / name: place for place, name in enumerate(LONGEST)}
    return sorted(items, key=lambda item: places.get(item.path, len(places)))
