"""Comparisons with known answers and with real videos: the plan, simulated raters, the board, the platforms' files."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from builders.board_shell import Shell
from studio.study import PAIRS, TEAMS, Study, make_study

from evalkit.board import Board
from evalkit.board.filtering import filter_answers
from evalkit.rating_report.compute import compute_rating_report
from evalkit.studio.boarding import board_writer, is_for_board, set_up_board
from evalkit.studio.journal import StoredAnswer
from evalkit.studio.next_item import Given, next_item
from evalkit.studio.overview import Screening, export_rows
from evalkit.studio.plan_model import Plan, key_of, plan_from_json, read_plan

CONTROL = "controls/frozen.mp4"
GOLD = f"""sample,first,second,answer
s1,reference,{CONTROL},first
s2,{CONTROL},atlas,second
s3,(reference),lumen,first
s4,{CONTROL},(reference),second
s5,corvus,{CONTROL},different
s6,lumen,atlas,different
"""
START = datetime(2026, 3, 3, 12, tzinfo=UTC)


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setenv("EVALKIT_BY", "olga")
    return Shell(tmp_path, capsys)


def planned(shell: Shell, *words: str | Path, gold: str = GOLD, raters: str = "8") -> tuple[Study, Plan]:
    study = make_study(shell.folder, PAIRS)
    (study.testset / "controls").mkdir()
    (study.testset / CONTROL).write_bytes(b"a frozen picture")
    out = shell.folder / "plan.json"
    more = ("--gold", shell.write("gold.csv", gold), "--completion", "CODE-7", *words)
    shell("studio", "plan", *study.words, "--raters", raters, *more, "-o", out)
    return study, read_plan(out)


def sides(plan: Plan, rater: str, kind: str) -> list[tuple[str, str, str]]:
    """Return sample, left and right of a rater's items of a kind."""
    items = [item for item in plan.raters[rater].items if item is not None and plan.items[item].kind == kind]
    return [(plan.items[item].sample, *plan.sides_of(item)) for item in items]


def test_the_right_side_is_the_left_one_half_of_the_time(shell: Shell) -> None:
    people = shell.write("raters.csv", "rater,team\na,lumen\nb,atlas\n" + "".join(f"r{at},\n" for at in range(6)))
    _, plan = planned(shell, "--items", "9", "--repeats", "2", "--references", "3", raters=str(people))
    lean: Counter[str] = Counter()
    for name, rater in plan.raters.items():
        known = {row[0]: row[1:] for row in sides(plan, name, "gold")}
        own = {"a": {"s1", "s2", "s4", "s5"}, "b": {"s1", "s3", "s4", "s5"}}.get(name, {"s1", "s2", "s3", "s4", "s5"})
        assert known.keys() - {"s6"} == own
        right = {sample: sides[0] != f"(control {CONTROL})" for sample, sides in known.items() if sample not in {"s6"}}
        right |= {"s3": known["s3"][0] == "(reference)"} if "s3" in known else {}
        lefts = sum(right.values())
        assert abs(2 * lefts - len(right)) <= 1
        for sample, left in right.items():
            lean[sample] += 1 if left else -1
        for item in (plan.items[str(one)] for one in rater.items):
            if item.kind == "gold" and item.sample in {"s1", "s2", "s3", "s4"}:
                assert item.expected == {"pair": (1.0, 1.0) if right[item.sample] else (0.0, 0.0)} and not item.no_draw
            elif item.kind == "gold":
                assert item.expected == {"pair": (0.0, 1.0)} and item.no_draw == ("pair",)
        samples = [plan.items[str(item)].sample for item in rater.items]
        assert all(one != other for one, other in pairwise(samples))
    assert all(abs(lean[sample]) <= 1 for sample in ("s1", "s4", "s5"))


def test_every_team_is_beside_the_truth_equally_often_on_either_side(shell: Shell) -> None:
    _, plan = planned(shell, "--items", "9", "--references", "3", raters="5")
    teams: Counter[str] = Counter()
    left = 0
    for name in plan.raters:
        found = sides(plan, name, "reference")
        assert len(found) == 3 and {"(reference)"} == {side for row in found for side in row[1:] if side not in TEAMS}
        own = Counter(side for row in found for side in row[1:] if side in TEAMS)
        assert own == dict.fromkeys(TEAMS, 1)
        teams.update(own)
        lefts = sum(row[1] == "(reference)" for row in found)
        assert 1 <= lefts <= 2
        left += lefts
    assert teams == dict.fromkeys(TEAMS, 5) and 7 <= left <= 8
    assert len({row[0] for name in plan.raters for row in sides(plan, name, "reference")}) >= 4
    said = json.loads(shell("studio", "plan", *_words(shell), "--raters", "5", "--references", "3", "--items", "9",
                            "--dry-run", "--json"))["balance"]  # fmt: skip
    assert said["items"] == {"rating": [9, 9], "reference": [3, 3]}
    assert sum(one["shown"] for one in said["teams"]) == 2 * 45  # what ranks nobody is not among them


def _words(shell: Shell) -> list[str]:
    return Study(shell.folder / "board.sqlite", shell.folder / "zips", shell.folder / "testset").words


