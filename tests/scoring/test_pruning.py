"""`evalkit cache`: what is listed, what is removed, and that no run loses an entry."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import evalkit
from evalkit.cli import cli
from evalkit.errors import MachineError, UsageError
from evalkit.metrics.base import FeatureData
from evalkit.metrics.features.base import feature_registry
from evalkit.progress import Progress
from evalkit.scoring.cache import FORMAT, FeatureCache, made_by
from evalkit.scoring.cache_lock import cache_in_use

DAY = 86400.0
CURRENT = feature_registry()["inception"].record.version


def entry(root: Path, number: int, *, name: str = "inception", version: int | None = CURRENT, days: float = 0) -> Path:
    """Write an entry of about 8,000 bytes that was last used some days ago."""
    key = f"{number:064x}"
    FeatureCache(root).store(name, key, FeatureData({"a": np.full(1000, number, dtype=np.float64)}), version)
    path = FeatureCache(root).path(name, key)
    os.utime(path, (time.time() - days * DAY, time.time() - days * DAY))
    return path


def left(root: Path) -> set[str]:
    return {path.name.lstrip("0").removesuffix(".npz") for path in root.rglob("*.npz")}


def test_entries_say_what_made_them_and_read_as_before(tmp_path):
    path = entry(tmp_path, 1, version=7)
    assert made_by(path) == (FORMAT, 7)
    back = FeatureCache(tmp_path).load("inception", f"{1:064x}")
    assert list(back.arrays) == ["a"]
    assert made_by(entry(tmp_path, 2, version=None)) is None


def test_the_list_groups_by_feature_and_version(tmp_path):
    entry(tmp_path, 1, days=12)
    entry(tmp_path, 2)
    entry(tmp_path, 3, version=CURRENT - 1, days=40)
    entry(tmp_path, 4, version=None)
    entry(tmp_path, 5, name="of_another_package", version=3)
    entry(tmp_path, 6, version=CURRENT + 1)
    found = {(one.feature, one.version): one for one in evalkit.list_cache(tmp_path).groups}
    states = {key: (one.state, one.entries) for key, one in found.items()}
    assert states == {
        ("inception", CURRENT): ("current", 2),
        ("inception", CURRENT - 1): ("obsolete", 1),
        ("inception", CURRENT + 1): ("current", 1),  # a newer evalkit uses the cache too
        ("inception", None): ("unknown", 1),
        ("of_another_package", 3): ("not installed", 1),
    }
    two = found["inception", CURRENT]
    assert two.bytes == sum(path.stat().st_size for path in tmp_path.rglob("*.npz") if path.name[-5] in "12")
    assert (time.time() - two.oldest) / DAY == pytest.approx(12, abs=0.01)
    assert (time.time() - two.newest) / DAY == pytest.approx(0, abs=0.01)


def test_listing_leaves_the_time_of_the_last_use(tmp_path):
    path = entry(tmp_path, 1, days=50)
    evalkit.list_cache(tmp_path)
    assert (time.time() - path.stat().st_atime) / DAY == pytest.approx(50, abs=0.01)
    FeatureCache(tmp_path).load("inception", f"{1:064x}")
    if (time.time() - path.stat().st_atime) / DAY < 1:  # the file system records reads
        assert evalkit.prune_cache(tmp_path, older_than="30d").removed == ()


def test_a_prune_by_size_keeps_what_was_used_last_and_drops_obsolete_entries_first(tmp_path):
    size = entry(tmp_path, 1, days=3).stat().st_size
    for number, days in ((2, 2), (3, 1), (4, 5)):
        entry(tmp_path, number, days=days)
    entry(tmp_path, 5, version=CURRENT - 1, days=0)
    report = evalkit.prune_cache(tmp_path, keep=3 * size)
    assert left(tmp_path) == {"1", "2", "3"}
    assert (len(report.removed), report.removed_bytes, report.kept_bytes) == (2, 2 * size, 3 * size)
    assert evalkit.prune_cache(tmp_path, keep=0).kept == ()
    assert left(tmp_path) == set()


def test_a_prune_by_age_and_by_version(tmp_path):
    for number, days in ((1, 29.9), (2, 30.1), (3, 400)):
        entry(tmp_path, number, days=days)
    entry(tmp_path, 4, version=CURRENT - 1)
    entry(tmp_path, 5, version=None)
    assert len(evalkit.prune_cache(tmp_path, older_than="30d", dry_run=True).removed) == 2
    assert left(tmp_path) == {"1", "2", "3", "4", "5"}
    evalkit.prune_cache(tmp_path, older_than="30d")
    assert left(tmp_path) == {"1", "4", "5"}
    evalkit.prune_cache(tmp_path, obsolete=True)
    assert left(tmp_path) == {"1", "5"}


def test_nothing_but_entries_is_seen(tmp_path):
    kept = [tmp_path / "notes.npz", tmp_path / "inception" / "00" / "notes.txt", tmp_path / "inception" / "x.npz"]
    entry(tmp_path, 1)
    for path in kept:
        path.write_bytes(b"mine")
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    target = entry(outside, 2)
    (tmp_path / "linked").symlink_to(outside / "inception")
    linked = tmp_path / "inception" / "00" / f"{'0' * 62}33.npz"
    linked.symlink_to(target)
    assert len(evalkit.prune_cache(tmp_path, keep=0).removed) == 1
    assert all(path.read_bytes() == b"mine" for path in kept)
    assert target.exists()
    assert linked.is_symlink()


def test_damaged_and_hostile_entries_are_listed_and_removed(tmp_path):
    path = entry(tmp_path, 1)
    whole = path.read_bytes()
    for number, content in enumerate((b"", b"PK", whole[: len(whole) // 2], whole[:-30] + b"\xff" * 30), start=2):
        entry(tmp_path, number).write_bytes(content)
    states = sorted(one.state for one in evalkit.list_cache(tmp_path).entries)
    assert states == ["current", "unknown", "unknown", "unknown", "unknown"]
    assert len(evalkit.prune_cache(tmp_path, keep=0).removed) == 5


HOLDER = """
import sys
from pathlib import Path
from evalkit.scoring.cache_lock import cache_in_use
with cache_in_use(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_nothing_is_removed_beside_a_run_of_another_process(tmp_path):
    entry(tmp_path, 1)
    with ExitStack() as stack:
        holder = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        )
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(MachineError, match="in use"):
            evalkit.prune_cache(tmp_path, keep=0)
        assert len(evalkit.prune_cache(tmp_path, keep=0, dry_run=True).removed) == 1
        assert left(tmp_path) == {"1"}
        waiting = threading.Thread(target=lambda: evalkit.prune_cache(tmp_path, keep=0, wait=True))
        waiting.start()
        waiting.join(0.3)
        assert left(tmp_path) == {"1"}
        holder.kill()  # a killed run holds nothing back
        waiting.join(30)
        assert left(tmp_path) == set()


