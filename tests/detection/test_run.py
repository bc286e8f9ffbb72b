"""Submissions of scores from end to end: validate, score, board, leaderboard, pages; what is no such submission."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from builders.boards import make_snapshot
from click.testing import CliRunner
from detection.conftest import SCORES, challenge
from leaderboard_pages import section
from pages import Page

import evalkit
from evalkit.board.scorecard_check import check_declared, check_numbers
from evalkit.challenges.model import load_challenge
from evalkit.cli import cli
from evalkit.errors import EvalkitError
from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.reports.detector_plots import BOTTOM, EDGE, HEIGHT, LEFT, LOOKS, WIDTH, detector_section
from evalkit.reports.leaderboard.detectors import thinned
from evalkit.reports.leaderboard.page import render_leaderboard
from evalkit.reports.leaderboard.tables import leaderboard_json
from evalkit.reports.scorecard_page import render_scorecard
from evalkit.scoring.detector_curves import POINTS, _thinned
from evalkit.scoring.scorecard import Scorecard
from evalkit.scoring.stored_curves import read_curves
from evalkit.statistics.detection import ScoredVideos, roc_auc

PRESETS = ("talkingheadbench-p1", "talkingheadbench-p2", "talkingheadbench-p3", "celebdfpp-gf", "celebdfpp-gfq")


def write(place: Path, scores: dict[str, object]) -> Path:
    place.write_text("video_id,score,prob\n" + "".join(f"{name},{score},{score}\n" for name, score in scores.items()))
    return place


def score(tmp_path: Path, testset, scores: dict[str, object] | None = None, **options: object) -> Scorecard:
    file = write(tmp_path / "team.csv", SCORES if scores is None else scores)
    return evalkit.score(file, challenge(), testset, out=tmp_path / "out", cache=tmp_path / "cache", **options)


def test_a_scorecard_of_scores(tmp_path: Path, testset):
    card = score(tmp_path, testset)
    # Fakes 0.4 0.9 0.2 0.8 against reals 0.1 0.3 0.6: 2 + 3 + 1 + 3 of 12 pairs.
    assert card.metrics["det.auc"].value == pytest.approx(9 / 12)
    assert card.metrics["det.auc.macro"].value == pytest.approx((5 / 6 + 4 / 6) / 2)
    assert card.metrics["det.auc.macro"].details["of maker1"] == pytest.approx(5 / 6)
    assert {video.sample: video.values["det.score"] for video in card.videos} == SCORES
    assert card.submission.kind == "scores"
    assert check_numbers(card)
    check_declared(card)
    assert Scorecard.load(tmp_path / "out").to_json() == card.to_json()
    assert "maker" not in json.dumps([video.model_dump(mode="json") for video in card.videos])


def test_the_same_scores_give_the_same_bytes(tmp_path: Path, testset):
    first = score(tmp_path, testset).model_copy(update={"timing": {}})
    again = score(tmp_path, testset, dict(reversed(SCORES.items()))).model_copy(update={"timing": {}})
    assert first.metrics == again.metrics
    assert first.videos == again.videos


def test_missing_and_failed_videos_are_events(tmp_path: Path, testset):
    card = score(tmp_path, testset, {name: value for name, value in SCORES.items() if name != "r1"} | {"f2": ""})
    reasons = {video.sample: video.reasons.get("det.score") for video in card.videos}
    assert (reasons["r1"], reasons["f2"], reasons["f1"]) == ("missing", "detector_failed", None)
    assert card.metrics["det.auc"].coverage == pytest.approx(5 / 7)
    strict = card.metrics["det.auc.strict"]
    assert (strict.n, strict.coverage, strict.details["worst_assumed"]) == (7, 1, 2)
    # Fakes 0.4 -inf 0.2 0.8 against reals inf 0.3 0.6: 1 + 0 + 0 + 2 of 12 pairs.
    assert strict.value == pytest.approx(3 / 12)
    check_numbers(card)


def test_participants_validate_and_can_not_score(tmp_path: Path, testset):
    file, public = write(tmp_path / "team.csv", SCORES), testset.root / "for-participants"
    report = evalkit.validate(file, challenge(), public)
    assert report.ok
    assert "7 scores" in str(report)
    assert "0 missing" in str(report)
    assert not evalkit.validate(write(tmp_path / "short.csv", {"r1": 1}), challenge(), public).ok
    with pytest.raises(EvalkitError, match="which videos are fake"):
        evalkit.score(file, challenge(), public)


def test_no_metric_of_videos_and_no_videos(tmp_path: Path, testset):
    file = write(tmp_path / "team.csv", SCORES)
    with pytest.raises(EvalkitError, match="psnr"):
        evalkit.score(file, challenge(), testset, metrics="psnr")
    with pytest.raises(EvalkitError, match=r"det\.auc"):
        evalkit.score(file, "talking-head", testset, metrics="det.auc", backbones="bundled")
    with pytest.raises(EvalkitError, match=r"det\.auc"):
        evalkit.measure("det.auc", [], fps=25)


@pytest.mark.parametrize("command", ["repair", "pack", "shard"])
def test_commands_for_files_say_so(tmp_path: Path, testset, command):
    file = write(tmp_path / "team.csv", SCORES)
    with pytest.raises(EvalkitError, match="scores"):
        if command == "repair":
            evalkit.repair(file, challenge(), tmp_path / "x.zip", testset)
        elif command == "pack":
            evalkit.pack(tmp_path, challenge(), testset, tmp_path / "x.zip")
        else:
            evalkit.score_shard(file, challenge(), testset, "1/2", tmp_path / "x.part")


def test_a_table_without_any_known_video_is_refused(tmp_path: Path, testset):
    with pytest.raises(EvalkitError, match=r"scores\."):
        score(tmp_path, testset, {"a": 1, "b": 2})


@pytest.mark.parametrize("preset", [*PRESETS, "celebdfpp-gfd"])
def test_a_preset_end_to_end(tmp_path: Path, preset, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("evalkit.progress.SHORT_SECONDS", 0.0)  # also of a machine on which it takes no time
    run = CliRunner()
    made, testset = tmp_path / "made", tmp_path / "testset"

    def call(*words: object, code: int = 0) -> str:
        done = run.invoke(cli, [str(word) for word in words])
        assert done.exit_code == code, done.output
        return done.output

    call("testset", "made-up-scores", made, "-c", preset, "--people", 30, "--generators", 2)
    call("testset", "from-truth", made / "truth.csv", "-o", testset)
    call("testset", "check", testset, "-c", preset)
    suffix = "zip" if preset.startswith("talking") else "csv"
    call("validate", made / "submissions" / f"keen.{suffix}", "-c", preset, "-t", testset / "for-participants")
    out = tmp_path / "out"
    words = ("score-all", made / "submissions", "-c", preset, "-t", testset, "-o", out)
    refused = run.invoke(cli, [str(word) for word in (*words, "--dry-run")]).exception
    assert isinstance(refused, EvalkitError) and "asks for tables of scores" in refused.what
    assert "scoring all: 4/4 submissions" in call(*words, code=3)
    cards = {name: Scorecard.load(out / name) for name in ("keen", "sure", "fails", "coin")}
    values = {name: card.metrics["det.auc.macro"].value for name, card in cards.items()}
    assert values["keen"] > values["sure"] > values["coin"]
    assert 0.3 < values["coin"] < 0.7
    assert cards["fails"].metrics["det.auc.macro"].coverage < 1
    assert cards["fails"].metrics["det.auc.macro.strict"].value < values["fails"]
    if preset == "celebdfpp-gfq":
        assert cards["keen"].metrics["det.auc_loss"].value > 0.02
    assert not any(name in cards["keen"].metrics for name in ("det.ap", "det.auc"))  # pooled, they would say nothing
    if preset == "talkingheadbench-p3":
        board = tmp_path / "c.board"
        call("board", "init", "-B", board, "-c", preset, "--testset", testset)
        for name in ("keen", "sure"):
            call("board", "add", name, out / name, "-B", board, "--new-team")
        page = tmp_path / "leaderboard.html"
        call("leaderboard", "-B", board, "-o", page)
        assert ">T1<" in page.read_text()


def test_a_training_list_that_leaks_is_refused_by_name(tmp_path: Path):
    run = CliRunner()
    made, testset = tmp_path / "made", tmp_path / "testset"
    for words in (
        ("testset", "made-up-scores", made, "-c", "talkingheadbench-p2", "--people", "6", "--generators", "2"),
        ("testset", "from-truth", made / "truth.csv", "-o", testset),
    ):
        assert run.invoke(cli, [str(word) for word in words]).exit_code == 0
    check = ["testset", "check", str(testset), "-c"]
    assert run.invoke(cli, [*check, "talkingheadbench-p2"]).exit_code == 0
    done = run.invoke(cli, [*check, "talkingheadbench-p3"])  # the people of P2 are in both
    assert done.exit_code == 1
    assert "truth.leak" in done.output
    assert "p001" in done.output


def test_the_page_draws_the_curves(tmp_path: Path, testset):
    card = score(tmp_path, testset)
    page = render_scorecard(card, lambda sample: None)
    for words in ('id="detector"', "ROC", "DET", "Reliability", "maker1", "By generator"):
        assert words in page
    section = detector_section(card)
    assert [plot.title for plot in section.plots] == ["ROC", "DET", "Reliability"]
    assert section.rows[0] == ("maker1", (pytest.approx(5 / 6),))
    assert section.sizes["maker2"] == (3, 2)


@pytest.mark.parametrize(
    "curves",
    [
        None,
        "<script>",
        {"roc": [{"name": "a", "n_real": 1, "n_fake": 1, "points": [[0, 0], [2, 1]]}]},
        {"roc": [{"name": "a", "n_real": 1, "n_fake": 1, "points": [[0, 0], ["NaN", 1]]}]},
        {"roc": [{"name": "a", "n_real": 1, "n_fake": 1, "points": [[0, 0]] * 5000}]},
        {"roc": [], "reliability": [{"n": 10**400, "probability": 2, "share": 0}]},
    ],
)
def test_curves_of_an_edited_scorecard_are_not_drawn(tmp_path: Path, testset, curves):
    card = score(tmp_path, testset)
    document = json.loads(card.to_json()) | {"curves": curves}
    edited = Scorecard.from_json(json.dumps(document))
    assert read_curves(edited) is None
    assert "<script>alert" not in render_scorecard(edited, lambda sample: None)


def test_hostile_names_of_generators_are_text(tmp_path: Path, testset):
    card = score(tmp_path, testset)
    document = json.loads(card.to_json())
    document["curves"]["roc"][0]["name"] = '"><script>alert(1)</script>'
    document["metrics"]["det.auc.macro"]["details"]['of <img src=x onerror="alert(1)">'] = 0.5
    page = render_scorecard(Scorecard.from_json(json.dumps(document)), lambda sample: None)
    assert "<script>alert(1)" not in page
    assert "<img src=x" not in page


def test_many_generators_leave_colours_for_the_extremes(tmp_path: Path, testset):
    card = score(tmp_path, testset)
    document = json.loads(card.to_json())
    points = [[[0, 0], [x / 20, 1], [1, 1]] for x in range(12)]
    document["curves"]["roc"] = [
        {"name": f"g{at:02}", "n_real": 3, "n_fake": 2, "points": one} for at, one in enumerate(points)
    ]
    section = detector_section(Scorecard.from_json(json.dumps(document)))
    assert {name for _, name in section.legend} == {"g00", "g11", "g10", "g09"}
    assert section.plain == 12 - 4
    assert section.plots[0].lines[0].look == LOOKS


def test_digests_of_other_challenges_stay(tmp_path: Path):
    before = load_challenge("talking-head")
    assert "detection" not in before.model_dump(exclude_defaults=True)
    plain, other = challenge(), challenge(detection={"frames": "max"})
    assert plain.scoring_sha256 != other.scoring_sha256
    assert plain.scoring_sha256 == challenge(detection={"disjoint": ["person"]}).scoring_sha256
    with pytest.raises(EvalkitError, match="'detection' has rules for the kind 'scores'"):
        (tmp_path / "c.yaml").write_text("schema: 1\nid: a\ntitle: A\ndetection: {frames: max}\n")
        load_challenge(tmp_path / "c.yaml")


def test_curves_are_short_and_keep_their_form():
    """Of 6000 videos a page gets 200 points at most, which enclose the same area."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 6000)
    scores = rng.normal(size=6000) + labels
    whole = ScoredVideos(labels, scores).curves()
    points = np.array(_thinned(whole.false_alarm_rates[0], whole.hit_rates[0]))
    assert len(points) <= POINTS
    assert points[0].tolist() == [0, 0]
    assert points[-1].tolist() == [1, 1]
    assert np.trapezoid(points[:, 1], points[:, 0]) == pytest.approx(float(roc_auc(whole)[0]), abs=2e-3)
    few = np.array(_thinned(np.array([0, 0, 0, 0.5, 1.0]), np.array([0, 0.25, 0.5, 0.75, 1.0])))
    assert few.tolist() == [[0, 0], [0, 0.5], [1, 1]]


