"""Clips that a stopped run has finished: taken over by the same run, made again for any other."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit.errors import InputError, UsageError
from evalkit.reference_models.generation.kept_clips import ClipFolder
from evalkit.reference_models.generation.submission import GenerationRun, make_submission
from evalkit.testsets.model import TestSet

MODULE = """
import numpy as np
from evalkit.reference_models.generators.base import GeneratedClip

def generate(request):
    return GeneratedClip([np.full((64, 64, 3), 90, np.uint8)] * 5, 25)

def other(request):
    return generate(request)
"""


class StoppedError(Exception):
    pass


@pytest.fixture
def world(puppets: TestSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TestSet:
    """Return three samples; a module with a function is in the current folder."""
    name = f"kept_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    return puppets.limited(3)


def arguments(folder: Path, **more: Any) -> dict[str, Any]:
    function = f"{next(folder.glob('kept_*.py')).stem}:generate"
    return {"options": {"function": function}, "with_speed": True, **more}


def stop_after(folder: Path, testset: TestSet, count: int, **more: Any) -> None:
    """Run until ``count`` samples are finished."""
    seen: list[str] = []

    def progress(sample: str) -> None:
        seen.append(sample)
        if len(seen) == count:
            raise StoppedError

    with pytest.raises(StoppedError):
        make_submission("callable", testset, folder / "k.zip", progress=progress, **arguments(folder, **more))


def again(folder: Path, testset: TestSet, **more: Any) -> GenerationRun:
    return make_submission("callable", testset, folder / "k.zip", **arguments(folder, **more))


def test_the_same_run_takes_them_over(world: TestSet, tmp_path: Path) -> None:
    stop_after(tmp_path, world, 2)
    assert not (tmp_path / "k.zip").exists()
    clips = tmp_path / "k.zip.clips"
    assert {"000000.mp4", "000000.json", "000001.mp4", "000001.json", "README.txt"} <= {p.name for p in clips.iterdir()}
    made = again(tmp_path, world)
    assert made.made == tuple(sample.id for sample in world)
    assert made.kept[:2] == tuple(sample.id for sample in world)[:2]
    assert made.speed["timed_by_an_earlier_run"] == list(made.kept)
    assert [row["sample"] for row in made.speed["samples"]] == list(made.made)
    assert not clips.exists()


def test_its_findings_are_taken_over_too(world: TestSet, tmp_path: Path) -> None:
    stop_after(tmp_path, world, 1, challenge="talking-head")
    made = again(tmp_path, world, challenge="talking-head")
    assert made.kept
    assert made.refused == made.made
    rules = [{finding.rule for finding in found} for found in made.findings.values()]
    assert rules[0] == rules[1]
    assert "encoding.audio-missing" in rules[0]


def touch_module(folder: Path, _: TestSet) -> None:
    module = next(folder.glob("kept_*.py"))
    module.write_text(module.read_text() + "# changed\n")


def damage_clip(folder: Path, _: TestSet) -> None:
    for clip in (folder / "k.zip.clips").glob("*.mp4"):
        clip.write_bytes(clip.read_bytes()[:-10])


def damage_record(folder: Path, _: TestSet) -> None:
    for record in (folder / "k.zip.clips").glob("*.json"):
        record.write_text("{")


def foreign_record(folder: Path, _: TestSet) -> None:
    for record in (folder / "k.zip.clips").glob("*.json"):
        content = json.loads(record.read_text())
        content["outcome"] = {"timing": "yesterday"}
        record.write_text(json.dumps(content))


@pytest.mark.parametrize("change", [touch_module, damage_clip, damage_record, foreign_record])
def test_what_does_not_fit_is_made_again(
    world: TestSet, tmp_path: Path, change: Callable[[Path, TestSet], None]
) -> None:
    stop_after(tmp_path, world, 2)
    change(tmp_path, world)
    made = again(tmp_path, world)
    assert made.kept == ()
    assert len(made.made) == 3


@pytest.mark.parametrize(
    "more", [{"seed": 1}, {"challenge": "talking-head"}, {"fresh": True}, {"backbones": "bundled"}], ids=str
)
def test_another_run_makes_them_again(world: TestSet, tmp_path: Path, more: dict[str, Any]) -> None:
    stop_after(tmp_path, world, 2)
    assert again(tmp_path, world, **more).kept == ()


def test_another_test_set_makes_them_again(world: TestSet, tmp_path: Path) -> None:
    stop_after(tmp_path, world, 2)
    assert again(tmp_path, TestSet(world.root, world.samples[::-1])).kept == ()


def test_a_run_in_which_nothing_was_finished_leaves_nothing(world: TestSet, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        make_submission("command", world, tmp_path / "k.zip", options={"line": "false {output}"})
    assert not (tmp_path / "k.zip.clips").exists()


def test_two_runs_do_not_write_one_zip(world: TestSet, tmp_path: Path) -> None:
    with ClipFolder(tmp_path / "k.zip"), pytest.raises(UsageError, match="Another run is writing"):
        again(tmp_path, world)
    assert again(tmp_path, world).ok


def test_a_folder_of_the_users_is_left_alone(world: TestSet, tmp_path: Path) -> None:
    mine = tmp_path / "k.zip.clips" / "000000.json"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(UsageError, match="not a folder of clips"):
        again(tmp_path, world)
    assert mine.read_text() == "mine"
    assert list(mine.parent.iterdir()) == [mine]
