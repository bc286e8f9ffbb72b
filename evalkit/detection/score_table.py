"""Read a detector's tables of scores without trusting them: a row per video, or per frame of a video."""

from __future__ import annotations

import math
from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evalkit.challenges.detection_rules import DetectionRules
from evalkit.errors import EvalkitError, InputError, did_you_mean
from evalkit.ratings.read_errors import Faults, shown
from evalkit.ratings.table import raw_rows, require_text
from evalkit.statistics.frame_rules import video_score
from evalkit.text import count, escape_for_display
from evalkit.validators.scores import (
    COLUMN,
    DUPLICATE,
    FRAMES,
    NAMED,
    NUMBER,
    PROBABILITY,
    ROW,
    UNKNOWN,
    UNREADABLE,
    Fault,
    Unknown,
)

COLUMNS = ("video_id", "score", "prob", "frame")
NEEDED = COLUMNS[:2]
MOST_ROWS = 2_000_000  # of one submission: 5,000 videos with 400 frames
LONGEST_ID = 400  # characters
_LONGEST_NUMBER = 60
_LARGEST_FRAME = 10**9
_LARGEST = 1e12  # of a score: what a scorecard takes
_KEPT_STRANGERS = 200  # ids that the test set lacks, of which similar ones are looked for


@dataclass
class _Video:
    """What the rows of one video say, as they come."""

    path: str
    scores: array[float] = field(default_factory=lambda: array("d"))
    probabilities: array[float] = field(default_factory=lambda: array("d"))
    frames: set[int] = field(default_factory=set)
    rows: int = 0
    fault: str | None = None


@dataclass(frozen=True)
class VideoScore:
    """What a submission says of one video.

    Args:
        path: the table.
        score: higher means fake; ``None`` without one.
        probability: of being fake, 0..1; ``None`` without one.
        frames: rows with a score, where the table has a row per frame; else 0.
        fault: the rule because of which there is no score; ``None`` where there is one, or the cell was empty.
    """

    path: str
    score: float | None
    probability: float | None
    frames: int
    fault: str | None