def test_the_leaderboard_draws_a_curve_per_team(tmp_path: Path, testset):
    """The JSON file has the points of the scorecards; the page draws just these, a pair of plots per generator."""
    card = score(tmp_path, testset)
    worse = score(tmp_path, testset, {**SCORES, "f2": 0.05})
    failed = score(tmp_path, testset, {**SCORES, "f3": ""})
    rules = challenge(ranking="none")
    snapshot = make_snapshot(rules, {"keen": card, "worse": worse, "failed": failed})
    leaderboard = compute_leaderboard(snapshot, draws=100)
    shown = json.loads(leaderboard_json(snapshot, leaderboard))["leaderboard"]["curves"]
    own = {(one["team"], one["generator"]): one["points"] for one in shown}
    assert len(own) == 6
    for team, scored in (("keen", card), ("worse", worse), ("failed", failed)):
        for one in scored.model_extra["curves"]["roc"]:
            assert own[team, one["name"]] == one["points"]
    page = Page(render_leaderboard(snapshot, leaderboard))
    plots = page.find("svg", class_="curve")
    assert [one["attrs"]["aria-label"].partition(":")[0] for one in plots] == [
        "maker1, ROC", "maker1, DET", "maker2, ROC", "maker2, DET",
    ]  # fmt: skip
    paths = [one for one in page.find("path") if one["attrs"].get("class", "")[:1] == "k" and one["text"]]
    assert len(paths) == 12
    drawn = {one["text"]: one["attrs"]["d"] for one in paths if paths.index(one) < 3}
    left, right, top, bottom = LEFT, WIDTH - EDGE, EDGE, HEIGHT - BOTTOM
    for team, path in drawn.items():
        places = [tuple(map(float, place.split(","))) for place in path[1:].split("L")]
        expected = [(left + x * (right - left), bottom - y * (bottom - top)) for x, y in own[team, "maker1"]]
        assert places == list(dict.fromkeys((round(x, 1), round(y, 1)) for x, y in expected))
    text = section(page, "detectors")
    assert "2 fakes against 3 real videos" in text
    assert "1 fakes against 3 real videos (1 of the teams)" in text


def test_no_curves_no_section(tmp_path: Path, testset):
    document = json.loads(score(tmp_path, testset).to_json()) | {"curves": "<script>"}
    snapshot = make_snapshot(challenge(ranking="none"), {"keen": Scorecard.from_json(json.dumps(document))})
    leaderboard = compute_leaderboard(snapshot, draws=100)
    assert leaderboard.curves == ()
    assert 'id="detectors"' not in render_leaderboard(snapshot, leaderboard)


def test_curves_of_many_teams_are_thinned_with_both_ends():
    points = [(at / 199, (at / 199) ** 0.5) for at in range(200)]
    few = thinned(points, 20)
    assert (len(few), few[0], few[-1]) == (20, (0.0, 0.0), (1.0, 1.0))
    assert set(few) <= set(points)
    assert thinned(points[:5], 20) == tuple(points[:5])
