"""Names and sentences that go into a board: what they may hold, and when two names are the same."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

from evalkit.errors import InputError
from evalkit.ratings.cell_reader import MAX_ID
from evalkit.text import escape_for_display, hidden_characters

MAX_NAME = 100  # characters
MAX_REASON = 2000
_CODE = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def clean_name(text: str, what: str) -> str:
    """Return a name as the board keeps it: Unicode NFC, no spaces at its ends.

    Args:
        text: as it was given.
        what: of what it is the name, such as ``team``.

    Raises:
        InputError: when it is empty, too long, or holds characters that nobody sees.
    """
    name = unicodedata.normalize("NFC", text).strip()
    if not name:
        raise InputError(f"The name of a {what} is empty.", fix=f"Give 1 to {MAX_NAME} characters.")
    if len(name) > MAX_NAME:
        raise InputError(
            f"The name of a {what} is too long: '{escape_for_display(name, limit=60)}'.",
            found=f"{len(name)} characters",
            expected=f"at most {MAX_NAME}",
        )
    hidden = hidden_characters(name)
    if hidden:
        raise InputError(
            f"The name of a {what} holds characters that nobody sees: '{name}'.",
            found=", ".join(hidden[:5]),
            fix="Leave them out.",
        )
    return name


def clean_run(text: str) -> str:
    """Return the name of a run; a slash would make ``team/run`` ambiguous.

    Raises:
        InputError: see `clean_name`.
    """
    name = clean_name(text, "run")
    if "/" in name:
        raise InputError(f"The name of a run holds a slash: '{name}'.", fix="Write '-' instead.")
    return name


def folded(name: str) -> str:
    """Return what two names share when they differ in case only."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).strip().casefold())


def clean_reason(text: str, what: str) -> str:
    """Return why something was done.

    Raises:
        InputError: when it is empty, too long, or no text that a database keeps.
    """
    reason = text.strip()
    if not reason:
        raise InputError(f"{what} needs a reason, for those who ask later.", fix="Say why in a sentence.")
    if len(reason) > MAX_REASON or not _storable(reason):
        fix = f"Give at most {MAX_REASON} characters of plain text."
        raise InputError(f"The reason '{escape_for_display(reason, limit=60)}' can't be kept.", fix=fix)
    return reason


def clean_code(text: str) -> str:
    """Return a code for programs, such as ``straight-liner``.

    Raises:
        InputError: when it is none.
    """
    if not _CODE.fullmatch(text):
        expected = "lower-case letters, digits and hyphens"
        raise InputError(f"'{escape_for_display(text, limit=60)}' is not a code of a reason.", expected=expected)
    return text


def check_ids(ids: Iterable[str], where: str, *, limit: int = MAX_ID) -> None:
    """Make sure that a database can keep these ids of a file.

    Args:
        ids: as they were read.
        where: how messages name their position.
        limit: of characters.

    Raises:
        InputError: naming the first that it can't.
    """
    for word in ids:
        if len(word) > limit or not _storable(word):
            found = f"{len(word)} characters" if len(word) > limit else "a character that no database keeps"
            raise InputError(
                f"{where}: '{escape_for_display(word, limit=60)}' can't be kept.",
                found=found,
                expected=f"at most {limit} characters",
            )


def file_name(source: str) -> str:
    """Return the name of a file without its folders, as a database keeps it."""
    name = PurePosixPath(source.replace("\\", "/")).name or source
    return name[:MAX_ID] if _storable(name) else escape_for_display(name, limit=MAX_ID)


def _storable(text: str) -> bool:
    if text.isascii():
        return "\0" not in text
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)
