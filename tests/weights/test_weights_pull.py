"""Fetching weights from a server on this machine: what is cut, wrong, dead, too long, shared or full."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from weights_server import Behaviour, Server, manifest, noise, role, serving, sha256

from evalkit.errors import StorageError, UsageError, WeightsError
from evalkit.weights.fetch import PARTS, RemoteFile, fetch
from evalkit.weights.manifest import Backbones, load_backbones
from evalkit.weights.pull import PullResult, pull, select, with_siblings
from evalkit.weights.transfer import CHUNK, MirrorError, RetryPolicy, _Session
from evalkit.weights.watch import Quiet

BODY = noise(300_000)
FAST = RetryPolicy(connect_seconds=5, read_seconds=5, retries=1, pause=0.0, unknown_limit=1_000_000)


class Heard(Quiet):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    def warn(self, line: str) -> None:
        self.warnings.append(line)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "weights"
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return path


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    with serving(lambda path: folder / PARTS / path) as running:
        yield running


@pytest.fixture
def heard() -> Heard:
    return Heard()


def dead_url(path: str) -> str:
    """Return an address where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/{path}"


def backbones(tmp_path: Path, roles: dict[str, dict[str, Any]], **more: Any) -> Backbones:
    return load_backbones(manifest(tmp_path, roles, **more))


def pulled(chosen: Backbones, folder: Path, heard: Heard, *words: str) -> list[PullResult]:
    return pull(chosen, with_siblings(chosen, select(chosen, words).values()).values(), folder, heard, FAST)


def visible(folder: Path) -> list[str]:
    """Return the files in the folder that are no bookkeeping."""
    return sorted(path.name for path in folder.iterdir() if path.is_file() and path.suffix != ".json")


def unfinished(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / PARTS).iterdir())


# One mirror


def test_a_file_is_fetched_checked_and_named(tmp_path: Path, folder: Path, server: Server, heard: Heard) -> None:
    server.paths["a.bin"] = Behaviour(BODY)
    chosen = backbones(tmp_path, {"face": role("a.bin", BODY, server.url("a.bin"))})
    assert pulled(chosen, folder, heard) == [PullResult("a.bin", "fetched", server.url("a.bin"))]
    assert (folder / "a.bin").read_bytes() == BODY
    assert unfinished(folder) == []
    assert pulled(chosen, folder, heard) == [PullResult("a.bin", "there")]
    assert len(server.requests) == 1
    assert server.requests[0].range is None


@pytest.mark.parametrize("etag", ['"v1"', None])
def test_a_cut_in_the_middle_is_gone_on_from(
    tmp_path: Path, folder: Path, server: Server, heard: Heard, etag: str | None
) -> None:
    server.paths["a.bin"] = Behaviour(BODY, cut_after=[200_000], etag=etag)
    chosen = backbones(tmp_path, {"face": role("a.bin", BODY, server.url("a.bin"))})
    assert [result.result for result in pulled(chosen, folder, heard)] == ["fetched"]
    first, second = server.requests
    assert first.range is None
    assert second.on_disk is not None
    assert 200_000 - CHUNK < second.on_disk <= 200_000
    assert second.range == f"bytes={second.on_disk}-"
    assert second.if_range == etag
    assert (folder / "a.bin").read_bytes() == BODY


def test_the_next_run_goes_on_where_the_last_one_stopped(
    tmp_path: Path, folder: Path, server: Server, heard: Heard
) -> None:
    server.paths["a.bin"] = Behaviour(BODY, cut_after=[150_000, 0, 0, 0, 0, 0], etag='"v1"')
    chosen = backbones(tmp_path, {"face": role("a.bin", BODY, server.url("a.bin"))})
    (failed,) = pulled(chosen, folder, heard)
    assert failed.result == "failed"
    assert visible(folder) == []
    kept = (folder / PARTS / "a.bin").stat().st_size
    assert kept > 0
    server.paths["a.bin"].cut_after.clear()
    before = len(server.requests)
    assert pulled(chosen, folder, heard)[0].result == "fetched"
    assert [request.range for request in server.requests[before:]] == [f"bytes={kept}-"]
    assert (folder / "a.bin").read_bytes() == BODY


