"""What can't be read in a file, cell by cell: the first faults are kept, all are counted."""

from __future__ import annotations

from dataclasses import dataclass

from evalkit.errors import InputError
from evalkit.text import count, escape_for_display, escape_message

MAX_FAULTS = 20  # more of them usually have one cause


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, and where: file, row (1 is the header), column (``None`` for the whole row)."""

    file: str
    row: int
    column: str | None
    message: str

    def __str__(self) -> str:
        place = f"{self.file}, row {self.row}"
        if self.column is not None:
            place += f", column '{escape_for_display(self.column, limit=80)}'"
        return escape_message(f"{place}: {self.message}")


class Faults:
    """Collects the faults of one file.

    Args:
        file: what messages call it.
        limit: how many faults are kept; the rest is only counted.
    """

    def __init__(self, file: str, limit: int = MAX_FAULTS) -> None:
        self.file = file
        self.limit = limit
        self.kept: list[Fault] = []
        self.count = 0

    def add(self, row: int, column: str | None, message: str) -> None:
        """Note a fault; ``message`` is a sentence."""
        self.count += 1
        if len(self.kept) < self.limit:
            self.kept.append(Fault(self.file, row, column, message))

    def sentences(self) -> list[str]:
        """Return the kept faults as sentences, and how many more there are."""
        lines = [str(fault) for fault in self.kept]
        if self.count > len(self.kept):
            lines.append(f"{self.file}: and {count(self.count - len(self.kept), 'more fault')}.")
        return lines

    def error(self) -> InputError:
        """Return all of them as one error."""
        return InputError(self.sentences(), fix="Fix these places and try again; nothing was read.")


def shown(value: object) -> str:
    """Return a cell as a message shows it: in quotes, on one line, short, harmless."""
    return f"'{escape_for_display(str(value) if not isinstance(value, str) else value, limit=60)}'"
