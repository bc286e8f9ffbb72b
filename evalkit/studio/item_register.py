"""The items and videos of a plan while it is made: each gets one random id."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evalkit.studio.design.order import Shown
from evalkit.studio.plan_model import ItemKind, Medium, PlanItem, new_id
from evalkit.studio.request import GoldPairVideos, PlanRequest

_Place = tuple[str | None, str, str]  # one file of the organizer's may stand for several samples


class ItemRegister:
    """Gives ids; the same video, and the same item of it, get the same one.

    Args:
        request: has the gold and reference videos.

    Attributes:
        media, items: by id, as the plan has them.
    """

    def __init__(self, request: PlanRequest) -> None:
        self.media: dict[str, Medium] = {}
        self.items: dict[str, PlanItem] = {}
        self._medium_ids: dict[_Place, str] = {}
        self._item_ids: dict[tuple[str, tuple[str, ...]], str] = {}
        self._gold = {self._place(one.medium): dict(one.expected) for one in request.gold if one.medium.team}
        self._own_gold = [one for one in request.gold if one.medium.team is None]
        self._gold_pairs = {self._places(one.first, one.second): one for one in request.gold_pairs}
        self._references = request.references

    def rating(self, media: Sequence[Medium]) -> str:
        """Return the id of an item that counts; one whose answer is known is gold."""
        if len(media) == 2:
            known = self._gold_pairs.get(self._places(*media))
            return self._item("rating", media) if known is None else self._known_pair(known, media)
        expected = self._gold.get(self._place(media[0]))
        return self._item("rating" if expected is None else "gold", media, expected)

    def training(self, media: Sequence[Medium]) -> str:
        """Return the id of an item that does not count."""
        return self._item("training", media)

    def own_gold(self) -> list[str]:
        """Return the ids of the organizer's own videos with known answers."""
        return [self._item("gold", [one.medium], dict(one.expected)) for one in self._own_gold]

    def gold_pair(self, pair: GoldPairVideos, *, first_left: bool) -> str:
        """Return the id of a comparison with a known answer."""
        media = (pair.first, pair.second)
        return self._known_pair(pair, media if first_left else media[::-1])

    def reference(self, media: Sequence[Medium]) -> str:
        """Return the id of a comparison with a real video, which ranks nobody."""
        return self._item("reference", media)

    def references(self) -> list[str]:
        """Return the ids of the hidden references."""
        return [self._item("reference", [one]) for one in self._references]

    def repeat(self, item: str, rng: np.random.Generator) -> str:
        """Return the id of an item that shows the media of another one again, on either side."""
        first = self.items[item]
        media = first.media if rng.random() < 0.5 else first.media[::-1]
        key = (f"repeat of {item}", media)
        if key not in self._item_ids:
            self._item_ids[key] = new_id()
            self.items[self._item_ids[key]] = PlanItem(media=media, sample=first.sample, kind="repeat", repeat_of=item)
        return self._item_ids[key]

    def shown(self, item: str, team: str) -> Shown:
        """Return what an order looks at, of an item of the organizer's own."""
        found = (self.media[medium].team for medium in self.items[item].media)
        return Shown(frozenset([team, *(one for one in found if one is not None)]), self.items[item].sample)

    def _known_pair(self, pair: GoldPairVideos, media: Sequence[Medium]) -> str:
        as_given = self._place(media[0]) == self._place(pair.first)
        points = {name: one if as_given else one.exchanged() for name, one in pair.answers.items()}
        expected = {name: (one.low, one.high) for name, one in points.items()}
        no_draw = tuple(name for name, one in points.items() if one.low < 0.5 < one.high and not one.draw)
        return self._item("gold", media, expected, no_draw)

    def _item(
        self,
        kind: ItemKind,
        media: Sequence[Medium],
        expected: dict[str, tuple[float, float]] | None = None,
        no_draw: tuple[str, ...] = (),
    ) -> str:
        ids = tuple(self._medium(one) for one in media)
        key = (kind, ids)
        if key not in self._item_ids:
            self._item_ids[key] = new_id()
            self.items[self._item_ids[key]] = PlanItem(
                media=ids, sample=media[0].sample, kind=kind, expected=expected or {}, no_draw=no_draw
            )
        return self._item_ids[key]

    def _medium(self, medium: Medium) -> str:
        place = self._place(medium)
        if place not in self._medium_ids:
            self._medium_ids[place] = new_id()
            self.media[self._medium_ids[place]] = medium
        return self._medium_ids[place]

    def _places(self, first: Medium, second: Medium) -> frozenset[_Place]:
        return frozenset((self._place(first), self._place(second)))

    @staticmethod
    def _place(medium: Medium) -> _Place:
        return medium.submission, medium.file, medium.sample
