"""Whole runs over a tiny world: the same numbers whatever the way, and bad files cost only themselves."""

from __future__ import annotations

import json
import math
import zipfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import shapes
from builders.runs import FILES, IDS, METRICS, decodes, events, run, values, without_timing

from evalkit import api
from evalkit.challenges.model import load_challenge, parse_challenge
from evalkit.errors import SubmissionChangedError, SubmissionError, TestSetError
from evalkit.media.decode import iter_frames
from evalkit.media.encode import write_video
from evalkit.progress import Progress
from evalkit.scoring.scorecard import Scorecard
from evalkit.submission.model import Submission

SIZE = 96


def repacked(source: Path, target: Path, changes: dict[str, bytes | None], reverse: bool = False) -> Path:
    """Write the ZIP again with some members replaced (``None``: left out)."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as new:
        for name in sorted(old.namelist(), reverse=reverse):
            data = changes.get(name, old.read(name))
            if data is not None:
                new.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data)
    return target


def video(path: Path, frames: Any, fps: float = 25, seconds: float = 1.0, crf: int = 23) -> bytes:
    write_video(path, frames, fps, shapes.tone(1, seconds), shapes.RATE, crf=crf)
    return path.read_bytes()


def mpeg4_video(path: Path) -> bytes:
    """Return a playable MP4 in a codec that the challenge doesn't allow."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for number, rgb in enumerate(shapes.shape_frames(2, 25, SIZE)):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path.read_bytes()


def test_an_undisturbed_run(world, straight):
    out, card = straight
    assert {path.name for path in out.iterdir()} == FILES | {"cache"}
    assert Scorecard.load(out) == card
    assert tuple(card.metrics) == IDS
    assert card.complete
    assert [video.sample for video in card.videos] == ["d01", "d02", "d03", "d04"]
    assert decodes(out) == dict.fromkeys(("d01", "d02", "d03", "d04"), 1)
    for name in IDS[:3]:
        score = card.metrics[name]
        assert (score.n, score.coverage, score.reason) == (4, 1.0, None)
        assert score.value == pytest.approx(np.mean([row[name] for row in values(card).values()]), rel=1e-12)
        assert score.ci95[0] < score.value < score.ci95[1]
    assert {row["video.duration"] for row in values(card).values()} == {1.0}
    assert card.timing["videos_decoded"] == 4


