"""Score all submissions with one pool of workers: the queue, and what becomes of each.

Two or three submissions are in flight, each in a thread of its own, so that workers have a job while one submission
ends and the next one is opened. The next one is opened only when the jobs of those before run out: memory stays flat,
and what all submissions need of the test set is in the cache by then.
"""

from __future__ import annotations

import queue
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from evalkit.batch.boarding import BoardWriter
from evalkit.batch.entries import Entry
from evalkit.batch.finished import earlier_scorecard
from evalkit.batch.outcome import Outcome, outcome_of_card, outcome_of_error
from evalkit.batch.progress import OverallProgress, SubmissionProgress
from evalkit.batch.result import BatchResult
from evalkit.batch.settings import Settings
from evalkit.challenges.kinds import KINDS
from evalkit.challenges.model import Challenge
from evalkit.errors import ChallengeError, EvalkitError, InputError, MachineError, TestSetError
from evalkit.progress import Progress
from evalkit.scoring.intake import open_gate
from evalkit.scoring.journal import Journal
from evalkit.scoring.run import RunOptions, ScoreResult
from evalkit.scoring.shared_engine import SharedEngine
from evalkit.submission.model import Submission
from evalkit.testsets.model import TestSet
from evalkit.text import count
from evalkit.workers.pool import Pool

IN_FLIGHT = 3  # submissions, at most: one whose last videos are read, one that is read, one that is opened
TITLE = "scoring all"
_LOOK_SECONDS = 0.1
_LEAVE_SECONDS = 10.0  # for threads of a run that is stopped
ScoreOne = Callable[[Submission, Path, RunOptions], ScoreResult]


@dataclass(frozen=True)
class _Ended:
    """How a submission ended: its outcome, and what goes on the board."""

    at: int
    outcome: Outcome
    result: ScoreResult | None = None


def run_batch(
    entries: Sequence[Entry],
    settings: Settings,
    score_one: ScoreOne,
    progress: Progress,
    board: BoardWriter | None = None,
) -> BatchResult:
    """Score all submissions, the first in the queue first.

    Args:
        entries: the queue.
        settings: what they share.
        score_one: scores one of them and writes its results to a folder.
        progress: receives how far all of them are.
        board: puts scorecards on a board; ``None`` for none.

    Raises:
        UsageError: when another run is writing to the folder of the results.
        StorageError: when it can't be written.
    """
    with closing(Journal(settings.out / "log.jsonl")) as journal:
        return _Run(entries, settings, score_one, progress, board, journal).whole()


def videos_of(entry: Entry, challenge: Challenge, testset: TestSet) -> int:
    """Return how many steps a submission is: its videos that would be read, 0 when it can't be opened or is refused.

    Detectors' scores are one step, however many tables they are in.
    """
    if challenge.submission.kind == "scores":
        return 1
    try:
        if entry.fault is not None:
            return 0
        gate = open_gate(Submission.open(entry.path, challenge.submission.archive), challenge, testset)
    except EvalkitError:  # reported when it is scored
        return 0
    return 0 if gate.refused else sum(path not in gate.unreadable for path in gate.layout.files.values())


def _unit(challenge: Challenge) -> str:
    kind = challenge.submission.kind
    return "submissions" if kind == "scores" else KINDS[kind].files


