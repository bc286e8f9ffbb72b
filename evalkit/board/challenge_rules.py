"""The rules of the challenge, in all the versions that a board has had."""

from __future__ import annotations

from sqlalchemy import select, true

from evalkit.board.reading import read_challenge
from evalkit.board.tables import is_active, rules
from evalkit.board.writing import Write
from evalkit.challenges.model import Challenge, parse_challenge
from evalkit.errors import InputError


def check_text(challenge: Challenge, text: str) -> None:
    """Make sure that the YAML says the challenge.

    Raises:
        InputError: when it says another, or none.
    """
    if parse_challenge(text, "the challenge's text").sha256 != challenge.sha256:
        raise InputError(
            f"The text given for the challenge {challenge.id} says something else than its rules.",
            fix="Give the YAML from which the challenge was read.",
        )


def set_challenge(write: Write, challenge: Challenge, text: str) -> bool:
    """Replace the rules; see `evalkit.board.Board.set_challenge`."""
    check_text(challenge, text)
    held = read_challenge(write.connection)
    if challenge.id != held.id:
        raise InputError(
            "The rules are of another challenge.",
            found=challenge.id,
            expected=held.id,
            fix="One board holds one challenge: make another board for it.",
        )
    sha = write.connection.execute(select(rules.c.sha256).where(is_active(rules))).scalar_one()
    if sha == challenge.sha256:
        return False
    write.end(rules, true())
    write.add(rules, [{"sha256": challenge.sha256, "text": text}])
    write.log("set-challenge", challenge.id, {"sha256": challenge.sha256, "before": sha})
    return True
