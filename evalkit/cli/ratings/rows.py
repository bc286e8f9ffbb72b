"""The single answers on a board, each with its identity and why it does not count."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from evalkit.text import escape_for_display

if TYPE_CHECKING:
    from evalkit.board.filtering import Judged
    from evalkit.board.model import Snapshot

PREFIX = 12  # digits of an identity in text


@dataclass(frozen=True)
class AnswerRow:
    """One answer.

    Args:
        file, row: where it stands.
        identity: what 'evalkit board exclude' calls it.
        rater: who gave it.
        item: what was rated; of a comparison, the sample and its two teams.
        dimension: the question.
        value: the answer; of a comparison, the points of the left team.
        codes: why it does not count; empty when it does.
        sentence: the same for people.
    """

    file: str
    row: int
    identity: str
    rater: str
    item: str
    dimension: str
    value: float
    codes: tuple[str, ...]
    sentence: str

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data for JSON."""
        return {**vars(self), "codes": list(self.codes)}


def rows_of(snapshot: Snapshot, judged: Judged, *, pairs: bool = False) -> Iterator[AnswerRow]:
    """Yield the board's ratings, or its comparisons, in its order."""
    if pairs:
        for pair, said in zip(snapshot.pairs, judged.pair_verdicts, strict=True):
            one = pair.comparison
            item = f"{one.sample}: {one.left} / {one.right}"
            sentence = " ".join(reason.sentence for reason in said.reasons)
            yield AnswerRow(
                pair.source, one.row, pair.id, one.rater, item, one.dimension, one.outcome, said.codes, sentence
            )
        return
    for stored, verdict in zip(snapshot.ratings, judged.verdicts, strict=True):
        rating = stored.rating
        sentence = " ".join(reason.sentence for reason in verdict.reasons)
        place = (stored.source, rating.row, stored.id, rating.rater, rating.item, rating.dimension, rating.value)
        yield AnswerRow(*place, verdict.codes, sentence)


def print_rows(rows: Sequence[AnswerRow], total: int) -> None:
    """Print rows, one a line, and how many of ``total`` are not among them."""
    for row in rows:
        codes = f" ({', '.join(row.codes)}) {row.sentence}" if row.codes else ""
        place = f"{row.file}, row {row.row}: {row.rater}, {row.item}, {row.dimension or '-'}, {row.value:g}"
        click.echo(escape_for_display(f"{row.identity[:PREFIX]} {place}{codes}", 500))
    if total > len(rows):
        click.echo(f"... and {total - len(rows)} more with --json.")
