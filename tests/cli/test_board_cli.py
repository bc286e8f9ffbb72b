"""``evalkit board``: the chain from files to the leaderboard, teams, gold items."""

from __future__ import annotations

import csv
import json
import re
import time
from datetime import datetime

import pytest
from builders.board_shell import RULES, TEAMS, Shell, add_teams, filled, key, rating_rows

from evalkit.board import Board
from evalkit.cli.board import SHOWN_LOG


def test_from_files_to_a_leaderboard(shell: Shell) -> None:
    filled(shell)
    page = shell.folder / "out.html"
    out = shell("leaderboard", "-o", page, "--also", "csv", "--also", "latex", "--also", "markdown", "--also", "json")
    places = [line.split() for line in out.splitlines() if line.strip()[:1].isdigit()]
    assert [words[0] for words in places] == ["1", "2", "3"]
    assert [name for words in places for name in words if name in TEAMS] == ["alpha", "beta", "gamma"]
    assert f"Page: {page}" in out
    with (shell.folder / "out.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["team"] for row in rows] == ["alpha", "beta", "gamma"]
    document = json.loads((shell.folder / "out.json").read_text())
    assert [row["team"] for row in document["leaderboard"]["rows"]] == ["alpha", "beta", "gamma"]
    assert json.loads(shell("leaderboard", "-o", page, "--json")) == {**document, "page": str(page)}
    assert r"\toprule" in (shell.folder / "out.tex").read_text()
    assert "| alpha " in (shell.folder / "out.md").read_text()


def test_as_of_gives_both_leaderboards_byte_for_byte(shell: Shell) -> None:
    add_teams(shell)
    first = shell.folder / "first.html"
    shell("leaderboard", "-o", first)
    moment = json.loads(shell("board", "log", "--all", "--json"))["log"][-1]["at"]
    time.sleep(0.01)
    shell("ratings", "import", shell.write("long.csv", rating_rows()), "--key", shell.write("key.csv", key()))
    later = json.loads(shell("board", "log", "--all", "--json"))["log"][-1]["at"]
    assert datetime.fromisoformat(moment) < datetime.fromisoformat(later)
    pages = {}
    for name, at in (("before", moment), ("after", later)):
        made = [shell.folder / f"{name}{turn}.html" for turn in range(2)]
        for page in made:
            shell("leaderboard", "-o", page, "--as-of", at)
        assert made[0].read_bytes() == made[1].read_bytes()
        pages[name] = made[0].read_text(encoding="utf-8")
    assert pages["before"] != pages["after"]
    assert "provisional" in pages["before"].lower()
    shell("leaderboard", "-o", first, "--as-of", "2026-03-05 23:59", code=2)
    assert "time zone" in shell.err


def test_what_pages_print_of_their_state_makes_them_again(shell: Shell) -> None:
    add_teams(shell)
    commands = (("leaderboard", "--draws", "100"), ("ratings", "report"))
    rows = [shell.write(f"{turn}.csv", rating_rows((f"rater{turn}",))) for turn in range(2)]
    shell("ratings", "import", rows[0], "--key", shell.write("key.csv", key()))
    entry = json.loads(shell("board", "list", "--json"))["entry"]
    pages = []
    for command in commands:
        shell(*command, "-o", shell.folder / "page.html", "--for", "organizers")
        pages.append((shell.folder / "page.html").read_bytes())
    shell("ratings", "import", rows[1])
    printed = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:.]+ (?:UTC|AoE)")
    heads = [re.findall("State of.*|<dt>State<.*", page.decode())[0] for page in pages]
    times = {time for head in heads for time in printed.findall(head)}
    assert len(times) == 2
    for asked in (*sorted(times), str(entry), f"log entry {entry}"):
        for command, page in zip(commands, pages, strict=True):
            shell(*command, "-o", shell.folder / "again.html", "--for", "organizers", "--as-of", asked)
            assert (shell.folder / "again.html").read_bytes() == page, (asked, command)


