"""Which scorecards can be compared: those with the same challenge, test set, backbones and metric definitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.errors import InputError
from evalkit.reports.comparison.inputs import ComparedEntry, UnscoredSubmission
from evalkit.scoring.scorecard import FeatureUse, MetricScore, Scorecard
from evalkit.text import escape_for_display

DISPLAY_FEATURES = frozenset({"filmstrip"})  # features that no number depends on
DIGITS = 12  # of a digest
NAMED = 3  # differences in one error


@dataclass(frozen=True)
class ScorecardDifference:
    """One difference of two scorecards: what differs, the value of each, what to do."""

    what: str
    first: str
    second: str
    fix: str


def check_comparable(entries: Sequence[ComparedEntry], unscored: Sequence[UnscoredSubmission] = ()) -> None:
    """Check that the same metric means the same in all scorecards.

    Raises:
        InputError: naming the first two entries that can't be compared, and in what they differ.
    """
    if not entries:
        raise InputError(
            "There is no scorecard to compare.",
            found="reports of submissions that were not scored" if unscored else "nothing",
            fix="Give at least one folder that 'evalkit score' wrote.",
        )
    first = entries[0]
    for at, other in enumerate(entries[1:], start=1):
        # All pairs, because a metric that the first scorecard lacks must still mean the same in the others.
        for earlier in entries[:at]:
            found = list(differences(earlier.card, other.card))
            if found:
                raise _incomparable(earlier.name, other.name, found)
    for report in unscored:
        if report.challenge is not None and report.challenge != first.card.challenge.id:
            fix = "Compare submissions to one challenge only."
            difference = ScorecardDifference("challenge", first.card.challenge.id, report.challenge, fix)
            raise _incomparable(first.name, report.name, [difference])


def differences(first: Scorecard, second: Scorecard) -> Iterator[ScorecardDifference]:
    """Yield why two scorecards can't be compared, the most important difference first."""
    one, two = first.challenge, second.challenge
    if (one.id, one.sha256) != (two.id, two.sha256):
        if one.id != two.id:
            yield ScorecardDifference("challenge", one.id, two.id, "Compare submissions to one challenge only.")
        else:
            yield ScorecardDifference(
                "scoring rules of the challenge",
                f"{one.id} {one.sha256[:DIGITS]}",
                f"{two.id} {two.sha256[:DIGITS]}",
                "What numbers depend on in the challenge changed between the runs: score both with one file.",
            )
    yield from _backbones(first, second)
    yield from _testset(first, second)
    yield from _metric_differences(first, second)
    yield from _features(first, second)


def _backbones(first: Scorecard, second: Scorecard) -> Iterator[ScorecardDifference]:
    if first.backbones != second.backbones:
        fix = "Scorecards of different backbones are never compared: score both with the same --backbones."
        yield ScorecardDifference("backbones", first.backbones, second.backbones, fix)
        return
    one, two = (_text(card.provenance, "backbones", "sha256") for card in (first, second))
    if one != two:
        yield ScorecardDifference(
            "backbones' digest",
            f"{first.backbones} {one[:DIGITS]}",
            f"{second.backbones} {two[:DIGITS]}",
            "Score both with the same weights files and the same --metrics.",
        )


def _testset(first: Scorecard, second: Scorecard) -> Iterator[ScorecardDifference]:
    one, two = ([video.sample for video in card.videos] for card in (first, second))
    digests = [_text(card.provenance, "testset", "sha256") for card in (first, second)]
    if one == two and digests[0] == digests[1]:
        return
    texts = [f"{len(samples)} samples, {digest[:DIGITS]}" for samples, digest in zip((one, two), digests, strict=True)]
    if texts[0] == texts[1]:
        at = next(at for at, pair in enumerate(zip(one, two, strict=True)) if pair[0] != pair[1])
        texts = [f"sample {at + 1} is '{samples[at]}'" for samples in (one, two)]
    yield ScorecardDifference("test set", texts[0], texts[1], "Score both on one test set, with the same --limit.")


def _metric_differences(first: Scorecard, second: Scorecard) -> Iterator[ScorecardDifference]:
    for name, one in first.metrics.items():
        two = second.metrics.get(name)
        # A metric without a value may come from an installation that doesn't have the metric.
        if two is None or one.value is None or two.value is None:
            continue
        if _meaning(one) != _meaning(two):
            fix = "The metric's definition changed between the runs: score both with one version of evalkit."
            yield ScorecardDifference(
                f"definition of {name}", _describe_definition(one), _describe_definition(two), fix
            )


def _meaning(score: MetricScore) -> tuple[object, ...]:
    return score.protocol, score.unit, score.higher_is_better


def _describe_definition(score: MetricScore) -> str:
    better = {True: "higher is better", False: "lower is better", None: "no better side"}[score.higher_is_better]
    return f"protocol {score.protocol}, {better}" + (f", {score.unit}" if score.unit else "")


def _features(first: Scorecard, second: Scorecard) -> Iterator[ScorecardDifference]:
    for name, one in first.features.items():
        two = second.features.get(name)
        if two is not None and name not in DISPLAY_FEATURES and one != two:
            parts = [part for part in ("version", "weights", "options") if getattr(one, part) != getattr(two, part)]
            texts = [_use(use, parts) for use in (one, two)]
            fix = "Score both with one version of evalkit and the same weights files."
            yield ScorecardDifference(f"feature '{name}'", texts[0], texts[1], fix)


def _use(use: FeatureUse, parts: Sequence[str]) -> str:
    values: dict[str, Any] = {
        "version": use.version,
        "weights": [digest[:DIGITS] for digest in use.weights],
        "options": dict(use.options),
    }
    return ", ".join(f"{part} {values[part]}" for part in parts) or "other fields"


def _text(provenance: Mapping[str, Any], *keys: str) -> str:
    value: Any = provenance
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return str(value) if value is not None else "not recorded"


def _incomparable(first: str, second: str, found: Sequence[ScorecardDifference]) -> InputError:
    named = escape_for_display(", ".join(difference.what for difference in found[:NAMED]))
    named += f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return InputError(
        f"'{first}' and '{second}' can't be compared: they differ in {named}.",
        found=f"'{found[0].first}' and '{found[0].second}'",
        fix=found[0].fix,
    )
