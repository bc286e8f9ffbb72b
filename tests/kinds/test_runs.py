"""Submissions of audio files and of motion coefficients: hostile files cost themselves only."""

from __future__ import annotations

import json
import re
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.kinds import (
    AUDIO,
    audio_challenge,
    float_wav,
    motion,
    motion_challenge,
    npy,
    npy_of,
    npz,
    tone,
    wav,
    with_claim,
    write_testset,
    write_zip,
)

from evalkit import api
from evalkit.arrays.calling import measure
from evalkit.board.board import Board
from evalkit.challenges.model import Challenge, load_challenge, parse_challenge
from evalkit.errors import ChallengeError, InputError, TestSetError, UsageError
from evalkit.leaderboard.compute import compute_leaderboard
from evalkit.metrics.base import is_not_applicable
from evalkit.metrics.features.base import FeatureUnavailableError, Item
from evalkit.metrics.features.coefficients import one_array, read_motion
from evalkit.metrics.features.declare import file_feature
from evalkit.progress import Progress
from evalkit.reference_models.generation.submission import make_submission
from evalkit.reports.leaderboard.page import render_leaderboard
from evalkit.scorer.scorer import Scorer
from evalkit.scoring.cache import FeatureCache
from evalkit.scoring.lookup import Lookup, file_digest
from evalkit.scoring.scorecard import Scorecard
from evalkit.testsets.loading import load_testset


@pytest.fixture(scope="module")
def testset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_testset(tmp_path_factory.mktemp("kinds") / "testset", 6)


def score(challenge: Challenge, testset: Path, files: dict[str, bytes], out: Path, **options: Any) -> Scorecard:
    zip_ = write_zip(out.with_suffix(".zip"), files)
    return api.score(zip_, challenge, testset, workers=1, cache=out.parent / "cache", out=out, **options)


def test_audio_files_have_their_own_numbers(testset: Path, tmp_path: Path) -> None:
    files = {f"s{at}.wav": wav(tone(level=0.5)) for at in range(6)}
    card = score(audio_challenge(), testset, files, tmp_path / "out")
    assert card.submission.kind == "audio"
    assert card.complete
    duration, level = card.metrics["sound.duration"], card.metrics["sound.level"]
    assert (duration.value, duration.n, duration.coverage) == (1.0, 6, 1.0)
    assert level.value == pytest.approx(20 * np.log10(0.5), abs=1e-9)
    assert "filmstrip" not in card.features
    assert "Duration of the sound" in (tmp_path / "out" / "report.html").read_text()
    again = score(audio_challenge(), testset, files, tmp_path / "again")
    assert again.timing["videos_decoded"] == 0  # all from the cache
    assert again.metrics == card.metrics


def test_hostile_audio_files_cost_themselves_only(testset: Path, tmp_path: Path) -> None:
    flac = b"fLaC\0\0\0\x22" + b"\x10\0\x10\0" + b"\0" * 6 + b"\x03\xe8\x00\xf0\x00\x00\x9c\x40" + b"\0" * 16
    files = {
        "s0.wav": wav(tone()),
        "s1.wav": with_claim(wav(tone()), 2_000_000_000),
        "s2.wav": float_wav(np.full(16000, np.nan)),
        "s3.wav": flac,
        "s4.wav": b"RIFF\xff\xff\xff\xffWAVEfmt " + b"\xff" * 100,
        "s5.wav": npy(motion()),
    }
    card = score(audio_challenge(), testset, files, tmp_path / "out")
    reasons = {video.sample: video.reasons.get("sound.duration") for video in card.videos}
    assert reasons["s0"] is None
    assert (reasons["s1"], reasons["s2"]) == ("invalid:sound.truncated", "invalid:sound.not-finite")
    assert all(str(reasons[f"s{at}"]).startswith("invalid:sound.") for at in (3, 4, 5))
    assert (card.metrics["sound.duration"].value, card.metrics["sound.duration"].n) == (1.0, 1)


