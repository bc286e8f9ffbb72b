"""The scoring program of a Codabench bundle, run as the platform runs it: its folders, its command, its exit code."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import hostile_zips
import pytest
from builders.hosting import Finished, choices, codabench_folders, run_codabench

from evalkit import api
from evalkit.challenges.model import load_challenge
from evalkit.hosting.codabench.writing import write_codabench
from evalkit.hosting.columns import host_columns
from evalkit.scoring.scorecard import Scorecard


@pytest.fixture(scope="module")
def straight(world, tmp_path_factory) -> Finished:
    """Return an undisturbed run."""
    return run_codabench(codabench_folders(tmp_path_factory.mktemp("straight"), world.codabench, world.zip))


def test_the_scores_are_those_of_evalkit_score(straight: Finished, world, tmp_path: Path) -> None:
    assert straight.code == 0, straight.printed
    scores = json.loads((straight.output / "scores.json").read_text())
    card = api.score(world.zip, world.root / "challenge.yaml", world.testset, backbones="bundled", out=tmp_path)
    columns = host_columns(load_challenge(world.root / "challenge.yaml"))
    assert list(scores) == [column.key for column in columns]
    for column in columns:
        if column.metric is not None:
            assert scores[column.key] == pytest.approx(card.metrics[column.metric].value, rel=1e-9)
    psnr, ssim = card.metrics["psnr.rgb"].value, card.metrics["ssim.gray"].value
    assert scores["score"] == pytest.approx((3 * (psnr - 10) / 40 + ssim) / 4, abs=1e-9)
    assert scores["complete"] == 1
    assert Scorecard.load(straight.output).metrics == card.metrics


def test_the_output_is_what_the_platform_and_the_organizers_read(straight: Finished) -> None:
    # A file 'metadata' of ours would make the platform fail; the log is for organizers alone.
    assert sorted(one.name for one in straight.output.iterdir()) == [
        "detailed_results.html",
        "per_video.csv",
        "scorecard.json",
        "scores.json",
    ]
    page = (straight.output / "detailed_results.html").read_text()
    assert "default-src &#39;none&#39;" in page
    assert "PSNR" in page


def test_participants_see_their_numbers(straight: Finished) -> None:
    assert "3 of 3 videos scored." in straight.printed
    assert "PSNR" in straight.printed
    assert "error" not in straight.printed
    assert "metadata" not in straight.printed  # the platform's file is none of the team's


def test_nothing_of_the_references_is_shown(world, tmp_path: Path) -> None:
    testset = tmp_path / "testset"
    testset.mkdir()
    lines = []
    for line in (world.testset / "samples.jsonl").read_text().splitlines():
        record = json.loads(line)
        for key in ("audio", "reference_video"):
            new = f"secret-{Path(record[key]).name}"
            shutil.copy(world.testset / record[key], testset / new)
            record[key] = new
        images = [f"secret-{Path(name).name}" for name in record["reference_images"]]
        for old, new in zip(record["reference_images"], images, strict=True):
            shutil.copy(world.testset / old, testset / new)
        lines.append(json.dumps({**record, "reference_images": images, "text": "a secret prompt"}))
    (testset / "samples.jsonl").write_text("\n".join(lines))
    write_codabench(choices(tmp_path, testset=testset), tmp_path / "bundle")
    done = run_codabench(codabench_folders(tmp_path, tmp_path / "bundle" / "bundle.zip", world.zip))
    assert done.code == 0, done.printed
    assert "secret" not in done.printed
    for file in done.output.iterdir():
        assert b"secret" not in file.read_bytes(), file.name


def test_a_zip_in_the_zip_is_opened(world, straight: Finished, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as outer:
        outer.write(world.zip, "our submission.ZIP")
    done = run_codabench(codabench_folders(tmp_path, world.codabench, tmp_path / "outer.zip"))
    assert done.code == 0, done.printed
    assert (done.output / "scores.json").read_text() == (straight.output / "scores.json").read_text()


def test_a_folder_around_the_videos_is_skipped(world, straight: Finished, tmp_path: Path) -> None:
    with zipfile.ZipFile(world.zip) as archive, zipfile.ZipFile(tmp_path / "outer.zip", "w") as outer:
        for name in archive.namelist():
            outer.writestr(f"lumen/{name}", archive.read(name))
    done = run_codabench(codabench_folders(tmp_path, world.codabench, tmp_path / "outer.zip"))
    assert done.code == 0, done.printed
    assert (done.output / "scores.json").read_text() == (straight.output / "scores.json").read_text()
    assert "layout.wrapper-folder" in done.printed


def without_one(world, place: Path) -> Path:
    """Return the submission without its first video."""
    with zipfile.ZipFile(world.zip) as archive, zipfile.ZipFile(place, "w") as other:
        for name in sorted(archive.namelist())[1:]:
            other.writestr(name, archive.read(name))
    return place


def test_a_missing_video_leaves_the_run_unranked_and_shown(world, tmp_path: Path) -> None:
    done = run_codabench(codabench_folders(tmp_path, world.codabench, without_one(world, tmp_path / "less.zip")))
    assert done.code == 0, done.printed
    scores = json.loads((done.output / "scores.json").read_text())
    assert scores["complete"] == 0.6666
    assert set(scores) == {"complete", "psnr_rgb", "ssim_gray", "video_fps"}
    assert "Not ranked: psnr.rgb rests on 66.7 % of the samples, 100 % are needed." in done.printed
    assert "layout.missing" in done.printed


def test_videos_that_are_none_leave_nothing_for_the_leaderboard(world, tmp_path: Path) -> None:
    with zipfile.ZipFile(world.zip) as archive, zipfile.ZipFile(tmp_path / "bad.zip", "w") as other:
        for name in archive.namelist():
            other.writestr(name, b"this is no video")
    done = run_codabench(codabench_folders(tmp_path, world.codabench, tmp_path / "bad.zip"))
    assert done.code == 1
    assert "error: No video could be scored" in done.printed
    assert not (done.output / "scores.json").exists()
    assert (done.output / "detailed_results.html").exists()  # which says what is wrong with each


def test_a_submission_that_can_not_be_scored_says_why(world, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = run_codabench(codabench_folders(tmp_path / "1", world.codabench, tmp_path / "empty"))
    assert (done.code, "error: The submission is empty." in done.printed) == (1, True)
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "answer.txt").write_text("42")
    done = run_codabench(codabench_folders(tmp_path / "2", world.codabench, tmp_path / "text"))
    assert done.code == 1
    assert "error: The submission can't be scored: layout.no-match" in done.printed
    assert list(done.output.iterdir()) == []


@pytest.mark.parametrize("name", ["../../../etc/cron.d/evil.mp4", "/etc/evil.mp4", "d01.mp4\x00.txt"])
def test_a_hostile_zip_in_the_zip_is_refused_or_passed_over(name: str, world, tmp_path: Path) -> None:
    inner = tmp_path / "res" / "inner.zip"
    inner.parent.mkdir()
    hostile_zips.raw_zip(inner, hostile_zips.Entry(name))
    done = run_codabench(codabench_folders(tmp_path / "run", world.codabench, tmp_path / "res"))
    assert done.code == 1
    assert "error: The submission" in done.printed
    assert "Traceback" not in done.printed
    assert list(done.output.iterdir()) == []


def test_a_fault_of_the_organizers_is_not_the_teams_and_tells_no_names(world, tmp_path: Path) -> None:
    app = codabench_folders(tmp_path, world.codabench, world.zip)
    record = json.loads((app / "input" / "ref" / "samples.jsonl").read_text().splitlines()[0])
    (app / "input" / "ref" / record["reference_video"]).unlink()
    (app / "input" / "ref" / "samples.jsonl").write_text('{"id": "x", "audio": "hidden-name.wav", "more": 1}\n')
    done = run_codabench(app)
    assert done.code == 4
    assert "not because of the submission" in done.printed
    assert "hidden-name" not in done.printed
    assert "more" not in done.printed
    assert "Traceback" in run_codabench(app, {"EVALKIT_HOST_DEBUG": "1"}).printed


def test_another_version_of_evalkit_is_refused(world, tmp_path: Path) -> None:
    app = codabench_folders(tmp_path, world.codabench, world.zip)
    settings = app / "program" / "settings.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "evalkit": "0.0.1"}))
    done = run_codabench(app)
    assert (done.code, "MachineError" in done.printed) == (4, True)


@pytest.mark.parametrize("text", ["", "[]", '{"schema": 1}', '{"schema": 1, "schema": 1}', '{"seconds": NaN}', "\xff"])
def test_damaged_settings_end_without_a_traceback(text: str, world, tmp_path: Path) -> None:
    app = codabench_folders(tmp_path, world.codabench, world.zip)
    (app / "program" / "settings.json").write_bytes(text.encode("latin-1"))
    done = run_codabench(app)
    assert (done.code, "Traceback" in done.printed) == (4, False)


def test_a_run_that_takes_too_long_ends_itself_with_a_word(world, tmp_path: Path) -> None:
    app = codabench_folders(tmp_path, world.codabench, world.zip)
    settings = app / "program" / "settings.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "seconds": 3.0}))
    done = run_codabench(app)
    assert done.code == 1
    assert "error: The 3 seconds for a submission are over" in done.printed
    assert list(done.output.iterdir()) == []


def test_without_details_the_team_gets_its_numbers_alone(world, tmp_path: Path) -> None:
    write_codabench(choices(tmp_path, testset=world.testset, details=False), tmp_path / "bundle")
    done = run_codabench(codabench_folders(tmp_path, tmp_path / "bundle" / "bundle.zip", world.zip))
    assert sorted(one.name for one in done.output.iterdir()) == ["scorecard.json", "scores.json"]
