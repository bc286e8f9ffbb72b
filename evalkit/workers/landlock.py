"""Landlock: from here on this process writes to no file but those below some folders, and signals nobody else.

It is a part of the Linux kernel (5.13 or later) that a process puts on itself, without privileges and for good, root
included (https://docs.kernel.org/userspace-api/landlock.html). It holds for the calling thread and those that it starts
later, so `restrict` belongs before all others. There is no wrapper in the C library: the three system calls are made
by number, which is the same on all processors.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable
from pathlib import Path

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_VERSION = 1  # flag of _CREATE: return the version of the interface
_PATH_BENEATH = 1  # kind of a rule
_NO_NEW_PRIVILEGES = 38  # of prctl

# Rights by the version that brought them.
_WRITE_FILE, _TRUNCATE, _IOCTL = 1 << 1, 1 << 14, 1 << 15
_WRITING = {
    1: _WRITE_FILE | sum(1 << bit for bit in range(4, 13)),  # remove and create files, folders, devices, links
    2: 1 << 13,  # rename from one folder to another
    3: _TRUNCATE,
    5: _IOCTL,
}
_OF_FILES = _WRITE_FILE | _TRUNCATE | _IOCTL  # the rights that a rule about a single file may name
_TCP = 0b11  # bind and connect, from version 4
_SCOPES = 0b11  # abstract sockets and signals of processes outside, from version 6


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def version() -> int:
    """Return the version of Landlock that the kernel offers; 0 without one."""
    if not sys.platform.startswith("linux"):
        return 0
    return max(0, _call(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION)))


def restrict(writable: Iterable[Path]) -> int:
    """Refuse writing outside of ``writable`` (folders with all in them, or files) and signals to other processes.

    Returns:
        The version in force: 0 where the kernel has no Landlock or an outer sandbox forbids it; signals are free
        below 6.

    Raises:
        OSError: when a path of ``writable`` can't be opened.
    """
    offered = version()
    opened = [(path, os.open(path, os.O_PATH | os.O_CLOEXEC)) for path in writable] if offered else []
    try:
        return offered if opened and _restrict(offered, opened) else 0
    finally:
        for _, descriptor in opened:
            os.close(descriptor)


def _restrict(offered: int, opened: Iterable[tuple[Path, int]]) -> bool:
    """Put the rules in force; return whether the kernel took them."""
    rights = sum(bits for since, bits in _WRITING.items() if since <= offered)
    attributes = _Ruleset(rights, _TCP if offered >= 4 else 0, _SCOPES if offered >= 6 else 0)
    size = 24 if offered >= 6 else 16 if offered >= 4 else 8  # an older kernel refuses fields that it does not know
    rules = _call(_CREATE, ctypes.byref(attributes), ctypes.c_size_t(size), ctypes.c_uint32(0))
    if rules < 0:
        return False
    try:
        taken = all(_allow(rules, path, descriptor, rights) for path, descriptor in opened)
        libc = ctypes.CDLL(None, use_errno=True)
        taken = taken and libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0
        return taken and _call(_RESTRICT, ctypes.c_int(rules), ctypes.c_uint32(0)) == 0
    finally:
        os.close(rules)


def _allow(rules: int, path: Path, descriptor: int, rights: int) -> bool:
    beneath = _PathBeneath(rights if path.is_dir() else rights & _OF_FILES, descriptor)
    return _call(_ADD, ctypes.c_int(rules), _PATH_BENEATH, ctypes.byref(beneath), ctypes.c_uint32(0)) == 0


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return int(libc.syscall(ctypes.c_long(number), *arguments))
