"""A Ray cluster of several nodes on this machine, and nothing left of it afterwards.

Ray listens on all networks of a machine, so whoever uses this runs where there is none but loopback
(``unshare --net``, see `in_own_network`).
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

RAY = Path(sys.executable).parent / "ray"
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    # A node that does not answer is given up after two seconds, not fifteen.
    "RAY_health_check_initial_delay_ms": "500",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
}


def in_own_network(*command: str) -> list[str]:
    """Return the command that runs ``command`` where there is only loopback."""
    words = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
    return [*words, "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *command]


def free_port() -> int:
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class StartedNode:
    """``ray start --block`` and all that it started, in a session of its own."""

    def __init__(self, *words: str, environment: dict[str, str], cores: int) -> None:
        command = [str(RAY), "start", *words, f"--num-cpus={cores}", "--block", "--object-store-memory=80000000"]
        command += ["--disable-usage-stats", "--include-log-monitor=false"]
        for port in ("dashboard-agent-listen-port", "metrics-export-port", "runtime-env-agent-port"):
            command.append(f"--{port}={free_port()}")
        self._process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, start_new_session=True
        )

    def processes(self) -> list[int]:
        """Return what the node consists of: everything in its session."""
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                fields = (place / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == self._process.pid and fields[0] != "Z":
                    found.append(int(place.name))
        return found

    def kill(self) -> None:
        """End it at once, as a power cut does."""
        until = time.monotonic() + 20
        while (alive := self.processes()) and time.monotonic() < until:
            for number in alive:
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            self._process.poll()
            time.sleep(0.02)
        self._process.wait(20)
        assert not alive, "a process of the node is still there"


@contextmanager
def ray_nodes(count: int, cores: int = 1) -> Iterator[tuple[str, list[StartedNode]]]:
    """Start a cluster of ``count`` nodes; yield its address and the nodes, the head first.

    What this process starts meanwhile, and Ray in it, may join the cluster: its token is in ``os.environ``.
    """
    address = f"127.0.0.1:{free_port()}"
    temporary = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # short: it has sockets
    os.environ |= {**SETTINGS, "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_TMPDIR": temporary}
    environment = dict(os.environ)
    nodes: list[StartedNode] = []
    try:
        head = ("--head", f"--port={address.rpartition(':')[2]}", "--include-dashboard=false")
        nodes.append(StartedNode(*head, f"--temp-dir={temporary}", environment=environment, cores=cores))
        _wait_for(address)
        nodes += [StartedNode(f"--address={address}", environment=environment, cores=cores) for _ in range(count - 1)]
        yield address, nodes
    finally:
        for node in reversed(nodes):
            node.kill()
        shutil.rmtree(temporary, ignore_errors=True)


def _wait_for(address: str) -> None:
    until = time.monotonic() + 60
    host, _, port = address.partition(":")
    while time.monotonic() < until:
        with suppress(OSError), closing(socket.create_connection((host, int(port)), 1)):
            return
        time.sleep(0.1)
    raise AssertionError("the head of the cluster did not start")
