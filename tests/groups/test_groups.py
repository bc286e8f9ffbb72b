"""Tables of groups from scorecards: hand arithmetic, planted and absent gaps, small groups, detectors, real videos."""

from __future__ import annotations

import csv
import io
import json
from importlib.metadata import EntryPoint, EntryPoints

import numpy as np
import pytest

from evalkit import fairness, registry
from evalkit.errors import InputError, PluginError, UsageError
from evalkit.groups.computing import compare_groups
from evalkit.groups.inputs import entry_of_card, grouped_samples
from evalkit.groups.model import FairnessRules
from evalkit.reports.fairness.page import render_fairness
from evalkit.reports.fairness.tables import fairness_csv
from evalkit.scoring.scorecard import Scorecard
from tests.scorecards import small_card

VALUES = [4.0, 4.2, 3.8, 3.5, 3.7, 4.1, 4.3, 4.5, 4.7]
LANGUAGES = [{"language": name} for name in ("a", "a", "a", "b", "b", "c", "c", "c", "c")]
SMALL = FairnessRules(min_videos=2, min_identities=2, permutations=199, draws=200)


def report_of(*cards: Scorecard, rules: FairnessRules = SMALL, truth: Scorecard | None = None):
    known = [*cards, truth] if truth is not None else list(cards)
    entries = [entry_of_card(card.submission.name, card) for card in cards]
    real = entry_of_card("real", truth) if truth is not None else None
    return compare_groups(entries, grouped_samples(known), rules, real)


def two_groups(first: list[float | None], second: list[float | None], name: str = "lumen", **more) -> Scorecard:
    groups = [{"gender": "f"}] * len(first) + [{"gender": "m"}] * len(second)
    return small_card(name, {"m": [*first, *second]}, groups=groups, **more)


def test_means_worst_gap_ratio_and_macro_by_hand():
    table = report_of(small_card("lumen", {"m": list(VALUES)}, groups=LANGUAGES)).table("language", "m", "lumen")
    assert [line.value for line in table.lines] == ["a", "b", "c"]
    assert [line.mean for line in table.lines] == pytest.approx([4.0, 3.6, 4.4])
    assert (table.worst, table.best) == ("b", "c")
    assert table.gap == pytest.approx(0.8)
    assert table.ratio == pytest.approx(0.818182, abs=1e-6)
    assert table.macro == pytest.approx(4.0)
    for line, (low, high) in zip(table.lines, [(3.8, 4.2), (3.5, 3.7), (4.1, 4.7)], strict=True):
        assert low - 1e-9 <= line.low <= line.mean <= line.high <= high + 1e-9
        assert line.descriptive


def test_lower_is_better_turns_the_worst_around():
    card = small_card("lumen", {"m": list(VALUES)}, groups=LANGUAGES, better={"m": False})
    table = report_of(card).table("language", "m", "lumen")
    assert (table.worst, table.best, table.gap) == ("c", "b", pytest.approx(0.8))


def test_a_diagnostic_has_a_gap_and_no_worst_group():
    card = small_card("lumen", {"m": list(VALUES)}, groups=LANGUAGES, better={"m": None})
    table = report_of(card).table("language", "m", "lumen")
    assert (table.worst, table.p) == (None, None)
    assert table.gap == pytest.approx(0.8)
    assert "no group is worse" in table.untested


def test_small_groups_are_listed_and_neither_compared_nor_merged():
    rng = np.random.default_rng(1)
    values = rng.normal(size=47)
    values[44:] = 50.0  # the three videos of a tiny group, far away
    groups = [{"ethnicity": "Asian"}] * 22 + [{"ethnicity": "White"}] * 22 + [{"ethnicity": "other"}] * 3
    report = report_of(small_card("lumen", {"m": list(values)}, groups=groups), rules=FairnessRules(permutations=199))
    table = report.table("ethnicity", "m", "lumen")
    small = table.lines[1]
    assert small.value == "other"
    assert small.too_few == "too few to say: 3 videos with a value, 20 are needed"
    assert (small.mean, small.low) == (pytest.approx(50.0), None)
    assert table.gap < 1
    assert {table.worst, table.best} == {"Asian", "White"}
    assert table.macro == pytest.approx((values[:22].mean() + values[22:44].mean()) / 2)
    assert any("Too few to say anything by ethnicity: other (3 samples)" in one for one in report.findings)


