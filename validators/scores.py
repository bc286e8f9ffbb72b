"""Rules about a detector's tables of scores: what can't be read, which videos have no usable score."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from evalkit.text import count, escape_for_display
from evalkit.validators import kind_of_files
from evalkit.validators.findings import Rule, Violation
from evalkit.validators.matching import loose_name

EXAMPLES = 3  # ids of each side
_COMPARED, _ALIKE = 100_000, 2_000  # videos whose ids are compared; of which similar ones are looked for
NAMED = 20  # rows or ids of one fault that are reported one by one


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong in a table.

    Args:
        path: of the table in the submission.
        message: a sentence.
        found: what is there.
        expected: what should be.
        fix: what to do.
        sample: the video that it is about, where it is one of the test set.
    """

    path: str
    message: str
    found: str | None = None
    expected: str | None = None
    fix: str | None = None
    sample: str | None = None


@dataclass(frozen=True)
class Unknown:
    """Rows about videos that the test set lacks.

    Args:
        rows: how many.
        of: rows in all.
        ids: the first of their ids, each once.
    """

    rows: int = 0
    of: int = 0
    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class ScoreTables:
    """What was found in the tables of a submission, for the rules.

    Args:
        tables: paths of the tables.
        others: paths of other files.
        faults: rule -> what it reports, in the order of the rows.
        missing: ids of the test set that no table has.
        failed: ids whose score is empty.
        constant: the score that all videos have; ``None`` where they differ.
        scored: number of videos with a score.
        unknown: rows about no video of the test set.
        known: videos of the whole test set with a row.
    """

    tables: tuple[str, ...]
    others: tuple[str, ...] = ()
    faults: Mapping[str, tuple[Fault, ...]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    constant: float | None = None
    scored: int = 0
    unknown: Unknown = Unknown()
    known: int = 0

    @property
    def strange(self) -> bool:
        """Whether most rows are about videos that the test set lacks, and videos of it have no row."""
        return bool(self.missing) and 2 * self.unknown.rows > self.unknown.of


def _strange_ids(tables: ScoreTables) -> Iterable[Violation]:
    if not tables.strange:
        return
    rows, of = tables.unknown.rows, tables.unknown.of
    none = rows == of
    many = "No row is" if none else f"Only {of - rows:,} of {count(of, 'row')} {'are' if of - rows > 1 else 'is'}"
    yield Violation(
        f"{many} about a video of the test set: the ids are others.",
        found=f"ids such as {_listed(tables.unknown.ids)}",
        expected=f"ids such as {_listed(tables.missing)}",
        fix=_meant(tables) or "Use the ids of the test set's samples.jsonl, and look whether it is the right test set.",
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(escape_for_display(name, limit=60) for name in names[:EXAMPLES])


def _meant(tables: ScoreTables) -> str | None:
    """Return which id is probably meant by one of the others: without folder and ending, in small letters, or alike."""
    loose: dict[str, str] = {}
    for name in tables.missing[:_COMPARED]:
        loose.setdefault(loose_name(name), name)
    for name in tables.unknown.ids:
        meant = loose.get(loose_name(name))
        if meant is None and len(loose) <= _ALIKE:
            close = difflib.get_close_matches(loose_name(name), loose, n=1, cutoff=0.85)
            meant = loose[close[0]] if close else None
        if meant is not None:
            one, other = (escape_for_display(text, limit=100) for text in (meant, name))
            return f"Did you mean '{one}' by '{other}'? Write each id as the test set's samples.jsonl has it."
    return None


def _no_table(tables: ScoreTables) -> Iterable[Violation]:
    if not tables.tables:
        other = kind_of_files.other_kind(tables.others, "scores")
        yield (
            Violation(
                kind_of_files.sentence("scores", other),
                found=kind_of_files.of_kind(tables.others, other),
                expected="a table of scores: scores.csv with the columns video_id and score",
                fix=kind_of_files.fix("scores", other),
            )
            if other is not None
            else Violation(
                "There is no table of scores.",
                found=escape_for_display(tables.others[0]) if tables.others else "no file at all",
                expected="scores.csv with the columns video_id and score",
                fix="Write one row per video, and submit the CSV, or a ZIP or folder with it.",
            )
        )


def _missing(tables: ScoreTables) -> Iterable[Violation]:
    if tables.strange and not tables.known:
        return  # said once, not for each video
    for sample in tables.missing:
        yield Violation("The video has no row.", expected="a row for every video of the test set", sample=sample)


def _failed(tables: ScoreTables) -> Iterable[Violation]:
    for sample in tables.failed:
        yield Violation("The detector gave no score: the cell is empty.", sample=sample)


def _constant(tables: ScoreTables) -> Iterable[Violation]:
    if tables.constant is not None:
        yield Violation(
            "All videos have the same score: nothing is detected.",
            found=f"{tables.constant:g} for {count(tables.scored, 'video')}",
            fix="Look at whether the detector's output was read.",
        )


def _reported(rule: str) -> Rule[ScoreTables]:
    title = _TITLES[rule]

    def check(tables: ScoreTables) -> Iterable[Violation]:
        for one in tables.faults.get(rule, ()):
            yield Violation(one.message, one.found, one.expected, one.fix, one.path, one.sample)

    return Rule(rule, "scores", "warning" if rule in _WARNINGS else "error", title, check)


UNREADABLE, COLUMN, ROW = "scores.unreadable", "scores.columns", "scores.row"
UNKNOWN, DUPLICATE, NUMBER = "scores.unknown-video", "scores.duplicate", "scores.number"
PROBABILITY, FRAMES = "scores.probability", "scores.frames"
_WARNINGS = {UNKNOWN}
_TITLES = {
    UNREADABLE: "a table that can't be read",
    COLUMN: "columns that a table lacks, or has twice",
    ROW: "rows that can't be read",
    UNKNOWN: "rows about videos that the test set lacks",
    DUPLICATE: "videos or frames with two scores",
    NUMBER: "scores that are no numbers",
    PROBABILITY: "probabilities outside of 0 to 1",
    FRAMES: "videos with another number of frames than asked for",
}
RULES = (
    Rule("scores.none", "scores", "error", "no table of scores", _no_table),
    Rule("scores.ids", "scores", "error", "ids that are not those of the test set", _strange_ids),
    *(_reported(rule) for rule in _TITLES),
    Rule("scores.missing", "scores", "error", "videos without a row", _missing),
    Rule("scores.failed", "scores", "info", "videos that the detector gave no score", _failed),
    Rule("scores.constant", "scores", "warning", "one score for all videos", _constant),
)
