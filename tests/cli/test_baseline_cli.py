"""``evalkit baseline``: what is listed, what is written, and the exit codes."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from evalkit.cli import main
from evalkit.reference_models.puppet.testset import PuppetTestSet, write_puppet_testset


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_puppet_testset(
        PuppetTestSet(tmp_path_factory.mktemp("cli") / "w", seed=0, identities=2, seconds=0.4, size=128)
    )


def call(*words: str | Path) -> int:
    with pytest.raises(SystemExit) as left:
        main([str(word) for word in words])
    return int(left.value.code or 0)


def test_the_list_has_every_generator_with_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("baseline", "list", "--json") == 0
    listed: dict[str, Any] = {item["name"]: item for item in json.loads(capsys.readouterr().out)["generators"]}
    assert set(listed) >= {
        *("truth", "still", "warp", "late", "swap", "blur", "frozen", "jitter", "mute", "shuffle"),
        *("reversed", "shifted"),
        *("command", "callable"),
    }
    frames = listed["late"]["options"][0]
    assert (frames["name"], frames["default"], frames["low"], frames["high"]) == ("frames", 6, -50, 50)
    assert listed["late"]["control"]
    assert not listed["warp"]["control"]
    assert listed["warp"]["needs"] == ["reference_images"]
    assert call("baseline", "list") == 0
    text = capsys.readouterr().out
    assert "a whole number from -50 to 50" in text


def test_a_run_writes_a_submission_and_says_how_fast(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "late.zip"
    words = ["baseline", "run", "late", "--testset", world, "-o", out, "--set", "frames=-3", "-w", "1"]
    assert call(*words, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["ok"]
    assert document["made"] == ["p001", "p002"]
    assert document["speed"]["generator"] == {"name": "late", "options": {"frames": -3, "base": "truth"}}
    with zipfile.ZipFile(out) as archive:
        assert json.loads(archive.read("speed.json")) == document["speed"]
    assert call(*words, "-q", "--limit", "1", "--no-speed") == 0
    assert "1 of 1 sample" in capsys.readouterr().out
    with zipfile.ZipFile(out) as archive:
        assert archive.namelist() == ["p001.mp4"]


def test_what_is_written_is_valid(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "t.zip"
    assert call("baseline", "run", "truth", "--testset", world, "-o", out, "-c", "talking-head", "-q", "-w", "1") == 0
    capsys.readouterr()
    assert call("validate", out, "-c", "talking-head", "--testset", world, "--json", "-q", "-w", "1") == 0
    assert [item["rule"] for item in json.loads(capsys.readouterr().out)["findings"]] == []


def test_a_sample_that_can_not_be_made_is_exit_3(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (world / "samples.jsonl").read_text().splitlines()
    record = json.loads(lines[0])
    record |= {"id": "bare", "reference_images": []}
    folder = tmp_path / "w"
    folder.mkdir()
    for part in ("images", "audio", "videos"):
        (folder / part).symlink_to(world / part)
    (folder / "samples.jsonl").write_text("\n".join([json.dumps(record), *lines]))
    words = ["baseline", "run", "still", "--testset", folder, "-o", tmp_path / "s.zip", "-w", "1"]
    assert call(*words, "-q") == 3
    captured = capsys.readouterr()
    assert "not made bare: The sample has no reference_images" in captured.err
    assert "2 of 3 samples" in captured.out
    assert call(*words, "--json") == 3
    document = json.loads(capsys.readouterr().out)
    assert not document["ok"]
    assert list(document["failures"]) == ["bare"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["blurr"], 2, "Did you mean 'blur'"),
        (["blur", "--set", "sigma=-1"], 2, "from 0 to 50"),
        (["blur", "--set", "sigma"], 2, "NAME=VALUE"),
        (["blur", "--set", "sigma=1", "--set", "sigma=2"], 2, "twice"),
        (["blur", "-c", "no-such"], 2, "no challenge"),
        ([], 2, "Give the name of one generator"),
        (["blur", "--command", "x {output}"], 2, "Give the name of one generator"),
        (["--command", "no-such-program {output}"], 1, "can't be started"),
        (["--callable", "no_such_module:f"], 2, "can't be imported"),
        (["warp", "--backbones", "no-such"], 2, "no set of backbones"),
    ],
)
def test_faults_and_their_exit_codes(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, message: str
) -> None:
    assert call("baseline", "run", *words, "--testset", world, "-o", tmp_path / "x.zip", "-q", "-w", "1") == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "x.zip").exists()
