"""What the organizer sees of a running study: progress, balance, pace, and raters whom the screening flags."""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import numpy as np

from evalkit.board import Board
from evalkit.board.model import Snapshot
from evalkit.heap import memory_returner
from evalkit.rating_report.screening import screen_parts
from evalkit.ratings.model import Answer
from evalkit.studio.balance import COUNTED
from evalkit.studio.boarding import about_rules, board_answers, is_for_board
from evalkit.studio.feeding import Waiting
from evalkit.studio.journal import StoredAnswer
from evalkit.studio.plan_model import VIDEO_SIDES, Plan
from evalkit.studio.rater_state import Rater
from evalkit.studio.session import Study
from evalkit.studio.taken import TakenRows
from evalkit.text import name_cell

SCREENING_SECONDS = 20.0  # how old a screening may be
_SCREENING_SHARE = 20  # of a large board: so many times as old as it took
_HOUR = timedelta(hours=1)
_LEAST_SPAN = timedelta(minutes=1)  # a pace over less says nothing
Row = dict[str, Any]


@dataclass(frozen=True)
class Flags:
    """What the screening says of raters.

    Args:
        raters: rater -> a sentence for each rule that rejects them.
        excluded: raters whom a decision excludes already.
        why: why there is no screening; empty when there is one.
        rules: sentences about the board's present rules that the organizer must read.
    """

    raters: Mapping[str, tuple[str, ...]]
    excluded: frozenset[str] = frozenset()
    why: str = ""
    rules: tuple[str, ...] = ()


class Screening:
    """The screening of a board: at most every `SCREENING_SECONDS`, and for a twentieth of the time at most."""

    def __init__(self, board: Board, plan: Plan, clock: Callable[[], float] = time.monotonic) -> None:
        self._board = board
        self._plan = plan
        self._clock = clock
        self._flags: Flags | None = None
        self._until = 0.0
        self._lock = threading.Lock()
        self._give_back = memory_returner()

    def flags(self) -> Flags:
        """Return what the screening says."""
        with self._lock:
            began = self._clock()
            if self._flags is None or began > self._until:
                self._flags = self._screened()
                ended = self._clock()
                self._until = ended + max(SCREENING_SECONDS, _SCREENING_SHARE * (ended - began))
                self._give_back()
            return self._flags

    def _screened(self) -> Flags:
        excluded: frozenset[str] = frozenset()

        def parts() -> Iterator[Snapshot]:
            nonlocal excluded
            for part in self._board.by_rater():  # as much memory as one rater's answers take
                excluded = frozenset(part.excluded("rater"))
                yield part

        found = screen_parts(parts())
        against = {rater: tuple(one.sentence for one in results if one.rejected) for rater, results in found.items()}
        rules = tuple(about_rules(self._board.challenge(), self._plan, datetime.now(UTC)))
        return Flags({rater: sentences for rater, sentences in against.items() if sentences}, excluded, rules=rules)


def progress(study: Study, flags: Flags, waiting: Waiting, now: datetime, *, teams: bool = False) -> dict[str, Any]:
    """Return everything as plain data.

    Args:
        study: the running study.
        flags: of the screening.
        waiting: stored answers that the board does not have yet.
        now: the time.
        teams: whether teams have their names; otherwise numbers that mean the same on each page.
    """
    rows, total = study.taken.rows(), sum(len(rater.plan.items) for rater in study.raters.values())
    answers, pace = len(rows.at), _per_hour(rows, now)
    left = total - answers
    end = now + timedelta(hours=left / pace) if pace and left else None
    return {
        "paused": study.paused,
        "answers": answers,
        "total": total,
        "waiting": _waiting(waiting),
        "started": sum(bool(rater.answered) for rater in study.raters.values()),
        "finished": sum(len(rater.answered) >= len(rater.plan.items) for rater in study.raters.values()),
        "answers_per_hour": None if pace is None else round(pace, 1),
        "expected_end": None if end is None else end.isoformat(timespec="minutes"),
        "screening": flags.why or None,
        "rules": list(flags.rules),
        "raters": [_rater(study.raters[name], rows, flags) for name in study.raters],
        "balance": _balance(study, rows, teams=teams),
    }


def _waiting(found: Waiting) -> Row:
    since = None if found.since is None else found.since.isoformat(timespec="seconds")
    return {"answers": found.answers, "since": since, "why": found.why or None}


