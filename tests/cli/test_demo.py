"""``evalkit demo``: what it makes, that it goes on where it stopped, and that its numbers mean something."""

from __future__ import annotations

import csv
import json
import zipfile
from datetime import datetime
from pathlib import Path

import pytest
import yaml
from pages import Page

from evalkit.board import Board
from evalkit.challenges.model import Challenge, load_challenge
from evalkit.cli import main
from evalkit.reference_models import demo_challenge
from evalkit.reference_models.raters import RaterPanel
from evalkit.scoring.scorecard import Scorecard
from evalkit.testsets.loading import load_testset

OPTIONS = ("--samples", "4", "--seconds", "0.8", "--size", "128", "--seed", "5", "--workers", "1")
NAMES = [team.name for team in (*demo_challenge.TEAMS, demo_challenge.DAMAGED)]


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    """Return exit code, standard output and standard error of one call."""
    with pytest.raises(SystemExit) as stop:
        main(["demo", *(str(word) for word in words)])
    captured = capsys.readouterr()
    return int(stop.value.code or 0), captured.out, captured.err


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished demo."""
    place = tmp_path_factory.mktemp("demo") / "demo"
    with pytest.raises(SystemExit) as stop:
        main(["demo", "-o", str(place), "--json", *OPTIONS])
    assert not stop.value.code
    return place


def stamps(folder: Path) -> dict[str, int]:
    """Return when each file was written, but for the pages, the tables beside them, and the board."""
    return {
        str(path): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".html" and path.name.partition(".")[0] not in {"leaderboard", "board"}
    }


def number(folder: Path, name: str, metric: str) -> float:
    """Return a team's number."""
    value = Scorecard.load(folder / "scorecards" / name).metrics[metric].value
    assert value is not None
    return value


def test_what_it_makes(folder: Path) -> None:
    assert len(load_testset(folder / "testset")) == 4
    assert sorted(path.stem for path in (folder / "submissions").iterdir()) == sorted([*NAMES, "refused"])
    assert sorted(path.name for path in (folder / "scorecards").iterdir()) == sorted(NAMES)
    challenge = load_challenge(folder / "challenge.yaml")
    asked = [entry.id for entry in challenge.metrics]
    assert asked == [name for names in demo_challenge.METRICS.values() for name in names]
    assert list(Scorecard.load(folder / "scorecards" / "truth").metrics) == asked


def test_the_page_has_every_team_and_both_broken_ones(folder: Path) -> None:
    page = Page((folder / "compare.html").read_text(encoding="utf-8"))
    table = page.find("table", id="entries")[0]["text"]
    for team in (*demo_challenge.TEAMS, demo_challenge.DAMAGED):
        assert team.note in table
    main_part = page.find("main")[0]["text"]
    for words in (
        "archive.path-traversal",
        demo_challenge.OUTSIDE_NAME,
        demo_challenge.REFUSED.note,
        "content.truncated",
    ):
        assert words in main_part
    assert len(page.find("svg", role="img")) >= 4 * len(demo_challenge.TEAMS)


def test_numbers_tell_truth_from_faults(folder: Path) -> None:
    best = number(folder, "truth", "psnr.rgb")
    for name in ("still", "late", "swap", "blur", "jitter", "shuffle"):
        assert number(folder, name, "psnr.rgb") < best - 1, name
    for worse in ("blur", "jitter"):
        assert number(folder, worse, "fid.pytorch") > number(folder, "truth", "fid.pytorch")
        assert number(folder, worse, "fvd.styleganv") > number(folder, "truth", "fvd.styleganv")
    assert number(folder, "swap", "psnr.rgb") == min(number(folder, name, "psnr.rgb") for name in NAMES)
    assert number(folder, "mute", "psnr.rgb") == pytest.approx(best, abs=1e-9)  # the pictures are the truth's
    assert number(folder, "still", "video.frozen_share") == 1
    assert number(folder, "jitter", "video.frozen_share") < 0.5


