"""The organizer's page and the page of the shared link: documents that need no script."""

from __future__ import annotations

import functools
import importlib.resources
from datetime import datetime
from typing import Any

import jinja2

from evalkit.jsonio import parse_json
from evalkit.studio.page_model import Page
from evalkit.studio.pages.assets import static_prefix
from evalkit.studio.plan_model import Plan
from evalkit.text import escape_for_display

_LIMIT = 2000
NOTHING = "\u2013"


def render_organizer_page(
    plan: Plan,
    progress: dict[str, Any],
    *,
    token: str,
    teams: bool,
    invited: tuple[str, str] | None,
    join: str,
) -> str:
    """Return the organizer's page.

    Args:
        plan: the plan.
        progress: see `evalkit.studio.overview.progress`.
        token: of the organizer.
        teams: whether teams have their names.
        invited: a rater who has just got a place, and the link.
        join: the shared link.
    """
    return _template("organizer.html").render(
        static=static_prefix(),
        title=plan.page.title,
        challenge=plan.challenge.id,
        pairs=plan.method == "pairs",
        base=f"/o/{token}",
        now=progress,
        teams=teams,
        invited=invited,
        join=join,
    )


def render_join_page(page: Page, what: str) -> str:
    """Return the page of the shared link.

    Args:
        page: what raters read.
        what: a key of `join_words`.
    """
    known = join_words()
    words = {language: known[language] for language in page.languages}
    return _template("join.html").render(
        static=static_prefix(), title=page.title, words=words, what=what, asks=what in {"ask", "wrong"}
    )


@functools.cache
def join_words() -> dict[str, dict[str, str]]:
    """Return language -> key -> text of the page of the shared link."""
    file = importlib.resources.files("evalkit.studio.pages") / "join.json"
    found: dict[str, dict[str, str]] = parse_json(file.read_text(encoding="utf-8"))
    return found


def _moment(text: str | None) -> str:
    return NOTHING if text is None else datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M")


def _second(text: str) -> str:
    return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M:%S")


@functools.cache
def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: escape_for_display(value, _LIMIT) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"moment": _moment, "second": _second}
    file = importlib.resources.files("evalkit.studio.pages") / "templates" / name
    return environment.from_string(file.read_text(encoding="utf-8"))