def test_a_server_that_ignores_ranges_starts_over(tmp_path: Path, folder: Path, server: Server, heard: Heard) -> None:
    server.paths["a.bin"] = Behaviour(BODY, cut_after=[200_000], ranges=False)
    chosen = backbones(tmp_path, {"face": role("a.bin", BODY, server.url("a.bin"))})
    assert pulled(chosen, folder, heard)[0].result == "fetched"
    assert [request.range is not None for request in server.requests] == [False, True]
    assert (folder / "a.bin").read_bytes() == BODY
    assert any("starts from the beginning" in line for line in heard.lines)


def test_another_version_on_the_server_is_not_spliced(
    tmp_path: Path, folder: Path, server: Server, heard: Heard
) -> None:
    """No digest is known: the bytes on disk are gone on from only when the version is the same."""
    server.paths["a.bin"] = Behaviour(noise(300_000, 1), cut_after=[150_000, 0, 0, 0, 0], etag='"old"')
    unknown = role("a.bin", BODY, server.url("a.bin"), sha256=None, digest="none", bytes=None)
    chosen = backbones(tmp_path, {"face": unknown})
    assert pulled(chosen, folder, heard)[0].result == "failed"
    server.paths["a.bin"] = Behaviour(BODY, etag='"new"')
    assert pulled(chosen, folder, heard)[0].result == "fetched"
    assert server.requests[-1].if_range == '"old"'
    assert (folder / "a.bin").read_bytes() == BODY


def test_without_a_version_or_a_digest_everything_is_fetched_again(
    tmp_path: Path, folder: Path, server: Server, heard: Heard
) -> None:
    server.paths["a.bin"] = Behaviour(BODY, cut_after=[150_000])
    unknown = role("a.bin", BODY, server.url("a.bin"), sha256=None, digest="none", bytes=None)
    assert pulled(backbones(tmp_path, {"face": unknown}), folder, heard)[0].result == "fetched"
    assert [request.range for request in server.requests] == [None, None]
    assert (folder / "a.bin").read_bytes() == BODY


def test_a_part_of_other_content_is_noticed_and_fetched_again(
    tmp_path: Path, folder: Path, server: Server, heard: Heard
) -> None:
    """The file changed on a server without versions, between two tries: the splice has the wrong digest."""
    server.paths["a.bin"] = Behaviour(noise(300_000, 1), cut_after=[150_000, 0, 0, 0, 0])
    chosen = backbones(tmp_path, {"face": role("a.bin", BODY, server.url("a.bin"))})
    assert pulled(chosen, folder, heard)[0].result == "failed"
    server.paths["a.bin"] = Behaviour(BODY)
    before = len(server.requests)
    assert pulled(chosen, folder, heard)[0].result == "fetched"
    assert [request.range is not None for request in server.requests[before:]] == [True, False]
    assert (folder / "a.bin").read_bytes() == BODY


def test_a_part_longer_than_the_servers_file(tmp_path: Path, folder: Path, server: Server, heard: Heard) -> None:
    """The server answers 416: the whole file is asked for."""
    unknown = role("a.bin", BODY, server.url("a.bin"), bytes=None)
    chosen = backbones(tmp_path, {"face": unknown})
    server.paths["a.bin"] = Behaviour(noise(400_000, 1), cut_after=[399_000, 0, 0, 0, 0])
    assert pulled(chosen, folder, heard)[0].result == "failed"
    assert (folder / PARTS / "a.bin").stat().st_size > len(BODY)
    server.paths["a.bin"] = Behaviour(BODY)
    assert pulled(chosen, folder, heard)[0].result == "fetched"
    assert (folder / "a.bin").read_bytes() == BODY


# Wrong answers


def test_a_wrong_digest_is_refused_removed_and_named(
    tmp_path: Path, folder: Path, server: Server, heard: Heard
) -> None:
    wrong = noise(300_000, 1)
    server.paths["a.bin"] = Behaviour(wrong)
    chosen = backbones(tmp_path, {"face": role("a.bin", BODY, server.url("a.bin"))})
    (result,) = pulled(chosen, folder, heard)
    assert result.result == "failed"
    assert result.error is not None
    assert sha256(wrong) in result.error
    assert sha256(BODY) in result.error
    assert visible(folder) == []
    assert unfinished(folder) == []