def test_the_damaged_one_is_scored_as_far_as_it_goes(folder: Path) -> None:
    card = Scorecard.load(folder / "scorecards" / "damaged")
    verdicts = [video.verdict for video in card.videos]
    assert verdicts[:3] == ["missing", "error", "error"]
    assert card.scored_videos == 1
    reasons = [video.reasons.get("psnr.rgb") for video in card.videos]
    assert reasons[0] == "missing"
    assert reasons[1].startswith("invalid:content.")
    assert reasons[2] == "invalid:encoding.resolution"
    assert card.metrics["psnr.rgb"].coverage == 0.25
    assert any(finding["path"] == demo_challenge.HOSTILE_NAME for finding in card.findings)


def test_the_refused_one_is_refused(folder: Path) -> None:
    report = json.loads((folder / "reports" / "refused.json").read_text())
    assert report["refused"] is True
    assert [finding["rule"] for finding in report["findings"]] == ["archive.path-traversal"]


def test_people_and_metrics_end_in_a_leaderboard(folder: Path) -> None:
    with Board.open(folder / "board.sqlite") as board:
        snapshot = board.snapshot()
        assert board.verify() == []
    assert [team.name for team in snapshot.teams] == sorted(NAMES)
    assert all(run.strips for run in snapshot.runs)
    panel = RaterPanel(*window(snapshot.challenge), demo_challenge.RATERS, demo_challenge.RATED, 5)
    assert snapshot.excluded("rater").keys() == {panel.speeder, panel.straight_liner}
    table = Page((folder / "leaderboard.html").read_text(encoding="utf-8")).find("main")[0]["text"]
    assert all(name in table for name in NAMES)
    with (folder / "leaderboard.csv").open(encoding="utf-8") as stream:
        rows = {row["team"]: row for row in csv.DictReader(stream)}
    assert rows["truth"]["rank"] == "1"
    assert rows["damaged"]["rank"] == ""
    assert r"\toprule" in (folder / "leaderboard.tex").read_text(encoding="utf-8")
    raters = (folder / "ratings.html").read_text(encoding="utf-8")
    assert panel.speeder in raters
    assert panel.speeder not in table


def window(challenge: Challenge) -> tuple[datetime, datetime]:
    """Return when the raters rate."""
    assert challenge.ratings.window is not None
    opens, closes = challenge.ratings.window.opens_at(), challenge.ratings.window.closes_at()
    assert opens is not None
    assert closes is not None
    return opens, closes


