"""What an organizer asks of a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

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


class KnownPoints(NamedTuple):
    """The right answer to a comparison: fewest and most points of the first, and whether a draw between them is."""

    low: float
    high: float
    draw: bool

    def exchanged(self) -> KnownPoints:
        """Return it with the other video as the first."""
        return KnownPoints(1 - self.high, 1 - self.low, self.draw)


@dataclass(frozen=True)
class GoldPairVideos:
    """Two videos of a sample, and which is better; of two teams' their item is marked and nothing shown in addition.

    Args:
        first, second: the videos, which have no sides yet.
        answers: question -> the right answer.
    """

    first: Medium
    second: Medium
    answers: Mapping[str, KnownPoints]

    @property
    def teams(self) -> tuple[str | None, str | None]:
        """Whose they are; ``None`` for the organizer's."""
        return self.first.team, self.second.team

    @property
    def first_is_right(self) -> bool:
        """Whether the first gets more points, for the first question that says so; also where none does."""
        return next((one.low > 0.5 for one in self.answers.values() if one.low > 0.5 or one.high < 0.5), True)


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
        gold_pairs: comparisons with known answers; of those with a video of the organizer's every rater sees all.
        references: real videos that can be hidden among the others.
        references_per_rater: how many of them a rater sees, of comparisons each beside a team's video.
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
    gold_pairs: tuple[GoldPairVideos, ...] = ()
    references: tuple[Medium, ...] = field(default=())
    references_per_rater: int = 0
    adaptive: bool = False
    completion: str | None = None
    seed: int = 0


DEFAULT_ITEMS = 40
