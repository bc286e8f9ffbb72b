"""The leaderboard as CSV, JSON, LaTeX and Markdown: the numbers are there, and nothing that a stranger wrote acts."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from dataclasses import replace

import pytest
from builders.boards import make_snapshot
from builders.leaderboards import COLUMNS, NASTY, empty, hostile, make_row, many, plain, tied
from builders.realistic_board import realistic, realistic_leaderboard

from evalkit.cli.leaderboard import print_leaderboard
from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.leaderboard.model import RatingsInfo
from evalkit.leaderboard.table import Cell, CodedReason
from evalkit.reports.leaderboard.tables import (
    latex_text,
    leaderboard_csv,
    leaderboard_json,
    leaderboard_latex,
    leaderboard_markdown,
    markdown_text,
)

ALL = (leaderboard_csv, leaderboard_json, leaderboard_latex, leaderboard_markdown)


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def unescaped_braces(text):
    depth = 0
    for found in re.finditer(r"\\.|[{}]", text, re.DOTALL):
        depth += {"{": 1, "}": -1}.get(found.group(), 0)
        assert depth >= 0
    return depth


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_csv_has_a_line_per_run_with_all_digits():
    snapshot, leaderboard = plain(("alpha", "beta", "gamma"))
    first, second, third = rows_of(leaderboard_csv(snapshot, leaderboard))
    assert [first[name] for name in ("rank", "rank_low", "rank_high", "team", "run", "primary")] == [
        "1", "1", "2", "alpha", "main", "yes",
    ]  # fmt: skip
    assert float(second["score"]) == 1 - 1 / 3
    assert float(second["m.err"]) == 10 * (1 - (1 - 1 / 3))
    assert float(second["m.err.lo"]) == 9 * (1 - (1 - 1 / 3))
    assert float(second["m.err.hi"]) == 10.5 * (1 - (1 - 1 / 3))
    assert (second["m.err.n"], second["m.err.coverage"], second["m.err.reason"]) == ("4", "1.0", "")
    assert (third["m.diag"], third["m.diag.reason"]) == ("", "no_face")
    assert (first["tied_with"], second["tied_with"], third["tied_with"]) == ("beta", "alpha", "")


def test_csv_shows_the_unranked_and_other_runs():
    out = CodedReason("coverage", "Too few samples.")
    rows = (
        make_row("alpha", 0, 1),
        make_row("beta", 1, 2, rank=None, score=None, interval=None, probability=(), reasons=(out,)),
        make_row("alpha", 1, 2, run="second", primary=False, rank=None, score=None, interval=None, cells={}),
    )
    lines = rows_of(leaderboard_csv(*plain(("alpha", "beta"), rows=rows)))
    assert [(one["team"], one["run"], one["rank"], one["primary"]) for one in lines] == [
        ("alpha", "main", "1", "yes"),
        ("beta", "main", "", "yes"),
        ("alpha", "second", "", "no"),
    ]
    assert lines[1]["reasons"] == "Too few samples."
    assert lines[2]["m.id.reason"] == "not_scored"


def test_json_holds_everything_and_no_nan():
    snapshot, leaderboard = plain(("alpha", "beta"))
    odd = make_row("alpha", 0, 2)
    odd = replace(odd, cells={**odd.cells, "m.err": Cell(1.0, (math.inf, math.nan))})
    leaderboard = replace(leaderboard, rows=(odd, *leaderboard.rows[1:]))
    text = leaderboard_json(snapshot, leaderboard)
    assert not re.search(r"NaN|Infinity", text)
    found = json.loads(text)
    assert found["schema"] == 1
    assert found["board"]["digest"] == snapshot.digest
    assert found["board"]["number"] == 3
    parts = found["leaderboard"]
    assert parts["rows"][0]["cells"]["m.err"] == {
        "value": 1.0, "ci": [None, None], "reason": None, "n": 0, "coverage": 1.0, "points": None, "best": False,
        "set_sizes": {}, "mode": None, "share_at_mode": None, "source": None, "hardware": None, "at_worst": 0,
    }  # fmt: skip
    assert [one["id"] for one in parts["columns"]] == [one.id for one in COLUMNS]
    assert parts["sensitivity"]["random"]["wins"] == [1.0, 0.0]
    for part in ("phases", "tie_groups", "ratings", "points", "distributions", "breakdowns", "strengths"):
        assert parts[part], part
    default = {one["name"]: one["evalkit_default"] for one in found["rules"]}
    assert default["metrics[m.id].range"] is True
    assert default["metrics[m.id].weight"] is False
    assert default["coverage"] is True


def test_latex_has_booktabs_bold_best_intervals_and_arrows():
    text = leaderboard_latex(*plain(("alpha", "beta")))
    for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
        assert text.count(rule) == 1
    assert r"Identity $\uparrow$ & ERR $\downarrow$ & Look $\uparrow$" in text
    (first,) = [line for line in text.splitlines() if " & alpha & " in line]
    assert first == (
        r"1 {\scriptsize [1, 2]} & alpha & $1.000$ & $\mathbf{1.000}$ {\scriptsize [$0.9900$, $1.010$]} & "
        r"$\mathbf{0}$ {\scriptsize [$0$, $0$]} & $\mathbf{5.000}$ \\"
    )
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {line.count(" & ") for line in body} == {5}


def test_latex_writes_powers_of_ten():
    tiny = replace(make_row("alpha", 0, 1), score=1.23e-5)
    assert r"$1.230 \times 10^{-5}$" in leaderboard_latex(*plain(("alpha",), rows=(tiny,)))


def test_markdown_has_one_table_with_equal_columns():
    text = leaderboard_markdown(*plain(("alpha", "beta", "gamma")))
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 5
    assert {line.count("|") for line in table} == {8}
    assert "| 1 | 1 to 2 | alpha | 1.000 | **1.000** (0.9900 to 1.010) |" in table[2]
    assert "40093ead2c5f" in text


def test_the_realistic_board():
    snapshot, leaderboard = realistic(), realistic_leaderboard()
    lines = rows_of(leaderboard_csv(snapshot, leaderboard))
    assert len(lines) == 10
    assert "theta" in leaderboard_markdown(snapshot, leaderboard).split("Not ranked")[1]
    assert leaderboard_latex(snapshot, leaderboard).count(r"\\") == 8  # the head and seven teams


@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize("board", [empty, many, hostile], ids=["empty", "many", "hostile"])
def test_same_input_same_text(make, board):
    assert make(*board()) == make(*board())


# --- people -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", ALL)
def test_no_id_of_a_person_gets_out(make):
    text = make(realistic(), realistic_leaderboard())
    assert "example.org" not in text


def test_raters_are_numbers_in_json():
    found = json.loads(leaderboard_json(realistic(), realistic_leaderboard()))
    raters = found["leaderboard"]["ratings"]["raters"]
    assert [one["rater"] for one in raters] == [f"rater {at}" for at in range(1, 15)]
    assert found["decisions"][0]["about"] == "rater 14"
    assert found["decisions"][0]["reason"] == "not published"
    assert [one["holds"] for one in found["decisions"]] == [True, False]


def test_no_people():
    found = json.loads(leaderboard_json(*plain(("alpha",), ratings=None)))
    assert found["leaderboard"]["ratings"] is None
    kept = json.loads(leaderboard_json(*plain(("alpha",), ratings=RatingsInfo(3, 2))))
    assert kept["leaderboard"]["ratings"]["counted"] == 2


# --- foreign text -----------------------------------------------------------------------------------------------------


def test_no_spreadsheet_computes_a_cell():
    text = leaderboard_csv(*hostile())
    cells = [cell for line in csv.reader(io.StringIO(text)) for cell in line]
    bad = [cell for cell in cells if cell.lstrip()[:1] in {"=", "@", "+", "\t"}]
    bad += [cell for cell in cells if cell.startswith("-") and not re.fullmatch(r"-[0-9.e-]+", cell)]
    assert bad == []
    assert "'=cmd|' /C calc'!A1 13" in cells
    assert len({len(line) for line in csv.reader(io.StringIO(text))}) == 1
    assert not set(text) & {"\u202e", "\x1b", "\u200b"}


def test_json_keeps_names_as_they_are():
    found = json.loads(leaderboard_json(*hostile()))
    assert [row["team"] for row in found["leaderboard"]["rows"]] == [f"{text} {at}" for at, text in enumerate(NASTY)]


@pytest.mark.parametrize("text", [*NASTY, "a$b%c_d^e~f#g&h{i}j\\k", "^^41", "\\end{tabular}", "%", "\\\\", "é ü ß 漢"])
def test_latex_commands_are_dead(text):
    shown = latex_text(text)
    assert unescaped_braces(shown) == 0
    rest = re.sub(r"\\(?:text[a-z]+\{\}|ldots\{\}|char\d\d\{\}|[{}$&%#_])", "", shown)
    assert not set(rest) & set('\\$&%#_^~<>|"`'), shown


def test_latex_of_hostile_names_is_one_balanced_table():
    text = leaderboard_latex(*hostile())
    assert unescaped_braces(text) == 0
    assert text.count(r"\begin{") == text.count(r"\end{") == 1
    assert r"\input" not in text
    assert r"\textbackslash{}input\{/etc/passwd\} 12" in text
    assert all(line.count(" & ") == 5 for line in text.splitlines() if line.endswith(r"\\"))
    comments = [line for line in text.splitlines() if line.startswith("%")]
    assert len(comments) == 2


@pytest.mark.parametrize(
    "text", [*NASTY, "https://x.example", "www.x.example", "@team #12", "a\nb", "![i](x)", "~~s~~"]
)
def test_markdown_has_no_markup_from_names(text):
    shown = markdown_text(text)
    assert "\n" not in shown
    bare = re.sub(r"\\[\\!-/:-@\[-`{-~]|&#[0-9]+;", "", shown)
    assert not set(bare) & set("`*_[]<>|#@~:!&\\"), shown


def test_markdown_of_hostile_names_is_one_table():
    text = leaderboard_markdown(*hostile())
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 2 + 16
    assert {line.count("|") for line in table} == {8}
    assert "<" not in text


# --- gaps -------------------------------------------------------------------------------------------------------------


def test_empty_boards_have_tables():
    snapshot, leaderboard = empty()
    assert rows_of(leaderboard_csv(snapshot, leaderboard)) == []
    assert json.loads(leaderboard_json(snapshot, leaderboard))["leaderboard"]["rows"] == []
    assert r"\midrule" in leaderboard_latex(snapshot, leaderboard)
    assert "Nobody is ranked yet" in leaderboard_markdown(snapshot, leaderboard).replace("\\", "")


def test_a_gap_is_a_dash_with_its_reason():
    row = make_row("alpha", 0, 1)
    row = replace(row, cells={**row.cells, "m.err": Cell(None, None, "too_few_frames")}, interval=None)
    snapshot, leaderboard = plain(("alpha",), rows=(row,), **tied())
    assert " & -- & " in leaderboard_latex(snapshot, leaderboard)
    assert "\u2013 too\\_few\\_frames" in leaderboard_markdown(snapshot, leaderboard)


# --- without a ranking ------------------------------------------------------------------------------------------------

UNRANKED = """schema: 1
id: c
title: T
metrics:
  - {id: psnr, direction: higher}
  - {id: ssim, direction: higher}
  - {id: iqa.brisque, group: diagnostic, rank: false}
