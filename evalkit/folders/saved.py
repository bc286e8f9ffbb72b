"""The features of the real side in one file, to be used in place of the folder.

The file is a reference pack (`evalkit.scoring.packs.format`) whose test set is a folder; what the files are like is
stored as one more feature. It is compared with the run before anything is taken from it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evalkit._version import __version__
from evalkit.errors import ReferencePackError
from evalkit.files import atomic_write
from evalkit.folders.describing import digest_of, rate_text
from evalkit.folders.measuring import REFERENCE
from evalkit.folders.model import SideSummary
from evalkit.folders.reading import SideRead
from evalkit.folders.rules import folder_challenge
from evalkit.media.facts import MediaFacts
from evalkit.media.still_frame import CONTAINER
from evalkit.metrics.base import FeatureData
from evalkit.metrics.features.base import FeatureRecord
from evalkit.metrics.features.declared_arrays import array_mismatch
from evalkit.scoring.packs.format import MAGIC, FeatureEntry, PackWriter
from evalkit.scoring.packs.reader import ReferencePack, placeholder
from evalkit.scoring.packs.use import READERS, feature_differences, feature_entry
from evalkit.scoring.plan import RunPlan

FORMAT = "folder"  # in the place of the test set's format
FACTS = "folder_facts"
FACTS_VERSION = 1
_NUMBERS = ("width", "height", "frames", "fps", "seconds", "image")
_MOST_LINES = 12


def is_saved(path: Path) -> bool:
    """Whether the file begins like a saved reference."""
    try:
        if not path.is_file():  # opening a pipe would wait for whoever writes to it
            return False
        with path.open("rb") as stream:
            return stream.read(len(MAGIC)) == MAGIC
    except OSError:  # listing the folder says why it can't be read
        return False


def save_reference(
    out: Path,
    read: SideRead,
    records: Mapping[str, FeatureRecord],
    plan: RunPlan,
    load: Callable[[str, str], FeatureData],
) -> str:
    """Write the features ``records`` of every real file that was read; return the SHA-256 of the file.

    Args:
        out: the file; appears whole or not at all.
        read: the real side.
        records: feature -> its record.
        plan: gives the weights.
        load: gives a feature of a file.

    Raises:
        StorageError: the file can't be written.
    """
    samples: dict[str, dict[str, Any]] = {}
    files: dict[str, dict[str, Any]] = {}
    with atomic_write(out) as stream:
        writer = PackWriter(stream)
        for file in read.usable:
            facts, digest = read.facts[file.name], read.extractions[file.name].sha256 or ""
            numbers = {name: writer.add(name, load(name, file.name)) for name in records}
            numbers[FACTS] = writer.add(FACTS, FeatureData(_facts_arrays(facts)))
            samples[file.name] = {"sha256": digest, "features": numbers}
            files[file.name] = {"bytes": facts.size_bytes, "sha256": digest}
        challenge = folder_challenge()
        whole = hashlib.sha256("".join(f"{name}\0{one['sha256']}\n" for name, one in samples.items()).encode())
        return writer.finish(
            {
                "evalkit": __version__,
                "device": plan.device,
                "testset": {"sha256": whole.hexdigest(), "format": FORMAT},
                "challenge": {"id": challenge.id, "sha256": challenge.scoring_sha256},
                "readers": READERS,
                "features": {
                    **{name: feature_entry(record, plan.weights) for name, record in records.items()},
                    FACTS: FeatureEntry(version=FACTS_VERSION, options={}, needs=[], weights={}),
                },
                "fingerprint": None,
                "files": files,
                "samples": samples,
            }
        )


def _facts_arrays(facts: MediaFacts) -> dict[str, Any]:
    video = facts.video
    if video is None:
        return {"numbers": np.zeros(len(_NUMBERS))}
    image = float(facts.container == CONTAINER)
    numbers = (video.width, video.height, video.frames, video.fps or 0.0, video.duration_seconds, image)
    return {"numbers": np.array(numbers, dtype=np.float64)}


@dataclass(frozen=True)
class SavedReference:
    """A saved reference, or a pack of `evalkit testset prepare`, that fits the run.

    Args:
        pack: the open file.
        names: feature that the run wants -> its name in the pack.
    """

    pack: ReferencePack
    names: Mapping[str, str]

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the real files."""
        return tuple(self.pack.header.samples)

    def load(self, feature: str, file: str) -> FeatureData:
        """Return a feature of a file.

        Raises:
            ReferencePackError: the pack was changed.
        """
        return self.pack.entry(self.pack.header.samples[file].features[self.names[feature]])

    def digests(self) -> list[str]:
        """Return the SHA-256 of each real file; none of a pack of a test set, whose digests are of samples."""
        header = self.pack.header
        return [one.sha256 for one in header.files.values()] if header.testset.format == FORMAT else []

    def summary(self, source: str) -> SideSummary:
        """Return what the files were like when they were saved; a pack of a test set says nothing of it."""
        header = self.pack.header
        if FACTS not in header.features or header.testset.format != FORMAT:
            number = len(header.samples)
            return SideSummary(source=source, files=number, read=number, videos=number, saved=self.pack.sha256)
        rows = []
        for sample in header.samples.values():
            arrays = self.pack.entry(sample.features[FACTS]).arrays or {}
            numbers = arrays.get("numbers")
            if numbers is None or numbers.shape != (len(_NUMBERS),) or not np.isfinite(numbers).all():
                raise _unfit(self.pack, ["Its facts of a file are not what evalkit writes."])
            rows.append(dict(zip(_NUMBERS, (float(number) for number in numbers), strict=True)))
        videos = [row for row in rows if not row["image"]]
        frames = sorted(int(row["frames"]) for row in videos)
        return SideSummary(
            source=source,
            files=len(rows),
            read=len(rows),
            videos=len(videos),
            images=len(rows) - len(videos),
            sizes=_counted(f"{int(row['width'])}x{int(row['height'])}" for row in rows),
            frame_rates=_counted(rate_text(row["fps"]) if row["fps"] else "one frame" for row in videos),
            frames=(frames[0], float(np.median(frames)), frames[-1]) if frames else None,
            seconds=round(sum(row["seconds"] for row in videos), 3),
            equal_files=len(rows) - len(set(self.digests())),
            sha256=digest_of(self.digests()),
            saved=self.pack.sha256,
        )


