"""Bring a file of ratings or comparisons onto a board, or show what that would do."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from evalkit.board.model import Snapshot, StoredPair, StoredRating
from evalkit.errors import InputError, UsageError
from evalkit.ratings import (
    Key,
    Rating,
    RatingFile,
    Summary,
    identity,
    pair_identity,
    read_key,
    read_pairs,
    read_ratings,
)
from evalkit.text import neutralise

if TYPE_CHECKING:
    from evalkit.board import Board
    from evalkit.ratings import Comparison, FormatName, PairFile

Row = TypeVar("Row")
CHUNK = 1024 * 1024
SHOWN_FAULTS = 20


@dataclass(frozen=True)
class Source:
    """What to import: a file, and how to read it."""

    file: Path
    form: str = "auto"
    mapping: Path | None = None
    key: Path | None = None
    participants: Path | None = None
    pairs: bool = False
    skip_bad_rows: bool = False


@dataclass(frozen=True)
class Result:
    """What an import did, or would do.

    Args:
        file: name of the file.
        form: as what it was read.
        new, known: rows that were not on the board, and those that were.
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

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data for JSON."""
        return {
            "schema": 1,
            "file": self.file,
            "format": self.form,
            "dry_run": self.dry_run,
            "new": self.new,
            "known": self.known,
            "on_the_board": self.counts.as_dict(),
            "faults": self.faults,
            "unread_columns": list(self.unread),
        }


def require_challenge(board: Board, name: str) -> None:
    """Raise `UsageError` unless the board is of the challenge ``name`` and holds its rules as they are there."""
    from evalkit.challenge import load_challenge

    asked, there = load_challenge(name), board.challenge()
    if asked.id != there.id:
        raise UsageError(f"The board is of the challenge '{there.id}', not of '{asked.id}'.")
    if asked.sha256 != there.sha256:
        raise UsageError(
            f"The board holds other rules of '{there.id}' than {neutralise(name)}.",
            found=there.sha256[:12],
            expected=asked.sha256[:12],
            fix="Put the new rules on the board with 'evalkit board rules', or leave --challenge out.",
        )


def bring_in(board: Board, source: Source, *, by: str, dry_run: bool = False) -> Result:
    """Import ``source`` in one transaction, unless ``dry_run``.

    Raises:
        InputError: rows that can't be read, and ``skip_bad_rows`` is off: nothing is imported.
    """
    from evalkit.standings.judged import judge_snapshot, summarise_parts

    key = read_key(source.key) if source.key is not None else None
    dimensions = board.challenge().ratings.dimensions
    rows: RatingFile | PairFile
    if source.pairs:
        rows = read_pairs(source.file, source.mapping, dimensions=dimensions)
    else:
        rows = read_ratings(
            source.file,
            cast("FormatName", source.form),
            source.mapping,
            dimensions=dimensions,
            participants=source.participants,
        )
    if dry_run:
        before = board.snapshot()
        after = _with(before, rows, source, key)
        new = len(after.ratings) + len(after.pairs) - len(before.ratings) - len(before.pairs)
        known = sum(1 for _ in rows) - new
        judged = judge_snapshot(after)
        counts = judged.pair_summary() if source.pairs else judged.summary()
    else:
        where = {"source": source.file.name, "sha256": _digest(source.file), "form": str(rows.format), "by": by}
        if source.pairs:
            done = board.import_pairs(_whole(cast("PairFile", rows), source), **where)
        else:
            done = board.import_ratings(_whole(cast("RatingFile", rows), source), key=key, **where)
        new, known = done.new, done.known
        counts = summarise_parts(board.by_rater(pairs=source.pairs), pairs=source.pairs)
    return Result(
        source.file.name, str(rows.format), new, known, counts, rows.fault_sentences, rows.unread_columns, dry_run
    )


def _whole(rows: RatingFile | PairFile, source: Source) -> Iterator[Any]:
    """Yield the rows; raise at the end when some could not be read, so that the transaction is undone."""
    yield from rows
    if rows.fault_count and not source.skip_bad_rows:
        shown = rows.fault_sentences[:SHOWN_FAULTS]
        raise InputError(
            f"{rows.fault_count} cells or rows of {neutralise(source.file.name)} can't be read; nothing was imported.",
            found=" ".join(shown),
            fix="Mend them, or import the other rows with --skip-bad-rows.",
        )


def _with(snapshot: Snapshot, rows: RatingFile | PairFile, source: Source, key: Key | None) -> Snapshot:
    """Return the snapshot as it would be after the import."""
    if key is not None and snapshot.key is not None:
        key = Key({**snapshot.key.entries, **key.entries}, key.source)
    snapshot = replace(snapshot, key=key or snapshot.key)
    name = source.file.name
    if source.pairs:
        known = {one.id for one in snapshot.pairs}
        found: dict[str, Comparison] = {}
        for row in cast("PairFile", rows):
            found.setdefault(pair_identity(row), row)
        pairs = (StoredPair(id_, row, name) for id_, row in found.items() if id_ not in known)
        return replace(snapshot, pairs=(*snapshot.pairs, *pairs))
    known = {one.id for one in snapshot.ratings}
    read: dict[str, Rating] = {}
    for rating in cast("RatingFile", rows):
        read.setdefault(identity(rating), rating)
    ratings = (StoredRating(id_, row, name) for id_, row in read.items() if id_ not in known)
    return replace(snapshot, ratings=(*snapshot.ratings, *ratings))


def _digest(path: Path) -> str:
    whole = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            whole.update(chunk)
    return whole.hexdigest()


def print_result(result: Result) -> None:
    """Print what was done and what counts now."""
    verb = "Would import" if result.dry_run else "Imported"
    words = f"{verb} {result.new} new rows of {result.file} ({result.form}); {result.known} were on the board before."
    click.echo(neutralise(words, 400))
    for line in result.counts.lines():
        click.echo(neutralise(line, 400))
    if result.unread:
        click.echo(neutralise(f"Columns that say nothing here: {', '.join(result.unread)}", 400), err=True)
    for fault in result.faults[:SHOWN_FAULTS]:
        click.echo(neutralise(f"warning: {fault}", 400), err=True)
    if len(result.faults) > SHOWN_FAULTS:
        click.echo(f"warning: and {len(result.faults) - SHOWN_FAULTS} more.", err=True)
