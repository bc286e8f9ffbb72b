"""What findings about gaming do to numbers and ranks, computed by hand, and how an organizer overrules them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from board_tools import YAML
from builders.boards import NOW, make_snapshot

from evalkit.board import Board
from evalkit.board.consequences import with_consequences
from evalkit.board.model import Decision, Snapshot
from evalkit.challenge_check import challenge_faults
from evalkit.challenge_gaming import gaming_notes
from evalkit.challenges.model import parse_challenge
from evalkit.errors import ChallengeError, InputError
from evalkit.hosting.runs import hosted_run
from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.leaderboard.serialise import as_dict
from evalkit.reports.audience import leaderboard_for
from evalkit.reports.leaderboard.beside import Beside
from evalkit.reports.leaderboard.page import render_leaderboard
from evalkit.reports.leaderboard.tables import leaderboard_latex, leaderboard_markdown
from evalkit.reports.leaderboard.team_page import render_team_pages
from evalkit.reports.leaderboard.words import consequence_lines, unchecked_lines
from evalkit.scoring.records import FeatureUse, Fingerprint
from evalkit.scoring.scorecard import Scorecard
from evalkit.validators.operating_points import OPERATING_POINTS, OperatingPoint
from evalkit.validators.registry import rules_for

RULES = """
schema: 1
id: c
title: The challenge
submission: {gaming: {%s}}
coverage: 1.0
metrics:
  - {id: psnr.rgb, weight: 1, range: [10, 50]}
  - {id: fid.pytorch, weight: 1, range: [0, 200]}
  - {id: ssim.gray, rank: false}
ranking: weighted-sum
"""
BETTER = {"fid.pytorch": False}
WHY = ("manual", "a test run", "organizer", NOW)
VALUES: dict[str, Any] = {
    "alpha": {"psnr.rgb": [40.0, 44.0, 42.0, 42.0], "fid.pytorch": 20.0, "ssim.gray": [0.9] * 4},
    "beta": {"psnr.rgb": [36.0, 36.0, 36.0, 36.0], "fid.pytorch": 30.0, "ssim.gray": [0.8] * 4},
}
LOOPED = {"rule": "gaming.looped", "severity": "warning", "message": "Again.", "found": "after 1.5 s", "path": "s2.mp4"}


def board(
    effect: str, values: Any = None, finding: Any = LOOPED, at: int = 1, rules: str = RULES, **more: Any
) -> Snapshot:
    """Return a board on which the second video of alpha is looped."""
    made = make_snapshot(
        rules % (f"gaming.looped: {effect}" if effect else ""), values or VALUES, better=BETTER, **more
    )
    runs = list(made.runs)
    card = runs[0].card
    videos = list(card.videos)
    videos[at] = videos[at].model_copy(update={"findings": (finding,), "verdict": "warning"})
    runs[0] = replace(runs[0], card=card.model_copy(update={"videos": tuple(videos)}))
    return replace(made, runs=tuple(runs))


def alpha(snapshot: Snapshot) -> Scorecard:
    return with_consequences(snapshot).runs[0].card


@pytest.mark.parametrize("effect", ["", "tell"])
def test_by_default_nothing_follows(effect):
    snapshot = board(effect)
    assert with_consequences(snapshot) is snapshot
    assert compute_leaderboard(snapshot, draws=100).consequences == ()


def test_zero_is_the_worst_end_of_the_range():
    card = alpha(board("zero"))
    assert [video.values["psnr.rgb"] for video in card.videos] == [40.0, 10.0, 42.0, 42.0]
    assert card.metrics["psnr.rgb"].value == pytest.approx(33.5) and card.metrics["psnr.rgb"].coverage == 1.0
    assert card.metrics["fid.pytorch"].value == pytest.approx(0.75 * 20 + 0.25 * 200)
    assert [video.values["ssim.gray"] for video in card.videos] == [0.9] * 4  # it doesn't rank
    board_ = compute_leaderboard(board("zero"), draws=100)
    assert [(row.team, row.rank) for row in board_.rows if row.rank] == [("beta", 1), ("alpha", 2)]
    first = compute_leaderboard(board("tell"), draws=100)
    assert [(row.team, row.rank) for row in first.rows if row.rank] == [("alpha", 1), ("beta", 2)]


RATED = (
    RULES
    + """
