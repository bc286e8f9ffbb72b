"""Choose a few samples that stand for a test set: spread over its groups, by a seed, whatever the order of the file."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from evalkit.errors import UsageError
from evalkit.testsets.model import Sample, TestSet

Trait = tuple[tuple[str, str], ...]  # a single one, or all of a sample


@dataclass(frozen=True)
class Pick:
    """A choice of samples that is made when the test set is known; make it with `pick`.

    Args:
        count: how many.
        seed: decides among samples that would do equally well.
    """

    count: int
    seed: int = 0

    def of(self, testset: TestSet) -> TestSet:
        """Return the test set with the chosen samples only, in its own order; the others are its ``left_out``.

        Each further sample is one whose traits are rarest among those chosen, compared with the whole test set. Traits
        are the sample's groups, subjects and identity, and which references it has. So `pick(8)` is a part of
        `pick(16)` with the same seed, and the shares of a group differ from those of the test set by about one sample.
        """
        order = _ordered(testset.samples, self.seed)
        chosen = {sample.id for sample, _ in zip(order, range(self.count), strict=False)}
        return narrowed(testset, chosen)


def pick(count: int, seed: int = 0) -> Pick:
    """Return a seeded choice of ``count`` samples, spread over the test set's groups.

    Args:
        count: how many; a smaller test set is taken whole.
        seed: another one chooses other samples.

    Raises:
        UsageError: not whole numbers, or a count below 1.
    """
    for name, number, least in (("number of samples", count, 1), ("seed", seed, None)):
        if isinstance(number, bool) or not isinstance(number, int) or (least is not None and number < least):
            expected = "a whole number" + (f" from {least}" if least is not None else "")
            raise UsageError(f"The {name} to pick by is wrong.", found=repr(number), expected=expected)
    return Pick(count, seed)


def narrowed(testset: TestSet, chosen: set[str]) -> TestSet:
    """Return the test set with some of its samples, by id, in its own order."""
    inside = tuple(sample for sample in testset if sample.id in chosen)
    outside = tuple(sample for sample in testset if sample.id not in chosen)
    return replace(testset, samples=inside, left_out=outside + testset.left_out)


def _traits(sample: Sample) -> Trait:
    parts = ("reference_images", "audio", "text", "timeline", "reference_video", "speakers")
    return (
        *((f"group {name}", value) for name, value in sorted(sample.groups.items())),
        ("subjects", " ".join(sorted(set(sample.subjects)))),
        ("identity", sample.identity or ""),
        ("has", " ".join(part for part in parts if getattr(sample, part))),
    )


def _ordered(samples: Sequence[Sample], seed: int) -> Iterator[Sample]:
    """Yield all samples so that every first part of them is spread over the traits as all are."""
    queues: dict[Trait, list[Sample]] = defaultdict(list)
    for sample in sorted(samples, key=lambda one: _rank(seed, one.id), reverse=True):
        queues[_traits(sample)].append(sample)
    shares: dict[Trait, float] = defaultdict(float)
    for traits, queue in queues.items():
        for trait in _each(traits):
            shares[trait] += len(queue) / len(samples)
    taken: dict[Trait, int] = defaultdict(int)
    for number in range(1, len(samples) + 1):

        def lack(traits: Trait, number: int = number) -> float:
            """How many more samples with these traits there should be among the first ``number``."""
            return sum(number * shares[trait] - taken[trait] for trait in _each(traits))

        # Rounded: sums of shares that are equal on paper must not be told apart by their last bits.
        best = max(queues, key=lambda traits: (round(lack(traits), 9), _rank(seed, queues[traits][-1].id)))
        for trait in _each(best):
            taken[trait] += 1
        yield queues[best].pop()
        if not queues[best]:
            del queues[best]


def _each(traits: Trait) -> list[Trait]:
    """Return every trait alone, and all together."""
    return [*((trait,) for trait in traits), traits]


def _rank(seed: int, sample: str) -> str:
    return hashlib.sha256(f"{seed} {sample}".encode()).hexdigest()