def test_the_second_run_decodes_nothing_and_writes_the_same_bytes(world, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    run(world, first, cache=tmp_path / "cache")
    card = run(world, second, cache=tmp_path / "cache")
    assert decodes(second) == dict.fromkeys(("d01", "d02", "d03", "d04"), 0)
    assert all(line["computed"] == [] for line in events(second).values())
    assert without_timing(second) == without_timing(first)
    assert card.timing["videos_decoded"] == 0
    for name in ("per_video.csv", "report.html"):
        assert (second / name).exists()
    assert (second / "per_video.csv").read_bytes() == (first / "per_video.csv").read_bytes()


@pytest.mark.parametrize(
    "options", [{"workers": 2}, {"workers": 7}, {"fresh": True}, {"metrics": METRICS[::-1]}], ids=str
)
def test_how_it_is_run_does_not_change_a_number(world, straight, tmp_path, options):
    card = run(world, tmp_path, **options)
    assert values(card) == values(straight[1])
    for name in IDS:
        ours, theirs = card.metrics[name], straight[1].metrics[name]
        assert (ours.value, ours.ci95, ours.n) == (theirs.value, theirs.ci95, theirs.n)
    if "metrics" not in options:
        assert without_timing(tmp_path) == without_timing(straight[0])


def test_fresh_decodes_again(world, tmp_path):
    run(world, tmp_path / "a", cache=tmp_path / "cache")
    run(world, tmp_path / "b", cache=tmp_path / "cache", fresh=True)
    assert set(decodes(tmp_path / "b").values()) == {1}
    assert without_timing(tmp_path / "a") == without_timing(tmp_path / "b")


def same_but_for_the_submission(first: Path, second: Path) -> None:
    one, two = (json.loads((out / "scorecard.json").read_text()) for out in (first, second))
    for document in (one, two):
        del document["timing"], document["submission"]
    assert one == two


def test_the_order_of_the_files_in_the_zip_and_their_packing_do_not_matter(world, straight, tmp_path):
    other = repacked(world.zip, tmp_path / "team.zip", {}, reverse=True)
    run(world, tmp_path / "out", other)
    same_but_for_the_submission(straight[0], tmp_path / "out")


def test_a_folder_instead_of_a_zip(world, straight, tmp_path):
    folder = tmp_path / "team"
    with zipfile.ZipFile(world.zip) as archive:
        archive.extractall(folder)
    # The cache of the ZIP's run: the content is the same, so nothing is decoded.
    run(world, tmp_path / "out", folder, cache=straight[0] / "cache")
    assert set(decodes(tmp_path / "out").values()) == {0}
    same_but_for_the_submission(straight[0], tmp_path / "out")


def test_a_limit_scores_the_first_samples_with_the_same_values(world, straight, tmp_path):
    card = run(world, tmp_path, limit=2)
    assert [video.sample for video in card.videos] == ["d01", "d02"]
    assert values(card) == {sample: values(straight[1])[sample] for sample in ("d01", "d02")}
    assert set(decodes(tmp_path)) == {"d01", "d02"}
    assert (card.metrics["psnr.rgb"].n, card.metrics["psnr.rgb"].coverage) == (2, 1.0)
    assert card.provenance["testset"]["samples"] == 2


def test_bad_files_cost_only_themselves(world, straight, tmp_path):
    silent = tmp_path / "silent.mp4"
    write_video(silent, shapes.shape_frames(1, 25, SIZE), 25)
    spoiled = {
        "no_audio": {"d01.mp4": silent.read_bytes()},
        "codec": {"d02.mp4": mpeg4_video(tmp_path / "mpeg4.mp4")},
        "noise": {"d03.mp4": np.random.default_rng(0).bytes(5000)},
        "missing": {"d04.mp4": None},
    }
    for name, changes in spoiled.items():
        team = repacked(world.zip, tmp_path / f"{name}.zip", changes)
        out = tmp_path / name
        card = run(world, out, team, cache=tmp_path / "cache")
        (file,) = changes
        lost = file.removesuffix(".mp4")
        assert not card.complete
        for row in card.videos:
            if row.sample != lost:
                assert row.values == values(straight[1])[row.sample]
                continue
            assert set(row.values.values()) == {None}
            if name == "missing":
                assert (row.verdict, row.path, set(row.reasons.values())) == ("missing", None, {"missing"})
            else:
                assert (row.verdict, row.path) == ("error", file)
                assert all(reason.startswith("invalid:") for reason in row.reasons.values())
                assert any(finding["severity"] == "error" for finding in row.findings)
        for score in card.metrics.values():
            assert (score.n, score.coverage) == (3, 0.75)
        kept = [row["psnr.rgb"] for row in values(card).values() if row["psnr.rgb"] is not None]
        assert card.metrics["psnr.rgb"].value == pytest.approx(np.mean(kept), rel=1e-12)


def test_nothing_is_valid(world, tmp_path):
    team = repacked(world.zip, tmp_path / "team.zip", {f"d0{n}.mp4": b"no video" for n in range(1, 5)})
    card = run(world, tmp_path / "out", team)
    assert {video.verdict for video in card.videos} == {"error"}
    for score in card.metrics.values():
        assert (score.value, score.n, score.coverage, score.ci95) == (None, 0, 0.0, None)
        assert score.reason.startswith("invalid:")
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES | {"cache"}


def test_no_file_is_named_as_asked(world, tmp_path):
    team = tmp_path / "team.zip"
    with zipfile.ZipFile(team, "w") as archive:
        archive.writestr("other.mp4", b"x")
    with pytest.raises(SubmissionError, match=r"layout\."):
        run(world, tmp_path / "out", team)
    assert not (tmp_path / "out" / "scorecard.json").exists()


def test_a_reference_that_is_not_there_stops_before_anything_is_decoded(world, tmp_path):
    testset = tmp_path / "testset"
    testset.mkdir()
    lines = (world.testset / "samples.jsonl").read_text()
    (testset / "samples.jsonl").write_text(lines)
    with pytest.raises(TestSetError, match="'d01'"):
        api.score(world.zip, "talking-head", testset, metrics=["psnr"], cache=tmp_path / "cache", out=tmp_path / "out")
    assert not (tmp_path / "cache").exists()
    # Metrics that need no reference run, where no rule compares the length with the speech.
    rules = parse_challenge("id: own\ntitle: Own\n", "own")
    api.score(world.zip, rules, testset, metrics=["fps"], cache=tmp_path / "cache", workers=1)


def test_frames_identical_to_the_reference_reach_the_cap(world, tmp_path):
    """The reference videos submitted: every frame is identical, MSE 0, PSNR infinite, counted as 100 dB; SSIM is 1."""
    folder = tmp_path / "team"
    folder.mkdir()
    for file in (world.testset / "videos").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    card = run(world, tmp_path / "out", folder)
    score = card.metrics["psnr.rgb"]
    assert (score.value, score.reason, score.n, score.ci95) == (100.0, None, 4, (100.0, 100.0))
    for row in card.videos:
        assert row.values["psnr.rgb"] == 100.0
        assert row.values["ssim.gray"] == row.values["ssim.rgb"] == 1.0
        assert [event.kind for event in row.events] == ["identical_frames"]
        assert row.events[0].detail == "25 of 25 frames count as 100 dB"
    assert card.complete


def by_hand(ours: list[np.ndarray], theirs: list[np.ndarray], pairs: list[tuple[int, int]]) -> float:
    """Return the mean PSNR of the (candidate, reference) pairs in five lines."""
    found = []
    for mine, other in pairs:
        error = np.mean((ours[mine].astype(np.float64) - theirs[other].astype(np.float64)) ** 2)
        found.append(10 * math.log10(255**2 / error))
    return float(np.mean(found))


@pytest.mark.parametrize(
    ("frames", "fps", "seconds", "pair"),
    [
        (25, 25, 1.0, lambda k: k),  # the same clock: frame k beside frame k
        (30, 25, 1.2, lambda k: k),  # longer: the reference's 25 frames count
        (22, 25, 0.88, lambda k: k),  # shorter: 22 pairs
        # 50 fps: reference frame k is shown at k/25 s, where the candidate shows frame 2k.
        (50, 50, 1.0, lambda k: 2 * k),
        # 30 fps: frame nearest to k/25 s is round(30 k / 25); k = 24 is at .96 s, frame 28.8 -> 29, the last.
        (30, 30, 1.0, lambda k: round(1.2 * k)),
        (20, 20, 1.0, lambda k: math.ceil(0.8 * k - 0.5)),  # 0.8 k; of two equally near the earlier
    ],
    ids=["equal", "longer", "shorter", "50 fps", "30 fps", "20 fps"],
)
def test_a_video_on_another_clock_than_its_reference(world, tmp_path, frames, fps, seconds, pair):
    phase = shapes.shape_frames(1, frames, SIZE)
    data = video(tmp_path / "v.mp4", (255 - frame for frame in phase), fps, seconds)
    team = repacked(world.zip, tmp_path / "team.zip", {"d01.mp4": data})
    card = run(world, tmp_path / "out", team, limit=1, metrics=["psnr", "duration", "fps"])
    ours = list(iter_frames(tmp_path / "v.mp4"))
    theirs = list(iter_frames(world.testset / "videos" / "d01.mp4"))
    assert (len(ours), len(theirs)) == (frames, 25)
    count = min(25, round(seconds * 25))
    expected = by_hand(ours, theirs, [(pair(k), k) for k in range(count)])
    row = card.videos[0]
    assert row.values["psnr.rgb"] == pytest.approx(expected, rel=1e-9)
    assert row.values["video.fps"] == pytest.approx(fps, rel=1e-6)
    assert row.values["video.duration"] == pytest.approx(seconds, rel=1e-6)


@pytest.mark.parametrize(
    ("frames", "reason"),
    [(2, "invalid:content.length"), (15, "invalid:content.length"), (40, "invalid:content.length"), (19, None)],
)
def test_a_video_as_long_as_its_speech_is_asked_for(world, tmp_path, frames, reason):
    """Two good frames are not a good video: every metric is unscored, identity and frame rate included."""
    data = video(tmp_path / "v.mp4", shapes.shape_frames(1, frames, SIZE), 25, frames / 25)
    team = repacked(world.zip, tmp_path / "team.zip", {"d01.mp4": data})
    card = run(world, tmp_path / "out", team, limit=1, metrics=["psnr", "ssim", "duration", "fps"])
    if reason:
        assert set(card.videos[0].reasons.values()) == {reason}
        assert not any(value is not None for value in card.videos[0].values.values())
    else:  # within the tolerance of the length, but too little to compare
        reasons = card.videos[0].reasons
        assert reasons == {"psnr.rgb": "too_little_compared", "ssim.gray": "too_little_compared"}


def test_what_is_not_compared_is_said(world, tmp_path):
    for frames, kind, detail in (
        (22, "shorter_than_reference", "22 of 25 frames of the reference are compared (88%)"),
        (31, "longer_than_reference", "the last 0.24 s are compared with nothing"),
    ):
        data = video(tmp_path / "v.mp4", (255 - f for f in shapes.shape_frames(1, frames, SIZE)), 25, frames / 25)
        team = repacked(world.zip, tmp_path / "team.zip", {"d01.mp4": data})
        card = run(world, tmp_path / f"out-{frames}", team, limit=1, metrics=["psnr"])
        assert [(event.kind, event.detail) for event in card.videos[0].events] == [(kind, detail)]


@pytest.mark.parametrize("scale", [0.5, 1, 2], ids=["half size", "same size", "upscaled"])
def test_a_video_of_another_size_than_its_reference(world, tmp_path, scale):
    """A challenge that asks for the size refuses it, the preset a much larger one; else an event tells of it."""
    side = int(SIZE * scale)
    frames = (cv2.resize(255 - frame, (side, side)) for frame in shapes.shape_frames(1, 25, SIZE))
    data = video(tmp_path / "v.mp4", frames, 25, 1.0)
    team = repacked(world.zip, tmp_path / "team.zip", {"d01.mp4": data})
    settings = {"metrics": ["psnr", "fps"], "limit": 1, "workers": 1, "cache": tmp_path / "cache"}
    preset = load_challenge("talking-head")
    strict, loose = (
        preset.model_copy(
            update={
                "submission": preset.submission.model_copy(
                    update={"video": preset.submission.video.model_copy(update=update)}
                )
            }
        )
        for update in ({"match_reference_size": True}, {"max_reference_scale": None})
    )
    reason = "invalid:content.reference-size"
    for challenge, refused in ((strict, scale != 1), (preset, scale > 1)):
        (row,) = api.score(team, challenge, world.testset, **settings).videos
        assert row.reasons == ({"psnr.rgb": reason, "video.fps": reason} if refused else {})
    (row,) = api.score(team, loose, world.testset, **settings).videos
    assert row.values["psnr.rgb"] is not None
    assert [event.kind for event in row.events] == ["other_size_than_reference"] * (scale != 1)
    assert all(event.detail.startswith(f"the video is {scale:g} times as high") for event in row.events)


class Gone(Progress):
    """Removes a file while a run works."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def start(self, title: str, total: int | None, done: int = 0, unit: str = "") -> None:
        self.path.unlink(missing_ok=True)


def unpacked(world, folder: Path) -> Path:
    with zipfile.ZipFile(world.zip) as archive:
        archive.extractall(folder)
    return folder


def test_a_file_of_a_folder_that_can_not_be_read_costs_only_itself(world, tmp_path, monkeypatch):
    """The file is removed once it is listed and before any is read: that is unreadable, root or not."""
    folder = unpacked(world, tmp_path / "team")
    gone, *others = sorted(folder.glob("*.mp4"))
    plain = Submission.open

    def open_and_remove(*words):
        opened = plain(*words)
        gone.unlink(missing_ok=True)
        return opened

    monkeypatch.setattr(Submission, "open", open_and_remove)
    card = run(world, tmp_path / "b", folder)
    by_path = {video.path: video for video in card.videos}
    (finding,) = by_path.pop(gone.name).findings
    assert (finding["rule"], finding["fix"]) == ("archive.unreadable-member", "Make the file readable.")
    assert "ZIP" not in str(finding)
    assert sorted(by_path) == [path.name for path in others]
    assert all(video.verdict == "ok" for video in by_path.values())


def test_a_file_of_a_folder_that_disappears_during_a_run(world, tmp_path):
    """One that is not scored costs nothing; a video ends the run, as the digest would be of other files."""
    folder = unpacked(world, tmp_path / "team")
    (folder / "notes.txt").write_text("x")
    card = run(world, tmp_path / "a", folder, progress=Gone(folder / "notes.txt"))
    assert not any(finding["severity"] == "error" for finding in card.findings)
    assert all(video.verdict == "ok" for video in card.videos)
    gone = min(folder.glob("*.mp4"))
    with pytest.raises(SubmissionChangedError, match=gone.name):
        run(world, tmp_path / "b", folder, progress=Gone(gone))
