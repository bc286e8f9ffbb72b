"""The run's log: one JSON object a line, in the order of events; not part of the result."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, TextIO

from evalkit.errors import StorageError, UsageError
from evalkit.files import lock_for_this_process, storage_error


class Journal:
    """Writes ``log.jsonl``; without a path it only counts.

    Every line has ``event`` and ``at`` (seconds since the run began).
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._started = time.monotonic()
        self._stream: TextIO | None = None
        self._failed = False
        self.decodes = 0
        if path is not None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                # Not through a link that somebody planted: it would lead to a file that is none of ours.
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
                self._stream = open(os.open(path, flags, 0o666), "a", encoding="utf-8")  # noqa: PTH123, SIM115 - kept
                if not lock_for_this_process(self._stream.fileno()):  # two runs would mix their lines and results
                    self._stream.close()
                    raise UsageError(
                        f"Another run is writing to {path.parent}.",
                        fix="Wait for it, or choose another folder with -o.",
                    )
                if path.is_file():  # not a device or a pipe, which have no length
                    self._stream.truncate(0)
            except OSError as error:
                if path.is_symlink():
                    raise StorageError(
                        f"{path} is a symbolic link, and logs are not written through links.",
                        fix="Remove it, or choose another folder with -o.",
                    ) from error
                raise storage_error(path, error) from error

    def event(self, name: str, **facts: Any) -> None:
        """Add a line.

        Raises:
            StorageError: when the disk is full.
        """
        if name == "video":
            self.decodes += int(facts.get("decodes", 0))
        if self._stream is None or self._path is None:
            return
        line = {"event": name, "at": round(time.monotonic() - self._started, 3), **facts}
        try:
            self._stream.write(json.dumps(line, default=str) + "\n")
            self._stream.flush()
        except OSError as error:
            self._failed = True
            raise storage_error(self._path, error) from error

    def close(self) -> None:
        """Close the file.

        Raises:
            StorageError: when the disk is full, unless `event` said so already.
        """
        stream, self._stream = self._stream, None
        if stream is None or self._path is None:
            return
        try:
            stream.close()
        except OSError as error:
            if not self._failed:
                raise storage_error(self._path, error) from error
