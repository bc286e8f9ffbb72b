"""What the training of a detector and the test set must not have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from evalkit.challenges.detection_rules import DetectionRules, Secret

NAMED = 5  # leaks that a sentence names


@dataclass(frozen=True)
class Judged:
    """A video of the training or of the test, as far as leaks depend on it.

    Args:
        sample: its id.
        video, identity, driver, generator, dataset: as in `evalkit.testsets.truth.Truth`.
        run: the detector that is trained with it, or judges it; empty in a training list for every one.
    """

    sample: str
    video: str
    identity: str
    driver: str
    generator: str
    dataset: str
    run: str


@dataclass(frozen=True)
class Leak:
    """Something that training and test have in common.

    Args:
        what: ``video``, ``person``, ``generator`` or ``dataset``.
        name: of it.
        run: the detector in question; empty where there is one only.
        trained, tested: a video of either side that has it.
        videos: how many videos of the test have it.
    """

    what: Secret
    name: str
    run: str
    trained: str
    tested: str
    videos: int


_OF: Mapping[Secret, Callable[[Judged], tuple[str, ...]]] = {
    "video": lambda one: (one.video,),
    # A person may be in the picture of one video and drive another: both are one list of names.
    "person": lambda one: (one.identity, one.driver),
    "generator": lambda one: (one.generator,),
    "dataset": lambda one: (one.dataset,),
}


def find_leaks(trained: Sequence[Judged], tested: Sequence[Judged], rules: DetectionRules) -> list[Leak]:
    """Return everything that must not be common and is, by run and then by name."""
    leaks: list[Leak] = []
    for run in sorted({one.run for one in tested}):
        ours = [one for one in trained if one.run in {"", run}]
        test = [one for one in tested if one.run == run]
        for what in rules.disjoint:
            leaks += _common(what, run, ours, test)
        if rules.held_out_generator and "generator" not in rules.disjoint:
            leaks += _common("generator", run, ours, test)
    return leaks


def _common(what: Secret, run: str, trained: Iterable[Judged], tested: Sequence[Judged]) -> Iterator[Leak]:
    known: dict[str, str] = {}
    for one in trained:
        for name in _OF[what](one):
            known.setdefault(name, one.sample)
    known.pop("", None)
    found: dict[str, list[str]] = {}
    for one in tested:
        for name in set(_OF[what](one)):
            if name in known:
                found.setdefault(name, []).append(one.sample)
    for name in sorted(found):
        yield Leak(what, name, run, known[name], found[name][0], len(found[name]))