def test_after_a_wrong_digest_the_next_mirror_is_tried(
    tmp_path: Path, folder: Path, server: Server, heard: Heard
) -> None:
    server.paths |= {"bad": Behaviour(noise(300_000, 1)), "good": Behaviour(BODY)}
    chosen = backbones(tmp_path, {"face": role("a.bin", BODY, server.url("bad"), server.url("good"))})
    assert pulled(chosen, folder, heard) == [PullResult("a.bin", "fetched", server.url("good"))]
    assert [request.range for request in server.requests] == [None, None]
    assert any(sha256(noise(300_000, 1)) in line for line in heard.lines)


def test_a_dead_first_mirror(tmp_path: Path, folder: Path, server: Server, heard: Heard) -> None:
    server.paths["good"] = Behaviour(BODY)
    dead = dead_url("a.bin")
    chosen = backbones(tmp_path, {"face": role("a.bin", BODY, dead, server.url("good"))})
    assert pulled(chosen, folder, heard) == [PullResult("a.bin", "fetched", server.url("good"))]
    assert any(dead in line and "refused" in line for line in heard.lines)


def test_a_mirror_that_dies_in_the_middle_is_gone_on_from_at_the_next(
    tmp_path: Path, folder: Path, server: Server, heard: Heard
) -> None:
    server.part = lambda path: folder / PARTS / "a.bin"
    server.paths |= {"dying": Behaviour(BODY, cut_after=[200_000, 0, 0, 0, 0]), "good": Behaviour(BODY)}
    chosen = backbones(tmp_path, {"face": role("a.bin", BODY, server.url("dying"), server.url("good"))})
    assert pulled(chosen, folder, heard)[0].source == server.url("good")
    (request,) = server.of("good")
    assert request.on_disk
    assert request.range == f"bytes={request.on_disk}-"
    assert (folder / "a.bin").read_bytes() == BODY


def test_when_all_mirrors_fail_each_is_named_with_its_reason(folder: Path, server: Server, heard: Heard) -> None:
    server.paths["page"] = Behaviour(BODY, headers={"Content-Type": "text/html; charset=utf-8"})
    urls = [dead_url("x"), server.url("gone"), server.url("page")]
    with pytest.raises(WeightsError) as caught:
        fetch(RemoteFile("a.bin", urls, len(BODY), sha256(BODY)), folder, heard, FAST)
    message = str(caught.value)
    for url, reason in zip(urls, ("refused", "HTTP 404", "a web page"), strict=True):
        assert url in message
        assert reason in message.split(url)[1]
    assert "evalkit weights import" in message


def test_one_failure_does_not_stop_the_others(tmp_path: Path, folder: Path, server: Server, heard: Heard) -> None:
    server.paths["b.bin"] = Behaviour(BODY)
    roles = {"a": role("a.bin", b"abc", server.url("gone")), "b": role("b.bin", BODY, server.url("b.bin"))}
    results = pulled(backbones(tmp_path, roles), folder, heard)
    assert [(result.file, result.result) for result in results] == [("a.bin", "failed"), ("b.bin", "fetched")]


@pytest.mark.parametrize("stated", [True, False])
def test_no_more_is_written_than_the_manifest_says(tmp_path: Path, folder: Path, server: Server, stated: bool) -> None:
    """Whether the server states its length or just goes on sending."""
    sizes = []

    class Measures(Heard):
        def advance(self, count: int) -> None:
            sizes.append((folder / PARTS / "a.bin").stat().st_size)

    server.paths["a.bin"] = Behaviour(noise(5_000_000), length=stated)
    chosen = backbones(tmp_path, {"face": role("a.bin", BODY, server.url("a.bin"))})
    (result,) = pulled(chosen, folder, Measures())
    assert result.result == "failed"
    assert ("5,000,000 bytes" if stated else "more than 300,000 bytes") in str(result.error)
    assert sizes == [] if stated else 0 < max(sizes) <= len(BODY)
    assert visible(folder) == unfinished(folder) == []


