"""None"""

from __future__ import annotations

import unicodedata
from typing import Literal

import pytest
from builders.layouts import BOTH, IDS, challenge, judge, names, one, person_set, samples_of
from hypothesis import given
from hypothesis import strategies as st

from evalkit.errors import TestSetError
from evalkit.testsets.model import Sample, TestSet
from evalkit.validators.layout import RULES
from evalkit.validators.matching import expected_paths, match_layout


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("other", ["NFC", "NFD"])
def test_accents_match_in_either_form(form: Literal["NFC", "NFD"], other: Literal["NFC", "NFD"]) -> None:
    ids = [unicodedata.normalize(form, name) for name in ("m\u00fcller", "jos\u00e9", "plain")]
    paths = [unicodedata.normalize(other, f"{name}.mp4") for name in ids]
    layout, findings = judge(paths, challenge(), samples_of(*ids))
    assert (dict(layout.files), findings) == (dict(zip(ids, paths, strict=True)), [])


def test_of_two_forms_of_accents_the_exact_one_counts() -> None:
    exact, other = "jos\u00e9.mp4", "jose\u0301.mp4"
    layout, _ = judge([other, exact], challenge(), samples_of("jos\u00e9"))
    assert (layout.files, layout.extra) == ({"jos\u00e9": exact}, (other,))


def test_a_name_that_is_meant_is_known_in_either_form_of_accents() -> None:
    layout, _ = judge(["JOSE\u0301.MOV", "s2.mp4"], challenge(), samples_of("jos\u00e9", "s2"))
    assert layout.near == {"jos\u00e9": "JOSE\u0301.MOV"}


# The kinds of template


def test_one_file_per_id() -> None:
    layout, findings = judge([f"{name}.mp4" for name in reversed(IDS)], challenge(), samples_of(*IDS))
    assert findings == []
    assert layout.template == "{id}.mp4"
    assert list(layout.files.items()) == [(name, f"{name}.mp4") for name in IDS]  # in the test set's order
    assert (layout.prefix, layout.missing, layout.extra, layout.expected) == ("", (), (), 20)


def test_a_folder_per_person() -> None:
    paths = [f"id{i:03}/prompt{j}.mp4" for i in (1, 2, 3) for j in (1, 2)]
    layout, findings = judge(paths, challenge("{identity}/{prompt}.mp4"), person_set())
    assert findings == []
    assert layout.files["id002/prompt1"] == "id002/prompt1.mp4"
    assert len(layout.files) == 3 * 2


def test_numbers_in_the_order_of_the_test_set() -> None:
    layout, findings = judge(["2.mp4", "1.mp4", "3.mp4"], challenge("{index}.mp4"), samples_of("a", "b", "c"))
    assert findings == []
    assert dict(layout.files) == {"a": "1.mp4", "b": "2.mp4", "c": "3.mp4"}


def test_text_around_the_fields_and_a_field_twice() -> None:
    rules = challenge("videos/{id}/{id}_{index}.mp4")
    layout, findings = judge(["videos/b/b_2.mp4", "videos/a/a_1.mp4"], rules, samples_of("a", "b"))
    assert findings == []
    assert dict(layout.files) == {"a": "videos/a/a_1.mp4", "b": "videos/b/b_2.mp4"}


def test_ids_with_slashes_go_into_folders() -> None:
    layout, findings = judge(["id001/prompt1.mp4"], challenge(), samples_of("id001/prompt1"))
    assert findings == []
    assert dict(layout.files) == {"id001/prompt1": "id001/prompt1.mp4"}


@pytest.mark.parametrize("name", ["a.b", "a+b", "(a", "[a]", "a*", "a|b", "^a$", "a{2}", "{prompt}", "{index}", "$d"])
def test_ids_are_text_not_patterns(name: str) -> None:
    layout, findings = judge([f"{name}.mp4", "axb.mp4"], challenge(), samples_of(name))
    assert dict(layout.files) == {name: f"{name}.mp4"}
    assert [finding.rule for finding in findings] == ["layout.extra"]
    # A field's name inside an id is not filled in again.
    layout, findings = judge([f"{name}/1.mp4"], challenge("{id}/{index}.mp4"), samples_of(name))
    assert dict(layout.files) == {name: f"{name}/1.mp4"}
    assert findings == []


@pytest.mark.parametrize("path", ["../s01.mp4", "/s01.mp4", "a/../s01.mp4", "..\\s01.mp4"])
def test_names_that_climb_are_no_answers(path: str) -> None:
    layout, _ = judge([path, "s02.mp4"], challenge(), samples_of("s01", "s02"))
    assert dict(layout.files) == {"s02": "s02.mp4"}
    assert path in layout.extra


def test_the_template_in_use_is_detected() -> None:
    folders = [f"id{i:03}/prompt{j}.mp4" for i in (1, 2, 3) for j in (1, 2)]
    flat = [f"{n}.mp4" for n in range(1, 7)]
    for paths, template in ((folders, BOTH[0]), (flat, BOTH[1])):
        layout, findings = judge(paths, challenge(*BOTH), person_set())
        assert (layout.template, len(layout.files), findings) == (template, 6, [])
        assert layout.templates == BOTH


