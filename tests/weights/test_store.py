"""Weights files on this machine: found, missing, wrong, trusted on first use, hashed once."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from builders.weight_entries import ABC, EMPTY, TEXT, backbones, manifest

from evalkit.errors import EvalkitError, WeightsError
from evalkit.weights import store
from evalkit.weights.manifest import Backbones, load_backbones
from evalkit.weights.store import (
    CheckedFile,
    file_sha256,
    file_state,
    find_weights,
    several_missing,
    weights_folder,
)
from evalkit.weights.trust import trust


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(tmp_path))
    store._known_digest.cache_clear()
    return tmp_path


# Files


def test_the_pinned_file_is_found(folder: Path) -> None:
    (folder / "net.onnx").write_bytes(b"abc")
    assert find_weights(backbones(), "face").path == folder / "net.onnx"


def test_digests_are_those_of_the_standard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"")
    assert file_sha256(path) == EMPTY
    path.write_bytes(b"abc")
    assert file_sha256(path) == ABC
    monkeypatch.setattr(store, "CHUNK", 2)  # in pieces: "ab", "c"
    assert file_sha256(path) == ABC


def test_a_missing_file_says_what_it_is_and_what_to_do(folder: Path) -> None:
    chosen = backbones(
        bytes=174_383_860, licence="research only", urls=("https://example.org/net.zip", "https://example.org/b")
    )
    with pytest.raises(WeightsError) as caught:
        find_weights(chosen, "face")
    assert caught.value.exit_code == 4
    message = str(caught.value)
    assert "The weights file 'net.onnx' (face of the backbones 'mine', 174,383,860 bytes) is missing." in message
    assert f"Expected {folder / 'net.onnx'} with SHA-256 {ABC}; licence: research only." in message
    assert "Fetch it with 'evalkit weights pull face --backbones mine'." in message
    assert "'evalkit weights import FOLDER --backbones mine' with a folder or ZIP" in message
    assert "put it there yourself, or set EVALKIT_WEIGHTS to the folder that holds it." in message
    assert "It is available at https://example.org/net.zip." in message
    assert "--metrics" in message
    assert "--allow-missing" in message


def test_a_missing_file_of_unknown_size_and_origin(folder: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        find_weights(backbones(), "face")
    assert "(face of the backbones 'mine') is missing." in str(caught.value)
    assert "can be had" not in str(caught.value)
    assert "weights pull" not in str(caught.value)
    assert "'evalkit weights import FOLDER --backbones mine'" in str(caught.value)


def test_the_commands_name_the_set_as_it_was_given(folder: Path) -> None:
    published = load_backbones("published")
    with pytest.raises(WeightsError, match=r"'evalkit weights pull arcface'.*'evalkit weights import FOLDER'"):
        find_weights(published, "arcface")
    loaded = load_backbones(manifest(folder, TEXT + "    urls: [https://x/y]\n"))
    with pytest.raises(WeightsError, match=f"pull face --backbones {folder}/mine.yaml'"):
        find_weights(loaded, "face")
    spaced = folder / "my sets"
    spaced.mkdir()
    with pytest.raises(WeightsError, match=f"pull face --backbones '{spaced}/mine.yaml''"):
        find_weights(load_backbones(manifest(spaced, TEXT + "    urls: [https://x/y]\n")), "face")


def test_non_commercial_is_said_plainly(folder: Path) -> None:
    with pytest.raises(WeightsError, match=r"licence: LIVE research licence \(non-commercial use only\)\."):
        find_weights(backbones(licence="LIVE research licence", noncommercial=True), "face")


def test_a_folder_that_does_not_exist_is_a_missing_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(tmp_path / "none"))
    with pytest.raises(WeightsError, match=r"none/net\.onnx with SHA-256"):
        find_weights(backbones(), "face")


def test_another_file_under_the_name_is_refused(folder: Path) -> None:
    (folder / "net.onnx").write_bytes(b"")
    with pytest.raises(WeightsError) as caught:
        find_weights(backbones(), "face")
    message = str(caught.value)
    assert f"The weights file {folder / 'net.onnx'} is not the pinned one." in message
    assert f"Found SHA-256 {EMPTY} (0 bytes); expected SHA-256 {ABC}." in message
    assert "Remove it" in message


def test_an_unknown_role_names_those_that_exist(folder: Path) -> None:
    with pytest.raises(WeightsError, match=r"backbones 'mine' have no 'clip'\. Found roles face\."):
        find_weights(backbones(), "clip")
    with pytest.raises(WeightsError, match="Found roles none"):
        find_weights(Backbones(name="x", title="x", roles={}), "clip")


@pytest.mark.parametrize("kind", ["folder", "loop", "file as a folder"])
def test_what_can_not_be_read_says_so(kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reasons = {
        "folder": "Is a directory",
        "loop": "Too many levels of symbolic links",
        "file as a folder": "Not a directory",
    }
    if kind == "folder":
        (folder / "net.onnx").mkdir()
    elif kind == "loop":
        (folder / "net.onnx").symlink_to("net.onnx")
    else:
        (folder / "weights").write_text("x")
        monkeypatch.setenv("EVALKIT_WEIGHTS", str(folder / "weights"))
    with pytest.raises(WeightsError, match=rf"net\.onnx can't be read\. Found {reasons[kind]}\. .* EVALKIT_WEIGHTS"):
        find_weights(backbones(), "face")


def test_a_folder_without_permission(folder: Path, request: pytest.FixtureRequest) -> None:
    (folder / "net.onnx").write_bytes(b"abc")
    folder.chmod(0)
    request.getfixturevalue("unprivileged")
    with pytest.raises(WeightsError, match=r"can't be read. Found Permission denied"):
        find_weights(backbones(), "face")


# Trust on first use


def unknown(**changes: Any) -> Backbones:
    return backbones(**{"sha256": None, "digest": "none", **changes})


def test_the_first_file_of_unknown_digest_is_trusted_and_another_one_refused(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "net.onnx").write_bytes(b"abc")
    assert find_weights(unknown(), "face") == CheckedFile(folder / "net.onnx", ABC)
    assert len(caplog.messages) == 1
    assert ABC in caplog.messages[0]
    find_weights(unknown(), "face")
    assert len(caplog.messages) == 1
    (folder / "net.onnx").write_bytes(b"abd")
    with pytest.raises(WeightsError, match=f"expected SHA-256 {ABC}, trusted when the file was first seen"):
        find_weights(unknown(), "face")
    (folder / "trusted.json").unlink()
    assert find_weights(unknown(), "face").sha256 == hashlib.sha256(b"abd").hexdigest()


def test_what_only_looks_does_not_trust(folder: Path) -> None:
    (folder / "net.onnx").write_bytes(b"abc")
    assert file_state(unknown().roles["face"]).state == "there"
    assert not (folder / "trusted.json").exists()


def test_a_prefix_must_fit(folder: Path) -> None:
    (folder / "net.onnx").write_bytes(b"abc")
    assert find_weights(unknown(digest="prefix", sha256_prefix=ABC[:8]), "face").sha256 == ABC
    (folder / "trusted.json").unlink()
    with pytest.raises(WeightsError, match=r"is not the pinned one.*expected SHA-256 00000000\.\.\."):
        find_weights(unknown(digest="prefix", sha256_prefix="00000000"), "face")
    assert not (folder / "trusted.json").exists()


def test_a_page_is_no_weights(folder: Path) -> None:
    (folder / "net.onnx").write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(WeightsError, match="a web page"):
        find_weights(unknown(), "face")


def test_a_single_source_is_pinned_and_warned_about_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "net.onnx").write_bytes(b"abc")
    for _ in range(2):
        find_weights(backbones(digest="single"), "face")
    assert len(caplog.messages) == 1
    assert "one source" in caplog.messages[0]
    (folder / "net.onnx").write_bytes(b"abd")
    with pytest.raises(WeightsError, match=r"expected SHA-256 .* \(published by one source\)"):
        find_weights(backbones(digest="single"), "face")


@pytest.mark.parametrize("text", ["{", "[]", '{"files": ', "\x00"])
def test_a_damaged_record_is_an_error_and_no_trust(folder: Path, text: str) -> None:
    (folder / "net.onnx").write_bytes(b"abc")
    (folder / "trusted.json").write_text(text)
    with pytest.raises(WeightsError, match=r"trusted\.json can't be read"):
        find_weights(unknown(), "face")


def test_a_read_only_folder_still_scores_and_warns_each_time(
    folder: Path, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> None:
    (folder / "net.onnx").write_bytes(b"abc")
    folder.chmod(0o555)
    request.getfixturevalue("unprivileged")
    folder_is_writable = os.access(folder, os.W_OK, effective_ids=True)
    assert not folder_is_writable
    for times in (1, 2):
        assert find_weights(unknown(), "face").sha256 == ABC
        assert len(caplog.messages) == times
        assert "could not be recorded" in caplog.messages[-1]


def test_the_trusted_digest_counts_in_the_digest_of_the_set() -> None:
    """Two machines that trusted different files share no leaderboard; what was not trusted changes nothing."""
    chosen = unknown()
    assert chosen.pinned({}).sha256 == chosen.sha256
    assert chosen.pinned({"face": ABC}).sha256 != chosen.sha256
    assert chosen.pinned({"face": ABC}).sha256 != chosen.pinned({"face": EMPTY}).sha256
    assert chosen.pinned({"face": ABC}).roles["face"].digest == "none"
    pinned = backbones()
    assert pinned.pinned({"face": EMPTY}).sha256 == pinned.sha256
    prefixed = unknown(digest="prefix", sha256_prefix=ABC[:8])
    assert prefixed.sha256 != chosen.sha256


def test_of_two_who_see_a_first_file_at_once_one_is_refused(folder: Path) -> None:
    """Both looked before either recorded; the record decides."""
    chosen = unknown().roles["face"]
    assert trust(folder, chosen, ABC, "here") is not None
    assert trust(folder, chosen, ABC, "there") is None
    with pytest.raises(WeightsError, match=f"Found SHA-256 {EMPTY}; expected SHA-256 {ABC}"):
        trust(folder, chosen, EMPTY, "there")
    assert json.loads((folder / "trusted.json").read_text())["files"]["net.onnx"]["source"] == "here"


TRUST = """
import sys
from pathlib import Path
from evalkit.weights.manifest import WeightEntry
from evalkit.weights.trust import trust
for index in range(20):
    entry = WeightEntry(file=f"{sys.argv[2]}-{index}", licence="MIT")
    assert trust(Path(sys.argv[1]), entry, "ab" * 32, "test")
