"""From a plan to MTurk and Prolific and back: whom the platform refuses no longer counts, nothing is there twice."""

from __future__ import annotations

import csv
import io
import json
import stat
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from builders.board_shell import Shell
from studio.study import PAIRS, RATINGS, TEAMS, Study, make_study

from evalkit.board import Board
from evalkit.board.filtering import filter_answers
from evalkit.studio.boarding import board_writer, is_for_board, set_up_board
from evalkit.studio.journal import StoredAnswer
from evalkit.studio.overview import export_rows
from evalkit.studio.plan_model import Plan, read_plan

URL = "https://rate.example.org"
START = datetime(2026, 3, 3, 12, tzinfo=UTC)


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setenv("EVALKIT_BY", "olga")
    return Shell(tmp_path, capsys)


def planned(shell: Shell, text: str, keep: str = "[worker]", *more: str) -> tuple[Study, Plan]:
    study = make_study(shell.folder, text)
    page = shell.write("page.yaml", f"title: Rate <faces>\nkeep: {keep}\n")
    out = shell.folder / "plan.json"
    words = ("--raters", "4", "--items", "6", "--training", "1", "--completion", "CODE-7", "--page", page)
    shell("studio", "plan", *study.words, *words, *more, "-o", out)
    return study, read_plan(out)


def answered(shell: Shell, study: Study, plan: Plan, workers: dict[str, str], *, teams: bool = False) -> Path:
    """Let everybody answer everything, as the studio does; return the export, without the teams' names by default."""
    stored = []
    for rater, one in plan.raters.items():
        for item in one.items:
            number = len(stored) + 1
            values = {question.id: 1.0 if question.scale is None else 1.0 + number % 5 for question in plan.questions}
            times = {"at": START + timedelta(seconds=number), "seconds": 5.0, "page_seconds": 4.5}
            own = {"watched": (1.0,), "shown_at": "", "answered_at": "", "number": number}
            board_has = not is_for_board(plan, str(item))
            stored.append(StoredAnswer(f"a-{number}", rater, str(item), values, on_board=board_has, **times, **own))
    with Board.open(str(study.board)) as board:
        set_up_board(board, plan, "plan.json", "olga")
        board_writer(board, plan, "plan.json", plan.sha256, "olga")([one for one in stored if not one.on_board])
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(export_rows(plan, stored, workers, teams=teams))
    return shell.write("ratings.csv", text.getvalue())


def counted(study: Study) -> tuple[int, Counter[str], Counter[str]]:
    """Return how many answers there are, how many of each rater count, and why the others don't."""
    with Board.open(str(study.board)) as board:
        verdicts = filter_answers(board.snapshot()).verdicts
        assert board.verify() == []
    raters = Counter(one.answer.rater for one in verdicts if one.counted)
    return len(verdicts), raters, Counter(one.answer.status for one in verdicts if not one.counted)


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


