"""The scorecard's JSON form: fixed keys, no NaN, readable for ever."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from scorecards import make_scorecard

from evalkit.errors import InputError
from evalkit.scoring.scorecard import MetricScore, Scorecard, VideoScore

HISTORIC = Path(__file__).parents[1] / "historic"


@pytest.fixture
def card():
    return make_scorecard(12, 3)


@pytest.fixture
def document(card):
    return json.loads(card.to_json())


def with_value(document: dict, place: tuple[str | int, ...], value: object) -> str:
    """Return the document's JSON with one value changed."""
    part = document
    for step in place[:-1]:
        part = part[step]
    part[place[-1]] = value
    return json.dumps(document)


def test_the_keys_of_design_4_are_there(document):
    assert {"schema", "submission", "challenge", "backbones", "metrics", "videos", "features"} <= set(document)
    assert {"provenance", "timing"} <= set(document)
    assert document["schema"] == 1
    assert {"name", "sha256"} <= set(document["submission"])
    assert {"id", "sha256"} <= set(document["challenge"])
    assert isinstance(document["backbones"], str)
    for score in document["metrics"].values():
        assert {"value", "ci95", "unit", "higher_is_better", "n", "coverage", "reason", "protocol"} <= set(score)
    for video in document["videos"]:
        assert {"sample", "path", "values", "reasons", "events"} <= set(video)
        assert all(video["values"][name] is not None or video["reasons"][name] for name in video["values"])
    for use in document["features"].values():
        assert {"version", "weights", "options"} <= set(use)


def test_round_trip(card):
    text = card.to_json()
    again = Scorecard.from_json(text)
    assert again == card
    assert again.to_json() == text
    assert text.endswith("}\n")
    assert text.isascii()


def test_numbers_keep_all_their_digits(card):
    value = 0.1 + 0.2
    name = next(iter(card.metrics))
    changed = card.model_copy(
        update={"metrics": {**card.metrics, name: card.metrics[name].model_copy(update={"value": value})}}
    )
    assert Scorecard.from_json(changed.to_json()).metrics[name].value == value
    assert "0.30000000000000004" in changed.to_json()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "place",
    [
        ("metrics", "psnr.rgb", "value"),
        ("metrics", "psnr.rgb", "ci95"),
        ("metrics", "psnr.rgb", "coverage"),
        ("metrics", "psnr.rgb", "range"),
        ("videos", 0, "values", "psnr.rgb"),
    ],
)
def test_nan_is_refused(document, place, bad):
    value = [bad, 1.0] if place[-1] in {"ci95", "range"} else bad
    with pytest.raises(InputError, match=r"not JSON. Found -?(NaN|Infinity) is not a JSON value"):
        Scorecard.from_json(with_value(document, place, value))
    with pytest.raises(InputError, match="damaged"):  # as text, which a reader would turn into a number
        Scorecard.from_json(with_value(document, place, [str(bad), 1.0] if isinstance(value, list) else str(bad)))


def test_what_two_readers_understand_differently_is_refused(card):
    text = card.to_json().rstrip()
    for more, message in (
        (f'"backbones": "{card.backbones}"', "the key 'backbones' appears twice"),
        ('"extra": 1e999', "the number 1e999 is too large"),
        ('"extra": ' + "[" * 500 + "]" * 500, "nested too deeply"),
        ('"extra": ' + "7" * 100_000, "Exceeds the limit"),
    ):
        with pytest.raises(InputError, match=message):
            Scorecard.from_json(f"{text[:-1]}, {more}}}")


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_nan_in_a_free_part_is_written_as_null(card, bad):
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    for part in ("timing", "provenance"):
        text = card.model_copy(update={part: {"x": [bad]}}).to_json()
        assert json.loads(text, parse_constant=refuse)[part] == {"x": [None]}


def test_numbers_of_numpy_are_numbers():
    score = MetricScore(value=np.float32(0.5), higher_is_better=True, n=np.int64(2), coverage=np.float64(1), protocol=1)
    assert json.loads(score.model_dump_json())["value"] == 0.5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "schema None"),
        ("null", "schema None"),
        ("{}", "schema None"),
        ('{"schema": 2}', "schema 2"),
        ('{"schema": "1"}', "schema '1'"),
        ('{"schema": 1}', "damaged: the key 'submission' is missing"),
    ],
)
def test_what_is_no_scorecard(text, words):
    with pytest.raises(InputError) as caught:
        Scorecard.from_json(text, "team.json")
    assert "team.json" in caught.value.what
    assert words in str(caught.value)
    assert caught.value.exit_code == 1


def test_an_unknown_schema_says_what_to_do(document):
    with pytest.raises(InputError, match=r"Found schema 7; expected schema 1\.") as caught:
        Scorecard.from_json(with_value(document, ("schema",), 7))
    assert "newer evalkit" in caught.value.fix


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        (("metrics", "psnr.rgb", "n"), -1, "metrics.psnr.rgb.n"),
        (("metrics", "psnr.rgb", "coverage"), 1.5, "metrics.psnr.rgb.coverage"),
        (("metrics", "psnr.rgb", "value"), "high", "metrics.psnr.rgb.value"),
        (("metrics", "psnr.rgb", "role"), "king", "metrics.psnr.rgb.role"),
        (("videos", 3, "verdict"), "fine", "videos.3.verdict"),
        (("videos",), None, "videos"),
        (("backbones",), 5, "backbones"),
    ],
)
def test_a_damaged_file_is_named_with_the_place(document, place, value, told):
    with pytest.raises(InputError, match=rf"damaged: '{re.escape(told)}': must be"):
        Scorecard.from_json(with_value(document, place, value))


