from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter

import pytest
from pages import Page
from scorecards import HOSTILE, jpeg, make_scorecard, strips_for

from evalkit.errors import StorageError
from evalkit.reports import scorecard_page
from evalkit.reports.filmstrips import IMAGE_BUDGET, STRIP_FRAMES
from evalkit.reports.page import write_page
from evalkit.reports.scorecard_page import (
    render_scorecard,
)
from evalkit.reports.tables import extremes, video_metrics
from evalkit.scoring.scorecard import Scorecard
from evalkit.text import NO_VALUE

ALLOWED_ATTRIBUTES = re.compile(
    r"aria-(hidden|label|labelledby)|data-(problem|sort|v)|charset|content|http-equiv|lang|name|rel|title|type|href|id|class"
    r"|autocomplete|colspan|focusable|height|width|x|y|viewbox|preserveaspectratio|hidden|open|placeholder|role|scope"
    r"|spellcheck|tabindex"
)


def no_frames(_sample):
    return None


def small_card(values, higher, reasons=None):
    """A scorecard of one metric, ``m.x``, with these values."""
    return Scorecard.model_validate(
        {
            "schema": 1,
            "submission": {"name": "a", "sha256": "00"},
            "challenge": {"id": "c", "sha256": "00"},
            "backbones": "published",
            "metrics": {"m.x": {"value": 1.0, "higher_is_better": higher, "n": 1, "coverage": 1.0, "protocol": 1}},
            "videos": [
                {
                    "sample": f"s{at}",
                    "path": None,
                    "values": {"m.x": value},
                    "reasons": {"m.x": "no_face"} if value is None else {},
                }
                for at, value in enumerate(values)
            ],
        }
    )


def test_the_page_says_what_follows_from_a_finding():
    card = small_card([1.0, 2.0], True)
    looped = {"rule": "gaming.looped", "severity": "warning", "message": "Again."}

    def page(**more):
        videos = (card.videos[0].model_copy(update={"findings": (looped | more,)}), *card.videos[1:])
        return render_scorecard(card.model_copy(update={"videos": videos}), no_frames)

    assert '<span class="tag error">refuse</span>' in page(consequence="refuse")
    assert "the values on this page are those that were measured" in page(consequence="zero").lower()
    for foreign in ({}, {"consequence": "<b>party</b>"}, {"consequence": ["zero"]}):
        assert "where runs are ranked" not in page(**foreign) and "party" not in page(**foreign)


# --- foreign text ----------------------------------------------------------------------------------------------------


def test_hostile_text_adds_no_element_and_no_attribute():
    tame, hostile = make_scorecard(20, 1), make_scorecard(20, 1, hostile=True)
    pages = [Page(render_scorecard(card, lambda _sample: [jpeg(7)])) for card in (tame, hostile)]
    assert {item["tag"] for item in pages[1].elements} == {item["tag"] for item in pages[0].elements}
    for item in pages[1].elements:
        assert all(ALLOWED_ATTRIBUTES.fullmatch(name) for name in item["attrs"])
        href = item["attrs"].get("href", "#")
        assert href.startswith("#") or re.fullmatch(r"data:,|data:image/jpeg;base64,[A-Za-z0-9+/=]+", href)
        assert re.fullmatch(r"[a-z0-9-]*", item["attrs"].get("id", ""))
        assert re.fullmatch(r"[a-z ]*", item["attrs"].get("class", ""))
    assert len(pages[1].find("script")) == len(pages[1].find("style")) == len(pages[1].find("h1")) == 1
    assert not pages[1].find("img")


def test_hostile_text_is_there_to_read():
    text = Page(render_scorecard(make_scorecard(20, 1, hostile=True), no_frames)).find("html")[0]["text"]
    for words in HOSTILE:
        seen = words.encode("unicode_escape").decode() if not words.isprintable() else words
        assert seen in text