@pytest.mark.parametrize(("text", "words", "each"), [(RATINGS, (), 12), (PAIRS, ("--pairs",), 6)])
def test_a_batch_on_mturk_and_back(shell: Shell, text: str, words: tuple[str, ...], each: int) -> None:
    study, plan = planned(shell, text, "[]")
    answers = answered(shell, study, plan, {})
    total, before, _ = counted(study)
    assert (total, dict(before)) == (4 * each, dict.fromkeys(plan.raters, each))
    shell("studio", "export", shell.folder / "plan.json", "--to", "mturk", "--url", URL, "-o", shell.folder / "batch")
    batch = rows_of(shell.folder / "batch" / "batch.csv")
    assert batch == [{"rater": name, "link": f"{URL}/r/{rater.token}"} for name, rater in plan.raters.items()]
    layout = (shell.folder / "batch" / "hit.html").read_text()
    assert "${link}" in layout and 'name="code"' in layout and "Rate &lt;faces&gt;" in layout
    verdicts = {"r001": ("Approved", "code-7 "), "r002": ("Rejected", "CODE-7"), "r003": ("Submitted", "1234")}
    lines = ["HITId,WorkerId,AssignmentStatus,Input.rater,Input.link,Answer.code"]
    for row in batch:
        status, code = verdicts.get(row["rater"], ("", ""))
        if status:
            lines.append(f"h,W{row['rater']},{status},{row['rater']},{row['link']},{code}")
    results = shell.write("results.csv", "\n".join(lines) + "\n")
    table = shell.folder / "status.csv"
    plan_file = ("--plan", shell.folder / "plan.json")
    if text == PAIRS:
        assert not any(team in answers.read_text() for team in TEAMS)
        shell("ratings", "import", answers, "-B", study.board, "--pairs", code=1)
        assert "without the teams' names" in shell.err
        shell("ratings", "import", answers, "-B", study.board, code=1)
        assert "--pairs" in shell.err
        other = shell.write("other.csv", answers.read_text().replace(next(iter(plan.media)), "f" * 32))
        shell("studio", "returned", other, *plan_file, "--from", "mturk", results, "-o", table, code=1)
        assert "another study's" in shell.err and not table.exists()
    said = shell("studio", "returned", answers, *plan_file, "--from", "mturk", results, "-o", table)
    assert said.strip().endswith(" ".join(("Next: evalkit ratings import", str(table), *words)))
    for _ in range(2):  # the second time changes nothing
        shell("ratings", "import", table, "-B", study.board, *words)
        assert counted(study) == (total, Counter(r001=each, r004=each), Counter({"rejected": each, "wrong code": each}))


def test_a_study_on_prolific_and_back(shell: Shell) -> None:
    study, plan = planned(shell, RATINGS)
    out = shell.folder / "prolific.json"
    words = ("--to", "prolific", "--url", f"{URL}/", "-o", out, "--json")
    said = json.loads(shell("studio", "export", shell.folder / "plan.json", *words))
    found = json.loads(out.read_text())
    assert said["study"] == found == {
        "name": "Rate <faces>",
        "external_study_url": f"{URL}/join/{plan.join}?PROLIFIC_PID={{{{%PROLIFIC_PID%}}}}"
        "&STUDY_ID={{%STUDY_ID%}}&SESSION_ID={{%SESSION_ID%}}",
        "prolific_id_option": "url_parameters",
        "completion_option": "url",
        "completion_code": "CODE-7",
        "total_available_places": 4,
    }  # fmt: skip
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    answers = answered(shell, study, plan, {"r001": "p1", "r002": "p2", "r003": "p3"})
    total, _, _ = counted(study)
    export = shell.write(
        "export.csv",
        "Submission id,Participant id,Status,Completed at\n"
        "s1,p1,APPROVED,2026-03-03T12:30:00Z\ns2,p2,RETURNED,\ns3,p2,TIMED-OUT,\n",
    )
    table = shell.folder / "status.csv"
    more = ("--plan", shell.folder / "plan.json", "--from", "prolific", export, "-o", table)
    assert "12 no participant, 12 returned" in shell("studio", "returned", answers, *more)
    shell("ratings", "import", table, "-B", study.board)
    # Nobody of the platform's had the place r004: invited by hand.
    assert counted(study) == (total, Counter(r001=12, r004=12), Counter({"returned": 12, "no participant": 12}))


NASTY = ("=cmd|' -C calc'!A0", "@SUM(A1)", "-2+3")


