from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from board_tools import START, Database, card, comparisons, finished, ratings, take_ratings, worker
from builders.answers import make_comparison
from scorecards import jpeg

from evalkit.board import Board
from evalkit.board.imports import Imported, KeyMerged
from evalkit.board.model import GoldItem, GoldPair
from evalkit.errors import InputError
from evalkit.ratings.model import Answer, Key, KeyEntry

KEY = Key({"item00000": KeyEntry("alpha", "s1"), "item00001": KeyEntry("beta", "s1", "main")}, "key.csv")


def take_pairs(board: Board, count: int, start: int = 0) -> tuple[int, int]:
    done = board.import_answers(comparisons(count, start), source="p.csv", sha256="ef" * 32, form="pairs", by="olga")
    return done.new, done.known


def test_ratings_come_back_as_they_were_read(board: Board) -> None:
    zone = timezone(timedelta(hours=5, minutes=30))
    odd = [
        Answer("r\u00e9n\u00e9", "item '; --", "overall", 1 / 3, START.astimezone(zone), 1e-3, 7, "rejected"),
        Answer("=cmd|' /C calc'!A1", "i", "<b>words of the file</b>", -0.0, None, None, 0),
        Answer("r", "i", "overall", 5, datetime.max.replace(tzinfo=zone), 0.0, 9),
    ]
    board.import_answers(odd, source="C:\\data\\my ratings.csv", sha256="ab" * 32, form="long", by="olga")
    stored = board.snapshot().answers
    assert list(stored) == odd
    assert [one.id for one in stored] == [one.id for one in odd]
    assert {one.file for one in stored} == {"my ratings.csv"}
    assert stored[0].at is not None
    assert stored[0].at.utcoffset() == timedelta(0)


def test_an_import_is_recorded(board: Board) -> None:
    assert take_ratings(board, 7) == (7, 0)
    (done,) = board.snapshot().imports
    assert (done.file, done.sha256, done.form) == ("r.csv", "ab" * 32, "long")
    assert (done.new, done.known, done.by, done.at) == (7, 0, "olga", START + timedelta(seconds=2))
    entry = board.log()[-1]
    assert (entry.action, entry.subject, entry.details["new"]) == ("import", "r.csv", 7)
    assert entry.details["facts"]["answers"]["added"] == 7


def test_importing_again_changes_nothing(board: Board) -> None:
    take_ratings(board, 2500)  # several batches
    take_pairs(board, 30)
    before = board.snapshot()
    assert take_ratings(board, 2500) == (0, 2500)
    assert take_ratings(board, 300, start=900) == (0, 300)
    assert take_pairs(board, 30) == (0, 30)
    assert board.snapshot() == before
    assert board.log() == list(before.log)


def test_files_that_overlap_add_what_is_new(board: Board) -> None:
    assert take_ratings(board, 1500) == (1500, 0)
    assert take_ratings(board, 1500, start=1000) == (1000, 500)
    stored = board.snapshot().answers
    assert list(stored) == list(ratings(2500))
    assert [(one.new, one.known) for one in board.snapshot().imports] == [(1500, 0), (1000, 500)]


def test_twins_within_a_file_are_taken_once(board: Board) -> None:
    first, second = ratings(2)
    twin = replace(first, row=99, seconds=77.0)
    done = board.import_answers([first, second, twin], source="r", sha256="", form="", by="olga")
    assert (done.new, done.known) == (2, 1)
    assert list(board.snapshot().answers) == [first, second]
    many = [*ratings(1500, 100), *ratings(1500, 100)]  # twins in different batches
    done = board.import_answers(many, source="r", sha256="", form="", by="olga")
    assert (done.new, done.known) == (1500, 1500)


def test_nothing_is_taken_when_a_row_is_at_fault(board: Board) -> None:
    before = board.snapshot()

    def broken() -> Iterator[Answer]:
        yield from ratings(2200)
        raise InputError("row 2202 is at fault")

    with pytest.raises(InputError, match="row 2202"):
        board.import_answers(broken(), source="r", sha256="", form="", by="olga", key=KEY)
    with pytest.raises(KeyboardInterrupt):
        board.import_answers(_interrupted(), source="r", sha256="", form="", by="olga")
    assert board.snapshot() == before


