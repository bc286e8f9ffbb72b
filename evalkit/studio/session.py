"""A running study: what each rater sees now, and which answers are taken. All of it runs on the server's event loop."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from evalkit.errors import EvalkitError
from evalkit.studio import journal as changes
from evalkit.studio.boarding import is_for_board
from evalkit.studio.checking import GivenAnswer, RefusedError, check_values, check_watched, read_answer
from evalkit.studio.journal import Held, Place, StoredAnswer
from evalkit.studio.library import Library
from evalkit.studio.next_item import Given, next_item
from evalkit.studio.plan_model import Plan, PlanRater, Question
from evalkit.studio.writer import NotStoredError, Writer

PROLIFIC_END = "https://app.prolific.com/submissions/complete?cc="


@dataclass
class Rater:
    """One rater while the server runs.

    Attributes:
        name: id of the plan.
        plan: what the plan says of the rater.
        answers: item -> answer, in the order in which they came; those that are being written included.
        current: the item that is asked now; ``None`` at the end.
        known: whether ``current`` is up to date.
        asked: whether something was asked since the server started.
        lock: held while an answer is taken.
    """

    name: str
    plan: PlanRater
    answers: dict[str, StoredAnswer] = field(default_factory=dict)
    current: str | None = None
    known: bool = False
    asked: bool = False
    consented_at: str | None = None
    place: Place | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def adaptive(self) -> bool:
        """Whether some items are chosen when their turn comes."""
        return None in self.plan.items

    @property
    def last(self) -> datetime | None:
        """When the last answer came."""
        return next(reversed(self.answers.values())).at if self.answers else None


class Study:
    """A plan, and all that has happened with it.

    Args:
        plan: without items that can't be shown.
        library: the files.
        writer: makes changes durable.
        held: what the journal has.
        answers: what the journal has of them.
        now: the clock.
    """

    def __init__(
        self,
        plan: Plan,
        library: Library,
        writer: Writer,
        *,
        held: Held,
        answers: Sequence[StoredAnswer],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        extras = {
            name: plan.raters[alike].model_copy(update={"token": token, "team": None})
            for name, (token, alike) in held.extras.items()
        }
        self.extras = set(held.extras)
        self.plan = plan.model_copy(update={"raters": {**plan.raters, **extras}})
        self.library = library
        self.paused = held.paused
        self.raters = {name: Rater(name, rater) for name, rater in self.plan.raters.items()}
        self.order: list[StoredAnswer] = []
        self._ids: set[str] = set()
        self._writer = writer
        self._now = now
        self._asked = dict(held.asked)
        self._fetched = dict(held.fetched)
        self._chooser = ThreadPoolExecutor(1, "studio-chooser")
        self._choosing = asyncio.Lock()
        for answer in answers:
            if answer.rater in self.raters and answer.item in self.plan.items:
                self._take(self.raters[answer.rater], answer)
        for name, at in held.consents.items():
            if name in self.raters:
                self.raters[name].consented_at = at
        for name, place in held.places.items():
            if name in self.raters:
                self.raters[name].place = place
        for (name, item), _ in sorted(held.asked.items(), key=lambda one: one[1]):
            rater = self.raters.get(name)
            open_ = rater is not None and not rater.known and item in self.plan.items and item not in rater.answers
            if rater is not None and rater.adaptive and open_:
                rater.current, rater.known = item, True  # the pair that was chosen before the server stopped
        self._by_token = {_digest(rater.plan.token): rater for rater in self.raters.values()}

    def close(self) -> None:
        """End the thread that chooses pairs."""
        self._chooser.shutdown(cancel_futures=True)

    def rater(self, token: str) -> Rater | None:
        """Return whose token it is. The time that this takes depends on no token: they are found by their digests."""
        found = self._by_token.get(_digest(token))
        return found if found is not None and hmac.compare_digest(found.plan.token, token) else None

    def is_organizer(self, token: str) -> bool:
        """Return whether it is the organizer's token."""
        return hmac.compare_digest(self.plan.organizer.encode(), token.encode())

    def is_join(self, token: str) -> bool:
        """Return whether it is the token of the link that gives a place to everybody."""
        return hmac.compare_digest(self.plan.join.encode(), token.encode())

    # --- what a rater sees -------------------------------------------------------------------------------------------

    async def state(self, rater: Rater) -> dict[str, Any]:
        """Return what the rater's page has to know."""
        consented = self._has_consented(rater)
        if consented:  # a pair that is chosen counts as being compared
            await self._choose(rater)
        done, total = len(rater.answers), len(rater.plan.items)
        item = coming = None
        current = rater.current  # another request of the rater may change it meanwhile
        if current is not None and consented and not self.paused:
            asked_at = await self._ask(rater, current)
            item = {"id": current, **self._shown(rater, current), "asked_at": asked_at.isoformat()}
            following = self._following(rater, current)
            coming = None if following is None else self._shown(rater, following)
        every = self.plan.page.break_every
        finished = rater.current is None and rater.known
        code = self.plan.completion.code if self.plan.completion is not None and finished and done else None
        platform = rater.place is not None and rater.place.how == "prolific"
        return {
            "rater_done": done,
            "total": total,
            "consented": consented,
            "paused": self.paused,
            "finished": finished,
            "break_due": bool(every and done and done % every == 0 and not finished),
            "questions": [self._question(one) for one in self.plan.questions],
            "method": self.plan.method,
            "languages": list(self.plan.page.languages),
            "watch_share": self.plan.page.watch_share,
            "item": item,
            "next": coming,
            "completion_code": code,
            "completion_url": f"{PROLIFIC_END}{code}" if code is not None and platform else None,
        }

    def _question(self, question: Question) -> dict[str, Any]:
        page = self.plan.page
        return {
            "id": question.id,
            "title": question.title,
            "titles": {
                lang: text.questions[question.id]
                for lang, text in page.translations.items()
                if question.id in text.questions
            },
            "scale": None if question.scale is None else list(question.scale),
        }

    def _has_consented(self, rater: Rater) -> bool:
        return rater.consented_at is not None or not self.plan.page.consent.strip()

    async def _choose(self, rater: Rater) -> None:
        """Find out what the rater is asked now."""
        if rater.known:
            return
        if not rater.adaptive:
            own = [Given(rater.name, answer.item, answer.values) for answer in rater.answers.values()]
            rater.current, rater.known = next_item(self.plan, own, rater.name), True
            return
        async with self._choosing:  # one after the other: each choice counts those before it as being made
            if rater.known:
                return
            every = [Given(one.rater, one.item, one.values) for one in self.order]
            asked = [(one.name, one.current) for one in self.raters.values() if one.known and one.current is not None]
            choose = partial(next_item, self.plan, every, rater.name, pending=asked)
            found = await asyncio.get_running_loop().run_in_executor(self._chooser, choose)
            if not rater.known:
                rater.current, rater.known = found, True

    def _following(self, rater: Rater, current: str) -> str | None:
        """Return the item after the current one, as far as it is known already."""
        if rater.adaptive:
            return None
        answered = rater.answers.keys() | {current}
        return next((item for item in rater.plan.items if item is not None and item not in answered), None)

    async def _ask(self, rater: Rater, item: str) -> datetime:
        place = rater.name, item
        rater.asked = True
        if place not in self._asked:
            at = self._asked[place] = self._now()
            done = self._writer.write([changes.add_asked(rater.name, item, at)])
            if rater.adaptive:  # after a crash the same pair must be asked
                try:
                    await asyncio.wrap_future(done)
                except EvalkitError:
                    self._asked.pop(place, None)  # it is in no file: stored when it is asked again
                    raise
            return at
        return self._asked[place]

    def _shown(self, rater: Rater, item: str) -> dict[str, Any]:
        """Return an item as the page may know it: gold items and repeats look like all others."""
        found = self.plan.items[item]
        base = f"/m/{rater.plan.token}/"
        picture, sound = self.library.images.get(found.sample), self.library.sounds.get(found.sample)
        return {
            "kind": "training" if found.kind == "training" else "rating",
            "videos": [base + self.library.video(medium) for medium in found.media],
            "image": None if picture is None else base + picture,
            "audio": None if sound is None else base + sound,
        }

    def may_fetch(self, rater: Rater, name: str) -> bool:
        """Return whether a file belongs to what the rater is asked, was asked, or will be."""
        known = [*rater.answers, *(item for item in rater.plan.items if item is not None), rater.current]
        items = [self.plan.items[item] for item in known if item is not None]
        samples = {item.sample for item in items}
        return any(name == self.library.video(medium) for item in items for medium in item.media) or any(
            name in {self.library.images.get(sample), self.library.sounds.get(sample)} for sample in samples
        )

    # --- what a rater does -------------------------------------------------------------------------------------------

    async def consent(self, rater: Rater) -> None:
        """Store that a rater agreed."""
        if rater.consented_at is None:
            at = self._now()
            await asyncio.wrap_future(self._writer.write([changes.add_consent(rater.name, at)]))
            rater.consented_at = at.isoformat()

    async def fetched(self, rater: Rater, medium: str, share: float) -> None:
        """Note how much of a video's bytes a rater's browser has."""
        place = rater.name, medium
        if share > (before := self._fetched.get(place, 0.0)):
            self._fetched[place] = share
            try:
                await asyncio.wrap_future(self._writer.write([changes.set_fetched(rater.name, medium, share)]))
            except EvalkitError:
                self._fetched[place] = before  # it is in no file: stored when it is fetched again
                raise

    def share_fetched(self, rater: Rater, medium: str) -> float:
        """Return how much of a video's bytes was sent to a rater."""
        return self._fetched.get((rater.name, medium), 0.0)

    async def answer(self, rater: Rater, given: Sequence[Any]) -> dict[str, Any]:
        """Take answers; return which are saved, which are refused and why, which must be sent again, and the new state.

        Raises:
            EvalkitError: they can't be stored now; the page must send them again.
        """
        async with rater.lock:
            saved: list[str] = []
            refused: list[dict[str, str]] = []
            waiting: list[dict[str, str]] = []
            new: list[StoredAnswer] = []
            try:
                for one in given:
                    name = _name_of(one)
                    try:
                        answer = read_answer(one)
                        stored = self._known(rater, answer)
                        if stored is None and self.paused:
                            waiting.append({"id": name, "why": "The study is paused."})
                            continue
                        if stored is None:
                            new.append(await self._check(rater, answer))
                            self._take(rater, new[-1])
                        saved.append(name)
                    except RefusedError as error:
                        refused.append({"id": name, "why": str(error), "code": error.code})
            except BaseException:
                self._forget(rater, new)  # else it would be known when it comes again, and in no file
                raise
            await self._store(rater, new)
            return {"saved": saved, "refused": refused, "waiting": waiting, "state": await self.state(rater)}

    def _known(self, rater: Rater, answer: GivenAnswer) -> StoredAnswer | None:
        """Return the stored answer that this is again.

        Raises:
            RefusedError: it is another answer to the same item, or the id of another item's.
        """
        there = rater.answers.get(answer.item)
        if there is not None:
            if there.id == answer.id or answer.values == dict(there.values):
                return there
            raise RefusedError("This item was answered already.", "answered")
        if answer.id in self._ids:
            raise RefusedError("The id belongs to another answer.")
        return None

    async def _check(self, rater: Rater, answer: GivenAnswer) -> StoredAnswer:
        if not self._has_consented(rater):
            raise RefusedError("You have not agreed to take part yet.")
        await self._choose(rater)
        if rater.current is None:
            raise RefusedError("All items are answered.")
        asked_at = self._asked.get((rater.name, answer.item))
        # What was asked just before the server was killed may be in no file; who knows the id was asked.
        lost = asked_at is None and not rater.asked and not rater.adaptive
        if answer.item != rater.current or (asked_at is None and not lost):
            raise RefusedError("This is not the item that was asked.")
        item = self.plan.items[answer.item]
        values: dict[str, float] = {}
        if not answer.unplayable:
            values = check_values(self.plan, answer.values)
            shares = tuple(self.share_fetched(rater, medium) for medium in item.media)
            check_watched(self.plan, item, answer.watched, shares)
        at = self._now()
        return StoredAnswer(
            id=answer.id,
            rater=rater.name,
            item=answer.item,
            values=values,
            at=at,
            seconds=None if asked_at is None else self._seconds(rater, answer, asked_at, at),
            page_seconds=answer.page_seconds,
            watched=answer.watched,
            shown_at=answer.shown_at,
            answered_at=answer.answered_at,
            on_board=answer.unplayable or not is_for_board(self.plan, answer.item),
        )

    def _seconds(self, rater: Rater, answer: GivenAnswer, asked_at: datetime, at: datetime) -> float:
        """Return how long an item was with the rater.

        Without a connection the page goes on with the item that was announced: the server asks for it when the answer
        is there already. The page's time counts then, as far as the previous item was asked so long ago.
        """
        earliest = asked_at
        if not rater.adaptive and rater.answers:
            earliest = self._asked.get((rater.name, next(reversed(rater.answers))), asked_at)
        measured, most = (max(0.0, (at - since).total_seconds()) for since in (asked_at, earliest))
        return max(measured, min(answer.page_seconds, most))

    def _take(self, rater: Rater, answer: StoredAnswer) -> None:
        rater.answers[answer.item] = answer
        rater.known = False
        self.order.append(answer)
        self._ids.add(answer.id)

    def _forget(self, rater: Rater, new: Sequence[StoredAnswer]) -> None:
        """Undo `_take` for answers that are in no file: as if they had never come."""
        for answer in new:
            del rater.answers[answer.item]
            self.order.remove(answer)
            self._ids.remove(answer.id)
        if new:
            rater.current, rater.known = new[0].item, True  # a pair stays chosen: its answer comes again

    async def _store(self, rater: Rater, new: Sequence[StoredAnswer]) -> None:
        if not new:
            return
        try:
            await asyncio.shield(asyncio.wrap_future(self._writer.write(answers=new)))
        except NotStoredError:
            self._forget(rater, new)
            raise

    # --- what the organizer does -------------------------------------------------------------------------------------

    async def pause(self, *, paused: bool) -> None:
        """Stop or resume the collection."""
        await asyncio.wrap_future(self._writer.write([changes.set_paused(paused=paused)]))
        self.paused = paused

    def admit(self, rater: Rater, place: Place) -> None:
        """Give a rater a place that the journal has; a new rater takes part from now on."""
        rater.place = place
        if rater.name not in self.raters:
            self.raters[rater.name] = rater
            self.extras.add(rater.name)
            self._by_token[_digest(rater.plan.token)] = rater
            self.plan = self.plan.model_copy(update={"raters": {**self.plan.raters, rater.name: rater.plan}})

    def asked_raters(self) -> set[str]:
        """Return the raters who were shown an item."""
        return {name for name, _ in self._asked}


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def _name_of(given: Any) -> str:
    """Return the id by which a reply names an answer, whatever it is."""
    name = given.get("id") if isinstance(given, dict) else None
    return name[:64] if isinstance(name, str) else ""
