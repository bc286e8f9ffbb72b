"""A file of answers that is read while its answers are asked for, and what can't be read in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from evalkit.ratings.cell_reader import Context, Dimensions
from evalkit.ratings.formats.prolific import Participant, join, read_participants
from evalkit.ratings.layout import require_known_times
from evalkit.ratings.mapping import RatingMapping
from evalkit.ratings.model import Answer
from evalkit.ratings.read_errors import Fault, Faults
from evalkit.ratings.table import delimiter_of, raw_rows
from evalkit.ratings.workbook import is_workbook, other_sheets
from evalkit.text import escape_for_display, escape_message

SAMPLED_ROWS = 20  # rows in which columns of times are looked for


class AnswerFile:
    """The answers in a file: ``for answer in file``.

    The faults of the file are complete once all answers were asked for. Asking again reads the file again.

    Args:
        path: the file.
        format: its format, as the board keeps it.
        read: what yields its answers; a column that is missing is an error before the first answer.
        table: whether it is a table; otherwise it is JSON.
        mapping: how cells are written.
        dimensions: which dimensions the texts in the file name.
        participants: Prolific's export, for the format ``prolific``.
        limit: how many faults are kept.
    """

    def __init__(
        self,
        path: Path,
        format: str,
        read: Callable[[Path, Context], Iterator[Answer]],
        *,
        table: bool,
        mapping: RatingMapping,
        dimensions: Dimensions,
        participants: Path | None = None,
        limit: int,
    ) -> None:
        self.path = path
        self.format = format
        self._mapping = mapping
        self._read = read
        self._dimensions = dimensions
        self._limit = limit
        self._delimiter = delimiter_of(path, form=mapping.form) if table else None
        self._participants: dict[str, Participant] | None = None
        self._participants_faults: tuple[Faults, ...] = ()
        if participants is not None:
            context = self._new_context(participants)
            # What the mapping says about cells is about the survey's; the export is the platform's.
            context.mapping, context.form_of_times = RatingMapping(zone=mapping.zone), False
            self._participants = read_participants(participants, context)
            self._participants_faults = (context.faults,)
        self._timeless = self._answers = 0
        iter(self)  # reads the header
        if table and participants is None:
            self._require_known_times()

    def __iter__(self) -> Iterator[Answer]:
        self._timeless = self._answers = 0
        self._context = self._new_context(self.path)
        answers = self._read(self.path, self._context)
        return self._counted(answers if self._participants is None else join(answers, self._participants))

    def _counted(self, answers: Iterator[Answer]) -> Iterator[Answer]:
        for answer in answers:
            self._answers += 1
            self._timeless += answer.at is None
            yield answer

    def _require_known_times(self) -> None:
        """Raise when the answers would lose times that the table seems to hold."""
        rows = (cells for _, cells in raw_rows(self.path, Faults(self.path.name), form=self._mapping.form))
        header = next(rows, [])
        answers = islice(rows, self._context.header_rows - 1, self._context.header_rows - 1 + SAMPLED_ROWS)
        sample = [dict(zip(header, cells, strict=False)) for cells in answers]
        require_known_times(self._context, sample)

    def _new_context(self, path: Path) -> Context:
        faults = Faults(path.name, self._limit)
        zone = self._mapping.tzinfo
        return Context(path.name, self._mapping, self._dimensions, faults, zone, delimiter=self._delimiter)

    @property
    def unread_columns(self) -> tuple[str, ...]:
        """Columns of a table that are not read: a comment, or a misspelt dimension."""
        return self._context.unread

    @property
    def _faults(self) -> tuple[Faults, ...]:
        return (*self._participants_faults, self._context.faults)

    @property
    def notes(self) -> list[str]:
        """What to know of the answers that were read: sheets that were not read, and whether some have no time."""
        notes = self._sheets()
        if not self._timeless:
            return notes
        which = f"None of the {self._answers}" if self._timeless == self._answers else f"{self._timeless} of the"
        note = f"{which} answers in {self.path.name} " + ("has a time" if which.startswith("None") else "have no time")
        hint = "" if self._context.timed else ": no column is known as the time they were handed in ('at' in a mapping)"
        return [*notes, escape_message(f"{note}{hint}.")]

    def _sheets(self) -> list[str]:
        if self._delimiter is None or not is_workbook(self.path):
            return []
        read, others = other_sheets(self.path, self._mapping.sheet)
        listed = ", ".join(f"'{escape_for_display(name, limit=60)}'" for name in others)
        note = f"Read is the sheet '{escape_for_display(read, limit=60)}' of {self.path.name}"
        return [escape_message(f"{note}, not {listed} (say which with 'sheet' in a mapping).")] if others else []

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The first faults met while reading, with file, row and column."""
        return tuple(fault for faults in self._faults for fault in faults.kept)

    @property
    def fault_count(self) -> int:
        """How many faults were met, kept or not."""
        return sum(faults.count for faults in self._faults)

    @property
    def fault_sentences(self) -> list[str]:
        """The faults as sentences, and how many more there are."""
        return [sentence for faults in self._faults for sentence in faults.sentences()]
