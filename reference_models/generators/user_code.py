"""Where in the user's own code an exception was raised: not in evalkit, a library or Python itself."""

from __future__ import annotations

import sysconfig
import traceback
from importlib.resources import files
from pathlib import Path

_PACKAGE = str(files("evalkit"))
_STANDARD_LIBRARY = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib")})
_INSTALLED = {"site-packages", "dist-packages"}  # also those of other environments on the path


def place_of(error: BaseException) -> str | None:
    """Return ``my.py, line 12, in generate`` of the innermost such line; ``None`` when there is none."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(frame.filename)]
    if not frames:
        return None
    last = frames[-1]
    return f"{Path(last.filename).name}, line {last.lineno}, in {last.name}"


def error_text(error: BaseException) -> str:
    """Return the exception's kind, its message, and its place in the user's code."""
    place = place_of(error)
    return f"{type(error).__name__}: {error}" + (f" ({place})" if place else "")


def _is_users(file: str) -> bool:
    if file.startswith("<") or not _INSTALLED.isdisjoint(Path(file).parts):
        return False
    return not any(file.startswith(f"{folder}/") for folder in (_PACKAGE, *_STANDARD_LIBRARY))
