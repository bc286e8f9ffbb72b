"""Rules about which files a submission has: samples without one, files of no sample, folders around all."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from evalkit.challenges.kinds import KINDS
from evalkit.validators import kind_of_files
from evalkit.validators.findings import Rule, Violation
from evalkit.validators.frame_pictures import advice, described
from evalkit.validators.matching import Layout, loose_name

RENAMES = 3  # named in a sentence


def _no_layout(layout: Layout) -> Iterable[Violation]:
    if layout.template is None:
        other = kind_of_files.other_kind(layout.extra, layout.kind)
        if other is not None and not layout.frames:
            yield Violation(
                kind_of_files.sentence(layout.kind, other),
                found=kind_of_files.of_kind(layout.extra, other),
                expected=f"{KINDS[layout.kind].files}: {_expected(layout)}",
                fix=kind_of_files.fix(layout.kind, other),
            )
            return
        yield Violation(
            "No file has a name that the challenge expects.",
            found=described(layout.frames) if layout.frames else layout.extra[0] if layout.extra else "no file at all",
            expected=_expected(layout),
            fix=_of_frames(layout) or _renames(layout) or "Name the files after the samples and zip them again.",
        )


def _expected(layout: Layout) -> str:
    example = f", as in {layout.missing[0][1]}" if layout.missing else ""
    index = " ({index} is 1, 2, 3 ..., without leading zeros)" if "{index}" in "".join(layout.templates) else ""
    return " or ".join(layout.templates) + example + index


def _of_frames(layout: Layout) -> str | None:
    """Return how to make a video of pictures, under the name of the sample that their folder is named for."""
    if not layout.frames:
        return None
    folder = loose_name(f"/{layout.frames[0].folder}.")
    return advice(layout.frames, next((path for _, path in layout.missing if loose_name(path) == folder), "SAMPLE.mp4"))


def _renames(layout: Layout) -> str | None:
    """Return one sentence for files that are all named wrong, or ``None`` when it is not clear which is which."""
    wanted = dict(layout.missing)
    pairs = [f"{layout.near[sample]} to {wanted[sample]}" for sample in wanted if sample in layout.near]
    if not pairs:
        return None
    more = f" and {len(pairs) - RENAMES} more in the same way" if len(pairs) > RENAMES else ""
    if any(_other_container(path, wanted[sample]) for sample, path in layout.near.items() if sample in wanted):
        return f"Convert {', '.join(pairs[:RENAMES])}{more}: a new name is not enough.{_repair(layout, ' {} does it.')}"
    return f"Rename {', '.join(pairs[:RENAMES])}{more}{_repair(layout, '; {} does it') or ''}."


def _repair(layout: Layout, words: str) -> str:
    """Return ``words`` with the command that repairs, where there is one: it converts videos."""
    return words.format("'evalkit repair'") if layout.kind == "video" else ""


def _other_container(path: str, wanted: str) -> bool:
    """Return whether the suffixes of two paths stand for different containers."""
    return PurePosixPath(path).suffix.lower() not in {"", PurePosixPath(wanted).suffix.lower()}


def _rename(layout: Layout, path: str, wanted: str) -> str:
    thing = KINDS[layout.kind].file
    if _other_container(path, wanted):
        how = f"(a new name is not enough){_repair(layout, ': {}')}"
        return f"If {path} is this sample's {thing}, convert it to {wanted} {how}."
    return f"If {path} is this sample's {thing}, rename it to {wanted}."


def _missing(layout: Layout) -> Iterable[Violation]:
    if layout.template is None:
        return
    for sample, path in layout.missing:
        near = layout.near.get(sample)
        yield Violation(
            "The sample has no file.",
            found=f"a file named {near}" if near else "nothing",
            expected=layout.prefix + path,
            fix=_rename(layout, near, layout.prefix + path) if near else "Add the file.",
            sample=sample,
        )


def _extra(layout: Layout) -> Iterable[Violation]:
    if layout.template is None:
        return
    meant = {path: sample for sample, path in layout.near.items()}
    expected = dict(layout.missing)
    pictures = {path for one in layout.frames for path in one.paths}
    if layout.frames:
        yield Violation(
            "Pictures take the place of a video; they are ignored.",
            found=described(layout.frames),
            expected=layout.prefix + layout.template,
            fix=_of_frames(layout),
            path=layout.frames[0].paths[0],
        )
    for path in layout.extra:
        if path in pictures:
            continue
        sample = meant.get(path)
        yield Violation(
            "The file belongs to no sample and is ignored.",
            expected=layout.prefix + (expected[sample] if sample is not None else layout.template),
            fix="Remove it from the ZIP."
            if sample is None
            else _rename(layout, path, layout.prefix + expected[sample]),
            path=path,
        )


def _wrapper(layout: Layout) -> Iterable[Violation]:
    if layout.prefix:
        yield Violation(
            "The files are in a folder that the layout does not have; it is skipped.",
            found=layout.prefix,
            expected=layout.template,
            fix="Zip the folder's content, not the folder.",
        )


def _count(layout: Layout) -> Iterable[Violation]:
    counted = len(layout.files)
    if layout.template and not layout.missing and layout.expected is not None and counted != layout.expected:
        yield Violation(
            f"The number of {KINDS[layout.kind].file}s differs from the challenge's.",
            found=str(counted),
            expected=str(layout.expected),
        )


RULES: tuple[Rule[Layout], ...] = (
    Rule("layout.no-match", "set", "error", "no file has an expected name", _no_layout),
    Rule("layout.missing", "set", "error", "a sample has no file", _missing),
    Rule("layout.count", "set", "error", "wrong number of files", _count),
    Rule("layout.extra", "set", "warning", "a file belongs to no sample", _extra),
    Rule("layout.wrapper-folder", "set", "warning", "all files in an extra folder", _wrapper),
)
