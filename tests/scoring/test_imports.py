"""Features that another program computed: folders, files that lack or don't fit, keys, and what a scorecard says."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from builders.openface import write_table
from builders.runs import run
from click.testing import CliRunner

import evalkit
from evalkit import api
from evalkit.cli import cli
from evalkit.errors import UsageError
from evalkit.metrics.distances.distributions import frechet_from_features
from evalkit.metrics.features.base import ImportedFile
from evalkit.scoring.scorecard import Scorecard

AUE = ("aue.lower", "aue.upper", "aue.total")
SAMPLES = ("d01", "d02", "d03", "d04")


def intensities(seed: int, frames: int = 25) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 3, (frames, 17)).round(2)  # + 2 is at most 5


@pytest.fixture
def folder(tmp_path):
    """Tables of every sample on both sides; all of the video's differ by 1 from the reference's."""
    root = tmp_path / "openface"
    for seed, name in enumerate(SAMPLES):
        write_table(root / "reference" / f"{name}.csv", intensities(seed))
        write_table(root / "generated" / f"{name}.csv", intensities(seed) + 1)
    return root


def score(world, out, folder, **options):
    return run(world, out, metrics=AUE, features={"openface": folder}, **options)


def reasons(card, metric="aue.lower"):
    return {video.sample: video.reasons.get(metric) for video in card.videos}


def details(card, sample, kind):
    return [e.detail for video in card.videos if video.sample == sample for e in video.events if e.kind == kind]


def test_the_workers_read_them_and_the_scorecard_says_where_they_come_from(world, tmp_path, folder, monkeypatch):
    def read_here(*_):
        raise AssertionError("read in evalkit's own process")

    monkeypatch.setattr("evalkit.metrics.action_units.openface.read_table", read_here)  # a worker is another process
    card = score(world, tmp_path / "out", folder, sandbox="full")
    assert {name: entry.value for name, entry in card.metrics.items()} == pytest.approx(
        {"aue.lower": 9.0, "aue.upper": 8.0, "aue.total": 17.0}
    )
    assert card.complete
    stated = json.loads((tmp_path / "out" / "scorecard.json").read_text())
    found = stated["provenance"]["imported_features"]["openface"]
    assert (found["files"], found["samples"], len(found["sha256"])) == (8, 4, 64)
    for entry in card.metrics.values():
        (note,) = [note for note in entry.notes if note.kind == "imported_features"]
        assert "8 files for 4 samples" in note.detail
        assert "organizer" in note.detail


def test_a_changed_table_is_read_again_and_changes_the_digest(world, tmp_path, folder):
    cache = tmp_path / "cache"
    before = score(world, tmp_path / "a", folder, cache=cache)
    again = score(world, tmp_path / "b", folder, cache=cache)
    write_table(folder / "generated" / "d02.csv", intensities(1) + 2)
    write_table(folder / "generated" / "d03.csv", intensities(2, 24) + 1)  # a frame less is borne
    (folder / "generated" / "d04.csv").unlink()
    os.mkfifo(folder / "generated" / "d04.csv")  # nobody waits for it
    after = score(world, tmp_path / "c", folder, cache=cache)
    assert [card.metrics["aue.lower"].value for card in (before, again, after)] == pytest.approx([9, 9, 9 * 6 / 3])
    assert reasons(after) == {"d01": None, "d02": None, "d03": None, "d04": "import_missing"}
    used = [card.provenance["imported_features"]["openface"]["sha256"] for card in (before, again, after)]
    assert used[0] == used[1] != used[2]


def test_coefficients_of_all_videos_are_compared_as_sets(world, tmp_path):
    rng = np.random.default_rng(0)
    root, rows = tmp_path / "deep3d", {}
    for side, scale in (("generated", 0.6), ("reference", 0.5)):
        (root / side).mkdir(parents=True)
        for name in SAMPLES:
            whole = rng.normal(0, scale, (25, 257)).astype(np.float32)
            rows[side, name] = whole[:, 80:144].copy()
            np.savez(root / side / f"{name}.npz", coeffs=whole)
    gone = np.load(root / "generated" / "d01.npz")["coeffs"]
    gone[:2] = np.nan  # more than a twentieth: the video is left out of both sides
    np.savez(root / "generated" / "d01.npz", coeffs=gone)
    one = np.load(root / "generated" / "d02.npz")["coeffs"]
    one[7] = np.nan
    np.savez(root / "generated" / "d02.npz", coeffs=one)
    (root / "reference" / "d03.npz").write_bytes(b"\x80\x04pickle")
    card = run(world, tmp_path / "out", metrics=("efid",), features={"deep3d": root})
    entry = card.metrics["motion.efid"]
    ours = np.concatenate([np.delete(rows["generated", "d02"], 7, axis=0), rows["generated", "d04"]])
    theirs = np.concatenate([rows["reference", "d02"], rows["reference", "d04"]])
    assert entry.value == pytest.approx(frechet_from_features(ours, theirs), rel=1e-6)
    assert (entry.n, entry.coverage) == (2, 0.5)
    assert (entry.details["n"], entry.details["n_reference"]) == (49, 50)
    notes = {note.kind: note.detail for note in entry.notes}
    assert {"videos_left_out", "small_sample", "imported_features"} <= set(notes)
    assert "import_unusable (1), no_face (1)" in notes["videos_left_out"]
    assert notes["import_unusable"].startswith("d03: d03.npz can't be read as arrays: ")
    assert card.provenance["imported_features"]["deep3d"]["files"] == 8


def test_without_a_folder_the_videos_are_unscored_for_that_reason(world, tmp_path):
    card = run(world, tmp_path / "out", metrics=AUE)
    assert set(reasons(card).values()) == {"not_imported"}
    assert details(card, "d01", "not_imported") == ["give the folder with --features openface=DIR"]
    assert card.metrics["aue.lower"].value is None
    assert "imported_features" not in card.provenance


def test_each_file_that_is_not_as_it_must_be_costs_its_own_video(world, tmp_path, folder):
    write_table(folder / "generated" / "d01.csv", intensities(0, 20))
    write_table(folder / "reference" / "d02.csv", intensities(1, 30))  # its reference video has 25
    (folder / "reference" / "d03.csv").write_text("no table")
    card = score(world, tmp_path / "out", folder)
    assert reasons(card) == {
        "d01": "import_frames_differ",
        "d02": "import_frames_differ",
        "d03": "import_unusable",
        "d04": None,
    }
    assert details(card, "d01", "import_frames_differ") == ["d01.csv has 20 frames, and its video has 25"]
    assert details(card, "d02", "import_frames_differ") == ["d02.csv has 30 frames, and its video has 25"]
    assert details(card, "d03", "import_unusable")[0].startswith("d03.csv has no column frame")
    assert card.metrics["aue.lower"].value == pytest.approx(9.0)
    assert card.metrics["aue.lower"].coverage == 0.25
    assert not card.complete


def refused(world, tmp_path, **options):
    with pytest.raises(UsageError) as caught:
        run(world, tmp_path / "out", **{"metrics": AUE, **options})
    return str(caught.value)


def test_folders_that_can_not_be_meant_are_refused(world, tmp_path, folder):
    assert "openface" in refused(world, tmp_path, features={"openfaces": folder})
    assert "aue.lower" in refused(world, tmp_path, features={"openface": folder}, metrics=("psnr",))
    assert "no folder" in refused(world, tmp_path, features={"openface": tmp_path / "none"})
    assert "no folder 'generated'" in refused(world, tmp_path, features={"openface": tmp_path})
    assert "dictionary" in refused(world, tmp_path, features=str(folder))
    assert "this machine" in refused(world, tmp_path, features={"openface": folder}, engine="ray")
    shutil.rmtree(folder / "reference")
    (folder / "reference").mkdir()
    (folder / "reference" / "other.csv").touch()
    assert "other.csv" in refused(world, tmp_path, features={"openface": folder})


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc, whose files even root can't read as others")
def test_a_file_that_can_not_be_read_is_named(world, tmp_path, folder):
    (folder / "reference" / "d01.csv").unlink()
    (folder / "reference" / "d01.csv").symlink_to("/proc/1/mem")  # a file that nobody may read
    assert "A file of 'openface' can't be read" in refused(world, tmp_path, features={"openface": folder})


def test_a_team_does_not_bring_its_own(world, tmp_path, folder):
    submission = tmp_path / "submission"
    shutil.unpack_archive(world.zip, submission)
    shutil.move(folder, submission / "openface")
    with pytest.raises(UsageError, match="the team's own"):
        api.score(
            submission, "talking-head", world.testset, metrics=AUE, features={"openface": submission / "openface"}
        )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["openface"], "NAME=DIR"),
        (["=x"], "NAME=DIR"),
        (["openface=a", "openface=b"], "twice"),
    ],
)
def test_the_option_says_how_it_is_written(world, words, expected):
    options = [part for word in words for part in ("--features", word)]
    command = ["score", str(world.zip), "-c", "talking-head", "-t", str(world.testset), *options]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 2
    assert expected in done.output


def test_a_shard_and_a_pack_don_t_take_them(world, tmp_path, folder):
    base = ["score", str(world.zip), "-c", "talking-head", "-t", str(world.testset), "--features", f"openface={folder}"]
    done = CliRunner().invoke(cli, [*base, "--shard", "1/2"])
    assert done.exit_code == 2
    assert "leave out --features" in done.output
    done = CliRunner().invoke(cli, [*base, "--reference-pack", str(tmp_path / "x.refpack")])
    assert isinstance(done.exception, UsageError)
    assert "Leave out --reference-pack" in str(done.exception)


def test_metrics_of_imports_are_not_offered_for_arrays():
    with pytest.raises(UsageError, match="--features openface=DIR"):
        evalkit.measure("aue.lower", np.zeros((3, 8, 8, 3), np.uint8), fps=25)


def test_features_show_names_the_file():
    done = CliRunner().invoke(cli, ["features", "show", "openface"])
    assert "openface=generated/SAMPLE.csv" in done.output


def test_samples_in_folders(tmp_path):
    wanted = ImportedFile("openface", "generated", ".csv")
    assert wanted.path(Path("/x"), "a/b") == Path("/x/generated/a/b.csv")


def test_score_all_takes_a_folder_for_each_team(world, tmp_path):
    zips, root = tmp_path / "zips", tmp_path / "openface"
    zips.mkdir()
    for team, offset in (("atlas", 1), ("lumen", 2), ("none", 0)):
        shutil.copy(world.zip, zips / f"{team}.zip")
        for seed, name in enumerate(SAMPLES):
            if team != "none":
                write_table(root / team / "generated" / f"{name}.csv", intensities(seed) + offset)
            write_table(root / "reference" / f"{name}.csv", intensities(seed))  # once for all teams

    def scored():
        options = {"metrics": AUE, "features": {"openface": root}, "workers": 1, "cache": tmp_path / "cache"}
        done = api.score_all(zips, "talking-head", world.testset, tmp_path / "out", **options)
        return {one.entry.name: one for one in done.outcomes}

    first = scored()
    values = {name: Scorecard.load(tmp_path / "out" / name).metrics["aue.lower"].value for name in ("atlas", "lumen")}
    assert values == pytest.approx({"atlas": 9.0, "lumen": 36.0})
    assert "no folder 'generated'" in str(first["none"].error)
    assert "folder" in str(first["none"].error)
    again = scored()
    assert [again[name].earlier for name in ("atlas", "lumen")] == [True, True]
    write_table(root / "lumen" / "generated" / "d01.csv", intensities(0) + 1)
    changed = scored()
    assert [changed[name].earlier for name in ("atlas", "lumen")] == [True, False]
    assert Scorecard.load(tmp_path / "out" / "lumen").metrics["aue.lower"].value == pytest.approx((9 + 3 * 36) / 4)
    with pytest.raises(UsageError, match="No feature reads files of 'openfaces'"):
        api.score_all(
            zips, "talking-head", world.testset, tmp_path / "o", metrics=AUE, features={"openfaces": root}, workers=1
        )


def test_a_dry_run_reads_them_and_tells_who_lacks_them(world, tmp_path):
    zips, root, cache = tmp_path / "zips", tmp_path / "openface", tmp_path / "cache"
    zips.mkdir()
    for team in ("none", "atlas"):
        shutil.copy(world.zip, zips / f"{team}.zip")
    for seed, name in enumerate(SAMPLES):
        write_table(root / "atlas" / "generated" / f"{name}.csv", intensities(seed) + 1)
        write_table(root / "reference" / f"{name}.csv", intensities(seed))
    arguments = ["score-all", zips, "-c", "talking-head", "-t", world.testset, "-o", tmp_path / "out"]
    arguments += [
        "-m",
        "aue.lower",
        "--features",
        f"openface={root}",
        "--cache",
        cache,
        "--workers",
        1,
        "--dry-run",
        "--json",
    ]
    done = CliRunner().invoke(cli, [str(one) for one in arguments])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["submissions"], told["videos"], told["measured_videos"]) == (2, len(SAMPLES), len(SAMPLES))
    assert list(told["unreadable"]) == ["none"]
    assert "no folder 'generated'" in told["unreadable"]["none"]
    read = []
    for file in (cache / "openface").rglob("*.npz"):
        with np.load(file) as arrays:
            read.append("intensity" in arrays)
    assert read == [True] * len(SAMPLES)
    assert not (tmp_path / "out").exists()
