"""A page per team and the videos beside a leaderboard: safe names, links both ways, the numbers of the JSON file."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest
from builders.leaderboards import NASTY, hostile
from builders.realistic_board import realistic, realistic_leaderboard
from click.testing import CliRunner
from leaderboard_pages import cells, text_of
from pages import Page

from evalkit.board import Board
from evalkit.cli.leaderboard import leaderboard as command
from evalkit.reports.leaderboard.beside import Beside, page_names, write_team_pages
from evalkit.reports.leaderboard.page import render_leaderboard
from evalkit.reports.leaderboard.tables import leaderboard_json
from evalkit.reports.leaderboard.team_page import render_team_pages
from evalkit.text import format_signed, format_value


def names_of(leaderboard):
    return page_names(row.team for row in leaderboard.rows)


@pytest.fixture(scope="module")
def made():
    names = names_of(realistic_leaderboard())
    return render_team_pages(realistic(), realistic_leaderboard(), Beside(names, names), "leaderboard.html")


@pytest.fixture(scope="module")
def document():
    return json.loads(leaderboard_json(realistic(), realistic_leaderboard()))["leaderboard"]


# --- names ------------------------------------------------------------------------------------------------------------


def test_plain_names_stay_and_others_get_a_digest():
    found = page_names(["lumen", "Lumen", "con", "../../etc/passwd", "", "a" * 300, "漢字", "x y"])
    assert found["lumen"] == "lumen"
    assert found["Lumen"].startswith("lumen-")
    assert found["con"].startswith("con-")
    assert found["../../etc/passwd"].startswith("etc-passwd-")
    assert found["漢字"].startswith("team-")
    assert found[""].startswith("team-")
    assert max(map(len, found.values())) <= 40 + 9
    assert len({name.lower() for name in found.values()}) == len(found)
    assert all(name.replace("-", "").isascii() and name.replace("-", "").isalnum() for name in found.values())


def test_a_team_can_not_take_another_ones_page():
    victim = page_names(["X"])["X"]
    found = page_names(["X", victim])
    assert found[victim] == victim
    assert found["X"] != victim
    assert found["X"].startswith("x-")


def test_hostile_names_make_pages_in_the_folder(tmp_path):
    snapshot, leaderboard = hostile()
    names = names_of(leaderboard)
    pages = render_team_pages(snapshot, leaderboard, Beside(names, names, tmp_path), "leaderboard.html")
    written, _ = write_team_pages(pages, tmp_path / "teams")
    assert len(written) == len(NASTY)
    assert {file.parent for file in written} == {tmp_path / "teams"}
    for file in written:
        page = Page(file.read_text())
        assert not page.find("img")
        assert len(page.find("script")) == 1


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def run(monkeypatch, tmp_path):
    @contextmanager
    def opened(place):
        yield SimpleNamespace(snapshot=lambda as_of: realistic())

    monkeypatch.setattr(Board, "open", opened)

    def go(*words):
        options = ["--board", "b.sqlite", "-o", str(tmp_path / "board.html"), "--draws", "100", *words]
        return CliRunner().invoke(command, options, catch_exceptions=False).output

    return go


def test_links_lead_both_ways(run, tmp_path):
    output = run("--teams")
    assert "8 pages" in output
    board = Page((tmp_path / "board.html").read_text())
    links = [one["attrs"]["href"] for one in board.find("a") if one["attrs"]["href"].startswith("teams/")]
    assert len(links) == 8
    ids = {item["attrs"]["id"] for item in board.elements if "id" in item["attrs"]}
    for link in links:
        page = Page((tmp_path / link).read_text())
        (back,) = [one["attrs"]["href"] for one in page.find("a") if one["attrs"]["href"].startswith("../")]
        name, _, anchor = back.removeprefix("../").partition("#")
        assert name == "board.html"
        assert anchor in ids
        for one in page.find("a"):
            if one["attrs"]["href"].endswith(".html"):
                assert (tmp_path / "teams" / one["attrs"]["href"]).is_file()


def test_without_the_option_there_are_no_pages_and_no_links(run, tmp_path):
    run()
    assert not (tmp_path / "teams").exists()
    assert "teams/" not in (tmp_path / "board.html").read_text()


def test_pages_of_teams_that_are_gone_are_removed_and_nothing_else(run, tmp_path):
    run("--teams")
    old = (tmp_path / "teams" / "alpha.html").rename(tmp_path / "teams" / "withheld.html")
    mine = tmp_path / "teams" / "notes.html"
    mine.write_text("<p>mine</p>")
    output = run("--teams")
    assert "withheld.html" in output
    assert not old.exists()
    assert mine.exists()
    assert (tmp_path / "teams" / "alpha.html").exists()


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_what_would_change_the_rank_is_in_the_json_file(made, document):
    columns = {one["id"]: one["published_as"] or one["title"] for one in document["columns"]}
    for label in ("alpha", "gamma"):
        page = Page(made[label])
        own = [one for one in document["turning_points"] if one["run"] == label]
        assert own
        for rival in {one["rival"] for one in own}:
            rows = cells(page, f"Level with {rival}")
            expected = []
            for one in (one for one in own if one["rival"] == rival):
                now = format_value(one["value"])
                ends = ["\u2013", "not by this column alone"]
                if one["to"] is not None:
                    ends = [
                        ("beyond " if one["beyond"] else "") + format_value(one["to"]),
                        format_signed(one["to"] - one["value"]),
                    ]
                expected.append([columns[one["column"]], now, *ends])
            assert rows[1:] == expected
        ranks = [[columns[name], ranks[label]] for name, ranks in document["sensitivity"]["without"].items()]
        shown = [[row[0], int(row[1].split(" ")[0])] for row in cells(page, "Rank without a column")[1:]]
        assert shown == ranks


def test_raters_means_have_their_intervals(made, document):
    (row,) = [one for one in document["rows"] if one["label"] == "delta"]
    rows = cells(Page(made["delta"]), "Raters' means")[1:]
    rated = [one for one in document["columns"] if one["group"] == "subjective"]
    assert len(rows) == len(rated) == 4
    for column, texts in zip(rated, rows, strict=True):
        cell = row["cells"][column["id"]]
        low, high = cell["ci"]
        assert texts[:4] == [
            column["title"],
            format_value(cell["value"]),
            f"{format_value(low)} to {format_value(high)}",
            str(cell["n"]),
        ]


def test_best_and_worst_videos(made):
    card = next(run.card for run in realistic().runs if (run.team, run.name) == ("beta", "main"))
    rows = {row[0].split(" ")[0]: row[1:] for row in cells(Page(made["beta"]), "Best and worst")[1:]}
    values = sorted((video.values["sync.lse_d"], video.sample) for video in card.videos)
    assert rows["LSE-D"][1].startswith(f"{values[0][1]} {format_value(values[0][0])}")
    assert rows["LSE-D"][0].startswith(f"{values[-1][1]} {format_value(values[-1][0])}")
    assert "BRISQUE" not in rows  # no better side


def test_groups_and_findings_of_the_team(made, document):
    """The team's own tables of the report on groups: means, intervals, numbers of videos, worst group and gap."""
    page = Page(made["zeta"])
    tables = [one for one in document["fairness"]["tables"] if one["entry"] == "zeta" and one["attribute"] == "gender"]
    tables = [one for one in tables if one["measure"]["kind"] in {"metric", "dimension"}]
    assert tables
    rows = cells(page, "Numbers by gender")[1:]
    assert len(rows) == len(tables)
    for table, row in zip(tables, rows, strict=True):
        assert row[0] == table["measure"]["title"]
        for line, text in zip(table["lines"], row[1:], strict=False):
            ends = f"{format_value(line['low'])} to {format_value(line['high'])}" if line["low"] is not None else ""
            few = ", too few" if line["too_few"] else ""
            assert text == f"{format_value(line['mean'])}{ends}n {line['videos']}{few}"
        assert row[-3:-1] == [table["worst"] or "\u2013", format_value(table["gap"])]
    assert "media.frame_rate" in text_of(page.find("section", **{"aria-labelledby": "findings"})[0])


