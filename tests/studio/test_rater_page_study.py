"""Three raters in a browser go through a study of 20 items; the connection is lost, the server is killed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from builders.studies import BuiltStudy, build_study
from studio.browsing import Rater, StudioProcess, Wire, wait_until, wired

from evalkit.board import Board
from evalkit.ratings.model import Answer

pytestmark = pytest.mark.browser
ITEMS = 20
BREAK = 8
QUESTIONS = ("sync", "natural")
DESKTOP = {"viewport": {"width": 1440, "height": 900}, "locale": "en-GB"}
PHONE = {"viewport": {"width": 390, "height": 844}, "locale": "zh-CN", "has_touch": True, "is_mobile": True}
KEYS = {"viewport": {"width": 1440, "height": 900}, "locale": "de-DE", "color_scheme": "dark"}


def value_of(rater: int, item: int, question: int) -> int:
    """The answer that a rater gives: all of the scale occurs."""
    return 1 + (2 * rater + 3 * item + question) % 5


@dataclass
class Walk:
    """One rater's way through the study; ``item`` counts from 0."""

    rater: Rater
    number: int
    item: int = 0
    notices: list[str] = field(default_factory=list)

    def arrive(self) -> None:
        if self.item and self.item % BREAK == 0:
            self.rater.see("break")
            assert str(self.item) in self.rater.text("#break-text")
            self.rater.press("#go-on")
        self.rater.on_item(self.item + 1, ITEMS)

    def begin(self) -> None:
        """Play the video."""
        if self.number == 3:
            self.rater.page.keyboard.press("Space")
        else:
            self.rater.play()

    def answer(self) -> None:
        """Wait for the end of the video, answer the questions and send."""
        assert not self.rater.can_send()
        self.rater.watched()
        assert not self.rater.can_send()
        for at, question in enumerate(QUESTIONS):
            value = value_of(self.number, self.item, at)
            if self.number == 3:
                self.rater.page.keyboard.press(str(value))
            else:
                self.rater.choose(question, value)
        assert self.rater.can_send()
        if self.number == 3:
            self.rater.page.keyboard.press("Enter")
        else:
            self.rater.press("#send")
        self.item += 1

    def step(self) -> None:
        self.arrive()
        self.begin()
        self.answer()


def together(walks: list[Walk], until: int) -> None:
    """Let raters go on side by side until they have answered so many items."""
    while walks[0].item < until:
        for walk in walks:
            walk.arrive()
        for walk in walks:
            walk.begin()
        for walk in walks:
            walk.answer()


@dataclass
class Story:
    """What happened, for the tests."""

    study: BuiltStudy
    answers: list[Answer]
    wire: bytes
    codes: list[str]