def test_nothing_invisible_gets_through():
    html = render_scorecard(make_scorecard(20, 1, hostile=True), no_frames)
    assert not set(html) & {"\u202e", "\u200b", "\x1b", "\x07"}


def test_long_text_is_cut():
    card = small_card([1.0, None], True)
    long = card.videos[1].model_copy(
        update={"sample": "s" * 10**6, "path": "p" * 10**6, "reasons": {"m.x": "r" * 10**6}}
    )
    page = render_scorecard(card.model_copy(update={"videos": (card.videos[0], long)}), no_frames)
    assert len(page) < 100_000


# --- what the page says ----------------------------------------------------------------------------------------------


def test_every_missing_value_has_its_reason():
    card = make_scorecard(20, 1)
    page = Page(render_scorecard(card, no_frames))
    text = page.find("html")[0]["text"]
    assert "unscored: no_reference_video" in " ".join(text.split())
    gaps = Counter(reason for video in card.videos for reason in video.reasons.values())
    cells = Counter(item["text"].lstrip(NO_VALUE) for item in page.find("td", class_="na"))
    assert gaps
    assert cells == gaps
    assert all(item["text"].startswith(NO_VALUE) for item in page.find("td", class_="na"))


def test_a_value_that_was_never_computed_says_so():
    card = small_card([1.0, 2.0], True)
    bare = card.videos[1].model_copy(update={"values": {}})
    page = Page(render_scorecard(card.model_copy(update={"videos": (card.videos[0], bare)}), no_frames))
    assert [item["text"] for item in page.find("td", class_="na")] == [f"{NO_VALUE}not_computed"]


@pytest.mark.parametrize("backbones", ["published", "bundled", "mine"])
def test_other_backbones_are_named_not_comparable(backbones):
    html = render_scorecard(make_scorecard(5, 1).model_copy(update={"backbones": backbones}), no_frames)
    assert ("not comparable with published" in html) == (backbones != "published")


def test_summary_in_words():
    html = render_scorecard(make_scorecard(20, 1), no_frames)
    assert "20 samples: 16 scored (2 of them with warnings), 2 invalid, 2 missing." in html


def test_incomplete_coverage_is_never_rounded_up_to_the_whole():
    card = make_scorecard(5, 1)
    score = card.metrics["fid.pytorch"].model_copy(update={"coverage": 0.99999})
    html = render_scorecard(card.model_copy(update={"metrics": {"fid.pytorch": score}}), no_frames)
    assert "99.9 %" in html
    assert "100 %</span>" not in html
    assert 'class="cov low"' in html


def test_numbers_of_the_set_show_notes_and_counts():
    page = render_scorecard(make_scorecard(10, 1), no_frames)
    assert "12 frames of 2,048 numbers" in page
    assert "n reference</bdi> 12,345" in page
    assert "expected bias</bdi> 0.25" in page


def test_findings_show_their_fix():
    page = Page(render_scorecard(make_scorecard(20, 1), no_frames))
    codes = [item["text"] for item in page.find("code")]
    assert codes.count("ffmpeg -i in.mp4 -c:v libx264 -pix_fmt yuv420p out.mp4") == 4


def test_landmarks_captions_and_scopes():
    page = Page(render_scorecard(make_scorecard(20, 1), no_frames))
    for tag in ("main", "nav", "footer", "h1"):
        assert len(page.find(tag)) == 1
    assert len(page.find("table")) == len(page.find("caption"))
    assert all("scope" in item["attrs"] for item in page.find("th"))
    identifiers = [item["attrs"]["id"] for item in page.elements if "id" in item["attrs"]]
    assert len(identifiers) == len(set(identifiers))
    for item in page.elements:
        href = item["attrs"].get("href", "")
        assert not href.startswith("#") or href[1:] in identifiers


def test_an_empty_scorecard_is_a_page():
    card = small_card([], True).model_copy(update={"metrics": {}})
    assert "0 samples: 0 scored" in render_scorecard(card, no_frames)


