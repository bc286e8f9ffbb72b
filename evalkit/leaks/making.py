"""Fingerprints of videos, computed in confined workers, and the listing of a folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.errors import InputError
from evalkit.files import atomic_write
from evalkit.folders.listing import MediaFile, Side, list_side
from evalkit.folders.reading import read_side
from evalkit.folders.rules import folder_challenge
from evalkit.leaks.listing import LONGEST_ID, Print
from evalkit.metrics.features.base import feature_registry
from evalkit.metrics.gaming.leak_print import LEAK_PRINT
from evalkit.scoring.cache import CorruptEntryError
from evalkit.scoring.intake import FileReport
from evalkit.scoring.jobs import Extraction
from evalkit.scoring.plan import make_plan
from evalkit.scoring.run import RunOptions
from evalkit.scoring.shared_cache import open_cache
from evalkit.weights.manifest import load_backbones


@dataclass(frozen=True)
class ListingMade:
    """What was written.

    Args:
        path: the listing.
        videos: how many it has.
        left_out: file -> why it has no fingerprint.
        still: videos without motion: of them only the first picture, the speech and the digest are found again.
        others: files of the folder that are no videos.
    """

    path: Path
    videos: int
    left_out: dict[str, str] = field(default_factory=dict)
    still: int = 0
    others: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return what ``evalkit testset fingerprint --json`` prints."""
        return {
            "schema": 1,
            "ok": not self.left_out,
            "fingerprints": str(self.path),
            "videos": self.videos,
            "still": self.still,
            "others": self.others,
            "left_out": dict(self.left_out),
        }


def make_listing(folder: Path, out: Path, options: RunOptions) -> ListingMade:
    """Write the fingerprints of the videos in a folder, sorted by their paths.

    Args:
        folder: searched with the folders in it.
        out: the listing; appears whole or not at all.
        options: engine, cache and progress.

    Raises:
        InputError: there is no video, or none can be read.
        StorageError: ``out`` can't be written.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder.", expected="a folder with videos")
    side = list_side(folder, "training")
    videos = tuple(file for file in side.files if file.kind == "video")
    others = side.others + len(side.files) - len(videos)
    if not videos:
        raise InputError(f"{folder} has no video.", expected="files such as NAME.mp4")
    prints, left_out = read_prints(videos, "training", options)
    if not prints:
        name, reason = next(iter(left_out.items()))
        raise InputError(f"No video of {folder} can be read.", found=f"{name}: {reason}")
    names = {file.name: file.path.relative_to(folder).as_posix() for file in videos}
    for name in [name for name in prints if len(names[name]) > LONGEST_ID]:
        left_out[name] = f"its path has more than {LONGEST_ID} characters"
        del prints[name]
    with atomic_write(out) as stream:
        for file in videos:
            if file.name in prints:
                one = prints[file.name]
                named = Print(names[file.name], one.sha256, one.motion, one.image, one.sound)
                stream.write(named.line().encode("utf-8", "replace"))
    still = sum(not one.motion for one in prints.values())
    return ListingMade(out, len(prints), {names[name]: why for name, why in left_out.items()}, still, others)


def read_prints(files: Iterable[MediaFile], title: str, options: RunOptions) -> tuple[dict[str, Print], dict[str, str]]:
    """Return the fingerprint of each video by its name, and why others have none; ``title`` is what they are called."""
    cache = open_cache(options.cache)
    found: dict[str, Print] = {}
    left_out: dict[str, str] = {}

    def take(file: MediaFile, report: FileReport, extraction: Extraction) -> None:
        key = extraction.keys.get(LEAK_PRINT)
        try:
            data = extraction.loaded.get(LEAK_PRINT) or (cache.load(LEAK_PRINT, key) if key else None)
        except CorruptEntryError:
            left_out[file.name] = "its entry in the cache was damaged after it was made: run the command again"
            return
        if data is None or data.arrays is None or extraction.sha256 is None:
            trace = extraction.errors.get(LEAK_PRINT, "").strip().splitlines()
            reason = data.reason if data is not None else trace[-1] if trace else None
            left_out[file.name] = reason or "it has no fingerprint"
            return
        motion, image, sound = (np.packbits(data.arrays[name]).tobytes() for name in ("motion", "image", "sound"))
        found[file.name] = Print(file.name, extraction.sha256, motion, image, sound)

    plan = make_plan(folder_challenge(), load_backbones("bundled"), names=[])
    records = {LEAK_PRINT: feature_registry()[LEAK_PRINT].resolved_record()}
    side = Side(title, "", tuple(files))
    rules = folder_challenge().submission
    read = read_side(side, records, plan, rules, options, take=take, wanted=frozenset({LEAK_PRINT}))
    left_out.update({name: words or rule for name, (rule, words) in read.unread.items()})
    return found, left_out