def test_a_team_without_a_rank_says_why(made):
    page = Page(made["theta"])
    assert "Not ranked." in made["theta"]
    assert "Face-Arc" in text_of(page.find("section", **{"aria-labelledby": "numbers"})[0])
    assert not page.find("section", **{"aria-labelledby": "change"})


def test_the_public_page_names_no_rater(made):
    assert not any("example.org" in text for text in made.values())


# --- videos -----------------------------------------------------------------------------------------------------------


def place(folder, *parts):
    file = folder.joinpath("media", *parts)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"not really a video")
    return file


def test_a_video_is_found_by_team_and_sample_only_inside_the_folder(tmp_path):
    run = next(run for run in realistic().runs if run.team == "alpha")
    beside = Beside({}, {"a/b": "a-b-1234", ".": "dot"}, tmp_path)
    assert beside.video(run, "s01") is None
    place(tmp_path, "alpha", "s01.mp4")
    place(tmp_path, "alpha", "p1", "a b#?.mp4")
    place(tmp_path, "a-b-1234", "s01.mp4")
    outside = tmp_path / "secret.mp4"
    outside.write_bytes(b"x")
    (tmp_path / "media" / "alpha" / "link.mp4").symlink_to(outside)
    assert beside.video(run, "s01") == "media/alpha/s01.mp4"
    assert beside.video(run, "p1/a b#?") == "media/alpha/p1/a%20b%23%3F.mp4"
    assert beside.video(replace(run, team="a/b"), "s01") == "media/a-b-1234/s01.mp4"
    assert beside.video(run, "s01", several=True) is None
    for sample in ("../../secret", "link", "..", "", "s02", "a\0b", "\udcff", "/etc/passwd"):
        assert beside.video(run, sample) is None, sample
    assert beside.video(replace(run, team=".."), "secret") is None
    assert Beside().video(run, "s01") is None


