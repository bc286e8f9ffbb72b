"""Sentences on the terminal: one is not many, and what there is not is not printed."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest
from builders.leaderboards import plain

import evalkit
from evalkit.cli.baseline import _print as print_generation
from evalkit.cli.leaderboard import print_leaderboard
from evalkit.leaderboard.table import CodedReason
from evalkit.reference_models.generation.submission import GenerationRun


@pytest.mark.parametrize(("reasons", "words"), [(1, "r0."), (2, "r0. And 1 more reason."), (3, "And 2 more reasons.")])
def test_how_many_more_reasons(reasons: int, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, leaderboard = plain(("alpha", "beta"))
    why = tuple(CodedReason("x", f"r{at}.") for at in range(reasons))
    rows = (leaderboard.rows[0], replace(leaderboard.rows[1], rank=None, reasons=why))
    print_leaderboard(replace(leaderboard, rows=rows))
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("not ranked: beta")]
    assert line.endswith(words)


@pytest.mark.parametrize(
    ("first", "words"),
    [(None, "frames/s not measured, real-time factor not measured, first frame not measured (2 at a time)."),
     (0.25, "25 frames/s, real-time factor 1, first frame after 0.25 s (2 at a time).")],
)  # fmt: skip
def test_what_was_not_measured(first: float | None, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    known = first is not None
    summary = {"fps": {"median": 25.0 if known else None}, "rtf": {"median": 1.0 if known else None}}
    speed = {"summary": {**summary, "time_to_first_frame": {"median": first}}, "workers": 2}
    made = GenerationRun(path=Path("a.zip"), made=("s1",), failures={}, speed=speed)
    print_generation(made, 1)
    out = capsys.readouterr().out
    assert "1 of 1 sample in a.zip." in out
    assert f"Medians: {words}" in out


def test_no_console_makes_pictures_of_text_between_colons() -> None:
    calls = [
        (path.name, node)
        for path in Path(evalkit.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "Console"
    ]
    assert len(calls) > 10
    plain_text = ast.dump(ast.Constant(value=False))
    for name, call in calls:
        options = {keyword.arg: ast.dump(keyword.value) for keyword in call.keywords}
        assert options.get("emoji") == plain_text, f"{name}:{call.lineno}: ':v:' of a command becomes a hand"
