"""Imports that are undone, keys that are replaced, and what a key may name."""

from __future__ import annotations

from dataclasses import replace

import pytest
from board_tools import START, card, ratings, take_ratings

from evalkit.board import Board
from evalkit.errors import InputError
from evalkit.ratings.model import Answer, Key, KeyEntry

KEY = Key({"item00000": KeyEntry("alpha", "s1"), "item00001": KeyEntry("beta", "s1")}, "key.csv")
SWAPPED = Key({"item00000": KeyEntry("beta", "s1"), "item00001": KeyEntry("alpha", "s1")}, "swapped.csv")
ONE = Answer("r1", "item00000", "overall", 3, START, 2.5, 2)


def take(board: Board, *given: Answer, key: Key | None = None, name: str = "r.csv") -> int | None:
    return board.import_answers(given, source=name, sha256="ab" * 32, form="long", by="olga", key=key).number


def test_an_undone_import_leaves_nothing_but_the_past(board: Board) -> None:
    before = board.snapshot()
    assert take(board, *ratings(10), key=KEY) == 1
    held = board.snapshot()
    done = board.undo_import(1, by="otto", why="of another challenge")
    assert (done.removed, done.restored, done.key_removed, done.key_kept, done.again) == (10, 0, 2, 0, ())
    after = board.snapshot()
    assert (after.answers, after.key, after.imports) == (before.answers, before.key, before.imports)
    assert replace(board.snapshot(held.at), as_of=None) == held
    entry = board.log()[-1]
    assert (entry.by, entry.action, entry.details["why"]) == ("otto", "undo-import", "of another challenge")
    assert take(board, *ratings(10), key=KEY) == 2, "numbers are not used again"
    assert board.snapshot().answers == held.answers
    assert board.verify() == []


@pytest.mark.parametrize(("number", "told"), [(3, "no import 3"), (1, "was undone by log entry"), (0, "no import 0")])
def test_what_can_not_be_undone(board: Board, number: int, told: str) -> None:
    take_ratings(board, 3)
    take_ratings(board, 3, start=3)
    board.undo_import(1, by="olga", why="wrong")
    entries = len(board.log())
    with pytest.raises(InputError, match=told):
        board.undo_import(number, by="olga", why="wrong")
    with pytest.raises(InputError, match="needs a reason"):
        board.undo_import(2, by="olga", why=" ")
    assert len(board.log()) == entries


def test_a_board_without_imports_has_none_to_undo(board: Board) -> None:
    with pytest.raises(InputError, match="no import 1") as error:
        board.undo_import(1, by="olga", why="wrong")
    assert error.value.found == "no import on the board"


def test_an_answer_whose_status_the_import_changed_is_there_again(board: Board) -> None:
    take(board, ONE)
    take(board, replace(ONE, status="rejected", row=5), name="later.csv")
    assert [answer.status for answer in board.snapshot().answers] == ["rejected"]
    assert board.undo_import(2, by="olga", why="wrong").restored == 1
    (answer,) = board.snapshot().answers
    assert (answer, answer.file) == (ONE, "r.csv")
    assert board.undo_import(1, by="olga", why="wrong, too").removed == 1
    assert board.snapshot().answers == ()
    assert board.verify() == []


def test_only_imports_that_hold_speak_again(board: Board) -> None:
    second, third = replace(ONE, status="returned", row=5), replace(ONE, status="rejected", row=7)
    for answer in (ONE, second, third):
        take(board, answer)
    assert board.undo_import(2, by="olga", why="wrong").removed == 0, "the third took its place already"
    assert board.snapshot().answers == (third,)
    assert board.undo_import(3, by="olga", why="wrong").restored == 1
    assert board.snapshot().answers == (ONE,)
    take(board, third)
    assert board.undo_import(1, by="olga", why="wrong").removed == 0
    assert board.undo_import(4, by="olga", why="wrong").restored == 0
    assert board.snapshot().answers == ()


def test_answers_that_were_known_have_to_be_imported_again(board: Board) -> None:
    take_ratings(board, 10)
    take(board, *ratings(10, start=5), name="right.csv")
    done = board.undo_import(1, by="olga", why="wrong")
    assert (done.removed, done.again) == (10, ("right.csv",))
    take(board, *ratings(10, start=5), name="right.csv")
    assert sorted(answer.row for answer in board.snapshot().answers) == list(range(7, 17))


def test_a_key_that_other_imports_need_stays(board: Board) -> None:
    take(board, *ratings(5), key=KEY)
    take(board, replace(ONE, rater="r9"), key=KEY)
    done = board.undo_import(1, by="olga", why="wrong")
    assert (done.key_removed, done.key_kept) == (1, 1)
    assert list(board.snapshot().key or ()) == ["item00000"]


def test_a_key_replaces_another_with_a_reason_only(board: Board) -> None:
    board.set_key(Key({**KEY.entries, "other": KeyEntry("alpha", "s2")}), by="olga")
    held = board.snapshot()
    with pytest.raises(InputError, match="another meaning"):
        board.set_key(SWAPPED, by="olga")
    done = board.set_key(SWAPPED, by="olga", why="two teams were swapped")
    assert (done.new, done.known, done.replaced) == (0, 0, 2)
    key = board.snapshot().key
    assert key is not None
    assert key.entries == {**SWAPPED.entries, "other": KeyEntry("alpha", "s2")}
    assert board.log()[-1].details["why"] == "two teams were swapped"
    assert replace(board.snapshot(held.at), as_of=None) == held
    number = board.snapshot().number
    assert board.set_key(SWAPPED, by="olga", why="again").known == 2
    assert board.snapshot().number == number
    assert board.verify() == []


def test_a_key_of_unknown_samples_is_refused(board: Board) -> None:
    odd = Key({"x": KeyEntry("alpha", "s1x"), "y": KeyEntry("alpha", "s2x")}, "odd.csv")
    board.set_key(Key({"early": KeyEntry("alpha", "s9")}), by="olga")  # no run yet: nobody knows the samples
    board.add_team("alpha", by="olga")
    board.add_run("alpha", "1", card(), by="olga")
    samples = [video.sample for video in board.snapshot().runs[0].card.videos]
    known = Key({"z": KeyEntry("alpha", samples[0])}, "fine.csv")
    with pytest.raises(InputError, match=r"odd\.csv names samples that no run .*'s1x' .* and 1 more"):
        board.set_key(odd, by="olga")
    with pytest.raises(InputError, match="no run on the board"):
        take(board, ONE, key=odd)
    assert board.snapshot().answers == ()
    assert board.set_key(known, by="olga").new == 1
    assert board.set_key(odd, by="olga", allow_unknown=True).new == 2