def _rater(rater: Rater, rows: TakenRows, flags: Flags) -> Row:
    mine = rows.of(rater.name)
    seconds = np.sort(rows.page_seconds[mine])
    return {
        "rater": rater.name,
        "done": len(rater.answered),
        "total": len(rater.plan.items),
        "last": None if rater.last is None else rater.last.isoformat(timespec="seconds"),
        "median_seconds": round(float(seconds[len(seconds) // 2]), 1) if len(seconds) else None,
        "unplayable": int((rows.played[mine] == 0).sum()),
        "consented": rater.consented_at is not None,
        "came_by": None if rater.place is None else rater.place.how,
        "flags": list(flags.raters.get(rater.name, ())),
        "excluded": rater.name in flags.excluded,
    }


def _per_hour(rows: TakenRows, now: datetime) -> float | None:
    """Return the pace of the last hour, or since the first answer where that is less."""
    if not len(rows.at):
        return None
    start = max(float(rows.at[0]), (now - _HOUR).timestamp())
    recent = int((rows.at >= start).sum())
    return recent / max((now.timestamp() - start) / _HOUR.total_seconds(), _LEAST_SPAN / _HOUR)


def _balance(study: Study, rows: TakenRows, *, teams: bool) -> list[Row]:
    """Return a row for each team, or pair of teams: answers that count for it, and how many are planned."""
    label = _labels(study.plan, teams=teams)
    done: Counter[tuple[str, ...]] = Counter()
    planned: Counter[tuple[str, ...]] = Counter()
    for item, count in rows.per_item(played=True).items():
        for group in _ranked(study.plan, item):
            done[group] += count
    for rater in study.raters.values():
        for listed in rater.plan.items:
            if listed is not None:
                planned.update(_ranked(study.plan, listed))
    adaptive = study.plan.adaptive
    found = [
        {
            "teams": sorted(label[team] for team in group),
            "answers": done[group],
            "planned": None if adaptive else planned[group],
        }
        for group in done.keys() | planned.keys()
    ]
    return sorted(found, key=lambda row: row["teams"])


def _ranked(plan: Plan, item: str) -> Iterator[tuple[str, ...]]:
    """Yield the team, or the pair of teams, that an answer to an item counts for, if any."""
    found = plan.teams_of(item)
    if plan.items[item].kind in COUNTED and len(found) == len(plan.items[item].media):
        yield tuple(sorted(found))


def _labels(plan: Plan, *, teams: bool) -> dict[str, str]:
    """Return team -> what the page calls it: by a number that does not follow from the name."""
    names = {medium.team for medium in plan.media.values() if medium.team is not None}
    if teams:
        return {name: name for name in names}
    key = plan.organizer.encode()
    order = sorted(names, key=lambda name: hmac.new(key, name.encode(), hashlib.sha256).digest())
    width = len(str(len(order)))
    return {name: f"team {number:0{width}}" for number, name in enumerate(order, 1)}


_AT_ONCE = 200  # answers that the board is asked about at once
EXPORT_MORE = ("kind", "id", "page_seconds", "server_seconds", "watched", "shown_at", "answered_at", "platform_worker")


def export_rows(
    plan: Plan,
    answers: Iterable[StoredAnswer],
    workers: Mapping[str, str] | None = None,
    held: Callable[[Collection[str]], Collection[str]] | None = None,
    *,
    teams: bool = False,
) -> Iterator[list[str]]:
    """Yield the rows of the answers that the board has, as `evalkit ratings import` reads them; the first is the head.

    Ratings are a long table; comparisons have a row each. What the board does not keep follows in columns that the
    import leaves out. Importing it into the same board adds nothing. No cell, whoever chose its text, is a formula to a
    spreadsheet.

    Comparisons without the teams' names, for an organizer who has not asked for them, can't be imported as they are:
    `evalkit.studio.platforms.returned.with_statuses` puts the names in.

    Args:
        plan: of the study.
        answers: stored ones.
        workers: rater -> worker id of a platform, where the plan keeps it.
        held: says of ids of answers which the board has: not those that wait, nor those of an undone import. Without it
            the board has all that are for it.
        teams: whether comparisons have the teams' names, and not the ids of their videos.
    """
    pairs = plan.method == "pairs"
    sides = ("left", "right") if teams else VIDEO_SIDES
    about = ["rater", "sample", *sides, "winner"] if pairs else ["rater", "item", "dimension", "value"]
    named = pairs and any(question.dimension for question in plan.questions)
    yield [*about, *(["dimension"] if named else []), "at", "seconds", *EXPORT_MORE]
    for_board = (one for one in answers if one.values and is_for_board(plan, one.item))
    while some := list(islice(for_board, _AT_ONCE)):
        rows = [(stored, one) for stored in some for one in board_answers(plan, stored)]
        there = None if held is None else held([one.id for _, one in rows])
        for stored, one in rows:
            if there is None or one.id in there:
                worker = (workers or {}).get(stored.rater, "")
                yield _export_row(plan, stored, one, named=named, teams=teams, worker=worker)


def _export_row(plan: Plan, stored: StoredAnswer, one: Answer, *, named: bool, teams: bool, worker: str) -> list[str]:
    if one.teams:
        sides = one.teams if teams else plan.items[stored.item].media
        cells = [one.rater, one.item, *sides, f"{one.value:g}", *([one.dimension] if named else [])]
    else:
        cells = [one.rater, one.item, one.dimension, f"{one.value:g}"]
    row = [
        *cells,
        "" if one.at is None else one.at.isoformat(),
        "" if one.seconds is None else f"{one.seconds:g}",
        plan.items[stored.item].kind,
        stored.id,
        f"{stored.page_seconds:g}",
        "" if stored.seconds is None else f"{stored.seconds:g}",
        " ".join(f"{share:.3f}" for share in stored.watched),
        stored.shown_at,
        stored.answered_at,
        worker,
    ]
    return [*map(name_cell, row)]
