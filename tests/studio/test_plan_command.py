"""`evalkit studio plan`: from files to a plan, and what it says where that can't be."""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.board_shell import Shell
from studio.study import PAIRS, RATINGS, TEAMS, Study, make_study

from evalkit.board import Board
from evalkit.statistics.power import comparisons_needed
from evalkit.studio.plan_model import Plan, read_plan

GOLD = "sample,dimension,low,high,file,team\n"


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setenv("EVALKIT_BY", "olga")
    return Shell(tmp_path, capsys)


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Return a study of ratings that no test may change."""
    return make_study(tmp_path_factory.mktemp("study"))


def copied(shell: Shell, study: Study) -> Study:
    """Return a copy of a study in the shell's folder."""
    shutil.copytree(study.board.parent, shell.folder, dirs_exist_ok=True)
    return study_in(shell)


def planned(shell: Shell, study: Study, *words: str | Path) -> tuple[Plan, dict[str, Any]]:
    out = shell.folder / "plan.json"
    document = json.loads(shell("studio", "plan", *study.words, *words, "-o", out, "--force", "--json"))
    return read_plan(out), document


def study_in(shell: Shell) -> Study:
    return Study(shell.folder / "board.sqlite", shell.folder / "zips", shell.folder / "testset")


def test_a_plan_has_everything_the_studio_needs(shell: Shell, usual: Study) -> None:
    study = copied(shell, usual)
    text = "title: Rate faces\nconsent: |\n  Stop.\n  Any time.\nlanguages: [ko, en, de]\n"
    page = shell.write("page.yaml", text + "translations: {de: {title: Gesichter, questions: {overall: Insgesamt}}}\n")
    plan, document = planned(
        shell, study, "--raters", "6", "--items", "12", "--training", "2", "--repeats", "2", "--page", page,
        "--completion", "random", "--references", "1",
    )  # fmt: skip
    assert plan.challenge.id == "c" and plan.method == "mos"
    assert [(one.id, one.title, one.scale) for one in plan.questions] == [
        ("overall", "Overall", (1, 5)),
        ("lip_sync", "Lip sync", (1, 5)),
    ]
    assert plan.page.consent == "Stop.\nAny time.\n" and plan.page.languages == ("ko", "en", "de")
    assert plan.page.translations["de"].questions == {"overall": "Insgesamt"}
    assert document["untranslated"] == {"en": ["title", "consent", "questions"], "de": ["consent", "questions"]}
    assert plan.completion is not None and len(plan.completion.code) == 10
    assert plan.samples["s1"].image == "s1.png" and plan.samples["s1"].audio == "s1.wav"
    kinds = [[plan.items[str(item)].kind for item in rater.items] for rater in plan.raters.values()]
    assert all(
        sorted(row) == sorted(["training"] * 2 + ["rating"] * 10 + ["repeat"] * 2 + ["reference"]) for row in kinds
    )
    assert stat.S_IMODE((shell.folder / "plan.json").stat().st_mode) == 0o600
    assert document["sha256"] == plan.sha256
    assert {one["team"]: one["shown"] for one in document["balance"]["teams"]} == dict.fromkeys(TEAMS, 20)
    assert document["balance"]["same_team"] == document["balance"]["same_sample"] == 0


def test_digests_are_those_of_the_files(shell: Shell, usual: Study) -> None:
    plan, _ = planned(shell, copied(shell, usual), "--raters", "3", "--references", "6")
    for medium in plan.media.values():
        content = f"{medium.team} {medium.sample}" if medium.team else f"real{medium.sample}"
        assert medium.sha256 == hashlib.sha256(content.encode()).hexdigest()
        assert medium.submission == (f"{medium.team}.zip" if medium.team else None)


def test_the_table_is_printed(shell: Shell, usual: Study) -> None:
    out = shell("studio", "plan", *copied(shell, usual).words, "--raters", "6", "--items", "9", "--dry-run")
    assert "6 raters; items of each: 9 rating." in out
    for team in TEAMS:
        assert team in out
    assert "Neighbours of one team: 0; of one sample: 0; videos of a rater's own team: 0." in out
    assert not (shell.folder / "plan.json").exists()


def test_raters_of_a_file_never_see_their_team(shell: Shell, usual: Study) -> None:
    study = copied(shell, usual)
    raters = shell.write("raters.csv", "rater,team\nann,lumen\nbob,\natlas-member,\ncho,Corvus\n")
    plan, _ = planned(shell, study, "--raters", raters, "--items", "12")
    assert {name: one.team for name, one in plan.raters.items()} == {
        "ann": "lumen",
        "bob": None,
        "atlas-member": "atlas",
        "cho": "corvus",
    }
    for rater in plan.raters.values():
        assert rater.team not in {team for item in rater.items for team in plan.teams_of(str(item))}