# --- worst and best --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("higher", "worst", "best"),
    [(True, [3, 0, 6], [1, 7, 2]), (False, [1, 7, 2], [3, 0, 6]), (None, [3, 0, 6], [1, 7, 2])],
)
def test_worst_and_best_by_direction(higher, worst, best):
    # position:       0    1    2    3    4     5    6    7
    values = [1.0, 9.0, 7.0, 0.5, None, 5.0, 2.0, 8.0]
    assert extremes(small_card(values, higher), "m.x") == (worst, best)


@pytest.mark.parametrize("higher", [True, False, None])
def test_ties_keep_the_order_and_nothing_is_shown_twice(higher):
    worst, best = extremes(small_card([3.0] * 8, higher), "m.x")
    assert (worst, best) == ([0, 1, 2], [7, 6, 5])


@pytest.mark.parametrize("count", range(7))
def test_few_videos_stand_in_one_list(count):
    worst, best = extremes(small_card([float(count - at) for at in range(count)] + [None], True), "m.x")
    assert worst == list(range(count))[::-1]
    assert best == []


@pytest.mark.parametrize(("higher", "first"), [(True, "s3"), (False, "s1"), (None, "s3")])
def test_the_page_shows_them_in_that_order(higher, first):
    page = Page(render_scorecard(small_card([1.0, 9.0, 7.0, 0.5, None, 5.0, 2.0, 8.0], higher), no_frames))
    shown = [item["text"].split()[0] for item in page.find("figcaption")]
    assert shown[0] == first
    assert len(shown) == len(set(shown)) == 6
    heads = [item["text"] for item in page.find("h4")]
    assert heads == (["Lowest 3", "Highest 3"] if higher is None else ["Worst 3", "Best 3"])


# --- images ----------------------------------------------------------------------------------------------------------


def images_of(page):
    return [base64.b64decode(item["attrs"]["href"].split(",")[1]) for item in page.find("image")]


def test_each_image_is_embedded_once_and_whole():
    card = make_scorecard(20, 1)
    strips = strips_for(card)
    asked = []

    def frames(sample):
        asked.append(sample)
        return strips[sample]

    page = Page(render_scorecard(card, frames))
    shown = {at for name in video_metrics(card) for end in extremes(card, name) for at in end}
    assert sorted(asked) == sorted(card.videos[at].sample for at in shown)
    wanted = sorted(frame for sample in asked for frame in strips[sample])
    assert sorted(images_of(page)) == wanted
    named = page.find("svg", role="img")
    assert len(named) == sum(len(end) for name in video_metrics(card) for end in extremes(card, name))
    assert all(re.match(r"4 frames of sample s\d+", item["attrs"]["aria-label"]) for item in named)


def test_a_frozen_video_costs_one_frame():
    page = Page(render_scorecard(small_card([1.0], True), lambda _sample: [jpeg(1)] * 5))
    assert images_of(page) == [jpeg(1)]
    assert len([item for item in page.find("use") if item["attrs"]["href"] == "#frame-0"]) == 5


def test_long_strips_are_thinned_evenly():
    frames = [jpeg(shade * 5) for shade in range(4 * STRIP_FRAMES)]
    assert images_of(Page(render_scorecard(small_card([1.0], True), lambda _sample: frames))) == frames[::4]


@pytest.mark.parametrize(
    ("frames", "words"), [(None, "no frames available"), ([], "no frames available"), ([b"<svg/>"], "can't be shown")]
)
def test_absent_frames_are_named(frames, words):
    page = Page(render_scorecard(small_card([1.0], True), lambda _sample: frames))
    assert words in page.find("figure")[0]["text"]
    assert not page.find("image")


