"""plan.json is read strictly: whatever else stands in it is one sentence."""

from __future__ import annotations

import copy
import hashlib
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from studio.plans import hex_id, plan_document

from evalkit.errors import InputError
from evalkit.studio.next_item import Given, next_item
from evalkit.studio.page_model import Page, PageText
from evalkit.studio.plan_model import Plan, key_of, plan_from_json, read_plan, write_plan


def test_a_plan_is_the_same_after_writing_and_reading(tmp_path: Path) -> None:
    plan = plan_from_json(json.dumps(plan_document()))
    path = tmp_path / "plan.json"
    path.write_text("before")
    path.chmod(0o644)
    write_plan(plan, path)
    assert read_plan(path) == plan
    assert read_plan(path).sha256 == plan.sha256
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["plan.json"]


def test_a_plan_without_translations_keeps_the_digest_of_before_there_were_any(tmp_path: Path) -> None:
    plan = plan_from_json(json.dumps(plan_document()))
    write_plan(plan, tmp_path / "plan.json")
    assert "translations" not in (tmp_path / "plan.json").read_text()
    assert plan.sha256 == hashlib.sha256((tmp_path / "plan.json").read_bytes()).hexdigest()
    document = plan_document()
    document["page"]["translations"] = {"ko": {"title": "말하는 얼굴"}}
    translated = plan_from_json(json.dumps(document))
    write_plan(translated, tmp_path / "translated.json")
    assert read_plan(tmp_path / "translated.json") == translated


def test_what_is_not_translated_is_known_per_language() -> None:
    page = Page(
        title="A study",
        consent="Yes?",
        languages=("en", "ko", "de", "fr"),
        translations={
            "ko": PageText(title="연구", consent="네?", questions={"sync": "입", "natural": "자연"}),
            "de": PageText(title="Studie", questions={"sync": "Lippen"}),
        },
    )
    assert page.untranslated(["sync", "natural"]) == {
        "de": ["consent", "questions"],
        "fr": ["title", "consent", "questions"],
    }
    assert page.model_copy(update={"consent": ""}).untranslated([]) == {"fr": ["title"]}


def _first(document: dict[str, Any], part: str) -> Any:
    return next(iter(document[part].values()))


def _repeat(document: dict[str, Any], **changes: Any) -> None:
    first, item = next(iter(document["items"].items()))
    document["items"][hex_id()] = {**item, "kind": "repeat", "repeat_of": first, **changes}


def _own_team(document: dict[str, Any]) -> None:
    _first(document, "raters")["team"] = "lumen"


def _same_token(document: dict[str, Any]) -> None:
    document["join"] = _first(document, "raters")["token"]


BROKEN: dict[str, Callable[[dict[str, Any]], Any]] = {
    "unknown key": lambda d: d.update(teams=["lumen"]),
    "missing": lambda d: d.pop("organizer"),
    "format": lambda d: d.update(format=2),
    "format true": lambda d: d.update(format=True),
    "seed as text": lambda d: d.update(seed="1"),
    "seed below 0": lambda d: d.update(seed=-1),
    "translation of no language": lambda d: d["page"].update(languages=["en"], translations={"ko": {}}),
    "translation into the page's own language": lambda d: d["page"].update(translations={"en": {"title": "x"}}),
    "translation of no question": lambda d: d["page"].update(translations={"ko": {"questions": {"what": "x"}}}),
    "translation without words": lambda d: d["page"].update(translations={"ko": {"title": ""}}),
    "no raters": lambda d: d.update(raters={}),
    "short token": lambda d: _first(d, "raters").update(token="abc"),
    "same token": _same_token,
    "unknown item": lambda d: _first(d, "raters")["items"].append(hex_id()),
    "item twice": lambda d: _first(d, "raters")["items"].append(_first(d, "raters")["items"][0]),
    "own team": _own_team,
    "chosen in ratings": lambda d: _first(d, "raters")["items"].append(None),
    "sequential id": lambda d: d["items"].update({"item1": _first(d, "items")}),
    "two videos": lambda d: _first(d, "items").update(media=list(d["media"])[:2]),
    "unknown video": lambda d: _first(d, "items").update(media=[hex_id()]),
    "another sample": lambda d: _first(d, "items").update(sample="s1"),
    "unknown sample": lambda d: _first(d, "media").update(sample="nowhere"),
    "path up": lambda d: _first(d, "samples").update(image="../secret.png"),
    "submission up": lambda d: _first(d, "media").update(submission="../secret.zip"),
    "team in the test set": lambda d: _first(d, "media").update(submission=None),
    "team without run": lambda d: _first(d, "media").update(run=None),
    "gold without answer": lambda d: _first(d, "items").update(kind="gold"),
    "gold of no question": lambda d: _first(d, "items").update(kind="gold", expected={"sharpness": [1, 2]}),
    "gold upside down": lambda d: _first(d, "items").update(kind="gold", expected={"quality": [5, 4]}),
    "repeat of nothing": lambda d: _repeat(d, repeat_of=hex_id()),
    "repeat of other media": lambda d: _repeat(d, media=[list(d["media"])[1]], sample="s1"),
    "scale upside down": lambda d: d["questions"][0].update(scale=[5, 1]),
    "no scale": lambda d: d["questions"][0].update(scale=None),
    "hidden letter": lambda d: d["page"].update(title="a\u202eb"),
    "half a character": lambda d: d["page"].update(title="\ud800"),
    "not finite": lambda d: d["page"].update(watch_share=float("inf")),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_what_can_not_be_is_one_sentence(fault: str) -> None:
    document = plan_document()
    plan_from_json(json.dumps(document))
    broken = copy.deepcopy(document)
    BROKEN[fault](broken)
    with pytest.raises(InputError) as caught:
        plan_from_json(json.dumps(broken), "plan.json")
    text = str(caught.value)
    assert text.startswith("plan.json ")
    assert "\n" not in text and len(text) < 2000 and "pydantic" not in text


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"format": 1, "format": 1}', '{"format": 1}', "[" * 5000])
def test_what_is_no_plan_is_one_sentence(text: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"plan\.json"):
        read_plan(path)