def test_the_template_that_explains_most_files_wins() -> None:
    paths = ["id001/prompt1.mp4", "id001/prompt2.mp4", "1.mp4", "2.mp4", "3.mp4"]
    layout, findings = judge(paths, challenge(*BOTH), person_set())
    assert layout.template == "{index}.mp4"
    assert layout.extra == ("id001/prompt1.mp4", "id001/prompt2.mp4")
    assert len([finding for finding in findings if finding.rule == "layout.missing"]) == 6 - 3


def test_of_two_that_explain_equally_many_the_first_wins() -> None:
    paths = ["id001/prompt1.mp4", "2.mp4"]
    assert match_layout(paths, challenge(*BOTH), person_set()).template == BOTH[0]
    assert match_layout(paths, challenge(*reversed(BOTH)), person_set()).template == BOTH[1]


def test_a_template_whose_fields_the_test_set_lacks_is_passed_over() -> None:
    layout, findings = judge(["1.mp4", "2.mp4"], challenge(*BOTH), samples_of("1", "2"))
    assert (layout.template, findings) == ("{index}.mp4", [])


def test_a_test_set_that_no_template_can_name_is_at_fault() -> None:
    with pytest.raises(TestSetError) as caught:
        match_layout(["a.mp4"], challenge("{identity}/{prompt}.mp4"), samples_of("a", "b"))
    assert "does not match the challenge" in str(caught.value)
    assert "for '{identity}/{prompt}.mp4' the sample 'a' lacks a field" in str(caught.value)


def test_one_file_can_not_answer_two_samples() -> None:
    samples = [Sample(id=name, identity="id001") for name in ("a", "b")]
    with pytest.raises(TestSetError, match=r"the samples 'a' and 'b' are both id001\.mp4"):
        match_layout(["id001.mp4"], challenge("{identity}.mp4"), samples_of(*samples))
    # Another template of the challenge may still tell them apart.
    layout = match_layout(["a.mp4", "b.mp4"], challenge("{identity}.mp4", "{id}.mp4"), samples_of(*samples))
    assert layout.template == "{id}.mp4"


# A folder around everything


@pytest.mark.parametrize("prefix", ["team/", "out/final/", "a/b/c/"])
def test_a_wrapper_is_skipped_and_reported(prefix: str) -> None:
    layout, findings = judge([f"{prefix}{name}.mp4" for name in IDS], challenge(), samples_of(*IDS))
    assert layout.prefix == prefix
    assert layout.files["s01"] == f"{prefix}s01.mp4"
    assert len(layout.files) == 20
    finding = one(findings, "wrapper-folder")
    assert (finding.severity, finding.found, finding.expected) == ("warning", prefix, "{id}.mp4")
    assert len(findings) == 1


def test_a_wrapper_around_folders() -> None:
    paths = [f"team/id{i:03}/prompt{j}.mp4" for i in (1, 2, 3) for j in (1, 2)]
    layout, findings = judge(paths, challenge(*BOTH), person_set())
    assert (layout.template, layout.prefix, len(layout.files)) == (BOTH[0], "team/", 6)
    assert [finding.rule for finding in findings] == ["layout.wrapper-folder"]


def test_a_stray_file_beside_the_wrapper_is_only_that() -> None:
    paths = ["README.txt", *(f"team/{name}.mp4" for name in IDS)]
    layout, findings = judge(paths, challenge(), samples_of(*IDS))
    assert (layout.prefix, layout.extra) == ("team/", ("README.txt",))
    assert sorted(finding.rule for finding in findings) == ["layout.extra", "layout.wrapper-folder"]


def test_a_folder_of_the_layout_is_no_wrapper() -> None:
    layout, findings = judge(
        ["id001/prompt1.mp4", "id001/prompt2.mp4"], challenge("{identity}/{prompt}.mp4"), person_set(people=1)
    )
    assert (layout.prefix, findings) == ("", [])


def test_what_is_missing_in_a_wrapper_is_expected_in_it() -> None:
    _, findings = judge([f"team/{name}.mp4" for name in IDS[1:]], challenge(), samples_of(*IDS))
    assert one(findings, "missing").expected == "team/s01.mp4"


# Extra files, nothing at all


def test_files_that_answer_nothing_are_warned_of() -> None:
    paths = ["s01.mp4", "notes.txt", "old/s01.mp4"]
    layout, findings = judge(paths, challenge(), samples_of("s01"))
    assert layout.extra == ("notes.txt", "old/s01.mp4")
    assert [(f.rule, f.severity, f.path, f.fix) for f in findings] == [
        ("layout.extra", "warning", "notes.txt", "Remove it from the ZIP."),
        ("layout.extra", "warning", "old/s01.mp4", "Remove it from the ZIP."),
    ]