def test_many_videos_of_few_people_are_too_few():
    videos = two_groups([1.0] * 24, [2.0] * 24)
    people = [{**video.model_dump(), "identity": f"p{at // 6}"} for at, video in enumerate(videos.videos)]
    card = Scorecard.model_validate({**videos.model_dump(by_alias=True), "videos": people})
    table = report_of(card, rules=FairnessRules(permutations=199)).table("gender", "m", "lumen")
    assert {line.too_few for line in table.lines} == {"too few to say: 4 people, 10 are needed"}
    assert table.gap is None
    assert table.untested == "Fewer than two groups are large enough."


def test_a_planted_gap_is_found_and_an_absent_one_is_not():
    rng = np.random.default_rng(7)
    first = rng.normal(size=40)
    second = rng.permutation(first) + 0.01 * rng.normal(size=40)
    level = report_of(two_groups(list(first), list(second)))
    assert not level.significant(level.table("gender", "m", "lumen"))
    assert "No gap is larger than chance explains: 1 test, family-wise error 5%." in level.findings
    planted = report_of(two_groups(list(first), list(second - 1.5)))
    table = planted.table("gender", "m", "lumen")
    assert planted.significant(table)
    assert table.worst == "m"
    assert table.p == pytest.approx(1 / 200)


def test_videos_of_one_person_are_no_independent_evidence():
    """Five people of each gender with eight near-equal videos: by video a gap, by person none."""
    rng = np.random.default_rng(3)
    person = np.repeat([0.0, 1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0, 5.0], 8) + 0.01 * rng.normal(size=80)
    card = two_groups(list(person[:40]), list(person[40:]))
    rules = FairnessRules(min_videos=2, min_identities=2, permutations=999, draws=200)
    by_video = report_of(card, rules=rules).table("gender", "m", "lumen")
    known = [{**video.model_dump(), "identity": f"p{at // 8}"} for at, video in enumerate(card.videos)]
    people = Scorecard.model_validate({**card.model_dump(by_alias=True), "videos": known})
    by_person = report_of(people, rules=rules).table("gender", "m", "lumen")
    assert by_person.gap == by_video.gap
    assert by_video.p < 0.01 < 0.05 < by_person.p
    assert by_person.lines[0].high - by_person.lines[0].low > 2 * (by_video.lines[0].high - by_video.lines[0].low)


def test_holm_is_over_all_tests_of_the_report():
    rng = np.random.default_rng(4)
    cards = [two_groups(list(rng.normal(size=30)), list(rng.normal(0.9, 1, 30)), name=f"t{at}") for at in range(3)]
    report = report_of(*cards)
    assert report.tests == 3
    p = sorted(one.p for one in report.tables if one.p is not None)
    adjusted = sorted(one.adjusted for one in report.tables if one.p is not None)
    assert adjusted[0] == pytest.approx(min(1.0, 3 * p[0]))


def test_the_gap_of_real_videos_stands_beside():
    first, second = [5.0, 5.2, 4.8], [3.0, 3.2, 2.8]
    truth = two_groups([6.0, 6.2, 5.8], [5.5, 5.7, 5.3], name="real")
    table = report_of(two_groups(first, second), truth=truth).table("gender", "m", "lumen")
    assert table.gap == pytest.approx(2.0)
    assert table.real_gap == pytest.approx(0.5)
    assert table.excess == pytest.approx(1.5)
    assert [line.real_mean for line in table.lines] == pytest.approx([6.0, 5.5])


def test_a_gap_of_the_real_videos_the_other_way_round_explains_nothing():
    first = [5.0 + at / 100 for at in range(20)]
    second = [value - 2.0 for value in first]
    generated, real = two_groups(first, second), two_groups([3.0] * 20, [6.0] * 20, name="real")
    (sentence,) = (one for one in report_of(generated, truth=real).findings if "differs by gender" in one)
    assert "m is worst" in sentence
    assert sentence.endswith("In the real videos f is worst, with a gap of 3.000: they don't explain this one.")
    worse = small_card(
        "lumen", {"m": [*first, *second]}, groups=[{"gender": "f"}] * 20 + [{"gender": "m"}] * 20, better={"m": False}
    )
    (sentence,) = (one for one in report_of(worse, truth=real).findings if "differs by gender" in one)
    assert "f is worst" in sentence
    assert "In the real videos m is worst" in sentence