def test_images_stay_within_their_budget():
    card = small_card([float(at) for at in range(6)], True)
    heavy = {f"s{at}": [jpeg(at) + bytes(IMAGE_BUDGET // 4)] for at in range(6)}
    page = Page(render_scorecard(card, heavy.get))
    assert len(page.find("image")) == 3
    assert sum("left out" in item["text"] for item in page.find("figure")) == 3


# --- the file --------------------------------------------------------------------------------------------------------


def test_same_input_same_bytes(tmp_path):
    for name in ("a", "b"):
        card = make_scorecard(20, 1)
        write_page(render_scorecard(card, strips_for(card).get), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    reread = Scorecard.from_json(make_scorecard(20, 1).to_json())
    assert render_scorecard(reread, strips_for(reread).get).encode() == (tmp_path / "a").read_bytes()


def test_nothing_is_fetched():
    html = render_scorecard(make_scorecard(20, 1), lambda _sample: [jpeg(3)])
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\(|\bsrc=|srcset|<base|<iframe|<form", html)


def test_only_its_own_style_and_script_are_allowed():
    page = Page(render_scorecard(make_scorecard(5, 1), no_frames))
    (policy,) = page.find("meta", **{"http-equiv": "Content-Security-Policy"})
    rules = dict(rule.strip().split(" ", 1) for rule in policy["attrs"]["content"].split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    for tag in ("style", "script"):
        (element,) = page.find(tag)
        digest = base64.b64encode(hashlib.sha256(element["text"].encode()).digest()).decode()
        assert rules[f"{tag}-src"] == f"'sha256-{digest}'"
    assert not any(
        "style" in item["attrs"] or any(key.startswith("on") for key in item["attrs"]) for item in page.elements
    )


def test_a_thousand_videos_stay_small():
    card = make_scorecard(1000, 2, n_metrics=30)
    assert len(video_metrics(card)) == 24
    frame = jpeg(1) + bytes(4000)
    html = render_scorecard(card, lambda sample: [frame + f"{sample}{step}".encode() for step in range(6)])
    assert len(html.encode()) < 6_000_000
    assert html.count('<tr id="video-') == 1000


def test_of_very_many_videos_the_page_lists_the_ends_the_problems_and_the_first(monkeypatch):
    card = make_scorecard(100, 2)
    whole = render_scorecard(card, no_frames)
    assert "videos are listed" not in whole
    bad = {int(number) for number in re.findall(r'<tr id="video-(\d+)" data-problem', whole)}
    monkeypatch.setattr(scorecard_page, "SHOWN_VIDEOS", 80)
    html = render_scorecard(card, no_frames)
    listed = [int(number) for number in re.findall(r'<tr id="video-(\d+)"', html)]
    linked = {int(number) for number in re.findall(r'href="#video-(\d+)"', html)}
    assert linked | bad < set(listed)
    assert listed == sorted(
        [*(linked | bad), *[at for at in range(100) if at not in linked | bad][: 80 - len(linked | bad)]]
    )
    assert "80 of 100 videos are listed" in html
    assert f"{len(bad)} of 100 have a problem" in html


def test_an_unwritable_folder_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="can't be written"):
        write_page(render_scorecard(make_scorecard(2, 1), no_frames), tmp_path / "file" / "report.html")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1])
def test_contrast_is_aa_in_both_themes(theme):
    (style,) = Page(render_scorecard(make_scorecard(2, 1), no_frames)).find("style")
    tokens = {
        name: (light, dark)[theme]
        for name, light, dark in re.findall(r"--([a-z-]+): light-dark\((#\w{6}), (#\w{6})\)", style["text"])
    }
    pairs = [(ink, paper) for ink in ("ink", "muted", "link") for paper in ("paper", "raised")]
    pairs += [("good", "raised"), ("warn", "warn-paper"), ("warn", "paper"), ("bad", "bad-paper"), ("bad", "paper")]
    pairs += [("ink", "warn-paper")]
    for ink, paper in pairs:
        dark, light = sorted((luminance(tokens[ink]), luminance(tokens[paper])))
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, paper)