def test_players_load_nothing_and_keep_the_filmstrip(tmp_path):
    place(tmp_path, "alpha", "s01.mp4")
    names = names_of(realistic_leaderboard())
    beside = Beside(names, names, tmp_path)
    text = render_leaderboard(realistic(), realistic_leaderboard(), beside=beside)
    bare = render_leaderboard(realistic(), realistic_leaderboard())
    (video,) = Page(text).find("video")
    assert (video["attrs"]["src"], video["attrs"]["preload"]) == ("media/alpha/s01.mp4", "none")
    assert video["attrs"]["poster"].startswith("data:image/jpeg;base64,")
    assert len(Page(text).find("svg", class_="strip")) == len(Page(bare).find("svg", class_="strip"))
    policy = [Page(one).find("meta", **{"http-equiv": "Content-Security-Policy"})[0] for one in (text, bare)]
    assert "; media-src 'self'; " in policy[0]["attrs"]["content"]
    assert policy[1]["attrs"]["content"].startswith("default-src 'none'; img-src data:; style-src")
    pages = render_team_pages(realistic(), realistic_leaderboard(), beside, "leaderboard.html")
    (video,) = Page(pages["alpha"]).find("video")
    assert video["attrs"]["src"] == "../media/alpha/s01.mp4"
    assert not Page(pages["beta"]).find("video")


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1440, "light")])
def test_in_a_browser(browser, tmp_path, width, scheme):
    """No request before somebody plays; a file that is no video leaves its filmstrip and a sentence; axe is content."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    place(tmp_path, "alpha", "s01.mp4")
    names = names_of(realistic_leaderboard())
    beside = Beside(names, names, tmp_path)
    pages = render_team_pages(realistic(), realistic_leaderboard(), beside, "leaderboard.html")
    write_team_pages(pages, tmp_path / "teams")
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((tmp_path / "teams" / "alpha.html").as_uri())
    page.evaluate("document.querySelectorAll('details').forEach((item) => { item.open = true; })")
    found = axe.run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert [url for url in asked if not url.startswith("data:")] == [(tmp_path / "teams" / "alpha.html").as_uri()]
    strips = page.locator("svg.strip").count()
    page.locator("video").evaluate("video => { video.muted = true; video.play().catch(() => {}); }")
    page.locator("p.nostrip").wait_for()
    assert "media/alpha/s01.mp4" in page.locator("p.nostrip").inner_text()
    assert page.locator("svg.strip").count() == strips
    page.close()
