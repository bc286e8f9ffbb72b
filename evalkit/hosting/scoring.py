"""Score one submission on a platform: within its time, in a folder that nobody else reads, with words for participants.

What is printed goes to participants, on most platforms word for word. So an error of the submission says everything,
and one of the test set, the machine or evalkit says only that it is the organizers' business (`EVALKIT_HOST_DEBUG=1`
shows it): its text could name files and prompts that nobody is to know.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from evalkit import api
from evalkit.api.arguments import fitting_pack, planned, run_options
from evalkit.challenges.kinds import KINDS
from evalkit.errors import SubmissionError
from evalkit.files import OwnFolder
from evalkit.hosting.columns import host_columns
from evalkit.hosting.runs import HostedRun, hosted_run, lines_about
from evalkit.hosting.settings import Program
from evalkit.hosting.testset_files import PACK_FILE
from evalkit.progress import ProgressLines
from evalkit.scoring.scorecard import Scorecard
from evalkit.submission.model import Submission
from evalkit.testsets.loading import load_testset
from evalkit.text import count, escape_for_display, escape_message

DEBUG = "EVALKIT_HOST_DEBUG"
_LONGEST_START = 600.0  # seconds; what is more is a clock that means something else
OK, REFUSED, NOT_THEIRS = 0, 1, 4  # exit codes, as those of the commands
_MOST, _FEWEST, _LEAST = 0.8, 0.3, 1.0  # share of the time for reading videos; seconds for it at least
_ENDING, _REFERENCE = 15.0, 1.0  # seconds kept for what comes after; for each reference video that is read then
_LAST, _AT_ONCE = 8.0, 0.05  # seconds before the end at which the program gives up; where there are fewer
MOST_KINDS, MOST_PLACES, MOST_VIDEOS = 40, 4, 20  # rules, files of one of them, videos without a value


class OutOfTimeError(BaseException):
    """The platform would end the program soon. Like an interruption, it is no error that code on the way may handle."""


@dataclass(frozen=True)
class Outcome:
    """What a program hands over: the exit code, and for a submission that was scored its scorecard and numbers."""

    code: int
    card: Scorecard | None = None
    run: HostedRun | None = None


def seconds_running() -> float:
    """Return how long this process has been running: the platform's clock started before evalkit was loaded."""
    try:
        fields = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        running = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):  # not Linux, or no /proc
        return time.process_time()
    return running if 0 <= running <= _LONGEST_START else time.process_time()


def say(line: str) -> None:
    """Print a line for participants; control characters of names in it are escaped."""
    sys.stdout.write(escape_message(line) + "\n")
    sys.stdout.flush()


def score_and_tell(
    program: Program,
    submission: Path,
    testset: Path,
    out: Path,
    *,
    ignored: Collection[str] = (),
    name: str | None = None,
) -> Outcome:
    """Score a submission and print what its team should know.

    Args:
        program: the challenge and how to score.
        submission: a ZIP, a folder, or a folder that holds nothing but a ZIP.
        testset: the folder of the test set, with the reference pack where there is one.
        out: a folder of its own for the files of the run.
        ignored: names in the folder that the platform put there.
        name: of the submission on its page, where the platform's folder or file has none that says something.

    Returns:
        Code 0 with the scorecard, which may be incomplete; 1 when the submission is at fault, or none of its videos
        could be scored; 4 when something else is.
    """
    started = time.monotonic() - seconds_running()
    try:
        with _time_limit(program.settings.seconds - (time.monotonic() - started)):
            opened = open_submission(submission, program, ignored)
            opened.name = name or opened.name
            card = _scored(program, opened, testset, out, started)
    except OutOfTimeError:
        say(
            f"error: The {program.settings.seconds:.0f} seconds for a submission are over, and it is not scored. "
            "Shorter files take less time; otherwise ask the organizers."
        )
        return Outcome(REFUSED)
    except SubmissionError as error:
        for line in str(error).splitlines():
            say(f"error: {line}")
        return Outcome(REFUSED)
    except Exception as error:  # noqa: BLE001 - participants are told that it is not theirs
        return Outcome(tell_organizers(error))
    run = hosted_run(card, program.challenge)
    for line in _about(card, run, program):
        say(line)
    if card.scored_videos == 0:
        say("error: No video could be scored, so there is nothing for the leaderboard.")
        return Outcome(REFUSED, card)
    return Outcome(OK, card, run)


def tell_organizers(error: BaseException) -> int:
    """Say that something failed that is not the participant's; return the exit code."""
    say(
        f"error: Scoring failed, and not because of the submission ({type(error).__name__}). Please tell the "
        f"organizers; they find the reason by running the program with {DEBUG}=1."
    )
    if os.environ.get(DEBUG) == "1":
        for line in "".join(traceback.format_exception(error)).splitlines():
            sys.stderr.write(escape_for_display(line, 2000) + "\n")
    return NOT_THEIRS


