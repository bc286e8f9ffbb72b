"""The chain from files to the leaderboard: ``evalkit board``, ``ratings`` and ``leaderboard``."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from builders.boards import make_card

from evalkit.board import Board
from evalkit.challenges.model import load_challenge
from evalkit.cli import main

RULES = """\
schema: 1
id: c
title: A small challenge
metrics:
  - {id: psnr.rgb, weight: 1, range: [10, 50]}
  - {id: ssim.gray, weight: 1, range: [0, 1]}
ranking: weighted-sum
ranking_rules: {group_weights: {objective: 1, subjective: 1}}
ratings:
  method: mos
  blind: true
  window: {opens: 2026-03-01 AoE, closes: 2026-03-05 AoE}
  dimensions:
    - {id: lip_sync, title: Lip sync}
"""
TEAMS = {"alpha": (34.0, 0.95), "beta": (30.0, 0.90), "gamma": (22.0, 0.70)}
SAMPLES = ("s1", "s2", "s3")
SCORES = {"alpha": (5, 4, 5), "beta": (3, 4, 3), "gamma": (1, 2, 2)}
RATERS = ("r01", "r02", "r03", "r04")


class Shell:
    """Runs commands in one folder."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        self.board = folder / "board.sqlite"

    def __call__(self, *words: str | Path, code: int = 0) -> str:
        """Run one command, hold its exit code against ``code``, and return standard output."""
        with pytest.raises(SystemExit) as stop:
            main([str(word) for word in words])
        captured = self._capsys.readouterr()
        self.err = captured.err
        assert int(stop.value.code or 0) == code, captured.err
        return captured.out

    def write(self, name: str, text: str) -> Path:
        """Write a file and return where."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def state(self) -> dict[str, object]:
        """Return what is on the board."""
        document: dict[str, object] = json.loads(self("board", "list", "--json"))
        return document


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """Return a shell with an empty board."""
    made = Shell(tmp_path, capsys)
    monkeypatch.setenv("EVALKIT_BOARD", str(made.board))
    monkeypatch.setenv("EVALKIT_BY", "organizer")
    made("board", "init", "--challenge", made.write("c.yaml", RULES))
    yield made


def add_teams(shell: Shell) -> None:
    """Put three teams with a run each on the board."""
    digest = load_challenge(shell.folder / "c.yaml").sha256
    for team, (psnr, ssim) in TEAMS.items():
        card = make_card(team, {"psnr.rgb": [psnr - 1, psnr, psnr + 1], "ssim.gray": [ssim] * 3}, samples=SAMPLES)
        card = card.model_copy(update={"challenge": card.challenge.model_copy(update={"sha256": digest})})
        path = shell.write(f"{team}.json", card.to_json())
        assert "added" in shell("board", "add", team, path, "--new-team")


def rating_rows(raters: tuple[str, ...] = RATERS, day: str = "2026-03-03T10:00:00+00:00") -> str:
    """Return a long CSV: every rater scores every item, half the raters a point lower."""
    lines = ["rater_id,item_id,dimension,score,submitted_at"]
    for place, rater in enumerate(raters):
        for team, scores in SCORES.items():
            for sample, score in zip(SAMPLES, scores, strict=True):
                lines.append(f"{rater},{team[0]}{sample},lip_sync,{max(1, score - place % 2)},{day}")
    return "\n".join(lines) + "\n"


def key() -> str:
    """Return the key of the items."""
    rows = [f"{team[0]}{sample},{team},{sample}" for team in TEAMS for sample in SAMPLES]
    return "\n".join(["item_id,team,sample_id", *rows]) + "\n"


def filled(shell: Shell) -> None:
    """Put teams and ratings on the board."""
    add_teams(shell)
    shell("ratings", "import", shell.write("long.csv", rating_rows()), "--key", shell.write("key.csv", key()))


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


def test_the_same_file_again_changes_nothing_and_an_overlapping_one_adds_the_rest(shell: Shell) -> None:
    filled(shell)
    before = shell.state()
    out = shell("ratings", "import", shell.folder / "long.csv", "--key", shell.folder / "key.csv")
    assert "Imported 0 new rows of long.csv (long); 36 were on the board before." in out
    after = shell.state()
    assert {**after, "entry": 0, "at": 0, "seal": 0, "imports": 0} == {
        **before,
        "entry": 0,
        "at": 0,
        "seal": 0,
        "imports": 0,
    }
    overlapping = shell.write("more.csv", rating_rows(("r01", "r05")))
    told = "import 9 new rows of more.csv (long); 9 were on the board before."
    assert f"Would {told}" in shell("ratings", "import", overlapping, "--dry-run")
    assert shell.state()["ratings"] == 36
    assert told.replace("import", "Imported", 1) in shell("ratings", "import", overlapping)
    assert shell.state()["ratings"] == 45


def test_a_dry_run_says_what_would_count_and_changes_nothing(shell: Shell) -> None:
    add_teams(shell)
    before = shell.state()
    rows = rating_rows().splitlines()
    rows.append("r01,as1,lip_sync,5,2026-03-06T12:00:00+00:00")  # one second after 2026-03-05 23:59:59 AoE
    rows.append("r09,as1,lip_sync,5,2026-03-06T11:59:59+00:00")  # the window's last second
    rows.append("r09,as2,lip_sync,7,2026-03-03T10:00:00+00:00")  # off the scale
    rows.append("r09,unknown,lip_sync,3,2026-03-03T10:00:00+00:00")
    path = shell.write("long.csv", "\n".join(rows) + "\n")
    out = json.loads(shell("ratings", "import", path, "--key", shell.write("key.csv", key()), "--dry-run", "--json"))
    assert (out["dry_run"], out["new"], out["known"]) == (True, 40, 0)
    assert out["on_the_board"]["counted"] == 37
    assert out["on_the_board"]["reasons"] == {"late": 1, "off-scale": 1, "unknown-item": 1}
    assert shell.state() == before


def test_a_file_with_a_bad_row_is_refused_whole_or_imported_without_it(shell: Shell) -> None:
    add_teams(shell)
    key_file = shell.write("key.csv", key())
    path = shell.write("long.csv", rating_rows() + "r05,as1,lip_sync,five,2026-03-03T10:00:00+00:00\n")
    shell("ratings", "import", path, "--key", key_file, code=1)
    assert "row 38" in shell.err
    assert "nothing was imported" in shell.err
    assert shell.state()["ratings"] == 0
    out = json.loads(shell("ratings", "import", path, "--key", key_file, "--skip-bad-rows", "--json", code=3))
    assert (out["new"], len(out["faults"])) == (36, 1)
    assert shell.state()["ratings"] == 36


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("rater,thing,answer\nr01,x,3\n", "no format that evalkit knows"),
        ("rater_id,item_id,dimension,score,submitted_at\nr01,as1,lip_sync,3,2026-03-03 10:00 Mars\n", "row 2"),
        ("rater_id,item_id,dimension,score,submitted_at\nr01,as1,lip_sync,3,2026-03-03T10:00:00\n", "time zone"),
        ("rater_id,sample_id,left,right,winner\nr01,s1,alpha,beta,left\n", "pairs"),
        ("", "empty"),
    ],
)
def test_bad_files_are_told(shell: Shell, text: str, told: str) -> None:
    shell("ratings", "import", shell.write("bad.csv", text), code=1)
    assert told in shell.err
    assert shell.state()["ratings"] == 0


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


def test_screening_excludes_with_a_reason_and_can_be_taken_back(shell: Shell) -> None:
    filled(shell)
    same = "".join(
        f"r07,{team[0]}{sample},lip_sync,4,2026-03-03T11:00:00+00:00\n" for team in TEAMS for sample in SAMPLES
    )
    extra = "".join(f"r07,{team[0]}x,lip_sync,4,2026-03-03T11:00:00+00:00\n" for team in TEAMS)
    shell("ratings", "import", shell.write("r07.csv", rating_rows(()) + same + extra))
    shell("board", "exclude", "rater", "r07", "--why", "gives everything a 4", "--code", "straight-liner")
    state = shell.state()
    assert [(one["subject"], one["code"]) for one in state["excluded"]] == [("r07", "straight-liner")]  # type: ignore[index, union-attr]
    shell("board", "include", "1", "--why", "asked, and means it")
    assert shell.state()["excluded"] == []
    actions = [entry["action"] for entry in json.loads(shell("board", "log", "--all", "--json"))["log"]]
    assert actions[-2:] == ["exclude", "include"]
    assert "Everything is as it was written" in shell("board", "verify")


def test_the_report_on_the_ratings(shell: Shell) -> None:
    filled(shell)
    page = shell.folder / "ratings.html"
    document = json.loads(shell("ratings", "report", "-o", page, "--json"))
    assert document["schema"] == 1
    text = page.read_text(encoding="utf-8")
    assert "r01" in text
    assert "not for publication" in text.lower()
    assert "http" not in text.replace("http-equiv", "").replace("http://www.w3.org", "")


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


@pytest.mark.shared
def test_the_real_ratings_in_parts_and_whole(shell: Shell, shared: Path) -> None:
    folder = (
        shared / "talking-heads" / "ratings"
        if (shared / "talking-heads").is_dir()
        else shared / "data/talking-heads/ratings"
    )
    rules = json.loads((folder / "rules.json").read_text())
    dimensions = ", ".join(f"{{id: {name}, title: {name}}}" for name in rules["dimensions"])
    window = rules["window"]
    text = RULES.split("ratings:", maxsplit=1)[0] + (
        f"ratings:\n  method: mos\n  blind: true\n  min_seconds_per_item: {rules['min_seconds_per_item']}\n"
        f"  window: {{opens: {window['opens']}, closes: {window['closes']}}}\n  dimensions: [{dimensions}]\n"
    )
    board = shell.folder / "real.sqlite"
    shell("board", "init", "--board", board, "--challenge", shell.write("real.yaml", text))
    for team in ("faithful", "late", "blurred", "swapped", "frozen"):
        shell("board", "team", team, "--board", board)
    words = ("--board", board, "--key", folder / "key.csv", "--json")
    parts = [json.loads(shell("ratings", "import", folder / name, *words)) for name in
             ("long_first_part.csv", "long_overlapping_part.csv", "long.csv")]  # fmt: skip
    assert parts[1]["known"] == 800
    assert parts[2]["new"] == 0
    assert parts[0]["new"] + parts[1]["new"] == parts[2]["known"]
    assert parts[2]["on_the_board"]["reasons"]["late"] == 52
    found = json.loads(
        shell(
            "ratings",
            "screen",
            "--board",
            board,
            "--rule",
            "speeders",
            "--rule",
            "straight-liners",
            "--apply",
            "--json",
        )
    )
    assert {row["rater"] for row in found["found"]} == {"r13", "r14"}
    pairs = json.loads(shell("ratings", "import", folder / "pairs.csv", "--board", board, "--pairs", "--json"))
    assert pairs["new"] > 0
    assert pairs["faults"] == []


def test_an_answer_that_the_platform_rejects_later_counts_no_longer(shell: Shell) -> None:
    add_teams(shell)
    key_file = shell.write("key.csv", key())
    head, *rows = rating_rows().splitlines()
    path = shell.write("long.csv", "\n".join([f"{head},status", *(f"{row},Submitted" for row in rows)]) + "\n")
    shell("ratings", "import", path, "--key", key_file)
    path.write_text(path.read_text().replace("Submitted", "Rejected", 9))
    out = json.loads(shell("ratings", "import", path, "--dry-run", "--json"))
    assert (out["new"], out["changed"], out["known"], out["on_the_board"]["counted"]) == (0, 9, 27, 27)
    assert "changed: 9 (the platform's status is another one; the earlier one would be replaced)" in shell(
        "ratings", "import", path, "--dry-run"
    )
    assert json.loads(shell("ratings", "import", path, "--json"))["changed"] == 9
    out = json.loads(shell("ratings", "import", path, "--json"))
    assert (out["new"], out["changed"], out["known"], out["on_the_board"]["counted"]) == (0, 0, 36, 27)
    path.write_text(path.read_text().replace("Rejected", "Approved"))
    assert json.loads(shell("ratings", "import", path, "--json"))["on_the_board"]["counted"] == 36
    assert shell("board", "verify").startswith("Everything")


def test_a_dry_run_refuses_what_the_import_refuses(shell: Shell) -> None:
    add_teams(shell)
    key_file = shell.write("key.csv", key())
    path = shell.write("long.csv", rating_rows())
    bad = shell.write("bad.csv", rating_rows() + "r05,as1,lip_sync,five,2026-03-03T10:00:00+00:00\n")
    shell("ratings", "import", bad, "--key", key_file, "--dry-run", code=1)
    assert "would be refused" in shell.err
    assert "row 38" in shell.err
    shell("ratings", "import", bad, "--key", key_file, "--dry-run", "--skip-bad-rows", code=3)
    shell("ratings", "import", path, "--key", key_file)
    first, second, *others = key().splitlines()[1:]
    swapped = [f"{first.split(',')[0]},{second.partition(',')[2]}", f"{second.split(',')[0]},{first.partition(',')[2]}"]
    other = shell.write("other.csv", "\n".join([key().splitlines()[0], *swapped, *others]) + "\n")
    shell("ratings", "import", path, "--key", other, code=1)
    assert "another meaning" in shell.err
    shell("ratings", "import", path, "--key", other, "--dry-run", code=1)
    assert "would be refused" in shell.err
    assert "another meaning" in shell.err


def test_a_dry_run_names_the_rows_that_would_not_count(shell: Shell) -> None:
    add_teams(shell)
    late = rating_rows(day="2026-03-07T10:00:00+00:00")
    path = shell.write("long.csv", late + "r09,as1,lip_sync,9,2026-03-03T10:00:00+00:00\n")
    key_file = shell.write("key.csv", key())
    out = json.loads(shell("ratings", "import", path, "--key", key_file, "--dry-run", "--json"))
    rows = out["not_counted_rows"]
    assert [row["row"] for row in rows] == list(range(2, 39))
    assert (rows[-1]["file"], rows[-1]["rater"], rows[-1]["item"]) == ("long.csv", "r09", "as1")
    assert (rows[-1]["dimension"], rows[-1]["codes"]) == ("lip_sync", ["off-scale"])
    assert rows[-1]["sentence"] == "9 is not on the scale from 1 to 5."
    assert len(rows[-1]["identity"]) == 64
    text = shell("ratings", "import", path, "--key", key_file, "--dry-run")
    assert "... and 27 more with --json." in text
    assert "long.csv, row 11:" in text
    assert "long.csv, row 12:" not in text


@pytest.mark.parametrize("command", [("leaderboard",), ("ratings", "report"), ("board", "list")])
def test_a_time_that_is_yet_to_come_is_refused(shell: Shell, command: tuple[str, ...]) -> None:
    filled(shell)
    page = () if command[0] == "board" else ("-o", shell.folder / "page.html")
    shell(*command, *page, "--as-of", "2999-01-01 AoE", code=1)
    assert "yet to come" in shell.err
    assert not (shell.folder / "page.html").exists()


def test_a_rating_is_listed_and_excluded_by_the_first_digits_of_its_identity(shell: Shell) -> None:
    filled(shell)
    rows = json.loads(shell("ratings", "list", "--rater", "r02", "--json"))["rows"]
    assert len(rows) == 9
    assert {row["rater"] for row in rows} == {"r02"}
    assert shell("ratings", "list", "--not-counted") == "None.\n"
    line = shell("ratings", "list", "--rater", "r02").splitlines()[0]
    begin = line.split()[0]
    assert (len(begin), begin) == (12, rows[0]["identity"][:12])
    assert "long.csv, row 11: r02, as1, lip_sync, 4" in line
    shell("board", "exclude", "answer", begin, "--why", "the page froze")
    (out,) = json.loads(shell("ratings", "list", "--not-counted", "--json"))["rows"]
    assert (out["identity"], out["codes"], out["sentence"]) == (rows[0]["identity"], ["excluded"], "the page froze")
    assert "(excluded) the page froze" in shell("ratings", "list", "--not-counted")
    assert "already" in shell("board", "exclude", "answer", out["identity"], "--why", "again")
    shell("board", "exclude", "answer", "0000000", "--why", "nothing begins so", code=1)
    assert "no answer '0000000'" in shell.err


def test_comparisons_are_listed_too(shell: Shell) -> None:
    add_teams(shell)
    text = "rater_id,sample_id,left,right,winner,submitted_at\nr01,s1,alpha,beta,left,2026-03-03T10:00:00+00:00\n"
    shell("ratings", "import", shell.write("pairs.csv", text), "--pairs")
    (row,) = json.loads(shell("ratings", "list", "--pairs", "--json"))["rows"]
    assert (row["item"], row["value"], row["file"], row["row"]) == ("s1: alpha / beta", 1.0, "pairs.csv", 2)
    shell("board", "exclude", "answer", row["identity"][:12], "--why", "the page froze")
    (row,) = json.loads(shell("ratings", "list", "--pairs", "--not-counted", "--json"))["rows"]
    assert "excluded" in row["codes"]


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