def _interrupted() -> Iterator[Answer]:
    yield from ratings(1200)
    raise KeyboardInterrupt


def test_what_no_database_keeps_is_refused_with_its_row(board: Board) -> None:
    (good,) = ratings(1)
    changes: list[tuple[dict[str, Any], str]] = [
        ({"rater": "a\0b"}, "a character that no database keeps"),
        ({"item": "\ud800"}, "a character that no database keeps"),
        ({"dimension": "d" * 201}, "201 characters"),
        ({"status": "s" * 201}, "201 characters"),
        ({"value": float("nan")}, "infinite or not a number"),
        ({"seconds": float("inf")}, "infinite or not a number"),
        ({"row": 2**31}, "no such row"),
    ]
    for change, message in changes:
        with pytest.raises(InputError, match=rf"r\.csv, row \d+.*{message}"):
            board.import_answers([replace(good, **change)], source="r.csv", sha256="", form="", by="olga")
    assert board.snapshot().answers == ()


def test_names_of_files_may_be_anything(board: Board) -> None:
    for source in ("bad\udcffname.csv", "/some/where/\u202egpm.csv", "x" * 500, "/"):
        (one,) = ratings(1, start=len(board.log()))
        board.import_answers([one], source=source, sha256="", form="", by="olga")
    files = [one.file for one in board.snapshot().imports]
    assert files == [r"bad\udcffname.csv", "\u202egpm.csv", "x" * 200, "/"]
    assert board.verify() == []


def test_comparisons_come_back_as_they_were_read(board: Board) -> None:
    given = [
        make_comparison("r1", "s1", "alpha", "beta", 0.5, "overall", START, 3.5, 4, "rejected"),
        make_comparison("r1", "s1", "beta", "alpha", 0.5, "", None, None, 5),
        make_comparison("r2", "s1", "alpha", "beta", 1, "", START, None, 6),
    ]
    done = board.import_answers(given, source="pairs.csv", sha256="ef" * 32, form="pairs", by="pia")
    assert (done.new, done.known) == (3, 0)
    stored = board.snapshot().answers
    assert list(stored) == given
    assert [one.id for one in stored] == [one.id for one in given]
    assert board.snapshot().imports[0].form == "pairs"
    assert board.log()[-1].action == "import"


def test_the_key_comes_with_the_ratings_or_alone(board: Board) -> None:
    assert board.snapshot().key is None
    given = list(ratings(10))
    board.import_answers(given, source="r", sha256="", form="", by="olga", key=KEY)
    assert len(board.log()) == 2
    assert board.log()[-1].details["key"] == {"new": 2, "known": 0}
    held = board.snapshot().key
    assert held is not None
    assert held.entries == KEY.entries
    number = board.snapshot().number
    assert board.set_key(KEY, by="olga") == KeyMerged(0, 2)
    board.import_answers(given, source="r", sha256="", form="", by="olga", key=KEY)
    assert board.snapshot().number == number
    more = Key({"item00000": KeyEntry("alpha", "s1"), "new": KeyEntry("beta", "s2")})
    assert board.set_key(more, by="olga") == KeyMerged(1, 1)
    assert len(board.snapshot().key or ()) == 3


def test_an_item_never_changes_its_meaning(board: Board) -> None:
    board.set_key(KEY, by="olga")
    before = board.snapshot()
    for entry in (KeyEntry("beta", "s1"), KeyEntry("alpha", "s2"), KeyEntry("alpha", "s1", "main")):
        wrong = Key({"other": KeyEntry("alpha", "s9"), "item00000": entry}, "wrong.csv")
        with pytest.raises(InputError, match=r"wrong\.csv gives the item 'item00000' another meaning"):
            board.set_key(wrong, by="olga")
        with pytest.raises(InputError, match="item00000"):
            board.import_answers(ratings(5), source="r", sha256="", form="", by="olga", key=wrong)
    assert board.snapshot() == before


def test_a_large_key(board: Board) -> None:
    big = Key({f"item{at}": KeyEntry("alpha", f"s{at}") for at in range(1700)})
    assert board.set_key(big, by="olga") == KeyMerged(1700, 0)
    assert board.set_key(big, by="olga") == KeyMerged(0, 1700)


