"""``evalkit score --shard`` and ``evalkit merge`` on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from builders.runs import without_timing

from evalkit.cli import main


def call(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def test_an_array_job_and_its_merge(runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    what = ("-c", "talking-head", "--testset", runs.testset, "-m", "psnr,identity,duration", "-b", "bundled")
    for index in (1, 2, 3):
        code, out, _ = call(
            capsys, "score", runs.zip, *what, "--shard", f"{index}/3", "-o", tmp_path / f"{index}.part",
            "--cache", runs.root / f"cache{index}", "--quiet", "--json", "-w", "1",
        )  # fmt: skip
        assert code == 0
        document = json.loads(out)
        assert document["shard"] == f"{index}/3"
        assert document["bytes"] == (tmp_path / f"{index}.part").stat().st_size
    merged = tmp_path / "merged"
    parts = sorted(tmp_path.glob("*.part"))
    code, out, err = call(capsys, "merge", *parts, "--submission", runs.zip, *what, "-o", merged, "--json", "-q")
    assert code == 3, "one video is missing"
    assert out == (merged / "scorecard.json").read_text()
    assert without_timing(merged) == without_timing(runs.root / "one")
    code, out, err = call(capsys, "merge", *parts[:2], "--submission", runs.zip, *what, "-o", merged, "--json", "-q")
    assert code == 1
    assert json.loads(out)["error"]["message"] == "1 shard of 3 is missing: 3."
    assert "Traceback" not in err


def test_the_part_has_a_name_of_its_own(runs, tmp_path: Path) -> None:
    words = ["score", runs.zip, "-c", "talking-head", "--testset", runs.testset, "-m", "psnr,identity,duration"]
    words += ["-b", "bundled", "--shard", "2/3", "--cache", runs.root / "cache2", "-w", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "evalkit", *map(str, words)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["team-2-of-3.part.evalkit"]
    assert done.stdout.startswith("shard 2/3: ")


@pytest.mark.parametrize("words", [("--shard", "4/3"), ("--shard", "1/2", "--force"), ("--shard", "x")])
def test_a_wrong_shard_is_a_usage_error(runs, tmp_path: Path, capsys, words: tuple[str, ...]) -> None:
    code, out, _ = call(
        capsys, "score", runs.zip, "-c", "talking-head", "--testset", runs.testset, "-b", "bundled", "-m", "psnr",
        "-o", tmp_path / "x.part", *words,
    )  # fmt: skip
    assert (code, out) == (2, "")
    assert not list(tmp_path.iterdir())
