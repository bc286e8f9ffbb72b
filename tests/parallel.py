"""How processes share the tests and the cores of the machine.

pytest-xdist gives the next module to the process that is done first. A module of some minutes that comes last keeps one
process busy while the others have nothing to do; one that comes first costs nothing.

Where there are as many processes as cores, each keeps to one core. What it starts then counts one core too: evalkit
starts one worker instead of one per core, and libraries start one thread. More of them would only compete with the
other processes, and each worker imports its libraries and loads its networks anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
# From the longest on, as the sums by module at the end of a run with ``--durations`` say. The rest keeps its order.
LONGEST = (
    "hosting/test_hosted_runs.py",
    "hosting/test_codabench_program.py",
    "scorer/test_lightning.py",
    "packing/test_broken_folders.py",
    "hosting/test_evalai.py",
    "scoring/test_real_zips.py",
    "scoring/test_bundled_controls.py",
    "crosscheck/test_crosscheck.py",
    "cli/test_demo.py",
    "batch/test_score_all.py",
    "repair/test_broken_kinds.py",
    "reference_models/test_training.py",
    "cluster/test_ray.py",
)


def longest_first(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Return the tests with those of the longest modules first; within a module they keep their order."""
    places = {TESTS / name: place for place, name in enumerate(LONGEST)}
    return sorted(items, key=lambda item: places.get(item.path, len(places)))


def core_of(worker: str, workers: int, cores: Iterable[int]) -> int | None:
    """Return the core that a process of pytest-xdist keeps to: "gw0" to the first; none if cores would stay idle."""
    usable = sorted(cores)
    return usable[int(worker.removeprefix("gw")) % len(usable)] if workers >= len(usable) else None


def seconds_by_module(reports: Iterable[pytest.TestReport]) -> list[tuple[str, float]]:
    """Return each module with the seconds of its tests, fixtures included, from the longest on."""
    seconds: Counter[str] = Counter()
    for report in reports:
        seconds[report.nodeid.partition("::")[0]] += report.duration
    return seconds.most_common()
