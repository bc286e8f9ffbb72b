"""Tables of scores from outside: every usable row counts, everything else is one sentence."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest
from detection.conftest import SCORES, challenge, rules_of

from evalkit.detection import score_table
from evalkit.detection.reading import prefixes, read_scores
from evalkit.submission.model import Submission

WHOLE = "video_id,score\n" + "".join(f"{name},{score}\n" for name, score in SCORES.items())


def scores(found) -> dict[str, float | None]:
    return {name: video.score for name, video in found.videos.items()}


@pytest.mark.parametrize(
    "content",
    [
        WHOLE,
        WHOLE.replace(",", ";"),
        WHOLE.replace(",", "\t"),
        "\ufeff" + WHOLE,
        WHOLE.replace("\n", "\r\n"),
        "sep=,\n" + WHOLE,
        WHOLE.encode("utf-16"),
        WHOLE.replace("video_id,score", "Video_ID, SCORE"),
        "note,score,video_id\n" + "".join(f"x,{score},{name}\n" for name, score in SCORES.items()),
        WHOLE + "\n\n",
    ],
)
def test_forms_of_a_good_table(read, content):
    found = read(content)
    assert scores(found) == SCORES
    assert rules_of(found) == {}


@pytest.mark.parametrize(
    ("line", "rule", "lost"),
    [
        ("r1,nan", "scores.number", True),
        ("r1,inf", "scores.number", True),
        ("r1,1e999", "scores.number", True),
        ("r1,=1+1", "scores.number", True),
        ("r1,'=cmd|x'!A1", "scores.number", True),
        ("r1,1_0", "scores.number", True),
        ("r1,٣", "scores.number", True),
        ('r1,"0,5"', "scores.number", True),
        ("r1," + "9" * 500, "scores.number", True),
        ("r1,0.1\nr1,0.1", "scores.duplicate", True),
        ("r1,0.1\nnobody,0.2", "scores.unknown-video", False),
        ("r1,0.1\n../../etc/passwd,0.2", "scores.unknown-video", False),
        ("r1,0.1\n" + "x" * 1000 + ",0.2", "scores.row", False),
        ("r1,0.1\n,0.2", "scores.row", False),
        ("r1,0.1\nr9", "scores.row", False),
        ("r1,0.1\nr9,1,2,3", "scores.row", False),
    ],
)
def test_one_bad_row_costs_one_video(read, line, rule, lost):
    found = read(WHOLE.replace("r1,0.1\n", line + "\n"))
    assert list(rules_of(found)) == [rule]
    assert scores(found) == {**SCORES, "r1": None if lost else 0.1}
    finding = next(one for one in found.findings if one.rule == rule)
    assert len(finding.message) < 300
    assert "\n" not in finding.message


def test_an_empty_score_is_a_failure_of_the_detector(read):
    found = read(WHOLE.replace("f1,0.4", "f1,"))
    assert rules_of(found) == {"scores.failed": ["f1"]}
    assert found.videos["f1"].score is None
    assert found.videos["f1"].fault is None


def test_a_missing_row_is_named(read):
    found = read(WHOLE.replace("f1,0.4\n", ""))
    assert [one.sample for one in found.findings] == ["f1"]
    assert "f1" not in found.videos


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ("", "scores.unreadable"),
        ("score,prob\n1,1\n", "scores.columns"),
        ("video_id,scores\nr1,1\n", "scores.columns"),
        ("video_id,score,score\nr1,1,2\n", "scores.columns"),
        ("视频,得分\nr1,1\n".encode("gbk"), "scores.unreadable"),
        (b"\x00\x01\x02\xff" * 100, "scores.unreadable"),
    ],
)
def test_a_table_that_is_none(read, content, rule):
    found = read(content)
    assert rule in rules_of(found)
    assert found.videos == {}


def test_all_scores_equal_is_said(read):
    found = read("video_id,score\n" + "".join(f"{name},0.5\n" for name in SCORES))
    assert list(rules_of(found)) == ["scores.constant"]


def test_probabilities(read):
    table = "video_id,score,prob\n" + "".join(f"{name},{score},{score}\n" for name, score in SCORES.items())
    assert read(table).videos["f2"].probability == 0.9
    found = read(table.replace("f2,0.9,0.9", "f2,0.9,1.2"))
    assert rules_of(found) == {"scores.probability": ["f2"]}
    assert found.videos["f2"].fault == "scores.probability"
    assert read(table.replace("f2,0.9,0.9", "f2,0.9,")).videos["f2"].probability is None


FRAMES = "video_id,frame,score\n" + "".join(
    f"{name},{at},{value}\n" for name in SCORES for at, value in enumerate((0.2, 0.9, 0.8))
)


@pytest.mark.parametrize(
    ("rule", "score"), [("mean", 0.633333), ("median", 0.8), ("max", 0.9), ("mean-logit", 0.675334)]
)
def test_frames_become_a_video(read, rule, score):
    found = read(FRAMES, detection={"frames": rule})
    assert found.videos["r1"].score == pytest.approx(score, abs=1e-6)
    assert found.videos["r1"].frames == 3


def test_faults_of_frames(read):
    assert rules_of(read(FRAMES + "r1,2,0.1\n"))["scores.duplicate"] == ["r1"]
    assert rules_of(read(FRAMES + "r1,-1,0.1\n"))["scores.frames"] == ["r1"]
    assert rules_of(read(FRAMES + "r1,,0.1\n"))["scores.duplicate"] == ["r1"]
    assert rules_of(read(FRAMES.replace("r1,2,0.8\n", ""), detection={"frames_per_video": 3}))["scores.frames"] == [
        "r1"
    ]
    assert rules_of(read(FRAMES + "r1,3,1.5\n", detection={"frames": "mean-logit"}))["scores.number"] == ["r1"]
    assert read(FRAMES.replace("r1,0,0.2", "r1,0,")).videos["r1"].score == pytest.approx(0.85)  # a frame without a face


def test_more_rows_than_are_read(read, monkeypatch):
    monkeypatch.setattr(score_table, "MOST_ROWS", 5)
    found = read(WHOLE)
    assert rules_of(found)["scores.unreadable"] == [None]
    assert len(found.videos) == 5


def test_many_unknown_ids_are_counted(read):
    found = read(WHOLE + "".join(f"x{at},1\n" for at in range(1000)))
    messages = [one.message for one in found.findings if one.rule == "scores.unknown-video"]
    assert len(messages) == 21
    assert "980 more" in messages[-1]


def test_tables_by_run(tmp_path: Path):
    assert prefixes("hallo2.csv") == ("hallo2/",)
    assert prefixes("hallo2/scores.csv") == ("hallo2/",)
    assert prefixes("scores.csv") == ()
    assert prefixes("team/hallo2/scores.csv") == ("team/hallo2/", "hallo2/")
    with zipfile.ZipFile(tmp_path / "team.zip", "w") as archive:
        archive.writestr("team/g1/scores.csv", "video_id,score\nr1,0.1\nf1,0.7\n")
        archive.writestr("team/g2.csv", "video_id,score\nr1,0.3\nf2,0.2\n")
        archive.writestr("team/readme.txt", "hello")
    from evalkit.testsets.model import Sample, TestSet

    names = ("g1/r1", "g1/f1", "g2/r1", "g2/f2")
    testset = TestSet(tmp_path, tuple(Sample(id=name) for name in names))
    found = read_scores(Submission.open(tmp_path / "team.zip"), challenge(), testset)
    assert scores(found) == {"g1/r1": 0.1, "g1/f1": 0.7, "g2/r1": 0.3, "g2/f2": 0.2}
    assert found.findings == ()


def test_no_table_at_all(tmp_path: Path, testset):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "video.mp4").write_bytes(b"x")
    found = read_scores(Submission.open(tmp_path / "empty"), challenge(), testset)
    assert [one.rule for one in found.findings] == ["scores.none"]


def test_a_link_is_no_table(tmp_path: Path, testset):
    (tmp_path / "secret").write_text(WHOLE)
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "scores.csv").symlink_to(tmp_path / "secret")
    found = read_scores(Submission.open(tmp_path / "links"), challenge(), testset)
    assert found.videos == {}


@pytest.mark.parametrize(
    ("ids", "first", "missing"),
    [
        (["R1.mp4", "r2.mp4", "f1.mp4"], "No row is about a video of the test set", 0),
        (["r1", "r2.mp4", "f1.mp4", "f2.mp4"], "Only 1 of 4 rows is about a video of the test set", 6),
    ],
)
def test_ids_that_do_not_fit_are_told_first(read, ids, first, missing):
    found = read("video_id,score\n" + "".join(f"{name},0.{at}\n" for at, name in enumerate(ids)))
    told = found.findings[0]
    assert told.rule == "scores.ids"
    assert told.message.startswith(first)
    assert "r2.mp4" in told.found
    assert "r2" in told.expected.replace("r2.mp4", "")
    assert re.match(r"Did you mean '(r1|r2)' by '(R1|r2)\.mp4'\?", told.fix)
    assert sum(one.rule == "scores.missing" for one in found.findings) == missing


def test_a_few_strange_rows_are_no_strange_ids(read):
    found = read("video_id,score\nr1,0.1\nr2,0.2\nnobody,0.3\n")
    assert "scores.ids" not in {one.rule for one in found.findings}
    all_there = read("video_id,score\n" + "".join(f"{name},0.1\n" for name in [*SCORES, *(f"x{i}" for i in range(30))]))
    assert "scores.ids" not in {one.rule for one in all_there.findings}


@pytest.mark.parametrize("text", ["1e13", "-1e13", "1" + "0" * 70])
def test_a_score_that_is_too_large_is_called_so(read, text):
    (told,) = [one for one in read(f"video_id,score\nr1,{text}\nr2,0.2\n").findings if one.rule == "scores.number"]
    assert told.message == "Row 2: the score is too large."
    assert told.expected.startswith("-1e+12 to 1e+12")
    (told,) = [one for one in read("video_id,score\nr1,wide\n").findings if one.rule == "scores.number"]
    assert told.message == "Row 2: the score is no number."
