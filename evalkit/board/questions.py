"""What a board answers: each question is one transaction that changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

from evalkit.board import decisions, signers
from evalkit.board.audit import read_log
from evalkit.board.model import AuditEntry, Snapshot, Target
from evalkit.board.reading import read_by_rater, read_challenge, read_held, read_snapshot, read_teams
from evalkit.board.transactions import OpenBoard
from evalkit.board.verify import problems
from evalkit.challenges.model import Challenge


class BoardQuestions(OpenBoard):
    """The methods of `evalkit.board.Board` that change nothing."""

    def challenge(self) -> Challenge:
        """Return the rules that hold now."""
        with self._read() as connection:
            return read_challenge(connection)

    def team_names(self) -> list[str]:
        """Return the names of the teams that take part now, sorted."""
        with self._read() as connection:
            return [team.name for team in read_teams(connection)]

    def trusted_keys(self) -> list[str]:
        """Return the fingerprints of the keys whose signatures count."""
        with self._read() as connection:
            return signers.trusted_keys(connection)

    def log(self, limit: int | None = None) -> list[AuditEntry]:
        """Return the log, the oldest entry first; with ``limit`` only the last so many entries."""
        with self._read() as connection:
            return read_log(connection, limit=limit)

    def verify(self) -> list[str]:
        """Return a sentence for everything that was changed without evalkit; empty when nothing was."""
        with self._read() as connection:
            return problems(connection)

    def snapshot(self, as_of: datetime | int | None = None) -> Snapshot:
        """Return all that the board holds, or held at ``as_of``.

        Args:
            as_of: a moment, or the number of a log entry: the board as that entry left it.

        Raises:
            InputError: when the board did not exist then, when ``as_of`` is yet to come, when it names no time zone, or
                when there is no such entry.
            StorageError: when what it holds can't be read; `verify` says more.
        """
        with self._read() as connection:
            return read_snapshot(connection, as_of, None if as_of is None else self._now())

    def answers_held(self, identities: Collection[str], *, undone: bool = False) -> set[str]:
        """Return which of these answers the board has.

        Args:
            identities: `Answer.id` of each.
            undone: whether those count, too, that it had and that were taken back since.

        Raises:
            StorageError: when what it holds can't be read.
        """
        with self._read() as connection:
            return read_held(connection, identities, undone=undone)

    def by_rater(self) -> Iterator[Snapshot]:
        """Yield the board as it is with one rater's answers at a time, without images: little memory is used.

        Raises:
            StorageError: when what it holds can't be read.
        """
        with self._read() as connection:
            yield from read_by_rater(connection)

    def decisions_on(self, target: Target, subjects: Sequence[str]) -> list[int]:
        """Return the numbers of the decisions in force on these subjects, named as for `exclude`.

        Those that were taken back already are passed over; one that no decision was about is an error.
        """
        with self._read() as connection:
            return decisions.find_decisions(connection, target, subjects)

    def targets_of(self, numbers: Sequence[int]) -> set[str]:
        """Return the kinds of what these decisions are about; numbers that are none are passed over."""
        with self._read() as connection:
            return decisions.targets_of(connection, numbers)