def _counted(texts: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(texts).items(), key=lambda item: (-item[1], item[0])))


def fit_saved(
    pack: ReferencePack, wanted: Mapping[str, FeatureRecord], records: Mapping[str, FeatureRecord], plan: RunPlan
) -> SavedReference:
    """Compare a saved reference with what the run would compute itself.

    Args:
        pack: the open file.
        wanted: features of the real side -> their records.
        records: all of the plan's, those of reference videos included, as a pack of a test set has them.
        plan: gives the weights.

    Raises:
        ReferencePackError: naming everything that differs.
    """
    header, names, differences = pack.header, {}, []
    if not header.samples:
        differences.append("It has no file.")
    for name, record in wanted.items():
        stored = name if name in header.features else f"{name}{REFERENCE}"
        known = header.features.get(stored)
        if known is None or stored not in records:
            there = ", ".join(sorted(feature for feature in header.features if feature != FACTS)) or "none"
            differences.append(f"It has no feature '{name}', which the metrics read; it has: {there}.")
            continue
        names[name] = stored
        if stored == name and header.testset.format != FORMAT:
            differences.append(f"Its feature '{name}' is not of real files.")
        differences += feature_differences(records[stored], known, feature_entry(records[stored], plan.weights))
        for number in sorted({sample.features[stored] for sample in header.samples.values()}):
            entry = header.entries[number]
            problem = None if entry.arrays is None else array_mismatch(record, placeholder(entry))
            if problem is not None:
                differences.append(f"It is not what evalkit writes: {problem}.")
                break
    for reader in sorted({*READERS, *header.readers}):
        if header.readers.get(reader) != READERS.get(reader):
            differences.append(
                f"The version of reading '{reader}' is {header.readers.get(reader)} there, {READERS.get(reader)} here."
            )
    if differences:
        raise _unfit(pack, differences)
    return SavedReference(pack, names)


def _unfit(pack: ReferencePack, differences: list[str]) -> ReferencePackError:
    more = len(differences) - _MOST_LINES
    lines = [*differences[:_MOST_LINES], *([f"... and {more} more."] if more > 0 else [])]
    return ReferencePackError(
        [f"The saved reference {pack.path} doesn't fit this run.", *lines],
        fix="Use the version of evalkit, the backbones and the metrics that it was saved with, or give the folder.",
    )
