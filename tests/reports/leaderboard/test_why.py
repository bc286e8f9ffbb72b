"""Why one team is above another, on the page, in JSON and on the terminal: the same numbers everywhere."""

from __future__ import annotations

import json
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from builders.leaderboards import NASTY, hostile
from builders.realistic_board import realistic, realistic_leaderboard
from click.testing import CliRunner
from leaderboard_pages import cells, page_of, section, text_of

from evalkit.board import Board
from evalkit.cli.leaderboard import leaderboard as command
from evalkit.errors import UsageError
from evalkit.leaderboard.contrasts import ColumnContrast, Contrast
from evalkit.reports.leaderboard.tables import leaderboard_json
from evalkit.reports.leaderboard.why import explain
from evalkit.reports.tables import format_share
from evalkit.text import format_signed, format_value


def in_json():
    document = json.loads(leaderboard_json(realistic(), realistic_leaderboard()))
    return document["leaderboard"]["contrasts"]


def expected_rows(pair):
    """What the page must say of a pair of the JSON file: the texts behind the name of each column."""
    return [
        [
            format_value(one["first"]),
            format_value(one["second"]),
            format_signed(one["difference"]),
            f"{format_signed(one['ci'][0])} to {format_signed(one['ci'][1])}",
            format_share(one["ahead"]),
            format_signed(one["gain"]),
        ]
        for one in pair["columns"]
    ]


def test_neighbours_on_the_page_are_those_of_the_json_file():
    page = page_of((realistic(), realistic_leaderboard()))
    order = [row.label for row in realistic_leaderboard().rows if row.rank is not None]
    pairs = {(one["first"], one["second"]): one for one in in_json()}
    for at in range(len(order) - 1):
        first, second = order[at], order[at + 1]
        rows = cells(page, f"Difference of {first} and {second}")
        assert rows[0][1:3] == [first, second]
        assert [row[1:] for row in rows[1:]] == expected_rows(pairs[first, second])
        assert f"above in {format_share(pairs[first, second]['ahead'])} of 400 draws" in section(page, "why")


def test_what_the_script_shows_is_in_the_json_file():
    page = page_of((realistic(), realistic_leaderboard()))
    (form,) = page.find("div", id="why-form")
    data = json.loads(form["attrs"]["data-why"])
    pairs = {(one["first"], one["second"]): one for one in in_json()}
    assert len(data["pairs"]) == len(pairs) == 21
    for first, second, phase, _, lines in data["pairs"]:
        rows = [line.split("\t") for line in lines.split("\n")]
        names = data["names"][first], data["names"][second]
        values = data["values"][phase]
        shown = [[a, b, *row] for a, b, row in zip(values[str(first)], values[str(second)], rows, strict=True)]
        assert shown == expected_rows(pairs[names])


def test_sentences_name_what_helps_and_whether_it_is_significant():
    leaderboard = realistic_leaderboard()
    told = {one.significant: explain(leaderboard, one) for one in leaderboard.contrasts}
    assert "doesn't separate" in told[False].sentences[-1]
    for pair in leaderboard.contrasts:
        verdict = explain(leaderboard, pair).sentences[-1]
        assert ("more than the interval of a single pair" in verdict) == (not pair.significant and pair.ci[0] > 0)
    assert "significant among all pairs" in told[True].sentences[-1]
    one = leaderboard.contrasts[0]
    best = max(one.columns, key=lambda column: column.gain)
    titles = {column.id: column.published_as or column.title for column in leaderboard.columns}
    said = explain(leaderboard, one).sentences[1]
    assert said.startswith(f"For {one.first}: {titles[best.column]} ({format_value(best.gain)})")


def test_the_terminal_prints_the_same(monkeypatch, tmp_path):
    @contextmanager
    def opened(place):
        yield SimpleNamespace(snapshot=lambda as_of: realistic())

    monkeypatch.setattr(Board, "open", opened)
    monkeypatch.setenv("COLUMNS", "220")
    words = ["--board", "b.sqlite", "-o", str(tmp_path / "page.html"), "--draws", "400"]
    output = CliRunner().invoke(command, [*words, "--why", "alpha", "beta"], catch_exceptions=False).output
    (pair,) = [one for one in in_json() if {one["first"], one["second"]} == {"alpha", "beta"}]
    lines = [" ".join(line.split()) for line in output.splitlines()]
    for texts in expected_rows(pair):
        assert any(line.endswith(" ".join(texts)) for line in lines), texts
    for wrong, message in ((("alpha", "bta"), "Did you mean 'beta'"), (("alpha", "alpha"), "twice")):
        with pytest.raises(UsageError, match=message):
            CliRunner().invoke(command, [*words, "--why", *wrong], catch_exceptions=False)


def test_hostile_labels_stay_text():
    snapshot, leaderboard = hostile()
    first, second = (row.label for row in leaderboard.rows[:2])
    column = ColumnContrast("m.id", 1.0, 0.5, 0.5, (0.1, 0.9), 0.99, 0.25)
    pair = Contrast("ranking", first, second, 0.25, (0.1, 0.4), 0.99, True, (column,), 100, 100)
    page = page_of((snapshot, leaderboard.__class__(**{**leaderboard.__dict__, "contrasts": (pair,)})))
    (form,) = page.find("div", id="why-form")
    (shown,) = json.loads(form["attrs"]["data-why"])["pairs"]
    assert shown[4] == "+0.5000\t+0.1000 to +0.9000\t99.0 %\t+0.2500"
    assert not page.find("img")
    assert any(NASTY[0][:4] in text_of(one) for one in page.find("option"))


@pytest.mark.browser
def test_choosing_two_teams(visit):
    page = visit("real")
    page.select_option("#why-first", label="delta")
    page.select_option("#why-second", label="alpha")
    (pair,) = [one for one in in_json() if {one["first"], one["second"]} == {"delta", "alpha"}]
    assert pair["first"] == "alpha"
    rows = page.eval_on_selector_all(
        "#why-table tbody tr", "rows => rows.map(row => [...row.cells].slice(1).map(cell => cell.textContent))"
    )
    assert rows == expected_rows(pair)
    assert "alpha is above delta" in page.inner_text("#why-words")
    page.select_option("#why-first", label="alpha")
    assert page.inner_text("#why-words") == "Choose two different teams."
    assert page.locator("#why-table").is_hidden()


@pytest.mark.browser
def test_without_a_script_the_neighbours_are_there(visit):
    page = visit("real", java_script_enabled=False)
    assert page.locator("#why-form").is_hidden()
    assert page.locator("details.contrast-of").count() == 6
