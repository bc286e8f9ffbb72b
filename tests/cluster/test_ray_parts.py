"""The parts of the Ray engine that need no cluster: who gets the job of a lost node, what a node keeps and believes."""

from __future__ import annotations

import hashlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evalkit.cluster.ray.engine import MOST_LOSSES, RayEngine, _Batch
from evalkit.cluster.ray.jobs import _parsed, _run
from evalkit.cluster.ray.node import Node
from evalkit.cluster.ray.nodes import NodeLostError
from evalkit.errors import MachineError, StorageError
from evalkit.workers.messages import BadAnswerError, encode
from evalkit.workers.pool import JobResult, Workers
from evalkit.workers.waiting import WaitingJobs


class Place:
    """A node for `_Batch`: how often it comes back after it was lost."""

    def __init__(self, name: str, returns: int = 0) -> None:
        self.shown, self.returns = name, returns

    def revive(self, start: Any) -> bool:
        self.returns -= 1
        return self.returns >= 0

    def say_lost(self) -> bool:
        return True


class Sender:
    """Loses the jobs in ``fatal`` and every job on the nodes in ``dead``; the others have their index as the value."""

    def __init__(self, fatal: set[int] | None = None, dead: set[str] | None = None) -> None:
        self.fatal, self.dead = fatal or set(), dead or set()
        self.done: list[tuple[str, int]] = []

    def result(self, node: Place, worker: int, index: int, job: Any, seconds: float | None, accept: Any) -> JobResult:
        if index in self.fatal or node.shown in self.dead:
            raise NodeLostError("gone")
        self.done.append((node.shown, index))
        return JobResult(index, value=index)


def results(sender: Sender, places: list[Place], jobs: int, **more: Any) -> tuple[list[Any], list[str]]:
    """Serve ``jobs`` jobs by the places in turn, each in a thread; return what came out, and the warnings."""
    warnings: list[str] = []
    work = Workers("x:y", None, 1, **more)
    waiting = WaitingJobs(jobs)
    batch = _Batch(work, [None] * jobs, waiting, sender, warnings.append, serving=len(places))  # type: ignore[arg-type]
    threads = [threading.Thread(target=batch.serve, args=(place, 0)) for place in places]
    for thread in threads:
        thread.start()
    found = []
    for _ in range(jobs):
        found.append(batch.done.get(timeout=20))
        if isinstance(found[-1], BaseException):
            break
    batch.close()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    return found, warnings


def test_the_jobs_of_a_lost_node_are_done_elsewhere() -> None:
    sender = Sender(dead={"b"})
    found, warnings = results(sender, [Place("a"), Place("b")], 6)
    assert sorted(one.value for one in found) == list(range(6))
    assert {node for node, _ in sender.done} == {"a"}
    assert all("node b was lost (gone)" in line for line in warnings)


def test_a_job_that_costs_every_node_fails_and_the_others_go_on() -> None:
    found, warnings = results(Sender(fatal={2}), [Place("a", 9), Place("b", 9)], 5)
    failed = [one for one in found if one.failure]
    assert [(one.index, one.failure, one.detail) for one in failed] == [
        (2, "crashed", f"{MOST_LOSSES} nodes were lost while they read it")
    ]
    assert sorted(one.value for one in found if not one.failure) == [0, 1, 3, 4]
    assert len(warnings) == MOST_LOSSES


def test_without_nodes_the_run_ends() -> None:
    found, _ = results(Sender(dead={"a", "b"}), [Place("a"), Place("b")], 3)
    assert isinstance(found[-1], MachineError)
    assert "All nodes of the cluster were lost" in str(found[-1])


def test_the_time_for_all_jobs_is_one() -> None:
    found, _ = results(Sender(), [Place("a")], 3, total=-1.0)
    assert {(one.failure, one.detail) for one in found} == {("total-timeout", "more than -1 s for all of them")}


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"\x80\x04\x95 a pickle begins so, and goes on",
        b"".join(encode(("ok", (None, "", None), False)))[:-1],
        b"".join(encode(("ok", ("eaten", "", None), False))),
        b"".join(encode(("ok", [None, "", None], False))),
        b"".join(encode(("error", "no", False))),
    ],
)
def test_what_is_no_result_is_a_false_answer(content: Any) -> None:
    with pytest.raises(BadAnswerError):
        _parsed(content)


def test_an_error_of_a_node_ends_the_run_as_it_is() -> None:
    with pytest.raises(StorageError, match=r"full\. Found x"):
        _parsed(b"".join(encode(("stop", StorageError("full.", found="x"), False))))
    assert _parsed(b"".join(encode(("ok", ("timeout", "late", None), False)))) == ("timeout", "late", None)


@pytest.fixture
def node() -> Iterator[Node]:
    made = Node()
    yield made
    made.close()
    assert not made.root.exists()


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_node_uses_its_own_file_only_with_the_same_bytes(node: Node, tmp_path: Path) -> None:
    own = tmp_path / "weights.bin"
    own.write_bytes(b"right")
    assert node.find(str(own), 5, sha(b"right")) == str(own)
    assert node.find(str(own), 5, sha(b"wrong")) is None
    assert node.find(str(own), -1, sha(b"right")) is None
    assert node.find(str(tmp_path), 5, sha(b"right")) is None
    assert node.find(str(tmp_path / "none"), 5, sha(b"right")) is None


def test_files_arrive_whole_or_not_at_all(node: Node) -> None:
    data = bytes(range(256)) * 40
    for offset in (4000, 0, 8000):  # in any order
        node.write(sha(data), offset, data[offset : offset + 4000])
    place = node.finish(sha(data), "/there/weights.bin", sha(data))
    assert place is not None and Path(place).read_bytes() == data
    assert Path(place).suffix == ".bin"
    assert node.find("/there/weights.bin", len(data), sha(data)) == place
    node.write("other", 0, b"cut off")
    assert node.finish("other", "x", sha(data)) is None
    node.drop(sha(data))
    assert not Path(place).exists()


def test_a_job_for_the_process_before_is_not_done(node: Node) -> None:
    """Its files were sent there; here they would be missing, and a good video would be called unreadable."""
    assert node.run("/tmp/evalkit-node-before/cache", 0, 0, None, 1.0) == b""

    class Replaced:
        def call(self, *arguments: Any, seconds: float | None) -> bytes:
            return node.run(*arguments[1:])

    with pytest.raises(NodeLostError, match="started again"):
        _run(Replaced(), "/tmp/evalkit-node-before/cache", 0, 0, None, 1.0)  # type: ignore[arg-type]


def test_without_ray_a_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(MachineError, match=r"needs the package ray\. Run: pip install 'evalkit-video\[cluster\]'"),
        RayEngine(),
    ):
        pass
