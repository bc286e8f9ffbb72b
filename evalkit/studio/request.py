"""What an organizer asks of a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from evalkit.studio.page_model import Page
from evalkit.studio.plan_model import Medium


@dataclass(frozen=True)
class AskedRater:
    """A rater before there is a plan.

    Args:
        name: id of the rater.
        team: the own team, ``None`` for people who are in none.
    """

    name: str
    team: str | None = None


@dataclass(frozen=True)
class GoldVideo:
    """A video with known answers.

    Args:
        medium: the video; of a team's, its item is marked and nothing is shown in addition.
        expected: question -> lowest and highest right answer.
    """

    medium: Medium
    expected: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class PlanRequest:
    """What the plan is to hold.

    Args:
        raters: who rates.
        page: what they read.
        items: what each rater answers, repeats included; ``None`` for the challenge's limit, or `DEFAULT_ITEMS`.
        training: items before the others that don't count.
        repeats: items of each rater that come again.
        gold: videos with known answers; of the organizer's own every rater sees all.
        references: real videos that can be hidden among the others.
        references_per_rater: how many of them a rater sees.
        adaptive: whether pairs are chosen when their turn comes.
        completion: code that raters get at the end; ``None`` for none.
        seed: of everything that is drawn.
    """

    raters: tuple[AskedRater, ...]
    page: Page
    items: int | None = None
    training: int = 0
    repeats: int = 0
    gold: tuple[GoldVideo, ...] = ()
    references: tuple[Medium, ...] = field(default=())
    references_per_rater: int = 0
    adaptive: bool = False
    completion: str | None = None
    seed: int = 0


DEFAULT_ITEMS = 40
