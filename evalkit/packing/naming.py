"""Find out which file in a folder is meant for which sample, by its name alone.

Each file is read in the ways of `HOWS`, from strict to loose, and the first in which it means a sample counts. A file
that means several samples and a sample that is meant by several files are not decided here: a wrong video under a
right name costs more than a question.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal, TypeVar

from evalkit.validators.archive.listing import composed

How = Literal["mapping", "name", "letters", "zeros", "part", "folder"]
HOWS: Mapping[How, str] = {
    "mapping": "by the mapping",
    "name": "by its name",
    "letters": "by its name, apart from upper and lower case",
    "zeros": "by its name, apart from leading zeros",
    "part": "by a part of its name",
    "folder": "by its folder",
}
Key = TypeVar("Key", str, tuple[str, ...])
_WORD = re.compile(r"[^\W_]+")
_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")


@dataclass(frozen=True)
class Match:
    """The file of one sample, and how it was found."""

    path: str
    how: How


@dataclass(frozen=True)
class Matching:
    """Which file is meant for which sample.

    Args:
        files: sample -> its file.
        missing: samples without one.
        several_files: sample -> the files that may be meant, where there are several.
        several_samples: file -> the samples that it may be meant for, where there are several.
        spare: files that are not used -> why.
    """

    files: Mapping[str, Match]
    missing: tuple[str, ...] = ()
    several_files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    several_samples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    spare: Mapping[str, str] = field(default_factory=dict)


def match_names(paths: Sequence[str], targets: Mapping[str, str], mapping: Mapping[str, str] | None = None) -> Matching:
    """Match files with samples.

    Args:
        paths: of the files, relative, with forward slashes.
        targets: sample -> its path in the ZIP, in the order of the test set.
        mapping: sample -> path, where the user has said it; these samples and files are not matched by name.
    """
    said = dict(mapping or {})
    files = {sample: Match(path, "mapping") for sample, path in said.items()}
    spare: dict[str, str] = {}
    meant: dict[str, dict[str, How]] = defaultdict(dict)  # sample -> path -> how
    unclear: dict[str, tuple[str, ...]] = {}
    names = _Names(targets)
    for path in sorted(set(paths) - set(said.values())):
        samples, how = names.read(path)
        left = [sample for sample in samples if sample not in said]
        if not left:
            spare[path] = f"'{samples[0]}' has another file by the mapping" if samples else "belongs to no sample"
        elif len(samples) == 1:
            meant[left[0]][path] = how
        else:
            unclear[path] = tuple(samples)
    several = {sample: tuple(found) for sample, found in meant.items() if len(found) > 1}
    for sample, found in meant.items():
        if len(found) == 1:
            ((path, how),) = found.items()
            files[sample] = Match(path, how)
    for path, either in list(unclear.items()):
        if all(sample in files for sample in either):  # nothing to decide: each has a file of its own
            spare[path] = f"may be meant for {_either(either)}, which have files of their own"
            del unclear[path]
    missing = tuple(sample for sample in targets if sample not in files and sample not in several)
    return Matching({sample: files[sample] for sample in targets if sample in files}, missing, several, unclear, spare)


def _either(samples: Sequence[str]) -> str:
    return " or ".join([", ".join(samples[:-1]), samples[-1]] if len(samples) > 1 else samples)


class _Names:
    """The names under which files of the samples are looked for: their paths in the ZIP, and their ids."""

    def __init__(self, targets: Mapping[str, str]) -> None:
        self._targets = {composed(path): sample for sample, path in targets.items()}
        keys = [[(_stem(path), sample) for sample, path in targets.items()], [(sample, sample) for sample in targets]]
        self._depth = 1 + max((key.count("/") for pairs in keys for key, _ in pairs), default=0)
        self._whole = {how: [_grouped(pairs, form) for pairs in keys] for how, form in _FORMS.items()}
        pairs = [pair for part in keys for pair in part]
        self._words = [(form, _grouped(pairs, form)) for form in (_words, _words_without_zeros)]
        self._longest = max((len(words) for words in self._words[0][1]), default=0)

    def read(self, path: str) -> tuple[list[str], How]:
        """Return the samples that the file's name means, and how it was read; none when it means nothing."""
        exact = self._targets.get(composed(path))
        if exact is not None:
            return [exact], "name"
        parts = _stem(path).split("/")
        tails = ["/".join(parts[-depth:]) for depth in range(min(self._depth, len(parts)), 0, -1)]
        for how, form in _FORMS.items():
            for keys in self._whole[how]:
                for tail in tails:
                    if found := keys.get(form(tail)):
                        return found, how
        for depth in range(1, len(parts) + 1):
            for split, named in self._words:
                if found := self._contained(split("/".join(parts[-depth:])), named):
                    return found, "part" if depth == 1 else "folder"
        return [], "part"

    def _contained(self, words: tuple[str, ...], keys: Mapping[tuple[str, ...], list[str]]) -> list[str]:
        """Return the samples whose names are among the words; a name inside a longer one does not count."""
        spans = [
            (start, end)
            for start in range(len(words))
            for end in range(start + 1, min(start + self._longest, len(words)) + 1)
            if words[start:end] in keys
        ]
        outer = [
            (start, end)
            for start, end in spans
            if not any((low, high) != (start, end) and low <= start and end <= high for low, high in spans)
        ]
        return list(dict.fromkeys(sample for start, end in outer for sample in keys[words[start:end]]))


def _stem(path: str) -> str:
    """Return the path without the suffix of its file."""
    place = PurePosixPath(path)
    return composed((place.parent / (place.stem if place.suffix else place.name)).as_posix())


def _plain(text: str) -> str:
    return composed(text).strip()


def _folded(text: str) -> str:
    return _plain(text).casefold()


def _without_zeros(text: str) -> str:
    return _ZEROS.sub("", _folded(text))


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(_folded(text)))


def _words_without_zeros(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(_without_zeros(text)))


_FORMS: Mapping[How, Callable[[str], str]] = {"name": _plain, "letters": _folded, "zeros": _without_zeros}


def _grouped(pairs: Iterable[tuple[str, str]], form: Callable[[str], Key]) -> dict[Key, list[str]]:
    """Return the form of each key -> its samples, each once."""
    found: dict[Key, list[str]] = defaultdict(list)
    for key, sample in pairs:
        made = form(key)
        if made and sample not in found[made]:
            found[made].append(sample)
    return {key: samples for key, samples in found.items() if samples}
