"""Runs with a reference pack: the same numbers, less work, and nothing of the pack outlives the run."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders.packs import METRICS, Packed, arrays, parts, prepare, rewritten
from builders.runs import events

from evalkit import api
from evalkit.cli import main
from evalkit.errors import ReferencePackError, TestSetError, UsageError
from evalkit.progress import Progress
from evalkit.scoring.scorecard import Scorecard

REFERENCES = {"dino_reference", "i3d_reference", "inception_reference"}


def score(packed: Packed, out: Path, testset: Path | None = None, **options: Any) -> Scorecard:
    settings = {"metrics": METRICS, "backbones": "bundled", "workers": 1, "cache": out / "cache", **options}
    return api.score(packed.zip, "talking-head", testset or packed.testset, out=out, **settings)


@pytest.fixture(scope="module")
def plain(packed: Packed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run without the pack."""
    out = tmp_path_factory.mktemp("plain")
    score(packed, out)
    return out


def document(out: Path) -> dict[str, Any]:
    """Return the scorecard without what may differ."""
    found = json.loads((out / "scorecard.json").read_text())
    del found["timing"]
    return found


def without_videos(packed: Packed, folder: Path) -> Path:
    """Return a copy of the test set as participants have it."""
    shutil.copytree(packed.testset, folder)
    shutil.rmtree(folder / "videos")
    return folder


def test_the_same_input_gives_the_same_bytes(packed: Packed, tmp_path: Path) -> None:
    report = prepare(packed.testset, tmp_path / "again", tmp_path / "cache", workers=2)
    assert (tmp_path / "again").read_bytes() == packed.pack.read_bytes()
    assert report.bytes == packed.pack.stat().st_size
    assert {name: one.entries for name, one in report.features.items()} == dict.fromkeys(REFERENCES, 3)
    assert all(one.seconds > 0 for one in report.features.values())
    assert report.features["i3d_reference"].unavailable == {"d04": "no_reference_video"}
    assert (report.samples, report.fingerprints, report.lengths) == (4, 3, 4)
    cached = prepare(packed.testset, tmp_path / "third", tmp_path / "cache")
    assert all(one.seconds == 0 for one in cached.features.values())


def test_the_pack_has_the_arrays_of_the_feature_cache(packed: Packed) -> None:
    cached = []
    for path in packed.cache.rglob("*.npz"):
        with np.load(path) as entry:
            cached.append((path.parts[-3], {name: entry[name] for name in entry.files if not name.startswith("__")}))
    found = [(feature, one) for feature, one in arrays(packed.pack) if one]
    assert len(found) == 3 + 2 + 2 + 2
    for feature, one in found:
        assert any(
            feature == other and one.keys() == two.keys() and all(np.array_equal(one[n], two[n]) for n in one)
            for other, two in cached
        )


def test_a_scorecard_with_a_pack_differs_only_in_naming_it(packed: Packed, plain: Path, tmp_path: Path) -> None:
    score(packed, tmp_path, reference_pack=packed.pack, workers=2)
    found = document(tmp_path)
    assert found["provenance"].pop("reference_pack") == {"sha256": hashlib.sha256(packed.pack.read_bytes()).hexdigest()}
    assert json.dumps(found) == json.dumps(document(plain))
    computed = {name for line in events(tmp_path).values() for name in line["computed"]}
    assert {"inception", "i3d", "dino_frames_uniform", "paired_pixels"} <= computed
    assert not computed & REFERENCES
    assert not REFERENCES & {path.name for path in (tmp_path / "cache").iterdir()}
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    (line,) = [one for one in log if one["event"] == "reference-pack"]
    assert set(line["features"]) == REFERENCES


def test_a_participant_needs_no_reference_videos(packed: Packed, plain: Path, tmp_path: Path) -> None:
    testset = without_videos(packed, tmp_path / "testset")
    with pytest.raises(TestSetError, match="not there"):
        score(packed, tmp_path / "refused", testset)
    card = score(packed, tmp_path / "out", testset, reference_pack=packed.pack)
    found, whole = document(tmp_path / "out"), document(plain)
    for name in ("fid.pytorch", "kvd.styleganv", "subject.dino"):
        assert found["metrics"][name] == whole["metrics"][name], name
    assert card.metrics["psnr.rgb"].value is None
    reasons = {row["sample"]: row["reasons"]["psnr.rgb"] for row in found["videos"]}
    not_here = dict.fromkeys(("d01", "d02", "d03"), "reference_video_not_here")
    assert reasons == {**not_here, "d04": "no_reference_video"}
    # What is not here is compared all the same: as fingerprints.
    for one, other in zip(found["videos"], whole["videos"], strict=True):
        assert one["findings"] == other["findings"]
        assert one["fingerprint"] == other["fingerprint"]
    assert any(finding["rule"] == "gaming.reference-video" for row in found["videos"] for finding in row["findings"])


