"""The board of one challenge: teams, their runs and scorecards, raters' answers, and decisions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection

from evalkit.board import decisions, imports, runs, signers, teams
from evalkit.board.challenge_rules import set_challenge
from evalkit.board.database import make, open_engine
from evalkit.board.database_location import parse_location
from evalkit.board.imports import Imported, KeyMerged, Undone, make_source
from evalkit.board.model import DecisionChange, GoldItem, GoldPair, Snapshot, Target
from evalkit.board.names import clean_name
from evalkit.board.questions import BoardQuestions
from evalkit.board.reading import read_snapshot
from evalkit.board.runs import Outcome, Strips, set_primary
from evalkit.board.speeds import ImportedSpeed, import_speed
from evalkit.board.writing import Write
from evalkit.challenges.model import Challenge
from evalkit.ratings.model import Answer, Key
from evalkit.scoring.scorecard import Scorecard
from evalkit.signing import PublicKey, Signed
from evalkit.speed.model import Source
from evalkit.speed.table import TeamSpeed


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


class Board(BoardQuestions):
    """The database of one challenge. Nothing in it is ever deleted or overwritten.

    Every method that changes something is one transaction and writes one entry to the log, or none when there was
    nothing to change; several processes may write at once. ``by`` says who does it. All of them raise `InputError` for
    what is wrong with the request, and `StorageError` when the database can't be written, also when another process
    does not stop writing for 30 seconds.

    Open one with `Board.create` or `Board.open`.
    """

    @classmethod
    def create(
        cls,
        place: str | Path,
        challenge: Challenge,
        text: str,
        *,
        by: str,
        now: Callable[[], datetime] = utc_now,
        reference: Strips | None = None,
    ) -> Board:
        """Make a board for ``challenge`` and return it; it is there as a whole or not at all.

        Args:
            place: path of a new SQLite file, ``sqlite:///PATH``, or ``postgresql://...`` of an empty database.
            challenge: the rules.
            text: the YAML that says them, kept as it is.
            by: who makes it.
            now: the clock.
            reference: the reference images, as for `set_reference`.

        Raises:
            InputError: when there is a board or something else already, or ``text`` does not say ``challenge``.
            UsageError: when ``place`` names no place.
            StorageError: when it can't be written.
        """
        found, who = parse_location(place), clean_name(by, "person")

        def fill(connection: Connection) -> None:
            if reference:
                runs.set_reference(Write(connection, who, now), reference)

        return cls(found, make(found, challenge, text, who, now, fill=fill), now)

    @classmethod
    def open(cls, place: str | Path, *, now: Callable[[], datetime] = utc_now) -> Board:
        """Open a board; one that an older evalkit made is brought up to date first, which the log tells.

        Raises:
            InputError: when there is none, when it is something else, or when a newer evalkit made it.
            UsageError: when ``place`` names no place.
            StorageError: when it can't be opened.
        """
        found = parse_location(place)
        return cls(found, open_engine(found, now), now)

    def set_challenge(self, challenge: Challenge, text: str, *, by: str) -> bool:
        """Replace the rules; return whether they differ. Comments alone change nothing."""
        with self._write(by) as write:
            return set_challenge(write, challenge, text)

    def add_team(self, name: str, members: Sequence[str] = (), *, by: str) -> None:
        """Add a team. Names are unique whatever their case, and nobody is in two teams."""
        with self._write(by) as write:
            teams.add_team(write, name, members)

    def remove_team(self, name: str, *, by: str, why: str) -> None:
        """Remove a team and its runs; its members may join another team."""
        with self._write(by) as write:
            teams.remove_team(write, name, why)

    def add_members(self, team: str, people: Sequence[str], *, by: str) -> None:
        """Add people to a team; those who are in it already change nothing."""
        with self._write(by) as write:
            teams.add_members(write, team, people)

    def remove_member(self, team: str, person: str, *, by: str, why: str | None = None) -> None:
        """Remove a person from a team."""
        self.remove_members(team, [person], by=by, why=why)

    def remove_members(self, team: str, people: Sequence[str], *, by: str, why: str | None = None) -> None:
        """Remove people from a team: all of them or, after an error, nobody."""
        with self._write(by) as write:
            teams.remove_members(write, team, people, why)

    def add_run(
        self,
        team: str,
        run: str,
        card: Scorecard,
        *,
        by: str,
        primary: bool | None = None,
        strips: Strips | None = None,
        why: str | None = None,
        allow_shared: bool = False,
        scored_here: bool = False,
        signed: Signed | None = None,
        new_team: bool = False,
    ) -> Outcome:
        """Add a run of a team, or a newer scorecard of a run that is there.

        The scorecard must be of this challenge, of a version of the rules that the board has had, and of the same
        backbones as all other runs on the board.

        Args:
            team: of which team.
            run: its name, unique within the team.
            card: what it scored.
            by: who adds it.
            primary: whether it competes; ``None`` leaves that as it is, and lets the first run of a team compete. Where
                only one run may, it takes the other's place.
            strips: sample id -> small JPEG images. ``None`` leaves them as they are, unless the scorecard is of another
                submission: then the old ones go.
            why: the reason, for the log. It is needed where another scorecard of the run is replaced by one that
                differs in more than its timing, and where ``allow_shared`` lets videos of another team in.
            allow_shared: whether another team may have handed in the same submission, or most of its videos.
            scored_here: whether ``card`` is what the organizer's own run of evalkit has just computed.
            signed: the signature of the file that ``card`` was read from, as `evalkit.signing.check_signature` found
                it to hold. Whether the board trusts its key is looked up whenever the board is read.
            new_team: whether the team is added too when it is not on the board; both are added, or neither.
        """
        with self._write(by) as write:
            return runs.add_run(
                write,
                team,
                run,
                card,
                primary=primary,
                pictures=strips,
                why=why,
                allow_shared=allow_shared,
                scored_here=scored_here,
                signed=signed,
                new_team=new_team,
            )

    def trust(self, key: PublicKey, *, by: str, why: str) -> bool:
        """Trust a key: scorecards that it signed count as scored by the organizer; return whether that is new."""
        with self._write(by) as write:
            return signers.trust(write, key, why)

    def distrust(self, fingerprint: str, *, by: str, why: str) -> None:
        """Trust a key no longer; the scorecards that it signed count as handed in from now on."""
        with self._write(by) as write:
            signers.distrust(write, fingerprint, why)

    def remove_run(self, team: str, run: str, *, by: str, why: str) -> None:
        """Remove a run. No other run takes its place unless `set_primary` says so."""
        with self._write(by) as write:
            runs.remove_run(write, team, run, why)

    def set_primary(self, team: str, runs: Sequence[str], *, by: str) -> None:
        """Let exactly these runs of a team compete."""
        with self._write(by) as write:
            set_primary(write, team, runs)

    def set_reference(self, strips: Strips, *, by: str) -> None:
        """Set the reference images, sample id -> small JPEG images; earlier ones not among them are removed."""
        with self._write(by) as write:
            runs.set_reference(write, strips)

    def set_key(self, key: Key, *, by: str, why: str | None = None, allow_unknown: bool = False) -> KeyMerged:
        """Add what anonymous items are. Items that ``key`` does not name stay as they are.

        Args:
            key: item -> what it shows.
            by: who sets it.
            why: why items get another meaning than they have on the board; ``None`` refuses that.
            allow_unknown: whether items may be of samples that no run on the board has.
        """
        with self._write(by) as write:
            return imports.set_key(write, key, why=why, allow_unknown=allow_unknown)

    def undo_import(self, number: int, *, by: str, why: str) -> Undone:
        """Take back an import: its answers, and what its key added, no longer count.

        Answers whose place the import's had taken, with another status of the platform, are there again. Entries of the
        key that answers of other imports need stay. The board as of a moment before shows the import as it was.
        """
        with self._write(by) as write:
            return imports.undo_import(write, number, why)

    def set_gold(self, items: Sequence[GoldItem], *, by: str) -> None:
        """Set the items whose correct answer is known; earlier ones that are not among them are removed."""
        with self._write(by) as write:
            imports.set_gold(write, items)

    def set_gold_pairs(self, pairs: Sequence[GoldPair], *, by: str) -> None:
        """Set the comparisons whose correct answer is known; earlier ones that are not among them are removed."""
        with self._write(by) as write:
            imports.set_gold_pairs(write, pairs)

    def set_rater_team(self, rater: str, team: str | None, *, by: str) -> None:
        """Set which team a rater belongs to; ``None`` removes that. It is not needed for members of a team."""
        with self._write(by) as write:
            teams.set_rater_team(write, rater, team)

    def import_answers(
        self,
        answers: Iterable[Answer],
        *,
        source: str,
        sha256: str,
        form: str,
        by: str,
        key: Key | None = None,
        allow_unknown: bool = False,
        join: bool = False,
    ) -> Imported:
        """Add the answers that the board does not have; all of them or, after an error, none.

        One that it has with another status of the platform is ended and added again, in the same log entry.

        Args:
            answers: as a file was read; taken one by one.
            source: name of the file.
            sha256: its digest.
            form: the format it was read as.
            by: who imports it.
            key: what its anonymous items are, added in the same transaction.
            allow_unknown: whether the key may name samples that no run on the board has.
            join: whether answers of the same digest and format as an import that was not undone belong to that import:
                for answers that come one by one and are undone together. ``key`` is then for the first ones.
        """
        with self._write(by) as write:
            origin = make_source(source, sha256, form)
            return imports.import_answers(write, answers, origin, key, allow_unknown=allow_unknown, join=join)

    def import_speed(
        self, measured: Sequence[TeamSpeed], *, source: str, sha256: str, form: str, trusted: Source, by: str
    ) -> ImportedSpeed:
        """Add measurements of speed; all of them or, after an error, none. A file that the board has adds nothing.

        Args:
            measured: of each team and run.
            source: name of the file.
            sha256: its digest.
            form: the format it was read as.
            trusted: ``measured`` for the organizer's own measurement, ``imported`` for those of others.
            by: who imports it.
        """
        with self._write(by) as write:
            return import_speed(write, measured, make_source(source, sha256, form), trusted)

    def dry_run_import(
        self,
        answers: Iterable[Answer],
        *,
        source: str,
        form: str,
        by: str,
        key: Key | None = None,
        allow_unknown: bool = False,
    ) -> tuple[Imported, Snapshot]:
        """Do all that `import_answers` does, and undo it; return what it did and what the board was.

        Everything that an import refuses is refused here too; the arguments are the same.
        """
        with self._write(by, keep=False) as write:
            origin = make_source(source, "", form)
            done = imports.import_answers(write, answers, origin, key, allow_unknown=allow_unknown)
            return done, read_snapshot(write.connection, None)

    def exclude(self, target: Target, subjects: Sequence[tuple[str, str, str]], *, by: str) -> list[int]:
        """Decide that something does not count; return the numbers of the new decisions.

        Args:
            target: kind of the subjects.
            subjects: (subject, code, reason): what, a code for programs, a sentence for people. The subject is a rater
                id, the id of an answer (or its first digits, where no other begins with them), ``team/run``, a team, or
                a sample that a run has. Those that are excluded already are skipped.
            by: who decides.
        """
        with self._write(by) as write:
            return decisions.exclude(write, target, subjects)

    def exclude_and_compare(
        self, target: Target, subjects: Sequence[tuple[str, str, str]], *, by: str, keep: bool = True
    ) -> DecisionChange:
        """Do what `exclude` does; return the decisions, and what the board was before and after.

        With ``keep`` off it is undone; all that `exclude` refuses is refused then too.
        """
        return self._compare(by, lambda write: decisions.exclude(write, target, subjects), keep=keep)

    def include_and_compare(self, numbers: Sequence[int], *, by: str, why: str, keep: bool = True) -> DecisionChange:
        """Do what `include` does; return the decisions that no longer hold, and the board before and after."""

        def change(write: Write) -> list[int]:
            decisions.include(write, numbers, why)
            return sorted(set(numbers))

        done = self._compare(by, change, keep=keep)
        held = {one.number for one in done.before.decisions if one.holds}
        return replace(done, decisions=tuple(number for number in done.decisions if number in held))

    def include(self, numbers: Sequence[int], *, by: str, why: str) -> None:
        """Take decisions back by their numbers; those that were taken back already are passed over."""
        with self._write(by) as write:
            decisions.include(write, numbers, why)

    def _compare(self, by: str, change: Callable[[Write], list[int]], *, keep: bool) -> DecisionChange:
        with self._write(by, keep=keep) as write:
            before = read_snapshot(write.connection, None)
            done = tuple(change(write))
            return DecisionChange(done, before, read_snapshot(write.connection, None))
