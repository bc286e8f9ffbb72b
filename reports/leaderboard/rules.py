"""The challenge's rules for the leaderboard: in words and as a table, each with where it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from evalkit.challenges.fairness_rules import GroupRules
from evalkit.challenges.model import Challenge
from evalkit.challenges.parts import Window
from evalkit.challenges.submission_rules import RunRules
from evalkit.leaderboard.table import Column
from evalkit.reports.page import listed, utc
from evalkit.reports.tables import flatten, format_short_share
from evalkit.text import count

OWN_DEFAULT = "evalkit's default, not published by the organizers"
RULES = {
    "weighted-sum": "Weighted sum: each value is turned into 0 to 1 by its declared range, 1 being better and values "
    "outside cut off; the score is the weighted mean. It doesn't depend on who else takes part.",
    "rank-sum": "Rank sum: in each column the teams get ranks, equal values share their mean rank; the score is "
    "the weighted sum of the ranks, the lowest is the best.",
    "mean-rank": "Mean rank: in each column the teams get ranks, equal values share their mean rank; the score is "
    "the weighted mean of the ranks, the lowest is the best.",
    "borda": "Borda count: in each column a team gets a point for every team that it beats and half a point for every "
    "equal; the score is the weighted sum, the highest is the best.",
    "two-phase": "Two phases: metrics make a shortlist, human ratings alone order the finalists; the "
    "rest follow in the order of the shortlist.",
    "none": "The challenge declares no ranking.",
}
ESTIMATORS = {
    "mos.plain": "the mean of its ratings",
    "mos.bias-removed": "the mean of its ratings after each rater's own bias is taken off",
    "mos.bt500": "the mean of its ratings without raters that the screening of BT.500 rejects",
    "mos.p913": "the mean of its ratings without bias and without raters that the screening of BT.500 rejects (P.913)",
    "mos.zscore": "the mean of its ratings in standard scores of each rater",
    "mos.ap": "the estimate that weighs raters by their consistency (alternating projection)",
    "pairs.bradley-terry": "strengths after Bradley and Terry",
}


@dataclass(frozen=True)
class RuleSentence:
    """One rule: its name, what it says, and whether the organizers published it."""

    name: str
    words: str
    default: bool


def is_default(challenge: Challenge, key: str, place: Sequence[str | int] | None = None) -> bool:
    """Whether a value is evalkit's own: the challenge says so, or does not set it.

    Args:
        challenge: the rules.
        key: dotted, without positions in lists.
        place: keys and positions in lists that lead to the value; ``None`` when no list is on the way.
    """
    marked = any(key == own or key.startswith(f"{own}.") for own in challenge.evalkit_defaults)
    return marked or not _is_set(challenge, key.split(".") if place is None else place)


def _is_set(part: Any, place: Sequence[str | int]) -> bool:
    """Whether the challenge's file sets the value at ``place``, at least as part of something that it sets."""
    for step in place:
        if isinstance(part, BaseModel):
            name = next((name for name, field in type(part).model_fields.items() if step in {name, field.alias}), step)
            if name not in part.model_fields_set:
                return False
            part = getattr(part, str(name))
        else:
            part = part[step]
    return True


def rules_in_words(challenge: Challenge) -> list[RuleSentence]:
    """Return the rules that decide, in plain sentences."""
    runs, ratings, ranking = challenge.submission.runs, challenge.ratings, challenge.ranking_rules
    said = [("Ranking", RULES[challenge.ranking], "ranking")]
    if challenge.ranking == "two-phase":
        last = f"The first {ratings.finalists} are finalists." if ratings.finalists else "Everyone is a finalist."
        said.append(("Shortlist", f"{RULES[ranking.shortlist]} {last}", "ranking_rules.shortlist"))
        if sum(one.weight > 0 for one in ratings.dimensions) > 1:
            final = "mean-rank" if ratings.method == "pairs" else "weighted-sum"
            said.append(("Finalists", f"By the rated dimensions. {RULES[final]}", "ratings.dimensions"))
    if ranking.group_weights is not None:
        shares = ", ".join(f"{name} {weight:g}" for name, weight in ranking.group_weights.model_dump().items())
        words = f"Each group weighs as a whole, shared by its columns: {shares}."
        said.append(("Group weights", words, "ranking_rules.group_weights"))
    if ranking.tie_breaks:
        words = f"Between equal scores decide, in this order: {', '.join(ranking.tie_breaks)}."
        said.append(("Tie breaks", words, "ranking_rules.tie_breaks"))
    if challenge.fairness.rule != "none":
        said.append(("Groups", _about_groups(challenge.fairness), "fairness"))
    share = format_short_share(challenge.coverage)
    said.append(("Coverage", f"Each measured value must rest on at least {share} of the samples.", "coverage"))
    said.append(("Runs", _about_runs(runs), "submission.runs"))
    said += _about_ratings(challenge)
    said += [(f"Phase {phase.id}", _span(phase), "schedule") for phase in challenge.schedule]
    return [RuleSentence(name, words, is_default(challenge, key)) for name, words, key in said]


