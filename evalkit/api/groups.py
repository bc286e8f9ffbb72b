"""`fairness`: how the numbers of submissions differ between groups of people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.errors import InputError, UsageError
from evalkit.groups import MIN_IDENTITIES, MIN_VIDEOS
from evalkit.statistics import BOOTSTRAP_DRAWS, PERMUTATIONS

if TYPE_CHECKING:
    from evalkit.groups.model import FairnessReport
    from evalkit.scoring.scorecard import Scorecard
    from evalkit.testsets.model import TestSet


def fairness(
    scorecards: Sequence[str | Path | Scorecard],
    *,
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
        testset: whose groups and identities count; the scorecards' own without.
        truth: the scorecard of the real videos, scored like a submission.
        intersect: attributes whose combinations are groups of their own.
        min_videos, min_identities: what a group needs to be compared.
        permutations: shuffles behind a p-value, at least 99.
        draws: bootstrap draws behind an interval, at least 100.
        seed: the same seed gives the same numbers.

    Returns:
        Tables by attribute, measure and scorecard; ``to_json()`` is all of it.

    Raises:
        EvalkitError: nothing says who is of which group, or the scorecards don't belong together.
    """
    from evalkit.groups.computing import compare_groups
    from evalkit.groups.inputs import entry_of_card, grouped_samples
    from evalkit.groups.model import FairnessRules
    from evalkit.leaderboard.runs import unique
    from evalkit.scoring.scorecard import Scorecard
    from evalkit.testsets.loading import load_testset

    if not scorecards:
        raise UsageError("There is no scorecard to compare groups in.", expected="one or more")
    for what, number, least in (("permutations", permutations, 99), ("draws", draws, 100)):
        if number < least:
            raise UsageError(f"There are too few {what}.", found=str(number), expected=f"at least {least}")
    cards = [one if isinstance(one, Scorecard) else Scorecard.load(one) for one in scorecards]
    real = truth if truth is None or isinstance(truth, Scorecard) else Scorecard.load(truth)
    for card in cards[1:] if real is None else [*cards[1:], real]:
        if (card.challenge.id, card.backbones) != (cards[0].challenge.id, cards[0].backbones):
            raise InputError(
                f"The scorecard of {card.submission.name} can't stand beside that of {cards[0].submission.name}.",
                found=f"challenge {card.challenge.id}, backbones {card.backbones}",
                expected=f"challenge {cards[0].challenge.id}, backbones {cards[0].backbones}",
            )
    samples = load_testset(testset) if isinstance(testset, str | Path) else testset
    people = grouped_samples(cards if real is None else [*cards, real], samples)
    rules = FairnessRules(
        min_videos=min_videos,
        min_identities=min_identities,
        permutations=permutations,
        draws=draws,
        seed=seed,
        intersect=tuple(intersect),
    )
    names = unique(card.submission.name for card in cards)
    entries = [entry_of_card(name, card) for name, card in zip(names, cards, strict=True)]
    return compare_groups(entries, people, rules, None if real is None else entry_of_card("real videos", real))