def test_too_few_shuffles_for_all_tests_are_said():
    # 0.05 / 40 tests is below the least p of 199 shuffles, 1 / 200: 40 / 200 = 0.2.
    values = {
        f"m{at}": [5.0 + one / 100 for one in range(20)] + [3.0 + one / 100 for one in range(20)] for at in range(40)
    }
    card = small_card("lumen", values, groups=[{"gender": "f"}] * 20 + [{"gender": "m"}] * 20)
    report = report_of(card)
    assert not any(report.significant(table) for table in report.tables)
    assert "No gap can be told from chance here: 40 tests with 199 shuffles" in report.findings[0]
    assert "below 0.2." in report.findings[0]
    assert "--permutations 800" in report.findings[0]
    enough = report_of(card, rules=FairnessRules(min_videos=2, min_identities=2, permutations=800, draws=100))
    assert all(enough.significant(table) for table in enough.tables)


def test_many_small_groups_are_counted_in_a_sentence():
    groups = [{"name": f"n{at:03d}"} for at in range(300)]
    (sentence,) = (
        one for one in report_of(small_card("a", {"m": [1.0] * 300}, groups=groups)).findings if "Too few" in one
    )
    assert sentence.count("sample)") == 12
    assert "n011 (1 sample) and 288 more." in sentence


def test_real_videos_without_the_metric_give_no_excess():
    truth = small_card("real", {"other": [1.0] * 6}, groups=[{"gender": "f"}] * 3 + [{"gender": "m"}] * 3)
    table = report_of(two_groups([1.0, 2.0, 3.0], [2.0, 3.0, 4.0]), truth=truth).table("gender", "m", "lumen")
    assert (table.real_gap, table.excess) == (None, None)
    assert table.no_real == "The real videos have no values of it."


def test_a_detector_that_misses_a_group_is_said_to():
    missed: list[float | None] = [None] * 12 + [1.0] * 10
    card = two_groups([1.0] * 22, missed)
    report = report_of(card)
    table = report.table("gender", "detection", "lumen")
    assert [line.mean for line in table.lines] == pytest.approx([1.0, 10 / 22])
    assert report.significant(table)
    assert report.table("gender", "m", "lumen").lines[1].reasons == {"no_face": 12}
    with pytest.raises(KeyError):  # the same videos, so the same test
        report.table("gender", "coverage:m", "lumen")
    sentence = report.findings[0]
    assert "The face detector fails in 12 of 22 videos of gender m (0 of 22 videos of f)." in sentence
    assert "the real videos' scorecard would tell" in sentence


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        (9, "a finding about the detector"),
        (2, "fails in 9% of the group's real videos: less than half of it is about the detector"),
        (0, "the generated ones are at fault"),
    ],
)
def test_the_real_videos_tell_who_is_at_fault(lost: int, said: str):
    card = two_groups([1.0] * 22, [None] * 12 + [1.0] * 10)
    truth = two_groups([1.0] * 22, [None] * lost + [1.0] * (22 - lost), name="real")
    report = report_of(card, truth=truth)
    assert said in report.findings[0]
    table = report.table("gender", "detection", "lumen")
    assert table.real_gap == pytest.approx(lost / 22)


def test_combinations_of_attributes():
    groups = [{"ethnicity": e, "gender": g} for e in ("Asian", "White") for g in ("f", "m") for _ in range(3)]
    card = small_card("lumen", {"m": [1.0] * 9 + [3.0] * 3}, groups=[*groups[:11], {"gender": "m"}])
    rules = FairnessRules(min_videos=2, min_identities=2, permutations=99, draws=100, intersect=("ethnicity", "gender"))
    table = report_of(card, rules=rules).table("ethnicity & gender", "m", "lumen")
    assert [line.value for line in table.lines] == ["Asian & f", "Asian & m", "White & f", "White & m"]
    assert table.lines[3].videos == 2
    assert table.unlabelled == 1
    with pytest.raises(UsageError, match="Did you mean 'gender'"):
        report_of(card, rules=FairnessRules(intersect=("ethnicity", "gendre")))


