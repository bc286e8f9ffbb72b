"""Bad input gets a sentence and the right exit code, never a traceback."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import hostile_zips
import pytest
import shapes

from evalkit.cli import main

SAMPLES = 2
SECONDS = 0.4


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a test set of two samples and a good submission."""
    folder = tmp_path_factory.mktemp("world")
    shapes.write_testset(folder / "testset", SAMPLES, SECONDS, size=64)
    shapes.write_submission(folder / "team.zip", SAMPLES, SECONDS, shapes.unchanged, size=64)
    return folder


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    """Return exit code, standard output and standard error of one call."""
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    captured = capsys.readouterr()
    return int(stop.value.code or 0), captured.out, captured.err


def score(
    capsys: pytest.CaptureFixture[str], world: Path, tmp_path: Path, **changes: str | Path
) -> tuple[int, str, str]:
    """Return what ``evalkit score`` does on the world, some of its words changed."""
    words = {
        "submission": world / "team.zip",
        "--challenge": "talking-head",
        "--testset": world / "testset",
        "--metrics": "psnr,ssim",
        "--output": tmp_path / "out",
        **changes,
    }
    submission = words.pop("submission")
    options = [part for pair in words.items() for part in pair if part != ""]
    return run(capsys, "score", submission, "--quiet", *options)


def one_sentence(err: str) -> str:
    """Return the error line, after making sure that it is one and no traceback."""
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    assert lines, err
    assert "Traceback" not in err
    assert lines[0].rstrip().endswith((".", ")")), lines[0]
    return lines[0]


def test_good_input_is_scored(capsys: pytest.CaptureFixture[str], world: Path, tmp_path: Path) -> None:
    code, out, err = score(capsys, world, tmp_path)
    assert (code, err) == (0, "")
    assert "psnr.rgb" in out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "log.jsonl",
        "per_video.csv",
        "per_video.parquet",
        "report.html",
        "scorecard.json",
    ]


def test_json_prints_one_document_and_nothing_else(
    capsys: pytest.CaptureFixture[str], world: Path, tmp_path: Path
) -> None:
    code, out, _ = score(capsys, world, tmp_path, **{"--json": ""})
    assert code == 0
    assert json.loads(out)["schema"] == 1
    assert json.loads(out) == json.loads((tmp_path / "out" / "scorecard.json").read_text())


def test_missing_zip(capsys: pytest.CaptureFixture[str], world: Path, tmp_path: Path) -> None:
    code, _, err = score(capsys, world, tmp_path, submission=tmp_path / "nowhere.zip")
    assert code == 1
    assert "nowhere.zip" in one_sentence(err)


def test_zip_that_is_an_empty_folder(capsys: pytest.CaptureFixture[str], world: Path, tmp_path: Path) -> None:
    (tmp_path / "team.zip").mkdir()
    code, _, err = score(capsys, world, tmp_path, submission=tmp_path / "team.zip")
    assert code == 1
    assert "layout.no-match" in one_sentence(err)


def test_a_folder_laid_out_like_a_zip_is_scored_alike(
    capsys: pytest.CaptureFixture[str], world: Path, tmp_path: Path
) -> None:
    zipfile.ZipFile(world / "team.zip").extractall(tmp_path / "team")  # made by this test's own fixture
    code, _, _ = score(capsys, world, tmp_path, submission=tmp_path / "team", **{"--output": tmp_path / "folder"})
    assert code == 0
    assert score(capsys, world, tmp_path, **{"--output": tmp_path / "zip"})[0] == 0
    folder, archive = (json.loads((tmp_path / name / "scorecard.json").read_text()) for name in ("folder", "zip"))
    assert folder["metrics"] == archive["metrics"]
    assert folder["videos"] == archive["videos"]


def test_something_that_is_no_zip(capsys: pytest.CaptureFixture[str], world: Path, tmp_path: Path) -> None:
    (tmp_path / "team.zip").write_bytes(b"Rar!\x1a\x07\x01\x00" + bytes(100))
    code, _, err = score(capsys, world, tmp_path, submission=tmp_path / "team.zip")
    assert code == 1
    assert "RAR" in one_sentence(err)


def test_challenge_with_a_typo(capsys: pytest.CaptureFixture[str], world: Path, tmp_path: Path) -> None:
    code, _, err = score(capsys, world, tmp_path, **{"--challenge": "talking-hed"})
    assert code == 2
    assert "Did you mean 'talking-head'?" in one_sentence(err)


