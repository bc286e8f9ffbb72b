"""The loop on docs/training.md: it runs as printed, the metrics improve, and the training does not notice."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

PAGE = Path(__file__).parents[2] / "docs" / "training.md"


def loop() -> str:
    """Return the code of the page that is marked as tested."""
    (code,) = re.findall(r"<!-- tested: .*? -->\n```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return code


def trained(code: str) -> dict:
    names: dict = {"__name__": "loop"}
    exec(compile(code, str(PAGE), "exec"), names)
    return names


def test_the_loop_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    shown = trained(loop())
    first, *_, last = shown["history"]
    assert len(shown["history"]) == 3
    assert last["val/psnr.rgb"] > first["val/psnr.rgb"] + 3
    assert last["val/ssim.gray"] > first["val/ssim.gray"]
    assert last["val/landmark.m_lmd"] < first["val/landmark.m_lmd"]
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed] == ["0", "20", "40"]
    page = PAGE.read_text(encoding="utf-8")
    assert all(re.search(rf"^{step} {{'val/psnr.rgb'", page, re.MULTILINE) for step in (0, 20, 40))
    # Scored once instead of three times, the same weights come out to the last bit: no draw and no mode was changed.
    drawn = torch.get_rng_state()
    rarely = trained(loop().replace("every, steps = Warp(), [], 20, 40", "every, steps = Warp(), [], 40, 40"))
    assert len(rarely["history"]) == 2
    assert torch.equal(rarely["model"].offset, shown["model"].offset)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert rarely["history"][-1] == pytest.approx(last, rel=1e-6)
    assert rarely["model"].training
