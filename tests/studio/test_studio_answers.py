"""Answers over HTTP: which are taken, what the board has then, and what no byte of a response ever says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from builders.studies import CONSENT, BuiltStudy, prepared_study
from builders.studio_server import Served, answer_to, served

from evalkit.board.filtering import filter_answers


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> BuiltStudy:
    return prepared_study(tmp_path_factory.mktemp("study"), raters=13)


@pytest.fixture(scope="module")
def studio(study: BuiltStudy) -> Iterator[Served]:
    with served(study) as running:
        yield running


def test_a_rater_from_the_consent_to_the_code(studio: Served) -> None:
    person, plan = studio.person(1), studio.study.plan
    first = person.state()
    assert (first["consented"], first["item"], first["total"], first["rater_done"]) == (False, None, 7, 0)
    state = person.agree()
    asked, values = [], {}
    for number in range(7):
        assert state["rater_done"] == number
        assert state["completion_code"] is None
        answer, reply = person.next(1 + number % 5)
        assert (reply["saved"], reply["refused"], reply["waiting"]) == ([answer["id"]], [], [])
        asked.append(answer["item"])
        values[answer["item"]] = 1.0 + number % 5
        following, state = state["next"], reply["state"]
        shown = state["item"] and {name: state["item"][name] for name in following}
        assert shown == following, "what was announced comes"
    assert tuple(asked) == plan.raters["rater-1"].items
    assert (state["item"], state["finished"], state["completion_code"]) == (None, True, "CODE-1234")
    mine = [one for one in studio.board.snapshot().answers if one.rater == "rater-1"]
    kinds = {name: item.kind for name, item in plan.items.items()}
    expected = [(item, dimension) for item in asked if kinds[item] != "training" for dimension in ("sync", "natural")]
    assert [(one.item, one.dimension) for one in mine] == expected, "training is not for the board"
    assert [one.value for one in mine] == [values[item] for item, _ in expected]
    assert all(0 <= (one.seconds or 0) <= 6.5 for one in mine)


def test_the_board_knows_whose_video_an_item_is(studio: Served) -> None:
    person = studio.person(2)
    person.agree()
    while person.state()["item"] is not None:
        person.next(4)
    held = studio.board.snapshot()
    mine = [one for one in filter_answers(held).verdicts if one.answer.rater == "rater-2"]
    assert [one.codes for one in mine] == [()] * 12
    assert {one.entry.team for one in mine if one.entry is not None} == {"Nebula Lab", "Quasar Group"}
    gold = next(name for name, item in studio.study.plan.items.items() if item.kind == "gold")
    assert [(one.item, one.dimension, one.low, one.high) for one in held.gold] == [(gold, "sync", 4.0, 5.0)]
    assert len({one.number for one in held.imports}) == 1, "all of a study is one import"
    assert studio.board.verify() == []


def change(**changes: Any) -> dict[str, Any]:
    return changes


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (change(item="0" * 32), "not the item that was asked"),
        (change(values={"sync": 3}), "no answer to: Naturalness"),
        (change(values={"sync": 3, "natural": 3, "more": 3}), "another question"),
        (change(values={"sync": 6, "natural": 3}), "a whole number from 1 to 5"),
        (change(values={"sync": 2.5, "natural": 3}), "a whole number from 1 to 5"),
        (change(values={"sync": True, "natural": 3}), "a whole number from 1 to 5"),
        (change(values={"sync": "5", "natural": 3}), "a whole number from 1 to 5"),
        (change(watched=[0.5]), "not watched to its end"),
        (change(watched=[]), "not watched to its end"),
        (change(watched="all"), "how much of each video"),
        (change(page_seconds=-1), "how many seconds"),
        (change(page_seconds=10**400), "how many seconds"),
        (change(id="x" * 65), "an id of 8 to 64"),
        (change(id=7), "an id of 8 to 64"),
        (change(shown_at="yesterday"), "A time is written"),
    ],
)
def test_what_is_no_answer_to_what_was_asked_is_refused(studio: Served, changes: dict[str, Any], why: str) -> None:
    person = studio.person(3)
    state = person.agree()
    person.watch(state["item"])
    if "page_seconds" in changes and changes["page_seconds"] > 1:
        text = json.dumps({"answers": [answer_to(state)]}).replace("6.5", "1e999")
        assert studio.client.post(f"/r/{person.token}/answers", text.encode()).status == 400
        return
    reply = person.send(answer_to(state, **changes))
    assert reply["saved"] == []
    assert why in reply["refused"][0]["why"]
    assert person.state()["rater_done"] == 0


def test_a_video_that_was_not_loaded_is_not_watched(studio: Served) -> None:
    person = studio.person(4)
    state = person.agree()
    (address,) = state["item"]["videos"]
    size = int(studio.client.ask("HEAD", address).headers["content-length"])
    assert "not loaded" in person.send(answer_to(state))["refused"][0]["why"]
    assert studio.client.get(address, Range=f"bytes=0-{size // 2}").status == 206
    assert "not loaded" in person.send(answer_to(state))["refused"][0]["why"]
    assert studio.client.get(address, Range=f"bytes={size // 2}-").status == 206
    assert len(person.send(answer_to(state))["saved"]) == 1, "two halves are the whole"


def test_the_rest_of_a_video_may_come_after_a_restart(tmp_path: Path) -> None:
    study = prepared_study(tmp_path, raters=1)
    with served(study) as studio:
        state = studio.person().agree()
        (address,) = state["item"]["videos"]
        size = int(studio.client.ask("HEAD", address).headers["content-length"])
        assert studio.client.get(address, Range=f"bytes=0-{size * 6 // 10}").status == 206
    with served(study) as again:
        assert again.client.get(address, Range=f"bytes={size * 6 // 10}-").status == 206
        assert len(again.person().send(answer_to(state))["saved"]) == 1, "the browser had the first part already"


def test_without_an_agreement_nothing_is_taken(studio: Served) -> None:
    person = studio.person(5)
    item = studio.study.plan.raters["rater-5"].items[0]
    state = {**person.state(), "item": {"id": item, "videos": ["x"]}}
    assert "not agreed" in person.send(answer_to(state))["refused"][0]["why"]
    assert studio.client.post(f"/r/{person.token}/consent", {"agree": False}).status == 400
    assert person.state()["consented"] is False


def test_the_same_answer_is_saved_once(studio: Served) -> None:
    person = studio.person(6)
    person.agree()
    person.next()  # training
    answer, _ = person.next(2)
    before = len(studio.board.log())
    assert person.send(answer)["saved"] == [answer["id"]]
    assert person.send(answer, answer)["saved"] == [answer["id"]] * 2
    other_id = {**answer, "id": "another-id-of-the-page"}
    assert person.send(other_id)["saved"] == ["another-id-of-the-page"], "it says the same"
    changed = {**other_id, "values": {"sync": 5, "natural": 5}}
    assert person.send(changed)["refused"][0]["why"] == "This item was answered already."
    reply = person.send({**answer_to(person.state()), "id": answer["id"]})
    assert "another answer" in reply["refused"][0]["why"]
    assert len(studio.board.log()) == before
    mine = [one for one in studio.board.snapshot().answers if one.rater == "rater-6"]
    assert [one.value for one in mine] == [2.0, 2.0]


def test_answers_to_two_items_at_once_are_taken_in_their_order(studio: Served) -> None:
    person = studio.person(7)
    state = person.agree()
    person.watch(state["item"])
    first = answer_to(state)
    second = {**answer_to(state), "item": studio.study.plan.raters["rater-7"].items[1]}
    reply = person.send(first, second)
    assert reply["saved"] == [first["id"]]
    assert "not the item that was asked" in reply["refused"][0]["why"], "nobody asked it yet"
    person.watch(person.state()["item"])
    assert person.send(second)["saved"] == [second["id"]]


def test_nothing_that_a_browser_gets_names_a_team(studio: Served) -> None:
    person = studio.person(8)
    pages = [f"/r/{person.token}", f"/r/{person.token}/state", "/r/unknown", "/robots.txt", "/m/x/y.mp4", "/nothing"]
    state = person.agree()
    item = state["item"]
    for path in [*pages, *item["videos"], item["image"], item["audio"]]:
        studio.client.get(path)
    while person.state()["item"] is not None:
        person.next()
    studio.client.post(f"/r/{person.token}/answers", b"[")
    everything = b"".join(studio.client.seen)
    assert CONSENT.encode() in everything
    assert [word for word in [*studio.study.secrets, b"x264", b"Lavc", b"gold", b"repeat"] if word in everything] == []


def test_who_has_no_token_gets_the_same_page_and_nothing_else(studio: Served) -> None:
    known, unknown = studio.person(9), "A" * 32
    mine, other = studio.client.get(f"/r/{known.token}"), studio.client.get(f"/r/{unknown}")
    assert (mine.status, other.status) == (200, 404)
    assert mine.body == other.body
    for path in ("state", "consent", "answers"):
        method = "GET" if path == "state" else "POST"
        assert studio.client.ask(method, f"/r/{unknown}/{path}", b"{}" if method == "POST" else None).status == 404
    video = known.agree()["item"]["videos"][0]
    assert studio.client.get(video.replace(known.token, unknown)).status == 404
    assert studio.client.get(video).status == 200


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"\xff", b'{"answers": {}}', b'{"answers": [1], "answers": []}', b'{"answers": NaN}',
     b"[" * 5000, b'{"answers": ' + b"9" * 5000 + b"}", json.dumps({"answers": [{}] * 51}).encode()],
)  # fmt: skip
def test_what_is_not_a_list_of_answers_is_a_fault_of_the_request(studio: Served, body: bytes) -> None:
    reply = studio.client.post(f"/r/{studio.person(9).token}/answers", body)
    assert reply.status == 400
    assert set(reply.json) == {"error"}


def test_a_long_request_is_not_read(studio: Served) -> None:
    path = f"/r/{studio.person(9).token}/answers"
    assert studio.client.post(path, b" " * (200 * 1024)).status == 413
    assert studio.client.post(path, None, Content_Length="99999999999999999999").status == 413


def test_entries_of_a_list_that_are_no_answers_are_refused_one_by_one(studio: Served) -> None:
    person = studio.person(10)
    person.agree()
    reply = person.send(1, None, {"id": "abcdefgh"}, [], {"id": "abcdefgh", "item": "x", "values": []})  # type: ignore[arg-type]
    assert len(reply["refused"]) == 5
    assert all(one["why"] for one in reply["refused"])


def test_every_response_has_the_headers_of_safety(studio: Served) -> None:
    person = studio.person(11)
    video = person.agree()["item"]["videos"][0]
    for path, cache in [
        (f"/r/{person.token}", "no-store"),
        (f"/r/{person.token}/state", "no-store"),
        ("/nothing", "no-store"),
        (video, "private, max-age=86400"),
    ]:
        headers = studio.client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["cache-control"] == cache
        assert "server" not in headers


def test_too_many_requests_are_slowed_down(studio: Served) -> None:
    person = studio.person(12)
    found = [studio.client.get(f"/r/{person.token}/state").status for _ in range(160)]
    assert found[:100] == [200] * 100
    assert 429 in found
    assert studio.person(9).state()["consented"], "others are not held up"


def test_the_study_lies_in_a_folder_that_only_its_owner_reads(studio: Served) -> None:
    folder = studio.study.folder / "plan-studio"
    assert (folder.stat().st_mode & 0o777, (folder / "studio.sqlite").stat().st_mode & 0o777) == (0o700, 0o600)
    names = [path.name for path in Path(folder / "media").iterdir()]
    assert [name for name in names if "s1" in name.split("-")[1] or "Nebula" in name] == []


def test_a_video_that_can_not_be_played_is_no_answer_and_the_study_goes_on(studio: Served) -> None:
    person = studio.person(11)
    state = person.agree()
    first = state["item"]["id"]
    refused = person.send(answer_to(state, values={}, watched=[0]))
    assert "no answer to" in refused["refused"][0]["why"]
    reply = person.send(answer_to(state, values={}, watched=[0], unplayable=True))
    assert (len(reply["saved"]), reply["state"]["rater_done"]) == (1, 1)
    state = reply["state"]
    reply = person.send(answer_to(state, watched=[0], unplayable=True))
    assert "not watched" in reply["refused"][0]["why"], "with answers it is an answer"
    while person.state()["item"] is not None:
        assert person.state()["item"]["id"] != first
        person.send(answer_to(person.state(), values={}, watched=[0], unplayable=True))
    assert [one for one in studio.board.snapshot().answers if one.rater == "rater-11"] == []


def test_the_page_is_told_that_an_item_was_answered(studio: Served) -> None:
    person = studio.person(13)
    person.agree()
    answer, _ = person.next(3)
    reply = person.send({**answer, "id": "another-answer", "values": dict.fromkeys(answer["values"], 4)})
    assert [(one["id"], one["code"]) for one in reply["refused"]] == [("another-answer", "answered")]
    assert person.send({**answer, "id": "one-more-answer", "item": "x"})["refused"][0]["code"] == "other"


def test_an_item_that_was_shown_without_a_connection_has_the_time_of_the_page(tmp_path: Path) -> None:
    """The second item is asked and answered within a moment, 30 s after the first was asked."""
    from datetime import timedelta

    with served(prepared_study(tmp_path, raters=1)) as studio:
        asked = studio.running.study.raters["rater-1"].asked
        person = studio.person(1)
        first = person.agree()
        asked[first["item"]["id"]] -= timedelta(seconds=30)
        person.watch(first["item"])
        second = person.send(answer_to(first, page_seconds=10))["state"]
        person.watch(second["item"])
        third = person.send(answer_to(second, page_seconds=20))["state"]
        person.watch(third["item"])
        person.send(answer_to(third, page_seconds=500))
        times = [one.seconds for one in studio.stored("rater-1")]
    assert times[0] is not None and times[0] >= 30
    assert times[1] == 20
    assert times[2] is not None and times[2] < 20, "no more than has passed"
