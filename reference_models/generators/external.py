"""External models as generators: a command that writes an MP4 file, or a Python function."""

from __future__ import annotations

import importlib
import json
import os
import re
import resource
import shlex
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.errors import UsageError, did_you_mean
from evalkit.reference_models.generators.base import (
    GeneratedClip,
    GenerationError,
    GenerationRequest,
    Generator,
    GeneratorOption,
    GeneratorRecord,
)
from evalkit.reference_models.generators.user_code import error_text
from evalkit.text import escape_for_display, how_it_ended

_FIELD = re.compile(r"\{([a-z_]+)\}")
LOG_TAIL_BYTES = 4000
LOG_TAIL_CHARACTERS = 600


class CommandGenerator(Generator):
    """A program that is started once per sample, without a shell, and writes an MP4 file."""

    record = GeneratorRecord(
        "command",
        "your own program, once per sample: --command 'python my.py --image {image} --audio {audio} --output {output}'",
        options=(GeneratorOption("line", "", "the command line, with fields in braces"),),
    )

    def __init__(self, options: Mapping[str, Any] | None = None, backbones: str = "published") -> None:
        super().__init__(options, backbones)
        self.peak_bytes: int | None = None  # of the last run
        line = str(self.options["line"])
        try:
            self._words = shlex.split(line)
        except ValueError as error:
            raise UsageError("The command line can't be parsed.", found=f"{line}: {error}") from None
        used = set(_FIELD.findall(line))
        for name in sorted(used - set(FIELDS)):
            raise UsageError(
                f"The command has an unknown field {{{name}}}.{did_you_mean(name, FIELDS)}", expected=_fields_text()
            )
        if not self._words or "output" not in used:
            raise UsageError(
                "The command line has no {output}.",
                found=line or "no command",
                expected="a command with {output}; other fields: " + _fields_text(),
            )

    def code_files(self) -> Sequence[Path]:
        """Return the words of the command that are files: the program, its script, its settings."""
        return [path for path in map(Path, self._words) if path.is_file()]

    def generate(self, request: GenerationRequest) -> Path:
        """Run the command and return ``request.output``.

        Its standard output and error go to a file beside ``output``; the end of it is shown if the command fails.
        """
        words = [_FIELD.sub(lambda match: _value(match.group(1), request), word) for word in self._words]
        log = log_file(request.output)
        with log.open("wb") as stream:
            try:
                # In the worker's process group: whatever ends the worker also ends the command and its children.
                process = subprocess.Popen(  # noqa: S603 - the user's own command
                    words, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT
                )
            except OSError as error:
                raise GenerationError(f"The command '{words[0]}' can't be started.", found=error.strerror) from None
            code = self._wait(process)
        if code != 0:
            raise GenerationError(f"The command {how_it_ended(code)}.", found=log_tail(request.output))
        if not request.output.is_file():
            raise GenerationError(
                "The command wrote no file.",
                found=log_tail(request.output),
                expected="an MP4 file at the path that replaces {output}",
            )
        return request.output

    def _wait(self, process: subprocess.Popen[bytes]) -> int:
        """Return the exit code; keep the memory that the process, or the largest of its children, used at most.

        A program that used less than this process did has no number: Linux counts what was there before the program
        took the place of a copy of this process.
        """
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        process.returncode = os.waitstatus_to_exitcode(status)
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        unit = 1 if sys.platform == "darwin" else 1024
        self.peak_bytes = usage.ru_maxrss * unit if usage.ru_maxrss > own else None
        return process.returncode


def log_file(output: Path) -> Path:
    """Return the file that holds a command's messages."""
    return output.with_suffix(".log")


def log_tail(output: Path) -> str:
    """Return the last lines of a command's messages, joined into one line."""
    try:
        text = log_file(output).read_bytes()[-LOG_TAIL_BYTES:].decode("utf-8", "replace")
    except OSError:
        return "no message"
    lines = [escape_for_display(line.strip(), limit=LOG_TAIL_CHARACTERS) for line in text.splitlines() if line.strip()]
    return " | ".join(lines)[-LOG_TAIL_CHARACTERS:] or "no message"


def _path(what: str, pick: Callable[[GenerationRequest], Path | None]) -> Callable[[GenerationRequest], str]:
    def value(request: GenerationRequest) -> str:
        found = pick(request)
        if found is None:
            raise GenerationError(f"The command uses {what}, but the sample has none.")
        return str(found.absolute())

    return value


FIELDS: Mapping[str, Callable[[GenerationRequest], str]] = {
    "image": _path("a reference image", lambda request: next(iter(request.reference_images), None)),
    "audio": _path("speech", lambda request: request.audio),
    "video": _path("a reference video", lambda request: request.reference_video),
    "text": lambda request: request.text or "",
    "timeline": lambda request: json.dumps([event.model_dump() for event in request.timeline or ()]),
    "output": lambda request: str(request.output),
    "id": lambda request: request.sample,
    "seed": lambda request: str(request.seed % 2**32),
    "fps": lambda request: f"{float(request.target.fps):g}",
    "seconds": lambda request: f"{request.target.seconds:.6f}",
    "frames": lambda request: str(request.target.frames),
    "width": lambda request: str(request.target.width),
    "height": lambda request: str(request.target.height),
}


def _fields_text() -> str:
    return ", ".join(f"{{{name}}}" for name in FIELDS)


def _value(name: str, request: GenerationRequest) -> str:
    return FIELDS[name](request)


class CallableGenerator(Generator):
    """A Python function that takes a `GenerationRequest` and returns a `GeneratedClip`, or writes a file.

    It is imported once per worker; the time of the import is not counted.
    """

    record = GeneratorRecord(
        "callable",
        "your own Python function(request) -> GeneratedClip, or the path of a file that it wrote",
        options=(GeneratorOption("function", "", "module:function; the current folder is searched too"),),
    )

    def __init__(self, options: Mapping[str, Any] | None = None, backbones: str = "published") -> None:
        super().__init__(options, backbones)
        name = str(self.options["function"])
        module, _, attribute = name.partition(":")
        if not module or not attribute:
            raise UsageError(
                "The option 'function' does not name a function.", found=name or "nothing", expected="module:function"
            )
        try:
            self._function: Any = getattr(importlib.import_module(module), attribute)
        except Exception as error:
            refusal = UsageError(
                f"The function {name} can't be imported.",
                found=error_text(error),
                fix="Run in the folder that holds the module, or set PYTHONPATH. --debug shows the traceback.",
            )
            refusal.add_note(traceback.format_exc())  # a note crosses to the parent process, a cause does not
            raise refusal from error
        if not callable(self._function):
            raise UsageError(f"{name} is not callable.", found=type(self._function).__name__, expected="a function")

    def code_files(self) -> Sequence[Path]:
        """Return the function's module."""
        file = getattr(sys.modules.get(str(self.options["function"]).partition(":")[0]), "__file__", None)
        return (Path(file),) if file else ()

    def generate(self, request: GenerationRequest) -> GeneratedClip | Path:
        """Call the function; if it returns ``None``, it wrote ``request.output``."""
        result = self._function(request)
        if isinstance(result, GeneratedClip):
            return result
        path = request.output if result is None else Path(result)
        if not path.is_file():
            raise GenerationError("The function wrote no file.", expected=f"a GeneratedClip, or a file at {path.name}")
        return path


GENERATORS: tuple[type[Generator], ...] = (CommandGenerator, CallableGenerator)
