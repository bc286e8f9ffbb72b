"""Fetching one file from its mirrors: what is cut, wrong, dead, too long or redirected."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests
from builders.pulls import BODY, FAST, Recorder, backbones, dead_url, pulled, unfinished, visible
from urllib3 import HTTPResponse
from weights_server import Behaviour, Server, noise, role, sha256

from evalkit.errors import WeightsError
from evalkit.weights.download import PARTS, fetch
from evalkit.weights.pull import PullResult
from evalkit.weights.transfer import CHUNK, MirrorError, RemoteFile, RetryPolicy, Session, open_session

# One mirror


@pytest.mark.parametrize(("asked", "seconds"), [("3", 3), ("60", 60), ("86400", 60), (None, None)])
def test_a_server_can_ask_for_a_minute_and_no_more(asked, seconds):
    """With every version of urllib3 that evalkit takes."""
    retry = open_session(RetryPolicy()).get_adapter("https://x").max_retries
    answer = HTTPResponse(status=503, headers={} if asked is None else {"Retry-After": asked})
    assert retry.get_retry_after(answer) == seconds
    assert retry.increment("GET", "/", answer).get_retry_after(answer) == seconds  # the copy for the next try


def test_a_file_is_fetched_checked_and_named(tmp_path: Path, folder: Path, server: Server, progress: Recorder) -> None:
    server.paths["a.bin"] = Behaviour(BODY)
    chosen = backbones(tmp_path, {"face": role("a.bin", BODY, server.url("a.bin"))})
    assert pulled(chosen, folder, progress) == [PullResult("a.bin", "fetched", server.url("a.bin"))]
    assert (folder / "a.bin").read_bytes() == BODY
    assert unfinished(folder) == []
    assert pulled(chosen, folder, progress) == [PullResult("a.bin", "there")]
    assert len(server.requests) == 1
    assert server.requests[0].range is None


@pytest.mark.parametrize("etag", ['"v1"', None])
def test_a_cut_in_the_middle_is_gone_on_from(
    tmp_path: Path, folder: Path, server: Server, progress: Recorder, etag: str | None
) -> None:
    server.paths["a.bin"] = Behaviour(BODY, cut_after=[200_000], etag=etag)
    chosen = backbones(tmp_path, {"face": role("a.bin", BODY, server.url("a.bin"))})
    assert [result.result for result in pulled(chosen, folder, progress)] == ["fetched"]
    first, second = server.requests
    assert first.range is None
    assert second.on_disk is not None
    assert 200_000 - CHUNK < second.on_disk <= 200_000
    assert second.range == f"bytes={second.on_disk}-"
    assert second.if_range == etag
    assert (folder / "a.bin").read_bytes() == BODY


def test_the_next_run_goes_on_where_the_last_one_stopped(
    tmp_path: Path, folder: Path, server: Server, progress: Recorder
) -> None:
    server.paths["a.bin"] = Behaviour(BODY, cut_after=[150_000, 0, 0, 0, 0, 0], etag='"v1"')
    chosen = backbones(tmp_path, {"face": role("a.bin", BODY, server.url("a.bin"))})
    (failed,) = pulled(chosen, folder, progress)
    assert failed.result == "failed"
    assert visible(folder) == []
    kept = (folder / PARTS / "a.bin").stat().st_size
    assert kept > 0
    server.paths["a.bin"].cut_after.clear()
    before = len(server.requests)
    assert pulled(chosen, folder, progress)[0].result == "fetched"
    assert [request.range for request in server.requests[before:]] == [f"bytes={kept}-"]
    assert (folder / "a.bin").read_bytes() == BODY


def test_a_server_that_ignores_ranges_starts_over(
    tmp_path: Path, folder: Path, server: Server, progress: Recorder
) -> None:
    server.paths["a.bin"] = Behaviour(BODY, cut_after=[200_000], ranges=False)
    chosen = backbones(tmp_path, {"face": role("a.bin", BODY, server.url("a.bin"))})
    assert pulled(chosen, folder, progress)[0].result == "fetched"
    assert [request.range is not None for request in server.requests] == [False, True]
    assert (folder / "a.bin").read_bytes() == BODY
    assert any("starts from the beginning" in line for line in progress.lines)


def test_another_version_on_the_server_is_not_spliced(
    tmp_path: Path, folder: Path, server: Server, progress: Recorder
) -> None:
    """No digest is known: the bytes on disk are gone on from only when the version is the same."""
    server.paths["a.bin"] = Behaviour(noise(300_000, 1), cut_after=[150_000, 0, 0, 0, 0], etag='"old"')
    unknown = role("a.bin", BODY, server.url("a.bin"), sha256=None, digest="none", bytes=None)
    chosen = backbones(tmp_path, {"face": unknown})
    assert pulled(chosen, folder, progress)[0].result == "failed"
    server.paths["a.bin"] = Behaviour(BODY, etag='"new"')
    assert pulled(chosen, folder, progress)[0].result == "fetched"
    assert server.requests[-1].if_range == '"old"'
    assert (folder / "a.bin").read_bytes() == BODY


def test_without_a_version_or_a_digest_everything_is_fetched_again(
    tmp_path: Path, folder: Path, server: Server, progress: Recorder
) -> None:
    server.paths["a.bin"] = Behaviour(BODY, cut_after=[150_000])
    unknown = role("a.bin", BODY, server.url("a.bin"), sha256=None, digest="none", bytes=None)
    assert pulled(backbones(tmp_path, {"face": unknown}), folder, progress)[0].result == "fetched"
    assert [request.range for request in server.requests] == [None, None]
    assert (folder / "a.bin").read_bytes() == BODY


def test_a_part_of_other_content_is_noticed_and_fetched_again(
    tmp_path: Path, folder: Path, server: Server, progress: Recorder
) -> None:
    """The file changed on a server without versions, between two tries: the splice has the wrong digest."""
    server.paths["a.bin"] = Behaviour(noise(300_000, 1), cut_after=[150_000, 0, 0, 0, 0])
    chosen = backbones(tmp_path, {"face": role("a.bin", BODY, server.url("a.bin"))})
    assert pulled(chosen, folder, progress)[0].result == "failed"
    server.paths["a.bin"] = Behaviour(BODY)
    before = len(server.requests)
    assert pulled(chosen, folder, progress)[0].result == "fetched"
    assert [request.range is not None for request in server.requests[before:]] == [True, False]
    assert (folder / "a.bin").read_bytes() == BODY


def test_a_part_longer_than_the_servers_file(tmp_path: Path, folder: Path, server: Server, progress: Recorder) -> None:
    """The server answers 416: the whole file is asked for."""
    unknown = role("a.bin", BODY, server.url("a.bin"), bytes=None)
    chosen = backbones(tmp_path, {"face": unknown})
    server.paths["a.bin"] = Behaviour(noise(400_000, 1), cut_after=[399_000, 0, 0, 0, 0])
    assert pulled(chosen, folder, progress)[0].result == "failed"
    assert (folder / PARTS / "a.bin").stat().st_size > len(BODY)
    server.paths["a.bin"] = Behaviour(BODY)
    assert pulled(chosen, folder, progress)[0].result == "fetched"
    assert (folder / "a.bin").read_bytes() == BODY


# Wrong answers


def test_a_wrong_digest_is_refused_removed_and_named(
    tmp_path: Path, folder: Path, server: Server, progress: Recorder
) -> None:
    wrong = noise(300_000, 1)
    server.paths["a.bin"] = Behaviour(wrong)
    chosen = backbones(tmp_path, {"face": role("a.bin", BODY, server.url("a.bin"))})
    (result,) = pulled(chosen, folder, progress)
    assert result.result == "failed"
    assert result.error is not None
    assert sha256(wrong) in result.error
    assert sha256(BODY) in result.error
    assert visible(folder) == []
    assert unfinished(folder) == []


def test_after_a_wrong_digest_the_next_mirror_is_tried(
    tmp_path: Path, folder: Path, server: Server, progress: Recorder
) -> None:
    server.paths |= {"bad": Behaviour(noise(300_000, 1)), "good": Behaviour(BODY)}
    chosen = backbones(tmp_path, {"face": role("a.bin", BODY, server.url("bad"), server.url("good"))})
    assert pulled(chosen, folder, progress) == [PullResult("a.bin", "fetched", server.url("good"))]
    assert [request.range for request in server.requests] == [None, None]
    assert any(sha256(noise(300_000, 1)) in line for line in progress.lines)


def test_a_dead_first_mirror(tmp_path: Path, folder: Path, server: Server, progress: Recorder) -> None:
    server.paths["good"] = Behaviour(BODY)
    dead = dead_url("a.bin")
    chosen = backbones(tmp_path, {"face": role("a.bin", BODY, dead, server.url("good"))})
    assert pulled(chosen, folder, progress) == [PullResult("a.bin", "fetched", server.url("good"))]
    assert any(dead in line and "refused" in line for line in progress.lines)


def test_a_mirror_that_dies_in_the_middle_is_gone_on_from_at_the_next(
    tmp_path: Path, folder: Path, server: Server, progress: Recorder
) -> None:
    server.part = lambda path: folder / PARTS / "a.bin"
    server.paths |= {"dying": Behaviour(BODY, cut_after=[200_000, 0, 0, 0, 0]), "good": Behaviour(BODY)}
    chosen = backbones(tmp_path, {"face": role("a.bin", BODY, server.url("dying"), server.url("good"))})
    assert pulled(chosen, folder, progress)[0].source == server.url("good")
    (request,) = server.of("good")
    assert request.on_disk
    assert request.range == f"bytes={request.on_disk}-"
    assert (folder / "a.bin").read_bytes() == BODY


def test_when_all_mirrors_fail_each_is_named_with_its_reason(folder: Path, server: Server, progress: Recorder) -> None:
    server.paths["page"] = Behaviour(BODY, headers={"Content-Type": "text/html; charset=utf-8"})
    urls = [dead_url("x"), server.url("gone"), server.url("page")]
    with pytest.raises(WeightsError) as caught:
        fetch(RemoteFile("a.bin", urls, len(BODY), sha256(BODY)), folder, progress, FAST)
    message = str(caught.value)
    for url, reason in zip(urls, ("refused", "HTTP 404", "a web page"), strict=True):
        assert url in message
        assert reason in message.split(url)[1]
    assert "evalkit weights import" in message


def test_one_failure_does_not_stop_the_others(tmp_path: Path, folder: Path, server: Server, progress: Recorder) -> None:
    server.paths["b.bin"] = Behaviour(BODY)
    roles = {"a": role("a.bin", b"abc", server.url("gone")), "b": role("b.bin", BODY, server.url("b.bin"))}
    results = pulled(backbones(tmp_path, roles), folder, progress)
    assert [(result.file, result.result) for result in results] == [("a.bin", "failed"), ("b.bin", "fetched")]


@pytest.mark.parametrize("stated", [True, False])
def test_no_more_is_written_than_the_manifest_says(tmp_path: Path, folder: Path, server: Server, stated: bool) -> None:
    """Whether the server states its length or just goes on sending."""
    sizes = []

    class Measures(Recorder):
        def advance(self, count: int = 1) -> None:
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
    tmp_path: Path, folder: Path, server: Server, progress: Recorder, stated: bool
) -> None:
    body = noise(FAST.unknown_limit + 1)
    server.paths["a.bin"] = Behaviour(body, length=stated)
    unknown = role("a.bin", body, server.url("a.bin"), bytes=None)
    (result,) = pulled(backbones(tmp_path, {"face": unknown}), folder, progress)
    assert result.result == "failed"
    assert "more than 1,000,000" in str(result.error)
    assert visible(folder) == []


def test_a_short_file_is_not_taken_for_whole(tmp_path: Path, folder: Path, server: Server, progress: Recorder) -> None:
    server.paths["a.bin"] = Behaviour(BODY[:-1], length=False)
    chosen = backbones(tmp_path, {"face": role("a.bin", BODY, server.url("a.bin"))})
    assert pulled(chosen, folder, progress)[0].result == "failed"
    assert visible(folder) == []


def test_a_short_file_of_unknown_digest_is_not_trusted(
    tmp_path: Path, folder: Path, server: Server, progress: Recorder
) -> None:
    """No length, no digest: the manifest's size is all that tells the end from a cut."""
    server.paths["a.bin"] = Behaviour(BODY[:-1], length=False)
    unknown = role("a.bin", BODY, server.url("a.bin"), sha256=None, digest="none")
    assert pulled(backbones(tmp_path, {"face": unknown}), folder, progress)[0].result == "failed"
    assert not (folder / "trusted.json").exists()
    assert visible(folder) == []


