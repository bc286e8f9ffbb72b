"""A package that evalkit knows nothing of adds a feature, a metric per video and one of the whole set."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import shapes

from evalkit.media.decode import iter_frames
from evalkit.scoring.scorecard import Scorecard

SOURCE = Path(__file__).parent / "thirdparty"
SAMPLES, SECONDS, SIZE = 3, 1.0, 96


def install(source: Path, target: Path) -> None:
    """Install a package into a folder of its own, without the network."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    command += ["--disable-pip-version-check", "--no-warn-conflicts", "--root-user-action=ignore"]
    done = subprocess.run([*command, "--target", str(target), str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def evalkit(site: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as somebody who has installed what lies in ``site``."""
    return subprocess.run(
        [sys.executable, "-m", "evalkit", *words],
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """Return a copy of the package, which the build may litter."""
    return shutil.copytree(SOURCE, tmp_path_factory.mktemp("source") / "brightness")


@pytest.fixture(scope="module")
def site(source, tmp_path_factory) -> Path:
    target = tmp_path_factory.mktemp("site")
    install(source, target)
    return target


@pytest.fixture(scope="module")
def team(tmp_path_factory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("world")
    testset = shapes.write_testset(root / "testset", SAMPLES, SECONDS, SIZE)
    return shapes.write_submission(root / "team.zip", SAMPLES, SECONDS, shapes.unchanged, SIZE), testset


def test_a_metric_with_a_feature_of_its_own_is_one_short_file():
    assert len((SOURCE / "evalkit_brightness" / "__init__.py").read_text().splitlines()) < 60


def test_without_the_package_there_is_no_such_metric(tmp_path):
    done = evalkit(tmp_path, "metrics", "list", "--json")
    assert done.returncode == 0, done.stderr
    assert "brightness.mean" not in [record["id"] for record in json.loads(done.stdout)["metrics"]]


def test_metrics_list_shows_it(site):
    done = evalkit(site, "metrics", "list")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["brightness.mean", "-", "diagnostic", "Brightness", "(also", "brightness)"] in lines
    assert "psnr.rgb" in [words[0] for words in lines]
    shown = json.loads(evalkit(site, "metrics", "show", "brightness", "--json").stdout)["metric"]
    assert (shown["id"], shown["unit"], shown["citation"]) == ("brightness.mean", "grey levels", "ITU-R BT.601")


def luma_by_hand(archive: Path, sample: str, folder: Path) -> float:
    """Return the mean luma of every second frame of a submitted video."""
    import zipfile

    with zipfile.ZipFile(archive) as source:
        path = Path(source.extract(f"{sample}.mp4", folder))
    frames = list(iter_frames(path))[::2]
    assert len(frames) == 13
    return float(np.mean([frame @ np.array([0.299, 0.587, 0.114]) for frame in frames]))


def test_score_puts_it_into_the_scorecard(site, team, tmp_path):
    archive, testset = team
    words = ["score", str(archive), "-c", "talking-head", "--testset", str(testset), "--workers", "2", "--quiet"]
    words += ["--cache", str(tmp_path / "cache"), "-m", "psnr,brightness,brightness.spread"]
    done = evalkit(site, *words, "-o", str(tmp_path / "out"))
    card = Scorecard.load(tmp_path / "out")
    means = {video.sample: video.values["brightness.mean"] for video in card.videos}
    for sample, value in means.items():
        assert value == pytest.approx(luma_by_hand(archive, sample, tmp_path), rel=1e-9)
    score, spread = card.metrics["brightness.mean"], card.metrics["brightness.spread"]
    assert score.value == pytest.approx(np.mean(list(means.values())), rel=1e-12)
    assert (score.unit, score.n, score.coverage, score.title) == ("grey levels", SAMPLES, 1.0, "Brightness")
    assert spread.value == pytest.approx(np.std(list(means.values())), rel=1e-12)
    assert (spread.n, spread.ci95, spread.best_sample) == (SAMPLES, None, None)
    assert all("brightness.spread" not in video.values for video in card.videos)  # a number of the whole set
    assert card.features["brightness"].options == {"sampling": "rate-12.5", "weights": [0.299, 0.587, 0.114]}
    assert "Brightness" in (tmp_path / "out" / "report.html").read_text()
    assert (tmp_path / "cache" / "brightness").is_dir()
    assert done.returncode == 0, done.stderr
    # The second time it comes from the cache like any other feature.
    again = evalkit(site, *words, "-o", str(tmp_path / "again"))
    assert again.returncode == 0, again.stderr
    lines = [json.loads(line) for line in (tmp_path / "again" / "log.jsonl").read_text().splitlines()]
    assert [line["decodes"] for line in lines if line["event"] == "video"] == [0] * SAMPLES


def second_package(source: Path, folder: Path) -> Path:
    """Return another distribution with a metric of the same name."""
    other = shutil.copytree(source, folder / "other", ignore=shutil.ignore_patterns("build", "*.egg-info"))
    (other / "evalkit_brightness").rename(other / "luma_tools")
    project = (other / "pyproject.toml").read_text()
    project = project.replace("evalkit-brightness", "luma-tools").replace("evalkit_brightness", "luma_tools")
    (other / "pyproject.toml").write_text(project.replace("brightness =", "luma ="))
    return other


def test_two_packages_with_a_metric_of_one_name_are_an_error_that_names_both(site, source, team, tmp_path):
    both = shutil.copytree(site, tmp_path / "both")
    install(second_package(source, tmp_path), both)
    archive, testset = team
    for words in (
        ["metrics", "list"],
        [
            "score",
            str(archive),
            "-c",
            "talking-head",
            "--testset",
            str(testset),
            "-m",
            "psnr",
            "-o",
            str(tmp_path / "o"),
        ],
    ):
        done = evalkit(both, *words)
        assert done.returncode == 4
        assert done.stdout == ""
        assert "'brightness.mean'" in done.stderr
        assert "'brightness = evalkit_brightness:METRICS' of evalkit-brightness" in done.stderr
        assert "'luma = luma_tools:METRICS' of luma-tools" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_package_that_cannot_be_loaded_is_named(site, tmp_path):
    broken = shutil.copytree(site, tmp_path / "broken")
    (broken / "evalkit_brightness" / "__init__.py").write_text("import a_package_that_nobody_has\n")
    done = evalkit(broken, "metrics", "list")
    assert done.returncode == 4
    assert "evalkit-brightness" in done.stderr
    assert "a_package_that_nobody_has" in done.stderr
    assert "Traceback" not in done.stderr
