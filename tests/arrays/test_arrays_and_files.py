"""The table of differences in small: no difference to a file without loss, some to one with."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.arrays_and_files import Difference, compare, make_world, table
from evalkit.reference_models.puppet.testset import PuppetTestSet, write_puppet_testset
from evalkit.testsets.loading import load_testset

METRICS = ("psnr", "ssim", "fvd", "motion.flow", "clipscore", "sync.own.conf", "duration")
SAME = {"video.duration"}  # what encoding does not change


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Difference]:
    folder = tmp_path_factory.mktemp("files")
    testset = write_puppet_testset(PuppetTestSet(folder / "puppets", 12, 2, seconds=2.2), 1)
    world = make_world(load_testset(testset), folder, 2, 2.2)
    return {row.metric: row for row in compare(world, folder, METRICS)}


def test_a_file_without_loss_gives_the_same_number(rows: dict[str, Difference]) -> None:
    assert len(rows) == len(METRICS)
    for row in rows.values():
        assert row.value is not None, row
        assert row.lossless is not None, row
        assert row.lossless <= 1e-9 * max(1.0, abs(row.value)), row


def test_an_encoded_file_gives_another(rows: dict[str, Difference]) -> None:
    for name, row in rows.items():
        assert row.encoded is not None, row
        assert (row.encoded == 0) == (name in SAME), row


def test_the_table_has_a_line_for_each(rows: dict[str, Difference]) -> None:
    lines = table(list(rows.values())).splitlines()
    assert len(lines) == 2 + len(rows)
    assert lines[2].startswith("| `psnr.rgb` | ")


@pytest.mark.shared
def test_real_clips(shared: Path, tmp_path: Path) -> None:
    world = make_world(load_testset(shared / "data/talking-heads/testset"), tmp_path, 2, 1.0)
    for row in compare(world, tmp_path, ("psnr", "identity", "clip.image_sim", "fid")):
        assert row.lossless == 0, row
        assert row.encoded, row
