"""Readers for the test sets of the IPVG challenges.

2025: a folder ``idNNN/`` per person with ``image.*`` and ``prompt1.txt`` ...; 2026: ``eval.json``, a list with
``img, prompt`` (facial track) or ``img_paths, class_label, global_prompt, temporal_captions`` (sequential track).
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from evalkit.errors import TestSetError
from evalkit.testset import Sample, TestSet, make_sample
from evalkit.yamlio import read_text

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}
_DIGITS = re.compile(r"(\d+)")


def _natural(text: str) -> list[Any]:
    """Sort ``prompt10`` after ``prompt2``."""
    return [int(part) if part.isdigit() else part for part in _DIGITS.split(text)]


def read_ipvg2025(folder: Path) -> TestSet:
    """Return the samples ``idNNN/promptN`` of a folder.

    Raises:
        TestSetError: when the folder holds no person, a person has no image or no prompt.
    """
    people = sorted((item for item in folder.iterdir() if item.is_dir()), key=lambda item: _natural(item.name))
    samples: list[Sample] = []
    for person in people:
        files = sorted(person.iterdir(), key=lambda item: _natural(item.name))
        images = [item for item in files if item.suffix.lower() in IMAGE_SUFFIXES]
        prompts = [item for item in files if item.suffix == ".txt" and item.stem.startswith("prompt")]
        if not images and not prompts:
            continue
        if not images or not prompts:
            missing = "image.*" if not images else "prompt1.txt"
            raise TestSetError(
                f"The person {person} has no {missing}.", expected="image.* and prompt1.txt, prompt2.txt ..."
            )
        for prompt in prompts:
            text = read_text(prompt, kind=TestSetError, what="The prompt").strip()
            record = {
                "id": f"{person.name}/{prompt.stem}",
                "identity": person.name,
                "prompt": prompt.stem,
                "reference_images": [f"{person.name}/{image.name}" for image in images],
                "text": text,
            }
            samples.append(make_sample(record, str(prompt)))
    if not samples:
        raise TestSetError(
            f"The folder {folder} is no test set.",
            found=f"{len(people)} folders, none with an image and prompts",
            expected="samples.jsonl, eval.json, or folders idNNN with image.* and prompt1.txt",
        )
    return TestSet(folder, tuple(samples), "ipvg2025")


def read_eval_json(file: Path) -> TestSet:
    """Return the samples of an IPVG 2026 ``eval.json``; ids are 1, 2, ... in the order of the list.

    Raises:
        TestSetError: naming the entry that is malformed.
    """
    text = read_text(file, kind=TestSetError, what="The test set", limit=64 * 1024 * 1024)
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TestSetError(f"{file} is not JSON.", found=str(error)) from None
    if isinstance(entries, dict):
        entries = list(entries.values())
    if not isinstance(entries, list):
        raise TestSetError(f"{file} is no test set.", found=type(entries).__name__, expected="a list of entries")
    sequential = any(isinstance(entry, dict) and "temporal_captions" in entry for entry in entries)
    read = _sequential if sequential else _facial
    samples = [
        make_sample(read(entry, f"{file}, entry {i}", i), f"{file}, entry {i}") for i, entry in enumerate(entries, 1)
    ]
    return TestSet(file.parent, tuple(samples), "ipvg2026-sequential" if sequential else "ipvg2026-facial")


def _keys(entry: Any, place: str, *needed: str) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise TestSetError(f"{place}: not an object.", found=type(entry).__name__)
    missing = [key for key in needed if key not in entry]
    if missing:
        raise TestSetError(f"{place}: the key '{missing[0]}' is missing.", expected=", ".join(needed))
    return entry


def _facial(entry: Any, place: str, index: int) -> dict[str, Any]:
    entry = _keys(entry, place, "img", "prompt")
    return {"id": str(index), "reference_images": [entry["img"]], "text": entry["prompt"]}


def _sequential(entry: Any, place: str, index: int) -> dict[str, Any]:
    entry = _keys(entry, place, "img_paths", "global_prompt", "temporal_captions")
    labels = entry.get("class_label") or []
    labels = [labels] if isinstance(labels, str) else labels
    return {
        "id": str(index),
        "reference_images": entry["img_paths"],
        "text": entry["global_prompt"],
        "timeline": entry["temporal_captions"],
        "groups": {"class": "+".join(sorted({str(label) for label in labels}))} if labels else {},
    }
