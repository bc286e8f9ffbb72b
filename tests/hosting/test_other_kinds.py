"""Hosted challenges whose submissions are no videos, from the bundle to the platform's numbers."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from builders.hosting import RANKED_BY_IMPORTED_FILES, Finished, choices, codabench_folders, run_codabench
from builders.kinds import motion, npy, tone, wav, write_testset, write_zip

from evalkit.detection.testset_making import make_truth_testset
from evalkit.errors import ChallengeError
from evalkit.hosting.bundle import read_choices
from evalkit.hosting.codabench.writing import write_codabench

HEAD = "schema: 1\nid: hosted\ntitle: Hosted\n"
TIMES = "schedule: [{id: only, opens: 2026-03-01 UTC, closes: 2026-03-10 UTC}]\n"
TRUTH = "video_id,label,generator,identity\nr1,0,,a\nr2,0,,b\nf1,1,m,a\nf2,1,m,b\n"


def hosted(root: Path, rules: str, testset: Path, files: dict[str, bytes]) -> tuple[Finished, str]:
    """Return what the program left, and the page on what to submit."""
    write_codabench(choices(root, HEAD + rules + TIMES, testset), root / "bundle")
    bundle = root / "bundle" / "bundle.zip"
    with zipfile.ZipFile(bundle) as opened:
        page = opened.read("pages/data.md").decode()
    done = run_codabench(codabench_folders(root / "run", bundle, write_zip(root / "team.zip", files)))
    assert done.code == 0, done.printed
    return done, page


def test_scores_of_a_detector(tmp_path: Path) -> None:
    (tmp_path / "truth.csv").write_text(TRUTH)
    make_truth_testset(tmp_path / "truth.csv", tmp_path / "testset")
    table = b"video_id,score\nr1,0.1\nr2,0.3\nf1,0.2\nf2,0.9\n"
    rules = "submission: {kind: scores}\nmetrics: [{id: det.auc}]\n"
    done, page = hosted(tmp_path, rules, tmp_path / "testset", {"scores.csv": table})
    assert json.loads((done.output / "scores.json").read_text()) == {"complete": 1.0, "det_auc": 0.75}
    assert "4 of 4 scores scored." in done.printed
    assert "scores.csv. There is a row for each of the 4 samples" in page
    for word in ("mp4", "Frame rate", "pixels", "codec"):
        assert word not in page


@pytest.mark.parametrize(
    ("rules", "suffix", "content", "expected"),
    [
        ("submission: {kind: audio}\nmetrics: [{id: sound.duration, direction: higher}]\n", "wav", wav(tone()), 1.0),
        (
            "submission: {kind: motion, motion: {arrays: {motion: {shape: [frames, 6]}}}}\n"
            "metrics: [{id: coefficients.frames, direction: higher}]\n",
            "npy",
            npy(motion()),
            25.0,
        ),
    ],
    ids=["audio", "motion"],
)
def test_audio_and_motion(rules: str, suffix: str, content: bytes, expected: float, tmp_path: Path) -> None:
    testset = write_testset(tmp_path / "testset", 2)
    done, page = hosted(tmp_path, rules, testset, {f"s{at}.{suffix}": content for at in range(2)})
    (value,) = (one for key, one in json.loads((done.output / "scores.json").read_text()).items() if key != "complete")
    assert value == expected
    assert f"named &#123;id&#125;.{suffix}" in page


@pytest.mark.parametrize("preset", sorted(RANKED_BY_IMPORTED_FILES))
def test_a_ranking_by_imported_files_is_refused(preset: str) -> None:
    with pytest.raises(ChallengeError, match=r"asr\.wer\.aligndit \(files of 'asr'\)") as raised:
        read_choices(preset)
    assert "score-all --features" in str(raised.value.fix)


def test_imported_files_may_be_shown() -> None:
    assert read_choices("theval").challenge.id == "theval"  # there they don't rank