def test_gold_items_are_set_as_a_whole(board: Board) -> None:
    one, two = GoldItem("g1", "overall", 1, 2), GoldItem("g2", "overall", 4.5, 5)
    board.set_gold([two, one], by="olga")
    assert board.snapshot().gold == (one, two)
    number = board.snapshot().number
    board.set_gold([one, two], by="olga")
    assert board.snapshot().number == number
    changed = GoldItem("g1", "overall", 1, 3)
    board.set_gold([changed], by="olga")
    assert board.snapshot().gold == (changed,)
    assert board.snapshot(board.log()[-2].at).gold == (one, two)
    for wrong in ([GoldItem("g", "d", 3, 2)], [GoldItem("g", "d", 1, float("nan"))], [one, one]):
        with pytest.raises(InputError):
            board.set_gold(wrong, by="olga")


def test_gold_comparisons_are_set_as_a_whole_whichever_side_comes_first(board: Board) -> None:
    one = GoldPair("s1", "", ("(reference)", "alpha"), 1, 1, draw=False)
    two = GoldPair("s1", "overall", ("beta", "alpha"), 0, 0.5)
    board.set_gold_pairs([two, one], by="olga")
    other_way = replace(two, sides=("alpha", "beta"), low=0.5, high=1)
    assert board.snapshot().gold_pairs == (one, other_way)
    number = board.snapshot().number
    board.set_gold_pairs([other_way, one], by="olga")
    assert board.snapshot().number == number
    board.set_gold_pairs([one], by="olga")
    assert board.snapshot().gold_pairs == (one,)
    assert board.snapshot(board.log()[-2].at).gold_pairs == (one, other_way)
    assert board.verify() == []
    bad = [replace(one, low=1, high=0.5), replace(one, high=2), replace(one, sides=("a", "a"))]
    bad.append(replace(one, low=0.5, high=0.5))
    for wrong in (*([pair] for pair in bad), [two, other_way]):
        with pytest.raises(InputError):
            board.set_gold_pairs(wrong, by="olga")


def test_a_board_without_a_place_for_gold_comparisons_gets_it(database: Database) -> None:
    database.make().close()
    database.sql("DROP TABLE gold_pairs")
    database.sql("UPDATE board_version SET version_num = '0002'")
    with Board.open(database.place) as opened:
        assert (opened.log()[-1].action, opened.log()[-1].details["to"]) == ("upgrade", "0003")
        opened.set_gold_pairs([GoldPair("s1", "", ("alpha", "beta"), 1, 1)], by="olga")
        assert opened.verify() == []


@pytest.mark.parametrize("name", ["(reference)", "(control x.mp4)", " (reference) "])
def test_no_team_is_called_as_what_is_nobodys(board: Board, name: str) -> None:
    with pytest.raises(InputError, match="no team's"):
        board.add_team(name, by="olga")


