"""`evalkit distance`: the same numbers as `evalkit score`, and what it says of folders that don't match."""

from __future__ import annotations

import csv
import io
import json
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from shapes import FPS, blur, shape_frames, unchanged, write_submission, write_testset

import evalkit
from evalkit import api
from evalkit.cli.distance import pair_line, side_line
from evalkit.errors import InputError, MissingWeightsError, ReferencePackError, UsageError
from evalkit.folders.model import DistanceResult
from evalkit.media.encode import write_video

UNPAIRED = {
    "fid": "fid.pytorch.unpaired",
    "fvd": "fvd.styleganv.unpaired",
    "kid": "kid.torchfidelity.unpaired",
    "kvd": "kvd.styleganv.unpaired",
}
PAIRED = ("fid.pytorch", "kvd.styleganv", "psnr.rgb", "ssim.gray", "video.duration")


@dataclass(frozen=True)
class World:
    """A test set of four videos, a submission of it, and the same videos as folders; nobody may change them."""

    testset: Path
    zip: Path
    real: Path
    generated: Path
    cache: Path

    def distance(self, real: object = None, generated: object = None, **options: object) -> DistanceResult:
        settings: dict[str, object] = {"backbones": "bundled", "workers": 1, "cache": self.cache, **options}
        return evalkit.distance(real or self.real, generated or self.generated, **settings)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("folders")
    testset = write_testset(folder / "testset", 4, 0.8, size=128)
    archive = write_submission(folder / "team.zip", 4, 0.8, blur(2.0), size=128)
    generated = folder / "generated"
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(generated)
    return World(testset, archive, testset / "videos", generated, folder / "cache")


@pytest.fixture(scope="module")
def result(world: World) -> DistanceResult:
    return world.distance(metrics=["fid", "fvd", "kvd", "kid.whole.unpaired", *PAIRED])


def test_the_numbers_are_those_of_score(world, result):
    names = [*result.metrics]
    card = api.score(
        world.zip, "talking-head", world.testset, metrics=names, backbones="bundled", workers=1, cache=world.cache
    )
    assert names == [UNPAIRED["fid"], UNPAIRED["fvd"], UNPAIRED["kvd"], "kid.whole.unpaired", *PAIRED]
    for name, score in result.metrics.items():
        assert score.value is not None, name
        assert (score.value, score.ci95, score.n) == (
            card.metrics[name].value,
            card.metrics[name].ci95,
            card.metrics[name].n,
        ), name
        assert score.details == card.metrics[name].details
    rows = {file.name: file.values for file in result.files}
    for video in card.videos:
        assert rows[video.sample] == {name: video.values[name] for name in ("psnr.rgb", "ssim.gray", "video.duration")}
    assert result["fid"] == card.metrics[UNPAIRED["fid"]].value
    assert result.complete


def test_printed_it_is_a_line_for_each_metric(result):
    lines = str(result).splitlines()
    assert lines[0] == "4 generated against 4 real files, backbones bundled"
    assert [line.split()[0] for line in lines[1:]] == list(result.metrics)
    assert all("n=4" in line for line in lines[1:])


def test_computed_again_without_the_cache_of_score_the_numbers_are_the_same(world, result, tmp_path):
    again = world.distance(metrics="fid,psnr", cache=tmp_path / "other", workers=2)
    assert again.timing["decoded"] == 8
    assert again["fid"] == result["fid"]
    assert again["psnr"] == result["psnr.rgb"]
    known = world.distance(metrics="fid,psnr", cache=tmp_path / "other")
    assert known.timing["decoded"] == 0
    assert known["fid"] == result["fid"]


def test_a_set_of_unequal_size_counts_whole(world, result, tmp_path):
    real = tmp_path / "real"
    real.mkdir()
    for name in ("d01", "d02", "d03"):
        shutil.copy(world.real / f"{name}.mp4", real / f"clip-{name}.mp4")
    found = world.distance(real, metrics="fid,psnr")
    fid, psnr = found.metrics[UNPAIRED["fid"]], found.metrics["psnr.rgb"]
    frames = round(0.8 * FPS)
    assert (fid.n, fid.details["n"], fid.details["n_reference"]) == (4, 4 * frames, 3 * frames)
    assert fid.value != result["fid"]
    assert (psnr.value, psnr.reason, psnr.coverage) == (None, "no_reference_video", 0.0)
    assert not found.complete
    assert {warning.kind for warning in found.warnings} >= {"numbers_differ"}
    assert (found.pairing.pairs, len(found.pairing.only_real), len(found.pairing.only_generated)) == (0, 3, 4)
    # The order and the names of files have no part in it.
    for number, name in enumerate(("d01", "d02", "d03")):
        (real / f"clip-{name}.mp4").rename(real / f"z{9 - number}.mp4")
    assert world.distance(real, metrics="fid")["fid"] == pytest.approx(fid.value, rel=1e-12)


