"""Whether a scorecard is of videos that another team on the board has handed in."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from sqlalchemy import select

from evalkit.board.audit import names
from evalkit.board.tables import cards, is_active, runs, teams
from evalkit.board.teams import Found
from evalkit.board.writing import Write
from evalkit.errors import InputError
from evalkit.scoring.scorecard import Scorecard
from evalkit.text import count

_SHOWN = 3


def find_shared(write: Write, team: Found, card: Scorecard) -> dict[str, str]:
    """Return ``team/run`` of other teams -> what it shares with ``card``: the submission, or most of the videos.

    Digests are compared: of the whole submission, and of single files where both scorecards have them. Most is more
    than half of the different files that the smaller of the two has.
    """
    mine = set(_files(card))
    found = {}
    query = select(cards.c.text, cards.c.submission_sha256, runs.c.name, teams.c.name.label("team"))
    query = query.join(runs, cards.c.run_id == runs.c.id).join(teams, runs.c.team_id == teams.c.id)
    query = query.where(is_active(cards), runs.c.team_id != team.id).order_by(cards.c.id)
    for row in write.connection.execute(query):
        other = f"{row.team}/{row.name}"
        if _plain(row.submission_sha256) == _plain(card.submission.sha256):
            found[other] = "the same submission"
            continue
        theirs = set(_files(Scorecard.from_json(row.text, "A scorecard on the board"))) if mine else set()
        shared, fewest = len(mine & theirs), min(len(mine), len(theirs))
        if 2 * shared > fewest:
            found[other] = f"{shared} of {count(fewest, 'file')} the same"
    return found


def refuse_shared(shared: dict[str, str]) -> None:
    """Refuse a scorecard of what other teams have handed in.

    Raises:
        InputError: naming their runs.
    """
    if not shared:
        return
    other = next(iter(shared))
    owner, _, run = other.rpartition("/")
    raise InputError(
        "Another team has handed in these videos already.",
        found=names([f"{place}: {what}" for place, what in shared.items()], _SHOWN),
        expected="videos of each team's own",
        fix=f"Find out whose they are. Where '{other}' is wrong, take it off: "
        f"'evalkit board remove {shlex.quote(owner)} --run {shlex.quote(run)} --why TEXT'. "
        "Where both are right, add this one with '--allow-shared --why TEXT'.",
    )


def _files(card: Scorecard) -> Iterator[str]:
    for video in card.videos:
        if video.fingerprint is not None and video.fingerprint.sha256:
            yield _plain(video.fingerprint.sha256)


def _plain(digest: str) -> str:
    return digest.strip().casefold()
