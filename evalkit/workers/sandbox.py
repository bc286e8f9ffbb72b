"""Limits on a worker process that reads untrusted files: memory, files, processor time and system calls.

`protect_files` is called first, before the worker has a second thread: from there on it writes only below folders that
it was given (Landlock, see `evalkit.workers.landlock`) and signals no other process. `enter` is called once it is ready
(its libraries and networks are loaded) and before it is given the first file. The limits on memory, files and processor
time are POSIX's (``setrlimit``). On Linux a seccomp filter (libseccomp) refuses, for all threads and for good: sockets,
new programs and processes, the calls that reach into other processes, memory that is not counted, and the system's
settings. Where a part is not available, the others hold; ``evalkit doctor`` tries each (`probe`).

Without Landlock a worker writes what its user may. ``/proc`` is a part of that: as root, or where the kernel has no
Yama, the memory of the parent can then be opened there (`PARENT` in `probe`). Reading is not limited. The limit on
processor time is a soft one, raised for every job, so a compromised worker can raise it; the parent's clock ends
the job all the same.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from evalkit.errors import UsageError
from evalkit.text import escape_for_display
from evalkit.workers import landlock

Level = Literal["full", "limits", "off"]
LEVELS: tuple[Level, ...] = ("full", "limits", "off")
LEVEL_VARIABLE = "EVALKIT_SANDBOX"
JOB_SECONDS = 1800.0  # time limit for one video, unless the user chooses another

PARENT = "parent's memory out of reach"  # a key of what `probe` returns
_CLONE_THREAD = 0x00010000
_CPU_LIMIT = 0  # RLIMIT_CPU, on all processors
_PROGRAMS = ("execve", "execveat")
_OTHERS_ONLY = ("kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo")  # their first argument is a process
# Memory outside of the limit, and where memory of others lies; graphics drivers need it.
_UNCOUNTED = (
    "memfd_create", "memfd_secret", "shmget", "shmat", "shmctl", "msgget", "semget", "mq_open", "migrate_pages",
    "move_pages",
)  # fmt: skip
_REFUSED = (
    "fork", "vfork",  # some processors have clone only
    # other processes
    "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp", "tkill", "pidfd_open",
    "pidfd_send_signal", "process_madvise", "process_mrelease", "setpriority", "ioprio_set",
    "sched_setparam", "sched_setscheduler", "sched_setattr",
    # what Landlock does not cover: modes, owners, times and attributes of files, devices, files by their number
    "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat", "setxattr", "lsetxattr",
    "fsetxattr", "removexattr", "lremovexattr", "fremovexattr", "utime", "utimes", "futimesat", "utimensat", "mknod",
    "mknodat", "open_by_handle_at", "fanotify_init",
    # sockets made in another way
    "io_uring_setup", "io_uring_enter", "io_uring_register",
    # the system's settings
    "mount", "umount2", "move_mount", "mount_setattr", "fsopen", "fspick", "open_tree", "pivot_root", "chroot", "setns",
    "unshare", "bpf", "perf_event_open", "userfaultfd", "keyctl", "add_key", "request_key", "init_module",
    "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff", "acct", "quotactl",
    "quotactl_fd", "settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "sethostname", "setdomainname",
    "iopl", "ioperm", "syslog",
)  # fmt: skip
_SET_FLAGS = (0x40086602, 0x401C5820)  # ioctl: FS_IOC_SETFLAGS and FS_IOC_FSSETXATTR, which make files immutable
# Calls are numbered alike on all processors since 424. libseccomp knows no names of those younger than it is, such as
# setxattrat (463) and file_setattr (469), so they are refused by number, also those that no kernel has yet. Programs
# take the answer for that of an older kernel.
_YOUNG = range(463, 512)


@dataclass(frozen=True)
class Limits:
    """What a worker may use.

    Args:
        level: ``full``, ``limits`` (no seccomp filter) or ``off``.
        memory_bytes: address space (with ``graphics``: private memory) beyond what the worker holds when it is ready.
        job_cpu_seconds: processor time of one job; ``None`` for no limit.
        open_files: files open at once.
        file_bytes: size of a file that it writes.
        graphics: whether a graphics driver is used. It maps the card's memory into the address space, so private
            memory is limited instead, and it needs sockets and devices on this machine.
        writable: folders in which it may write, besides its own temporary one.
    """

    level: Level = "full"
    memory_bytes: int = 4 << 30
    job_cpu_seconds: float | None = None
    open_files: int = 512
    file_bytes: int = 16 << 30
    graphics: bool = False
    writable: tuple[Path, ...] = ()


def default_level() -> Level:
    """Return the level that ``EVALKIT_SANDBOX`` asks for; ``full`` when it is not set.

    Raises:
        UsageError: for a word that is not a level.
    """
    asked = os.environ.get(LEVEL_VARIABLE) or "full"
    for level in LEVELS:
        if level == asked:
            return level
    raise UsageError(
        f"{LEVEL_VARIABLE} is not a level.", found=escape_for_display(asked, limit=80), expected=", ".join(LEVELS)
    )


class Confined:
    """The active limits of this process.

    Attributes:
        parts: names of the active limits: ``memory``, ``processor time``, ``open files``, ``file size``,
            ``no network``, ``no programs``, ``no writing elsewhere``, ``no signals``.
    """

    def __init__(self, limits: Limits, parts: tuple[str, ...], baseline: int) -> None:
        self.limits = limits
        self.parts = parts
        self._baseline = baseline

    def before_job(self) -> None:
        """Give the next job its processor time."""
        if self.limits.level == "off" or self.limits.job_cpu_seconds is None or not _has_resource():
            return
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        seconds = int(used.ru_utime + used.ru_stime + self.limits.job_cpu_seconds) + 1
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (_at_most(seconds, hard), hard))

    def should_recycle(self) -> bool:
        """Return whether the process holds so much more memory than at its start that the next job needs a new one."""
        return bool(self._baseline) and _held(self.limits) - self._baseline > self.limits.memory_bytes // 2


def protect_files(limits: Limits, folder: Path) -> tuple[str, ...]:
    """Let this process write only below ``folder`` and `Limits.writable`; return which parts are in force.

    It must have no other thread yet: Landlock holds for this one and those that it starts. Where the kernel lacks it,
    or an outer sandbox forbids it, nothing is in force.

    Raises:
        OSError: when a folder is missing: a run must not go on with less protection because of a mistake of ours.
    """
    if limits.level != "full":
        return ()
    devices = (Path("/dev"),) if limits.graphics else (Path(os.devnull),)
    version = landlock.restrict([folder, *devices, *limits.writable])
    return ("no writing elsewhere",) * (version >= 1) + ("no signals",) * (version >= 6)


def enter(limits: Limits) -> Confined:
    """Put the other limits on this process, all of its threads, and for good.

    A part that this system can't put in force is left out of `Confined.parts`; the others hold.
    """
    if limits.level == "off":
        return Confined(limits, (), 0)
    baseline = _held(limits)
    parts = _set_limits(limits, baseline)
    if limits.level == "full":
        parts += _filter_calls(limits)
    return Confined(limits, parts, baseline)


def _has_resource() -> bool:
    return os.name == "posix"


def _set_limits(limits: Limits, baseline: int) -> tuple[str, ...]:
    if not _has_resource():
        return ()
    import resource

    wanted = [
        ("open files", resource.RLIMIT_NOFILE, limits.open_files),
        ("file size", resource.RLIMIT_FSIZE, limits.file_bytes),
        ("core dumps", resource.RLIMIT_CORE, 0),
    ]
    if baseline:
        kind = resource.RLIMIT_DATA if limits.graphics else resource.RLIMIT_AS
        wanted.append(("memory", kind, baseline + limits.memory_bytes))
    parts = ["processor time"] if limits.job_cpu_seconds is not None else []
    for name, kind, most in wanted:
        _, hard = resource.getrlimit(kind)
        try:
            resource.setrlimit(kind, (_at_most(most, hard), _at_most(most, hard)))
        except (OSError, ValueError):  # macOS refuses some
            continue
        if name != "core dumps":
            parts.append(name)
    return tuple(parts)


def _at_most(wanted: int, hard: int) -> int:
    import resource

    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)


def _held(limits: Limits) -> int:
    """Return the bytes that this process holds of what is limited; 0 where the system does not say."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[5 if limits.graphics else 0]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _filter_calls(limits: Limits) -> tuple[str, ...]:
    seccomp = _seccomp()
    if seccomp is None:
        return ()
    refuse = seccomp.ERRNO(errno.EPERM)
    calls = seccomp.SyscallFilter(defaction=seccomp.ALLOW)
    calls.set_attr(seccomp.Attr.CTL_TSYNC, 1)  # the threads that libraries have started are held too
    whole = True
    for name in _PROGRAMS:
        whole &= _rule(calls, refuse, name)
    for name in _REFUSED if limits.graphics else _REFUSED + _UNCOUNTED:  # what this kernel lacks needs no rule
        _rule(calls, refuse, name)
    own = os.getpid()
    for name in _OTHERS_ONLY:
        _rule(calls, refuse, name, seccomp.Arg(0, seccomp.NE, own))
    _rule(calls, refuse, "prlimit64", seccomp.Arg(0, seccomp.NE, 0))  # 0 is this process
    # Root may lift limits. That of processor time is set for each job anew.
    _rule(calls, refuse, "setrlimit", seccomp.Arg(0, seccomp.NE, _CPU_LIMIT))
    _rule(calls, refuse, "prlimit64", seccomp.Arg(1, seccomp.NE, _CPU_LIMIT), seccomp.Arg(2, seccomp.NE, 0))
    _rule(calls, refuse, "sched_setaffinity", seccomp.Arg(0, seccomp.NE, 0))
    for command in _SET_FLAGS:
        _rule(calls, refuse, "ioctl", seccomp.Arg(1, seccomp.MASKED_EQ, 0xFFFFFFFF, command))
    for number in _YOUNG:
        _rule(calls, seccomp.ERRNO(errno.ENOSYS), number)
    # A thread is made with CLONE_THREAD; a process is not. What clone3 is asked lies in memory that a filter can't
    # read: with the answer that there is no such call, the C library uses clone.
    whole &= _rule(calls, refuse, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, _CLONE_THREAD, 0))
    _rule(calls, seccomp.ERRNO(errno.ENOSYS), "clone3")
    if limits.graphics:
        import socket

        network = _rule(calls, refuse, "socket", seccomp.Arg(0, seccomp.NE, int(socket.AF_UNIX)))
    else:
        network = _rule(calls, refuse, "socket")
        network &= _rule(calls, refuse, "socketpair")
    try:
        calls.load()
    except OSError:  # the kernel has no filters, or an outer sandbox forbids them: not in `parts`, and doctor says so
        return ()
    return ("no network",) * network + ("no programs",) * whole


