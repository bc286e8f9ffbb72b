"""A small challenge on a board, filled by commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from builders.boards import as_installed, make_card

from evalkit.challenges.model import load_challenge
from evalkit.cli import main

RULES = """\
schema: 1
id: c
title: A small challenge
metrics:
  - {id: psnr.rgb, weight: 1, range: [10, 50]}
  - {id: ssim.gray, weight: 1, range: [0, 1]}
ranking: weighted-sum
ranking_rules: {group_weights: {objective: 1, subjective: 1}}
ratings:
  method: mos
  blind: true
  window: {opens: 2026-03-01 AoE, closes: 2026-03-05 AoE}
  dimensions:
    - {id: lip_sync, title: Lip sync}
"""
TEAMS = {"alpha": (34.0, 0.95), "beta": (30.0, 0.90), "gamma": (22.0, 0.70)}
SAMPLES = ("s1", "s2", "s3")
SCORES = {"alpha": (5, 4, 5), "beta": (3, 4, 3), "gamma": (1, 2, 2)}
RATERS = ("r01", "r02", "r03", "r04")


class Shell:
    """Runs commands in one folder."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        self.board = folder / "board.sqlite"

    def __call__(self, *words: str | Path, code: int = 0) -> str:
        """Run one command, hold its exit code against ``code``, and return standard output."""
        with pytest.raises(SystemExit) as stop:
            main([str(word) for word in words])
        captured = self._capsys.readouterr()
        self.err = captured.err
        assert int(stop.value.code or 0) == code, captured.err
        return captured.out

    def write(self, name: str, text: str) -> Path:
        """Write a file and return where."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def state(self) -> dict[str, object]:
        """Return what is on the board."""
        document: dict[str, object] = json.loads(self("board", "list", "--json"))
        return document


def add_teams(shell: Shell) -> None:
    """Put three teams with a run each on the board."""
    digest = load_challenge(shell.folder / "c.yaml").scoring_sha256
    for team, (psnr, ssim) in TEAMS.items():
        card = make_card(team, {"psnr.rgb": [psnr - 1, psnr, psnr + 1], "ssim.gray": [ssim] * 3}, samples=SAMPLES)
        card = card.model_copy(update={"challenge": card.challenge.model_copy(update={"sha256": digest})})
        path = shell.write(f"{team}.json", as_installed(card).to_json())
        assert "added" in shell("board", "add", team, path, "--new-team")


def rating_rows(raters: tuple[str, ...] = RATERS, day: str = "2026-03-03T10:00:00+00:00") -> str:
    """Return a long CSV: every rater scores every item, half the raters a point lower."""
    lines = ["rater_id,item_id,dimension,score,submitted_at"]
    for place, rater in enumerate(raters):
        for team, scores in SCORES.items():
            for sample, score in zip(SAMPLES, scores, strict=True):
                lines.append(f"{rater},{team[0]}{sample},lip_sync,{max(1, score - place % 2)},{day}")
    return "\n".join(lines) + "\n"


def key() -> str:
    """Return the key of the items."""
    rows = [f"{team[0]}{sample},{team},{sample}" for team in TEAMS for sample in SAMPLES]
    return "\n".join(["item_id,team,sample_id", *rows]) + "\n"


def filled(shell: Shell) -> None:
    """Put teams and ratings on the board."""
    add_teams(shell)
    shell("ratings", "import", shell.write("long.csv", rating_rows()), "--key", shell.write("key.csv", key()))
