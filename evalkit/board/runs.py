"""Runs of a team: their scorecards, their images, and which of them compete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from sqlalchemy import ColumnElement, Row, Table, select

from evalkit.board.audit import names, sha256
from evalkit.board.names import check_ids, clean_reason, clean_run, folded
from evalkit.board.reading import read_challenge
from evalkit.board.scorecard_check import check_alike, check_declared, check_numbers
from evalkit.board.shared_submissions import find_shared, refuse_shared
from evalkit.board.signers import trusted_keys
from evalkit.board.tables import cards, choices, is_active, reference, rules, runs, strips, teams
from evalkit.board.teams import Found, find_team, has_team, insert_team
from evalkit.board.writing import Write
from evalkit.challenges.model import Challenge, parse_challenge
from evalkit.errors import InputError, did_you_mean
from evalkit.jsonio import parse_json
from evalkit.scoring.scorecard import Scorecard
from evalkit.signing import Signed
from evalkit.text import count

Strips = Mapping[str, Sequence[bytes]]
Outcome = Literal["added", "updated", "unchanged"]
_JPEG = b"\xff\xd8\xff"
_DIGITS = 12
_SAMPLE = 400  # characters of a sample's id


def add_run(
    write: Write,
    team_name: str,
    run_name: str,
    card: Scorecard,
    *,
    primary: bool | None,
    pictures: Strips | None,
    why: str | None = None,
    allow_shared: bool = False,
    scored_here: bool = False,
    signed: Signed | None = None,
    new_team: bool = False,
) -> Outcome:
    """Add a run, or put a newer scorecard in the place of its last one; see `evalkit.board.Board.add_run`."""
    challenge = read_challenge(write.connection)
    new_team = new_team and not has_team(write, team_name)
    team, name = insert_team(write, team_name) if new_team else find_team(write, team_name), clean_run(run_name)
    of_team = _runs_of(write, team)
    run = next((one for one in of_team if folded(one.name) == folded(name)), None)
    _check_challenge(write, challenge, card)
    _check_backbones(write, card, run)
    _check_testset(write, card, run)
    unproven = check_numbers(card)
    _check_declarations(write, card, run)
    text = card.to_json()
    digest = sha256(text)
    last = _active_card(write, run)
    newer = last is None or _differs(write, card, digest, last, scored_here=scored_here, signed=signed)
    if newer:
        check_declared(card)
    shared = find_shared(write, team, card) if newer else {}
    if not allow_shared:
        refuse_shared(shared)
    why = _reason(why, card, last if newer else None, shared)
    outcome: Outcome = "updated"
    if run is None:
        most = challenge.submission.runs.max
        if len(of_team) >= most:
            raise InputError(
                f"The team '{team.name}' has {count(len(of_team), 'run')} already.",
                expected=f"at most {most} (submission.runs.max of the challenge)",
                fix="Remove one of them first: 'evalkit board remove TEAM --run RUN'.",
            )
        (number,) = write.add(runs, [{"team_id": team.id, "name": name, "folded": folded(name)}])
        run, outcome = Found(number, name), "added"
        primary = not of_team if primary is None else primary
    proof = _provenance(write, None if newer else last, scored_here, signed)
    if newer or last is None or any(last._mapping[column] != value for column, value in proof.items()):
        if pictures is None and last is not None and last.submission_sha256 != card.submission.sha256:
            pictures = {}  # the old ones show other videos
        write.end(cards, cards.c.run_id == run.id)
        write.add(cards, [_card_row(run, card, text, digest) | proof])
    if pictures is not None:
        _set_pictures(write, strips, {"run_id": run.id}, pictures)
    _choose(write, challenge, team, run, primary)
    if not write.changed:
        return "unchanged"
    details = {"outcome": outcome, "scorecard": digest, "submission": card.submission.sha256}
    more: dict[str, Any] = {
        "new_team": new_team,
        "not_recomputed": list(unproven),
        "shared_with": list(shared),
        "why": why,
        "scored_here": bool(proof["scored_here"]),
        "signer": proof["signer"],
    }
    more = {name: value for name, value in more.items() if value}
    write.log("add-run", f"{team.name}/{run.name}", details | more | {"primary": _chosen(write, team)})
    return outcome


def remove_run(write: Write, team_name: str, run_name: str, why: str) -> None:
    """End a run; see `evalkit.board.Board.remove_run`."""
    why = clean_reason(why, "Removing a run")
    team = find_team(write, team_name)
    run = _find_run(write, team, run_name)
    for table in (choices, cards, strips):
        write.end(table, table.c.run_id == run.id)
    write.end(runs, runs.c.id == run.id)
    write.log("remove-run", f"{team.name}/{run.name}", {"why": why})


def set_primary(write: Write, team_name: str, run_names: Sequence[str]) -> None:
    """Say which runs compete; see `evalkit.board.Board.set_primary`."""
    team = find_team(write, team_name)
    asked = {run.id: run for run in (_find_run(write, team, name) for name in run_names)}
    most = read_challenge(write.connection).submission.runs.primary
    if not 1 <= len(asked) <= most:
        raise InputError(
            f"Of the team '{team.name}', {count(len(asked), 'run was', 'runs were')} chosen to compete.",
            expected=f"1 to {most} (submission.runs.primary of the challenge)" if most > 1 else "1",
        )
    of_team = [run.id for run in _runs_of(write, team)]
    write.end(choices, choices.c.run_id.in_(of_team) & choices.c.run_id.not_in(list(asked)))
    held = set(write.connection.execute(select(choices.c.run_id).where(is_active(choices))).scalars())
    write.add(choices, [{"run_id": number} for number in asked if number not in held])
    if write.changed:
        write.log("set-primary", team.name, {"primary": _chosen(write, team)})


def set_reference(write: Write, pictures: Strips) -> None:
    """Set the reference images; see `evalkit.board.Board.set_reference`."""
    _set_pictures(write, reference, {}, pictures)
    if write.changed:
        write.log("set-reference", names(sorted(pictures), 3), {"samples": len(pictures)})


def backbones_digest(card: Scorecard) -> str:
    """Return the digest over the backbones that a scorecard records; empty when it records none."""
    return _recorded(card.provenance, "backbones")


def _check_challenge(write: Write, challenge: Challenge, card: Scorecard) -> None:
    if card.challenge.id != challenge.id:
        raise InputError(
            "The scorecard is of another challenge.",
            found=card.challenge.id,
            expected=challenge.id,
            fix="One board holds one challenge: score the submission for this one.",
        )
    texts = write.connection.execute(select(rules.c.text).order_by(rules.c.id)).scalars()
    known = dict.fromkeys(parse_challenge(text, "a challenge on the board").scoring_sha256 for text in texts)
    if card.challenge.sha256 not in known:
        raise InputError(
            f"The scorecard was made with scoring rules of {challenge.id} that the board has never had.",
            found=card.challenge.sha256[:_DIGITS],
            expected=" or ".join(digest[:_DIGITS] for digest in known),
            fix="Score the submission again with the board's rules, or put the other version there: "
            "'evalkit board rules'. 'evalkit challenges show --json' prints the digest as scoring_sha256.",
        )


def _check_backbones(write: Write, card: Scorecard, run: Found | None) -> None:
    mine = (card.backbones, backbones_digest(card))
    check_ids(mine, "The scorecard's backbones")
    query = select(cards.c.backbones, cards.c.backbones_sha256, runs.c.name).join(runs, cards.c.run_id == runs.c.id)
    query = query.where(is_active(cards)).order_by(cards.c.id)
    if run is not None:
        query = query.where(cards.c.run_id != run.id)
    other = write.connection.execute(query.limit(1)).first()
    if other is None or (other.backbones, other.backbones_sha256) == mine:
        return
    shown = [f"{name} {digest[:_DIGITS] or '(no digest recorded)'}" for name, digest in (mine, tuple(other)[:2])]
    raise InputError(
        "The scorecard was made with other backbones than the runs on the board.",
        found=shown[0],
        expected=shown[1],
        fix="Scorecards of different sets never meet: score it with the same --backbones, --metrics and weights files.",
    )


def _check_testset(write: Write, card: Scorecard, run: Found | None) -> None:
    """Refuse a scorecard of another test set, or of other samples, than the runs on the board."""
    mine = _recorded(card.provenance, "testset")
    query = select(cards.c.text, runs.c.name.label("run"), teams.c.name.label("team"))
    query = query.join(runs, cards.c.run_id == runs.c.id).join(teams, runs.c.team_id == teams.c.id)
    query = query.where(is_active(cards)).order_by(cards.c.id)
    if run is not None:
        query = query.where(cards.c.run_id != run.id)
    other = write.connection.execute(query.limit(1)).first()
    if other is None:
        return
    held = parse_json(other.text)
    theirs = _recorded(held.get("provenance", {}), "testset")
    samples = {str(video["sample"]) for video in held["videos"]}
    if (mine and theirs and mine != theirs) or samples != {video.sample for video in card.videos}:
        raise InputError(
            "The scorecard is of another test set, or other samples of it, than the runs on the board.",
            found=f"test set {mine[:_DIGITS] or '(no digest)'}, {count(len(card.videos), 'sample')}",
            expected=f"test set {theirs[:_DIGITS] or '(no digest)'}, {count(len(samples), 'sample')}, "
            f"as in {other.team}/{other.run}",
            fix="Score the submission on the challenge's whole test set, without --limit. Where the run on the board "
            "is the wrong one, take it off: 'evalkit board remove TEAM --run RUN --why TEXT'.",
        )


def _check_declarations(write: Write, card: Scorecard, run: Found | None) -> None:
    query = select(cards.c.text).where(is_active(cards)).order_by(cards.c.id)
    if run is not None:
        query = query.where(cards.c.run_id != run.id)
    texts = write.connection.execute(query).scalars()
    check_alike(card, (Scorecard.from_json(text, "A scorecard on the board") for text in texts))


def _active_card(write: Write, run: Found | None) -> Row[Any] | None:
    if run is None:
        return None
    return write.connection.execute(select(cards).where(is_active(cards), cards.c.run_id == run.id)).first()


def _provenance(write: Write, same: Row[Any] | None, scored_here: bool, signed: Signed | None) -> dict[str, Any]:
    """Return where a scorecard is from, as its row keeps it; nothing less than what is known of the ``same`` one."""
    signer, signature = (signed.key.fingerprint, signed.text) if signed else (None, None)
    if same is not None:
        scored_here = scored_here or bool(same.scored_here)
        trusted = trusted_keys(write.connection)
        if signed is None or (same.signer in trusted and signer not in trusted):
            signer, signature = same.signer, same.signature
    return {"scored_here": 1 if scored_here else None, "signer": signer, "signature": signature}


def _reason(why: str | None, card: Scorecard, replaced: Row[Any] | None, shared: Mapping[str, str]) -> str | None:
    """Return why a scorecard is added; there must be a reason where it replaces another or shares its videos."""
    if why is not None or shared:
        return clean_reason(why or "", "Adding a scorecard of videos that another team has")
    if replaced is not None and _untimed(_scorecard(replaced)) != _untimed(card):
        raise InputError(
            "The run has another scorecard on the board.",
            found=f"scorecard {replaced.sha256[:_DIGITS]} of submission {replaced.submission_sha256[:_DIGITS]}",
            expected="a new run, or the reason why this one takes its place",
            fix="Give another --run, or say why: '--why TEXT'. The board's past keeps the old one.",
        )
    return None


def _differs(
    write: Write, card: Scorecard, digest: str, last: Row[Any], *, scored_here: bool, signed: Signed | None
) -> bool:
    """Whether ``card`` is to be kept beside ``last``, not only in its timing unless its origin is known."""
    if last.sha256 == digest:
        return False
    trusted = signed is not None and signed.key.fingerprint in trusted_keys(write.connection)
    return scored_here or trusted or _untimed(_scorecard(last)) != _untimed(card)


def _scorecard(row: Row[Any]) -> Scorecard:
    return Scorecard.from_json(row.text, "A scorecard on the board")


def _untimed(card: Scorecard) -> str:
    return card.model_copy(update={"timing": {}}).to_json()


def _recorded(provenance: Mapping[str, Any], what: str) -> str:
    """Return the digest that a scorecard's provenance records of ``what``; empty when it records none."""
    part = provenance.get(what)
    value = part.get("sha256") if isinstance(part, Mapping) else None
    return "" if value is None else str(value)


