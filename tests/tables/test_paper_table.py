"""`evalkit table`: which number stands where, what is marked, what is refused, and the four formats."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from evalkit import api
from evalkit.cli import cli
from evalkit.errors import InputError
from evalkit.folders.model import DistanceResult
from evalkit.reports.paper_table import table_csv, table_json, table_latex, table_markdown
from evalkit.scoring.scorecard import MetricScore

FVD, FID, CLIP = "fvd.styleganv.unpaired", "fid.pytorch.unpaired", "clipscore.logits100"
# In the shape of table 4 of the FaceVid-1K paper (arXiv 2410.07151): parameters by hours of data.
PUBLISHED = {
    "1B": {"200 h": (99.9, 20.1), "400 h": (87.62, 16.60)},
    "3B": {"200 h": (None, None), "400 h": (99.52, 18.16)},
}


def run(folder: Path, name: str, values: dict[str, Any], **changes: Any) -> Path:
    """Write the result of a run over folders."""
    metrics = {}
    for metric, value in values.items():
        number, reason = (value, None) if not isinstance(value, str) else (None, value)
        metrics[metric] = MetricScore(
            value=number,
            reason=reason,
            ci95=None if number is None else (number - 1.5, number + 2.25),
            higher_is_better=metric == CLIP,
            n=changes.get("n", 100),
            coverage=1.0 if number is not None else 0.0,
            protocol=changes.get("protocol", 1),
        )
    side = {"source": "real", "files": 100, "read": 100, "sha256": changes.get("real", "ab" * 32)}
    version = changes.get("version", 1)
    weights = [changes.get("weights", "12" * 32)]
    result = DistanceResult(
        real=side,
        generated=side,
        pairing={"pairs": 0},
        backbones=changes.get("backbones", "published"),
        metrics=metrics,
        features={name: {"version": version, "weights": weights, "options": {}} for name in ("inception", "i3d")},
        provenance={"backbones": {"sha256": "00" * 32}},
    )
    goal = folder / name
    goal.mkdir(parents=True, exist_ok=True)
    (goal / "distance.json").write_text(result.to_json())
    return goal


def table_of(folder: Path, text: str, **options: Any) -> Any:
    file = folder / "runs.yaml"
    file.write_text(text, encoding="utf-8")
    return api.table(file, **options)


def marks(table: Any, column: int) -> list[str | None]:
    return [row.cells[column].mark for row in table.rows]


def texts(table: Any) -> list[list[str]]:
    return [[cell.text for cell in row.cells] for row in table.rows]


def test_training_sets_by_metrics(tmp_path: Path) -> None:
    run(tmp_path, "a", {FVD: 151.313, FID: 25.18})
    run(tmp_path, "b", {FVD: 38.014, FID: 8.71})
    run(tmp_path, "c", {FVD: 99.5, FID: "too_few_frames"})
    table = table_of(
        tmp_path,
        """
title: Training sets
header: Training set
precision: 2
columns: [{metric: fvd}, {metric: fid, interval: true}, {metric: clipscore, precision: 4}]
rows:
  - {name: CelebV, run: a}
  - name: FaceVid
    run: b
    values: [{metric: clipscore, value: 0.93651, source: the paper}]
  - {name: HDTF, run: c}
""",
    )
    assert texts(table) == [["151.31", "25.18", ""], ["38.01", "8.71", "0.9365"], ["99.50", "", ""]]
    assert marks(table, 0) == [None, "best", "second"]
    assert marks(table, 1) == ["second", "best", None]
    assert marks(table, 2) == [None, None, None]  # alone, it is not the best of anything
    assert table.rows[1].cells[1].interval_text == ("7.21", "10.96")
    assert table.rows[1].cells[0].interval_text is None
    assert [column.better for column in table.columns] == ["lower", "lower", "higher"]
    assert [column.metric for column in table.columns] == [FVD, FID, CLIP]
    assert table.notes == (
        f"{CLIP} was not computed.",
        "From the paper; not computed here.",
        "Unscored: too_few_frames.",
    )
    assert table.rows[2].cells[1].notes == (3,)
    assert table.warnings == ()


def test_small_numbers_are_printed_times_a_factor(tmp_path: Path) -> None:
    run(tmp_path, "a", {FVD: 0.00167, FID: 0.00167})
    run(tmp_path, "b", {FVD: 0.0021, FID: 0.0021})
    table = table_of(
        tmp_path,
        """
