"""Names of videos in addresses: each showing has its own, so that nothing in a browser tells of a repeat."""

from __future__ import annotations

import hashlib
import hmac
from typing import NamedTuple

from evalkit.studio.plan_model import Plan
from evalkit.studio.preparing import ENDINGS

_LENGTH = 32


class Showing(NamedTuple):
    """One video of one item.

    Args:
        item: of the plan.
        at: 0, or 1 for the right one of two.
    """

    item: str
    at: int


class Showings:
    """The showings of a plan's videos, and their names.

    A name is a digest of the item, keyed by the studio's secret. The same video has another name in another item, and
    in another studio of the same plan: what a browser has kept of that one is loaded, and counted, anew.

    Args:
        plan: the plan.
        secret: of the studio.
    """

    def __init__(self, plan: Plan, secret: bytes) -> None:
        self._names = {
            name: tuple(_name(secret, name, at) for at in range(len(item.media))) for name, item in plan.items.items()
        }
        self._found = {name: Showing(item, at) for item, names in self._names.items() for at, name in enumerate(names)}

    def names(self, item: str) -> tuple[str, ...]:
        """Return the names of an item's videos, in their order; they have the ending of a file."""
        return self._names[item]

    def find(self, name: str) -> Showing | None:
        """Return what a name stands for; ``None`` for nothing."""
        return self._found.get(name)


def _name(secret: bytes, item: str, at: int) -> str:
    return hmac.new(secret, f"video:{item}:{at}".encode(), hashlib.sha256).hexdigest()[:_LENGTH] + ENDINGS["video"]
