"""``evalkit host`` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from builders.hosting import RULES

from evalkit.cli import main
from evalkit.hosting.scoring import time_for_videos


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    """Return exit code, standard output and standard error of one call."""
    with pytest.raises(SystemExit) as stop:
        main(["host", *(str(word) for word in words)])
    captured = capsys.readouterr()
    return int(stop.value.code or 0), captured.out, captured.err


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Return the challenge's file."""
    (tmp_path / "mine.yaml").write_text(RULES)
    return tmp_path / "mine.yaml"


def test_codabench_says_what_was_written_and_what_comes_next(mine: Path, world, tmp_path: Path, capsys) -> None:
    code, out, err = run(capsys, "codabench", mine, "-o", tmp_path / "b", "--testset", world.testset, "-b", "bundled")
    assert code == 0, err
    assert out.splitlines() == [
        "phase development: 2026-03-01 00:00:00 to 2026-03-10 23:59:59 UTC",
        "phase final: 2026-03-11 00:00:00 to 2026-03-21 11:59:59 UTC",
        "columns: complete, score, psnr_rgb, ssim_gray, video_fps",
        f"Bundle: {tmp_path / 'b' / 'bundle.zip'} (0.1 MB)",
        "note: The image localhost/evalkit-faces:0.1.0 can't be pulled by the platform: push one and name it in "
        "docker_image.",
        f"Next: {tmp_path / 'b' / 'README.md'}",
    ]
    assert run(capsys, "check", tmp_path / "b")[0] == 0
    (tmp_path / "b" / "competition" / "logo.png").unlink()
    code, out, err = run(capsys, "check", tmp_path / "b")
    assert (code, out.splitlines()[0]) == (1, "problem: There is no image 'logo.png'.")


@pytest.mark.parametrize(
    ("platform", "more"),
    [("codabench", ["--image", "a/b:1"]), ("evalai", []), ("evalai", ["--hosted"]), ("docker", ["--image", "a/b:1"])],
)
def test_json_is_one_document(platform: str, more: list[str], mine: Path, tmp_path: Path, capsys) -> None:
    code, out, err = run(capsys, platform, mine, "-o", tmp_path / "b", "-b", "bundled", "--json", *more)
    assert code == 0, err
    document = json.loads(out)
    assert (document["schema"], document["ok"], document["platform"]) == (1, True, platform)
    assert document["problems"] == []
    if platform != "docker":
        assert [one["id"] for one in document["phases"]] == ["development", "final"]
        checked = json.loads(run(capsys, "check", document["bundle"], "--json")[1])
        assert (checked["ok"], checked["platform"]) == (True, platform)


def test_mistakes_are_usage_errors_with_a_fix(mine: Path, tmp_path: Path, capsys) -> None:
    for words, says in (
        (["--phase", "finals"], "Did you mean 'final'"),
        (["--opens", "2026-03-01"], "has a schedule"),
        (["--time-limit", "5"], "60"),
        (["-b", "nonsense"], "nonsense"),
    ):
        code, _, err = run(capsys, "codabench", mine, "-o", tmp_path / "b", *words)
        assert code == 2, err
        assert says in err
        assert not (tmp_path / "b").exists()
    code, out, err = run(capsys, "evalai", "no.yaml", "-o", tmp_path / "b", "--json")
    assert (code, json.loads(out)["ok"]) == (2, False)


def test_the_time_for_videos_leaves_enough_for_what_comes_after() -> None:
    assert time_for_videos(600.0, 0) == 480.0  # four fifths
    assert time_for_videos(60.0, 20) == 25.0  # 15 s and one for each reference video are kept
    assert time_for_videos(600.0, 10_000) == 180.0  # three tenths at least
    assert time_for_videos(0.5, 0) == 1.0