precision: 2
columns: [{metric: fvd, times: 1000, interval: true}, {metric: fid, title: Plain, precision: 4}]
rows:
  - {name: A, run: a}
  - {name: B, run: b}
  - {name: Published, source: the paper, values: [{metric: fvd, value: 1.78}]}
""",
    )
    assert [row[0] for row in texts(table)] == ["1.67", "2.10", "1.78"]
    assert [row[1] for row in texts(table)][:2] == ["0.0017", "0.0021"]
    assert marks(table, 0) == ["best", None, "second"]
    assert [column.title for column in table.columns] == ["FVD, unpaired sets (\u00d71000)", "Plain"]
    low, high = table.rows[0].cells[0].interval
    assert low < 1.67 < high
    with pytest.raises(InputError, match="a formula has its own weights"):
        table_of(tmp_path, "columns: [{metric: x, formula: theval, times: 10}]\nrows: [{name: A, run: a}]\n")


def test_parameters_by_hours(tmp_path: Path) -> None:
    rows = []
    for name, hours in PUBLISHED.items():
        values = [
            f"{{metric: {metric}, dataset: {dataset}, " + (f"value: {number}}}" if number else "reason: not reported}")
            for dataset, numbers in hours.items()
            for metric, number in zip(("fvd", "fid"), numbers, strict=True)
        ]
        rows.append(f"  - {{name: {name}, source: table 4, values: [{', '.join(values)}]}}")
    table = table_of(
        tmp_path,
        "columns:\n  - {metric: fvd, dataset: 200 h}\n  - {metric: fvd, dataset: 400 h}\n"
        "  - {metric: fid, dataset: 200 h}\n  - {metric: fid, dataset: 400 h}\nrows:\n" + "\n".join(rows) + "\n",
    )
    assert [(column.dataset, column.metric) for column in table.columns] == [
        ("200 h", "fvd.styleganv"),
        ("200 h", "fid.pytorch"),
        ("400 h", "fvd.styleganv"),
        ("400 h", "fid.pytorch"),
    ]
    assert texts(table) == [["99.90", "20.10", "87.62", "16.60"], ["", "", "99.52", "18.16"]]
    assert marks(table, 2) == ["best", "second"]
    assert table.notes == ("From table 4; not computed here.", "not reported")
    latex = table_latex(table)
    assert r" & \multicolumn{2}{c}{200 h} & \multicolumn{2}{c}{400 h} \\" in latex
    assert r"\cmidrule(lr){2-3}\cmidrule(lr){4-5}" in latex
    assert r"1B & $99.90$$^{1}$ & $20.10$$^{1}$ & $\mathbf{87.62}$$^{1}$ & $\mathbf{16.60}$$^{1}$ \\" in latex
    assert r"3B & --$^{2}$ & --$^{2}$ & \underline{$99.52$}$^{1}$ & \underline{$18.16$}$^{1}$ \\" in latex


def test_cost_per_run_and_blocks(tmp_path: Path) -> None:
    table = table_of(
        tmp_path,
        """
best: block
columns: [{metric: cost, title: Cost, unit: GPU h, better: lower, precision: 0}, {metric: seed, better: neither}]
rows:
  - {name: A, block: small, source: our log, values: [{metric: cost, value: 120}, {metric: seed, value: 1}]}
  - {name: B, block: small, source: our log, values: [{metric: cost, value: 96}, {metric: seed, value: 2}]}
  - {name: C, block: large, source: our log, values: [{metric: cost, value: 960.4}, {metric: seed, value: 3}]}
  - {name: D, block: large, source: our log, values: [{metric: cost, value: 960.2}, {metric: seed, value: 4}]}
  - {name: E, block: large, source: our log, note: stopped early, values: [{metric: cost, value: 1000}]}
