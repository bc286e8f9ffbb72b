"""The bundle for Codabench: what it says is what the challenge says, and the platform's rules hold."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders.hosting import RULES, choices, hostable_presets, unzip
from builders.leaderboards import NASTY
from PIL import Image

from evalkit import __version__
from evalkit.errors import InputError, TestSetError, UsageError
from evalkit.hosting.bundle import read_choices
from evalkit.hosting.checking import check_bundle
from evalkit.hosting.codabench.writing import write_codabench
from evalkit.testsets.loading import load_testset


def document(bundle: Path) -> dict[str, Any]:
    """Return competition.yaml as the platform loads it."""
    with zipfile.ZipFile(bundle) as archive:
        return dict(yaml.safe_load(archive.read("competition.yaml")))


def test_every_file_that_the_yaml_names_is_there_and_not_empty(world) -> None:
    found = document(world.codabench)
    named = [found["image"], found["terms"], *(page["file"] for page in found["pages"])]
    named += [task[kind] for task in found["tasks"] for kind in ("scoring_program", "reference_data")]
    with zipfile.ZipFile(world.codabench) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == sorted({*named, "competition.yaml"})
        assert all(archive.getinfo(name).file_size > 0 for name in named)
        Image.open(io.BytesIO(archive.read(found["image"]))).verify()
        with zipfile.ZipFile(io.BytesIO(archive.read("scoring_program.zip"))) as program:
            assert yaml.safe_load(program.read("metadata.yaml")) == {
                "command": "python3 /app/program/score.py /app/input /app/output"
            }
            settings = json.loads(program.read("settings.json"))
            assert (settings["evalkit"], settings["backbones"], settings["seconds"]) == (__version__, "bundled", 600)
            assert program.read("challenge.yaml").decode() == RULES


def test_the_phases_are_those_of_the_schedule_as_text(world) -> None:
    phases = document(world.codabench)["phases"]
    # A YAML timestamp would lose its time of day on the platform, and a zone would be dropped.
    assert [(one["index"], one["name"], one["start"], one["end"]) for one in phases] == [
        (0, "Development", "2026-03-01 00:00:00", "2026-03-10 23:59:59"),
        (1, "Final", "2026-03-11 00:00:00", "2026-03-21 11:59:59"),
    ]
    assert {one["max_submissions"] for one in phases} == {3}
    assert {one["execution_time_limit"] for one in phases} == {600}


def test_the_columns_are_those_of_the_challenge(world) -> None:
    board = document(world.codabench)["leaderboards"][0]
    assert [(one["index"], one["key"], one["title"], one["sorting"], one["precision"]) for one in board["columns"]] == [
        (0, "complete", "Complete", "desc", 4),
        (1, "score", "Score", "desc", 4),
        (2, "psnr_rgb", "PSNR", "desc", 2),
        (3, "ssim_gray", "Structure", "desc", 4),
        (4, "video_fps", "Frame rate", "desc", 4),
    ]
    assert board["submission_rule"] == "Add_And_Delete"


def test_lower_is_better_becomes_ascending(tmp_path: Path) -> None:
    rules = "id: c\ntitle: C\nmetrics: [{id: fid.pytorch}]\nschedule: [{id: a, opens: 2026-03-01 UTC}]\n"
    write_codabench(choices(tmp_path, rules), tmp_path / "bundle")
    found = document(tmp_path / "bundle" / "bundle.zip")
    assert [(one["key"], one["sorting"]) for one in found["leaderboards"][0]["columns"]] == [
        ("complete", "desc"),
        ("fid_pytorch", "asc"),
    ]
    assert "end" not in found["phases"][0]


def test_the_reference_data_are_the_files_that_samples_name_and_no_others(world, tmp_path: Path) -> None:
    (world.testset / "notes.txt").write_text("not for the platform")
    try:
        write_codabench(choices(tmp_path, testset=world.testset), tmp_path / "bundle")
    finally:
        (world.testset / "notes.txt").unlink()
    unpacked = unzip(tmp_path / "bundle" / "competition" / "reference_data.zip", tmp_path / "ref")
    there, copy = load_testset(world.testset), load_testset(unpacked)
    assert copy.sha256 == there.sha256
    assert not (unpacked / "notes.txt").exists()
    for sample in there:
        for name in (*sample.reference_images, sample.audio, sample.reference_video):
            assert name is not None
            assert copy.path(name).read_bytes() == there.path(name).read_bytes()


def test_equal_input_gives_equal_bytes(world, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_codabench(choices(tmp_path, testset=world.testset), tmp_path / name)
    first, second = tmp_path / "one", tmp_path / "two"
    files = sorted(one.relative_to(first) for one in first.rglob("*") if one.is_file())
    assert files == sorted(one.relative_to(second) for one in second.rglob("*") if one.is_file())
    assert [one for one in files if (first / one).read_bytes() != (second / one).read_bytes()] == []


@pytest.mark.parametrize("preset", hostable_presets())
def test_every_preset_makes_a_bundle_that_fits_the_rules(preset: str, tmp_path: Path) -> None:
    made = read_choices(preset, "bundled", opens="2026-03-01 AoE", closes="2026-03-31 AoE")
    write_codabench(made, tmp_path / "bundle", image="organizer/faces:1")
    report = check_bundle(tmp_path / "bundle" / "bundle.zip")
    assert report.ok
    assert report.notes == ("Task 0 has no reference_data: scoring needs the test set.",)
    assert check_bundle(tmp_path / "bundle") == report


# A challenge's file can't hold control characters.
@pytest.mark.parametrize("text", [text for text in NASTY if "\x1b" not in text])
def test_hostile_text_of_the_challenge_stays_text(text: str, tmp_path: Path) -> None:
    rules = RULES.replace("title: Clear Faces 2026", f"title: {json.dumps(text)}\nnotes: {json.dumps(text)}")
    write_codabench(choices(tmp_path, rules), tmp_path / "bundle")
    assert check_bundle(tmp_path / "bundle" / "bundle.zip").ok
    pages = "".join(page.read_text() for page in (tmp_path / "bundle" / "competition" / "pages").iterdir())
    assert not set("<>$`") & set(pages)
    assert "{{" not in pages


def test_own_terms_logo_queue_and_time(tmp_path: Path, world) -> None:
    Image.new("RGB", (40, 30), "red").save(tmp_path / "mine.jpg")
    (tmp_path / "terms.md").write_text("# My terms\n")
    made = choices(
        tmp_path, testset=world.testset, terms=tmp_path / "terms.md", logo=tmp_path / "mine.jpg", seconds=7200.0
    )
    write_codabench(made, tmp_path / "bundle", queue="3f1c", image="organizer/faces:1")
    found = document(tmp_path / "bundle" / "bundle.zip")
    assert (found["image"], found["queue"], found["docker_image"]) == ("logo.jpg", "3f1c", "organizer/faces:1")
    assert found["phases"][0]["execution_time_limit"] == 7200
    assert (tmp_path / "bundle" / "competition" / "pages" / "terms.md").read_text() == "# My terms\n"
    assert check_bundle(tmp_path / "bundle").notes == ()


def test_what_can_not_be_used_is_refused_with_a_fix(tmp_path: Path, world) -> None:
    (tmp_path / "logo.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"logo.*PNG or JPEG"):
        write_codabench(choices(tmp_path, logo=tmp_path / "logo.png"), tmp_path / "bundle")
    (tmp_path / "terms.md").write_text(" \n")
    with pytest.raises(InputError, match="empty"):
        choices(tmp_path, terms=tmp_path / "terms.md")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="no bundle of evalkit"):
        write_codabench(choices(tmp_path), tmp_path / "full", force=True)
    write_codabench(choices(tmp_path), tmp_path / "bundle")
    with pytest.raises(UsageError, match="--force"):
        write_codabench(choices(tmp_path), tmp_path / "bundle")
    write_codabench(choices(tmp_path), tmp_path / "bundle", force=True)
    broken = tmp_path / "testset"
    broken.mkdir()
    (broken / "samples.jsonl").write_text('{"id": "a", "audio": "a.wav"}\n')
    with pytest.raises(TestSetError, match=r"lacks the file a\.wav"):
        write_codabench(choices(tmp_path, testset=broken), tmp_path / "other")


Change = Callable[[dict[str, Any]], object]
BREAKS: dict[str, Change] = {
    "version": lambda d: d.update(version=1),
    "title": lambda d: d.pop("title"),
    "image": lambda d: d.update(image="other.png"),
    "terms": lambda d: d.pop("terms"),
    "names the file": lambda d: d["pages"][0].update(file="pages/none.md"),
    "no title": lambda d: d["pages"][0].pop("title"),
    "no tasks": lambda d: d.pop("tasks"),
    "scoring_program names": lambda d: d["tasks"][0].update(scoring_program="none.zip"),
    "has no scoring program": lambda d: d["tasks"][0].pop("scoring_program"),
    "has the index None": lambda d: d["tasks"][0].pop("index"),
    "no phases": lambda d: d.pop("phases"),
    "names the tasks": lambda d: d["phases"][0].update(tasks=[7]),
    "must start after": lambda d: d["phases"][1].update(start="2026-03-10 23:59:59"),
    "has no start": lambda d: d["phases"][0].pop("start"),
    "ends before": lambda d: d["phases"][0].update(end="2026-02-01 00:00:00"),
    "has a zone": lambda d: d["phases"][0].update(start="2026-03-01T00:00:00+02:00"),
    "no leaderboards": lambda d: d.pop("leaderboards"),
    "submission_rule": lambda d: d["leaderboards"][0].update(submission_rule="Best"),
    "no columns": lambda d: d["leaderboards"][0].update(columns=[]),
    "same key": lambda d: d["leaderboards"][0]["columns"][1].update(key="complete"),
    "same index": lambda d: d["leaderboards"][0]["columns"][1].update(index=0),
    "sorting": lambda d: d["leaderboards"][0]["columns"][1].update(sorting="down"),
    "key of at most 36": lambda d: d["leaderboards"][0]["columns"][1].update(key="k" * 37),
    "No column has the index 9": lambda d: d["leaderboards"][0].update(primary_index=9),
}


@pytest.mark.parametrize("words", BREAKS)
def test_the_check_finds_each_fault(words: str, world, tmp_path: Path) -> None:
    folder = unzip(world.codabench, tmp_path / "bundle")
    found = document(world.codabench)
    BREAKS[words](found)
    (folder / "competition.yaml").write_text(yaml.safe_dump(found, sort_keys=False))
    report = check_bundle(folder)
    assert not report.ok
    assert any(words in problem for problem in report.problems), report.problems


def test_the_check_knows_that_a_timestamp_loses_its_time(world, tmp_path: Path) -> None:
    folder = unzip(world.codabench, tmp_path / "bundle")
    text = (folder / "competition.yaml").read_text().replace("'2026-03-01 00:00:00'", "2026-03-01 10:30:00")
    (folder / "competition.yaml").write_text(text)
    assert any("put it in quotes" in problem for problem in check_bundle(folder).problems)


def test_a_program_without_metadata_would_run_nothing(world, tmp_path: Path) -> None:
    folder = unzip(world.codabench, tmp_path / "bundle")
    with zipfile.ZipFile(folder / "scoring_program.zip", "w") as archive:
        archive.writestr("score.py", "print()")
    assert any("runs nothing" in problem for problem in check_bundle(folder).problems)


@pytest.mark.parametrize("content", ["", "a: &x 1\nb: *x\n", "- 1\n", "a: [", "title: !!python/object:os.system x\n"])
def test_the_check_refuses_yaml_that_is_none(content: str, tmp_path: Path) -> None:
    (tmp_path / "competition.yaml").write_text(content)
    with pytest.raises(InputError):
        check_bundle(tmp_path)


def test_the_check_refuses_what_is_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("no ZIP")
    for place in (tmp_path, tmp_path / "none", tmp_path / "text.zip"):
        with pytest.raises(InputError):
            check_bundle(place)