def test_hostile_motion_files_cost_themselves_only(testset: Path, tmp_path: Path) -> None:
    objects = np.array([None], object)
    huge = npy_of("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000), }", b"\0" * 64)
    files = {
        "s0.npy": npy(motion()),
        "s1.npy": npy(objects),
        "s2.npy": huge,
        "s3.npy": npy(np.full((25, 6), np.inf, np.float32)),
        "s4.npy": npz(motion=motion())[:100],
        "s5.npy": wav(tone()),
    }
    card = score(motion_challenge(), testset, files, tmp_path / "out")
    found = {video.sample: video.reasons.get("coefficients.frames") for video in card.videos}
    assert found == {
        "s0": None,
        "s1": "invalid:motion.pickle",
        "s2": "invalid:motion.size",
        "s3": "invalid:motion.not-finite",
        "s4": "invalid:motion.archive",
        "s5": "invalid:motion.not-arrays",
    }
    assert card.metrics["coefficients.frames"].value == 25


def test_the_report_says_what_the_files_are(testset: Path, tmp_path: Path) -> None:
    zip_ = write_zip(tmp_path / "team.zip", {f"s{at}.npz": npz(motion=motion(at)) for at in range(5)})
    report = api.validate(zip_, motion_challenge(), testset, workers=1, cache=tmp_path / "cache")
    assert report.layout == "{id}.npz"
    assert report.counts() == ["5 motion files by layout {id}.npz", "5 ok", "1 missing"]
    document = report.to_json()
    assert document["files"][0]["facts"]["motion"]["arrays"][0]["shape"] == [25, 6]
    assert [finding.rule for finding in report.findings] == ["layout.missing"]


def test_other_metrics_are_refused_or_not_applicable(testset: Path, tmp_path: Path) -> None:
    files = {f"s{at}.npy": npy(motion()) for at in range(6)}
    with pytest.raises(
        UsageError, match=r"'psnr.rgb' reads videos, and the submissions of motion-test are motion files"
    ):
        score(motion_challenge(), testset, files, tmp_path / "out", metrics=["psnr"])
    only = motion_challenge().model_copy(update={"metrics": audio_challenge().metrics})
    with pytest.raises(ChallengeError, match=r"'sound\.duration' reads audio files"):
        score(only, testset, files, tmp_path / "out")
    mixed = motion_challenge().model_copy(update={"metrics": (*audio_challenge().metrics, *motion_challenge().metrics)})
    card = score(mixed, testset, files, tmp_path / "mixed")
    assert is_not_applicable(card.metrics["sound.duration"].reason)
    assert card.metrics["sound.duration"].not_applicable == 6
    assert card.complete
    with pytest.raises(UsageError, match="reads motion files, and the submissions of talking-head are videos"):
        score(load_challenge("talking-head"), testset, files, tmp_path / "video", metrics=["coefficients.frames"])


def test_a_feature_reads_the_references_and_its_key_has_them(testset: Path, tmp_path: Path) -> None:
    @file_feature(
        name="planted_motion",
        version=1,
        title="distance to the reference and to the partner",
        inputs=frozenset({"video", "motion", "partner_motion", "transcript", "rate"}),
        reads=frozenset({"motion"}),
        arrays={"numbers": "(4,) float64: squared distances, length of the transcript, frames per second"},
    )
    def planted(item: Item, options: Any) -> dict[str, Any]:
        own = one_array(read_motion(item.video), "motion")
        reference = one_array(read_motion(item.motion, "reference_motion"), "motion")
        partner = one_array(read_motion(item.partner_motion, "partner_motion"), "motion")
        distances = [np.square(own - other).mean() for other in (reference, partner)]
        return {"numbers": np.array([*distances, len(item.transcript or ""), item.rate or 0.0])}

    samples = load_testset(testset)
    item = Item.of(samples.samples[0], samples, testset / "s0.npy", rate=25.0)
    session = planted({}).open(item, {})
    numbers = session.finish()["numbers"]
    np.testing.assert_allclose(numbers, [0, np.square(motion(0) - motion(100)).mean(), len("number 0"), 25.0])
    with pytest.raises(FeatureUnavailableError, match="no_partner_motion"):
        planted({}).open(replace(item, partner_motion=None), {}).finish()
    lookup = Lookup(FeatureCache(tmp_path), {"planted_motion": planted.record}, {}, motion_challenge().submission)
    digest, other = file_digest(testset / "s0.npy"), testset / "s1.npy"
    changed = [
        replace(item, motion=other),
        replace(item, partner_motion=other),
        replace(item, transcript="other words"),
        replace(item, rate=30.0),
    ]
    keys = {lookup.keys(one, digest)["planted_motion"] for one in (item, *changed)}
    of_a_video = replace(lookup, rules=load_challenge("talking-head").submission).keys(item, digest)["planted_motion"]
    assert len({*keys, of_a_video}) == 6