def test_runs_don_t_keep_each_other_out(tmp_path):
    with cache_in_use(tmp_path), cache_in_use(tmp_path), pytest.raises(MachineError):
        evalkit.prune_cache(tmp_path, obsolete=True)
    assert evalkit.prune_cache(tmp_path, obsolete=True).removed == ()


class Pruner(Progress):
    """Tries to empty the cache at every step of a run."""

    def __init__(self, cache: Path) -> None:
        self.cache, self.refused = cache, 0

    def advance(self, count: int = 1) -> None:
        if not (self.cache / "facts").exists():
            return
        with pytest.raises(MachineError, match="in use"):
            evalkit.prune_cache(self.cache, keep=0)
        self.refused += 1


def test_a_run_keeps_its_entries_and_says_their_versions(world, tmp_path):
    pruner = Pruner(tmp_path / "cache")
    card = evalkit.score(
        world.zip,
        "talking-head",
        world.testset,
        metrics="psnr,ssim",
        backbones="bundled",
        cache=pruner.cache,
        workers=1,
        progress=pruner,
    )
    assert pruner.refused > 2
    assert card.complete
    found = evalkit.list_cache(pruner.cache)
    assert {one.state for one in found.groups} == {"current"}
    versions = {one.feature: one.version for one in found.groups}
    assert versions["paired_pixels"] == feature_registry()["paired_pixels"].record.version
    assert len(evalkit.prune_cache(pruner.cache, keep=0).removed) == len(found.entries)


@pytest.mark.parametrize("given", [{"keep": "much"}, {"keep": -1}, {"keep": True}, {"older_than": "30 moons"}, {}])
def test_wrong_limits_are_refused(tmp_path, given):
    with pytest.raises(UsageError):
        evalkit.prune_cache(tmp_path, **given)


def test_the_commands(tmp_path):
    entry(tmp_path, 1, days=40)
    entry(tmp_path, 2, version=CURRENT - 1)
    shown = CliRunner().invoke(cli, ["cache", "list", "--cache", str(tmp_path), "-q"])
    assert shown.exit_code == 0
    assert "40 days ago" in shown.output
    assert "1 entry of" in shown.output.splitlines()[-1]
    listed = json.loads(CliRunner().invoke(cli, ["cache", "list", "--cache", str(tmp_path), "--json", "-q"]).stdout)
    assert (listed["schema"], listed["entries"], listed["obsolete"]["entries"]) == (1, 2, 1)
    words = ["cache", "prune", "--cache", str(tmp_path), "-q", "--older-than", "30d", "--obsolete"]
    dry = CliRunner().invoke(cli, [*words, "--dry-run"])
    assert dry.output.startswith("2 entries of ")
    assert "would be removed" in dry.output
    done = json.loads(CliRunner().invoke(cli, [*words, "--json"]).stdout)
    assert (done["removed"]["entries"], done["kept"]["entries"], done["dry_run"]) == (2, 0, False)
