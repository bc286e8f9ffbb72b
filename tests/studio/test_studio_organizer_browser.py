"""The organizer's page in a browser: with a script and without, wide and narrow, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from builders.studies import TEAMS, prepared_study
from builders.studio_server import Served, served
from pages import wait_until

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(prepared_study(tmp_path_factory.mktemp("study"), raters=3)) as running:
        person = running.person(1)
        person.agree()
        for _ in range(3):
            person.next(1)
        yield running


def address(studio: Served) -> str:
    return f"{studio.client.url}/o/{studio.study.plan.organizer}"


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_everybody_can_use_it_and_it_fits(browser: Any, studio: Served, width: int, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    for path in (address(studio), f"{studio.client.url}/join/{studio.study.plan.join}"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert Axe().run(page).violations_count == 0
    assert problems == []
    page.close()


def test_the_script_shows_what_is_new(browser: Any, studio: Served) -> None:
    page = browser.new_page()
    page.goto(address(studio))
    assert page.inner_text("h1") == "Collecting: 3 of 21 answers"
    assert [team for team in TEAMS if team in page.content()] == []
    studio.person(1).next(2)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    wait_until(page, "document.querySelector('h1').textContent.includes('4 of 21')")
    page.close()


def test_without_a_script_the_buttons_work(browser: Any, studio: Served) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address(studio))
    page.click("text=Pause")
    assert page.inner_text("h1").startswith("Paused")
    page.click("text=Resume")
    page.click("text=Invite a rater")
    link = page.inner_text(".notice code")
    assert link == f"{studio.client.url}/r/{studio.study.plan.raters['rater-3'].token}"
    page.click("text=Show the names")
    assert all(team in page.content() for team in TEAMS)
    context.close()
