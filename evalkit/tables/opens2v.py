"""A folder of OpenS2V-Eval's JSON files as a run: its scores per video, merged as its scripts merge them.

Yuan et al., OpenS2V-Nexus, arXiv 2505.20292; eval/merge_result.py of versions 1.1 and 1.0, which clamp each score of a
video, take the mean over the videos that have one, and map it to 0..1. The weights of the total are in
`evalkit.tables.formulas`. Two files are evalkit's own: ``detections.json`` and ``qalign.json``, what the networks said,
from which NexusScore and the motion's smoothness are computed here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from evalkit.errors import InputError
from evalkit.jsonio import parse_json
from evalkit.scoring.records import MetricScore
from evalkit.tables.opens2v_scores import Detection, nexus, nexus_parity, smoothness
from evalkit.yamlio import read_text

MAX_BYTES = 64 << 20
MAX_VIDEOS = 100_000
Videos = dict[str, dict[str, float]]  # video -> score -> raw value


@dataclass(frozen=True)
class _Column:
    """How a score becomes a column: clamped to ``low``..``high`` per video, mapped to 0..1 after the mean."""

    title: str
    low: float
    high: float
    at_least: bool = True  # whether values below ``low`` are raised to it
    absolute: bool = False
    drop_zeros: bool = False


COLUMNS: Final[Mapping[str, _Column]] = {
    "opens2v.aesthetics": _Column("Aesthetics", 4, 7),
    "opens2v.motion_smoothness": _Column("MotionSmoothness", 0, 1, absolute=True),
    "opens2v.motion_amplitude": _Column("MotionAmplitude", 0, 1, absolute=True),
    "opens2v.facesim": _Column("FaceSim", 0, 1, at_least=False),
    "opens2v.gme": _Column("GmeScore", 0, 1, at_least=False),
    "opens2v.nexus": _Column("NexusScore", 0, 0.05, at_least=False, drop_zeros=True),
    "opens2v.nexus_with_zeros": _Column("NexusScore, zeros counted", 0, 0.05, at_least=False),
    "opens2v.natural": _Column("NaturalScore", 1, 5),
    "subject.nexus": _Column("Subject similarity (Nexus)", 0, 1),
}
# File -> (key in it, column); versions 1.0 and 1.1 call some otherwise.
FILES: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "aesthetic_score": (("aes_score",), "opens2v.aesthetics"),
    "motion_smoothness": (("motion_smoothness",), "opens2v.motion_smoothness"),
    "motion_amplitude": (("motion_fb",), "opens2v.motion_amplitude"),
    "motionscore": (("motion_fb",), "opens2v.motion_amplitude"),
    "facesim": (("cur_score",), "opens2v.facesim"),
    "gmescore": (("gme_score",), "opens2v.gme"),
    "nexusscore": (("nexus_score", "retrieval_score"), "opens2v.nexus"),
}
NATURAL: Final = ("naturalscore_1", "naturalscore_2", "naturalscore_3")
DETECTIONS, QALIGN = "detections", "qalign"


def is_opens2v(folder: Path) -> bool:
    """Return whether the folder has at least one of OpenS2V-Eval's files."""
    return any((folder / f"{name}.json").is_file() for name in (*FILES, *NATURAL, DETECTIONS, QALIGN))


def load_opens2v(folder: Path) -> dict[str, MetricScore]:
    """Return id -> number of the folder, those that it has scores for.

    Raises:
        InputError: a file is damaged or says something else than numbers; with the file and the video.
    """
    videos: Videos = {}
    for name, (keys, column) in FILES.items():
        for video, value in _read(folder, name):
            number = _number(_at(value, keys), folder, name, video)
            if column in videos.setdefault(video, {}):
                raise InputError(
                    f"The folder {folder} has the motion's amplitude twice.",
                    found="motionscore.json and motion_amplitude.json",
                    fix="Remove the one of the other version.",
                )
            videos[video][column] = number
    _add_natural(folder, videos)
    _add_from_networks(folder, videos)
    for values in videos.values():
        if "opens2v.nexus" in values:
            values["opens2v.nexus_with_zeros"] = values["opens2v.nexus"]
    return {name: found for name in COLUMNS if (found := merged(videos, name)) is not None}


def merged(videos: Mapping[str, Mapping[str, float]], name: str) -> MetricScore | None:
    """Return one column of the merged table, 0..1; ``None`` where no video has a score.

    The scripts write 0 where no video has one, and leave out zeros of NexusScore: a subject that was never found lowers
    nothing. The coverage says how many videos entered.

    Args:
        videos: video -> id of a column -> raw value.
        name: id of the column.
    """
    rule = COLUMNS[name]
    given = [values[name] for values in videos.values() if name in values]
    if not given:
        return None
    used = [value for value in given if value != 0] if rule.drop_zeros else given
    common: dict[str, Any] = {"higher_is_better": True, "protocol": 1, "title": f"{rule.title} (OpenS2V)"}
    if not used:
        return MetricScore(value=None, reason="never_found", n=0, coverage=0.0, **common)
    clamped = [_clamped(value, rule) for value in used]
    value = (math.fsum(clamped) / len(clamped) - rule.low) / (rule.high - rule.low)
    return MetricScore(value=value, n=len(used), coverage=len(used) / len(videos), range=(None, 1.0), **common)