def answered(study: Study, plan: Plan) -> list[StoredAnswer]:
    """Let r001 answer what is right, r002 at random, r003 always left and the others what is right but for one."""
    rng = np.random.default_rng(3)
    stored: list[StoredAnswer] = []
    for rater in plan.raters:
        given: list[Given] = []
        while (item := next_item(plan, given, rater)) is not None:
            about, number = plan.items[item], len(stored) + 1
            low, high = about.expected.get("pair", (0.0, 1.0))
            right = float(low if low == high else plan.sides_of(item)[0] < plan.sides_of(item)[1])
            value = {"r002": float(rng.choice([0.0, 0.5, 1.0])), "r003": 1.0}.get(rater, right)
            given.append(Given(rater, item, {"pair": value}))
            times = {"at": START + timedelta(seconds=number), "seconds": 5.0, "page_seconds": 4.5}
            more = {"watched": (1.0, 1.0), "shown_at": "", "answered_at": "", "number": number}
            skipped = not is_for_board(plan, item)
            stored.append(StoredAnswer(f"a-{number}", rater, item, {"pair": value}, on_board=skipped, **times, **more))
    with Board.open(str(study.board)) as board:
        for _ in range(2):
            set_up_board(board, plan, "plan.json", "olga")
        board_writer(board, plan, "plan.json", plan.sha256, "olga")([one for one in stored if not one.on_board])
    return stored


@pytest.mark.parametrize("adaptive", [False, True])
def test_who_guesses_is_flagged_and_nobody_is_ranked_by_it(shell: Shell, adaptive: bool) -> None:
    words = ("--items", "12", "--training", "1", "--repeats", "2", "--references", "2", "--seed", "5")
    study, plan = planned(shell, *words, *(["--adaptive"] if adaptive else []), raters="6")
    stored = answered(study, plan)
    kinds = Counter(plan.items[one.item].kind for one in stored if one.rater == "r001")
    assert kinds["rating"] + kinds["gold"] == 10 + 5 and kinds["repeat"] == kinds["reference"] == 2
    with Board.open(str(study.board)) as board:
        flags = Screening(board, plan).flags()
        snapshot = board.snapshot()
        assert board.verify() == []
    assert len(snapshot.gold_pairs) == 6
    flagged = {rater for rater, why in flags.raters.items() if any("gold items" in sentence for sentence in why)}
    assert flagged == {"r002", "r003"}, flags
    found = shell("ratings", "screen", "-B", study.board, "--rule", "gold", "--json")
    assert [row["rater"] for row in json.loads(found)["found"]] == ["r002", "r003"]
    verdicts = filter_answers(snapshot).of("comparison")
    assert {side for one in verdicts if one.counted for side in one.answer.teams} == set(TEAMS)
    by_kind: dict[str, set[tuple[str, ...]]] = {}
    codes = {(one.answer.rater, one.answer.at): one.codes for one in verdicts}
    for one in stored:
        by_kind.setdefault(plan.items[one.item].kind, set()).add(codes.get((one.rater, one.at), ("none",)))
    assert by_kind.pop("gold") <= {(), ("not-ranked",)}  # that of two teams counts
    assert by_kind == {
        "training": {("none",)},
        "rating": {()},
        "repeat": {("duplicate",)},
        "reference": {("not-ranked",)},
    }
    report = compute_rating_report(snapshot)
    assert sum(row.comparisons for row in report.comparisons[0].references) >= 6 * 2
    consistent = {one.rater: one.repeats for one in report.raters}
    assert all(one is not None and one.answers == 2 for one in consistent.values())
    assert consistent["r001"].mean_difference == 0.0  # type: ignore[union-attr]


def test_the_export_comes_back_and_changes_nothing(shell: Shell) -> None:
    study, plan = planned(shell, "--items", "9", "--references", "2", raters="3")
    stored = answered(study, plan)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(export_rows(plan, stored, teams=True))
    answers = shell.write("pairs.csv", text.getvalue())
    rows = list(csv.DictReader(io.StringIO(text.getvalue())))
    assert {"(reference)", f"(control {CONTROL})"} <= {row[side] for row in rows for side in ("left", "right")}
    with Board.open(str(study.board)) as board:
        before = board.snapshot()
    results = shell.write(
        "results.csv",
        "AssignmentStatus,Input.rater,Answer.code\n"
        + "".join(f"{status},{rater},CODE-7\n" for rater, status in (("r001", "Approved"), ("r002", "Rejected"))),
    )
    plan_file = ("--plan", shell.folder / "plan.json")
    shell("studio", "returned", answers, *plan_file, "--from", "mturk", results, "-o", shell.folder / "status.csv")
    shell("ratings", "import", shell.folder / "status.csv", "-B", study.board, "--pairs")
    with Board.open(str(study.board)) as board:
        after = board.snapshot()
    assert len(after.answers) == len(before.answers) and after.gold_pairs == before.gold_pairs
    assert {one.status for one in after.answers if one.rater == "r002"} == {"rejected"}
    assert {one.status for one in after.answers if one.rater != "r002"} == {""}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("s1,reference,nobody.mp4,first", "no file 'nobody.mp4'"),
        ("s1,lumn,atlas,first", "no team of that name. Did you mean 'lumen'?"),
        ("s9,lumen,atlas,first", "no video of 'lumen' and 's9'"),
        ("s9,reference,atlas,first", "no reference video of 's9'"),
        ("s1,reference,real/s1.mp4,first", "the same video"),
        ("s1,lumen,atlas,draw", "none of first, second, equal, different"),
        ("s1,lumen,atlas,first\ns1,atlas,lumen,second", "appears twice"),
        ("s1,../x.mp4,lumen,second", "no file '../x.mp4'"),
    ],
)
def test_what_is_wrong_with_a_file_of_gold_is_told_by_its_row(shell: Shell, row: str, said: str) -> None:
    study = make_study(shell.folder, PAIRS)
    gold = shell.write("gold.csv", f"sample,first,second,answer\n{row}\n")
    shell("studio", "plan", *study.words, "--raters", "4", "--gold", gold, "--dry-run", code=1)
    assert said in shell.err and "row" in shell.err


