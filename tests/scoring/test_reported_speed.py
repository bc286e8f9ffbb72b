"""The team's ``speed.json``: in the ZIP or beside it, damaged or not, and what a scorecard says of it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from builders.media_facts import GOOD

from evalkit import api
from evalkit.board.scorecard_check import check_declared, check_numbers
from evalkit.scoring.engine import LocalEngine
from evalkit.scoring.plan import make_plan
from evalkit.scoring.reported_speed import ReportedSpeed, read_reported_speed
from evalkit.scoring.run import RunOptions
from evalkit.submission.model import Submission
from evalkit.weights.manifest import Backbones

MACHINE = {"processor": "A", "cores": 4}


def document(**seconds: float) -> dict[str, Any]:
    rows = [{"sample": sample, "generation_seconds": number} for sample, number in seconds.items()]
    return {"schema": 1, "timed": "frames", "machine": MACHINE, "samples": rows}


def submission(folder: Path, inside: bytes | None = None, beside: bytes | None = None) -> Submission:
    path = folder / "team.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("s1.mp4", b"video")
        if inside is not None:
            archive.writestr("speed.json", inside)
    if beside is not None:
        (folder / "team.speed.json").write_bytes(beside)
    return Submission.open(path)


def read(opened: Submission) -> ReportedSpeed:
    return read_reported_speed(opened, "speed.json" if len(opened.members) > 1 else None, 25.0)


def test_the_file_in_the_zip_is_read_before_the_one_beside_it(tmp_path: Path) -> None:
    first, second = (json.dumps(document(s1=seconds)).encode() for seconds in (8.0, 16.0))
    both = read(submission(tmp_path, first, second))
    assert both.report is not None
    assert both.report.samples["s1"].seconds == 8.0
    assert both.provenance["file"] == "speed.json"
    beside = read(submission(tmp_path, None, second))
    assert beside.report is not None
    assert beside.report.samples["s1"].seconds == 16.0
    assert beside.provenance["file"] == "team.speed.json"
    (tmp_path / "team.speed.json").unlink()
    assert read(submission(tmp_path)) == ReportedSpeed(25.0)


def test_frames_and_length_are_those_of_the_video(tmp_path: Path) -> None:
    speed = read(submission(tmp_path, json.dumps(document(s1=10.0)).encode()))
    arrays = speed.feature("s1", GOOD).arrays  # 125 frames in 5 s
    assert arrays is not None
    assert {name: float(array) for name, array in arrays.items()} == {
        "counted_frames": 125,
        "clip_seconds": 5,
        "seconds": 10,
    }
    assert speed.feature("s2", GOOD).reason == "not_measured"
    assert speed.feature("s1", None).reason == "not_measured"


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b'{"schema": 2}', json.dumps(document(s1=-1)).encode()])
def test_a_damaged_file_is_a_reason(tmp_path: Path, data: bytes) -> None:
    speed = read(submission(tmp_path, data))
    found = speed.feature("s1", GOOD)
    assert (found.arrays, found.reason) == (None, "speed_json_damaged")
    assert "speed.json can't be used" in found.detail
    assert "problem" in speed.provenance


def test_a_member_with_a_wrong_checksum_is_a_reason(tmp_path: Path) -> None:
    opened = submission(tmp_path, json.dumps(document(s1=8.0)).encode())
    data = opened.path.read_bytes()
    opened.path.write_bytes(data.replace(b'"generation_seconds": 8', b'"generation_seconds": 9'))
    found = read(Submission.open(opened.path)).feature("s1", GOOD)
    assert found.reason == "speed_json_damaged"


def test_a_scorecard_has_speed_like_any_other_metric(world: Any, tmp_path: Path) -> None:
    samples = [sample.id for sample in world.samples()]
    path = tmp_path / "team.zip"
    path.write_bytes(world.zip.read_bytes())
    (tmp_path / "team.speed.json").write_text(json.dumps(document(**dict(zip(samples, (1, 2, 4), strict=False)))))
    challenge = world.challenge()
    names = ["speed.fps", "speed.rtf", "speed.ttff", "video.duration"]
    plan = make_plan(challenge, Backbones(name="nothing", title="none", roles={}), names=names)
    card = api.run_score(
        Submission.open(path),
        challenge,
        world.samples(),
        plan,
        out=None,
        options=RunOptions(cache=tmp_path / "cache", engine=LocalEngine(1)),
    ).scorecard
    length = card.videos[0].values["video.duration"]
    assert [video.values["speed.rtf"] for video in card.videos] == [
        *(pytest.approx(seconds / length) for seconds in (1, 2, 4)),
        None,
    ]
    rtf, fps = card.metrics["speed.rtf"], card.metrics["speed.fps"]
    assert (rtf.value, rtf.n, rtf.coverage) == (pytest.approx(2 / length), 3, 0.75)
    assert fps.aggregate == "median"
    assert "Reported by the team, nobody checked it: on A, 4 cores" in fps.notes[0].detail
    assert card.metrics["video.duration"].notes == ()
    assert card.videos[3].reasons["speed.fps"] == "not_measured"
    assert card.metrics["speed.ttff"].reason == "first_frame_not_measured"
    assert (card.provenance["speed"]["hardware"], card.provenance["speed"]["timed"]) == ("A, 4 cores", "frames")
    check_declared(card)  # a board takes it
    assert check_numbers(card) == ()
