"""Which ratings count; the moments and the arithmetic stand beside each case."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from evalkit.challenges.rating_rules import RatingRules
from evalkit.errors import InputError
from evalkit.ratings import Answer, AnswerVerdict, Key, KeyEntry, check_answers, summarise_answers

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
KEY = Key({"a": KeyEntry("red", "s01"), "b": KeyEntry("blue", "s01"), "c": KeyEntry("blue", "s02")}, "key.csv")


def rules(**more: Any) -> RatingRules:
    dimensions = [{"id": "lips", "title": "Lips"}, {"id": "looks", "title": "Looks", "scale": [0, 100]}]
    return RatingRules.model_validate({"method": "mos", "dimensions": dimensions, **more})


def rating(rater: str = "r01", item: str = "a", dimension: str = "lips", value: float = 3, **more: Any) -> Answer:
    return Answer(rater, item, dimension, value, **{"at": NOON, "seconds": 10.0, "row": 2, **more})


def codes(judged: Sequence[AnswerVerdict]) -> list[tuple[str, ...]]:
    return [verdict.codes for verdict in judged]


def code(one: Answer, **more: Any) -> tuple[str, ...]:
    return codes(check_answers([one], rules(**more)))[0]


# The window

AOE = timezone(timedelta(hours=-12))
CHINA = timezone(timedelta(hours=8))
WINDOW = {"opens": "2026-03-01T00:00:00 AoE", "closes": "2026-03-05T23:59:59 AoE"}


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        # It opens at 12:00:00 UTC of 1 March and closes with 11:59:59 UTC of 6 March.
        (datetime(2026, 3, 1, 0, 0, 0, tzinfo=AOE), ()),
        (datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC), ()),
        (datetime(2026, 3, 1, 11, 59, 59, 999_999, tzinfo=UTC), ("early",)),
        (datetime(2026, 2, 28, 23, 59, 59, tzinfo=AOE), ("early",)),
        (datetime(2026, 3, 5, 23, 59, 59, tzinfo=AOE), ()),
        (datetime(2026, 3, 5, 23, 59, 59, 999_999, tzinfo=AOE), ()),
        (datetime(2026, 3, 6, 0, 0, 0, tzinfo=AOE), ("late",)),
        (datetime(2026, 3, 6, 11, 59, 59, tzinfo=UTC), ()),
        (datetime(2026, 3, 6, 12, 0, 0, tzinfo=UTC), ("late",)),
        (datetime(2026, 3, 6, 19, 59, 59, tzinfo=CHINA), ()),
        (datetime(2026, 3, 6, 20, 0, 0, tzinfo=CHINA), ("late",)),
        (None, ("no-time",)),
    ],
)
def test_the_window_ends_to_the_second_anywhere_on_earth(at: datetime | None, expected: tuple[str, ...]) -> None:
    assert code(rating(at=at), window=WINDOW) == expected


def test_a_bare_date_closes_with_its_last_second() -> None:
    window = {"closes": "2026-03-05 AoE"}
    assert code(rating(at=datetime(2026, 3, 6, 11, 59, 59, 999_999, tzinfo=UTC)), window=window) == ()
    assert code(rating(at=datetime(2026, 3, 6, 12, 0, 0, tzinfo=UTC)), window=window) == ("late",)
    assert code(rating(at=datetime(1999, 1, 1, tzinfo=UTC)), window=window) == ()


def test_a_late_rating_is_kept_with_a_sentence() -> None:
    late = rating(at=datetime(2026, 3, 6, 12, 0, 0, tzinfo=UTC))
    (verdict,) = check_answers([late], rules(window=WINDOW), key=KEY)
    assert verdict.answer is late
    assert verdict.entry == KeyEntry("red", "s01")
    (reason,) = verdict.reasons
    assert reason.sentence == (
        "Rated at 2026-03-06 12:00:00.000 UTC; the window closes at 2026-03-06 11:59:59.000 UTC."
    )


def test_without_a_window_any_time_will_do() -> None:
    assert code(rating(at=None)) == ()
    assert code(rating(at=datetime(1999, 1, 1, tzinfo=UTC))) == ()


# One rating by itself


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(3.999, ("too-quick",)), (4.0, ()), (120.0, ()), (120.001, ("too-slow",)), (0.0, ("too-quick",)), (None, ())],
)
def test_time_spent(seconds: float | None, expected: tuple[str, ...]) -> None:
    assert code(rating(seconds=seconds), min_seconds_per_item=4, max_seconds_per_item=120) == expected
    assert code(rating(seconds=seconds)) == ()


@pytest.mark.parametrize(
    ("dimension", "value", "expected"),
    [
        ("lips", 1, ()),
        ("lips", 5, ()),
        ("lips", 0, ("off-scale",)),
        ("lips", 5.5, ("off-scale",)),
        ("lips", 50, ("off-scale",)),
        ("looks", 50, ()),
        ("looks", -1, ("off-scale",)),
        ("Lips", 3, ("unknown-dimension",)),
        ("charm", 900, ("unknown-dimension",)),
    ],
)
def test_dimension_and_scale(dimension: str, value: float, expected: tuple[str, ...]) -> None:
    assert code(rating(dimension=dimension, value=value)) == expected


def test_what_the_platform_refused_does_not_count() -> None:
    (verdict,) = check_answers([rating(status="returned\x1b[2J")], rules())
    assert verdict.codes == ("rejected",)
    assert verdict.reasons[0].sentence == r"The platform's status is 'returned\x1b[2J'."


def test_items_that_the_key_does_not_know() -> None:
    judged = check_answers([rating(item="a"), rating(item="z")], rules(blind=True), key=KEY)
    assert codes(judged) == [(), ("unknown-item",)]
    assert [verdict.entry for verdict in judged] == [KeyEntry("red", "s01"), None]
    assert judged[1].reasons[0].sentence == "'z' is not in key.csv."
    assert codes(check_answers([rating(item="z")], rules())) == [()]
    with pytest.raises(InputError, match="are blind and there is no key"):
        check_answers([rating()], rules(blind=True))


def test_ratings_of_the_own_team() -> None:
    given = [rating("r01", "a"), rating("r01", "b"), rating("r02", "a"), rating("r03", "b")]
    teams = {"r01": "red", "r02": "green"}
    assert codes(check_answers(given, rules(), key=KEY, own_teams=teams)) == [("own-team",), (), (), ()]
    assert codes(check_answers(given, rules(exclude_own_team=False), key=KEY, own_teams=teams)) == [(), (), (), ()]
    assert codes(check_answers(given, rules(exclude_own_team=False), own_teams=teams)) == [(), (), (), ()]
    assert codes(check_answers(given, rules(), own_teams={})) == [(), (), (), ()]
    with pytest.raises(InputError, match="Without a key, ratings of a rater's own team"):
        check_answers(given, rules(), own_teams=teams)


def test_every_reason_is_given() -> None:
    worst = rating(item="z", value=9, at=NOON + timedelta(days=30), seconds=1, status="rejected")
    judged = check_answers([worst], rules(window=WINDOW, min_seconds_per_item=4), key=KEY)
    assert codes(judged) == [("rejected", "late", "too-quick", "off-scale", "unknown-item")]


# Several ratings together


def test_the_same_rating_again_adds_nothing() -> None:
    first = rating(row=2)
    again = [replace(first, row=90), replace(first, row=91, seconds=None, at=NOON.astimezone(CHINA))]
    judged = check_answers([first, *again], rules())
    assert codes(judged) == [(), ("repeated",), ("repeated",)]
    assert judged[2].reasons[0].sentence == "It is the same as the one in row 2."


def test_of_two_answers_the_earliest_that_may_count_does() -> None:
    early = rating(value=1, at=datetime(2026, 3, 1, tzinfo=UTC), row=5)
    first = rating(value=2, at=NOON, row=4)
    second = rating(value=3, at=NOON + timedelta(seconds=1), row=3)
    untimed = rating(value=4, at=None, row=2)
    judged = check_answers([untimed, second, first, early], rules(window={"opens": WINDOW["opens"]}))
    assert codes(judged) == [("no-time",), ("duplicate",), (), ("early",)]
    assert judged[1].reasons[0].sentence == ("The answer in row 4, given at 2026-03-03 12:00:00.000 UTC, counts: 2.")
    assert codes(check_answers([untimed, second, first, early], rules())) == [("duplicate",)] * 3 + [()]
    # Too quick at first, then in earnest: the second counts.
    hasty = rating(value=5, at=NOON - timedelta(seconds=9), seconds=1.0)
    assert codes(check_answers([hasty, first], rules(min_seconds_per_item=4))) == [("too-quick",), ()]
    # At the same moment the order of the input decides.
    assert codes(check_answers([rating(value=1), rating(value=2)], rules())) == [(), ("duplicate",)]


def test_other_raters_items_and_dimensions_are_no_duplicates() -> None:
    given = [rating(), rating("r02"), rating(item="b"), rating(dimension="looks")]
    assert codes(check_answers(given, rules())) == [()] * 4


def test_required_dimensions() -> None:
    given = [
        rating(item="a", dimension="lips"),
        rating(item="a", dimension="looks", value=101),  # off the scale, so the item lacks it
        rating(item="b", dimension="looks"),
        rating(item="b", dimension="lips"),
        rating("r02", item="a", dimension="looks"),
        rating("r03", item="a", dimension="lips"),
    ]
    assert codes(check_answers(given, rules(required_dimensions=["lips", "looks"]))) == [
        ("incomplete",),
        ("off-scale",),
        (),
        (),
        ("incomplete",),
        ("incomplete",),
    ]
    assert codes(check_answers(given, rules(required_dimensions=["lips"])))[4:] == [("incomplete",), ()]
    judged = check_answers(given, rules(required_dimensions=["lips", "looks"]))
    assert "in looks from" in judged[0].reasons[0].sentence
    assert "in lips from" in judged[4].reasons[0].sentence


def test_items_per_rater() -> None:
    def at(seconds: int) -> datetime:
        return NOON + timedelta(seconds=seconds)

    given = [
        rating(item="c", at=at(30)),
        rating(item="b", at=at(20)),
        rating(item="b", dimension="looks", at=at(40)),  # of an item that is in already
        rating(item="z", at=at(10)),  # unknown, so it uses up no place
        rating(item="a", at=at(15)),
        rating("r02", item="c", at=at(50)),
    ]
    assert codes(check_answers(given, rules(max_items_per_rater=2), key=KEY)) == [
        ("over-limit",),
        (),
        (),
        ("unknown-item",),
        (),
        (),
    ]
    assert codes(check_answers(given, rules(max_items_per_rater=3), key=KEY))[0] == ()


def test_an_incomplete_item_uses_up_no_place() -> None:
    given = [
        rating(item="a", dimension="looks", at=NOON),
        rating(item="b", dimension="lips", at=NOON + timedelta(seconds=9)),
    ]
    judged = check_answers(given, rules(max_items_per_rater=1, required_dimensions=["lips"]))
    assert codes(judged) == [("incomplete",), ()]


def counted(judged: Sequence[AnswerVerdict]) -> set[tuple[str, str, str, float]]:
    return {(v.answer.rater, v.answer.item, v.answer.dimension, v.answer.value) for v in judged if v.counted}


def test_order_and_repetition_of_the_input_change_nothing() -> None:
    """Whole files again, parts of them, in any order: the same ratings count, each once."""
    source = random.Random(5)
    given = [
        rating(
            f"r{source.randrange(4)}",
            source.choice("abcz"),
            source.choice(["lips", "looks"]),
            source.randrange(7),
            at=NOON + timedelta(seconds=number),
            seconds=source.uniform(0, 20),
            row=number,
        )
        for number in range(200)
    ]
    every = rules(
        min_seconds_per_item=4, max_items_per_rater=2, required_dimensions=["lips"], window=WINDOW, blind=True
    )
    once = check_answers(given, every, key=KEY)
    assert 0 < sum(v.counted for v in once) < 24
    assert len({reason for verdict in once for reason in verdict.codes}) >= 5
    for _ in range(5):
        more = given + source.sample(given, 80)
        source.shuffle(more)
        again = check_answers(more, every, key=KEY)
        assert counted(again) == counted(once)
        assert sum(v.counted for v in again) == sum(v.counted for v in once)


# What a dry run shows


def summary_of(given: Iterable[Answer], **more: Any) -> tuple[dict[str, Any], list[str]]:
    summary = summarise_answers(check_answers(given, rules(**more), key=KEY))
    return summary.as_dict(), summary.lines()


def test_the_summary_adds_up() -> None:
    given = [
        rating(item="a"),
        rating(item="b", seconds=None),
        rating(item="b", value=9, seconds=1),
        rating("r02", item="z"),
    ]
    document, lines = summary_of(given, min_seconds_per_item=4)
    assert document == {
        "total": 4,
        "counted": 2,
        "not_counted": 2,
        "reasons": {"too-quick": 1, "off-scale": 1, "unknown-item": 1},
        "raters": {"r01": {"counted": 2, "total": 3}, "r02": {"counted": 0, "total": 1}},
        "items": 2,
        "without_seconds": 1,
        "unknown_dimensions": {},
    }
    assert lines == [
        "2 of 4 ratings count: 1 rater, 2 items.",
        "        1 quicker than the least time per item (too-quick)",
        "        1 off the scale (off-scale)",
        "        1 of an item that is not in the key (unknown-item)",
    ]


def test_the_summary_names_the_dimensions_that_nobody_asks_for() -> None:
    given = [rating(item=item, dimension=name) for item in "ab" for name in ("charm", "v", "w", "x")]
    document, lines = summary_of([*given, rating(), rating("r02", dimension="charm"), rating(dimension="a\x1b[31m")])
    assert document["unknown_dimensions"] == {"charm": 3, "v": 2, "w": 2, "x": 2, "a\x1b[31m": 1}
    assert lines[1].endswith("that the challenge does not ask for (unknown-dimension): 'charm', 'v', 'w' and 2 more")
    assert "\x1b" not in "".join(lines)


def test_nothing_is_judged_to_nothing() -> None:
    judged = check_answers([], rules(window=WINDOW))
    assert judged == ()
    assert summarise_answers(judged).lines() == ["0 of 0 ratings count: 0 raters, 0 items."]


@pytest.mark.parametrize(
    ("item", "known", "hint"),
    [
        ("1", ["001", "002"], "'001'; a spreadsheet may have taken zeros away"),
        ("001", ["1"], "'1'; a spreadsheet may have taken zeros away"),
        ("1", ["01", "001"], None),  # which of the two is not guessed
        ("3", ["001"], None),
        ("a1", ["001"], None),
    ],
)
def test_zeros_that_a_spreadsheet_took_are_a_hint(item: str, known: list[str], hint: str | None) -> None:
    answer = Answer("r", item, "lip_sync", 3.0, None, None, 2)
    key = Key({name: KeyEntry("A", "p1") for name in known})
    (verdict,) = check_answers([answer], RatingRules(), key=key)
    (reason,) = [reason for reason in verdict.reasons if reason.code == "unknown-item"]
    assert (hint is None) == ("zeros" not in reason.sentence)
    assert hint is None or hint in reason.sentence