def test_gold_marks_a_teams_video_or_shows_an_own_one(shell: Shell, usual: Study) -> None:
    study = copied(shell, usual)
    gold = shell.write(
        "gold.csv",
        GOLD + "s1,Overall,4,5,real/s1.mp4,\ns1,lip_sync,5,5,real/s1.mp4,\ns2,overall,1,2,,Atlas\n",
    )
    plan, _ = planned(shell, study, "--raters", "6", "--items", "9", "--gold", gold)
    found = {plan.media[one.media[0]].team: one for one in plan.items.values() if one.kind == "gold"}
    assert found[None].expected == {"overall": (4, 5), "lip_sync": (5, 5)}
    assert found["atlas"].expected == {"overall": (1, 2)} and found["atlas"].sample == "s2"
    own = next(name for name, one in plan.items.items() if one == found[None])
    assert all(own in rater.items for rater in plan.raters.values())


def test_samples_are_drawn_and_excluded_ones_left_out(shell: Shell, usual: Study) -> None:
    study = copied(shell, usual)
    with Board.open(str(study.board)) as board:
        board.exclude("sample", [("s3", "manual", "no face")], by="olga")
    plan, _ = planned(shell, study, "--raters", "3", "--items", "15")
    assert set(plan.samples) == {"s1", "s2", "s4", "s5", "s6"}
    drawn = [
        set(planned(shell, study, "--raters", "3", "--samples", "3", "--seed", str(at))[0].samples) for at in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2] and len(drawn[0]) == 3


def test_the_finalists_of_two_phases_are_rated(shell: Shell) -> None:
    text = PAIRS.replace("{method: pairs}", "{method: pairs, finalists: 2}") + (
        "metrics: [{id: identity.strict, weight: 1, range: [0, 1]}]\nranking: two-phase\n"
    )
    plan, document = planned(shell, make_study(shell.folder, text), "--raters", "3", "--items", "4")
    assert {one.team for one in plan.media.values()} == {"atlas", "corvus"}
    assert document["balance"]["pair_fewest"] == 12
    plan, _ = planned(shell, study_in(shell), "--raters", "3", "--teams", "lumen, atlas", "--items", "4")
    assert {one.team for one in plan.media.values()} == {"lumen", "atlas"}


def test_a_plan_is_not_replaced_by_accident(shell: Shell, usual: Study) -> None:
    study = copied(shell, usual)
    out = shell.folder / "plan.json"
    shell("studio", "plan", *study.words, "--raters", "3", "-o", out)
    before = out.read_bytes()
    shell("studio", "plan", *study.words, "--raters", "3", "-o", out, code=2)
    assert "--force" in shell.err and out.read_bytes() == before
    shell("studio", "plan", *study.words, "--raters", "3", code=2)
    assert "-o" in shell.err