def test_a_hundred_thousand_ratings_need_no_more_memory(database: Database) -> None:
    """The server's part of the work is the same for each batch, so that fewer of them show it."""
    database.make().close()
    many = 100_000 if database.kind == "sqlite" else 25_000
    # The first import warms everything up; the second is nine times as large and must not grow with its rows, which
    # would be 1 KB each.
    grown = finished(worker(database.place, "grow", many // 10, many - many // 10))
    assert grown < many * 120
    assert database.sql("SELECT new, known FROM imports ORDER BY id") == [(many // 10, 0), (many - many // 10, 0)]
    assert database.sql("SELECT count(DISTINCT identity), max(id) FROM answers") == [(many, many)]
    (last,) = ratings(1, start=many - 1)
    assert database.sql(f"SELECT identity FROM answers WHERE id = {many}") == [(last.id,)]


@pytest.mark.postgres
def test_digests_of_both_databases_are_equal(tmp_path: Path, new_database: str) -> None:
    """The same deeds at the same times leave the same log and the same snapshot on SQLite and on PostgreSQL."""
    places = (Database("sqlite", str(tmp_path / "board.sqlite")), Database("postgres", new_database))
    found = []
    for database in places:
        with database.make() as board:
            board.add_team("alpha", ["p1"], by="olga")
            board.add_run("alpha", "main", card(), by="olga", strips={"s1": [jpeg(1)]})
            take_ratings(board, 1100)
            take_ratings(board, 200, start=1000)
            take_pairs(board, 20)
            board.set_gold([GoldItem("g", "d", 0.1, 1 / 3)], by="olga")
            subjects = [(one.id, "manual", "because") for one in board.snapshot().answers[:3]]
            board.exclude("answer", subjects, by="olga")
            found.append(board.snapshot())
    assert found[0] == found[1]
    assert found[0].log[-1].digest == found[1].log[-1].digest


def marked(count: int, status: str) -> Iterator[Answer]:
    """Yield ratings with a word of the platform."""
    return (replace(one, status=status) for one in ratings(count))


def take(board: Board, given: Any) -> tuple[int, int, int]:
    done = board.import_answers(given, source="r.csv", sha256="ab" * 32, form="prolific", by="olga")
    return done.new, done.changed, done.known


def statuses(board: Board, **more: Any) -> list[str]:
    return sorted(one.status for one in board.snapshot(**more).answers)


def test_a_later_word_of_the_platform_takes_the_place_of_the_earlier_one(board: Board) -> None:
    assert take(board, marked(1500, "")) == (1500, 0, 0)
    before = board.log()[-1].at
    assert take(board, marked(1200, "rejected")) == (0, 1200, 0)
    assert statuses(board) == [""] * 300 + ["rejected"] * 1200
    assert statuses(board, as_of=before) == [""] * 1500
    entry = board.log()[-1]
    assert (entry.details["new"], entry.details["changed"]) == (0, 1200)
    seal = entry.details["facts"]["answers"]
    assert (seal["added"], seal["ended"]) == (1200, 1200)
    assert take(board, marked(1200, "rejected")) == (0, 0, 1200)
    assert board.log()[-1] == entry
    assert take(board, marked(1200, "")) == (0, 1200, 0)  # accepted after all
    assert statuses(board) == [""] * 1500
    assert board.verify() == []


def test_of_twins_in_a_file_the_first_speaks_every_time(board: Board) -> None:
    twins = [*marked(1500, ""), *marked(1500, "rejected")]
    assert take(board, twins) == (1500, 0, 1500)
    assert take(board, twins) == (0, 0, 3000)
    assert take(board, twins[::-1]) == (0, 1500, 1500)
    assert take(board, twins[::-1]) == (0, 0, 3000)
    assert board.verify() == []


def test_a_comparison_that_is_rejected_later_is_replaced(board: Board) -> None:
    assert take_pairs(board, 4) == (4, 0)
    rejected = [replace(one, status="rejected") for one in comparisons(2)]
    done = board.import_answers(rejected, source="p.csv", sha256="ef" * 32, form="pairs", by="olga")
    assert (done.new, done.changed, done.known) == (0, 2, 0)
    assert sorted(one.status for one in board.snapshot().answers) == ["", "", "rejected", "rejected"]
    assert board.verify() == []


def test_a_dry_run_does_all_and_keeps_nothing(board: Board) -> None:
    take(board, marked(5, ""))
    before = board.snapshot()
    again = [*marked(3, "rejected"), *ratings(2, start=5)]
    done, after = board.dry_run_import(again, source="r.csv", form="long", by="olga")
    assert (done.new, done.changed, done.known) == (2, 3, 0)
    assert sorted(one.status for one in after.answers) == [""] * 4 + ["rejected"] * 3
    assert board.snapshot() == before
    assert board.verify() == []


def test_answers_that_come_one_by_one_are_one_import(board: Board) -> None:
    def take(*given: Answer, digest: str = "cd") -> Imported:
        source = {"source": "plan.json", "sha256": digest * 32, "form": "studio", "by": "studio"}
        return board.import_answers(given, join=True, **source)

    first, second, third, fourth = ratings(4)
    assert [take(first).number, take(second, third).number] == [1, 1]
    assert take(second) == Imported(0, 1), "nothing is logged where nothing is new"
    assert take(fourth, digest="ef").number == 2, "another plan's answers are another import"
    held = board.snapshot()
    assert [(one.number, one.file, one.new) for one in held.imports] == [(1, "plan.json", 3), (2, "plan.json", 1)]
    assert len(held.answers) == 4
    assert board.undo_import(1, by="otto", why="a trial").removed == 3
    assert board.snapshot().answers == (fourth,)
    assert take(second).number == 3, "what was undone is over: a new import begins"
    assert board.verify() == []
