"""Scoring with confined workers: paths, the clock, and the level that somebody chose."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evalkit import api
from evalkit.challenges.submission_rules import ArchiveRules, VideoRules
from evalkit.errors import UsageError
from evalkit.metrics.features.base import Item, WeightFile
from evalkit.scoring.engine import LocalEngine, absolute
from evalkit.scoring.jobs import Config, Job
from evalkit.scoring.run import RunOptions, validate_run
from evalkit.scoring.scorecard import Scorecard
from evalkit.submission.members import Member
from evalkit.submission.references import MemberRef
from evalkit.workers.pool import JobResult, Pool, Workers
from evalkit.workers.sandbox import JOB_SECONDS, default_level


@pytest.mark.parametrize("level", ["full", "off"])
def test_relative_paths_are_those_of_whoever_called(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: Any
) -> None:
    submission, samples = world.submission().path, world.samples().root
    monkeypatch.chdir(tmp_path)
    for name, target in (("team.zip", submission), ("samples", samples)):
        (tmp_path / name).symlink_to(target)
    card = api.score(
        "team.zip", world.challenge(), "samples", metrics=["psnr", "duration"], cache="cache", sandbox=level, workers=1
    )
    assert card.scored_videos == len(card.videos) > 0
    assert (tmp_path / "cache").is_dir()


@pytest.mark.parametrize("level", ["full", "off"])
def test_every_folder_may_be_the_one_that_the_caller_is_in(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: Any
) -> None:
    """``evalkit validate .`` in the folder of videos, ``--testset .`` and ``--cache .`` in theirs."""
    videos = tmp_path / "team"
    zipfile.ZipFile(world.submission().path).extractall(videos)
    options = {"metrics": ["psnr", "duration"], "sandbox": level, "workers": 1}
    monkeypatch.chdir(videos)
    assert api.validate(".", world.challenge(), world.samples(), cache=tmp_path / "a", workers=1, sandbox=level).ok
    card = api.score(".", world.challenge(), world.samples().root, cache=tmp_path / "b", **options)
    assert (card.submission.name, card.scored_videos) == ("team", len(card.videos))
    monkeypatch.chdir(world.samples().root)
    card = api.score(videos, world.challenge(), ".", cache=tmp_path / "c", **options)
    assert card.scored_videos == len(card.videos)
    (tmp_path / "d").mkdir()
    monkeypatch.chdir(tmp_path / "d")
    card = api.score("../team", world.challenge(), world.samples(), cache=".", **options)
    assert card.scored_videos == len(card.videos)
    assert (tmp_path / "d" / "facts").is_dir()


def test_a_video_that_takes_too_long_is_a_finding(world: Any, tmp_path: Path) -> None:
    rules = world.challenge()
    report = api.validate(world.submission().path, rules, world.samples(), cache=tmp_path, timeout=0.001, workers=1)
    assert [[finding.rule for finding in file.findings] for file in report.files] == [
        ["content.reading-timeout"] for _ in world.samples()
    ]
    assert report.files[0].findings[0].found == "more than 0.001 s"


def test_videos_for_which_no_time_is_left_are_unscored_and_scored_by_the_next_run(world: Any, tmp_path: Path) -> None:
    options: dict[str, Any] = {"metrics": ["psnr"], "cache": tmp_path / "cache", "workers": 1, "out": tmp_path / "out"}
    path, rules, samples = world.submission().path, world.challenge(), world.samples()
    api.score(path, rules, samples, **options, submission_timeout=0.001)
    card = Scorecard.load(tmp_path / "out")
    assert [video.reasons["psnr.rgb"] for video in card.videos] == ["invalid:content.submission-timeout"] * len(samples)
    assert {video.verdict for video in card.videos} == {"error"}
    (finding,) = card.videos[-1].findings
    assert (finding["rule"], finding["found"]) == ("content.submission-timeout", "more than 0.001 s for all of them")
    assert (card.metrics["psnr.rgb"].value, card.metrics["psnr.rgb"].coverage) == (None, 0.0)
    again = api.score(path, rules, samples, **options, replace=True)
    assert again.scored_videos == len(samples)


def test_a_limit_that_was_reached_is_not_remembered_of_the_file(world: Any, tmp_path: Path) -> None:
    path, rules = world.submission().path, world.challenge()
    for limit in ({"timeout": 0.001}, {"submission_timeout": 0.001}):
        assert not api.validate(path, rules, world.samples(), cache=tmp_path, workers=1, **limit).ok
    assert api.validate(path, rules, world.samples(), cache=tmp_path, workers=1).ok


def test_the_limits_of_a_run_follow_from_the_rules_unless_they_are_given(
    world: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen = watch_pools(monkeypatch)
    short = VideoRules(max_seconds=2.0, max_fps=25, max_width=100, max_height=100)
    rules = world.challenge().submission.model_copy(update={"video": short})
    challenge = world.challenge().model_copy(update={"submission": rules})
    submission = world.submission()
    sizes = [submission.ref(f"{sample.id}.mp4").member.size for sample in world.samples()]
    # 60 s, the file's bytes, 51 frames of 100 x 100 pixels, and 60 + 2 x 2 s of sound
    derived = [60 + size / 5e6 + 51 * 100 * 100 / 2e6 + 64 / 5 for size in sizes]
    for engine, each, total in (
        (LocalEngine(1), derived, 2 * max(derived)),
        (LocalEngine(1, timeout=10), [10] * 4, 2 * max(derived)),
        (LocalEngine(1, timeout=500), [500] * 4, 1000),
        (LocalEngine(1, submission_timeout=20), derived, 20),
    ):
        validate_run(submission, challenge, world.samples(), RunOptions(cache=tmp_path, engine=engine))
        work = seen.pop()
        assert work.timeout == pytest.approx(each)
        assert work.total == pytest.approx(total)
        assert work.start[2].job_cpu_seconds == 2 * (engine.timeout or JOB_SECONDS)


def test_every_path_of_a_job_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    item = Item("s1", Path(), reference_images=(Path("a.png"), Path("/b.png")), audio=Path("a.wav"))
    job = Job("s1", MemberRef(Path("t.zip"), Member("s1.mp4", b"s1.mp4", 1, 1, "file"), (1, 2, 3)), item, 2.5)
    placed = absolute(job)
    assert placed.member.archive == tmp_path / "t.zip"
    assert placed.member.member == job.member.member
    assert placed.member.stamp == (1, 2, 3)
    assert placed.item.video == tmp_path
    assert placed.item.reference_images == (tmp_path / "a.png", Path("/b.png"))
    assert (placed.item.audio, placed.item.reference_video) == (tmp_path / "a.wav", None)
    config = Config(Path("c"), ("facts",), {"r": WeightFile("r", Path("w"), "ab", {"size": [1, 2]})})
    assert absolute(config).cache == tmp_path / "c"
    assert absolute(config).weights["r"] == WeightFile("r", tmp_path / "w", "ab", {"size": [1, 2]})


def test_the_level_comes_from_the_environment_unless_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVALKIT_SANDBOX", raising=False)
    assert LocalEngine(1).sandbox == default_level() == "full"
    monkeypatch.setenv("EVALKIT_SANDBOX", "limits")
    assert LocalEngine(1).sandbox == "limits"
    assert LocalEngine(1, sandbox="off").sandbox == "off"
    monkeypatch.setenv("EVALKIT_SANDBOX", "none\x1b")
    with pytest.raises(UsageError, match=r"expected full, limits, off"):
        LocalEngine(1)


def test_a_worker_may_write_whatever_the_challenge_allows(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = watch_pools(monkeypatch)
    large = ArchiveRules(max_file_bytes=100 << 30)
    rules = world.challenge().submission.model_copy(update={"archive": large})
    job = Job("s1", MemberRef(Path("t.zip"), Member("s1.mp4", b"s1.mp4", 1, 1, "file"), None), Item("s1", Path()))
    config = Config(Path("c"), rules=rules, device="cuda")
    list(LocalEngine(1, timeout=10).run(config, [job], lambda index, answer: answer))
    limits = seen[0].start[2]
    assert (limits.file_bytes, limits.job_cpu_seconds, limits.graphics) == (200 << 30, 20, True)


def watch_pools(monkeypatch: pytest.MonkeyPatch) -> list[Workers]:
    """Return a list that grows by what pools are asked to do; they start no worker, and every job fails."""
    seen: list[Workers] = []

    def run(pool: Pool, work: Workers, jobs: Any, after: Any) -> Iterator[JobResult]:
        seen.append(work)
        return iter([JobResult(index, failure="error") for index in range(len(jobs))])

    monkeypatch.setattr(Pool, "run", run)
    return seen