class ScoreReader:
    """Collects the scores of a submission's tables.

    Args:
        rules: of the challenge.
        samples: ids of the test set; ``None`` where nobody knows them: then every id is one.
    """

    def __init__(self, rules: DetectionRules, samples: Collection[str] | None) -> None:
        self._rules = rules
        self._samples = None if samples is None else frozenset(samples)
        self._videos: dict[str, _Video] = {}
        self._rows = 0
        self._strangers: dict[str, None] = {}
        self._unknown = 0
        self._faults: dict[str, list[Fault]] = {}
        self._left: dict[str, int] = {}

    def read(self, file: Path, path: str, prefixes: Sequence[str]) -> None:
        """Add the rows of a table. Whatever is wrong with it becomes a fault; the other rows count.

        Args:
            file: where it lies.
            path: what it is called in the submission.
            prefixes: what may come before its ids in the test set, with their slash: the names of its folders.
        """
        faults = Faults(path)
        try:
            self._read(file, path, prefixes, faults)
        except EvalkitError as error:
            message = str(error.what).replace(str(file), escape_for_display(path))
            self._add(UNREADABLE, Fault(path, message, error.found, error.expected, error.fix))
        for fault in faults.kept:
            self._add(ROW, Fault(path, f"Row {fault.row}: {fault.message}"))
        if faults.count > len(faults.kept):
            self._left[ROW] = self._left.get(ROW, 0) + faults.count - len(faults.kept)

    def _read(self, file: Path, path: str, prefixes: Sequence[str], faults: Faults) -> None:
        rows = raw_rows(file, faults, "The table")
        header = next(rows, None)
        if header is None:
            raise InputError(f"The table {file} is empty.", expected=", ".join(NEEDED))
        names = [name.casefold() for name in header[1]]
        require_text(file, names, "The table")
        places = self._places(path, names)
        if places is None:
            return
        for number, cells in rows:
            self._rows += 1
            if self._rows > MOST_ROWS:
                raise InputError("The tables have too many rows.", expected=f"at most {MOST_ROWS:,} in all")
            if len(cells) < len(names) or any(cells[len(names) :]):
                faults.add(number, None, f"it has {len(cells)} cells, the header {len(names)}.")
                continue
            told = {name: cells[at] for name, at in places.items()}
            self._row(path, number, told, prefixes, faults)

    def _places(self, path: str, names: Sequence[str]) -> dict[str, int] | None:
        for name in COLUMNS:
            times = names.count(name)
            if times > 1 or (name in NEEDED and not times):
                fault = f"{times} columns" if times else "no column"
                hint = "" if times else did_you_mean(name, names)
                self._add(
                    COLUMN,
                    Fault(
                        path,
                        f"The table has {fault} '{name}'.{hint}",
                        escape_for_display(", ".join(names), limit=200),
                        "video_id, score, and where wanted prob and frame",
                    ),
                )
                return None
        return {name: names.index(name) for name in COLUMNS if name in names}

    def _row(self, path: str, number: int, cells: Mapping[str, str], prefixes: Sequence[str], faults: Faults) -> None:
        name = cells["video_id"]
        if not 0 < len(name) <= LONGEST_ID:
            faults.add(number, "video_id", f"an id has 1 to {LONGEST_ID} characters, found {len(name)}.")
            return
        sample = self._sample(name, prefixes)
        if sample is None:
            self._unknown += 1
            if len(self._strangers) < _KEPT_STRANGERS:
                self._strangers[name] = None
            self._add(UNKNOWN, Fault(path, f"Row {number}: the test set has no video {shown(name)}."))
            return
        video = self._videos.setdefault(sample, _Video(path))
        frame = cells.get("frame", "")
        where = f"Row {number}"
        at = _whole(frame) if frame else -1
        if at is None:
            self._spoil(video, FRAMES, path, sample, f"{where}: a frame is a number from 0.", shown(frame))
            return
        if at in video.frames or (video.rows and (at == -1) != (-1 in video.frames)):
            what = "the video" if at == -1 else "a frame of the video"
            self._spoil(video, DUPLICATE, path, sample, f"{where}: {what} is there twice.", shown(name))
            return
        video.frames.add(at)
        video.rows += 1
        self._values(video, sample, path, where, cells, by_frame=at != -1)

    def _values(
        self, video: _Video, sample: str, path: str, where: str, cells: Mapping[str, str], *, by_frame: bool
    ) -> None:
        score, probability = cells["score"], cells.get("prob", "")
        value = _number(score) if score else None
        chance = _number(probability) if probability else math.nan
        if score and value is None:
            message, expected = f"{where}: the score is no number.", "a finite number with a decimal point"
            if _too_large(score):
                message, expected = f"{where}: the score is too large.", f"{-_LARGEST:g} to {_LARGEST:g}"
            expected += ", or nothing where the detector failed"
            self._spoil(video, NUMBER, path, sample, message, shown(score), expected)
        elif chance is None or (probability and not 0.0 <= chance <= 1.0):
            message = f"{where}: the probability is none."
            self._spoil(video, PROBABILITY, path, sample, message, shown(probability), "a number from 0 to 1")
        elif self._rules.frames == "mean-logit" and by_frame and value is not None and not 0.0 <= value <= 1.0:
            message = f"{where}: this challenge takes the mean of logits, so that scores are probabilities."
            self._spoil(video, NUMBER, path, sample, message, shown(score), "a number from 0 to 1")
        elif value is not None:
            video.scores.append(value)
            video.probabilities.append(chance)

    def _sample(self, name: str, prefixes: Sequence[str]) -> str | None:
        """Return the sample that a row is about: its id, or with what the table's folders say before it."""
        if self._samples is None:
            return f"{prefixes[-1]}{name}" if prefixes else name
        return next((one for one in (name, *(before + name for before in prefixes)) if one in self._samples), None)

    def _spoil(  # noqa: PLR0917
        self,
        video: _Video,
        rule: str,
        path: str,
        sample: str,
        message: str,
        found: str | None = None,
        expected: str | None = None,
    ) -> None:
        """Note a fault of a video, the first one only: nothing else of it is used."""
        if video.fault is None:
            video.fault = rule
            self._add(rule, Fault(path, message, found, expected, None, sample))

    def _add(self, rule: str, fault: Fault) -> None:
        kept = self._faults.setdefault(rule, [])
        if fault.sample is not None or len(kept) < NAMED:
            kept.append(fault)
        else:
            self._left[rule] = self._left.get(rule, 0) + 1

    @property
    def faults(self) -> dict[str, tuple[Fault, ...]]:
        """Rule -> what it reports; of faults of no video the first twenty, and how many more there are."""
        found = {}
        for rule, kept in self._faults.items():
            more = self._left.get(rule, 0)
            last = (Fault(kept[-1].path, f"There are {more:,} more such rows."),) if more else ()
            found[rule] = (*kept, *last)
        return found

    @property
    def unknown(self) -> Unknown:
        """What the rows are about that no id of the test set fits."""
        return Unknown(self._unknown, self._rows, tuple(self._strangers))

    def scores(self) -> Iterator[tuple[str, VideoScore]]:
        """Yield the sample and what is said of it, in the order of the tables."""
        wanted = self._rules.frames_per_video
        for sample, video in self._videos.items():
            by_frame = -1 not in video.frames
            if video.fault is None and by_frame and wanted is not None and video.rows != wanted:
                message = "The video has another number of frames."
                found, expected = count(video.rows, "row"), str(wanted)
                self._spoil(video, FRAMES, video.path, sample, message, found, expected)
            if video.fault is not None or not len(video.scores):
                yield sample, VideoScore(video.path, None, None, 0, video.fault)
                continue
            score = video_score(video.scores, self._rules.frames)
            chances = [one for one in video.probabilities if not math.isnan(one)]
            whole = len(chances) == len(video.probabilities)
            probability = video_score(chances, self._rules.frames) if whole else None
            frames = len(video.scores) if by_frame else 0
            yield sample, VideoScore(video.path, score, probability, frames, None)


def _number(text: str) -> float | None:
    """Return a finite number; ``None`` for anything else, such as a formula or a number with a decimal comma."""
    if len(text) > _LONGEST_NUMBER or not text.isascii() or "_" in text:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) <= _LARGEST else None


def _too_large(text: str) -> bool:
    """Return whether a text that `_number` refuses is a finite number."""
    try:
        return text.isascii() and "_" not in text and math.isfinite(float(text[:_LONGEST_NUMBER]))
    except ValueError:  # it is no number at all, which is told of as such
        return False


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 and int(text) < _LARGEST_FRAME else None
