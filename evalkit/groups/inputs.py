"""From scorecards to numbers per sample, and who is of which group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from evalkit.errors import InputError, UsageError, did_you_mean
from evalkit.groups.model import Measure
from evalkit.groups.names import free_name, joined
from evalkit.metrics.base import SetMetric, is_not_applicable, metric_registry
from evalkit.scoring.scorecard import Scorecard, VideoScore
from evalkit.testsets.model import TestSet
from evalkit.text import count

# Reasons of metrics that mean: a detector found no face, or nothing of it, in the picture.
_NO_FACE = ("no_face", "no_landmarks", "landmarks_missing", "reference_without_landmarks", "no_mouth")


@dataclass(frozen=True)
class GroupedSamples:
    """Who is in which sample.

    Args:
        samples: in their order.
        groups: attribute -> sample -> the group's name.
        identity: sample -> the person; the sample itself where nothing says who it is.
        identities_known: whether anything does.
    """

    samples: tuple[str, ...]
    groups: Mapping[str, Mapping[str, str]]
    identity: Mapping[str, str]
    identities_known: bool = False

    def with_combinations(self, attributes: Sequence[str]) -> GroupedSamples:
        """Return the same with the combinations of ``attributes`` as an attribute more.

        Raises:
            UsageError: for fewer than two attributes, or one that is not there.
        """
        if not attributes:
            return self
        unknown = [name for name in attributes if name not in self.groups]
        if unknown:
            raise UsageError(
                f"No sample has the attribute '{unknown[0]}'.{did_you_mean(unknown[0], list(self.groups))}",
                expected=", ".join(self.groups) or "attributes in the test set's groups",
            )
        if len(set(attributes)) < 2:
            raise UsageError("A combination needs two attributes or more.", found=", ".join(attributes))
        named = dict.fromkeys(attributes)
        labels = {
            sample: joined(self.groups[name][sample] for name in named)
            for sample in self.samples
            if all(sample in self.groups[name] for name in named)
        }
        return replace(self, groups={**self.groups, free_name(joined(named), self.groups): labels})


@dataclass(frozen=True)
class SampleValues:
    """A measure's number per sample, and why a sample has none; a sample in neither is none that it is about."""

    measure: Measure
    values: Mapping[str, float]
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """A submission.

    Args:
        name: for readers.
        measured: what it has numbers per sample for.
        of_the_set: numbers of the whole set -> title.
        details: metric -> further numbers by name, of those numbers.
    """

    name: str
    measured: tuple[SampleValues, ...]
    of_the_set: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def grouped_samples(cards: Sequence[Scorecard], testset: TestSet | None = None) -> GroupedSamples:
    """Return who is in which sample, as the test set says it, or else the scorecards.

    A scorecard without groups or identities, such as one from before the test set had any, says nothing of them.

    Raises:
        InputError: the test set is another one than that of a scorecard, or scorecards contradict each other.
    """
    if testset is not None:
        _same_testset(cards, testset)
        known = {sample.id: (dict(sample.groups), sample.person) for sample in testset}
    else:
        known = {}
        for card in cards:
            for video in card.videos:
                groups, person = known.get(video.sample, ({}, None))
                said = (("groups", groups, dict(video.groups)), ("identity", person, video.identity))
                for what, before, now in said:
                    if before and now and before != now:
                        raise InputError(
                            f"The scorecards contradict each other about the {what} of sample '{video.sample}'.",
                            found=f"{before} and {now}",
                            fix="Give the test set with --testset: then what it says counts.",
                        )
                known[video.sample] = (groups or dict(video.groups), person or video.identity)
    names = sorted({name for groups, _ in known.values() for name in groups})
    return GroupedSamples(
        samples=tuple(known),
        groups={name: {one: groups[name] for one, (groups, _) in known.items() if name in groups} for name in names},
        identity={sample: person or f"sample {sample}" for sample, (_, person) in known.items()},
        identities_known=any(person for _, person in known.values()),
    )