def test_too_many_references_say_how_many_there_are(shell: Shell) -> None:
    study = make_study(shell.folder, PAIRS, samples=3)
    shell("studio", "plan", *study.words, "--raters", "4", "--references", "10", "--dry-run", code=1)
    assert "9 videos of samples" in shell.err and "at most 9" in shell.err


def test_ratings_of_hidden_real_videos_tell_the_distance_and_rank_nobody(shell: Shell) -> None:
    study = make_study(shell.folder)
    out = shell.folder / "plan.json"
    shell("studio", "plan", *study.words, "--raters", "6", "--items", "9", "--references", "2", "-o", out)
    plan = read_plan(out)
    stored = []
    for rater, one in plan.raters.items():
        for item in (name for name in one.items if name is not None):
            number = len(stored) + 1
            real = plan.items[item].kind == "reference"
            values = {question.id: float(4 + number % 2 if real else 2) for question in plan.questions}
            times = {"at": START + timedelta(seconds=number), "seconds": 5.0, "page_seconds": 4.5}
            more = {"watched": (1.0,), "shown_at": "", "answered_at": "", "number": number}
            assert is_for_board(plan, item)
            stored.append(StoredAnswer(f"a-{number}", rater, item, values, **times, **more))
    with Board.open(str(study.board)) as board:
        set_up_board(board, plan, "plan.json", "olga")
        board_writer(board, plan, "plan.json", plan.sha256, "olga")(stored)
        snapshot = board.snapshot()
    report = compute_rating_report(snapshot)
    assert report.summary.reasons == {"not-ranked": 6 * 2 * 2} and report.summary.counted == 6 * 9 * 2
    for dimension in report.dimensions:
        assert dimension.ratings == 6 * 9
        teams = dimension.estimators[0].teams
        assert [(one.team, one.score.value) for one in teams] == [(team, 2.0) for team in sorted(TEAMS)]
        assert dimension.real is not None and (dimension.real.team, dimension.real.ratings) == ("(reference)", 12)
        given: dict[str, list[float]] = {}
        for one in stored:
            if plan.items[one.item].kind == "reference":
                given.setdefault(plan.items[one.item].sample, []).append(one.values[dimension.id])
        by_hand = np.mean([np.mean(values) for values in given.values()])
        assert dimension.real.items == len(given) == 6
        assert dimension.real.score.value == pytest.approx(by_hand)
        assert dimension.real.score.low is not None and dimension.real.score.low > 3.9
    page = shell.folder / "r.html"
    shell("ratings", "report", "-B", study.board, "-o", page)
    assert "Real videos, which raters did not know" in page.read_text()


def test_a_plan_of_before_keeps_ratings_of_references_to_itself(shell: Shell) -> None:
    study = make_study(shell.folder)
    out = shell.folder / "plan.json"
    shell("studio", "plan", *study.words, "--raters", "3", "--references", "1", "-o", out)
    document = json.loads(out.read_text())
    for medium in document["media"].values():
        medium.pop("real", None)
    plan = plan_from_json(json.dumps(document))
    hidden = [name for name, item in plan.items.items() if item.kind == "reference"]
    assert hidden and not any(is_for_board(plan, name) for name in hidden)
    assert not key_of(plan).keys() & set(hidden)
    assert key_of(read_plan(out)).keys() >= set(hidden)


def test_a_real_video_may_be_known_and_hidden_at_once(shell: Shell) -> None:
    study = make_study(shell.folder)
    gold = shell.write(
        "gold.csv", "sample,dimension,low,high,file\ns1,overall,4,5,real/s1.mp4\ns2,overall,1,2,s2.png\n"
    )
    out = shell.folder / "plan.json"
    shell("studio", "plan", *study.words, "--raters", "3", "--references", "6", "--gold", gold, "-o", out)
    plan = read_plan(out)
    key = {(kind, entry[1]): entry[0] for name, entry in key_of(plan).items() for kind in [plan.items[name].kind]}
    assert key["gold", "s1"] == key["reference", "s1"] == "(reference)" and key["gold", "s2"] == "(control s2.png)"
