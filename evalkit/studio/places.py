"""Who takes which rater's place: invitations of the organizer, and people who come from a platform."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

from evalkit.studio import journal as changes
from evalkit.studio.journal import Change, Place
from evalkit.studio.plan_model import new_token
from evalkit.studio.rater_state import Rater
from evalkit.studio.session import Study
from evalkit.studio.writer import Writer


class Places:
    """The raters' places of a running study, each given away once.

    Args:
        study: whose raters.
        writer: makes changes durable.
        secret: of the studio.
        now: the clock.
    """

    def __init__(
        self, study: Study, writer: Writer, secret: bytes, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._study = study
        self._writer = writer
        self._secret = secret
        self._now = now
        self._lock = asyncio.Lock()

    async def invite(self) -> Rater:
        """Return a rater whose link nobody has: an unused one, or a new one who sees what another one sees."""
        async with self._lock:
            rater, made = self._unused(), []
            if rater is None:
                alike = self._least_seen()
                name = next(f"extra-{at}" for at in itertools.count(1) if f"extra-{at}" not in self._study.raters)
                rater = Rater(name, alike.plan.model_copy(update={"token": new_token(), "team": None}))
                made = [changes.add_extra(name, rater.plan.token, alike.name)]
            await self._give(rater, Place(rater.name, "invite"), made)
            return rater

    async def join(self, worker: str, how: str) -> Rater | None:
        """Return the rater whose place a platform's worker has, or gets; ``None`` when there is none left.

        Only a keyed digest of the worker's id is stored, unless the plan keeps the id.
        """
        digest = hmac.new(self._secret, f"worker:{worker}".encode(), hashlib.sha256).hexdigest()
        async with self._lock:
            for rater in self._study.raters.values():
                if rater.place is not None and rater.place.worker == digest:
                    return rater
            free = self._unused()
            if free is None or self._study.paused:
                return None
            kept = worker if "worker" in self._study.plan.page.keep else None
            await self._give(free, Place(free.name, how, digest, kept), [])
            return free

    async def _give(self, rater: Rater, place: Place, made: list[Change]) -> None:
        await asyncio.wrap_future(self._writer.write([*made, changes.add_place(place, self._now())]))
        self._study.admit(rater, place)

    def _unused(self) -> Rater | None:
        """Return a rater whom nobody was yet: the last one, since links are usually sent out from the first on."""
        for rater in reversed(self._study.raters.values()):
            if rater.untouched and rater.plan.team is None:
                return rater
        return None

    def _least_seen(self) -> Rater:
        """Return the plan's rater, if possible without a team, whose items have the fewest answers."""
        seen = Counter(self._study.taken.rows().per_item())
        own = [rater for rater in self._study.raters.values() if rater.name not in self._study.extras]
        neutral = [rater for rater in own if rater.plan.team is None] or own
        return min(neutral, key=lambda rater: sum(seen[item] for item in rater.plan.items if item is not None))
