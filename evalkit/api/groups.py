"""`fairness`: how the numbers of submissions differ between groups of people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.errors import InputError, UsageError
from evalkit.groups import MIN_IDENTITIES, MIN_VIDEOS
from evalkit.statistics import BOOTSTRAP_DRAWS, PERMUTATIONS

if TYPE_CHECKING:
    from evalkit.groups.model import FairnessReport, FairnessRules
    from evalkit.scoring.scorecard import Scorecard
    from evalkit.testsets.model import TestSet

REAL = "real videos"


def fairness(
    scorecards: Sequence[str | Path | Scorecard] = (),
    *,
    board: str | Path | None = None,
    testset: str | Path | TestSet | None = None,
    truth: str | Path | Scorecard | None = None,
    intersect: Sequence[str] = (),
    min_videos: int = MIN_VIDEOS,
    min_identities: int = MIN_IDENTITIES,
    permutations: int = PERMUTATIONS,
    draws: int = BOOTSTRAP_DRAWS,
    seed: int = 0,
) -> FairnessReport:
    """Compare the groups of people of a test set, in every number per video; see docs/definitions/fairness.md.

    Args:
        scorecards: of one challenge and test set: folders that ``evalkit score`` wrote, or scorecards.
        board: in their place, the runs of a board that compete, opinion scores included.
        testset: whose groups and identities count; the scorecards' own without. Not with a board.
        truth: the scorecard of the real videos, scored like a submission.
        intersect: attributes whose combinations are groups of their own.
        min_videos, min_identities: what a group needs to be compared.
        permutations: shuffles behind a p-value, at least 99.
        draws: bootstrap draws behind an interval, at least 100.
        seed: the same seed gives the same numbers.

    Returns:
        Tables by attribute, measure and submission; ``to_json()`` is all of it.

    Raises:
        EvalkitError: nothing says who is of which group, or the scorecards don't belong together.
    """
    from evalkit.groups.model import FairnessRules
    from evalkit.scoring.scorecard import Scorecard

    for what, number, least in (("permutations", permutations, 99), ("draws", draws, 100)):
        if number < least:
            raise UsageError(f"There are too few {what}.", found=str(number), expected=f"at least {least}")
    if bool(scorecards) == (board is not None):
        raise UsageError(
            "Give scorecards or a board, one of them.",
            found="both" if scorecards else "neither",
            expected="one of them",
        )
    if board is not None and testset is not None:
        raise UsageError("A board's groups are those of its scorecards.", found="a test set", fix="Leave it out.")
    real = truth if truth is None or isinstance(truth, Scorecard) else Scorecard.load(truth)
    rules = FairnessRules(
        min_videos=min_videos,
        min_identities=min_identities,
        permutations=permutations,
        draws=draws,
        seed=seed,
        intersect=tuple(intersect),
    )
    if board is not None:
        return _of_board(board, rules, real)
    cards = [one if isinstance(one, Scorecard) else Scorecard.load(one) for one in scorecards]
    return _of_cards(cards, rules, real, testset)


def _of_cards(
    cards: Sequence[Scorecard], rules: FairnessRules, real: Scorecard | None, testset: str | Path | TestSet | None
) -> FairnessReport:
    from evalkit.groups.computing import compare_groups
    from evalkit.groups.inputs import entry_of_card, grouped_samples
    from evalkit.leaderboard.runs import unique
    from evalkit.testsets.loading import load_testset

    _belong_together(cards if real is None else [*cards, real])
    samples = load_testset(testset) if isinstance(testset, str | Path) else testset
    people = grouped_samples(cards if real is None else [*cards, real], samples)
    names = unique(card.submission.name for card in cards)
    entries = [entry_of_card(name, card) for name, card in zip(names, cards, strict=True)]
    return compare_groups(entries, people, rules, None if real is None else entry_of_card(REAL, real))


def _of_board(board: str | Path, rules: FairnessRules, real: Scorecard | None) -> FairnessReport:
    from evalkit.board import Board
    from evalkit.groups.inputs import entry_of_card
    from evalkit.leaderboard.compute import board_fairness, rank_snapshot

    with Board.open(board) as opened:
        snapshot = opened.snapshot()
    state = rank_snapshot(snapshot, draws=rules.draws, seed=rules.seed)
    if real is not None:
        _belong_together([*(one.run.card for one in state.runs.competing), real])
    found = board_fairness(snapshot, state, rules, None if real is None else entry_of_card(REAL, real))
    if found is None:
        raise InputError(
            "No sample of the board says which group it is of, so there is nothing to compare.",
            expected='runs whose test set has \'groups\', such as {"gender": "female"}',
            fix="Add groups that people told you or annotators wrote to the test set, and score again.",
        )
    return found


def _belong_together(cards: Sequence[Scorecard]) -> None:
    for card in cards[1:]:
        if (card.challenge.id, card.backbones) != (cards[0].challenge.id, cards[0].backbones):
            raise InputError(
                f"The scorecard of {card.submission.name} can't stand beside that of {cards[0].submission.name}.",
                found=f"challenge {card.challenge.id}, backbones {card.backbones}",
                expected=f"challenge {cards[0].challenge.id}, backbones {cards[0].backbones}",
            )