@pytest.fixture(scope="module")
def story(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    samples = [f"s{number}" for number in range(1, 9)]
    folder = tmp_path_factory.mktemp("study")
    study = build_study(folder, raters=3, samples=samples, frames=12, training=2, break_every=BREAK)
    tokens = [study.plan.raters[f"rater-{number}"].token for number in (1, 2, 3)]
    with wired(study) as (studio, wire):
        raters = [
            Rater(browser, wire.url, token, **how) for token, how in zip(tokens, (DESKTOP, PHONE, KEYS), strict=True)
        ]
        walks = [Walk(rater, number) for number, rater in enumerate(raters, 1)]
        tell(walks, studio, wire)
        codes = [rater.text("#code") for rater in raters]
        for rater in raters:
            rater.close()
    with Board.open(study.board) as board:
        yield Story(study, list(board.snapshot().answers), wire.bytes, codes)


def tell(walks: list[Walk], studio: StudioProcess, wire: Wire) -> None:
    """What happens."""
    desktop, phone, keys = walks
    for walk in (desktop, phone):
        walk.rater.agree()
        walk.rater.check_volume()
    begin_by_keys(keys.rater)
    together(walks, 3)
    lose_the_connection(phone)
    lose_a_reply(desktop, wire)
    together(walks[::2], 5)
    kill_the_server(walks, studio)
    close_the_tab(keys)
    together(walks, ITEMS)
    for walk in walks:
        walk.rater.see("thanks")


def begin_by_keys(rater: Rater) -> None:
    """Agree and pass the volume check with keys alone."""
    page = rater.page
    rater.see("consent")
    tab_to(page, "agree")
    page.keyboard.press("Enter")
    rater.see("volume")
    number = rater.tones()
    tab_to(page, "volume-play")
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")  # the first choice, 2
    for _ in range(number - 2):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")


def tab_to(page: Any, name: str) -> None:
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == name:
            return
    raise AssertionError(f"{name} is not reached")


def lose_the_connection(walk: Walk) -> None:
    """Without a connection the page goes on with the item that is here, then waits; nothing is lost."""
    rater = walk.rater
    walk.arrive()
    rater.preloaded()
    rater.context.set_offline(True)
    walk.begin()
    walk.answer()
    wait_until(rater.page, "document.getElementById('queue').textContent.includes('1')")
    walk.step()
    rater.see("waiting")
    assert "2" in rater.text("#queue")
    rater.context.set_offline(False)
    rater.on_item(walk.item + 1, ITEMS)
    assert "2" not in rater.text("#queue")


def lose_a_reply(walk: Walk, wire: Wire) -> None:
    """The server has stored an answer, and the page does not hear of it: it is sent again."""
    walk.arrive()
    walk.begin()
    wire.swallow = b'"answers":[{"id"'
    walk.answer()
    walk.arrive()
    assert wire.swallow == b""


def kill_the_server(walks: list[Walk], studio: StudioProcess) -> None:
    """Answers that are given while there is no server are stored once it runs again."""
    for walk in walks:
        walk.arrive()
    for walk in walks:
        walk.begin()
    studio.kill()
    for walk in walks:
        walk.answer()
    for walk in walks:
        wait_until(walk.rater.page, "document.getElementById('queue').textContent.includes('1')")
    studio.start()
    for walk in walks:
        wait_until(walk.rater.page, "localStorage.length < 2 && document.getElementById('queue').dataset.kept === '1'")


def close_the_tab(walk: Walk) -> None:
    """An answer that was not sent when the tab was closed is sent by the next tab."""
    rater = walk.rater
    walk.arrive()
    walk.begin()
    rater.context.set_offline(True)
    walk.answer()
    wait_until(rater.page, "document.getElementById('queue').textContent.includes('1')")
    rater.page.close()
    rater.context.set_offline(False)
    rater.open()
    rater.check_volume()
    walk.arrive()
    assert rater.text("#queue") == ""


def test_every_answer_is_on_the_board_once_with_its_value(story: Story) -> None:
    plan = story.study.plan
    for number in (1, 2, 3):
        name = f"rater-{number}"
        items = plan.raters[name].items
        assert len(items) == ITEMS
        expected = [
            (item, question, value_of(number, at, which))
            for at, item in enumerate(items)
            for which, question in enumerate(QUESTIONS)
            if plan.items[item].kind != "training"
        ]
        found = [(one.item, one.dimension, one.value) for one in story.answers if one.rater == name]
        assert sorted(found) == sorted(expected)


def test_the_time_is_that_of_the_page(story: Story) -> None:
    """A video lasts half a second; where the server was away its own clock would say more."""
    assert all(one.seconds is not None and 0.4 < one.seconds < 60 for one in story.answers)


def test_gold_items_look_like_all_others_and_are_known_to_the_board(story: Story) -> None:
    plan = story.study.plan
    gold = [item for item in plan.raters["rater-1"].items if plan.items[item].kind == "gold"]
    with Board.open(story.study.board) as board:
        assert {(one.item, one.dimension) for one in board.snapshot().gold} == {(item, "sync") for item in gold}
    assert len(gold) == 1
    for word in (b'"gold"', b'"repeat"', b'"expected"'):
        assert word not in story.wire


def test_each_rater_gets_the_completion_code(story: Story) -> None:
    assert story.codes == ["CODE-1234"] * 3


def test_no_byte_of_any_response_names_a_team_a_run_or_a_file(story: Story) -> None:
    assert len(story.wire) > 1_000_000
    assert b"ftyp" in story.wire and b"/static/" in story.wire
    for secret in story.study.secrets:
        assert secret not in story.wire, secret
