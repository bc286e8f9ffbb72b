"""Where a scorecard comes from: scored here, signed by a key that the board trusts, or handed in."""

from __future__ import annotations

import pytest
from board_tools import card

from evalkit.board import Board
from evalkit.errors import InputError
from evalkit.signing import PublicKey, Signed

ORGANIZERS, PARTICIPANT = PublicKey(bytes(32), "organizers"), PublicKey(bytes(range(32)))


@pytest.fixture
def board(board: Board) -> Board:
    board.add_team("alpha", by="olga")
    return board


def origins(board: Board, as_of: int | None = None) -> list[tuple[str, str | None]]:
    return [(run.origin, run.signer) for run in board.snapshot(as_of).runs]


def test_a_scorecard_is_handed_in_unless_something_says_more(board: Board) -> None:
    board.add_run("alpha", "main", card(), by="olga")
    assert origins(board) == [("handed-in", None)]
    assert board.add_run("alpha", "main", card(), by="olga", scored_here=True) == "updated"
    assert origins(board) == [("scored-here", None)]
    assert board.log()[-1].details["scored_here"] is True
    assert board.add_run("alpha", "main", card(), by="olga") == "unchanged"
    assert origins(board) == [("scored-here", None)]
    board.add_run("alpha", "main", card("other"), by="olga", why="a newer ZIP")
    assert origins(board) == [("handed-in", None)]


def test_a_signature_counts_while_the_board_trusts_its_key(board: Board) -> None:
    board.add_run("alpha", "main", card(), by="olga", signed=Signed(ORGANIZERS, "text"))
    name = ORGANIZERS.fingerprint
    assert origins(board) == [("handed-in", name)]
    assert board.trust(ORGANIZERS, by="olga", why="the key of the scoring server")
    trusted = board.snapshot()
    assert origins(board) == [("signed", name)]
    assert [(one.fingerprint, one.comment) for one in trusted.signers] == [(name, "organizers")]
    assert not board.trust(ORGANIZERS, by="olga", why="again")
    board.distrust(name, by="olga", why="the server was broken into")
    assert origins(board) == [("handed-in", name)]
    assert board.snapshot(trusted.number) == trusted
    assert [(entry.action, entry.subject, entry.details["why"]) for entry in board.log()[-2:]] == [
        ("trust", name, "the key of the scoring server"),
        ("distrust", name, "the server was broken into"),
    ]
    board.trust(ORGANIZERS, by="olga", why="a false alarm")
    assert origins(board) == [("signed", name)]
    assert board.verify() == []


def test_a_strangers_signature_takes_no_trusted_ones_place(board: Board) -> None:
    board.trust(ORGANIZERS, by="olga", why="w")
    board.add_run("alpha", "main", card(), by="olga", signed=Signed(PARTICIPANT, "theirs"))
    assert origins(board) == [("handed-in", PARTICIPANT.fingerprint)]
    assert board.add_run("alpha", "main", card(), by="olga", signed=Signed(ORGANIZERS, "ours")) == "updated"
    assert board.add_run("alpha", "main", card(), by="olga", signed=Signed(PARTICIPANT, "theirs")) == "unchanged"
    assert board.add_run("alpha", "main", card(), by="olga") == "unchanged"
    assert origins(board) == [("signed", ORGANIZERS.fingerprint)]


def test_keys_are_trusted_with_a_reason_only(board: Board) -> None:
    before = board.snapshot()
    with pytest.raises(InputError, match="needs a reason"):
        board.trust(ORGANIZERS, by="olga", why=" ")
    with pytest.raises(InputError, match="does not trust this key"):
        board.distrust(ORGANIZERS.fingerprint, by="olga", why="w")
    assert board.snapshot() == before


def test_the_log_names_the_key_of_a_signed_scorecard(board: Board) -> None:
    board.trust(ORGANIZERS, by="olga", why="w")
    board.add_run("alpha", "main", card(), by="olga", signed=Signed(ORGANIZERS, "text"))
    assert [entry.details.get("signer") for entry in board.log()][-1] == ORGANIZERS.fingerprint
    assert board.trusted_keys() == [ORGANIZERS.fingerprint]
