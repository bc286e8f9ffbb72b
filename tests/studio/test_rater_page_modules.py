"""The modules of the rater's page in a browser, each by itself: their files are served by the test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from evalkit.studio.pages.assets import assets, static_prefix

pytestmark = pytest.mark.browser
HOST = "http://studio.test"


@pytest.fixture(scope="module")
def page(browser: Any) -> Iterator[Any]:
    opened = browser.new_page()

    def answer(route: Any) -> None:
        path = route.request.url.removeprefix(HOST)
        found = assets().get(path)
        body = found.content if found else b"<!doctype html><title>modules</title>"
        route.fulfill(body=body, content_type=found.media_type if found else "text/html")

    opened.route(f"{HOST}/**", answer)
    opened.goto(HOST)
    yield opened
    opened.close()


def run(page: Any, module: str, code: str, **given: Any) -> Any:
    """Return what an async function says that has the module as ``m``, and ``given``."""
    where = f"{static_prefix()}/rater/{module}.js"
    return page.evaluate(f"async (given) => {{ const m = await import('{where}'); {code} }}", given)


@pytest.mark.parametrize(
    ("ranges", "share"),
    [
        ([[0, 10]], 1.0),
        ([[0, 3], [5, 10]], 0.8),
        ([[0, 6], [4, 9]], 0.9),  # what was played twice counts once
        ([[4, 6], [0, 2], [1, 3]], 0.5),
        ([[9.9, 10]], 0.01),  # a jump to the end
        ([[0.2, 9.8]], 1.0),  # players report the ends a little late and early
        ([[0, 5.1], [5.3, 10]], 1.0),
        ([[0, 5.1], [5.5, 10]], 0.96),
        ([], 0.0),
    ],
)
def test_the_share_watched_is_that_of_the_union_of_what_was_played(page: Any, ranges: Any, share: float) -> None:
    assert run(page, "watched", "return m.share(given.ranges, 10)", ranges=ranges) == pytest.approx(share)


@pytest.mark.parametrize("duration", ["0", "NaN", "Infinity"])
def test_nothing_of_a_video_without_a_duration_was_watched(page: Any, duration: str) -> None:
    assert run(page, "watched", f"return m.share([[0, 5]], {duration})") == 0


def test_time_in_a_hidden_tab_does_not_count(page: Any) -> None:
    code = """
        let now = 1000, seen = true;
        const clock = new m.VisibleClock(() => now, () => seen), found = [];
        const go = (to) => { now = to; found.push(clock.seconds()); };
        const turn = (to, state) => { now = to; seen = state; clock.changed(); };
        go(3000);
        turn(4000, false); go(60000); turn(64000, true); go(65500);
        clock.restart(); go(66000);
        return found;
    """
    assert run(page, "clock", code) == [2, 3, 4.5, 0.5]


ASKED = {"consented": True, "paused": False, "finished": False, "break_due": False, "rater_done": 3, "item": {}}
HEARD = {"heard": True, "breakAt": -1, "unsent": 0}


@pytest.mark.parametrize(
    ("state", "local", "screen"),
    [
        (None, {}, "loading"),
        (None, {"failed": True}, "unreachable"),
        (None, {"unknown": True}, "unknown"),
        ({"consented": False}, {}, "consent"),
        ({}, {"heard": False}, "volume"),
        ({}, {}, "item"),
        ({"break_due": True}, {}, "break"),
        ({"break_due": True}, {"breakAt": 3}, "item"),
        ({"break_due": True, "projected": True}, {}, "item"),
        ({"paused": True, "item": None}, {}, "paused"),
        ({"item": None, "projected": True}, {"unsent": 1}, "waiting"),
        ({"item": None, "finished": True}, {"unsent": 1}, "waiting"),
        ({"item": None, "finished": True}, {}, "thanks"),
        ({"item": None, "finished": True, "paused": True}, {}, "thanks"),
        ({"item": None, "finished": True}, {"elsewhere": True}, "elsewhere"),
    ],
)
def test_which_screen_is_shown(page: Any, state: Any, local: Any, screen: str) -> None:
    given = {"state": None if state is None else ASKED | state, "local": HEARD | local}
    assert run(page, "machine", "return m.screenOf(given.state, given.local)", **given) == screen


QUEUE = """
    localStorage.clear();
    const sent = [], states = [], refusals = [];
    let replies = given.replies;
    const send = async (answers) => {
        sent.push(answers);
        const reply = replies.shift();
        if (!reply) throw new Error("no reply");
        return reply;
    };
    const make = () => new m.AnswerQueue("key", send, {
        state: (one) => states.push(one), changed: () => {}, refused: (some) => refusals.push(...some),
    });
    const queue = make();
    const answer = (id, item, key) => ({ id, item, key, values: { quality: 3 } });
