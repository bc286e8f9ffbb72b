"""Whether the numbers of a scorecard agree with each other, and with the runs on the board.

A scorecard is a file that anybody can edit. The mean or median of a metric, its count and its coverage follow from the
values of the videos, so they are computed again; numbers of the whole set (FID) don't, and are only named.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator

from evalkit._version import __version__
from evalkit.board.names import check_ids
from evalkit.errors import InputError
from evalkit.metrics.base import Aggregate, SetMetric, is_not_applicable, metric_registry
from evalkit.scoring.aggregate import combine, spread_details
from evalkit.scoring.scorecard import MetricScore, Scorecard
from evalkit.text import count

_LARGEST = 1e12  # no metric comes near it, and sums of such numbers stay finite
_SLACK = 1e-6  # of a range: 1.0000001 is a cosine too
_SAMPLE = 400  # characters of a sample's id
_DEFINED = ("unit", "higher_is_better", "range", "aggregate")
SIZES = ("n", "n_reference")  # details of a distance of distributions: how many things each side has


def check_numbers(card: Scorecard) -> tuple[str, ...]:
    """Compute again what follows from the videos; return the metrics whose numbers nothing in the scorecard proves.

    Raises:
        InputError: when a number is impossible or does not follow from the videos, or a sample is there twice.
    """
    twice = [sample for sample, times in Counter(video.sample for video in card.videos).items() if times > 1]
    if twice:
        raise _refused("A sample is in the scorecard more than once.", twice[0], "every sample once")
    foreign = {name for video in card.videos for name in video.values} - set(card.metrics)
    if foreign:
        raise _refused("Videos have values of a metric that the scorecard does not list.", min(foreign))
    check_ids([video.sample for video in card.videos], "A sample of the scorecard", limit=_SAMPLE)
    check_ids(card.metrics, "A metric of the scorecard")
    if "" in card.metrics or any(not video.sample for video in card.videos):
        raise _refused("A sample or metric of the scorecard has no name.", "an empty id")
    unproven = []
    for name, score in card.metrics.items():
        _check_bounds(card, name, score)
        _check_applicable(card, name, score)
        if any(name in video.values for video in card.videos):
            _check_aggregate(card, name, score)
        elif score.value is not None:
            _check_sizes(name, score)
            if not _is_of_the_set(name) and metric_registry().get(name) is not None:
                raise _refused(f"{name} has a value, and no video has one.", f"{score.value:g}", "a value per video")
            unproven.append(name)
            if score.n > len(card.videos):
                raise _refused(f"{name} counts more videos than there are.", str(score.n), f"up to {len(card.videos)}")
            _check_coverage(card, name, score)
        elif score.n or score.coverage:
            raise _refused(f"{name} counts videos, and has no value.", f"n {score.n}", "n 0")
    return tuple(unproven)


def check_declared(card: Scorecard) -> None:
    """Refuse a scorecard that says otherwise than the installed metric what its number means.

    So no scorecard, the first on a board included, decides how others are read. Metrics that are not installed here are
    compared with the runs on the board (`check_alike`).
    """
    for name, score in card.metrics.items():
        metric = metric_registry().get(name)
        if score.value is None or metric is None:
            continue
        for what in ("protocol", *_DEFINED):  # the role is the challenge's
            mine, expected = getattr(score, what), getattr(metric.record, what)
            if mine != expected and not (what == "aggregate" and isinstance(metric, SetMetric)):
                field = what.replace("_", " ")
                raise _refused(
                    f"The scorecard declares another {field} of {name} than evalkit {__version__}, which runs here.",
                    str(mine)[:80],
                    str(expected)[:80],
                )


def check_alike(card: Scorecard, others: Iterable[Scorecard]) -> None:
    """Refuse a scorecard whose metrics are declared otherwise than in ``others``, those that are on the board.

    Metrics of another protocol may differ: what they mean has changed.
    """
    left = {name: score for name, score in card.metrics.items() if score.value is not None}
    for other in others:
        for name, score in tuple(left.items()):
            known = other.metrics.get(name)
            if known is None or known.protocol != score.protocol or known.value is None:
                continue
            del left[name]
            _check_same_applicable(card, other, name)
            for what in _DEFINED:
                mine, expected = getattr(score, what), getattr(known, what)
                if mine != expected:
                    field = what.replace("_", " ")
                    raise _refused(
                        f"The scorecard declares another {field} of {name} than the runs on the board.",
                        str(mine)[:80],
                        str(expected)[:80],
                    )
        if not left:
            return


def _check_same_applicable(card: Scorecard, other: Scorecard, name: str) -> None:
    """Refuse a scorecard that leaves out other samples as not applicable: they are the test set's, not the team's."""
    numbers = [one.metrics[name].not_applicable for one in (card, other)]
    samples = [not_applicable_samples(one, name) for one in (card, other)]
    by_video = all(any(name in video.values for video in one.videos) for one in (card, other))
    if numbers[0] != numbers[1] or (by_video and samples[0] != samples[1]):
        raise InputError(
            f"The scorecard says of other samples than the runs on the board that {name} is not applicable to them.",
            found=f"{count(numbers[0], 'sample')}{_example(samples[0] - samples[1])}",
            expected=f"{count(numbers[1], 'sample')}{_example(samples[1] - samples[0])}",
            fix="Score the submission with the same test set. Where the run on the board is the wrong one, take it "
            "off: 'evalkit board remove TEAM --run RUN --why TEXT'.",
        )


def _example(samples: frozenset[str]) -> str:
    return f", such as '{min(samples)}'" if samples else ""


def _check_bounds(card: Scorecard, name: str, score: MetricScore) -> None:
    for place, value in _numbers(card, name, score):
        if not math.isfinite(value) or abs(value) > _LARGEST:
            raise _refused(f"{place} of {name} is no possible number.", f"{value:g}", f"at most {_LARGEST:g}")
        _check_range(name, score, place, value)
    if score.ci95 is not None and not score.ci95[0] <= score.ci95[1]:
        raise _refused(f"The interval of {name} ends before it begins.", "{:g} to {:g}".format(*score.ci95))
    for value in [*(score.ci95 or ()), *score.details.values()]:
        if not math.isfinite(value) or abs(value) > _LARGEST:
            raise _refused(f"A detail of {name} is no possible number.", f"{value:g}", f"at most {_LARGEST:g}")


def _check_range(name: str, score: MetricScore, place: str, value: float) -> None:
    low, high = score.range
    if (low is not None and value < low - _SLACK) or (high is not None and value > high + _SLACK):
        ends = [f"{word} {end:g}" for word, end in (("at least", low), ("at most", high)) if end is not None]
        raise _refused(f"{place} of {name} is outside its range.", f"{value:g}", " and ".join(ends))


def _numbers(card: Scorecard, name: str, score: MetricScore) -> Iterator[tuple[str, float]]:
    if score.value is not None:
        yield "The value", score.value
    for video in card.videos:
        value = video.values.get(name)
        if value is not None:
            yield f"The value for sample '{video.sample}'", value


def _check_aggregate(card: Scorecard, name: str, score: MetricScore) -> None:
    values = [value for video in card.videos if (value := video.values.get(name)) is not None]
    if _is_of_the_set(name):
        _check_sizes(name, score)
        _check_coverage(card, name, score)
        return
    if score.n != len(values):
        raise _refused(f"{name} does not count the videos that have a value.", str(score.n), str(len(values)))
    how = _aggregate(name, score)
    expected = combine(values, how) if values else None
    if not _agree(score.value, expected):
        raise _refused(f"The value of {name} is not the {how} over its videos.", f"{score.value}", f"{expected}")
    follow = spread_details(values, how)
    others = score.details.keys() - follow.keys()
    if others:
        raise _refused(f"{name} is computed of single videos and has details of a set.", min(others))
    for detail, number in follow.items():
        if not _agree(score.details.get(detail), number):
            words = detail.replace("_", " ")
            raise _refused(f"The {words} of {name} is wrong.", f"{score.details.get(detail)}", f"{number:g}")
    _check_coverage(card, name, score)


def _check_applicable(card: Scorecard, name: str, score: MetricScore) -> None:
    """Refuse what makes samples disappear: a sample that a metric is not applicable to is no gap."""
    outside = not_applicable_samples(card, name)
    metric = metric_registry().get(name)
    of_all = metric is not None and not (metric.record.people_only or metric.record.setups)
    if (outside or score.not_applicable) and of_all:
        raise _refused(f"{name} is applicable to every sample.", f"{score.not_applicable or len(outside)} without", "0")
    if any(name in video.values for video in card.videos):
        agree = score.not_applicable == len(outside)
    else:
        agree = score.not_applicable + score.n <= len(card.videos)
    if not agree or (is_not_applicable(score.reason) and score.not_applicable != len(card.videos)):
        raise _refused(
            f"{name} does not count the samples that it is not applicable to.",
            str(score.not_applicable),
            f"{len(outside)} of {len(card.videos)}",
        )


def not_applicable_samples(card: Scorecard, name: str) -> frozenset[str]:
    """Return the samples that a metric is not about, as far as the rows of a scorecard say it."""
    return frozenset(
        video.sample
        for video in card.videos
        if name in video.values and video.values[name] is None and is_not_applicable(video.reasons.get(name))
    )


def _check_sizes(name: str, score: MetricScore) -> None:
    for detail in SIZES:
        size = score.details.get(detail)
        if size is not None and not (size >= 1 and size == int(size)):
            raise _refused(f"The size {detail} of {name} is no number of things.", f"{size:g}", "1 or more")


def _aggregate(name: str, score: MetricScore) -> Aggregate:
    """Return how the value follows from the videos: as the installed metric declares it, else the scorecard."""
    metric = metric_registry().get(name)
    return metric.record.aggregate if metric is not None else score.aggregate or "mean"


def _agree(found: float | None, expected: float | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-9)


def _check_coverage(card: Scorecard, name: str, score: MetricScore) -> None:
    asked = len(card.videos) - score.not_applicable
    expected = score.n / asked if asked else 0.0
    if not math.isclose(score.coverage, expected, abs_tol=1e-9):
        raise _refused(f"The coverage of {name} is wrong.", f"{score.coverage:g}", f"{expected:g}")


def _is_of_the_set(name: str) -> bool:
    return isinstance(metric_registry().get(name), SetMetric)


def _refused(problem: str, found: str, expected: str | None = None) -> InputError:
    fix = "Scorecards are added as 'evalkit score' wrote them: score the submission again."
    return InputError(problem, found=found, expected=expected, fix=fix)
