"""`evalkit table-check`: what is found in published figures, what is refused, and the page about FaceVid-1K."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from scipy.stats import spearmanr

from evalkit import api
from evalkit.cli import cli
from evalkit.errors import InputError
from evalkit.tables.figures import CheckFinding, TableCheck

ROOT = Path(__file__).parents[2]
FACEVID = (ROOT / "docs" / "papers" / "facevid1k.md").read_text(encoding="utf-8")
# Rows of OpenS2V-Eval's leaderboard 1.1, human domain (github.com/PKU-YuanGroup/OpenS2V-Nexus, leaderboard/file_v1.1).
OPENS2V = """\
Model,Venue,Evaluated by,TotalScore↑,Aesthetics↑,MotionSmoothness↑,MotionAmplitude↑,FaceSim↑,GmeScore↑,NaturalScore↑
[Hailuo](https://hailuoai.video/),Closed-Source,OpenS2V Team,65.26%,52.75%,99.1%,31.8%,57.69%,71.42%,69.2%
[ConsisID](https://example.org),Open-Source,OpenS2V Team,54.19%,41.77%,79.83%,37.99%,43.19%,72.03%,55.83%
[VACE-14B](https://example.org),Open-Source,OpenS2V Team,65.78%,52.78%,94.96%,11.76%,64.65%,69.53%,69.31%
[Phantom-1.3B](https://example.org),Open-Source,OpenS2V Team,60.0%,50.8%,92.02%,14.09%,46.29%,72.17%,65.83%
"""


def check(folder: Path, text: str, name: str = "figures.yaml") -> TableCheck:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return api.table_check(file)


def found(result: TableCheck, rule: str) -> list[CheckFinding]:
    return [one for one in result.findings if one.rule == rule]


def verdicts(result: TableCheck, rule: str) -> list[str]:
    return [one.verdict for one in found(result, rule)]


def table(rows: str, columns: str = "[{name: A, better: lower}, {name: B, better: higher}]") -> str:
    return f"tables:\n  - name: T\n    columns: {columns}\n    rows:\n{rows}"


@pytest.fixture(scope="module")
def facevid(tmp_path_factory: pytest.TempPathFactory) -> TableCheck:
    blocks = re.findall(r"```yaml\n(.*?)```", FACEVID, flags=re.DOTALL)
    return check(tmp_path_factory.mktemp("facevid"), next(block for block in blocks if "Table 4 (scale)" in block))


def test_a_copied_row_is_found_and_the_declared_one_is_not(facevid: TableCheck) -> None:
    (copied,) = found(facevid, "duplicate-row")
    assert copied.verdict == "suspicious"
    assert {(p.table, p.row, p.column, p.value) for p in copied.places} == {
        ("Table 2 (text to video)", "CelebV-Text", "FVD", "151.31"),
        ("Table 2 (text to video)", "CelebV-Text", "FID", "25.18"),
        ("Table 3 (unconditional)", "CelebV-HQ", "FVD", "151.31"),
        ("Table 3 (unconditional)", "CelebV-HQ", "FID", "25.18"),
    }
    (same,) = found(facevid, "same")
    assert same.verdict == "holds"
    assert "FVD 38.01, FID 8.71, CLIPScore 0.9365" in same.text


def test_the_sums_of_the_paper(facevid: TableCheck) -> None:
    assert verdicts(facevid, "sums") == ["holds", "holds", "fails"]
    assert found(facevid, "sums")[2].text == "age in percent: 15 + 73 + 25 + 2 = 115, not 100."


def test_claims_that_the_numbers_do_not_bear(facevid: TableCheck) -> None:
    better = found(facevid, "better")
    assert [one.verdict for one in better] == ["holds", "holds", "fails"]
    assert better[2].text == "CLIPScore: '1B, 400 h' (0.8605) is worse than '3B, 400 h' (0.8952)."
    best = found(facevid, "best")
    assert [one.verdict for one in best] == ["holds", "holds", "fails"]
    assert best[2].text == "The best CLIPScore is that of '3B, 600 h' (0.9372), not of '6B, 1000 h' (0.9365)."
    assert not facevid.clean
    assert facevid.complete
    assert facevid.cells == 17


def test_the_page_shows_what_the_command_prints(tmp_path: Path) -> None:
    yaml = next(b for b in re.findall(r"```yaml\n(.*?)```", FACEVID, flags=re.DOTALL) if "Table 4 (scale)" in b)
    (tmp_path / "facevid1k.yaml").write_text(yaml, encoding="utf-8")
    result = CliRunner().invoke(cli, ["table-check", str(tmp_path / "facevid1k.yaml")])
    assert result.exit_code == 1
    shown = re.search(r"\$ evalkit table-check facevid1k.yaml\n(.*?)```", FACEVID, flags=re.DOTALL)
    assert shown is not None
    assert result.stdout == shown[1]


def test_the_leaderboard_of_opens2v_follows_its_formula(tmp_path: Path) -> None:
    (tmp_path / "human.csv").write_text(OPENS2V, encoding="utf-8")
    text = "tables: [{name: human, file: human.csv}]\ntotals: [{table: human, column: TotalScore, formula: FORMULA}]"
    right = check(tmp_path, text.replace("FORMULA", "opens2v-v1.1-human"))
    assert verdicts(right, "totals") == ["holds"]
    assert right.clean
    # 0.15 of the motion's amplitude, as in version 1.0, in place of 0.09 and 0.03: each row is printed otherwise.
    wrong = check(tmp_path, text.replace("FORMULA", "opens2v-v1.0-human"))
    assert verdicts(wrong, "totals") == ["fails"] * 4
    strict = check(tmp_path, text.replace("FORMULA", "opens2v-v1.1-human, within: 0.008"))
    assert verdicts(strict, "totals") == ["holds"]


def test_a_csv_file_alone(tmp_path: Path) -> None:
    result = check(tmp_path, OPENS2V, "human.csv")
    assert (result.tables, result.cells) == (1, 28)
    columns = ["TotalScore", "Aesthetics", "MotionSmoothness", "MotionAmplitude", "FaceSim", "GmeScore", "NaturalScore"]
    assert {name for one in result.correlations for name in one.columns} == set(columns)
    numbers = [[float(cell.rstrip("%")) for cell in line.split(",")[3:]] for line in OPENS2V.splitlines()[1:]]
    for one in result.correlations:
        a, b = (columns.index(name) for name in one.columns)
        expected = spearmanr([row[a] for row in numbers], [row[b] for row in numbers]).statistic
        assert one.spearman == pytest.approx(expected, abs=1e-12)
    assert result.clean


def test_columns_that_rank_alike(tmp_path: Path) -> None:
    rows = "".join(f"      - {{name: r{n}, values: [{n}.5, {100 - n}]}}\n" for n in range(5))
    claims = "alike:\n  - {table: T, columns: [A, B], at_least: 0.9}\n  - {table: T, columns: [A, B], at_most: 0.5}\n"
    result = check(tmp_path, table(rows) + claims)
    assert result.correlations[0].spearman == pytest.approx(-1)
    assert verdicts(result, "one-signal") == ["note"]
    assert verdicts(result, "alike") == ["holds", "fails"]  # A is better low and B high: turned, they agree


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("[1.234, 2]", "[1.234, 3]", ["duplicate-cell"]),
        ("[1.23, 2]", "[1.23, 3]", []),  # three digits agree by chance too often
        ("[1.2340, 2]", "[1.234, 3]", ["duplicate-cell"]),  # a trailing zero is the same number
        ("[1.23, 2]", "[1.23, 2]", ["duplicate-row"]),
        ("[1.23, null]", "[1.23, 2]", []),  # a single cell of a row is no copied row
        ("[0.0000, 2]", "[0.0000, 3]", []),
    ],
)
def test_duplicates(tmp_path: Path, first: str, second: str, expected: list[str]) -> None:
    result = check(tmp_path, table(f"      - {{name: a, values: {first}}}\n      - {{name: b, values: {second}}}\n"))
    assert [one.rule for one in result.findings] == expected
    assert result.clean == ("duplicate-row" not in expected)


def test_rows_that_differ_in_a_cell_are_not_copied(tmp_path: Path) -> None:
    rows = "      - {name: a, values: [1.234, 2.5, 3]}\n      - {name: b, values: [1.234, 2.5, 4]}\n"
    result = check(tmp_path, table(rows, "[{name: A}, {name: B}, {name: C}]"))
    assert [one.rule for one in result.findings] == ["duplicate-cell"]


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        ("{title: x, parts: [33.3, 33.3, 33.3], total: 100}", "holds"),  # 99.9 by rounding
        ("{title: x, parts: [33.3, 33.3, 33.1], total: 100}", "fails"),
        ("{title: x, parts: [33, 33, 33], total: 100}", "fails"),  # whole numbers are counts
        ("{title: x, parts: [33, 33, 33], total: 100, within: 1}", "holds"),
        ("{title: x, parts: [0.1, 0.2], total: 0.3, within: 0}", "holds"),  # decimals, not binary fractions
        ("{title: x, parts: [-5, 5], total: 0}", "holds"),
    ],
)
def test_sums(tmp_path: Path, rule: str, verdict: str) -> None:
    assert verdicts(check(tmp_path, f"sums: [{rule}]"), "sums") == [verdict]


def test_missing_numbers_are_open_and_no_fault(tmp_path: Path) -> None:
    rows = "      - {name: a, values: [null, 2.5]}\n      - {name: b, values: [1, 2.25]}\n"
    claims = "best: [{table: T, row: a}]\nbetter: [{table: T, row: b, than: a}]\n"
    result = check(tmp_path, table(rows) + claims)
    assert [(one.rule, one.verdict) for one in result.findings] == [
        ("best", "open"),
        ("best", "holds"),
        ("better", "open"),
        ("better", "fails"),
    ]
    only_open = check(tmp_path, table(rows) + "better: [{table: T, row: b, than: a, columns: [A]}]\n")
    assert (only_open.clean, only_open.complete) == (True, False)
    assert CliRunner().invoke(cli, ["table-check", str(tmp_path / "figures.yaml")]).exit_code == 3


def test_ties_and_blocks(tmp_path: Path) -> None:
    rows = (
        "      - {name: a, block: x, values: [2, 5]}\n      - {name: b, block: x, values: [2, 4]}\n"
        "      - {name: c, block: y, values: [1, 9]}\n"
    )
    claims = "best: [{table: T, row: a, block: x}]\nbetter: [{table: T, row: a, than: b}]\n"
    result = check(tmp_path, table(rows) + claims)
    assert [one.text for one in found(result, "best")] == [
        "'a' has the best A of the block 'x' (2), and so has 'b'.",
        "'a' has the best B of the block 'x' (5); next is 'b' (4).",
    ]
    assert [one.verdict for one in found(result, "better")] == ["fails", "holds"]
    assert "as good as" in found(result, "better")[0].text


def test_json_says_all_and_nothing_else(tmp_path: Path) -> None:
    check(tmp_path, OPENS2V, "human.csv")
    result = CliRunner().invoke(cli, ["table-check", str(tmp_path / "human.csv"), "--json"])
    document = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (document["schema"], document["kind"], document["clean"], document["tables"]) == (1, "table-check", True, 1)
    assert len(document["correlations"]) == 21


ROW = "      - {name: a, values: [1, 2]}\n"
WRONG: list[tuple[str, str]] = [
    ("tables: []", "no table and no sum"),
    (table("      - {name: a, values: [1]}\n"), "1 values for 2 columns"),
    (table("      - {name: a, values: [1, x]}\n"), "number as it is printed"),
    (table("      - {name: a, values: [1, .nan]}\n"), "number as it is printed"),
    (table("      - {name: a, values: [1, 1e999]}\n"), "number as it is printed"),
    (table(ROW + ROW), "the row 'a' appears twice"),
    (table(ROW, "[{name: A}, {name: A}]"), "the column 'A' appears twice"),
    (table(ROW) + "best: [{table: U, row: a}]", "no table with the name 'U'"),
    (table(ROW) + "best: [{table: T, row: b}]", "no row in 'T' with the name 'b'"),
    (table(ROW) + "best: [{table: T, row: a, columns: [C]}]", "no column in 'T' with the name 'C'"),
    (table(ROW) + "best: [{table: T, row: a, block: z}]", "not in the block 'z'"),
    (table(ROW, "[{name: A}, {name: B}]") + "best: [{table: T, row: a}]", "no column has a better side"),
    (table(ROW) + "totals: [{table: T, column: A, formula: theval}]", "needs a 'reference'"),
    (table(ROW) + "totals: [{table: T, column: A, formula: opens2v}]", "no formula 'opens2v'"),
    (table(ROW) + "totals: [{table: T, column: A, formula: opens2v-v1.0}]", "one column for each of its terms"),
    (table(ROW) + "alike: [{table: T, columns: [A, B]}]", "needs 'at_least' or 'at_most'"),
    (table(ROW) + "sums: [{title: x, parts: ['-'], total: 1}]", "not a gap"),
    ("tables: [{name: T, file: ../../etc/passwd}]", "outside its folder"),
    ("tables: [{name: T, file: none.csv}]", "does not exist"),
    ("tables: [{name: T}]", "columns and rows, or a file"),
    ("tables: &a [*a]", "anchors"),
    ("sums: [{title: x, parts: [1], total: 1, colour: red}]", "unknown key"),
    ("[1, 2]", "not a set of"),
]


@pytest.mark.parametrize(("text", "message"), WRONG, ids=[message for _, message in WRONG])
def test_wrong_files_are_refused_in_a_sentence(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        check(tmp_path, text)
    assert message in str(caught.value)
    assert "line" in str(caught.value) or "file" in str(caught.value) or "exist" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no table"),
        ("Model,A\n", "is no table"),
        ("Model,A\nx,1\ny,1,2\n", "line 3: a wrong number of cells"),
        ("Model,A\nx,1\ny,one\n", "line 3: 'one' in the column 'A' is no number"),
        ("Model,A\nx,one\ny,two\n", "no column with numbers"),
        ("Model,A\nx,1\nx,2\n", "the row 'x' appears twice"),
        ('Model,A\n"x,1\n', "is no CSV"),
        ("Model,A\n" + "".join(f"r{n},{n}\n" for n in range(600)), "too many rows"),
        ('Model,A\nx,"35,150"\n', "no column with numbers"),
    ],
)
def test_wrong_csv_files_are_refused_in_a_sentence(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        check(tmp_path, text, "table.csv")


def test_hostile_names_can_not_act_in_a_terminal(tmp_path: Path) -> None:
    row = "x\x1b]0;owned\x07"
    text = f"Model,A,B\n{row},1.25,2.5\ny\u202e,1.25,2.5\n"
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    result = CliRunner().invoke(cli, ["table-check", str(tmp_path / "t.csv")])
    assert result.exit_code == 1
    assert "\x1b" not in result.output
    assert "\u202e" not in result.output


def test_marks_around_numbers_are_left_away(tmp_path: Path) -> None:
    text = "Model;A ↓;B\nx;**38.01**;0.95 ± 0.02\ny;40.5†;\u2013\n"
    result: Any = check(tmp_path, text, "t.csv")
    assert result.cells == 3