def test_a_compressed_answer_is_refused(tmp_path: Path, folder: Path, server: Server, progress: Recorder) -> None:
    server.paths["a.bin"] = Behaviour(BODY, headers={"Content-Encoding": "gzip"})
    (result,) = pulled(backbones(tmp_path, {"f": role("a.bin", BODY, server.url("a.bin"))}), folder, progress)
    assert "gzip" in str(result.error)


def test_a_busy_server_is_asked_again(tmp_path: Path, folder: Path, server: Server, progress: Recorder) -> None:
    how = Behaviour(BODY, status=503)
    how.gate = lambda: setattr(how, "status", None)
    server.paths["a.bin"] = how
    chosen = backbones(tmp_path, {"face": role("a.bin", BODY, server.url("a.bin"))})
    assert pulled(chosen, folder, progress)[0].result == "fetched"
    assert len(server.requests) == 2


# Redirects


def test_redirects_are_followed_to_http_only(tmp_path: Path, folder: Path, server: Server, progress: Recorder) -> None:
    server.paths |= {
        "a": Behaviour(status=302, location="/b"),
        "b": Behaviour(BODY),
        "file": Behaviour(status=302, location=f"file://{tmp_path}/secret"),
        "ftp": Behaviour(status=302, location="ftp://127.0.0.1/x"),
        "loop": Behaviour(status=302, location="/loop"),
    }
    chosen = backbones(tmp_path, {"face": role("a.bin", BODY, server.url("a"))})
    assert pulled(chosen, folder, progress)[0].result == "fetched"
    for name, reason in (("file", "neither http"), ("ftp", "neither http"), ("loop", "redirects")):
        with pytest.raises(WeightsError, match=reason):
            fetch(RemoteFile("x.bin", [server.url(name)], len(BODY), sha256(BODY)), folder, progress, FAST)


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
        assert Session().get_redirect_target(response) == to
    else:
        with pytest.raises(MirrorError, match="it redirects"):
            Session().get_redirect_target(response)
