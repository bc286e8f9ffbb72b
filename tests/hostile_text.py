"""Hostile text, readers that see what it would do in each channel, and a terminal that looks at all that is printed."""

from __future__ import annotations

import csv
import html.parser
import io
import json
import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from evalkit.cli import main

HOSTILE = (
    "\x1b[31mred\x1b[0m",
    "\x1b]8;;http://evil.example\x07link\x1b]8;;\x07",
    "\x1b]52;c;ZXZpbA==\x07",
    "\x9b31mred",
    "gpm\u202eexe.mp4",
    "\u2066isolated\u2069 \u200bzero \ufeffbom",
    "over\rwritten",
    "two\nlines\u2028three\u2029four",
    "back\x08space\x7f",
    "=cmd|' /C calc'!A1",
    "+1+cmd|'x'!A1",
    "-2+3+cmd|'x'!A1",
    "@SUM(A1)",
    "\t=1+1",
    "\uff1d1+1",
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "\"' onmouseover='alert(1)",
    "]]><!-- --><![CDATA[",
    "${7*7} {{ 7*7 }} {% raw %}",
    "\\input{/etc/passwd} \\write18{x}",
    "100 % & 5_000 # $x^2$ ~ { }",
    "| a | b |",
    "`code` *bold* [x](javascript:alert(1)) ![y](http://evil.example/y.png)",
    "javascript:alert(1)",
    "lone \udce9 surrogate",
    "x" * 10_000,
)
PLAIN = tuple(text for text in HOSTILE if "\udce9" not in text)  # what UTF-8 can hold
FEW = (HOSTILE[0], HOSTILE[4], HOSTILE[9], HOSTILE[16], HOSTILE[20], HOSTILE[23], HOSTILE[26])  # where calls are slow
_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_NUMBER = re.compile(r"[+-]?[0-9.]+([eE][+-]?[0-9]+)?")


def acting(text: str, allowed: str = "\n") -> set[str]:
    """Return the characters that drive a terminal or change what is seen."""
    return {char for char in text if char not in allowed and unicodedata.category(char) in _HIDDEN}


class Page(html.parser.HTMLParser):
    """What a browser would make of a page: its elements, and the text between them."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.comments: list[str] = []
        self.text: list[str] = []
        self.inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.inside = tag

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def handle_data(self, data: str) -> None:
        if self.inside not in {"script", "style"}:
            self.text.append(data)

    unknown_decl = handle_comment

    @property
    def scripts(self) -> int:
        return sum(tag == "script" for tag, _ in self.elements)


def check_page(path: Path) -> None:
    page = Page(path.read_text(encoding="utf-8"))
    assert page.scripts <= 1, path.name
    assert page.comments == []
    for tag, attributes in page.elements:
        assert tag not in {"iframe", "object", "embed", "base", "form"}
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert not acting(value or "", "\n "), (tag, name, value)
            if name in {"src", "href", "xlink:href", "action"}:
                assert re.match(r"data:(image/|,$)|#|https://", value or ""), (tag, name, value)
    assert not acting("".join(page.text), "\n\t\xad"), path.name  # soft hyphens are our own


def check_csv(path: Path, *, least: int = 1) -> None:
    text = path.read_text(encoding="utf-8-sig")
    assert not acting(text, "\r\n")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert len(rows) > least
    assert len({len(row) for row in rows}) == 1
    for cell in (cell for row in rows for cell in row):
        first = cell.lstrip()[:1]
        assert first not in set("=+-@\uff1d\uff0b\uff0d\uff20") or _NUMBER.fullmatch(cell), cell


def check_json(text: str) -> Any:
    assert not acting(text, "\n\x7f"), acting(text)
    assert text.isascii()
    return json.loads(text)


def check_latex(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not acting(text)
    assert not re.search(r"\\(input|write|catcode|def|csname)", text)
    body = [line for line in text.split("\n") if line.rstrip().endswith(r"\\")]
    assert body
    assert len({len(re.findall(r"(?<!\\)&", line)) for line in body}) == 1
    for line in body:
        assert not re.search(r"(?<!\\)[%#]", line), line
        assert not re.search(r"(?<![\\$])_", re.sub(r"\$[^$]*\$", "", line)), line


def check_markdown(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not acting(text)
    rows = [line for line in text.split("\n") if line.startswith("|")]
    assert len(rows) >= 2
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in rows}) == 1
    for line in rows:
        assert not re.search(r"(?<!\\)(`|<[a-zA-Z/!]|\[[^\]]*[^\\]\]\()", line), line


class Terminal:
    """Calls evalkit and looks at all that it prints."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.codes: set[int] = set()

    def __call__(self, *words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main([str(word) for word in words])
        out, err = self._capsys.readouterr()
        code = int(stop.value.code or 0)
        self.codes.add(code)
        if "--json" in words and out:
            check_json(out)
        else:
            assert not acting(out), (words, acting(out))
        assert not acting(err), (words, acting(err))
        assert "Traceback" not in err
        assert "evalkit itself failed" not in err, err
        if "--json" not in words:
            assert max(map(len, (out + err).split("\n"))) < 9_000  # 10,000 characters are cut
        return code, out, err