@pytest.mark.parametrize("key", ["submission", "challenge", "backbones", "metrics", "videos"])
def test_a_missing_part_is_named(document, key):
    del document[key]
    with pytest.raises(InputError, match=f"damaged: the key '{key}' is missing"):
        Scorecard.from_json(json.dumps(document))


def test_a_gap_without_a_reason_is_refused(document):
    with pytest.raises(ValidationError, match="no value and no reason"):
        MetricScore(value=None, higher_is_better=True, n=0, coverage=0, protocol=1)
    video = VideoScore(sample="a", path=None, values={"m.x": None}).model_dump()
    document["videos"].append(video)
    with pytest.raises(InputError, match=r"sample a: no value and no reason for m\.x"):
        Scorecard.from_json(json.dumps(document))
    document["videos"][-1]["reasons"] = {"m.x": "missing"}
    assert Scorecard.from_json(json.dumps(document)).videos[-1].reasons == {"m.x": "missing"}


@pytest.mark.parametrize(
    "place", [(), ("submission",), ("metrics", "psnr.rgb"), ("videos", 0), ("videos", 0, "events")]
)
def test_keys_of_a_later_version_survive(document, place):
    part = document
    for step in place:
        part = part[step]
    if isinstance(part, list):
        part.append({"kind": "new", "detail": "", "seconds": [1, 2]})
    else:
        part["something_new"] = {"deep": [1, None, "x"]}
    assert json.loads(Scorecard.from_json(json.dumps(document)).to_json()) == document


def test_load(card, tmp_path):
    (tmp_path / "scorecard.json").write_text(card.to_json())
    assert Scorecard.load(tmp_path) == Scorecard.load(str(tmp_path / "scorecard.json")) == card
    with pytest.raises(InputError, match="can't be read"):
        Scorecard.load(tmp_path / "nowhere.json")
    (tmp_path / "latin.json").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="can't be read"):
        Scorecard.load(tmp_path / "latin.json")


@pytest.mark.parametrize("file", sorted(HISTORIC.glob("scorecard-schema*.json")), ids=lambda file: file.stem)
def test_a_scorecard_of_every_schema_stays_readable(file):
    card = Scorecard.load(file)
    document = json.loads(file.read_text())
    written = json.loads(card.to_json())
    for name, score in document["metrics"].items():
        assert written["metrics"][name] == {**written["metrics"][name], **score}
    assert [video["values"] for video in written["videos"]] == [video["values"] for video in document["videos"]]
    assert card.to_pandas().shape[0] == len(document["videos"])
    assert str(card)
    assert card._repr_html_()


def test_there_is_a_scorecard_of_this_schema():
    schemas = {json.loads(file.read_text())["schema"] for file in HISTORIC.glob("scorecard-schema*.json")}
    assert schemas == {1}
    card = Scorecard.load(HISTORIC / "scorecard-schema1.json")
    # What it is worth keeping for: values, a gap with a reason, a missing file, an invalid one, events, features.
    assert {video.verdict for video in card.videos} >= {"ok", "error", "missing"}
    assert card.metrics["psnr.rgb"].value == 32.29191352774356
    assert card.metrics["fid.pytorch"].reason == "metric_not_installed"
    assert card.features["paired_pixels"].version == 1
    assert any(video.findings for video in card.videos)
    assert not card.complete


def test_complete_and_scored(card):
    assert not card.complete
    assert card.scored_videos == sum(video.verdict in {"ok", "warning"} for video in card.videos) == 10
    full = {name: score for name, score in card.metrics.items() if score.value is not None}
    whole = {name: score.model_copy(update={"coverage": 1.0}) for name, score in full.items()}
    assert card.model_copy(update={"metrics": whole}).complete
    assert not card.model_copy(update={"metrics": full}).complete


def test_to_pandas(card):
    frame = card.to_pandas()
    assert list(frame["sample"]) == [video.sample for video in card.videos]
    assert list(frame.columns[:3]) == ["sample", "path", "verdict"]
    reasons = [column for column in frame.columns if column.startswith("reason.")]
    assert list(frame.columns[-len(reasons) :]) == sorted(reasons)
    for row, video in zip(frame.to_dict("records"), card.videos, strict=True):
        assert row["verdict"] == video.verdict
        assert row["group.subset"] == video.groups["subset"]
        for name, value in video.values.items():
            if value is None:
                assert math.isnan(row[name])
                assert row[f"reason.{name}"] == video.reasons[name]
            else:
                assert row[name] == value
    assert frame["psnr.rgb"].dtype == np.float64
    mean = card.metrics["psnr.rgb"].value
    assert frame["psnr.rgb"].mean() == pytest.approx(mean, rel=1e-12)


def test_to_pandas_without_videos(card):
    frame = card.model_copy(update={"videos": ()}).to_pandas()
    assert isinstance(frame, pd.DataFrame)
    assert (len(frame), list(frame.columns)) == (0, ["sample", "path", "verdict"])


def test_printing_a_scorecard_sends_nothing_to_the_terminal_but_text():
    text = str(make_scorecard(3, 1, hostile=True))
    assert all(char.isprintable() or char == "\n" for char in text)
    assert "unscored: " in text
    assert len(text.splitlines()) == 1 + len(make_scorecard(3, 1, hostile=True).metrics)
