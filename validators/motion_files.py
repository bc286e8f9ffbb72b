"""Rules about the files of a challenge whose submissions are motion coefficients (`submission.motion`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import wraps

from evalkit.challenges.motion_rules import FRAMES, ArrayRules
from evalkit.media.facts import ArrayFacts, MotionFacts
from evalkit.text import count
from evalkit.validators.file import File
from evalkit.validators.findings import Rule, Violation

_SAVE = "Save plain numbers: numpy.save(path, array.astype('float32')), or numpy.savez with the names of the challenge."
_FEWEST_STILL = 2  # frames
# What the reader calls a fault -> the rule's end, the message, what should be there.
_FAULTS: dict[str, tuple[str, str, str]] = {
    "not-arrays": ("not-arrays", "The file is neither an NPY nor an NPZ file.", "NPY or NPZ"),
    "pickle": ("pickle", "The file holds Python objects, which are never loaded.", "an array of numbers"),
    "header": ("header", "The header of the array can't be read.", "a header as numpy writes it"),
    "dtype": ("dtype", "The elements of the array are no plain numbers.", "floating-point numbers"),
    "size": ("size", "The array is not as long as its header says.", "as many bytes as its shape takes"),
    "archive": ("archive", "The NPZ file can't be read.", "a ZIP of arrays, as numpy.savez writes it"),
    "too-large": ("too-large", "The file is too large to be read.", "at most 1 GiB"),
}


def _fault(name: str) -> Callable[[File], Iterator[Violation]]:
    _, message, expected = _FAULTS[name]

    def check(file: File) -> Iterator[Violation]:
        motion = file.facts.motion
        if motion is not None and motion.fault == name:
            where = f" in '{motion.fault_array}'" if motion.fault_array else ""
            yield Violation(message, found=motion.fault_found + where, expected=expected, fix=_SAVE)

    return check


def named_arrays(motion: MotionFacts, file: File) -> dict[str, ArrayFacts]:
    """Return the challenge's name of each array that is there -> its facts; an NPY file has the only one."""
    wanted = tuple(file.rules.motion.arrays)
    found = {array.name: array for array in motion.arrays}
    if set(found) == {""} and len(wanted) == 1:
        return {wanted[0]: found[""]}
    return found


def frames_of(motion: MotionFacts, file: File) -> int | None:
    """Return the length of the file in frames: that of the first array whose shape has them."""
    there = named_arrays(motion, file)
    for name, rules in file.rules.motion.arrays.items():
        if FRAMES in rules.shape and name in there and len(there[name].shape) == len(rules.shape):
            return there[name].shape[rules.shape.index(FRAMES)]
    return None


def _of_arrays(check: Callable[[MotionFacts, File], Iterable[Violation]]) -> Callable[[File], Iterable[Violation]]:
    """Skip the check where the file can't be read: another rule reports why."""

    @wraps(check)  # docs/rules.md names the module of each check
    def checked(file: File) -> Iterable[Violation]:
        motion = file.facts.motion
        return check(motion, file) if motion is not None and motion.fault is None else ()

    return checked


def _missing(motion: MotionFacts, file: File) -> Iterable[Violation]:
    there = named_arrays(motion, file)
    for name in file.rules.motion.arrays:
        if name not in there:
            names = ", ".join(there)
            yield Violation(
                f"The array '{name}' is missing.",
                found="one array without a name" if set(there) == {""} else names or "no array",
                expected=", ".join(file.rules.motion.arrays),
                fix=f"Save it under its name: numpy.savez(path, {name}=array).",
            )


def _extra(motion: MotionFacts, file: File) -> Iterable[Violation]:
    extra = [name for name in named_arrays(motion, file) if name and name not in file.rules.motion.arrays]
    if extra:
        yield Violation(
            "The file has arrays that the challenge doesn't ask for; they are ignored.",
            found=", ".join(extra),
            expected=", ".join(file.rules.motion.arrays),
        )


def _wanted(motion: MotionFacts, file: File) -> Iterator[tuple[str, ArrayFacts, ArrayRules]]:
    there = named_arrays(motion, file)
    for name, rules in file.rules.motion.arrays.items():
        if name in there:
            yield name, there[name], rules


