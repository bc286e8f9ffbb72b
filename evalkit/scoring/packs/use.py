"""What a run takes from a reference pack, after comparing it with what the run would compute itself.

Nothing of a pack gets into the feature cache, and nothing that is computed from a pack does: a feature that another one
reads is taken only where that one is taken too. What a pack says falsely is in this run's numbers and nowhere else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from evalkit.errors import ReferencePackError
from evalkit.jsonio import parse_json
from evalkit.media.stills import READER_VERSION
from evalkit.metrics.base import FeatureData
from evalkit.metrics.features.base import FeatureRecord, WeightFile
from evalkit.metrics.features.declared_arrays import array_mismatch
from evalkit.metrics.features.runner import OPTION
from evalkit.metrics.gaming import signature
from evalkit.metrics.gaming.fingerprint import FINGERPRINT
from evalkit.scoring.intake import LENGTH_VERSION
from evalkit.scoring.lookup import file_digest, weights_of
from evalkit.scoring.packs.format import FeatureEntry
from evalkit.scoring.packs.reader import ReferencePack, placeholder
from evalkit.scoring.plan import RunPlan
from evalkit.scoring.reference_features import independent_of_video
from evalkit.testsets.model import Sample, TestSet
from evalkit.text import count
from evalkit.validators.file import ExpectedLength

READERS = {"length": LENGTH_VERSION, "image": READER_VERSION}
NOT_HERE = "reference_video_not_here"
_MOST_LINES = 12


@dataclass(frozen=True)
class PackUse:
    """A pack that fits the run.

    Args:
        pack: the open file.
        served: features that are taken from it.
        of_videos: features that this run can't compute for a sample whose reference video is not here.
        not_here: those samples.
    """

    pack: ReferencePack
    served: frozenset[str] = frozenset()
    of_videos: frozenset[str] = frozenset()
    not_here: frozenset[str] = frozenset()

    def rest(self, plan: RunPlan) -> RunPlan:
        """Return the plan without the features that are taken from the pack."""
        records = {name: record for name, record in plan.records.items() if name not in self.served}
        return replace(plan, features=tuple(name for name in plan.features if name in records), records=records)

    def unused(self, sample: str) -> frozenset[str]:
        """Return the features that can't be computed for a sample, because its reference video is not here."""
        return self.of_videos if sample in self.not_here else frozenset()

    def feature(self, name: str, sample: str) -> FeatureData | None:
        """Return what the pack says of a sample; ``None`` for a feature that this run computes itself.

        Raises:
            ReferencePackError: the file was changed.
        """
        if name in self.served:
            return self.pack.entry(self.pack.header.samples[sample].features[name])
        if name in self.unused(sample):
            return FeatureData(None, NOT_HERE, "the reference video is not on this machine, and this compares with it")
        return None

    def fingerprints(self, testset: TestSet) -> dict[str, tuple[str, Mapping[str, NDArray[Any]]]]:
        """Return sample -> digest of its reference video and the arrays of its fingerprint."""
        found = {}
        for sample in testset:
            entry = self.pack.header.samples[sample.id].fingerprint
            data = self.pack.entry(entry.entry) if entry is not None else None
            if entry is not None and data is not None and data.arrays is not None:
                found[sample.id] = (entry.sha256, data.arrays)
        return found

    @property
    def lengths(self) -> dict[str, ExpectedLength]:
        """Sample -> what `evalkit.scoring.intake.measured_length` found."""
        found = {}
        for sample, entry in self.pack.header.samples.items():
            if (length := entry.length) is not None:
                size = (length.size[0], length.size[1]) if length.size else None
                found[sample] = ExpectedLength(length.seconds, length.source, size)
        return found

    @property
    def provenance(self) -> dict[str, str]:
        """What a scorecard says of the pack."""
        return {"sha256": self.pack.sha256}


def sample_digest(sample: Sample) -> str:
    """Return the SHA-256 of a sample's record."""
    return hashlib.sha256(json.dumps(sample.record, sort_keys=True).encode()).hexdigest()


