"""The screening rules over all dimensions of a board, and the exclusions that they propose.

They look at the answers of the kind that the challenge asks for. Of comparisons, an item is two sides of a sample, and
the rules that compare scores with those of others are not applied.

The time that raters take is tested over all of their answers, those outside the rules included; their scores only where
the challenge's rules let them count. A rater whose answers count is compared with the others that count. A rater who is
excluded by a decision is compared with everybody, the own answers included, so that the report shows their figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from evalkit.board.filtering import FilteredAnswers, filter_answers, filter_parts
from evalkit.board.model import Snapshot
from evalkit.errors import UsageError, did_you_mean
from evalkit.rating_report.columns import AnswerColumns
from evalkit.rating_report.model import ScreeningResult
from evalkit.ratings.model import AnswerKind
from evalkit.statistics.arrays import Index, Vector
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


@dataclass(frozen=True)
class _ScreenedBoard:
    """What the rules look at.

    Args:
        snapshot: the board, perhaps without most of its answers.
        answers: all of the kind that the challenge asks for.
    """

    snapshot: Snapshot
    answers: AnswerColumns

    @property
    def pairs(self) -> bool:
        return asked_kind(self.snapshot) == "comparison"


def screen(
    snapshot: Snapshot, filtered: FilteredAnswers, rules: Sequence[str] = tuple(RULES)
) -> dict[str, tuple[ScreeningResult, ...]]:
    """Return rater -> the result of each of ``rules``, in their order, for everybody who answered as is asked.

    A rule that works per dimension rejects a rater when it does so in more than half of the dimensions in which it has
    a statistic.

    Raises:
        UsageError: for an unknown rule.
    """
    _check_rules(rules)
    return _screen(_ScreenedBoard(snapshot, AnswerColumns(filtered.verdicts, asked_kind(snapshot))), rules)


def screen_parts(
    parts: Iterable[Snapshot], rules: Sequence[str] = tuple(RULES)
) -> dict[str, tuple[ScreeningResult, ...]]:
    """Return the same of a board that comes in parts, one per rater (`Board.by_rater`): little memory is used.

    Raises:
        UsageError: for an unknown rule.
    """
    _check_rules(rules)
    rest = iter(parts)
    first = next(rest, None)
    if first is None:
        return {}
    answers = AnswerColumns(filter_parts(chain([first], rest)), asked_kind(first))
    return _screen(_ScreenedBoard(first, answers), rules)


def _check_rules(rules: Sequence[str]) -> None:
    for rule in rules:
        if rule not in RULES:
            raise UsageError(
                f"There is no screening rule '{rule}'.{did_you_mean(rule, RULES)}",
                expected=", ".join(RULES),
            )


def _screen(board: _ScreenedBoard, rules: Sequence[str]) -> dict[str, tuple[ScreeningResult, ...]]:
    found: dict[str, list[ScreeningResult]] = {rater: [] for rater in board.answers.raters}
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
    if board.pairs and rule not in _OF_COMPARISONS:
        return {rater: {"": _untested(rater)} for rater in board.answers.raters}
    if rule == "speeders":
        return _speeders(board)
    if rule == "gold":
        return _gold_pairs(board) if board.pairs else _gold(board)
    return _by_dimension(_BY_DIMENSION[rule], board)


def _speeders(board: _ScreenedBoard) -> dict[str, dict[str, RaterVerdict]]:
    """Test the time per item; the questions of one item are one screen, with one time."""
    answers, least = board.answers, board.snapshot.challenge.ratings.min_seconds_per_item
    rows = answers.firsts(answers.timed & ~np.isnan(answers.seconds))
    verdicts = speeders(answers.rater[rows], answers.seconds[rows], answers.raters, least=least)
    return {rater: {"": verdict} for rater, verdict in zip(answers.raters, verdicts, strict=True)}


def _gold(board: _ScreenedBoard) -> dict[str, dict[str, RaterVerdict]]:
    """Test the items with a known answer, all dimensions together; they may belong to a team or not."""
    answers = board.answers
    limits = {(gold.item, gold.dimension): (gold.low, gold.high) for gold in board.snapshot.gold}
    rows = [
        answers.firsts(answers.scored & answers.of(dimension) & answers.shown((item,))) for item, dimension in limits
    ]
    values = [answers.value[some] for some in rows]
    return _gold_verdicts(answers, rows, values, list(limits.values()))


def _gold_pairs(board: _ScreenedBoard) -> dict[str, dict[str, RaterVerdict]]:
    """Test the comparisons with a known answer, whichever side was on the left; the score is whether one is right."""
    answers, rows, values = board.answers, [], []
    pairs = {(one.sample, one.dimension, frozenset(one.sides)): one for one in board.snapshot.gold_pairs}
    for pair in pairs.values():
        one, other = pair.sides
        either = answers.shown((pair.sample, one, other)) | answers.shown((pair.sample, other, one))
        some = answers.first_of_each(answers.scored & answers.of(pair.dimension) & either)
        left = [answers.items[answers.item[at]][1] for at in some]
        right = [pair.is_right(side, float(answers.value[at])) for side, at in zip(left, some, strict=True)]
        rows.append(some)
        values.append(np.array(right, dtype=np.float64))
    return _gold_verdicts(answers, rows, values, [(1.0, 1.0)] * len(pairs))


def _gold_verdicts(
    answers: AnswerColumns, rows: Sequence[Index], values: Sequence[Vector], limits: Sequence[tuple[float, float]]
) -> dict[str, dict[str, RaterVerdict]]:
    """Test the answers (numbers and values) to each item with a known answer."""
    item = np.repeat(np.arange(len(rows)), [len(some) for some in rows])
    row = np.concatenate([np.zeros(0, dtype=np.int64), *rows])
    value = np.concatenate([np.zeros(0), *values])
    raters = answers.raters
    table = OpinionTable(answers.rater[row], item, value, len(raters), len(limits), raters)
    verdicts = gold_items(table, [low for low, _ in limits], [high for _, high in limits])
    return {rater: {"": verdict} for rater, verdict in zip(raters, verdicts, strict=True)}


def _untested(rater: str) -> RaterVerdict:
    return RaterVerdict(None, None, False, f"{escape_for_display(rater, 80)} compares videos: the rule is for ratings.")


def _by_dimension(
    rule: Callable[[OpinionTable], list[RaterVerdict]], board: _ScreenedBoard
) -> dict[str, dict[str, RaterVerdict]]:
    answers = board.answers
    found: dict[str, dict[str, RaterVerdict]] = {rater: {} for rater in answers.raters}
    for dimension in _dimensions(board.snapshot):
        valid, counted = (of & answers.of(dimension) for of in (answers.valid, answers.counted))
        active = set(np.unique(answers.rater[counted]).tolist())
        others = set(np.unique(answers.rater[valid]).tolist()) - active
        for chosen, raters in ((counted, active), (valid, others)):
            if raters:
                verdicts = rule(answers.table(chosen))
                for at in raters:
                    found[answers.raters[at]][dimension] = verdicts[at]
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
