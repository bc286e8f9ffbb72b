"""Keep the finished clips of a run that was stopped, so that the same command continues from there.

The clips lie in a folder beside the ZIP. Beside each there is a record with the key of everything that the clip depends
on: a clip whose key differs is made again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import TypeAdapter

from evalkit._version import __version__
from evalkit.errors import UsageError
from evalkit.files import lock_for_this_process, storage_error, write_text
from evalkit.testsets.model import TestSet

NOTE = "README.txt"
_NOTE_TEXT = """Finished clips of a run of 'evalkit baseline run' that goes on or was stopped.
The same command takes them over and then removes this folder; with --fresh it makes
them again. You may delete the folder when no run uses it.
"""
FORMAT = 1  # of keys and records
Outcome = TypeVar("Outcome")


class ClipFolder:
    """The folder ``NAME.zip.clips`` beside a ZIP, in which a run writes its clips. One run at a time uses it.

    At the end of a ``with`` block it is removed; an exception, such as an interruption, keeps the finished clips.

    Args:
        output: the ZIP.
        fresh: remove what is in it.

    Raises:
        UsageError: another run writes the same ZIP, or something else has the folder's name.
        StorageError: it can't be created.
    """

    def __init__(self, output: Path, *, fresh: bool = False) -> None:
        self.path = (output.parent.absolute() / f"{output.name}.clips").absolute()
        self._descriptor = -1
        try:
            self._open(output)
            if fresh:
                self._remove_files(())
            write_text(self.path / NOTE, _NOTE_TEXT)
        except OSError as error:
            raise storage_error(output, error) from error

    def _open(self, output: Path) -> None:
        while True:
            self.path.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
            if not lock_for_this_process(self._descriptor):
                self._close()
                raise UsageError(
                    f"Another run is writing {output}.", fix="Wait for its end, or choose another name with --output."
                )
            if self.path.is_dir() and os.path.samestat(self.path.stat(), os.fstat(self._descriptor)):
                break
            self._close()  # the other run removed it before this one had the lock
        if any(self.path.iterdir()) and not (self.path / NOTE).is_file():
            self._close()
            raise UsageError(
                f"{self.path} is not a folder of clips that evalkit made.",
                expected="no such folder: evalkit puts finished clips there",
                fix="Move it away, or choose another name with --output.",
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Remove the folder when the ZIP is written, and keep the finished clips of a run that could not go on."""
        if kind is None:
            self._end(remove=True)
        else:
            self._keep()

    def _keep(self) -> None:
        """Keep the finished clips, remove the rest, and the folder when there are none."""
        finished = [file for file in self.path.glob("*.json") if file.with_suffix(".mp4").is_file()]
        self._remove_files({NOTE, *(name for file in finished for name in (file.name, file.with_suffix(".mp4").name))})
        self._end(remove=not finished)

    def _remove_files(self, kept: Iterable[str]) -> None:
        names = set(kept)
        for file in self.path.iterdir():
            if file.name in names:
                continue
            if file.is_dir() and not file.is_symlink():
                shutil.rmtree(file, ignore_errors=True)
            else:
                file.unlink(missing_ok=True)

    def _end(self, *, remove: bool) -> None:
        if remove:
            shutil.rmtree(self.path, ignore_errors=True)
        self._close()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def run_key(parts: Mapping[str, Any], testset: TestSet, files: Iterable[Path]) -> str:
    """Return the digest of what all clips of a run depend on.

    Args:
        parts: the generator, its options, the seed, the rules: plain values.
        testset: its records and the state (size and time) of its media.
        files: of the generator's own code, as far as it is known.
    """
    media = [
        testset.path(name)
        for sample in testset
        for name in (*sample.reference_images, *sample.media)
        if name is not None
    ]
    content = {
        "format": FORMAT,
        "evalkit": __version__,
        "testset": testset.sha256,
        "media": [_state(path) for path in media],
        "code": [[str(path), _state(path)] for path in files],
        **parts,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def _state(path: Path) -> list[int] | None:
    try:
        facts = path.stat()
    except OSError:  # it is part of the key that it can't be read
        return None
    return [facts.st_size, facts.st_mtime_ns]


def save_record(clip: Path, key: str, outcome: object) -> None:
    """Write the record of a finished clip beside it: from now on the clip counts as finished.

    Raises:
        StorageError: when it can't be written.
    """
    plain = TypeAdapter(type(outcome)).dump_python(outcome, mode="json")
    record = {"key": key, "sha256": _sha256(clip), "outcome": plain}
    write_text(_record_file(clip), json.dumps(record))


def load_record(clip: Path, key: str, kind: type[Outcome]) -> Outcome | None:
    """Return the outcome of a clip that an earlier run finished with the same key; ``None`` if it must be made."""
    try:
        record = json.loads(_record_file(clip).read_text(encoding="utf-8"))
        if record["key"] != key or record["sha256"] != _sha256(clip):
            return None
        return TypeAdapter(kind).validate_python(record["outcome"])
    except (OSError, ValueError, KeyError, TypeError):  # no record, or not one of ours: the clip is made again
        return None


def discard_record(clip: Path) -> None:
    """Remove a clip that must be made again, its record first."""
    for file in (_record_file(clip), clip):
        file.unlink(missing_ok=True)


def _record_file(clip: Path) -> Path:
    return clip.with_suffix(".json")


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
