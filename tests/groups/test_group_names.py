"""Names of groups: no two combinations share one, the order is the same in every run, and no output mixes them up."""

from __future__ import annotations

import csv
import io
import json
from itertools import combinations, product

from evalkit.groups.computing import compare_groups
from evalkit.groups.inputs import Entry, GroupedSamples, SampleValues, grouped_samples
from evalkit.groups.model import FairnessRules, Measure
from evalkit.groups.names import in_order, joined
from evalkit.metrics.distances.by_group import DEVIATION, VIDEOS_OF_EACH, detail_name, videos_name
from evalkit.reports.fairness.page import render_fairness
from evalkit.reports.fairness.tables import fairness_csv
from tests.groups.test_groups import report_of
from tests.scorecards import small_card

UNCLEAR = ("a", "a & b", "b & c", "c", "a &", "& b", "&", "", " ", '"', '"a & b"', '"a" & b', "a & b & c", "R&B")


def test_combinations_are_joined_by_a_sign_that_their_parts_do_not_have() -> None:
    assert joined(["Asian", "female"]) == "Asian & female"
    assert joined(["R&B", "female"]) == '"R&B" & female'
    assert joined(["", 'say "f"']) == r'"" & "say \"f\""'


def test_no_two_combinations_share_a_name() -> None:
    for size in (2, 3):
        names = [joined(parts) for parts in product(UNCLEAR, repeat=size)]
        assert len(set(names)) == len(UNCLEAR) ** size
    assert not {joined(pair) for pair in product(UNCLEAR, repeat=2)} & {
        joined(three) for three in product(UNCLEAR, repeat=3)
    }


def test_the_order_is_natural_and_the_same_for_names_that_differ_in_capitals_alone() -> None:
    assert in_order(["19-30", "100+", "9-18", "0-8"]) == ["0-8", "9-18", "19-30", "100+"]
    assert in_order(["b", "a", "A", "B", "a"]) == ["A", "a", "B", "b"]
    assert in_order(["S", "R & f", '"R&B" & f', "Q"]) == ["Q", "R & f", '"R&B" & f', "S"]


def groups_of(pairs: list[tuple[str, str]], each: int = 2) -> list[dict[str, str]]:
    return [{"x": first, "y": second} for first, second in pairs for _ in range(each)]


def test_values_that_read_alike_when_joined_stay_two_groups_in_every_output() -> None:
    pairs = [("a", "b & c"), ("a & b", "c"), ("<b>", "=1"), ("=1", "\u202ef")]
    values = [1.0, 1.0, 5.0, 5.0, 2.0, 2.0, 3.0, 3.0]
    rules = FairnessRules(min_videos=2, min_identities=2, permutations=99, draws=100, intersect=("x", "y"))
    report = report_of(small_card("lumen", {"m": list(values)}, groups=groups_of(pairs)), rules=rules)
    table = report.table("x & y", "m", "lumen")
    assert {line.value: (line.videos, line.mean) for line in table.lines} == {
        'a & "b & c"': (2, 1.0),
        '"a & b" & c': (2, 5.0),
        "<b> & =1": (2, 2.0),
        "=1 & \u202ef": (2, 3.0),
    }
    page = render_fairness(report, "t")
    assert "<b> &" not in page
    assert "\u202e" not in page
    for shown in ("a &amp; &#34;b &amp; c&#34;", "&#34;a &amp; b&#34; &amp; c", "&lt;b&gt; &amp; =1"):
        assert shown in page
    cells = [row["group"] for row in csv.DictReader(io.StringIO(fairness_csv(report))) if row["attribute"] == "x & y"]
    assert len(set(cells)) == 4
    assert {'a & "b & c"', '"a & b" & c', r"'=1 & \u202ef"} <= set(cells)
    found = next(one for one in json.loads(json.dumps(report.to_json()))["tables"] if one["attribute"] == "x & y")
    assert [line["value"] for line in found["lines"]] == [line.value for line in table.lines]


def test_an_attribute_of_the_combinations_name_is_kept_beside_it() -> None:
    groups = [{"x": "a", "y": "b", "x & y": "own"}, {"x": "a", "y": "c", "x & y": "own"}]
    found = grouped_samples([small_card("lumen", {"m": [1.0, 2.0]}, groups=groups)]).with_combinations(("x", "y"))
    assert found.groups["x & y"] == {"s1": "own", "s2": "own"}
    assert found.groups["x & y (combined)"] == {"s1": "a & b", "s2": "a & c"}


def test_no_two_numbers_of_groups_share_a_name_among_the_details() -> None:
    odd = ("a", "a=b", "b=c", "c", "=", "", '"', "a deviation", "deviation", f"{VIDEOS_OF_EACH} a", '"a=b"')
    names = [detail_name(attribute, group, kind) for attribute in odd for group in odd for kind in ("", DEVIATION)]
    names += [videos_name(attribute) for attribute in odd]
    assert len(set(names)) == 2 * len(odd) ** 2 + len(odd)
    assert detail_name("skin", "very light", DEVIATION) == "skin=very light deviation"
    assert videos_name("skin type") == "videos_of_each skin type"


def test_the_worst_group_of_equal_ones_is_the_same_whatever_comes_first() -> None:
    samples = tuple(f"s{at}" for at in range(8))
    values = dict.fromkeys(samples[:4], 1.0) | dict.fromkeys(samples[4:6], 1.0) | dict.fromkeys(samples[6:], 2.0)
    labels = ["b", "b", "A", "A", "a", "a", "c", "c"]
    rules = FairnessRules(min_videos=2, min_identities=2, permutations=99, draws=100)
    for first, second in combinations(range(8), 2):
        order = [samples[first], samples[second], *(one for one in samples if one not in samples[first : second + 1])]
        order += [one for one in samples if one not in order]
        people = GroupedSamples(
            tuple(order), {"g": dict(zip(samples, labels, strict=True))}, {one: one for one in samples}, True
        )
        (table,) = (
            one
            for one in compare_groups([Entry("t", (SampleValues(Measure("m", "M"), values),))], people, rules).tables
            if one.measure.id == "m"
        )
        assert [line.value for line in table.lines] == ["A", "a", "b", "c"]
        assert (table.worst, table.best) == ("A", "c")
