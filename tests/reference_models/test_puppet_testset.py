"""Test sets of puppets: whole, loadable, and the same bytes however they are made."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evalkit.cli import cli, main
from evalkit.errors import UsageError
from evalkit.media.audio import audio_seconds
from evalkit.media.decode import iter_frames
from evalkit.media.stills import read_still
from evalkit.reference_models.puppet.testset import PuppetTestSet, write_puppet_testset
from evalkit.testsets.loading import load_testset


def digests(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> PuppetTestSet:
    made = PuppetTestSet(
        tmp_path_factory.mktemp("world") / "w", seed=5, identities=2, takes=2, seconds=0.8, size=128, actions=1
    )
    write_puppet_testset(made)
    return made


def test_it_loads_as_a_test_set(world: PuppetTestSet) -> None:
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


def test_a_timeline_has_two_to_four_actions_one_after_the_other() -> None:
    made = PuppetTestSet(Path("unused"), seed=3, identities=60, seconds=6, size=64, kind="timeline").scenes()
    counts = [len(scene.actions) for scene in made.values()]
    assert counts[:4] == [2, 3, 4, 2]
    lengths, pauses = [], []
    for scene in made.values():
        assert scene.mood == "neutral"
        assert len({action.name for action in scene.actions}) == len(scene.actions)
        edges = [0.0, *(time for action in scene.actions for time in (action.start, action.end)), 6.0]
        steps = np.diff(edges)
        assert steps.min() >= -1e-9
        assert np.abs(np.array(edges) * 25 - np.rint(np.array(edges) * 25)).max() < 1e-6, "whole frames"
        lengths += steps[1::2].tolist()
        pauses += steps[::2].tolist()
    assert min(lengths) > 0.75
    assert np.std(lengths) > 0.3
    # Either none or one that the metric takes for a pause; frames round it by 0.04 s at most.
    assert {round(pause, 1) for pause in pauses} <= {0.0, 0.6}
    assert 0.15 < np.mean(np.array(pauses) > 0.5) < 0.4
    assert all(0.55 < pause < 0.65 for pause in pauses if pause > 0.1)


def test_a_timeline_of_so_many_actions(tmp_path: Path) -> None:
    made = PuppetTestSet(tmp_path, identities=3, seconds=3, kind="timeline", actions=3).scenes()
    assert [len(scene.actions) for scene in made.values()] == [3, 3, 3]
    with pytest.raises(UsageError, match="a second for each action"):
        PuppetTestSet(tmp_path, seconds=3, kind="timeline")


def test_dialogues_of_two_and_three(tmp_path: Path) -> None:
    """Everybody speaks in their own turn and at the end, in a file of their own; the mix is their mean."""
    folder = write_puppet_testset(PuppetTestSet(tmp_path / "w", 4, 2, seconds=5, size=64, kind="dialogue"))
    two, three = load_testset(folder)
    assert [len(sample.speakers) for sample in (two, three)] == [2, 3]
    assert [read_still(folder / one.reference_images[0]).shape for one in (two, three)] == [(64, 96, 3), (64, 144, 3)]
    voices = [_samples(folder / speaker.audio) for speaker in two.speakers]
    energy = [
        [float(np.square(voice[a:b]).mean()) for a, b in ((0, 22000), (22000, 44000), (44000, 80000))]
        for voice in voices
    ]
    assert energy[0][1] == energy[1][0] == 0
    assert min(energy[0][0], energy[0][2], energy[1][1], energy[1][2]) > 1e-4
    assert two.audio is not None
    np.testing.assert_allclose(_samples(folder / two.audio), np.mean(voices, axis=0), atol=1e-4)
    other = PuppetTestSet(tmp_path / "w", 4, 1, seconds=0.4, size=64)
    write_puppet_testset(other, force=True)
    assert len(list((folder / "audio").iterdir())) == 1, "all files of the dialogues are gone"


def _samples(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768


def test_takes_of_a_person_share_the_looks(world: PuppetTestSet) -> None:
    groups = [json.loads(line)["groups"]["skin"] for line in (world.folder / "samples.jsonl").read_text().splitlines()]
    assert groups[0] == groups[1]
    assert groups[2] == groups[3]
    audio = [path.read_bytes() for path in sorted((world.folder / "audio").iterdir())]
    assert len(set(audio)) == 4


def test_workers_and_repetition_change_no_byte(world: PuppetTestSet, tmp_path: Path) -> None:
    options = {key: getattr(world, key) for key in ("seed", "identities", "takes", "seconds", "size", "actions")}
    done: list[str] = []
    again = write_puppet_testset(PuppetTestSet(tmp_path / "again", **options), workers=2, progress=done.append)
    assert digests(again) == digests(world.folder)
    assert sorted(done) == ["p001t0", "p001t1", "p002t0", "p002t1"]
    (again / "images" / "p001t0.png").write_bytes(b"half")
    write_puppet_testset(PuppetTestSet(tmp_path / "again", **options))  # over an older one
    assert digests(again) == digests(world.folder)


def test_another_seed_is_another_world(world: PuppetTestSet, tmp_path: Path) -> None:
    other = write_puppet_testset(PuppetTestSet(tmp_path / "other", seed=6, identities=1, seconds=0.4, size=128))
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
        {"kind": "dancing"},
        {"kind": "dialogue", "seconds": 4},
        {"kind": "dialogue", "seconds": 9, "actions": 2},
        {"kind": "dialogue", "seconds": 9, "size": 132},
    ],
    ids=str,
)
def test_what_is_no_world_is_told(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        PuppetTestSet(tmp_path, **wrong)


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(UsageError, match="not empty"):
        write_puppet_testset(PuppetTestSet(tmp_path, identities=1, seconds=0.4, size=64))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def small(folder: Path, seed: int = 3, identities: int = 2) -> PuppetTestSet:
    return PuppetTestSet(folder, seed=seed, identities=identities, seconds=0.4, size=64)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return digests(write_puppet_testset(small(tmp_path_factory.mktemp("small") / "w")))


STAGES = (".puppets.json", "images/p001.png", "audio/p001.wav", "videos/p001.mp4", "videos/p002.mp4")


@pytest.mark.parametrize("last", STAGES)
def test_a_world_that_was_stopped_at_any_stage_is_made_whole(
    tmp_path: Path, whole: dict[str, bytes], last: str
) -> None:
    starts = [f"{part}/{name}" for name in ("p001", "p002") for part in ("images", "audio", "videos")]
    order = [next(file for file in whole if file.startswith(start)) for start in (".puppets.json", *starts)]
    for file in order[: order.index(last) + 1]:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes(whole[file])
    assert digests(write_puppet_testset(small(tmp_path))) == whole


def test_a_run_that_is_killed_between_two_samples_goes_on(tmp_path: Path, whole: dict[str, bytes]) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path;"
        "from evalkit.reference_models.puppet.testset import PuppetTestSet, write_puppet_testset;"
        "world = PuppetTestSet(Path(sys.argv[1]), seed=3, identities=2, seconds=0.4, size=64);"
        "write_puppet_testset(world, progress=lambda name: os.kill(os.getpid(), signal.SIGKILL))"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(tmp_path / "w")], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "w" / "samples.jsonl").exists()
    assert (tmp_path / "w" / "videos" / "p001.mp4").exists()
    assert digests(write_puppet_testset(small(tmp_path / "w"))) == whole


def test_a_kill_while_the_marker_is_written_leaves_no_obstacle(tmp_path: Path, whole: dict[str, bytes]) -> None:
    (tmp_path / "..puppets.json.0123abcd.part").write_text("{")
    assert digests(write_puppet_testset(small(tmp_path))) == whole


@pytest.mark.parametrize("marker", [None, "{", "[]", '{"seed": -1}', '{"more": 1}', '{"takes": 1.5}'])
@pytest.mark.parametrize("force", [False, True])
def test_a_test_set_of_somebody_else_is_left_alone(tmp_path: Path, marker: str | None, force: bool) -> None:
    (tmp_path / "samples.jsonl").write_text('{"id": "mine"}\n')
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "p001.mp4").write_bytes(b"mine")
    if marker is not None:
        (tmp_path / ".puppets.json").write_text(marker)
    before = digests(tmp_path)
    with pytest.raises(UsageError, match="Name a new folder"):
        write_puppet_testset(small(tmp_path), force=force)
    assert digests(tmp_path) == before


def test_other_options_need_another_folder_or_force(tmp_path: Path, whole: dict[str, bytes]) -> None:
    write_puppet_testset(small(tmp_path, seed=4, identities=3))
    (tmp_path / "notes.txt").write_text("mine")
    before = digests(tmp_path)
    with pytest.raises(UsageError, match="other options"):
        write_puppet_testset(small(tmp_path))
    assert digests(tmp_path) == before
    assert digests(write_puppet_testset(small(tmp_path), force=True)) == {**whole, "notes.txt": b"mine"}


def test_the_command_refuses_a_real_test_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "samples.jsonl").write_text('{"id": "mine"}\n')
    with pytest.raises(SystemExit) as stop:
        main(["testset", "make", str(tmp_path), "-n", "1", "--seconds", "0.4", "--size", "64", "-w", "1", "-q"])
    assert stop.value.code == 2
    assert "Name a new folder" in capsys.readouterr().err
    assert (tmp_path / "samples.jsonl").read_text() == '{"id": "mine"}\n'


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["testset", "make", str(tmp_path / "w"), "-n", "1", "--seconds", "0.4", "--size", "64", "--workers", "1"]
    cli.main(args=[*words, "--json"], standalone_mode=False)
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"schema": 1, "ok": True, "testset": str(tmp_path / "w"), "samples": 1}
    assert len(load_testset(tmp_path / "w")) == 1


def test_the_command_makes_a_timeline(tmp_path: Path) -> None:
    words = ["testset", "make", str(tmp_path / "w"), "--kind", "timeline", "-n", "2", "--size", "64", "-w", "1", "-q"]
    cli.main(args=words, standalone_mode=False)
    for sample, count in zip(load_testset(tmp_path / "w"), (2, 3), strict=True):
        assert sample.timeline is not None
        assert len(sample.timeline) == count
        assert sample.reference_video is not None
        assert sum(1 for _ in iter_frames(tmp_path / "w" / sample.reference_video)) == 150, "6 s"
        told = [event.description.removeprefix("the person ") for event in sample.timeline]
        assert str(sample.text).endswith(f" The person {', then '.join(told)}.")