def _card_row(run: Found, card: Scorecard, text: str, digest: str) -> dict[str, Any]:
    check_ids([card.submission.sha256], "The scorecard's submission")
    return {
        "run_id": run.id,
        "sha256": digest,
        "submission_sha256": card.submission.sha256,
        "backbones": card.backbones,
        "backbones_sha256": backbones_digest(card),
        "text": text,
    }


def _choose(write: Write, challenge: Challenge, team: Found, run: Found, primary: bool | None) -> None:
    if primary is None:
        return
    if not primary:
        write.end(choices, choices.c.run_id == run.id)
        return
    of_team = [one.id for one in _runs_of(write, team)]
    query = select(choices.c.run_id).where(is_active(choices), choices.c.run_id.in_(of_team))
    chosen = set(write.connection.execute(query).scalars())
    if run.id in chosen:
        return
    most = challenge.submission.runs.primary
    if most == 1:
        write.end(choices, choices.c.run_id.in_(list(chosen)))
    elif len(chosen) >= most:
        raise InputError(
            f"The team '{team.name}' has {count(len(chosen), 'run that competes', 'runs that compete')} already.",
            expected=f"at most {most} (submission.runs.primary of the challenge)",
            fix="Say which ones do: 'evalkit board primary'.",
        )
    write.add(choices, [{"run_id": run.id}])


