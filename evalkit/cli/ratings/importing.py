"""Bring a file of ratings or comparisons onto a board, or show what that would do."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from evalkit.cli.ratings.rows import AnswerRow, print_rows, rows_of
from evalkit.errors import InputError, UsageError
from evalkit.ratings import (
    Key,
    RatingFile,
    Summary,
    identity,
    pair_identity,
    read_key,
    read_pairs,
    read_ratings,
)
from evalkit.text import escape_for_display

if TYPE_CHECKING:
    from evalkit.board import Board
    from evalkit.board.filtering import Judged
    from evalkit.board.imports import Imported
    from evalkit.ratings import PairFile

CHUNK = 1024 * 1024
SHOWN_FAULTS = 20
SHOWN_ROWS = 10


@dataclass(frozen=True)
class RatingsInput:
    """What to import: a file, and how to read it."""

    file: Path
    form: str = "auto"
    mapping: Path | None = None
    key: Path | None = None
    participants: Path | None = None
    pairs: bool = False
    skip_bad_rows: bool = False


@dataclass(frozen=True)
class ImportResult:
    """What an import did, or would do.

    Args:
        file: name of the file.
        form: as what it was read.
        new, known: rows that were not on the board, and those that were.
        changed: rows that were on the board with another word of the platform, which is replaced.
        left_out: after a dry run, the file's rows that would not count.
        counts: what counts of everything on the board afterwards, and why not.
        faults: what could not be read, as sentences.
        unread: columns that were taken for nothing.
        dry_run: whether the board was left as it was.
    """

    file: str
    form: str
    new: int
    known: int
    counts: Summary
    faults: list[str] = field(default_factory=list)
    unread: tuple[str, ...] = ()
    dry_run: bool = False
    changed: int = 0
    left_out: list[AnswerRow] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data for JSON."""
        rows = {"not_counted_rows": [row.as_dict() for row in self.left_out]} if self.dry_run else {}
        return {
            "schema": 1,
            "file": self.file,
            "format": self.form,
            "dry_run": self.dry_run,
            "new": self.new,
            "known": self.known,
            "changed": self.changed,
            "on_the_board": self.counts.as_dict(),
            "faults": self.faults,
            "unread_columns": list(self.unread),
            **rows,
        }


def require_challenge(board: Board, name: str) -> None:
    """Raise `UsageError` unless the board is of the challenge ``name`` and holds its rules as they are there."""
    from evalkit.challenges.model import load_challenge

    asked, there = load_challenge(name), board.challenge()
    if asked.id != there.id:
        raise UsageError(f"The board is of the challenge '{there.id}', not of '{asked.id}'.")
    if asked.sha256 != there.sha256:
        raise UsageError(
            f"The board holds other rules of '{there.id}' than {name}.",
            found=there.sha256[:12],
            expected=asked.sha256[:12],
            fix="Put the new rules on the board with 'evalkit board rules', or leave --challenge out.",
        )


def import_ratings(board: Board, source: RatingsInput, *, by: str, dry_run: bool = False) -> ImportResult:
    """Import ``source`` in one transaction, unless ``dry_run``.

    Raises:
        InputError: rows that can't be read, and ``skip_bad_rows`` is off: nothing is imported.
    """
    from evalkit.board.filtering import summarise_parts

    key = read_key(source.key) if source.key is not None else None
    dimensions = board.challenge().ratings.dimensions
    rows: RatingFile | PairFile
    if source.pairs:
        rows = read_pairs(source.file, source.mapping, dimensions=dimensions)
    else:
        rows = read_ratings(
            source.file,
            source.form,
            source.mapping,
            dimensions=dimensions,
            participants=source.participants,
        )
    name, form = source.file.name, str(rows.format)
    left_out: list[AnswerRow] = []
    if dry_run:
        done, judged, left_out = _dry_run(board, rows, source, key, by)
        counts = judged.pair_summary() if source.pairs else judged.summary()
    else:
        where = {"source": name, "sha256": _digest(source.file), "form": form, "by": by}
        if source.pairs:
            done = board.import_pairs(_whole(cast("PairFile", rows), source), **where)
        else:
            done = board.import_ratings(_whole(cast("RatingFile", rows), source), key=key, **where)
        counts = summarise_parts(board.by_rater(pairs=source.pairs), pairs=source.pairs)
    result = ImportResult(name, form, done.new, done.known, counts, rows.fault_sentences, rows.unread_columns, dry_run)
    return replace(result, changed=done.changed, left_out=left_out)


