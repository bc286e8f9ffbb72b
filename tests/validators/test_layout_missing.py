"""Missing files and files with similar names, and layouts without a test set."""

from __future__ import annotations

import difflib
from typing import Any

import pytest
from builders.layouts import BOTH, IDS, challenge, judge, one, person_set, samples_of

from evalkit.validators import matching
from evalkit.validators.matching import CLOSE_MISSING, CLOSE_SPARE, match_layout

# Missing files and those that are meant


def test_a_sample_without_a_file() -> None:
    layout, findings = judge([f"{name}.mp4" for name in IDS if name != "s05"], challenge(), samples_of(*IDS))
    assert layout.missing == (("s05", "s05.mp4"),)
    finding = one(findings, "missing")
    assert (finding.severity, finding.sample, finding.path) == ("error", "s05", None)
    assert (finding.found, finding.expected, finding.fix) == ("nothing", "s05.mp4", "Add the file.")


@pytest.mark.parametrize(
    ("near", "template"),
    [
        ("S05.mp4", "{id}.mp4"),
        ("s05.MP4", "{id}.mp4"),
        ("s05.mov", "{id}.mp4"),
        ("s05", "{id}.mp4"),
        ("s5.mp4", "{id}.mp4"),
        ("s005.webm", "{id}.mp4"),
        ("videos/s05.mp4", "{id}.mp4"),
        ("videos/S05.avi", "{id}.mp4"),
        ("s05 .mp4", "{id}.mp4"),
        ("s05_.mp4", "{id}.mp4"),
        (" s05 .mp4", "{id}.mp4"),
        ("s05/output.mp4", "{id}.mp4"),
        ("videos/S05/output.mov", "{id}.mp4"),
        ("005.mp4", "{index}.mp4"),
        ("05.mp4", "{index}.mp4"),
        ("5.MOV", "{index}.mp4"),
    ],
)
def test_a_name_that_is_nearly_right_does_not_count_but_is_named(near: str, template: str) -> None:
    right = [template.format(id=name, index=n) for n, name in enumerate(IDS, 1) if name != "s05"]
    wanted = template.format(id="s05", index=5)
    layout, findings = judge([*right, near], challenge(template), samples_of(*IDS))
    assert "s05" not in layout.files
    missing = one(findings, "missing")
    assert (missing.sample, missing.expected, missing.found) == ("s05", wanted, f"a file named {near}")
    other = near.lower().endswith((".mov", ".webm", ".avi"))
    action = (
        f"convert it to {wanted} (a new name is not enough): 'evalkit repair'" if other else f"rename it to {wanted}"
    )
    assert missing.fix == f"If {near} is this sample's video, {action}."
    extra = one(findings, "extra")
    assert (extra.path, extra.expected, extra.fix) == (near, wanted, missing.fix)


def test_files_of_another_container_need_more_than_names() -> None:
    layout, findings = judge([f"{name}.avi" for name in IDS[:2]], challenge("{id}.mp4"), samples_of(*IDS[:2]))
    assert layout.template is None
    assert one(findings, "no-match").fix == (
        "Convert s01.avi to s01.mp4, s02.avi to s02.mp4: a new name is not enough. 'evalkit repair' does it."
    )


def test_files_in_upper_case_are_each_named_for_their_sample() -> None:
    right, wrong = IDS[:10], IDS[10:]
    paths = [f"{name}.mp4" for name in right] + [f"{name.upper()}.MP4" for name in wrong]
    layout, findings = judge(paths, challenge(), samples_of(*IDS))
    assert dict(layout.near) == {name: f"{name.upper()}.MP4" for name in wrong}
    assert len(findings) == 10 + 10


def test_a_prompt_of_another_person_is_not_named() -> None:
    # prompt1.mp4 is a name of every person: id009's says nothing about who is meant.
    paths = ["id001/prompt1.mp4", "id001/prompt2.mp4", "id002/prompt1.mp4", "id002/prompt2.mp4", "zz/prompt1.mp4"]
    layout, findings = judge(paths, challenge("{identity}/{prompt}.mp4"), person_set())
    assert [name for name, _ in layout.missing] == ["id003/prompt1", "id003/prompt2"]
    assert dict(layout.near) == {}
    assert {finding.found for finding in findings if finding.rule == "layout.missing"} == {"nothing"}


def test_people_with_other_zeros_are_named_by_folder_and_prompt() -> None:
    paths = ["id001/prompt1.mp4", "id001/prompt2.mp4", "id2/prompt1.mp4", "ID3/Prompt02.mp4"]
    layout, _ = judge(paths, challenge("{identity}/{prompt}.mp4"), person_set())
    assert dict(layout.near) == {"id002/prompt1": "id2/prompt1.mp4", "id003/prompt2": "ID3/Prompt02.mp4"}


def test_a_file_is_named_for_one_sample_only() -> None:
    # Both expected names are alike, and one file resembles both.
    layout, _ = judge(["other.mp4", "abcdefghi.mp4"], challenge(), samples_of("other", "abcdefghj", "abcdefghk"))
    assert list(layout.near.values()) == ["abcdefghi.mp4"]


def test_two_files_that_could_be_meant_are_not_guessed_between() -> None:
    layout, _ = judge(["other.mp4", "A.mp4", "a.mov"], challenge(), samples_of("other", "a"))
    assert dict(layout.near) == {}


def test_names_that_differ_too_much_are_not_named() -> None:
    layout, _ = judge(["s01.mp4", "trailer.mp4"], challenge(), samples_of("s01", "s02"))
    assert dict(layout.near) == {}


