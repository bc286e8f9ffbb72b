"""Somebody else's model as a generator: a command that writes an MP4 file, or a Python function."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from evalkit.errors import UsageError, did_you_mean
from evalkit.reference_models.generators.base import (
    Clip,
    GenerationError,
    Generator,
    GeneratorRecord,
    Option,
    Request,
)
from evalkit.text import escape_for_display

_FIELD = re.compile(r"\{([a-z_]+)\}")
TAIL_BYTES = 4000
WORDS_SHOWN = 600


class Command(Generator):
    """A program that is started once per sample and writes an MP4 file. No shell reads the line."""

    record = GeneratorRecord(
        "command",
        "your own program, once per sample: --command 'python my.py --image {image} --audio {audio} --output {output}'",
        options=(Option("line", "", "the command line, with fields in braces"),),
    )

    def __init__(self, options: Mapping[str, Any] | None = None, backbones: str = "published") -> None:
        super().__init__(options, backbones)
        line = str(self.options["line"])
        try:
            self._words = shlex.split(line)
        except ValueError as error:
            raise UsageError("The command can't be read.", found=f"{line}: {error}") from None
        used = set(_FIELD.findall(line))
        for name in sorted(used - set(FIELDS)):
            raise UsageError(
                f"The command has an unknown field {{{name}}}.{did_you_mean(name, FIELDS)}", expected=_fields_text()
            )
        if not self._words or "output" not in used:
            raise UsageError(
                "The command does not say where the video goes.",
                found=line or "no command",
                expected="a command with {output}; other fields: " + _fields_text(),
            )

    def generate(self, request: Request) -> Path:
        """Run the command and return ``request.output``.

        Its standard output and error go to a file beside ``output`` whose end is shown when it fails.
        """
        words = [_FIELD.sub(lambda match: _value(match.group(1), request), word) for word in self._words]
        log = said_file(request.output)
        with log.open("wb") as stream:
            try:
                # Same process group as the worker: whatever ends the worker ends the command and its children.
                code = subprocess.run(  # noqa: S603 - the user's own command
                    words, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, check=False
                ).returncode
            except OSError as error:
                raise GenerationError(f"The command '{words[0]}' can't be started.", found=error.strerror) from None
        if code != 0:
            raise GenerationError(f"The command ended with code {code}.", found=last_words(request.output))
        if not request.output.is_file():
            raise GenerationError(
                "The command wrote no file.",
                found=last_words(request.output),
                expected="an MP4 file at the path that stands for {output}",
            )
        return request.output


def said_file(output: Path) -> Path:
    """Return where a command's messages go."""
    return output.with_suffix(".log")


def last_words(output: Path) -> str:
    """Return the end of what a command said, on one line."""
    try:
        text = said_file(output).read_bytes()[-TAIL_BYTES:].decode("utf-8", "replace")
    except OSError:
        return "no message"
    lines = [escape_for_display(line.strip(), limit=WORDS_SHOWN) for line in text.splitlines() if line.strip()]
    return " | ".join(lines)[-WORDS_SHOWN:] or "no message"


def _path(what: str, pick: Callable[[Request], Path | None]) -> Callable[[Request], str]:
    def value(request: Request) -> str:
        found = pick(request)
        if found is None:
            raise GenerationError(f"The command asks for {what}, and the sample has none.")
        return str(found.absolute())

    return value


FIELDS: Mapping[str, Callable[[Request], str]] = {
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


def _value(name: str, request: Request) -> str:
    return FIELDS[name](request)


class Function(Generator):
    """A Python function that takes a `Request` and returns a `Clip`, or writes a file.

    It is imported once per worker; what the module loads then is not timed.
    """

    record = GeneratorRecord(
        "callable",
        "your own Python function(request) -> Clip, or a path that it wrote",
        options=(Option("function", "", "module:function; the current folder is searched too"),),
    )

    def __init__(self, options: Mapping[str, Any] | None = None, backbones: str = "published") -> None:
        super().__init__(options, backbones)
        name = str(self.options["function"])
        module, _, attribute = name.partition(":")
        if not module or not attribute:
            raise UsageError("That names no function.", found=name or "nothing", expected="module:function")
        try:
            self._function: Any = getattr(importlib.import_module(module), attribute)
        except Exception as error:
            raise UsageError(
                f"The function {name} can't be imported.",
                found=f"{type(error).__name__}: {error}",
                fix="Run in the folder that holds the module, or set PYTHONPATH.",
            ) from error
        if not callable(self._function):
            raise UsageError(f"{name} can't be called.", found=type(self._function).__name__, expected="a function")

    def generate(self, request: Request) -> Clip | Path:
        """Call the function; ``None`` means that it wrote ``request.output``."""
        made = self._function(request)
        if isinstance(made, Clip):
            return made
        path = request.output if made is None else Path(made)
        if not path.is_file():
            raise GenerationError("The function wrote no file.", expected=f"a Clip, or a file at {path.name}")
        return path


GENERATORS: tuple[type[Generator], ...] = (Command, Function)
