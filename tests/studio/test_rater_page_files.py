"""The rater's page as files: complete in six languages, nothing inline, nothing from elsewhere."""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from pages import Page as Html

from evalkit.studio.page_model import LANGUAGES, Page
from evalkit.studio.pages.assets import assets, static_prefix
from evalkit.studio.pages.organizer import join_words
from evalkit.studio.pages.rater import POLICY, render_rater_page, strings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "evalkit" / "studio" / "pages"
MODULES = {file.name: file.read_text(encoding="utf-8") for file in (FOLDER / "static" / "rater").glob("*.js")}
TEMPLATE = (FOLDER / "templates" / "rater.html").read_text(encoding="utf-8")


def page(**changes: object) -> str:
    return render_rater_page(Page(**{"title": "A study", "consent": "Yes?", "contact": "us@example.org", **changes}))  # type: ignore[arg-type]


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_every_text_with_the_same_places(language: str) -> None:
    texts, english = strings()[language], strings()["en"]
    assert list(texts) == list(english)
    for key, text in texts.items():
        assert text.strip() == text != "", key
        assert Counter(re.findall(r"\{\w+\}", text)) == Counter(re.findall(r"\{\w+\}", english[key])), key


def test_no_text_was_left_in_english() -> None:
    english = strings()["en"]
    same = {lang: [k for k, t in texts.items() if t == english[k]] for lang, texts in strings().items() if lang != "en"}
    names = ["item_number", "video", "video_a", "video_b"]  # German has the same word
    assert same == {"zh": [], "ko": [], "ja": [], "de": names, "fr": []}


@pytest.mark.parametrize(("language", "marks"), [("fr", ":;?!%…"), ("de", "%…")])
def test_no_line_begins_with_a_mark(language: str, marks: str) -> None:
    """Where a language puts a space before a mark, no line is broken there."""
    texts = [*strings()[language].values(), *join_words()[language].values()]
    assert [text for text in texts if re.search(rf" [{marks}](\s|$|[.,;)])", text)] == []
    assert any(f"\u00a0{marks[0]}" in text for text in texts)


@pytest.mark.parametrize(
    ("language", "familiar"),
    [
        ("de", r"\b(?:du|dein\w*|dir|dich|euch|euer\w*)\b"),
        ("fr", r"\b(?:tu|toi|ton|ta|tes)\b"),
        ("zh", "你"),
        ("ko", "너|당신"),
        ("ja", "あなた|お前"),
    ],
)
def test_raters_are_addressed_politely_everywhere(language: str, familiar: str) -> None:
    texts = [*strings()[language].values(), *join_words()[language].values()]
    assert [text for text in texts if re.search(familiar, text, re.IGNORECASE)] == []


def test_both_pages_call_the_id_of_a_person_the_same() -> None:
    for language, words in join_words().items():
        for key in ("stored_worker", "stored_digest"):
            assert words["id"].lower() in strings()[language][key].lower(), (language, key)


def test_every_text_is_used_and_none_is_missing() -> None:
    code = "\n".join(MODULES.values())
    used = set(re.findall(r'data-t="(\w+)"', TEMPLATE)) | {"noscript"}
    known = set(strings()["en"])
    assert used <= known
    quoted = set(re.findall(r'"(\w+)"', code))
    counted = {f"{key}_{form}" for key in re.findall(r'counted\("(\w+)"', code) for form in ("one", "other")}
    numbered = {f"{key}_{end}" for key in ("item", "pair") for end in ("of", "number")}
    assert known - used - quoted - counted - numbered == set()
    asked = re.findall(r'(?:strings\.text|notice\.show)\("(\w+)"', code)
    assert set(asked) | counted <= known
    assert counted == {"kept_one", "kept_other", "break_text_one", "break_text_other"}


def test_a_page_has_nothing_inline_and_nothing_from_elsewhere() -> None:
    html = Html(page(keep=("worker",)))
    assert [item["attrs"] for item in html.find("script")] == [
        {"type": "module", "src": f"{static_prefix()}/rater/main.js"}
    ]
    assert html.find("style") == []
    for item in html.elements:
        assert not [name for name in item["attrs"] if name == "style" or name.startswith("on")], item
    named = [value for item in html.elements for key, value in item["attrs"].items() if key in {"src", "href"}]
    assert set(named) <= set(assets())
    assert html.find("body")[0]["attrs"]["data-strings"] in assets()
    everything = page() + "".join(one.content.decode() for one in assets().values())
    assert set(re.findall(r"https?://[^\s\"'`]+", everything)) == {"http://www.w3.org/2000/svg"}
    assert "unsafe" not in POLICY and "*" not in POLICY


