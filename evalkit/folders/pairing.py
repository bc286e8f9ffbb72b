"""Which generated file belongs to which real one, by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from evalkit.folders.listing import MediaFile, Side


@dataclass(frozen=True)
class Pairs:
    """The real file of each generated one that has one.

    Args:
        real: name of a generated file -> its real file, of the same kind.
        only_real: names without a generated file.
        only_generated: names without a real file.
        by_stem: pairs whose folders differ: the name without folders is theirs alone on both sides.
        kinds_differ: names of which one side has a video and the other an image; no pairs.
    """

    real: Mapping[str, MediaFile]
    only_real: tuple[str, ...]
    only_generated: tuple[str, ...]
    by_stem: int = 0
    kinds_differ: tuple[str, ...] = ()


def pair_by_name(real: Side, generated: Side) -> Pairs:
    """Return the pairs: files of equal names below both folders; of the others those whose name alone is unique."""
    originals = {file.name: file for file in real.files}
    found = {file.name: originals[file.name] for file in generated.files if file.name in originals}
    used = {file.name for file in found.values()}
    left_real = _by_stem(file for file in real.files if file.name not in used)
    left_generated = _by_stem(file for file in generated.files if file.name not in found)
    by_stem = 0
    for stem, files in left_generated.items():
        candidates = left_real.get(stem, [])
        if len(files) == len(candidates) == 1:
            found[files[0].name] = candidates[0]
            by_stem += 1
    kinds = {file.name: file.kind for file in generated.files}
    mixed = tuple(name for name, file in found.items() if file.kind != kinds[name])
    pairs = {name: file for name, file in found.items() if name not in mixed}
    partnered = {file.name for file in pairs.values()}
    return Pairs(
        real=pairs,
        only_real=tuple(file.name for file in real.files if file.name not in partnered),
        only_generated=tuple(file.name for file in generated.files if file.name not in pairs),
        by_stem=by_stem,
        kinds_differ=mixed,
    )


def _by_stem(files: Iterable[MediaFile]) -> dict[str, list[MediaFile]]:
    found: defaultdict[str, list[MediaFile]] = defaultdict(list)
    for file in files:
        found[PurePosixPath(file.name).name].append(file)
    return found
