"""Foreign text stays text, in Markdown and in HTML."""

from __future__ import annotations

import html.parser

import pytest
from builders.leaderboards import NASTY
from markdown_it import MarkdownIt

from evalkit.hosting.markup import Block, bullets, escape_html, heading, paragraphs, table, to_html, to_markdown
from evalkit.text import escape_for_display

MORE = (
    "- no list",
    "1. no list",
    "# no heading",
    "> no quote",
    "$x^2$ and $$y$$",
    "**no** _stress_",
    "a | b",
    "~~~",
    "---",
)
TEXTS = (*NASTY, *MORE)


class Reader(html.parser.HTMLParser):
    """Collects the tags and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert dict(attributes) in ({}, {"class": "table"})

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.text.append(data.strip())


def page(text: str) -> list[Block]:
    return [heading(text), paragraphs(text, "between"), bullets(text), table(("one", "two"), [(text, "cell")])]


def shown(text: str) -> str:
    return escape_for_display(" ".join(text.split()), 4_000)


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_markdown_shows_foreign_text_as_it_is(text: str) -> None:
    reader = Reader(MarkdownIt("commonmark", {"html": True}).enable("table").render(to_markdown(page(text))))
    assert [one for one in reader.text if one not in {"between", "one", "two", "cell"}] == [shown(text)] * 4
    assert sorted(set(reader.tags)) == ["h2", "li", "p", "table", "tbody", "td", "th", "thead", "tr", "ul"]
    assert "$" not in to_markdown(page(text))


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_html_shows_foreign_text_as_it_is(text: str) -> None:
    reader = Reader(to_html(page(text)))
    parted = shown(text).replace("{{", "{ {").replace("}}", "} }")
    assert [one for one in reader.text if one not in {"between", "one", "two", "cell"}] == [parted] * 4
    assert sorted(set(reader.tags)) == ["h2", "li", "p", "table", "tbody", "td", "th", "thead", "tr", "ul"]


def test_angular_sees_no_expression() -> None:
    assert "{{" not in escape_html("{{constructor.constructor('alert(1)')()}}")
