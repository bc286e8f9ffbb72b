"""Pulling the files of a set: archives, trust on first use, full disks, several processes, the choice of files."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders.pulls import BODY, FAST, Recorder, backbones, pulled, unfinished, visible
from weights_server import Behaviour, Server, manifest, noise, role, sha256

from evalkit.errors import StorageError, UsageError
from evalkit.weights.download import PARTS, fetch
from evalkit.weights.manifest import Backbones
from evalkit.weights.pull import PullResult, select
from evalkit.weights.transfer import CHUNK, RemoteFile

# Archives


def zipped(path: Path, members: dict[str, bytes]) -> bytes:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path.read_bytes()


def in_archive(tmp_path: Path, server: Server, members: dict[str, bytes], *, digest: str | None = None) -> Backbones:
    packed = zipped(tmp_path / "pack.zip", members)
    server.paths["pack.zip"] = Behaviour(packed)
    archives = {
        "pack.zip": {"sha256": digest or sha256(packed), "bytes": len(packed), "urls": [server.url("pack.zip")]}
    }
    roles = {
        "face": role("det.onnx", BODY, archive="pack.zip", licence="research", noncommercial=True),
        "arc": role("arc.onnx", noise(5000, 7), archive="pack.zip", licence="research", noncommercial=True),
    }
    return backbones(tmp_path, roles, archives=archives)


MEMBERS = {"models/det.onnx": BODY, "arc.onnx": noise(5000, 7), "other/big.onnx": noise(9000, 8)}


@pytest.mark.parametrize("words", [(), ("face",), ("arc.onnx",), ("pack.zip",)])
def test_an_archive_is_fetched_once_for_all_its_files(
    tmp_path: Path, folder: Path, server: Server, progress: Recorder, words: tuple[str, ...]
) -> None:
    chosen = in_archive(tmp_path, server, MEMBERS)
    results = pulled(chosen, folder, progress, *words)
    assert sorted((result.file, result.result) for result in results) == [
        ("arc.onnx", "fetched"),
        ("det.onnx", "fetched"),
    ]
    assert len(server.requests) == 1
    assert visible(folder) == ["arc.onnx", "det.onnx"]
    assert (folder / "det.onnx").read_bytes() == BODY
    assert unfinished(folder) == []


def test_an_archive_with_another_digest_is_not_opened(
    tmp_path: Path, folder: Path, server: Server, progress: Recorder
) -> None:
    chosen = in_archive(tmp_path, server, MEMBERS, digest="0" * 64)
    results = pulled(chosen, folder, progress)
    assert {result.result for result in results} == {"failed"}
    assert visible(folder) == unfinished(folder) == []


def test_a_wrong_member_is_refused_and_the_right_one_kept(
    tmp_path: Path, folder: Path, server: Server, progress: Recorder
) -> None:
    chosen = in_archive(tmp_path, server, {**MEMBERS, "models/det.onnx": noise(300_000, 9)})
    results = {result.file: result for result in pulled(chosen, folder, progress)}
    assert results["arc.onnx"].result == "fetched"
    assert results["det.onnx"].result == "failed"
    assert sha256(noise(300_000, 9)) in str(results["det.onnx"].error)
    assert visible(folder) == ["arc.onnx"]


def test_a_dead_archive_leaves_the_other_addresses(
    tmp_path: Path, folder: Path, server: Server, progress: Recorder
) -> None:
    server.paths["det"] = Behaviour(BODY)
    archives = {"pack.zip": {"sha256": "0" * 64, "bytes": 1000, "urls": [server.url("gone")]}}
    entry = role("det.onnx", BODY, server.url("det"), archive="pack.zip")
    chosen = backbones(tmp_path, {"face": entry}, archives=archives)
    assert pulled(chosen, folder, progress) == [PullResult("det.onnx", "fetched", server.url("det"))]


# Trust on first use


def test_the_first_file_is_trusted_with_a_warning_and_another_one_refused(
    tmp_path: Path, folder: Path, server: Server, progress: Recorder
) -> None:
    server.paths["a.bin"] = Behaviour(BODY)
    unknown = role("a.bin", BODY, server.url("a.bin"), sha256=None, digest="none")
    chosen = backbones(tmp_path, {"face": unknown})
    assert pulled(chosen, folder, progress)[0].result == "fetched"
    assert len(progress.warnings) == 1
    assert sha256(BODY) in progress.warnings[0]
    record = json.loads((folder / "trusted.json").read_text())["files"]["a.bin"]
    assert (record["sha256"], record["source"]) == (sha256(BODY), server.url("a.bin"))
    (folder / "a.bin").unlink()
    server.paths["a.bin"] = Behaviour(noise(300_000, 1))
    (second,) = pulled(chosen, folder, progress)
    assert second.result == "failed"
    assert sha256(BODY) in str(second.error)
    assert visible(folder) == []
    server.paths["a.bin"] = Behaviour(BODY)
    assert pulled(chosen, folder, progress)[0].result == "fetched"
    assert len(progress.warnings) == 1


def test_a_prefix_must_fit(tmp_path: Path, folder: Path, server: Server, progress: Recorder) -> None:
    server.paths["a.bin"] = Behaviour(BODY)
    known = role("a.bin", BODY, server.url("a.bin"), sha256=None, digest="prefix", sha256_prefix=sha256(BODY)[:8])
    assert pulled(backbones(tmp_path, {"face": known}), folder, progress)[0].result == "fetched"
    (folder / "a.bin").unlink()
    (folder / "trusted.json").unlink()
    other = {**known, "sha256_prefix": "00000000"}
    assert pulled(backbones(tmp_path, {"face": other}), folder, progress)[0].result == "failed"
    assert not (folder / "trusted.json").exists()


@pytest.mark.parametrize(
    "body", [b"<!DOCTYPE html><p>Sign in</p>", b"\n <html>", b"version https://git-lfs.github.com/spec/v1\noid x"]
)
def test_a_page_is_never_trusted(tmp_path: Path, folder: Path, server: Server, progress: Recorder, body: bytes) -> None:
    server.paths["a.bin"] = Behaviour(body)
    unknown = role("a.bin", body, server.url("a.bin"), sha256=None, digest="none", bytes=None)
    (result,) = pulled(backbones(tmp_path, {"face": unknown}), folder, progress)
    assert result.result == "failed"
    assert not (folder / "trusted.json").exists()
    assert visible(folder) == []


def test_a_single_source_is_pinned_and_warned_about_once(
    tmp_path: Path, folder: Path, server: Server, progress: Recorder
) -> None:
    server.paths["a.bin"] = Behaviour(BODY)
    chosen = backbones(tmp_path, {"face": role("a.bin", BODY, server.url("a.bin"), digest="single")})
    pulled(chosen, folder, progress)
    pulled(chosen, folder, progress)
    assert len(progress.warnings) == 1
    assert "one source" in progress.warnings[0]
    (folder / "a.bin").unlink()
    server.paths["a.bin"] = Behaviour(noise(300_000, 1))
    assert pulled(chosen, folder, progress)[0].result == "failed"


# The machine


def test_a_read_only_folder(
    tmp_path: Path, folder: Path, server: Server, progress: Recorder, request: pytest.FixtureRequest
) -> None:
    server.paths["a.bin"] = Behaviour(BODY)
    chosen = backbones(tmp_path, {"face": role("a.bin", BODY, server.url("a.bin"))})
    folder.mkdir()
    folder.chmod(0o555)
    request.getfixturevalue("unprivileged")
    with pytest.raises(StorageError, match=r"can't be written\. Found Permission denied\. Set EVALKIT_WEIGHTS"):
        pulled(chosen, folder, progress)
    assert server.requests == []


@pytest.fixture
def small_disk(tiny_disk: Callable[[int], Path]) -> Path:
    """A file system of 256 KiB."""
    return tiny_disk(256)


def test_a_disk_that_is_too_small_is_seen_before(
    tmp_path: Path, small_disk: Path, server: Server, progress: Recorder
) -> None:
    server.paths["a.bin"] = Behaviour(BODY)
    chosen = backbones(tmp_path, {"face": role("a.bin", BODY, server.url("a.bin"))})
    with pytest.raises(StorageError, match=r"no space left.*bytes free; expected 300,000 bytes more"):
        pulled(chosen, small_disk, progress)
    assert visible(small_disk) == []
    part = small_disk / PARTS / "a.bin"
    assert not part.exists() or part.stat().st_size == 0


def test_a_disk_that_fills_in_the_middle(tmp_path: Path, small_disk: Path, server: Server, progress: Recorder) -> None:
    """Nobody states the size, so only writing shows it. With room again the same call goes on."""
    server.paths["a.bin"] = Behaviour(BODY, length=False, etag='"v1"')
    chosen = backbones(tmp_path, {"face": role("a.bin", BODY, server.url("a.bin"), bytes=None)})
    with pytest.raises(StorageError, match="There is no space left for the weights in"):
        pulled(chosen, small_disk, progress)
    assert visible(small_disk) == []
    kept = (small_disk / PARTS / "a.bin").stat().st_size
    assert kept > 0
    subprocess.run(["mount", "-o", "remount,size=2m", small_disk], check=True)
    assert pulled(chosen, small_disk, progress)[0].result == "fetched"
    assert server.requests[-1].range == f"bytes={kept}-"
    assert (small_disk / "a.bin").read_bytes() == BODY


def test_an_interrupt_keeps_what_came(folder: Path, server: Server, progress: Recorder) -> None:
    """Ctrl-C in the middle: the bytes stay, and the next call goes on after them."""
    source = RemoteFile("a.bin", [server.url("a.bin")], len(BODY), sha256(BODY))
    server.paths["a.bin"] = Behaviour(BODY)

    class Interrupts(Recorder):
        def advance(self, count: int = 1) -> None:
            raise KeyboardInterrupt

    interrupting = Interrupts()
    with pytest.raises(KeyboardInterrupt):
        fetch(source, folder, interrupting, FAST)
    kept = (folder / PARTS / "a.bin").stat().st_size
    assert kept > 0
    assert f"{kept:,} bytes are kept" in interrupting.lines[-1]
    assert fetch(source, folder, progress, FAST).part.read_bytes() == BODY
    assert server.requests[-1].range == f"bytes={kept}-"


# Several processes

RUN = "import sys; from evalkit.cli import main; main(sys.argv[1:])"


def start_pull(path: Path) -> subprocess.Popen[str]:
    words = ["weights", "pull", "--accept-licence", "--backbones", str(path)]
    return subprocess.Popen(
        [sys.executable, "-c", RUN, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for(condition: Any, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def test_of_two_processes_one_fetches_and_the_other_waits(tmp_path: Path, folder: Path, server: Server) -> None:
    second_waits = threading.Event()
    server.paths["a.bin"] = Behaviour(BODY, gate=lambda: second_waits.wait(60) and None)
    path = manifest(tmp_path, {"face": role("a.bin", BODY, server.url("a.bin"))})
    first = start_pull(path)
    wait_for(lambda: len(server.requests) == 1)
    second = start_pull(path)
    assert second.stderr is not None
    said = ""
    for line in second.stderr:
        said += line
        if "another process is fetching it; waiting" in line:
            break
    second_waits.set()
    first_out, _ = first.communicate(timeout=60)
    second_out, _ = second.communicate(timeout=60)
    assert (first.returncode, second.returncode) == (0, 0), said
    assert "fetched  a.bin" in first_out
    assert "there    a.bin" in second_out
    assert len(server.requests) == 1
    assert (folder / "a.bin").read_bytes() == BODY


def test_after_kill_9_the_next_run_goes_on(tmp_path: Path, folder: Path, server: Server) -> None:
    release = threading.Event()
    server.paths["a.bin"] = Behaviour(BODY, gate=lambda: release.wait(60) and None)
    path = manifest(tmp_path, {"face": role("a.bin", BODY, server.url("a.bin"))})
    part = folder / PARTS / "a.bin"
    first = start_pull(path)
    wait_for(lambda: part.exists() and part.stat().st_size >= CHUNK)
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=60)
    release.set()
    assert visible(folder) == []
    kept = part.stat().st_size
    second = start_pull(path)
    out, err = second.communicate(timeout=60)
    assert second.returncode == 0, err
    assert "fetched  a.bin" in out
    assert "waiting" not in err
    assert server.requests[-1].range == f"bytes={kept}-"
    assert (folder / "a.bin").read_bytes() == BODY


# Choosing


def test_roles_files_and_archives_can_be_named(tmp_path: Path, server: Server) -> None:
    chosen = in_archive(tmp_path, server, MEMBERS)
    assert set(select(chosen, [])) == set(select(chosen, ["pack.zip"])) == {"det.onnx", "arc.onnx"}
    assert set(select(chosen, ["face"])) == set(select(chosen, ["det.onnx"])) == {"det.onnx"}
    with pytest.raises(UsageError, match=r"have no 'fase'\. Did you mean 'face'\?"):
        select(chosen, ["fase"])