def feature_entry(record: FeatureRecord, weights: Mapping[str, WeightFile]) -> FeatureEntry:
    """Return what identifies a feature's result, but for the library that ran the network.

    The libraries agree to 1e-5: a pack serves those who have another one than its maker.
    """
    used = {
        role: {"sha256": file.sha256, "options": {name: one for name, one in file.options.items() if name != OPTION}}
        for role, file in weights_of(record, weights).items()
    }
    facts = {"version": record.version, "options": record.options.as_dict(), "needs": list(record.needs)}
    return FeatureEntry.model_validate(parse_json(json.dumps({**facts, "weights": used})))


def sample_files(sample: Sample) -> dict[str, tuple[str, ...]]:
    """Return the paths of a sample by the part of the item that they are."""
    return {
        "reference_images": sample.reference_images,
        "reference_video": (sample.reference_video,) if sample.reference_video else (),
        "audio": (sample.audio,) if sample.audio else (),
        "motion": (sample.motion,) if sample.motion else (),
        "partner_motion": (sample.partner_motion,) if sample.partner_motion else (),
        "speakers": sample.speaker_files,
        "occluders": (sample.occluders,) if sample.occluders else (),
    }


def fit_testset(pack: ReferencePack, testset: TestSet) -> PackUse:
    """Make sure that a pack is of this test set; what is returned serves its lengths.

    Raises:
        ReferencePackError: it is of another one, or its files differ from those here.
    """
    _refuse(
        pack, list(_other_testset(pack, testset)) or list(_other_readers(pack)) or list(_other_sizes(pack, testset))
    )
    return PackUse(pack)


def fit_run(pack: ReferencePack, testset: TestSet, plan: RunPlan) -> PackUse:
    """Compare a pack with the test set and the plan of a run.

    Files that are here are compared by their sizes, and by their digests where the run reads them.

    Raises:
        ReferencePackError: naming everything that differs.
    """
    fit_testset(pack, testset)
    header = pack.header
    independent = independent_of_video(plan.records)
    offered = {name for name in independent if name in header.features}
    differences = [line for name in sorted(offered) for line in _other_feature(pack, independent[name], plan)]
    fingerprint = plan.records.get(FINGERPRINT)
    if fingerprint is not None and header.fingerprint is not None:
        differences += feature_differences(fingerprint, header.fingerprint, feature_entry(fingerprint, plan.weights))
        differences += _bad_fingerprints(pack, fingerprint)
    _refuse(pack, differences)
    served = _taken(offered, plan.records)
    rest = {name: record for name, record in plan.records.items() if name not in served}
    _refuse(pack, list(_other_contents(pack, testset, rest)))
    not_here = {
        sample.id for sample in testset if sample.reference_video and not testset.path(sample.reference_video).is_file()
    }
    return PackUse(pack, frozenset(served), _reading_videos(rest), frozenset(not_here))


def _taken(offered: set[str], records: Mapping[str, FeatureRecord]) -> set[str]:
    """Return the offered features that no feature outside of them reads."""
    taken = set(offered)
    while read := {need for name, record in records.items() if name not in taken for need in record.needs} & taken:
        taken -= read
    return taken


def _reading_videos(records: Mapping[str, FeatureRecord]) -> frozenset[str]:
    found: set[str] = set()
    for name, record in records.items():
        if "reference_video" in record.inputs or found.intersection(record.needs):
            found.add(name)
    return frozenset(found)


def _other_testset(pack: ReferencePack, testset: TestSet) -> Iterator[str]:
    whole, samples = testset.whole, pack.header.samples
    if whole.sha256 == pack.header.testset.sha256 and set(samples) == {sample.id for sample in whole}:
        return
    here = {sample.id: sample_digest(sample) for sample in whole}
    for title, names in (
        ("are in the pack only", [name for name in samples if name not in here]),
        ("are in the test set only", [name for name in here if name not in samples]),
        ("differ", [name for name, digest in here.items() if name in samples and samples[name].sha256 != digest]),
    ):
        if names:
            yield f"The pack is of another test set: {count(len(names), 'sample')} {title}, such as '{names[0]}'."
            return
    yield "The pack is of another test set: its samples have another order."


def _other_readers(pack: ReferencePack) -> Iterator[str]:
    for what in sorted({*READERS, *pack.header.readers}):
        theirs, ours = pack.header.readers.get(what), READERS.get(what)
        if theirs != ours:
            yield f"The version of reading '{what}' is {theirs} in the pack, {ours} here."


