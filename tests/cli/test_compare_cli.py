"""``evalkit compare`` from files to a page."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest
import shapes
from pages import Page
from scorecards import make_scorecard, small_card

from evalkit import api
from evalkit.cli import main

SAMPLES, SECONDS, SIZE = 3, 0.4, 64
METRICS = ["psnr.rgb", "ssim.gray"]


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    """Return exit code, standard output and standard error of one call."""
    with pytest.raises(SystemExit) as stop:
        main(["compare", *(str(word) for word in words)])
    captured = capsys.readouterr()
    return int(stop.value.code or 0), captured.out, captured.err


@pytest.fixture
def cards(tmp_path: Path) -> Path:
    """Return a folder with the scorecards ``one/`` and ``two/`` and the report ``broken.json``."""
    for name, values in (("one", [1.0, 3.0]), ("two", [2.0, None])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "scorecard.json").write_text(small_card(name, {"m.x": values}).to_json())
    finding = {"rule": "archive.encrypted", "severity": "error", "message": "It is encrypted."}
    report = {"schema": 1, "ok": False, "challenge": "c", "submission": "broken", "refused": True, "files": []}
    (tmp_path / "broken.json").write_text(json.dumps({**report, "findings": [finding]}))
    return tmp_path


def test_a_page_and_a_table(capsys: pytest.CaptureFixture[str], cards: Path) -> None:
    page = cards / "out" / "compare.html"
    code, out, err = run(capsys, cards / "one", cards / "two", cards / "broken.json", "-o", page)
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines() if line.strip()]
    assert ["entry", "M.X", "↑"] in lines
    assert ["one", "2.000"] in lines
    assert ["two", "2.000"] in lines
    assert "broken: refused, not scored (archive.encrypted)" in out
    assert f"Page: {page}" in out
    text = Page(page.read_text(encoding="utf-8")).find("main")[0]["text"]
    assert "It is encrypted." in text
    assert "no_face" in text


def test_json_is_one_document(capsys: pytest.CaptureFixture[str], cards: Path) -> None:
    code, out, _ = run(capsys, cards / "one", cards / "two" / "scorecard.json", "-o", cards / "x.html", "--json")
    document = json.loads(out)
    assert code == 0
    assert document["page"] == str(cards / "x.html")
    assert [entry["values"]["m.x"]["value"] for entry in document["entries"]] == [2.0, 2.0]
    assert document["entries"][1]["values"]["m.x"]["missing"] == {"no_face": 1}


def test_names(capsys: pytest.CaptureFixture[str], cards: Path) -> None:
    words = (cards / "one", cards / "two", "--name", f"A=b={cards / 'two'}", "-o", cards / "x.html", "--json")
    assert run(capsys, *words)[0] == 1  # 'b=...' is no file
    words = (cards / "one", "--name", f"Second={cards / 'two'}", "-o", cards / "x.html", "--json")
    document = json.loads(run(capsys, *words)[1])
    assert [entry["name"] for entry in document["entries"]] == ["one", "Second"]
    both = (cards / "one", cards / "two", "--name", f"Second={cards / 'two'}", "-o", cards / "x.html", "--json")
    assert json.loads(run(capsys, *both)[1])["entries"] == document["entries"]


def test_scorecards_of_different_backbones_never_meet(capsys: pytest.CaptureFixture[str], cards: Path) -> None:
    other = small_card("two", {"m.x": [2.0, 4.0]}, backbones="bundled").to_json()
    (cards / "two" / "scorecard.json").write_text(other)
    code, out, err = run(capsys, cards / "one", cards / "two", "-o", cards / "x.html", "--json")
    assert code == 1
    assert "'one' and 'two' can't be compared: they differ in backbones." in err
    assert "Found 'published' and 'bundled'." in err
    assert json.loads(out)["error"]["exit_code"] == 1
    assert not (cards / "x.html").exists()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ((), 2, "at least one scorecard"),
        (("nowhere",), 1, "does not exist"),
        (("broken.json",), 1, "no scorecard to compare"),
        (("one", "one/scorecard.json"), 1, "Two submissions are called 'one'"),
        (("one", "--metric", "psnrr"), 2, "no metric 'psnrr'"),
        (("one", "--sample", "s3"), 2, "no sample 's3'"),
        (("one", "--media", "on=x.zip"), 2, "no entry 'on' whose frames could be shown. Did you mean 'one'"),
        (("one", "--media", "one=x.zip"), 1, "does not exist"),
        (("one", "--media", "one"), 2, "is not NAME=PATH"),
    ],
)
def test_mistakes_are_told(
    capsys: pytest.CaptureFixture[str],
    cards: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    code: int,
    told: str,
) -> None:
    monkeypatch.chdir(cards)
    found, _, err = run(capsys, *words, "-q", "-o", "x.html")
    assert (found, told in err) == (code, True), err
    assert "Traceback" not in err
    assert not (cards / "x.html").exists()


def test_hostile_names_stay_out_of_the_terminal(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for at in range(2):
        card = make_scorecard(10, at + 1, hostile=True)
        named = card.submission.model_copy(update={"name": f"\x1b[31m[bold]{at}\u202e"})
        (tmp_path / f"{at}.json").write_text(card.model_copy(update={"submission": named}).to_json())
    code, out, _ = run(capsys, tmp_path / "0.json", tmp_path / "1.json", "-o", tmp_path / "x.html")
    assert code == 0
    assert "[bold]0" in out
    assert not set(out) & {"\u202e", "\x1b", "\x07"}


# --- pictures --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a test set, two scored submissions, and their scorecards."""
    folder = tmp_path_factory.mktemp("world")
    testset = shapes.write_testset(folder / "testset", SAMPLES, SECONDS, SIZE)
    for name, change in (("sharp", shapes.unchanged), ("blurred", shapes.blur(3.0))):
        team = shapes.write_submission(folder / f"{name}.zip", SAMPLES, SECONDS, change, SIZE)
        api.score(team, "talking-head", testset, out=folder / name, metrics=METRICS, workers=1, cache=folder / "cache")
    return folder