def test_lengths_are_those_of_the_reference_motion(testset: Path, tmp_path: Path) -> None:
    files = {f"s{at}.npy": npy(motion(frames=24 if at else 25)) for at in range(6)}
    card = score(motion_challenge(), testset, files, tmp_path / "out")
    assert card.metrics["coefficients.frames"].n == 1
    broken = write_testset(tmp_path / "broken", 1)
    (broken / "s0.npy").write_bytes(b"hello")
    with pytest.raises(TestSetError, match="reference motion of the test set's sample 's0' can't be read"):
        score(motion_challenge(), broken, files, tmp_path / "refused")


def test_the_scorecard_is_read_back_with_its_kind(testset: Path, tmp_path: Path) -> None:
    files = {f"s{at}.npy": npy(motion()) for at in range(6)}
    card = score(motion_challenge(), testset, files, tmp_path / "out")
    document = json.loads((tmp_path / "out" / "scorecard.json").read_text())
    assert document["submission"]["kind"] == "motion"
    assert Scorecard.load(tmp_path / "out").submission == card.submission


@pytest.mark.parametrize("make", [audio_challenge, motion_challenge])
def test_the_real_files_of_a_test_set_are_checked(testset: Path, tmp_path: Path, make: Any) -> None:
    report = api.check_testset(testset, make(), workers=1, cache=tmp_path / "cache")
    assert (report.verdict, report.findings) == ("ok", ())
    assert {one["n"] for one in report.metrics.values()} == {6}


def test_truth_that_names_its_arrays_otherwise_is_no_bad_submission(testset: Path, tmp_path: Path) -> None:
    """DualTalk's data has ``exp`` and ``pose`` in a file; what is submitted is one array."""
    for at in range(6):
        (testset / f"s{at}.npz").write_bytes(npz(exp=motion(at), pose=motion(at)))
    text = (testset / "samples.jsonl").read_text()
    renamed = re.sub(r'"motion": "(s\d)\.npy"', r'"motion": "\1.npz"', text)
    assert renamed != text
    (testset / "own.jsonl").write_text(renamed)
    report = api.check_testset(testset / "own.jsonl", motion_challenge(), workers=1, cache=tmp_path / "cache")
    assert (report.verdict, report.findings) == ("ok", ())


def test_motion_of_a_test_set_that_can_not_be_used_is_told(tmp_path: Path) -> None:
    broken = write_testset(tmp_path / "broken", 3)
    (broken / "s0.npy").write_bytes(npy(np.array([None], object)))
    (broken / "s1-partner.npy").write_bytes(npy(np.full((25, 6), np.nan, np.float32)))
    text = (broken / "samples.jsonl").read_text().replace(', "partner_motion": "s2-partner.npy"', "")
    (broken / "samples.jsonl").write_text(text)
    rules = motion_challenge().submission
    asked = rules.model_copy(update={"motion": rules.motion.model_copy(update={"partner": True})})
    challenge = motion_challenge().model_copy(update={"submission": asked})
    report = api.check_testset(broken, challenge, workers=1, metrics=[], cache=tmp_path / "cache")
    found = {(one.rule, one.sample, one.found) for one in report.findings}
    assert ("testset.motion-unreadable", "s0", "an array of Python objects (a pickle)") in found
    assert ("testset.motion-unreadable", "s1", "150 elements NaN or infinite") in found
    assert ("testset.partner-missing", "s2", "nothing") in found
    with pytest.raises(TestSetError, match="'s2' has no motion of the person who is spoken to"):
        score(challenge, broken, {"s0.npy": npy(motion())}, tmp_path / "out")


def test_a_partner_who_is_oneself_is_told(tmp_path: Path) -> None:
    made = write_testset(tmp_path / "testset", 3)
    (made / "s1-partner.npy").write_bytes((made / "s1.npy").read_bytes())
    text = (made / "samples.jsonl").read_text().replace("s2-partner.npy", "s2.npy")
    (made / "samples.jsonl").write_text(text)
    report = api.check_testset(made, motion_challenge(), workers=1, metrics=[], cache=tmp_path / "cache")
    told = {one.sample: one.found for one in report.findings if one.rule == "testset.partner-same"}
    assert told == {"s1": "s1-partner.npy, equal to s1.npy", "s2": "s2.npy, equal to s2.npy"}


