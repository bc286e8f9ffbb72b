"""The page of groups: what is on it, hostile names, plots, and the sections of other pages."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from evalkit.cli import cli
from evalkit.cli.fairness import print_fairness
from evalkit.groups.model import FairnessReport
from evalkit.reports.fairness.page import render_fairness
from evalkit.reports.fairness.plot import make_plot
from evalkit.reports.scorecard_page import render_scorecard
from evalkit.scoring.scorecard import Scorecard
from tests.groups.test_groups import report_of
from tests.scorecards import HOSTILE, small_card


def card_of(name: str, step: float, labels: tuple[str, str] = ("f", "m")) -> Scorecard:
    rng = np.random.default_rng(1)
    values = rng.normal(30, 1, 50)
    values[25:] -= step
    groups = [{"gender": labels[at // 25]} for at in range(50)]
    return small_card(name, {"psnr": list(values)}, groups=groups, whole={"fid.pytorch": 9.0})


@pytest.fixture(scope="module")
def report() -> FairnessReport:
    return report_of(card_of("lumen", 3.0), card_of("atlas", 0.0))


def test_the_page_has_groups_gaps_and_plots(report: FairnessReport) -> None:
    page = render_fairness(report, "Clear Faces")
    assert "<h1><bdi>Clear Faces</bdi></h1>" in page
    assert "PSNR of lumen differs by gender: m is worst" in page
    assert page.count('<svg class="groups"') == 1
    assert "FID.PYTORCH is refused by group" in page
    assert page == render_fairness(report, "Clear Faces")
    assert not re.search(r'(?:src|href)="(?!#|data:)', page)


def test_marks_lie_where_the_numbers_are(report: FairnessReport) -> None:
    tables = [report.table("gender", "psnr", entry) for entry in report.entries]
    plot = make_plot(tables, ["f", "m"])
    assert plot is not None
    assert len(plot.marks) == 4
    (left, low), (right, high) = plot.ticks[0], plot.ticks[-1]
    for mark, line in zip(plot.marks, [line for table in tables for line in table.lines], strict=True):
        share = (line.mean - float(low)) / (float(high) - float(low))
        assert mark.x == pytest.approx(left + share * (right - left), abs=0.2)
        assert mark.low < mark.x < mark.high
    assert len({(mark.y, mark.look) for mark in plot.marks}) == 4


def test_hostile_names_are_escaped() -> None:
    report = report_of(card_of(HOSTILE[0], 3.0, (HOSTILE[1], HOSTILE[4])))
    page = render_fairness(report, HOSTILE[0])
    assert "<script>alert(1)" not in page
    assert "<img src=x" not in page
    assert "\u202e" not in page


def test_a_scorecards_page_has_the_section_where_groups_are_large_enough() -> None:
    assert 'id="fairness"' in render_scorecard(card_of("lumen", 3.0), lambda sample: None)
    few = small_card("few", {"psnr": [1.0, 2.0]}, groups=[{"gender": "f"}, {"gender": "m"}])
    assert 'id="fairness"' not in render_scorecard(few, lambda sample: None)


def test_the_command_writes_page_and_table_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, step in (("lumen", 3.0), ("atlas", 0.0)):
        (tmp_path / f"{name}.json").write_text(card_of(name, step).to_json())
    words = ["fairness", *(str(tmp_path / f"{name}.json") for name in ("lumen", "atlas")), "--permutations", "199"]
    words += ["--html", str(tmp_path / "f.html"), "--csv", str(tmp_path / "f.csv")]
    cli.main(args=words, standalone_mode=False)
    out = capsys.readouterr().out
    assert "2 submissions by gender; 2 tests" in out
    assert "gender: f 25, m 25." in out
    assert "<bdi>lumen.json, atlas.json</bdi>" in (tmp_path / "f.html").read_text()
    assert (tmp_path / "f.csv").read_text().count("\n") == 5
    cli.main(args=[*words, "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["entries"] == ["lumen", "atlas"]


def test_the_check_of_a_challenge_says_which_groups_are_too_small(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [{"id": f"s{at}", "groups": {"gender": "f" if at < 21 else "m"}} for at in range(30)]
    (tmp_path / "samples.jsonl").write_text("\n".join(map(json.dumps, lines)))
    text = "schema: 1\nid: a\ntitle: A\nmetrics: [{id: psnr.rgb}]\nranking: rank-sum\n"
    (tmp_path / "c.yaml").write_text(text + "fairness: {rule: worst-group, attribute: gender}\n")
    words = ["challenges", "check", str(tmp_path / "c.yaml"), "-b", "bundled"]
    assert not cli.main(args=words, standalone_mode=False)
    assert "check with --testset whether they are large enough" in capsys.readouterr().out
    assert cli.main(args=[*words, "--testset", str(tmp_path)], standalone_mode=False) == 2
    assert "m has 9 samples, 20 are needed." in capsys.readouterr().out


def test_values_of_any_finite_size_have_a_page_and_those_without_a_mean_cost_themselves_alone() -> None:
    groups = [{"gender": "fm"[at % 2]} for at in range(60)]
    tiny = [5e-324 * (at % 2) for at in range(60)]
    huge = [1.7e308 * (-1) ** (at % 2) for at in range(60)]  # the mean of all is finite, that of a group is not
    plain = [float(at) for at in range(60)]
    hostile = small_card("hostile", {"tiny": list(tiny), "plain": list(plain)}, groups=groups)
    values = [{**video.values, "huge": value} for video, value in zip(hostile.videos, huge, strict=True)]
    hostile = hostile.model_copy(
        update={
            "metrics": {**hostile.metrics, "huge": hostile.metrics["plain"].model_copy(update={"title": "HUGE"})},
            "videos": tuple(
                video.model_copy(update={"values": some}) for video, some in zip(hostile.videos, values, strict=True)
            ),
        }
    )
    honest = small_card("honest", {"tiny": list(plain), "huge": list(plain), "plain": list(plain)}, groups=groups)
    report = report_of(hostile, honest, truth=hostile)
    compared = {(table.entry, table.measure.id) for table in report.tables if table.gap is not None}
    assert compared == {(entry, name) for entry in ("hostile", "honest") for name in ("tiny", "plain", "huge")} - {
        ("hostile", "huge")
    }
    assert report.findings[-1] == (
        "Not compared, for values beyond 1e+100, of which no mean can be made: HUGE of hostile."
    )
    assert report.table("gender", "huge", "honest").no_real == "The real videos have no values of it."
    json.dumps(report.to_json(), allow_nan=False)
    assert render_fairness(report, "t").count('<svg class="groups"') == 3
    plot = make_plot([report.table("gender", "tiny", "hostile")], ["f", "m"])
    assert plot is not None
    assert all(0 <= mark.x <= plot.width for mark in plot.marks)


def test_the_terminal_lists_what_is_compared_and_no_more_than_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    groups = [{"age": "fm"[at % 2], "name": f"n{at}"} for at in range(100)]
    values = {f"m{at}": [float(one + at) for one in range(100)] for at in range(70)}
    print_fairness(report_of(small_card("lumen", values, groups=groups)))
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith(" M") for line in lines) == 60
    assert "10 more are in the table (--csv) and on the page (--html)." in lines
    assert any(line.startswith("name: (n0 1), (n1 1)") for line in lines)
    assert "and 40 more groups." in " ".join(lines)
    nothing = report_of(small_card("a", {"m": [1.0] * 600}, groups=[{"name": f"n{at}"} for at in range(600)]))
    print_fairness(nothing)
    assert "1 submission by no attribute; 0 tests" in capsys.readouterr().out


def test_a_scorecards_page_shows_some_of_thousands_of_attributes() -> None:
    groups = [{f"a{at:04}": "f", **{f"A{other:02}": "fm"[at % 2] for other in range(39)}} for at in range(300)]
    page = render_scorecard(small_card("lumen", {"m": [float(at) for at in range(300)]}, groups=groups), lambda _: None)
    assert "Groups by 299 more attributes are not shown here; per_video.csv has them." in page
    assert page.count('<th scope="col" data-sort="text"><bdi>') == 40
    assert page.count("(median where the metric says so above)") == 40
    assert "not shown here" not in render_scorecard(card_of("lumen", 3.0), lambda _: None)