def test_unreadable_files_cost_themselves_only(world, result, tmp_path):
    generated = tmp_path / "generated"
    shutil.copytree(world.generated, generated)
    (generated / "empty.mp4").write_bytes(b"")
    (generated / "text.mp4").write_text("not a video")
    whole = (world.generated / "d01.mp4").read_bytes()
    (generated / "cut.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    (generated / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    (generated / "notes.md").write_text("a file of another kind")
    found = world.distance(generated=generated, metrics="fid,psnr")
    assert found["fid"] == result["fid"]
    assert found["psnr"] == result["psnr.rgb"]
    assert {file.name: file.rule for file in found.generated.unread} == {
        "cut": "content.truncated",
        "empty": "encoding.not-media",
        "gone": "archive.unreadable-member",
        "text": "encoding.not-media",
    }
    assert (found.generated.files, found.generated.read, found.generated.others) == (8, 4, 1)
    assert found.metrics["psnr.rgb"].coverage == 0.5
    assert not found.complete
    rows = {file.name: file for file in found.files}
    assert rows["cut"].reasons["psnr.rgb"] == "unread:content.truncated"
    assert "4 unread" in side_line(found.generated)


def test_what_differs_between_the_sides_is_said(world, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    write_video(other / "d01.mp4", shape_frames(1, 20, 64), 12)
    write_video(other / "d02.mp4", shape_frames(2, 20, 96), 24)
    shutil.copy(world.real / "d03.mp4", other / "d03.mp4")
    shutil.copy(world.real / "d03.mp4", other / "again.mp4")
    found = world.distance(generated=other, metrics="kvd")
    said = {warning.kind: warning.detail for warning in found.warnings}
    assert "real 128x128 (4), generated 128x128 (2), 64x64 (1), 96x96 (1)" in said["sizes_differ"]
    assert "real 25 (4), generated 25 (2), 12 (1), 24 (1)" in said["rates_differ"]
    assert said["equal_files"].startswith("1 file of the generated side has the bytes of another one")
    assert said["same_on_both_sides"].startswith("2 generated files have exactly the bytes of a real one")
    assert found.generated.frames == (20, 20.0, 20)
    assert "2 videos of this size" not in side_line(found.generated)
    assert "1 real and 1 generated files have no partner" in pair_line(found)


def test_sets_that_are_alike_raise_no_warning(world):
    found = world.distance(metrics="kvd")
    assert found.warnings == ()


def test_pairs_in_other_folders_and_lists(world, result, tmp_path):
    deep = tmp_path / "deep" / "a"
    shutil.copytree(world.generated, deep)
    assert world.distance(generated=tmp_path / "deep", metrics="psnr")["psnr"] == result["psnr.rgb"]
    assert (
        world.distance(str(world.real / "*.mp4"), str(world.generated / "d0?.mp4"), metrics="psnr")["psnr"]
        == (result["psnr.rgb"])
    )
    paths = sorted(world.generated.glob("*.mp4"))
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join(map(str, paths[:2])) + "\n\n")
    two = world.distance(generated=listed, metrics="psnr")
    assert two["psnr"] == world.distance(generated=paths[:2], metrics="psnr")["psnr"]
    assert two.generated.files == 2


def test_images_are_videos_of_one_frame(world, tmp_path):
    """FID of folders of PNGs is that of the activations; PSNR that of the formula."""
    real, generated = tmp_path / "real", tmp_path / "generated"
    pictures: dict[str, list[np.ndarray]] = {"real": [], "generated": []}
    for folder, change in ((real, unchanged), (generated, blur(1.5))):
        folder.mkdir()
        for number in range(1, 9):
            picture = change(next(shape_frames(number, 1, 96)))
            Image.fromarray(picture).save(folder / f"i{number}.png")
            pictures[folder.name].append(picture)
    found = world.distance(real, generated, metrics="psnr,kid.whole.unpaired,fid,fvd")
    errors = [np.mean((a.astype(float) - b) ** 2) for a, b in zip(pictures["real"], pictures["generated"], strict=True)]
    assert found["psnr"] == pytest.approx(np.mean(10 * np.log10(255**2 / np.array(errors))), rel=1e-9)
    assert found.metrics[UNPAIRED["fid"]].details["n"] == 8
    assert found.metrics[UNPAIRED["fvd"]].reason == "too_few_frames"
    assert found.generated.images == 8
    # A video of one lossless frame per picture holds the same frames.
    assert world.distance(real, real, metrics="fid")["fid"] == pytest.approx(0.0, abs=1e-6)
    assert found["fid"] > 1e-3
    # The bytes of an image are not looked for as those of a video: the name decides.
    renamed = tmp_path / "renamed"
    renamed.mkdir()
    for file in generated.iterdir():
        shutil.copy(file, renamed / f"{file.stem}.mp4")
    videos = world.distance(real, renamed, metrics="psnr")
    assert videos["psnr"] is None
    assert sorted(videos.pairing.kinds_differ) == sorted(f"i{number}" for number in range(1, 9))


def test_default_metrics_are_those_that_the_files_have(world, tmp_path):
    assert [*world.distance().metrics] == [UNPAIRED[name] for name in ("fid", "fvd", "kid", "kvd")]
    picture = tmp_path / "one.png"
    Image.fromarray(next(shape_frames(1, 1, 64))).save(picture)
    assert [*world.distance(picture, picture).metrics] == [UNPAIRED["fid"], UNPAIRED["kid"]]


# --- saved references -------------------------------------------------------------------------------------------------


def test_a_saved_reference_stands_for_the_folder(world, result, tmp_path):
    saved = tmp_path / "real.refpack"
    world.distance(metrics="fid,kvd", save_reference=saved)
    found = world.distance(saved, metrics="fid,kvd", cache=tmp_path / "empty")
    for name in ("fid", "kvd"):
        one, other = found.metrics[UNPAIRED[name]], result.metrics[UNPAIRED[name]]
        assert (one.value, one.ci95, one.details) == (other.value, other.ci95, other.details)
    folder = result.real
    assert (found.real.sizes, found.real.frame_rates, found.real.frames) == (
        folder.sizes,
        folder.frame_rates,
        folder.frames,
    )
    assert found.real.saved is not None
    assert [warning.kind for warning in found.warnings] == ["biased_by_few"]
    again = tmp_path / "again.refpack"
    world.distance(metrics="fid,kvd", save_reference=again)
    assert again.read_bytes() == saved.read_bytes()


def test_a_pack_of_a_test_set_is_a_saved_reference_too(world, result, tmp_path):
    pack = tmp_path / "testset.refpack"
    api.prepare_references(
        world.testset, "talking-head", pack, metrics="fid", backbones="bundled", workers=1, cache=world.cache
    )
    assert world.distance(pack, metrics="fid")["fid"] == result["fid"]


def test_a_saved_reference_of_other_backbones_or_features_is_refused(world, tmp_path):
    saved = tmp_path / "real.refpack"
    world.distance(metrics="fid", save_reference=saved)
    with pytest.raises(ReferencePackError, match=r"It has no feature 'i3d', which the metrics read; it has: inception"):
        world.distance(saved, metrics="fid,fvd")
    found = world.distance(saved, metrics="psnr,fid")
    assert found.metrics["psnr.rgb"].reason == "no_reference_video"
    from builders.packs import rewritten

    def age(header):
        header["features"]["inception"]["version"] = 0

    def exchange(header):
        header["features"]["inception"]["weights"]["inception"]["sha256"] = "0" * 64

    def other_option(header):
        header["features"]["inception"]["options"]["resize"] = "nearest"

    for change, words in (
        (age, "'inception' has version 0 in the pack, 1 here"),
        (exchange, "The weights 'inception' of the feature 'inception' are 0000"),
        (other_option, "The option 'resize' of the feature 'inception' is \"nearest\" in the pack"),
    ):
        with pytest.raises(ReferencePackError, match="doesn't fit this run") as refusal:
            world.distance(rewritten(saved, tmp_path / "changed.refpack", change), metrics="fid")
        assert words in str(refusal.value)
    damaged = tmp_path / "damaged.refpack"
    content = bytearray(saved.read_bytes())
    content[100] ^= 1
    damaged.write_bytes(content)
    with pytest.raises(ReferencePackError, match="damaged"):
        world.distance(damaged, metrics="fid")
    with pytest.raises(UsageError, match="saved reference already"):
        world.distance(saved, metrics="fid", save_reference=tmp_path / "b.refpack")


# --- wrong input ------------------------------------------------------------------------------------------------------


def test_what_is_no_side(world, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.md").write_text("x")
    with pytest.raises(InputError, match=r"The generated side .*nowhere does not exist"):
        world.distance(generated=tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"has no video or image. Found no file in"):
        world.distance(generated=tmp_path / "empty")
    with pytest.raises(InputError, match=r"has no video or image. Found 1 file of other kinds"):
        world.distance(generated=tmp_path)
    with pytest.raises(InputError, match="No file matches the pattern"):
        world.distance(str(tmp_path / "*.mp4"))
    with pytest.raises(UsageError, match="wrong type"):
        world.distance(generated=3)
    with pytest.raises(UsageError, match="There is no metric 'fdi'"):
        world.distance(metrics="fdi")
    with pytest.raises(UsageError, match="No metric is named"):
        world.distance(metrics="")


def test_missing_weights_stop_before_anything_is_read(world, tmp_path, monkeypatch):
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(tmp_path))
    with pytest.raises(MissingWeightsError):
        world.distance(backbones="published", metrics="fid")
    found = world.distance(backbones="published", metrics="fid,psnr", allow_missing=True)
    assert found.metrics[UNPAIRED["fid"]].reason == "weights_missing:inception"
    assert found["psnr"] is not None


def test_the_result_is_read_back_and_a_false_one_is_refused(result, tmp_path):
    file = tmp_path / "distance.json"
    file.write_text(result.to_json())
    assert DistanceResult.load(file).to_json() == result.to_json()
    document = json.loads(result.to_json())
    document["metrics"][UNPAIRED["fid"]]["value"] = None
    file.write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"not a result of evalkit distance: 'metrics.fid.pytorch.unpaired'"):
        DistanceResult.load(file)
    file.write_text('{"schema": 1, "x": NaN}')
    with pytest.raises(InputError, match="not JSON"):
        DistanceResult.load(file)