def _dry_run(
    board: Board, rows: RatingFile | PairFile, source: RatingsInput, key: Key | None, by: str
) -> tuple[Imported, Judged, list[AnswerRow]]:
    """Return what the import would do, the verdicts on all that the board would hold, and the file's refused rows.

    Raises:
        InputError: when the import would be refused.
    """
    from evalkit.board.filtering import filter_ratings

    places: dict[str, int] = {}
    name = source.file.name
    given = _noted(_whole(rows, source, dry_run=True), places, pairs=source.pairs)
    try:
        done, after = board.dry_run_import(
            given, source=name, form=str(rows.format), by=by, key=key, pairs=source.pairs
        )
    except InputError as error:
        first, *others = error.lines
        what = [f"The import would be refused. {first}", *others]
        raise InputError(what, found=error.found, expected=error.expected, fix=error.fix) from None
    judged = filter_ratings(after)
    found = rows_of(after, judged, pairs=source.pairs)
    mine = [replace(row, file=name, row=places[row.identity]) for row in found if row.codes and row.identity in places]
    return done, judged, sorted(mine, key=lambda row: row.row)


def _noted(rows: Iterator[Any], places: dict[str, int], *, pairs: bool) -> Iterator[Any]:
    """Yield the rows, and keep where in the file each stands first."""
    name: Callable[[Any], str] = pair_identity if pairs else identity
    for row in rows:
        places.setdefault(name(row), row.row)
        yield row


def _whole(rows: RatingFile | PairFile, source: RatingsInput, *, dry_run: bool = False) -> Iterator[Any]:
    """Yield the rows; raise at the end when some could not be read, so that the transaction is undone."""
    yield from rows
    if rows.fault_count and not source.skip_bad_rows:
        shown = rows.fault_sentences[:SHOWN_FAULTS]
        end = "" if dry_run else "; nothing was imported"
        raise InputError(
            f"{rows.fault_count} cells or rows of {source.file.name} can't be read{end}.",
            found=" ".join(shown),
            fix="Fix them, or import the other rows with --skip-bad-rows.",
        )


def _digest(path: Path) -> str:
    whole = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            whole.update(chunk)
    return whole.hexdigest()


def print_result(result: ImportResult) -> None:
    """Print what was done and what counts now."""
    verb, becomes = ("Would import", "would be") if result.dry_run else ("Imported", "was")
    words = f"{verb} {result.new} new rows of {result.file} ({result.form}); {result.known} were on the board before."
    click.echo(escape_for_display(words, 400))
    if result.changed:
        click.echo(
            f"changed: {result.changed} (the platform's word on them is another; the earlier one {becomes} ended)"
        )
    for line in result.counts.lines():
        click.echo(escape_for_display(line, 400))
    print_rows(result.left_out[:SHOWN_ROWS], len(result.left_out))
    if result.unread:
        click.echo(escape_for_display(f"Columns that say nothing here: {', '.join(result.unread)}", 400), err=True)
    for fault in result.faults[:SHOWN_FAULTS]:
        click.echo(escape_for_display(f"warning: {fault}", 400), err=True)
    if len(result.faults) > SHOWN_FAULTS:
        click.echo(f"warning: and {len(result.faults) - SHOWN_FAULTS} more.", err=True)