def test_what_a_group_decides():
    # b leads over all six samples by (3 * 2 - 3 * 1) / 6 = 0.5; it comes from the group m alone.
    groups = [{"gender": "f"}] * 3 + [{"gender": "m"}] * 3
    first = small_card("a", {"m": [2.0, 2.0, 2.0, 1.0, 1.0, 1.0]}, groups=groups)
    second = small_card("b", {"m": [1.0, 1.0, 1.0, 3.0, 3.0, 3.0]}, groups=groups)
    found = report_of(first, second).influence[0]
    assert found.order == ("b", "a")
    assert found.without == {"f": ("b", "a"), "m": ("a", "b")}
    assert found.moved == {"f": 0, "m": 2}
    pair = found.pairs[0]
    assert pair.difference == pytest.approx(0.5)
    assert pair.shares == pytest.approx({"f": -1.0, "m": 2.0})  # -3 and 6 of 3
    assert pair.parts == pytest.approx({"f": -0.5, "m": 1.0})
    assert pair.expected == pytest.approx({"f": 0.5, "m": 0.5})


@pytest.mark.parametrize(
    ("first", "second", "parts"),
    [
        # Over the five samples that both have, b is 0.2 behind; it leads by its own sixth alone.
        ([1.0, 1.0, 1.0, 1.0, 1.0, None], [1.0, 1.0, 1.0, 1.0, 0.0, 9.0], {"f": 0.0, "m": -0.2}),
        # 9.4 and -9 of 0.4: more than twenty times the difference cancels out.
        ([0.0] * 6, [3.4, 3.0, 3.0, -3.0, -3.0, -3.0], {"f": 9.4 / 6, "m": -1.5}),
    ],
    ids=["behind", "cancelling"],
)
def test_shares_that_say_nothing_are_left_out(first, second, parts):
    groups = [{"gender": "f"}] * 3 + [{"gender": "m"}] * 3
    cards = [small_card(name, {"m": values}, groups=groups) for name, values in (("a", first), ("b", second))]
    found = report_of(*cards)
    (pair,) = found.influence[0].pairs
    assert (pair.better, pair.worse) == ("b", "a")
    assert pair.shares is None
    assert pair.parts == pytest.approx(parts)
    page = render_fairness(found, "Faces")
    assert " % from 50 % of the samples" not in page
    assert "of the samples</small>" in page


def test_a_measure_that_the_first_submission_lacks_is_there_all_the_same():
    groups = [{"age": "fm"[at % 2]} for at in range(6)]
    cards = [small_card(name, {"m": [float(at + len(name)) for at in range(6)]}, groups=groups) for name in ("bb", "c")]
    without = small_card("a", {"other": [1.0] * 6}, groups=groups)
    assert [one.order for one in report_of(without, *cards).influence if one.order_of == "m"] == [("bb", "c")]


def test_scorecards_without_groups_or_identities_contradict_nobody():
    values: list[float | None] = [1.0, 2.0, 3.0, 4.0]
    full = two_groups(values[:2], values[2:])
    full = full.model_copy(
        update={"videos": tuple(video.model_copy(update={"identity": "p"}) for video in full.videos)}
    )
    before = two_groups(values[:2], values[2:], name="before")
    plain = small_card("plain", {"m": values})
    for cards in ([full, before, plain], [plain, before, full]):
        people = grouped_samples(cards)
        assert people.groups["gender"] == {"s1": "f", "s2": "f", "s3": "m", "s4": "m"}
        assert set(people.identity.values()) == {"p"}
    other = full.model_copy(
        update={"videos": tuple(video.model_copy(update={"identity": "q"}) for video in full.videos)}
    )
    with pytest.raises(InputError, match="about the identity of sample 's1'") as error:
        grouped_samples([full, other])
    assert error.value.found == "p and q"


