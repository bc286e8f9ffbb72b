"""Read a board as it was after one of its log entries, as one `Snapshot`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from typing import Any, cast

from sqlalchemy import Column, Connection, Row, Select, Table, func, select

from evalkit.board.audit import read_log, stored_time
from evalkit.board.model import (
    AuditEntry,
    Decision,
    GoldItem,
    GoldPair,
    Import,
    MeasuredSpeed,
    Origin,
    Run,
    Signer,
    Snapshot,
    Team,
)
from evalkit.board.names import folded
from evalkit.board.shape import refuse_wrong_types
from evalkit.board.tables import (
    answers,
    audit,
    cards,
    choices,
    decisions,
    gold,
    gold_pairs,
    imports,
    is_active,
    keys,
    members,
    raters,
    reference,
    rules,
    runs,
    signers,
    speeds,
    strips,
    teams,
)
from evalkit.board.writing import chunks, streamed
from evalkit.challenges.model import Challenge, parse_challenge
from evalkit.errors import InputError, StorageError
from evalkit.ratings.model import Answer, Key, KeyEntry
from evalkit.scoring.scorecard import Scorecard
from evalkit.speed.model import SOURCES, TIMED, SampleSpeed, Source, Timed
from evalkit.text import escape_for_display


def read_snapshot(connection: Connection, as_of: datetime | int | None, now: datetime | None = None) -> Snapshot:
    """Return the board as of a moment or log entry, or as it is; the connection must see one state all along.

    Raises:
        InputError: when the board did not exist at ``as_of``, when that is later than ``now`` and the last log entry,
            when it names no zone, or when there is no such entry.
    """
    refuse_wrong_types(connection)
    number = _number_at(connection, as_of, now)
    frame = _frame(connection, number)
    found = _answers(connection, number, answers.c.id)
    return replace(
        frame,
        as_of=None if not isinstance(as_of, datetime) or as_of == frame.at else as_of.astimezone(UTC),
        runs=_runs(connection, number, _pictures(connection, strips, number)),
        answers=tuple(map(answer_of, found)),
        reference=_pictures(connection, reference, number).get(0, {}),
    )


def read_by_rater(connection: Connection) -> Iterator[Snapshot]:
    """Yield the board as it is with the answers of one person at a time, and without images."""
    refuse_wrong_types(connection)
    number = _number_at(connection, None)
    frame = replace(_frame(connection, number), runs=_runs(connection, number, {}))
    rows = _answers(connection, number, answers.c.rater, answers.c.id)
    for _, group in groupby(rows, key=attrgetter("rater")):
        yield replace(frame, answers=tuple(map(answer_of, group)))


def read_held(connection: Connection, identities: Collection[str], *, undone: bool) -> set[str]:
    """Return which of these answers are on the board, or, with ``undone``, were at any time."""
    found: set[str] = set()
    for some in chunks(list(identities)):
        query = select(answers.c.identity).where(answers.c.identity.in_(some))
        found.update(connection.execute(query if undone else query.where(is_active(answers))).scalars())
    return found


def _frame(connection: Connection, number: int) -> Snapshot:
    """Return the board without runs, answers and images: the part that stays small."""
    log = read_log(connection, number)
    query = select(answers.c.rater).where(is_active(answers, number)).distinct()
    everyone = set(connection.execute(query).scalars())
    return Snapshot(
        challenge=read_challenge(connection, number),
        number=number,
        at=log[-1].at,
        log=tuple(log),
        teams=_teams(connection, number),
        key=_key(connection, number),
        raters=_raters(connection, number, everyone),
        gold=_gold(connection, number),
        gold_pairs=_gold_pairs(connection, number),
        decisions=_decisions(connection, number, log),
        imports=_imports(connection, log),
        signers=_signers(connection, number),
        speeds=_speeds(connection, number),
    )


def read_challenge(connection: Connection, number: int | None = None) -> Challenge:
    """Return the rules that hold, or that held after log entry ``number``."""
    row = connection.execute(select(rules).where(is_active(rules, number))).one()
    return parse_challenge(row.text, "the challenge on the board")


def _number_at(connection: Connection, as_of: datetime | int | None, now: datetime | None = None) -> int:
    query = select(func.max(audit.c.number))
    if isinstance(as_of, int):
        return _existing(int(connection.execute(query).scalar() or 0), as_of)
    if as_of is not None:
        if as_of.tzinfo is None:
            raise InputError(f"The time {as_of} names no time zone.", fix="Write '2026-03-01T23:59:59+00:00' or AoE.")
        last = connection.execute(select(func.max(audit.c.at))).scalar() or ""
        if now is not None and stored_time(as_of) > max(stored_time(now), last):
            # What is yet to come would change what was shown; up to the last entry nothing can change any more.
            raise InputError(
                "The board can't be shown as of a time that is yet to come.",
                found=as_of.astimezone(UTC).isoformat(),
                expected=f"a time up to now, {now.astimezone(UTC).isoformat(timespec='seconds')}",
                fix="Wait until then, or leave --as-of out.",
            )
        query = query.where(audit.c.at <= stored_time(as_of))
    number = connection.execute(query).scalar()
    if number is None:
        first = connection.execute(select(audit.c.at).where(audit.c.number == 1)).scalar()
        if first is None or as_of is None:
            raise StorageError("The board has lost its log.", fix="Take the last copy of it.")
        raise InputError(
            "The board did not exist then.",
            found=as_of.astimezone(UTC).isoformat(),
            expected=f"a time from {first} on",
        )
    return int(number)


def _existing(last: int, number: int) -> int:
    if not 1 <= number <= last:
        raise InputError(
            f"The board's log has no entry {number}.",
            expected=f"a number from 1 to {last}" if last > 1 else "1",
            fix="'evalkit board log --all' lists the entries.",
        )
    return number


def _active_rows(table: Table, number: int) -> Select[Any]:
    return select(table).where(is_active(table, number)).order_by(table.c.id)


def read_teams(connection: Connection) -> tuple[Team, ...]:
    """Return the teams that take part now, by name."""
    return _teams(connection, _number_at(connection, None))


def _teams(connection: Connection, number: int) -> tuple[Team, ...]:
    people: dict[int, list[str]] = {}
    for row in connection.execute(_active_rows(members, number)):
        people.setdefault(row.team_id, []).append(row.person)
    rows = connection.execute(_active_rows(teams, number))
    found = [Team(row.name, tuple(sorted(people.get(row.id, ())))) for row in rows]
    return tuple(sorted(found, key=lambda team: team.name))


def _runs(connection: Connection, number: int, pictures: Mapping[int, dict[str, tuple[bytes, ...]]]) -> tuple[Run, ...]:
    names = {row.id: row.name for row in connection.execute(_active_rows(teams, number))}
    chosen = {row.run_id for row in connection.execute(_active_rows(choices, number))}
    trusted = {signer.fingerprint for signer in _signers(connection, number)}
    scored = {row.run_id: row for row in connection.execute(_active_rows(cards, number))}
    found = []
    for row in connection.execute(_active_rows(runs, number)):
        held, team = scored[row.id], names[row.team_id]
        card = Scorecard.from_json(held.text, escape_for_display(f"the scorecard of {team}/{row.name}"))
        origin: Origin = "signed" if held.signer in trusted else "handed-in"
        origin = "scored-here" if held.scored_here else origin
        primary, strip = row.id in chosen, pictures.get(row.id, {})
        found.append(Run(team, row.name, primary, card, held.sha256, strip, origin, held.signer))
    return tuple(sorted(found, key=lambda run: (run.team, run.name)))


def _signers(connection: Connection, number: int) -> tuple[Signer, ...]:
    rows = connection.execute(_active_rows(signers, number))
    return tuple(Signer(row.fingerprint, row.line, row.comment) for row in rows)


def _pictures(connection: Connection, table: Table, number: int) -> dict[int, dict[str, tuple[bytes, ...]]]:
    """Return owner (0 where the table has none) -> sample -> images, samples in the order of their ids."""
    images: dict[tuple[int, str], dict[int, bytes]] = {}
    for row in connection.execute(_active_rows(table, number)):
        owner = row.run_id if table is strips else 0
        images.setdefault((owner, row.sample), {})[row.position] = bytes(row.image)
    found: dict[int, dict[str, tuple[bytes, ...]]] = {}
    for (owner, sample), by_position in sorted(images.items(), key=lambda one: one[0]):
        found.setdefault(owner, {})[sample] = tuple(image for _, image in sorted(by_position.items()))
    return found


def _answers(connection: Connection, number: int, *order: Column[Any]) -> Iterator[Row[Any]]:
    query = select(answers, imports.c.file).join(imports, answers.c.import_id == imports.c.id)
    yield from streamed(connection, query.where(is_active(answers, number)).order_by(*order))


def answer_of(row: Row[Any]) -> Answer:
    """Return the answer that a row of ``answers``, joined with its import, holds.

    Raises:
        ValueError: when it holds none that evalkit has written.
    """
    if (row.left_team is None) != (row.right_team is None):
        raise ValueError("a comparison of one team")
    return Answer(
        rater=row.rater,
        item=row.item,
        dimension=row.dimension,
        value=row.value,
        at=None if row.at is None else datetime.fromisoformat(row.at),
        seconds=row.seconds,
        row=row.row_number,
        status=row.status,
        teams=() if row.left_team is None else (row.left_team, row.right_team),
        file=row.file,
    )


def _key(connection: Connection, number: int) -> Key | None:
    rows = connection.execute(_active_rows(keys, number))
    entries = {row.item: KeyEntry(row.team, row.sample, row.run) for row in rows}
    return Key(entries) if entries else None


def _raters(connection: Connection, number: int, everyone: set[str]) -> Mapping[str, str]:
    people = {
        row.folded: row.name
        for row in connection.execute(
            select(members.c.folded, teams.c.name)
            .join(teams, members.c.team_id == teams.c.id)
            .where(is_active(members, number))
        )
    }
    found = {rater: people[folded(rater)] for rater in everyone if folded(rater) in people}
    noted = select(raters.c.rater, teams.c.name).join(teams, raters.c.team_id == teams.c.id)
    found |= {row.rater: row.name for row in connection.execute(noted.where(is_active(raters, number)))}
    return dict(sorted(found.items()))


def _gold(connection: Connection, number: int) -> tuple[GoldItem, ...]:
    found = [
        GoldItem(row.item, row.dimension, row.low, row.high) for row in connection.execute(_active_rows(gold, number))
    ]
    return tuple(sorted(found, key=lambda item: (item.item, item.dimension)))


def _gold_pairs(connection: Connection, number: int) -> tuple[GoldPair, ...]:
    found = [
        GoldPair(row.sample, row.dimension, (row.first, row.second), row.low, row.high, bool(row.draw))
        for row in connection.execute(_active_rows(gold_pairs, number))
    ]
    return tuple(sorted(found, key=lambda pair: (pair.sample, pair.dimension, pair.sides)))


def _decisions(connection: Connection, number: int, log: list[AuditEntry]) -> tuple[Decision, ...]:
    query = select(decisions).where(decisions.c.since <= number).order_by(decisions.c.id)
    found = []
    for row in connection.execute(query):
        made = log[row.since - 1]
        ended = log[row.until - 1] if row.until is not None and row.until <= number else None
        found.append(
            Decision(
                row.id,
                cast(Any, row.target),
                row.subject,
                row.code,
                row.reason,
                made.by,
                made.at,
                ended.at if ended else None,
                ended.by if ended else None,
                str(ended.details.get("why", "")) if ended else None,
            )
        )
    return tuple(found)


def _imports(connection: Connection, log: list[AuditEntry]) -> tuple[Import, ...]:
    found = []
    later = _joined(log)
    for row in connection.execute(_active_rows(imports, len(log))):
        made = log[row.since - 1]
        new = row.new + later.get(row.id, 0)
        found.append(Import(row.file, row.sha256, row.form, new, row.known, made.by, made.at, row.id))
    return tuple(found)


def _joined(log: list[AuditEntry]) -> Counter[int]:
    """Return import -> answers that came later and belong to it."""
    found: Counter[int] = Counter()
    for entry in log:
        number, new = entry.details.get("import"), entry.details.get("new")
        if entry.action == "import" and type(number) is int and type(new) is int:
            found[number] += new
    return found


def _speeds(connection: Connection, number: int) -> tuple[MeasuredSpeed, ...]:
    """Return the measurements by import, team and run.

    Raises:
        ValueError: when a row holds what evalkit has never written.
    """
    found: dict[tuple[int, str, str | None], tuple[Row[Any], dict[str, SampleSpeed]]] = {}
    for row in connection.execute(_active_rows(speeds, number)):
        peak = None if row.peak_bytes is None else int(row.peak_bytes)
        one = SampleSpeed(
            row.sample,
            row.seconds,
            row.frames,
            row.clip_seconds,
            row.first_frame,
            row.end_to_end,
            peak,
            row.timed_runs,
        )
        if one.fault() is not None or row.source not in SOURCES or row.timed not in TIMED:
            raise ValueError("a measurement of speed that can't be")
        found.setdefault((row.import_id, row.team, row.run), (row, {}))[1][row.sample] = one
    return tuple(
        MeasuredSpeed(team, run, cast(Source, row.source), row.hardware, cast(Timed, row.timed), row.who, made, samples)
        for (made, team, run), (row, samples) in found.items()
    )
