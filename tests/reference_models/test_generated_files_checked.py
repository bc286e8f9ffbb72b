"""A challenge that was named: what a generator wrote is checked by its rules, and nothing wrong passes silently."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from evalkit import api
from evalkit.challenges.model import Challenge
from evalkit.cli import main
from evalkit.reference_models.generation.submission import GenerationRun, make_submission
from evalkit.testsets.model import TestSet

MODULE = """
from fractions import Fraction
import av, numpy as np
from evalkit.media.encode import write_video
from evalkit.reference_models.generators.base import GeneratedClip

def grey(request, width, height, count):
    rng = np.random.default_rng(request.seed)
    low = rng.integers(0, 256, (count, height // 8, width // 8, 3), dtype=np.uint8)
    return [np.kron(frame, np.ones((8, 8, 1), np.uint8)) for frame in low]

def speech(request):
    return 0.3 * np.sin(np.arange(round(request.target.seconds * 16000)) / 9).astype(np.float32)

def write(request, width=256, height=256, fps=25, share=1.0, audio=True):
    frames = grey(request, width, height, round(request.target.seconds * fps * share))
    write_video(request.output, frames, fps, speech(request) if audio else None, 16000)

def right(request): write(request)
def small(request): write(request, 64, 64)
def slow(request): write(request, fps=10)
def short(request): write(request, share=0.2)
def silent(request): write(request, audio=False)
def clip_rate(request):
    return GeneratedClip(grey(request, 256, 256, 12), 10, speech(request))
def clip_silent(request):
    return GeneratedClip(grey(request, 256, 256, request.target.frames), request.target.fps)
def second_small(request):
    small(request) if request.sample.endswith("t1") else right(request)
def matroska(request):
    with av.open(str(request.output), "w", format="matroska") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 256, 256, "yuv420p"
        for frame in grey(request, 256, 256, request.target.frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"checked_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    return name


def rules(**changes: Any) -> Challenge:
    video = {
        "min_width": 256, "min_height": 256, "min_fps": 24, "max_fps": 30, "match_reference_seconds": 0.25,
        "containers": ["mp4"], "codecs": ["h264"],
    }  # fmt: skip
    submission = {"layouts": ["{id}.mp4"], "video": video, "audio": {"required": True}, **changes}
    return Challenge.model_validate({"id": "strict", "title": "Strict", "submission": submission})


def make(testset: TestSet, folder: Path, function: str, challenge: Challenge | None, count: int = 1) -> GenerationRun:
    options = {"function": function}
    few = testset.limited(count)
    return make_submission("callable", few, folder / "f.zip", options=options, challenge=challenge)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("right", set()),
        ("small", {"encoding.resolution"}),
        ("slow", {"encoding.frame-rate"}),
        ("short", {"content.length"}),
        ("silent", {"encoding.audio-missing"}),
        ("matroska", {"encoding.container"}),
        ("clip_rate", {"encoding.frame-rate"}),
        ("clip_silent", {"encoding.audio-missing"}),
    ],
)
def test_each_fault_is_named_as_validation_names_it(
    puppets: TestSet, tmp_path: Path, module: str, function: str, expected: set[str]
) -> None:
    challenge = rules()
    made = make(puppets, tmp_path, f"{module}:{function}", challenge)
    errors = {one.rule for one in made.findings["p001t0"] if one.severity == "error"}
    assert expected <= errors
    assert made.refused == (("p001t0",) if expected else ())
    assert made.ok == (not expected)
    with zipfile.ZipFile(made.path) as archive:  # kept: 'evalkit repair' may mend it
        assert archive.namelist() == ["p001t0.mp4", "speed.json"]
    report = api.validate(made.path, challenge, puppets.limited(1), workers=1)
    assert made.findings["p001t0"] == report.files[0].findings
    assert report.ok == made.ok


def test_without_a_challenge_nothing_is_asked(puppets: TestSet, tmp_path: Path, module: str) -> None:
    made = make(puppets, tmp_path, f"{module}:small", None)
    assert made.ok
    assert made.findings == {"p001t0": ()}


def test_a_severity_of_the_challenge_counts(puppets: TestSet, tmp_path: Path, module: str) -> None:
    mild = rules(severities={"encoding.resolution": "warning"})
    made = make(puppets, tmp_path, f"{module}:small", mild)
    assert made.ok
    assert {one.rule for one in made.findings["p001t0"]} >= {"encoding.resolution"}


def test_the_archive_is_checked_too(puppets: TestSet, tmp_path: Path, module: str) -> None:
    challenge = rules(archive={"max_total_bytes": 1000, "max_file_bytes": 1000})
    made = make(puppets, tmp_path, f"{module}:right", challenge)
    assert not made.ok
    assert {one.rule for one in made.archive_findings} >= {"archive.too-large-file"}


def test_the_command_says_it_and_exits_with_1(
    puppets: TestSet, tmp_path: Path, module: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import yaml

    (tmp_path / "c.yaml").write_text(yaml.safe_dump(rules().model_dump(mode="json", exclude_unset=True)))
    words = ["baseline", "run", "--testset", puppets.root, "-o", tmp_path / "m.zip", "-c", tmp_path / "c.yaml"]
    words += ["--callable", f"{module}:second_small", "--limit", "2", "-w", "1", "-q"]
    with pytest.raises(SystemExit) as left:
        main([str(word) for word in words])
    assert left.value.code == 1
    captured = capsys.readouterr()
    assert "warning: p001t1 breaks the rule encoding.resolution" in captured.err
    assert "1 of 2 videos would be refused by the challenge's rules" in captured.err
    assert "Found 64 pixels; expected 256" in captured.err
    assert f"evalkit repair {tmp_path / 'm.zip'}" in captured.err
    assert "2 of 2 samples" in captured.out
    with pytest.raises(SystemExit) as left:
        main([*(str(word) for word in words), "--json"])
    assert left.value.code == 1
    document = json.loads(capsys.readouterr().out)
    assert not document["ok"]
    assert document["refused"] == ["p001t1"]
    assert {one["rule"] for one in document["findings"]} == {"encoding.resolution"}
    assert document["findings"][0]["sample"] == "p001t1"