def _about_groups(rules: GroupRules) -> str:
    what = (
        "Every column that has values per video" if rules.columns is None else f"Of {listed(rules.columns, 20)}, each"
    )
    groups = "" if rules.groups is None else f" ({listed(rules.groups, 20)})"
    least = f"{count(rules.min_videos, 'video')} of {count(rules.min_identities, 'person', 'people')}"
    if rules.rule == "worst-group":
        return f"{what} ranks by the mean of its worst group of {rules.attribute}{groups}; a group needs {least}."
    return (
        f"{what} ranks by its mean made worse by {rules.penalty:g} times the gap between the groups of "
        f"{rules.attribute}{groups}; a group needs {least}."
    )


def _about_runs(runs: RunRules) -> str:
    submitted = f"A team may submit {count(runs.max, 'run')}"
    if runs.max == runs.primary:
        return f"{submitted}, {'which competes' if runs.max == 1 else 'which all compete'}."
    return (
        f"{submitted}; {count(runs.primary, 'primary run')} of them {'competes' if runs.primary == 1 else 'compete'}."
    )


def _about_ratings(challenge: Challenge) -> Iterator[tuple[str, str, str]]:
    rules = challenge.ratings
    titles = listed([f"{one.title} ({one.scale[0]} to {one.scale[1]})" for one in rules.dimensions], 20)
    if rules.method == "none":
        yield "Human ratings", "None.", "ratings.method"
        return
    if rules.method == "pairs":
        about = ", ".join(one.title for one in rules.dimensions)
        words = "Raters choose the better of two teams' videos: win 1, draw 0.5, loss 0."
        yield "Human ratings", words + (f" Asked separately: {about}." if about else ""), "ratings.method"
    else:
        yield (
            "Human ratings",
            f"Raters score every video in {count(len(rules.dimensions), 'dimension')}: {titles}.",
            "ratings",
        )
        yield "Opinion score", f"The score of a video is {ESTIMATORS[rules.estimator]}.", "ratings.estimator"
    if rules.window:
        words = f"{_span(rules.window)} Ratings outside it are kept and do not count."
        yield "Rating window", words, "ratings.window"
    for name, value, words in (
        ("Least time", rules.min_seconds_per_item, "An answer in less than {:g} seconds does not count."),
        ("Longest time", rules.max_seconds_per_item, "An answer that took more than {:g} seconds does not count."),
        ("Items per rater", rules.max_items_per_rater, "At most {:g} items of one rater count, the earliest."),
    ):
        if value is not None:
            key = {"Least time": "min_seconds_per_item", "Longest time": "max_seconds_per_item"}
            yield name, words.format(value), f"ratings.{key.get(name, 'max_items_per_rater')}"
    if rules.required_dimensions:
        words = f"A rater's item counts once it is rated in {', '.join(rules.required_dimensions)}."
        yield "Required", words, "ratings.required_dimensions"
    if rules.blind:
        yield "Blind", "Raters saw anonymous items; a key says whose they are.", "ratings.blind"
    if rules.exclude_own_team:
        yield "Own team", "Ratings of a rater's own team do not count.", "ratings.exclude_own_team"


def _span(window: Window) -> str:
    """Return a window as declared, with the same in UTC."""
    opens, closes = window.opens_at(), window.closes_at()
    said = []
    if opens:
        said.append(f"opens {window.opens} ({utc(opens)})")
    if closes:
        said.append(f"closes {window.closes} ({utc(closes)})")
    words = ", ".join(said) or "always open"
    return f"{words[0].upper()}{words[1:]}."


def rule_rows(challenge: Challenge) -> list[tuple[str, str, bool]]:
    """Return every rule as (dotted name, value, whether it is evalkit's own default)."""
    content = challenge.model_dump(
        mode="json",
        by_alias=True,
        exclude={
            "evalkit_defaults": True,
            "submission": set(challenge.submission.of_other_kinds),
            "detection": set() if challenge.submission.kind == "scores" else True,
            "fairness": set() if challenge.fairness.rule != "none" else set(GroupRules.model_fields) - {"rule"},
        },
    )
    return [
        (name, text, is_default(challenge, ".".join(step for step in place if isinstance(step, str)), place))
        for name, text, place in _leaves(content, "", ())
    ]


def _leaves(value: Any, name: str, place: tuple[str | int, ...]) -> Iterator[tuple[str, str, tuple[str | int, ...]]]:
    """Yield (name, text, place) per leaf; members of a list are named by their id."""
    if isinstance(value, list) and value and all(isinstance(one, dict) and "id" in one for one in value):
        for at, one in enumerate(value):
            rest = {inner: what for inner, what in one.items() if inner != "id"}
            yield from _leaves(rest, f"{name}[{one['id']}]", (*place, at))
    elif isinstance(value, dict) and value:
        for inner, what in value.items():
            yield from _leaves(what, f"{name}.{inner}" if name else inner, (*place, inner))
    else:
        (leaf,) = flatten({name: value}, depth=3)
        yield name, leaf[1], place


def weight_source(challenge: Challenge, column: Column) -> tuple[bool, bool]:
    """Return whether the weight and the range of a column are evalkit's own."""
    if column.kind == "pairs":  # nothing in the file could set them
        return True, True
    metric = column.kind == "metric"
    members = challenge.metrics if metric else challenge.ratings.dimensions
    at = [one.id for one in members].index(column.id)
    where: tuple[str | int, ...] = ("metrics", at) if metric else ("ratings", "dimensions", at)
    key = "metrics" if metric else "ratings.dimensions"
    span = "range" if metric else "scale"
    weight = is_default(challenge, f"{key}.weight", (*where, "weight"))
    return weight, is_default(challenge, f"{key}.{span}", (*where, span))
