"""A whole story on a board: forged, stolen, replaced and wrongly trusted scorecards, each refused or undone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from builders.board_shell import RULES, Shell, add_teams, filled
from builders.ssh_keys import write_key

from evalkit.cli.score import sign_scorecard
from evalkit.signing import load_public_key, load_signing_key

LOG_ONLY = {"board", "page"}


def standing(shell: Shell) -> dict[str, Any]:
    """Return the leaderboard, without what comes from the log itself."""
    words = ("leaderboard", "-o", shell.folder / "page.html", "--json", "--draws", "100")
    document: dict[str, Any] = json.loads(shell(*words))
    return {name: value for name, value in document.items() if name not in LOG_ONLY}


def pages(shell: Shell, entry: int) -> tuple[bytes, bytes]:
    """Return both pages for organizers, as of a log entry."""
    made = []
    for command in (("leaderboard", "--draws", "100"), ("ratings", "report")):
        page = shell.folder / "page.html"
        shell(*command, "-o", page, "--for", "organizers", "--as-of", str(entry))
        made.append(page.read_bytes())
    return made[0], made[1]


def forged(card: Path, *, everywhere: bool) -> str:
    """Return a scorecard whose mean is better than its videos, or whose videos are better too."""
    document = json.loads(card.read_text())
    document["metrics"]["psnr.rgb"]["value"] += 15
    if everywhere:
        for video in document["videos"]:
            video["values"]["psnr.rgb"] += 15
    return json.dumps(document)


def test_forged_scorecards_leave_nothing_but_the_log(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(shell)
    untroubled = standing(shell)
    ratings = ("ratings", "import", shell.folder / "long.csv", "--key", shell.folder / "key.csv")

    monkeypatch.setenv("EVALKIT_BOARD", str(shell.folder / "second.sqlite"))
    shell("board", "init", "--challenge", shell.write("c.yaml", RULES))
    seen: dict[int, tuple[bytes, bytes]] = {}

    def keep() -> None:
        """Keep the pages of every entry that was written since the last time."""
        last: Any = shell.state()["entry"]
        for entry in range(max(seen, default=0) + 1, last + 1):
            seen[entry] = pages(shell, entry)

    # The first scorecard of all declares a range in which nobody else's values lie.
    hostile = forged(shell.folder / "gamma.json", everywhere=False).replace("100.0", "30.0")
    shell("board", "add", "zeta", shell.write("hostile.json", hostile), "--new-team", code=1)
    add_teams(shell)
    shell(*ratings)
    assert standing(shell) == untroubled
    keep()

    # A better mean than the videos have; better videos too, without a reason, and then with one.
    before = shell.state()
    shell(
        "board", "add", "gamma", shell.write("mean.json", forged(shell.folder / "gamma.json", everywhere=False)), code=1
    )
    assert "not the mean" in shell.err
    better = shell.write("better.json", forged(shell.folder / "gamma.json", everywhere=True))
    shell("board", "add", "gamma", better, code=1)
    assert "another scorecard on the board" in shell.err
    assert shell.state() == before
    shell("board", "add", "gamma", better, "--why", "they say that it is newer")
    keep()
    assert standing(shell) != untroubled
    shell("board", "add", "gamma", shell.folder / "gamma.json", "--why", "it was forged")
    keep()
    assert standing(shell) == untroubled

    # The scorecard of another team.
    stolen = ("board", "add", "delta", shell.folder / "alpha.json", "--new-team")
    shell(*stolen, code=1)
    assert "alpha/1: the same submission" in shell.err
    shell(*stolen, "--allow-shared", "--why", "one of them hands in for both")
    keep()
    assert standing(shell) != untroubled
    shell("board", "remove", "delta", "--why", "they don't")
    keep()
    assert standing(shell) == untroubled

    # A participant's key that the organizer trusts by mistake, and a forged scorecard with another one's signature.
    key, signed = write_key(shell.folder), shell.folder / "signed"
    signed.mkdir()
    shutil.copy(shell.folder / "beta.json", signed / "scorecard.json")
    sign_scorecard(load_signing_key(key, lambda: None), signed, err=True)
    shell("board", "trust", shell.folder / "key.pub", "--why", "it came by mail")
    shell("board", "add", "beta", signed)
    keep()
    shutil.copy(better, signed / "scorecard.json")
    shell("board", "add", "gamma", signed, "--why", "it is signed", code=1)
    assert "not a signature of this file" in shell.err
    public = load_public_key(shell.folder / "key.pub")
    shell("board", "trust", public.fingerprint, "--remove", "--why", "it was not ours")
    keep()

    assert standing(shell) == untroubled
    log = json.loads(shell("board", "log", "--all", "--json"))["log"]
    assert list(seen) == [one["entry"] for one in log]
    for entry, made in seen.items():
        assert pages(shell, entry) == made, entry
    assert [one["details"]["why"] for one in log if "why" in one["details"]] == [
        "they say that it is newer",
        "it was forged",
        "one of them hands in for both",
        "they don't",
        "it came by mail",
        "it was not ours",
    ]
    assert "Everything is as it was written" in shell("board", "verify")