def test_no_frames_are_looked_for_in_other_kinds(testset: Path, tmp_path: Path) -> None:
    from evalkit.cli.board.media import submission_strips

    files = {f"s{at}.wav": wav(tone()) for at in range(6)}
    card = score(audio_challenge(), testset, files, tmp_path / "out")
    stages: list[str] = []

    class Recording(Progress):
        def stage(self, title: str, total: int | None = None, **more: Any) -> Any:  # type: ignore[override]
            stages.append(title)
            return super().stage(title, total, **more)

    zip_ = tmp_path / "out.zip"
    assert submission_strips(card, zip_, tmp_path / "cache", 1, Recording()) == {}
    assert stages == []
    with pytest.raises(InputError, match="is not the submission"):
        submission_strips(card, write_zip(tmp_path / "other.zip", {}), tmp_path / "cache", 1, Recording())


def test_what_only_knows_videos_says_so(testset: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "s0.wav").write_bytes(wav(tone()))
    said = r"is for submissions of videos, and those of speech-test are audio files\."
    with pytest.raises(UsageError, match=f"'evalkit pack' {said}"):
        api.pack(folder, audio_challenge(), testset, tmp_path / "team.zip")
    with pytest.raises(UsageError, match=f"'evalkit repair' {said}"):
        api.repair(folder, audio_challenge(), tmp_path / "new.zip", testset)
    with pytest.raises(UsageError, match=f"'evalkit baseline' {said}"):
        make_submission("blur", testset, tmp_path / "copy.zip", challenge=audio_challenge())
    with pytest.raises(UsageError, match=f"A scorer of frames in memory {said}"):
        Scorer(audio_challenge(), testset)
    with pytest.raises(InputError, match="has no video or image"):
        api.distance(folder, folder)
    with pytest.raises(UsageError, match="reads audio files"):
        measure("sound.duration", np.zeros((2, 8, 8, 3), np.uint8), fps=25)


def test_a_misnamed_file_is_told_how_to_name_it(testset: Path, tmp_path: Path) -> None:
    files = {f"s{at}.wav": wav(tone()) for at in range(4)} | {"s4.mp3": b"x", "S5.wav": wav(tone())}
    report = api.validate(write_zip(tmp_path / "team.zip", files), audio_challenge(), testset, workers=1)
    fixes = {one.sample: one.fix for one in report.findings if one.rule == "layout.missing"}
    assert fixes == {
        "s4": "If s4.mp3 is this sample's audio file, convert it to s4.wav (a new name is not enough).",
        "s5": "If S5.wav is this sample's audio file, rename it to s5.wav.",
    }


def test_silence_may_be_compressed(testset: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "team.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("s0.wav", wav(tone(120.0, level=0.0)))
    rules = parse_challenge(AUDIO.replace(", match_reference_seconds: 0.1", ""), "test")
    report = api.validate(tmp_path / "team.zip", rules, testset, workers=1, cache=tmp_path / "cache")
    assert [one.rule for one in report.all_findings() if one.sample == "s0" or one.path == "s0.wav"] == ["sound.silent"]


def test_the_pages_speak_of_the_files_that_there_are(testset: Path, tmp_path: Path) -> None:
    zip_ = write_zip(tmp_path / "team.zip", {f"s{at}.wav": wav(tone()) for at in range(5)})
    run = {"workers": 1, "cache": tmp_path / "cache"}
    card = api.score(zip_, audio_challenge(), testset, out=tmp_path / "out", **run)
    with Board.create(tmp_path / "board.sqlite", audio_challenge(), AUDIO, by="olga") as board:
        board.add_team("one", by="olga")
        board.add_run("one", "main", card, by="olga")
        snapshot = board.snapshot()
    pages = [
        (tmp_path / "out" / "report.html").read_text(),
        render_leaderboard(snapshot, compute_leaderboard(snapshot), "participants"),
    ]
    for page in pages:
        words = re.sub(r"<(script|style).*?</\1>|<[^>]*>|per_video|videos_decoded", " ", page, flags=re.DOTALL)
        assert [found for found in re.findall(r".{0,40}[Vv]ideo.{0,20}", words) if "reference video" not in found] == []
        assert "audio file" in words
