"""A board that is read one rater at a time says the same as one that is read whole, in little memory."""

from __future__ import annotations

from dataclasses import replace

from board_tools import START, YAML, Database, card, comparisons, finished, rules, worker

from evalkit.board.filtering import filter_answers, summarise_parts
from evalkit.ratings.model import Answer

LIMITED = YAML.replace("method: mos,", "method: mos, max_items_per_rater: 3, min_seconds_per_item: 2,")


def answer(at: int) -> Answer:
    """Return rating number ``at``: 500 a person, some too quick and some off the scale."""
    seconds = 1.0 if at % 11 == 0 else 2.5
    return Answer(f"r{at // 500:05d}", f"item{at % 500:03d}", "overall", at % 7, START, seconds, at + 2)


def test_the_summary_of_the_parts_is_that_of_the_whole(database: Database) -> None:
    with database.make() as board:
        board.set_challenge(rules(LIMITED), LIMITED, by="olga")
        board.add_team("alpha", ["r00001"], by="olga")
        board.add_run("alpha", "main", card(text=LIMITED), by="olga")
        given = [replace(answer(at), rater=f"r{at % 7:05d}") for at in range(60)]
        board.import_answers(given, source="r.csv", sha256="ab" * 32, form="long", by="olga")
        board.import_answers(comparisons(40), source="p.csv", sha256="cd" * 32, form="long", by="olga")
        board.exclude("rater", [("r00003", "manual", "because")], by="olga")
        some = [(one.id, "manual", "because") for one in board.snapshot().answers[:2]]
        board.exclude("answer", some, by="olga")
        whole = filter_answers(board.snapshot())
        assert summarise_parts(board.by_rater(), "rating") == whole.summary("rating")
        assert summarise_parts(board.by_rater(), "comparison") == whole.summary("comparison")
        assert {"too-quick", "off-scale", "over-limit", "excluded"} <= set(whole.summary("rating").reasons)
        assert whole.summary("comparison").total == 40
        frames = {replace(part, answers=()).digest for part in board.by_rater()}
        assert frames == {board.snapshot().digest}
        assert [len({one.rater for one in part.answers}) for part in board.by_rater()] == [1] * len(
            {one.rater for one in board.snapshot().answers}
        )


def test_an_empty_board_has_no_parts(database: Database) -> None:
    with database.make() as board:
        assert list(board.by_rater()) == []
        assert summarise_parts(board.by_rater(), "rating").total == 0


def test_counting_holds_the_answers_of_one_rater(database: Database) -> None:
    """Six times as many ratings, of six times as many people, would be 1 KB each if they were held."""
    few, many = 3_000, 18_000
    peaks = []
    with database.make() as board:
        for start, stop in ((0, few), (few, many)):
            given = (answer(at) for at in range(start, stop))
            board.import_answers(given, source="r.csv", sha256="ab" * 32, form="long", by="olga")
            counted, peak = finished(worker(database.place, "sum"))
            assert counted > stop * 0.6
            peaks.append(peak)
    assert peaks[1] - peaks[0] < (many - few) * 100
