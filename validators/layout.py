"""Which file answers which sample: the challenge's path templates against the archive's names."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from evalkit.challenge import Challenge
from evalkit.testset import TestSet
from evalkit.validators.findings import Rule, Violation

_FIELD = re.compile(r"\\\{([a-z]+)\\\}")
_PATTERNS = {"index": r"[0-9]+", "id": r".+", "identity": r"[^/]+", "prompt": r"[^/]+"}


@dataclass(frozen=True)
class Layout:
    """How a submission's files map to samples.

    Args:
        template: the layout that fits best, ``None`` when none fits at all.
        files: sample id -> path in the archive.
        missing: (sample id, expected path) without a file.
        extra: paths that answer no sample.
        prefix: folder that all files lie in although the template has none, with its slash.
        expected: number of samples the challenge or test set asks for, ``None`` when unknown.
        templates: what the challenge allows.
    """

    template: str | None
    files: Mapping[str, str]
    missing: tuple[tuple[str, str], ...] = ()
    extra: tuple[str, ...] = ()
    prefix: str = ""
    expected: int | None = None
    templates: tuple[str, ...] = field(default=())


def match_layout(paths: Sequence[str], challenge: Challenge, testset: TestSet | None) -> Layout:
    """Find the template that explains most of ``paths`` (files only, no junk) and map samples to files.

    With a test set the expected paths are known; without one every path that has a template's form is taken for a
    sample of its own. Of two templates that explain equally many, the one named first in the challenge wins.
    """
    templates = challenge.submission.layouts
    best: Layout | None = None
    for prefix in _prefixes(paths):
        stripped = {path[len(prefix) :]: path for path in paths if path.startswith(prefix)}
        for template in templates:
            fit = _fit(template, stripped, challenge, testset)
            if fit is not None and (best is None or len(fit.files) > len(best.files)):
                best = Layout(**{**fit.__dict__, "prefix": prefix})
    if best is None or not best.files:
        samples = testset.samples if testset else ()
        first = next((template for template in templates if _expected(template, testset)), templates[0])
        named = _expected(first, testset) or {}
        return Layout(
            None,
            {},
            missing=tuple((sample.id, named.get(sample.id, "")) for sample in samples),
            extra=tuple(paths),
            expected=len(samples) or challenge.testset.samples,
            templates=templates,
        )
    taken = set(best.files.values())
    return Layout(**{**best.__dict__, "extra": tuple(path for path in paths if path not in taken)})


def _prefixes(paths: Sequence[str]) -> list[str]:
    """Return the empty prefix, and the folder that all files share, if they do."""
    prefixes = [""]
    heads = {path.split("/", 1)[0] for path in paths if "/" in path}
    if len(heads) == 1 and all("/" in path for path in paths):
        prefixes.append(heads.pop() + "/")
    return prefixes


def _expected(template: str, testset: TestSet | None) -> dict[str, str] | None:
    """Return sample id -> path by ``template``; ``None`` when a sample lacks one of its fields."""
    if testset is None:
        return None
    named = {}
    for index, sample in enumerate(testset.samples, start=1):
        fields = {"id": sample.id, "identity": sample.identity, "prompt": sample.prompt, "index": str(index)}
        path = template
        for name, value in fields.items():
            if f"{{{name}}}" in template:
                if value is None:
                    return None
                path = path.replace(f"{{{name}}}", value)
        named[sample.id] = path
    return named


def _fit(template: str, stripped: Mapping[str, str], challenge: Challenge, testset: TestSet | None) -> Layout | None:
    if testset is not None:
        named = _expected(template, testset)
        if named is None:
            return None
        files = {sample: stripped[path] for sample, path in named.items() if path in stripped}
        missing = tuple((sample, path) for sample, path in named.items() if path not in stripped)
        return Layout(template, files, missing, expected=len(named), templates=challenge.submission.layouts)
    pattern = re.compile(_FIELD.sub(lambda match: _PATTERNS[match.group(1)], re.escape(template)))
    files = {short.rsplit(".", 1)[0]: path for short, path in sorted(stripped.items()) if pattern.fullmatch(short)}
    return Layout(template, files, expected=challenge.testset.samples, templates=challenge.submission.layouts)


def _no_layout(layout: Layout) -> Iterable[Violation]:
    if layout.template is None:
        sample = layout.extra[0] if layout.extra else "no file at all"
        yield Violation(
            "No file is named as the challenge asks.",
            found=sample,
            expected=" or ".join(layout.templates),
            fix="Name the files after the samples and zip them again.",
        )


def _missing(layout: Layout) -> Iterable[Violation]:
    if layout.template is None:
        return
    spare = {path.rsplit("/", 1)[-1].lower(): path for path in layout.extra}
    for sample, path in layout.missing:
        name = path.rsplit("/", 1)[-1].lower()
        stems = {other.rsplit(".", 1)[0]: original for other, original in spare.items()}
        near = spare.get(name) or stems.get(name.rsplit(".", 1)[0])
        if near is None and len(layout.missing) <= 50:
            close = difflib.get_close_matches(name, spare, n=1, cutoff=0.85)
            near = spare[close[0]] if close else None
        yield Violation(
            "The sample has no file.",
            found=f"a file named {near}" if near else "nothing",
            expected=layout.prefix + path,
            fix=f"Rename {near} to {layout.prefix}{path}." if near else "Add the file.",
            sample=sample,
        )


def _extra(layout: Layout) -> Iterable[Violation]:
    if layout.template is None:
        return
    for path in layout.extra:
        yield Violation(
            "The file answers no sample and is ignored.",
            expected=layout.prefix + layout.template,
            fix="Remove it from the ZIP.",
            path=path,
        )


def _wrapper(layout: Layout) -> Iterable[Violation]:
    if layout.prefix:
        yield Violation(
            "All files lie in a folder that the layout does not have; it is skipped.",
            found=layout.prefix,
            expected=layout.template,
            fix="Zip the folder's content, not the folder.",
        )


def _count(layout: Layout) -> Iterable[Violation]:
    counted = len(layout.files)
    if layout.template and not layout.missing and layout.expected is not None and counted != layout.expected:
        yield Violation(
            "The number of videos is not the challenge's.", found=str(counted), expected=str(layout.expected)
        )


RULES: tuple[Rule[Layout], ...] = (
    Rule("layout.no-match", "set", "error", "no file has an expected name", _no_layout),
    Rule("layout.missing", "set", "error", "a sample has no file", _missing),
    Rule("layout.count", "set", "error", "not as many videos as samples", _count),
    Rule("layout.extra", "set", "warning", "a file answers no sample", _extra),
    Rule("layout.wrapper-folder", "set", "warning", "all files in one more folder", _wrapper),
)
