"""From the plan of the command to ratings that count: a whole study without a browser."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from builders.studies import TEAMS, BuiltStudy, build_study
from builders.studio_server import Person, served

from evalkit.board.filtering import filter_answers
from evalkit.cli import main
from evalkit.studio.plan_model import read_plan


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main([str(word) for word in words])
    return int(stopped.value.code or 0)


def test_a_plan_of_the_command_is_served_and_its_answers_count(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    built = build_study(tmp_path, raters=1, samples=[f"s{number}" for number in range(1, 5)], frames=8)
    listed = built.submissions / "runs.csv"
    listed.write_text("team,run,path\n" + "".join(f"{team},main run,{team}.zip\n" for team in TEAMS))
    words = ["studio", "plan", "--board", built.board, "--submissions", listed, "--testset", built.testset]
    assert run(*words, "--raters", 3, "--items", 8, "--force", "-o", built.plan_path) == 0, capsys.readouterr().err
    study = BuiltStudy(built.folder, read_plan(built.plan_path))
    with served(study) as studio:
        for name, rater in study.plan.raters.items():
            person = Person(studio.client, rater.token)
            person.agree()
            while person.state()["item"] is not None:
                person.next(4)
            assert person.state()["finished"], name
        held = studio.board.snapshot()
    verdicts = filter_answers(held).verdicts
    assert [one.codes for one in verdicts if one.codes] == []
    teams = Counter(one.entry.team for one in verdicts if one.entry is not None)
    assert teams == {"Nebula Lab": 24, "Quasar Group": 24}, "3 raters, 4 videos each, 2 questions"
    assert run("ratings", "report", "--board", built.board, "-o", tmp_path / "ratings.html") == 0
