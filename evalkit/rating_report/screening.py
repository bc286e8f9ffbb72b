"""Which raters the screening rules speak against, over all dimensions of a board, and what to propose.

How long raters take is looked at in all of their answers, the late and the quick ones included. What they answer is
looked at where the challenge's rules let it count. Who counts is held against those who count; who is left out by a
decision is held against everybody, their own answers included, so that the report shows what would be said of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evalkit.board.filtering import Judged, filter_ratings
from evalkit.board.model import Snapshot
from evalkit.errors import UsageError, did_you_mean
from evalkit.rating_report.model import Finding, Screening
from evalkit.rating_report.tables import by_item
from evalkit.ratings.model import ReasonCode, Verdict
from evalkit.statistics.consistency import p913_correlation, rest_correlation
from evalkit.statistics.opinion_table import OpinionTable
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
_NO_ANSWER: frozenset[ReasonCode] = frozenset({"repeated", "duplicate"})
_NO_SCORE: frozenset[ReasonCode] = _NO_ANSWER | {"off-scale", "unknown-dimension", "rejected"}


@dataclass(frozen=True)
class _Board:
    """What the rules look at.

    Args:
        snapshot: the board.
        raters: everybody who rated, sorted.
        every: all ratings.
        valid: those that the challenge's rules let count, whatever decisions say.
        counted: those that count.
    """

    snapshot: Snapshot
    raters: tuple[str, ...]
    every: tuple[Verdict, ...]
    valid: tuple[Verdict, ...]
    counted: tuple[Verdict, ...]


def screen(snapshot: Snapshot, judged: Judged, rules: Sequence[str] = tuple(RULES)) -> dict[str, tuple[Screening, ...]]:
    """Return rater -> what each of ``rules`` says, in their order, for everybody who rated.

    A rule that is asked per dimension speaks against a rater when it does so in more than half of the dimensions in
    which it can tell.

    Raises:
        UsageError: for a rule that is not there.
    """
    for rule in rules:
        if rule not in RULES:
            raise UsageError(
                f"There is no screening rule '{rule}'.{did_you_mean(rule, RULES)}",
                expected=", ".join(RULES),
            )
    board = _Board(
        snapshot,
        tuple(sorted({verdict.rating.rater for verdict in judged.verdicts})),
        judged.verdicts,
        tuple(verdict for verdict in judged.verdicts if set(verdict.codes) <= {"excluded"}),
        judged.counted,
    )
    found: dict[str, list[Screening]] = {rater: [] for rater in board.raters}
    for rule in dict.fromkeys(rules):
        for rater, findings in _ask(rule, board).items():
            found[rater].append(_screening(rule, rater, findings))
    return {rater: tuple(screenings) for rater, screenings in found.items()}


def propose_exclusions(snapshot: Snapshot, rules: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return (rater, code, sentence) for everybody whom one of ``rules`` speaks against and no decision has left out.

    A rater stands once, with the code of the first rule, in the order given, and the sentences of all. Sorted by
    rater. Nothing is changed.

    Raises:
        UsageError: for a rule that is not there.
    """
    gone = snapshot.excluded("rater")
    proposed = []
    for rater, screenings in screen(snapshot, filter_ratings(snapshot), rules).items():
        against = [screening for screening in screenings if screening.rejected]
        if against and rater not in gone:
            proposed.append((rater, against[0].code, " ".join(screening.sentence for screening in against)))
    return proposed


def _ask(rule: str, board: _Board) -> dict[str, list[Finding]]:
    if rule == "speeders":
        return _speeders(board)
    if rule == "gold":
        return _gold(board)
    return _by_dimension(_BY_DIMENSION[rule], board)


def _speeders(board: _Board) -> dict[str, list[Finding]]:
    """Ask how long an item took; the several questions of one item are one screen, with one time."""
    screens: dict[tuple[str, str], float] = {}
    for verdict in board.every:
        rating = verdict.rating
        if rating.seconds is not None and _NO_ANSWER.isdisjoint(verdict.codes):
            screens.setdefault((rating.rater, rating.item), rating.seconds)
    number = {rater: at for at, rater in enumerate(board.raters)}
    verdicts = speeders(
        np.array([number[rater] for rater, _ in screens], dtype=np.int64),
        np.array(list(screens.values()), dtype=np.float64),
        board.raters,
        least=board.snapshot.challenge.ratings.min_seconds_per_item,
    )
    return {board.raters[one.rater]: [_finding("", one)] for one in verdicts}


def _gold(board: _Board) -> dict[str, list[Finding]]:
    """Ask about the items with a known answer, all dimensions together; whether they are of a team does not matter."""
    limits = {(gold.item, gold.dimension): (gold.low, gold.high) for gold in board.snapshot.gold}
    answers: dict[tuple[str, str, str], float] = {}
    for verdict in board.every:
        rating = verdict.rating
        if (rating.item, rating.dimension) in limits and _NO_SCORE.isdisjoint(verdict.codes):
            answers.setdefault((rating.rater, rating.item, rating.dimension), rating.value)
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
    return {board.raters[one.rater]: [_finding("", one)] for one in verdicts}


def _by_dimension(rule: Callable[[OpinionTable], list[RaterVerdict]], board: _Board) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {rater: [] for rater in board.raters}
    for dimension in board.snapshot.challenge.ratings.dimensions:
        valid = [verdict for verdict in board.valid if verdict.rating.dimension == dimension.id]
        counted = [verdict for verdict in board.counted if verdict.rating.dimension == dimension.id]
        active = {verdict.rating.rater for verdict in counted}
        others = {verdict.rating.rater for verdict in valid} - active
        for verdicts, raters in ((counted, active), (valid, others)):
            if raters:
                table, _ = by_item(verdicts, board.raters)
                for one in rule(table):
                    if board.raters[one.rater] in raters:
                        found[board.raters[one.rater]].append(_finding(dimension.id, one))
    return found


def _finding(dimension: str, one: RaterVerdict) -> Finding:
    return Finding(dimension, one.statistic, one.threshold, one.rejected, one.sentence)


def _screening(rule: str, rater: str, findings: Sequence[Finding]) -> Screening:
    """Return the rule's word on a rater: that of more than half of the dimensions in which it can tell."""
    known = [finding for finding in findings if finding.statistic is not None]
    against = [finding for finding in known if finding.rejected]
    rejected = 2 * len(against) > len(known)
    if not findings:
        sentence = (
            f"{escape_for_display(rater, 80)} has no rating that the challenge's rules let count, so nothing is said."
        )
    elif len(findings) == 1 and not findings[0].dimension:
        sentence = findings[0].sentence
    elif rejected:
        sentence = f"In {len(against)} of {len(known)} dimensions, first in {against[0].dimension}: "
        sentence += against[0].sentence
    elif not known:
        sentence = findings[0].sentence
    else:
        sentence = f"Against the rater in {len(against)} of {len(known)} dimensions. {_worst(known).sentence}"
    return Screening(rule, RULES[rule], rejected, sentence, tuple(findings))


def _worst(known: Sequence[Finding]) -> Finding:
    return next((finding for finding in known if finding.rejected), known[0])


def findings_of(screenings: Sequence[Screening], rule: str) -> Mapping[str, Finding]:
    """Return dimension -> what ``rule`` says there."""
    return {finding.dimension: finding for one in screenings if one.rule == rule for finding in one.findings}
