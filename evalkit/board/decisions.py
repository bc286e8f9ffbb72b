"""Decisions that something does not count, and their revocation."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import get_args

from sqlalchemy import Column, Connection, func, select

from evalkit.board.audit import names
from evalkit.board.model import Target
from evalkit.board.names import check_ids, clean_code, clean_reason
from evalkit.board.tables import answers, cards, decisions, is_active, raters, runs, teams
from evalkit.board.writing import Write, chunks
from evalkit.errors import InputError, UsageError, did_you_mean
from evalkit.scoring.scorecard import Scorecard
from evalkit.text import count, escape_for_display

_BEGIN = re.compile(r"[0-9a-f]{4,63}")  # of an answer's id
_SUBJECT = 201  # characters: two names and a slash
_SAMPLE = 400  # characters of a sample's id
_FINDING = 700  # of a team, a run, a sample and a rule
_LIMITS = {"sample": _SAMPLE, "finding": _FINDING}
_NEAREST = 3  # names of samples in a message


def exclude(write: Write, target: Target, subjects: Sequence[tuple[str, str, str]]) -> list[int]:
    """Decide that subjects don't count; see `evalkit.board.Board.exclude`."""
    if target not in get_args(Target):
        raise UsageError(f"'{target}' can't be excluded.", expected=" or ".join(get_args(Target)))
    wanted: dict[str, tuple[str, str]] = {}
    if target == "answer":
        subjects = [(_whole(write.connection, begin), code, reason) for begin, code, reason in subjects]
    for subject, code, reason in subjects:
        wanted.setdefault(subject, (clean_code(code), clean_reason(reason, "Leaving something out")))
    check_ids(wanted, f"The {target}", limit=_LIMITS.get(target, _SUBJECT))
    known = _check_known(write, target, list(wanted))
    query = select(decisions.c.subject).where(is_active(decisions), decisions.c.target == target)
    held = set(write.connection.execute(query).scalars())
    rows = [
        {"target": target, "subject": subject, "code": code, "reason": reason}
        for subject, (code, reason) in wanted.items()
        if subject not in held
    ]
    if target == "sample" and rows and known <= held | wanted.keys():
        raise InputError(
            "No sample would be left to score.",
            found=f"{count(len(known), 'sample')} on the board, of which {len(known & held)} excluded before",
            fix="Leave at least one sample; a board without any ranks nobody.",
        )
    numbers = write.add(decisions, rows)
    if numbers:
        codes = Counter(row["code"] for row in rows)
        details = {"target": target, "numbers": numbers, "codes": dict(codes)}
        write.log("exclude", names([row["subject"] for row in rows], 3), details)
    return numbers


def include(write: Write, numbers: Sequence[int], why: str) -> None:
    """Revoke decisions; see `evalkit.board.Board.include`."""
    why = clean_reason(why, "Taking a decision back")
    wanted = sorted(set(numbers))
    most = write.connection.execute(select(func.max(decisions.c.id))).scalar() or 0  # numbers have no gaps
    unknown = [number for number in wanted if not 1 <= number <= most]
    if unknown:
        found = f"decisions 1 to {most}" if most else "no decision on the board"
        raise InputError(f"There is no decision {unknown[0]}.", found=found)
    for some in chunks(wanted):
        write.end(decisions, decisions.c.id.in_(some))
    if write.changed:
        write.log("include", f"decision {names([str(number) for number in wanted], 3)}", {"why": why})


def _whole(connection: Connection, begin: str) -> str:
    """Return the id of the answer on the board that begins with ``begin``; where there is none, ``begin`` itself."""
    if not _BEGIN.fullmatch(begin):
        return begin
    column = answers.c.identity
    found = list(connection.execute(select(column).where(column.startswith(begin)).distinct().limit(2)).scalars())
    if len(found) > 1:
        raise InputError(
            f"The id of more than one answer begins with '{begin}'.",
            found=f"{found[0][:16]} and {found[1][:16]} among them",
            fix="Give more digits: 'evalkit ratings list --json' shows them all.",
        )
    return found[0] if found else begin


def find_decisions(connection: Connection, target: Target, subjects: Sequence[str]) -> list[int]:
    """Return the decisions in force on these subjects; of one that was taken back already there is none.

    Raises:
        InputError: when no decision was ever about a subject.
    """
    if target == "answer":
        subjects = [_whole(connection, begin) for begin in subjects]
    query = select(decisions.c.id, decisions.c.subject, decisions.c.until).where(decisions.c.target == target)
    rows = list(connection.execute(query.order_by(decisions.c.id)))
    known = {row.subject for row in rows}
    for subject in subjects:
        if subject not in known:
            hint = did_you_mean(subject, known) if target != "answer" else ""
            raise InputError(f"No decision excludes the {target} '{subject}'.{hint}")
    return [row.id for row in rows if row.until is None and row.subject in set(subjects)]


def targets_of(connection: Connection, numbers: Sequence[int]) -> set[str]:
    """Return the kinds of what these decisions are about; numbers that are none are passed over."""
    query = select(decisions.c.id, decisions.c.target)
    return {row.target for row in connection.execute(query) if row.id in set(numbers)}


def _check_known(write: Write, target: Target, subjects: list[str]) -> set[str]:
    """Return subjects that can be excluded, all of them unless they are answers.

    Raises:
        InputError: when one of ``subjects`` is not among them.
    """
    known: set[str] = set()
    if target == "rater":
        columns: Iterable[Column[str]] = (answers.c.rater, raters.c.rater)
        for column in columns:
            known.update(write.connection.execute(select(column).distinct()).scalars())
    elif target == "team":
        known.update(write.connection.execute(select(teams.c.name).where(is_active(teams))).scalars())
    elif target == "run":
        query = select(teams.c.name, runs.c.name).join(runs, runs.c.team_id == teams.c.id).where(is_active(runs))
        known.update(f"{team}/{run}" for team, run in write.connection.execute(query))
    elif target == "sample":
        for text in write.connection.execute(select(cards.c.text).where(is_active(cards))).scalars():
            known.update(video.sample for video in Scorecard.from_json(text, "a scorecard on the board").videos)
    elif target == "finding":
        found = select(cards.c.text, runs.c.name, teams.c.name.label("team")).join(runs, cards.c.run_id == runs.c.id)
        found = found.join(teams, runs.c.team_id == teams.c.id).where(is_active(cards), is_active(runs))
        for row in write.connection.execute(found):
            for video in Scorecard.from_json(row.text, "a scorecard on the board").videos:
                rules = (str(finding.get("rule")) for finding in video.findings)
                known.update(f"{row.team}/{row.name}/{video.sample}/{rule}" for rule in rules)
    else:
        column = answers.c.identity
        for some in chunks(subjects):
            known.update(write.connection.execute(select(column).where(column.in_(some))).scalars())
    unknown = [subject for subject in subjects if subject not in known]
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        hint = did_you_mean(unknown[0], known) if target != "answer" else ""
        nearest = difflib.get_close_matches(unknown[0], sorted(known), n=_NEAREST, cutoff=0.0)
        shown = ", ".join(escape_for_display(name, limit=80) for name in nearest)
        words = {"sample": "a sample of a run", "finding": "TEAM/RUN/SAMPLE/RULE of a finding"}
        expected = f"{words[target]}, such as {shown}" if target in words and nearest else None
        raise InputError(f"The board has no {target} '{unknown[0]}'{more}.{hint}", expected=expected)
    return known
