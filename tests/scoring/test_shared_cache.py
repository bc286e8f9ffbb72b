"""A feature cache at an address: what one machine computed another one finds, and nothing there can do harm."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from builders.runs import decodes, run, without_timing
from fsspec.implementations.memory import MemoryFileSystem

from evalkit.cli import main
from evalkit.errors import MachineError, UsageError
from evalkit.metrics.base import FeatureData
from evalkit.progress import Progress
from evalkit.scoring import shared_cache
from evalkit.scoring.cache import CorruptEntryError, FeatureCache
from evalkit.scoring.shared_cache import SharedFeatureCache, SharedStore, is_url, local_folder, open_cache, open_place

KEY = "ab" * 32
DATA = FeatureData({"values": np.arange(6.0).reshape(2, 3)})


class Warnings(Progress):
    """Remembers what the user must know."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def warn(self, line: str) -> None:
        self.said.append(line)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that moves to another machine: its own cache folder."""

    def move(name: str) -> Path:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
        return tmp_path / name

    move("first")
    return move


@pytest.fixture
def memory() -> Iterator[str]:
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]
    yield "memory://bucket/cache"
    MemoryFileSystem.store.clear()


def cache_at(url: str, warn: Callable[[str], None] = print) -> SharedFeatureCache:
    found = open_cache(open_place(url, warn))
    assert isinstance(found, SharedFeatureCache)
    return found


def test_another_machine_decodes_nothing(world, straight, machine, tmp_path: Path) -> None:
    url = f"file://{tmp_path}/shared"
    one = tmp_path / "one"
    run(world, one, cache=url)
    assert set(decodes(one).values()) == {1}
    machine("second")
    two = tmp_path / "two"
    run(world, two, cache=url)
    assert set(decodes(two).values()) == {0}
    assert without_timing(one) == without_timing(two) == without_timing(straight[0])
    assert not list((tmp_path / "shared").rglob(".*")), "no temporary file is left at the address"


def test_damaged_entries_are_computed_again_and_replaced(world, straight, machine, tmp_path: Path) -> None:
    url = f"file://{tmp_path}/shared"
    run(world, tmp_path / "one", cache=url)
    entries = sorted(path for path in (tmp_path / "shared").rglob("*.npz") if path.parts[-3] != "timings")
    good = {path: path.read_bytes() for path in entries}
    for number, path in enumerate(entries):
        content = good[path]
        path.write_bytes([b"", b"no ZIP", content[: len(content) // 2], content[::-1]][number % 4])
    machine("second")
    run(world, tmp_path / "two", cache=url)
    assert without_timing(tmp_path / "two") == without_timing(straight[0])
    assert set(decodes(tmp_path / "two").values()) == {1}
    machine("third")
    run(world, tmp_path / "three", cache=url)
    assert set(decodes(tmp_path / "three").values()) == {0}, "what was damaged has been replaced"


def test_an_entry_with_other_arrays_is_computed_again(world, straight, machine, tmp_path: Path) -> None:
    url = f"file://{tmp_path}/shared"
    run(world, tmp_path / "one", cache=url)
    folder = tmp_path / "shared" / "paired_pixels"
    forged = next(folder.rglob("*.npz"))
    FeatureCache(tmp_path / "shared").store("paired_pixels", forged.stem, DATA)
    machine("second")
    run(world, tmp_path / "two", cache=url)
    assert without_timing(tmp_path / "two") == without_timing(straight[0])
    assert sorted(decodes(tmp_path / "two").values()) == [0, 0, 0, 1]


def test_a_store_in_memory(machine, memory: str) -> None:
    warnings = Warnings()
    cache_at(memory, warnings.warn).store("thing", KEY, DATA)
    shared_cache.flush(local_folder(memory))
    assert list(MemoryFileSystem.store) == [f"/bucket/cache/thing/ab/{KEY}.npz"]
    machine("second")
    second = cache_at(memory, warnings.warn)
    found = second.load("thing", KEY)
    assert found is not None and found.arrays is not None
    np.testing.assert_array_equal(found.arrays["values"], DATA.arrays["values"])
    assert second.path("thing", KEY).is_file(), "the copy is local from now on"
    MemoryFileSystem.store.clear()
    assert second.load("thing", KEY) is not None
    assert second.load("thing", "cd" * 32) is None
    assert warnings.said == []


def packed(**members: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return content.getvalue()


@pytest.mark.parametrize("content", [packed(bomb=bytes(1 << 24)), b"x" * 100, packed()[:10]])
def test_what_is_no_entry_is_never_unpacked(machine, memory: str, content: bytes) -> None:
    fsspec.filesystem("memory").pipe_file(f"/bucket/cache/thing/ab/{KEY}.npz", content)
    cache = cache_at(memory)
    with pytest.raises(CorruptEntryError, match="no entry"):
        cache.load("thing", KEY)
    assert not cache.path("thing", KEY).exists()


def test_an_entry_too_large_counts_as_absent(machine, memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cache_at(memory).store("thing", KEY, DATA)
    shared_cache.flush(local_folder(memory))
    machine("second")
    monkeypatch.setattr(shared_cache, "MOST_BYTES", 100)
    assert cache_at(memory).load("thing", KEY) is None


class Faulty(MemoryFileSystem):
    """A network that fails; ``left`` is how many requests fail before it works, ``asked`` how many there were."""

    protocol = "faulty"
    cachable = False
    left = 0
    asked = 0
    hang = threading.Event()
    hangs = False

    def _request(self) -> None:
        type(self).asked += 1
        if self.hangs:
            self.hang.wait(20)
        if self.left > 0:
            type(self).left -= 1
            raise ConnectionError("https://user:secret@host/bucket: no route")

    def info(self, path: str, **more: Any) -> Any:
        self._request()
        return super().info(path, **more)

    def pipe_file(self, path: str, value: bytes, *more: Any, **others: Any) -> Any:
        self._request()
        return super().pipe_file(path, value, *more, **others)


@pytest.fixture
def faulty(memory: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Faulty]]:
    fsspec.register_implementation("faulty", Faulty, clobber=True)
    monkeypatch.setattr(shared_cache, "_PAUSE_SECONDS", 0.001)
    Faulty.left = Faulty.asked = 0
    Faulty.hangs = False
    Faulty.hang.clear()
    yield Faulty
    Faulty.hang.set()


def test_a_request_is_tried_three_times(machine, faulty: type[Faulty]) -> None:
    warnings = Warnings()
    cache = cache_at("faulty://bucket/cache", warnings.warn)
    faulty.left = 2
    assert cache.load("thing", KEY) is None
    assert (faulty.asked, warnings.said) == (3, [])
    faulty.left = 10**6
    assert cache.load("thing", "cd" * 32) is None
    assert faulty.asked == 6
    assert len(warnings.said) == 1
    assert "secret" not in warnings.said[0] and "goes on with the local cache" in warnings.said[0]
    cache.store("thing", KEY, DATA)
    shared_cache.flush(cache.root)
    assert cache.load("thing", KEY) is not None
    assert cache.load("thing", "ef" * 32) is None
    assert faulty.asked == 6, "a store that was given up is left alone"
    assert len(warnings.said) == 1


def test_a_run_without_its_network_has_the_same_results(world, straight, machine, faulty, tmp_path: Path) -> None:
    faulty.left = 10**6
    warnings = Warnings()
    run(world, tmp_path / "one", cache="faulty://bucket/cache", progress=warnings)
    assert without_timing(tmp_path / "one") == without_timing(straight[0])
    assert len(warnings.said) == 1
    faulty.left = 0
    run(world, tmp_path / "two", cache="faulty://bucket/cache", progress=warnings)
    assert set(decodes(tmp_path / "two").values()) == {0}, "the local folder has it all the same"


def test_a_network_that_hangs_does_not_hold_the_run(machine, faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_cache, "TRY_SECONDS", 0.02)
    warnings = Warnings()
    cache = cache_at("faulty://bucket/cache", warnings.warn)
    faulty.hangs = True
    cache.store("thing", KEY, DATA)
    shared_cache.flush(cache.root)
    assert "no answer in 0.02 s" in warnings.said[0]


def test_many_uploads_at_once_all_arrive(machine, memory: str) -> None:
    cache = cache_at(memory)
    keys = [f"{number:064x}" for number in range(60)]
    for key in keys:
        cache.store("thing", key, DATA)
    shared_cache.flush(cache.root)
    # An upload of an earlier test, which hung, may have ended by now: its file is there too.
    assert {place.rpartition("/")[2] for place in MemoryFileSystem.store} >= {f"{key}.npz" for key in keys}


@pytest.mark.parametrize(
    ("place", "expected"),
    [("s3://bucket/a", True), ("file:///nfs/a", True), ("/nfs/a", False), ("cache", False), (Path("s3:/x"), False)],
)
def test_what_is_an_address(place: str | Path, expected: bool) -> None:
    assert is_url(place) is expected


def test_addresses_have_folders_of_their_own(machine) -> None:
    folders = {local_folder(url) for url in ("s3://a/b", "s3://a/c", "gs://a/b")}
    assert len(folders) == 3
    assert local_folder("s3://a/b/") in folders


def test_an_address_of_no_known_kind(capsys: pytest.CaptureFixture[str], world, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no known kind.*nonsense"):
        SharedStore("nonsense://user:secret@host/x", print)
    with pytest.raises(SystemExit) as ended:
        main(["validate", str(world.zip), "-c", "talking-head", "--cache", "nonsense://user:secret@host/x"])
    assert ended.value.code == 2
    assert "secret" not in capsys.readouterr().err


def test_without_fsspec_a_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(MachineError, match=r"needs the package fsspec.*pip install 'evalkit-video\[cluster\]'"):
        SharedStore("s3://bucket/x", print)


def test_fsspec_is_loaded_for_addresses_alone() -> None:
    code = "import sys, evalkit.api; from evalkit.scoring.shared_cache import open_place; open_place('x')\n"
    code += "assert 'fsspec' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_environment_may_name_an_address(machine, memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALKIT_CACHE", memory)
    assert isinstance(open_cache(open_place(None)), SharedFeatureCache)
    monkeypatch.setenv("EVALKIT_CACHE", "/somewhere")
    assert open_place(None) == Path("/somewhere")
