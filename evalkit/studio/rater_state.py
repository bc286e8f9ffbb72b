"""One rater while the studio's server runs: what is answered, asked and sent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from evalkit.studio.journal import Place, StoredAnswer
from evalkit.studio.plan_model import PlanRater

PENDING_SECONDS = 900.0  # after which a pair that was shown counts as being compared no more


@dataclass(frozen=True)
class RaterSnapshot:
    """What a rater was before an answer was taken.

    Args:
        asked: when items were asked.
        last, last_item: of the last answer.
    """

    asked: dict[str, datetime]
    last: datetime | None
    last_item: str | None


@dataclass
class Rater:
    """One rater while the server runs.

    Attributes:
        name: id of the plan.
        plan: what the plan says of the rater.
        answered: items that have an answer; those whose answers are being written included.
        last: when the last answer came.
        last_item: to which item it was.
        current: the item that is asked now; ``None`` at the end.
        known: whether ``current`` is up to date.
        asked: item -> when it was first asked, of those that have no answer and of the last one that has.
        fetched: name of a video -> share of its bytes that was sent, of items without an answer.
        parts: name of a video -> which parts were sent since the server started, of the same.
        here: whether something was asked since the server started.
        seen: when the rater's page was last heard of since then.
        lock: held while an answer is taken.
    """

    name: str
    plan: PlanRater
    answered: set[str] = field(default_factory=set)
    last: datetime | None = None
    last_item: str | None = None
    current: str | None = None
    known: bool = False
    asked: dict[str, datetime] = field(default_factory=dict)
    fetched: dict[str, float] = field(default_factory=dict)
    parts: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    here: bool = False
    seen: datetime | None = None
    consented_at: str | None = None
    place: Place | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def adaptive(self) -> bool:
        """Whether some items are chosen when their turn comes."""
        return None in self.plan.items

    @property
    def untouched(self) -> bool:
        """Whether nobody was this rater yet."""
        return not self.answered and not self.asked and self.consented_at is None and self.place is None

    def is_comparing(self, now: datetime) -> bool:
        """Whether the rater is still at what was asked: not who left long ago."""
        if not self.known or self.current is None:
            return False
        heard = [at for at in (self.seen, self.asked.get(self.current)) if at is not None]
        return not heard or (now - max(heard)).total_seconds() < PENDING_SECONDS

    def seconds_with_item(self, asked_at: datetime, at: datetime, page_seconds: float) -> float:
        """Return how long an item was with the rater.

        Without a connection the page goes on with the item that was announced: the server asks for it when the answer
        is there already. The page's time counts then, as far as the previous item was asked so long ago.

        Args:
            asked_at: when the server asked.
            at: when the answer came.
            page_seconds: that the page measured.
        """
        earliest = asked_at
        if not self.adaptive and self.last_item is not None:
            earliest = self.asked.get(self.last_item, asked_at)
        measured, most = (max(0.0, (at - since).total_seconds()) for since in (asked_at, earliest))
        return max(measured, min(page_seconds, most))

    def take(self, answer: StoredAnswer) -> None:
        """Note an answer."""
        self.answered.add(answer.item)
        self.known = False
        self.last, self.last_item = answer.at, answer.item
        self.asked = {item: at for item, at in self.asked.items() if item == answer.item or item not in self.answered}

    def restore(self, before: RaterSnapshot, items: Sequence[str]) -> None:
        """Be as before answers to items were taken; the first of them is asked, again."""
        self.answered.difference_update(items)
        self.asked, self.last, self.last_item = before.asked, before.last, before.last_item
        self.current, self.known = items[0], True  # a pair stays chosen: its answer comes again