def _chosen(write: Write, team: Found) -> list[str]:
    query = select(runs.c.name).join(choices, choices.c.run_id == runs.c.id)
    query = query.where(is_active(choices), runs.c.team_id == team.id)
    return sorted(write.connection.execute(query).scalars())


def _runs_of(write: Write, team: Found) -> list[Found]:
    rows = write.connection.execute(select(runs).where(is_active(runs), runs.c.team_id == team.id).order_by(runs.c.id))
    return [Found(row.id, row.name) for row in rows]


def _find_run(write: Write, team: Found, name: str) -> Found:
    of_team = _runs_of(write, team)
    found = next((run for run in of_team if folded(run.name) == folded(name)), None)
    if found is None:
        hint = did_you_mean(name, [run.name for run in of_team])
        raise InputError(f"The team '{team.name}' has no run '{name}'.{hint}")
    return found


def _set_pictures(write: Write, table: Table, owner: Mapping[str, int], pictures: Strips) -> None:
    """Replace the active images of ``owner`` by ``pictures``; those that stay the same are not written again."""
    check_ids(pictures, "The sample", limit=_SAMPLE)
    condition: list[ColumnElement[bool]] = [table.c[name] == value for name, value in owner.items()]
    wanted = {(sample, at): image for sample, images in pictures.items() for at, image in enumerate(images)}
    for (sample, _), image in wanted.items():
        if not image.startswith(_JPEG):
            raise InputError(f"A picture of sample '{sample}' is not a JPEG.", fix="Give small JPEG images.")
    stale = []
    for row in write.connection.execute(select(table).where(is_active(table), *condition)):
        if wanted.get((row.sample, row.position)) == bytes(row.image):
            del wanted[row.sample, row.position]
        else:
            stale.append(row.id)
    if stale:
        write.end(table, table.c.id.in_(stale))
    rows = [{**owner, "sample": sample, "position": at, "image": image} for (sample, at), image in wanted.items()]
    write.add(table, rows)