"""


def test_several_processes_may_trust_at_once(folder: Path) -> None:
    running = [subprocess.Popen([sys.executable, "-c", TRUST, str(folder), f"p{index}"]) for index in range(3)]
    assert [process.wait(timeout=120) for process in running] == [0, 0, 0]
    recorded = json.loads((folder / "trusted.json").read_text())["files"]
    assert sorted(recorded) == sorted(f"p{p}-{i}" for p in range(3) for i in range(20))


# Between runs of one process


def _count_hashes(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    hashed: list[Path] = []

    def counted(path: Path) -> str:
        hashed.append(path)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    monkeypatch.setattr(store, "file_sha256", counted)
    return hashed


def test_an_unchanged_file_is_hashed_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = _count_hashes(monkeypatch)
    (folder / "net.onnx").write_bytes(b"abc")
    for _ in range(3):
        find_weights(backbones(), "face")
    assert hashed == [folder / "net.onnx"]


def test_a_file_that_was_swapped_is_hashed_again(folder: Path) -> None:
    path = folder / "net.onnx"
    path.write_bytes(b"abc")
    find_weights(backbones(), "face")
    path.write_bytes(b"abcd")
    with pytest.raises(WeightsError, match="is not the pinned one"):
        find_weights(backbones(), "face")
    path.write_bytes(b"abc")
    assert find_weights(backbones(), "face").path == path
    path.unlink()
    with pytest.raises(WeightsError, match="is missing"):
        find_weights(backbones(), "face")


def test_a_swapped_file_of_the_same_size_and_time_is_hashed_again(folder: Path) -> None:
    path = folder / "net.onnx"
    path.write_bytes(b"abc")
    before = path.stat()
    find_weights(backbones(), "face")
    other = folder / "other"
    other.write_bytes(b"abd")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    with pytest.raises(WeightsError, match="is not the pinned one"):
        find_weights(backbones(), "face")


def test_the_folder_of_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(tmp_path))
    assert weights_folder() == tmp_path
    monkeypatch.setenv("EVALKIT_WEIGHTS", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert weights_folder().parts[-2:] == ("evalkit", "weights")
    monkeypatch.delenv("EVALKIT_WEIGHTS")
    assert weights_folder().parts[-2:] == ("evalkit", "weights")


def test_every_error_of_the_weights_ends_a_run_with_4() -> None:
    assert issubclass(WeightsError, EvalkitError)
    assert WeightsError.exit_code == 4
    assert re.fullmatch("[0-9a-f]{64}", ABC)


def test_roles_that_the_bundled_networks_lack_are_named() -> None:
    backbones = load_backbones("published")
    said = str(several_missing(backbones, ["arcface", "speaker_encoder"]).fix)
    assert said.endswith(
        "The bundled networks have none for speaker_encoder: metrics of these stay unscored with them."
    )
    assert "have none" not in str(several_missing(backbones, ["arcface"]).fix)
