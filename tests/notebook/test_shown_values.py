"""What a scorecard, a leaderboard, a batch and a validation show in a notebook."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders.leaderboards import NASTY, hostile, plain
from pages import Page
from scorecards import HOSTILE, make_scorecard

from evalkit.arrays.record import Measurement
from evalkit.batch.entries import Entry
from evalkit.batch.outcome import outcome_of_card, outcome_of_error
from evalkit.batch.result import BatchResult
from evalkit.challenges.model import load_challenge
from evalkit.errors import SubmissionError
from evalkit.folders.model import DistanceResult
from evalkit.leaderboard.table import CodedReason
from evalkit.metrics.base import Event
from evalkit.scoring.intake import FileReport, ValidationReport
from evalkit.scoring.scorecard import Scorecard
from evalkit.text import format_value
from evalkit.validators.findings import Finding

MOST_BYTES = 120_000
TAGS = set(re.findall("[a-z]+", "div style p bdi span table caption thead tbody tr th td small details summary"))
TAGS |= {"svg", "circle", "line", "rect"}
EVIL = "<script>alert(1)</script>\u202e"


def rows_of(page: Page, at: int = 0) -> list[list[str]]:
    """Return the texts of a table's body, row by row."""
    table = page.find("table")[at]
    inside = page.elements[page.elements.index(table) :]
    end = next((place for place, item in enumerate(inside[1:], 1) if item["tag"] == "table"), len(inside))
    rows: list[list[str]] = []
    for item in inside[:end]:
        if item["tag"] == "tr":
            rows.append([])
        if item["tag"] in {"td", "th"}:
            rows[-1].append(item["text"])
    return rows[1:]


def batch_of(*outcomes: object, stopped: object = None) -> BatchResult:
    return BatchResult(load_challenge("talking-head"), Path("out"), outcomes, 61.0, stopped)  # type: ignore[arg-type]


def validation(text: str = "s", files: int = 30) -> ValidationReport:
    def found(at: int, severity: str) -> Finding:
        place = f"{text}{at}.mp4"
        return Finding("encoding.codec", severity, f"Not H.264 {text}.", "hevc", "h264", f"ffmpeg {text}", place)  # type: ignore[arg-type]

    reports = tuple(
        FileReport(
            f"{text}{at}.mp4", f"{text}{at}", b"", (found(at, "error" if at % 3 else "warning"),) if at % 2 else ()
        )
        for at in range(files)
    )
    missing = Finding("layout.missing", "error", "A sample has no video.", sample=f"{text}99")
    return ValidationReport(text, f"{text}.zip", "{id}.mp4", (missing,), reports, samples=files + 1)


def test_a_scorecard_shows_its_metrics_with_reasons_and_how_they_spread() -> None:
    card = make_scorecard(40, 3)
    page = Page(card._repr_html_())
    rows = rows_of(page)
    assert len(rows) == len(card.metrics)
    for row, (name, score) in zip(rows, card.metrics.items(), strict=True):
        assert row[0] == f"{score.title}{name}"
        assert row[4] == {True: "higher", False: "lower", None: ""}[score.higher_is_better]
        assert row[5] == str(score.n)
        if score.value is None:
            assert row[1] == f"unscored: {score.reason}"
        else:
            assert row[1].startswith(format_value(score.value))
    assert "40 videos: 28 ok, 4 with warnings, 4 refused, 4 missing." in page.find("p")[1]["text"]
    labels = [item["attrs"]["aria-label"] for item in page.find("svg")[1:]]
    asked = {name for video in card.videos for name in video.values}
    assert len(labels) == len(asked)
    known = [video.values["psnr.rgb"] for video in card.videos if video.values["psnr.rgb"] is not None]
    said = f"{len(known)} videos from {format_value(min(known))} to {format_value(max(known))}"
    assert said in labels


def test_the_first_videos_of_a_scorecard_are_shown_and_the_others_counted() -> None:
    card = make_scorecard(40, 3)
    page = Page(card._repr_html_())
    rows = rows_of(page, 1)
    assert [row[0] for row in rows] == [video.sample for video in card.videos[:10]]
    assert (
        page.find("caption")[1]["text"] == "Videos, 2 more metrics: the first 10 of 40 videos; all are in to_pandas()"
    )
    assert [row[1] for row in rows] == [video.verdict for video in card.videos[:10]]
    first = card.videos[6]
    assert rows[6][2] == "unscored: no_face"
    assert rows[6][3] == format_value(first.values["sync.joonson.lse_d"])


def test_a_number_of_the_whole_set_has_no_drawing() -> None:
    card = make_scorecard(12, 1, n_metrics=1)
    page = Page(card._repr_html_())
    assert len(page.find("svg")) == 1  # that of the verdicts
    assert len(page.find("table")) == 1  # and no table of videos without metrics


def test_an_empty_scorecard_says_so() -> None:
    card = make_scorecard(2, 1).model_copy(update={"videos": (), "metrics": {}})
    page = Page(card._repr_html_())
    assert page.find("p")[1]["text"].strip() == "No videos."
    assert rows_of(page) == []