class _Run:
    def __init__(  # noqa: PLR0917
        self,
        entries: Sequence[Entry],
        settings: Settings,
        score_one: ScoreOne,
        progress: Progress,
        board: BoardWriter | None,
        journal: Journal,
    ) -> None:
        self._entries, self._settings, self._score_one = entries, settings, score_one
        self._progress, self._board, self._journal = progress, board, journal
        self._engines: dict[int, SharedEngine] = {}
        self._threads: dict[int, threading.Thread] = {}
        self._outcomes: dict[int, Outcome] = {}
        self._ended: queue.SimpleQueue[_Ended] = queue.SimpleQueue()
        self._references = threading.Lock()
        self._noting = threading.Lock()
        self._stopped: EvalkitError | None = None

    def whole(self) -> BatchResult:
        started = time.monotonic()
        self._settings.out.mkdir(parents=True, exist_ok=True)
        with self._progress.stage("opening submissions", len(self._entries)) as stage:
            videos = []
            for entry in self._entries:
                videos.append(videos_of(entry, self._settings.challenge, self._settings.testset))
                stage.advance()
        pool = Pool(self._settings.engine.workers)
        try:
            with self._progress.stage(TITLE, sum(videos), unit=_unit(self._settings.challenge)):
                self._serve(pool, videos, OverallProgress(self._progress, sum(videos)))
        finally:
            self._end(pool)
        outcomes = tuple(
            self._outcomes.get(at, Outcome(entry, "not scored", 0)) for at, entry in enumerate(self._entries)
        )
        seconds = time.monotonic() - started
        return BatchResult(
            self._settings.challenge,
            self._settings.out,
            outcomes,
            seconds,
            self._stopped,
            pool.peak_bytes,
            chosen=self._settings.chosen,
        )

    def _end(self, pool: Pool) -> None:
        """End the workers and the submissions that are under way."""
        pool.close()
        until = time.monotonic() + _LEAVE_SECONDS
        for thread in self._threads.values():
            thread.join(max(0.0, until - time.monotonic()))

    def _serve(self, pool: Pool, videos: Sequence[int], overall: OverallProgress) -> None:
        """Start one submission after the other, and take up what came of them, until all have ended."""
        parts = [overall.part(entry.name, number) for entry, number in zip(self._entries, videos, strict=True)]
        waiting = list(range(len(self._entries)))
        while (waiting or self._threads) and self._stopped is None:
            while waiting and self._may_begin(pool):
                self._begin(waiting.pop(0), pool, parts)
            try:
                ended = self._ended.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                continue
            self._threads.pop(ended.at).join()
            self._engines.pop(ended.at, None)
            self._take_up(ended, parts[ended.at], overall)

    def _may_begin(self, pool: Pool) -> bool:
        """Whether workers will soon be without a job, unless another submission is opened."""
        if len(self._threads) >= IN_FLIGHT:
            return False
        return all(engine.begun for engine in self._engines.values()) and pool.wants_more()

    def _begin(self, at: int, pool: Pool, parts: Sequence[SubmissionProgress]) -> None:
        self._engines[at] = SharedEngine(pool, at, self._references, self._settings.engine)
        self._note("begin", submission=self._entries[at].name)
        thread = threading.Thread(target=self._work, args=(at, parts[at]), daemon=True)
        self._threads[at] = thread
        thread.start()

    def _work(self, at: int, progress: Progress) -> None:
        """Score one submission, in a thread of its own; whatever happens, it is reported."""
        started = time.monotonic()
        entry = self._entries[at]
        sha256: list[str] = []
        try:
            ended = self._score(at, entry, progress, sha256)
        except EvalkitError as error:
            ended = _Ended(at, outcome_of_error(entry, error, sha256=sha256[0] if sha256 else None))
        except BaseException as error:  # noqa: BLE001 - a bug costs this submission, not the others
            trace = traceback.format_exc(limit=-8)
            fault = EvalkitError(
                f"evalkit itself failed: {type(error).__name__}: {error}",
                fix="This is a bug. Please report what log.jsonl says of it.",
            )
            self._note("bug", submission=entry.name, traceback=trace)
            ended = _Ended(at, outcome_of_error(entry, fault))
        seconds = time.monotonic() - started
        self._ended.put(replace(ended, outcome=replace(ended.outcome, seconds=seconds)))

    def _score(self, at: int, entry: Entry, progress: Progress, sha256: list[str]) -> _Ended:
        settings = self._settings
        if entry.fault is not None:
            raise entry.fault
        submission = Submission.open(entry.path, settings.challenge.submission.archive)
        sha256.append(submission.sha256)
        folder = settings.out / entry.folder
        imports = settings.imports_of(entry, entry.path)
        if not settings.options.fresh:
            card = earlier_scorecard(folder, submission, settings, imports)
            if card is not None and (self._board is None or self._board.has(entry, card)):
                board = None if self._board is None else "unchanged"
                return _Ended(at, outcome_of_card(entry, card, earlier=True, board=board))
        options = replace(
            settings.options, engine=self._engines[at], progress=progress, journal=Journal(), imports=imports
        )
        result = self._score_one(submission, folder, options)
        return _Ended(at, outcome_of_card(entry, result.scorecard), result)

    def _take_up(self, ended: _Ended, part: SubmissionProgress, overall: OverallProgress) -> None:
        """Note what came of a submission; put it on the board; say so in one line."""
        outcome = ended.outcome
        if outcome.error is not None and _stops(outcome.error):
            self._stopped = outcome.error
            self._note("stopped", submission=outcome.entry.name, error=str(outcome.error))
            return
        part.complete()
        if self._board is not None and ended.result is not None:
            try:
                outcome = replace(outcome, board=self._board.add(outcome.entry, ended.result))
            except InputError as error:
                outcome = replace(outcome, board_error=error)
            except MachineError as error:  # the scorecard is written; the next run puts it on the board
                self._stopped = error
                outcome = replace(outcome, board_error=error)
        if outcome.error is not None and (self._settings.out / outcome.entry.folder / "scorecard.json").is_file():
            stale = "the scorecard.json in its folder is of an earlier submission"
            outcome = replace(outcome, reasons=(*outcome.reasons, stale))
        self._outcomes[ended.at] = outcome
        self._note("end", submission=outcome.entry.name, **_noted(outcome))
        done = f"{len(self._outcomes)} of {count(len(self._entries), 'submission')}"
        left = overall.time_left()
        overall.message(f"[{done}{', ' if left else ''}{left}] {outcome.line()}")

    def _note(self, name: str, **facts: object) -> None:
        try:
            with self._noting:
                self._journal.event(name, **facts)
        except EvalkitError as error:  # the disk is full
            self._stopped = self._stopped or error


def _stops(error: EvalkitError) -> bool:
    """Whether the error would meet every submission: the disk is full, a worker can't start, the test set is gone."""
    return isinstance(error, MachineError | ChallengeError | TestSetError)


def _noted(outcome: Outcome) -> Mapping[str, object]:
    return {
        "state": outcome.state,
        "sha256": outcome.sha256,
        "earlier": outcome.earlier,
        "seconds": round(outcome.seconds, 3),
        "reasons": list(outcome.reasons),
        "board": outcome.board if outcome.board_error is None else str(outcome.board_error),
    }
