"""Teams and their people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from evalkit.board.audit import names
from evalkit.board.names import check_ids, clean_name, clean_reason, folded
from evalkit.board.tables import cards, choices, is_active, members, raters, runs, strips, teams
from evalkit.board.writing import Write
from evalkit.errors import InputError, did_you_mean
from evalkit.ratings.sides import is_nobodys
from evalkit.text import escape_for_display


@dataclass(frozen=True)
class Found:
    """An active row that has a name."""

    id: int
    name: str


def find_team(write: Write, name: str) -> Found:
    """Return the team of that name, whatever its case.

    Raises:
        InputError: when there is none, with the nearest name.
    """
    known = {
        row.folded: Found(row.id, row.name) for row in write.connection.execute(select(teams).where(is_active(teams)))
    }
    found = known.get(folded(name))
    if found is None:
        hint = did_you_mean(name, [team.name for team in known.values()])
        raise InputError(
            f"There is no team '{escape_for_display(name, limit=120)}' on the board.{hint}",
            fix="Add it: 'evalkit board team'." if not hint else None,
        )
    return found


def has_team(write: Write, name: str) -> bool:
    """Return whether the board has the team, whatever the case of its letters."""
    row = select(teams.c.id).where(is_active(teams), teams.c.folded == folded(clean_name(name, "team")))
    return write.connection.execute(row).first() is not None


def insert_team(write: Write, name: str) -> Found:
    """Add a team without people and without an entry of the log, which the caller writes."""
    name = clean_name(name, "team")
    if is_nobodys(name):
        raise InputError(f"No team can be called '{name}': comparisons call a video so that is no team's.")
    row = write.connection.execute(select(teams).where(is_active(teams), teams.c.folded == folded(name))).first()
    if row is not None:
        raise InputError(f"The team '{row.name}' is on the board already.")
    (team,) = write.add(teams, [{"name": name, "folded": folded(name)}])
    return Found(team, name)


def add_team(write: Write, name: str, people: Sequence[str]) -> None:
    """Add a team with its people; see `evalkit.board.Board.add_team`."""
    team = insert_team(write, name)
    added = _join(write, team, people)
    write.log("add-team", team.name, {"members": added})


def remove_team(write: Write, name: str, why: str) -> None:
    """End a team, its people's membership and its runs; see `evalkit.board.Board.remove_team`."""
    why = clean_reason(why, "Removing a team")
    team = find_team(write, name)
    of_team = select(runs.c.id).where(runs.c.team_id == team.id)
    for table in (choices, cards, strips):
        write.end(table, table.c.run_id.in_(of_team))
    for table in (runs, members, raters):
        write.end(table, table.c.team_id == team.id)
    write.end(teams, teams.c.id == team.id)
    write.log("remove-team", team.name, {"why": why})


def add_members(write: Write, name: str, people: Sequence[str]) -> None:
    """Add people to a team; see `evalkit.board.Board.add_members`."""
    team = find_team(write, name)
    added = _join(write, team, people)
    if added:
        write.log("add-members", team.name, {"members": added})


def remove_members(write: Write, name: str, asked: Sequence[str], why: str | None) -> None:
    """End people's membership; see `evalkit.board.Board.remove_members`."""
    team = find_team(write, name)
    rows = write.connection.execute(select(members).where(is_active(members), members.c.team_id == team.id))
    people = {row.folded: Found(row.id, row.person) for row in rows}
    gone: dict[int, str] = {}
    for person in asked:
        found = people.get(folded(person))
        if found is None:
            hint = did_you_mean(person, [one.name for one in people.values()])
            raise InputError(f"'{person}' is not in the team '{team.name}'.{hint}")
        gone[found.id] = found.name
    write.end(members, members.c.id.in_(list(gone)))
    who = {"member": next(iter(gone.values()))} if len(gone) == 1 else {"members": list(gone.values())}
    write.log("remove-member", team.name, who | ({"why": why} if why else {}))


def set_rater_team(write: Write, rater: str, name: str | None) -> None:
    """Say which team a rater belongs to; see `evalkit.board.Board.set_rater_team`."""
    check_ids([rater], "The rater")
    if not rater.strip():
        raise InputError("The rater's id is empty.")
    team = None if name is None else find_team(write, name)
    now = write.connection.execute(select(raters).where(is_active(raters), raters.c.rater == rater)).first()
    if (None if now is None else now.team_id) == (None if team is None else team.id):
        return
    if team is not None:
        other = _team_of(write, folded(rater))
        if other is not None and other.id != team.id:
            raise InputError(
                f"The rater '{rater}' is in the team '{other.name}'.",
                fix="Nobody is in two teams: remove the member from that one first.",
            )
    write.end(raters, raters.c.rater == rater)
    if team is not None:
        write.add(raters, [{"rater": rater, "team_id": team.id}])
    write.log("set-rater-team", rater, {"team": None if team is None else team.name})


def _join(write: Write, team: Found, people: Sequence[str]) -> list[str]:
    """Add those of ``people`` who are not in ``team`` yet; return them."""
    new: dict[str, str] = {}
    for person in people:
        name = clean_name(person, "member")
        other = _team_of(write, folded(name))
        if other is not None and other.id != team.id:
            raise InputError(
                f"'{name}' is in the team '{other.name}' already.",
                fix="Nobody is in two teams: remove them from that one first.",
            )
        if other is None:
            new.setdefault(folded(name), name)
    _refuse_noted_raters(write, team, new)
    write.add(members, [{"team_id": team.id, "person": name, "folded": key} for key, name in new.items()])
    return list(new.values())


def _team_of(write: Write, person: str) -> Found | None:
    query = select(teams.c.id, teams.c.name).join(members, members.c.team_id == teams.c.id)
    row = write.connection.execute(query.where(is_active(members), members.c.folded == person)).first()
    return None if row is None else Found(row.id, row.name)


def _refuse_noted_raters(write: Write, team: Found, people: dict[str, str]) -> None:
    query = select(raters.c.rater, teams.c.id, teams.c.name).join(teams, raters.c.team_id == teams.c.id)
    rows = write.connection.execute(query.where(is_active(raters)))
    wrong = [row for row in rows if folded(row.rater) in people and row.id != team.id]
    if wrong:
        raise InputError(
            f"The rater '{wrong[0].rater}' is noted as one of the team '{wrong[0].name}'.",
            found=names([row.rater for row in wrong]) if len(wrong) > 1 else None,
            fix="Nobody is in two teams: take that note back first ('evalkit board rater').",
        )
