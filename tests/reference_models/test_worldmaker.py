"""Test sets of puppets: whole, loadable, and the same bytes however they are made."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evalkit.cli import cli
from evalkit.errors import UsageError
from evalkit.media.audio import audio_seconds
from evalkit.media.decode import iter_frames
from evalkit.reference_models.puppet.worldmaker import World, make_world
from evalkit.testset import load_testset


def digests(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    made = World(
        tmp_path_factory.mktemp("world") / "w", seed=5, identities=2, takes=2, seconds=0.8, size=128, actions=1
    )
    make_world(made)
    return made


def test_it_loads_as_a_test_set(world: World) -> None:
    testset = load_testset(world.folder)
    assert [sample.id for sample in testset] == ["p001t0", "p001t1", "p002t0", "p002t1"]
    for sample in testset:
        assert sample.text
        assert sample.timeline is not None
        assert [(event.start, event.end) for event in sample.timeline] == [(0, 0.8)]
        assert set(sample.groups) == {"age", "glasses", "mood", "skin"}
        assert audio_seconds(testset.path(sample.audio)) == pytest.approx(0.8)
        frames = list(iter_frames(testset.path(sample.reference_video)))
        assert len(frames) == 20
        with Image.open(testset.path(sample.reference_images[0])) as image:
            first = np.asarray(image.convert("RGB")).astype(int)
        assert np.abs(frames[0] - first).mean() < 4


def test_takes_of_a_person_share_the_looks(world: World) -> None:
    groups = [json.loads(line)["groups"]["skin"] for line in (world.folder / "samples.jsonl").read_text().splitlines()]
    assert groups[0] == groups[1]
    assert groups[2] == groups[3]
    audio = [path.read_bytes() for path in sorted((world.folder / "audio").iterdir())]
    assert len(set(audio)) == 4


def test_workers_and_repetition_change_no_byte(world: World, tmp_path: Path) -> None:
    options = {key: getattr(world, key) for key in ("seed", "identities", "takes", "seconds", "size", "actions")}
    done: list[str] = []
    again = make_world(World(tmp_path / "again", **options), workers=2, progress=done.append)
    assert digests(again) == digests(world.folder)
    assert sorted(done) == ["p001t0", "p001t1", "p002t0", "p002t1"]
    (again / "images" / "p001t0.png").write_bytes(b"half")
    make_world(World(tmp_path / "again", **options))  # over an older one
    assert digests(again) == digests(world.folder)


def test_another_seed_is_another_world(world: World, tmp_path: Path) -> None:
    other = make_world(World(tmp_path / "other", seed=6, identities=1, seconds=0.4, size=128))
    line = json.loads((other / "samples.jsonl").read_text())
    assert line["id"] == "p001"
    assert "timeline" not in line
    assert line["text"] != json.loads((world.folder / "samples.jsonl").read_text().splitlines()[0])["text"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": -1},
        {"identities": 0},
        {"takes": 1000},
        {"seconds": 0.1},
        {"seconds": 1.01},
        {"size": 130},
        {"size": 32},
    ],
    ids=str,
)
def test_what_is_no_world_is_told(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        World(tmp_path, **wrong)


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(UsageError, match="not empty"):
        make_world(World(tmp_path, identities=1, seconds=0.4, size=64))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["testset", "make", str(tmp_path / "w"), "-n", "1", "--seconds", "0.4", "--size", "64", "--workers", "1"]
    cli.main(args=[*words, "--json"], standalone_mode=False)
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"schema": 1, "ok": True, "testset": str(tmp_path / "w"), "samples": 1}
    assert len(load_testset(tmp_path / "w")) == 1