@pytest.mark.parametrize("paths", [[], ["readme.txt", "video.avi"], ["out.mp4.zip"]])
@pytest.mark.parametrize("with_testset", [True, False])
def test_when_nothing_fits_there_is_one_finding_that_says_what_would(paths: list[str], with_testset: bool) -> None:
    testset = samples_of(*IDS) if with_testset else None
    layout, findings = judge(paths, challenge(samples=20), testset)
    assert layout.template is None
    assert dict(layout.files) == {}
    assert layout.extra == tuple(paths)
    assert layout.expected == 20
    (finding,) = findings
    assert (finding.rule, finding.severity) == ("layout.no-match", "error")
    assert finding.found == (paths[0] if paths else "no file at all")
    assert finding.expected == ("{id}.mp4, as in s01.mp4" if with_testset else "{id}.mp4")


def test_when_nothing_fits_all_templates_are_named() -> None:
    _, findings = judge(["a.txt"], challenge(*BOTH), person_set())
    assert one(findings, "no-match").expected == (
        "{identity}/{prompt}.mp4 or {index}.mp4, as in id001/prompt1.mp4"
        " ({index} is 1, 2, 3 ..., without leading zeros)"
    )


def test_numbers_with_leading_zeros_everywhere_do_not_match() -> None:
    paths = [f"{n:03}.mp4" for n in range(1, 10)]
    for testset in (samples_of(*map(str, range(1, 10))), None):
        layout, findings = judge(paths, challenge("{index}.mp4"), testset)
        assert layout.template is None
        assert "without leading zeros" in (one(findings, "no-match").expected or "")


# Severities


def test_the_challenge_may_soften_or_silence() -> None:
    paths = ["s01.mp4", "x.txt"]
    _, findings = judge(paths, challenge(missing="warning", extra="off"), samples_of("s01", "s02"))
    assert [(finding.rule, finding.severity) for finding in findings] == [("layout.missing", "warning")]


def test_every_rule_has_an_id_of_its_own_in_the_scope_of_the_set() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert {rule.scope for rule in RULES} == {"set"}
    assert all(rule.id.startswith("layout.") for rule in RULES)


# What a generator measured of itself


@pytest.mark.parametrize("testset", [samples_of("a", "b"), None])
@pytest.mark.parametrize("folder", ["", "team/"])
def test_speed_json_beside_the_videos_is_no_finding(testset: TestSet | None, folder: str) -> None:
    paths = [f"{folder}{name}" for name in ("a.mp4", "b.mp4", "speed.json")]
    layout, findings = judge(paths, challenge(), testset)
    assert layout.speed == f"{folder}speed.json"
    assert layout.extra == ()
    assert {finding.rule for finding in findings} <= {"layout.wrapper-folder"}


@pytest.mark.parametrize("path", ["Speed.json", "speed.JSON", "other/speed.json", "speed.json.bak"])
def test_other_files_of_a_like_name_are_extra(path: str) -> None:
    layout, findings = judge(["a.mp4", "b.mp4", "c.mp4", path], challenge(), samples_of("a", "b", "c"))
    assert layout.speed is None
    assert [finding.path for finding in findings] == [path]


def test_a_sample_may_be_called_speed_json() -> None:
    layout, findings = judge(["a", "speed.json"], challenge("{id}"), samples_of("a", "speed.json"))
    assert (layout.files["speed.json"], layout.speed, findings) == ("speed.json", None, [])


def test_the_expected_paths_are_those_of_the_first_layout_that_names_every_sample() -> None:
    assert expected_paths(challenge("{identity}.mp4", "x/{index}.mp4"), samples_of("a", "b")) == {
        "a": "x/1.mp4",
        "b": "x/2.mp4",
    }
    with pytest.raises(TestSetError, match="does not match the challenge"):
        expected_paths(challenge("{identity}.mp4"), samples_of("a"))


@given(
    st.lists(names, unique=True, max_size=12),
    st.sampled_from([("{id}.mp4",), ("{index}",), BOTH, ("{id}",), ("{identity}-{prompt}",), ("{id}/{id}", "{id}")]),
    st.lists(st.sampled_from(["a", "b", "0", "a/b", "1"]), unique=True, min_size=1).map(
        lambda ids: samples_of(*(Sample(id=i, identity=i.replace("/", ""), prompt=i[0]) for i in ids))
    )
    | st.none(),
)
def test_every_file_has_one_place(paths: list[str], layouts: tuple[str, ...], testset: TestSet | None) -> None:
    paths = [*paths, *(f"{path}.mp4" for path in paths if f"{path}.mp4" not in paths)]
    try:
        layout, findings = judge(paths, challenge(*layouts), testset)
    except TestSetError:
        assert testset is not None
        return
    answers = list(layout.files.values())
    assert len(set(answers)) == len(answers)
    assert sorted([*answers, *layout.extra]) == sorted(paths)
    assert set(layout.near.values()) <= set(layout.extra)
    assert len(set(layout.near.values())) == len(layout.near)
    if testset is not None:
        ids = {sample.id for sample in testset}
        assert {*layout.files, *(sample for sample, _ in layout.missing)} == ids
        assert not set(layout.files) & {sample for sample, _ in layout.missing}
    assert (layout.template is None) == (not layout.files)
    if layout.template is not None:
        assert len([f for f in findings if f.rule == "layout.extra"]) == len(layout.extra)
