"""A submission of another kind than the challenge asks for, and WAV and FLAC in one ZIP."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import av
import numpy as np
import pytest
from builders.kinds import audio_challenge, motion, motion_challenge, npy, tone, wav, write_testset, write_zip

from evalkit import api
from evalkit.challenges.model import Challenge, load_challenge
from evalkit.errors import SubmissionError, UsageError
from evalkit.progress import Progress
from evalkit.reference_models.generation.submission import make_submission
from evalkit.validators.kind_of_files import kind_of_name
from evalkit.validators.matching import match_layout

VIDEO = {"schema": 1, "id": "videos", "title": "Videos", "metrics": [{"id": "psnr.rgb"}]}
ENDINGS = {"video": "mp4", "audio": "wav", "motion": "npy", "scores": "csv"}
WORDS = {
    "video": "videos",
    "audio": "audio files",
    "motion": "files of motion coefficients",
    "scores": "tables of scores",
}


def challenge_of(kind: str) -> Challenge:
    if kind == "scores":
        return load_challenge("celebdfpp-gf")
    return {"audio": audio_challenge, "motion": motion_challenge}.get(kind, lambda: Challenge.model_validate(VIDEO))()


@pytest.fixture(scope="module")
def testset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_testset(tmp_path_factory.mktemp("other") / "testset", 3)


@pytest.mark.parametrize(("asked", "sent"), list(itertools.permutations(ENDINGS, 2)))
def test_the_kind_asked_for_and_the_kind_sent_are_named(asked: str, sent: str, testset: Path, tmp_path: Path) -> None:
    names = ["scores.csv"] if sent == "scores" else [f"s{at}.{ENDINGS[sent]}" for at in range(3)]
    zip_ = write_zip(tmp_path / "team.zip", dict.fromkeys(names, b"x"))
    report = api.validate(zip_, challenge_of(asked), testset, cache=tmp_path / "cache", workers=1)
    (finding,) = [one for one in report.all_findings() if one.severity == "error"]
    assert finding.message == f"The challenge asks for {WORDS[asked]}, and these are {WORDS[sent]}."
    assert names[0] in str(finding.found)
    assert f"'submission.kind' is '{sent}'" in str(finding.fix)
    assert "onvert" not in str(finding.fix)
    assert "ename" not in str(finding.fix)


def test_it_is_said_before_references_are_read(testset: Path, tmp_path: Path) -> None:
    stages: list[str] = []

    class Recording(Progress):
        def stage(self, title: str, total: int | None = None, **more: object):  # type: ignore[no-untyped-def, override]
            stages.append(title)
            return super().stage(title, total, **more)

    zip_ = write_zip(tmp_path / "team.zip", {f"s{at}.npy": npy(motion()) for at in range(3)})
    with pytest.raises(SubmissionError, match="asks for audio files, and these are files of motion"):
        api.score(zip_, audio_challenge(), testset, workers=1, cache=tmp_path / "cache", progress=Recording())
    assert stages == []


def test_a_file_of_another_kind_is_not_meant_for_a_sample(testset: Path) -> None:
    from evalkit.testsets.loading import load_testset

    layout = match_layout(["s0.npy", "s1.npy", "s2.wav"], motion_challenge(), load_testset(testset))
    assert layout.near == {}
    assert layout.extra == ("s2.wav",)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a/B.MOV", "video"),
        ("x.Flac", "audio"),
        ("x.npz", "motion"),
        ("x.tsv", "scores"),
        ("mp4", None),
        ("x.txt", None),
    ],
)
def test_the_kind_of_a_name(name: str, kind: str | None) -> None:
    assert kind_of_name(name) == kind


def test_wav_and_flac_in_one_zip(testset: Path, tmp_path: Path) -> None:
    files = {"s0.wav": wav(tone()), "s1.flac": flac(tone()), "s2.wav": wav(tone()), "s2.flac": flac(tone())}
    card = api.score(
        write_zip(tmp_path / "team.zip", files), audio_challenge(), testset, workers=1, cache=tmp_path / "cache"
    )
    assert {video.sample: video.path for video in card.videos} == {"s0": "s0.wav", "s1": "s1.flac", "s2": "s2.wav"}
    assert card.complete
    assert card.metrics["sound.level"].value == pytest.approx(20 * np.log10(0.25), abs=1e-3)
    assert [one["path"] for one in card.findings if one["rule"] == "layout.extra"] == ["s2.flac"]  # a second answer
    without = match_layout(["s0.wav", "s1.flac"], audio_challenge(), None)
    assert dict(without.files) == {"s0": "s0.wav", "s1": "s1.flac"}


def flac(samples: np.ndarray) -> bytes:
    stream = io.BytesIO()
    with av.open(stream, "w", format="flac") as container:
        track = container.add_stream("flac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.round(samples * 32768).astype(np.int16)[None], "s16", "mono")
        frame.sample_rate = 16000
        container.mux(track.encode(frame))
        container.mux(track.encode(None))
    return stream.getvalue()


def test_a_baseline_of_scores_is_a_table(testset: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="those of celebdfpp-gf are tables of scores") as raised:
        make_submission("still", testset, tmp_path / "out.zip", challenge=load_challenge("celebdfpp-gf"))
    assert "a CSV with the columns video_id and score" in str(raised.value.fix)
    assert "ZIP" not in str(raised.value.fix)