@contextmanager
def folder_of_a_run() -> Iterator[Path]:
    """Yield a folder for the cache and the files of one run; it is removed at the end."""
    folder = OwnFolder("evalkit-host-")
    try:
        yield folder.path
    finally:
        folder.remove()


def open_submission(place: Path, program: Program, ignored: Collection[str] = ()) -> Submission:
    """Open what a platform hands over.

    A folder that holds one ZIP and nothing else is that ZIP: whoever zips a ZIP means the inner one. Files that the
    platform itself put there are passed over.

    Raises:
        SubmissionError: as `Submission.open`.
    """
    rules = program.challenge.submission.archive
    opened = Submission.open(place, rules)
    if opened.kind == "zip" or not opened.complete:
        return opened
    members = [one for one in opened.members if one.path not in ignored]
    files = [one for one in members if one.kind == "file"]
    if len(files) == 1 and files[0].path.lower().endswith(".zip"):
        return Submission.open(place / files[0].path, rules)
    if not files:
        raise SubmissionError("The submission is empty.", expected="a ZIP with the files in it")
    return Submission(place, members, member_count=len(members), size=sum(one.size for one in members))


def time_for_videos(left: float, references: int) -> float:
    """Return the seconds in which videos are read, so that what they gave is handed over before the time is over.

    Args:
        left: seconds until the platform ends the program.
        references: reference videos that are read after them, in search of copies.
    """
    rest = left - _ENDING - _REFERENCE * references
    return max(_LEAST, min(_MOST * left, max(_FEWEST * left, rest)))


def _scored(program: Program, opened: Submission, testset: Path, out: Path, started: float) -> Scorecard:
    seconds = program.settings.seconds
    say(f"evalkit {program.settings.evalkit}: {count(sum(one.kind == 'file' for one in opened.members), 'file')}.")
    samples = load_testset(testset)
    plan = planned(program.challenge, program.backbones, None, False, "cpu", None)
    pack = testset / PACK_FILE
    left = seconds - (time.monotonic() - started)
    references = 0 if pack.is_file() else sum(sample.reference_video is not None for sample in samples)
    options = run_options(
        None, out / "cache", False, ProgressLines(sys.stdout), None, None, time_for_videos(left, references), None, plan
    )
    with fitting_pack(pack if pack.is_file() else None, samples, plan) as options.references:
        return api.run_score(opened, program.challenge, samples, plan, out=out / "run", options=options).scorecard


def _about(card: Scorecard, run: HostedRun, program: Program) -> Iterator[str]:
    """Yield what the team should know: its numbers, what was found in its files, which videos have none."""
    yield f"{card.scored_videos} of {count(len(card.videos), KINDS[card.submission.kind].file)} scored."
    yield from lines_about(run, host_columns(program.challenge))
    yield from _finding_lines(card)
    unscored = [video for video in card.videos if video.verdict in {"error", "missing"}]
    for video in unscored[:MOST_VIDEOS]:
        yield f"unscored {video.sample}: {next(iter(video.reasons.values()), 'missing')}"
    if len(unscored) > MOST_VIDEOS:
        yield f"... and {len(unscored) - MOST_VIDEOS} more samples"


def _finding_lines(card: Scorecard) -> Iterator[str]:
    """Yield a line for each rule that found errors or warnings: how often, in which files, what the first says."""
    kinds: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in [*card.findings, *(finding for video in card.videos for finding in video.findings)]:
        if one.get("severity") in {"error", "warning"}:
            kinds.setdefault((str(one["severity"]), str(one.get("rule"))), []).append(one)
    for (severity, rule), found in sorted(kinds.items())[:MOST_KINDS]:
        places = list(dict.fromkeys(str(one.get("path") or one.get("sample") or "") for one in found))
        named = ", ".join(filter(None, places[:MOST_PLACES])) + (" ..." if len(places) > MOST_PLACES else "")
        yield f"{severity} {rule} x {len(found)}{f' ({named})' if named else ''}: {found[0].get('message')}"
    if len(kinds) > MOST_KINDS:
        yield f"... and {len(kinds) - MOST_KINDS} more kinds of findings"


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise `OutOfTimeError` shortly before the platform would end the program without a word."""

    def expired(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise OutOfTimeError("The time is over.")

    before = signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, max(_AT_ONCE, seconds - _LAST))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        with suppress(TypeError):  # a handler that was not set from Python can't be set again
            signal.signal(signal.SIGALRM, before)