def test_jpegs_are_read_as_viewers_show_them(world, tmp_path):
    """An EXIF orientation is applied on both sides, so that a turned copy equals the original."""
    picture = np.asarray(next(shape_frames(3, 1, 96)))[:64]
    Image.fromarray(picture).save(tmp_path / "a.png")
    turned = Image.fromarray(cv2.rotate(picture, cv2.ROTATE_90_COUNTERCLOCKWISE))
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees clockwise
    (tmp_path / "turned").mkdir()
    turned.save(tmp_path / "turned" / "a.png", exif=exif)
    assert world.distance(tmp_path / "a.png", tmp_path / "turned", metrics="psnr")["psnr"] == 100.0


def test_the_output_folder(world, result, tmp_path):
    out = tmp_path / "out"
    generated = tmp_path / "<b>evil & co"
    shutil.copytree(world.generated, generated)
    (generated / "cut.mp4").write_bytes(b"<i>no video")
    found = world.distance(generated=generated, metrics="fid,fvd,psnr", out=out)
    assert sorted(file.name for file in out.iterdir()) == [
        *(f"distance.{suffix}" for suffix in ("csv", "html", "json", "md", "tex")),
        "per_file.csv",
    ]
    assert DistanceResult.load(out / "distance.json").to_json() == found.to_json()
    page = (out / "distance.html").read_text()
    assert "<b>evil" not in page
    assert "&lt;b&gt;evil &amp; co" in page
    assert "http" not in page.replace("http-equiv", "")
    assert f"{found['psnr']:.2f} dB" in page
    assert "encoding.not-media" in page
    assert f"${found['psnr']:.2f}$" in (out / "distance.tex").read_text()
    rows = list(csv.DictReader(io.StringIO((out / "per_file.csv").read_text())))
    assert {row["name"]: row["psnr.rgb"] for row in rows}["cut"] == ""
    assert float(rows[1]["psnr.rgb"]) == next(file.values["psnr.rgb"] for file in found.files if file.name == "d01")
    with pytest.raises(UsageError, match="has other results"):
        world.distance(metrics="fid", out=out)
    world.distance(metrics="fid", out=out, replace=True)
    assert DistanceResult.load(out / "distance.json")["fid"] == result["fid"]
    assert not (out / "per_file.csv").exists(), "it is of the other files"
    with pytest.raises(UsageError, match="is a file"):
        world.distance(metrics="fid", out=out / "distance.json")


def test_lip_sync_hears_the_sound_beside_a_video_or_its_own(world, tmp_path):
    """Discs have no lips: what is tested is that a sound is there, and which."""
    real = tmp_path / "real"
    shutil.copytree(world.generated, real)
    own = world.distance(real, real, metrics="lse_c")
    assert own.metrics["sync.latentsync.conf"].reason != "no_official_audio"
