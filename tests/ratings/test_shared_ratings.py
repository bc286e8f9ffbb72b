"""The ratings of the talking-heads footage: every planted fault is found, and pandas reads the same numbers."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from evalkit.challenges.model import load_challenge
from evalkit.challenges.rating_rules import RatingRules
from evalkit.errors import InputError
from evalkit.ratings import Answer, Key, check_answers, read_key, read_ratings, summarise_answers

pytestmark = pytest.mark.shared
DIMENSIONS = load_challenge("mmasia2025-talking-head").ratings.dimensions
TEAMS = {"faithful", "blurred", "late", "frozen", "swapped"}


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    return shared / "data" / "talking-heads" / "ratings"


@pytest.fixture(scope="module")
def key(folder: Path) -> Key:
    return read_key(folder / "key.csv")


@pytest.fixture(scope="module")
def rules(folder: Path) -> RatingRules:
    """Return the rules as the folder's own file states them, over the challenge's dimensions."""
    stated = json.loads((folder / "rules.json").read_text())
    assert [dimension.id for dimension in DIMENSIONS] == stated["dimensions"]
    assert {dimension.scale for dimension in DIMENSIONS} == {tuple(stated["scale"])}
    return RatingRules(
        method="mos",
        dimensions=DIMENSIONS,
        window=stated["window"],
        min_seconds_per_item=stated["min_seconds_per_item"],
        blind=True,
    )


def ratings_in(path: Path) -> list[Answer]:
    file = read_ratings(path, dimensions=DIMENSIONS)
    ratings = list(file)
    assert file.fault_sentences == []
    return ratings


@pytest.fixture(scope="module")
def long(folder: Path) -> list[Answer]:
    return ratings_in(folder / "long.csv")


def test_the_key_has_each_team_with_each_sample_once(key: Key) -> None:
    samples = {f"s{number:02d}" for number in range(1, 21)}
    assert {(entry.team, entry.sample) for entry in key.entries.values()} == {(t, s) for t in TEAMS for s in samples}
    assert len(key) == 100


def test_pandas_reads_the_same(folder: Path, long: list[Answer]) -> None:
    frame = pd.read_csv(folder / "long.csv")
    assert [(r.rater, r.item, r.dimension, r.value) for r in long] == list(
        frame[["rater_id", "item_id", "dimension", "score"]].itertuples(index=False, name=None)
    )
    submitted = pd.to_datetime(frame["submitted_at"], utc=True)
    spent = (submitted - pd.to_datetime(frame["started_at"], utc=True)).dt.total_seconds()
    assert [rating.at for rating in long] == list(submitted.dt.to_pydatetime())
    assert [rating.seconds for rating in long] == pytest.approx(list(spent), abs=1e-9)
    offsets = frame["submitted_at"].str.extract(r"([+-]\d\d:\d\d)$")[0].unique()
    assert sorted(offsets) == ["+00:00", "+08:00", "-12:00"]  # three zones
    assert [rating.row for rating in long] == list(range(2, 4146))


def test_every_planted_fault_is_found(long: list[Answer], rules: RatingRules, key: Key) -> None:
    judged = check_answers(long, rules, key=key)
    found = {(verdict.answer.rater, verdict.codes) for verdict in judged if not verdict.counted}
    # r12 goes on after the window, r13 is a speeder in all he does; nobody else breaks a rule.
    assert found == {("r12", ("late",)), ("r13", ("too-quick",))}
    summary = summarise_answers(judged)
    assert summary.reasons == {"late": 52, "too-quick": 296}
    assert (summary.total, summary.counted) == (4144, 4144 - 52 - 296)
    assert summary.raters["r12"] == (292 - 52, 292)
    assert summary.raters["r13"] == (0, 296)
    # The straight-liner breaks no rule: that is for the screening to find. Here it is what the screening gets.
    assert {rating.value for rating in long if rating.rater == "r14"} == {4}
    assert [r for r in summary.raters if len({x.value for x in long if x.rater == r}) == 1] == ["r14"]


def test_the_mean_of_what_counts_has_the_true_order(long: list[Answer], rules: RatingRules, key: Key) -> None:
    values: dict[str, list[float]] = {team: [] for team in TEAMS}
    for verdict in check_answers(long, rules, key=key):
        if not verdict.counted:
            continue
        assert verdict.entry is not None
        values[verdict.entry.team].append(verdict.answer.value)
    means = {team: sum(given) / len(given) for team, given in values.items()}
    assert max(means, key=lambda team: means[team]) == "faithful"
    assert abs(means["late"] - means["blurred"]) < min(means["late"], means["blurred"]) - max(
        means["frozen"], means["swapped"]
    )


def test_one_second_decides_at_the_end_of_the_window(long: list[Answer], rules: RatingRules, key: Key) -> None:
    """23:59:59 on 5 March anywhere on Earth is 11:59:59 UTC on 6 March."""
    last = datetime(2026, 3, 6, 11, 59, 59, tzinfo=UTC)
    late = [rating for rating in long if rating.at is not None and rating.at > last]
    assert len(late) == 52
    for shift, expected in ((timedelta(0), set()), (timedelta(seconds=1), {"late"})):
        moved = [Answer(r.rater, r.item, r.dimension, r.value, last + shift, r.seconds, r.row) for r in late]
        assert {code for verdict in check_answers(moved, rules, key=key) for code in verdict.codes} == expected


def test_overlapping_parts_are_the_whole(folder: Path, long: list[Answer], rules: RatingRules, key: Key) -> None:
    first = ratings_in(folder / "long_first_part.csv")
    second = ratings_in(folder / "long_overlapping_part.csv")
    assert (len(first), len(second)) == (2486, 2458)
    digests = {rating.id for rating in first}, {rating.id for rating in second}
    assert len(digests[0] & digests[1]) == 800
    assert digests[0] | digests[1] == {rating.id for rating in long}
    for parts in ([*first, *second], [*second, *first], [*first, *second, *long, *first]):
        judged = check_answers(parts, rules, key=key)
        assert sum(v.counted for v in judged) == 3796
        reasons = summarise_answers(judged).reasons
        assert reasons["repeated"] == len(parts) - 4144


def test_the_form_says_what_the_long_file_says(folder: Path, long: list[Answer], rules: RatingRules, key: Key) -> None:
    """The form holds items 001 to 012; a response's time is that of its last answer, to the second."""
    path = folder / "forms_wide.csv"
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    form = ratings_in(path)
    assert read_ratings(path, dimensions=DIMENSIONS).format == "forms"
    items = {f"item{number:03d}" for number in range(1, 13)}
    asked = [rating for rating in long if rating.item in items]
    assert len(form) == 484
    assert Counter((r.rater, r.item, r.dimension, r.value) for r in form) == Counter(
        (r.rater, r.item, r.dimension, r.value) for r in asked
    )
    last: dict[str, datetime] = {}
    for rating in asked:
        assert rating.at is not None
        last[rating.rater] = max(last.get(rating.rater, rating.at), rating.at)
    assert {r.rater: r.at for r in form} == {rater: at.replace(microsecond=0) for rater, at in last.items()}
    judged = check_answers(form, rules, key=key)
    assert {verdict.answer.rater for verdict in judged if not verdict.counted} == {"r12"}
    assert summarise_answers(judged).reasons == {"late": sum(rating.rater == "r12" for rating in form)}
    assert summarise_answers(judged).without_seconds == 484
    # Both files together: the form asks nothing new, but it knows no time spent, so r13's answers in it stand.
    both = check_answers([*long, *form], rules, key=key)
    counted = Counter((v.answer.rater, v.answer.item, v.answer.dimension) for v in both if v.counted)
    assert set(counted.values()) == {1}
    assert len(counted) == 3796 + sum(rating.rater == "r13" for rating in form)


def test_own_team(long: list[Answer], rules: RatingRules, key: Key) -> None:
    judged = check_answers(long, rules, key=key, own_teams={"r01": "late"})
    own = [verdict for verdict in judged if "own-team" in verdict.codes]
    assert {(verdict.answer.rater, verdict.entry and verdict.entry.team) for verdict in own} == {("r01", "late")}
    every = [r for r in long if r.rater == "r01" and key.entries[r.item].team == "late"]
    assert len(own) == len(every) > 0


def test_items_that_the_key_lacks(long: list[Answer], rules: RatingRules, key: Key) -> None:
    less = Key({item: entry for item, entry in key.entries.items() if item != "item034"})
    unknown = [v for v in check_answers(long, rules, key=less) if "unknown-item" in v.codes]
    assert {verdict.answer.item for verdict in unknown} == {"item034"}
    assert len(unknown) == sum(rating.item == "item034" for rating in long)


def test_pairs_are_not_taken_for_ratings(folder: Path) -> None:
    with pytest.raises(InputError, match="holds comparisons of pairs"):
        read_ratings(folder / "pairs.csv")