def _same_testset(cards: Sequence[Scorecard], testset: TestSet) -> None:
    for card in cards:
        about = card.provenance.get("testset")
        digest = about.get("sha256") if isinstance(about, dict) else None
        if digest is not None and digest not in {testset.whole.sha256, testset.sha256}:
            names = {sample.id for sample in testset.whole}
            # Groups may have been added to the file after the run; the samples must be the same.
            if names != {video.sample for video in card.videos}:
                raise InputError(
                    f"The scorecard of {card.submission.name} is of another test set.",
                    found=f"{count(len(card.videos), 'sample')}, test set {str(digest)[:12]}",
                    expected=f"the {count(len(names), 'sample')} of {testset.root}",
                )


def entry_of_card(name: str, card: Scorecard) -> Entry:
    """Return a scorecard's numbers per sample, with the shares of videos that have them."""
    whole = {metric for metric, score in card.metrics.items() if score.aggregate is None} | _set_metrics(card)
    measured = [
        _of_metric(card, metric)
        for metric, score in card.metrics.items()
        if metric not in whole and score.aggregate is not None
    ]
    kept = [one for one in measured if one.values or one.reasons]
    entry = Entry(
        name=name,
        measured=tuple(kept),
        of_the_set={metric: card.metrics[metric].title or metric for metric in card.metrics if metric in whole},
        details={metric: dict(card.metrics[metric].details) for metric in card.metrics if metric in whole},
    )
    return with_shares(entry, card.videos)


def with_shares(entry: Entry, videos: Sequence[VideoScore]) -> Entry:
    """Return the entry with the shares of videos that have a value, and in which faces were found, as measures."""
    metrics = [one for one in entry.measured if one.measure.kind == "metric"]
    faces = _detection(videos)
    # A coverage that lacks the videos without a face, and no others, would be the same test twice.
    shares = [one for one in _coverage(metrics) if all(one.values != other.values for other in faces)]
    return replace(entry, measured=(*entry.measured, *shares, *faces))


def _set_metrics(card: Scorecard) -> set[str]:
    known = metric_registry()
    return {name for name in card.metrics if isinstance(known.get(name), SetMetric)}


def _of_metric(card: Scorecard, metric: str) -> SampleValues:
    score = card.metrics[metric]
    values, reasons = {}, {}
    for video in card.videos:
        value, reason = video.values.get(metric), video.reasons.get(metric)
        if value is not None:
            values[video.sample] = value
        elif not is_not_applicable(reason):
            reasons[video.sample] = reason or "not_scored"
    measure = Measure(
        metric, score.title or metric, "metric", score.higher_is_better, score.unit, score.aggregate or "mean"
    )
    return SampleValues(measure, values, reasons)


def _coverage(measured: Iterable[SampleValues]) -> list[SampleValues]:
    """Return the share of videos with a value, once for metrics that lack the same videos for the same reasons."""
    alike: dict[tuple[object, ...], list[SampleValues]] = {}
    for one in measured:
        if one.reasons and one.values:
            alike.setdefault((frozenset(one.values), frozenset(one.reasons.items())), []).append(one)
    return [
        SampleValues(
            Measure(
                f"coverage:{members[0].measure.id}",
                "Coverage of " + _listed([one.measure.title for one in members]),
                "coverage",
                unit="share",
                covers=tuple(one.measure.id for one in members),
            ),
            {**dict.fromkeys(members[0].values, 1.0), **dict.fromkeys(members[0].reasons, 0.0)},
            {},
        )
        for members in alike.values()
    ]


def _listed(titles: Sequence[str], most: int = 3) -> str:
    return ", ".join(titles[:most]) + (f" and {len(titles) - most} more" if len(titles) > most else "")


def about_no_face(reason: str) -> bool:
    """Whether a metric's reason says that a detector found no face."""
    return reason.endswith(_NO_FACE) or reason == "no_face_in_first_frame"


def _detection(videos: Sequence[VideoScore]) -> list[SampleValues]:
    """Return the share of videos in which every face that a metric looked for was found; nothing where all were."""
    found: dict[str, float] = {}
    asked: dict[str, None] = {}
    for video in videos:
        if video.verdict in {"ok", "warning"}:
            lost = [metric for metric, reason in video.reasons.items() if about_no_face(reason)]
            found[video.sample] = 0.0 if lost else 1.0
            asked |= dict.fromkeys(lost)
    if not asked:
        return []
    return [SampleValues(Measure("detection", "Faces found", "detection", unit="share", covers=tuple(asked)), found)]
