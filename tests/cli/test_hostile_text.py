"""Hostile text through every command: what comes out, each channel read by somebody else's reader, does nothing."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import shapes
from board_tools import YAML, card, rules
from hostile_text import (
    FEW,
    HOSTILE,
    PLAIN,
    Terminal,
    check_csv,
    check_json,
    check_latex,
    check_markdown,
    check_page,
)
from hostile_zips import Entry, raw_zip

from evalkit.board import Board


@pytest.fixture
def evalkit(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Terminal:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVALKIT_BY", "olga")
    return Terminal(capsys)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("neutral")
    shapes.write_testset(folder / "testset", 2, 0.4, size=64)
    shapes.write_submission(folder / "team.zip", 2, 0.4, shapes.unchanged, size=64)
    return folder


def test_the_readers_see_what_they_look_for(tmp_path: Path) -> None:
    for name, text, check in (
        ("a.html", "<p onclick=x>", check_page),
        ("b.html", "<script></script><script></script>", check_page),
        ("c.html", "<a href='javascript:x'>", check_page),
        ("d.html", "<p>\x1b</p>", check_page),
        ("e.html", "<!-- x -->", check_page),
        ("a.csv", "a,b\n=1,2\n", check_csv),
        ("b.csv", "a,b\nx\u202e,2\n", check_csv),
        ("c.csv", "a,b\n 1\n", check_csv),
        ("a.tex", "a & b \\\\\n\\input{x} & 1 \\\\\n1 & 2 \\\\\n", check_latex),
        ("b.tex", "a & b \\\\\n5 % & 1 \\\\\n1 & 2 \\\\\n", check_latex),
        ("a.md", "| a |\n|---|\n| b | c |\n", check_markdown),
        ("b.md", "| a |\n|---|\n| `b` |\n", check_markdown),
        ("c.md", "| a |\n|---|\n| [b](javascript:x) |\n", check_markdown),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(AssertionError):
            check(tmp_path / name)


def test_names_in_an_archive(evalkit: Terminal, world: Path, tmp_path: Path) -> None:
    entries = [Entry(text.encode("utf-8", "surrogateescape")[:60_000], data=b"x") for text in HOSTILE]
    archive = raw_zip(tmp_path / "team.zip", *entries, Entry("nul\0name.mp4"))
    for more in ((), ("--all",), ("--json",)):
        code, out, _ = evalkit("validate", archive, "-c", "talking-head", "--testset", world / "testset", *more, "-q")
        assert code == 1
    assert len(json.loads(out)["findings"]) > 10
    code, _, err = evalkit("score", archive, "-c", "talking-head", "--testset", world / "testset", "-m", "psnr", "-q")
    assert code == 1
    assert "can't be scored" in err


@pytest.mark.parametrize("text", ["\x1b[31mred", "gpm\u202eexe", "=cmd|'x'!A1", "two\nlines", "lone \udce9 byte"])
def test_the_name_of_the_submission_and_words_of_the_call(
    evalkit: Terminal, world: Path, tmp_path: Path, text: str
) -> None:
    archive = tmp_path / f"{text}.zip"
    shutil.copy(world / "team.zip", archive)
    words = ("score", archive, "-c", "talking-head", "--testset", world / "testset", "-m", "psnr", "-q", "-w", "1")
    assert evalkit(*words)[0] == 0
    (folder,) = [path for path in tmp_path.iterdir() if path.name.endswith("-scorecard")]
    check_page(folder / "report.html")
    check_csv(folder / "per_video.csv")
    check_json((folder / "scorecard.json").read_text(encoding="utf-8"))
    for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines():
        check_json(line)
    for usage in (("score", text), ("challenges", "show", text), ("leaderboard", "--board", text), (text,)):
        assert evalkit(*usage)[0] in {1, 2}
    assert evalkit("score", archive, "-c", text, "--testset", text)[0] in {1, 2}
    assert evalkit("compare", text)[0] in {1, 2}


@pytest.mark.parametrize("text", [*HOSTILE[:9], "lone \udce9 byte"])
def test_the_name_of_a_refused_archive(evalkit: Terminal, tmp_path: Path, text: str) -> None:
    archive = raw_zip(tmp_path / f"{text.replace('/', '')}.zip", Entry("../x.mp4"))
    for more in ((), ("--all",), ("--json",)):
        code, out, _ = evalkit("validate", archive, "-c", "talking-head", "-q", *more)
        assert code == 1
        assert "refused" in out


def test_text_of_the_test_set_and_of_the_rules(evalkit: Terminal, world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "testset", tmp_path / "testset")
    lines = (world / "testset" / "samples.jsonl").read_text().splitlines()
    mine = tmp_path / "mine.yaml"
    for text in FEW:
        first = json.loads(lines[0]) | {"text": text, "groups": {"group": text}}
        (tmp_path / "testset" / "samples.jsonl").write_text("\n".join([json.dumps(first), *lines[1:]]))
        mine.write_text(json.dumps({"id": "mine", "title": text[:300]}))
        out = tmp_path / "out"
        words = ("score", world / "team.zip", "-c", mine, "--testset", tmp_path / "testset", "-m", "psnr", "-o", out)
        if evalkit(*words, "-q", "-w", "1")[0] == 0:
            check_page(out / "report.html")
            check_csv(out / "per_video.csv")
        (tmp_path / "testset" / "samples.jsonl").write_text(json.dumps(first | {"id": text}))
        evalkit(*words, "-q", "-w", "1")
        for bad in ({text: 1}, {"id": text}, {"id": "mine", "title": "x", "metrics": [{"id": text}]}, text):
            mine.write_text(json.dumps(bad))
            evalkit("challenges", "check", mine)
        mine.write_bytes(b"id: mine\ntitle: " + text.encode() + b"\n")
        evalkit("challenges", "check", mine)
        assert evalkit("score", world / "team.zip", "-c", mine, "--testset", text, "--json")[0] in {1, 2}
    assert evalkit.codes <= {0, 1, 2, 3, 4}


def hostile_card(number: int, text: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(card(f"t{number}", number / 100).to_json())
    document["submission"]["name"] = text
    metric = document["metrics"]["identity.strict"]
    metric |= {"title": text, "notes": [{"kind": text, "detail": text}], "n": 1, "coverage": 0.5}
    finding = {"rule": text, "severity": "error", "message": text, "found": text, "expected": text, "fix": text}
    document["findings"] = [{**finding, "path": text}]
    document["videos"][0] |= {"path": text, "findings": [finding], "groups": {text[:50]: text}, "verdict": "warning"}
    document["videos"][1]["values"]["identity.strict"] = None
    document["videos"][1]["reasons"] = {"identity.strict": text}
    document["provenance"]["more"] = {text[:50]: text}
    return document


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Path]:
    Board.create(tmp_path / "b.sqlite", rules(), YAML, by="olga").close()
    yield tmp_path / "b.sqlite"


def test_everything_on_a_board(evalkit: Terminal, board: Path, tmp_path: Path) -> None:
    at = ("--board", board)
    teams: list[str] = []
    for number, text in enumerate(PLAIN[::2]):
        name = text[:60]
        if evalkit("board", "team", name, *at, "--member", f"{number} {name}"[:90], "--by", name)[0]:
            name = f"team {number}"
            assert evalkit("board", "team", name, *at)[0] == 0
        teams.append(name)
        (tmp_path / "card.json").write_text(json.dumps(hostile_card(number, text)))
        assert evalkit("board", "add", name, tmp_path / "card.json", *at, "--run", "1")[0] == 0
        if text not in FEW:
            continue
        evalkit("board", "rater", text, "--team", name, *at)
        evalkit("board", "remove", text, *at, "--why", text)
        evalkit("board", "exclude", "rater", text, *at, "--why", text)
        evalkit("board", "exclude", "run", f"{name}/1", *at, "--why", text[:500])
        evalkit("board", "primary", name, text, *at)
        evalkit("board", "member", name, text, *at)
    at_work = [name for name in teams if name in PLAIN]
    assert len(at_work) > 4  # not everything was refused
    head = ("rater_id", "item_id", "dimension", "value", "submitted_at", *PLAIN[:3])
    rest = ("overall", "3", "2026-03-01T12:00:00Z")
    rows = [(text[:150], f"i{at}", *rest, text, "", "") for text in PLAIN for at in range(len(teams))]
    tables: dict[str, list[tuple[str, ...]]] = {
        "r.csv": [head, *rows],
        "key.csv": [("item_id", "team", "sample"), *((f"i{at}", team, "s1") for at, team in enumerate(teams))],
        "hostile.csv": [("item_id", "team", "sample"), *((text[:150], text, text) for text in PLAIN)],
    }
    for name, table in tables.items():
        with (tmp_path / name).open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows(table)
    imported = ("ratings", "import", tmp_path / "r.csv", *at, "--skip-bad-rows", "--key")
    assert evalkit(*imported, tmp_path / "hostile.csv")[0] == 1
    for more in (("--dry-run",), ("--json",), ()):
        assert evalkit(*imported, tmp_path / "key.csv", *more)[0] in {0, 3}
    bad = tmp_path / "bad.csv"
    for text in FEW[:4]:
        with bad.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([head[:5], ("r", text, text, text, text), (text,)])
        evalkit("ratings", "import", bad, *at)
        evalkit("ratings", "import", bad, *at, "--json", "--skip-bad-rows")
        bad.write_text(f"{text},b\n1,2\n", encoding="utf-8")
        evalkit("ratings", "import", bad, *at)
    with Board.open(board) as opened:
        assert len(opened.snapshot().answers) > 10
    for words in (("board", "list"), ("board", "list", "--json"), ("board", "log", "--all"), ("board", "verify"),
                  ("board", "log", "--json"), ("ratings", "screen"), ("ratings", "screen", "--json")):  # fmt: skip
        assert evalkit(*words, *at)[0] == 0
    assert evalkit("ratings", "report", *at, "-o", tmp_path / "r.html")[0] == 0
    check_page(tmp_path / "r.html")
    page = tmp_path / "l.html"
    also = [word for name in ("csv", "json", "latex", "markdown") for word in ("--also", name)]
    assert evalkit("leaderboard", *at, "-o", page, *also, "--draws", "100")[0] == 0
    assert evalkit("leaderboard", *at, "-o", page, "--draws", "100", "--json")[0] == 0
    check_page(page)
    check_csv(page.with_suffix(".csv"))
    check_json(page.with_suffix(".json").read_text(encoding="utf-8"))
    check_latex(page.with_suffix(".tex"))
    check_markdown(page.with_suffix(".md"))


def test_tables_of_a_board_on_which_everything_is_hostile(tmp_path: Path) -> None:
    from builders.leaderboards import hostile

    from evalkit.cli.leaderboard import TABLES, write_table

    snapshot, leaderboard = hostile()
    paths = {name: write_table(name, snapshot, leaderboard, tmp_path / "l.html") for name in TABLES}
    check_csv(paths["csv"], least=5)
    check_json(paths["json"].read_text(encoding="utf-8"))
    check_latex(paths["latex"])
    check_markdown(paths["markdown"])