def test_a_thousand_missing_among_a_thousand_strangers_compares_no_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    search = difflib.get_close_matches

    def counted(word: str, known: Any, **options: Any) -> list[str]:
        asked.append(len(known))
        return search(word, known, **options)

    monkeypatch.setattr(matching.difflib, "get_close_matches", counted)
    names = [f"sample{n}" for n in range(1, 1002)]
    layout, findings = judge(
        ["sample1001.mp4", *(f"clip_{n}x.mp4" for n in range(1000))], challenge(), samples_of(*names)
    )
    assert (len(layout.missing), len(layout.extra)) == (1000, 1000)
    assert len(findings) == 2000
    assert asked == []


@pytest.mark.parametrize(
    ("missing", "spare", "searched"),
    [(CLOSE_MISSING, CLOSE_SPARE, True), (CLOSE_MISSING + 1, 1, False), (1, CLOSE_SPARE + 1, False)],
)
def test_similar_names_are_looked_for_up_to_a_limit(
    missing: int, spare: int, searched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def counted(word: str, known: Any, **options: Any) -> list[str]:
        asked.append(len(known))
        return []

    monkeypatch.setattr(matching.difflib, "get_close_matches", counted)
    layout, _ = judge(
        ["here.mp4", *(f"x{n}y.mp4" for n in range(spare))],
        challenge(),
        samples_of("here", *(f"sample{n}" for n in range(missing))),
    )
    assert (len(layout.missing), len(layout.extra)) == (missing, spare)
    assert asked == ([spare] * missing if searched else [])


# Without a test set


def test_every_file_of_the_right_form_is_a_sample() -> None:
    layout, findings = judge(["b.mp4", "a.mp4", "c.mov"], challenge())
    assert dict(layout.files) == {"a": "a.mp4", "b": "b.mp4"}
    assert layout.expected is None
    assert [(finding.rule, finding.path) for finding in findings] == [("layout.extra", "c.mov")]


def test_samples_are_named_by_their_fields() -> None:
    assert dict(match_layout(["videos/a.mp4"], challenge("videos/{id}.mp4"), None).files) == {"a": "videos/a.mp4"}
    layout = match_layout(["id001/prompt1.mp4"], challenge("{identity}/{prompt}.mp4"), None)
    assert dict(layout.files) == {"id001/prompt1": "id001/prompt1.mp4"}
    twice = match_layout(["a/a.mp4", "a/b.mp4"], challenge("{id}/{id}.mp4"), None)
    assert dict(twice.files) == {"a": "a/a.mp4"}


def test_no_file_is_lost_when_the_form_has_no_extension() -> None:
    layout = match_layout(["a.mp4", "a.mov"], challenge("{id}"), None)
    assert dict(layout.files) == {"a.mov": "a.mov", "a.mp4": "a.mp4"}


def test_the_form_is_text_not_a_pattern() -> None:
    layout = match_layout(["out.1/a.mp4", "outx1/b.mp4", "out.1/c_mp4"], challenge("out.1/{id}.mp4"), None)
    assert dict(layout.files) == {"a": "out.1/a.mp4"}


@pytest.mark.parametrize("name", ["0", "00", "01", "001", "-1", "+1", "1.0", "\u0661", "\u00b2", "x"])
def test_a_number_is_written_in_one_way(name: str) -> None:
    layout = match_layout([f"{name}.mp4", "7.mp4", "10.mp4"], challenge("{index}.mp4"), None)
    assert dict(layout.files) == {"7": "7.mp4", "10": "10.mp4"}


def test_the_number_of_videos_is_the_challenges() -> None:
    rules = challenge("{index}.mp4", samples=3)
    assert judge(["1.mp4", "2.mp4", "3.mp4"], rules)[1] == []
    layout, findings = judge(["1.mp4", "2.mp4"], rules)
    assert layout.expected == 3
    finding = one(findings, "count")
    assert (finding.severity, finding.found, finding.expected) == ("error", "2", "3")


def test_the_test_set_decides_how_many_videos_there_are() -> None:
    layout, findings = judge(["1.mp4", "2.mp4"], challenge("{index}.mp4", samples=200), samples_of("a", "b"))
    assert (layout.expected, findings) == (2, [])


def test_a_wrapper_without_a_test_set() -> None:
    layout, findings = judge(["team/b.mp4", "team/a.mp4", "team/notes.txt"], challenge())
    assert dict(layout.files) == {"a": "team/a.mp4", "b": "team/b.mp4"}
    assert [finding.rule for finding in findings] == ["layout.extra", "layout.wrapper-folder"]
    layout, findings = judge(["team/id001/prompt1.mp4"], challenge("{identity}/{prompt}.mp4"))
    assert (layout.prefix, list(layout.files)) == ("team/", ["id001/prompt1"])
    # One person alone is no wrapper, and neither is a folder among several.
    assert match_layout(["id001/prompt1.mp4"], challenge(*BOTH), None).prefix == ""
    assert match_layout(["a/1.mp4", "b/1.mp4"], challenge(), None).prefix == ""


def test_a_folder_of_several_files_names_none_of_them() -> None:
    paths = [f"{name}/{kind}.mp4" for name in IDS[:3] for kind in ("output", "preview")]
    layout, _ = judge(paths, challenge("{id}.mp4"), samples_of(*IDS[:3]))
    assert layout.near == {}
    paths = [f"{name}/output.mp4" for name in IDS[:3]]
    layout, findings = judge(paths, challenge("{id}.mp4"), samples_of(*IDS[:3]))
    assert layout.near == dict(zip(IDS, paths, strict=False))
    assert one(findings, "no-match").fix.startswith("Rename s01/output.mp4 to s01.mp4, ")
