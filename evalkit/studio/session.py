"""A running study: what each rater sees now, and which answers are taken. All of it runs on the server's event loop."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any

from anyio import to_thread

from evalkit.errors import EvalkitError
from evalkit.studio import journal as changes
from evalkit.studio.boarding import is_for_board
from evalkit.studio.checking import GivenAnswer, RefusedError, check_values, check_watched, read_answer
from evalkit.studio.journal import Held, Journal, Place, StoredAnswer
from evalkit.studio.library import Library, ServedFile
from evalkit.studio.next_item import Given, next_item
from evalkit.studio.plan_model import Plan, Question
from evalkit.studio.ranges import merged
from evalkit.studio.rater_state import Rater, RaterSnapshot
from evalkit.studio.showings import Showings
from evalkit.studio.taken import Taken
from evalkit.studio.writer import NotStoredError, Writer

PROLIFIC_END = "https://app.prolific.com/submissions/complete?cc="


class Study:
    """A plan, and all that has happened with it.

    Args:
        plan: without items that can't be shown.
        library: the files.
        writer: makes changes durable.
        journal: what it writes to: all answers.
        now: the clock.

    Raises:
        StorageError: the journal can't be read.
    """

    def __init__(
        self,
        plan: Plan,
        library: Library,
        writer: Writer,
        *,
        journal: Journal,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        held = journal.held()
        extras = {
            name: plan.raters[alike].model_copy(update={"token": token, "team": None})
            for name, (token, alike) in held.extras.items()
        }
        self.extras = set(held.extras)
        self.plan = plan.model_copy(update={"raters": {**plan.raters, **extras}})
        self.library = library
        self.showings = Showings(plan, journal.secret)
        self.paused = held.paused
        self.raters = {name: Rater(name, rater) for name, rater in self.plan.raters.items()}
        self.taken = Taken((question.id for question in plan.questions), plan.items)
        self._ids: set[int] = set()  # hashes of answers' ids: of a million, two have the same with a chance of 1e-7
        self._writer = writer
        self._journal = journal
        self._now = now
        self._chooser = ThreadPoolExecutor(1, "studio-chooser")
        self._choosing = asyncio.Lock()
        self._restore(held)
        self._by_token = {_digest(rater.plan.token): rater for rater in self.raters.values()}

    def _restore(self, held: Held) -> None:
        """Bring everything to where it was when the server stopped."""
        for answer in self._journal.each_answer():
            self._ids.add(hash(answer.id))
            if answer.rater in self.raters and answer.item in self.plan.items:
                self.raters[answer.rater].take(answer)
                self.taken.add(answer)
        for name, at in held.consents.items():
            if name in self.raters:
                self.raters[name].consented_at = at
        for name, place in held.places.items():
            if name in self.raters:
                self.raters[name].place = place
        for (name, item), moment in sorted(held.asked.items(), key=lambda one: one[1]):
            rater = self.raters.get(name)
            if rater is None:
                continue
            rater.asked[item] = moment
            open_ = not rater.known and item in self.plan.items and item not in rater.answered
            if rater.adaptive and open_:
                rater.current, rater.known = item, True  # the pair that was chosen before the server stopped
        for (name, video), share in held.fetched.items():
            showing = self.showings.find(video)
            if name in self.raters and showing is not None and showing.item not in self.raters[name].answered:
                self.raters[name].fetched[video] = share

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
        rater.seen = self._now()
        consented = self._has_consented(rater)
        if consented:  # a pair that is chosen counts as being compared
            await self._choose(rater)
        done, total = len(rater.answered), len(rater.plan.items)
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
        titles = self.plan.page.titles_of(question.id)
        scale = None if question.scale is None else list(question.scale)
        return {"id": question.id, "title": question.title, "titles": titles, "scale": scale}

    def _has_consented(self, rater: Rater) -> bool:
        return rater.consented_at is not None or not self.plan.page.consent.strip()

    async def _choose(self, rater: Rater) -> None:
        """Find out what the rater is asked now."""
        if rater.known:
            return
        if not rater.adaptive:
            own = [Given(rater.name, item, {}) for item in rater.answered]
            rater.current, rater.known = next_item(self.plan, own, rater.name), True
            return
        async with self._choosing:  # one after the other: each choice counts those before it as being made
            if rater.known:
                return
            every, now = list(self.taken.given()), self._now()
            asked = [(one.name, str(one.current)) for one in self.raters.values() if one.is_comparing(now)]
            choose = partial(next_item, self.plan, every, rater.name, pending=asked)
            found = await asyncio.get_running_loop().run_in_executor(self._chooser, choose)
            if not rater.known:
                rater.current, rater.known = found, True

    def _following(self, rater: Rater, current: str) -> str | None:
        """Return the item after the current one, as far as it is known already."""
        if rater.adaptive:
            return None
        answered = rater.answered | {current}
        return next((item for item in rater.plan.items if item is not None and item not in answered), None)

    async def _ask(self, rater: Rater, item: str) -> datetime:
        rater.here = True
        if item not in rater.asked:
            at = rater.asked[item] = self._now()
            done = self._writer.write([changes.add_asked(rater.name, item, at)])
            if rater.adaptive:  # after a crash the same pair must be asked
                try:
                    await asyncio.wrap_future(done)
                except EvalkitError:
                    rater.asked.pop(item, None)  # it is in no file: stored when it is asked again
                    raise
            return at
        return rater.asked[item]

    def _shown(self, rater: Rater, item: str) -> dict[str, Any]:
        """Return an item as the page may know it: gold items and repeats look like all others."""
        found = self.plan.items[item]
        base = f"/m/{rater.plan.token}/"
        picture, sound = self.library.images.get(found.sample), self.library.sounds.get(found.sample)
        return {
            "kind": "training" if found.kind == "training" else "rating",
            "videos": [base + name for name in self.showings.names(item)],
            "image": None if picture is None else base + picture,
            "audio": None if sound is None else base + sound,
        }

    def file(self, rater: Rater, name: str) -> ServedFile | None:
        """Return the file that a name stands for, if it belongs to what the rater is asked, was asked, or will be."""
        showing = self.showings.find(name)
        if showing is not None:
            item = showing.item
            if item not in rater.plan.items and item not in rater.answered and item != rater.current:
                return None
            return self.library.files.get(self.library.video(self.plan.items[item].media[showing.at]))
        known = {*rater.answered, *rater.plan.items, rater.current} - {None}
        samples = {self.plan.items[item].sample for item in known if item is not None}
        if any(name in {self.library.images.get(sample), self.library.sounds.get(sample)} for sample in samples):
            return self.library.files.get(name)
        return None

    # --- what a rater does -------------------------------------------------------------------------------------------

    async def consent(self, rater: Rater) -> None:
        """Store that a rater agreed."""
        if rater.consented_at is None:
            at = self._now()
            await asyncio.wrap_future(self._writer.write([changes.add_consent(rater.name, at)]))
            rater.consented_at = at.isoformat()

    async def sent(self, rater: Rater, name: str, part: tuple[int, int], size: int) -> None:
        """Note that a rater's browser was sent a part of a file, which has ``size`` bytes."""
        rater.seen = self._now()
        showing = self.showings.find(name)
        if showing is None or showing.item in rater.answered:
            return  # only what is played for an answer to come is of interest
        known = rater.parts.get(name)
        if known is None:  # before this start; only how much is stored, and browsers load from the beginning
            known = [(0, round(rater.fetched.get(name, 0.0) * size))]
        rater.parts[name] = merged(known, part)
        await self.fetched(rater, name, sum(to - at for at, to in rater.parts[name]) / size)

    async def fetched(self, rater: Rater, name: str, share: float) -> None:
        """Note how much of a video's bytes a rater's browser has."""
        if share > (before := rater.fetched.get(name, 0.0)):
            rater.fetched[name] = share
            try:
                await asyncio.wrap_future(self._writer.write([changes.set_fetched(rater.name, name, share)]))
            except EvalkitError:
                rater.fetched[name] = before  # it is in no file: stored when it is fetched again
                raise

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
            before = RaterSnapshot(rater.asked, rater.last, rater.last_item)
            try:
                for one in given:
                    name = _name_of(one)
                    try:
                        answer = read_answer(one)
                        known = await self._is_known(rater, answer, new)
                        if not known and self.paused:
                            waiting.append({"id": name, "why": "The study is paused."})
                            continue
                        if not known:
                            taken = await self._check(rater, answer)
                            self._take(rater, taken)
                            new.append(taken)
                        saved.append(name)
                    except RefusedError as error:
                        refused.append({"id": name, "why": str(error), "code": error.code})
            except BaseException:
                self._forget(rater, new, before)  # else it would be known when it comes again, and in no file
                raise
            await self._store(rater, new, before)
            return {"saved": saved, "refused": refused, "waiting": waiting, "state": await self.state(rater)}

    async def _is_known(self, rater: Rater, answer: GivenAnswer, new: Sequence[StoredAnswer]) -> bool:
        """Return whether an answer is stored, or among the new ones, already.

        Raises:
            RefusedError: it is another answer to the same item, or the id of another item's.
        """
        if answer.item in rater.answered:
            there = next((one for one in new if one.item == answer.item), None)
            if there is None:
                there = await to_thread.run_sync(self._journal.answer_to, rater.name, answer.item)
            if there is not None and (there.id == answer.id or answer.values == dict(there.values)):
                return True
            raise RefusedError("This item was answered already.", "answered")
        self._refuse_foreign(answer.id)
        return False

    async def _check(self, rater: Rater, answer: GivenAnswer) -> StoredAnswer:
        if not self._has_consented(rater):
            raise RefusedError("You have not agreed to take part yet.")
        await self._choose(rater)
        if rater.current is None:
            raise RefusedError("All items are answered.")
        asked_at = rater.asked.get(answer.item)
        # What was asked just before the server was killed may be in no file; who knows the id was asked.
        lost = asked_at is None and not rater.here and not rater.adaptive
        if answer.item != rater.current or (asked_at is None and not lost):
            raise RefusedError("This is not the item that was asked.")
        item = self.plan.items[answer.item]
        values: dict[str, float] = {}
        if not answer.unplayable:
            values = check_values(self.plan, answer.values)
            shares = tuple(rater.fetched.get(name, 0.0) for name in self.showings.names(answer.item))
            check_watched(self.plan, item, answer.watched, shares)
        at = self._now()
        return StoredAnswer(
            id=answer.id,
            rater=rater.name,
            item=rater.current,  # the plan's own text: it is kept
            values=values,
            at=at,
            seconds=None if asked_at is None else rater.seconds_with_item(asked_at, at, answer.page_seconds),
            page_seconds=answer.page_seconds,
            watched=answer.watched,
            shown_at=answer.shown_at,
            answered_at=answer.answered_at,
            on_board=answer.unplayable or not is_for_board(self.plan, answer.item),
        )

    def _take(self, rater: Rater, answer: StoredAnswer) -> None:
        self._refuse_foreign(answer.id)  # it may have come while the item was checked
        self._ids.add(hash(answer.id))
        rater.take(answer)
        self.taken.add(answer)

    def _refuse_foreign(self, identity: str) -> None:
        if hash(identity) in self._ids:
            raise RefusedError("The id belongs to another answer.")

    def _forget(self, rater: Rater, new: Sequence[StoredAnswer], before: RaterSnapshot) -> None:
        """Undo `_take` for answers that are in no file: as if they had never come."""
        for answer in new:
            self.taken.remove(answer)
            self._ids.discard(hash(answer.id))
        if new:
            rater.restore(before, [answer.item for answer in new])

    async def _store(self, rater: Rater, new: Sequence[StoredAnswer], before: RaterSnapshot) -> None:
        if not new:
            return
        try:
            await asyncio.shield(asyncio.wrap_future(self._writer.write(answers=new)))
        except NotStoredError:
            self._forget(rater, new, before)
            raise
        for answer in new:
            for name in self.showings.names(answer.item):
                rater.fetched.pop(name, None)
                rater.parts.pop(name, None)

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


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def _name_of(given: Any) -> str:
    """Return the id by which a reply names an answer, whatever it is."""
    name = given.get("id") if isinstance(given, dict) else None
    return name[:64] if isinstance(name, str) else ""
