"""The single answers on a board, each with its id and why it does not count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from evalkit.text import escape_for_display

if TYPE_CHECKING:
    from evalkit.ratings import Answer, AnswerVerdict

PREFIX = 12  # digits of an id in text


def answer_document(verdict: AnswerVerdict) -> dict[str, Any]:
    """Return an answer and its verdict as plain data; the identity is what 'evalkit board exclude answer' takes."""
    answer = verdict.answer
    return {
        "file": answer.file,
        "row": answer.row,
        "identity": answer.id,
        "rater": answer.rater,
        "item": _item(answer),
        "dimension": answer.dimension,
        "value": answer.value,
        "codes": list(verdict.codes),
        "sentence": _sentence(verdict),
    }


def print_answers(verdicts: Sequence[AnswerVerdict], total: int) -> None:
    """Print answers, one a line, and how many of ``total`` are not among them."""
    for verdict in verdicts:
        one = verdict.answer
        codes = f" ({', '.join(verdict.codes)}) {_sentence(verdict)}" if verdict.codes else ""
        place = f"{one.file}, row {one.row}: {one.rater}, {_item(one)}, {one.dimension or '-'}, {one.value:g}"
        click.echo(escape_for_display(f"{one.id[:PREFIX]} {place}{codes}", 500))
    if total > len(verdicts):
        click.echo(f"... and {total - len(verdicts)} more with --json.")


def _item(answer: Answer) -> str:
    return f"{answer.item}: {' / '.join(answer.teams)}" if answer.teams else answer.item


def _sentence(verdict: AnswerVerdict) -> str:
    return " ".join(reason.sentence for reason in verdict.reasons)