"""
REST = "return { sent, states, refusals, left: queue.waiting() };"


def reply(saved: list[str], *, videos: list[str] | None = None, **more: Any) -> dict[str, Any]:
    item = {"id": "next", "videos": videos or ["v9"]}
    return {"saved": saved, "refused": [], "waiting": [], "state": {"item": item, "paused": False}, **more}


def test_an_answer_is_kept_until_the_server_says_that_it_is_saved(page: Any) -> None:
    code = f"""{QUEUE}
        const first = await queue.add(answer("a", "i1", "v1"));
        clearTimeout(queue.timer);
        const kept = make().waiting().map((one) => one.id); // as a page that was closed and opened again
        replies.push(given.then);
        const second = await queue.flush();
        return {{ first, kept, second, sent: sent.map((some) => some.map((one) => one.id)), left: make().waiting() }};
    """
    found = run(page, "queue", code, replies=[], then=reply(["a"]))
    assert found == {"first": False, "kept": ["a"], "second": True, "sent": [["a"], ["a"]], "left": []}


def test_what_the_server_does_not_store_yet_stays(page: Any) -> None:
    waits = reply([], waiting=[{"id": "a", "why": "The board can't be written."}])
    code = f'{QUEUE} await queue.add(answer("a", "i1", "v1")); clearTimeout(queue.timer); {REST}'
    found = run(page, "queue", code, replies=[waits])
    assert [one["id"] for one in found["left"]] == ["a"]
    assert found["states"] == []


def test_a_refused_answer_is_told_and_gone(page: Any) -> None:
    refused = reply([], refused=[{"id": "a", "why": "This item was answered already."}])
    found = run(page, "queue", f'{QUEUE} await queue.add(answer("a", "i1", "v1")); {REST}', replies=[refused])
    assert (found["left"], [one["id"] for one in found["refusals"]]) == ([], ["a"])


def test_an_item_that_was_shown_without_a_connection_gets_its_id_later(page: Any) -> None:
    code = f"""{QUEUE}
        await queue.add(answer("a", "i1", "v1"));
        await queue.add(answer("b", null, "v2"));
        clearTimeout(queue.timer);
        replies.push(...given.then);
        await queue.flush();
        {REST}
    """
    found = run(page, "queue", code, replies=[], then=[reply(["a"], videos=["v2"]), reply(["b"])])
    assert [[(one["id"], one["item"]) for one in some] for some in found["sent"][-2:]] == [
        [("a", "i1")],
        [("b", "next")],
    ]
    assert found["left"] == []
    assert all("key" not in one for some in found["sent"] for one in some)


def test_an_answer_whose_item_was_answered_elsewhere_is_told(page: Any) -> None:
    code = f"""{QUEUE}
        await queue.add(answer("a", "i1", "v1"));
        await queue.add(answer("b", null, "v2"));
        clearTimeout(queue.timer);
        replies.push(given.then);
        await queue.flush();
        {REST}
    """
    found = run(page, "queue", code, replies=[], then=reply(["a"], videos=["v3"]))
    assert found["left"] == []
    assert found["refusals"] == [{"id": "b", "code": "answered"}]


def test_an_answer_whose_item_has_no_id_yet_waits_while_the_study_is_paused(page: Any) -> None:
    code = f"""{QUEUE}
        await queue.add(answer("a", "i1", "v1"));
        await queue.add(answer("b", null, "v2"));
        clearTimeout(queue.timer);
        replies.push(given.paused);
        await queue.flush();
        const kept = queue.waiting().map((one) => [one.id, one.item]);
        replies.push(given.then);
        queue.named(given.on);
        await queue.flush();
        return {{ kept, refusals, left: queue.waiting() }};
    """
    paused = {**reply(["a"]), "state": {"item": None, "paused": True}}
    on = {"item": {"id": "next", "videos": ["v2"]}, "paused": False}
    found = run(page, "queue", code, replies=[], paused=paused, on=on, then=reply(["b"]))
    assert found == {"kept": [["b", None]], "refusals": [], "left": []}


def test_without_storage_answers_are_kept_in_the_page(page: Any) -> None:
    code = f"""{QUEUE}
        const set = Storage.prototype.setItem;
        Storage.prototype.setItem = () => {{ throw new DOMException("full", "QuotaExceededError"); }};
        try {{
            await queue.add(answer("a", "i1", "v1"));
            clearTimeout(queue.timer);
            return {{ durable: queue.durable, left: queue.waiting().map((one) => one.id) }};
        }} finally {{ Storage.prototype.setItem = set; }}
    """
    assert run(page, "queue", code, replies=[]) == {"durable": False, "left": ["a"]}


def test_pauses_between_attempts_grow_to_half_a_minute(page: Any) -> None:
    code = f"""{QUEUE}
        queue.keep([answer("a", "i1", "v1")]);
        const waits = [], later = globalThis.setTimeout;
        globalThis.setTimeout = (_, wait) => waits.push(wait);
        try {{ for (let at = 0; at < 7; at += 1) await queue.flush(); }} finally {{ globalThis.setTimeout = later; }}
        return waits;
    """
    waits = run(page, "queue", code, replies=[])
    for wait, wanted in zip(waits, [1000, 2000, 4000, 8000, 16000, 30000, 30000], strict=True):
        assert 0.75 * wanted <= wait <= 1.25 * wanted


def test_ids_are_random_and_of_the_usual_form(page: Any) -> None:
    found = run(page, "queue", "return Array.from({ length: 200 }, m.newId)")
    assert len(set(found)) == 200
    assert all(len(one) == 36 and one[14] == "4" and one[19] in "89ab" for one in found)


@pytest.mark.parametrize("number", [2, 3, 4, 5])
def test_so_many_tones_are_in_the_sound(page: Any, number: int) -> None:
    code = """
        const loud = Array.from(m.tones(given.number), (value) => Math.abs(value) > 0.01);
        let tones = 0, quiet = 1e9;
        for (const one of loud) { if (one) { tones += quiet > 4000; quiet = 0; } else quiet += 1; }
        const file = await new AudioContext().decodeAudioData(m.wav(m.tones(given.number)));
        const peak = Math.max(...m.tones(given.number));
        return [tones, file.duration, peak];
    """
    tones, duration, peak = run(page, "tones", code, number=number)
    assert tones == number
    assert duration == pytest.approx(0.2 + 0.7 * number, abs=0.01)
    assert 0.1 < peak < 0.2


def test_the_language_is_the_first_that_browser_and_plan_have_in_common(page: Any) -> None:
    code = "return given.wanted.map((tags) => m.preferred(['en', 'zh', 'de'], tags))"
    wanted = [["fr-FR", "de-AT", "en"], ["zh-Hant-TW"], ["es"], []]
    assert run(page, "strings", code, wanted=wanted) == ["de", "zh", "en", "en"]
