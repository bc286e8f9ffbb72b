"""Pages of a few kinds of blocks, as Markdown and as HTML. All text of a block is foreign: it is escaped here.

Platforms render Markdown with their own extensions (formulas between dollar signs, HTML). Every character that could
mean something to one of them is written as a numeric reference, which all of them show as that character.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from evalkit.text import escape_for_display

LONGEST = 4_000  # characters of one text
_SPECIAL = re.compile(r"[&<>\"'\\`*_{}\[\]()#|~$!^]")
_AT_START = re.compile(r"^[-+=:0-9]")


@dataclass(frozen=True)
class Block:
    """A piece of a page.

    Args:
        kind: ``heading``, ``text`` (a paragraph for each entry), ``list``, or ``table`` whose first row is its header.
        rows: the texts; a row of a table has a text for each column, other kinds have one text in a row.
    """

    kind: Literal["heading", "text", "list", "table"]
    rows: tuple[tuple[str, ...], ...]


def heading(text: str) -> Block:
    """Return a heading."""
    return Block("heading", ((text,),))


def paragraphs(*texts: str) -> Block:
    """Return paragraphs."""
    return Block("text", tuple((text,) for text in texts))


def bullets(*texts: str) -> Block:
    """Return a list."""
    return Block("list", tuple((text,) for text in texts))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Block:
    """Return a table."""
    return Block("table", (tuple(header), *map(tuple, rows)))


def to_markdown(blocks: Sequence[Block]) -> str:
    """Return the page as Markdown; equal blocks give equal text."""
    pieces = []
    for block in blocks:
        rows = [[escape_markdown(text) for text in row] for row in block.rows]
        if block.kind == "heading":
            pieces.append(f"## {rows[0][0]}")
        elif block.kind == "text":
            pieces += [row[0] for row in rows]
        elif block.kind == "list":
            pieces.append("\n".join(f"- {row[0]}" for row in rows))
        else:
            lines = [f"| {' | '.join(row)} |" for row in rows]
            pieces.append("\n".join([lines[0], f"|{'---|' * len(rows[0])}", *lines[1:]]))
    return "\n\n".join(pieces) + "\n"


def to_html(blocks: Sequence[Block]) -> str:
    """Return the page as a fragment of HTML without scripts, styles and addresses."""
    pieces = []
    for block in blocks:
        rows = [[escape_html(text) for text in row] for row in block.rows]
        if block.kind == "heading":
            pieces.append(f"<h2>{rows[0][0]}</h2>")
        elif block.kind == "text":
            pieces += [f"<p>{row[0]}</p>" for row in rows]
        elif block.kind == "list":
            pieces.append("<ul>\n" + "\n".join(f"<li>{row[0]}</li>" for row in rows) + "\n</ul>")
        else:
            head = "".join(f"<th>{cell}</th>" for cell in rows[0])
            body = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows[1:])
            pieces.append(f'<table class="table">\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>')
    return "\n".join(pieces) + "\n"


def escape_markdown(text: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    shown = _SPECIAL.sub(_reference, _plain(text))
    return _AT_START.sub(_reference, shown)


def escape_html(text: str) -> str:
    """Return text that HTML shows as it is; two braces are parted, which AngularJS would take for an expression."""
    return html.escape(_plain(text)).replace("{{", "{ {").replace("}}", "} }")


def _plain(text: str) -> str:
    return escape_for_display(" ".join(text.split()), LONGEST)


def _reference(found: re.Match[str]) -> str:
    return f"&#{ord(found[0])};"