def test_a_leaderboard_shows_ranks_intervals_ties_and_why_one_is_not_ranked() -> None:
    _, board = plain(("lumen", "aurora", "beta"))
    reason = CodedReason("coverage", "It answers 1 of 4 samples.")
    rows = (*board.rows[:2], replace(board.rows[2], rank=None, score=None, interval=None, reasons=(reason, reason)))
    page = Page(replace(board, rows=rows)._repr_html_())
    assert page.find("p")[0]["text"] == "Leaderboard by weighted-sum: 2 runs ranked, 1 not ranked"
    shown = rows_of(page)
    assert shown[0][:4] == ["lumenrun main", "1", "ranks 1 to 2, tied with aurora", "1.000"]
    assert shown[1][:4] == ["aurorarun main", "2", "ranks 1 to 3, tied with lumen", "0.6667"]
    assert shown[2][:4] == ["betarun main", "not ranked", "It answers 1 of 4 samples. And 1 more reason.", ""]
    assert shown[0][4] == "1.0000.9900 to 1.010, best"
    assert shown[0][-1] == "no_face"
    heads = [item["text"] for item in page.find("th", scope="col")]
    assert heads[4:6] == ["Identityhigher is better", "ERRlower is better, px"]
    assert heads[-1] == "Blinks1/min, does not rank"
    assert [item["attrs"]["aria-label"] for item in page.find("svg")] == ["ranks 1 to 2 of 3", "ranks 1 to 3 of 3"]


def test_a_leaderboard_that_ranks_nobody_says_why() -> None:
    _, board = plain(("lumen",))
    page = Page(replace(board, phases=(), problem="No run has a value.", rows=())._repr_html_())
    assert [item["text"] for item in page.find("p")] == [
        "Leaderboard by weighted-sum: 0 runs ranked",
        "No run has a value.",
    ]
    assert page.find("table") == []


def test_a_batch_shows_what_came_of_each() -> None:
    scored = outcome_of_card(Entry("lumen", "1", Path("lumen.zip"), True), make_scorecard(20, 1))
    refused = outcome_of_error(Entry("bad", "2", Path("bad.zip")), SubmissionError("It is no ZIP."))
    page = Page(batch_of(scored, refused, stopped=SubmissionError("The disk is full."))._repr_html_())
    texts = [item["text"].strip() for item in page.find("p")]
    assert texts == [
        "2 submissions to talking-head",
        "1 partly scored, 1 refused.",
        "Stopped before all were scored: The disk is full.",
    ]
    rows = rows_of(page)
    assert rows[0][:4] == ["lumenrun 1", "partly scored", "16 of 20", "24.80"]
    assert rows[1] == ["badrun 2", "refused", "", *[""] * (len(rows[1]) - 4), "It is no ZIP."]


def test_a_validation_shows_each_rule_with_the_first_place() -> None:
    page = Page(validation()._repr_html_())
    texts = [item["text"].strip() for item in page.find("p")]
    assert texts[0] == "s.zip: NOT valid for s"
    assert texts[1] == "30 files: 15 ok, 5 with warnings, 10 refused."
    assert texts[2] == "30 videos by layout {id}.mp4, 1 missing."
    assert rows_of(page) == [
        ["encoding.codec", "error", "10", "s1.mp4", "Not H.264 s.Found hevc; expected h264.", "ffmpeg s"],
        ["layout.missing", "error", "1", "s99", "A sample has no video.", ""],
        ["encoding.codec", "warning", "5", "s3.mp4", "Not H.264 s.Found hevc; expected h264.", "ffmpeg s"],
    ]


def test_a_validation_without_findings_has_no_table() -> None:
    report = ValidationReport("c", "a.zip", "{id}.mp4", (), (FileReport("a.mp4", "a", b"", ()),), samples=1)
    page = Page(report._repr_html_())
    assert page.find("p")[0]["text"] == "a.zip: valid for c"
    assert page.find("table") == []
    refused = replace(report, refused=True, files=())
    assert "no file in it was opened" in Page(refused._repr_html_()).find("p")[0]["text"]


def measurement(text: str = "s", **changes: Any) -> Measurement:
    fields: dict[str, Any] = {
        "metric": "psnr.rgb",
        "title": f"PSNR {text}",
        "value": 31.0,
        "unit": "dB",
        "higher_is_better": True,
        "n": 2,
        "coverage": 2 / 3,
        "ci95": (30.0, 32.0),
        "values": (30.0, None, 32.0),
        "reasons": (None, f"no_face {text}", None),
        "events": ((), (), ()),
        "notes": (Event("small_sample", f"few {text}"),),
        "provenance": {"backbones": {"name": f"bundled {text}"}},
    }
    return Measurement(**(fields | changes))