def _clamped(value: float, rule: _Column) -> float:
    value = min(abs(value) if rule.absolute else value, rule.high)
    return max(value, rule.low) if rule.at_least else value


def _add_natural(folder: Path, videos: Videos) -> None:
    """Add the mean over the answers, of which there are up to three."""
    answers: dict[str, list[float]] = {}
    for name in NATURAL:
        for video, value in _read(folder, name):
            answers.setdefault(video, []).append(_number(value, folder, name, video, text=True))
    for video, given in answers.items():
        videos.setdefault(video, {})["opens2v.natural"] = math.fsum(given) / len(given)


def _add_from_networks(folder: Path, videos: Videos) -> None:
    for video, value in _read(folder, DETECTIONS):
        frames, references, found = _detections(value, folder, video)
        into = videos.setdefault(video, {})
        _refuse_twice(into, "opens2v.nexus", folder, DETECTIONS, "nexusscore")
        into["opens2v.nexus"] = nexus_parity(found)
        into["subject.nexus"] = nexus(found, frames, references)
    for video, value in _read(folder, QALIGN):
        if not isinstance(value, list):
            raise _wrong(folder, QALIGN, video, "a list of numbers, one for each frame")
        into = videos.setdefault(video, {})
        _refuse_twice(into, "opens2v.motion_smoothness", folder, QALIGN, "motion_smoothness")
        smooth = smoothness([_number(one, folder, QALIGN, video) for one in value])
        if smooth is not None:
            into["opens2v.motion_smoothness"] = smooth


def _refuse_twice(into: Mapping[str, float], column: str, folder: Path, one: str, other: str) -> None:
    if column in into:
        raise InputError(
            f"The folder {folder} has a score twice.",
            found=f"{one}.json and {other}.json",
            fix="Remove one of them.",
        )


def _detections(value: Any, folder: Path, video: str) -> tuple[int, int, list[Detection]]:
    wanted = (
        "{frames: N, references: N, boxes: [[frame, reference, confidence, text, image], ...]}, frames and references "
        "numbered from 0"
    )
    boxes = value.get("boxes") if isinstance(value, dict) else None
    counts = [value.get(key) if isinstance(value, dict) else None for key in ("frames", "references")]
    if not isinstance(boxes, list) or not all(type(one) is int and 1 <= one <= 100_000 for one in counts):
        raise _wrong(folder, DETECTIONS, video, wanted)
    frames, references = (int(one) for one in counts if one is not None)
    found = []
    for box in boxes:
        if not isinstance(box, list) or len(box) != 5:
            raise _wrong(folder, DETECTIONS, video, wanted)
        numbers = [_number(one, folder, DETECTIONS, video) for one in box]
        frame, reference = numbers[:2]
        if frame not in range(frames) or reference not in range(references):
            raise _wrong(folder, DETECTIONS, video, wanted)
        found.append(Detection(int(frame), int(reference), *numbers[2:]))
    return frames, references, found


def _read(folder: Path, name: str) -> list[tuple[str, Any]]:
    """Return video -> what a file says of it; nothing where there is no such file."""
    file = folder / f"{name}.json"
    if not file.is_file():
        return []
    text = read_text(file, kind=InputError, what="The file of scores", limit=MAX_BYTES)
    try:
        document = parse_json(text, finite=True)
    except ValueError as error:
        raise InputError(f"{file} is not JSON.", found=str(error)) from None
    if not isinstance(document, dict):
        raise InputError(f"{file} is no file of scores.", expected="an object with the videos as keys")
    if len(document) > MAX_VIDEOS:
        raise InputError(f"{file} has too many videos.", found=str(len(document)), expected=f"at most {MAX_VIDEOS}")
    return list(document.items())


def _at(value: Any, keys: tuple[str, ...]) -> Any:
    there = [key for key in keys if isinstance(value, dict) and key in value]
    return value[there[0]] if there else None


def _number(value: Any, folder: Path, name: str, video: str, *, text: bool = False) -> float:
    if text and isinstance(value, str):  # the scripts store the answer of a language model
        try:
            value = float(value) if len(value) < 20 else None
        except ValueError:
            value = None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise _wrong(
            folder, name, video, "a finite number" + (f" under '{FILES[name][0][0]}'" if name in FILES else "")
        )
    return float(value)


def _wrong(folder: Path, name: str, video: str, expected: str) -> InputError:
    return InputError(f"{folder / name}.json: wrong for the video '{video}'.", expected=expected)