@pytest.mark.parametrize("stated", [True, False])
def test_a_file_of_unknown_size_has_a_limit(
    tmp_path: Path, folder: Path, server: Server, heard: Heard, stated: bool
) -> None:
    body = noise(FAST.unknown_limit + 1)
    server.paths["a.bin"] = Behaviour(body, length=stated)
    unknown = role("a.bin", body, server.url("a.bin"), bytes=None)
    (result,) = pulled(backbones(tmp_path, {"face": unknown}), folder, heard)
    assert result.result == "failed"
    assert "more than 1,000,000" in str(result.error)
    assert visible(folder) == []


def test_a_short_file_is_not_taken_for_whole(tmp_path: Path, folder: Path, server: Server, heard: Heard) -> None:
    server.paths["a.bin"] = Behaviour(BODY[:-1], length=False)
    chosen = backbones(tmp_path, {"face": role("a.bin", BODY, server.url("a.bin"))})
    assert pulled(chosen, folder, heard)[0].result == "failed"
    assert visible(folder) == []


def test_a_short_file_of_unknown_digest_is_not_trusted(
    tmp_path: Path, folder: Path, server: Server, heard: Heard
) -> None:
    """No length, no digest: the manifest's size is all that tells the end from a cut."""
    server.paths["a.bin"] = Behaviour(BODY[:-1], length=False)
    unknown = role("a.bin", BODY, server.url("a.bin"), sha256=None, digest="none")
    assert pulled(backbones(tmp_path, {"face": unknown}), folder, heard)[0].result == "failed"
    assert not (folder / "trusted.json").exists()
    assert visible(folder) == []


def test_a_compressed_answer_is_refused(tmp_path: Path, folder: Path, server: Server, heard: Heard) -> None:
    server.paths["a.bin"] = Behaviour(BODY, headers={"Content-Encoding": "gzip"})
    (result,) = pulled(backbones(tmp_path, {"f": role("a.bin", BODY, server.url("a.bin"))}), folder, heard)
    assert "gzip" in str(result.error)


def test_a_busy_server_is_asked_again(tmp_path: Path, folder: Path, server: Server, heard: Heard) -> None:
    how = Behaviour(BODY, status=503)
    how.gate = lambda: setattr(how, "status", None)
    server.paths["a.bin"] = how
    chosen = backbones(tmp_path, {"face": role("a.bin", BODY, server.url("a.bin"))})
    assert pulled(chosen, folder, heard)[0].result == "fetched"
    assert len(server.requests) == 2


# Redirects


def test_redirects_are_followed_to_http_only(tmp_path: Path, folder: Path, server: Server, heard: Heard) -> None:
    server.paths |= {
        "a": Behaviour(status=302, location="/b"),
        "b": Behaviour(BODY),
        "file": Behaviour(status=302, location=f"file://{tmp_path}/secret"),
        "ftp": Behaviour(status=302, location="ftp://127.0.0.1/x"),
        "loop": Behaviour(status=302, location="/loop"),
    }
    chosen = backbones(tmp_path, {"face": role("a.bin", BODY, server.url("a"))})
    assert pulled(chosen, folder, heard)[0].result == "fetched"
    for name, reason in (("file", "neither http"), ("ftp", "neither http"), ("loop", "redirects")):
        with pytest.raises(WeightsError, match=reason):
            fetch(RemoteFile("x.bin", [server.url(name)], len(BODY), sha256(BODY)), folder, heard, FAST)


@pytest.mark.parametrize(
    ("at", "to", "allowed"),
    [
        ("https://example.org/a", "http://example.org/b", False),
        ("https://example.org/a", "//example.com/b", True),
        ("https://example.org/a", "/b", True),
        ("https://example.org/a", "https://example.com/b", True),
        ("http://example.org/a", "https://example.com/b", True),
        ("http://example.org/a", "http://example.com/b", True),
        ("https://example.org/a", "HTTP://example.com/b", False),
        ("https://example.org/a", "javascript:alert(1)", False),
    ],
)
def test_https_is_never_left(at: str, to: str, allowed: bool) -> None:
    response = requests.Response()
    response.status_code, response.url = 302, at
    response.headers["Location"] = to
    if allowed:
        assert _Session().get_redirect_target(response) == to
    else:
        with pytest.raises(MirrorError, match="it redirects"):
            _Session().get_redirect_target(response)


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
    tmp_path: Path, folder: Path, server: Server, heard: Heard, words: tuple[str, ...]
) -> None:
    chosen = in_archive(tmp_path, server, MEMBERS)
    results = pulled(chosen, folder, heard, *words)
    assert sorted((result.file, result.result) for result in results) == [
        ("arc.onnx", "fetched"),
        ("det.onnx", "fetched"),
    ]
    assert len(server.requests) == 1
    assert visible(folder) == ["arc.onnx", "det.onnx"]
    assert (folder / "det.onnx").read_bytes() == BODY
    assert unfinished(folder) == []


