"""Read a page as a browser would, strictly, and wait for what it does in a browser."""

from __future__ import annotations

import time
from html.parser import HTMLParser

VOID = {"meta", "link", "input", "img"}


class Page(HTMLParser):
    """The elements of a page: ``(tag, attributes, text inside, tags around)``; fails on unbalanced tags."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements = []
        self.open = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        element = {"tag": tag, "attrs": dict(attrs), "text": "", "in": [other["tag"] for other in self.open]}
        assert len(attrs) == len(dict(attrs))
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop()["tag"] == tag

    def handle_data(self, data):
        for element in self.open:
            element["text"] += data

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data[:80]}")

    def find(self, tag, **attrs):
        return [
            item
            for item in self.elements
            if item["tag"] == tag and all(item["attrs"].get(key.rstrip("_")) == want for key, want in attrs.items())
        ]


def wait_until(page, expression, *, seconds=30.0):
    """Wait until a JavaScript expression is true in a page.

    ``Page.wait_for_function`` evaluates a string inside the page, which the pages' Content-Security-Policy forbids:
    it works only when the expression is true at once. ``Page.evaluate`` goes through the debugger, so it always works.
    """
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"still not true after {seconds} s: {expression}"
        page.wait_for_timeout(20)
