from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from evalkit.ratings import Answer, AnswerVerdict, Key, KeyEntry, RejectReason

AT = datetime(2026, 3, 2, 0, 52, 10, 466_000, tzinfo=UTC)
RATING = Answer("r01", "item034", "lip_sync", 2.0, AT, 15.428, 4)


def test_the_identity_is_a_digest_of_who_what_and_when() -> None:
    content = '["rating","r01","item034","lip_sync","2.0","2026-03-02T00:52:10.466000+00:00"]'
    assert RATING.id == hashlib.sha256(content.encode()).hexdigest()


@pytest.mark.parametrize(
    "other",
    [
        replace(RATING, row=900),
        replace(RATING, seconds=None),
        replace(RATING, status="rejected"),
        replace(RATING, value=2),
        replace(RATING, at=AT.astimezone(timezone(timedelta(hours=8)))),
    ],
)
def test_the_same_rating_elsewhere_is_the_same(other: Answer) -> None:
    assert other.id == RATING.id


@pytest.mark.parametrize(
    "other",
    [
        replace(RATING, rater="r02"),
        replace(RATING, item="item035"),
        replace(RATING, dimension="video_quality"),
        replace(RATING, value=2.5),
        replace(RATING, at=AT + timedelta(microseconds=1)),
        replace(RATING, at=None),
        replace(RATING, rater="r01item034", item=""),
    ],
)
def test_another_rating_is_another(other: Answer) -> None:
    assert other.id != RATING.id


def test_minus_zero_is_zero() -> None:
    assert replace(RATING, value=-0.0).id == replace(RATING, value=0.0).id


def test_a_time_without_a_zone_is_no_time() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        replace(RATING, at=datetime(2026, 3, 2))


def test_a_key_knows_its_items_and_can_not_be_changed() -> None:
    entries = {"item001": KeyEntry("blurred", "s20")}
    key = Key(entries, "key.csv")
    entries["item002"] = KeyEntry("late", "s01")
    assert (len(key), list(key)) == (1, ["item001"])
    assert key.get("item001") == KeyEntry("blurred", "s20", None)
    assert key.get("item002") is None


def test_a_verdict_counts_until_something_speaks_against_it() -> None:
    assert AnswerVerdict(RATING).counted
    against = AnswerVerdict(RATING, (RejectReason("late", "Too late."), RejectReason("off-scale", "9 is not.")))
    assert not against.counted
    assert against.codes == ("late", "off-scale")
