"""What goes wrong half-way, or happens at the same instant: no answer is lost, doubled, or falsely called saved."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import secrets
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from builders.studio_server import answer_to
from studio.plans import hex_id, plan_document

from evalkit.jsonio import parse_json
from evalkit.studio.journal import Journal
from evalkit.studio.library import Library
from evalkit.studio.places import Places
from evalkit.studio.plan_model import Plan
from evalkit.studio.session import Study
from evalkit.studio.writer import NotStoredError, Writer

TEAMS = ("lumen", "atlas", "corvus")


def list_plan(**changes: Any) -> Plan:
    return Plan.model_validate_json(json.dumps(plan_document(**changes)))


def adaptive_plan(raters: int = 3, seed: int = 1) -> Plan:
    """Return a plan of three teams and two samples, of which each rater compares two pairs that are chosen."""
    document = plan_document(raters=raters, teams=TEAMS)
    media = document["media"]
    items = {
        hex_id(): {"media": [left, right], "sample": media[left]["sample"]}
        for left, right in itertools.combinations(media, 2)
        if media[left]["sample"] == media[right]["sample"]
    }
    document |= {"method": "pairs", "items": items, "seed": seed}
    document["questions"] = [{"id": "pair", "title": "Better?", "scale": None}]
    for rater in document["raters"].values():
        rater["items"] = [None] * 4
    return Plan.model_validate_json(json.dumps(document))


@dataclass
class Opened:
    """A study over a file of its own."""

    study: Study
    places: Places
    journal: Journal

    def stored(self) -> list[tuple[str, str]]:
        return [(one.rater, one.item) for one in self.journal.answers()]

    async def answer(self, name: str, *more: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """Answer what a rater is asked, and whatever else is given."""
        rater = self.study.raters[name]
        state = await self.study.state(rater)
        await self.watch(name)
        values = {"values": {question["id"]: 1 for question in state["questions"]}}
        return await self.study.answer(rater, [answer_to(state, **{**values, **changes}), *more])

    async def watch(self, name: str) -> None:
        for item in self.study.plan.items:
            for video in self.study.showings.names(item):
                await self.study.fetched(self.study.raters[name], video, 1.0)

    @contextmanager
    def full_disk(self, table: str) -> Iterator[None]:
        """Let nothing be added to a table; SQLite ends the transaction by itself, as it does when a disk is full."""
        run = self.journal._connection.execute
        why = "SELECT RAISE(ROLLBACK, 'database or disk is full')"
        run(f"CREATE TEMP TRIGGER full_disk BEFORE INSERT ON {table} BEGIN {why}; END")
        yield
        run("DROP TRIGGER full_disk")


@contextmanager
def opened(plan: Plan, folder: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Iterator[Opened]:
    journal = Journal.open(folder / "studio.sqlite", plan.sha256)
    writer = Writer(journal)
    writer.start()
    study = Study(plan, Library({}), writer, journal=journal, now=now)
    places = Places(study, writer, secrets.token_bytes(32))
    try:
        yield Opened(study, places, journal)
    finally:
        study.close()
        writer.close()
        journal.close()


def test_a_number_that_no_float_holds_is_refused_and_the_answers_beside_it_are_stored(tmp_path: Path) -> None:
    with opened(list_plan(), tmp_path) as studio:
        huge = parse_json('{"id": "12345678", "item": "x", "values": {}, "watched": [1%s]}' % ("0" * 400), finite=True)
        reply = asyncio.run(studio.answer("r01", huge))
        assert [one["why"] for one in reply["refused"]] == ["An answer says how much of each video was played."]
        assert len(reply["saved"]) == len(studio.stored()) == 1


def test_an_answer_beside_which_something_breaks_is_not_taken_for_stored(tmp_path: Path) -> None:
    plan = adaptive_plan()
    with opened(plan, tmp_path) as studio:
        rater = studio.study.raters["r01"]

        async def story() -> None:
            state = await studio.study.state(rater)
            await studio.watch("r01")
            both = [answer_to(state, values={"pair": 1}), answer_to(state, values={"pair": 1}, item=hex_id())]
            studio.study.close()  # the server stops: no further pair can be chosen
            with pytest.raises(RuntimeError):
                await studio.study.answer(rater, both)

        asyncio.run(story())
        assert (rater.answered, len(studio.study.taken), studio.stored()) == (set(), 0, [])


def test_of_several_answers_to_chosen_pairs_none_takes_the_place_of_another(tmp_path: Path) -> None:
    with opened(adaptive_plan(), tmp_path) as studio:

        async def story() -> None:
            foreign = {"id": "12345678", "item": hex_id(), "values": {"pair": 1}, "watched": [1, 1], "page_seconds": 1}
            for _ in range(3):
                reply = await studio.answer("r01", foreign)
                assert (len(reply["saved"]), len(reply["refused"])) == (1, 1)
                assert reply["state"]["item"]["id"] not in studio.study.raters["r01"].answered, "else it is asked again"

        asyncio.run(story())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_pair_stays_chosen_when_its_answer_can_not_be_stored(tmp_path: Path, seed: int) -> None:
    plan = adaptive_plan(seed=seed)
    with opened(plan, tmp_path) as studio:
        rater = studio.study.raters["r01"]

        async def story() -> dict[str, Any]:
            state = await studio.study.state(rater)
            await studio.watch("r01")
            given = answer_to(state, values={"pair": 1})
            await studio.answer("r02")
            await studio.answer("r03")
            with studio.full_disk("answers"), pytest.raises(NotStoredError, match="disk is full"):
                await studio.study.answer(rater, [given])
            assert (await studio.study.state(rater))["item"]["id"] == given["item"]
            return await studio.study.answer(rater, [given])

        reply = asyncio.run(story())
        assert (len(reply["saved"]), reply["refused"]) == (1, [])
        assert len(studio.stored()) == 3


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_raters_who_come_at_the_same_instant_compare_different_pairs(tmp_path: Path, seed: int) -> None:
    plan = adaptive_plan(seed=seed)
    with opened(plan, tmp_path) as studio:

        async def story() -> list[dict[str, Any]]:
            return await asyncio.gather(*(studio.study.state(rater) for rater in studio.study.raters.values()))

        asked = [state["item"]["id"] for state in asyncio.run(story())]
        assert {frozenset(plan.teams_of(item)) for item in asked} == {
            frozenset(pair) for pair in itertools.combinations(TEAMS, 2)
        }


@pytest.mark.parametrize("restart", [False, True])
def test_a_pair_of_a_rater_who_left_is_free_again(tmp_path: Path, restart: bool) -> None:
    """Of three pairs, r02 alone would be asked that of r01: not while r01 is there, but once r01 has left."""
    start = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def second(plan: Plan, folder: Path, left: timedelta | None) -> tuple[str | None, str]:
        """Return what r01 is asked, and what r02 is asked after that."""
        folder.mkdir()
        first, now = None, start
        with opened(plan, folder, lambda: now) as studio:
            raters = studio.study.raters
            if left is not None:
                first = asyncio.run(studio.study.state(raters["r01"]))["item"]["id"]
                now += left
            if not restart:
                return first, asyncio.run(studio.study.state(raters["r02"]))["item"]["id"]
        with opened(plan, folder, lambda: now) as studio:
            found = asyncio.run(studio.study.state(studio.study.raters["r02"]))["item"]["id"]
            assert studio.study.raters["r01"].current == first, "who comes back is asked the same"
            return first, found

    for seed in range(10):
        plan = adaptive_plan(seed=seed)
        _, alone = second(plan, tmp_path / f"{seed}-alone", None)
        first, beside = second(plan, tmp_path / f"{seed}-beside", timedelta(minutes=14))
        if set(plan.teams_of(str(first))) == set(plan.teams_of(alone)):
            assert set(plan.teams_of(beside)) != set(plan.teams_of(alone))
            _, after = second(plan, tmp_path / f"{seed}-after", timedelta(minutes=16))
            assert after == alone
            return
    pytest.fail("no seed shows anything")


def test_a_pair_is_chosen_for_nobody_who_has_not_agreed(tmp_path: Path) -> None:
    plan = adaptive_plan()
    plan = plan.model_copy(update={"page": plan.page.model_copy(update={"consent": "Is that all right?"})})
    with opened(plan, tmp_path) as studio:
        state = asyncio.run(studio.study.state(studio.study.raters["r01"]))
        assert (state["consented"], state["finished"]) == (False, False)
        assert studio.study.raters["r01"].current is None, "it would count as being compared"


def test_a_pair_whose_asking_could_not_be_stored_is_stored_when_it_is_asked_again(tmp_path: Path) -> None:
    plan = adaptive_plan()
    with opened(plan, tmp_path) as studio:

        async def story() -> str:
            rater = studio.study.raters["r01"]
            with studio.full_disk("asked"), pytest.raises(NotStoredError):
                await studio.study.state(rater)
            found: str = (await studio.study.state(rater))["item"]["id"]
            return found

        item = asyncio.run(story())
    with opened(plan, tmp_path) as again:
        assert again.study.raters["r01"].current == item


def test_an_answer_to_what_was_asked_before_a_crash_is_taken(tmp_path: Path) -> None:
    plan = list_plan()
    with opened(plan, tmp_path) as studio:

        async def before() -> dict[str, Any]:
            state = await studio.study.state(studio.study.raters["r01"])
            await studio.watch("r01")  # stored after what was asked
            return answer_to(state)

        given = asyncio.run(before())
        studio.journal._connection.execute("DELETE FROM asked")  # the process ended before this was written
    with opened(plan, tmp_path) as again:
        reply = asyncio.run(again.study.answer(again.study.raters["r01"], [given]))
        assert (len(reply["saved"]), reply["refused"]) == (1, [])
        assert [one.seconds for one in again.journal.answers()] == [None], "the server does not know"


def test_how_much_was_fetched_is_stored_when_the_disk_has_room_again(tmp_path: Path) -> None:
    plan = list_plan()
    with opened(plan, tmp_path) as studio:
        video = studio.study.showings.names(str(plan.raters["r01"].items[0]))[0]

        async def story() -> None:
            rater = studio.study.raters["r01"]
            with studio.full_disk("fetched"), pytest.raises(NotStoredError):
                await studio.study.fetched(rater, video, 1.0)
            await studio.study.fetched(rater, video, 1.0)

        asyncio.run(story())
        assert studio.journal.held().fetched == {("r01", video): 1.0}


def test_an_invitation_that_can_not_be_stored_leaves_nobody_behind(tmp_path: Path) -> None:
    plan = list_plan(raters=1)
    with opened(plan, tmp_path) as studio:

        async def story() -> list[str]:
            first = await studio.places.invite()
            with studio.full_disk("places"), pytest.raises(NotStoredError):
                await studio.places.invite()
            assert list(studio.study.raters) == ["r01"]
            return [first.name, (await studio.places.invite()).name]

        assert asyncio.run(story()) == ["r01", "extra-1"]
        token = studio.study.raters["extra-1"].plan.token
    with opened(plan, tmp_path) as again:
        found = again.study.rater(token)
        assert found is not None
        assert found.name == "extra-1"


def test_invited_raters_of_a_plan_for_teams_alone_are_there_after_a_restart(tmp_path: Path) -> None:
    document = plan_document(raters=2, teams=("lumen", "atlas"))
    for rater in document["raters"].values():
        rater["team"], rater["items"] = "corvus", rater["items"][:2]
    plan = Plan.model_validate_json(json.dumps(document))
    with opened(plan, tmp_path) as studio:

        async def story() -> list[str]:
            return [(await studio.places.invite()).name for _ in range(3)]

        assert asyncio.run(story()) == ["extra-1", "extra-2", "extra-3"]
    with opened(plan, tmp_path) as again:
        assert list(again.study.raters) == ["r01", "r02", "extra-1", "extra-2", "extra-3"]


def test_the_id_of_another_raters_answer_is_refused(tmp_path: Path) -> None:
    with opened(list_plan(), tmp_path) as studio:

        async def story() -> list[dict[str, Any]]:
            return [await studio.answer(name, id="same-id-twice") for name in ("r01", "r02")]

        first, second = asyncio.run(story())
        assert first["saved"] == ["same-id-twice"]
        assert second["refused"][0]["why"] == "The id belongs to another answer."
        assert len(studio.stored()) == 1


def test_an_answer_leaves_some_hundred_bytes_in_memory(tmp_path: Path) -> None:
    document = plan_document(raters=1)
    first = next(iter(document["items"].values()))
    document["items"] = {hex_id(): first for _ in range(600)}
    document["raters"]["r01"]["items"] = list(document["items"])
    plan = Plan.model_validate_json(json.dumps(document))
    with opened(plan, tmp_path) as studio:
        study, rater = studio.study, studio.study.raters["r01"]

        async def answers(count: int) -> None:
            for _ in range(count):
                state = await study.state(rater)
                for video in study.showings.names(state["item"]["id"]):
                    await study.sent(rater, video, (0, 100), 100)
                values = {question["id"]: 1 for question in state["questions"]}
                assert len((await study.answer(rater, [answer_to(state, values=values)]))["saved"]) == 1

        async def growth() -> float:
            await answers(200)
            gc.collect()
            before = tracemalloc.get_traced_memory()[0]
            await answers(400)
            gc.collect()
            return (tracemalloc.get_traced_memory()[0] - before) / 400

        tracemalloc.start()
        try:
            assert asyncio.run(growth()) < 400
        finally:
            tracemalloc.stop()
        assert len(studio.stored()) == len(study.taken) == 600
        assert (rater.fetched, rater.parts, len(rater.asked)) == ({}, {}, 1)
    with opened(plan, tmp_path) as again:
        rater = again.study.raters["r01"]
        assert (len(rater.answered), rater.fetched, len(rater.asked)) == (600, {}, 1)
        assert len(again.study.taken) == 600
