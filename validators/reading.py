"""Rules about files that could not be read: there are no facts for the other rules, and no number can be computed.

A challenge may lower the severity or switch a rule off; the video stays unscored, with the rule as the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from evalkit.validators.findings import Rule, Violation

Failure = Literal["member", "timeout", "total-timeout", "memory", "crashed", "error"]
_AGAIN = "Run the same command again: it continues where this run ended. --submission-timeout gives it more time."
_ENCODE = "Make the file again."


@dataclass(frozen=True)
class FailedReading:
    """The input of these rules: a file and why it could not be read.

    Args:
        path: the file's path in the submission.
        sample: the sample that it answers.
        failure: "member": it could not be taken out of the archive; "total-timeout": the time for all videos was used
            up; the others: how the process that read it ended.
        detail: more about that.
        in_folder: the submission is a folder, not a ZIP.
    """

    path: str
    sample: str
    failure: Failure
    detail: str | None = None
    in_folder: bool = False

    @property
    def rule(self) -> str:
        """The id of the rule that reports it."""
        return _IDS[self.failure]


def _of(failure: Failure, message: str, fix: str) -> Callable[[FailedReading], Iterator[Violation]]:
    def check(reading: FailedReading) -> Iterator[Violation]:
        if reading.failure == failure:
            lines = (reading.detail or "").strip().splitlines()
            yield Violation(
                message, found=lines[-1] if lines else failure, fix=fix, path=reading.path, sample=reading.sample
            )

    return check


def _unreadable_member(reading: FailedReading) -> Iterator[Violation]:
    """Find files that can't be taken out of the archive, or read in the folder."""
    if reading.failure == "member":
        yield Violation(
            "The file can't be read." if reading.in_folder else "The file can't be taken out of the archive.",
            found=reading.detail,
            fix="Make the file readable." if reading.in_folder else "Make the ZIP again from the original files.",
            path=reading.path,
            sample=reading.sample,
        )


_IDS: dict[Failure, str] = {
    "member": "archive.unreadable-member",
    "timeout": "content.reading-timeout",
    "total-timeout": "content.submission-timeout",
    "memory": "content.reading-memory",
    "crashed": "content.reading-crashed",
    "error": "content.reading-error",
}
RULES: tuple[Rule[FailedReading], ...] = (
    Rule(_IDS["member"], "reading", "error", "a file that can't be read", _unreadable_member),
    Rule(
        _IDS["timeout"],
        "reading",
        "error",
        "reading takes too long",
        _of("timeout", "Reading the file took longer than the time limit.", _ENCODE),
    ),
    Rule(
        _IDS["total-timeout"],
        "reading",
        "error",
        "no time left for the file",
        _of("total-timeout", "The time limit for the whole submission ended before this file was read.", _AGAIN),
    ),
    Rule(
        _IDS["memory"],
        "reading",
        "error",
        "reading takes too much memory",
        _of("memory", "Reading the file takes more memory than the limit allows.", _ENCODE),
    ),
    Rule(
        _IDS["crashed"],
        "reading",
        "error",
        "reading ends the process",
        _of("crashed", "The process that read the file failed.", _ENCODE),
    ),
    Rule(
        _IDS["error"],
        "reading",
        "error",
        "reading fails",
        _of("error", "The process that read the file failed.", _ENCODE),
    ),
)