def test_every_time_of_the_log_gives_the_state_of_its_entry(shell: Shell) -> None:
    add_teams(shell)
    printed = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:.]+ UTC")
    for line in shell("board", "log", "--all").splitlines():
        number, at = line.split()[0], printed.findall(line)[0]
        found = json.loads(shell("board", "list", "--as-of", at, "--json"))
        assert found == json.loads(shell("board", "list", "--as-of", number, "--json"))
        assert str(found["entry"]) == number
    for wrong in ("0", "99999", "9" * 18):
        shell("board", "list", "--as-of", wrong, code=1)
        assert f"no entry {wrong}" in shell.err
    for wrong in ("9" * 5000, "-1", "entry", "25 UTC"):
        shell("board", "list", f"--as-of={wrong}", code=2)


def test_a_board_of_another_challenge_and_boards_that_are_none(shell: Shell) -> None:
    shell("ratings", "import", shell.write("long.csv", rating_rows()), "-c", "talking-head", code=2)
    assert "challenge" in shell.err
    shell("board", "init", "--challenge", shell.folder / "c.yaml", code=1)
    shell("board", "list", "--board", shell.folder / "nothing.sqlite", code=1)
    assert "board init" in shell.err
    shell("board", "list", "--board", shell.write("text.sqlite", "hello"), code=1)


def test_teams_runs_members_and_choices(shell: Shell) -> None:
    add_teams(shell)
    shell("board", "team", "delta", "--member", "p01")
    shell("board", "member", "alpha", "p01", code=1)
    assert "delta" in shell.err
    shell("board", "member", "delta", "p01", "--remove")
    shell("board", "member", "alpha", "p01")
    shell("board", "rater", "r01", "--team", "beta")
    shell("board", "rater", "r01", code=2)
    shell("board", "remove", "gamma", "--why", "withdrew")
    shell("board", "add", "alpah", shell.folder / "alpha.json", code=1)
    assert "alpha" in shell.err
    shell("board", "primary", "alpha", "1")
    teams = {team["team"]: team for team in shell.state()["teams"]}  # type: ignore[attr-defined]
    assert sorted(teams) == ["alpha", "beta", "delta"]
    assert teams["alpha"]["members"] == ["p01"]
    shell("board", "rules", "--challenge", shell.write("d.yaml", RULES.replace("weight: 1", "weight: 2")))
    assert "hold from now on" not in shell("board", "rules", "--challenge", shell.folder / "d.yaml")
    table = shell("board", "list")
    assert "delta" in table and "no run" in table
    assert any("add-team" in line and "delta" in line for line in shell("board", "log").splitlines())


def test_gold_items(shell: Shell) -> None:
    filled(shell)
    shell("board", "gold", shell.write("gold.csv", "item_id,dimension,low,high\nas1,lip_sync,4,5\n"))
    shell(
        "board",
        "gold",
        shell.write("bad.csv", "item_id,dimension,low,high\nas1,lip_sync,5,4\nbs1,lip_sync,,4\n"),
        code=1,
    )
    assert "row 2" in shell.err and "row 3" in shell.err


@pytest.mark.parametrize("command", [("leaderboard",), ("ratings", "report"), ("board", "list")])
def test_a_time_that_is_yet_to_come_is_refused(shell: Shell, command: tuple[str, ...]) -> None:
    filled(shell)
    page = () if command[0] == "board" else ("-o", shell.folder / "page.html")
    shell(*command, *page, "--as-of", "2999-01-01 AoE", code=1)
    assert "yet to come" in shell.err
    assert not (shell.folder / "page.html").exists()


def test_gold_items_are_of_the_challenges_dimensions_and_on_their_scales(shell: Shell) -> None:
    filled(shell)
    head = "item_id,dimension,low,high\n"
    shell("board", "gold", shell.write("gold.csv", f"{head}as1,Lip sync,4,5\nbs1,lip_sync,1,1\n"))
    with Board.open(shell.board) as board:
        held = board.snapshot().gold
    assert [(one.item, one.dimension) for one in held] == [("as1", "lip_sync"), ("bs1", "lip_sync")]
    twice = shell.write("twice.csv", f"{head}as1,Lip sync,4,5\nas1,lip_sync,4,5\n")
    shell("board", "gold", twice, code=1)
    assert "appears twice" in shell.err
    bad = f"{head}as1,sharpness,4,5\nas1,lip_sync,4,6\nbs1,lip_sync,0,4\n"
    shell("board", "gold", shell.write("bad.csv", bad), code=1)
    assert "row 2" in shell.err and "no dimension 'sharpness'" in shell.err
    assert "row 3" in shell.err and "not on the scale from 1 to 5" in shell.err
    assert "row 4" in shell.err