def test_an_archive_with_another_digest_is_not_opened(
    tmp_path: Path, folder: Path, server: Server, heard: Heard
) -> None:
    chosen = in_archive(tmp_path, server, MEMBERS, digest="0" * 64)
    results = pulled(chosen, folder, heard)
    assert {result.result for result in results} == {"failed"}
    assert visible(folder) == unfinished(folder) == []


def test_a_wrong_member_is_refused_and_the_right_one_kept(
    tmp_path: Path, folder: Path, server: Server, heard: Heard
) -> None:
    chosen = in_archive(tmp_path, server, {**MEMBERS, "models/det.onnx": noise(300_000, 9)})
    results = {result.file: result for result in pulled(chosen, folder, heard)}
    assert results["arc.onnx"].result == "fetched"
    assert results["det.onnx"].result == "failed"
    assert sha256(noise(300_000, 9)) in str(results["det.onnx"].error)
    assert visible(folder) == ["arc.onnx"]


def test_a_dead_archive_leaves_the_other_addresses(tmp_path: Path, folder: Path, server: Server, heard: Heard) -> None:
    server.paths["det"] = Behaviour(BODY)
    archives = {"pack.zip": {"sha256": "0" * 64, "bytes": 1000, "urls": [server.url("gone")]}}
    entry = role("det.onnx", BODY, server.url("det"), archive="pack.zip")
    chosen = backbones(tmp_path, {"face": entry}, archives=archives)
    assert pulled(chosen, folder, heard) == [PullResult("det.onnx", "fetched", server.url("det"))]


# Trust on first use


def test_the_first_file_is_trusted_with_a_warning_and_another_one_refused(
    tmp_path: Path, folder: Path, server: Server, heard: Heard
) -> None:
    server.paths["a.bin"] = Behaviour(BODY)
    unknown = role("a.bin", BODY, server.url("a.bin"), sha256=None, digest="none")
    chosen = backbones(tmp_path, {"face": unknown})
    assert pulled(chosen, folder, heard)[0].result == "fetched"
    assert len(heard.warnings) == 1
    assert sha256(BODY) in heard.warnings[0]
    record = json.loads((folder / "trusted.json").read_text())["files"]["a.bin"]
    assert (record["sha256"], record["source"]) == (sha256(BODY), server.url("a.bin"))
    (folder / "a.bin").unlink()
    server.paths["a.bin"] = Behaviour(noise(300_000, 1))
    (second,) = pulled(chosen, folder, heard)
    assert second.result == "failed"
    assert sha256(BODY) in str(second.error)
    assert visible(folder) == []
    server.paths["a.bin"] = Behaviour(BODY)
    assert pulled(chosen, folder, heard)[0].result == "fetched"
    assert len(heard.warnings) == 1


def test_a_prefix_must_fit(tmp_path: Path, folder: Path, server: Server, heard: Heard) -> None:
    server.paths["a.bin"] = Behaviour(BODY)
    known = role("a.bin", BODY, server.url("a.bin"), sha256=None, digest="prefix", sha256_prefix=sha256(BODY)[:8])
    assert pulled(backbones(tmp_path, {"face": known}), folder, heard)[0].result == "fetched"
    (folder / "a.bin").unlink()
    (folder / "trusted.json").unlink()
    other = {**known, "sha256_prefix": "00000000"}
    assert pulled(backbones(tmp_path, {"face": other}), folder, heard)[0].result == "failed"
    assert not (folder / "trusted.json").exists()


