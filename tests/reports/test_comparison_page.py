"""What the comparison page says, and that nothing in a submission acts on it."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest
from pages import Page
from scorecards import HOSTILE, jpeg, make_scorecard, small_card

from evalkit.errors import StorageError
from evalkit.reports.comparison import page as comparison_page
from evalkit.reports.comparison.inputs import ComparedEntry, UnscoredSubmission
from evalkit.reports.comparison.model import make_comparison
from evalkit.reports.comparison.page import render_comparison, shown_samples
from evalkit.reports.page import write_page
from evalkit.text import NO_VALUE

ALLOWED_ATTRIBUTES = re.compile(
    r"aria-(hidden|label|labelledby)|data-(first|m|sort|v)|charset|content|http-equiv|lang|name|rel|title|type|href|id|class"
    r"|colspan|rowspan|focusable|height|width|x|y|viewbox|preserveaspectratio|hidden|open|role|scope|tabindex|value"
)
TIMES = "\u00d7"
FINDING = {
    "rule": "archive.path-traversal",
    "severity": "error",
    "message": "The name climbs out.",
    "found": "../../x.mp4",
    "expected": "a relative name",
    "fix": "Make the ZIP again.",
    "place": "../../x.mp4",
}


def big(entries=3, hostile=False, n_metrics=10, videos=20):
    """A comparison of realistic scorecards, and frames of all samples; hostile in every string when asked for."""

    def name(at):
        return f"{HOSTILE[at % len(HOSTILE)]} {at}" if hostile else f"team {at}"

    cards = [
        ComparedEntry(
            name(at), make_scorecard(videos, at + 1, hostile, n_metrics), note=name(9) if hostile else "a note"
        )
        for at in range(entries)
    ]
    finding = {key: f"{value} {HOSTILE[0]}" if hostile else value for key, value in FINDING.items()}
    report = UnscoredSubmission(name(50), "refused", cards[0].card.challenge.id, 0, (finding,), name(51))
    comparison = make_comparison(cards, [report])
    frames = {
        entry.name: {sample: [jpeg(1000 * i + at * 4 + step) for step in range(4)] for at, sample in enumerate(samples)}
        for i, (entry, samples) in enumerate((entry, comparison.samples) for entry in comparison.entries)
    }
    return comparison, frames


def two(first=None, second=None, **changes):
    """A page of two small scorecards."""
    entries = [
        ComparedEntry("ay", small_card("a", first or {"m.x": [1.0, 3.0], "m.y": [5.0, 6.0]}, **changes)),
        ComparedEntry("bee", small_card("b", second or {"m.x": [4.0, 8.0], "m.y": [5.5, None]}, **changes)),
    ]
    return Page(render_comparison(make_comparison(entries)))


def cells(page, table):
    """The rows of the body of the table with this class: a list of texts each, blanks made one."""
    (found,) = [item for item in page.find("table") if table in item["attrs"].get("class", "").split()]
    del found
    rows = []
    inside = False
    for item in page.elements:
        if item["tag"] == "table":
            inside = table in item["attrs"].get("class", "").split()
        if inside and item["tag"] == "tr":
            rows.append([])
        if inside and item["tag"] in {"td", "th"}:
            rows[-1].append(" ".join(item["text"].replace(TIMES, "x").split()))
    return rows


# --- what it says ----------------------------------------------------------------------------------------------------


def test_title_challenge_test_set_and_backbones():
    page = two()
    assert page.find("h1")[0]["text"] == "The challenge"
    facts = " ".join(item["text"] for item in page.find("dd"))
    assert "2 samples abababababab" in " ".join(facts.split())
    assert "published" in facts


@pytest.mark.parametrize("backbones", ["published", "bundled", "mine"])
def test_other_backbones_carry_a_banner(backbones):
    notices = two(backbones=backbones).find("p", class_="notice")
    assert len(notices) == (backbones != "published")
    assert all("Not comparable with published numbers" in notice["text"] for notice in notices)


def test_rows_are_entries_and_columns_metrics():
    rows = cells(two(whole={"w.z": 0.5}), "entries")
    assert rows[1] == [
        "Entry",
        "M.X ↑, higher is better",
        "M.Y ↑, higher is better",
        "W.Z ↓, lower is better",
    ]
    assert rows[2:] == [
        ["ay", "2.000 1.000 to 3.000 2 of 2", "5.500 5.000 to 6.000 2 of 2", "0.5000 no interval 2 of 2"],
        ["bee", "best 6.000 4.000 to 8.000 2 of 2", "5.500 no interval 1 of 2", "0.5000 no interval 2 of 2"],
    ]


def test_the_best_is_marked_by_a_word():
    page = two()
    marks = [item for item in page.find("span", class_="mark") if "td" in item["in"]]
    assert [mark["text"] for mark in marks] == ["best"]
    assert len(page.find("td", class_="best")) == 1


def test_a_missing_number_has_its_reason_in_the_cell():
    page = two(whole={"w.z": None})
    assert cells(page, "entries")[2][3] == f"{NO_VALUE}too_few"


def test_why_values_are_missing():
    page = two(
        {"m.x": [1.0, None], "m.y": [None, 2.0], "m.z": [None, 3.0]},
        {"m.x": [None, None], "m.y": [None, None], "m.z": [None, None]},
    )
    assert cells(page, "gaps")[1:] == [
        ["ay", "all per-sample metrics", "no_face x 1"],
        ["bee", "all per-sample metrics", "no_face x 2"],
    ]
    comparison = big()[0]
    rows = cells(Page(render_comparison(comparison)), "gaps")
    assert rows[1] == ["team 0", "LSE-C", "missing_video x 2, no_face x 2, not_decodable x 2"]
    assert rows[2][0].startswith("LSE-D, Identity (ArcFace)")
    assert rows[2][1] == "missing_video x 2, not_decodable x 2"


def test_no_gap_no_table():
    assert not two(second={"m.x": [4.0, 8.0], "m.y": [5.5, 5.0]}).find("table", class_="gaps")


def test_no_total_and_no_rank():
    text = render_comparison(big()[0]).lower()
    assert not re.search(r"<th[^>]*>[^<]*(total|overall|rank|score)\b", text)
    assert "nothing on this page is a ranking" in text


def test_a_refused_submission_is_below_with_its_findings():
    page = Page(render_comparison(big()[0]))
    (report,) = [item for item in page.find("details") if "team 50" in item["text"]]
    for words in ("refused", "no file in it was opened", *FINDING.values()):
        assert words in report["text"]


def test_groups_and_samples_start_with_the_chosen_metric():
    groups = [{"place": "far"}, {"place": "near"}]
    entries = [ComparedEntry("a", small_card("a", {"m.x": [1.0, 3.0], "m.y": [9.0, 7.5]}, groups=groups))]
    page = Page(render_comparison(make_comparison(entries, metric="m.y")))
    first, second = page.find("div", class_="detail")
    assert "M.Y" in first["text"]
    assert "M.X" in second["text"]
    assert " ".join(first["text"].split()).count("far ") >= 1
    options = [item["text"] for item in page.find("option")]
    assert options == ["M.Y (m.y)", "M.X (m.x)"]
    assert "near" in first["text"].split("Gap")[1]  # the worst group of m.y
    assert "1.500" in first["text"]


def shades(page):
    found = []
    for item in page.elements:
        if item["tag"] == "td" and re.fullmatch(r"h[0-9]", item["attrs"].get("class", "")):
            found.append((float(item["attrs"]["data-v"]), int(item["attrs"]["class"][1])))
    return sorted(found)


@pytest.mark.parametrize("higher", [True, None, False])
def test_better_values_have_the_stronger_shade(higher):
    values = [float(at) for at in range(21)]
    page = two({"m.x": values}, {"m.x": values}, better={"m.x": higher})
    ordered = [shade for _, shade in shades(page)]
    assert len(ordered) == 42
    assert ordered == sorted(ordered, reverse=higher is False)
    assert set(ordered) == set(range(6))


def test_equal_values_have_no_shade():
    assert {shade for _, shade in shades(two({"m.x": [2.0, 2.0]}, {"m.x": [2.0, 2.0]}))} == {0}


def test_every_sample_has_a_row_with_reasons():
    page = two()
    tables = [item for item in page.find("table") if "heat" in item["attrs"]["class"]]
    assert len(tables) == 2
    assert f"{NO_VALUE}no_face" in "".join(tables[1]["text"].split())


def test_large_pages_keep_the_chosen_metric_and_name_the_rest(monkeypatch):
    monkeypatch.setattr(comparison_page, "CELL_BUDGET", 100)
    comparison = big(entries=3)[0]  # 60 cells a metric
    page = Page(render_comparison(comparison))
    assert len(page.find("div", class_="detail")) == 1
    assert "Left out to keep the page small: LSE-D" in " ".join(page.find("main")[0]["text"].split())


def test_a_thousand_samples_of_a_dozen_entries_stay_small():
    comparison = big(entries=12, n_metrics=30, videos=1000)[0]
    assert len(render_comparison(comparison).encode()) < 12_000_000


# --- frames -----------------------------------------------------------------------------------------------------------


def test_frames_of_the_most_different_samples():
    comparison, frames = big()
    page = Page(render_comparison(comparison, frames))
    shown = shown_samples(comparison)
    assert [item["text"] for item in page.find("h3", class_="sample")] == shown
    assert len(shown) == 4
    strips = page.find("svg", role="img")
    assert len(strips) == 4 * 3
    assert strips[1]["attrs"]["aria-label"] == f"4 frames of team 1, sample {shown[0]}, in time order"
    images = {base64.b64decode(item["attrs"]["href"].split(",")[1]) for item in page.find("image")}
    assert images == {frame for entry in comparison.entries for s in shown for frame in frames[entry.name][s]}


def test_frames_of_chosen_samples_and_of_some_entries():
    comparison, frames = big()
    page = Page(render_comparison(comparison, {"team 1": frames["team 1"]}, samples=["s05", "s02"]))
    assert [item["text"] for item in page.find("h3", class_="sample")] == ["s05", "s02"]
    assert len(page.find("svg", role="img")) == 2
    assert sum("no frames available" in item["text"] for item in page.find("figure")) == 4


def test_without_frames_there_is_no_such_section():
    page = Page(render_comparison(big()[0]))
    assert not page.find("figure")
    assert not page.find("a", href="#frames")


# --- foreign text, and the file ---------------------------------------------------------------------------------------


def test_hostile_text_adds_no_element_and_no_attribute():
    pages = [Page(render_comparison(*big(hostile=hostile))) for hostile in (False, True)]
    assert {item["tag"] for item in pages[1].elements} == {item["tag"] for item in pages[0].elements}
    for item in pages[1].elements:
        assert all(ALLOWED_ATTRIBUTES.fullmatch(name) for name in item["attrs"]), item["attrs"]
        href = item["attrs"].get("href", "#")
        assert href.startswith("#") or re.fullmatch(r"data:,|data:image/jpeg;base64,[A-Za-z0-9+/=]+", href)
        assert re.fullmatch(r"[a-z0-9-]*", item["attrs"].get("id", ""))
        assert re.fullmatch(r"[a-z0-9 ]*", item["attrs"].get("class", ""))
    assert len(pages[1].find("script")) == len(pages[1].find("style")) == len(pages[1].find("h1")) == 1


def test_nothing_invisible_gets_through():
    html = render_comparison(*big(entries=12, hostile=True))
    assert not set(html) & {"\u202e", "\u200b", "\x1b", "\x07"}
    text = Page(html).find("html")[0]["text"]
    for words in HOSTILE:
        seen = words.encode("unicode_escape").decode() if not words.isprintable() else words
        assert seen in text


def test_long_text_is_cut():
    entries = [ComparedEntry("n" * 10**6, small_card("a", {"m.x": [1.0]}), "w" * 10**6)]
    report = UnscoredSubmission(
        "r" * 10**6, "invalid", None, 0, tuple({**FINDING, "message": "m" * 10**6} for _ in range(3))
    )
    assert len(render_comparison(make_comparison(entries, [report]))) < 100_000


def test_only_its_own_style_and_script_are_allowed():
    html = render_comparison(*big())
    page = Page(html)
    (policy,) = page.find("meta", **{"http-equiv": "Content-Security-Policy"})
    rules = dict(rule.strip().split(" ", 1) for rule in policy["attrs"]["content"].split(";"))
    assert rules["default-src"] == "'none'"
    for tag in ("style", "script"):
        (element,) = page.find(tag)
        digest = base64.b64encode(hashlib.sha256(element["text"].encode()).digest()).decode()
        assert rules[f"{tag}-src"] == f"'sha256-{digest}'"
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\(|\bsrc=|srcset|<base|<iframe|<form", html)


def test_landmarks_captions_and_scopes():
    page = Page(render_comparison(*big()))
    for tag in ("main", "nav", "footer", "h1"):
        assert len(page.find(tag)) == 1
    assert len(page.find("table")) == len(page.find("caption"))
    assert all("scope" in item["attrs"] for item in page.find("th"))
    identifiers = [item["attrs"]["id"] for item in page.elements if "id" in item["attrs"]]
    assert len(identifiers) == len(set(identifiers))
    for item in page.elements:
        href = item["attrs"].get("href", "")
        assert not href.startswith("#") or href[1:] in identifiers


def test_same_input_same_bytes(tmp_path):
    for name in ("a", "b"):
        comparison, frames = big()
        write_page(render_comparison(comparison, frames), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_an_unwritable_folder_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="can't be written"):
        write_page(render_comparison(big()[0]), tmp_path / "file" / "compare.html")


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1])
def test_numbers_on_every_shade_have_contrast(theme):
    (style,) = two().find("style")
    ink = dict(re.findall(r"--(ink): light-dark\((#\w{6}, #\w{6})\)", style["text"]))["ink"].split(", ")[theme]
    grounds = re.findall(r"\.h[0-9] { background: light-dark\((#\w{6}), (#\w{6})\)", style["text"])
    assert len(grounds) == 6
    for pair in grounds:
        dark, light = sorted((luminance(ink), luminance(pair[theme])))
        assert (light + 0.05) / (dark + 0.05) >= 4.5, pair[theme]
    assert len({pair[theme] for pair in grounds}) == 6
