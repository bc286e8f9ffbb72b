"""The programs that people unpack ZIPs with: what each of them writes into an empty folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

SECONDS = 20
MAX_FILE_BYTES = 1 << 20  # more than any member of the corpus holds
# How each program is called; {zip} and {to} become the archive and the folder.
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "unzip": ("unzip", "-o", "-qq", "-d", "{to}", "{zip}"),
    "7zz": ("7zz", "x", "-y", "-bd", "-bb0", "-mmt=1", "-pnone", "-o{to}", "{zip}"),
    "bsdtar": ("bsdtar", "-x", "-f", "{zip}", "-C", "{to}"),
    "busybox": ("busybox", "unzip", "-o", "-q", "{zip}", "-d", "{to}"),
}
_WARNED = 1  # of unzip and 7zz: all was written, with a warning
_WARNING = frozenset({"unzip", "7zz"})


@dataclass(frozen=True)
class Unpacked:
    """What one program wrote.

    Args:
        tool: the program.
        files: name -> contents.
        complained: the program says by its exit code that something was wrong.
        said: its errors.
    """

    tool: str
    files: Mapping[bytes, bytes]
    complained: bool
    said: str = ""

    def refuses(self, name: str) -> bool:
        """Whether the program fails at the file of this name; busybox stops at the first failure without naming it."""
        return self.complained and (self.tool == "busybox" or name in self.said)


def missing_tools() -> list[str]:
    """Return the programs that are not installed."""
    return [name for name, command in COMMANDS.items() if shutil.which(command[0]) is None]


def unpack(tool: str, archive: Path, folder: Path) -> Unpacked:
    """Unpack ``archive`` with ``tool`` into ``folder``, which it makes and removes, and return what is there."""
    folder.mkdir()
    try:
        command = [word.format(zip=archive, to=folder) for word in COMMANDS[tool]]
        done = subprocess.run(
            command,
            cwd=folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": str(folder), "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=SECONDS,
            check=False,
        )
        good = done.returncode == 0 or (done.returncode == _WARNED and tool in _WARNING)
        return Unpacked(tool, dict(_files(os.fsencode(folder))), not good, done.stderr.decode(errors="replace"))
    finally:
        shutil.rmtree(folder)


def _files(root: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the regular files below ``root``, links not followed."""
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)  # noqa: PTH118 - bytes: names need not be UTF-8
            if not os.path.islink(path) and os.path.isfile(path):  # noqa: PTH113, PTH114
                os.chmod(path, 0o600)  # noqa: PTH101
                with open(path, "rb") as file:  # noqa: PTH123
                    yield path[len(root) + 1 :], file.read(MAX_FILE_BYTES)
