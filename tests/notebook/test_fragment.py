"""The HTML of a notebook's cell: escaped, of bounded size, with the words of every drawing."""

from __future__ import annotations

import re

import pytest
from pages import Page
from scorecards import HOSTILE

from evalkit.notebook.fragment import MOST_COLUMNS, MOST_ROWS, Cell, Sentence, Table, fragment
from evalkit.notebook.pictures import BLUE, GREY, ORANGE, RED, interval, parts, spread

TAGS = set(re.findall("[a-z]+", "div style p bdi span table caption thead tbody tr th td small details summary"))
TAGS |= {"svg", "circle", "line", "rect"}


def cells(page: Page, tag: str) -> list[str]:
    return [item["text"] for item in page.find(tag)]


def test_a_table_has_a_caption_and_heads_with_their_scope() -> None:
    table = Table("Numbers", ["name", Cell("value", number=True)], [["a", Cell("1", number=True)], ["b", "x"]])
    page = Page(fragment("Title", Sentence("Said."), None, table))
    assert cells(page, "caption") == ["Numbers"]
    assert [(item["text"], item["attrs"]["scope"]) for item in page.find("th")] == [
        ("name", "col"),
        ("value", "col"),
        ("a", "row"),
        ("b", "row"),
    ]
    assert cells(page, "td") == ["1", "x"]
    assert cells(page, "p") == ["Title", "Said."]
    region = page.find("div", role="region")[0]["attrs"]
    assert (region["tabindex"], region["aria-label"]) == ("0", "Numbers")


def test_rows_and_columns_beyond_the_limit_are_left_out_and_counted() -> None:
    rows = [[f"r{at}", *(str(at + step) for step in range(15))] for at in range(50)]
    table = Table("Runs", [f"c{at}" for at in range(16)], rows, total=900, what="run", rest="to_pandas()")
    page = Page(fragment("T", table))
    assert len(page.find("th", scope="row")) == MOST_ROWS
    assert len(page.find("th", scope="col")) == MOST_COLUMNS
    assert cells(page, "caption") == [
        "Runs: the first 20 of 900 runs, the first 12 of 16 columns; all are in to_pandas()"
    ]
    whole = Page(fragment("T", Table("Runs", ["c"], [["a"]], rest="to_pandas()")))
    assert cells(whole, "caption") == ["Runs"]


@pytest.mark.parametrize("text", [*HOSTILE, "x" * 100_000, "\ud800", "\x00"])
def test_foreign_text_is_text_everywhere(text: str) -> None:
    table = Table(
        text, [text, Cell(text, text)], [[Cell(text, text, tone="error"), text]], what=text, rest=text, total=9
    )
    drawn = [spread([1.0, 2.0], 1.5, text), interval(1, 2, 1, axis=(1, 3), label=text), parts([("ok", 1)], text)]
    rows = [[text, Cell(picture=one)] for one in drawn]
    made = fragment(text, Sentence(text, drawn[0], "warning"), table, Table(text, ["a", "b"], rows, folded=True))
    page = Page(made)  # fails on a tag that is not closed, and on comments
    assert {item["tag"] for item in page.elements} <= TAGS
    assert not [name for item in page.elements for name in item["attrs"] if name.startswith("on")]
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e\u200b\ud800]", made)
    assert len(made) < 40_000


def test_the_fragment_asks_for_nothing_and_styles_only_itself() -> None:
    page = Page(fragment("T", Table("A", ["a"], [[Cell(picture=spread([1.0, 2.0], None, "x"))]])))
    attributes = {name for item in page.elements for name in item["attrs"]}
    assert not attributes & {"src", "href", "srcset", "style", "id", "xlink:href", "data"}
    style = page.find("style")[0]["text"]
    assert "url(" not in style and "@import" not in style
    selectors = [one for rule in style.split("}")[:-1] for one in rule.split("{")[0].split(",")]
    assert len(selectors) > 15
    assert [one for one in selectors if not one.strip().startswith(".evalkit-out.evalkit-out.evalkit-out")] == []


def test_a_drawing_says_what_it_shows() -> None:
    page = Page(f"<p>{spread([1.0, 3.0], 2.0, 'two videos')}</p>")
    svg = page.find("svg")[0]["attrs"]
    assert (svg["role"], svg["aria-label"]) == ("img", "two videos")


def test_few_values_are_points_and_many_a_histogram() -> None:
    few = Page(f"<p>{spread([0.0, 1.0, 4.0], 1.0, 'x')}</p>")
    assert [float(item["attrs"]["cx"]) for item in few.find("circle")] == [4, 32, 116]
    assert [item["attrs"]["x1"] for item in few.find("line")] == ["32"]
    values = [0.0] * 30 + [1.0] * 10 + [0.5] * 5
    many = Page(f"<p>{spread(values, None, 'x')}</p>")
    bars = [(float(item["attrs"]["x"]), float(item["attrs"]["height"])) for item in many.find("rect")]
    assert bars == [(4, 18), (60, 3), (111.3, 6)]
    assert many.find("line") == []


@pytest.mark.parametrize("values", [[2.0], [2.0] * 50, [1e300, -1e300], [1e-320, 2e-320], [0.0]])
def test_any_finite_values_are_drawn_inside_the_picture(values: list[float]) -> None:
    page = Page(f"<p>{spread(values, values[0], 'x')}</p>")
    places = [float(item["attrs"]["cx"]) for item in page.find("circle")]
    assert places and all(0 <= at <= 120 for at in places)


def test_an_interval_lies_where_its_ends_are() -> None:
    page = Page(f"<p>{interval(2, 4, 3, axis=(1, 5), label='ranks 2 to 4')}</p>")
    assert [(item["attrs"]["x1"], item["attrs"]["x2"]) for item in page.find("line")] == [("6", "114"), ("33", "87")]
    assert page.find("circle")[0]["attrs"]["cx"] == "60"
    alone = Page(f"<p>{interval(1, 1, 1, axis=(1, 1), label='x')}</p>")
    assert alone.find("circle")[0]["attrs"]["cx"] == "60"


def test_parts_have_widths_in_proportion() -> None:
    page = Page(f"<p>{parts([('ok', 3), ('warning', 0), ('error', 1)], 'x')}</p>")
    assert [(item["attrs"]["x"], item["attrs"]["width"], item["attrs"]["fill"]) for item in page.find("rect")] == [
        ("0", "89", BLUE),
        ("90", "29", RED),
    ]
    assert Page(f"<p>{parts([], 'x')}</p>").find("rect") == []


@pytest.mark.parametrize("paper", ["#ffffff", "#111111", "#1e1e1e"])
@pytest.mark.parametrize("colour", [BLUE, ORANGE, RED, GREY])
def test_colours_are_seen_on_white_and_on_dark_paper(colour: str, paper: str) -> None:
    dark, light = sorted((luminance(colour), luminance(paper)))
    assert (light + 0.05) / (dark + 0.05) >= 3  # of graphics, by WCAG 2.2


def luminance(colour: str) -> float:
    levels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4 for level in levels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