def test_modules_name_only_modules_that_are_there() -> None:
    for name, code in MODULES.items():
        for other, names in re.findall(r'import \{([^}]*)\} from "([^"]+)"', code):
            target = MODULES[names.removeprefix("./")]
            for one in other.split(","):
                assert re.search(rf"export (async )?(function|class|const) {one.strip()}\b", target), (name, one)
    assert len(MODULES) > 10


def test_what_the_organizer_wrote_is_text() -> None:
    nasty = '<img src=x onerror="alert(1)"> & {{ title }}'
    html = Html(page(title=nasty, consent=f"{nasty}\n\nSecond paragraph", contact=nasty))
    assert html.find("title")[0]["text"] == nasty
    assert not html.find("img", src="x")
    (consent,) = html.find("div", class_="consent")
    assert consent["text"].split("\n")[1:3] == [nasty, "Second paragraph"]


def test_translations_of_the_organizers_words_are_there_but_hidden() -> None:
    nasty = "<b>\ub3d9\uc758?</b>"
    html = Html(
        page(translations={"ko": {"title": nasty, "consent": f"{nasty}\n\n2"}, "fr": {"title": "Une \u00e9tude"}})
    )
    titles = [(item["text"], item["attrs"]) for item in html.find("span") if "data-in" in item["attrs"]]
    assert [(text, attrs["lang"], "hidden" in attrs) for text, attrs in titles] == [
        ("A study", "en", False), (nasty, "ko", True), ("Une \u00e9tude", "fr", True),
    ]  # fmt: skip
    consents = [(item["text"].split(), item["attrs"]) for item in html.find("div", class_="consent")]
    assert [(text, attrs["lang"], "hidden" in attrs) for text, attrs in consents] == [
        (["Yes?"], "en", False), ([nasty, "2"], "ko", True),
    ]  # fmt: skip


def test_a_translation_asks_for_no_consent_where_the_page_asks_for_none() -> None:
    assert not Html(page(consent="", translations={"ko": {"consent": "\ub3d9\uc758?"}})).find("div", class_="consent")


def test_what_is_said_to_be_stored_follows_the_plan() -> None:
    for text, keep in (("stored_digest", ()), ("stored_worker", ("worker",))):
        said = [item["attrs"].get("data-t") for item in Html(page(keep=keep)).find("li")]
        assert said == ["stored_answers", text, "stored_here"]


def test_only_the_plans_languages_are_offered() -> None:
    html = Html(page(languages=("de", "fr")))
    assert html.find("html")[0]["attrs"]["lang"] == "de"
    assert html.find("body")[0]["attrs"]["data-languages"] == "de fr"
    assert [item["attrs"]["lang"] for item in html.find("p") if "lang" in item["attrs"]] == ["de", "fr"]


def test_every_file_is_served_under_an_address_of_its_content_and_is_in_the_wheel() -> None:
    files = {file.relative_to(FOLDER / "static").as_posix() for file in (FOLDER / "static").rglob("*.*")}
    assert {address.removeprefix(f"{static_prefix()}/") for address in assets()} == files
    assert re.fullmatch(r"/static/[0-9a-f]{16}", static_prefix())
    for address, asset in assets().items():
        assert asset.content == (FOLDER / "static" / address.removeprefix(f"{static_prefix()}/")).read_bytes()
    data = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"]
    patterns = data["evalkit.studio.pages"]
    packed = {file for pattern in patterns for file in FOLDER.glob(pattern) if file.is_file()}
    needed = {file for room in ("static", "templates") for file in (FOLDER / room).rglob("*.*")}
    assert packed == needed | set(FOLDER.glob("*.json"))


def test_the_strings_are_one_file_in_a_stable_form() -> None:
    file = FOLDER / "static" / "strings.json"
    text = file.read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), ensure_ascii=False, indent=2) + "\n"
