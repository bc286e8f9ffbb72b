"""The ffmpeg program, for protocols that are defined by the files it writes. Nothing else in evalkit needs it.

It is handed files of strangers: a list of arguments and never a shell, local files and known containers only, a time
limit, and its messages go to a file.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from evalkit.errors import MachineError, StorageError
from evalkit.text import how_it_ended

SECONDS = 600  # for one call
_LOG = "ffmpeg.log"
_LOG_BYTES = 4000


class FfmpegError(Exception):
    """ffmpeg failed on a file; the message is the end of its output."""


@dataclass(frozen=True)
class Ffmpeg:
    """An ffmpeg program.

    Args:
        path: of the program.
        version: as it calls itself.
        build: first 16 hex digits of the SHA-256 of all that ``ffmpeg -version`` prints: options of the build and
            versions of the libraries, on which encoders and so pixels depend.
    """

    path: str
    version: str
    build: str

    def run(
        self,
        folder: Path,
        inputs: Sequence[Path | str],
        words: Sequence[str],
        output: str,
        seconds: float = SECONDS,
    ) -> None:
        """Convert ``inputs`` to ``output``.

        Args:
            folder: where it runs; ``output`` and inputs given as text lie in it.
            inputs: files to read.
            words: options between inputs and output.
            output: what to write, with ``%06d`` for numbered files.
            seconds: time limit.

        Raises:
            FfmpegError: it failed.
            MachineError: it could not be started or ran past the limit.
            StorageError: the disk is full.
        """
        from evalkit.media.container import FORMATS

        command = [self.path, "-y", "-nostdin", "-loglevel", "error"]
        for file in inputs:
            command += ["-protocol_whitelist", "file", "-format_whitelist", FORMATS, "-i", f"file:{file}"]
        command += [*words, f"file:{output}"]
        log = folder / _LOG
        with log.open("wb") as stream:
            try:
                done = subprocess.run(  # noqa: S603 - a list of arguments, files by their full name
                    command,
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=stream,
                    timeout=seconds,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise MachineError(
                    "ffmpeg took too long.",
                    found=f"more than {seconds:g} s for one file",
                    fix="Give the machine less to do at once, or choose metrics that don't need ffmpeg.",
                ) from None
            except OSError as error:
                raise MachineError("ffmpeg can't be started.", found=str(error)) from None
        if done.returncode:
            said = _tail(log)
            if "No space left" in said:
                raise StorageError("ffmpeg can't write its files: the disk is full.", found=str(folder))
            raise FfmpegError(said or f"it {how_it_ended(done.returncode)}")


def _tail(log: Path) -> str:
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - _LOG_BYTES))
        text = stream.read().decode("utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-3:])


def find_ffmpeg() -> Ffmpeg | None:
    """Return the ffmpeg program on the search path, ``None`` where there is none that runs."""
    path = shutil.which("ffmpeg")
    return _described(path, Path(path).stat().st_mtime_ns) if path else None


@lru_cache(maxsize=4)
def _described(path: str, modified: int) -> Ffmpeg | None:
    try:
        done = subprocess.run(  # noqa: S603
            [path, "-version"], capture_output=True, stdin=subprocess.DEVNULL, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    words = done.stdout.decode("utf-8", errors="replace").split()
    if words[:2] != ["ffmpeg", "version"] or len(words) < 3:
        return None
    return Ffmpeg(path, words[2], hashlib.sha256(done.stdout).hexdigest()[:16])
