"""A run over attacked clips: what the scorecard says of each, and that no number changes."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest
import shapes
from gaming_clips import AAC, refilmed, resounded

from evalkit import api
from evalkit.challenges.model import parse_challenge
from evalkit.scoring.scorecard import Scorecard
from evalkit.validators.gaming import CASE_RULES

TALKING = "schema: 1\nid: t\ntitle: T\nsubmission: {layouts: ['{id}.mp4'], severities: {%s}}\n"
OFF = ", ".join(f'{rule.id}: "off"' for rule in CASE_RULES)
SAMPLES = ("s02", "s03", "s04", "s05", "s06", "s07")


def gaming(card: Scorecard) -> dict[str, set[str]]:
    """Return sample -> the gaming rules that found something."""
    return {
        video.sample: {
            str(f["rule"]).removeprefix("gaming.") for f in video.findings if f["rule"].startswith("gaming.")
        }
        for video in card.videos
    }


def score(archive: Path, testset: Path, cache: Path, severities: str = "", **more: object) -> Scorecard:
    challenge = parse_challenge(TALKING % severities, "t.yaml")
    return api.score(archive, challenge, testset, metrics=["fps", "psnr"], workers=1, cache=cache, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def small_testset(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a test set of six real samples."""
    source = shared / "data/talking-heads/testset"
    folder = tmp_path_factory.mktemp("six") / "testset"
    folder.mkdir()
    lines = [line for line in (source / "samples.jsonl").read_text().splitlines() if json.loads(line)["id"] in SAMPLES]
    (folder / "samples.jsonl").write_text("\n".join(lines) + "\n")
    for part in ("images", "audio", "videos"):
        (folder / part).symlink_to(source / part)
    return folder


@pytest.fixture(scope="module")
def attacked(shared: Path, small_testset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a ZIP with an attack for each sample."""
    folder = tmp_path_factory.mktemp("attacked")
    real = small_testset / "videos"
    refilmed(real / "s02.mp4", folder / "s02.mp4", "hflip,crop=iw*0.96:ih*0.96")  # the reference, mirrored and cropped
    refilmed(real / "s12.mp4", folder / "s03.mp4", "null")  # somebody else's clip, for two samples
    refilmed(real / "s12.mp4", folder / "s04.mp4", "scale=128:128")
    resounded(real / "s06.mp4", folder / "s05.mp4", "-shortest", *AAC, audio=small_testset / "audio/s05.wav")
    resounded(real / "s15.mp4", folder / "s06.mp4", "-shortest", *AAC, audio=small_testset / "audio/s09.wav")
    with zipfile.ZipFile(shared / "data/talking-heads/submissions/frozen.zip") as frozen:
        (folder / "s07.mp4").write_bytes(frozen.read("s07.mp4"))
    target = folder / "team.zip"
    with zipfile.ZipFile(target, "w") as archive:
        for sample in SAMPLES:
            archive.write(folder / f"{sample}.mp4", f"{sample}.mp4")
    return target


@pytest.mark.shared
@pytest.mark.ffmpeg
def test_every_attack_is_found_and_no_number_changes(attacked, small_testset, tmp_path):
    card = score(attacked, small_testset, tmp_path / "cache")
    assert gaming(card) == {
        "s02": {"reference-video"},
        "s03": {"audio-replaced", "duplicate"},
        "s04": {"audio-replaced", "duplicate"},
        "s05": {"reference-video"},
        "s06": {"audio-replaced"},
        "s07": {"nearly-frozen", "reference-image"},
    }
    found = {(video.sample, f["rule"]): f["found"] for video in card.videos for f in video.findings}
    assert found["s05", "gaming.reference-video"].startswith("sample s06: ")
    assert found["s02", "gaming.reference-video"].endswith(", mirrored")
    assert found["s03", "gaming.duplicate"].startswith("sample s04: ")
    assert {video.verdict for video in card.videos} == {"warning"}
    off = score(attacked, small_testset, tmp_path / "cache", OFF)
    assert not any(gaming(off).values())
    assert [video.fingerprint for video in off.videos] == [None] * 6 and "fingerprint" not in off.features
    assert [(v.values, v.reasons, v.events) for v in off.videos] == [
        (v.values, v.reasons, v.events) for v in card.videos
    ]
    assert off.metrics == card.metrics
    # The severities are the challenge's, but a finding disqualifies nobody.
    graver = score(attacked, small_testset, tmp_path / "cache", "gaming.duplicate: error, gaming.audio-replaced: 'off'")
    assert gaming(graver)["s03"] == {"duplicate"} and graver.videos[1].verdict == "warning"
    assert graver.metrics == card.metrics
    # The same from the cache, and no video is decoded for it, references included.
    again = score(attacked, small_testset, tmp_path / "cache")
    assert again.videos == card.videos and again.timing["videos_decoded"] == 0


@pytest.mark.shared
def test_published_generators_are_not_accused(shared, tmp_path):
    data = shared / "data/generated"
    card = score(data / "submission.zip", data / "testset", tmp_path / "cache", limit=4)
    assert gaming(card) == {f"g{at:02}": set() for at in range(1, 5)}
    assert all(video.fingerprint is not None and video.fingerprint.bits for video in card.videos)


@pytest.fixture(scope="module")
def longer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a world of four samples of three seconds, with a faithful and an own submission."""
    root = tmp_path_factory.mktemp("longer")
    shapes.write_testset(root / "testset", 4, 3.0, 96)
    shapes.write_submission(root / "copy.zip", 4, 3.0, shapes.blur(1.0), 96)
    return root


def test_copies_of_made_up_references(longer, tmp_path):
    card = score(longer / "copy.zip", longer / "testset", tmp_path / "cache")
    assert list(gaming(card).values()) == [{"reference-video"}] * 4
    assert all(len(video.fingerprint.bits) == 30 * 6 for video in card.videos if video.fingerprint)


def test_equal_files_are_duplicates(longer, tmp_path):
    with zipfile.ZipFile(longer / "copy.zip") as archive:
        names = sorted(archive.namelist())
        with zipfile.ZipFile(tmp_path / "twice.zip", "w") as target:
            for name in names:
                target.writestr(name, archive.read(names[0]))
    card = score(tmp_path / "twice.zip", longer / "testset", tmp_path / "cache")
    assert all("duplicate" in found for found in gaming(card).values())
    found = [f["found"] for video in card.videos for f in video.findings if f["rule"] == "gaming.duplicate"]
    assert len(found) == 4 and all(text.count("equal files") == 3 for text in found)
    assert len({video.fingerprint.sha256 for video in card.videos if video.fingerprint}) == 1


def test_a_reference_that_is_lost_or_damaged_accuses_nobody(longer, tmp_path):
    testset = tmp_path / "testset"
    shutil.copytree(longer / "testset", testset)
    lines = [json.loads(line) for line in (testset / "samples.jsonl").read_text().splitlines()]
    videos = [testset / str(line["reference_video"]) for line in lines]
    videos[0].unlink()
    videos[1].write_bytes(b"no video at all")
    (testset / str(lines[2]["audio"])).unlink()
    challenge = parse_challenge(TALKING % "", "t.yaml")
    card = api.score(longer / "copy.zip", challenge, testset, metrics=["fps"], workers=1, cache=tmp_path / "cache")
    assert [len(found) for found in gaming(card).values()] == [0, 0, 1, 1]
    assert card.complete