def _shape(motion: MotionFacts, file: File) -> Iterable[Violation]:
    frames = frames_of(motion, file)
    for name, array, rules in _wanted(motion, file):
        fits = len(array.shape) == len(rules.shape) and all(
            wanted is None or found == (frames if wanted == FRAMES else wanted)
            for found, wanted in zip(array.shape, rules.shape, strict=True)
        )
        if not fits:
            words = ["any" if one is None else str(one) for one in rules.shape]
            if frames is not None and len(array.shape) == len(rules.shape):
                words = [str(frames) + " frames" if one == FRAMES else one for one in words]
            yield Violation(
                f"The array '{name}' has another shape.",
                found=_by(map(str, array.shape)),
                expected=_by(words),
            )


def _by(parts: Iterable[str]) -> str:
    return " x ".join(parts) or "a single number"


def _dtype(motion: MotionFacts, file: File) -> Iterable[Violation]:
    for name, array, rules in _wanted(motion, file):
        if array.dtype not in rules.dtypes:
            yield Violation(
                f"The array '{name}' has another dtype.", found=array.dtype, expected=" or ".join(rules.dtypes)
            )


def _not_finite(motion: MotionFacts, file: File) -> Iterable[Violation]:
    for name, array, _ in _wanted(motion, file):
        if array.nans or array.infinities:
            kinds = [
                f"{number} {what}" for number, what in ((array.nans, "NaN"), (array.infinities, "infinite")) if number
            ]
            yield Violation(
                f"Elements of the array '{name}' are not numbers.",
                found=" and ".join(kinds),
                expected="finite numbers",
                fix="Look for a division by zero, or for frames without a face, in the program that wrote them.",
            )


def _frames(motion: MotionFacts, file: File) -> Iterable[Violation]:
    frames, rules = frames_of(motion, file), file.rules.motion
    if frames is not None and not rules.min_frames <= frames <= rules.max_frames:
        yield Violation(
            f"There are too {'few' if frames < rules.min_frames else 'many'} frames.",
            found=str(frames),
            expected=f"{rules.min_frames} to {rules.max_frames}",
        )


def _length(motion: MotionFacts, file: File) -> Iterable[Violation]:
    frames, limit, expected = frames_of(motion, file), file.rules.motion.match_reference_frames, file.expected
    if frames is None or limit is None or expected is None:
        return
    wanted = round(expected.seconds * file.rules.motion.rate)
    if abs(frames - wanted) > limit:
        more = f", at most {limit} more or less" if limit else ""
        yield Violation(
            f"The number of frames differs from that of the {expected.source}.",
            found=str(frames),
            expected=f"{wanted}{more} (at {file.rules.motion.rate:g} frames/s)",
        )


def _still(motion: MotionFacts, file: File) -> Iterable[Violation]:
    wanted = [array for _, array, _ in _wanted(motion, file)]
    frames = frames_of(motion, file)
    if wanted and frames is not None and frames >= _FEWEST_STILL and all(array.still for array in wanted):
        yield Violation("Nothing moves: all frames are equal.", found=count(frames, "equal frame"), expected="motion")


def _rule(name: str, title: str) -> Rule[File]:
    return Rule(f"motion.{_FAULTS[name][0]}", "motion", "error", title, _fault(name))


RULES: tuple[Rule[File], ...] = (
    _rule("not-arrays", "neither NPY nor NPZ"),
    _rule("pickle", "Python objects"),
    _rule("header", "unreadable header"),
    _rule("dtype", "no plain numbers"),
    _rule("size", "not as long as the header says"),
    _rule("archive", "unreadable NPZ"),
    _rule("too-large", "too large"),
    Rule("motion.array-missing", "motion", "error", "an array is missing", _of_arrays(_missing)),
    Rule("motion.array-extra", "motion", "warning", "an array that nobody asked for", _of_arrays(_extra)),
    Rule("motion.shape", "motion", "error", "shape", _of_arrays(_shape)),
    Rule("motion.array-dtype", "motion", "error", "dtype", _of_arrays(_dtype)),
    Rule("motion.not-finite", "motion", "error", "NaN or infinite elements", _of_arrays(_not_finite)),
    Rule("motion.frames", "motion", "error", "too few or too many frames", _of_arrays(_frames)),
    Rule("motion.length", "motion", "error", "length differs from the reference", _of_arrays(_length)),
    Rule("motion.still", "motion", "warning", "all frames are equal", _of_arrays(_still)),
)