def test_a_group_of_all_samples_decides_nothing():
    groups = [{"age": "fm"[at % 2], "split": "test"} for at in range(6)]
    cards = [small_card(name, {"m": [float(at) for at in range(6)]}, groups=groups) for name in ("a", "b")]
    assert {one.attribute for one in report_of(*cards).influence} == {"age"}


def test_attributes_with_thousands_of_groups_are_left_out_and_said_to_be():
    groups = [{"age": "fm"[at % 2], "name": f"n{at}", "zone": "east"} for at in range(600)]
    report = report_of(small_card("a", {"m": [float(at) for at in range(600)]}, groups=groups))
    assert report.attributes == ("age", "zone")
    assert {table.attribute for table in report.tables} == {"age", "zone"}
    assert report.findings[-1].startswith("Not compared, for too many groups: name (600).")
    nothing = report_of(small_card("a", {"m": [1.0] * 600}, groups=[{"name": f"n{at}"} for at in range(600)]))
    assert (nothing.attributes, nothing.tables) == ((), ())
    assert "name (600)" in nothing.findings[-1]
    assert "name (600)" in render_fairness(nothing, "a")


def test_thousands_of_groups_are_not_ranked_one_by_one():
    groups = [{"age": "fm"[at % 2], "name": f"n{at}"} for at in range(60)]
    cards = [small_card(name, {"m": [float(at) for at in range(60)]}, groups=groups) for name in ("a", "b")]
    assert {one.attribute for one in report_of(*cards).influence} == {"age"}


def test_numbers_of_the_whole_set_are_refused():
    card = small_card("lumen", {"m": list(VALUES)}, groups=LANGUAGES, whole={"fid.pytorch": 20.0})
    refused = report_of(card).refused
    assert "biased upwards" in refused["fid.pytorch"]


def test_the_interface_reads_folders_and_prints_json_and_csv(tmp_path):
    card = two_groups([1.0, 2.0, None], [2.0, 3.0, 4.0])
    (tmp_path / "scorecard.json").write_text(card.to_json())
    report = fairness([tmp_path], min_videos=2, min_identities=2, permutations=99, draws=100)
    again = fairness([card], min_videos=2, min_identities=2, permutations=99, draws=100)
    assert report == again
    document = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert document["schema"] == 1
    assert {one["measure"]["id"] for one in document["tables"]} == {"m", "detection"}
    lines = fairness_csv(report).splitlines()
    assert lines[1].startswith("gender,lumen,m,metric,,f,3,2,2,1.5,")
    assert "no_face (1)" in lines[1]


def test_hostile_names_of_groups_are_no_formulas():
    card = small_card("lumen", {"m": [1.0, 2.0]}, groups=[{"=A1": "=HYPERLINK(1)"}, {"=A1": "@x"}])
    text = fairness_csv(report_of(card))
    assert all(not cell.startswith(("=", "@", '"=', '"@')) for line in text.splitlines() for cell in line.split(","))


def test_what_can_not_be_compared_is_said():
    with pytest.raises(InputError, match="nothing to compare"):
        report_of(small_card("lumen", {"m": [1.0, 2.0]}))
    first, second = two_groups([1.0], [2.0]), two_groups([1.0, 2.0], [])
    with pytest.raises(InputError, match="contradict each other about the groups of sample 's2'"):
        grouped_samples([first, second])
    other = two_groups([1.0], [2.0], name="x", backbones="bundled")
    with pytest.raises(InputError, match="can't stand beside"):
        fairness([first, other])
    with pytest.raises(UsageError, match="Give scorecards or a board"):
        fairness([])


def three_groups(a: list[float], b: list[float], c: list[float], name: str = "lumen", **more) -> Scorecard:
    groups = [{"skin": "a"}] * len(a) + [{"skin": "b"}] * len(b) + [{"skin": "c"}] * len(c)
    return small_card(name, {"m": [*a, *b, *c]}, groups=groups, better={"m": False}, **more)


