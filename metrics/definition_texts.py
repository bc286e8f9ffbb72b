"""The definitions of the built-in metrics: steps in words, one Markdown file for the metrics that share them."""

from __future__ import annotations

from importlib import resources


def definition_text(name: str) -> str:
    """Return the Markdown of ``definitions/NAME.md``: numbered steps, formulas, what differs from other code."""
    file = resources.files("evalkit.metrics") / "definitions" / f"{name}.md"
    return file.read_text(encoding="utf-8").strip()
