"""Single screens of the rater's page in a browser: what must be watched, faults, tabs, accessibility."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from builders.studies import prepared_study
from builders.studio_server import Served, answer_to, served
from studio.browsing import Rater, wait_until

pytestmark = pytest.mark.browser
DESKTOP = {"viewport": {"width": 1440, "height": 900}, "locale": "en-GB", "color_scheme": "light"}
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "locale": "de-DE",
    "color_scheme": "dark",
    "has_touch": True,
    "is_mobile": True,
    "reduced_motion": "reduce",
}
KOREAN = {
    "ko": {
        "title": "말하는 얼굴",
        "consent": "동의하십니까?\n\n언제든지 그만둘 수 있습니다.",
        "questions": {"sync": "입 모양"},
    }
}
Visit = Callable[..., Rater]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    study = prepared_study(tmp_path_factory.mktemp("study"), raters=8, frames=12, break_every=1, translations=KOREAN)
    with served(study) as running:
        yield running


@pytest.fixture
def visit(browser: Any, studio: Served) -> Iterator[Visit]:
    opened: list[Rater] = []

    def come(number: int, how: dict[str, Any] = DESKTOP, *, to_item: bool = True) -> Rater:
        rater = Rater(browser, studio.client.url, studio.study.plan.raters[f"rater-{number}"].token, **how)
        opened.append(rater)
        if to_item:
            rater.agree()
            rater.check_volume()
            rater.see("item")
        return rater

    yield come
    for rater in opened:
        rater.close()


def finish(rater: Rater) -> None:
    """Watch, answer and send the item."""
    rater.play()
    rater.watched()
    for question in ("sync", "natural"):
        rater.choose(question, 4)
    rater.press("#send")


@pytest.mark.parametrize(("number", "how"), [(1, DESKTOP), (2, PHONE)], ids=["desktop-light", "phone-dark"])
def test_axe_finds_nothing_on_any_screen(visit: Visit, studio: Served, number: int, how: dict[str, Any]) -> None:
    rater = visit(number, how, to_item=False)
    rater.see("consent")
    rater.axe()
    rater.agree()
    rater.see("volume")
    rater.press("#volume-form button.main")
    assert rater.is_shown("#volume-note")
    rater.axe()
    rater.check_volume()
    rater.see("item")
    rater.press("summary")
    rater.axe()
    rater.page.evaluate("document.querySelector('#videos video').muted = true")
    assert rater.is_shown("#muted")
    finish(rater)
    rater.see("break")
    rater.axe()
    second = rater.open()
    rater.see("volume")
    assert rater.is_shown("#notice")
    rater.page = rater.context.pages[0]
    rater.see("elsewhere")
    rater.axe()
    second.close()
    rater.press("#take")
    rater.see("break")
    person = studio.person(number)
    while (state := person.state())["item"] is not None:
        person.watch(state["item"])
        person.send(answer_to(state))
    rater.page.reload()
    rater.see("thanks")
    assert rater.text("#code") == "CODE-1234"
    rater.axe()


def test_axe_finds_nothing_on_screens_without_controls(visit: Visit) -> None:
    rater = visit(3, PHONE, to_item=False)
    rater.see("consent")
    for name in ("unknown", "unreachable", "waiting", "paused", "loading"):
        rater.page.evaluate(
            """(name) => {
                for (const one of document.querySelectorAll(".screen")) one.hidden = one.id !== `screen-${name}`;
                for (const id of ["notice", "queue"]) document.getElementById(id).hidden = false;
            }""",
            name,
        )
        rater.axe()


def test_an_unknown_link_is_told(browser: Any, studio: Served) -> None:
    rater = Rater(browser, studio.client.url, "A" * 32, **DESKTOP)
    rater.see("unknown")
    assert rater.text("#screen-unknown h1") == "This link doesn't work"
    rater.close()


def test_a_jump_to_the_end_is_not_watching(visit: Visit) -> None:
    rater = visit(4)
    for question in ("sync", "natural"):
        rater.choose(question, 2)
    assert rater.text("#why") == "Video is to be watched to at least 95 %."
    rater.page.evaluate(
        """() => {
            const video = document.querySelector("#videos video");
            video.currentTime = video.duration - 0.1;
            return new Promise((done) => { video.addEventListener("ended", done); video.play(); });
        }"""
    )
    assert not rater.can_send()
    rater.page.focus("#send")
    rater.page.keyboard.press("Enter")
    assert "at least 95 %" in rater.page.text_content("#announce")
    assert rater.is_shown("#screen-item")
    rater.page.evaluate("document.querySelector('#videos video').playbackRate = 4")
    wait_until(rater.page, "document.querySelector('#videos video').playbackRate === 1")
    rater.page.evaluate("document.querySelector('#videos video').currentTime = 0")
    rater.play()
    rater.watched()
    assert rater.can_send()
    assert rater.text("#why") == "Ready to send."


def test_a_video_that_can_not_be_played(visit: Visit, studio: Served) -> None:
    rater = visit(5, to_item=False)
    rater.agree()
    rater.see("volume")
    rater.context.route(
        "**/m/**.mp4", lambda route: route.fulfill(status=200, body="nothing", content_type="video/mp4")
    )
    rater.check_volume()
    rater.see("item")
    wait_until(rater.page, "!document.getElementById('failure').hidden")
    assert rater.text("#failure-text") == "Video can't be played."
    rater.axe()
    rater.press("#report")
    rater.see("break")
    rater.press("#go-on")
    wait_until(rater.page, "!document.getElementById('failure').hidden")
    rater.context.unroute("**/m/**.mp4")
    rater.press("#retry")
    wait_until(rater.page, "document.getElementById('failure').hidden")
    finish(rater)
    rater.see("break")
    answers = studio.stored("rater-5")
    assert [dict(one.values) for one in answers] == [{}, {"sync": 4, "natural": 4}]
    assert tuple(one.item for one in answers) == studio.study.plan.raters["rater-5"].items[:2]


def test_an_item_that_was_answered_on_another_device(visit: Visit, studio: Served) -> None:
    rater = visit(6)
    person = studio.person(6)
    state = person.state()
    person.watch(state["item"])
    person.send(answer_to(state, 1))
    finish(rater)
    rater.see("break")
    assert "already answered" in rater.text("#notice")
    (stored,) = studio.stored("rater-6")
    assert set(stored.values.values()) == {1}
    rater.page.reload()
    rater.see("break")
    rater.press("#go-on")
    rater.on_item(2, 7)


def test_the_language_changes_without_losing_an_answer(visit: Visit) -> None:
    rater = visit(7)
    rater.choose("sync", 3)
    rater.page.select_option("#language", "ko")
    assert rater.page.get_attribute("html", "lang") == "ko"
    assert rater.text("#send") == "보내고 계속"
    assert rater.page.is_checked("[data-question='sync'] [value='3']")
    rater.page.reload()
    rater.see("item")
    assert rater.text("#send") == "보내고 계속"


def test_the_organizers_words_are_in_the_raters_language_where_there_is_a_translation(visit: Visit) -> None:
    rater = visit(8, {**DESKTOP, "locale": "ko-KR"}, to_item=False)
    rater.see("consent")
    assert rater.text(".study") == "말하는 얼굴"
    assert rater.page.title().endswith("\u2013 말하는 얼굴")
    assert rater.text("#screen-consent .consent:visible").split() == KOREAN["ko"]["consent"].split()
    assert rater.page.get_attribute(".consent:visible", "lang") == "ko"
    rater.page.select_option("#language", "fr")
    assert rater.text(".study") == "Talking faces"
    assert rater.page.get_attribute(".consent:visible", "lang") == "en"
    rater.page.select_option("#language", "ko")
    rater.agree()
    rater.check_volume()
    rater.see("item")
    assert rater.page.locator("legend:visible").all_inner_texts() == ["입 모양", "Naturalness"]


def test_two_videos_by_keyboard(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    study = prepared_study(tmp_path_factory.mktemp("pairs"), raters=1, method="pairs", frames=12)
    with served(study) as studio:
        rater = Rater(browser, studio.client.url, study.plan.raters["rater-1"].token, **DESKTOP)
        rater.agree()
        rater.check_volume()
        rater.see("item")
        rater.axe()
        keyboard = rater.page.keyboard
        keyboard.press("Space")
        rater.watched(0)
        wait_until(rater.page, "document.querySelector('#videos video').paused")
        assert not rater.can_send()
        keyboard.press("Space")
        rater.watched(1)
        keyboard.press("1")
        keyboard.press("2")
        keyboard.press("ArrowRight")
        assert rater.can_send()
        keyboard.press("Enter")
        rater.on_item(2, 2)
        assert rater.page.evaluate("document.activeElement.id") == "item-heading"
        (answer,) = studio.stored("rater-1")
        assert dict(answer.values) == {"sync": 1, "natural": 0}
        rater.close()
