"""Assign files to samples: match the challenge's path templates with the archive's names."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import PurePosixPath

from evalkit.challenges.kinds import Kind
from evalkit.challenges.model import Challenge
from evalkit.errors import TestSetError
from evalkit.testsets.model import Sample, TestSet
from evalkit.validators.archive.listing import composed
from evalkit.validators.frame_pictures import Frames, find_frames
from evalkit.validators.kind_of_files import fits

_FIELD = re.compile(r"\{([a-z]+)\}")
# Numbers are written without leading zeros: 001.mp4 and 1.mp4 would be two answers to one sample.
_PATTERNS = {"index": r"[1-9][0-9]*", "id": r".+", "identity": r"[^/]+", "prompt": r"[^/]+", "setup": r"[^/]+"}
_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")
_COPY_MARK = re.compile(r"( ?\([0-9]+\)|[ _-]+(copy|kopie|copie)( ?\(?[0-9]+\)?)?)+$")
WRAPPER_DEPTH = 3
SPEED_FILE = "speed.json"  # a generator's own measurements, stored beside the videos; it belongs to no sample
CLOSE_MISSING, CLOSE_SPARE = 50, 200  # limits for the search of similar names, whose time is their product


@dataclass(frozen=True)
class Layout:
    """How a submission's files map to samples.

    Args:
        template: the layout that matches most files, ``None`` when none matches.
        files: sample id -> path in the archive.
        missing: (sample id, expected path) without a file.
        extra: paths that belong to no sample.
        prefix: folder around the files that the template does not have, with its slash.
        expected: number of samples the challenge or test set asks for, ``None`` when unknown.
        templates: what the challenge allows.
        near: sample id -> the extra path that is probably meant, where case, extension, leading zeros or the folder
            differ, or the name is similar.
        speed: path of the ``speed.json`` beside the videos, ``None`` without one.
        frames: extra pictures that are the frames of videos.
        kind: what the files are.
    """

    template: str | None
    files: Mapping[str, str]
    missing: tuple[tuple[str, str], ...] = ()
    extra: tuple[str, ...] = ()
    prefix: str = ""
    expected: int | None = None
    templates: tuple[str, ...] = field(default=())
    near: Mapping[str, str] = field(default_factory=dict)
    speed: str | None = None
    frames: tuple[Frames, ...] = ()
    kind: Kind = "video"


def match_layout(paths: Sequence[str], challenge: Challenge, testset: TestSet | None) -> Layout:
    """Find the template that matches most of ``paths`` (files only, no junk) and map samples to files.

    With a test set the expected paths are known; without one, every path that matches a template is a
    sample of its own. A limited test set is matched as a whole: files of the samples left out are neither expected nor
    unexpected. Of two templates that match equally many, the one listed first in the challenge wins. Samples that it
    has no file for may have one by a template that differs in the ending only.

    Raises:
        TestSetError: when no template can name all samples of the test set, so that no submission could be valid.
    """
    if testset is not None and testset.left_out:
        return _limited(match_layout(paths, challenge, testset.whole), testset)
    rules = challenge.submission
    templates = rules.layouts
    kind = rules.kind
    expected = _expected_by_template(templates, testset)
    best: Layout | None = None
    for template in templates:
        for prefix in _prefixes(paths, template, testset):
            stripped = {path[len(prefix) :]: path for path in paths if path.startswith(prefix)}
            if testset is None:
                fit = Layout(
                    template, _files_of_form(template, stripped, rules.setups), expected=challenge.testset.samples
                )
            elif template in expected:
                fit = _fit(template, stripped, expected[template])
            else:
                continue
            if best is None or len(fit.files) > len(best.files):
                best = replace(fit, prefix=prefix, templates=templates, kind=kind)
    if best is None or not best.files:
        named = next(iter(expected.values()), {})
        count = len(testset) if testset is not None else challenge.testset.samples
        missing = tuple(named.items())
        none = Layout(None, {}, missing, tuple(paths), expected=count, templates=templates, kind=kind)
        return _with_near(none, paths if testset is not None else ())
    best = _with_other_endings(best, paths, expected, rules.setups)
    taken = set(best.files.values())
    speed = next((path for path in (SPEED_FILE, best.prefix + SPEED_FILE) if path in set(paths) - taken), None)
    extra = tuple(path for path in paths if path not in taken and path != speed)
    return _with_near(replace(best, extra=extra, speed=speed), extra)


def _with_other_endings(
    layout: Layout, paths: Sequence[str], expected: Mapping[str, Mapping[str, str]], setups: Sequence[str]
) -> Layout:
    """Add the files of samples without one that follow another template of the same form: WAV beside FLAC."""
    own = str(layout.template)
    others = [one for one in layout.templates if one != own and _without_suffix(one) == _without_suffix(own)]
    stripped = {path[len(layout.prefix) :]: path for path in paths if path.startswith(layout.prefix)}
    files = dict(layout.files)
    for template in others:
        named = expected.get(template)
        more = _files_of_form(template, stripped, setups) if named is None else _fit(template, stripped, named).files
        files = {**more, **files}
    order = expected.get(own)
    files = dict(sorted(files.items())) if order is None else {name: files[name] for name in order if name in files}
    return replace(layout, files=files, missing=tuple(one for one in layout.missing if one[0] not in files))


def _without_suffix(template: str) -> str:
    return str(PurePosixPath(template).with_suffix(""))


def _with_near(layout: Layout, candidates: Sequence[str]) -> Layout:
    """Add which extra paths are probably meant for which samples, and which are frames of videos."""
    near = _near(layout, [path for path in candidates if fits(path, layout.kind)])
    meant = set(near.values())
    pictures_meant = find_frames(layout.extra) if layout.kind == "video" else ()
    frames = tuple(one for one in pictures_meant if not meant.issuperset(one.paths))
    pictures = {path for one in frames for path in one.paths}
    return replace(layout, near={key: path for key, path in near.items() if path not in pictures}, frames=frames)


def _limited(layout: Layout, testset: TestSet) -> Layout:
    """Return what the layout of the whole test set says of the samples in ``testset``."""
    asked = {sample.id for sample in testset}
    others = {path for sample, path in layout.near.items() if sample not in asked}
    return replace(
        layout,
        files={sample: path for sample, path in layout.files.items() if sample in asked},
        missing=tuple((sample, path) for sample, path in layout.missing if sample in asked),
        extra=tuple(path for path in layout.extra if path not in others),
        near={sample: path for sample, path in layout.near.items() if sample in asked},
        expected=len(testset),
    )


def expected_paths(challenge: Challenge, testset: TestSet) -> dict[str, str]:
    """Return sample id -> path by the first of the challenge's layouts that names every sample.

    Raises:
        TestSetError: when none does.
    """
    named = next(iter(_expected_by_template(challenge.submission.layouts, testset.whole).values()))
    return {sample.id: named[sample.id] for sample in testset}


def _prefixes(paths: Sequence[str], template: str, testset: TestSet | None) -> list[str]:
    """Return the folders in which the template may start: none, or the one with most files, up to 3 levels deep."""
    prefixes = [""]
    for _ in range(WRAPPER_DEPTH):
        start = len(prefixes[-1])
        inside = [path[start:] for path in paths if path.startswith(prefixes[-1])]
        heads = Counter(path.split("/", 1)[0] for path in inside if "/" in path)
        if not heads:
            break
        head, count = heads.most_common(1)[0]
        if count * 2 <= len(inside):
            break
        prefixes.append(f"{prefixes[-1]}{head}/")
    if testset is None and "/" not in template:
        # {id} also matches folders. Without a test set, one folder around everything is a wrapper, not an id.
        prefixes.reverse()
    return prefixes


def _expected_by_template(templates: Sequence[str], testset: TestSet | None) -> dict[str, dict[str, str]]:
    """Return template -> sample id -> path, for the templates that give every sample a path of its own."""
    if testset is None:
        return {}
    expected: dict[str, dict[str, str]] = {}
    reasons: list[str] = []
    for template in templates:
        named = {}
        owner: dict[str, str] = {}
        for index, sample in enumerate(testset.samples, start=1):
            path = _path(template, sample, index)
            if path is None:
                reasons.append(f"for '{template}' the sample '{sample.id}' lacks a field")
                break
            if path in owner:
                reasons.append(f"by '{template}' the samples '{owner[path]}' and '{sample.id}' are both {path}")
                break
            owner[path] = sample.id
            named[sample.id] = path
        else:
            expected[template] = named
    if not expected:
        raise TestSetError(
            "The test set does not match the challenge: none of its layouts names every sample.",
            found="; ".join(reasons),
            fix="Choose the test set of this challenge, or another layout in the challenge file.",
        )
    return expected


def _path(template: str, sample: Sample, index: int) -> str | None:
    """Return where ``template`` puts ``sample``; ``None`` when the sample lacks one of its fields."""
    own = sample.item if sample.item is not None and "{setup}" in template else sample.id
    values = {
        "id": own,
        "identity": sample.identity,
        "prompt": sample.prompt,
        "index": str(index),
        "setup": sample.setup,
    }
    if any(values[name] is None for name in _FIELD.findall(template)):
        return None
    return _FIELD.sub(lambda match: str(values[match.group(1)]), template)


def _fit(template: str, stripped: Mapping[str, str], named: Mapping[str, str]) -> Layout:
    alike = _by_accents(stripped) if any(not path.isascii() for path in named.values()) else {}
    files = {}
    for sample, path in named.items():
        place = stripped.get(path) or alike.get(composed(path))
        if place is not None:
            files[sample] = place
    missing = tuple((sample, path) for sample, path in named.items() if sample not in files)
    return Layout(template, files, missing, expected=len(named))


def _by_accents(stripped: Mapping[str, str]) -> dict[str, str]:
    """Return the paths by their names in composed form; macOS writes accents as separate characters."""
    return _unique((composed(short), path) for short, path in stripped.items() if not short.isascii())


def _files_of_form(template: str, stripped: Mapping[str, str], setups: Sequence[str]) -> dict[str, str]:
    """Return sample -> path for the paths of the template's form; a sample's name is made of the fields' values."""
    pattern = re.compile(_pattern(template, setups))
    files: dict[str, str] = {}
    for short, path in sorted(stripped.items()):
        match = pattern.fullmatch(short)
        if match:
            files.setdefault("/".join(match.groups()), path)
    return files