def test_no_reference_video_is_read_that_nothing_needs(packed: Packed, plain: Path, tmp_path: Path) -> None:
    testset = tmp_path / "testset"
    shutil.copytree(packed.testset, testset)
    for video in (testset / "videos").iterdir():
        video.write_bytes(bytes(video.stat().st_size))
    score(packed, tmp_path / "out", testset, metrics="fid,kvd", reference_pack=packed.pack)
    whole = document(plain)["metrics"]
    for name, value in document(tmp_path / "out")["metrics"].items():
        assert value == whole[name]
    with pytest.raises(ReferencePackError, match=r"'videos/d01\.mp4' has other contents"):
        score(packed, tmp_path / "paired", testset, metrics="fid,psnr", reference_pack=packed.pack)


def test_fewer_samples_of_the_same_test_set(packed: Packed, tmp_path: Path) -> None:
    score(packed, tmp_path / "one", metrics="kvd", limit=3, cache=packed.cache)
    score(packed, tmp_path / "two", metrics="kvd", limit=3, cache=packed.cache, reference_pack=packed.pack)
    one, two = document(tmp_path / "one"), document(tmp_path / "two")
    del two["provenance"]["reference_pack"]
    assert one == two


def test_a_false_pack_is_in_the_numbers_of_its_run_alone(packed: Packed, plain: Path, tmp_path: Path) -> None:
    data, _ = parts(packed.pack)
    false = tmp_path / "false.refpack"
    rewritten(packed.pack, false, lambda _: None, data.replace(data[:4000], bytes(4000)))
    cache = tmp_path / "cache"
    fooled = score(packed, tmp_path / "fooled", reference_pack=false, cache=cache)
    score(packed, tmp_path / "out", cache=cache)
    assert document(tmp_path / "out") == document(plain)
    assert fooled.metrics != Scorecard.load(tmp_path / "out").metrics


def _text(rows: list[dict[str, Any]]) -> None:
    rows[1]["text"] = "Something else."