@pytest.mark.parametrize(
    "body", [b"<!DOCTYPE html><p>Sign in</p>", b"\n <html>", b"version https://git-lfs.github.com/spec/v1\noid x"]
)
def test_a_page_is_never_trusted(tmp_path: Path, folder: Path, server: Server, heard: Heard, body: bytes) -> None:
    server.paths["a.bin"] = Behaviour(body)
    unknown = role("a.bin", body, server.url("a.bin"), sha256=None, digest="none", bytes=None)
    (result,) = pulled(backbones(tmp_path, {"face": unknown}), folder, heard)
    assert result.result == "failed"
    assert not (folder / "trusted.json").exists()
    assert visible(folder) == []


def test_a_single_source_is_pinned_and_warned_about_once(
    tmp_path: Path, folder: Path, server: Server, heard: Heard
) -> None:
    server.paths["a.bin"] = Behaviour(BODY)
    chosen = backbones(tmp_path, {"face": role("a.bin", BODY, server.url("a.bin"), digest="single")})
    pulled(chosen, folder, heard)
    pulled(chosen, folder, heard)
    assert len(heard.warnings) == 1
    assert "one source" in heard.warnings[0]
    (folder / "a.bin").unlink()
    server.paths["a.bin"] = Behaviour(noise(300_000, 1))
    assert pulled(chosen, folder, heard)[0].result == "failed"


# The machine


def test_a_read_only_folder(
    tmp_path: Path, folder: Path, server: Server, heard: Heard, request: pytest.FixtureRequest
) -> None:
    server.paths["a.bin"] = Behaviour(BODY)
    chosen = backbones(tmp_path, {"face": role("a.bin", BODY, server.url("a.bin"))})
    folder.mkdir()
    folder.chmod(0o555)
    request.getfixturevalue("unprivileged")
    with pytest.raises(StorageError, match=r"can't be written\. Found Permission denied\. Set EVALKIT_WEIGHTS"):
        pulled(chosen, folder, heard)
    assert server.requests == []


@pytest.fixture
def small_disk(tiny_disk: Callable[[int], Path]) -> Path:
    """A file system of 256 KiB."""
    return tiny_disk(256)


def test_a_disk_that_is_too_small_is_seen_before(
    tmp_path: Path, small_disk: Path, server: Server, heard: Heard
) -> None:
    server.paths["a.bin"] = Behaviour(BODY)
    chosen = backbones(tmp_path, {"face": role("a.bin", BODY, server.url("a.bin"))})
    with pytest.raises(StorageError, match=r"no space left.*bytes free; expected 300,000 bytes more"):
        pulled(chosen, small_disk, heard)
    assert visible(small_disk) == []
    part = small_disk / PARTS / "a.bin"
    assert not part.exists() or part.stat().st_size == 0


def test_a_disk_that_fills_in_the_middle(tmp_path: Path, small_disk: Path, server: Server, heard: Heard) -> None:
    """Nobody states the size, so only writing shows it. With room again the same call goes on."""
    server.paths["a.bin"] = Behaviour(BODY, length=False, etag='"v1"')
    chosen = backbones(tmp_path, {"face": role("a.bin", BODY, server.url("a.bin"), bytes=None)})
    with pytest.raises(StorageError, match="There is no space left for the weights in"):
        pulled(chosen, small_disk, heard)
    assert visible(small_disk) == []
    kept = (small_disk / PARTS / "a.bin").stat().st_size
    assert kept > 0
    subprocess.run(["mount", "-o", "remount,size=2m", small_disk], check=True)
    assert pulled(chosen, small_disk, heard)[0].result == "fetched"
    assert server.requests[-1].range == f"bytes={kept}-"
    assert (small_disk / "a.bin").read_bytes() == BODY


def test_an_interrupt_keeps_what_came(folder: Path, server: Server, heard: Heard) -> None:
    """Ctrl-C in the middle: the bytes stay, and the next call goes on after them."""
    source = RemoteFile("a.bin", [server.url("a.bin")], len(BODY), sha256(BODY))
    server.paths["a.bin"] = Behaviour(BODY)

    class Interrupts(Heard):
        def advance(self, count: int) -> None:
            raise KeyboardInterrupt

    watch = Interrupts()
    with pytest.raises(KeyboardInterrupt):
        fetch(source, folder, watch, FAST)
    kept = (folder / PARTS / "a.bin").stat().st_size
    assert kept > 0
    assert f"{kept:,} bytes are kept" in watch.lines[-1]
    assert fetch(source, folder, heard, FAST).part.read_bytes() == BODY
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
