"""A fragment of HTML for the output of a notebook's cell: headings, tables and drawings, of bounded size.

The fragment fetches nothing and has no script. Its style names only elements inside it, and takes text and background
of the notebook's theme, light or dark. Where a viewer drops style and drawings, as hosted views of notebooks do, the
tables say the same in words. All texts are taken for foreign: each is escaped and shortened on its way out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup, escape

from evalkit.text import count, escape_for_display

MOST_ROWS = 20  # of one table
MOST_COLUMNS = 12
TEXT_LIMIT = 160  # characters of one text in a cell
SENTENCE_LIMIT = 400

Tone = Literal["", "error", "warning", "muted"]

# The class three times: rules of a notebook's theme for all of its tables must not win.
_SCOPE = ".evalkit-out" * 3
_STYLE = """
& {font-size:13px;line-height:1.4;color:inherit;max-width:100%}
& p {margin:.3em 0;max-width:60em;overflow-wrap:anywhere}
& p.evalkit-title {font-size:15px;font-weight:600}
& div.evalkit-scroll {overflow-x:auto;max-width:100%;margin:.5em 0}
& table {border-collapse:collapse;margin:0;border:0;font-size:inherit;table-layout:auto}
& table,& table caption {color:inherit;background:transparent}
& table caption {caption-side:top;text-align:left;padding:0 0 .3em;opacity:.8;white-space:normal}
& table tr:nth-child(n),& table tr:nth-child(n):hover {background:transparent}
& table th,& table td {text-align:left;vertical-align:top;padding:.3em 1em .3em 0;border:0;color:inherit;
background:transparent;border-bottom:1px solid rgba(128,128,128,.35);white-space:normal;min-width:6em;max-width:20em;
overflow-wrap:break-word}
& table th {font-weight:600}
& table .evalkit-number {text-align:right;font-variant-numeric:tabular-nums;min-width:4em}
& table small {display:block;font-size:11px;font-weight:400;opacity:.8}
& .evalkit-error {font-weight:600}
& .evalkit-error::before {content:"\\2715\\00a0";color:#d55e00}
& .evalkit-warning::before {content:"\\25b2\\00a0";color:#c77700}
& .evalkit-muted {opacity:.8}
& svg {display:inline-block;vertical-align:middle;max-width:none}
& details {margin:.3em 0}
& summary {cursor:pointer}
""".replace("\n", "").replace("&", _SCOPE)


@dataclass(frozen=True)
class Cell:
    """What stands in a cell.

    Args:
        text: foreign or not; escaped here.
        note: a second, small line.
        picture: a drawing of `evalkit.notebook.pictures`.
        number: whether the text is a number, which stands at the right.
        tone: marks the text as an error, a warning or of little weight, by a sign beside it.
    """

    text: str = ""
    note: str = ""
    picture: Markup | None = None
    number: bool = False
    tone: Tone = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Args:
        caption: what it shows.
        heads: the names of the columns; `Cell` for those of numbers, or with a second line.
        rows: cells of each row, of which the first is the row's heading.
        total: how many rows there are; ``None`` for as many as in ``rows``.
        what: what a row is, in the singular.
        rest: where all rows are, such as ``to_pandas()``.
        most: rows that are shown; those beyond are left out, and the caption says so.
        folded: whether it opens at a click.
    """

    caption: str
    heads: Sequence[Cell | str]
    rows: Sequence[Sequence[Cell | str]]
    total: int | None = None
    what: str = "row"
    rest: str = ""
    most: int = MOST_ROWS
    folded: bool = False


@dataclass(frozen=True)
class Sentence:
    """A line of text, with a drawing before it where there is one."""

    text: str
    picture: Markup | None = None
    tone: Tone = ""


def fragment(title: str, *blocks: Table | Sentence | None) -> str:
    """Return the HTML of a cell's output; ``None`` among the blocks is left out.

    Args:
        title: what is shown; the first line.
        blocks: in their order.
    """
    parts = [Markup('<div class="evalkit-out"><style>{}</style>').format(Markup(_STYLE))]  # noqa: S704 - ours
    parts.append(Markup('<p class="evalkit-title">{}</p>').format(_words(title, SENTENCE_LIMIT)))
    for block in blocks:
        if isinstance(block, Sentence):
            parts.append(_sentence(block))
        elif block is not None:
            parts.append(_table(block))
    return str(Markup("").join([*parts, Markup("</div>")]))


def _words(text: str, limit: int) -> Markup:
    return Markup("<bdi>{}</bdi>").format(escape_for_display(text, limit)) if text else Markup("")


def _sentence(block: Sentence) -> Markup:
    text = _toned(_words(block.text, SENTENCE_LIMIT), block.tone)
    return Markup("<p>{}{}{}</p>").format(block.picture or "", " " if block.picture else "", text)


def _table(table: Table) -> Markup:
    rows, total = table.rows[: table.most], len(table.rows) if table.total is None else table.total
    caption = table.caption
    if total > len(rows):
        caption += f": the first {len(rows)} of {count(total, table.what)}"
    wide = len(table.heads)
    if wide > MOST_COLUMNS:
        caption += f", the first {MOST_COLUMNS} of {count(wide, 'column')}"
    if table.rest and (total > len(rows) or wide > MOST_COLUMNS):
        caption += f"; all are in {table.rest}"
    heads = Markup("").join(_cell(_as_cell(head), "th", "col") for head in table.heads[:MOST_COLUMNS])
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(
                _cell(_as_cell(cell), "td" if at else "th", None if at else "row")
                for at, cell in enumerate(row[:MOST_COLUMNS])
            )
        )
        for row in rows
    )
    shown = _words(caption, SENTENCE_LIMIT)
    drawn = Markup(
        '<div class="evalkit-scroll" role="region" tabindex="0" aria-label="{}"><table><caption>{}</caption>'
        "<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>"
    ).format(escape_for_display(table.caption, TEXT_LIMIT), shown, heads, body)
    if not table.folded:
        return drawn
    return Markup("<details><summary>{}</summary>{}</details>").format(_words(table.caption, TEXT_LIMIT), drawn)


def _as_cell(given: Cell | str) -> Cell:
    return Cell(given) if isinstance(given, str) else given


def _cell(cell: Cell, tag: str, scope: str | None) -> Markup:
    opened = f"<{tag}"
    opened += f' scope="{scope}"' if scope else ""
    opened += ' class="evalkit-number">' if cell.number else ">"
    note = Markup("<small>{}</small>").format(_words(cell.note, TEXT_LIMIT)) if cell.note else Markup("")
    text = _toned(_words(cell.text, TEXT_LIMIT), cell.tone)
    inner = Markup("{}{}{}").format(text, cell.picture or "", note)
    return Markup(opened) + inner + Markup(f"</{tag}>")  # noqa: S704 - the tag is ours


def _toned(text: Markup, tone: Tone) -> Markup:
    return Markup('<span class="evalkit-{}">{}</span>').format(escape(tone), text) if tone and text else text
