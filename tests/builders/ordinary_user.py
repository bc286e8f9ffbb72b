"""Run Python as a user without rights, also where only root may read the interpreter."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
NOBODY = 65534  # as a user and as a group, who owns nothing
_UNUSED = ("site-packages", "test", "tests", "idlelib", "tkinter", "ensurepip", "lib2to3", "turtledemo", "config-*",
           "asyncio", "unittest", "pydoc_data", "*.opt-?.pyc")  # fmt: skip


def copy_python(folder: Path, modules: Iterable[str]) -> tuple[str, dict[str, str]]:
    """Copy this interpreter, its library and ``modules`` (whole packages) to where everybody may read them.

    Returns:
        The interpreter, and what the environment of its process must name.
    """
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "packages"
    for new in (folder / "bin", packages):
        new.mkdir(parents=True)
    shutil.copy(Path(sys.executable).resolve(), folder / "bin" / name)
    shutil.copytree(Path(os.__file__).parent, folder / "lib" / name, ignore=shutil.ignore_patterns(*_UNUSED))
    for line in Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines():
        library = Path(line.split()[-1])
        if library.name.startswith("libpython"):
            shutil.copy(library, folder / "lib" / library.name)
    for module in modules:
        path = Path(__import__(module).__file__ or "")
        if path.name == "__init__.py":
            shutil.copytree(path.parent, packages / module)
        else:
            shutil.copy(path, packages / path.name)
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
    return str(folder / "bin" / name), {"PYTHONPATH": str(packages), "LD_LIBRARY_PATH": str(folder / "lib")}


def let_pass(folder: Path) -> None:
    """Let everybody pass through ``folder`` and the folders above it, where root makes them for another user."""
    for one in (folder, *folder.parents) if IS_ROOT else ():
        if one.is_relative_to("/tmp") and one.stat().st_mode & 0o055 != 0o055:
            one.chmod(one.stat().st_mode | 0o055)


def run_as_nobody(command: list[str], environment: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program as `NOBODY`; only root can."""
    return subprocess.run(
        command, env=environment, cwd=cwd, user=NOBODY, group=NOBODY, extra_groups=[], umask=0o022,
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