ratings: {method: mos, dimensions: [{id: look, title: Look}]}
"""
)


def test_what_is_said_of_metrics_is_of_what_was_measured():
    ratings = [("r1", team, f"s{at}", "look", float(at)) for team in ("alpha", "beta") for at in range(1, 5)]

    def of(effect: str) -> Any:
        return compute_leaderboard(board(effect, rules=RATED, ratings=ratings), draws=100)

    told, zeroed, refused = of("tell"), of("zero"), of("refuse")
    assert {row.team: row.cells["psnr.rgb"].value for row in zeroed.rows} == {"alpha": 33.5, "beta": 36.0}
    (spread,) = (one for one in zeroed.distributions if (one.column, one.team) == ("psnr.rgb", "alpha"))
    assert sorted(spread.values) == [40.0, 42.0, 42.0, 44.0]
    for found in (zeroed, refused):
        assert found.points == told.points
        assert found.team_points == told.team_points
        assert found.distributions == told.distributions
    assert any(one.metric == "psnr.rgb" and len(one.x) == 8 for one in told.points)


def test_numbers_say_how_many_videos_count_with_the_worst_value():
    found = compute_leaderboard(board("zero"), draws=100)
    at_worst = {row.team: {name: cell.at_worst for name, cell in row.cells.items()} for row in found.rows}
    assert at_worst == {
        "alpha": {"psnr.rgb": 1, "fid.pytorch": 1, "ssim.gray": 0},
        "beta": {"psnr.rgb": 0, "fid.pytorch": 0, "ssim.gray": 0},
    }
    assert "1 at the worst value" in render_leaderboard(board("zero"), found)
    for effect in ("tell", "refuse"):
        rows = compute_leaderboard(board(effect), draws=100).rows
        assert {cell.at_worst for row in rows for cell in row.cells.values()} == {0}


def test_a_video_that_is_refused_is_not_told_of_as_zeroed():
    snapshot = board("zero")
    video = snapshot.runs[0].card.videos[1]
    frozen = {"rule": "content.frozen", "severity": "warning", "message": "Nothing moves.", "path": "s2.mp4"}
    both = video.model_copy(update={"findings": (*video.findings, frozen)})
    videos = (*snapshot.runs[0].card.videos[:1], both, *snapshot.runs[0].card.videos[2:])
    card = snapshot.runs[0].card.model_copy(update={"videos": videos})
    gaming = {"gaming.looped": "zero", "content.frozen": "refuse"}
    submission = snapshot.challenge.submission.model_copy(update={"gaming": gaming})
    changed = replace(
        snapshot,
        challenge=snapshot.challenge.model_copy(update={"submission": submission}),
        runs=(replace(snapshot.runs[0], card=card), *snapshot.runs[1:]),
    )
    found = compute_leaderboard(changed, draws=100)
    assert len(found.consequences) == 2
    assert consequence_lines(found) == [
        f"alpha, run {snapshot.runs[0].name}: 1 video counts without a value, for findings about gaming."
    ]
    assert {cell.at_worst for row in found.rows for cell in row.cells.values()} == {0}


def test_zero_is_the_worst_end_of_the_side_that_the_challenge_says():
    snapshot = board("zero")
    metrics = tuple(
        entry.model_copy(update={"direction": "lower"}) if entry.id == "psnr.rgb" else entry
        for entry in snapshot.challenge.metrics
    )
    turned = replace(snapshot, challenge=snapshot.challenge.model_copy(update={"metrics": metrics}))
    assert [video.values["psnr.rgb"] for video in alpha(turned).videos] == [40.0, 50.0, 42.0, 42.0]


def test_zero_never_helps_and_missing_stays_missing():
    worse = {**VALUES, "alpha": {**VALUES["alpha"], "psnr.rgb": [40.0, 4.0, 42.0, 42.0]}}
    assert alpha(board("zero", worse)).videos[1].values["psnr.rgb"] == 4.0
    gone = {**VALUES, "alpha": {**VALUES["alpha"], "psnr.rgb": [40.0, None, 42.0, 42.0]}}
    card = alpha(board("zero", gone))
    assert card.videos[1].values["psnr.rgb"] is None and card.metrics["psnr.rgb"].coverage == 0.75


def test_a_refused_video_has_no_value_and_takes_the_run_out_of_the_ranking():
    card = alpha(board("refuse"))
    assert set(card.videos[1].values.values()) == {None}
    assert set(card.videos[1].reasons.values()) == {"gaming.looped"}
    assert card.metrics["psnr.rgb"].value == pytest.approx(124 / 3)
    assert (card.metrics["psnr.rgb"].coverage, card.metrics["fid.pytorch"].coverage) == (0.75, 0.75)
    ranked = {row.team: row.rank for row in compute_leaderboard(board("refuse"), draws=100).rows}
    assert ranked == {"alpha": None, "beta": 1}


def test_a_decision_overrules_a_finding_and_the_page_says_so():
    decision = ("finding", "alpha/main/s2/gaming.looped", "manual", "she nods")
    run = board("zero").runs[0]
    decision = (decision[0], f"{run.team}/{run.name}/s2/gaming.looped", *decision[2:])
    overruled = board("zero", decisions=(decision,))
    assert with_consequences(overruled) is overruled
    found = compute_leaderboard(overruled, draws=100)
    assert [(one.sample, one.effect, one.overruled) for one in found.consequences] == [("s2", "zero", True)]
    assert consequence_lines(found) == []
    other = (decision[0], f"{run.team}/{run.name}/s1/gaming.looped", *decision[2:])
    assert alpha(board("zero", decisions=(other,))).videos[1].values["psnr.rgb"] == 10.0
    for audience in ("public", "organizers"):
        page = render_leaderboard(overruled, found, audience)
        assert "overruled" in page and "gaming.looped" in page


def test_what_follows_is_told_everywhere():
    snapshot = board("zero")
    found = compute_leaderboard(snapshot, draws=100)
    (told,) = as_dict(found)["consequences"]
    assert (told["sample"], told["rule"], told["effect"], told["found"]) == (
        "s2",
        "gaming.looped",
        "zero",
        "Again: after 1.5 s.",
    )
    (line,) = consequence_lines(found)
    assert line.endswith("1 video counts with the worst value in each ranking metric, for findings about gaming.")
    assert "worst value in each ranking metric" in leaderboard_latex(snapshot, found)
    assert "worst value in each ranking metric" in leaderboard_markdown(snapshot, found)
    pages = render_team_pages(snapshot, found, Beside({"alpha": "alpha", "beta": "beta"}), "board.html")
    assert "gaming.looped" in pages["alpha"] and "Again: after 1.5 s." in pages["alpha"]
    assert "Again: after" not in pages["beta"]
    assert 'id="consequences"' in render_leaderboard(snapshot, found)
    assert 'id="consequences"' not in render_leaderboard(board("tell"), compute_leaderboard(board("tell"), draws=100))
    hidden = replace(found, rows=tuple(row for row in found.rows if row.team != "alpha"))
    assert leaderboard_for("public", snapshot, hidden)[1].consequences == ()
    other = replace(snapshot.runs[0], name="second", primary=False)
    withheld = replace(snapshot, runs=(*snapshot.runs, other), decisions=(Decision(1, "run", "alpha/second", *WHY),))
    found = compute_leaderboard(withheld, draws=100)
    assert {one.run for one in found.consequences} == {snapshot.runs[0].name, "second"}
    assert {one.run for one in leaderboard_for("public", withheld, found)[1].consequences} == {snapshot.runs[0].name}


CHECKED = {"fingerprint": FeatureUse(version=1), "face_stillness": FeatureUse(version=1)}
PRINT = Fingerprint(sha256="0" * 64, motion=1.0, picture="00")


def checked(snapshot: Snapshot, prints: int, features: Any) -> Snapshot:
    """Return the board with fingerprints of the first videos of alpha and of all of beta, and their features."""
    runs = []
    for run, wanted, named in zip(snapshot.runs, (prints, 4), (features, CHECKED), strict=True):
        videos = [
            video.model_copy(update={"fingerprint": PRINT if at < wanted else None})
            for at, video in enumerate(run.card.videos)
        ]
        update = {"videos": tuple(videos), "features": {**run.card.features, **named}}
        runs.append(replace(run, card=run.card.model_copy(update=update)))
    return replace(snapshot, runs=tuple(runs))


@pytest.mark.parametrize(
    ("declared", "prints", "features", "told"),
    [
        ("gaming.looped: zero", 4, CHECKED, ""),
        ("gaming.looped: zero", 3, CHECKED, "1 video was not examined"),
        ("gaming.looped: zero", 0, {}, "4 videos were not examined; gaming.looped looked at no video"),
        ("gaming.face-still: zero", 4, {"fingerprint": CHECKED["fingerprint"]}, "gaming.face-still looked at no video"),
        ("gaming.looped: tell", 0, {}, ""),
        ("content.frozen: refuse", 0, {}, ""),
        ("", 0, {}, ""),
    ],
)
def test_what_was_not_looked_for_is_no_absence(declared, prints, features, told):
    snapshot = checked(make_snapshot(RULES % declared, VALUES, better=BETTER), prints, features)
    found = compute_leaderboard(snapshot, draws=100)
    lines = unchecked_lines(found.unchecked)
    assert [line.split("scorecard: ")[1] for line in lines] == ([f"{told}."] if told else [])
    assert [one.team for one in found.unchecked] == ["alpha"] * bool(told)
    pages = render_team_pages(snapshot, found, Beside({"alpha": "alpha", "beta": "beta"}), "board.html")
    for audience in ("public", "organizers"):
        assert ("not checked</span>" in render_leaderboard(snapshot, found, audience)) == bool(told)
    assert ("not checked for gaming" in pages["alpha"]) == bool(told) and "not checked for gaming" not in pages["beta"]
    assert ("not checked for gaming" in leaderboard_markdown(snapshot, found)) == bool(told)


def test_a_frozen_video_can_have_a_consequence():
    frozen = {"rule": "content.frozen", "severity": "warning", "message": "The video is frozen.", "found": "100 %"}
    made = board("zero", finding=frozen)
    challenge = parse_challenge(RULES % "content.frozen: zero", "c")
    assert [one for one in challenge_faults(challenge) if "gaming" in one] == [] and gaming_notes(challenge) == []
    card = alpha(replace(made, challenge=challenge))
    assert [video.values["psnr.rgb"] for video in card.videos] == [40.0, 10.0, 42.0, 42.0]


def test_platforms_get_what_counts():
    told, zeroed, refused = (
        hosted_run(one.runs[0].card, one.challenge) for one in (board("tell"), board("zero"), board("refuse"))
    )
    assert sorted(told.numbers.values()) != sorted(zeroed.numbers.values())
    assert {42.0, 20.0} <= set(told.numbers.values()) and {33.5, 65.0} <= set(zeroed.numbers.values())
    assert told.ranked and zeroed.ranked and not refused.ranked


@pytest.mark.parametrize(
    "finding",
    [
        {},
        {"rule": None},
        {"rule": ["gaming.looped"]},
        {"rule": "gaming.looped", "found": "<script>alert(1)</script>\x1b[31m", "message": 5},
    ],
)
def test_findings_of_foreign_scorecards(finding):
    snapshot = board("zero", finding=finding)
    found = compute_leaderboard(snapshot, draws=100)
    assert len(found.consequences) == (finding.get("rule") == "gaming.looped")
    assert "<script>alert" not in render_leaderboard(snapshot, found)


def test_consequences_are_no_part_of_what_is_scored():
    plain, declared = parse_challenge(RULES % "", "c"), parse_challenge(RULES % "gaming.looped: zero", "c")
    assert plain.scoring_sha256 == declared.scoring_sha256 and plain.sha256 != declared.sha256
    with pytest.raises(ChallengeError, match="tell"):
        parse_challenge(RULES % "gaming.looped: banish", "c")


@pytest.mark.parametrize(
    ("declared", "fault"),
    [
        ("gaming.loped: zero", "does not exist.*gaming.looped"),
        ("gaming.loped: tell", "does not exist"),
        ("encoding.codec: refuse", "not about one video"),
        ("gaming.across-teams: zero", "not about one video"),
    ],
)
def test_consequences_that_cannot_follow(declared, fault):
    faults = [one for one in challenge_faults(parse_challenge(RULES % declared, "c")) if "gaming" in one]
    assert len(faults) == 1 and re.search(fault, faults[0]), faults


def test_zero_needs_a_worst_value_and_a_rule_that_is_on():
    text = RULES.replace(", range: [0, 200]", "") % "gaming.looped: zero"
    assert any("fid.pytorch" in one and "worst value" in one for one in challenge_faults(parse_challenge(text, "c")))
    off = RULES.replace("submission: {", 'submission: {severities: {gaming.looped: "off"}, ') % "gaming.looped: refuse"
    assert any("switches off" in one for one in challenge_faults(parse_challenge(off, "c")))
    good = parse_challenge(RULES % "gaming.looped: zero", "c")
    assert not [one for one in challenge_faults(good) if "gaming" in one] and gaming_notes(good) == []


def test_rules_that_are_wrong_about_honest_clips_should_only_tell(monkeypatch):
    assert set(OPERATING_POINTS) == {rule.id for rule in rules_for("gaming")} | {"content.frozen"}
    blind, note = gaming_notes(parse_challenge(RULES % "gaming.mouth-only: refuse", "c"))
    assert "dub a photo" in note and "no metric of the challenge does" in blind
    seeing = RULES.replace("ssim.gray", "csim.first") % "gaming.mouth-only: refuse, gaming.mouth-pasted: zero"
    assert not [one for one in gaming_notes(parse_challenge(seeing, "c")) if "no metric" in one]
    monkeypatch.setitem(OPERATING_POINTS, "gaming.looped", OperatingPoint(39, 2))
    (note,) = gaming_notes(parse_challenge(RULES % "gaming.looped: zero", "c"))
    assert "wrong about 2 of 39 honest clips" in note and gaming_notes(parse_challenge(RULES % "", "c")) == []


def test_a_board_takes_decisions_about_findings_that_are_there(tmp_path):
    from board_tools import card

    made = card("alpha")
    videos = (made.videos[0].model_copy(update={"findings": (LOOPED,), "verdict": "warning"}), *made.videos[1:])
    sample = made.videos[0].sample
    with Board.create(str(tmp_path / "b.sqlite"), parse_challenge(YAML, "c"), YAML, by="olga") as opened:
        opened.add_team("alpha", by="olga")
        opened.add_run("alpha", "main", made.model_copy(update={"videos": videos}), by="olga")
        subject = f"alpha/main/{sample}/gaming.looped"
        with pytest.raises(InputError, match="no finding") as told:
            opened.exclude("finding", [(subject.replace("looped", "loop"), "manual", "she nods")], by="pia")
        assert subject in str(told.value)
        assert opened.exclude("finding", [(subject, "manual", "she nods")], by="pia") == [1]
        assert set(opened.snapshot().excluded("finding")) == {subject}
        opened.include(opened.decisions_on("finding", [subject]), by="pia", why="no, a loop")
        assert opened.snapshot().excluded("finding") == {} and opened.verify() == []
