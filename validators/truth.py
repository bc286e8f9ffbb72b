"""Rules about a test set for detectors: what would make their numbers wrong, or training and test one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from evalkit.challenges.detection_rules import DetectionRules
from evalkit.statistics.cluster_bootstrap import FEW_CLUSTERS
from evalkit.testsets.model import Sample
from evalkit.testsets.truth import Truth
from evalkit.text import count
from evalkit.validators.findings import Rule, Violation

NAMED = 5
FEWEST_REALS = 100  # for 1 % of false alarms


@dataclass(frozen=True)
class Common:
    """Something that training and test have in common, and must not.

    Args:
        what: "video", "person", "generator" or "dataset".
        run: the detector in question; empty where there is one only.
        names: of what is common, and one video of either side for each.
        videos: how many videos of the test are concerned.
    """

    what: str
    run: str
    names: tuple[tuple[str, str, str], ...]
    videos: int


@dataclass(frozen=True)
class CheckedTruth:
    """The input of the rules.

    Args:
        samples: of the test set.
        rules: of the challenge.
        asked: how many samples the challenge states; ``None`` where it doesn't.
        trained: how many videos the list of the training has; ``None`` without a list.
        unnamed: rows of that list without a person.
        leaks: what both have in common and must not.
    """

    samples: tuple[Sample, ...]
    rules: DetectionRules
    asked: int | None = None
    trained: int | None = None
    unnamed: int = 0
    leaks: tuple[Common, ...] = field(default=())

    @property
    def truths(self) -> Mapping[str, Truth]:
        """Sample -> what is true of it."""
        return {sample.id: sample.truth for sample in self.samples if sample.truth is not None}


def _without_truth(test: CheckedTruth) -> Iterable[Violation]:
    without = [sample.id for sample in test.samples if sample.truth is None]
    if without:
        yield Violation(
            "Samples lack 'truth': nobody can score a detector on them.",
            found=f"{len(without)} of {len(test.samples)}, such as {without[0]}",
            fix="Make the test set with 'evalkit testset from-truth'.",
        )


def _number(test: CheckedTruth) -> Iterable[Violation]:
    if test.asked is not None and test.asked != len(test.samples):
        yield Violation(
            "The test set has another number of samples than the challenge states.",
            found=str(len(test.samples)),
            expected=str(test.asked),
        )


def _one_class(test: CheckedTruth) -> Iterable[Violation]:
    for place, labels in _by_place(test).items():
        lacking = {"fake", "real"} - set(labels)
        if lacking:
            run = f" of run '{place[0]}'" if place[0] else ""
            of = f" of {place[1]}" if place[1] else ""
            yield Violation(
                f"There is no {lacking.pop()} video{run}{of}.",
                found=", ".join(f"{number} {label}" for label, number in sorted(labels.items())),
                expected="real and fake videos, which are compared",
            )


def _by_place(test: CheckedTruth) -> dict[tuple[str, str], Counter[str]]:
    found: dict[tuple[str, str], Counter[str]] = {}
    for truth in test.truths.values():
        place = truth.run, ", ".join(f"{name} '{getattr(truth, name)}'" for name in test.rules.within)
        found.setdefault(place, Counter())[truth.label] += 1
    return found


def _no_generator(test: CheckedTruth) -> Iterable[Violation]:
    unnamed = [name for name, truth in test.truths.items() if truth.label == "fake" and not truth.generator]
    if unnamed:
        yield Violation(
            "Fakes lack a generator: tables by generator put them together.",
            found=f"{len(unnamed)}, such as {unnamed[0]}",
        )


def _nobody(test: CheckedTruth) -> Iterable[Violation]:
    unnamed = [name for name, truth in test.truths.items() if not truth.identity]
    if unnamed:
        yield Violation(
            "Videos lack an identity: each counts as a person of its own, and intervals become too narrow.",
            found=f"{len(unnamed)} of {len(test.truths)}, such as {unnamed[0]}",
        )
    if test.trained is not None and "person" in test.rules.disjoint and (unnamed or test.unnamed):
        yield Violation(
            "Nobody can tell whether training and test share people.",
            found=f"{count(len(unnamed), 'video')} of the test and {test.unnamed} of the training without an identity",
        )


def _leaks(test: CheckedTruth) -> Iterable[Violation]:
    for one in test.leaks:
        run = f" of run '{one.run}'" if one.run else ""
        named = [f"{name} ({trained} and {tested})" for name, trained, tested in one.names[:NAMED]]
        more = f" and {len(one.names) - NAMED} more" if len(one.names) > NAMED else ""
        yield Violation(
            f"Training and test{run} share {_plural(one.what, len(one.names))}: "
            f"{count(one.videos, 'video')} of the test {'is' if one.videos == 1 else 'are'} no test.",
            found=", ".join(named) + more,
            expected="nothing in common",
            fix="Take them out of the training or of the test; where a list is of several runs, say which in its "
            "column 'run'.",
        )


def _plural(what: str, number: int) -> str:
    return count(number, what, {"person": "people"}.get(what, f"{what}s"))


def _not_compared(test: CheckedTruth) -> Iterable[Violation]:
    if test.trained is None:
        secret = ", ".join(test.rules.disjoint) + (", held-out generator" if test.rules.held_out_generator else "")
        yield Violation(
            "Without a list of the training nobody can tell whether it leaks into the test.",
            expected=f"nothing in common: {secret}",
            fix="Add --train train.csv, a table with the columns of the truth.",
        )


def _run_names(test: CheckedTruth) -> Iterable[Violation]:
    if not test.rules.held_out_generator:
        return
    generators: dict[str, set[str]] = {}
    for truth in test.truths.values():
        generators.setdefault(truth.run, set()).update({truth.generator} - {""})
    for run, names in sorted(generators.items()):
        if names != {run}:
            yield Violation(
                "A run is not named for the one generator whose fakes it judges.",
                found=f"run '{run}' with fakes of {', '.join(sorted(names)) or 'nobody'}",
                expected="the column 'run' of its fakes and of its real videos names that generator",
            )


def _qualities(test: CheckedTruth) -> Iterable[Violation]:
    if "quality" not in test.rules.within:
        return
    videos: dict[str, set[tuple[str, str, str]]] = {}
    for name, truth in test.truths.items():
        videos.setdefault(truth.quality, set()).add((truth.label, truth.generator, truth.video or name))
    base = test.rules.base
    if base is not None and base not in videos:
        yield Violation(f"No video has the base quality '{base}'.", found=", ".join(sorted(videos)), expected=base)
        return
    first = base if base is not None else min(videos, default="")
    for quality, there in sorted(videos.items()):
        apart = there ^ videos[first]
        if apart:
            yield Violation(
                f"The qualities '{first}' and '{quality}' have different videos, so that they can't be compared.",
                found=f"{len(apart)} in one of them only, such as {min(apart)[2]}",
                expected="the same videos at every quality, named in the column 'video'",
            )


def _few(test: CheckedTruth) -> Iterable[Violation]:
    people = {truth.identity or name for name, truth in test.truths.items()}
    if test.truths and len(people) < FEW_CLUSTERS:
        yield Violation(
            f"There are {len(people)} people: intervals describe them and say little about others.",
            expected=f"{FEW_CLUSTERS} or more",
        )
    for place, labels in _by_place(test).items():
        if 0 < labels["real"] < FEWEST_REALS:
            where = f" of run '{place[0]}'" if place[0] else ""
            yield Violation(
                f"{labels['real']} real videos{where} can't show 1 % of false alarms: TPR is that at no false alarm.",
                expected=f"{FEWEST_REALS} or more, 1000 for 0.1 %",
            )


RULES = (
    Rule("truth.absent", "truth", "error", "samples without truth", _without_truth),
    Rule("truth.number", "truth", "warning", "another number of samples than stated", _number),
    Rule("truth.one-class", "truth", "error", "no real or no fake video to compare with", _one_class),
    Rule("truth.no-generator", "truth", "warning", "fakes without a generator", _no_generator),
    Rule("truth.nobody", "truth", "warning", "videos without an identity", _nobody),
    Rule("truth.leak", "truth", "error", "what training and test have in common", _leaks),
    Rule("truth.no-training-list", "truth", "warning", "no list of the training to compare with", _not_compared),
    Rule("truth.run-name", "truth", "error", "runs that are not named for a generator", _run_names),
    Rule("truth.qualities", "truth", "error", "qualities with different videos", _qualities),
    Rule("truth.few", "truth", "info", "few people or few real videos", _few),
)
