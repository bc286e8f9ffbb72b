"""What findings about gaming do to a run, where the challenge declares it: nothing, the worst value, or no value.

A scorecard keeps what was measured. What counts is made from it wherever a run is ranked, so that a consequence can be
declared, changed and overruled without scoring again. Why this, and not a missing value or the number 0, stands in
design/034-detectors-of-tricks.md.

- ``zero``: each ranking number of the video becomes the worst end of the range that the challenge gives the metric, or,
  where it gives none, of the metric's own; its own value where that is worse. A missing value stays missing. A number
  of the whole set (FID) moves towards its worst end by the share of such videos.
- ``refuse``: the video has no value in any metric, with the rule as the reason, and its coverage is lost.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from evalkit.challenges.model import Challenge, MetricEntry
from evalkit.scoring.aggregate import follows_from_videos, score_again
from evalkit.scoring.scorecard import MetricScore, Scorecard, VideoScore

Effect = Literal["zero", "refuse"]
OF_FACES = ("gaming.face-still", "gaming.mouth-only", "gaming.mouth-pasted")  # the others look at the fingerprint
EFFECTS: tuple[Effect, ...] = get_args(Effect)
NO_WORST_VALUE = "no_worst_value"
FROZEN = "content.frozen"  # the one rule about files, not about gaming, for which a consequence can be declared


@dataclass(frozen=True)
class Consequence:
    """What one finding does.

    Args:
        sample: whose video.
        rule: what was found.
        effect: what the challenge declares.
        found: what the rule saw, as a sentence.
        overruled: whether the organizers decided that the finding is wrong, so that nothing follows.
    """

    sample: str
    rule: str
    effect: Effect
    found: str
    overruled: bool = False


@dataclass(frozen=True)
class Unchecked:
    """What declared rules did not look at in a scorecard.

    Args:
        videos: scored videos without a fingerprint.
        rules: rules whose feature was not computed.
    """

    videos: int
    rules: tuple[str, ...]


def worst_values(challenge: Challenge, card: Scorecard | None = None) -> dict[str, float | None]:
    """Return ranking metric -> the worst value that it can have; ``None`` where nothing says it.

    Args:
        challenge: whose metrics and ranges are meant.
        card: has the ranges and better sides of metrics; those of the registry without it.
    """
    found: dict[str, float | None] = {}
    for entry in challenge.metrics:
        if entry.rank and entry.group == "objective":
            higher, (low, high) = _side_and_range(entry, card)
            found[entry.id] = None if higher is None else low if higher else high
    return found


def _side_and_range(
    entry: MetricEntry, card: Scorecard | None
) -> tuple[bool | None, tuple[float | None, float | None]]:
    """Return whether higher is better, and the range: what the challenge says of them, or else the metric."""
    higher, own = _known(entry.id, card)
    return entry.direction == "higher" if entry.direction else higher, entry.range or own


def _known(name: str, card: Scorecard | None) -> tuple[bool | None, tuple[float | None, float | None]]:
    from evalkit.metrics.base import metric_registry

    if card is not None and name in card.metrics:
        return card.metrics[name].higher_is_better, card.metrics[name].range
    metric = metric_registry().get(name)
    return (metric.record.higher_is_better, metric.record.range) if metric else (None, (None, None))


def consequences_of(card: Scorecard, challenge: Challenge, overruled: Collection[str] = ()) -> tuple[Consequence, ...]:
    """Return what the findings of a scorecard lead to; ``overruled`` has ``SAMPLE/RULE`` of wrong findings."""
    declared = {rule: effect for rule, effect in challenge.submission.gaming.items() if effect != "tell"}
    found: dict[tuple[str, str], Consequence] = {}
    for video in card.videos if declared else ():
        for finding in video.findings:
            rule = str(finding.get("rule"))
            effect = declared.get(rule)
            if effect is not None:
                told = str(finding.get("message") or rule).rstrip(".")
                words = f"{told}: {finding['found']}." if finding.get("found") else f"{told}."
                out = f"{video.sample}/{rule}" in overruled
                one = Consequence(video.sample, rule, "zero" if effect == "zero" else "refuse", words, out)
                found.setdefault((video.sample, rule), one)
    return tuple(found.values())


def unchecked(card: Scorecard, challenge: Challenge) -> Unchecked | None:
    """Return what declared rules about gaming did not look at in a scorecard; ``None`` where nothing is missing.

    A scorecard that a team hands in may lack it because it was left out. That it is there proves nothing either: boards
    say who made the scorecard.
    """
    from evalkit.metrics.gaming.face_motion import FACE_STILLNESS
    from evalkit.metrics.gaming.fingerprint import FINGERPRINT

    declared = sorted(
        rule for rule, effect in challenge.submission.gaming.items() if effect != "tell" and rule != FROZEN
    )
    if not declared or card.submission.kind != "video":
        return None
    scored = [video for video in card.videos if any(value is not None for value in video.values.values())]
    unread = sum(video.fingerprint is None for video in scored)
    lacking = [rule for rule in declared if (FACE_STILLNESS if rule in OF_FACES else FINGERPRINT) not in card.features]
    return Unchecked(unread, tuple(lacking)) if scored and (unread or lacking) else None


def with_consequences(card: Scorecard, challenge: Challenge, overruled: Collection[str] = ()) -> Scorecard:
    """Return the scorecard as it counts; itself where no finding has a consequence."""
    holding = [one for one in consequences_of(card, challenge, overruled) if not one.overruled]
    if not holding:
        return card
    refused: dict[str, str] = {}
    for one in holding:
        if one.effect == "refuse":
            refused.setdefault(one.sample, one.rule)
    zeroed = {one.sample for one in holding} - set(refused)
    worst = worst_values(challenge, card)
    higher = {entry.id: _side_and_range(entry, card)[0] for entry in challenge.metrics}
    videos = tuple(
        _refused(video, refused[video.sample])
        if video.sample in refused
        else _zeroed(video, worst, higher)
        if video.sample in zeroed
        else video
        for video in card.videos
    )
    metrics = {
        name: score_again(name, score, videos)
        if follows_from_videos(card, name)
        else _of_the_set(card, name, score, worst, refused, zeroed)
        for name, score in card.metrics.items()
    }
    return card.model_copy(update={"videos": videos, "metrics": metrics})


def _refused(video: VideoScore, rule: str) -> VideoScore:
    gone = [name for name, value in video.values.items() if value is not None]
    values = dict.fromkeys(video.values)
    return video.model_copy(update={"values": values, "reasons": video.reasons | dict.fromkeys(gone, rule)})


def _zeroed(
    video: VideoScore, worst: Mapping[str, float | None], higher_is_better: Mapping[str, bool | None]
) -> VideoScore:
    values, reasons = dict(video.values), dict(video.reasons)
    for name, end in worst.items():
        own = values.get(name)
        if own is None:
            continue  # missing is not the worst: coverage says it
        if end is None:
            values[name], reasons[name] = None, NO_WORST_VALUE
        else:
            values[name] = min(own, end) if higher_is_better[name] else max(own, end)
    return video.model_copy(update={"values": values, "reasons": reasons})


def _of_the_set(  # noqa: PLR0917
    card: Scorecard,
    name: str,
    score: MetricScore,
    worst: Mapping[str, float | None],
    refused: Mapping[str, str],
    zeroed: Collection[str],
) -> MetricScore:
    """Return a number of the whole set: refused videos are no coverage, zeroed ones move it towards its worst end."""
    asked = max(len(card.videos) - score.not_applicable, 1)
    update: dict[str, object] = {}
    if refused:
        left = max(0, score.n - len(refused))
        update = {"n": left, "coverage": min(score.coverage, left / asked)}
    if zeroed and name in worst and score.value is not None:
        end, share = worst[name], min(1.0, len(zeroed) / asked)
        if end is None:
            return score.model_copy(update={**update, "value": None, "ci95": None, "reason": NO_WORST_VALUE})
        ci95 = tuple((1 - share) * one + share * end for one in score.ci95) if score.ci95 else None
        update |= {"value": (1 - share) * score.value + share * end, "ci95": ci95}
    return score.model_copy(update=update) if update else score
