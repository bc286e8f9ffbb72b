"""The screening rules over all dimensions of a board, and the exclusions that they propose.

They look at the answers of the kind that the challenge asks for. Of comparisons, an item is two sides of a sample, and
the rules that compare scores with those of others are not applied.

The time that raters take is tested over all of their answers, those outside the rules included; their scores only where
the challenge's rules let them count. A rater whose answers count is compared with the others that count. A rater who is
excluded by a decision is compared with everybody, the own answers included, so that the report shows their figures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from evalkit.board.filtering import FilteredAnswers, filter_answers
from evalkit.board.model import Snapshot
from evalkit.errors import UsageError, did_you_mean
from evalkit.rating_report.model import ScreeningResult
from evalkit.rating_report.tables import by_item, shown_item
from evalkit.ratings.model import AnswerKind, AnswerVerdict, ReasonCode
from evalkit.statistics.opinion_table import OpinionTable
from evalkit.statistics.rater_correlation import p913_correlation, rest_correlation
from evalkit.statistics.screening import RaterVerdict, bt500, gold_items, speeders, straight_liners
from evalkit.text import escape_for_display

# Rule on the command line -> the word in a decision.
RULES = {
    "speeders": "speeder",
    "straight-liners": "straight-liner",
    "gold": "gold",
    "rest-correlation": "rest-correlation",
    "p913": "p913",
    "bt500": "bt500",
}
_BY_DIMENSION: dict[str, Callable[[OpinionTable], list[RaterVerdict]]] = {
    "straight-liners": straight_liners,
    "rest-correlation": rest_correlation,
    "p913": p913_correlation,
    "bt500": bt500,
}
_OF_COMPARISONS = frozenset({"speeders", "straight-liners", "gold"})
_NO_ANSWER: frozenset[ReasonCode] = frozenset({"repeated", "duplicate"})
_NO_SCORE: frozenset[ReasonCode] = _NO_ANSWER | {"off-scale", "unknown-dimension", "rejected"}


@dataclass(frozen=True)
class _ScreenedBoard:
    """The answers that the rules look at, all of one kind.

    Args:
        snapshot: the board.
        raters: everybody who answered, sorted.
        every: all answers.
        valid: those that the challenge's rules let count, whatever decisions say.
        counted: those that count.
    """

    snapshot: Snapshot
    raters: tuple[str, ...]
    every: tuple[AnswerVerdict, ...]
    valid: tuple[AnswerVerdict, ...]
    counted: tuple[AnswerVerdict, ...]


def screen(
    snapshot: Snapshot, filtered: FilteredAnswers, rules: Sequence[str] = tuple(RULES)
) -> dict[str, tuple[ScreeningResult, ...]]:
    """Return rater -> the result of each of ``rules``, in their order, for everybody who answered as is asked.

    A rule that works per dimension rejects a rater when it does so in more than half of the dimensions in which it has
    a statistic.

    Raises:
        UsageError: for an unknown rule.
    """
    for rule in rules:
        if rule not in RULES:
            raise UsageError(
                f"There is no screening rule '{rule}'.{did_you_mean(rule, RULES)}",
                expected=", ".join(RULES),
            )
    kind = asked_kind(snapshot)
    answers = filtered.of(kind)
    board = _ScreenedBoard(
        snapshot,
        tuple(sorted({verdict.answer.rater for verdict in answers})),
        answers,
        tuple(verdict for verdict in answers if set(verdict.codes) <= {"excluded"}),
        filtered.counted(kind),
    )
    found: dict[str, list[ScreeningResult]] = {rater: [] for rater in board.raters}
    for rule in dict.fromkeys(rules):
        for rater, by_dimension in _ask(rule, board).items():
            found[rater].append(_result(rule, rater, by_dimension))
    return {rater: tuple(screenings) for rater, screenings in found.items()}


def asked_kind(snapshot: Snapshot) -> AnswerKind:
    """Return the kind of answers that are screened: the one that the challenge asks for, ratings if it asks nothing."""
    return "comparison" if snapshot.challenge.ratings.method == "pairs" else "rating"


def propose_exclusions(snapshot: Snapshot, rules: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return (rater, code, sentence) for every rater whom one of ``rules`` rejects and no decision excludes.

    A rater appears once, with the code of the first rule, in the order given, and the sentences of all. Sorted by
    rater. Nothing is changed.

    Raises:
        UsageError: for an unknown rule.
    """
    excluded = snapshot.excluded("rater")
    proposed = []
    for rater, screenings in screen(snapshot, filter_answers(snapshot), rules).items():
        against = [screening for screening in screenings if screening.rejected]
        if against and rater not in excluded:
            proposed.append((rater, against[0].code, " ".join(screening.sentence for screening in against)))
    return proposed


def _ask(rule: str, board: _ScreenedBoard) -> dict[str, dict[str, RaterVerdict]]:
    pairs = asked_kind(board.snapshot) == "comparison"
    if pairs and rule not in _OF_COMPARISONS:
        return {rater: {"": _untested(rater)} for rater in board.raters}
    if rule == "speeders":
        return _speeders(board)
    if rule == "gold":
        return _gold_pairs(board) if pairs else _gold(board)
    return _by_dimension(_BY_DIMENSION[rule], board)


