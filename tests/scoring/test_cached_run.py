"""A run whose features are all in the cache: it starts no worker and loads no library that only workers need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from evalkit import api
from evalkit.errors import SubmissionChangedError
from evalkit.media.encode import write_video
from evalkit.scoring.scorecard import Scorecard
from evalkit.workers.pool import Pool

# Each takes longer to import than a cached run of a few videos takes for everything else.
HEAVY = ("av", "onnxruntime", "pandas", "scipy.signal", "scipy.stats", "torch")


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Two samples with references and a submission in a folder and as a ZIP."""
    testset, videos = tmp_path / "testset", tmp_path / "videos"
    testset.mkdir()
    videos.mkdir()
    random = np.random.default_rng(5)
    rows = []
    for name in ("a", "b"):
        frames = random.integers(0, 255, (12, 64, 64, 3), dtype=np.uint8)
        audio = (0.1 * random.standard_normal(8000)).astype(np.float32)
        write_video(testset / f"{name}.mp4", frames, 25, audio=audio, audio_rate=16000)
        write_video(videos / f"{name}.mp4", frames // 2, 25, audio=audio, audio_rate=16000)
        rows.append({"id": name, "reference_video": f"{name}.mp4"})
    (testset / "samples.jsonl").write_text("\n".join(map(json.dumps, rows)))
    subprocess.run([sys.executable, "-m", "zipfile", "-c", "../team.zip", "a.mp4", "b.mp4"], cwd=videos, check=True)
    return tmp_path


@pytest.mark.parametrize("submission", ["videos", "team.zip"])
def test_no_worker_starts_when_everything_is_cached(
    world: Path, submission: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def score() -> str:
        card = api.score(
            world / submission,
            "talking-head",
            world / "testset",
            metrics=["psnr", "ssim"],
            cache=world / "cache",
            workers=1,
        )
        return card.model_copy(update={"timing": {}}).to_json()

    first = score()
    asked: list[int] = []
    run = Pool.run

    def counted(self: Pool, work, jobs, after):
        asked.append(len(jobs))
        return run(self, work, jobs, after)

    monkeypatch.setattr(Pool, "run", counted)
    assert score() == first
    assert asked == []
    entry = next((world / "cache" / "paired_pixels").rglob("*.npz"))
    entry.write_bytes(b"damaged")
    assert score() == first
    assert asked == [1], "only the video whose entry is damaged is read again"


def test_a_zip_that_changed_is_read_again(world: Path) -> None:
    def psnr() -> float | None:
        card = api.score(
            world / "team.zip", "talking-head", world / "testset", metrics=["psnr"], cache=world / "cache", workers=1
        )
        return card.metrics["psnr.rgb"].value

    dark = psnr()
    for name in ("a", "b"):
        (world / "videos" / f"{name}.mp4").write_bytes((world / "testset" / f"{name}.mp4").read_bytes())
    subprocess.run(
        [sys.executable, "-m", "zipfile", "-c", "../team.zip", "a.mp4", "b.mp4"], cwd=world / "videos", check=True
    )
    assert psnr() != dark


def test_a_smaller_limit_holds_for_cached_files_too(world: Path) -> None:
    challenge = world / "small.yaml"
    text = "schema: 1\nid: small\ntitle: small files\nranking: none\nsubmission:\n  layouts: ['{id}.mp4']\n"
    text += "  severities: {archive.too-large-file: 'off'}\n  archive: {max_file_bytes: %d}\n"
    challenge.write_text(text % 100_000_000)
    assert api.validate(world / "videos", challenge, cache=world / "cache", workers=1).ok
    challenge.write_text(text % 100)
    report = api.validate(world / "videos", challenge, cache=world / "cache", workers=1)
    assert [finding.rule for file in report.files for finding in file.findings] == ["archive.unreadable-member"] * 2


def test_a_cached_run_loads_no_library_of_the_workers(world: Path) -> None:
    command = [
        *("score", str(world / "team.zip"), "--challenge", "talking-head", "--testset", str(world / "testset")),
        *("--metrics", "psnr", "--quiet", "-o", str(world / "out")),
    ]
    for _ in range(2):
        loaded = modules_after(command, EVALKIT_CACHE=str(world / "cache"))
    assert [name for name in HEAVY if name in loaded] == []


@pytest.mark.parametrize("command", [["--help"], ["metrics", "list"], ["challenges", "list"], ["board", "--help"]])
def test_commands_that_only_list_load_no_heavy_library(command: list[str]) -> None:
    loaded = modules_after(command)
    assert [name for name in (*HEAVY, "cv2", "pyarrow", "sqlalchemy", "scipy") if name in loaded] == []


def modules_after(command: list[str], **environment: str) -> set[str]:
    """Return the names of the modules that a command has loaded when it ends."""
    code = (
        "import sys\nfrom evalkit.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "sys.stdout.flush(); print('\\0'.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
        cwd=Path(__file__).parents[2],
    )
    return set(done.stderr.strip().splitlines()[-1].split("\0"))


@pytest.mark.parametrize("kind", ["videos", "team.zip"])
@pytest.mark.parametrize("fresh", [False, True])
def test_a_submission_that_is_replaced_during_the_run_gives_no_scorecard(
    world: Path, monkeypatch: pytest.MonkeyPatch, kind: str, fresh: bool
) -> None:
    place, other = world / kind, world / "other"
    if kind == "videos":
        place = place / "b.mp4"
        frames = np.zeros((12, 64, 64, 3), dtype=np.uint8)
        write_video(other, frames, 25, audio=np.zeros(8000, dtype=np.float32), audio_rate=16000)
    else:
        other.write_bytes(place.read_bytes())
    run = Pool.run

    def replaced(self: Pool, work, jobs, after):
        other.replace(place)  # after the digest was computed, and before a worker reads
        return run(self, work, jobs, after)

    monkeypatch.setattr(Pool, "run", replaced)
    with pytest.raises(SubmissionChangedError, match="changed while it was being read"):
        api.score(
            world / kind,
            "talking-head",
            world / "testset",
            metrics=["psnr"],
            cache=world / "cache",
            workers=1,
            fresh=fresh,
        )


def test_only_what_the_metrics_read_is_computed(world: Path) -> None:
    """SSIM is not computed for PSNR; asked for later, it alone is, and the numbers are those of one run for both."""

    def score(*metrics: str, cache: str = "cache") -> Scorecard:
        return api.score(
            world / "team.zip",
            "talking-head",
            world / "testset",
            metrics=list(metrics),
            cache=world / cache,
            workers=1,
        )

    first = score("psnr")
    assert not list((world / "cache").glob("paired_ssim*"))
    assert "paired_pixels" in first.timing["extractors"]
    second = score("psnr", "ssim", "ssim.rgb")
    assert set(second.timing["extractors"]) == {"paired_ssim_gray", "paired_ssim_rgb"}
    together = score("psnr", "ssim", "ssim.rgb", cache="other")
    assert [video.values for video in second.videos] == [video.values for video in together.videos]
    assert second.metrics["psnr.rgb"] == first.metrics["psnr.rgb"]
