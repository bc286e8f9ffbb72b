"""Display untrusted text (names in a ZIP, CSV cells, metadata) safely.

A name can contain escape sequences that control a terminal, bidirectional overrides that make ``gpm.exe`` read
``exe.mpg``, or invisible characters. `escape_for_display` makes all of them visible. Errors and findings escape their
texts when they are made (`escape_message`), so that the code that words them passes names as they are; everything else
is escaped where it is printed or written. `csv_cell` also keeps spreadsheets from evaluating a cell as a formula, and
`name_cell` does in files that evalkit reads again. HTML has its own escaping (jinja2) on top of this.
"""

from __future__ import annotations

import json
import re
import signal
import unicodedata
from collections.abc import Sequence

ELLIPSIS = "\u2026"
NO_VALUE = "\u2013"
MESSAGE_LENGTH = 1_000  # characters of one sentence of an error or a finding
FACT_LENGTH = 400  # characters of what was found, and of what was expected
_MOST_DIGITS, _LONG_NUMBER = 9, 1e12
EXCEL_CELL = 32_767  # characters that a spreadsheet's cell holds

# Letters and marks by their Unicode category that are drawn blank: joiners, fillers, variation selectors.
_BLANK = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
    + "".join(map(chr, (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
)
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_FORMULA = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")  # the last four are the full-width forms of =+-@
_LABEL = re.compile(r"^(?:found|expected):? +(?=\S)", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def count(number: int, one: str, many: str | None = None) -> str:
    """Return ``1 sample`` or ``3 samples``."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key by which ``id2`` comes before ``id10``."""
    parts = re.split(r"([0-9]+)", text)
    return tuple((1, int(part[:18]), part) if part[:1].isdecimal() else (0, 0, part) for part in parts)


def part_of_name(text: str, marks: Sequence[str]) -> str:
    """Return ``text`` as a part of a name made of several, told from the others: as it is, or in quotes as in JSON.

    Args:
        text: any; in quotes where it is empty, or has one of the marks or a quotation mark in it.
        marks: what stands between the parts.
    """
    clear = text and '"' not in text and not any(mark in text for mark in marks)
    return text if clear else json.dumps(text, ensure_ascii=False)


def told_apart(value: float, limit: float, digits: int = 1) -> tuple[str, str]:
    """Return both numbers rounded to ``digits`` behind the point, or to as many more as show that they differ."""
    while value != limit and digits < _MOST_DIGITS and round(value, digits) == round(limit, digits):
        digits += 1
    texts = [f"{number:.{digits}f}" if abs(number) < _LONG_NUMBER else f"{number:g}" for number in (value, limit)]
    short = [text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text for text in texts]
    return short[0], short[1]


def format_value(value: float | None, unit: str = "") -> str:
    """Return ``value`` with four significant digits (all those before the point), then a space and its unit.

    0.81234 gives ``0.8123``, 12345.6 gives ``12346``, 0.0000123 gives ``1.230e-05``; ``None`` gives a dash.
    """
    if value is None:
        return NO_VALUE
    if value == 0:
        text = "0"
    else:
        text = f"{value:#.4g}".removesuffix(".")
        if "e" in text and 1 <= abs(value) < 1e15:
            text = f"{value:.0f}"
    return f"{text} {unit}" if unit else text


def format_signed(value: float) -> str:
    """Return a difference as `format_value` shows it, with its sign."""
    return ("+" if value > 0 else "") + format_value(value)


def ended(text: str) -> str:
    """Return a sentence with the full stop at its end, where it has none of its own."""
    return text if text.endswith((".", "!", "?", ELLIPSIS)) else f"{text}."


def found_and_expected(found: str | None, expected: str | None) -> str:
    """Return ``Found 3; expected 5.``, or what there is of it; a text that says ``found`` itself says it once."""
    parts = [
        f"{label} {text if text.endswith('..') else text.removesuffix('.')}"
        for label, given in (("found", found), ("expected", expected))
        if given is not None and (text := _LABEL.sub("", given))
    ]
    joined = "; ".join(parts)
    return ended(joined[0].upper() + joined[1:]) if joined else ""


def how_it_ended(code: int) -> str:
    """Return how a process ended: ``was ended by SIGSEGV``, or ``ended with code 3``.

    A shell that reports a signal of its child does so by a code above 128: that signal is named too.
    """
    try:
        name = signal.Signals(-code if code < 0 else code - 128).name
    except ValueError:
        return f"ended with code {code}"
    return f"was ended by {name}" if code < 0 else f"ended with code {code} ({name})"


def hidden_characters(text: str) -> list[str]:
    """Return the control and invisible characters of ``text``, sorted, each once.

    These are control characters (C0, C1, DEL), format characters (bidirectional overrides, zero-width, BOM, soft
    hyphen), lone surrogates, line and paragraph separators, and letters that are drawn blank. Unusual spaces, as
    in the names of macOS screenshots, are not among them.
    """
    if text.isascii() and text.isprintable():
        return []
    return sorted(char for char in set(text) if unicodedata.category(char) in _HIDDEN or char in _BLANK)


def escape_for_display(text: str, limit: int = 200) -> str:
    r"""Return ``text`` on one line, with invisible characters written out, at most ``limit`` characters long.

    Escape becomes ``\x1b``, a right-to-left override ``\u202e``, a line feed ``\n``. Backslashes stay as they are, so
    that a second call changes nothing; the result is for display and can't be reversed. A longer text ends in an
    ellipsis.

    Raises:
        ValueError: when ``limit`` is below 1.
    """
    if limit < 1:
        raise ValueError(f"limit must be at least 1, not {limit}")
    # Every character yields at least one, so only the first `limit` + 1 characters matter.
    pieces = [_visible(char) for char in text[: limit + 1]]
    shown = "".join(pieces)
    if len(shown) <= limit:
        return shown
    while len(shown) > limit - 1:
        shown = shown[: len(shown) - len(pieces.pop())]
    return shown + ELLIPSIS


def escape_message(text: str, limit: int = MESSAGE_LENGTH) -> str:
    """Return a sentence as `escape_for_display` does; a longer one loses its middle.

    So a long name that a sentence quotes can't cut off what the sentence says after it. A second call changes nothing.
    """
    if text.isascii() and text.isprintable() and len(text) <= limit:
        return text
    return _without_middle("".join(map(_visible, _without_middle(text, limit))), limit)


def csv_cell(text: str, limit: int = EXCEL_CELL) -> str:
    """Return ``text`` as a CSV cell that no spreadsheet evaluates as a formula.

    Escaped like all untrusted text; an apostrophe is put before a text that starts, after any blanks, with ``= + - @``,
    a tab or a line break. A plain number such as ``-0.25`` or ``+1e-3`` stays as it is. Quotes and commas are left to
    the CSV writer.
    """
    if not _is_evaluated(text):
        return escape_for_display(text, limit)
    return "'" + escape_for_display(text, max(1, limit - 1))


def name_cell(name: str) -> str:
    """Return a name as a CSV cell that no spreadsheet evaluates, for a file that is read again: see `name_in_cell`.

    Nothing but an apostrophe is added, and one that would be taken for it is doubled.
    """
    return "'" + name if _is_evaluated(name.lstrip("'")) else name


def name_in_cell(cell: str) -> str:
    """Return the text of a cell without the apostrophe that keeps a spreadsheet from evaluating it."""
    return cell[1:] if cell[:1] == "'" and _is_evaluated(cell.lstrip("'")) else cell


def _is_evaluated(text: str) -> bool:
    """Return whether a spreadsheet takes a cell for a formula."""
    return bool(text) and (text[0] in _FORMULA or text.lstrip()[:1] in _FORMULA) and not _NUMBER.fullmatch(text)


def _without_middle(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    head = limit // 2
    return text[:head] + ELLIPSIS + text[len(text) - (limit - head - 1) :]


def _visible(char: str) -> str:
    if char.isprintable() and char not in _BLANK:
        return char
    return char.encode("unicode_escape").decode("ascii")
