"""Runs over the first samples only or without a test set: what they say of other files; how reports print."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest
from builders.layouts import challenge, judge, samples_of

from evalkit import api
from evalkit.cli import main
from evalkit.scoring.intake import ValidationReport
from evalkit.testsets.loading import load_testset

TEN = [f"s{number:02}" for number in range(1, 11)]


@pytest.mark.parametrize("template", ["{id}.mp4", "{index}.mp4", "v/{id}.mp4"])
def test_files_of_the_other_samples_are_no_findings(template: str) -> None:
    paths = [template.format(id=name, index=number) for number, name in enumerate(TEN, 1)]
    layout, findings = judge(paths, challenge(template), samples_of(*TEN).limited(4))
    assert list(layout.files) == TEN[:4]
    assert layout.expected == 4
    assert layout.extra == ()
    assert findings == []


def test_a_file_named_nearly_like_another_sample_is_not_to_be_removed() -> None:
    paths = [f"{name}.mp4" for name in TEN if name != "s07"]
    layout, findings = judge([*paths, "s07 (1).mp4"], challenge("{id}.mp4"), samples_of(*TEN).limited(4))
    assert findings == []
    assert layout.near == {}


def test_what_belongs_to_no_sample_at_all_is_still_found() -> None:
    paths = [f"{name}.mp4" for name in TEN]
    _, findings = judge([*paths, "holiday.mp4"], challenge("{id}.mp4"), samples_of(*TEN).limited(4))
    assert [(one.rule, one.path) for one in findings] == [("layout.extra", "holiday.mp4")]


def test_missing_files_of_the_others_are_no_findings_but_own_ones_are() -> None:
    paths = [f"{name}.mp4" for name in TEN if name not in {"s02", "s08"}]
    layout, findings = judge(paths, challenge("{id}.mp4"), samples_of(*TEN).limited(4))
    assert layout.missing == (("s02", "s02.mp4"),)
    assert [(one.rule, one.sample) for one in findings] == [("layout.missing", "s02")]


def test_files_for_the_others_only() -> None:
    paths = [f"{name}.mp4" for name in TEN[5:]]
    layout, findings = judge(paths, challenge("{id}.mp4"), samples_of(*TEN).limited(4))
    assert layout.files == {}
    assert [one.rule for one in findings] == ["layout.missing"] * 4


def test_a_limit_on_a_limit() -> None:
    twice = samples_of(*TEN).limited(6).limited(2)
    assert [sample.id for sample in twice] == TEN[:2]
    assert [sample.id for sample in twice.whole] == TEN
    assert twice.sha256 == samples_of(*TEN[:2]).sha256
    assert samples_of(*TEN).limited(None).whole.samples == samples_of(*TEN).samples


def test_a_limited_score_has_no_such_finding(world: Any, tmp_path: Path) -> None:
    card = api.score(
        world.zip, "talking-head", world.testset, metrics=["duration"], limit=2, workers=1, cache=tmp_path / "cache"
    )
    assert len(card.videos) == 2
    assert [finding["rule"] for finding in card.findings] == []
    assert card.metrics["video.duration"].coverage == 1.0


def test_a_limited_check_of_a_test_set_counts_all_samples(world: Any, tmp_path: Path) -> None:
    whole = load_testset(world.testset)
    rules = world.challenge().model_copy(
        update={"testset": world.challenge().testset.model_copy(update={"samples": len(whole)})}
    )
    report = api.check_testset(whole, rules, metrics=[], limit=2, workers=1, cache=tmp_path / "cache")
    assert report.samples == 2
    assert [finding.rule for finding in report.findings if finding.rule == "testset.count"] == []


# Without a test set nobody knows what is missing


def validate(world: Any, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit):
        main(["validate", str(world.zip), "-c", "talking-head", "-w", "1", "-q", *words])
    return " ".join(capsys.readouterr().out.split())


def test_without_a_test_set_nothing_is_said_of_missing_files(world: Any, capsys: pytest.CaptureFixture[str]) -> None:
    said = validate(world, capsys)
    assert "0 missing" not in said
    assert "missing files not checked, which needs --testset" in said
    assert "0 missing" in validate(world, capsys, "--testset", str(world.testset))


def test_the_json_says_whether_it_was_checked(world: Any, tmp_path: Path) -> None:
    def samples(testset: Path | None) -> object:
        report = api.validate(world.zip, "talking-head", testset, workers=1, cache=tmp_path / "cache")
        return report.to_json()["samples"]

    assert samples(None) is None
    assert samples(world.testset) == 4


# In Python


def reports(world: Any, tmp_path: Path) -> list[Any]:
    broken = tmp_path / "broken.zip"
    with zipfile.ZipFile(broken, "w") as archive:
        archive.writestr("d01.mp4", b"no video")
        for number in range(60):
            archive.writestr(f"other{number}.mp4", b"no video")
    more: dict[str, Any] = {"workers": 1, "cache": tmp_path / "cache"}
    return [
        api.validate(world.zip, "talking-head", world.testset, **more),
        api.validate(broken, "talking-head", world.testset, **more),
        api.score(world.zip, "talking-head", world.testset, metrics=["duration"], **more),
        api.check_testset(world.testset, "talking-head", metrics=[], **more),
    ]


def test_what_is_returned_prints_itself_in_a_few_lines(world: Any, tmp_path: Path) -> None:
    for report in reports(world, tmp_path):
        for text in (str(report), repr(report)):
            assert len(text) < 2000
            assert text.count("\n") < 25
            assert max(map(len, text.splitlines())) <= 400
            assert all(sign.isprintable() for sign in text if sign != "\n")
    valid, broken, *_ = reports(world, tmp_path)
    assert str(valid) == "team: valid for talking-head: 4 videos by layout {id}.mp4, 4 ok, 0 missing."
    assert "NOT valid" in str(broken)
    assert "layout.missing" in str(broken)
    assert repr(valid) == "<ValidationReport: team, valid, 4 files, 0 findings>"
    assert isinstance(valid, ValidationReport)
    hostile = ValidationReport("c", "te\nam\x1b[2J", "{id}.mp4", (), refused=True)
    assert str(hostile).count("\n") == 0
    assert "\x1b" not in str(hostile) + repr(hostile)
