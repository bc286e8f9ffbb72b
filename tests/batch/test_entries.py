"""Folders and lists of submissions: names, order, and what is refused before the night begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalkit import api
from evalkit.batch.entries import Entry, passed_over, read_entries
from evalkit.challenges.submission_rules import RunRules
from evalkit.errors import InputError, UsageError

THREE = RunRules(max=3, primary=1)


def listed(tmp_path: Path, text: str, name: str = "runs.csv", rules: RunRules = THREE) -> list[Entry]:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_entries(path, rules)


def test_a_folder_has_a_team_for_each_zip_and_each_folder(tmp_path: Path) -> None:
    for name in ("lumen10.zip", "lumen2.ZIP", "notes.txt", ".hidden.zip"):
        (tmp_path / name).touch()
    for name in ("atlas", "out", "__MACOSX", "boreal.zip"):
        (tmp_path / name).mkdir()
    found = read_entries(tmp_path, RunRules(), tmp_path / "out")
    assert [(one.team, one.run, one.path.name, one.primary) for one in found] == [
        ("atlas", "1", "atlas", True),
        ("boreal", "1", "boreal.zip", True),
        ("lumen2", "1", "lumen2.ZIP", True),
        ("lumen10", "1", "lumen10.zip", True),
    ]


def test_other_files_are_named(tmp_path: Path) -> None:
    for name in ("lumen.zip", "atlas.csv", "notes.txt", ".hidden.csv", "summary.csv", "log.jsonl"):
        (tmp_path / name).touch()
    assert passed_over(tmp_path) == ["atlas.csv", "notes.txt"]
    assert passed_over(tmp_path, tables=True) == ["notes.txt"]


def test_results_do_not_go_among_the_submissions(tmp_path: Path) -> None:
    (tmp_path / "lumen").mkdir()
    (tmp_path / "atlas.zip").touch()
    for out in (tmp_path, tmp_path / "lumen" / "..", tmp_path / "lumen" / "results"):
        with pytest.raises(UsageError, match="among the submissions"):
            read_entries(tmp_path, RunRules(), out)
    for out in (tmp_path / "out", tmp_path.parent, tmp_path.parent / "out"):
        assert [one.team for one in read_entries(tmp_path, RunRules(), out)] == ["atlas", "lumen"]


def test_a_single_zip_is_no_list(tmp_path: Path) -> None:
    (tmp_path / "atlas.ZIP").write_bytes(b"PK\x03\x04\xff")
    with pytest.raises(UsageError, match="single submission"):
        read_entries(tmp_path / "atlas.ZIP", RunRules())


def test_names_in_a_folder_that_cannot_be_teams_cost_no_other_submission(tmp_path: Path) -> None:
    for name in ("lumen.zip", "Lumen.zip", "a\u202eb.zip", f"{'x' * 120}.zip", "good.zip"):
        (tmp_path / name).touch()
    found = {one.path.name: one for one in read_entries(tmp_path, RunRules())}
    assert len(found) == 5
    # Nobody knows which of Lumen's two counts.
    assert {name for name, one in found.items() if one.fault is None} == {"good.zip"}
    assert all("Lumen.zip and lumen.zip" in str(found[name].fault) for name in ("lumen.zip", "Lumen.zip"))
    assert len({one.folder for one in found.values()}) == 5


def test_runs_that_compete_come_first_and_the_others_in_the_order_of_the_list(tmp_path: Path) -> None:
    text = "team,run,path,primary\nlumen,first,a.zip,no\nlumen,second,b.zip,yes\natlas,,sub/c.zip,\natlas,2,d.zip,\n"
    found = listed(tmp_path, text)
    assert [(one.name, one.primary) for one in found] == [
        ("lumen/second", True),
        ("atlas", True),
        ("lumen/first", False),
        ("atlas/2", False),
    ]
    assert found[1].path == tmp_path / "sub" / "c.zip"


def test_a_path_of_windows_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file") as caught:
        listed(tmp_path, "team,path\nlumen,zips\\a.zip\n")
    assert "Write /" in str(caught.value)
    (tmp_path / "odd\\name.zip").touch()
    assert listed(tmp_path, "team,path\nlumen,odd\\name.zip\n")[0].path.name == "odd\\name.zip"


def test_a_list_in_yaml_says_the_same(tmp_path: Path) -> None:
    text = "submissions:\n- {team: lumen, path: a.zip}\n- {team: lumen, run: '2', path: b.zip, primary: true}\n"
    found = listed(tmp_path, text, "runs.yaml")
    assert [(one.team, one.run, one.primary) for one in found] == [("lumen", "2", True), ("lumen", "1", False)]


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_and_a_byte_order_mark(tmp_path: Path, delimiter: str) -> None:
    text = "\ufeffteam,path\nlumen,a.zip\n".replace(",", delimiter)
    assert [one.team for one in listed(tmp_path, text)] == ["lumen"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("team,run\nlumen,1\n", "no column 'path'"),
        ("team,path,prmary\nlumen,a.zip,yes\n", "unknown column 'prmary'"),
        ("team,path,path\nlumen,a.zip,b.zip\n", "the column 'path' twice"),
        ("team,path\nlumen\n", "row 2: a wrong number of cells"),
        ("team,path,primary\nlumen,a.zip,perhaps\n", "row 2: 'primary' can't be used"),
        ("team,path\nlu\u200bmen,a.zip\n", "characters that nobody sees"),
        ("team,run,path\nlumen,a/b,a.zip\n", "holds a slash"),
        ("team,path\nlumen,\n", "the path is empty"),
        ("team,path\nlumen,a.zip\nLumen,b.zip\n", "the run '1' of the team 'Lumen' twice"),
        ("team,run,path\nl,1,a\nl,2,b\nl,3,c\nl,4,d\n", "has 4 runs of the team 'l'"),
        ("team,run,path,primary\nl,1,a,yes\nl,2,b,yes\n", "has 2 runs that compete of the team 'l'"),
        ('team,path\n"lumen,a.zip\n', "is no CSV"),
        ("team,path\nlumen,a\0.zip\n", "NUL"),
    ],
)
def test_a_list_with_a_fault_is_refused_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        listed(tmp_path, text)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("submissions:\n- {team: lumen, paht: a.zip}\n", "line 2"),
        ("submissions: []\n", "submissions"),
        ("submissions: &x\n- *x\n", "anchors"),
        ("- lumen\n", "not a set of 'key: value' lines"),
    ],
)
def test_a_yaml_list_with_a_fault_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        listed(tmp_path, text, "runs.yml")
    assert words in str(caught.value)


def test_nothing_to_score_is_a_wrong_command(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no submission"):
        read_entries(tmp_path, RunRules())
    with pytest.raises(UsageError, match="does not exist"):
        read_entries(tmp_path / "nowhere", RunRules())


def test_folders_of_results_are_plain_and_never_shared() -> None:
    names = [
        ("lumen", "1"), ("lumen", "2"), ("lumen--2", "1"), ("a-b", "1"), ("a", "b"), ("..", "1"), ("a/b", "1"),
        ("a b", "1"), ("été", "1"), ("log.jsonl", "1"), ("summary.csv", "2"), ("x" * 100, "1"), ("x.", "1"),
        ("-x", "1"),
    ]  # fmt: skip
    folders = [Entry(team, run, Path("x.zip")).folder for team, run in names]
    assert folders[:2] == ["lumen", "lumen--2"]
    assert folders[3:5] == ["a-b", "a--b"]
    assert len({folder.lower() for folder in folders}) == len(names)
    for folder in folders:
        assert folder.isascii()
        assert not set(folder) & set('/\\:*?"<>| ')
        assert folder not in {"..", "log.jsonl", "summary.csv"}
        assert len(folder) < 130


def test_a_board_takes_no_part_of_a_submission(tmp_path: Path) -> None:
    where = {"submissions": tmp_path, "challenge": "talking-head", "testset": tmp_path, "out": tmp_path / "out"}
    with pytest.raises(UsageError, match="whole submissions"):
        api.score_all(**where, limit=2, board=tmp_path / "board.sqlite")
    assert not any(tmp_path.iterdir())
