"""The exception tree. Every error says what happened, what was found or expected, and what to do.

EvalkitError              exit code 4 unless a subclass says otherwise
|-- UsageError            2   a wrong command line, unknown names
|-- InputError            1   the submission, the test set or another input file is at fault
|   |-- ChallengeError    2   the challenge file is at fault
|   |-- TestSetError      1
|   |-- ReferencePackError
|   `-- SubmissionError   1
|       `-- SubmissionChangedError
|-- MediaError            1   a file can't be read as video, audio or image
`-- MachineError          4   weights, disk, device, a broken installation
    |-- WeightsError
    |   `-- MissingWeightsError
    |-- StorageError
    `-- PluginError
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from evalkit.text import FACT_LENGTH, MESSAGE_LENGTH, escape_message, found_and_expected


class EvalkitError(Exception):
    """Base of all errors that evalkit raises on purpose.

    The texts may quote untrusted names: each is escaped and shortened here (`evalkit.text.escape_message`), so that no
    name can forge a line or control a terminal.

    Args:
        what: one sentence about what went wrong; each sentence of a list or tuple gets its own line.
        found: what was there instead, when that helps.
        expected: what should have been there.
        fix: what the reader can do about it.

    Attributes:
        lines: the sentences of ``what``, one for each line.
    """

    exit_code = 4

    def __init__(
        self,
        what: str | list[str] | tuple[str, ...],
        *,
        found: str | None = None,
        expected: str | None = None,
        fix: str | None = None,
    ) -> None:
        self.lines = tuple(map(escape_message, (what,) if isinstance(what, str) else what))
        self.what = "\n".join(self.lines)
        self.found, self.expected, self.fix = (
            None if text is None else escape_message(text, limit)
            for text, limit in ((found, FACT_LENGTH), (expected, FACT_LENGTH), (fix, MESSAGE_LENGTH))
        )
        super().__init__(self._sentence())

    def _sentence(self) -> str:
        parts = [self.what, found_and_expected(self.found, self.expected), self.fix or ""]
        return ("\n" if len(self.lines) > 1 else " ").join(filter(None, parts))

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the parts when the error crosses a process boundary."""
        return _rebuild, (type(self), self.lines, self.found, self.expected, self.fix)


def _rebuild(
    kind: type[EvalkitError], lines: tuple[str, ...], found: str | None, expected: str | None, fix: str | None
) -> EvalkitError:
    return kind(lines, found=found, expected=expected, fix=fix)


class UsageError(EvalkitError):
    """The command line is wrong: an unknown name, two options that exclude each other."""

    exit_code = 2


class InputError(EvalkitError):
    """Data that evalkit was given is at fault."""

    exit_code = 1


class ChallengeError(InputError):
    """The challenge file is invalid."""

    exit_code = 2


class TestSetError(InputError):
    """The test set is missing, empty or malformed."""

    __test__ = False  # the name starts with "Test"; pytest must not collect it


class ReferencePackError(InputError):
    """A reference pack is damaged, or of another test set, version or set of weights."""


class SubmissionError(InputError):
    """The submission as a whole can't be opened."""


class SubmissionChangedError(SubmissionError):
    """The submission is no longer what was listed: no number may follow from it."""


class MediaError(InputError):
    """A file can't be read as video, audio or image."""


class MachineError(EvalkitError):
    """This machine lacks something: weights, disk space, a device, a library."""


class WeightsError(MachineError):
    """A weights file is missing, unreadable or not the pinned one."""


class MissingWeightsError(WeightsError):
    """A weights file is missing; it can be fetched or imported."""


class StorageError(MachineError):
    """A file can't be written: disk full, read-only folder, no permission."""


class PluginError(MachineError):
    """An installed plugin can't be loaded, or two register the same name."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the known name nearest to ``word``, or an empty string."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{near[0]}'?" if near else ""
