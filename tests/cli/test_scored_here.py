"""A submission that ``score --sign`` and ``board add`` score: what the board knows of where its numbers come from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from builders.board_shell import Shell
from builders.ssh_keys import write_key
from shapes import unchanged, write_submission, write_testset

from evalkit.signing import check_signature, load_public_key, read_signature


@pytest.fixture
def shell(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Return a shell with a test set and a submission in its folder."""
    monkeypatch.setenv("EVALKIT_CACHE", str(shell.folder / "cache"))
    write_testset(shell.folder / "testset", 2, 0.4, size=64)
    write_submission(shell.folder / "lumen.zip", 2, 0.4, unchanged, size=64)
    return shell


def origin(shell: Shell) -> str:
    state: Any = shell.state()
    return str(state["teams"][0]["runs"][0]["origin"])


def test_signed_by_score_and_scored_by_the_board(shell: Shell, tmp_path: Path) -> None:
    folder, out = shell.folder, shell.folder / "out"
    key = write_key(folder)
    public = load_public_key(folder / "key.pub")
    at = ("--testset", folder / "testset", "-w", "1", "-q")
    run = ("score", folder / "lumen.zip", "-c", folder / "c.yaml", "-o", out, *at)
    shell(*run, "--sign", folder / "key.pub", code=1)
    assert "a public key" in shell.err and not out.exists()
    assert f"Signed by {public.fingerprint}" in shell(*run, "--sign", key)
    card = out / "scorecard.json"
    text = read_signature(card)
    assert text is not None and check_signature(card.read_bytes(), text, "it").key.raw == public.raw
    shell("board", "trust", folder / "key.pub", "--why", "the scoring server")
    shell("board", "add", "lumen", out, "--new-team")
    assert origin(shell) == "signed"
    json.loads(shell(*run, "--sign", key, "--json"))
    assert "Signed by" in shell.err
    shell(*run)
    assert read_signature(card) is None  # it was of a scorecard that is gone

    shell("board", "add", "lumen", folder / "lumen.zip", *at)
    assert origin(shell) == "scored-here"
    assert shell.state()["trusted_keys"] == [{"key": public.fingerprint, "comment": public.comment}]