""",
    )
    # 960.4 and 960.2 are printed alike, so they share the place, and there is no second.
    assert marks(table, 0) == ["second", "best", "best", "best", None]
    assert marks(table, 1) == [None] * 5
    assert table.rows[4].cells[1].reason == "no run"
    assert "stopped early" in table.notes
    assert table_markdown(table).count("*small*") == 1
    assert r"\multicolumn{3}{l}{\textit{large}} \\" in table_latex(table)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weights": "99" * 32, "backbones": "bundled"}, "the feature 'i3d' (backbones 'published' and 'bundled')"),
        ({"version": 2}, "the feature 'i3d'"),
        ({"protocol": 2}, "protocol 1 and 2"),
        ({"real": "cd" * 32}, "the test set or the real files"),
    ],
)
def test_numbers_that_can_not_be_compared_are_refused_unless_told(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    run(tmp_path, "a", {FVD: 10.0})
    run(tmp_path, "b", {FVD: 20.0}, **changes)
    text = "columns:\n  - {metric: fvd}\nrows:\n  - {name: A, run: a}\n  - {name: B, run: b}\n"
    with pytest.raises(InputError, match=r"runs.yaml, line 2: the column 'fvd' mixes numbers") as refusal:
        table_of(tmp_path, text)
    assert f"'A' and 'B' differ in {words}" in str(refusal.value)
    told = table_of(tmp_path, text, mixed=True)
    assert told.notes == (f"Not comparable with 'A': other {words}.",)
    assert told.rows[1].cells[0].notes == (1,)
    in_column = table_of(tmp_path, text.replace("{metric: fvd}", "{metric: fvd, mixed: true}"))
    assert in_column == told


def test_a_feature_that_the_metric_does_not_read_may_differ(tmp_path: Path) -> None:
    one = run(tmp_path, "a", {FVD: 10.0})
    run(tmp_path, "b", {FVD: 20.0})
    document = json.loads((one / "distance.json").read_text())
    document["features"]["inception"]["version"] = 7
    (one / "distance.json").write_text(json.dumps(document))
    table = table_of(tmp_path, "columns: [{metric: fvd}]\nrows: [{name: A, run: a}, {name: B, run: b}]\n")
    assert marks(table, 0) == ["best", "second"]


def test_other_numbers_of_files_are_said(tmp_path: Path) -> None:
    run(tmp_path, "a", {FVD: 10.0})
    run(tmp_path, "b", {FVD: 20.0}, n=20)
    table = table_of(tmp_path, "columns: [{metric: fvd}]\nrows: [{name: A, run: a}, {name: B, run: b}]\n")
    assert table.warnings == (
        "The column 'fvd' has numbers of 20 to 100 files: fewer files make it larger by themselves.",
    )


def test_a_short_name_of_two_numbers_must_be_an_id(tmp_path: Path) -> None:
    run(tmp_path, "a", {FVD: 10.0, "fvd.styleganv": 11.0})
    with pytest.raises(InputError, match=r"line 1: 'fvd' is two numbers in these runs. Found fvd.styleganv and"):
        table_of(tmp_path, "columns: [{metric: fvd}]\nrows: [{name: A, run: a}]\n")
    table = table_of(tmp_path, f"columns: [{{metric: {FVD}}}]\nrows: [{{name: A, run: a}}]\n")
    assert texts(table) == [["10.00"]]


FAULTS = {
    "columns: [{metric: fvd}]\nrows: [{name: A, run: nowhere}]": r"line 2: The result .*nowhere does not exist",
    "columns: [{metric: fvdd}]\nrows: [{name: A}]": r"line 1: no run and no row has 'fvdd'. Did you mean 'fvd'",
    "columns: [{metric: x}]\nrows: [{name: A, values: [{metric: x, value: 1}]}]": "'x' without a source",
    "columns: [{metric: x}]\nrows: [{name: A, source: s, values: [{metric: x, value: 1}]}]": "not known which side",
    "columns: [{metric: x}]\nrows: [{name: A, source: s, values: [{metric: y, value: 1}]}]": "'y', which is no column",
    "columns: [{metric: x}]\nrows: [{name: A, runs: {b: a}}]": "has a run for 'b', which is no column's data set",
    "columns: [{metric: x}, {metric: x}]\nrows: [{name: A}]": "the column 'x' appears twice",
    "columns: [{metric: x}]\nrows: [{name: A, values: [{metric: x}]}]": "needs a number, or a reason",
    "columns: [{metric: x, precison: 2}]\nrows: [{name: A}]": r"line 1: unknown key 'columns.0.precison'. Did you mean",
    "columns: []\nrows: [{name: A}]": "line 1: 'columns'",
    "columns: [{metric: x}]\nrows: [{name: A, values: [{metric: x, value: .inf}]}]": "line 2",
    "columns: &a [{metric: x}]\nrows: *a": "anchors and aliases are not allowed",
    "columns: !!python/object:os.system [x]": "tags are not allowed",
    "- a": "not a set of 'key: value' lines",
    "columns: [{metric: x, precision: 99}]\nrows: [{name: A}]": "'columns.0.precision'",
    "label: '}\\input{x}'\ncolumns: [{metric: x}]\nrows: [{name: A}]": "line 1: 'label'",
}


@pytest.mark.parametrize("text", FAULTS, ids=lambda text: str(text)[:40])
def test_faults_are_named_with_their_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=FAULTS[text]):
        table_of(tmp_path, text + "\n")


def test_damaged_results_are_named(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for content, words in (
        ("{", "is not JSON"),
        ('{"kind": "distance"}', "not a result of evalkit distance"),
        ("[]", "scorecard"),
        ('{"metrics": NaN}', "is not JSON"),
    ):
        (tmp_path / "a" / "distance.json").write_text(content)
        with pytest.raises(InputError, match=r"runs.yaml, line 2: ") as refusal:
            table_of(tmp_path, "columns: [{metric: fvd}]\nrows: [{name: A, run: a}]\n")
        assert words in str(refusal.value).lower() or words in str(refusal.value)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="has no result"):
        table_of(tmp_path, "columns: [{metric: fvd}]\nrows: [{name: A, run: empty}]\n")


def test_no_text_leaves_its_format(tmp_path: Path) -> None:
    """Names with the signs of every format, in each."""
    evil = r"=1+1|<script>$x_1$\\input{a}&%**b**"
    text = json.dumps(
        {
            "title": evil,
            "columns": [{"metric": "x", "title": evil, "better": "lower", "dataset": evil}],
            "rows": [
                {"name": evil, "block": evil, "note": evil,
                 "values": [{"metric": "x", "dataset": evil, "value": 1, "source": evil}]},
                {"name": "B", "values": [{"metric": "x", "dataset": evil, "value": 2, "source": "b"}]},
            ],
        }
    )  # fmt: skip
    table = table_of(tmp_path, text)
    latex = table_latex(table)
    assert r"\input" not in latex
    assert re.search(r"(?<!\\)\$x", latex) is None
    markdown = table_markdown(table)
    assert "<script" not in markdown
    assert "**b**" not in markdown
    lengths = {line.count("|") for line in markdown.splitlines() if line.startswith("|")}
    assert lengths == {3}
    rows = list(csv.reader(io.StringIO(table_csv(table))))
    assert rows[1][0].startswith("'=")
    assert json.loads(table_json(table))["title"] == evil


def test_every_format_has_the_numbers(tmp_path: Path) -> None:
    run(tmp_path, "a", {FVD: 10.123456, FID: 0.00001234})
    run(tmp_path, "b", {FVD: 20.0, FID: 3.0})
    text = "interval: true\ncolumns: [{metric: fvd}, {metric: fid}]\nrows: [{name: A, run: a}, {name: B, run: b}]\n"
    table = table_of(tmp_path, text)
    head, first, _ = csv.reader(io.StringIO(table_csv(table)))
    row = dict(zip(head, first, strict=True))
    assert (row[FVD], row[f"{FVD}.lo"], row[f"{FVD}.n"], row[f"{FVD}.mark"]) == ("10.123456", "8.623456", "100", "best")
    assert "| A | **10.12** (8.623 to 12.37) | **1.234e-05**" in table_markdown(table)
    assert r"$\mathbf{10.12}$ {\scriptsize [$8.623$, $12.37$]}" in table_latex(table)
    assert r"$\mathbf{1.234 \times 10^{-5}}$" in table_latex(table)
    document = json.loads(table_json(table))
    assert document["rows"][0]["cells"][0]["value"] == 10.123456
    assert "FVD, unpaired sets ↓" in table_markdown(table)


def test_the_command(tmp_path: Path) -> None:
    run(tmp_path, "a", {FVD: 10.0})
    file = tmp_path / "runs.yaml"
    file.write_text("columns: [{metric: fvd}]\nrows: [{name: A, run: a}]\n")
    runner = CliRunner()
    outputs = [str(tmp_path / f"t{suffix}") for suffix in (".tex", ".csv", ".md", ".json")]
    done = runner.invoke(cli, ["table", str(file), *(word for one in outputs for word in ("-o", one))])
    assert done.exit_code == 0, done.output
    assert all(Path(one).read_text() for one in outputs)
    assert runner.invoke(cli, ["table", str(file)]).output == Path(outputs[2]).read_text()
    assert json.loads(runner.invoke(cli, ["table", str(file), "--json"]).output) == json.loads(
        Path(outputs[3]).read_text()
    )
    assert runner.invoke(cli, ["table", str(file), "-o", "x.docx"]).exit_code == 2