def _other_sizes(pack: ReferencePack, testset: TestSet) -> Iterator[str]:
    for name, path in _files_here(pack, testset, tuple(sample_files(testset.samples[0]))):
        size, stated = path.stat().st_size, pack.header.files[name].bytes
        if size != stated:
            yield f"The test set's file '{name}' has {size} bytes here, {stated} in the pack."


def _other_contents(pack: ReferencePack, testset: TestSet, records: Mapping[str, FeatureRecord]) -> Iterator[str]:
    read = {part for record in records.values() for part in record.inputs}
    for name, path in _files_here(pack, testset, tuple(sorted(read))):
        if file_digest(path) != pack.header.files[name].sha256:
            yield f"The test set's file '{name}' has other contents here than in the pack."


def _files_here(pack: ReferencePack, testset: TestSet, parts: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    """Yield the path in the test set and on this machine of each file that the pack knows."""
    names = {name: None for sample in testset for part in parts for name in sample_files(sample).get(part, ())}
    for name in names:
        if name in pack.header.files and (path := testset.path(name)).is_file():
            yield name, path


def _other_feature(pack: ReferencePack, record: FeatureRecord, plan: RunPlan) -> Iterator[str]:
    header = pack.header
    yield from feature_differences(record, header.features[record.name], feature_entry(record, plan.weights))
    for need in record.needs:
        if need not in header.features:
            yield f"The pack has '{record.name}' without the feature '{need}', which it is computed from."
    for number in sorted({sample.features[record.name] for sample in header.samples.values()}):
        entry = header.entries[number]
        problem = None if entry.arrays is None else array_mismatch(record, placeholder(entry))
        if problem is not None:
            yield f"The pack is not what evalkit writes: {problem}."
            return


def feature_differences(record: FeatureRecord, theirs: FeatureEntry, ours: FeatureEntry) -> list[str]:
    """Return in words what makes a feature of a pack another one than that of this run; nothing where they are one."""
    name, found = record.name, []
    if theirs.version != ours.version:
        found.append(f"The feature '{name}' has version {theirs.version} in the pack, {ours.version} here.")
    for option in sorted({*theirs.options, *ours.options}):
        one, other = (json.dumps(side.options.get(option)) for side in (theirs, ours))
        if one != other:
            found.append(f"The option '{option}' of the feature '{name}' is {one} in the pack, {other} here.")
    if theirs.needs != ours.needs:
        found.append(f"The feature '{name}' is computed from {theirs.needs} in the pack, from {ours.needs} here.")
    for role in sorted({*theirs.weights, *ours.weights}):
        one_file, other_file = theirs.weights.get(role), ours.weights.get(role)
        if one_file != other_file:
            texts = ["no file" if file is None else file.sha256 for file in (one_file, other_file)]
            if texts[0] == texts[1]:
                texts = [json.dumps(file.options, sort_keys=True) for file in (one_file, other_file) if file]
            found.append(f"The weights '{role}' of the feature '{name}' are {texts[0]} in the pack, {texts[1]} here.")
    return found


def _bad_fingerprints(pack: ReferencePack, record: FeatureRecord) -> Iterator[str]:
    for sample in pack.header.samples.values():
        entry = pack.header.entries[sample.fingerprint.entry] if sample.fingerprint else None
        if entry is None or entry.arrays is None:
            continue
        arrays = placeholder(entry)
        problem = array_mismatch(record, arrays)
        if problem is None and len(arrays["bits"]) > signature.TICKS:
            problem = f"a fingerprint has {len(arrays['bits'])} rows, {signature.TICKS} at most"
        if problem is not None:
            yield f"The pack is not what evalkit writes: {problem}."
            return


def _refuse(pack: ReferencePack, differences: list[str]) -> None:
    if not differences:
        return
    more = len(differences) - _MOST_LINES
    lines = [*differences[:_MOST_LINES], *([f"... and {count(more, 'more difference')}."] if more > 0 else [])]
    raise ReferencePackError(
        [f"The reference pack {pack.path} doesn't fit this run.", *lines],
        fix="Get the pack of this test set, version of evalkit and backbones, or leave it out.",
    )
