"""Google Forms in other languages: the column of times and the halves of the day, as in the English export."""

from __future__ import annotations

import csv
from datetime import timedelta

import pytest
from builders.rating_files import utc

from evalkit.errors import InputError
from evalkit.ratings import read_ratings
from evalkit.ratings.mapping import RatingMapping, load_mapping

pytestmark = pytest.mark.shared
CASE = "localized-google-forms"
# Hours east of UTC of the three responses in each file.
HOURS = {"ctl_en.csv": 9, "ko.csv": 9, "en_head_ko_time.csv": 9, "zh.csv": 8, "fr.csv": 1}


@pytest.mark.parametrize("name", HOURS)
def test_times_are_read_in_every_language(case, name):
    file = read_ratings(case.folder / name)
    assert file.format == "forms"
    moments = [answer.at for answer in file]
    assert len(moments) == 54
    assert file.fault_count == 0
    # 15:04:05 on 2 March, 03:04:05 on 3 and 9 March, where the clocks showed it.
    expected = [utc(2026, 3, 2, 15 - HOURS[name], 4, 5)]
    late = 3 - HOURS[name]
    expected += [utc(2026, 3, day + (late < 0) * -1, late % 24, 4, 5) for day in (3, 9)]
    assert sorted(set(moments)) == expected
    assert file.notes == []


def test_a_mapping_that_names_the_column(case):
    file = read_ratings(case.folder / "ko.csv", mapping=load_mapping(case.folder / "map_ko.yaml"))
    assert {answer.at for answer in file} == {answer.at for answer in read_ratings(case.folder / "ctl_en.csv")}


@pytest.mark.parametrize("name", HOURS)
def test_as_many_count_as_of_the_english_export(case, name):
    case.run("board", "init", "-c", "ch.yaml", "-B", "b.sqlite")
    for team in "ABC":
        case.run("board", "team", team, "-B", "b.sqlite")
    said = case.run("ratings", "import", name, "-B", "b.sqlite", "-k", "key.csv", code=None)
    assert "36 of 54 ratings count" in said


@pytest.mark.parametrize(
    ("header", "stamps", "zone", "first"),
    [
        ("タイムスタンプ", ["2026/03/02 3:04:05 午後 GMT+9", "2026/03/03 3:04:05 午前 GMT+9"], None, 6),
        ("Marca temporal", ["2026/03/02 3:04:05 p. m. CET", "2026/03/03 3:04:05 a. m. CET"], "Europe/Madrid", 14),
        (
            "Marca temporal",
            ["2026/03/02 3:04:05 p.\u00a0m. UTC\u22125", "2026/03/03 3:04:05 a. m. UTC\u22125"],
            None,
            20,
        ),
        ("Χρονική σήμανση", ["2026/03/02 3:04:05 μ.μ. EET", "2026/03/03 3:04:05 π.μ. EET"], "Europe/Athens", 13),
        ("Zeitstempel", ["2026/03/02 15:04:05 MEZ", "2026/03/03 03:04:05 MEZ"], "Europe/Berlin", 14),
        ("타임스탬프", ["2026. 3. 2 오후 3:04:05", "2026. 3. 3 오전 3:04:05"], "Asia/Seoul", 6),
        # A name that nobody listed: the cells say what it is.
        ("An t-am", ["2026/03/02 3:04:05 PM GMT", "2026/03/03 3:04:05 AM GMT"], None, 15),
    ],
)
def test_other_languages(tmp_path, header, stamps, zone, first):
    file = read_ratings(_form(tmp_path, header, stamps), mapping=RatingMapping(zone=zone))
    half_a_day_later = utc(2026, 3, 2, first, 4, 5) + timedelta(hours=12)
    assert [answer.at for answer in file] == [utc(2026, 3, 2, first, 4, 5), half_a_day_later]
    assert file.format == "forms"
    assert file.notes == []


def _form(folder, header, stamps):
    path = folder / "form.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        rows = [[stamp, f"r{place:02d}", "3"] for place, stamp in enumerate(stamps)]
        csv.writer(stream).writerows([[header, "Rater code", "item001 [Lip synchronization]"], *rows])
    return path


@pytest.mark.parametrize(
    "stamps",
    [["02.03.2026 15:04:05"], ["lundi 2 mars 2026 à 15:04"], ["2026年3月2日 15:04"], ["2 Mar 2026 3:04 PM", ""]],
)
def test_a_column_that_seems_to_hold_the_times_is_not_left_out(tmp_path, stamps):
    path = _form(tmp_path, "Unknown name", stamps)
    with pytest.raises(InputError, match="the answers would lose their times") as caught:
        read_ratings(path)
    assert "'at: Unknown name'" in caught.value.fix
    ignored = read_ratings(path, mapping=RatingMapping(ignore=("Unknown name",)))
    assert len(list(ignored)) == len(stamps)
    assert "no column is known as the time they were handed in" in ignored.notes[0]


def test_a_mapping_writes_the_half_of_the_day_in_its_own_form(tmp_path):
    path = _form(tmp_path, "When", ["2/3/2026 오후 3:04", "3/3/2026 오전 3:04"])
    mapping = RatingMapping(at="When", zone="Asia/Seoul", time_format="%d/%m/%Y %p %I:%M")
    assert [answer.at for answer in read_ratings(path, mapping=mapping)] == [
        utc(2026, 3, 2, 6, 4),
        utc(2026, 3, 2, 18, 4),
    ]