def _rule(calls: Any, action: Any, name: str | int, *arguments: Any) -> bool:
    """Add a rule for a call by name or number; return whether libseccomp knows it."""
    try:
        calls.add_rule(action, name, *arguments)
    except (OSError, ValueError):
        return False
    return True


def _seccomp() -> Any:
    """Return the binding of libseccomp, or ``None`` where there is none."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes.util

    find = ctypes.util.find_library

    def by_name(name: str) -> str | None:  # `find` asks ldconfig or a compiler, and a small container has neither
        return find(name) or ("libseccomp.so.2" if name == "seccomp" else None)

    ctypes.util.find_library = by_name
    try:
        import pyseccomp
    except (ImportError, OSError, RuntimeError):
        return None
    finally:
        ctypes.util.find_library = find
    return pyseccomp


def probe(config: Any) -> Callable[[Any], dict[str, bool]]:
    """Return a worker's handler that tries what should be refused, and returns what was refused or limited."""

    def handle(job: Any) -> dict[str, bool]:
        import resource

        def limited(kind: int) -> bool:
            return resource.getrlimit(kind)[0] != resource.RLIM_INFINITY

        return {
            "memory": limited(resource.RLIMIT_AS),
            "processor time": limited(resource.RLIMIT_CPU),
            "open files": limited(resource.RLIMIT_NOFILE),
            "file size": limited(resource.RLIMIT_FSIZE),
            "no network": _is_refused(_open_socket),
            "no programs": _is_refused(_start_program),
            "no writing elsewhere": _is_refused(_write_elsewhere),
            "no signals": _is_refused(_signal_parent),
            PARENT: not _opens(Path(f"/proc/{os.getppid()}/mem")),
        }

    return handle


def _is_refused(act: Callable[[], object]) -> bool:
    try:
        act()
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def _opens(path: Path) -> bool:
    try:
        path.open("r+b", buffering=0).close()
    except OSError:
        return False
    return True


def _open_socket() -> None:
    import socket

    socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()


def _write_elsewhere() -> None:
    path = Path.cwd().parent / f".evalkit-probe-{os.getpid()}"
    path.write_bytes(b"")
    path.unlink()


def _signal_parent() -> None:
    os.kill(os.getppid(), 0)


def _start_program() -> None:
    import subprocess

    subprocess.run([sys.executable, "-c", ""], check=True)