def test_a_measurement_shows_its_number_and_that_of_each_video() -> None:
    page = Page(measurement()._repr_html_())
    assert [item["text"] for item in page.find("p")] == ["PSNR s, backbones bundled s", "small_sample: few s"]
    assert rows_of(page, 0) == [
        [
            "PSNR spsnr.rgb",
            "31.00 dBsmall_sample",
            "30.00 to 32.00",
            "30.00 to 32.00, 1 without",
            "higher",
            "2",
            "66.7 %",
        ]
    ]
    assert rows_of(page, 1) == [["0", "30.00"], ["1", "unscored: no_face s"], ["2", "32.00"]]
    assert page.find("svg")[0]["attrs"]["aria-label"] == "2 videos from 30.00 to 32.00"


def test_a_measurement_without_a_number_says_why() -> None:
    gap = {"value": None, "reason": "no_face", "detail": "No frame holds a face.", "ci95": None}
    page = Page(measurement(values=(), reasons=(), events=(), notes=(), **gap)._repr_html_())
    assert page.find("p")[1]["text"] == "No frame holds a face."
    assert rows_of(page)[0][1] == "unscored: no_face"
    assert len(page.find("table")) == 1


def distance(text: str = "s") -> DistanceResult:
    card = make_scorecard(3, 1)
    side = {"source": f"{text}/real", "files": 3, "read": 2}
    return DistanceResult.model_validate(
        {
            "real": side,
            "generated": {**side, "source": f"{text}/made"},
            "pairing": {"pairs": 2},
            "backbones": text,
            "metrics": {name: card.metrics[name] for name in ("fid.pytorch", "psnr.rgb", "ssim.gray")},
            "files": [
                {"name": f"{text}{at}", "path": f"{text}{at}", "values": {"psnr.rgb": 30.0 + at}, "reasons": {}}
                for at in range(2)
            ],
            "warnings": [{"kind": "few_files", "detail": f"{text} {at}"} for at in range(30)],
        }
    )


def test_a_distance_shows_both_sides_warnings_and_metrics() -> None:
    page = Page(distance()._repr_html_())
    texts = [item["text"] for item in page.find("p")]
    assert texts[:4] == [
        "Generated against real files, backbones s",
        "generated: s/made, 2 of 3 files read",
        "real: s/real, 2 of 3 files read",
        "few_files: s 0",
    ]
    assert texts[-1] == "22 more in warnings."
    rows = rows_of(page)
    assert [row[0] for row in rows] == ["FIDfid.pytorch", "PSNRpsnr.rgb", "SSIMssim.gray"]
    assert page.find("svg")[0]["attrs"]["aria-label"] == "2 files from 30.00 to 31.00"
    assert rows[2][1] == "unscored: no_reference_video"


def hostile_batch() -> BatchResult:
    card = make_scorecard(12, 1, hostile=True)
    wrong = SubmissionError(EVIL, found=EVIL)
    return batch_of(
        *(outcome_of_card(Entry(text, text, Path(text), True), card) for text in HOSTILE),
        *(outcome_of_error(Entry(text, text, Path(text), True), wrong) for text in HOSTILE),
        stopped=wrong,
    )


SHOWN = {
    "scorecard": lambda: make_scorecard(60, 1, hostile=True),
    "many metrics": lambda: make_scorecard(30, 1, hostile=True, n_metrics=120),
    "leaderboard": lambda: hostile()[1],
    "many teams": lambda: plain(tuple(f"{NASTY[at % len(NASTY)]} {at}" for at in range(300)))[1],
    "batch": hostile_batch,
    "validation": lambda: validation(EVIL, 2000),
    "measurement": lambda: measurement(EVIL, values=(1.0, None) * 5000, reasons=(None, EVIL) * 5000),
    "distance": lambda: distance(EVIL),
}


@pytest.mark.parametrize("what", SHOWN)
def test_hostile_values_are_shown_as_text_and_of_bounded_size(what: str) -> None:
    made = SHOWN[what]()._repr_html_()  # type: ignore[no-untyped-call]
    page = Page(made)
    assert {item["tag"] for item in page.elements} <= TAGS
    allowed = {"class", "role", "tabindex", "aria-label", "scope", "width", "height", "viewBox".lower(), "fill"}
    allowed |= {"fill-opacity", "stroke", "stroke-opacity", "stroke-width", "stroke-linecap", "x", "y", "r", "cx", "cy"}
    assert {name for item in page.elements for name in item["attrs"]} <= allowed | {"x1", "x2", "y1", "y2"}
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e\u200b]", made)
    assert len(made) < MOST_BYTES


def test_the_size_does_not_grow_with_the_number_of_videos() -> None:
    small, large = (len(make_scorecard(number, 1)._repr_html_()) for number in (200, 5000))
    assert abs(large - small) < 2000


def test_a_scorecard_of_strangers_with_strange_numbers_is_shown() -> None:
    document = make_scorecard(6, 1).model_dump(mode="json", by_alias=True)
    for video in document["videos"]:
        for name, value in video["values"].items():
            video["values"][name] = None if value is None else value * 1e300
    page = Page(Scorecard.model_validate(document)._repr_html_())
    assert not re.search(r"\b(nan|inf)\b", page.find("div")[0]["text"].partition("}")[2])