@pytest.mark.parametrize(
    ("files", "words", "code", "message"),
    [
        ({}, ["--raters", "0"], 2, "1 to 10000"),
        ({}, ["--raters", "nobody.csv"], 2, "neither a number nor a file"),
        ({"r.csv": "rater,team\nann,nimbus\n"}, ["--raters", "r.csv"], 1, "has no team 'nimbus'"),
        ({"r.csv": "rater,team\nann,\nann,\n"}, ["--raters", "r.csv"], 1, "appears twice"),
        ({"r.csv": "rater,team\natlas-member,lumen\n"}, ["--raters", "r.csv"], 1, "'atlas'"),
        ({"r.csv": "who\nann\n"}, ["--raters", "r.csv"], 1, "no column 'rater'"),
        ({"r.csv": "rater\n\u202eann\n"}, ["--raters", "r.csv"], 1, "r.csv"),
        ({"p.yaml": "title: x\ncolour: red\n"}, ["--raters", "3", "--page", "p.yaml"], 1, "unknown key 'colour'"),
        ({"p.yaml": "title: x\nlanguages: [tlh]\n"}, ["--raters", "3", "--page", "p.yaml"], 1, "line 2"),
        ({"g.csv": GOLD + "s1,overall,0,5,real/s1.mp4,\n"}, ["--raters", "3", "--gold", "g.csv"], 1, "scale"),
        ({"g.csv": GOLD + "s1,overall,1,5,../zips/atlas.zip,\n"}, ["--raters", "3", "--gold", "g.csv"], 1, "no file"),
        ({"g.csv": GOLD + "s9,overall,1,5,,lumen\n"}, ["--raters", "3", "--gold", "g.csv"], 1, "no video of"),
        ({"g.csv": GOLD + "s1,overall,1,5,,\n"}, ["--raters", "3", "--gold", "g.csv"], 1, "one of them"),
        ({}, ["--raters", "1", "--items", "5"], 1, "18 items"),
        ({}, ["--raters", "3", "--samples", "9"], 1, "at most 6"),
        ({}, ["--raters", "3", "--teams", "lumne,atlas"], 1, "Did you mean 'lumen'?"),
        ({}, ["--raters", "3", "--teams", "lumen"], 1, "at least two teams"),
        ({}, ["--raters", "3", "--completion", "a b"], 2, "4 to 40 letters"),
        ({}, ["--raters", "3", "--references", "7"], 1, "6 reference videos"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(
    shell: Shell,
    usual: Study,
    monkeypatch: pytest.MonkeyPatch,
    files: dict[str, str],
    words: list[str],
    code: int,
    message: str,
) -> None:
    study = copied(shell, usual)
    for name, text in files.items():
        shell.write(name, text)
    monkeypatch.chdir(shell.folder)
    shell("studio", "plan", *study.words, *words, "-o", "plan.json", code=code)
    assert message in shell.err
    assert not (shell.folder / "plan.json").exists()


def test_another_file_than_was_scored_is_refused(shell: Shell) -> None:
    study = make_study(shell.folder, fingerprints=True)
    plan, _ = planned(shell, study, "--raters", "3")
    assert len(plan.media) == 18
    with zipfile.ZipFile(study.submissions / "lumen.zip", "a") as archive:
        archive.writestr("more.txt", "nothing of importance")
    planned(shell, study, "--raters", "3")
    with zipfile.ZipFile(study.submissions / "lumen.zip", "w") as archive:
        for at in range(1, 7):
            archive.writestr(f"s{at}.mp4", "another" if at == 4 else f"lumen s{at}")
    shell("studio", "plan", *study.words, "--raters", "3", "-o", shell.folder / "new.json", code=1)
    assert "s4.mp4" in shell.err and "is not the file that was scored" in shell.err


def test_a_missing_submission_is_named(shell: Shell, usual: Study) -> None:
    study = copied(shell, usual)
    (study.submissions / "atlas.zip").unlink()
    shell("studio", "plan", *study.words, "--raters", "3", "-o", shell.folder / "plan.json", code=1)
    assert "atlas/1" in shell.err and "score-all" in shell.err


def test_comparisons_may_be_chosen_later(shell: Shell) -> None:
    plan, document = planned(shell, make_study(shell.folder, PAIRS), "--raters", "4", "--items", "10", "--adaptive")
    assert plan.adaptive and document["balance"]["items"] == {"chosen": [10, 10]}
    assert len(plan.items) == 3 * 6
    assert [one.id for one in plan.questions] == ["pair"] and plan.questions[0].dimension == ""
    gold = shell.write("gold.csv", GOLD + "s1,overall,4,5,real/s1.mp4,\n")
    shell("studio", "plan", *study_in(shell).words, "--raters", "3", "--gold", gold, "--dry-run", code=1)
    assert "no column 'first'" in shell.err


def test_the_rules_of_ratings_are_needed(shell: Shell) -> None:
    study = make_study(shell.folder, RATINGS.split("ratings:")[0])
    shell("studio", "plan", *study.words, "--raters", "3", "--dry-run", code=1)
    assert "asks people nothing" in shell.err


def test_no_difference_is_larger_than_the_scale(shell: Shell, usual: Study) -> None:
    words = ("studio", "plan", *usual.words, "--raters", "2", "--samples", "2", "--items", "6", "--dry-run")
    assert [one["detectable"] for one in json.loads(shell(*words, "--json"))["power"]] == [None, None]
    assert "this plan's 2 tell apart nothing." in shell(*words)


def test_power_is_by_the_ratings_on_the_board_where_there_are_some(shell: Shell, usual: Study) -> None:
    study = copied(shell, usual)
    words = ("--raters", "6", "--items", "9", "--difference", "1")
    _, document = planned(shell, study, *words)
    assumed = document["power"][0]
    assert (assumed["question"], assumed["estimated_from"], assumed["spread"]["rest"]) == ("overall", 0, 0.7)
    rng = np.random.default_rng(0)
    rows = ["rater_id,item_id,dimension,score"]
    for rater in range(12):
        for team in TEAMS:
            for sample in range(1, 7):
                rows.append(f"x{rater},{team}-{sample},overall,{int(rng.integers(1, 6))}")
    key = [f"{team}-{sample},{team},s{sample}" for team in TEAMS for sample in range(1, 7)]
    shell(
        "ratings", "import", shell.write("r.csv", "\n".join(rows) + "\n"), "-B", study.board,
        "--key", shell.write("k.csv", "\n".join(["item_id,team,sample_id", *key]) + "\n"),
    )  # fmt: skip
    _, document = planned(shell, study, *words)
    overall, lip_sync = document["power"]
    assert overall["estimated_from"] == 216 and lip_sync["estimated_from"] == 0
    assert 1.2 < overall["spread"]["rest"] < 1.6, "uniform from 1 to 5: the deviation is 1.41"
    assert overall["needed"] > assumed["needed"] and overall["detectable"] > assumed["detectable"]
    out = shell("studio", "plan", *study.words, *words, "--dry-run")
    assert "estimated from 216 ratings on the board" in out and "is assumed" in out
    shell("studio", "plan", *study.words, "--raters", "6", "--difference", "9", "--dry-run", code=2)
    assert "at most 4" in shell.err


def test_power_of_pairs_counts_those_that_are_chosen_later(shell: Shell) -> None:
    study = make_study(shell.folder, PAIRS)
    _, document = planned(shell, study, "--raters", "6", "--items", "10", "--adaptive", "--difference", "0.7")
    (found,) = document["power"]
    assert found["there"] == 20 and found["spread"] is None and found["detectable"] > 0.6
    assert found["needed"] == comparisons_needed(0.7, 3)
    assert "comparisons of every two teams" in shell("studio", "plan", *study.words, "--raters", "6", "--dry-run")
