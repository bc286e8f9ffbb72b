"""Import a file of ratings or comparisons into a board, or show what that would do."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evalkit.cli.ratings.rows import answer_document, print_answers
from evalkit.errors import InputError, UsageError
from evalkit.ratings import read_key, read_pairs, read_ratings
from evalkit.text import escape_for_display

if TYPE_CHECKING:
    from evalkit.board import Board
    from evalkit.board.filtering import FilteredAnswers
    from evalkit.board.imports import Imported
    from evalkit.ratings import Answer, AnswerFile, AnswerKind, AnswerSummary, AnswerVerdict, Key

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
    allow_unknown: bool = False


@dataclass(frozen=True)
class ImportResult:
    """What an import did, or would do.

    Args:
        file: name of the file.
        form: as what it was read.
        new, known: rows that were not on the board, and those that were.
        changed: rows that were on the board with another status of the platform, which is replaced.
        left_out: after a dry run, the file's rows that would not count.
        counts: what counts of everything on the board afterwards, and why not.
        faults: what could not be read, as sentences.
        unread: columns that were not read.
        notes: what to know of the file's answers, as sentences.
        dry_run: whether the board was left as it was.
        number: of the import, for 'evalkit ratings undo'; ``None`` when nothing changed.
        nothing: when none of the file's answers counts, why the first of them does not; else empty.
    """

    file: str
    form: str
    new: int
    known: int
    counts: AnswerSummary
    faults: list[str] = field(default_factory=list)
    unread: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    dry_run: bool = False
    changed: int = 0
    left_out: list[AnswerVerdict] = field(default_factory=list)
    number: int | None = None
    nothing: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data for JSON."""
        rows = {"not_counted_rows": [answer_document(verdict) for verdict in self.left_out]} if self.dry_run else {}
        return {
            "schema": 1,
            "file": self.file,
            "format": self.form,
            "dry_run": self.dry_run,
            "import": None if self.dry_run else self.number,
            "new": self.new,
            "known": self.known,
            "changed": self.changed,
            "on_the_board": self.counts.as_dict(),
            "nothing_counts": self.nothing or None,
            "faults": self.faults,
            "unread_columns": list(self.unread),
            "notes": self.notes,
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
    from evalkit.board.filtering import filter_parts
    from evalkit.ratings import summarise_answers

    key = read_key(source.key) if source.key is not None else None
    dimensions = board.challenge().ratings.dimensions
    if source.pairs:
        rows = read_pairs(source.file, source.mapping, dimensions=dimensions)
    else:
        rows = read_ratings(
            source.file, source.form, source.mapping, dimensions=dimensions, participants=source.participants
        )
    kind: AnswerKind = "comparison" if source.pairs else "rating"
    name = source.file.name
    left_out: list[AnswerVerdict] = []
    watch = _Watch()
    if dry_run:
        done, found, left_out = _dry_run(board, rows, source, key, by, watch)
        verdicts: Iterable[AnswerVerdict] = found.verdicts
    else:
        done = board.import_answers(
            watch.note(_whole(rows, source)),
            source=name,
            sha256=_digest(source.file),
            form=rows.format,
            by=by,
            key=key,
            allow_unknown=source.allow_unknown,
        )
        verdicts = filter_parts(board.by_rater())
    counts = summarise_answers(watch.follow(verdicts), kind)
    return ImportResult(
        file=name,
        form=rows.format,
        new=done.new,
        known=done.known,
        changed=done.changed,
        counts=counts,
        faults=rows.fault_sentences,
        unread=rows.unread_columns,
        notes=rows.notes,
        dry_run=dry_run,
        left_out=left_out,
        number=done.number,
        nothing=watch.nothing,
    )


class _Watch:
    """Whether any answer of a file counts, and why the first does not."""

    def __init__(self) -> None:
        self._mine: set[int] = set()  # the first 64 bits of the answers' ids: a file may hold a million
        self._counts = False
        self._first: AnswerVerdict | None = None

    def note(self, answers: Iterable[Answer]) -> Iterator[Answer]:
        """Pass the file's answers on."""
        for answer in answers:
            self._mine.add(int(answer.id[:16], 16))
            yield answer

    def follow(self, verdicts: Iterable[AnswerVerdict]) -> Iterator[AnswerVerdict]:
        """Pass the verdicts on all of the board on."""
        for verdict in verdicts:
            if not self._counts and int(verdict.answer.id[:16], 16) in self._mine:
                self._counts = verdict.counted
                if self._first is None or verdict.answer.row < self._first.answer.row:
                    self._first = verdict
            yield verdict

    @property
    def nothing(self) -> str:
        """When nothing of the file counts, the reasons against its first answer; else empty."""
        if self._counts:
            return ""
        if self._first is None:
            return "It holds no answer."
        return " ".join(reason.sentence for reason in self._first.reasons)


def _dry_run(
    board: Board, rows: AnswerFile, source: RatingsInput, key: Key | None, by: str, watch: _Watch
) -> tuple[Imported, FilteredAnswers, list[AnswerVerdict]]:
    """Return what the import would do, the verdicts on all that the board would hold, and the file's rejected answers.

    Raises:
        InputError: when the import would be refused.
    """
    from evalkit.board.filtering import filter_answers

    first_rows: dict[str, int] = {}  # an answer's id -> where it is first in the file
    name = source.file.name
    given = watch.note(_noted(_whole(rows, source, dry_run=True), first_rows))
    try:
        done, after = board.dry_run_import(
            given, source=name, form=rows.format, by=by, key=key, allow_unknown=source.allow_unknown
        )
    except InputError as error:
        first, *others = error.lines
        what = [f"The import would be refused. {first}", *others]
        raise InputError(what, found=error.found, expected=error.expected, fix=error.fix) from None
    filtered = filter_answers(after)
    mine = [
        replace(verdict, answer=replace(verdict.answer, file=name, row=row))
        for verdict in filtered.verdicts
        if not verdict.counted and (row := first_rows.get(verdict.answer.id)) is not None
    ]
    return done, filtered, sorted(mine, key=lambda verdict: verdict.answer.row)


def _noted(answers: Iterator[Answer], first_rows: dict[str, int]) -> Iterator[Answer]:
    for answer in answers:
        first_rows.setdefault(answer.id, answer.row)
        yield answer


def _whole(rows: AnswerFile, source: RatingsInput, *, dry_run: bool = False) -> Iterator[Answer]:
    """Yield the answers; raise at the end when some could not be read, so that the transaction is undone."""
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
    if result.number is not None and not result.dry_run:
        click.echo(f"Import {result.number}; 'evalkit ratings undo {result.number} --why TEXT' takes it back.")
    if result.changed:
        click.echo(
            f"changed: {result.changed} (the platform's status is another one; the earlier one {becomes} replaced)"
        )
    for line in result.counts.lines():
        click.echo(escape_for_display(line, 400))
    print_answers(result.left_out[:SHOWN_ROWS], len(result.left_out))
    if result.nothing:
        verb = "would count" if result.dry_run else "counts"
        click.echo(escape_for_display(f"warning: Nothing of {result.file} {verb}. {result.nothing}", 600), err=True)
    if result.unread:
        click.echo(escape_for_display(f"Columns that were not read: {', '.join(result.unread)}", 400), err=True)
    for note in result.notes:
        click.echo(escape_for_display(f"note: {note}", 1000), err=True)
    for fault in result.faults[:SHOWN_FAULTS]:
        click.echo(escape_for_display(f"warning: {fault}", 400), err=True)
    if len(result.faults) > SHOWN_FAULTS:
        click.echo(f"warning: and {len(result.faults) - SHOWN_FAULTS} more.", err=True)