@pytest.mark.parametrize("text", [RATINGS, PAIRS])
def test_no_name_is_a_formula_in_a_file_and_all_come_back(shell: Shell, text: str) -> None:
    study = make_study(shell.folder, text, teams=NASTY)
    people = shell.write("raters.csv", "rater\n=r1\n+r2\n'@r3\n''@r4\n")
    out = shell.folder / "plan.json"
    shell("studio", "plan", *study.words, "--raters", people, "--items", "6", "--completion", "CODE-7", "-o", out)
    plan = read_plan(out)
    assert list(plan.raters) == ["=r1", "+r2", "@r3", "'@r4"]
    answers = answered(shell, study, plan, {"=r1": "=worker", "+r2": "p2"}, teams=True)
    total, before, _ = counted(study)
    shell("studio", "export", out, "--to", "mturk", "--url", URL, "-o", shell.folder / "batch")
    batch = rows_of(shell.folder / "batch" / "batch.csv")
    assert [row["rater"] for row in batch] == ["'=r1", "'+r2", "'@r3", "''@r4"]
    lines = ["AssignmentStatus,Input.rater,Answer.code"]
    for row in batch:
        lines.append(f"{'Rejected' if '@r3' in row['rater'] else 'Approved'},{row['rater']},CODE-7")
    results = shell.write("results.csv", "\n".join(lines) + "\n")
    table = shell.folder / "status.csv"
    shell("studio", "returned", answers, "--plan", out, "--from", "mturk", results, "-o", table)
    for file in (answers, table, shell.folder / "batch" / "batch.csv"):
        cells = [cell for row in csv.reader(io.StringIO(file.read_text())) for cell in row]
        assert [cell for cell in cells if cell[:1] in set("=+-@")] == []
    shell("ratings", "import", table, "-B", study.board, *(["--pairs"] if text == PAIRS else []))
    assert counted(study) == (
        total,
        Counter({name: n for name, n in before.items() if name != "@r3"}),
        {"rejected": before["@r3"]},
    )


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--to", "prolific", "--url", "http://rate.example.org"], 2, "https and a host"),
        (["--to", "mturk", "--url", "https://rate.example.org/studio"], 2, "https and a host"),
        (["--to", "mturk", "--url", "https://x:99999999"], 2, "https and a host"),
        (["--to", "clickworker", "--url", URL], 2, "clickworker"),
    ],
)
def test_addresses_that_no_platform_takes(shell: Shell, words: list[str], code: int, message: str) -> None:
    planned(shell, RATINGS)
    shell("studio", "export", shell.folder / "plan.json", *words, "-o", shell.folder / "out", code=code)
    assert message in shell.err and not (shell.folder / "out").exists()


def test_without_a_code_or_a_place_there_is_nothing_to_export(shell: Shell) -> None:
    study = make_study(shell.folder)
    raters = shell.write("raters.csv", "rater,team\na,lumen\nb,atlas\nc,corvus\n")
    out = shell.folder / "plan.json"
    words: tuple[Any, ...] = ("studio", "plan", *study.words, "--raters", raters, "--items", "12", "-o", out, "--force")
    export = ("studio", "export", out, "--to", "prolific", "--url", URL, "-o", shell.folder / "p.json")
    shell(*words)
    shell(*export, code=1)
    assert "--completion random" in shell.err
    shell(*words, "--completion", "random")
    shell(*export, code=1)
    assert "No rater of the plan is of no team" in shell.err


@pytest.mark.parametrize(
    ("answers", "file", "platform", "message"),
    [
        ("rater,item,dimension,value\nr001,x,overall,3\n", "WorkerId,Answer.code\nw,CODE-7\n", "mturk", "Input.rater"),
        ("rater,item,dimension,value\nr001,x,overall,3\n", "a,b\n1,2\n", "prolific", "not an export of participants"),
        ("who,what\na,b\n", "Participant id,Status\np,APPROVED\n", "prolific", "not what a studio exports"),
        ("rater,item\nr001\n", "Participant id,Status\np,APPROVED\n", "prolific", "row 2"),
        ("", "Participant id,Status\np,APPROVED\n", "prolific", "is empty"),
    ],
)
def test_files_that_are_something_else(shell: Shell, answers: str, file: str, platform: str, message: str) -> None:
    planned(shell, RATINGS)
    given, said = shell.write("a.csv", answers), shell.write("p.csv", file)
    plan = ("--plan", shell.folder / "plan.json")
    shell("studio", "returned", given, *plan, "--from", platform, said, "-o", shell.folder / "out.csv", code=1)
    assert message in shell.err and not (shell.folder / "out.csv").exists()