def _speeders(board: _ScreenedBoard) -> dict[str, dict[str, RaterVerdict]]:
    """Test the time per item; the questions of one item are one screen, with one time."""
    screens: dict[tuple[str, str], float] = {}
    for verdict in board.every:
        answer = verdict.answer
        if answer.seconds is not None and _NO_ANSWER.isdisjoint(verdict.codes):
            screens.setdefault((answer.rater, shown_item(answer)), answer.seconds)
    number = {rater: at for at, rater in enumerate(board.raters)}
    verdicts = speeders(
        np.array([number[rater] for rater, _ in screens], dtype=np.int64),
        np.array(list(screens.values()), dtype=np.float64),
        board.raters,
        least=board.snapshot.challenge.ratings.min_seconds_per_item,
    )
    return {rater: {"": verdict} for rater, verdict in zip(board.raters, verdicts, strict=True)}


def _gold(board: _ScreenedBoard) -> dict[str, dict[str, RaterVerdict]]:
    """Test the items with a known answer, all dimensions together; they may belong to a team or not."""
    limits = {(gold.item, gold.dimension): (gold.low, gold.high) for gold in board.snapshot.gold}
    answers: dict[tuple[str, str, str], float] = {}
    for verdict in board.every:
        answer = verdict.answer
        if (answer.item, answer.dimension) in limits and _NO_SCORE.isdisjoint(verdict.codes):
            answers.setdefault((answer.rater, answer.item, answer.dimension), answer.value)
    asked = {place: at for at, place in enumerate(limits)}
    number = {rater: at for at, rater in enumerate(board.raters)}
    table = OpinionTable(
        np.array([number[rater] for rater, _, _ in answers], dtype=np.int64),
        np.array([asked[item, dimension] for _, item, dimension in answers], dtype=np.int64),
        np.array(list(answers.values()), dtype=np.float64),
        len(board.raters),
        len(limits),
        board.raters,
    )
    verdicts = gold_items(table, [low for low, _ in limits.values()], [high for _, high in limits.values()])
    return {rater: {"": verdict} for rater, verdict in zip(board.raters, verdicts, strict=True)}


def _gold_pairs(board: _ScreenedBoard) -> dict[str, dict[str, RaterVerdict]]:
    """Test the comparisons with a known answer, whichever side was on the left; the score is whether one is right."""
    pairs = {(one.sample, one.dimension, frozenset(one.sides)): one for one in board.snapshot.gold_pairs}
    place = {name: at for at, name in enumerate(pairs)}
    answers: dict[tuple[str, int], bool] = {}
    for verdict in board.every:
        answer = verdict.answer
        about = (answer.item, answer.dimension, frozenset(answer.teams))
        if about in pairs and _NO_SCORE.isdisjoint(verdict.codes):
            right = pairs[about].is_right(answer.teams[0], answer.value)
            answers.setdefault((answer.rater, place[about]), right)
    number = {rater: at for at, rater in enumerate(board.raters)}
    table = OpinionTable(
        np.array([number[rater] for rater, _ in answers], dtype=np.int64),
        np.array([at for _, at in answers], dtype=np.int64),
        np.array(list(answers.values()), dtype=np.float64),
        len(board.raters),
        len(pairs),
        board.raters,
    )
    verdicts = gold_items(table, np.ones(len(pairs)), np.ones(len(pairs)))
    return {rater: {"": verdict} for rater, verdict in zip(board.raters, verdicts, strict=True)}


def _untested(rater: str) -> RaterVerdict:
    return RaterVerdict(None, None, False, f"{escape_for_display(rater, 80)} compares videos: the rule is for ratings.")


def _by_dimension(
    rule: Callable[[OpinionTable], list[RaterVerdict]], board: _ScreenedBoard
) -> dict[str, dict[str, RaterVerdict]]:
    found: dict[str, dict[str, RaterVerdict]] = {rater: {} for rater in board.raters}
    for dimension in _dimensions(board.snapshot):
        valid = [verdict for verdict in board.valid if verdict.answer.dimension == dimension]
        counted = [verdict for verdict in board.counted if verdict.answer.dimension == dimension]
        active = {verdict.answer.rater for verdict in counted}
        others = {verdict.answer.rater for verdict in valid} - active
        for verdicts, raters in ((counted, active), (valid, others)):
            if raters:
                table, _ = by_item(verdicts, board.raters)
                for rater, verdict in zip(board.raters, rule(table), strict=True):
                    if rater in raters:
                        found[rater][dimension] = verdict
    return found


def _dimensions(snapshot: Snapshot) -> tuple[str, ...]:
    found = tuple(one.id for one in snapshot.challenge.ratings.dimensions)
    return found or (("",) if asked_kind(snapshot) == "comparison" else ())


def _result(rule: str, rater: str, by_dimension: dict[str, RaterVerdict]) -> ScreeningResult:
    """Return the result over all dimensions: that of more than half of those with a statistic."""
    known = {name: verdict for name, verdict in by_dimension.items() if verdict.statistic is not None}
    against = {name: verdict for name, verdict in known.items() if verdict.rejected}
    rejected = 2 * len(against) > len(known)
    first = next(iter((against or known or by_dimension).values()), None)
    if first is None:
        sentence = f"{escape_for_display(rater, 80)} has no rating that counts by the challenge's rules: not tested."
    elif "" in by_dimension or not known:
        sentence = first.sentence
    elif rejected:
        name = next(iter(against))
        sentence = f"In {len(against)} of {len(known)} dimensions, first in {name}: {first.sentence}"
    else:
        sentence = f"Against the rater in {len(against)} of {len(known)} dimensions. {first.sentence}"
    return ScreeningResult(rule, RULES[rule], rejected, sentence, by_dimension)