def test_a_second_run_makes_nothing_again(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    before = stamps(folder)
    pages = [folder / name for name in ("compare.html", "leaderboard.html", "ratings.html", "leaderboard.csv")]
    texts = [page.read_bytes() for page in pages]
    code, out, err = run(capsys, "-o", folder, "-q", *OPTIONS)
    assert (code, err) == (0, "")
    assert f"Page: {folder / 'leaderboard.html'}" in out
    assert "not ranked: damaged" in out
    changed = {path for path, stamp in stamps(folder).items() if before.get(path) != stamp}
    assert changed <= {str(folder / "reports" / "refused.json")}
    assert [page.read_bytes() for page in pages] == texts


def test_it_goes_on_where_it_stopped(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    before = stamps(folder)
    video = (folder / "submissions" / "late.zip").read_bytes()
    (folder / "submissions" / "late.zip").unlink()
    (folder / "scorecards" / "blur" / "scorecard.json").unlink()
    code, out, _ = run(capsys, "-o", folder, "--json", *OPTIONS)
    assert code == 0
    assert [entry["name"] for entry in json.loads(out)["entries"]] == NAMES
    assert (folder / "submissions" / "late.zip").read_bytes() == video
    after = stamps(folder)
    assert before.keys() == after.keys()
    assert (
        after[str(folder / "scorecards" / "truth" / "scorecard.json")]
        == before[str(folder / "scorecards" / "truth" / "scorecard.json")]
    )
    assert (
        after[str(folder / "scorecards" / "blur" / "scorecard.json")]
        != before[str(folder / "scorecards" / "blur" / "scorecard.json")]
    )


def test_a_test_set_that_was_stopped_half_way_is_made_whole(tmp_path: Path) -> None:
    whole = demo_challenge.DemoChallenge(tmp_path / "whole", samples=3, seconds=0.4, size=64)
    stopped = demo_challenge.DemoChallenge(tmp_path / "stopped", samples=3, seconds=0.4, size=64)

    def stop(name: str) -> None:
        raise KeyboardInterrupt(name)

    with pytest.raises(KeyboardInterrupt):
        stopped.testset(progress=stop)
    assert not (stopped.testset_folder / "samples.jsonl").exists()
    assert stopped.testset().sha256 == whole.testset().sha256
    assert len(list((stopped.testset_folder / "videos").iterdir())) == 3


def test_a_finished_test_set_without_the_marker_of_newer_versions_is_taken(tmp_path: Path) -> None:
    show = demo_challenge.DemoChallenge(tmp_path, samples=3, seconds=0.4, size=64)
    made = show.testset()
    (show.testset_folder / ".puppets.json").unlink()
    assert show.testset().sha256 == made.sha256


def test_the_key_is_written_before_the_ratings(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """Whoever finds the ratings finds the key too, however the run before ended."""
    ratings, key = folder / "ratings" / "ratings.csv", folder / "ratings" / "key.csv"
    texts = ratings.read_bytes(), key.read_bytes()
    assert key.stat().st_mtime_ns <= ratings.stat().st_mtime_ns
    key.unlink()  # as older versions were killed between the two
    (folder / "board.sqlite").unlink()
    assert run(capsys, "-o", folder, "-q", *OPTIONS)[0] == 0
    assert (ratings.read_bytes(), key.read_bytes()) == texts


def test_a_scorecard_of_another_file_is_not_taken(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    place = folder / "scorecards" / "still" / "scorecard.json"
    card = Scorecard.load(place)
    foreign = card.model_copy(update={"submission": card.submission.model_copy(update={"sha256": "00" * 32})})
    place.write_text(foreign.to_json())
    assert run(capsys, "-o", folder, "-q", *OPTIONS)[0] == 0
    assert Scorecard.load(place).submission.sha256 == card.submission.sha256


def test_other_options_need_another_folder(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    code, _, err = run(capsys, "-o", folder, *OPTIONS[:-4], "--seed", "6")
    assert code == 2
    assert "other options" in err
    assert '"seed": 5' in err


@pytest.mark.parametrize(("words", "told"), [(("--samples", "2"), "3<=x"), (("--size", "66"), "multiple of 4")])
def test_options_that_make_no_demo(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    code, _, err = run(capsys, "-o", tmp_path / "demo", *words)
    assert code == 2
    assert told in err


def test_the_same_seed_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    again = demo_challenge.DemoChallenge(tmp_path, seed=5, samples=4, seconds=0.8, size=128)
    testset = again.testset()
    for name in ("truth", "jitter"):
        team = next(team for team in demo_challenge.TEAMS if team.name == name)
        again.submission(team, testset)
        assert again.submission_file(team).read_bytes() == (folder / "submissions" / f"{name}.zip").read_bytes()
    again.damaged(testset)
    assert (
        again.submission_file(demo_challenge.DAMAGED).read_bytes()
        == (folder / "submissions" / "damaged.zip").read_bytes()
    )


def test_hostile_names_are_in_the_archives(folder: Path) -> None:
    for name, hostile in (("damaged", demo_challenge.HOSTILE_NAME), ("refused", demo_challenge.OUTSIDE_NAME)):
        with zipfile.ZipFile(folder / "submissions" / f"{name}.zip") as archive:
            assert hostile in archive.namelist()


def test_its_metrics_are_all_installed_and_its_networks_all_there() -> None:
    from evalkit.scoring.plan import make_plan
    from evalkit.weights.manifest import load_backbones

    challenge = Challenge.model_validate(yaml.safe_load(demo_challenge.challenge_text()))
    plan = make_plan(challenge, load_backbones(demo_challenge.BACKBONES))
    assert plan.unavailable == {}
    assert list(plan.metrics) == [name for names in demo_challenge.METRICS.values() for name in names]
