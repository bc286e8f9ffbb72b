"""Send one job to a node, with everything it reads, and take its result."""

from __future__ import annotations

import io
import secrets
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from evalkit.cluster.ray.nodes import NodeLostError, RemoteNode
from evalkit.errors import EvalkitError, SubmissionChangedError, SubmissionError
from evalkit.files import storage_error
from evalkit.metrics.features.base import Item, feature_registry
from evalkit.scoring.jobs import NOT_UNPACKED, Config, Job, VideoAnswer
from evalkit.scoring.lookup import FACTS, Cached, Lookup, file_digest
from evalkit.scoring.shared_cache import open_cache
from evalkit.submission.members import Member
from evalkit.submission.references import MemberRef, in_one_sentence
from evalkit.workers.messages import BadAnswerError, receive_answer
from evalkit.workers.pool import Accept, JobResult

_START_SECONDS = 600.0  # for a worker to start, and its answer to arrive
_FAILURES = (None, "crashed", "timeout", "memory", "error")


class JobSender:
    """Sends the jobs of one run.

    Args:
        config: of the run here.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        registry = feature_registry()
        records = {name: registry[name].resolved_record(config.weights) for name in config.features}
        self._lookup = Lookup(
            open_cache(config.cache),
            records,
            config.weights,
            config.rules,
            fresh=config.fresh,
            started=config.started,
            always_decoded=config.always_decoded,
        )

    def result(  # noqa: PLR0917
        self, node: RemoteNode, worker: int, index: int, job: Job, seconds: float | None, accept: Accept | None
    ) -> JobResult:
        """Return the result of one job, as on one machine.

        Raises:
            NodeLostError: when the node is gone; nothing is known of the job then.
            EvalkitError: when the run can't go on.
        """
        home = node.home  # before anything is sent there
        if job.member is None:
            placed = replace(job, item=_placed(node, job.item), after=None)
            self._send_cached(node, self._lookup.of_references(job.item))
            return _judged(node, worker, index, _run(node, home, worker, index, placed, seconds), accept)
        try:
            with tempfile.TemporaryDirectory(prefix="evalkit-ray-") as folder:
                return self._of_video(Path(folder) / "video", node, home, worker, index, job, seconds, accept)
        except OSError as error:
            raise storage_error(Path(tempfile.gettempdir()), error) from error

    def _of_video(  # noqa: PLR0917
        self,
        file: Path,
        node: RemoteNode,
        home: str,
        worker: int,
        index: int,
        job: Job,
        seconds: float | None,
        accept: Accept | None,
    ) -> JobResult:
        member = job.member
        if member is None:
            raise ValueError("the job has no video")
        try:
            digest = member.copy(file, self._config.rules.archive.max_file_bytes)
        except SubmissionChangedError:
            raise  # the run ends: nobody knows what the others are
        except SubmissionError as error:
            return _accepted(index, VideoAnswer(problem=in_one_sentence(error)), accept)
        found = self._lookup.find(job.item, member.member.path, digest, job.expected)
        if found.complete:
            return _accepted(index, VideoAnswer(digest, found.facts), accept)
        self._send_cached(node, found)
        name = secrets.token_hex(16)  # not the digest: files of equal bytes may be there at the same time
        sent = Path(node.send(file, digest, name))
        try:
            size = member.member.size
            there = Member(member.member.path, sent.name.encode(), size, size, "file")
            placed = replace(job, member=MemberRef(sent.parent, there, None), item=_placed(node, job.item), after=None)
            answer = _run(node, home, worker, index, placed, seconds)
        finally:
            node.call("drop", name)
        return _judged(node, worker, index, answer, accept)

    def _send_cached(self, node: RemoteNode, found: Cached) -> None:
        """Send what the cache here holds of the file: features that others need or that need not be repeated."""
        entries = {name: key for name, key in found.keys.items() if name not in found.missing}
        if found.facts is not None:
            entries[FACTS.name] = found.facts_key
        cache = self._lookup.cache
        node.store([(name, key, cache.path(name, key)) for name, key in entries.items()])


def _run(  # noqa: PLR0917
    node: RemoteNode, home: str, worker: int, index: int, job: Job, seconds: float | None
) -> Any:
    """Return what the node sent. One that says nothing for longer than two attempts can take counts as lost.

    Raises:
        NodeLostError: also when what the job reads was sent to a process that has been replaced since.
    """
    longest = None if seconds is None else 2 * (seconds + _START_SECONDS)
    answer = node.call("run", home, worker, index, job, seconds, seconds=longest)
    if answer == b"":
        raise NodeLostError("its process was started again meanwhile")
    return answer


def _placed(node: RemoteNode, item: Item) -> Item:
    """Return the item with its reference files where the node has them; one that is missing here is missing there."""

    def at(path: Path) -> Path:
        return Path(node.place(path, file_digest(path))) if path.exists() else NOT_UNPACKED

    return replace(
        item,
        reference_images=tuple(at(path) for path in item.reference_images),
        reference_video=None if item.reference_video is None else at(item.reference_video),
        audio=None if item.audio is None else at(item.audio),
        occluders=None if item.occluders is None else at(item.occluders),
        motion=None if item.motion is None else at(item.motion),
        partner_motion=None if item.partner_motion is None else at(item.partner_motion),
        speakers=tuple(
            replace(one, audio=at(one.audio), image=None if one.image is None else at(one.image))
            for one in item.speakers
        ),
    )


def _judged(node: RemoteNode, worker: int, index: int, content: Any, accept: Accept | None) -> JobResult:
    """Return the result that a node sent, after ``accept`` has judged the worker's answer."""
    try:
        failure, detail, answer = _parsed(content)
        return JobResult(index, None, failure, detail) if failure else _accepted(index, answer, accept)
    except EvalkitError as error:
        error.add_note(f"on the node {node.shown}")
        raise
    except BadAnswerError as false:
        node.call("replace", worker)
        return JobResult(index, failure="crashed", detail=f"gave a false answer: {false}")


def _parsed(content: Any) -> tuple[Any, str, Any]:
    """Return failure, detail and answer of what `evalkit.cluster.ray.node.Node.run` sent; raise what it raised."""
    if not isinstance(content, bytes):
        raise BadAnswerError("it is not bytes")
    try:
        kind, value, _ = receive_answer(io.BytesIO(content))
    except EOFError:
        raise BadAnswerError("it is cut off") from None
    if kind == "stop":
        raise value
    if kind != "ok" or not isinstance(value, tuple) or len(value) != 3 or value[0] not in _FAILURES:
        raise BadAnswerError("it is no result")
    return value[0], str(value[1]), value[2]


def _accepted(index: int, answer: Any, accept: Accept | None) -> JobResult:
    return JobResult(index, value=answer if accept is None else accept(index, answer))