def _pattern(template: str, setups: Sequence[str] = ()) -> str:
    """Return the template as a regular expression; a repeated field must have the same value each time."""
    forms = _PATTERNS | ({"setup": "|".join(map(re.escape, setups))} if setups else {})
    parts = _FIELD.split(template)  # text, field, text, ...
    seen: set[str] = set()
    pattern = ""
    for i, part in enumerate(parts):
        if i % 2 == 0:
            pattern += re.escape(part)
        elif part in seen:
            pattern += f"(?P={part})"
        else:
            seen.add(part)
            pattern += f"(?P<{part}>{forms[part]})"
    return pattern


def _loose(path: str) -> str:
    """Return ``path`` without what often differs by mistake: case, extension, outer zeros and spaces, accents."""
    folder, _, name = path.rpartition("/")
    stem = (name.rsplit(".", 1)[0] or name).strip()
    return _ZEROS.sub("", composed(f"{folder}/{stem}").lower())


def _unique(items: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the pairs as a dictionary, without the keys that have several values."""
    found: dict[str, str] = {}
    double: set[str] = set()
    for key, value in items:
        if key in found:
            double.add(key)
        found[key] = value
    return {key: value for key, value in found.items() if key not in double}


def _near(layout: Layout, extra: Sequence[str]) -> dict[str, str]:
    """Return sample id -> extra path that is probably meant; each path is used once.

    A file in another folder counts only when its name alone identifies the sample, not ``prompt1.mp4`` of 200 people,
    or when it is the only one in a folder of the sample's name: ``p001/output.mp4``.
    """
    names = dict(layout.missing)
    loose = _unique((_loose(path[len(layout.prefix) :]), path) for path in extra if path.startswith(layout.prefix))
    near: dict[str, str] = {}
    used: set[str] = set()

    def claim(candidates: Mapping[str, str], wanted: Mapping[str, str]) -> None:
        for key, sample in wanted.items():
            path = candidates.get(key)
            if path is not None and path not in used and sample not in near:
                near[sample] = path
                used.add(path)

    claim(loose, _unique((_loose(path), sample) for sample, path in names.items()))
    every = Counter(loose_name(path) for path in [*layout.files.values(), *names.values()])
    claim(
        _unique((loose_name(path), path) for path in extra),
        _unique((loose_name(path), sample) for sample, path in names.items() if every[loose_name(path)] == 1),
    )
    claim(
        _unique((_without_copy_mark(path), path) for path in extra),
        _unique((loose_name(path), sample) for sample, path in names.items() if every[loose_name(path)] == 1),
    )
    claim(
        _unique((_loose(f"/{path.rsplit('/', 2)[-2]}."), path) for path in extra if "/" in path and path not in used),
        _unique((loose_name(path), sample) for sample, path in names.items() if every[loose_name(path)] == 1),
    )
    left = [path for path in extra if path not in used]
    claim(
        _without_common_parts(left),
        _unique((loose_name(path), sample) for sample, path in names.items() if every[loose_name(path)] == 1),
    )
    rest = [(sample, path) for sample, path in names.items() if sample not in near]
    spare = _unique((_loose(path[len(layout.prefix) :]), path) for path in extra if path not in used)
    if len(rest) <= CLOSE_MISSING and len(spare) <= CLOSE_SPARE:
        for sample, path in rest:
            close = difflib.get_close_matches(_loose(path), spare, n=1, cutoff=0.85)
            if close:
                near[sample] = spare.pop(close[0])
    return near


def loose_name(path: str) -> str:
    """Return a file's name without folder and suffix, in the form in which near names are compared."""
    return _loose(path.rsplit("/", 1)[-1])


def _without_copy_mark(path: str) -> str:
    """Return the name without the mark of a second copy: ``p001 (1).mp4``, ``p001 - Copy.mp4``."""
    return _COPY_MARK.sub("", loose_name(path))


def _without_common_parts(paths: Sequence[str]) -> dict[str, str]:
    """Return the names without what all of them begin and end with, as in ``result_p001_final.mp4``, to the paths."""
    stems = {path: loose_name(path).lstrip("/") for path in paths}
    if len(stems) < 2:
        return {}
    start = _common_start(stems.values())
    end = _common_start(stem[::-1] for stem in stems.values())[::-1]
    # A common part may end inside an id: result_p001 and result_p002 have result_p00 in common. Cut at separators only.
    start = start[: max(start.rfind(sign) for sign in "_-. ") + 1]
    at = [end.find(sign) for sign in "_-. " if sign in end]
    end = end[min(at) :] if at else ""
    return _unique(("/" + stem[len(start) : len(stem) - len(end)], path) for path, stem in stems.items())


def _common_start(texts: Iterable[str]) -> str:
    ordered = sorted(texts)
    pairs = zip(ordered[0], ordered[-1], strict=False)
    return "".join(a for a, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
