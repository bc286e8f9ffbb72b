"""``evalkit board add``: what it asks a reason for, and what a signature changes."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

from builders.board_shell import Shell, add_teams
from builders.ssh_keys import write_key

from evalkit.cli.score import sign_scorecard
from evalkit.signing import load_public_key, load_signing_key


def test_another_teams_scorecard_and_one_that_replaces_need_a_reason(shell: Shell) -> None:
    add_teams(shell)
    alpha = shell.folder / "alpha.json"
    before = shell.state()
    shell("board", "add", "beta", alpha, "--run", "2", code=1)
    assert "alpha/1: the same submission" in shell.err
    shell("board", "add", "beta", alpha, code=1)
    shell("board", "add", "beta", alpha, "--run", "2", "--allow-shared", code=2)
    assert "--why" in shell.err
    other = shell.write(
        "other.json", alpha.read_text().replace(json.loads(alpha.read_text())["submission"]["sha256"], "12" * 32)
    )
    shell("board", "add", "beta", other, code=1)
    assert "another scorecard on the board" in shell.err and "--why TEXT" in shell.err
    assert shell.state() == before
    assert "updated" in shell("board", "add", "beta", other, "--why", "the first ZIP was cut off")
    assert "unchanged" in shell("board", "add", "beta", other)
    last = json.loads(shell("board", "log", "--json"))["log"][-1]
    assert last["details"]["why"] == "the first ZIP was cut off"


def test_a_refused_scorecard_leaves_no_new_team(shell: Shell) -> None:
    add_teams(shell)
    before = shell.state()
    shell("board", "add", "delta", shell.folder / "alpha.json", "--new-team", code=1)
    assert shell.state() == before


def signed_card(shell: Shell, folder: str, key: Path) -> Path:
    """Return a folder with alpha's scorecard, signed."""
    place = shell.folder / folder
    place.mkdir()
    shutil.copy(shell.folder / "alpha.json", place / "scorecard.json")
    sign_scorecard(load_signing_key(key, lambda: None), place, err=True)
    return place


def run_of(shell: Shell, team: str) -> dict[str, Any]:
    """Return the first run of a team as ``board list --json`` shows it."""
    state: Any = shell.state()
    found: dict[str, Any] = next(one for one in state["teams"] if one["team"] == team)["runs"][0]
    return found


def test_a_signed_scorecard_counts_as_the_organizers(shell: Shell) -> None:
    add_teams(shell)
    key = write_key(shell.folder)
    place = signed_card(shell, "signed", key)
    public = load_public_key(shell.folder / "key.pub")
    out = shell("board", "add", "alpha", place)
    assert "alpha, run 1: updated" in out
    assert f"warning: signed by {public.fingerprint}, which the board does not trust" in shell.err
    assert run_of(shell, "alpha")["origin"] == "handed-in"
    shell("board", "trust", key, "--why", "w", code=1)
    assert "stays with its owner" in shell.err
    shell("board", "trust", shell.folder / "key.pub", code=2)
    assert "The board trusts" in shell("board", "trust", shell.folder / "key.pub", "--why", "the scoring server")
    assert "already" in shell("board", "trust", shell.folder / "key.pub", "--why", "again")
    assert run_of(shell, "alpha") | {"origin": "signed", "signer": public.fingerprint} == run_of(shell, "alpha")
    assert "unchanged" in shell("board", "add", "alpha", place / "scorecard.json")
    assert "unchanged" in shell("board", "add", "alpha", shell.folder / "alpha.json")
    listed = shell("board", "list")
    assert "signed by the organizer" in " ".join(listed.split()) and public.fingerprint in listed
    state: Any = shell.state()
    assert state["trusted_keys"] == [{"key": public.fingerprint, "comment": public.comment}]
    shell("board", "trust", "SHA256:" + "A" * 43, "--remove", "--why", "w", code=1)
    shell("board", "trust", "no-such-file", "--remove", "--why", "w", code=1)
    assert "no longer" in shell("board", "trust", public.fingerprint, "--remove", "--why", "the key was lost")
    assert run_of(shell, "alpha")["origin"] == "handed-in"


def test_wrong_signatures_are_refused_and_change_nothing(shell: Shell) -> None:
    add_teams(shell)
    place = signed_card(shell, "signed", write_key(shell.folder))
    beside = place / "scorecard.json.sig"
    good, before = beside.read_text(), shell.state()
    document = json.loads((place / "scorecard.json").read_text())
    document["videos"][0]["values"]["psnr.rgb"] += 3
    document["metrics"]["psnr.rgb"]["value"] += 1
    (place / "scorecard.json").write_text(json.dumps(document))
    shell("board", "add", "alpha", place, "--why", "a better one", code=1)
    assert "not a signature of this file" in shell.err and "handed in" in shell.err
    for text in ("", good[:100], good.replace("SSH", "PGP"), "x" * 10**6, good + good):
        beside.write_text(text)
        shell("board", "add", "alpha", place, "--why", "a better one", code=1)
        assert "signature" in shell.err
    assert shell.state() == before
    beside.unlink()
    assert "updated" in shell("board", "add", "alpha", place, "--why", "a better one")
    assert run_of(shell, "alpha")["origin"] == "handed-in"


def test_a_zip_needs_the_test_set(shell: Shell) -> None:
    add_teams(shell)
    with zipfile.ZipFile(shell.folder / "a.zip", "w") as made:
        made.writestr("s1.mp4", b"")
    shell("board", "add", "alpha", shell.folder / "a.zip", code=1)
    assert "--testset FOLDER" in shell.err
