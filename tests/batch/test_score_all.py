"""All submissions with one pool: the numbers are those of each alone, and what is wrong with one costs no other."""

from __future__ import annotations

import csv
import json
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders.processes import kill, worker_processes
from builders.runs import decodes, without_timing

from evalkit import api
from evalkit.batch.finished import earlier_scorecard
from evalkit.batch.settings import Settings
from evalkit.errors import SubmissionChangedError, UsageError
from evalkit.progress import Progress
from evalkit.scoring.journal import Journal
from evalkit.scoring.scorecard import Scorecard

WHOLE = ("alpha", "beta", "gamma")


class Watching(Progress):
    """Calls ``act`` with every line about a submission, and once the first video is done."""

    def __init__(self, first: Callable[[], None] = lambda: None) -> None:
        self.lines: list[str] = []
        self.stages: list[tuple[str, int | None, int]] = []
        self._first: Callable[[], None] | None = first

    def start(self, title: str, total: int | None, done: int = 0, unit: str = "") -> None:
        self.stages.append((title, total, 0))

    def advance(self, count: int = 1) -> None:
        title, total, done = self.stages[-1]
        self.stages[-1] = (title, total, done + count)
        if title == "scoring all" and self._first is not None:
            act, self._first = self._first, None
            act()

    def message(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture(scope="module")
def done(night: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the folder of an undisturbed run over all six, its result, and what it said."""
    place = tmp_path_factory.mktemp("done")
    watching = Watching()
    return place, night.score_all(night.zips, place, progress=watching), watching


def test_each_submission_ends_in_its_own_way(done: Any) -> None:
    place, result, watching = done
    assert {one.entry.name: (one.state, one.exit_code) for one in result.outcomes} == {
        "alpha": ("scored", 0),
        "beta": ("scored", 0),
        "gamma": ("scored", 0),
        "hostile": ("refused", 1),
        "missing": ("partly scored", 3),
        "refused": ("refused", 1),
    }
    assert result.exit_code == 1
    found = {one.entry.name: one for one in result.outcomes}
    assert found["missing"].reasons == ("missing: 1 video",)
    assert (found["missing"].scored_videos, found["missing"].videos) == (2, 3)
    assert "archive." in str(found["hostile"].error)
    assert not (place / "out" / "hostile" / "scorecard.json").exists()
    assert not list(place.glob("**/*evil*"))
    assert len(watching.lines) == 6
    assert watching.stages == [("opening submissions", 6, 6), ("scoring all", 11, 11)]


@pytest.mark.parametrize("name", [*WHOLE, "missing"])
def test_the_scorecard_is_that_of_evalkit_score_to_the_byte(done: Any, night: Any, tmp_path: Path, name: str) -> None:
    place, *_ = done
    api.score(
        night.zips / f"{name}.zip", "talking-head", night.testset, out=tmp_path / "alone", metrics=["psnr", "ssim"],
        workers=1, cache=tmp_path / "cache",
    )  # fmt: skip
    both = [without_timing(folder) for folder in (place / "out" / name, tmp_path / "alone")]
    assert both[0] == both[1]
    for file in ("per_video.csv", "per_video.parquet"):
        assert (place / "out" / name / file).read_bytes() == (tmp_path / "alone" / file).read_bytes()
    assert {path.name for path in (place / "out" / name).iterdir()} == {
        path.name for path in (tmp_path / "alone").iterdir()
    }


def test_every_video_was_decoded_once_and_logged_by_its_submission(done: Any) -> None:
    place, *_ = done
    for name in WHOLE:
        assert decodes(place / "out" / name) == {"d01": 1, "d02": 1, "d03": 1}
    assert decodes(place / "out" / "missing") == {"d02": 1, "d03": 1}


def test_the_summary_has_a_row_for_each_and_no_formula(done: Any) -> None:
    place, result, _ = done
    rows = list(csv.DictReader((place / "out" / "summary.csv").read_text().splitlines()))
    assert [row["team"] for row in rows] == ["alpha", "beta", "gamma", "hostile", "missing", "refused"]
    assert float(rows[0]["psnr.rgb"]) == result.outcomes[0].metrics["psnr.rgb"].value
    assert (rows[3]["psnr.rgb"], rows[3]["state"]) == ("", "refused")
    page = (place / "out" / "summary.html").read_text()
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert 'href="alpha/report.html"' in page
    assert 'href="hostile/report.html"' not in page
    document = json.loads(json.dumps(result.to_json()))
    assert document["states"] == {"scored": 3, "refused": 2, "partly scored": 1}
    assert [one["exit_code"] for one in document["submissions"]] == [0, 0, 0, 1, 3, 1]
    assert set(document["submissions"][0]["metrics"]) == {"psnr.rgb", "ssim.gray"}


def test_what_is_finished_is_not_touched_again(done: Any, night: Any, tmp_path: Path) -> None:
    place = tmp_path / "again"
    shutil.copytree(done[0], place)
    names = (*WHOLE, "missing")
    before = {name: (place / "out" / name / "log.jsonl").stat().st_mtime_ns for name in names}
    result = night.score_all(night.zips, place)
    assert {one.entry.name for one in result.outcomes if one.earlier} == set(names)
    assert result.exit_code == 1
    assert {name: (place / "out" / name / "log.jsonl").stat().st_mtime_ns for name in names} == before
    assert [one.metrics for one in result.outcomes] == [one.metrics for one in done[1].outcomes]


def test_what_is_finished_counts_only_for_the_same_run(done: Any, night: Any, tmp_path: Path) -> None:
    """Another ZIP, other metrics, a damaged scorecard, a missing page: scored again, from the cache where it can."""
    place = tmp_path / "again"
    shutil.copytree(done[0], place)
    zips = night.copy(place, *WHOLE)
    shutil.copy(zips / "beta.zip", zips / "alpha.zip")  # handed in again: now beta's videos
    (place / "out" / "beta" / "scorecard.json").write_text("{}")
    (place / "out" / "gamma" / "report.html").unlink()
    result = night.score_all(zips, place)
    assert [one.earlier for one in result.outcomes] == [False] * 3
    assert [decodes(place / "out" / name) for name in WHOLE] == [dict.fromkeys(("d01", "d02", "d03"), 0)] * 3
    values = [one.metrics["psnr.rgb"].value for one in result.outcomes]
    assert values[0] == values[1] == done[1].outcomes[1].metrics["psnr.rgb"].value
    other = night.score_all(zips, place, metrics=["psnr"])
    assert [one.earlier for one in other.outcomes] == [False] * 3
    fresh = night.score_all(zips, place, metrics=["psnr"], fresh=True)
    assert [one.earlier for one in fresh.outcomes] == [False] * 3


def test_what_is_incomplete_is_scored_again_when_asked(done: Any, night: Any, tmp_path: Path) -> None:
    place = tmp_path / "again"
    shutil.copytree(done[0], place)
    result = night.score_all(night.zips, place, retry=True)
    assert {one.entry.name: one.earlier for one in result.outcomes if one.metrics} == {
        "alpha": True, "beta": True, "gamma": True, "missing": False
    }  # fmt: skip


def test_videos_for_which_no_time_was_left_are_scored_by_the_next_run(night: Any, tmp_path: Path) -> None:
    zips = night.copy(tmp_path, "alpha")
    first = night.score_all(zips, tmp_path, submission_timeout=0.001)
    assert first.outcomes[0].state == "partly scored"
    assert "content.submission-timeout: 3 videos" in first.outcomes[0].reasons[0]
    again = night.score_all(zips, tmp_path)
    assert (again.outcomes[0].state, again.outcomes[0].earlier) == ("scored", False)


def test_every_kind_of_fault_is_a_row_and_the_others_are_scored(night: Any, tmp_path: Path) -> None:
    zips = night.copy(tmp_path, "alpha", "beta")
    (zips / "folder.zip").mkdir()
    (zips / "bad\u202ename.zip").write_bytes(b"")
    runs = tmp_path / "runs.csv"
    rows = ["alpha,zips/alpha.zip", "gone,zips/gone.zip", "empty,zips/folder.zip", "device,/dev/null"]
    runs.write_text("team,path\n" + "\n".join([*rows, "beta,zips/beta.zip"]) + "\n")
    result = night.score_all(runs, tmp_path)
    assert {one.entry.team: one.state for one in result.outcomes} == {
        "alpha": "scored", "gone": "refused", "empty": "refused", "device": "refused", "beta": "scored"
    }  # fmt: skip
    assert "does not exist" in str(result.outcomes[1].error)
    other = night.score_all(zips, tmp_path)
    assert {one.entry.path.name: one.state for one in other.outcomes} == {
        "alpha.zip": "scored", "beta.zip": "scored", "folder.zip": "refused", "bad\u202ename.zip": "refused"
    }  # fmt: skip
    assert all("\u202e" not in line for line in Path(tmp_path / "out" / "summary.csv").read_text().splitlines())


def test_a_zip_that_changes_while_it_is_read_has_no_scorecard(night: Any, tmp_path: Path) -> None:
    zips = night.copy(tmp_path, "alpha", "beta")

    def change() -> None:
        with (zips / "alpha.zip").open("ab") as stream:
            stream.write(b"more")

    result = night.score_all(zips, tmp_path, progress=Watching(change), workers=1)
    assert [one.state for one in result.outcomes] == ["refused", "scored"]
    assert isinstance(result.outcomes[0].error, SubmissionChangedError)
    assert not (tmp_path / "out" / "alpha" / "scorecard.json").exists()


def test_a_refused_zip_in_the_place_of_a_scored_one_says_that_its_results_are_old(night: Any, tmp_path: Path) -> None:
    zips = night.copy(tmp_path, "alpha")
    night.score_all(zips, tmp_path)
    shutil.copy(night.zips / "hostile.zip", zips / "alpha.zip")
    (row,) = night.score_all(zips, tmp_path).outcomes
    assert row.state == "refused"
    assert "of an earlier submission" in row.reasons[-1]
    assert row.to_json(tmp_path / "out")["scorecard"] is None


def test_a_worker_that_is_killed_costs_at_most_its_video(night: Any, tmp_path: Path) -> None:
    def kill_workers() -> None:
        for pid in worker_processes(os.getpid()):
            kill(pid)

    result = night.score_all(night.copy(tmp_path, *WHOLE), tmp_path, progress=Watching(kill_workers))
    assert {one.state for one in result.outcomes} <= {"scored", "partly scored"}, result.to_json()
    lost = sum(one.videos - one.scored_videos for one in result.outcomes)
    assert lost <= 2  # one for each worker
    assert all("content.reading-crashed" in reason for one in result.outcomes for reason in one.reasons)


def test_a_full_disk_stops_the_run_and_the_next_one_goes_on(
    night: Any, tmp_path: Path, tiny_disk: Callable[[int], Path]
) -> None:
    zips = night.copy(tmp_path, *WHOLE)
    disk = tiny_disk(96)
    filler = disk / "filler"
    filler.write_bytes(bytes(80 * 1024))
    first = night.score_all(zips, tmp_path, cache=disk)
    assert first.stopped is not None
    assert "no space left" in str(first.stopped)
    assert first.exit_code == 4
    assert {one.state for one in first.outcomes} <= {"not scored", "scored"}
    assert "not scored" in {one.state for one in first.outcomes}
    again = night.score_all(zips, tmp_path)
    assert again.exit_code == 0


def test_a_second_run_into_the_same_folder_is_refused(night: Any, tmp_path: Path) -> None:
    zips = night.copy(tmp_path, "alpha")
    seen: list[BaseException] = []

    def second() -> None:
        try:
            night.score_all(zips, tmp_path)
        except UsageError as error:
            seen.append(error)

    result = night.score_all(zips, tmp_path, progress=Watching(second))
    assert result.exit_code == 0
    assert "Another run is writing" in str(seen[0])


def test_a_submission_whose_folder_another_run_holds_costs_no_other(night: Any, tmp_path: Path) -> None:
    zips = night.copy(tmp_path, "alpha", "beta")
    held = Journal(tmp_path / "out" / "alpha" / "log.jsonl")
    try:
        result = night.score_all(zips, tmp_path)
    finally:
        held.close()
    assert [one.state for one in result.outcomes] == ["failed", "scored"]
    assert "Another run is writing" in str(result.outcomes[0].error)
    assert result.exit_code == 4


def test_giving_up_ends_all_workers_and_threads(night: Any, tmp_path: Path) -> None:
    class Stopping(Watching):
        def message(self, line: str) -> None:
            raise KeyboardInterrupt

    before = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt):
        night.score_all(night.copy(tmp_path, *WHOLE), tmp_path, progress=Stopping())
    assert not worker_processes(os.getpid())
    assert set(threading.enumerate()) <= before
    again = night.score_all(tmp_path / "zips", tmp_path)
    assert again.exit_code == 0
    assert sum(sum(decodes(tmp_path / "out" / name).values()) for name in WHOLE) < 9


def test_a_scorecard_of_another_sample_or_protocol_is_not_taken_for_finished(done: Any, night: Any) -> None:
    place, *_ = done
    from evalkit.challenges.model import load_challenge
    from evalkit.scoring.engine import LocalEngine
    from evalkit.scoring.plan import make_plan
    from evalkit.scoring.run import RunOptions
    from evalkit.submission.model import Submission
    from evalkit.testsets.loading import load_testset
    from evalkit.weights.manifest import load_backbones

    rules, samples = load_challenge("talking-head"), load_testset(night.testset)
    plan = make_plan(rules, load_backbones("published"), names=["psnr", "ssim"])
    submission = Submission.open(night.zips / "alpha.zip", rules.submission.archive)
    folder = place / "out" / "alpha"

    def found(**changes: Any) -> Scorecard | None:
        engine = LocalEngine(1)
        settings = Settings(rules, samples, plan, place / "out", RunOptions(place / "cache", engine), engine)
        return earlier_scorecard(folder, submission, replace(settings, **changes))

    assert found() == Scorecard.load(folder)
    other = make_plan(rules, load_backbones("bundled"), names=["psnr", "ssim"])
    assert found(plan=other) is None
    assert found(testset=samples.limited(2)) is None


def test_a_reference_pack_and_a_budget_serve_all_submissions(night: Any, tmp_path: Path) -> None:
    zips, pack = night.copy(tmp_path, "alpha", "beta"), tmp_path / "references.pack"
    names = ["psnr", "ssim"]
    api.prepare_references(night.testset, "talking-head", pack, metrics=names, workers=1, cache=tmp_path / "first")
    found = night.score_all(zips, tmp_path, reference_pack=pack, memory="8G")
    assert found.exit_code == 0
    api.score(
        zips / "beta.zip", "talking-head", night.testset, out=tmp_path / "alone", metrics=names, workers=1,
        cache=tmp_path / "second", reference_pack=pack,
    )  # fmt: skip
    assert without_timing(tmp_path / "out" / "beta") == without_timing(tmp_path / "alone")
    assert "reference_pack" in Scorecard.load(tmp_path / "out" / "beta").provenance
    assert all(one.earlier for one in night.score_all(zips, tmp_path, reference_pack=pack).outcomes)
    assert not any(one.earlier for one in night.score_all(zips, tmp_path).outcomes)
    with pytest.raises(UsageError, match="too little"):
        night.score_all(zips, tmp_path, memory="100M")