def test_gold_of_comparisons(shell: Shell) -> None:
    rules = "ratings:\n  method: pairs\n  dimensions: [{id: sync, title: Lip sync}, {id: look, title: Look}]\n"
    shell.board.unlink()
    shell("board", "init", "-c", shell.write("p.yaml", f"schema: 1\nid: p\ntitle: P\n{rules}"))
    head = "sample,first,second,answer,dimension\n"
    file = shell.write("gold.csv", f"{head}s1,(reference),lumen,first,\ns2,lumen,atlas,Different,lip sync\n")
    assert "3 answers are known" in shell("board", "gold", file)
    with Board.open(shell.board) as board:
        held = {(one.sample, one.dimension): one for one in board.snapshot().gold_pairs}
    assert (held["s1", "look"].sides, held["s1", "look"].low) == (("(reference)", "lumen"), 1.0)
    assert (held["s2", "sync"].sides, held["s2", "sync"].low, held["s2", "sync"].draw) == (
        ("atlas", "lumen"),
        0.0,
        False,
    )
    assert ("s1", "sync") in held and ("s2", "look") not in held
    bad = f"{head}s1,lumen,Lumen,first,\ns1,lumen,atlas,both,\ns1,lumen,atlas,first,blur\ns1,,atlas,first,\n"
    shell("board", "gold", shell.write("bad.csv", bad + "s3,a,b,first,sync\ns3,b,a,first,sync\n"), code=1)
    for words in ("with itself", "none of first, second", "no dimension 'blur'", "row 5", "appears twice"):
        assert words in shell.err
    shell("board", "gold", shell.write("bad.csv", "item_id,dimension,low,high\na,sync,1,1\n"), code=1)
    assert "no column 'sample'" in shell.err


def test_new_rules_say_what_they_change(shell: Shell) -> None:
    filled(shell)
    total = shell.state()["ratings"]
    later = RULES.replace("closes: 2026-03-05 AoE", "closes: 2026-03-01 AoE")
    out = shell("board", "rules", "--challenge", shell.write("d.yaml", later))
    assert f"Ratings that count: {total} -> 0 of {total}." in out
    assert "scored by" not in out
    wide = later.replace("metrics:", "submission: {video: {min_width: 64}}\nmetrics:")
    out = shell("board", "rules", "--challenge", shell.write("e.yaml", wide))
    assert f"Ratings that count: 0 of {total}." in out
    assert "3 runs were scored by earlier rules for files, metrics or test set: alpha/1, beta/1, gamma/1." in out


def test_the_log_says_that_there_are_earlier_entries(shell: Shell) -> None:
    add_teams(shell)
    assert "earlier" not in shell("board", "log")
    for turn in range(SHOWN_LOG):
        shell("board", "member", "alpha", f"p{turn}")
    total = len(json.loads(shell("board", "log", "--json"))["log"])
    first, *lines = shell("board", "log").splitlines()
    assert first == f"{total - SHOWN_LOG} earlier entries: --all shows them."
    assert len(lines) == SHOWN_LOG
    assert len(shell("board", "log", "--all").splitlines()) == total


def test_a_scorecard_of_a_part_of_the_test_set_is_noticed(shell: Shell) -> None:
    add_teams(shell)
    assert "warning" not in shell.err
    shell("board", "rules", "--challenge", shell.write("d.yaml", RULES + "testset: {samples: 20}\n"))
    shell("board", "add", "alpha", shell.folder / "alpha.json")
    assert "warning: the scorecard has 3 samples, the challenge's test set has 20" in shell.err
