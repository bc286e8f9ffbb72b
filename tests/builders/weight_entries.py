"""A set of backbones with one file, whose content is "abc"."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evalkit.weights.manifest import Backbones, WeightEntry

# SHA-256 of no bytes and of "abc": FIPS 180-4's examples.
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
TEXT = f"""name: mine
title: Mine
roles:
  face:
    file: net.onnx
    sha256: {ABC}
    licence: MIT
"""


def entry(**changes: Any) -> dict[str, Any]:
    return {"file": "net.onnx", "sha256": ABC, "licence": "MIT", **changes}


def backbones(**changes: Any) -> Backbones:
    return Backbones(name="mine", title="Mine", roles={"face": WeightEntry.model_validate(entry(**changes))})


def manifest(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path