def _swap(rows: list[dict[str, Any]]) -> None:
    rows[0], rows[1] = rows[1], rows[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_text, "1 sample differ, such as 'd02'"),
        (lambda rows: rows.pop(), "1 sample are in the pack only, such as 'd04'"),
        (lambda rows: rows.append({"id": "d05"}), "1 sample are in the test set only, such as 'd05'"),
        (_swap, "another order"),
    ],
)
def test_another_test_set_is_refused(packed: Packed, tmp_path: Path, change, words: str) -> None:
    testset = tmp_path / "testset"
    shutil.copytree(packed.testset, testset)
    rows = [json.loads(line) for line in (testset / "samples.jsonl").read_text().splitlines()]
    change(rows)
    (testset / "samples.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(ReferencePackError, match=words):
        score(packed, tmp_path / "out", testset, reference_pack=packed.pack)
    with pytest.raises(ReferencePackError, match=words):
        api.validate(packed.zip, "talking-head", testset, reference_pack=packed.pack)
    assert not (tmp_path / "out").exists()


def test_other_files_are_refused(packed: Packed, tmp_path: Path) -> None:
    testset = tmp_path / "testset"
    shutil.copytree(packed.testset, testset)
    with (testset / "videos" / "d03.mp4").open("ab") as stream:
        stream.write(b"more")
    size = (packed.testset / "videos" / "d03.mp4").stat().st_size
    with pytest.raises(ReferencePackError, match=rf"'videos/d03.mp4' has {size + 4} bytes here, {size} in the pack"):
        score(packed, tmp_path / "out", testset, metrics="fid", reference_pack=packed.pack)


def test_the_lengths_of_a_pack_are_those_of_the_files(packed: Packed, tmp_path: Path) -> None:
    challenge = tmp_path / "mine.yaml"
    rules = "schema: 1\nid: mine\ntitle: mine\nranking: none\nsubmission:\n  layouts: ['{id}.mp4']\n"
    challenge.write_text(rules + "  video: {match_reference_seconds: 0.1, match_reference_size: true}\n")
    testset = tmp_path / "testset"
    shutil.copytree(packed.testset, testset)
    shutil.rmtree(testset / "audio")
    shutil.rmtree(testset / "videos")
    with pytest.raises(TestSetError, match="can't be read"):
        api.validate(packed.zip, challenge, testset, workers=1, cache=tmp_path / "cache")
    found = api.validate(
        packed.zip, challenge, testset, workers=1, cache=tmp_path / "cache", reference_pack=packed.pack
    )
    whole = api.validate(packed.zip, challenge, packed.testset, workers=1, cache=tmp_path / "cache")
    assert found.to_json() == whole.to_json()
    _, header = parts(packed.pack)
    assert header["samples"]["d01"]["length"] == {"seconds": 2.4, "source": "speech", "size": [64, 64]}
    longer = rewritten(
        packed.pack, tmp_path / "longer", lambda head: head["samples"]["d01"]["length"].update(seconds=5.0)
    )
    report = api.validate(packed.zip, challenge, testset, workers=1, cache=tmp_path / "cache", reference_pack=longer)
    assert [file.sample for file in report.files if file.verdict == "error"] == ["d01"]


class Warnings(Progress):
    """Keeps what the user must know."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def warn(self, line: str) -> None:
        self.lines.append(line)


def test_a_reference_video_that_can_not_be_read(packed: Packed, tmp_path: Path) -> None:
    testset, pack, progress = tmp_path / "testset", tmp_path / "t.refpack", Warnings()
    shutil.copytree(packed.testset, testset)
    (testset / "videos" / "d03.mp4").write_bytes(b"no video")
    report = prepare(testset, pack, tmp_path / "cache", metrics="kvd", progress=progress)
    feature = report.features["i3d_reference"]
    assert feature.unavailable == {"d03": "reference_video_unreadable", "d04": "no_reference_video"}
    assert (feature.entries, report.fingerprints, report.lengths) == (3, 2, 4)
    assert len(progress.lines) == 1
    assert "1 reference video can't be read, such as that of 'd03'" in progress.lines[0]
    assert str(tmp_path).encode() not in pack.read_bytes()
    (testset / "videos" / "d01.mp4").unlink()
    with pytest.raises(TestSetError, match="'d01' names a file that is not there"):
        prepare(testset, pack, tmp_path / "cache", metrics="kvd")


def test_a_pack_needs_its_test_set(packed: Packed) -> None:
    with pytest.raises(UsageError, match="belongs to a test set"):
        api.validate(packed.zip, "talking-head", reference_pack=packed.pack)


def test_the_commands(packed: Packed, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main([str(word) for word in words])
        return caught.value.code, *capsys.readouterr()

    pack = tmp_path / "t.refpack"
    making = ("testset", "prepare", packed.testset, "-c", "talking-head", "-b", "bundled", "-q", "--metrics", "fid")
    making = (*making, "--cache", packed.cache, "-o", pack)
    code, printed, _ = run(*making, "--json")
    report = json.loads(printed)
    feature = report["features"].pop("inception_reference")
    assert (code, report["features"], report["samples"]) == (0, {}, 4)
    assert (feature["entries"], feature["seconds"]) == (3, 0.0)
    assert feature["unavailable"] == {"d04": "no_reference_video"}
    assert report["bytes"] == pack.stat().st_size > feature["bytes"] > 0
    code, printed, _ = run(*making)
    assert code == 0
    assert report["sha256"] in printed
    assert "3 fingerprints, 4 lengths" in printed

    scoring = ("score", packed.zip, "-c", "talking-head", "-b", "bundled", "--testset", packed.testset, "-q")
    scoring = (*scoring, "--metrics", "fid", "--reference-pack", pack, "-o", tmp_path / "out")
    code, printed, _ = run(*scoring, "--json", "--cache", tmp_path / "cache")
    assert code == 3, "one sample has no reference video"
    assert json.loads(printed)["provenance"]["reference_pack"] == {"sha256": report["sha256"]}
    pack.write_bytes(pack.read_bytes()[:-1])
    code, _, shown = run(*scoring)
    assert code == 1
    assert "damaged or cut off" in shown