ranking: none
"""


def unranked():
    values = {
        "b10": {"psnr": [1, 2, None], "ssim": [0.5, 0.6, 0.7], "iqa.brisque": [30.0] * 3},
        "b9": {"psnr": [3, 4, 5], "ssim": None, "iqa.brisque": [40.0] * 3},
    }
    snapshot = make_snapshot(UNRANKED, values)
    return snapshot, compute_leaderboard(snapshot, draws=100)


def test_markdown_without_a_ranking_has_all_values_by_name():
    text = leaderboard_markdown(*unranked())
    assert [line for line in text.splitlines() if line.startswith("|")] == [
        "| Team | PSNR \u2191 | SSIM \u2191 |",
        "| :--- | ---: | ---: |",
        "| b9 | 4.000 (3.000 to 5.000) | \u2013 no\\_face |",
        "| b10 | 1.500 (1.000 to 2.000) on 66.7 % | 0.6000 (0.5000 to 0.7000) |",
    ]
    assert "on how many of the samples it rests" in text
    assert "Not ranked" not in text
    assert "The challenge declares no ranking" in text


def test_latex_without_a_ranking_has_all_values_by_name():
    rows = [line for line in leaderboard_latex(*unranked()).splitlines() if line.endswith(r"\\")]
    assert rows[0] == r"Team & PSNR $\uparrow$ & SSIM $\uparrow$ \\"
    assert [row.split(" & ")[0] for row in rows[1:]] == ["b9", "b10"]
    assert "$4.000$" in rows[1]


def test_the_terminal_without_a_ranking_has_all_values(capsys):
    print_leaderboard(unranked()[1])
    text = capsys.readouterr().out
    assert [line.split() for line in text.splitlines() if line.strip().startswith("b")] == [
        ["b9", "4.000", "\u2013", "no_face"],
        ["b10", "1.500", "0.6000"],
    ]
    assert "The challenge declares no ranking." in text
    assert "not ranked" not in text