def test_challenge_file_with_a_typo(capsys: pytest.CaptureFixture[str], world: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("id: mine\ntitle: Mine\nsubmision: {}\n")
    code, _, err = score(capsys, world, tmp_path, **{"--challenge": tmp_path / "mine.yaml"})
    assert code == 2
    assert "line 3" in err
    assert "Did you mean 'submission'?" in err


def test_empty_test_set(capsys: pytest.CaptureFixture[str], world: Path, tmp_path: Path) -> None:
    (tmp_path / "samples.jsonl").write_text("\n")
    code, _, err = score(capsys, world, tmp_path, **{"--testset": tmp_path})
    assert code == 1
    assert "empty" in one_sentence(err)


def test_a_test_set_that_lacks_a_file(capsys: pytest.CaptureFixture[str], world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "testset", tmp_path / "testset")
    (tmp_path / "testset" / "videos" / "d02.mp4").unlink()
    code, _, err = score(capsys, world, tmp_path, **{"--testset": tmp_path / "testset"})
    assert code == 1
    assert "d02" in one_sentence(err)


def test_speech_that_can_not_be_read_does_not_switch_its_rule_off(
    capsys: pytest.CaptureFixture[str], world: Path, tmp_path: Path
) -> None:
    shutil.copytree(world / "testset", tmp_path / "testset")
    (tmp_path / "testset" / "audio" / "d02.wav").write_bytes(b"no sound")
    (tmp_path / "mine.yaml").write_text("id: mine\ntitle: Mine\nsubmission: {video: {match_reference_seconds: 0.5}}\n")
    code, _, err = score(
        capsys, world, tmp_path, **{"--testset": tmp_path / "testset", "--challenge": tmp_path / "mine.yaml"}
    )
    assert code == 1
    assert "d02" in one_sentence(err)


@pytest.mark.shared
@pytest.mark.usefixtures("weights")
def test_sample_without_a_reference_image(
    capsys: pytest.CaptureFixture[str], world: Path, tmp_path: Path, backbones: Path
) -> None:
    """The other sample keeps its number; this one gets a reason, and the run says so with exit code 3."""
    shutil.copytree(world / "testset", tmp_path / "testset")
    lines = (tmp_path / "testset" / "samples.jsonl").read_text().splitlines()
    first = json.loads(lines[0]) | {"reference_images": []}
    (tmp_path / "testset" / "samples.jsonl").write_text("\n".join([json.dumps(first), *lines[1:]]))
    code, _, err = score(
        capsys,
        world,
        tmp_path,
        **{"--testset": tmp_path / "testset", "--metrics": "identity", "--backbones": backbones},
    )
    assert code == 3, err
    card = json.loads((tmp_path / "out" / "scorecard.json").read_text())
    assert card["videos"][0]["reasons"] == {"identity.strict.arc": "no_reference_image"}
    # The drawn disc has no face: its reference image has none either.
    assert card["videos"][1]["reasons"] == {"identity.strict.arc": "reference_no_face"}


def test_unknown_metric(capsys: pytest.CaptureFixture[str], world: Path, tmp_path: Path) -> None:
    code, _, err = score(capsys, world, tmp_path, **{"--metrics": "psrn"})
    assert code == 2
    assert "Did you mean 'psnr'?" in one_sentence(err)


def test_missing_weights_stop_the_run_before_anything_is_decoded(
    capsys: pytest.CaptureFixture[str], world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(tmp_path / "empty"))
    code, _, err = score(capsys, world, tmp_path, **{"--metrics": "identity,brisque"})
    assert code == 4
    assert not (tmp_path / "out").exists()
    for file in ("det_10g.onnx", "w600k_r50.onnx", "allmodel", "allrange"):
        assert file in err


def test_missing_weights_can_be_allowed(
    capsys: pytest.CaptureFixture[str], world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(tmp_path / "empty"))
    code, _, _ = score(capsys, world, tmp_path, **{"--metrics": "identity,psnr", "--allow-missing": ""})
    assert code == 3
    metrics = json.loads((tmp_path / "out" / "scorecard.json").read_text())["metrics"]
    assert metrics["identity.strict.arc"]["reason"] == "weights_missing:face_detector"
    assert metrics["psnr.rgb"]["value"] > 20


def test_unreadable_weights(
    capsys: pytest.CaptureFixture[str], world: Path, tmp_path: Path, backbones: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of the right name and the wrong bytes is never loaded."""
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "brisque_allmodel").write_bytes(b"not a model")
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(folder))
    code, _, err = score(capsys, world, tmp_path, **{"--metrics": "brisque", "--backbones": backbones})
    assert code == 4
    assert "is not the pinned one" in one_sentence(err)


def test_weights_with_the_pinned_digest_that_are_no_network(
    capsys: pytest.CaptureFixture[str], world: Path, tmp_path: Path, backbones: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The digest is right, the content is not: the worker says so and the run stops with one sentence."""
    import hashlib

    folder = tmp_path / "weights"
    folder.mkdir()
    text = backbones.read_text()
    for name in ("scrfd_500m_kps.onnx", "yunet_n_640_640.onnx", "face_embedder_mobilefacenet.onnx"):
        (folder / name).write_bytes(b"not a network " + name.encode())
        before = text.split(f"file: {name}\n    sha256: ")[1][:64]
        text = text.replace(before, hashlib.sha256((folder / name).read_bytes()).hexdigest())
    (tmp_path / "mine.yaml").write_text(text.replace("name: test-small", "name: test-broken"))
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(folder))
    code, _, err = score(capsys, world, tmp_path, **{"--metrics": "identity", "--backbones": tmp_path / "mine.yaml"})
    assert code == 4
    assert ".onnx" in one_sentence(err)


def test_output_that_can_not_be_written(capsys: pytest.CaptureFixture[str], world: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    code, _, err = score(capsys, world, tmp_path, **{"--output": tmp_path / "file" / "out"})
    assert code == 4
    assert "can't be written" in one_sentence(err)


def test_full_disk(
    capsys: pytest.CaptureFixture[str], world: Path, tmp_path: Path, tiny_disk: Callable[[int], Path]
) -> None:
    """The cache lies on a file system of 64 KiB; the run stops with a sentence and leaves no half entry."""
    small = tiny_disk(64)
    (small / "filler").write_bytes(bytes(60_000))
    code, _, err = score(capsys, world, tmp_path, **{"--cache": small / "cache"})
    assert code == 4
    assert "no space left" in one_sentence(err)
    assert not list(small.rglob("*.part"))
    # Room again: the same command goes on.
    (small / "filler").unlink()
    assert score(capsys, world, tmp_path, **{"--cache": tmp_path / "roomy"})[0] == 0


def test_refused_archive_is_exit_1_and_opens_no_file(
    capsys: pytest.CaptureFixture[str], world: Path, tmp_path: Path
) -> None:
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../d01.mp4", b"x")
    code, _, err = score(capsys, world, tmp_path, submission=path)
    assert code == 1
    assert "archive.path-traversal" in one_sentence(err)
    assert not [line for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines() if '"video"' in line]


def test_names_from_the_archive_reach_the_terminal_harmless(
    capsys: pytest.CaptureFixture[str], world: Path, tmp_path: Path
) -> None:
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(world / "team.zip") as good, zipfile.ZipFile(path, "w") as archive:
        for name in good.namelist():
            archive.writestr(name, good.read(name))
        archive.writestr("\x1b[31mred\x07 [bold]x[/bold].txt", b"x")
    code, out, err = run(capsys, "validate", path, "-c", "talking-head", "--testset", world / "testset", "--quiet")
    assert code == 0  # control characters in the name of a file that is no video are a warning
    assert "\x1b[31mred" not in out + err
    assert "[bold]x[/bold]" in out.replace("\n", "")


def test_a_bug_is_said_to_be_one(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import evalkit.challenges.model

    def broken() -> list[str]:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(evalkit.challenges.model, "preset_ids", broken)
    code, _, err = run(capsys, "challenges", "list")
    assert code == 4
    assert "This is a bug" in err
    assert "Traceback" not in err


def test_errors_as_json(capsys: pytest.CaptureFixture[str], world: Path, tmp_path: Path) -> None:
    code, out, _ = score(capsys, world, tmp_path, **{"--challenge": "talking-hed", "--json": ""})
    document = json.loads(out)
    assert (code, document["ok"], document["error"]["exit_code"]) == (2, False, 2)


def test_usage_errors_are_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "score")[0] == 2
    assert run(capsys, "nonsense")[0] == 2
    assert run(capsys, "score", "x.zip", "-c", "talking-head", "--testset", "t", "--workers", "0")[0] == 2


@pytest.mark.parametrize("kind", ["traversal", "absolute", "symlink", "bomb", "duplicate", "encrypted"])
def test_the_six_hostile_kinds_are_refused_before_any_file_is_opened(
    capsys: pytest.CaptureFixture[str], world: Path, tmp_path: Path, kind: str
) -> None:
    archive = getattr(hostile_zips, kind)(tmp_path / f"{kind}.zip")
    words = ("validate", archive, "-c", "talking-head", "--testset", world / "testset", "--quiet", "--json")
    code, out, _ = run(capsys, *words)
    report = json.loads(out)
    assert (code, report["ok"], report["refused"], report["files"]) == (1, False, True, [])
    code, _, err = score(capsys, world, tmp_path, submission=archive)
    assert code == 1
    assert "archive." in one_sentence(err)
    assert '"video"' not in (tmp_path / "out" / "log.jsonl").read_text()
