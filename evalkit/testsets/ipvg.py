"""Readers for the test sets of the IPVG challenges.

2025: a folder ``idNNN/`` per person with ``image.*`` and ``prompt1.txt`` ...; 2026: ``eval.json``, a list with
``img, prompt`` (facial track) or ``img_paths, class_label, global_prompt, temporal_captions`` (sequential track).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from evalkit.errors import TestSetError
from evalkit.jsonio import parse_json
from evalkit.testsets.model import Sample, TestSet, TimelineEvent, make_sample
from evalkit.yamlio import read_text

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}
_DIGITS = re.compile(r"([0-9]+)")
_PROMPT = re.compile(r"prompt([0-9]+)\.txt")
# The names of the sample's keys in the organizers' files.
_FACIAL_NAMES = {"reference_images": "img", "text": "prompt"}
_SEQUENTIAL_NAMES = {"reference_images": "img_paths", "text": "global_prompt", "timeline": "temporal_captions"}

# What class labels call people and animals, in lower case. The organizers publish no list: `evalkit testset check` says
# which samples were taken for what.
_PEOPLE = re.compile(
    r"\b(person|people|human|man|men|woman|women|boy|girl|child|children|kid|baby|babies|face|lady|ladies|gentleman"
    r"|gentlemen|male|female|adult|teenager|character)s?\b"
)
_ANIMALS = re.compile(
    r"\b(animal|dog|puppy|cat|kitten|bird|horse|pony|rabbit|bear|panda|lion|tiger|fox|wolf|monkey|elephant|cow|sheep"
    r"|goat|pig|duck|chicken|fish|turtle|frog|mouse|hamster|squirrel|deer|giraffe|zebra|penguin|owl|parrot|corgi)s?\b"
)


def _natural(path: Path) -> tuple[list[Any], str]:
    """Sort ``prompt10`` after ``prompt2``, and ``prompt02`` always on the same side of ``prompt2``."""
    parts = _DIGITS.split(path.name)  # text, digits, text, ...
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], path.name


def read_ipvg2025(folder: Path) -> TestSet:
    """Return the samples ``idNNN/promptN`` of a folder.

    Raises:
        TestSetError: when the folder contains no person, or a person has no image or no prompt.
    """
    people = [item for item in _listing(folder) if item.is_dir()]
    samples: list[Sample] = []
    for person in people:
        files = [item for item in _listing(person) if item.is_file()]
        images = [item for item in files if item.suffix.lower() in IMAGE_SUFFIXES]
        prompts = [item for item in files if _PROMPT.fullmatch(item.name)]
        if not images and not prompts:
            continue
        if not images or not prompts:
            missing = "image.*" if not images else "prompt1.txt"
            raise TestSetError(
                f"The person {person} has no {missing}.", expected="image.* and prompt1.txt, prompt2.txt ..."
            )
        _check_numbers(person, prompts)
        for prompt in prompts:
            text = read_text(prompt, kind=TestSetError, what="The prompt").strip()
            if not text:
                raise TestSetError(f"The prompt {prompt} is empty.")
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
            f"The folder {folder} is not a test set.",
            found=f"{len(people)} folders, none with an image and prompts",
            expected="samples.jsonl, eval.json, or folders idNNN with image.* and prompt1.txt",
        )
    return TestSet(folder, tuple(samples), "ipvg2025")


def _listing(folder: Path) -> list[Path]:
    """Return the contents of ``folder`` in natural order, without hidden files (``._image.png`` of macOS)."""
    try:
        return sorted((item for item in folder.iterdir() if not item.name.startswith(".")), key=_natural)
    except OSError as error:
        raise TestSetError(f"The folder {folder} can't be read.", found=str(error.strerror or error)) from None


def _check_numbers(person: Path, prompts: list[Path]) -> None:
    """Reject gaps: a lost prompt would silently make the test set smaller."""
    numbers = [int(match.group(1)) for prompt in prompts if (match := _PROMPT.fullmatch(prompt.name))]
    wanted = list(range(1, len(numbers) + 1))
    if numbers != wanted:
        missing = next(number for number, there in zip(wanted, numbers, strict=True) if number != there)
        raise TestSetError(
            f"The prompts of {person} are not numbered 1, 2, 3 ...",
            found=", ".join(prompt.name for prompt in prompts[:10]),
            expected=f"prompt{missing}.txt",
        )


def read_eval_json(file: Path) -> TestSet:
    """Return the samples of an IPVG 2026 ``eval.json``; ids are 1, 2, ... in the order of the list.

    An object of entries is read like a list: by its keys when they are numbers, else in the order of the file.

    Raises:
        TestSetError: naming the entry that is malformed.
    """
    text = read_text(file, kind=TestSetError, what="The test set", limit=64 * 1024 * 1024)
    try:
        entries = parse_json(text)
    except ValueError as error:
        raise TestSetError(f"{file} is not JSON.", found=str(error)) from None
    if isinstance(entries, dict):
        numbered = all(re.fullmatch("[0-9]{1,9}", key) for key in entries)
        entries = [entries[key] for key in (sorted(entries, key=int) if numbered else entries)]
    if not isinstance(entries, list):
        raise TestSetError(f"{file} is not a test set.", found=type(entries).__name__, expected="a list of entries")
    sequential = any(isinstance(entry, dict) and "temporal_captions" in entry for entry in entries)
    read, names = (_sequential, _SEQUENTIAL_NAMES) if sequential else (_facial, _FACIAL_NAMES)
    samples = []
    for index, entry in enumerate(entries, start=1):
        place = f"{file}, entry {index}"
        samples.append(make_sample(read(entry, place, index), place, names))
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
    timeline = entry["temporal_captions"]
    if isinstance(timeline, list):  # other keys of the organizers' objects are ignored
        timeline = [_without_other_keys(event) for event in timeline]
    labels = entry.get("class_label") or []
    labels = labels if isinstance(labels, list) else [labels]
    return {
        "id": str(index),
        "reference_images": entry["img_paths"],
        "text": entry["global_prompt"],
        "timeline": timeline,
        "subjects": list(dict.fromkeys(_subject(str(label)) for label in labels)),
        "groups": {"class": "+".join(sorted({str(label) for label in labels}))} if labels else {},
    }


def _subject(label: str) -> str:
    """Return the kind of subject that a class label names; what is neither a person nor an animal is an object."""
    words = label.casefold().replace("_", " ")
    return "person" if _PEOPLE.search(words) else "animal" if _ANIMALS.search(words) else "object"


def _without_other_keys(event: Any) -> Any:
    if not isinstance(event, dict):
        return event
    return {key: event[key] for key in TimelineEvent.model_fields if key in event}