def strips(world: Path, capsys: pytest.CaptureFixture[str], *words: str | Path) -> list[str]:
    """Return the labels of the filmstrips on the page."""
    code, _, err = run(capsys, world / "sharp", world / "blurred", "-q", "-w", "1", "-o", world / "x.html", *words)
    assert code == 0, err
    return [item["attrs"]["aria-label"] for item in Page((world / "x.html").read_text()).find("svg", role="img")]


def test_pictures_from_the_submissions(capsys: pytest.CaptureFixture[str], world: Path, tmp_path: Path) -> None:
    media = ("--media", f"sharp={world / 'sharp.zip'}", "--media", f"blurred={world / 'blurred.zip'}")
    found = strips(world, capsys, *media, "--sample", "d02", "--sample", "d01", "--cache", tmp_path)
    assert found == [
        f"6 frames of {name}, sample {sample}, in time order"
        for sample in ("d02", "d01")
        for name in ("sharp", "blurred")
    ]
    assert len(strips(world, capsys, *media[:2], "--cache", world / "cache")) == SAMPLES  # of one entry only


def test_pictures_of_another_submission_are_refused(
    capsys: pytest.CaptureFixture[str], world: Path, tmp_path: Path
) -> None:
    media = f"sharp={world / 'blurred.zip'}"
    code, _, err = run(capsys, world / "sharp", world / "blurred", "--media", media, "-q", "-o", tmp_path / "x.html")
    assert code == 1
    assert "not the submission that 'sharp' was scored from" in err


def test_a_video_that_can_not_be_read_has_no_pictures(
    capsys: pytest.CaptureFixture[str], world: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.zip"
    with zipfile.ZipFile(world / "sharp.zip") as source, zipfile.ZipFile(broken, "w") as target:
        for name in source.namelist():
            target.writestr(name, b"no video" if name == "d01.mp4" else source.read(name))
    shutil.copytree(world / "cache", tmp_path / "cache")
    api.score(
        broken,
        "talking-head",
        world / "testset",
        out=tmp_path / "card",
        metrics=METRICS,
        workers=1,
        cache=tmp_path / "cache",
    )
    words = (tmp_path / "card", "--media", f"broken={broken}", "-q", "-w", "1", "--cache", tmp_path / "cache")
    code, _, err = run(capsys, *words, "-o", tmp_path / "x.html")
    assert (code, err) == (0, "")
    page = Page((tmp_path / "x.html").read_text())
    assert len(page.find("svg", role="img")) == SAMPLES - 1
    assert "no frames available" in "".join(item["text"] for item in page.find("figure"))