def test_the_excess_is_the_gap_without_that_of_the_real_videos_by_hand():
    # Lower is better. Generated: a (3 + 5) / 2 = 4, b (2 + 2.5 + 3) / 3 = 2.5, c (1 + 5) / 2 = 3: gap 4 - 2.5 = 1.5.
    generated = three_groups([3.0, 5.0], [2.0, 2.5, 3.0], [1.0, 5.0])
    # Real: a (0.5 + 1.5) / 2 = 1, b (0.5 + 0.75 + 1) / 3 = 0.75, c (0.5 + 0.5) / 2 = 0.5: gap 1 - 0.5 = 0.5.
    truth = three_groups([0.5, 1.5], [0.5, 0.75, 1.0], [0.5, 0.5], name="real")
    report = report_of(generated, truth=truth)
    table = report.table("skin", "m", "lumen")
    assert (table.worst, table.best) == ("a", "b")
    assert (table.gap, table.real_gap, table.excess) == pytest.approx((1.5, 0.5, 1.0))
    row = next(csv.DictReader(io.StringIO(fairness_csv(report))))
    assert [float(row[name]) for name in ("gap", "real_gap", "excess")] == pytest.approx([1.5, 0.5, 1.0])
    assert report.to_json()["tables"][0]["excess"] == pytest.approx(1.0)
    assert "in the real videos 0.5000, excess 1.000" in render_fairness(report, "t")


def test_an_excess_is_below_0_where_real_videos_have_the_larger_gap():
    truth = three_groups([4.0, 6.0], [2.0, 2.0, 2.0], [3.0, 3.0], name="real")  # 5 - 2 = 3
    table = report_of(three_groups([3.0, 5.0], [2.0, 2.5, 3.0], [1.0, 5.0]), truth=truth).table("skin", "m", "lumen")
    assert (table.real_gap, table.excess) == pytest.approx((3.0, -1.5))


def test_the_excess_is_over_the_groups_that_are_compared():
    # c has one real video only, so there is no gap of the real videos, whatever a and b have.
    truth = three_groups([0.5, 1.5], [0.5, 0.75, 1.0], [0.5], name="real")
    generated = three_groups([3.0, 5.0], [2.0, 2.5, 3.0], [1.0, 5.0])
    entries, people = [entry_of_card("lumen", generated)], grouped_samples([generated])
    table = compare_groups(entries, people, SMALL, entry_of_card("real", truth)).table("skin", "m", "lumen")
    assert table.gap == pytest.approx(1.5)
    assert (table.real_gap, table.excess) == (None, None)
    assert table.no_real == "Too few of the real videos have a value: c."
    # A group that is too small among the generated ones is in neither gap: a 4 - b 2.5, and a 1 - b 0.75.
    few = three_groups([3.0, 5.0], [2.0, 2.5, 3.0], [9.0])
    real = three_groups([0.5, 1.5], [0.5, 0.75, 1.0], [0.1], name="real")
    table = report_of(few, truth=real).table("skin", "m", "lumen")
    assert (table.gap, table.real_gap, table.excess) == pytest.approx((1.5, 0.25, 1.25))


def test_a_page_gives_no_excess_where_another_group_is_worst_in_the_real_videos():
    truth = three_groups([0.5, 0.5], [2.0, 2.0, 2.0], [1.0, 1.0], name="real")  # b is worst: 2 - 0.5 = 1.5
    report = report_of(three_groups([3.0, 6.0], [2.0, 2.5, 3.0], [1.0, 5.0]), truth=truth)
    assert report.table("skin", "m", "lumen").excess == pytest.approx(4.5 - 2.5 - 1.5)
    page = render_fairness(report, "t")
    assert "in the real videos 1.500, where b is worst" in page
    assert "excess" not in page.split("<footer")[0].split("in the real videos 1.500")[1][:40]


def test_a_plugin_that_can_not_be_loaded_is_told_of(monkeypatch: pytest.MonkeyPatch):
    broken = EntryPoint("mine", "no_such_module_of_a_plugin:METRICS", "evalkit.metrics")
    monkeypatch.setattr(registry, "entry_points", lambda **asked: EntryPoints([broken]).select(**asked))
    registry.load_group.cache_clear()
    try:
        with pytest.raises(PluginError, match="'mine = no_such_module_of_a_plugin:METRICS'"):
            fairness([small_card("lumen", {"m": list(VALUES)}, groups=LANGUAGES)], permutations=99, draws=100)
    finally:
        registry.load_group.cache_clear()