def test_the_key_has_no_training_and_no_team_for_the_organizers_videos() -> None:
    document = plan_document()
    items = list(document["items"])
    document["items"][items[0]]["kind"] = "training"
    medium = document["items"][items[1]]["media"][0]
    document["media"][medium].update(team=None, run=None, submission=None)
    document["items"][items[1]]["kind"] = "reference"
    teams = {items[2]: ("atlas", "s0", "1"), items[3]: ("atlas", "s1", "1")}
    assert key_of(plan_from_json(json.dumps(document))) == teams
    document["media"][medium]["real"] = True
    assert key_of(plan_from_json(json.dumps(document))) == {**teams, items[1]: ("(reference)", "s1", None)}
    document["media"][medium]["real"] = False
    document["items"][items[1]].update(kind="gold", expected={"quality": [1, 2]})
    assert key_of(plan_from_json(json.dumps(document))) == {**teams, items[1]: ("(control s1.mp4)", "s1", None)}


def test_a_list_goes_on_where_the_answers_end() -> None:
    plan = plan_from_json(json.dumps(plan_document()))
    first, second = plan.raters
    items = plan.raters[first].items
    seen, answers = [], [Given(second, str(items[0]), {"quality": 3})]
    while (item := next_item(plan, answers, first)) is not None:
        seen.append(item)
        answers.append(Given(first, item, {"quality": 4}))
    assert tuple(seen) == items
    assert next_item(plan, answers, second) == items[1]
    assert next_item(plan, [Given(first, str(items[2]), {})], first) == items[0]


def test_a_token_is_one_raters() -> None:
    plan = plan_from_json(json.dumps(plan_document()))
    for name, rater in plan.raters.items():
        assert plan.rater_of(rater.token) == name
    assert plan.rater_of(plan.organizer) is None
    assert [plan.rater_of(wrong) for wrong in ("", "\u00e9", "\ud800")] == [None] * 3


def test_a_plan_of_before_there_were_known_comparisons_keeps_its_digest() -> None:
    """A studio that is updated in the middle of a study finds its journal and its import by the digest."""
    plan = plan_from_json(json.dumps(plan_document()))
    document = plan.model_dump(mode="json")
    for part, key in (("media", "real"), ("items", "no_draw"), ("raters", "repeat_turns")):
        for entry in document[part].values():
            assert not entry.pop(key)
    assert not document["page"].pop("translations")
    text = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
    assert plan.sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_what_a_comparison_may_not_have() -> None:
    document = plan_document(samples=1)
    document |= {"method": "pairs", "questions": [{"id": "pair", "title": "Better?"}]}
    both, item = list(document["media"]), hex_id()
    document["raters"] = {"r": {**next(iter(document["raters"].values())), "items": [item, None, None]}}
    usual = {"media": both, "sample": "s0", "kind": "gold", "expected": {"pair": [0, 1]}, "no_draw": ["pair"]}
    good = {**document, "items": {item: usual}}
    good["raters"]["r"]["repeat_turns"] = [1]
    plan = plan_from_json(json.dumps(good))
    assert plan.sides_of(item) == ("lumen", "atlas") and plan_from_json(_text(plan)).sha256 == plan.sha256
    for changed, words in (
        ({"expected": {"pair": [0, 2]}}, "can't be"),
        ({"expected": {}, "kind": "rating"}, "no_draw"),
    ):
        with pytest.raises(InputError, match=words):
            plan_from_json(json.dumps({**good, "items": {item: {**usual, **changed}}}))
    for turns in ([0], [2], [1, 1]):
        good["raters"]["r"]["repeat_turns"] = turns
        with pytest.raises(InputError, match="turns"):
            plan_from_json(json.dumps(good))


def _text(plan: Plan) -> str:
    return json.dumps(plan.model_dump(mode="json"))
